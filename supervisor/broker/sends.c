/* sends.c - messages that may carry an address, where the policy grants datagram sockets: address and data are copied once, the address is
 * judged, and the copy is sent from a duplicate of the socket. Without such sockets these calls are the kernel's (policies/README.md). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "briefly.h"
#include "guest.h"
#include "handlers.h"
#include "sockets_of.h"

#define DATA_MAX 65536  /* bytes of one message; more of a stream goes with the next call, no datagram is larger */
#define PARTS_MAX 1024  /* as the kernel's UIO_MAXIOV */
#define BATCH_MAX 64    /* messages of one sendmmsg; the rest goes with the next call */
#define FLAGS_GIVEN (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_CONFIRM | MSG_EOR)

struct message {
	struct socket_address to; /* len 0: to where the socket is connected */
	unsigned char *data;      /* owned */
	size_t n;
	int flags;
};

/* A message that has to wait until there is room. */
struct sending {
	struct broker_wait wait;
	int fd;
	struct message m;
	uint64_t t_len; /* where sendmmsg is told how much was sent; 0: the call returns it */
};

static bool is_datagram(const struct socket_of *s)
{
	return s->kind == POLICY_UDP4 || s->kind == POLICY_UDP6;
}

/* --- copying ------------------------------------------------------------------------------------------------ */

static int copy_parts(struct request *r, const struct iovec *parts, size_t count, struct message *m)
{
	int rc = 0;

	for (size_t i = 0; i < count && !rc && m->n < DATA_MAX; i++) {
		size_t n = parts[i].iov_len < DATA_MAX - m->n ? parts[i].iov_len : DATA_MAX - m->n;

		rc = n ? guest_read(r->job->who.mem, (uint64_t)parts[i].iov_base, m->data + m->n, n) : 0;
		m->n += rc ? 0 : n;
	}
	return rc;
}

static int copy_data(struct request *r, const struct socket_of *s, const struct iovec *parts, size_t count, struct message *m)
{
	size_t all = 0;

	for (size_t i = 0; i < count; i++)
		if (parts[i].iov_len > SSIZE_MAX || (all += parts[i].iov_len) > SSIZE_MAX)
			return -EINVAL;
	if (is_datagram(s) && all >= DATA_MAX)
		return -EMSGSIZE;
	m->data = malloc(all < DATA_MAX ? all + 1 : DATA_MAX);
	return m->data ? copy_parts(r, parts, count, m) : -ENOMEM;
}

/* Only datagrams go to an address of their own. */
static int copy_address(struct request *r, const struct socket_of *s, uint64_t t_addr, int len, struct message *m)
{
	int rc;

	if (!t_addr || !is_datagram(s))
		return 0;
	rc = socket_address_copy(r, t_addr, len, &m->to);
	return rc ? rc : socket_address_judge(r, s, &m->to);
}

static int copy_message(struct request *r, const struct socket_of *s, uint64_t t_msg, struct message *m)
{
	struct iovec parts[PARTS_MAX];
	struct msghdr h;
	int rc = guest_read(r->job->who.mem, t_msg, &h, sizeof(h)), len;

	if (rc)
		return rc;
	if (h.msg_controllen)
		return request_refused(r, EPERM, NULL, "sockets: no control messages");
	if (h.msg_iovlen > PARTS_MAX)
		return -EMSGSIZE;
	len = (int)h.msg_namelen > (int)sizeof(m->to.room) ? (int)sizeof(m->to.room) : (int)h.msg_namelen;
	rc = copy_address(r, s, (uint64_t)h.msg_name, len, m);
	rc = rc ? rc : guest_read(r->job->who.mem, (uint64_t)h.msg_iov, parts, h.msg_iovlen * sizeof(parts[0]));
	return rc ? rc : copy_data(r, s, parts, h.msg_iovlen, m);
}

/* --- sending ------------------------------------------------------------------------------------------------ */

static int64_t send_one(int fd, const struct message *m)
{
	ssize_t n = sendto(fd, m->data, m->n, m->flags | MSG_DONTWAIT | MSG_NOSIGNAL, m->to.len ? &m->to.sa : NULL, m->to.len);

	return n < 0 ? -errno : n;
}

/* What the call returns for a message of `sent` bytes. */
static int64_t told(struct request *r, uint64_t t_len, int64_t sent)
{
	uint32_t n = (uint32_t)sent;

	if (sent < 0 || !t_len)
		return sent;
	return guest_write(r->job->who.mem, t_len, &n, sizeof(n)) ? -EFAULT : 1;
}

static void forget(struct broker_wait *w)
{
	struct sending *g = (struct sending *)w;

	briefly_close(g->fd);
	free(g->m.data);
	free(g);
}

static int64_t resume(struct request *r, struct broker_wait *w, bool timed_out)
{
	struct sending *g = (struct sending *)w;
	int64_t sent = send_one(g->fd, &g->m);

	return sent == -EAGAIN && !timed_out ? request_wait(r, w) : told(r, g->t_len, sent);
}

/* Takes m->data. */
static int64_t wait_for(struct request *r, const struct socket_of *s, struct message *m, uint64_t t_len)
{
	struct sending *g = calloc(1, sizeof(*g));
	int fd = g ? fcntl(s->fd, F_DUPFD_CLOEXEC, 3) : -1;
	struct timeval t = {0};
	struct timespec now;
	socklen_t n = sizeof(t);

	if (fd < 0) {
		free(g);
		return -ENOMEM;
	}
	*g = (struct sending){.wait = {.fd = fd, .events = POLLOUT, .interrupted = -BROKER_ERESTARTSYS, .resume = resume, .forget = forget},
	                      .fd = fd, .m = *m, .t_len = t_len};
	m->data = NULL;
	if (!getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, &n) && (t.tv_sec || t.tv_usec)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		g->wait.until = now.tv_sec + now.tv_nsec / 1e9 + t.tv_sec + t.tv_usec / 1e6;
		g->wait.interrupted = -EINTR;
	}
	return request_wait(r, &g->wait);
}

static int64_t send_or_wait(struct request *r, const struct socket_of *s, struct message *m, uint64_t t_len)
{
	int64_t sent = send_one(s->fd, m);

	if (sent == -EAGAIN && !s->nonblocking && !(m->flags & MSG_DONTWAIT))
		return wait_for(r, s, m, t_len);
	return told(r, t_len, sent);
}

/* --- calls -------------------------------------------------------------------------------------------------- */

static int reach(struct request *r, struct socket_of *s, int flags)
{
	int rc = socket_of(r, (int)r->call->args[0], s);

	if (rc)
		return rc;
	if (flags & ~FLAGS_GIVEN)
		return request_refused(r, EPERM, NULL, "sockets: such flags are not for jobs");
	return s->fd < 0 ? request_refused(r, EOPNOTSUPP, NULL, "sockets: out of the supervisor's reach on this machine") : 0;
}

int64_t sends_sendto(struct request *r)
{
	const uint64_t *a = r->call->args;
	struct message m = {.flags = (int)a[3]};
	struct iovec part = {(void *)a[1], a[2]};
	struct socket_of s;
	int64_t rc = reach(r, &s, m.flags);

	rc = rc ? rc : copy_address(r, &s, a[4], (int)a[5], &m);
	rc = rc ? rc : copy_data(r, &s, &part, 1, &m);
	rc = rc ? rc : send_or_wait(r, &s, &m, 0);
	free(m.data);
	socket_of_done(&s);
	return rc;
}

int64_t sends_sendmsg(struct request *r)
{
	struct message m = {.flags = (int)r->call->args[2]};
	struct socket_of s;
	int64_t rc = reach(r, &s, m.flags);

	rc = rc ? rc : copy_message(r, &s, r->call->args[1], &m);
	rc = rc ? rc : send_or_wait(r, &s, &m, 0);
	free(m.data);
	socket_of_done(&s);
	return rc;
}

/* The first may wait; what cannot be sent after it goes with the next call, as sendmmsg(2) has it. */
static int64_t send_batch(struct request *r, const struct socket_of *s, uint64_t t_vec, unsigned count, int flags)
{
	int64_t rc = 0, done = 0;

	for (unsigned i = 0; i < count && i < BATCH_MAX && rc >= 0; i++) {
		uint64_t t_msg = t_vec + i * sizeof(struct mmsghdr), t_len = t_msg + offsetof(struct mmsghdr, msg_len);
		struct message m = {.flags = i ? flags | MSG_DONTWAIT : flags};

		rc = copy_message(r, s, t_msg, &m);
		rc = rc ? rc : send_or_wait(r, s, &m, t_len);
		free(m.data);
		if (r->reply->kind == REPLY_NAMES && done) { /* the whole call would be answered anew */
			r->reply->kind = REPLY_VALUE;
			return done;
		}
		if (r->reply->kind == REPLY_LATER)
			return rc;
		done += rc > 0;
	}
	return done ? done : rc;
}

int64_t sends_sendmmsg(struct request *r)
{
	const uint64_t *a = r->call->args;
	struct socket_of s;
	int64_t rc = reach(r, &s, (int)a[3]);

	rc = rc ? rc : send_batch(r, &s, a[1], (unsigned)a[2], (int)a[3]);
	socket_of_done(&s);
	return rc;
}
