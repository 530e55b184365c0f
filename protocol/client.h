/* client.h - the C client: connect, call, read answers and notifications. Blocking, one connection, no threads.
 *
 * Life: client_open or client_adopt, calls, client_free. The connection is dead after any error return.
 */
#ifndef WARDER_CLIENT_H
#define WARDER_CLIENT_H

#include "job.h"
#include "rpc.h"

struct client;

/* Connects to the Unix socket at `path`. -ECONNREFUSED, -ENOENT, … with words in `e`. */
int client_open(const char *path, struct client **out, struct err *e);
/* Takes a connected stream socket. */
int client_adopt(int fd, struct client **out, struct err *e);
void client_free(struct client *c);
int client_fd(const struct client *c);
/* The socket path that every command uses when none is given: WARDER_SOCKET, else /run/warder/warder.sock
 * as root, else $XDG_RUNTIME_DIR/warder.sock. Fills buf; -ENAMETOOLONG, or -ENOENT when there is no such place. */
int client_default_socket(char *buf, size_t size);

/* Sends a request; `pack_params` packs the one map (NULL: an empty map). *msgid is what the answer will carry. */
int client_send(struct client *c, const char *method, void (*pack_params)(msgpack_packer *, void *), void *arg,
                uint32_t *msgid, struct err *e);
/* Waits for the next message of any kind. 1: filled (lives until the next call); 0: the peer closed; negative: error.
 * -EINTR is the one after which the connection lives on: a signal handler ran, call again or go. */
int client_next(struct client *c, struct rpc_message *m, struct err *e);

typedef void client_on_output(void *arg, bool is_stderr, struct bytes data);
/* Runs one job and waits for its result (caller: result_done). `on_output` may be NULL; with job.stream it gets
 * the output as it comes. An RPC error is -EBADMSG with its "code: message" in e->text, class ERR_REQUEST. */
int client_run(struct client *c, const struct job *j, client_on_output *on_output, void *arg, struct result *out,
               struct err *e);

#endif
