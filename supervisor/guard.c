#include "guard.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "policy.h"
#include "without.h"

/* --- power --------------------------------------------------------------------------------------------------- */

/* A worker started as root. Its zygotes give most of them up (tracee/confine.c), its tracees all. */
static const unsigned char worker_caps[] = {
	CAP_SETUID, CAP_SETGID,               /* identities of jobs */
	CAP_KILL,                             /* of other uids: jobs */
	CAP_SYS_PTRACE,                       /* tracing them, their descriptors */
	CAP_SYS_ADMIN,                        /* detached mounts, namespaces of zygotes */
	CAP_SYS_NICE, CAP_SYS_RESOURCE,       /* CPUs and limits of theirs */
	CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, /* grants below directories that are closed to others; only with full identity */
	CAP_CHOWN, CAP_FOWNER,                /* directories of jobs' own */
};

static const struct {
	const unsigned char *v;
	size_t n;
} caps[GUARD_COUNT] = {
	[GUARD_KEEPER] = {worker_caps, sizeof(worker_caps)},
	[GUARD_WORKER] = {worker_caps, sizeof(worker_caps)},
};

static uint64_t caps_of(enum guard_who who)
{
	uint64_t keep = 0;

	if (who == GUARD_KEEPER)
		keep = 1ull << CAP_SETPCAP; /* its children take more off */
	for (size_t i = 0; i < caps[who].n; i++)
		keep |= 1ull << caps[who].v[i];
	return keep;
}

/* The bounding set too: what is started as root gets no more than that back, capabilities(7). */
static int keep_caps(uint64_t keep, struct err *e)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];

	for (unsigned long c = 0; c < 64; c++) /* EPERM: not root, there is nothing to drop; EINVAL: there are no more */
		if (!(keep & 1ull << c) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) && errno == EINVAL)
			break;
	if (syscall(SYS_capget, &h, d))
		return err_set(e, ERR_HOST, "capget", errno, NULL);
	for (int i = 0; i < 2; i++) {
		d[i].permitted &= (uint32_t)(keep >> (32 * i));
		d[i].effective &= d[i].permitted;
		d[i].inheritable = 0;
	}
	return syscall(SYS_capset, &h, d) ? err_set(e, ERR_HOST, "capset", errno, NULL) : 0;
}

int guard_power(enum guard_who who, struct err *e)
{
	int r = keep_caps(caps_of(who), e);

	if (!r && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		r = err_set(e, ERR_HOST, "prctl(PR_SET_NO_NEW_PRIVS)", errno, NULL);
	if (!r && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		r = err_set(e, ERR_HOST, "prctl(PR_SET_DUMPABLE)", errno, NULL);
	return r;
}

/* --- environment --------------------------------------------------------------------------------------------- */

static const char *const env_kept[] = {
	"PATH", "TMPDIR", "TZ", "LANG",              /* interpreters are found, directories made, times told */
	"RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES", /* names are looked up, resolv.conf(5) */
	"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
};

static bool is_kept(const char *entry)
{
	size_t n = strcspn(entry, "=");

	if (strncmp(entry, "LC_", 3) == 0)
		return true;
	for (size_t i = 0; i < sizeof(env_kept) / sizeof(env_kept[0]); i++)
		if (strlen(env_kept[i]) == n && memcmp(entry, env_kept[i], n) == 0)
			return true;
	return false;
}

void guard_environment(void)
{
	char **to = environ;

	for (char **p = environ; p && *p; p++)
		if (is_kept(*p))
			*to++ = *p;
		else
			explicit_bzero(*p, strlen(*p)); /* where the kernel put it, and /proc/PID/environ shows it */
	if (to)
		*to = NULL;
}

/* --- the floor under all of it -------------------------------------------------------------------------------- */

/* What neither keeper, midwife, front, workers nor any interpreter has a use for. Everything that the keeper starts inherits this filter, interpreters
 * and jobs too, so it refuses and does not kill: libraries probe. It looks at numbers alone, which the kernel remembers: what is let through
 * costs nothing (Linux 5.11). A job's own filters are stricter, and the strictest verdict counts. What a policy refuses (adjtimex, fanotify_init)
 * has no place here: an errno goes before a notification, and nobody would hear of the refusal. */
static const struct {
	int err;
	const char *why, *calls[16]; /* the last one NULL */
} floors[] = {
	{EPERM, "the kernel itself", {"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "syslog", "uselib",
	        "_sysctl", "lookup_dcookie"}},
	{EPERM, "programs and probes in the kernel", {"bpf", "perf_event_open", "userfaultfd"}},
	{EPERM, "keys, which are not per process", {"add_key", "request_key", "keyctl"}},
	{EPERM, "the machine's clock, name, swap, accounts", {"settimeofday", "clock_settime", "clock_settime64", "stime", "sethostname", "setdomainname",
	        "swapon", "swapoff", "acct", "quotactl"}},
	{EPERM, "ports and tables of the processor", {"iopl", "ioperm", "modify_ldt", "vhangup"}},
	{EPERM, "other namespaces and roots; zygotes get theirs from clone and pivot_root", {"setns", "unshare", "chroot"}},
	{EPERM, "files past the directories that lead to them", {"open_by_handle_at"}},
	{EPERM, "others' memory; workers read it through a descriptor", {"process_vm_writev", "process_madvise", "kcmp"}},
	{ENOSYS, "rings pass by all filters; libuv probes", {"io_uring_setup", "io_uring_enter", "io_uring_register"}},
};

static int refuse(scmp_filter_ctx f, const char *name, int err)
{
	int nr = policy_call_nr(name);

	return nr < 0 ? 0 : seccomp_rule_add(f, SCMP_ACT_ERRNO(err), nr, 0);
}

int guard_floor(struct err *e)
{
	scmp_filter_ctx f = WITHOUT(floor) ? NULL : seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) : -ENOMEM;

	if (WITHOUT(floor))
		return 0;
	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	for (size_t g = 0; g < sizeof(floors) / sizeof(floors[0]) && !r; g++)
		for (const char *const *c = floors[g].calls; *c && !r; c++)
			r = refuse(f, *c, floors[g].err);
	if (!r)
		r = seccomp_load(f);
	seccomp_release(f);
	return r ? err_set(e, ERR_HOST, "seccomp", -r, "the filter of the keeper") : 0;
}

/* --- filters ------------------------------------------------------------------------------------------------- */

#define FRONT  (1u << GUARD_FRONT)
#define WORKER (1u << GUARD_WORKER)
#define BOTH   (FRONT | WORKER)
#define CALLS_MAX 48

/* By purpose. What this machine's table does not have is left out: the libc does not use it there. */
static const struct group {
	unsigned who;
	const char *why;
	const char *calls[CALLS_MAX];
} groups[] = {
	{BOTH, "memory, never code (below)", {"brk", "munmap", "mremap", "madvise"}},
	{BOTH, "threads there are, and the end", {"futex", "sched_yield", "restart_syscall", "exit", "exit_group", "getpid", "gettid", "tgkill"}},
	{WORKER, "the watchdog's thread, when it gets to its start only after the filter", {"set_robust_list", "rseq"}},
	{BOTH, "signals", {"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "signalfd4"}},
	{BOTH, "time", {"clock_gettime", "clock_getres", "gettimeofday", "time", "nanosleep", "clock_nanosleep", "timerfd_create",
	                "timerfd_settime", "timerfd_gettime"}},
	{WORKER, "what takes too long is interrupted (broker/briefly.c)", {"setitimer"}},
	{BOTH, "the event loop", {"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "poll", "ppoll", "eventfd2", "pipe2"}},
	{BOTH, "descriptors it has: clients, links, the log", {"read", "readv", "write", "writev", "pread64", "pwrite64", "close", "lseek", "fstat",
	                "newfstatat", "fcntl", "dup", "dup3", "recvfrom", "recvmsg", "sendto", "sendmsg", "shutdown", "getsockopt", "setsockopt",
	                "memfd_create", "ftruncate"}},
	{BOTH, "who and where it is", {"getuid", "geteuid", "getgid", "getegid", "getrandom", "uname", "sysinfo", "sched_getaffinity", "getrusage"}},
	{FRONT, "clients come", {"accept4", "accept", "getsockname", "getpeername"}},
	{WORKER, "files for jobs, opened", {"open", "openat", "openat2", "getdents64", "flock", "sendfile", "copy_file_range", "fsync", "fdatasync",
	                "preadv", "pwritev", "fallocate", "umask", "dup2", "fadvise64"}},
	{WORKER, "files for jobs, asked about", {"stat", "lstat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "statfs",
	                "fstatfs", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr"}},
	{WORKER, "files for jobs, changed", {"mkdir", "mkdirat", "mknodat", "rmdir", "unlink", "unlinkat", "linkat", "symlinkat", "rename", "renameat",
	                "renameat2", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "utimensat", "truncate", "setxattr",
	                "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"}},
	{WORKER, "mounts that are attached nowhere", {"fsopen", "fsconfig", "fsmount", "open_tree", "mount_setattr"}},
	{WORKER, "sockets for jobs, and to name servers", {"socket", "socketpair", "connect", "bind", "getsockname", "getpeername", "sendmmsg",
	                "recvmmsg", "ioctl"}},
	{WORKER, "jobs: traced, limited, ended", {"ptrace", "wait4", "waitid", "pidfd_open", "pidfd_send_signal", "pidfd_getfd", "process_vm_readv",
	                "prlimit64", "getrlimit", "sched_setaffinity"}},
	{WORKER, "the identity of a job, for what is done as it", {"setfsuid", "setfsgid", "setresuid", "setresgid", "setgroups"}},
};

/* The libc's name for 0 to NAMES-1, since what may be called in the handler is little. */
#define NAMES 512
static char names[NAMES][28];

static void note_names(void)
{
	for (int nr = 0; nr < NAMES; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		if (name)
			strncpy(names[nr], name, sizeof(names[nr]) - 1);
		free(name);
	}
}

/* The call was not executed. Who has it all in his hands could have changed this handler, not the filter. */
static void on_forbidden(int sig, siginfo_t *info, void *context)
{
	int nr = info->si_syscall;

	(void)context;
	log_write(LOG_ERROR, "forbidden_call", "pid=%d call=%s number=%d", (int)getpid(), nr >= 0 && nr < NAMES && *names[nr] ? names[nr] : "?", nr);
	raise(sig); /* its handler was taken off by SA_RESETHAND */
}

static int handle_forbidden(void)
{
	struct sigaction a = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER};

	note_names();
	return sigaction(SIGSYS, &a, NULL) ? -errno : 0;
}

static int allow(scmp_filter_ctx f, const char *name)
{
	int nr = policy_call_nr(name);

	return nr < 0 ? 0 : seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 0);
}

/* Where the filter looks at a value: mappings that can be executed are nobody's here. */
static int allow_values(scmp_filter_ctx f, enum guard_who who)
{
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (!r)
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!r && who == GUARD_FRONT) /* its own limits are asked for, nobody's are set */
		r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, 0));
	return r;
}

static int fill(scmp_filter_ctx f, enum guard_who who)
{
	int r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);

	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 1);
	if (!r) /* the numbers of another machine's calls say nothing */
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]) && !r; g++)
		for (const char *const *c = groups[g].calls; *c && !r && groups[g].who & 1u << who; c++)
			r = allow(f, *c);
	return r ? r : allow_values(f, who);
}

int guard_filter(enum guard_who who, struct err *e)
{
#ifdef __SANITIZE_ADDRESS__
	(void)who, (void)e, (void)fill, (void)handle_forbidden;
	return 0; /* the sanitizers' own calls are not on the list */
#else
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	int r = f ? handle_forbidden() : -ENOMEM;

	if (!r)
		r = fill(f, who);
	if (!r)
		r = seccomp_load(f);
	seccomp_release(f);
	return r ? err_set(e, ERR_HOST, "seccomp", -r, "the filter of %s", who == GUARD_FRONT ? "the front" : "a worker") : 0;
#endif
}
