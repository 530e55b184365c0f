/* connections.h - who is connected, what each is waited for, and since when: clients that never get to the end are hung up on.
 *
 * libmicrohttpd closes a connection on which nothing moves. One that sends a byte a minute moves, and as many as there may be keep everybody else out.
 * So each stage has its time as a whole, and whoever has not brought a request has little of it once it gets crowded. Thread-safe. A connection is
 * added before it is read from and removed before its descriptor is closed. Who may use it: server, request.
 */
#ifndef WARDER_HTTP_CONNECTIONS_H
#define WARDER_HTTP_CONNECTIONS_H

#define CONNECTIONS_IDLE_MS    75000.0  /* until a request's headers are there, from the start or the last answer */
#define CONNECTIONS_CROWDED_MS 3000.0   /* the same, once more than three of four places are taken */
#define CONNECTIONS_BODY_MS    300000.0 /* from there to its last byte */

enum stage { STAGE_IDLE, STAGE_BODY, STAGE_ANSWER };

struct connections;
struct connection;

/* NULL: out of memory. */
struct connections *connections_new(unsigned max);
void connections_free(struct connections *cs);
/* NULL: out of memory; it is then never hung up on. */
struct connection *connections_add(struct connections *cs, int fd, double now_ms);
void connections_remove(struct connections *cs, struct connection *c);
/* `c` may be NULL. */
void connections_enter(struct connections *cs, struct connection *c, enum stage stage, double now_ms);
/* Hangs up on those whose time is over. How many. */
unsigned connections_sweep(struct connections *cs, double now_ms);

#endif
