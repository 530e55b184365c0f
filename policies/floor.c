/* The floor: one row per call, grouped by what the call would give away. Where a reason is shared it is one macro. */
#include <linux/close_range.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/socket.h>

#include "calls.h"

#define TRACING "reads or changes the memory of other processes"
#define MOUNTS "changes or names mounts, past the broker's view of the files"
#define KERNEL "changes the machine, not the job"
#define KERNEL_CODE "puts code into the kernel"
#define KEYS "the keyring is shared between jobs of one identity"
#define RINGS "operations of a ring pass seccomp by"
#define FAULTS "stalls the kernel in the middle of a copy, the tool of race exploits"
#define NAMESPACES "a new namespace brings capabilities inside it"
#define HANDLES "opens by number, past every path check"
#define PROCESS "a job is one process; a child of it would be watched by nobody"
#define EXEC "a new program image; a job is one interpreter"
#define IDENTITY "changes whose power the process has"
#define FILTERS "only the supervisor decides about filters and rulesets"
#define HARDWARE "touches ports and segments of the machine"
#define OBSOLETE "removed from the kernel or never in use"
#define PATHS "takes a path or changes an object, and Landlock does not stand behind the filter for all of it"
#define WATCHES "tells of activity on files outside the grants"
#define SOCKETS "names an address or makes a socket; the filter is the only wall for most families"
#define SIGNALS "reaches other processes of the same identity"
#define REGISTERS "harmless and harmful uses differ by an argument"

/* what no thread of a job may be cloned with: namespaces, escape from the tracer, descriptors of other processes */
#define CLONE_FORBIDDEN \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_UNTRACED | CLONE_PTRACE | CLONE_PARENT)

static const struct floor table[] = {
	{"ptrace", FLOOR_NEVER, TRACING, 0, 0},
	{"process_vm_readv", FLOOR_NEVER, TRACING, 0, 0},
	{"process_vm_writev", FLOOR_NEVER, TRACING, 0, 0},
	{"process_madvise", FLOOR_NEVER, TRACING, 0, 0},
	{"process_mrelease", FLOOR_NEVER, TRACING, 0, 0},
	{"pidfd_getfd", FLOOR_NEVER, "takes descriptors out of other processes", 0, 0},
	{"kcmp", FLOOR_NEVER, TRACING, 0, 0},
	{"perf_event_open", FLOOR_NEVER, "watches the kernel and other processes", 0, 0},
	{"lookup_dcookie", FLOOR_NEVER, "watches the kernel and other processes", 0, 0},
	{"mount", FLOOR_NEVER, MOUNTS, 0, 0},
	{"umount2", FLOOR_NEVER, MOUNTS, 0, 0},
	{"move_mount", FLOOR_NEVER, MOUNTS, 0, 0},
	{"open_tree", FLOOR_NEVER, MOUNTS, 0, 0},
	{"open_tree_attr", FLOOR_NEVER, MOUNTS, 0, 0},
	{"fsopen", FLOOR_NEVER, MOUNTS, 0, 0},
	{"fsconfig", FLOOR_NEVER, MOUNTS, 0, 0},
	{"fsmount", FLOOR_NEVER, MOUNTS, 0, 0},
	{"fspick", FLOOR_NEVER, MOUNTS, 0, 0},
	{"mount_setattr", FLOOR_NEVER, MOUNTS, 0, 0},
	{"statmount", FLOOR_NEVER, MOUNTS, 0, 0},
	{"listmount", FLOOR_NEVER, MOUNTS, 0, 0},
	{"pivot_root", FLOOR_NEVER, MOUNTS, 0, 0},
	{"chroot", FLOOR_NEVER, MOUNTS, 0, 0},
	{"quotactl", FLOOR_NEVER, KERNEL, 0, 0},
	{"quotactl_fd", FLOOR_NEVER, KERNEL, 0, 0},
	{"bpf", FLOOR_NEVER, KERNEL_CODE, 0, 0},
	{"init_module", FLOOR_NEVER, KERNEL_CODE, 0, 0},
	{"finit_module", FLOOR_NEVER, KERNEL_CODE, 0, 0},
	{"delete_module", FLOOR_NEVER, KERNEL_CODE, 0, 0},
	{"create_module", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"query_module", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"get_kernel_syms", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"kexec_load", FLOOR_NEVER, KERNEL_CODE, 0, 0},
	{"kexec_file_load", FLOOR_NEVER, KERNEL_CODE, 0, 0},
	{"uretprobe", FLOOR_NEVER, "only the kernel's own trampolines make it", 0, 0},
	{"uprobe", FLOOR_NEVER, "only the kernel's own trampolines make it", 0, 0},
	{"add_key", FLOOR_NEVER, KEYS, 0, 0},
	{"request_key", FLOOR_NEVER, KEYS, 0, 0},
	{"keyctl", FLOOR_NEVER, KEYS, 0, 0},
	{"io_uring_setup", FLOOR_NEVER, RINGS, 0, 0},
	{"io_uring_enter", FLOOR_NEVER, RINGS, 0, 0},
	{"io_uring_register", FLOOR_NEVER, RINGS, 0, 0},
	{"userfaultfd", FLOOR_NEVER, FAULTS, 0, 0},
	{"setns", FLOOR_NEVER, NAMESPACES, 0, 0},
	{"unshare", FLOOR_NEVER, NAMESPACES, 0, 0},
	{"open_by_handle_at", FLOOR_NEVER, HANDLES, 0, 0},
	{"fork", FLOOR_NEVER, PROCESS, 0, 0},
	{"vfork", FLOOR_NEVER, PROCESS, 0, 0},
	{"execve", FLOOR_NEVER, EXEC, 0, 0},
	{"execveat", FLOOR_NEVER, EXEC, 0, 0},
	{"uselib", FLOOR_NEVER, EXEC, 0, 0},
	{"setuid", FLOOR_NEVER, IDENTITY, 0, 0},
	{"setgid", FLOOR_NEVER, IDENTITY, 0, 0},
	{"setreuid", FLOOR_NEVER, IDENTITY, 0, 0},
	{"setregid", FLOOR_NEVER, IDENTITY, 0, 0},
	{"setresuid", FLOOR_NEVER, IDENTITY, 0, 0},
	{"setresgid", FLOOR_NEVER, IDENTITY, 0, 0},
	{"setfsuid", FLOOR_NEVER, IDENTITY, 0, 0},
	{"setfsgid", FLOOR_NEVER, IDENTITY, 0, 0},
	{"setgroups", FLOOR_NEVER, IDENTITY, 0, 0},
	{"capset", FLOOR_NEVER, IDENTITY, 0, 0},
	{"seccomp", FLOOR_NEVER, FILTERS, 0, 0},
	{"landlock_create_ruleset", FLOOR_NEVER, FILTERS, 0, 0},
	{"landlock_add_rule", FLOOR_NEVER, FILTERS, 0, 0},
	{"landlock_restrict_self", FLOOR_NEVER, FILTERS, 0, 0},
	{"lsm_get_self_attr", FLOOR_NEVER, FILTERS, 0, 0},
	{"lsm_set_self_attr", FLOOR_NEVER, FILTERS, 0, 0},
	{"lsm_list_modules", FLOOR_NEVER, FILTERS, 0, 0},
	{"reboot", FLOOR_NEVER, KERNEL, 0, 0},
	{"swapon", FLOOR_NEVER, KERNEL, 0, 0},
	{"swapoff", FLOOR_NEVER, KERNEL, 0, 0},
	{"acct", FLOOR_NEVER, KERNEL, 0, 0},
	{"settimeofday", FLOOR_NEVER, KERNEL, 0, 0},
	{"clock_settime", FLOOR_NEVER, KERNEL, 0, 0},
	{"sethostname", FLOOR_NEVER, KERNEL, 0, 0},
	{"setdomainname", FLOOR_NEVER, KERNEL, 0, 0},
	{"syslog", FLOOR_NEVER, KERNEL, 0, 0},
	{"vhangup", FLOOR_NEVER, KERNEL, 0, 0},
	{"sync", FLOOR_NEVER, "makes the whole machine write", 0, 0},
	{"syncfs", FLOOR_NEVER, "makes a whole file system write", 0, 0},
	{"migrate_pages", FLOOR_NEVER, TRACING, 0, 0},
	{"move_pages", FLOOR_NEVER, TRACING, 0, 0},
	{"iopl", FLOOR_NEVER, HARDWARE, 0, 0},
	{"ioperm", FLOOR_NEVER, HARDWARE, 0, 0},
	{"modify_ldt", FLOOR_NEVER, HARDWARE, 0, 0},
	{"nfsservctl", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"_sysctl", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"afs_syscall", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"tuxcall", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"security", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"getpmsg", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"putpmsg", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"vserver", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"epoll_ctl_old", FLOOR_NEVER, OBSOLETE, 0, 0},
	{"epoll_wait_old", FLOOR_NEVER, OBSOLETE, 0, 0},

	{"open", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"openat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"openat2", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"creat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"stat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"lstat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"newfstatat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"statx", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"access", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"faccessat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"faccessat2", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"readlink", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"readlinkat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"getcwd", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"chdir", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fchdir", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"mkdir", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"mkdirat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"rmdir", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"unlink", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"unlinkat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"rename", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"renameat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"renameat2", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"link", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"linkat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"symlink", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"symlinkat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"mknod", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"mknodat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"chmod", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fchmod", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fchmodat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fchmodat2", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"chown", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fchown", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"lchown", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fchownat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"truncate", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"utime", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"utimes", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"futimesat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"utimensat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"statfs", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fstatfs", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"ustat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"flock", FLOOR_BROKER_ONLY, "a lock on a granted file holds up the host's own programs", 0, 0},
	{"setxattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"lsetxattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fsetxattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"setxattrat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"getxattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"lgetxattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fgetxattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"getxattrat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"listxattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"llistxattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"flistxattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"listxattrat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"removexattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"lremovexattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"fremovexattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"removexattrat", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"file_getattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"file_setattr", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"name_to_handle_at", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"inotify_init", FLOOR_BROKER_ONLY, WATCHES, 0, 0},
	{"inotify_init1", FLOOR_BROKER_ONLY, WATCHES, 0, 0},
	{"inotify_add_watch", FLOOR_BROKER_ONLY, WATCHES, 0, 0},
	{"fanotify_init", FLOOR_BROKER_ONLY, WATCHES, 0, 0},
	{"fanotify_mark", FLOOR_BROKER_ONLY, WATCHES, 0, 0},
	{"mq_open", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"mq_unlink", FLOOR_BROKER_ONLY, PATHS, 0, 0},
	{"socket", FLOOR_BROKER_ONLY, SOCKETS, 0, 0},
	{"socketpair", FLOOR_BROKER_ONLY, SOCKETS, 0, 0},
	{"connect", FLOOR_BROKER_ONLY, SOCKETS, 0, 0},
	{"bind", FLOOR_BROKER_ONLY, SOCKETS, 0, 0},
	{"listen", FLOOR_BROKER_ONLY, SOCKETS, 0, 0},
	{"accept", FLOOR_BROKER_ONLY, SOCKETS, 0, 0},
	{"accept4", FLOOR_BROKER_ONLY, SOCKETS, 0, 0},
	{"sendmmsg", FLOOR_BROKER_ONLY, SOCKETS, 0, 0},
	{"setsockopt", FLOOR_BROKER_ONLY, "options that lead elsewhere are among them; list those that are needed under sockopts", 0, 0},
	{"kill", FLOOR_BROKER_ONLY, SIGNALS, 0, 0},
	{"tkill", FLOOR_BROKER_ONLY, SIGNALS, 0, 0},
	{"tgkill", FLOOR_BROKER_ONLY, SIGNALS, 0, 0},
	{"rt_sigqueueinfo", FLOOR_BROKER_ONLY, SIGNALS, 0, 0},
	{"rt_tgsigqueueinfo", FLOOR_BROKER_ONLY, SIGNALS, 0, 0},
	{"pidfd_send_signal", FLOOR_BROKER_ONLY, SIGNALS, 0, 0},

	{"clone", FLOOR_BROKER_ONLY, "makes processes or threads; the broker counts, and one job has one table of descriptors",
	 CLONE_FORBIDDEN, 0},
	{"close_range", FLOOR_CONDITIONAL, "a thread with a table of its own would show the broker the wrong descriptors",
	 CLOSE_RANGE_UNSHARE, 2},
	{"clone3", FLOOR_NEVER, "its flags are in memory, where no filter can read them", 0, 0},
	{"prctl", FLOOR_CONDITIONAL, REGISTERS, 0, 0},
	{"ioctl", FLOOR_CONDITIONAL, REGISTERS, 0, 0},
	{"fcntl", FLOOR_CONDITIONAL, REGISTERS, 0, 0},
	{"prlimit64", FLOOR_CONDITIONAL, REGISTERS, 0, 0},
	{"personality", FLOOR_CONDITIONAL, REGISTERS, 0, 0},
	{"sendto", FLOOR_CONDITIONAL, "fast open connects to the address that comes with the data", MSG_FASTOPEN, 3},
	{"sendmsg", FLOOR_CONDITIONAL, "fast open connects to the address that comes with the data", MSG_FASTOPEN, 2},
	{"sched_setaffinity", FLOOR_CONDITIONAL, SIGNALS, 0, 0},
	{"setpriority", FLOOR_CONDITIONAL, SIGNALS, 0, 0},
};

const struct floor *floor_at(size_t i)
{
	return i < sizeof(table) / sizeof(table[0]) ? &table[i] : NULL;
}

const struct floor *floor_find(const char *name)
{
	const struct floor *f;

	for (size_t i = 0; (f = floor_at(i)); i++) {
		if (!strcmp(f->name, name))
			return f;
	}
	return NULL;
}
