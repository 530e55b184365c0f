#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "birth.h"
#include "calls.h"
#include "filter.h"
#include "shipped.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct both { /* the two programs of a policy */
	const struct policy *p;
	struct filter whitelist, broker;
};

static struct both compile(const struct policy *p)
{
	struct both b = {.p = p};
	struct err e;

	assert_int_equal(filter_whitelist(p, &b.whitelist, &e), 0);
	assert_int_equal(filter_broker(p, &b.broker, &e), 0);
	return b;
}

static void both_done(struct both *b)
{
	filter_done(&b->whitelist);
	filter_done(&b->broker);
}

static uint32_t kernel_says(const struct both *b, const struct seccomp_data *d)
{
	return filter_strictest(filter_run(&b->whitelist, d), filter_run(&b->broker, d));
}

static uint32_t policy_says(const struct policy *p, int nr, const uint64_t args[6])
{
	struct judgement j = policy_judge(p, nr, args);

	switch (j.kind) {
	case RULE_ALLOW:
		return SECCOMP_RET_ALLOW;
	case RULE_BROKER:
	case RULE_REFUSE:
		return SECCOMP_RET_USER_NOTIF;
	case RULE_REFUSE_QUIETLY:
		return SECCOMP_RET_ERRNO | (uint32_t)j.err;
	case RULE_KILL:
		break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

static struct seccomp_data call(int nr, const uint64_t args[6])
{
	struct seccomp_data d = {.nr = nr, .arch = calls_arch()};

	memcpy(d.args, args, sizeof(d.args));
	return d;
}

static void compare(const struct both *b, int nr, const uint64_t args[6], unsigned seed)
{
	struct seccomp_data d = call(nr, args);
	uint32_t got = kernel_says(b, &d), expected = policy_says(b->p, nr, args);

	if (got != expected)
		fail_msg("%s: %s (%d) args %llx %llx %llx %llx %llx %llx: expected 0x%x, got 0x%x, seed %u", b->p->name,
			 policy_call_name(b->p, nr) ? policy_call_name(b->p, nr) : "?", nr, (unsigned long long)args[0],
			 (unsigned long long)args[1], (unsigned long long)args[2], (unsigned long long)args[3],
			 (unsigned long long)args[4], (unsigned long long)args[5], expected, got, seed);
}

/* --- arguments that matter -------------------------------------------------------------------- */

static uint64_t random64(unsigned *seed)
{
	return (uint64_t)rand_r(seed) << 42 ^ (uint64_t)rand_r(seed) << 21 ^ (uint64_t)rand_r(seed);
}

/* A value near one that a condition of the call names, else a plain one. */
static uint64_t interesting(const struct policy_call *c, unsigned *seed)
{
	static const uint64_t plain[] = {
		0, 1, 0xffffffff, UINT64_MAX, 0x100000000ull, 0x80000000, 0x8000000000000000ull};
	const struct policy_row *row = c && c->n_rows ? &c->rows[(size_t)rand_r(seed) % c->n_rows] : NULL;
	const struct policy_cond *k = row && row->n_conds ? &row->conds[(size_t)rand_r(seed) % row->n_conds] : NULL;
	uint64_t v = k ? k->values[(size_t)rand_r(seed) % k->n_values] : plain[(size_t)rand_r(seed) % N(plain)];

	switch (rand_r(seed) % 8) {
	case 0:
		return v ^ 1ull << rand_r(seed) % 64;
	case 1:
		return v + 1;
	case 2:
		return v - 1;
	case 3:
		return plain[(size_t)rand_r(seed) % N(plain)];
	case 4:
		return random64(seed);
	case 5:
		return v & random64(seed);
	default:
		return v;
	}
}

static void compare_all(const struct both *b, int rounds, unsigned seed)
{
	static const int strange[] = {-1, -2, 0x40000000, 0x40000001, 0x3fffffff, 0x7fffffff, (int)0x80000000, 100000};
	unsigned at = seed;

	for (int round = 0; round < rounds; round++) {
		for (int nr = 0; nr < b->p->n_calls + 20; nr++) {
			const struct policy_call *c = nr < b->p->n_calls ? &b->p->calls[nr] : NULL;
			uint64_t args[6];

			for (int i = 0; i < 6; i++)
				args[i] = interesting(c, &at);
			compare(b, nr, args, seed);
		}
		for (size_t i = 0; i < N(strange); i++)
			compare(b, strange[i], (uint64_t[6]){random64(&at)}, seed);
	}
}

static unsigned first_seed(void)
{
	return getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : 1;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void shipped_policies_are_what_the_kernel_carries_out(void **state)
{
	struct policy_set *s = shipped_policies();

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < policy_count(s); i++) {
		struct both b = compile(policy_at(s, i));

		print_message("%s: whitelist %d instructions, broker filter %d\n", b.p->name, b.whitelist.len,
			      b.broker.len);
		compare_all(&b, 300, first_seed());
		both_done(&b);
	}
	policy_set_free(s);
}

/* Which list of random_policy a call goes to, as far as the floor lets it; 6: none. */
static int random_list(const char *name, unsigned *seed)
{
	const struct floor *f = floor_find(name);
	int list = rand_r(seed) % 7;
	bool native = list == 0 || list == 4, brokered = list == 1 || list == 5;

	if (!f || (!native && !brokered))
		return list;
	if (f->kind == FLOOR_NEVER || f->bits || (f->kind == FLOOR_BROKER_ONLY && native))
		return 2 + list % 2;
	return f->kind == FLOOR_CONDITIONAL && list == 0 ? 4 : list;
}

static char *random_conditions(char *out, const char *name, bool otherwise, unsigned *seed)
{
	static const char *const ops[] = {"in", "mask", "none_of", "only"};
	const char *end = otherwise ? ", else: EACCES}, " : "}, ";

	if (rand_r(seed) % 2)
		out += sprintf(out, "{call: %s, arg: %d, %s: [0x%llx], and: [{arg: %d, %s: [0x%x]}]}, ", name,
			       rand_r(seed) % 6, ops[rand_r(seed) % 4],
			       (unsigned long long)(random64(seed) & random64(seed)), rand_r(seed) % 6,
			       ops[rand_r(seed) % 4], (unsigned)rand_r(seed) % 256);
	return out + sprintf(out, "{call: %s, arg: %d, in: [0x%llx, 0x%x, -%d]%s", name, rand_r(seed) % 6,
			     (unsigned long long)random64(seed), (unsigned)rand_r(seed) % 64, rand_r(seed) % 3 + 1,
			     end);
}

/* A policy with rows of every kind at random calls. `out` has room. */
static void random_policy(char *out, unsigned *seed)
{
	static const char *const keys[] = {"allow", "broker", "refuse", "refuse_quietly", "allow_if", "broker_if"};
	static char lists[N(keys)][131072];
	char *end[N(keys)];

	for (size_t k = 0; k < N(keys); k++) {
		end[k] = lists[k];
		*end[k] = '\0';
	}
	for (int nr = 0; nr < calls_count(); nr++) {
		const char *name = calls_name(nr);
		int list = name ? random_list(name, seed) : 6;

		if (list < 2)
			end[list] += sprintf(end[list], "%s, ", name);
		else if (list < 4)
			end[list] += sprintf(end[list], "%s: %s, ", name, rand_r(seed) % 2 ? "EPERM" : "ENOSYS");
		else if (list < 6)
			end[list] = random_conditions(end[list], name, rand_r(seed) % 3 == 0, seed);
	}
	out += sprintf(out, "name: random\nsyscalls:\n  g:\n    why: w\n");
	for (size_t k = 0; k < N(keys); k++)
		out += sprintf(out, "    %s: %c%s%c\n", keys[k], k == 2 || k == 3 ? '{' : '[', lists[k],
			       k == 2 || k == 3 ? '}' : ']');
}

static struct policy *load_good(const char *text)
{
	struct policy_errors es = {0};
	struct policy *p = policy_load_text("t.yaml", (struct bytes){text, strlen(text)}, NULL, &es);

	shipped_print_errors(&es);
	policy_errors_done(&es);
	assert_non_null(p);
	return p;
}

static void random_policies_are_what_the_kernel_carries_out(void **state)
{
	static char text[800000];

	(void)state;
	for (unsigned seed = first_seed(); seed < first_seed() + 40; seed++) {
		unsigned at = seed;
		struct policy *p;
		struct both b;

		random_policy(text, &at);
		p = load_good(text);
		b = compile(p);
		compare_all(&b, 20, seed);
		both_done(&b);
		policy_free(p);
	}
}

/* Blocks of conditions far from the search and from the RETs: more than 255 instructions apart. */
static void far_jumps_arrive(void **state)
{
	static const char *const calls[] = {"read",  "write",     "lseek",   "fcntl", "poll",
					    "futex", "getrlimit", "madvise", "readv"};
	static char text[100000];
	char *out = text + sprintf(text, "name: far\nsyscalls:\n  g:\n    why: w\n    allow_if:\n");
	unsigned seed = first_seed();
	struct policy *p;
	struct both b;

	(void)state;
	for (size_t i = 0; i < N(calls); i++) {
		out += sprintf(out, "      - {call: %s, arg: %zu, else: EPERM, in: [", calls[i], i % 6);
		for (int v = 0; v < RULE_VALUES_MAX; v++)
			out += sprintf(out, "0x%llx, ",
				       (unsigned long long)(i % 2 ? random64(&seed) : (uint64_t)v * 3 + i));
		out += sprintf(out, "]}\n");
	}
	p = load_good(text);
	b = compile(p);
	assert_true(b.broker.len > 3 * 255);
	compare_all(&b, 200, first_seed());
	both_done(&b);
	policy_free(p);
}

static void programs_beyond_the_kernels_length_are_refused(void **state)
{
	static char text[1000000];
	char *out = text + sprintf(text, "name: long\nsyscalls:\n  g:\n    why: w\n    allow_if:\n");
	struct filter f = {0};
	struct err e = {0};
	struct policy *p;

	(void)state;
	for (int nr = 0, n = 0; n < 60 && nr < calls_count(); nr++) {
		const char *name = calls_name(nr);

		if (!name || floor_find(name))
			continue;
		out += sprintf(out, "      - {call: %s, arg: %d, in: [", name, n % 6);
		for (int v = 0; v < RULE_VALUES_MAX; v++)
			out += sprintf(out, "0x%x00000%03x, ", v + 1, n * RULE_VALUES_MAX + v);
		out += sprintf(out, "]}\n");
		n++;
	}
	p = load_good(text);
	assert_int_equal(filter_whitelist(p, &f, &e), -E2BIG);
	assert_int_equal(e.class, ERR_REQUEST);
	assert_non_null(strstr(e.text, "long"));
	filter_done(&f);
	policy_free(p);
}

static void other_architectures_kill(void **state)
{
	const uint32_t others[] = {SCMP_ARCH_X86, SCMP_ARCH_ARM, SCMP_ARCH_MIPS, 0, 0xffffffff,
				   calls_arch() == SCMP_ARCH_X86_64 ? SCMP_ARCH_AARCH64 : SCMP_ARCH_X86_64};
	struct policy *p = load_good("name: x\n");
	struct both b = compile(p);

	(void)state;
	for (size_t i = 0; i < N(others); i++) {
		for (int nr = 0; nr < 500; nr++) {
			struct seccomp_data d = {.nr = nr, .arch = others[i]};

			assert_int_equal(filter_run(&b.whitelist, &d), SECCOMP_RET_KILL_PROCESS);
			assert_int_equal(filter_run(&b.broker, &d), SECCOMP_RET_KILL_PROCESS);
		}
	}
	both_done(&b);
	policy_free(p);
}

/* A context of its own that kills, for this architecture alone. */
static scmp_filter_ctx libseccomps(uint32_t arch)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (arch != seccomp_arch_native()) {
		assert_int_equal(seccomp_arch_add(ctx, arch), 0);
		assert_int_equal(seccomp_arch_remove(ctx, seccomp_arch_native()), 0);
	}
	return ctx;
}

/* The number by which libseccomp takes a call: the machine's own, which it translates by the name. __NR_SCMP_ERROR: newer than it. */
static int their_number(const struct policy_call *c)
{
	return calls_arch() == seccomp_arch_native() || !c->name ? c->nr : seccomp_syscall_resolve_name(c->name);
}

/* An independent compiler's word on the unconditional part of the whitelist. */
static void libseccomp_agrees(void **state)
{
	struct policy_set *s = shipped_policies();
	const struct policy *p;
	scmp_filter_ctx ctx = libseccomps(calls_arch());
	struct filter theirs = {0}, ours;
	struct err e;
	int fd = memfd_create("bpf", MFD_CLOEXEC), compared = 0;
	off_t size;

	(void)state;
	assert_non_null(s);
	p = policy_find(s, "python3");
	for (int nr = 0; nr < p->n_calls; nr++) {
		const struct policy_call *c = &p->calls[nr];

		if (c->n_rows && !c->rows[0].n_conds && their_number(c) != __NR_SCMP_ERROR)
			assert_int_equal(seccomp_rule_add(ctx, c->rows[0].kind == RULE_REFUSE_QUIETLY ? SCMP_ACT_ERRNO((uint32_t)c->rows[0].err) : SCMP_ACT_ALLOW,
							  their_number(c), 0),
					 0);
	}
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	size = lseek(fd, 0, SEEK_END);
	theirs.len = (unsigned short)((size_t)size / sizeof(*theirs.code));
	theirs.code = malloc((size_t)size);
	assert_int_equal(pread(fd, theirs.code, (size_t)size, 0), size);
	assert_int_equal(filter_whitelist(p, &ours, &e), 0);
	for (int nr = 0; nr < p->n_calls; nr++) {
		const struct policy_call *c = &p->calls[nr];
		struct seccomp_data d = {.nr = nr, .arch = calls_arch()};
		uint32_t a = filter_run(&ours, &d), b = filter_run(&theirs, &d);

		/* theirs kills what is conditional here, and what only a birth needs */
		if (their_number(c) == __NR_SCMP_ERROR || (c->n_rows && c->rows[0].n_conds) || (!c->n_rows && a == SECCOMP_RET_ALLOW))
			continue;
		if (a != b)
			fail_msg("%s (%d): ours 0x%x, libseccomp's 0x%x", c->name, nr, a, b);
		compared++;
	}
	assert_true(compared > 400);
	print_message("compared %d numbers; libseccomp's program has %d instructions, ours %d\n", compared, theirs.len,
		      ours.len);
	close(fd);
	seccomp_release(ctx);
	filter_done(&theirs);
	filter_done(&ours);
	policy_set_free(s);
}

/* The one call that differs from the policy's word: a newborn's message to the worker, on a descriptor no job can have. */
static void only_the_control_socket_is_sent_to(void **state)
{
	struct policy_set *s = shipped_policies();
	struct both b;

	(void)state;
	assert_non_null(s);
	b = compile(policy_find(s, "python3"));
	for (int fd = -2; fd <= BIRTH_FD + 2; fd++) {
		/* flags that no job may send with */
		struct seccomp_data d = call(policy_call_nr("sendmsg"), (uint64_t[6]){(uint64_t)fd, 0, MSG_FASTOPEN});

		assert_int_equal(kernel_says(&b, &d), fd == BIRTH_FD ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF);
		d.args[0] |= 1ull << 32;
		assert_int_equal(kernel_says(&b, &d), SECCOMP_RET_USER_NOTIF);
	}
	both_done(&b);
	policy_set_free(s);
}

static int load_program(const struct filter *f, unsigned flags)
{
	struct sock_fprog prog = {f->len, f->code};

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

/* In a child: both programs on, then a call that both leave alone and one that is killed. */
static void live(const struct both *b)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || load_program(&b->whitelist, 0) ||
	    load_program(&b->broker, SECCOMP_FILTER_FLAG_NEW_LISTENER) < 0)
		_exit(1);
	if (syscall(SYS_getppid) <= 1 || syscall(500) != -1 || errno != ENOSYS || syscall(SYS_clone3, NULL, 0) != -1 ||
	    errno != ENOSYS)
		_exit(2);
	syscall(SYS_setresuid, -1, -1, -1); /* a birth's call: the whitelist leaves it alone, the broker filter kills */
	_exit(3);
}

static void the_kernel_takes_both_programs(void **state)
{
	struct policy_set *s = shipped_policies();
	struct both b;
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(s);
	b = compile(policy_find(s, "python3"));
	pid = fork();
	if (!pid)
		live(&b);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("expected an end by SIGSYS, got wait status 0x%x", status);
	both_done(&b);
	policy_set_free(s);
}

/* --- the simulator ---------------------------------------------------------------------------- */

static void bad_programs_kill(void **state)
{
	static struct sock_filter bad[][3] = {
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2)},                           /* not aligned */
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(struct seccomp_data))}, /* outside */
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0xfffffffc)},
		{BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0)},
		{BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff)},
		{BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 200, 200)},
		{BPF_STMT(BPF_LD | BPF_IMM, 0)},
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0),
		 BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0)},
	};
	const struct seccomp_data d = {0};

	(void)state;
	for (size_t i = 0; i < N(bad); i++)
		assert_int_equal(filter_run(&(struct filter){bad[i], 3}, &d), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(filter_run(&(struct filter){NULL, 0}, &d), SECCOMP_RET_KILL_PROCESS);
}

static void the_stricter_verdict_wins(void **state)
{
	static const uint32_t order[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
					 SECCOMP_RET_ERRNO,        SECCOMP_RET_USER_NOTIF,  SECCOMP_RET_TRACE,
					 SECCOMP_RET_LOG,          SECCOMP_RET_ALLOW};

	(void)state;
	for (size_t i = 0; i < N(order); i++) {
		for (size_t k = 0; k < N(order); k++)
			assert_int_equal(filter_strictest(order[i], order[k]), order[i < k ? i : k]);
	}
	assert_int_equal(filter_strictest(SECCOMP_RET_ERRNO | 38, SECCOMP_RET_ALLOW), SECCOMP_RET_ERRNO | 38);
}

/* --- both architectures on one machine ---------------------------------------------------------- */

static int as_amd64(void **state)
{
	(void)state;
	calls_simulate(SCMP_ARCH_X86_64);
	return 0;
}

static int as_arm64(void **state)
{
	(void)state;
	calls_simulate(SCMP_ARCH_AARCH64);
	return 0;
}

static int as_native(void **state)
{
	(void)state;
	calls_simulate(seccomp_arch_native());
	return 0;
}

#define ON_BOTH(f) {#f "_amd64", f, as_amd64, as_native, NULL}, {#f "_arm64", f, as_arm64, as_native, NULL}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(shipped_policies_are_what_the_kernel_carries_out),
		ON_BOTH(random_policies_are_what_the_kernel_carries_out),
		ON_BOTH(far_jumps_arrive),
		ON_BOTH(programs_beyond_the_kernels_length_are_refused),
		ON_BOTH(other_architectures_kill),
		ON_BOTH(libseccomp_agrees),
		ON_BOTH(only_the_control_socket_is_sent_to),
		cmocka_unit_test(the_kernel_takes_both_programs),
		cmocka_unit_test(bad_programs_kill),
		cmocka_unit_test(the_stricter_verdict_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
