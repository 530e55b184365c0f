/* link.h - messages between keeper, front and workers: one a packet, with a descriptor beside it.
 *
 * A link is one end of a SOCK_SEQPACKET pair. A packet holds one msgpack-RPC notification (protocol/rpc.h) whose params are one map. What is
 * longer than LINK_PACKET_MAX travels in a sealed memfd, with the notification `large` in the packet. Nothing is ever waited for: what the
 * socket does not take stays in the link, and link_backlog says how much, so that senders can hold back what they produce.
 *
 * Who may use it: keeper, front_side.c, worker_side.c. The reader of a link is the one that checks: sizes, seals, depth, unknown words; whoever
 * breaks the protocol is hung up on. Life: link_new, messages until on_ended, link_free (also from inside on_ended, not from a row's take).
 * The keeper has no event loop: it uses link_put and link_get on the descriptor alone.
 */
#ifndef WARDER_LINK_H
#define WARDER_LINK_H

#include <ev.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "rpc.h"

#define LINK_PACKET_MAX (96u << 10)  /* bytes of a packet; above: memfd */
#define LINK_SLACK      (2ul << 20)  /* bytes that a message has at most beside what a client's message may have */
#define LINK_FDS_MAX    2            /* the memfd of a large message, and the one that belongs to it */

/* Every message, who sends it to whom; what it has in it says message.c. A word's handler is a row of the receiver's table. */
#define WORDS_LINK(X) \
	X(SUBMIT, "submit")           /* front → worker: a job */ \
	X(UNSENT, "unsent")           /* front → worker: instead of a job that there was no room for */ \
	X(ATTACH, "attach")           /* front → worker: a debugger listens, or no more */ \
	X(DECIDE, "decide")           /* front → worker */ \
	X(HELD, "held")               /* worker → front */ \
	X(CANCEL, "cancel")           /* front → worker */ \
	X(HOLD, "hold")               /* front → worker */ \
	X(TRACE, "trace")             /* front → worker */ \
	X(WATCH, "watch")             /* front → worker */ \
	X(ASK_STATUS, "ask_status")   /* front → worker */ \
	X(STATUS, "status")           /* worker → front: numbers; the first one says that it is ready */ \
	X(STARTED, "started")         /* worker → front */ \
	X(OUTPUT, "output")           /* worker → front */ \
	X(EVENT, "event")             /* worker → front */ \
	X(VIOLATION, "violation")     /* worker → front */ \
	X(RUNNING, "running")         /* worker → front: a job of the front before, after the first status */ \
	X(RESULT, "result")           /* worker → front */ \
	X(REFUSED, "refused")         /* worker → front: instead of a result */ \
	X(WORKER, "worker")           /* keeper → front: the link to it beside */ \
	X(WORKER_GONE, "worker_gone") /* keeper → front */ \
	X(FRONT, "front")             /* keeper → worker: the link to it beside */ \
	X(SETTINGS, "settings")       /* keeper → both: the files of a new generation */ \
	X(DRAIN, "drain")             /* keeper → front: take nothing more */ \
	X(SHUTDOWN, "shutdown")       /* keeper → worker: end what is left */ \
	X(INSTALL, "install")         /* front → keeper: the pipe for what comes of it beside */ \
	X(SERVING, "serving")         /* front → keeper: a worker is there for its jobs */ \
	X(IDLE, "idle")               /* front → keeper: drained */ \
	X(CLIENT_GONE, "client_gone") /* front → keeper: the one that it serves */
#define WORD_LINK(n, s) LINK_##n,
enum link_word { WORDS_LINK(WORD_LINK) LINK_COUNT };

/* A message that came. `m` points into the rest. */
struct link_in {
	struct rpc_message m;
	enum link_word word; /* LINK_COUNT: none of ours */
	struct bytes whole; /* its bytes */
	int fd; /* -1: none. Whoever takes it sets -1 */
	msgpack_unpacked unpacked;
	void *map; /* of a large message; NULL */
	size_t map_len;
};

/* One packet to a non-blocking socket. `fd` (-1: none) is borrowed. -EAGAIN: not now, nothing was sent; -EPIPE: the peer has gone. */
int link_put(int sock, const msgpack_sbuffer *b, int fd);
/* The same, always in a memfd: many of them fit into a socket that is not read at once. */
int link_put_large(int sock, const msgpack_sbuffer *b, int fd);
/* The next message; link_in_done after each call, whatever it returned. -EAGAIN: none; -EPIPE: the peer has gone; else it broke the protocol. */
int link_get(int sock, size_t max_message, struct link_in *in, struct err *e);
void link_in_done(struct link_in *in);
/* A pair of ends, close-on-exec and non-blocking. 0 or -errno. */
int link_pair(int ends[2]);

/* Begins a message: `n` keys of the map are to be packed next. */
void link_begin(msgpack_sbuffer *b, msgpack_packer *pk, enum link_word w, size_t n);

/* Values of the map: false when there is none of that type and range. */
bool link_uint(const msgpack_object *map, const char *key, uint64_t max, uint64_t *out);
bool link_bool(const msgpack_object *map, const char *key, bool *out);
bool link_double(const msgpack_object *map, const char *key, double *out); /* finite, not negative */
bool link_bytes(const msgpack_object *map, const char *key, struct bytes *out);
/* The packed value of the last key, which must have this name: a value that is passed on is not unpacked and packed again. */
bool link_last(const struct link_in *in, const char *key, struct bytes *out);
const msgpack_object *link_map(const msgpack_object *map, const char *key); /* NULL: none */
const msgpack_object *link_array(const msgpack_object *map, const char *key); /* NULL: none */

struct link;
struct link_row {
	enum link_word word;
	/* 0, or negative: not what the protocol says, the peer is hung up on. in->fd may be taken. */
	int (*take)(void *ctx, struct link_in *in);
};
struct link_handler {
	const struct link_row *rows;
	size_t n_rows;
	size_t max_message;              /* bytes */
	void (*on_ended)(void *ctx);     /* once, as the last thing that the link does; the link may be freed here */
	void (*on_drained)(void *ctx);   /* everything is out again, after something had to stay; may be NULL */
};

/* Takes `sock` (also on failure), borrows handler. NULL: out of memory. */
struct link *link_new(struct ev_loop *loop, int sock, const struct link_handler *h, void *ctx);
void link_free(struct link *l);
/* Sends what was packed, and empties `b`. `fd` is borrowed. Nothing happens when the peer has gone: on_ended tells. -errno: this machine has no
 * room for a large message, or no descriptor for `fd`, and the message never goes out. What is told of with 0 is not lost later but with the peer. */
int link_send(struct link *l, msgpack_sbuffer *b, int fd);
size_t link_backlog(const struct link *l); /* bytes that the socket has not taken yet */
/* Takes the next message if one is there now, without on_ended. Also from another link's row. */
bool link_step(struct link *l);
/* Takes everything that is there now, without on_ended: for what a peer that has died still said. */
void link_finish(struct link *l);

#endif
