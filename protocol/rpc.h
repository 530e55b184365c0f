/* rpc.h - msgpack-RPC framing: bytes in, messages out; rpc_pack.h is the way back, and comes along.
 *
 * [0, msgid, method, params] request, [1, msgid, error, result] response, [2, method, params] notification;
 * params is an array of one map (an empty array or nil stands for an empty map). Knows no sockets and no loop.
 * Who may use it: front, clients. One `struct rpc_reader` per connection.
 */
#ifndef WARDER_RPC_H
#define WARDER_RPC_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "rpc_pack.h"

#define RPC_DEPTH_MAX 32
#define RPC_MESSAGE_MAX_DEFAULT (128ul << 20) /* bytes */
/* values in one message, counting keys and containers: an unpacked one costs 24 bytes, its packed form can cost one */
#define RPC_ELEMENTS_MAX (1ul << 20)

enum rpc_type { RPC_REQUEST = 0, RPC_RESPONSE = 1, RPC_NOTIFY = 2 };

/* One message. Pointers live until the next call with its reader. */
struct rpc_message {
	enum rpc_type type;
	uint32_t msgid;          /* request, response */
	struct bytes method;     /* request, notification */
	const msgpack_object *params; /* the map itself; NULL when there was none; the whole array (so not a map)
	                               * when it is not one of one map, which the receiver answers by bad_request */
	const msgpack_object *error, *result; /* response */
};

struct rpc_reader;
/* max_message: bytes one message may have before it is refused as too large. NULL when out of memory. */
struct rpc_reader *rpc_reader_new(size_t max_message);
void rpc_reader_free(struct rpc_reader *r);
/* A place of at least `want` bytes to read into; then say how many arrived. -ENOMEM. */
int rpc_reader_space(struct rpc_reader *r, size_t want, char **buf, size_t *size);
void rpc_reader_filled(struct rpc_reader *r, size_t n);
/* 1: `*m` is filled; 0: need more bytes; negative: the connection is beyond repair (-EPROTO not a message,
 * -EMSGSIZE too large or too deep), `e` says why, and *msgid is the request's id when it could be read (else -1).
 * A message over the size limit is refused as soon as its announced or gathered size shows it, not after. */
int rpc_reader_next(struct rpc_reader *r, struct rpc_message *m, int64_t *msgid, struct err *e);

/* The same without a reader, for sockets that keep messages apart: `whole` is one message and nothing else. It is borrowed and must not change
 * while `m` is used, which points into it and into `u` (msgpack_unpacked_init before, msgpack_unpacked_destroy after, also on errors). */
int rpc_parse(struct bytes whole, msgpack_unpacked *u, struct rpc_message *m, struct err *e);

/* Bytes of memory that the reader's buffer takes. It follows what has arrived, not what was announced. */
size_t rpc_reader_held(const struct rpc_reader *r);
/* The id of the request that is being gathered; -1 when it is none, or cannot be read yet. */
int64_t rpc_reader_msgid(const struct rpc_reader *r);

#endif
