/* Calls in words. The memory that arguments point to is the test's own, read as a tracee's is. */
#include "child.h"

#include <linux/sched.h>
#include <sys/resource.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/un.h>

#include "decode.h"
#include "decode_table.h"
#include "vpath.h"

static struct policy *policy;
static int mem;
static char base[64];

static int setup(void **state)
{
	(void)state;
	snprintf(base, sizeof(base), "/var/tmp/warder-test-decode-%d", getpid());
	policy = load_policy(base, "  - {path: /dev/null, rights: [read]}\n");
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	return mem < 0;
}

static int teardown(void **state)
{
	(void)state;
	policy_free(policy);
	close(mem);
	return 0;
}

#define AT(p) ((uint64_t)(uintptr_t)(p))

static struct decode decode(const char *name, const uint64_t *args)
{
	return (struct decode){.policy = policy, .mem = mem, .nr = policy_call_nr(name), .args = args, .cwd = "/tmp"};
}

/* "a, b, c" of a whole call. */
static const char *all(const char *name, const uint64_t args[6])
{
	static char text[6 * 1200];
	struct decode d = decode(name, args);
	size_t n = 0;

	text[0] = '\0';
	for (int i = 0; i < decode_count(&d); i++) {
		n += (size_t)sprintf(text + n, "%s", i ? ", " : "");
		decode_arg(&d, i, text + n, 1100);
		n += strlen(text + n);
	}
	return text;
}
#define A(...) (const uint64_t[6]){__VA_ARGS__}

static void test_structs(void **state)
{
	static const uint64_t spec[] = {1, 5, 2, 7};
	static const uint64_t now[] = {9, UTIME_OMIT, 3, UTIME_NOW};
	static const struct iovec out[] = {{(void *)"a\x1b", 2}, {(void *)"0123456789012345678901234567890123456789", 40}}, many[6] = {{(void *)8, 1}};
	static const struct pollfd polls[] = {{3, POLLIN | POLLHUP, 0}, {-1, 0, POLLIN}};
	static const uint64_t limit[] = {10, UINT64_MAX};
	static const uint64_t action[] = {1, SA_RESTART | 0x04000000, 0, 1ul << (SIGINT - 1) | 1ul << (SIGTERM - 1)};
	static const uint64_t sets[] = {0, ~(1ul << (SIGKILL - 1))};
	static const uint64_t how[] = {O_RDWR | O_CLOEXEC, 0, 8 | 2};
	static const uint64_t clone[8] = {CLONE_VM | CLONE_THREAD, 0, 0, 0, SIGCHLD, 0, 8192};
	static const struct {
		uint32_t events;
		uint64_t data;
	} __attribute__((packed)) event = {1 | 1u << 31, 7};
	const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0x01020304)};
	const struct msghdr message = {(void *)&to, sizeof(to), (void *)out, 1, NULL, 0, 0};
	const struct {
		const char *name;
		const uint64_t *args;
		const char *want;
	} rows[] = {
		{"nanosleep", A(AT(spec), 0), "{1.000000005 s}, NULL"},
		{"nanosleep", A(8, 0), "0x8, NULL"},
		{"utimensat", A(3, AT("/x"), AT(now), 0), "3, \"/x\", [UTIME_OMIT, UTIME_NOW], 0"},
		{"setitimer", A(0, AT(spec), 0), "0, {it_interval={1.000005 s}, it_value={2.000007 s}}, NULL"},
		{"timerfd_settime", A(3, 0, AT(spec), 0), "3, 0, {it_interval={1.000000005 s}, it_value={2.000000007 s}}, NULL"},
		{"writev", A(1, AT(out), 2), "1, [{iov_base=\"a\\x1b\", iov_len=2}, {iov_base=\"01234567890123456789012345678901\"…, iov_len=40}], 2"},
		{"readv", A(1, AT(many), 6),
		 "1, [{iov_base=0x8, iov_len=1}, {iov_base=NULL, iov_len=0}, {iov_base=NULL, iov_len=0}, {iov_base=NULL, iov_len=0}, …], 6"},
		{"writev", A(1, AT(many), 1), "1, [{iov_base=0x8, iov_len=1}], 1"},
		{"writev", A(1, 8, 3), "1, 0x8, 3"},
		{"sendmsg", A(3, AT(&message), 0),
		 "3, {msg_name=1.2.3.4:53, msg_iov=[{iov_base=\"a\\x1b\", iov_len=2}], msg_iovlen=1, msg_controllen=0}, 0"},
		{"poll", A(AT(polls), 2, -1u), "[{fd=3, events=EPOLLIN|EPOLLHUP}, {fd=-1, events=0}], 2, -1"},
		{"epoll_ctl", A(3, 1, 4, AT(&event)), "3, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLET, data=0x7}"},
		{"prlimit64", A(0, RLIMIT_CPU, AT(limit), 0), "0, RLIMIT_CPU, {rlim_cur=10, rlim_max=RLIM_INFINITY}, NULL"},
#ifdef __x86_64__
		{"rt_sigaction", A(SIGINT, AT(action), 0, 8),
		 "SIGINT, {sa_handler=SIG_IGN, sa_mask=[SIGINT SIGTERM], sa_flags=SA_RESTORER|SA_RESTART}, NULL, 8"},
#endif
		{"rt_sigprocmask", A(SIG_SETMASK, AT(&sets[0]), 0, 8), "SIG_SETMASK, [], NULL, 8"},
		{"rt_sigprocmask", A(SIG_SETMASK, AT(&sets[1]), 0, 8), "SIG_SETMASK, ~[SIGKILL], NULL, 8"},
		{"openat2", A(3, AT("x"), AT(how), 24), "3, \"x\", {flags=O_RDWR|O_CLOEXEC, mode=0000, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_BENEATH}, 24"},
		{"clone3", A(AT(clone), 64), "{flags=CLONE_VM|CLONE_THREAD, exit_signal=SIGCHLD, stack_size=8192}, 64"},
	};

	(void)state;
	(void)action;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(all(rows[i].name, rows[i].args), rows[i].want))
			fail_msg("%s: expected (%s), got (%s)", rows[i].name, rows[i].want, all(rows[i].name, rows[i].args));
}

static void test_arguments(void **state)
{
	static const char *const argv[] = {"sh", "-c", "echo \"hi\"", NULL};
	const struct {
		const char *name;
		const uint64_t *args;
		const char *want;
	} rows[] = {
		{"mount", A(AT("none"), AT("/mnt"), AT("tmpfs"), 0, 0), "\"none\", \"/mnt\", \"tmpfs\", 0, NULL"},
		{"mount", A(AT("a"), AT("b"), 0, MS_BIND | MS_REC, 0), "\"a\", \"b\", NULL, MS_BIND|MS_REC, NULL"},
		{"openat", A((uint64_t)AT_FDCWD, AT("/x"), O_RDONLY | O_CLOEXEC, 0644),
			"AT_FDCWD, \"/x\", O_RDONLY|O_CLOEXEC"},
		{"openat", A((uint32_t)AT_FDCWD, AT("/x"), O_WRONLY | O_CREAT | O_TRUNC, 0644),
		 "AT_FDCWD, \"/x\", O_WRONLY|O_CREAT|O_TRUNC, 0644"},
		{"openat", A(5, AT("/x"), O_RDWR | O_TMPFILE, 0600), "5, \"/x\", O_RDWR|O_TMPFILE, 0600"},
		{"open", A(0, 0x10000000), "NULL, O_RDONLY|0x10000000"},
		{"open", A(8, O_RDONLY), "0x8, O_RDONLY"},
		{"mmap", A(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, (uint32_t)-1, 0),
		 "NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"},
		{"mprotect", A(0x1000, 4096, 0), "0x1000, 4096, PROT_NONE"},
		{"clone", A(SIGCHLD, 0, 0, 0, 0), "SIGCHLD, NULL, NULL, NULL, NULL"},
		{"unshare", A(0x10000000), "CLONE_NEWUSER"},
		{"socket", A(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 17), "AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, 17"},
		{"socket", A(99, 3, 0), "0x63, SOCK_RAW, 0"},
		{"kill", A((uint32_t)-1, SIGKILL), "-1, SIGKILL"},
		{"ioctl", A(1, 0x5412, 0), "1, TIOCSTI, 0"},
		{"ptrace", A(16, 1, 0, 0), "PTRACE_ATTACH, 1, NULL, NULL"},
		{"fcntl", A(3, 1024, 1), "3, F_SETLEASE, 1"},
		{"prctl", A(38, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0"},
		{"execve", A(AT("/bin/sh"), AT(argv), 0), "\"/bin/sh\", [\"sh\", \"-c\", \"echo \\\"hi\\\"\"], NULL"},
		{"access", A(AT("x"), 0), "\"x\", F_OK"},
		{"access", A(AT("x"), 6), "\"x\", R_OK|W_OK"},
		{"unlinkat", A(3, AT("x"), 0x200), "3, \"x\", AT_REMOVEDIR"},
		{"fork", A(1, 2, 3), ""},
		{"setpriority", A(0, 0, (uint32_t)-20), "PRIO_PROCESS, 0, -20"},
		{"setsockopt", A(3, SOL_SOCKET, 25, 0, 0), "3, SOL_SOCKET, SO_BINDTODEVICE, NULL, 0"},
		{"setsockopt", A(3, 6, 1, 0, 0), "3, IPPROTO_TCP, TCP_NODELAY, NULL, 0"},
		{"setsockopt", A(3, 270, 0, 0, 0), "3, SOL_NETLINK, 0, NULL, 0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(all(rows[i].name, rows[i].args), rows[i].want))
			fail_msg("%s(%s), expected (%s)", rows[i].name, all(rows[i].name, rows[i].args), rows[i].want);
}

static void test_addresses(void **state)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x01020304)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/docker.sock"};
	struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0x\033"};
	sa_family_t alg = AF_ALG;

	(void)state;
	assert_string_equal(all("connect", A(3, AT(&in), sizeof(in))), "3, 1.2.3.4:80, 16");
	assert_string_equal(all("connect", A(3, AT(&in6), sizeof(in6))), "3, [::1]:443, 28");
	assert_string_equal(all("connect", A(3, AT(&un), sizeof(un))), "3, unix:/run/docker.sock, 110");
	assert_string_equal(all("connect", A(3, AT(&abstract), 5)), "3, unix:@x\\x1b, 5");
	assert_string_equal(all("bind", A(3, AT(&alg), sizeof(alg))), "3, family 38, 2");
	assert_non_null(strstr(all("connect", A(3, AT(&in), 1)), "3, 0x")); /* too short to be one */
	assert_non_null(strstr(all("connect", A(3, 8, 16)), "0x8"));
	assert_non_null(strstr(all("connect", A(3, AT(&in), UINT32_MAX)), "1.2.3.4:80"));
	assert_string_equal(all("sendto", A(3, 0, 0, 0x20000000, AT(&in), sizeof(in))),
		"3, NULL, 0, MSG_FASTOPEN, 1.2.3.4:80, 16");
}

/* What a job writes into names must do nothing to a terminal or to a reader of UTF-8. */
static void test_hostile_text(void **state)
{
	static char longest[PATH_MAX + 100];
	const struct {
		const char *text, *want;
	} rows[] = {
		{"\033[2J", "\"\\x1b[2J\""}, {"a\nb", "\"a\\x0ab\""}, {"\xff\xfe", "\"\\xff\\xfe\""}, {"\xc3\xa9",
			"\"\xc3\xa9\""},
		{"\xc0\xaf", "\"\\xc0\\xaf\""}, {"\xed\xa0\x80", "\"\\xed\\xa0\\x80\""}, {"\xf4\x90\x80\x80",
			"\"\\xf4\\x90\\x80\\x80\""},
		{"\xc2\x9b", "\"\\xc2\\x9b\""}, {"\xe2\x82", "\"\\xe2\\x82\""},
			{"\"\\", "\"\\\"\\\\\""}, {"\x7f", "\"\\x7f\""},
		{"", "\"\""}, {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
	};
	const char *shown;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(all("chdir", A(AT(rows[i].text))), rows[i].want);
	memset(longest, '\001', sizeof(longest) - 1);
	shown = all("chdir", A(AT(longest)));
	assert_true(strlen(shown) < 1100);
	assert_non_null(strstr(shown, "…"));
	memset(longest, 'a', 300);
	longest[300] = '\0';
	assert_int_equal(strlen(all("chdir", A(AT(longest)))), DECODE_SHOWN + strlen("…") + 2);
}

static void record(struct violations *vs, const char *name, const uint64_t *args, enum verdict verdict)
{
	struct decode d = decode(name, args);

	decode_record(&d, vs, verdict, EPERM, "rule");
}

static void test_entries(void **state)
{
	struct violations vs = {.n = 0};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x01020304)};

	(void)state;
	record(&vs, "symlink", A(AT("/target"), AT("name")), VERDICT_REFUSED);
	record(&vs, "symlink", A(AT("/other"), AT("/tmp/./name")), VERDICT_REFUSED);
	record(&vs, "connect", A(3, AT(&in), sizeof(in)), VERDICT_REFUSED);
	record(&vs, "connect", A(4, AT(&in), sizeof(in)), VERDICT_REFUSED);
	record(&vs, "connect", A(4, AT(&in), sizeof(in)), VERDICT_KILLED);
	record(&vs, "unlinkat", A(7, AT("x"), 0), VERDICT_REFUSED);
	record(&vs, "chdir", A(AT("../x")), VERDICT_REFUSED);
	record(&vs, "fork", A(0), VERDICT_REFUSED);
	assert_int_equal(vs.n, 6);
	assert_string_equal(vs.v[0].path, "/tmp/name");
	assert_int_equal(vs.v[0].count, 2);
	assert_string_equal(vs.v[1].address, "1.2.3.4:80");
	assert_int_equal(vs.v[1].count, 2);
	assert_null(vs.v[3].path); /* from a descriptor: not known */
	assert_string_equal(vs.v[4].path, "/tmp/../x");
	assert_null(vs.v[5].args[0]);
	assert_string_equal(vs.v[5].rule, "rule");
	violations_done(&vs);
}

/* Numbers without a name, and calls that the table does not have. */
static void test_unknown_call(void **state)
{
	struct decode d = decode("read", A(1, 2, 3, 4, 5, 0xabcdef));
	char text[64];

	(void)state;
	d.nr = 100000;
	assert_int_equal(decode_count(&d), 6);
	decode_arg(&d, 5, text, sizeof(text));
	assert_string_equal(text, "0xabcdef");
}

/* The look-up is a binary search; and every call that a policy names should be told in words. */
static void test_table(void **state)
{
	int missing = 0;

	(void)state;
	for (size_t i = 1; decode_row_at(i); i++)
		if (strcmp(decode_row_at(i - 1)->name, decode_row_at(i)->name) >= 0)
			fail_msg("%s is out of order", decode_row_at(i)->name);
	for (size_t i = 0; decode_row_at(i); i++)
		assert_ptr_equal(decode_row(decode_row_at(i)->name), decode_row_at(i));
	for (int nr = 0; nr < policy->n_calls; nr++)
		if (policy->calls[nr].n_rows && !decode_row(policy->calls[nr].name)) {
			print_error("no row: %s\n", policy->calls[nr].name);
			missing++;
		}
	assert_int_equal(missing, 0);
	for (int k = 0; k < DECODE_KIND_COUNT; k++)
		assert_true(decode_words[k].n > 0);
}

static void test_text_that_rearranges_a_line(void **state)
{
	char buf[64];

	(void)state;
	decode_escape("a\u202eb\u2028\u2069", 60, buf, sizeof(buf));
	assert_string_equal(buf, "a\\xe2\\x80\\xaeb\\xe2\\x80\\xa8\\xe2\\x81\\xa9");
	decode_escape("a\u200b\u00adb\ufeff\U000e0041", 60, buf, sizeof(buf));
	assert_string_equal(buf, "a\\xe2\\x80\\x8b\\xc2\\xadb\\xef\\xbb\\xbf\\xf3\\xa0\\x81\\x81");
	decode_escape("\u00e4\u20ac", 60, buf, sizeof(buf));
	assert_string_equal(buf, "\u00e4\u20ac");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_structs), cmocka_unit_test(test_addresses), cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_entries), cmocka_unit_test(test_unknown_call), cmocka_unit_test(test_text_that_rearranges_a_line),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests_name("decode", tests, setup, teardown);
}
