#include "decode_structs.h"

#include <linux/openat2.h>
#include <linux/sched.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "guest.h"

#define SHOWN      4  /* elements of an array, before "…" */
#define DATA_SHOWN 32 /* bytes of what an iovec leads to */

static bool copy(const struct decode *d, uint64_t t_addr, void *to, size_t n)
{
	return d->mem >= 0 && t_addr && !guest_read(d->mem, t_addr, to, n);
}

/* At most SHOWN elements of `size` bytes into `to`; how many, -1: none can be read. */
static int copy_some(const struct decode *d, uint64_t t_addr, uint64_t count, void *to, size_t size)
{
	size_t n = count < SHOWN ? (size_t)count : SHOWN;

	return copy(d, t_addr, to, n * size) ? (int)n : -1;
}

/* --- times ---------------------------------------------------------------------------------------------------- */

static void put_nanoseconds(struct text *t, const void *p)
{
	const struct timespec *v = p;

	if (v->tv_nsec == UTIME_NOW || v->tv_nsec == UTIME_OMIT)
		text_put(t, v->tv_nsec == UTIME_NOW ? "UTIME_NOW" : "UTIME_OMIT");
	else
		text_put(t, "{%lld.%09lld s}", (long long)v->tv_sec, (long long)v->tv_nsec);
}

static void put_microseconds(struct text *t, const void *p)
{
	const struct timeval *v = p;

	text_put(t, "{%lld.%06lld s}", (long long)v->tv_sec, (long long)v->tv_usec);
}

typedef void put_one(struct text *t, const void *p);

/* Both kinds of time have one size. */
static bool put_two(const struct decode *d, struct text *t, uint64_t t_addr, put_one *one, const char *first, const char *second, const char *end)
{
	struct timespec v[2];

	if (!copy(d, t_addr, v, sizeof(v)))
		return false;
	text_put(t, "%s", first);
	one(t, &v[0]);
	text_put(t, "%s", second);
	one(t, &v[1]);
	text_put(t, "%s", end);
	return true;
}

static bool put_times(const struct decode *d, struct text *t, uint64_t t_addr, put_one *one)
{
	return put_two(d, t, t_addr, one, "[", ", ", "]");
}

static bool put_timer(const struct decode *d, struct text *t, uint64_t t_addr, put_one *one)
{
	return put_two(d, t, t_addr, one, "{it_interval=", ", it_value=", "}");
}

/* --- buffers -------------------------------------------------------------------------------------------------- */

static void put_data(const struct decode *d, struct text *t, uint64_t t_addr, uint64_t len)
{
	size_t n = len < DATA_SHOWN ? (size_t)len : DATA_SHOWN;
	char buf[DATA_SHOWN];

	if (!copy(d, t_addr, buf, n)) {
		text_pointer(t, t_addr);
		return;
	}
	text_put(t, "\"");
	text_escape(t, buf, n, DATA_SHOWN, "\"\\");
	text_put(t, len > n ? "\"…" : "\"");
}

static bool put_iovecs(const struct decode *d, struct text *t, uint64_t t_addr, uint64_t count, bool filled)
{
	struct iovec v[SHOWN];
	int n = copy_some(d, t_addr, count, v, sizeof(v[0]));

	if (n < 0)
		return false;
	text_put(t, "[");
	for (int i = 0; i < n; i++) {
		text_put(t, "%s{iov_base=", i ? ", " : "");
		if (filled)
			put_data(d, t, (uintptr_t)v[i].iov_base, v[i].iov_len);
		else
			text_pointer(t, (uintptr_t)v[i].iov_base);
		text_put(t, ", iov_len=%zu}", v[i].iov_len);
	}
	text_put(t, count > SHOWN ? ", …]" : "]");
	return true;
}

static void put_name(const struct decode *d, struct text *t, uint64_t t_addr, socklen_t len)
{
	struct sockaddr_storage sa = {0};
	char name[DECODE_SHOWN] = "";

	if (len > sizeof(sa))
		len = sizeof(sa);
	if (t_addr && copy(d, t_addr, &sa, len))
		decode_address((struct sockaddr *)&sa, len, name, sizeof(name));
	if (*name)
		text_put(t, "%s", name);
	else
		text_pointer(t, t_addr);
}

static bool put_message(const struct decode *d, struct text *t, uint64_t t_addr, bool filled)
{
	struct msghdr m;

	if (!copy(d, t_addr, &m, sizeof(m)))
		return false;
	text_put(t, "{msg_name=");
	if (filled)
		put_name(d, t, (uintptr_t)m.msg_name, m.msg_namelen);
	else
		text_pointer(t, (uintptr_t)m.msg_name);
	text_put(t, ", msg_iov=");
	if (!put_iovecs(d, t, (uintptr_t)m.msg_iov, m.msg_iovlen, filled))
		text_pointer(t, (uintptr_t)m.msg_iov);
	text_put(t, ", msg_iovlen=%zu, msg_controllen=%zu}", m.msg_iovlen, m.msg_controllen);
	return true;
}

/* --- events --------------------------------------------------------------------------------------------------- */

static bool put_polls(const struct decode *d, struct text *t, uint64_t t_addr, uint64_t count)
{
	struct pollfd v[SHOWN];
	int n = copy_some(d, t_addr, (uint32_t)count, v, sizeof(v[0]));

	if (n < 0)
		return false;
	text_put(t, "[");
	for (int i = 0; i < n; i++) {
		text_put(t, "%s{fd=%d, events=", i ? ", " : "", v[i].fd);
		text_words(t, &decode_words[A_POLL], (uint16_t)v[i].events);
		text_put(t, "}");
	}
	text_put(t, (uint32_t)count > SHOWN ? ", …]" : "]");
	return true;
}

static void put_epoll(struct text *t, const void *p)
{
	const struct epoll_event *v = p;

	text_put(t, "{events=");
	text_words(t, &decode_words[A_POLL], v->events);
	text_put(t, ", data=0x%llx}", (unsigned long long)v->data.u64);
}

/* --- signals -------------------------------------------------------------------------------------------------- */

static void put_signals(struct text *t, const void *p)
{
	uint64_t set = *(const uint64_t *)p;
	int most = 8;
	bool all_but = __builtin_popcountll(set) > 32;
	const char *space = "";

	text_put(t, all_but ? "~[" : "[");
	for (int sig = 1; sig <= 64; sig++) {
		if ((set >> (sig - 1) & 1) == all_but)
			continue;
		text_put(t, "%s", space);
		space = " ";
		if (!most--) {
			text_put(t, "…");
			break;
		}
		text_words(t, &decode_words[A_SIGNAL], (uint64_t)sig);
	}
	text_put(t, "]");
}

/* As the kernel has it; libc's own is another. */
struct kernel_sigaction {
	uint64_t handler, flags;
#ifdef __x86_64__
	uint64_t restorer;
#endif
	uint64_t mask;
};

static void put_action(struct text *t, const void *p)
{
	const struct kernel_sigaction *a = p;

	text_put(t, "{sa_handler=");
	if (a->handler < 2)
		text_put(t, a->handler ? "SIG_IGN" : "SIG_DFL");
	else
		text_pointer(t, a->handler);
	text_put(t, ", sa_mask=");
	put_signals(t, &a->mask);
	text_put(t, ", sa_flags=");
	text_words(t, &decode_words[A_SAFLAGS], a->flags);
	text_put(t, "}");
}

/* --- others --------------------------------------------------------------------------------------------------- */

static void put_limit(struct text *t, const char *name, uint64_t v)
{
	if (v == RLIM_INFINITY)
		text_put(t, "%s=RLIM_INFINITY", name);
	else
		text_put(t, "%s=%llu", name, (unsigned long long)v);
}

static void put_rlimit(struct text *t, const void *p)
{
	const struct rlimit *r = p;

	put_limit(t, "{rlim_cur", r->rlim_cur);
	put_limit(t, ", rlim_max", r->rlim_max);
	text_put(t, "}");
}

static void put_open_how(struct text *t, const void *p)
{
	const struct open_how *h = p;

	text_put(t, "{flags=");
	text_words(t, &decode_words[A_OPEN], h->flags);
	text_put(t, ", mode=0%03llo, resolve=", (unsigned long long)h->mode);
	text_words(t, &decode_words[A_RESOLVE], h->resolve);
	text_put(t, "}");
}

static void put_clone_args(struct text *t, const void *p)
{
	const struct clone_args *c = p;

	text_put(t, "{flags=");
	text_words(t, &decode_words[A_CLONE], c->flags);
	text_put(t, ", exit_signal=");
	text_words(t, &decode_words[A_SIGNAL], c->exit_signal);
	text_put(t, ", stack_size=%llu}", (unsigned long long)c->stack_size);
}

/* What leads nowhere else is copied whole. Of the last two there are longer ones in newer kernels, told by what is known here. */
static const struct {
	put_one *put;
	size_t size;
} plain[] = {
	[A_TIME] = {put_nanoseconds, sizeof(struct timespec)},
	[A_TIMEVAL] = {put_microseconds, sizeof(struct timeval)},
	[A_EPOLLEV] = {put_epoll, sizeof(struct epoll_event)},
	[A_SIGACTION] = {put_action, sizeof(struct kernel_sigaction)},
	[A_SIGSET] = {put_signals, sizeof(uint64_t)},
	[A_RLIM] = {put_rlimit, sizeof(struct rlimit)},
	[A_OPENHOW] = {put_open_how, sizeof(struct open_how)},
	[A_CLONEARGS] = {put_clone_args, CLONE_ARGS_SIZE_VER0},
};

static bool put_plain(const struct decode *d, enum decode_kind kind, uint64_t t_addr, struct text *t)
{
	union {
		struct timespec time;
		struct timeval timeval;
		struct epoll_event event;
		struct kernel_sigaction action;
		struct rlimit limit;
		struct open_how how;
		struct clone_args clone;
	} v;

	if ((size_t)kind >= sizeof(plain) / sizeof(plain[0]) || !plain[kind].put || !copy(d, t_addr, &v, plain[kind].size))
		return false;
	plain[kind].put(t, &v);
	return true;
}

static bool put_struct(const struct decode *d, enum decode_kind kind, int arg, struct text *t)
{
	uint64_t at = d->args[arg], count = arg < 5 ? d->args[arg + 1] : 0;

	switch (kind) {
	case A_TIMES:      return put_times(d, t, at, put_nanoseconds);
	case A_TIMEVALS:   return put_times(d, t, at, put_microseconds);
	case A_ITIMERSPEC: return put_timer(d, t, at, put_nanoseconds);
	case A_ITIMERVAL:  return put_timer(d, t, at, put_microseconds);
	case A_IOVECS:     return put_iovecs(d, t, at, count, false);
	case A_IODATA:     return put_iovecs(d, t, at, count, true);
	case A_MESSAGE:    return put_message(d, t, at, false);
	case A_MSGDATA:    return put_message(d, t, at, true);
	case A_POLLFDS:    return put_polls(d, t, at, count);
	default:           return put_plain(d, kind, at, t);
	}
}

bool decode_is_struct(enum decode_kind kind)
{
	return kind >= A_TIME && kind <= A_CLONEARGS;
}

void decode_struct(const struct decode *d, enum decode_kind kind, int arg, struct text *t)
{
	if (!put_struct(d, kind, arg, t))
		text_pointer(t, d->args[arg]);
}
