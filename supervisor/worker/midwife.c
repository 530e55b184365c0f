#include "midwife.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "log.h"
#include "namespaces.h"

#define STRINGS_MAX  65536 /* bytes of path, arguments and environment */
#define STRINGS_N    512
#define PATIENCE_MS  5000
#define ORDER_FDS    2     /* control, log */
#define SOCK         3     /* the number of its socket */

struct midwife {
	pid_t pid;
	int sock;
};

/* One packet; behind it the strings: the path, then arguments, then the environment, each with its NUL. */
struct order {
	uint32_t flags, n_args, n_env;
	char strings[STRINGS_MAX];
};

/* --- in the process that becomes the zygote ------------------------------------------------------------------ */

/* Says over the control socket what failed, and leaves. */
static _Noreturn void give_up(int control, const char *step)
{
	struct birth_message m = {.type = BIRTH_FAILED, .slot = -1};

	err_set(&m.err, ERR_HOST, step, errno, "in the process that was to become the zygote");
	send(control, &m, offsetof(struct birth_message, info), MSG_NOSIGNAL);
	_exit(127);
}

static void clean_signals(int control)
{
	sigset_t none;

	sigemptyset(&none);
	for (int n = 1; n < NSIG; n++) /* EINVAL for those that have no handler */
		signal(n, SIG_DFL);
	if (sigprocmask(SIG_SETMASK, &none, NULL))
		give_up(control, "sigprocmask");
	/* a group of its own: an interrupt from the terminal is for the supervisor */
	if (setpgid(0, 0))
		give_up(control, "setpgid");
}

/* Of what the midwife has, the interpreter gets these alone. */
static void place_descriptors(int control, int log)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0)
		give_up(control, "open(/dev/null)");
	if (dup2(log, 1) < 0 || dup2(log, 2) < 0)
		give_up(control, "dup2");
	if (dup2(control, BIRTH_FD) < 0)
		give_up(control, "dup2 (RLIMIT_NOFILE)");
	if (close_range(3, BIRTH_FD - 1, CLOSE_RANGE_CLOEXEC) || close_range(BIRTH_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC))
		give_up(control, "close_range");
}

struct parent {
	pid_t worker;
	uid_t uid;
	gid_t gid;
};

static _Noreturn void become_zygote(char **argv, char **env, const char *path, int control, int log, uint32_t flags, const struct parent *p)
{
	struct birth_message m = {.type = BIRTH_FAILED, .slot = -1};
	cpu_set_t all;

	clean_signals(control);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		give_up(control, "prctl(PR_SET_PDEATHSIG)");
	/* in a pid namespace of its own the worker has no number; there the end of the control socket tells */
	if ((!(flags & BIRTH_NAMESPACES) && getppid() != p->worker) || chdir("/"))
		give_up(control, "chdir");
	place_descriptors(control, log);
	if (namespaces_settle(flags, p->uid, p->gid, &m.err)) {
		send(control, &m, offsetof(struct birth_message, info), MSG_NOSIGNAL);
		_exit(127);
	}
	memset(&all, 0xff, sizeof(all)); /* the kernel keeps those that there are, sched_setaffinity(2) */
	sched_setaffinity(0, sizeof(all), &all); /* births are for any CPU, waiting is for the worker's */
	umask(022);
	execve(path, argv, env);
	give_up(control, path);
}

/* --- in the midwife ------------------------------------------------------------------------------------------ */

/* Finds `n` strings from *p on, NULL behind them. */
static bool take_strings(char **p, const char *end, char **out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *nul = memchr(*p, '\0', (size_t)(end - *p));

		if (!nul)
			return false;
		out[i] = *p;
		*p = nul + 1;
	}
	out[n] = NULL;
	return true;
}

static long start(struct order *o, size_t len, const int *fds, const struct parent *parent)
{
	char *path[2], *args[STRINGS_N + 1], *env[STRINGS_N + 1], *p = o->strings, *end = (char *)o + len;

	if (len < offsetof(struct order, strings) || o->n_args > STRINGS_N || o->n_env > STRINGS_N || fds[ORDER_FDS - 1] < 0 ||
	    !take_strings(&p, end, path, 1) || !take_strings(&p, end, args, o->n_args) || !take_strings(&p, end, env, o->n_env))
		return -EPROTO;
	/* its parent is ours: the worker. A raw call, since fork(3) has no flags; there is one thread and nothing to be put right after it */
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD | namespaces_flags(o->flags), 0, 0, 0, 0);

	if (pid == 0)
		become_zygote(args, env, path[0], fds[0], fds[1], o->flags, parent);
	return pid < 0 ? -errno : pid;
}

static ssize_t receive(int sock, struct order *o, int fds[ORDER_FDS])
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * ORDER_FDS)];
		struct cmsghdr align;
	} space;
	struct iovec iov = {o, sizeof(*o)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.buf, .msg_controllen = sizeof(space.buf)};
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);

	for (struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL; c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return n;
}

/* Until the worker is gone. */
static _Noreturn void serve(int sock, pid_t worker)
{
	const struct parent parent = {worker, geteuid(), getegid()};
	static struct order o;

	for (;;) {
		int fds[ORDER_FDS] = {-1, -1};
		ssize_t n = receive(sock, &o, fds);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(n < 0);
		int32_t answer = (int32_t)start(&o, (size_t)n, fds, &parent);
		for (int i = 0; i < ORDER_FDS; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		if (send(sock, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			_exit(1);
	}
}

static int settle(int sock, pid_t worker, struct err *e)
{
	/* the log is its standard error; nothing else that the worker had is its business */
	if (sock != SOCK && (dup2(sock, SOCK) < 0 || fcntl(SOCK, F_SETFD, FD_CLOEXEC)))
		return err_set(e, ERR_HOST, "dup2", errno, "in the midwife");
	if (close_range(SOCK + 1, ~0u, 0))
		return err_set(e, ERR_HOST, "close_range", errno, "in the midwife");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != worker)
		return err_set(e, ERR_HOST, "prctl(PR_SET_PDEATHSIG)", errno, "in the midwife");
	if (geteuid() == 0 && setgroups(0, NULL))
		return err_set(e, ERR_HOST, "setgroups", errno, "in the midwife");
	prctl(PR_SET_NAME, "warderd-midwife");
	return 0;
}

/* Its first word is whether it has settled. */
static _Noreturn void be_midwife(int sock, pid_t worker)
{
	struct err e = {0};
	int r = settle(sock, worker, &e);

	if (send(r ? sock : SOCK, &e, sizeof(e), MSG_NOSIGNAL) < 0 || r)
		_exit(1);
	serve(SOCK, worker);
}

/* --- in the worker ------------------------------------------------------------------------------------------- */

static int hear_first(const struct midwife *m, struct err *e)
{
	struct pollfd p = {.fd = m->sock, .events = POLLIN};
	struct err said = {0};

	if (poll(&p, 1, PATIENCE_MS) != 1 || recv(m->sock, &said, sizeof(said), 0) != sizeof(said))
		return err_set(e, ERR_HOST, "midwife", errno ? errno : EPROTO, "did not start");
	if (said.num)
		*e = said;
	return -said.num;
}

int midwife_new(struct midwife **out, struct err *e)
{
	struct midwife *m = calloc(1, sizeof(*m));
	pid_t worker = getpid();
	int ends[2];

	if (!m || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		free(m);
		return err_set(e, ERR_HOST, "socketpair", errno, "for the midwife");
	}
	m->pid = fork();
	if (m->pid == 0)
		be_midwife(ends[1], worker);
	close(ends[1]);
	m->sock = ends[0];
	if (m->pid < 0) {
		int num = errno;

		close(m->sock);
		free(m);
		return err_set(e, ERR_HOST, "fork", num, "of the midwife");
	}
	*out = m;
	return hear_first(m, e);
}

static bool put(struct order *o, size_t *len, const char *s)
{
	size_t n = strlen(s) + 1;

	if (n > sizeof(o->strings) - *len)
		return false;
	memcpy(o->strings + *len, s, n);
	*len += n;
	return true;
}

static int ask(const struct midwife *m, const struct order *o, size_t len, const int *fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * ORDER_FDS)];
		struct cmsghdr align;
	} space = {{0}};
	struct iovec iov = {(void *)o, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.buf, .msg_controllen = sizeof(space.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	struct pollfd p = {.fd = m->sock, .events = POLLIN};
	int32_t answer = -EPROTO;

	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * ORDER_FDS)};
	memcpy(CMSG_DATA(c), fds, sizeof(int) * ORDER_FDS);
	if (sendmsg(m->sock, &msg, MSG_NOSIGNAL) < 0 || poll(&p, 1, PATIENCE_MS) != 1 || recv(m->sock, &answer, sizeof(answer), 0) != sizeof(answer)) {
		log_write(LOG_ERROR, "midwife_gone", "pid=%d error=%s", (int)m->pid, err_name(errno));
		abort(); /* the keeper starts another worker, with another midwife */
	}
	return answer;
}

pid_t midwife_start(struct midwife *m, const char *path, char *const *argv, char *const *env, uint32_t flags, int control, int log, struct err *e)
{
	static struct order o;
	const int fds[ORDER_FDS] = {control, log};
	size_t len = 0;
	bool fits = put(&o, &len, path);

	o.flags = flags;
	for (o.n_args = 0; argv[o.n_args] && fits; o.n_args++)
		fits = put(&o, &len, argv[o.n_args]);
	for (o.n_env = 0; env[o.n_env] && fits; o.n_env++)
		fits = put(&o, &len, env[o.n_env]);
	if (!fits || o.n_args > STRINGS_N || o.n_env > STRINGS_N)
		return err_set(e, ERR_HOST, "zygote", E2BIG, "its arguments and environment are more than %d bytes or %d", STRINGS_MAX, STRINGS_N);
	int r = ask(m, &o, offsetof(struct order, strings) + len, fds);
	return r < 0 ? err_set(e, ERR_HOST, "fork", -r, "of the zygote") : r;
}

/* It leaves when its socket ends. */
void midwife_free(struct midwife *m)
{
	if (!m)
		return;
	close(m->sock);
	waitpid(m->pid, NULL, 0);
	free(m);
}
