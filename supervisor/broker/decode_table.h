/* decode_table.h - which argument of which call means what, and the names of its values. Static data for decode.c. */
#ifndef WARDER_DECODE_TABLE_H
#define WARDER_DECODE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* how a value is shown by names */
struct decode_symbol {
	const char *name;
	uint64_t value;
};
struct decode_words {
	const struct decode_symbol *v;
	size_t n;
	uint64_t enum_mask; /* bits that are one value among the names; the other bits are flags */
};

/* X(kind, table of names or NULL) */
#define DECODE_KINDS(X) \
	X(NONE, none) X(INT, none) X(HEX, none) X(PTR, none) X(SIZE, none) X(OCTAL, none) X(FD, none) X(DIRFD, none) \
	X(PATH, none) X(TEXT, none) X(ARGV, none) X(DATA, none) X(ADDR, none) X(OMODE, none) \
	X(TIME, none) X(TIMES, none) X(TIMEVAL, none) X(TIMEVALS, none) X(ITIMERSPEC, none) X(ITIMERVAL, none) X(IOVECS, none) X(IODATA, none) \
	X(MESSAGE, none) X(MSGDATA, none) X(POLLFDS, none) X(EPOLLEV, none) X(SIGACTION, none) X(SIGSET, none) X(RLIM, none) X(OPENHOW, none) \
	X(CLONEARGS, none) \
	X(OPEN, open_flags) X(AT, at_flags) X(UNLINK, unlink_flags) X(ACCESS, access_modes) X(PROT, prot) \
	X(MAP, map_flags) X(CLONE, clone_flags) X(FAMILY, families) X(SOCKET, socket_types) X(SIGNAL, signals) \
	X(IOCTL, ioctls) X(PRCTL, prctls) X(FCNTL, fcntls) X(MOUNT, mount_flags) X(MSG, msg_flags) \
	X(LEVEL, levels) X(FLOCK, flocks) X(RENAME, rename_flags) X(WHENCE, whences) X(MADVISE, advices) \
	X(RLIMIT, rlimits) X(PTRACE, ptrace_requests) X(FUTEX, futexes) X(CLOCK, clocks) X(EPOLL, epoll_ops) X(SIGHOW, sighows) X(SHUT, shuts) X(GRND, grnds) \
	X(EPOLLFD, epoll_flags) X(TIMERFD, timerfd_flags) X(WHO, rusages) X(FUTEX2, futex2s) X(SOCKOPT, none) X(MEMFD, memfd_flags) \
	X(KEYCTL, keyctls) X(BPF, bpf_commands) X(SECCOMP, seccomp_operations) X(MLOCKALL, mlockall_flags) X(UMOUNT, umount_flags) \
	X(ARCH, arch_prctls) X(PRIO, prio_kinds) X(REMAP, remap_flags) X(POLL, poll_events) \
	X(SAFLAGS, sigaction_flags) X(RESOLVE, resolve_flags)

#define DECODE_ENUM(k, t) A_##k,
enum decode_kind { DECODE_KINDS(DECODE_ENUM) DECODE_KIND_COUNT };

extern const struct decode_words decode_words[DECODE_KIND_COUNT];

struct decode_row {
	const char *name;
	uint8_t kind[6]; /* enum decode_kind; the first NONE ends it */
};
/* The options of a level of setsockopt(2); without names where none is known. */
const struct decode_words *decode_sockopts(uint64_t level);
/* NULL: not in the table. */
const struct decode_row *decode_row(const char *name);
const struct decode_row *decode_row_at(size_t i); /* NULL past the end; sorted by name; for tests */

#endif
