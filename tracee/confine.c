#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "empty_root.h"
#include "without.h"
#include "words.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

/* Landlock, landlock(7). Debian's headers lag behind the kernel, so the later members are spelled out here. */
struct landlock_attr {
	uint64_t fs, net, scoped;
};
#define LANDLOCK_NR_CREATE   444
#define LANDLOCK_NR_RESTRICT 446
#define LANDLOCK_NET_TCP     3ull /* bind, connect: ABI 4 */
#define LANDLOCK_SCOPES      3ull /* abstract Unix sockets, signals: ABI 6 */
static const uint64_t landlock_fs[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff}; /* by ABI; 5 and later are alike */

#define FAIL(call) err_set(e, ERR_HOST, call, errno, "%s", "refused by the kernel")

static int drop_capabilities(uint64_t keep, struct err *e)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct now[2], want[2] = {{0}};

	if (syscall(SYS_capget, &h, now))
		return FAIL("capget");
	for (int i = 0; i < 2; i++)
		want[i].effective = want[i].permitted = now[i].permitted & (uint32_t)(keep >> (32 * i));
	if (syscall(SYS_capset, &h, want))
		return FAIL("capset");
	return 0;
}

static int no_new_privs(struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return FAIL("prctl(PR_SET_NO_NEW_PRIVS)");
	return 0;
}

int confine_zygote(const struct confine_plan *p, struct err *e)
{
	int r;

	/* CAP_KILL: a death signal is sent with the dying parent's rights, and the children have another uid (measured, Linux 6.18).
	 * Tracees are reaped by their tracer; SIG_IGN keeps them from staying zombies of the zygote. */
	if (signal(SIGCHLD, SIG_IGN) == SIG_ERR)
		return FAIL("signal(SIGCHLD)");
	if (p->setup.flags & BIRTH_EMPTY_ROOT && (r = empty_root(e)))
		return r;
	if ((r = drop_capabilities(1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_KILL, e)) || (r = no_new_privs(e)))
		return r;
	if (!WITHOUT(seccomp) && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p->whitelist))
		return FAIL("seccomp(whitelist)");
	return 0;
}

static int limit(int resource, uint64_t value, const char *name, struct err *e)
{
	struct rlimit now;

	if (getrlimit(resource, &now))
		return FAIL(name);
	if (now.rlim_max != RLIM_INFINITY && value > now.rlim_max)
		value = now.rlim_max; /* never raised above what was inherited */
	struct rlimit want = {value, value};
	/* the kernel sends SIGXCPU at the soft limit, which the worker sees, and kills at the hard one, setrlimit(2) */
	if (resource == RLIMIT_CPU && (now.rlim_max == RLIM_INFINITY || value < now.rlim_max))
		want.rlim_max++;
	if (setrlimit(resource, &want))
		return FAIL(name);
	return 0;
}

static int limits(const struct confine_plan *p, struct err *e)
{
	const struct birth_setup *s = &p->setup;
	bool identity = s->flags & BIRTH_IDENTITY;
	const struct {
		int resource;
		uint64_t value;
		bool on;
		const char *name;
	} rows[] = {
		/* 1, not 0: with a core_pattern that is a pipe the kernel dumps at 0 and refrains at 1, core(5) */
		{RLIMIT_CORE, 1, true, "setrlimit(RLIMIT_CORE)"},
		{RLIMIT_DATA, p->data_size + s->rlimit_data_extra, s->rlimit_data_extra, "setrlimit(RLIMIT_DATA)"},
		{RLIMIT_AS, p->as_size + s->rlimit_as_extra, s->rlimit_as_extra, "setrlimit(RLIMIT_AS)"},
		{RLIMIT_FSIZE, s->rlimit_fsize, s->rlimit_fsize, "setrlimit(RLIMIT_FSIZE)"},
		{RLIMIT_NOFILE, s->rlimit_nofile, true, "setrlimit(RLIMIT_NOFILE)"},
		{RLIMIT_CPU, s->rlimit_cpu, s->rlimit_cpu, "setrlimit(RLIMIT_CPU)"},
		{RLIMIT_NPROC, s->rlimit_nproc, identity && s->rlimit_nproc, "setrlimit(RLIMIT_NPROC)"},
		{RLIMIT_MEMLOCK, 0, true, "setrlimit(RLIMIT_MEMLOCK)"},
		{RLIMIT_MSGQUEUE, 0, true, "setrlimit(RLIMIT_MSGQUEUE)"},
		{RLIMIT_NICE, 0, true, "setrlimit(RLIMIT_NICE)"},
		{RLIMIT_RTPRIO, 0, true, "setrlimit(RLIMIT_RTPRIO)"},
		{RLIMIT_SIGPENDING, 256, true, "setrlimit(RLIMIT_SIGPENDING)"},
	};

	/* The control socket's number must stay out of reach (birth.h). */
	if (s->rlimit_nofile > BIRTH_FD)
		return err_set(e, ERR_BUG, "setrlimit(RLIMIT_NOFILE)", EINVAL, "above %d", BIRTH_FD);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int r = rows[i].on ? limit(rows[i].resource, rows[i].value, rows[i].name, e) : 0;
		if (r)
			return r;
	}
	return 0;
}

static int identity(const struct confine_birth *b, struct err *e)
{
	if (setgroups(0, NULL))
		return FAIL("setgroups");
	if (setresgid(b->gid, b->gid, b->gid))
		return FAIL("setresgid");
	if (setresuid(b->uid, b->uid, b->uid))
		return FAIL("setresuid");
	return 0;
}

/* No path, no TCP port, no signal or abstract socket outside: rules are never added. */
static int landlock(uint32_t flags, struct err *e)
{
	int abi = syscall(LANDLOCK_NR_CREATE, NULL, 0, 1);
	if (abi < 1)
		return FAIL("landlock_create_ruleset");
	int newest = sizeof(landlock_fs) / sizeof(landlock_fs[0]) - 1;
	struct landlock_attr a = {
		.fs = landlock_fs[abi < newest ? abi : newest],
		.net = flags & BIRTH_LANDLOCK_NET ? LANDLOCK_NET_TCP : 0,
		.scoped = flags & BIRTH_LANDLOCK_SCOPE ? LANDLOCK_SCOPES : 0,
	};
	size_t size = a.scoped ? sizeof(a) : a.net ? offsetof(struct landlock_attr, scoped) : sizeof(a.fs);
	int fd = syscall(LANDLOCK_NR_CREATE, &a, size, 0);
	if (fd < 0)
		return FAIL("landlock_create_ruleset");
	if (syscall(LANDLOCK_NR_RESTRICT, fd, 0))
		return FAIL("landlock_restrict_self");
	close(fd);
	return 0;
}

static int listener(const struct confine_plan *p, struct err *e)
{
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;

	if (p->setup.flags & BIRTH_WAIT_KILLABLE)
		flags |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p->broker);
	return fd < 0 ? FAIL("seccomp(listener)") : fd;
}

/* Set after the last change of credentials, which clears it, prctl(2); then look whether the parent died before. */
static int die_with_zygote(pid_t zygote, struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return FAIL("prctl(PR_SET_PDEATHSIG)");
	if (getppid() != zygote)
		return err_set(e, ERR_HOST, "getppid", ESRCH, "the zygote has died");
	return 0;
}

/* Whatever a preloaded library holds open is not for jobs. */
static int close_inherited(const int *keep, size_t n_keep, bool has_procfs, struct err *e)
{
	unsigned int from = 3;

	for (size_t i = 0; i <= n_keep; i++) {
		unsigned int next = i < n_keep ? (unsigned int)keep[i] : BIRTH_FD;
		if (next > from && syscall(SYS_close_range, from, next - 1, 0))
			return FAIL("close_range");
		from = next + 1;
	}
	from += has_procfs; /* until its own memory is opened there */
	return syscall(SYS_close_range, from, ~0u, 0) ? FAIL("close_range") : 0;
}

/* Whoever holds this descriptor writes anywhere in this process: it is sent to the worker, and closed. */
static int open_memory(bool has_procfs, struct err *e)
{
	int fd = openat(has_procfs ? BIRTH_PROC_FD : AT_FDCWD, has_procfs ? "self/mem" : "/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return FAIL("open(/proc/self/mem)");
	if (has_procfs)
		close(BIRTH_PROC_FD);
	return fd;
}

int confine_tracee(const struct confine_plan *p, struct confine_birth *b, struct err *e)
{
	uint32_t flags = p->setup.flags;
	int r;

	if ((r = close_inherited(b->keep, b->n_keep, flags & BIRTH_NAMESPACES, e)))
		return r;
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return FAIL("signal(SIGCHLD)");
	if (setsid() < 0) /* a group of its own: kill(0, …) reaches nobody else */
		return FAIL("setsid");
	if (!WITHOUT(rlimits) && (r = limits(p, e)))
		return r;
	if (flags & BIRTH_IDENTITY && (r = identity(b, e)))
		return r;
	if ((r = drop_capabilities(0, e)))
		return r;
	/* The change of identity made it undumpable; now nobody without CAP_SYS_PTRACE could look at it, proc(5). */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		return FAIL("prctl(PR_SET_DUMPABLE)");
	b->fds[BIRTH_MEM] = open_memory(flags & BIRTH_NAMESPACES, e);
	if (b->fds[BIRTH_MEM] < 0)
		return b->fds[BIRTH_MEM];
	b->fds[BIRTH_PIDFD] = syscall(SYS_pidfd_open, getpid(), 0);
	if (b->fds[BIRTH_PIDFD] < 0)
		return FAIL("pidfd_open");
	if ((r = die_with_zygote(b->zygote, e)) || (r = no_new_privs(e)))
		return r;
	if (flags & BIRTH_LANDLOCK && (r = landlock(flags, e)))
		return r;
	r = listener(p, e);
	if (r < 0)
		return r;
	b->fds[BIRTH_LISTENER] = r;
	b->own_pid = getpid();
	b->layers = 1u << LAYER_SECCOMP | 1u << LAYER_BROKER | 1u << LAYER_NO_NEW_PRIVS | 1u << LAYER_RLIMITS;
	if (flags & BIRTH_IDENTITY)
		b->layers |= 1u << LAYER_IDENTITY;
	if (flags & BIRTH_NAMESPACES)
		b->layers |= 1u << LAYER_NAMESPACES;
	if (flags & BIRTH_EMPTY_ROOT)
		b->layers |= 1u << LAYER_EMPTY_ROOT;
	if (flags & BIRTH_LANDLOCK)
		b->layers |= 1u << LAYER_LANDLOCK;
	if (flags & BIRTH_LANDLOCK_NET)
		b->layers |= 1u << LAYER_LANDLOCK_NET;
	if (flags & BIRTH_LANDLOCK_SCOPE)
		b->layers |= 1u << LAYER_LANDLOCK_SCOPE;
	b->layers &= ~WITHOUT_LAYERS;
	return 0;
}
