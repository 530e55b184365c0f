#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front.h"
#include "log.h"

#define READ_SIZE     65536u
#define READS_A_TURN  4          /* then other connections have theirs */
#define INPUT_FREE    (1u << 20) /* bytes that a connection may gather even when all together hold too much */
#define BUSY_RETRY_MS 1000

/* Small answers share one: the buffer of a single one is 8 KiB, so that of as many as FRONT_WRITE_HIGH holds it would be a hundred times that. */
struct chunk {
	struct chunk *next;
	char *data; /* owned */
	size_t len, off, room;
};

struct session {
	struct session_shared *shared;
	struct ev_loop *loop;
	const struct session_handler *handler;
	void *ctx;
	int fd;
	struct ucred peer;
	ev_io readable, writable;
	ev_timer timer; /* a write that stalls; when lingering, the end of it */
	struct rpc_reader *reader;
	size_t max_backlog; /* a session with more unread bytes is hung up on */
	struct chunk *first, *last; /* last: undefined when there is none */
	size_t backlog;
	unsigned outstanding;
	bool was_high;  /* the backlog has been above FRONT_WRITE_HIGH and not yet below FRONT_WRITE_LOW */
	bool lingering; /* a fatal answer was sent: the rest is thrown away, so that the peer gets to read it */
	size_t input;   /* bytes of its reader, as counted in shared->input */
	bool dead;
	void *owner;
};

/* --- the end ------------------------------------------------------------------------------------------------- */

static void drop_chunks(struct session *s)
{
	while (s->first) {
		struct chunk *c = s->first;

		s->first = c->next;
		free(c->data);
		free(c);
	}
	s->backlog = 0;
}

/* Watchers first, then the descriptor: libev must not look at a number that somebody else has got. */
static void die(struct session *s)
{
	if (s->dead)
		return;
	s->dead = true;
	ev_io_stop(s->loop, &s->readable);
	ev_io_stop(s->loop, &s->writable);
	ev_timer_stop(s->loop, &s->timer);
	close(s->fd);
	s->fd = -1;
	drop_chunks(s);
}

void session_hang_up(struct session *s, const char *why)
{
	if (s->dead)
		return;
	log_write(LOG_DEBUG, "hang_up", "uid=%u pid=%d why=\"%s\"", s->peer.uid, s->peer.pid, why);
	die(s);
	s->handler->on_ended(s->ctx, s);
}

/* --- writing ------------------------------------------------------------------------------------------------- */

/* Not read from while it does not read, or has asked for much that is unanswered. */
static bool is_paused(const struct session *s)
{
	return s->backlog > FRONT_WRITE_HIGH || s->outstanding >= FRONT_OUTSTANDING_MAX;
}

static void update_reading(struct session *s)
{
	bool want = !s->dead && (s->lingering || !is_paused(s));

	if (want && !ev_is_active(&s->readable)) {
		ev_io_start(s->loop, &s->readable);
		/* whole messages may wait in the reader, of which the kernel will tell nothing */
		ev_feed_event(s->loop, &s->readable, EV_READ);
	} else if (!want) {
		ev_io_stop(s->loop, &s->readable);
	}
}

/* Everything is out: the peer sees end of file behind the answer, and gets a moment to finish sending. */
static void begin_goodbye(struct session *s)
{
	shutdown(s->fd, SHUT_WR);
	s->timer.repeat = FRONT_LINGER_S;
	ev_timer_again(s->loop, &s->timer);
}

static void after_write(struct session *s)
{
	if (s->backlog == 0) {
		ev_io_stop(s->loop, &s->writable);
		ev_timer_stop(s->loop, &s->timer);
		if (s->lingering)
			begin_goodbye(s);
	}
	if (s->was_high && s->backlog < FRONT_WRITE_LOW) {
		s->was_high = false;
		s->handler->on_drained(s->ctx, s);
	}
	update_reading(s);
}

/* Writes until all is out or the peer takes no more. -errno when the connection is broken. */
static int flush(struct session *s)
{
	while (s->first) {
		struct chunk *c = s->first;
		ssize_t n = send(s->fd, c->data + c->off, c->len - c->off, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		c->off += (size_t)n;
		s->backlog -= (size_t)n;
		ev_timer_again(s->loop, &s->timer);
		if (c->off < c->len)
			continue;
		s->first = c->next;
		free(c->data);
		free(c);
	}
	return 0;
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct session *s = w->data;
	int ret = flush(s);

	(void)loop, (void)revents;
	if (ret < 0)
		session_hang_up(s, err_name(-ret));
	else
		after_write(s);
}

static int append(struct session *s, msgpack_sbuffer *b)
{
	struct chunk *c = s->first ? s->last : NULL;

	s->backlog += b->size;
	if (c && b->size <= c->room - c->len) {
		memcpy(c->data + c->len, b->data, b->size);
		c->len += b->size;
		return 0;
	}
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	*c = (struct chunk){.len = b->size, .room = b->alloc};
	c->data = msgpack_sbuffer_release(b);
	if (s->first)
		s->last->next = c;
	else
		s->first = c;
	s->last = c;
	return 0;
}

/* What was packed goes out at once where the socket takes it: an answer then costs no turn of the loop. */
static void transmit(struct session *s, msgpack_sbuffer *b)
{
	bool was_empty = s->backlog == 0;
	int ret = 0;

	if (s->dead || s->lingering || b->size == 0)
		return;
	ret = append(s, b);
	if (ret == 0 && was_empty)
		ret = flush(s);
	if (ret < 0) {
		session_hang_up(s, err_name(-ret));
		return;
	}
	if (s->backlog > s->max_backlog) {
		log_write(LOG_WARN, "slow_client", "uid=%u pid=%d unread_bytes=%zu", s->peer.uid, s->peer.pid,
			  s->backlog);
		session_hang_up(s, "does not read its answers");
		return;
	}
	if (s->backlog > FRONT_WRITE_HIGH)
		s->was_high = true;
	if (s->backlog > 0 && was_empty) {
		ev_io_start(s->loop, &s->writable);
		ev_timer_again(s->loop, &s->timer);
	}
	if (s->backlog == 0)
		ev_timer_stop(s->loop, &s->timer);
	update_reading(s);
}

void session_answer(struct session *s, msgpack_sbuffer *b)
{
	if (s->outstanding > 0)
		s->outstanding--;
	session_notify(s, b);
}

void session_notify(struct session *s, msgpack_sbuffer *b)
{
	transmit(s, b);
	msgpack_sbuffer_destroy(b);
	msgpack_sbuffer_init(b);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct session *s = w->data;

	(void)loop, (void)revents;
	if (!s->lingering)
		log_write(LOG_WARN, "stalled_client", "uid=%u pid=%d unread_bytes=%zu", s->peer.uid, s->peer.pid,
			  s->backlog);
	session_hang_up(s, s->lingering ? "after a fatal error" : "took nothing for too long");
}

/* --- reading ------------------------------------------------------------------------------------------------- */

static enum rpc_error code_of(int ret)
{
	return ret == -EMSGSIZE ? RPC_ERROR_TOO_LARGE : ret == -EBUSY ? RPC_ERROR_BUSY : RPC_ERROR_BAD_REQUEST;
}

/* The bytes cannot be followed any further. */
static void refuse_bytes(struct session *s, int ret, int64_t msgid, const struct err *why)
{
	char words[sizeof(*why) + 128];
	msgpack_sbuffer b;
	msgpack_packer pk;

	log_write(LOG_WARN, "bad_message", "uid=%u pid=%d msgid=%lld why=\"%s\"", s->peer.uid, s->peer.pid,
		  (long long)msgid, err_str(why, words, sizeof(words)));
	if (msgid < 0) {
		session_hang_up(s, "bad message");
		return;
	}
	rpc_begin(&b, &pk);
	rpc_pack_response_error(&pk, (uint32_t)msgid, code_of(ret), words);
	session_notify(s, &b);
	if (s->dead)
		return;
	s->lingering = true;
	if (s->backlog == 0)
		begin_goodbye(s);
	update_reading(s);
	s->handler->on_ended(s->ctx, s);
}

/* Keeps the sum of what all connections have gathered. Each is bounded by max_message, but there can be many. */
static void count_input(struct session *s)
{
	struct err e;
	size_t held = rpc_reader_held(s->reader);

	s->shared->input += held - s->input;
	s->input = held;
	if (held <= INPUT_FREE || s->shared->input <= s->shared->max_input || s->dead || s->lingering)
		return;
	err_set(&e, ERR_REQUEST, "", 0, "too many large messages at once, retry in %d ms", BUSY_RETRY_MS);
	refuse_bytes(s, -EBUSY, rpc_reader_msgid(s->reader), &e);
}

static void process(struct session *s)
{
	struct rpc_message m;
	struct err e = {0};
	int64_t msgid;
	int ret = 1;

	while (!s->dead && !s->lingering && !is_paused(s)) {
		ret = rpc_reader_next(s->reader, &m, &msgid, &e);
		if (ret <= 0)
			break;
		s->outstanding += m.type == RPC_REQUEST;
		s->handler->on_message(s->ctx, s, &m);
	}
	if (ret < 0)
		refuse_bytes(s, ret, msgid, &e);
	count_input(s);
}

/* 1: more may be there; 0: not now; negative: end of file (-ECONNRESET) or broken. */
static int receive(struct session *s)
{
	static char thrown_away[READ_SIZE]; /* one for all: nobody reads it */
	char *buf = thrown_away;
	size_t size = sizeof(thrown_away);
	int ret = s->lingering ? 0 : rpc_reader_space(s->reader, READ_SIZE, &buf, &size);

	if (ret < 0)
		return ret;
	ssize_t n = recv(s->fd, buf, size, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	if (!s->lingering)
		rpc_reader_filled(s->reader, (size_t)n);
	return (size_t)n == size;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct session *s = w->data;
	int ret = 1;

	(void)loop, (void)revents;
	process(s); /* what was left when reading paused */
	for (int i = 0; i < READS_A_TURN && ret > 0 && !s->dead && (s->lingering || !is_paused(s)); i++) {
		ret = receive(s);
		if (ret >= 0)
			process(s);
	}
	if (ret < 0)
		session_hang_up(s, ret == -ECONNRESET ? "end of file" : err_name(-ret));
	else
		update_reading(s);
}

/* --- life ---------------------------------------------------------------------------------------------------- */

static int prepare_socket(struct session *s)
{
	socklen_t len = sizeof(s->peer);
	int flags = fcntl(s->fd, F_GETFL);

	if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &s->peer, &len) < 0)
		return -errno;
	if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

struct session *session_new(struct session_shared *shared, int fd)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s)
		s->reader = rpc_reader_new(shared->max_message);
	if (!s || !s->reader) {
		free(s);
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	s->shared = shared;
	s->loop = shared->loop;
	s->handler = shared->handler;
	s->ctx = shared->ctx;
	s->fd = fd;
	s->max_backlog = FRONT_WRITE_HIGH + 2 * shared->max_message;
	ev_io_init(&s->readable, on_readable, fd, EV_READ);
	ev_io_init(&s->writable, on_writable, fd, EV_WRITE);
	ev_timer_init(&s->timer, on_timer, 0., FRONT_WRITE_STALL_S);
	s->readable.data = s->writable.data = s->timer.data = s;
	int ret = prepare_socket(s);

	if (ret < 0) {
		session_free(s);
		errno = -ret;
		return NULL;
	}
	ev_io_start(s->loop, &s->readable);
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	die(s);
	s->shared->input -= s->input;
	rpc_reader_free(s->reader);
	free(s);
}

uid_t session_uid(const struct session *s)
{
	return s->peer.uid;
}

int session_dup(const struct session *s)
{
	int fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

pid_t session_pid(const struct session *s)
{
	return s->peer.pid;
}

size_t session_backlog(const struct session *s)
{
	return s->backlog;
}

void session_set_owner(struct session *s, void *owner)
{
	s->owner = owner;
}

void *session_owner(const struct session *s)
{
	return s->owner;
}

bool session_dead(const struct session *s)
{
	return s->dead;
}

bool session_ended(const struct session *s)
{
	return s->dead || s->lingering;
}
