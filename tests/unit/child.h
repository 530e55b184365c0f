/* child.h - what the broker's unit tests share: a real process to answer for, and real directories to grant.
 *
 * The child shares an arena with the test at the same address, so arguments are written here and read there through
 * its memory file. It holds still, and takes descriptors over a socket, so that the tests can inject what the broker
 * answers.
 */
#ifndef WARDER_TEST_CHILD_H
#define WARDER_TEST_CHILD_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker.h"
#include "identity.h"

#define ARENA_PAGES 8
#define JOB_UID 64999
#define WORKERS_UMASK 0002 /* neither what a job starts with nor what it sets */

struct child {
	pid_t pid;
	int pidfd, mem, sock;
	char *arena; /* ARENA_PAGES pages, then one that is not there */
};

struct fixture {
	char base[64];              /* a directory of the test's own, outside /tmp */
	struct policy *policy;
	struct broker_tree *tree;
	struct broker_job *job;
	struct child c;
	struct broker_reply reply;  /* of the last call */
	size_t used;                /* of the arena */
};

static inline char *arena_end(struct fixture *f)
{
	return f->c.arena + ARENA_PAGES * 4096;
}

static inline int receive_fd(int sock)
{
	char byte, room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	int fd = -1;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	if (CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static inline bool send_fd(int sock, int fd)
{
	char byte = 'f', room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	return sendmsg(sock, &m, 0) == 1;
}

static inline void child_main(int sock, bool as_job)
{
	if (as_job && (syscall(SYS_setgroups, 0, NULL) || setresgid(JOB_UID, JOB_UID, JOB_UID) ||
	               setresuid(JOB_UID, JOB_UID, JOB_UID)))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* the change of credentials clears it */
	prctl(PR_SET_DUMPABLE, 1);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (!send_fd(sock, mem))
		_exit(1);
	close(mem); /* as a tracee does */
	for (;;) {
		int fd = receive_fd(sock);

		if (fd < 0 || write(sock, &fd, sizeof(fd)) != sizeof(fd))
			_exit(0);
	}
}

static inline void child_start(struct child *c, bool as_job)
{
	int pair[2];

	c->arena = mmap(NULL, (ARENA_PAGES + 1) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(c->arena, MAP_FAILED);
	assert_int_equal(munmap(c->arena + ARENA_PAGES * 4096, 4096), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	c->pid = fork();
	if (c->pid == 0)
		child_main(pair[1], as_job);
	close(pair[1]);
	c->sock = pair[0];
	c->mem = receive_fd(c->sock);
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	assert_true(c->pidfd >= 0 && c->mem >= 0);
}

static inline void child_stop(struct child *c)
{
	syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
	waitpid(c->pid, NULL, 0);
	close(c->pidfd);
	close(c->mem);
	close(c->sock);
	munmap(c->arena, ARENA_PAGES * 4096);
}

/* Gives the child a copy of fd; its number there. */
static inline int child_put(struct child *c, int fd)
{
	int t_fd;

	assert_true(send_fd(c->sock, fd));
	assert_int_equal(read(c->sock, &t_fd, sizeof(t_fd)), sizeof(t_fd));
	return t_fd;
}

static inline bool always_there(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return true;
}

/* --- the fixture ------------------------------------------------------------------------------------------- */

static inline void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* Removes what a test made below its own directory. */
static inline void remove_all(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--", path, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static inline struct policy *load_policy(const char *base, const char *files)
{
	const char *const dirs[] = {"policies", NULL};
	struct policy_errors errors = {0};
	struct policy *p;
	char path[128], text[8192];

	snprintf(path, sizeof(path), "%s.yaml", base);
	snprintf(text, sizeof(text),
		"name: test\nextends: base\nlanguage: python3\ninterpreter: python3\nfiles:\n%s", files);
	write_file(path, text, 0644);
	p = policy_load_file(path, dirs, &errors);
	for (size_t i = 0; i < errors.n; i++)
		print_error("%s:%d: %s\n", errors.v[i].file, errors.v[i].line, errors.v[i].text);
	policy_errors_done(&errors);
	unlink(path);
	assert_non_null(p);
	return p;
}

static inline void fixture_base(struct fixture *f)
{
	*f = (struct fixture){0};
	strcpy(f->base, "/var/tmp/warder-test-XXXXXX"); /* not a pid: a killed test leaves its own, and numbers come again */
	assert_non_null(mkdtemp(f->base));
	assert_int_equal(chmod(f->base, 0755), 0);
}

static inline void fixture_job(struct fixture *f)
{
	const struct broker_options o = {
		.filename = "main.py", .code = {"print(1)\n", 9}, .tmp_bytes = 1 << 20, .tmp_inodes = 64, .threads = 4,
	};
	bool root = identity_can_switch();
	struct err e = {0};

	child_start(&f->c, root);
	struct broker_tracee who = {
		.proc = -1,
		.t_own_pid = f->c.pid,
		.t_pid = f->c.pid, .pidfd = f->c.pidfd, .mem = f->c.mem,
		.uid = root ? JOB_UID : (uid_t)-1, .gid = root ? JOB_UID : (gid_t)-1,
	};
	assert_int_equal(broker_job_new(f->tree, &who, &o, &f->job, &e), 0);
}

/* `files`: the policy's grants; a NULL base dir is made first by fixture_base. */
static inline void fixture_start(struct fixture *f, const char *files)
{
	struct err e = {0};

	f->policy = load_policy(f->base, files);
	assert_int_equal(identity_rest(), 0);
	if (broker_tree_new(f->policy, NULL, &f->tree, &e))
		fail_msg("%s: %s", e.step, e.text);
	fixture_job(f);
}

static inline void fixture_stop(struct fixture *f)
{
	broker_job_free(f->job);
	broker_tree_free(f->tree);
	child_stop(&f->c);
	policy_free(f->policy);
	assert_int_equal(identity_full(), 0);
	remove_all(f->base);
}

/* A text in the child's memory. */
static inline uint64_t put(struct fixture *f, const char *s)
{
	size_t n = strlen(s) + 1;

	if (f->used + n > 4 * 4096)
		f->used = 0;
	memcpy(f->c.arena + f->used, s, n);
	f->used += n;
	return (uintptr_t)f->c.arena + f->used - n;
}

/* Room for answers, in the arena's second half. */
static inline char *out(struct fixture *f)
{
	return f->c.arena + 5 * 4096;
}
#define OUT(f) ((uint64_t)(uintptr_t)out(f))

/* CONTINUE is for verdicts from plain register values: what a pointer or a descriptor leads to, another thread changes
 * between the check and the kernel's own look. */
static inline bool may_go_on(const struct fixture *f, const char *name, const struct broker_call *c)
{
	static const char *const by_values[] = {"clone", "kill", "tgkill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
		"prlimit64", "umask", "mmap", "mremap", "mprotect", "getpgid", "getsid"};

	for (size_t i = 0; i < sizeof(by_values) / sizeof(by_values[0]); i++)
		if (!strcmp(by_values[i], name))
			return true;
	return policy_judge(f->policy, c->nr, c->args).kind == RULE_ALLOW;
}

/* What must be so after each call, whatever it was: no power is left with the worker, nor anything of the job's. */
static inline void check_worker(const char *name)
{
	mode_t mask = umask(WORKERS_UMASK);

	if (mask != WORKERS_UMASK)
		fail_msg("%s: the worker was left with umask %03o", name, mask);
	if (!identity_can_switch())
		return;
	if ((uid_t)syscall(SYS_setfsuid, (uid_t)-1) != 65534 || (gid_t)syscall(SYS_setfsgid, (gid_t)-1) != 65534)
		fail_msg("%s: the worker was left with a file-system identity", name);
}

static inline int64_t answer(struct fixture *f, const char *name, const uint64_t args[6])
{
	struct broker_call c = {.id = 1, .t_tid = f->c.pid, .nr = policy_call_nr(name)};

	assert_true(c.nr >= 0);
	memcpy(c.args, args, sizeof(c.args));
	umask(WORKERS_UMASK);
	broker_answer(f->job, &c, always_there, NULL, &f->reply);
	check_worker(name);
	if (f->reply.kind == REPLY_CONTINUE && !may_go_on(f, name, &c))
		fail_msg("%s: answered CONTINUE", name);
	return f->reply.kind == REPLY_FD ? f->reply.fd : f->reply.value;
}
#define call(f, name, ...) answer(f, name, (const uint64_t[6]){__VA_ARGS__})

/* What an answered descriptor holds, closed afterwards. */
static inline void expect_content(struct fixture *f, int64_t fd, const char *text)
{
	char buf[256] = {0};

	assert_int_equal(f->reply.kind, REPLY_FD);
	assert_true(read((int)fd, buf, sizeof(buf) - 1) >= 0);
	assert_string_equal(buf, text);
	close((int)fd);
}

static inline void close_reply(struct fixture *f)
{
	if (f->reply.kind == REPLY_FD)
		close(f->reply.fd);
}

#endif
