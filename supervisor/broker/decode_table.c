#include "decode_table.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define S(name) {#name, (uint64_t)(name)}
#define ALL_BITS UINT64_MAX

/* --- names of values; where several share a bit, the one with more bits comes first ------------------------- */

static const struct decode_symbol none[] = {{NULL, 0}}; /* kinds that are shown as numbers or text */
static const struct decode_symbol open_flags[] = {
	S(O_RDONLY), S(O_WRONLY), S(O_RDWR), S(O_PATH), S(O_TMPFILE), S(O_CREAT), S(O_EXCL), S(O_NOCTTY), S(O_TRUNC),
	S(O_APPEND), S(O_NONBLOCK), S(O_SYNC), S(O_DSYNC), S(O_ASYNC), S(O_DIRECT), S(O_DIRECTORY), S(O_NOFOLLOW),
	S(O_NOATIME), S(O_CLOEXEC), {"O_LARGEFILE", 0100000},
};
static const struct decode_symbol at_flags[] = {
	S(AT_SYMLINK_NOFOLLOW), S(AT_SYMLINK_FOLLOW), S(AT_EMPTY_PATH), S(AT_NO_AUTOMOUNT), S(AT_EACCESS),
	S(AT_STATX_FORCE_SYNC), S(AT_STATX_DONT_SYNC), S(AT_RECURSIVE),
};
static const struct decode_symbol unlink_flags[] = {S(AT_REMOVEDIR)};
static const struct decode_symbol access_modes[] = {S(F_OK), S(R_OK), S(W_OK), S(X_OK)};
static const struct decode_symbol prot[] = {S(PROT_NONE), S(PROT_READ), S(PROT_WRITE), S(PROT_EXEC),
	S(PROT_GROWSDOWN), S(PROT_GROWSUP)};
static const struct decode_symbol map_flags[] = {
	S(MAP_SHARED), S(MAP_PRIVATE), S(MAP_SHARED_VALIDATE), S(MAP_FIXED), S(MAP_ANONYMOUS), S(MAP_GROWSDOWN),
	S(MAP_LOCKED), S(MAP_NORESERVE), S(MAP_POPULATE), S(MAP_NONBLOCK), S(MAP_STACK), S(MAP_HUGETLB),
	S(MAP_FIXED_NOREPLACE), S(MAP_SYNC),
};
static const struct decode_symbol clone_flags[] = {
	S(CLONE_VM), S(CLONE_FS), S(CLONE_FILES), S(CLONE_SIGHAND), S(CLONE_PIDFD), S(CLONE_PTRACE), S(CLONE_VFORK),
	S(CLONE_PARENT), S(CLONE_THREAD), S(CLONE_NEWNS), S(CLONE_SYSVSEM), S(CLONE_SETTLS), S(CLONE_PARENT_SETTID),
	S(CLONE_CHILD_CLEARTID), S(CLONE_DETACHED), S(CLONE_UNTRACED), S(CLONE_CHILD_SETTID), S(CLONE_NEWCGROUP),
	S(CLONE_NEWUTS), S(CLONE_NEWIPC), S(CLONE_NEWUSER), S(CLONE_NEWPID), S(CLONE_NEWNET), S(CLONE_IO),
	S(SIGCHLD),
};
static const struct decode_symbol families[] = {
	S(AF_UNSPEC), S(AF_UNIX), S(AF_INET), S(AF_INET6), S(AF_NETLINK), S(AF_PACKET), S(AF_ALG), S(AF_VSOCK),
	S(AF_KEY),
	S(AF_BLUETOOTH), S(AF_CAN), S(AF_TIPC), S(AF_XDP), S(AF_RDS), S(AF_NFC), S(AF_QIPCRTR),
};
static const struct decode_symbol socket_types[] = {
	S(SOCK_STREAM), S(SOCK_DGRAM), S(SOCK_RAW), S(SOCK_RDM), S(SOCK_SEQPACKET), S(SOCK_PACKET), S(SOCK_NONBLOCK),
	S(SOCK_CLOEXEC),
};
static const struct decode_symbol signals[] = {
	{"0", 0}, S(SIGHUP), S(SIGINT), S(SIGQUIT), S(SIGILL), S(SIGTRAP), S(SIGABRT), S(SIGBUS), S(SIGFPE), S(SIGKILL),
	S(SIGUSR1), S(SIGSEGV), S(SIGUSR2), S(SIGPIPE), S(SIGALRM), S(SIGTERM), S(SIGCHLD), S(SIGCONT), S(SIGSTOP),
	S(SIGTSTP), S(SIGTTIN), S(SIGTTOU), S(SIGURG), S(SIGXCPU), S(SIGXFSZ), S(SIGVTALRM), S(SIGPROF), S(SIGWINCH),
	S(SIGIO), S(SIGPWR), S(SIGSYS),
};
static const struct decode_symbol ioctls[] = {
	S(TCGETS), S(TCSETS), S(TCSETSW), S(TCSETSF), S(TIOCSTI), S(TIOCGWINSZ), S(TIOCSWINSZ), S(TIOCGPGRP),
	S(TIOCSPGRP),
	S(TIOCSCTTY), S(TIOCNOTTY), S(TIOCLINUX), S(TIOCCONS), S(FIONREAD), S(FIONBIO), S(FIOASYNC), S(FIOCLEX),
	S(FIONCLEX),
	S(SIOCGIFCONF), S(SIOCGIFFLAGS), S(SIOCGIFADDR), S(SIOCGIFINDEX), S(SIOCGIFHWADDR), S(SIOCATMARK),
};
static const struct decode_symbol prctls[] = {
	S(PR_SET_PDEATHSIG), S(PR_GET_PDEATHSIG), S(PR_GET_DUMPABLE), S(PR_SET_DUMPABLE), S(PR_SET_NAME),
	S(PR_GET_NAME),
	S(PR_GET_SECCOMP), S(PR_SET_SECCOMP), S(PR_CAPBSET_READ), S(PR_CAPBSET_DROP), S(PR_SET_TIMERSLACK),
	S(PR_GET_TIMERSLACK), S(PR_SET_MM), S(PR_SET_CHILD_SUBREAPER), S(PR_SET_NO_NEW_PRIVS), S(PR_GET_NO_NEW_PRIVS),
	S(PR_SET_THP_DISABLE), S(PR_GET_THP_DISABLE), S(PR_CAP_AMBIENT), S(PR_SET_PTRACER), S(PR_SET_KEEPCAPS),
	S(PR_SET_SECUREBITS), S(PR_SET_SYSCALL_USER_DISPATCH), {"PR_SET_VMA", 0x53564d41},
};
static const struct decode_symbol fcntls[] = {
	S(F_DUPFD), S(F_GETFD), S(F_SETFD), S(F_GETFL), S(F_SETFL), S(F_GETLK), S(F_SETLK), S(F_SETLKW), S(F_SETOWN),
	S(F_GETOWN), S(F_SETSIG), S(F_GETSIG), S(F_SETLEASE), S(F_GETLEASE), S(F_NOTIFY), S(F_DUPFD_CLOEXEC),
	S(F_SETPIPE_SZ), S(F_GETPIPE_SZ), S(F_ADD_SEALS), S(F_GET_SEALS), S(F_OFD_GETLK), S(F_OFD_SETLK),
	S(F_OFD_SETLKW),
	S(F_SETOWN_EX), S(F_GETOWN_EX),
};
static const struct decode_symbol mount_flags[] = {
	{"0", 0}, S(MS_RDONLY), S(MS_NOSUID), S(MS_NODEV), S(MS_NOEXEC), S(MS_SYNCHRONOUS), S(MS_REMOUNT), S(MS_BIND),
	S(MS_MOVE), S(MS_REC), S(MS_SILENT), S(MS_UNBINDABLE), S(MS_PRIVATE), S(MS_SLAVE), S(MS_SHARED), S(MS_NOATIME),
	S(MS_RELATIME), S(MS_STRICTATIME),
};
static const struct decode_symbol msg_flags[] = {
	S(MSG_OOB), S(MSG_PEEK), S(MSG_DONTROUTE), S(MSG_CTRUNC), S(MSG_TRUNC), S(MSG_DONTWAIT), S(MSG_EOR),
	S(MSG_WAITALL),
	S(MSG_CONFIRM), S(MSG_ERRQUEUE), S(MSG_NOSIGNAL), S(MSG_MORE), S(MSG_WAITFORONE), S(MSG_ZEROCOPY),
	S(MSG_FASTOPEN),
	S(MSG_CMSG_CLOEXEC),
};
static const struct decode_symbol levels[] = {S(SOL_SOCKET), S(IPPROTO_IP), S(IPPROTO_TCP), S(IPPROTO_UDP),
	S(IPPROTO_IPV6), {"SOL_NETLINK", 270}, {"SOL_ALG", 279}};
static const struct decode_symbol flocks[] = {S(LOCK_SH), S(LOCK_EX), S(LOCK_UN), S(LOCK_NB)};
static const struct decode_symbol rename_flags[] = {{"RENAME_NOREPLACE", 1}, {"RENAME_EXCHANGE", 2},
	{"RENAME_WHITEOUT", 4}};
static const struct decode_symbol whences[] = {S(SEEK_SET), S(SEEK_CUR), S(SEEK_END), S(SEEK_DATA), S(SEEK_HOLE)};
static const struct decode_symbol advices[] = {
	S(MADV_NORMAL), S(MADV_RANDOM), S(MADV_SEQUENTIAL), S(MADV_WILLNEED), S(MADV_DONTNEED), S(MADV_FREE),
	S(MADV_REMOVE),
	S(MADV_DONTFORK), S(MADV_DOFORK), S(MADV_MERGEABLE), S(MADV_HUGEPAGE), S(MADV_NOHUGEPAGE), S(MADV_DONTDUMP),
	S(MADV_DODUMP), S(MADV_WIPEONFORK), S(MADV_KEEPONFORK), S(MADV_COLD), S(MADV_PAGEOUT),
};
static const struct decode_symbol rlimits[] = {
	S(RLIMIT_CPU), S(RLIMIT_FSIZE), S(RLIMIT_DATA), S(RLIMIT_STACK), S(RLIMIT_CORE), S(RLIMIT_RSS), S(RLIMIT_NPROC),
	S(RLIMIT_NOFILE), S(RLIMIT_MEMLOCK), S(RLIMIT_AS), S(RLIMIT_LOCKS), S(RLIMIT_SIGPENDING), S(RLIMIT_MSGQUEUE),
	S(RLIMIT_NICE), S(RLIMIT_RTPRIO), S(RLIMIT_RTTIME),
};
static const struct decode_symbol ptrace_requests[] = {
	S(PTRACE_TRACEME), S(PTRACE_PEEKTEXT), S(PTRACE_PEEKDATA), S(PTRACE_PEEKUSER), S(PTRACE_POKETEXT),
	S(PTRACE_POKEDATA), S(PTRACE_POKEUSER), S(PTRACE_CONT), S(PTRACE_KILL), S(PTRACE_GETREGSET), S(PTRACE_SETREGSET),
	S(PTRACE_ATTACH), S(PTRACE_DETACH), S(PTRACE_SEIZE), S(PTRACE_INTERRUPT), S(PTRACE_SETOPTIONS),
};
static const struct decode_symbol futexes[] = {
	S(FUTEX_WAIT), S(FUTEX_WAKE), S(FUTEX_REQUEUE), S(FUTEX_CMP_REQUEUE), S(FUTEX_WAKE_OP), S(FUTEX_LOCK_PI),
	S(FUTEX_UNLOCK_PI), S(FUTEX_TRYLOCK_PI), S(FUTEX_WAIT_BITSET), S(FUTEX_WAKE_BITSET), S(FUTEX_WAIT_REQUEUE_PI),
	S(FUTEX_CMP_REQUEUE_PI), S(FUTEX_PRIVATE_FLAG), S(FUTEX_CLOCK_REALTIME),
};
static const struct decode_symbol clocks[] = {
	S(CLOCK_REALTIME), S(CLOCK_MONOTONIC), S(CLOCK_PROCESS_CPUTIME_ID), S(CLOCK_THREAD_CPUTIME_ID),
	S(CLOCK_MONOTONIC_RAW), S(CLOCK_REALTIME_COARSE), S(CLOCK_MONOTONIC_COARSE), S(CLOCK_BOOTTIME),
	S(CLOCK_REALTIME_ALARM), S(CLOCK_BOOTTIME_ALARM), S(CLOCK_TAI),
};

static const struct decode_symbol epoll_ops[] = {{"0", 0}, S(EPOLL_CTL_ADD), S(EPOLL_CTL_DEL), S(EPOLL_CTL_MOD)};
static const struct decode_symbol epoll_flags[] = {{"0", 0}, S(EPOLL_CLOEXEC)};
static const struct decode_symbol timerfd_flags[] = {{"0", 0}, S(TFD_NONBLOCK), S(TFD_CLOEXEC)};
static const struct decode_symbol sighows[] = {S(SIG_BLOCK), S(SIG_UNBLOCK), S(SIG_SETMASK)};
static const struct decode_symbol shuts[] = {S(SHUT_RD), S(SHUT_WR), S(SHUT_RDWR)};
static const struct decode_symbol grnds[] = {{"0", 0}, S(GRND_NONBLOCK), S(GRND_RANDOM)};
static const struct decode_symbol rusages[] = {S(RUSAGE_SELF), S(RUSAGE_THREAD)};
static const struct decode_symbol futex2s[] = {{"0", 0}, {"FUTEX2_SIZE_U32", 2}, {"FUTEX2_PRIVATE", 128}};
static const struct decode_symbol memfd_flags[] = {{"0", 0}, S(MFD_CLOEXEC), S(MFD_ALLOW_SEALING), S(MFD_HUGETLB)};
static const struct decode_symbol keyctls[] = {
	{"KEYCTL_GET_KEYRING_ID", 0}, {"KEYCTL_JOIN_SESSION_KEYRING", 1}, {"KEYCTL_UPDATE", 2}, {"KEYCTL_REVOKE", 3}, {"KEYCTL_CHOWN", 4},
	{"KEYCTL_SETPERM", 5}, {"KEYCTL_DESCRIBE", 6}, {"KEYCTL_CLEAR", 7}, {"KEYCTL_LINK", 8}, {"KEYCTL_UNLINK", 9}, {"KEYCTL_SEARCH", 10},
	{"KEYCTL_READ", 11},
};
static const struct decode_symbol bpf_commands[] = {
	{"BPF_MAP_CREATE", 0}, {"BPF_MAP_LOOKUP_ELEM", 1}, {"BPF_MAP_UPDATE_ELEM", 2}, {"BPF_MAP_DELETE_ELEM", 3},
	{"BPF_MAP_GET_NEXT_KEY", 4}, {"BPF_PROG_LOAD", 5}, {"BPF_OBJ_PIN", 6}, {"BPF_OBJ_GET", 7},
};
static const struct decode_symbol seccomp_operations[] = {
	{"SECCOMP_SET_MODE_STRICT", 0}, {"SECCOMP_SET_MODE_FILTER", 1}, {"SECCOMP_GET_ACTION_AVAIL", 2}, {"SECCOMP_GET_NOTIF_SIZES", 3},
};
static const struct decode_symbol mlockall_flags[] = {S(MCL_CURRENT), S(MCL_FUTURE), S(MCL_ONFAULT)};
static const struct decode_symbol umount_flags[] = {{"0", 0}, S(MNT_FORCE), S(MNT_DETACH), S(MNT_EXPIRE), S(UMOUNT_NOFOLLOW)};
static const struct decode_symbol arch_prctls[] = {
	{"ARCH_SET_GS", 0x1001}, {"ARCH_SET_FS", 0x1002}, {"ARCH_GET_FS", 0x1003}, {"ARCH_GET_GS", 0x1004}, {"ARCH_GET_CPUID", 0x1011},
	{"ARCH_SET_CPUID", 0x1012}, {"ARCH_CET_STATUS", 0x3001}, {"ARCH_SHSTK_ENABLE", 0x5001}, {"ARCH_SHSTK_DISABLE", 0x5002},
	{"ARCH_SHSTK_STATUS", 0x5005},
};
static const struct decode_symbol prio_kinds[] = {S(PRIO_PROCESS), S(PRIO_PGRP), S(PRIO_USER)};
static const struct decode_symbol remap_flags[] = {{"0", 0}, S(MREMAP_MAYMOVE), S(MREMAP_FIXED), S(MREMAP_DONTUNMAP)};

static const struct decode_symbol poll_events[] = {
	{"0", 0}, S(EPOLLIN), S(EPOLLPRI), S(EPOLLOUT), S(EPOLLERR), S(EPOLLHUP), S(EPOLLRDNORM), S(EPOLLRDBAND), S(EPOLLWRNORM), S(EPOLLWRBAND),
	S(EPOLLMSG), S(EPOLLRDHUP), {"EPOLLEXCLUSIVE", 1u << 28}, {"EPOLLWAKEUP", 1u << 29}, {"EPOLLONESHOT", 1u << 30}, {"EPOLLET", 1u << 31},
};
static const struct decode_symbol sigaction_flags[] = {
	{"0", 0}, {"SA_NOCLDSTOP", 1}, {"SA_NOCLDWAIT", 2}, {"SA_SIGINFO", 4}, {"SA_RESTORER", 0x04000000}, {"SA_ONSTACK", 0x08000000},
	{"SA_RESTART", 0x10000000}, {"SA_NODEFER", 0x40000000}, {"SA_RESETHAND", 0x80000000},
};
static const struct decode_symbol resolve_flags[] = {
	{"0", 0}, {"RESOLVE_NO_XDEV", 1}, {"RESOLVE_NO_MAGICLINKS", 2}, {"RESOLVE_NO_SYMLINKS", 4}, {"RESOLVE_BENEATH", 8},
	{"RESOLVE_IN_ROOT", 16}, {"RESOLVE_CACHED", 32},
};

/* options of setsockopt(2), by level */
static const struct decode_symbol socket_options[] = {
	S(SO_DEBUG), S(SO_REUSEADDR), S(SO_TYPE), S(SO_ERROR), S(SO_DONTROUTE), S(SO_BROADCAST), S(SO_SNDBUF), S(SO_RCVBUF), S(SO_KEEPALIVE),
	S(SO_OOBINLINE), S(SO_PRIORITY), S(SO_LINGER), S(SO_REUSEPORT), S(SO_PASSCRED), S(SO_PEERCRED), S(SO_RCVLOWAT), S(SO_RCVTIMEO),
	S(SO_SNDTIMEO), S(SO_BINDTODEVICE), S(SO_ATTACH_FILTER), S(SO_DETACH_FILTER), S(SO_PEERNAME), S(SO_TIMESTAMP), S(SO_ACCEPTCONN),
	S(SO_PEERSEC), S(SO_SNDBUFFORCE), S(SO_RCVBUFFORCE), S(SO_MARK), S(SO_PROTOCOL), S(SO_DOMAIN), S(SO_BUSY_POLL), S(SO_ATTACH_BPF),
	S(SO_ZEROCOPY), S(SO_TXTIME),
};
static const struct decode_symbol ip_options[] = {
	S(IP_TOS), S(IP_TTL), S(IP_HDRINCL), S(IP_OPTIONS), S(IP_RECVERR), S(IP_PKTINFO), S(IP_MTU_DISCOVER), S(IP_FREEBIND), S(IP_TRANSPARENT),
	S(IP_MULTICAST_IF), S(IP_MULTICAST_TTL), S(IP_MULTICAST_LOOP), S(IP_ADD_MEMBERSHIP), S(IP_DROP_MEMBERSHIP),
};
static const struct decode_symbol ipv6_options[] = {
	S(IPV6_UNICAST_HOPS), S(IPV6_MULTICAST_IF), S(IPV6_MULTICAST_HOPS), S(IPV6_MULTICAST_LOOP), S(IPV6_V6ONLY), S(IPV6_RECVERR),
	S(IPV6_RECVPKTINFO), S(IPV6_HDRINCL), S(IPV6_TCLASS), S(IPV6_TRANSPARENT),
};
static const struct decode_symbol tcp_options[] = {
	S(TCP_NODELAY), S(TCP_MAXSEG), S(TCP_CORK), S(TCP_KEEPIDLE), S(TCP_KEEPINTVL), S(TCP_KEEPCNT), S(TCP_SYNCNT), S(TCP_DEFER_ACCEPT),
	S(TCP_INFO), S(TCP_QUICKACK), S(TCP_CONGESTION), S(TCP_MD5SIG), S(TCP_USER_TIMEOUT), S(TCP_REPAIR), S(TCP_FASTOPEN), S(TCP_ULP),
	S(TCP_FASTOPEN_CONNECT), S(TCP_NOTSENT_LOWAT),
};

const struct decode_words *decode_sockopts(uint64_t level)
{
	static const struct {
		uint64_t level;
		struct decode_words words;
	} levels_of[] = {
		{SOL_SOCKET, {socket_options, sizeof(socket_options) / sizeof(socket_options[0]), ALL_BITS}},
		{IPPROTO_IP, {ip_options, sizeof(ip_options) / sizeof(ip_options[0]), ALL_BITS}},
		{IPPROTO_IPV6, {ipv6_options, sizeof(ipv6_options) / sizeof(ipv6_options[0]), ALL_BITS}},
		{IPPROTO_TCP, {tcp_options, sizeof(tcp_options) / sizeof(tcp_options[0]), ALL_BITS}},
	};

	for (size_t i = 0; i < sizeof(levels_of) / sizeof(levels_of[0]); i++)
		if (levels_of[i].level == level)
			return &levels_of[i].words;
	return &decode_words[A_SOCKOPT];
}

/* bits of each kind that hold one value among the names */
#define ENUM_none 0
#define ENUM_open_flags O_ACCMODE
#define ENUM_at_flags 0
#define ENUM_unlink_flags 0
#define ENUM_access_modes 0
#define ENUM_prot 0
#define ENUM_map_flags 3
#define ENUM_clone_flags 0xff
#define ENUM_families ALL_BITS
#define ENUM_socket_types 0xf
#define ENUM_signals ALL_BITS
#define ENUM_ioctls ALL_BITS
#define ENUM_prctls ALL_BITS
#define ENUM_fcntls ALL_BITS
#define ENUM_mount_flags 0
#define ENUM_msg_flags 0
#define ENUM_levels ALL_BITS
#define ENUM_flocks 0
#define ENUM_rename_flags 0
#define ENUM_whences ALL_BITS
#define ENUM_advices ALL_BITS
#define ENUM_rlimits ALL_BITS
#define ENUM_ptrace_requests ALL_BITS
#define ENUM_futexes 0x7f
#define ENUM_clocks ALL_BITS
#define ENUM_epoll_ops ALL_BITS
#define ENUM_epoll_flags 0
#define ENUM_timerfd_flags 0
#define ENUM_sighows ALL_BITS
#define ENUM_shuts ALL_BITS
#define ENUM_grnds 0
#define ENUM_rusages ALL_BITS
#define ENUM_futex2s 3
#define ENUM_memfd_flags 0
#define ENUM_keyctls ALL_BITS
#define ENUM_bpf_commands ALL_BITS
#define ENUM_seccomp_operations ALL_BITS
#define ENUM_mlockall_flags 0
#define ENUM_umount_flags 0
#define ENUM_arch_prctls ALL_BITS
#define ENUM_prio_kinds ALL_BITS
#define ENUM_remap_flags 0
#define ENUM_poll_events 0
#define ENUM_sigaction_flags 0
#define ENUM_resolve_flags 0

#define WORDS_ROW(kind, t) [A_##kind] = {t, sizeof(t) / sizeof(t[0]), ENUM_##t},
const struct decode_words decode_words[DECODE_KIND_COUNT] = {DECODE_KINDS(WORDS_ROW)};

/* --- calls, sorted by name ---------------------------------------------------------------------------------- */

static const struct decode_row table[] = {
	{"accept", {A_FD, A_PTR, A_PTR}},
	{"accept4", {A_FD, A_PTR, A_PTR, A_SOCKET}},
	{"access", {A_PATH, A_ACCESS}},
	{"acct", {A_PATH}},
	{"add_key", {A_TEXT, A_TEXT, A_PTR, A_SIZE, A_INT}},
	{"adjtimex", {A_PTR}},
	{"alarm", {A_INT}},
	{"arch_prctl", {A_ARCH, A_PTR}},
	{"bind", {A_FD, A_ADDR, A_INT}},
	{"bpf", {A_BPF, A_PTR, A_SIZE}},
	{"brk", {A_PTR}},
	{"cachestat", {A_FD, A_PTR, A_PTR, A_HEX}},
	{"capget", {A_PTR, A_PTR}},
	{"capset", {A_PTR, A_PTR}},
	{"chdir", {A_PATH}},
	{"chmod", {A_PATH, A_OCTAL}},
	{"chown", {A_PATH, A_INT, A_INT}},
	{"chroot", {A_PATH}},
	{"clock_adjtime", {A_CLOCK, A_PTR}},
	{"clock_getres", {A_CLOCK, A_PTR}},
	{"clock_gettime", {A_CLOCK, A_PTR}},
	{"clock_nanosleep", {A_CLOCK, A_INT, A_TIME, A_PTR}},
	{"clock_settime", {A_CLOCK, A_TIME}},
	{"clone", {A_CLONE, A_PTR, A_PTR, A_PTR, A_PTR}},
	{"clone3", {A_CLONEARGS, A_SIZE}},
	{"close", {A_FD}},
	{"close_range", {A_FD, A_FD, A_HEX}},
	{"connect", {A_FD, A_ADDR, A_INT}},
	{"copy_file_range", {A_FD, A_PTR, A_FD, A_PTR, A_SIZE, A_HEX}},
	{"creat", {A_PATH, A_OCTAL}},
	{"delete_module", {A_TEXT, A_OPEN}},
	{"dup", {A_FD}},
	{"dup2", {A_FD, A_FD}},
	{"dup3", {A_FD, A_FD, A_OPEN}},
	{"epoll_create", {A_INT}},
	{"epoll_create1", {A_EPOLLFD}},
	{"epoll_ctl", {A_FD, A_EPOLL, A_FD, A_EPOLLEV}},
	{"epoll_pwait", {A_FD, A_PTR, A_INT, A_INT, A_SIGSET, A_SIZE}},
	{"epoll_pwait2", {A_FD, A_PTR, A_INT, A_TIME, A_SIGSET, A_SIZE}},
	{"epoll_wait", {A_FD, A_PTR, A_INT, A_INT}},
	{"eventfd", {A_INT}},
	{"eventfd2", {A_INT, A_OPEN}},
	{"execve", {A_PATH, A_ARGV, A_PTR}},
	{"execveat", {A_DIRFD, A_PATH, A_ARGV, A_PTR, A_AT}},
	{"exit", {A_INT}},
	{"exit_group", {A_INT}},
	{"faccessat", {A_DIRFD, A_PATH, A_ACCESS}},
	{"faccessat2", {A_DIRFD, A_PATH, A_ACCESS, A_AT}},
	{"fadvise64", {A_FD, A_INT, A_SIZE, A_INT}},
	{"fallocate", {A_FD, A_HEX, A_INT, A_SIZE}},
	{"fanotify_init", {A_HEX, A_HEX}},
	{"fanotify_mark", {A_FD, A_HEX, A_HEX, A_DIRFD, A_PATH}},
	{"fchdir", {A_FD}},
	{"fchmod", {A_FD, A_OCTAL}},
	{"fchmodat", {A_DIRFD, A_PATH, A_OCTAL}},
	{"fchmodat2", {A_DIRFD, A_PATH, A_OCTAL, A_AT}},
	{"fchown", {A_FD, A_INT, A_INT}},
	{"fchownat", {A_DIRFD, A_PATH, A_INT, A_INT, A_AT}},
	{"fcntl", {A_FD, A_FCNTL, A_HEX}},
	{"fdatasync", {A_FD}},
	{"fgetxattr", {A_FD, A_TEXT, A_PTR, A_SIZE}},
	{"file_getattr", {A_DIRFD, A_PATH, A_PTR, A_SIZE, A_AT}},
	{"file_setattr", {A_DIRFD, A_PATH, A_PTR, A_SIZE, A_AT}},
	{"finit_module", {A_FD, A_TEXT, A_HEX}},
	{"flistxattr", {A_FD, A_PTR, A_SIZE}},
	{"flock", {A_FD, A_FLOCK}},
	{"fork", {A_NONE}},
	{"fremovexattr", {A_FD, A_TEXT}},
	{"fsconfig", {A_FD, A_INT, A_TEXT, A_PTR, A_INT}},
	{"fsetxattr", {A_FD, A_TEXT, A_PTR, A_SIZE, A_HEX}},
	{"fsmount", {A_FD, A_HEX, A_HEX}},
	{"fsopen", {A_TEXT, A_HEX}},
	{"fspick", {A_DIRFD, A_PATH, A_HEX}},
	{"fstat", {A_FD, A_PTR}},
	{"fstatfs", {A_FD, A_PTR}},
	{"fsync", {A_FD}},
	{"ftruncate", {A_FD, A_SIZE}},
	{"futex", {A_PTR, A_FUTEX, A_INT, A_PTR, A_PTR, A_INT}},
	{"futex_requeue", {A_PTR, A_HEX, A_INT, A_INT}},
	{"futex_wait", {A_PTR, A_HEX, A_HEX, A_FUTEX2, A_TIME, A_CLOCK}},
	{"futex_waitv", {A_PTR, A_INT, A_HEX, A_PTR, A_CLOCK}},
	{"futex_wake", {A_PTR, A_HEX, A_INT, A_FUTEX2}},
	{"futimesat", {A_DIRFD, A_PATH, A_TIMEVALS}},
	{"get_mempolicy", {A_PTR, A_PTR, A_SIZE, A_PTR, A_HEX}},
	{"get_robust_list", {A_INT, A_PTR, A_PTR}},
	{"get_thread_area", {A_PTR}},
	{"getcpu", {A_PTR, A_PTR}},
	{"getcwd", {A_PTR, A_SIZE}},
	{"getdents", {A_FD, A_PTR, A_SIZE}},
	{"getdents64", {A_FD, A_PTR, A_SIZE}},
	{"getegid", {A_NONE}},
	{"geteuid", {A_NONE}},
	{"getgid", {A_NONE}},
	{"getgroups", {A_INT, A_PTR}},
	{"getitimer", {A_INT, A_PTR}},
	{"getpeername", {A_FD, A_PTR, A_PTR}},
	{"getpgid", {A_INT}},
	{"getpgrp", {A_NONE}},
	{"getpid", {A_NONE}},
	{"getppid", {A_NONE}},
	{"getpriority", {A_PRIO, A_INT}},
	{"getrandom", {A_PTR, A_SIZE, A_GRND}},
	{"getresgid", {A_PTR, A_PTR, A_PTR}},
	{"getresuid", {A_PTR, A_PTR, A_PTR}},
	{"getrlimit", {A_RLIMIT, A_PTR}},
	{"getrusage", {A_WHO, A_PTR}},
	{"getsid", {A_INT}},
	{"getsockname", {A_FD, A_PTR, A_PTR}},
	{"getsockopt", {A_FD, A_LEVEL, A_SOCKOPT, A_PTR, A_PTR}},
	{"gettid", {A_NONE}},
	{"gettimeofday", {A_PTR, A_PTR}},
	{"getuid", {A_NONE}},
	{"getxattr", {A_PATH, A_TEXT, A_PTR, A_SIZE}},
	{"getxattrat", {A_DIRFD, A_PATH, A_AT, A_TEXT, A_PTR, A_SIZE}},
	{"init_module", {A_PTR, A_SIZE, A_TEXT}},
	{"inotify_add_watch", {A_FD, A_PATH, A_HEX}},
	{"inotify_init", {A_NONE}},
	{"inotify_init1", {A_OPEN}},
	{"inotify_rm_watch", {A_FD, A_INT}},
	{"io_cancel", {A_HEX, A_PTR, A_PTR}},
	{"io_destroy", {A_HEX}},
	{"io_getevents", {A_HEX, A_INT, A_INT, A_PTR, A_PTR}},
	{"io_pgetevents", {A_HEX, A_INT, A_INT, A_PTR, A_PTR, A_PTR}},
	{"io_setup", {A_INT, A_PTR}},
	{"io_submit", {A_HEX, A_INT, A_PTR}},
	{"io_uring_enter", {A_FD, A_INT, A_INT, A_HEX, A_PTR, A_SIZE}},
	{"io_uring_register", {A_FD, A_INT, A_PTR, A_INT}},
	{"io_uring_setup", {A_INT, A_PTR}},
	{"ioctl", {A_FD, A_IOCTL, A_HEX}},
	{"ioperm", {A_HEX, A_HEX, A_INT}},
	{"iopl", {A_INT}},
	{"ioprio_get", {A_INT, A_INT}},
	{"ioprio_set", {A_INT, A_INT, A_INT}},
	{"kcmp", {A_INT, A_INT, A_INT, A_HEX, A_HEX}},
	{"kexec_file_load", {A_FD, A_FD, A_SIZE, A_TEXT, A_HEX}},
	{"kexec_load", {A_PTR, A_SIZE, A_PTR, A_HEX}},
	{"keyctl", {A_KEYCTL, A_HEX, A_HEX, A_HEX, A_HEX}},
	{"kill", {A_INT, A_SIGNAL}},
	{"landlock_add_rule", {A_FD, A_INT, A_PTR, A_HEX}},
	{"landlock_create_ruleset", {A_PTR, A_SIZE, A_HEX}},
	{"landlock_restrict_self", {A_FD, A_HEX}},
	{"lchown", {A_PATH, A_INT, A_INT}},
	{"lgetxattr", {A_PATH, A_TEXT, A_PTR, A_SIZE}},
	{"link", {A_PATH, A_PATH}},
	{"linkat", {A_DIRFD, A_PATH, A_DIRFD, A_PATH, A_AT}},
	{"listen", {A_FD, A_INT}},
	{"listmount", {A_PTR, A_PTR, A_SIZE, A_HEX}},
	{"listxattr", {A_PATH, A_PTR, A_SIZE}},
	{"listxattrat", {A_DIRFD, A_PATH, A_AT, A_PTR, A_SIZE}},
	{"llistxattr", {A_PATH, A_PTR, A_SIZE}},
	{"lookup_dcookie", {A_HEX, A_PTR, A_SIZE}},
	{"lremovexattr", {A_PATH, A_TEXT}},
	{"lseek", {A_FD, A_INT, A_WHENCE}},
	{"lsetxattr", {A_PATH, A_TEXT, A_PTR, A_SIZE, A_HEX}},
	{"lsm_get_self_attr", {A_HEX, A_PTR, A_PTR, A_HEX}},
	{"lsm_list_modules", {A_PTR, A_PTR, A_HEX}},
	{"lsm_set_self_attr", {A_HEX, A_PTR, A_SIZE, A_HEX}},
	{"lstat", {A_PATH, A_PTR}},
	{"madvise", {A_PTR, A_SIZE, A_MADVISE}},
	{"map_shadow_stack", {A_PTR, A_SIZE, A_HEX}},
	{"mbind", {A_PTR, A_SIZE, A_INT, A_PTR, A_SIZE, A_HEX}},
	{"membarrier", {A_INT, A_HEX, A_INT}},
	{"memfd_create", {A_TEXT, A_MEMFD}},
	{"memfd_secret", {A_HEX}},
	{"migrate_pages", {A_INT, A_SIZE, A_PTR, A_PTR}},
	{"mincore", {A_PTR, A_SIZE, A_PTR}},
	{"mkdir", {A_PATH, A_OCTAL}},
	{"mkdirat", {A_DIRFD, A_PATH, A_OCTAL}},
	{"mknod", {A_PATH, A_OCTAL, A_HEX}},
	{"mknodat", {A_DIRFD, A_PATH, A_OCTAL, A_HEX}},
	{"mlock", {A_PTR, A_SIZE}},
	{"mlock2", {A_PTR, A_SIZE, A_HEX}},
	{"mlockall", {A_MLOCKALL}},
	{"mmap", {A_PTR, A_SIZE, A_PROT, A_MAP, A_FD, A_HEX}},
	{"modify_ldt", {A_INT, A_PTR, A_SIZE}},
	{"mount", {A_TEXT, A_PATH, A_TEXT, A_MOUNT, A_TEXT}},
	{"mount_setattr", {A_DIRFD, A_PATH, A_HEX, A_PTR, A_SIZE}},
	{"move_mount", {A_DIRFD, A_PATH, A_DIRFD, A_PATH, A_HEX}},
	{"move_pages", {A_INT, A_SIZE, A_PTR, A_PTR, A_PTR, A_HEX}},
	{"mprotect", {A_PTR, A_SIZE, A_PROT}},
	{"mq_getsetattr", {A_FD, A_PTR, A_PTR}},
	{"mq_notify", {A_FD, A_PTR}},
	{"mq_open", {A_TEXT, A_OPEN, A_OCTAL, A_PTR}},
	{"mq_timedreceive", {A_FD, A_PTR, A_SIZE, A_PTR, A_TIME}},
	{"mq_timedsend", {A_FD, A_PTR, A_SIZE, A_INT, A_TIME}},
	{"mq_unlink", {A_TEXT}},
	{"mremap", {A_PTR, A_SIZE, A_SIZE, A_REMAP, A_PTR}},
	{"mseal", {A_PTR, A_SIZE, A_HEX}},
	{"msgctl", {A_INT, A_INT, A_PTR}},
	{"msgget", {A_HEX, A_OCTAL}},
	{"msgrcv", {A_INT, A_PTR, A_SIZE, A_INT, A_HEX}},
	{"msgsnd", {A_INT, A_PTR, A_SIZE, A_HEX}},
	{"msync", {A_PTR, A_SIZE, A_HEX}},
	{"munlock", {A_PTR, A_SIZE}},
	{"munlockall", {A_NONE}},
	{"munmap", {A_PTR, A_SIZE}},
	{"name_to_handle_at", {A_DIRFD, A_PATH, A_PTR, A_PTR, A_AT}},
	{"nanosleep", {A_TIME, A_PTR}},
	{"newfstatat", {A_DIRFD, A_PATH, A_PTR, A_AT}},
	{"open", {A_PATH, A_OPEN, A_OMODE}},
	{"open_by_handle_at", {A_DIRFD, A_PTR, A_OPEN}},
	{"open_tree", {A_DIRFD, A_PATH, A_HEX}},
	{"open_tree_attr", {A_DIRFD, A_PATH, A_HEX, A_PTR, A_SIZE}},
	{"openat", {A_DIRFD, A_PATH, A_OPEN, A_OMODE}},
	{"openat2", {A_DIRFD, A_PATH, A_OPENHOW, A_SIZE}},
	{"pause", {A_NONE}},
	{"perf_event_open", {A_PTR, A_INT, A_INT, A_FD, A_HEX}},
	{"personality", {A_HEX}},
	{"pidfd_getfd", {A_FD, A_FD, A_HEX}},
	{"pidfd_open", {A_INT, A_HEX}},
	{"pidfd_send_signal", {A_FD, A_SIGNAL, A_PTR, A_HEX}},
	{"pipe", {A_PTR}},
	{"pipe2", {A_PTR, A_OPEN}},
	{"pivot_root", {A_PATH, A_PATH}},
	{"pkey_alloc", {A_HEX, A_HEX}},
	{"pkey_free", {A_INT}},
	{"pkey_mprotect", {A_PTR, A_SIZE, A_PROT, A_INT}},
	{"poll", {A_POLLFDS, A_INT, A_INT}},
	{"ppoll", {A_POLLFDS, A_INT, A_TIME, A_SIGSET, A_SIZE}},
	{"prctl", {A_PRCTL, A_HEX, A_HEX, A_HEX, A_HEX}},
	{"pread64", {A_FD, A_PTR, A_SIZE, A_INT}},
	{"preadv", {A_FD, A_IOVECS, A_INT, A_HEX, A_HEX}},
	{"preadv2", {A_FD, A_IOVECS, A_INT, A_HEX, A_HEX, A_HEX}},
	{"prlimit64", {A_INT, A_RLIMIT, A_RLIM, A_PTR}},
	{"process_madvise", {A_FD, A_PTR, A_SIZE, A_MADVISE, A_HEX}},
	{"process_mrelease", {A_FD, A_HEX}},
	{"process_vm_readv", {A_INT, A_IOVECS, A_SIZE, A_IOVECS, A_SIZE, A_HEX}},
	{"process_vm_writev", {A_INT, A_IODATA, A_SIZE, A_IOVECS, A_SIZE, A_HEX}},
	{"pselect6", {A_INT, A_PTR, A_PTR, A_PTR, A_TIME, A_PTR}},
	{"ptrace", {A_PTRACE, A_INT, A_PTR, A_PTR}},
	{"pwrite64", {A_FD, A_DATA, A_SIZE, A_INT}},
	{"pwritev", {A_FD, A_IODATA, A_INT, A_HEX, A_HEX}},
	{"pwritev2", {A_FD, A_IODATA, A_INT, A_HEX, A_HEX, A_HEX}},
	{"quotactl", {A_HEX, A_PATH, A_INT, A_PTR}},
	{"quotactl_fd", {A_FD, A_HEX, A_INT, A_PTR}},
	{"read", {A_FD, A_PTR, A_SIZE}},
	{"readahead", {A_FD, A_INT, A_SIZE}},
	{"readlink", {A_PATH, A_PTR, A_SIZE}},
	{"readlinkat", {A_DIRFD, A_PATH, A_PTR, A_SIZE}},
	{"readv", {A_FD, A_IOVECS, A_INT}},
	{"reboot", {A_HEX, A_HEX, A_HEX, A_PTR}},
	{"recvfrom", {A_FD, A_PTR, A_SIZE, A_MSG, A_PTR, A_PTR}},
	{"recvmmsg", {A_FD, A_PTR, A_INT, A_MSG, A_TIME}},
	{"recvmsg", {A_FD, A_MESSAGE, A_MSG}},
	{"remap_file_pages", {A_PTR, A_SIZE, A_PROT, A_SIZE, A_MAP}},
	{"removexattr", {A_PATH, A_TEXT}},
	{"removexattrat", {A_DIRFD, A_PATH, A_AT, A_TEXT}},
	{"rename", {A_PATH, A_PATH}},
	{"renameat", {A_DIRFD, A_PATH, A_DIRFD, A_PATH}},
	{"renameat2", {A_DIRFD, A_PATH, A_DIRFD, A_PATH, A_RENAME}},
	{"request_key", {A_TEXT, A_TEXT, A_TEXT, A_INT}},
	{"restart_syscall", {A_NONE}},
	{"rmdir", {A_PATH}},
	{"rseq", {A_PTR, A_SIZE, A_HEX, A_HEX}},
	{"rt_sigaction", {A_SIGNAL, A_SIGACTION, A_PTR, A_SIZE}},
	{"rt_sigpending", {A_PTR, A_SIZE}},
	{"rt_sigprocmask", {A_SIGHOW, A_SIGSET, A_PTR, A_SIZE}},
	{"rt_sigqueueinfo", {A_INT, A_SIGNAL, A_PTR}},
	{"rt_sigreturn", {A_NONE}},
	{"rt_sigsuspend", {A_SIGSET, A_SIZE}},
	{"rt_sigtimedwait", {A_SIGSET, A_PTR, A_TIME, A_SIZE}},
	{"rt_tgsigqueueinfo", {A_INT, A_INT, A_SIGNAL, A_PTR}},
	{"sched_get_priority_max", {A_INT}},
	{"sched_get_priority_min", {A_INT}},
	{"sched_getaffinity", {A_INT, A_SIZE, A_PTR}},
	{"sched_getattr", {A_INT, A_PTR, A_SIZE, A_HEX}},
	{"sched_getparam", {A_INT, A_PTR}},
	{"sched_getscheduler", {A_INT}},
	{"sched_rr_get_interval", {A_INT, A_PTR}},
	{"sched_setaffinity", {A_INT, A_SIZE, A_PTR}},
	{"sched_setattr", {A_INT, A_PTR, A_HEX}},
	{"sched_setparam", {A_INT, A_PTR}},
	{"sched_setscheduler", {A_INT, A_INT, A_PTR}},
	{"sched_yield", {A_NONE}},
	{"seccomp", {A_SECCOMP, A_HEX, A_PTR}},
	{"select", {A_INT, A_PTR, A_PTR, A_PTR, A_TIMEVAL}},
	{"semctl", {A_INT, A_INT, A_INT, A_HEX}},
	{"semget", {A_HEX, A_INT, A_OCTAL}},
	{"semop", {A_INT, A_PTR, A_SIZE}},
	{"semtimedop", {A_INT, A_PTR, A_SIZE, A_TIME}},
	{"sendfile", {A_FD, A_FD, A_PTR, A_SIZE}},
	{"sendmmsg", {A_FD, A_MSGDATA, A_INT, A_MSG}},
	{"sendmsg", {A_FD, A_MSGDATA, A_MSG}},
	{"sendto", {A_FD, A_DATA, A_SIZE, A_MSG, A_ADDR, A_INT}},
	{"set_mempolicy", {A_INT, A_PTR, A_SIZE}},
	{"set_mempolicy_home_node", {A_PTR, A_SIZE, A_INT, A_HEX}},
	{"set_robust_list", {A_PTR, A_SIZE}},
	{"set_thread_area", {A_PTR}},
	{"set_tid_address", {A_PTR}},
	{"setdomainname", {A_TEXT, A_SIZE}},
	{"setfsgid", {A_INT}},
	{"setfsuid", {A_INT}},
	{"setgid", {A_INT}},
	{"setgroups", {A_INT, A_PTR}},
	{"sethostname", {A_TEXT, A_SIZE}},
	{"setitimer", {A_INT, A_ITIMERVAL, A_PTR}},
	{"setns", {A_FD, A_CLONE}},
	{"setpgid", {A_INT, A_INT}},
	{"setpriority", {A_PRIO, A_INT, A_INT}},
	{"setregid", {A_INT, A_INT}},
	{"setresgid", {A_INT, A_INT, A_INT}},
	{"setresuid", {A_INT, A_INT, A_INT}},
	{"setreuid", {A_INT, A_INT}},
	{"setrlimit", {A_RLIMIT, A_RLIM}},
	{"setsid", {A_NONE}},
	{"setsockopt", {A_FD, A_LEVEL, A_SOCKOPT, A_PTR, A_INT}},
	{"settimeofday", {A_TIMEVAL, A_PTR}},
	{"setuid", {A_INT}},
	{"setxattr", {A_PATH, A_TEXT, A_PTR, A_SIZE, A_HEX}},
	{"setxattrat", {A_DIRFD, A_PATH, A_AT, A_TEXT, A_PTR, A_SIZE}},
	{"shmat", {A_INT, A_PTR, A_HEX}},
	{"shmctl", {A_INT, A_INT, A_PTR}},
	{"shmdt", {A_PTR}},
	{"shmget", {A_HEX, A_SIZE, A_OCTAL}},
	{"shutdown", {A_FD, A_SHUT}},
	{"sigaltstack", {A_PTR, A_PTR}},
	{"signalfd", {A_FD, A_SIGSET, A_SIZE}},
	{"signalfd4", {A_FD, A_SIGSET, A_SIZE, A_OPEN}},
	{"socket", {A_FAMILY, A_SOCKET, A_INT}},
	{"socketpair", {A_FAMILY, A_SOCKET, A_INT, A_PTR}},
	{"splice", {A_FD, A_PTR, A_FD, A_PTR, A_SIZE, A_HEX}},
	{"stat", {A_PATH, A_PTR}},
	{"statfs", {A_PATH, A_PTR}},
	{"statmount", {A_PTR, A_PTR, A_SIZE, A_HEX}},
	{"statx", {A_DIRFD, A_PATH, A_AT, A_HEX, A_PTR}},
	{"swapoff", {A_PATH}},
	{"swapon", {A_PATH, A_HEX}},
	{"symlink", {A_TEXT, A_PATH}},
	{"symlinkat", {A_TEXT, A_DIRFD, A_PATH}},
	{"sync", {A_NONE}},
	{"sync_file_range", {A_FD, A_INT, A_SIZE, A_HEX}},
	{"syncfs", {A_FD}},
	{"sysfs", {A_INT, A_HEX, A_HEX}},
	{"sysinfo", {A_PTR}},
	{"syslog", {A_INT, A_PTR, A_INT}},
	{"tee", {A_FD, A_FD, A_SIZE, A_HEX}},
	{"tgkill", {A_INT, A_INT, A_SIGNAL}},
	{"time", {A_PTR}},
	{"timer_create", {A_CLOCK, A_PTR, A_PTR}},
	{"timer_delete", {A_INT}},
	{"timer_getoverrun", {A_INT}},
	{"timer_gettime", {A_INT, A_PTR}},
	{"timer_settime", {A_INT, A_HEX, A_ITIMERSPEC, A_PTR}},
	{"timerfd_create", {A_CLOCK, A_TIMERFD}},
	{"timerfd_gettime", {A_FD, A_PTR}},
	{"timerfd_settime", {A_FD, A_HEX, A_ITIMERSPEC, A_PTR}},
	{"times", {A_PTR}},
	{"tkill", {A_INT, A_SIGNAL}},
	{"truncate", {A_PATH, A_SIZE}},
	{"umask", {A_OCTAL}},
	{"umount2", {A_PATH, A_UMOUNT}},
	{"uname", {A_PTR}},
	{"unlink", {A_PATH}},
	{"unlinkat", {A_DIRFD, A_PATH, A_UNLINK}},
	{"unshare", {A_CLONE}},
	{"uselib", {A_PATH}},
	{"userfaultfd", {A_HEX}},
	{"ustat", {A_HEX, A_PTR}},
	{"utime", {A_PATH, A_PTR}},
	{"utimensat", {A_DIRFD, A_PATH, A_TIMES, A_AT}},
	{"utimes", {A_PATH, A_TIMEVALS}},
	{"vfork", {A_NONE}},
	{"vhangup", {A_NONE}},
	{"vmsplice", {A_FD, A_IOVECS, A_SIZE, A_HEX}},
	{"wait4", {A_INT, A_PTR, A_HEX, A_PTR}},
	{"waitid", {A_INT, A_INT, A_PTR, A_HEX, A_PTR}},
	{"write", {A_FD, A_DATA, A_SIZE}},
	{"writev", {A_FD, A_IODATA, A_INT}},
};

static int by_name(const void *name, const void *row)
{
	return strcmp(name, ((const struct decode_row *)row)->name);
}

const struct decode_row *decode_row(const char *name)
{
	return bsearch(name, table, sizeof(table) / sizeof(table[0]), sizeof(table[0]), by_name);
}

const struct decode_row *decode_row_at(size_t i)
{
	return i < sizeof(table) / sizeof(table[0]) ? &table[i] : NULL;
}
