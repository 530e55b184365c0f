/* session.h - one client's connection: messages in, messages out, both bounded.
 *
 * Knows nothing of jobs. Who may use it: the front. Life: session_new; messages until on_ended; session_free by its
 * owner later, never inside a callback that still uses it: a session that ends is only marked, its watchers stopped.
 */
#ifndef WARDER_SESSION_H
#define WARDER_SESSION_H

#include <stdbool.h>
#include <sys/types.h>

#include <ev.h>

#include "rpc.h"

struct session;

struct session_handler {
	/* A request (to be answered once by session_answer) or a notification. `m` lives until this returns. */
	void (*on_message)(void *ctx, struct session *s, const struct rpc_message *m);
	/* The client has read up: less than FRONT_WRITE_LOW waits, after there was more than FRONT_WRITE_HIGH. */
	void (*on_drained)(void *ctx, struct session *s);
	/* It reads no requests any more, dead or lingering. Not to be freed from inside this call. */
	void (*on_ended)(void *ctx, struct session *s);
};

/* What all sessions of a front share. */
struct session_shared {
	struct ev_loop *loop;
	const struct session_handler *handler;
	void *ctx;
	size_t max_message;      /* bytes */
	size_t input, max_input; /* bytes of memory that messages being gathered take, and may take, together */
};

/* Takes fd (also on failure), which gets non-blocking. Borrows `shared`. NULL with errno. */
struct session *session_new(struct session_shared *shared, int fd);
/* Hangs up and frees at once: only from outside its callbacks. */
void session_free(struct session *s);

uid_t session_uid(const struct session *s);      /* of the peer, as SO_PEERCRED has it */
int session_dup(const struct session *s);         /* its connection once more, close-on-exec, the caller's; or -errno */
pid_t session_pid(const struct session *s);      /* for the log only */
size_t session_backlog(const struct session *s); /* bytes not yet taken by the client */
void session_set_owner(struct session *s, void *owner);
void *session_owner(const struct session *s); /* NULL at first */
bool session_dead(const struct session *s);
bool session_ended(const struct session *s); /* dead or lingering: takes no answers */

/* Sends what was packed and empties `b`; nothing happens for a session that has ended. */
void session_answer(struct session *s, msgpack_sbuffer *b); /* a response: one request less is outstanding */
void session_notify(struct session *s, msgpack_sbuffer *b);
void session_hang_up(struct session *s, const char *why);

#endif
