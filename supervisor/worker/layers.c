#include "layers.h"

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "birth.h"
#include "broker.h"
#include "cgroup.h"
#include "empty_root.h"
#include "namespaces.h"
#include "notify.h"
#include "uids.h"
#include "without.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif
#define LANDLOCK_CREATE_RULESET 444

/* What a probe says: 0 it works, else -errno; `e` has words. */
typedef int probe_fn(struct layers *l, struct err *e);

/* BIRTH_FD is a high number. */
static void open_all_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* Runs `f` in a child, since what it does cannot be taken back; its exit status is the errno. */
static int in_child(int (*f)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-f(arg) & 0xff);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static int do_nothing(void *unused)
{
	(void)unused;
	return 0;
}

static int set_no_new_privs(void *unused)
{
	(void)unused;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

static struct sock_filter allow_all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
static struct sock_fprog allow_program = {1, allow_all};

static int load_filter(void *flags)
{
	int r = set_no_new_privs(NULL);

	if (!r && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, *(unsigned long *)flags, &allow_program) < 0)
		r = -errno;
	return r;
}

/* A listener, and ADDFD with SEND on it: an id that does not exist is ENOENT, an unknown flag EINVAL. */
static int listener_with_send(void *unused)
{
	int r = set_no_new_privs(unused);

	if (r)
		return r;
	int fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &allow_program);
	if (fd < 0)
		return -errno;
	r = notify_answer_fd(fd, 0, 0, true);
	return r == -ENOENT ? 0 : r == -EINVAL ? -ENOSYS : r;
}

static int probe_seccomp(struct layers *l, struct err *e)
{
	unsigned long none = 0;
	int r = in_child(load_filter, &none);

	(void)l;
	return r ? err_set(e, ERR_HOST, "seccomp", -r, "a filter cannot be loaded") : 0;
}

static int probe_broker(struct layers *l, struct err *e)
{
	unsigned long killable = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	int r = notify_init();

	if (!r)
		r = in_child(listener_with_send, NULL);
	if (r)
		return err_set(e, ERR_HOST, "seccomp", -r, "user notification with ADDFD_SEND needs Linux 5.14");
	if (in_child(load_filter, &killable) == 0)
		l->birth_flags |= BIRTH_WAIT_KILLABLE;
	return 0;
}

static int probe_landlock(struct layers *l, struct err *e)
{
	l->landlock_abi = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, 1);
	if (l->landlock_abi < 1) {
		int num = l->landlock_abi < 0 ? errno : ENOSYS;
		l->landlock_abi = 0;
		return err_set(e, ERR_HOST, "landlock_create_ruleset", num, "needs Linux 5.13 with Landlock among its LSMs");
	}
	l->birth_flags |= BIRTH_LANDLOCK;
	return 0;
}

static int need_abi(struct layers *l, int abi, uint32_t flag, const char *kernel, struct err *e)
{
	if (l->landlock_abi < abi)
		return err_set(e, ERR_HOST, "landlock", ENOSYS, "ABI %d needs Linux %s, here is ABI %d", abi, kernel, l->landlock_abi);
	l->birth_flags |= flag;
	return 0;
}

static int probe_landlock_net(struct layers *l, struct err *e)
{
	return need_abi(l, 4, BIRTH_LANDLOCK_NET, "6.7", e);
}

static int probe_landlock_scope(struct layers *l, struct err *e)
{
	return need_abi(l, 6, BIRTH_LANDLOCK_SCOPE, "6.12", e);
}

static int probe_no_new_privs(struct layers *l, struct err *e)
{
	int r = in_child(set_no_new_privs, NULL);

	(void)l;
	return r ? err_set(e, ERR_HOST, "prctl(PR_SET_NO_NEW_PRIVS)", -r, "refused") : 0;
}

static int take_identity(void *unused)
{
	(void)unused;
	return setresuid(UIDS_FIRST, UIDS_FIRST, UIDS_FIRST) ? -errno : 0;
}

static int take_group(void *unused)
{
	(void)unused;
	return setgroups(0, NULL) || setresgid(UIDS_FIRST, UIDS_FIRST, UIDS_FIRST) ? -errno : 0;
}

static int probe_identity(struct layers *l, struct err *e)
{
	if (geteuid() != 0)
		return err_set(e, ERR_HOST, "identity", EPERM, "not started as root: all jobs share uid %u", (unsigned)geteuid());
	int r = in_child(take_group, NULL);
	if (r)
		return err_set(e, ERR_HOST, "setgroups, setresgid", -r, "gids from %d on cannot be taken", UIDS_FIRST);
	r = in_child(take_identity, NULL);
	if (r)
		return err_set(e, ERR_HOST, "setresuid", -r, "uids from %d on cannot be taken", UIDS_FIRST);
	l->birth_flags |= BIRTH_IDENTITY;
	return 0;
}

static int probe_tmp_quota(struct layers *l, struct err *e)
{
	(void)l;
	return broker_probe_tmpfs(e);
}

static int probe_readonly(struct layers *l, struct err *e)
{
	(void)l;
	return broker_probe_readonly(e);
}

static int lower_rlimit(void *unused)
{
	struct rlimit r = {16, 16};

	(void)unused;
	return setrlimit(RLIMIT_NOFILE, &r) ? -errno : 0;
}

static int probe_rlimits(struct layers *l, struct err *e)
{
	int r = in_child(lower_rlimit, NULL);

	(void)l;
	return r ? err_set(e, ERR_HOST, "setrlimit", -r, "refused") : 0;
}

static int probe_ptrace(struct layers *l, struct err *e)
{
	int r = 0, status;
	pid_t pid = fork();

	(void)l;
	if (pid == 0) {
		for (;;)
			pause();
	}
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT))
		r = -errno;
	if (pid > 0) {
		kill(pid, SIGKILL); /* our own child, not reaped yet: the number cannot be another's */
		while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
			ptrace(PTRACE_CONT, pid, 0, 0);
	}
	return r ? err_set(e, ERR_HOST, "ptrace(PTRACE_SEIZE)", -r, "refused; see kernel.yama.ptrace_scope") : 0;
}

static int probe_cgroup(struct layers *l, struct err *e)
{
	int r = cgroup_probe(l->cgroup, e);

	if (r)
		l->cgroup[0] = '\0';
	return r;
}

/* The first process of namespaces of its own, as zygotes are; what failed there is told in memory that both have. */
static int in_namespaces(uint32_t flags, struct err *e)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	struct err *said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, r;

	if (said == MAP_FAILED)
		return err_set(e, ERR_HOST, "mmap", errno, NULL);
	long pid = syscall(SYS_clone, SIGCHLD | namespaces_flags(flags), 0, 0, 0, 0);
	if (pid == 0) {
		open_all_files();
		r = namespaces_settle(flags, uid, gid, said);
		if (!r && flags & BIRTH_EMPTY_ROOT)
			r = empty_root(said);
		_exit(r != 0);
	}
	r = pid < 0 ? err_set(e, ERR_HOST, "clone", errno, "%s", flags & BIRTH_USER_NS ? "of user namespaces" : "of namespaces") : 0;
	while (pid > 0 && waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!r && status) {
		*e = *said;
		r = e->num ? -e->num : -EIO;
	}
	munmap(said, sizeof(*said));
	return r;
}

/* Root needs no user namespace, and could not give its jobs identities in one. */
static int probe_namespaces(struct layers *l, struct err *e)
{
	uint32_t flags = BIRTH_NAMESPACES | (geteuid() == 0 ? 0 : BIRTH_USER_NS);
	int r = in_namespaces(flags, e);

	if (!r)
		l->birth_flags |= flags;
	return r;
}

static int probe_empty_root(struct layers *l, struct err *e)
{
	int r = l->birth_flags & BIRTH_NAMESPACES ? in_namespaces(l->birth_flags | BIRTH_EMPTY_ROOT, e)
	                                          : err_set(e, ERR_HOST, "empty_root", ENOTSUP, "needs the namespaces layer");

	if (!r)
		l->birth_flags |= BIRTH_EMPTY_ROOT;
	return r;
}

/* In the order of enum layer. `required`: the supervisor refuses to start without it. */
static const struct {
	probe_fn *probe;
	bool required;
	const char *since; /* Linux */
	const char *purpose, *remedy, *lost;
} rows[] = {
	[LAYER_SECCOMP] = {probe_seccomp, true, "4.14", "kills at any call outside the policy's whitelist", "a kernel with CONFIG_SECCOMP_FILTER",
		"a job could make any call that its identity may: warderd does not start without it"},
	[LAYER_BROKER] = {probe_broker, true, "5.14", "file, network and process calls are answered by the supervisor", "a newer kernel; in a container: a seccomp profile that lets seccomp(2) pass, and no filter with a listener of its own",
		"nobody could answer file, network and process calls: warderd does not start without it"},
	[LAYER_LANDLOCK] = {probe_landlock, true, "5.13", "no path can be opened even if a call slipped through", "a newer kernel, booted with lsm=landlock,... (/sys/kernel/security/lsm tells); in a container: a seccomp profile that lets landlock_* pass",
		"a mistake in the broker would give whatever path its identity may open, where empty_root is missing, too"},
	[LAYER_LANDLOCK_NET] = {probe_landlock_net, false, "6.7", "no TCP port either", "a newer kernel",
		"a mistake in the broker would open TCP ports of the supervisor's network"},
	[LAYER_LANDLOCK_SCOPE] = {probe_landlock_scope, false, "6.12", "no signals and abstract sockets to outside", "a newer kernel",
		"a mistake in the broker would reach abstract sockets, and processes of the same uid"},
	[LAYER_NO_NEW_PRIVS] = {probe_no_new_privs, true, "3.5", "no set-uid program can raise rights", "any Linux",
		"no filter could be loaded: warderd does not start without it"},
	[LAYER_IDENTITY] = {probe_identity, false, "2.6", "each job has a uid and gid of its own", "start warderd as root (its jobs never are) with CAP_SETUID and CAP_SETGID, and with uids and gids from 60200 on in its user namespace",
		"jobs share one uid: what separates them is the broker, the whitelist and Landlock; what they create is that user's"},
	[LAYER_NAMESPACES] = {probe_namespaces, false, "5.2", "no other process to see, no network, no mounts, no shared memory of others", "CAP_SYS_ADMIN, or as an ordinary user: user namespaces (user.max_user_namespaces, kernel.unprivileged_userns_clone); in a container also a /proc with nothing mounted over its parts",
		"jobs share the host's pid numbers, network and IPC: broker, whitelist and Landlock alone keep them from these"},
	[LAYER_EMPTY_ROOT] = {probe_empty_root, false, "5.2", "an empty root directory, even if a path got through everything else", "the namespaces layer",
		"a call that names a path would find the host's; Landlock and the broker alone are in its way"},
	[LAYER_READONLY_GRANTS] = {probe_readonly, false, "5.12", "what may only be read is opened through a read-only clone of its mount", "CAP_SYS_ADMIN, for open_tree and mount_setattr (Linux 5.12)",
		"a descriptor for reading is of the host's own mount; the broker alone refuses changes through it"},
	[LAYER_TMP_QUOTA] = {probe_tmp_quota, false, "5.2", "the private /tmp is a tmpfs with a quota", "CAP_SYS_ADMIN, for fsopen and fsmount",
		"/tmp is a directory: creates are counted, its size is looked at now and then, and it lies on the host's disk until the job's end"},
	[LAYER_RLIMITS] = {probe_rlimits, true, "2.6", "memory, files and threads are bounded by the kernel", "any Linux",
		"memory, files and descriptors would be bounded by the worker's watch alone: warderd does not start without it"},
	[LAYER_CGROUP] = {probe_cgroup, false, "4.5", "memory is bounded by a cgroup, too", "a delegated cgroup v2 with the memory controller and no other processes in it (systemd: Delegate=memory)",
		"memory is bounded by rlimits and the worker's watch, which looks every few milliseconds"},
	[LAYER_PTRACE] = {probe_ptrace, true, "3.8", "the killing call is named; a job dies with its worker", "kernel.yama.ptrace_scope below 2, or below 3 with CAP_SYS_PTRACE",
		"kills could not be named, nor ends be seen: warderd does not start without it"},
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == LAYER_COUNT, "a row per layer");

const char *layers_purpose(enum layer l)
{
	return rows[l].purpose;
}

const char *layers_since(enum layer l)
{
	return rows[l].since;
}

const char *layers_lost(enum layer l)
{
	return rows[l].lost;
}

const char *layers_remedy(enum layer l)
{
	return WITHOUT_LAYERS & 1u << l ? "a whole build: make without WITHOUT=" : rows[l].remedy;
}

#define MEANS(name, layers, means) if (WITHOUT(name) && bit & (layers)) return means;

/* Of a test build: in what way the layer is missing. */
static const char *means_without(uint32_t bit)
{
	WITHOUT_ROWS(MEANS)
	return "";
}

void layers_probe(struct layers *l, uint32_t require, uint32_t optional)
{
	struct utsname u;
	char text[300];

	memset(l, 0, sizeof(*l));
	if (uname(&u) == 0)
		snprintf(l->kernel, sizeof(l->kernel), "%s", u.release);
	int forks = in_child(do_nothing, NULL);
	for (int i = 0; i < LAYER_COUNT; i++) {
		struct err e = {0};
		uint32_t bit = 1u << i;
		if (WITHOUT_LAYERS & bit)
			snprintf(l->why[i], sizeof(l->why[i]), "left out of this test build: %s", means_without(bit));
		else if ((forks ? err_set(&e, ERR_HOST, "fork", -forks, "no process to try it in") : rows[i].probe(l, &e)) == 0)
			l->on |= bit;
		else
			snprintf(l->why[i], sizeof(l->why[i]), "%.159s", err_str(&e, text, sizeof(text)));
		/* root without identities of its own to give away would run jobs as root */
		if (rows[i].required || (i == LAYER_IDENTITY && geteuid() == 0))
			l->required |= bit;
	}
	l->required = (l->required & ~(optional | WITHOUT_LAYERS)) | require;
}

void layers_begin(struct layers *l)
{
	struct err e = {0};
	char text[300];

	if (!l->cgroup[0] || cgroup_take(l->cgroup, &e) == 0)
		return;
	l->cgroup[0] = '\0';
	l->on &= ~(1u << LAYER_CGROUP);
	snprintf(l->why[LAYER_CGROUP], sizeof(l->why[LAYER_CGROUP]), "%.159s", err_str(&e, text, sizeof(text)));
}

int layers_check(const struct layers *l, struct err *e)
{
	for (int i = 0; i < LAYER_COUNT; i++)
		if (l->required & ~l->on & 1u << i)
			return err_set(e, ERR_HOST, layer_name(i), ENOTSUP, "this required layer is missing: %s", l->why[i]);
	return 0;
}
