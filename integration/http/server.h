/* server.h - the HTTP side: Dify's routes on libmicrohttpd, one thread a connection.
 *
 * Life: server_start, then its threads serve; server_drain when it is time to go; server_free. Who may use it: main.
 */
#ifndef WARDER_HTTP_SERVER_H
#define WARDER_HTTP_SERVER_H

#include "err.h"
#include "knobs.h"

/* what clients choose, and how far */
#define SERVER_BODY_MAX    (128ul << 20) /* bytes of one body; what the wire to the supervisor takes, too */
#define SERVER_BODIES_MAX  (512ul << 20) /* of all bodies that are held at once */
#define SERVER_CONNECTIONS 1024u
#define SERVER_IDLE_S      75u           /* a connection on which nothing moves for so long is closed */

struct server;

/* Takes the listening socket, also on failure. Borrows knobs and socket (the supervisor's path) for life. */
int server_start(int listener, const struct knobs *k, const char *socket, struct server **out, struct err *e);
/* Accepts nothing more, refuses new runs, cancels an installation, returns when all that were let in are answered, or `patience_s` later. */
void server_drain(struct server *s, double patience_s);
void server_free(struct server *s);

#endif
