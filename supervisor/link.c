#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "seal.h"

#define MESSAGES_A_TURN 64
#define SOCKET_BUFFER   (512 << 10) /* asked for; the kernel gives what its limits allow */
#define SEALS           (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

static const char large_name[] = "large";

#define WORD_NAME(n, s) [LINK_##n] = s,
static const char *const names[] = {WORDS_LINK(WORD_NAME)};
_Static_assert(sizeof(names) / sizeof(names[0]) == LINK_COUNT, "a name for every word");

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int link_pair(int ends[2])
{
	int size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return -errno;
	for (int i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

/* --- out ----------------------------------------------------------------------------------------------------- */

/* The message itself, in a file that nobody can change any more: -errno or its descriptor. */
static int wrap(const msgpack_sbuffer *b)
{
	int fd = memfd_create("warder-message", MFD_CLOEXEC | MFD_ALLOW_SEALING), ret;
	size_t done = 0;

	while (fd >= 0 && done < b->size) {
		ssize_t n = write(fd, b->data + done, b->size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	ret = fd < 0 || done < b->size ? errno ? -errno : -EIO : seal(fd, SEALS);
	if (ret < 0)
		close_fd(&fd);
	return ret < 0 ? ret : fd;
}

static int put(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
		struct cmsghdr align;
	} space = {{0}};
	struct iovec iov = {(void *)data, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds > 0) {
		msg.msg_control = space.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n_fds)};
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	for (;;) {
		if (sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		/* ETOOMANYREFS: descriptors under way, which the peer takes out; ENOBUFS, ENOMEM: likewise memory */
		return errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS ? -EAGAIN : errno == ECONNRESET ? -EPIPE : -errno;
	}
}

/* What stands in the packet when the message is in a memfd. */
static void pack_head(msgpack_sbuffer *head)
{
	msgpack_packer pk;

	rpc_begin(head, &pk);
	rpc_pack_notify(&pk, large_name);
	msgpack_pack_map(&pk, 0);
}

/* memfd -1: the message is in `b`, else `b` is its head. */
static int put_with(int sock, const msgpack_sbuffer *b, int memfd, int fd)
{
	int fds[LINK_FDS_MAX];
	size_t n = 0;

	if (memfd >= 0)
		fds[n++] = memfd;
	if (fd >= 0)
		fds[n++] = fd;
	return put(sock, b->data, b->size, fds, n);
}

int link_put_large(int sock, const msgpack_sbuffer *b, int fd)
{
	msgpack_sbuffer head;
	int memfd = wrap(b);

	if (memfd < 0)
		return memfd;
	pack_head(&head);
	int ret = put_with(sock, &head, memfd, fd);
	msgpack_sbuffer_destroy(&head);
	close_fd(&memfd);
	return ret;
}

int link_put(int sock, const msgpack_sbuffer *b, int fd)
{
	return b->size > LINK_PACKET_MAX ? link_put_large(sock, b, fd) : put_with(sock, b, -1, fd);
}

void link_begin(msgpack_sbuffer *b, msgpack_packer *pk, enum link_word w, size_t n)
{
	rpc_begin(b, pk);
	rpc_pack_notify(pk, names[w]);
	msgpack_pack_map(pk, n);
}

/* --- in ------------------------------------------------------------------------------------------------------ */

static int broken(struct err *e, const char *why)
{
	err_set(e, ERR_BUG, "link", EPROTO, "%s", why);
	return -EPROTO;
}

/* Descriptors are closed by whoever called, also when this fails. */
static int take_packet(int sock, char *buf, size_t size, size_t *len, int fds[LINK_FDS_MAX], struct err *e)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
		struct cmsghdr align;
	} space;
	struct iovec iov = {buf, size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.buf, .msg_controllen = sizeof(space.buf)};
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	/* told once when the peer closed with messages of ours unread; its last ones are behind that (measured, Linux 6.18) */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : errno == ECONNRESET ? -EPIPE : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return broken(e, "a packet is too long, or has too many descriptors");
	*len = (size_t)n;
	return n ? 0 : -EPIPE; /* nobody sends empty packets: the end */
}

/* Takes the memfd. What is sealed cannot change under the parser, or shrink under the mapping. */
static int unwrap(struct link_in *in, int *memfd, size_t max, struct err *e)
{
	struct stat st;
	int seals = *memfd < 0 ? -1 : fcntl(*memfd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(*memfd, &st) || st.st_size <= 0)
		return broken(e, "a large message without a sealed memfd");
	if ((uint64_t)st.st_size > max)
		return broken(e, "a message is too large");
	in->map_len = (size_t)st.st_size;
	in->map = mmap(NULL, in->map_len, PROT_READ, MAP_SHARED | MAP_POPULATE, *memfd, 0);
	close_fd(memfd);
	if (in->map == MAP_FAILED) {
		in->map = NULL;
		return err_set(e, ERR_HOST, "mmap", errno, "of a large message"), -EPROTO;
	}
	msgpack_unpacked_destroy(&in->unpacked);
	msgpack_unpacked_init(&in->unpacked);
	in->whole = (struct bytes){in->map, in->map_len};
	return rpc_parse(in->whole, &in->unpacked, &in->m, e);
}

static bool is_named(const struct rpc_message *m, const char *name)
{
	return m->type == RPC_NOTIFY && m->method.len == strlen(name) && memcmp(m->method.p, name, m->method.len) == 0;
}

static enum link_word word_of(const struct rpc_message *m)
{
	enum link_word w = 0;

	while (w < LINK_COUNT && !is_named(m, names[w]))
		w++;
	return w;
}

int link_get(int sock, size_t max_message, struct link_in *in, struct err *e)
{
	static char buf[LINK_PACKET_MAX + 1]; /* of the message that is being handled: one at a time in a process */
	int fds[LINK_FDS_MAX] = {-1, -1};
	size_t len = 0;

	*in = (struct link_in){.fd = -1, .word = LINK_COUNT};
	msgpack_unpacked_init(&in->unpacked);
	int ret = take_packet(sock, buf, sizeof(buf), &len, fds, e);
	in->whole = (struct bytes){buf, len};
	if (ret == 0)
		ret = rpc_parse(in->whole, &in->unpacked, &in->m, e);
	if (ret == 0 && is_named(&in->m, large_name)) {
		ret = unwrap(in, &fds[0], max_message, e);
		close_fd(&fds[0]);
		fds[0] = fds[1];
		fds[1] = -1;
	}
	if (ret == 0)
		in->word = word_of(&in->m);
	in->fd = fds[0];
	close_fd(&fds[1]);
	return ret;
}

void link_in_done(struct link_in *in)
{
	msgpack_unpacked_destroy(&in->unpacked);
	close_fd(&in->fd);
	if (in->map)
		munmap(in->map, in->map_len);
	in->map = NULL;
}

static const msgpack_object *field(const msgpack_object *map, const char *key)
{
	for (uint32_t i = 0; map && map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		const msgpack_object *k = &map->via.map.ptr[i].key;

		if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == strlen(key) && memcmp(k->via.str.ptr, key, strlen(key)) == 0)
			return &map->via.map.ptr[i].val;
	}
	return NULL;
}

bool link_uint(const msgpack_object *map, const char *key, uint64_t max, uint64_t *out)
{
	const msgpack_object *v = field(map, key);

	if (!v || v->type != MSGPACK_OBJECT_POSITIVE_INTEGER || v->via.u64 > max)
		return false;
	*out = v->via.u64;
	return true;
}

bool link_bool(const msgpack_object *map, const char *key, bool *out)
{
	const msgpack_object *v = field(map, key);

	if (!v || v->type != MSGPACK_OBJECT_BOOLEAN)
		return false;
	*out = v->via.boolean;
	return true;
}

bool link_double(const msgpack_object *map, const char *key, double *out)
{
	const msgpack_object *v = field(map, key);

	if (!v || v->type != MSGPACK_OBJECT_FLOAT64 || !isfinite(v->via.f64) || v->via.f64 < 0)
		return false;
	*out = v->via.f64;
	return true;
}

bool link_bytes(const msgpack_object *map, const char *key, struct bytes *out)
{
	const msgpack_object *v = field(map, key);

	if (!v || (v->type != MSGPACK_OBJECT_BIN && v->type != MSGPACK_OBJECT_STR))
		return false;
	*out = (struct bytes){v->via.bin.ptr, v->via.bin.size};
	return true;
}

/* Strings of a parsed message point into its bytes: what stands behind the last key is the last value. */
bool link_last(const struct link_in *in, const char *key, struct bytes *out)
{
	const msgpack_object *map = in->m.params;
	const msgpack_object *k = map && map->type == MSGPACK_OBJECT_MAP && map->via.map.size > 0 ? &map->via.map.ptr[map->via.map.size - 1].key : NULL;

	if (!k || k->type != MSGPACK_OBJECT_STR || k->via.str.size != strlen(key) || memcmp(k->via.str.ptr, key, strlen(key)) != 0)
		return false;
	out->p = k->via.str.ptr + k->via.str.size;
	out->len = (size_t)(in->whole.p + in->whole.len - out->p);
	return true;
}

const msgpack_object *link_map(const msgpack_object *map, const char *key)
{
	const msgpack_object *v = field(map, key);

	return v && v->type == MSGPACK_OBJECT_MAP ? v : NULL;
}

const msgpack_object *link_array(const msgpack_object *map, const char *key)
{
	const msgpack_object *v = field(map, key);

	return v && v->type == MSGPACK_OBJECT_ARRAY ? v : NULL;
}

/* --- an end in an event loop --------------------------------------------------------------------------------- */

/* A message that waits for room in the socket has all that it needs: nothing that this machine could refuse is left for later, when the sender
 * cannot be told any more. */
struct waiting {
	struct waiting *next;
	msgpack_sbuffer b; /* owned; of a large message the head */
	int memfd, fd;     /* owned; -1: none */
	size_t size;       /* of the message, wherever it is */
};

struct link {
	struct ev_loop *loop;
	int sock;
	const struct link_handler *h;
	void *ctx;
	ev_io readable, writable;
	struct waiting *first, **last;
	size_t backlog;
	bool ended;
};

static void waiting_free(struct waiting *w)
{
	msgpack_sbuffer_destroy(&w->b);
	close_fd(&w->memfd);
	close_fd(&w->fd);
	free(w);
}

static void drop_first(struct link *l)
{
	struct waiting *w = l->first;

	l->first = w->next;
	if (!l->first)
		l->last = &l->first;
	l->backlog -= w->size;
	waiting_free(w);
}

static void stop(struct link *l)
{
	l->ended = true;
	ev_io_stop(l->loop, &l->readable);
	ev_io_stop(l->loop, &l->writable);
	while (l->first)
		drop_first(l);
}

static const struct link_row *find_row(const struct link *l, enum link_word word)
{
	for (size_t i = 0; i < l->h->n_rows; i++)
		if (l->h->rows[i].word == word)
			return &l->h->rows[i];
	return NULL;
}

/* 1: one message was taken; 0: none is there; negative: the end. */
static int take_one(struct link *l)
{
	struct link_in in;
	struct err e = {0};
	int ret = link_get(l->sock, l->h->max_message, &in, &e);
	const struct link_row *row = ret == 0 ? find_row(l, in.word) : NULL;

	if (ret == 0)
		ret = row ? row->take(l->ctx, &in) : broken(&e, "an unknown message");
	if (ret < 0 && ret != -EAGAIN && ret != -EPIPE) {
		char text[300], value[400];

		if (e.class == ERR_NONE)
			broken(&e, "a message without what it must have");
		log_write(LOG_ERROR, "link_broken", "word=%s error=%s", row ? names[row->word] : "?",
			  log_value(value, sizeof(value), err_str(&e, text, sizeof(text))));
	}
	link_in_done(&in);
	return ret == 0 ? 1 : ret == -EAGAIN ? 0 : ret;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct link *l = w->data;
	int ret = 1;

	(void)loop, (void)revents;
	for (int i = 0; i < MESSAGES_A_TURN && ret > 0; i++)
		ret = take_one(l);
	if (ret >= 0)
		return;
	stop(l);
	l->h->on_ended(l->ctx);
}

bool link_step(struct link *l)
{
	return !l->ended && take_one(l) > 0;
}

void link_finish(struct link *l)
{
	while (link_step(l))
		;
}

static void log_unsent(size_t bytes, int error)
{
	log_write(LOG_ERROR, "link_send", "error=%s bytes=%zu", err_name(-error), bytes);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct link *l = w->data;
	int ret = 0;

	(void)revents;
	while (l->first && (ret = put_with(l->sock, &l->first->b, l->first->memfd, l->first->fd)) != -EAGAIN) {
		if (ret < 0 && ret != -EPIPE) /* that the peer has gone, the reading side tells */
			log_unsent(l->first->size, ret);
		drop_first(l);
	}
	if (l->first)
		return;
	ev_io_stop(loop, w);
	if (l->h->on_drained)
		l->h->on_drained(l->ctx);
}

/* 0 or -errno. */
static int equip(struct waiting *w, msgpack_sbuffer *b, int fd)
{
	if (fd >= 0 && (w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
		return -errno;
	if (b->size > LINK_PACKET_MAX) {
		pack_head(&w->b);
		w->memfd = wrap(b);
		return w->memfd < 0 ? w->memfd : 0;
	}
	w->b = *b;
	msgpack_sbuffer_init(b);
	return 0;
}

static int keep(struct link *l, msgpack_sbuffer *b, int fd)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w)
		abort(); /* a message that is lost leaves a job without an answer */
	w->memfd = w->fd = -1;
	w->size = b->size;
	int r = equip(w, b, fd);
	if (r < 0) {
		waiting_free(w);
		return r;
	}
	*l->last = w;
	l->last = &w->next;
	l->backlog += w->size;
	if (!ev_is_active(&l->writable))
		ev_io_start(l->loop, &l->writable);
	return 0;
}

int link_send(struct link *l, msgpack_sbuffer *b, int fd)
{
	int ret = l->ended ? -EPIPE : l->first ? -EAGAIN : link_put(l->sock, b, fd);

	if (ret == -EAGAIN)
		ret = keep(l, b, fd);
	if (ret < 0 && ret != -EPIPE)
		log_unsent(b->size, ret);
	msgpack_sbuffer_destroy(b);
	msgpack_sbuffer_init(b);
	return ret == -EPIPE ? 0 : ret;
}

size_t link_backlog(const struct link *l)
{
	return l->backlog;
}

struct link *link_new(struct ev_loop *loop, int sock, const struct link_handler *h, void *ctx)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l) {
		close(sock);
		return NULL;
	}
	*l = (struct link){.loop = loop, .sock = sock, .h = h, .ctx = ctx};
	l->last = &l->first;
	ev_io_init(&l->readable, on_readable, sock, EV_READ);
	ev_io_init(&l->writable, on_writable, sock, EV_WRITE);
	l->readable.data = l->writable.data = l;
	ev_io_start(loop, &l->readable);
	return l;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	stop(l);
	close(l->sock);
	free(l);
}
