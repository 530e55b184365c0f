#include "symbols.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

/* newer than the headers of Debian 12 */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif
/* of x86-64 alone, where <asm/prctl.h> has some; a policy is written for all architectures */
#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004
#define ARCH_CET_STATUS 0x3001
#define ARCH_SHSTK_STATUS 0x5005
#ifndef MAP_32BIT
#define MAP_32BIT 0x40
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 8
#endif

#define S(name) {#name, (int64_t)(name)}

static const struct {
	const char *name;
	int64_t value;
} table[] = {
	/* close_range(2) */
	S(CLOSE_RANGE_UNSHARE), S(CLOSE_RANGE_CLOEXEC),
	/* clone(2) */
	S(CLONE_VM), S(CLONE_FS), S(CLONE_FILES), S(CLONE_SIGHAND), S(CLONE_PIDFD), S(CLONE_PTRACE), S(CLONE_VFORK),
	S(CLONE_PARENT), S(CLONE_THREAD), S(CLONE_NEWNS), S(CLONE_SYSVSEM), S(CLONE_SETTLS), S(CLONE_PARENT_SETTID),
	S(CLONE_CHILD_CLEARTID), S(CLONE_DETACHED), S(CLONE_UNTRACED), S(CLONE_CHILD_SETTID), S(CLONE_NEWCGROUP),
	S(CLONE_NEWUTS), S(CLONE_NEWIPC), S(CLONE_NEWUSER), S(CLONE_NEWPID), S(CLONE_NEWNET), S(CLONE_IO),
	/* mmap(2), mprotect(2), mremap(2), mlockall(2), msync(2) */
	S(PROT_NONE), S(PROT_READ), S(PROT_WRITE), S(PROT_EXEC), S(PROT_GROWSDOWN), S(PROT_GROWSUP),
	S(MAP_SHARED), S(MAP_PRIVATE), S(MAP_SHARED_VALIDATE), S(MAP_DROPPABLE), S(MAP_FIXED), S(MAP_ANONYMOUS),
	S(MAP_GROWSDOWN), S(MAP_LOCKED), S(MAP_NORESERVE), S(MAP_POPULATE), S(MAP_NONBLOCK), S(MAP_STACK),
	S(MAP_HUGETLB), S(MAP_SYNC), S(MAP_FIXED_NOREPLACE),
	S(MAP_32BIT),
	S(MREMAP_MAYMOVE), S(MREMAP_FIXED), S(MREMAP_DONTUNMAP), S(MCL_CURRENT), S(MCL_FUTURE), S(MCL_ONFAULT),
	S(MS_ASYNC), S(MS_SYNC), S(MS_INVALIDATE),
	/* madvise(2) */
	S(MADV_NORMAL), S(MADV_RANDOM), S(MADV_SEQUENTIAL), S(MADV_WILLNEED), S(MADV_DONTNEED), S(MADV_FREE),
	S(MADV_REMOVE), S(MADV_DONTFORK), S(MADV_DOFORK), S(MADV_MERGEABLE), S(MADV_UNMERGEABLE), S(MADV_HUGEPAGE),
	S(MADV_NOHUGEPAGE), S(MADV_DONTDUMP), S(MADV_DODUMP), S(MADV_WIPEONFORK), S(MADV_KEEPONFORK), S(MADV_COLD),
	S(MADV_PAGEOUT), S(MADV_POPULATE_READ), S(MADV_POPULATE_WRITE), S(MADV_DONTNEED_LOCKED), S(MADV_COLLAPSE),
	S(MADV_HWPOISON),
	/* ioctl(2) */
	S(TCGETS), S(TCSETS), S(TCSETSW), S(TCSETSF), S(TIOCGWINSZ), S(TIOCSWINSZ), S(TIOCGPGRP), S(TIOCSPGRP),
	S(TIOCSTI),
	S(TIOCOUTQ), S(TIOCINQ), S(FIONREAD), S(FIONBIO), S(FIOASYNC), S(FIOCLEX), S(FIONCLEX), S(FIOQSIZE),
	/* fcntl(2) */
	S(F_DUPFD), S(F_DUPFD_CLOEXEC), S(F_GETFD), S(F_SETFD), S(F_GETFL), S(F_SETFL), S(F_GETLK), S(F_SETLK),
	S(F_SETLKW),
	S(F_OFD_GETLK), S(F_OFD_SETLK), S(F_OFD_SETLKW), S(F_GETOWN), S(F_SETOWN), S(F_GETSIG), S(F_SETSIG),
	S(F_GETOWN_EX), S(F_SETOWN_EX), S(F_GETLEASE), S(F_SETLEASE), S(F_NOTIFY), S(F_GETPIPE_SZ), S(F_SETPIPE_SZ),
	S(F_ADD_SEALS), S(F_GET_SEALS), S(F_GET_RW_HINT), S(F_SET_RW_HINT),
	/* open(2) and the *at calls */
	S(O_RDONLY), S(O_WRONLY), S(O_RDWR), S(O_CREAT), S(O_EXCL), S(O_TRUNC), S(O_APPEND), S(O_NONBLOCK),
	S(O_CLOEXEC),
	S(O_DIRECTORY), S(O_NOFOLLOW), S(O_PATH), S(O_TMPFILE), S(O_DIRECT), S(O_NOATIME), S(O_SYNC), S(O_DSYNC),
	S(AT_FDCWD), S(AT_EMPTY_PATH), S(AT_SYMLINK_NOFOLLOW), S(AT_SYMLINK_FOLLOW), S(AT_REMOVEDIR), S(AT_EACCESS),
	/* memfd_create(2), fallocate(2) */
	S(MFD_CLOEXEC), S(MFD_ALLOW_SEALING), S(MFD_HUGETLB), S(FALLOC_FL_KEEP_SIZE), S(FALLOC_FL_PUNCH_HOLE),
	/* prctl(2), arch_prctl(2) */
	S(PR_SET_PDEATHSIG), S(PR_GET_PDEATHSIG), S(PR_GET_DUMPABLE), S(PR_SET_DUMPABLE), S(PR_SET_NAME),
	S(PR_GET_NAME),
	S(PR_GET_SECCOMP), S(PR_SET_SECCOMP), S(PR_CAPBSET_READ), S(PR_CAPBSET_DROP), S(PR_GET_TSC), S(PR_SET_TSC),
	S(PR_GET_SECUREBITS), S(PR_SET_TIMERSLACK), S(PR_GET_TIMERSLACK), S(PR_SET_CHILD_SUBREAPER),
	S(PR_GET_CHILD_SUBREAPER), S(PR_SET_NO_NEW_PRIVS), S(PR_GET_NO_NEW_PRIVS), S(PR_GET_TID_ADDRESS),
	S(PR_SET_THP_DISABLE), S(PR_GET_THP_DISABLE), S(PR_SET_MM), S(PR_SET_PTRACER), S(PR_SET_VMA), S(PR_SET_MDWE),
	S(PR_GET_MDWE), S(PR_GET_AUXV), S(PR_GET_SPECULATION_CTRL), S(PR_SET_SPECULATION_CTRL),
	S(ARCH_SET_GS), S(ARCH_SET_FS), S(ARCH_GET_FS), S(ARCH_GET_GS), S(ARCH_CET_STATUS), S(ARCH_SHSTK_STATUS),
	/* sockets */
	S(AF_UNSPEC), S(AF_UNIX), S(AF_INET), S(AF_INET6), S(AF_NETLINK), S(AF_PACKET), S(AF_VSOCK), S(AF_ALG),
	S(SOCK_STREAM), S(SOCK_DGRAM), S(SOCK_RAW), S(SOCK_SEQPACKET), S(SOCK_NONBLOCK), S(SOCK_CLOEXEC),
	S(SO_ERROR), S(SO_TYPE), S(SO_DOMAIN), S(SO_PROTOCOL), S(SO_SNDBUF), S(SO_RCVBUF), S(SO_ACCEPTCONN), S(SO_LINGER),
	S(SO_KEEPALIVE), S(SO_REUSEADDR), S(SO_RCVTIMEO), S(SO_SNDTIMEO), S(SO_REUSEPORT), S(SO_BROADCAST),
	S(SOL_SOCKET), S(IPPROTO_IP), S(IPPROTO_TCP), S(IPPROTO_UDP), S(IPPROTO_IPV6), S(SHUT_RD), S(SHUT_WR),
	S(SHUT_RDWR),
	S(MSG_OOB), S(MSG_PEEK), S(MSG_DONTROUTE), S(MSG_DONTWAIT), S(MSG_WAITALL), S(MSG_NOSIGNAL), S(MSG_MORE),
	S(MSG_EOR), S(MSG_TRUNC), S(MSG_CTRUNC), S(MSG_ERRQUEUE), S(MSG_CONFIRM), S(MSG_ZEROCOPY), S(MSG_FASTOPEN),
	S(MSG_CMSG_CLOEXEC), S(MSG_WAITFORONE),
	/* signals */
	S(SIGHUP), S(SIGINT), S(SIGQUIT), S(SIGILL), S(SIGTRAP), S(SIGABRT), S(SIGBUS), S(SIGFPE), S(SIGKILL),
	S(SIGUSR1),
	S(SIGSEGV), S(SIGUSR2), S(SIGPIPE), S(SIGALRM), S(SIGTERM), S(SIGCHLD), S(SIGCONT), S(SIGSTOP), S(SIGTSTP),
	S(SIGTTIN), S(SIGTTOU), S(SIGURG), S(SIGXCPU), S(SIGXFSZ), S(SIGVTALRM), S(SIGPROF), S(SIGWINCH), S(SIGIO),
	S(SIGPWR), S(SIGSYS), S(SIG_BLOCK), S(SIG_UNBLOCK), S(SIG_SETMASK),
	/* futex(2), membarrier(2) */
	S(FUTEX_WAIT), S(FUTEX_WAKE), S(FUTEX_REQUEUE), S(FUTEX_CMP_REQUEUE), S(FUTEX_WAKE_OP), S(FUTEX_LOCK_PI),
	S(FUTEX_UNLOCK_PI), S(FUTEX_TRYLOCK_PI), S(FUTEX_WAIT_BITSET), S(FUTEX_WAKE_BITSET), S(FUTEX_WAIT_REQUEUE_PI),
	S(FUTEX_CMP_REQUEUE_PI), S(FUTEX_LOCK_PI2), S(FUTEX_PRIVATE_FLAG), S(FUTEX_CLOCK_REALTIME),
	S(MEMBARRIER_CMD_QUERY), S(MEMBARRIER_CMD_PRIVATE_EXPEDITED), S(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED),
	/* limits, priorities, clocks */
	S(RLIMIT_AS), S(RLIMIT_CORE), S(RLIMIT_CPU), S(RLIMIT_DATA), S(RLIMIT_FSIZE), S(RLIMIT_LOCKS),
	S(RLIMIT_MEMLOCK),
	S(RLIMIT_MSGQUEUE), S(RLIMIT_NICE), S(RLIMIT_NOFILE), S(RLIMIT_NPROC), S(RLIMIT_RSS), S(RLIMIT_RTPRIO),
	S(RLIMIT_RTTIME), S(RLIMIT_SIGPENDING), S(RLIMIT_STACK), S(RUSAGE_SELF), S(RUSAGE_CHILDREN), S(RUSAGE_THREAD),
	S(PRIO_PROCESS), S(PRIO_PGRP), S(PRIO_USER),
	S(CLOCK_REALTIME), S(CLOCK_MONOTONIC), S(CLOCK_PROCESS_CPUTIME_ID), S(CLOCK_THREAD_CPUTIME_ID),
	S(CLOCK_MONOTONIC_RAW), S(CLOCK_REALTIME_COARSE), S(CLOCK_MONOTONIC_COARSE), S(CLOCK_BOOTTIME), S(CLOCK_TAI),
	S(TIMER_ABSTIME), S(ITIMER_REAL), S(ITIMER_VIRTUAL), S(ITIMER_PROF),
};

static const struct { /* second names of one number, which strerrorname_np does not give */
	const char *name;
	int num;
} errno_aliases[] = {{"ENOTSUP", ENOTSUP}, {"EWOULDBLOCK", EWOULDBLOCK}, {"EDEADLOCK", EDEADLOCK}};

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define ERRNO_LAST 133 /* EHWPOISON; above come the kernel's own, which programs never see */

const char *symbols_name_at(size_t i)
{
	return i < N(table) ? table[i].name : NULL;
}

static bool number(const char *text, int64_t *out)
{
	bool hex = !strncmp(text, "0x", 2);
	const char *digits = text + (hex ? 2 : *text == '-');
	char *end;

	if (!*digits || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
		return false;
	errno = 0;
	*out = *text == '-' ? strtoll(text, &end, 10) : (int64_t)strtoull(digits, &end, hex ? 16 : 10);
	return !errno;
}

bool symbols_value(const char *text, int64_t *out)
{
	for (size_t i = 0; i < N(table); i++) {
		if (!strcmp(table[i].name, text)) {
			*out = table[i].value;
			return true;
		}
	}
	return number(text, out);
}

int symbols_errno(const char *name)
{
	for (size_t i = 0; i < N(errno_aliases); i++) {
		if (!strcmp(errno_aliases[i].name, name))
			return errno_aliases[i].num;
	}
	for (int e = 1; e <= ERRNO_LAST; e++) {
		const char *s = strerrorname_np(e);

		if (s && !strcmp(s, name))
			return e;
	}
	return 0;
}
