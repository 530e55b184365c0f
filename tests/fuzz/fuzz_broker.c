/* Every row of the broker's table, and every other call of the policy, with arguments and memory that may be anything. A job of its own for
 * each input; the process behind it is a real one that holds still. */
#include "../unit/child.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "fuzz.h"
#include "handlers.h"
#include "rows.h"
#include "state.h"

#define CALLS_MAX 12
#define T_FDS 8 /* that the process holds, whatever they are */

static struct fixture fx;
static struct broker_tracee who;
static int mem;
static struct feed *input;

/* Connects go to a loopback of this program's own. */
static bool network_of_its_own(void)
{
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = unshare(CLONE_NEWNET) ? -1 : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &r) == 0;

	if (fd >= 0)
		close(fd);
	return up;
}

static void stop(void)
{
	fixture_stop(&fx);
}

static void hand_out(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd >= 0) {
		child_put(&fx.c, fd);
		close(fd);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char text[1024], p[128];
	int pair[2];

	(void)argc, (void)argv;
	bool own = network_of_its_own();
	fixture_base(&fx);
	for (int i = 0; i < 2; i++) {
		snprintf(p, sizeof(p), "%s/%s", fx.base, i ? "w" : "ro");
		mkdir(p, 0777);
		chmod(p, 0777);
		snprintf(p, sizeof(p), "%s/%s/file", fx.base, i ? "w" : "ro");
		write_file(p, "file", 0666);
	}
	snprintf(text, sizeof(text), "  - {path: %s/ro, rights: [read, list]}\n  - {path: %s/w, rights: [read, write, create, list]}\n%s", fx.base,
	         fx.base, own ? "network:\n  - {connect: \"127.0.0.0/8\"}\n  - {connect: \"[::1]:1-65535\"}\n  - {connect: \"udp://127.0.0.1:1-65535\"}\n"
	         "sockets: [{family: inet, type: dgram, protocol: udp}]\n" : "");
	fixture_start(&fx, text);
	mem = memory_open();
	who = (struct broker_tracee){.proc = -1, .t_own_pid = fx.c.pid, .t_pid = fx.c.pid, .pidfd = fx.c.pidfd, .mem = mem,
	                             .uid = identity_can_switch() ? JOB_UID : (uid_t)-1, .gid = identity_can_switch() ? JOB_UID : (gid_t)-1};
	snprintf(p, sizeof(p), "%s/ro/file", fx.base);
	hand_out(p, O_RDONLY);
	snprintf(p, sizeof(p), "%s/w/file", fx.base);
	hand_out(p, O_RDWR);
	snprintf(p, sizeof(p), "%s/w", fx.base);
	hand_out(p, O_RDONLY | O_DIRECTORY);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0) {
		child_put(&fx.c, pair[0]);
		child_put(&fx.c, pair[1]);
	}
	atexit(stop);
	identity_full(); /* between inputs libFuzzer reads and writes files */
	return 0;
}

static int pick_call(struct feed *f)
{
	unsigned n = (unsigned)feed_number(f, 2);

	if (n & 1) /* any number at all */
		return (int)(n >> 1) % 600;
	return policy_call_nr(rows_all[(n >> 1) % rows_count].name);
}

static bool still_there(void *arg, uint64_t id)
{
	(void)arg, (void)id;
	return feed_number(input, 1) < 0xf8;
}

/* A reply is carried out as the worker would, or dropped. */
static void carry_out(struct broker_job *job, const struct broker_call *c, struct broker_reply *r)
{
	const char *name = policy_call_name(fx.policy, c->nr);

	for (int i = 0; r->kind == REPLY_LATER && i < 4; i++) {
		struct broker_wait *w = r->wait;

		FUZZ_REQUIRE(w, "%s: nothing to wait for", name);
		broker_resume(job, c, w, feed_number(input, 1) & 1, still_there, NULL, r);
		if (r->kind != REPLY_LATER || i == 3)
			broker_forget(w);
	}
	if (r->kind == REPLY_FD) {
		close(r->fd);
		if (r->fd2 >= 0)
			close(r->fd2);
	}
	if (r->kind == REPLY_VALUE && r->beside)
		broker_forget(r->beside);
	if (r->kind == REPLY_CONTINUE)
		FUZZ_REQUIRE(may_go_on(&fx, name ? name : "", c), "%s: answered CONTINUE", name ? name : "?");
	if (r->kind == REPLY_VALUE)
		FUZZ_REQUIRE(r->value >= -4095, "%s: %lld is no errno", name ? name : "?", (long long)r->value);
}

static void one(struct broker_job *job, struct feed *f)
{
	struct broker_call c = {.id = 1, .t_tid = fx.c.pid, .nr = pick_call(f)};
	struct broker_reply r = {.fd = -1, .fd2 = -1};

	if (c.nr < 0)
		return;
	for (int i = 0; i < 6; i++)
		c.args[i] = feed_value(f);
	enum rule_kind kind = policy_judge(fx.policy, c.nr, c.args).kind;
	if (kind != RULE_BROKER && kind != RULE_REFUSE) { /* the worker is never asked; it tells of them when they are traced, or kill */
		struct violation v = {0};

		broker_describe(job, c.t_tid, c.nr, c.args, &v);
		violation_done(&v);
		broker_record_kill(job, c.t_tid, c.nr, c.args);
		return;
	}
	umask(WORKERS_UMASK);
	broker_answer(job, &c, still_there, NULL, &r);
	if (r.kind == REPLY_NAMES) {
		broker_names_over(job);
		broker_answer(job, &c, still_there, NULL, &r);
	}
	check_worker(policy_call_name(fx.policy, c.nr));
	carry_out(job, &c, &r);
	check_worker(policy_call_name(fx.policy, c.nr));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct broker_options o = {
		.filename = "main.py", .code = {"print(1)\n", 9}, .tmp_bytes = 1 << 20, .tmp_inodes = 64, .threads = 4, .memory_bytes = 1 << 26,
		.data_bytes = 1 << 26, .file_bytes = 1 << 20, .interpreter = "/usr/bin/python3",
	};
	struct feed f = {data, size};
	struct broker_job *job;
	struct violation told = {0}, *v;
	struct err e = {0};
	uint64_t dropped;
	size_t n;
	identity_rest();
	FUZZ_REQUIRE(broker_job_new(fx.tree, &who, &o, &job, &e) == 0, "%s: %s", e.step, e.text);
	input = &f;
	memory_feed(&f);
	if (feed_number(&f, 1) & 1)
		broker_tell(job, &told);
	for (int i = 0; i < CALLS_MAX && f.left; i++) {
		one(job, &f);
		violation_done(&told);
		told = (struct violation){0};
	}
	memory_feed(NULL);
	broker_take_violations(job, &v, &n, &dropped);
	for (size_t i = 0; i < n; i++)
		violation_done(&v[i]);
	free(v);
	broker_job_free(job);
	fuzz_count_descriptors();
	identity_full();
	return 0;
}
