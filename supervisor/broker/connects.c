/* connects.c - connect(2): judged on one copy of the address, carried out on a duplicate of the socket, waited for by the loop.
 *
 * A connect that would block is begun without blocking; when the socket is connected the same connect is made once more, which is how the
 * kernel comes to know that nobody is to be told any more. O_NONBLOCK belongs to the open file that the
 * job holds, too: it is set for the length of one system call, and another thread of the job may take it off again meanwhile. So an alarm
 * ends a connect that sleeps nevertheless. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "briefly.h"
#include "handlers.h"
#include "sockets_of.h"

#define WATCHED_MOST 256   /* duplicates that are watched for one job beside its calls: it may close the sockets, and go on */
#define SLEEPS_MOST 4      /* of one job, before it is ended */

struct connecting {
	struct broker_wait wait;
	unsigned *watched; /* counts this one, when only its duplicate is watched */
	struct socket_of s;
	struct socket_address a;
	int so_far; /* -EINPROGRESS or -EALREADY: what the call returns when its time is over */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static bool is_datagram(const struct socket_of *s)
{
	return s->kind == POLICY_UDP4 || s->kind == POLICY_UDP6;
}

/* As for a socket that is not to block, whatever the job does to it meanwhile. A job that makes the worker sleep is soon over. */
static int connect_at_once(struct request *r, int fd, const struct socket_address *a)
{
	int rc = briefly_connect(fd, &a->sa, a->len);

	if (rc != -EINTR)
		return rc;
	r->reply->held_up = ++r->job->sleeps >= SLEEPS_MOST;
	return -EINPROGRESS;
}

/* Datagram sockets and disconnects never wait. */
static int begin(struct request *r, const struct socket_of *s, const struct socket_address *a)
{
	bool may_wait = !is_datagram(s) && a->sa.sa_family != AF_UNSPEC, change = may_wait && !s->nonblocking;
	int on = 1, off = 0, rc;

	if (change && ioctl(s->fd, FIONBIO, &on))
		return -errno;
	if (may_wait)
		rc = connect_at_once(r, s->fd, a);
	else
		rc = connect(s->fd, &a->sa, a->len) ? -errno : 0;
	if (change)
		ioctl(s->fd, FIONBIO, &off);
	return rc;
}

static bool is_under_way(int rc)
{
	return rc == -EINPROGRESS || rc == -EALREADY;
}

/* A connected socket is out of the worker's hands: a duplicate would keep the peer from seeing its end. */
static int told(struct request *r, const struct socket_of *s, const struct socket_address *a, int rc)
{
	if (s->ino && !is_datagram(s) && a->sa.sa_family != AF_UNSPEC && (rc == 0 || rc == -EISCONN))
		kept_forget(&r->job->kept, s->ino);
	return rc;
}

static void forget(struct broker_wait *w)
{
	struct connecting *c = (struct connecting *)w;

	if (c->watched)
		--*c->watched;
	socket_of_done(&c->s);
	free(c);
}

/* A failed one, or one that another thread ended by shutdown(2): what the error was, and the socket as new, as after a connect that
 * failed. To connect once more would begin anew in the second case. */
static int failed(int fd)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	socklen_t n = sizeof(int);
	int err = 0;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n);
	connect(fd, &none, sizeof(none));
	return err ? -err : -ECONNABORTED;
}

static int state_of(int fd)
{
	struct tcp_info i = {0};
	socklen_t n = sizeof(i);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n) ? TCP_CLOSE : i.tcpi_state;
}

static int look(struct request *r, const struct socket_of *s, const struct socket_address *a)
{
	int state = state_of(s->fd), rc;

	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV)
		return -EALREADY;
	if (state == TCP_CLOSE)
		return failed(s->fd);
	rc = begin(r, s, a);
	return rc == -EISCONN ? 0 : rc; /* another thread asked first */
}

static int64_t resume(struct request *r, struct broker_wait *w, bool timed_out)
{
	struct connecting *c = (struct connecting *)w;
	int rc = look(r, &c->s, &c->a);

	if (!is_under_way(rc))
		return told(r, &c->s, &c->a, rc);
	return timed_out ? c->so_far : request_wait(r, w);
}

/* The call was answered, and the error, if there is one, is the job's to ask for: only whether it is connected is looked at. */
static int64_t watch(struct request *r, struct broker_wait *w, bool timed_out)
{
	struct connecting *c = (struct connecting *)w;
	int state = state_of(c->s.fd);

	(void)timed_out;
	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV)
		return request_wait(r, w);
	if (state != TCP_CLOSE)
		kept_forget(&r->job->kept, c->s.ino);
	return 0;
}

/* SO_SNDTIMEO bounds a connect, socket(7); a call so bounded is not made again after a signal handler, signal(7). */
static void set_patience(struct connecting *c)
{
	struct timeval t = {0};
	socklen_t n = sizeof(t);

	c->wait.interrupted = -BROKER_ERESTARTSYS;
	if (getsockopt(c->s.fd, SOL_SOCKET, SO_SNDTIMEO, &t, &n) || (!t.tv_sec && !t.tv_usec))
		return;
	c->wait.until = now() + t.tv_sec + t.tv_usec / 1e6;
	c->wait.interrupted = -EINTR;
}

/* Takes the socket. `answered`: the call is answered with so_far now, and only the duplicate is watched until it is connected. */
static int64_t wait_for(struct request *r, struct socket_of *s, const struct socket_address *a, int so_far, bool answered)
{
	struct connecting *c = calloc(1, sizeof(*c));
	int fd = c ? fcntl(s->fd, F_DUPFD_CLOEXEC, 3) : -1;

	if (fd < 0) {
		free(c);
		return answered ? so_far : -ENOMEM;
	}
	*c = (struct connecting){
		.wait = {.fd = fd, .events = POLLOUT, .resume = resume, .forget = forget}, .s = *s, .a = *a, .so_far = so_far};
	c->s.fd = fd;
	c->s.own = true;
	set_patience(c);
	if (!answered)
		return request_wait(r, &c->wait);
	c->wait.resume = watch;
	c->wait.until = 0;
	c->watched = &r->job->watched;
	++*c->watched;
	r->reply->beside = &c->wait;
	return so_far;
}

static int64_t on_socket(struct request *r, struct socket_of *s)
{
	struct socket_address a;
	int rc = socket_address_copy(r, r->call->args[1], (int)r->call->args[2], &a);

	s->probing = is_datagram(s);
	if (rc)
		return rc;
	if (a.len >= sizeof(a.sa.sa_family) && a.sa.sa_family != AF_UNSPEC && (rc = socket_address_judge(r, s, &a)))
		return rc;
	if (s->fd < 0)
		return -EISCONN; /* as far as can be seen: kept.h */
	if (s->kind < 0)
		return -EINVAL; /* a Unix socket: as natively */
	rc = told(r, s, &a, begin(r, s, &a));
	if (!is_under_way(rc))
		return rc;
	if (!s->nonblocking) {
		int after = look(r, s, &a); /* on the loopback it is over by now */

		return is_under_way(after) ? wait_for(r, s, &a, rc, false) : told(r, s, &a, after);
	}
	if (!s->ino || rc != -EINPROGRESS || r->job->watched == WATCHED_MOST)
		return rc; /* what is not watched is kept until the job has closed it: kept.h */
	return wait_for(r, s, &a, rc, true);
}

int64_t connects_connect(struct request *r)
{
	struct socket_of s;
	int rc = socket_of(r, (int)r->call->args[0], &s);
	int64_t result = rc ? rc : on_socket(r, &s);

	socket_of_done(&s);
	return result;
}
