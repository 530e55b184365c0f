/* inside.h - what the HTTP side's own files share: the server itself, and a request.
 *
 * server.c has the life of it; request.c takes a request from its first header to its last word; asked.c finds out what it asks for; routes.c has the
 * table of what may be asked for. Nobody else includes this.
 */
#ifndef WARDER_HTTP_INSIDE_H
#define WARDER_HTTP_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <microhttpd.h>

#include "ask.h"
#include "connections.h"
#include "jobs.h"
#include "metrics.h"
#include "server.h"

#define JSON_TYPE "application/json; charset=utf-8"

struct server {
	const struct knobs *knobs;
	struct runner *runner;
	struct metrics *metrics;
	struct connections *connections;
	struct jobs jobs;
	struct MHD_Daemon *daemon;
	pthread_t prober, sweeper;
	bool probing, sweeping;
	pthread_mutex_t lock;
	pthread_cond_t change;
	unsigned answering; /* requests that came whole and whose answer is not written yet */
	bool draining;
	atomic_size_t bodies;
	uint64_t id_base;
	atomic_uint_fast64_t id_next;
};

/* One request. */
struct call {
	struct server *server;
	struct MHD_Connection *connection;
	const struct route *route; /* NULL: none */
	char id[24], method[8];
	double began_ms;
	struct text body;
	bool too_large, whole, entered;
	unsigned status;
	char told[96]; /* of a run, for the log */
};

struct route {
	const char *method, *path;
	bool is_private;
	void (*handle)(struct call *c);
};

/* server.c */
double server_now_ms(void); /* monotonic */
/* Waits, or is told to end. Whether to go on. */
bool server_rest(struct server *s, double seconds);
bool server_is_draining(struct server *s);

/* routes.c. NULL: there is none. */
const struct route *route_find(const char *method, const char *path);

/* request.c: libmicrohttpd's callbacks, `cls` is the server */
enum MHD_Result request_on_data(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
				const char *data, size_t *size, void **ctx);
void request_on_completed(void *cls, struct MHD_Connection *connection, void **ctx, enum MHD_RequestTerminationCode how);
/* Takes `body`. type NULL: no Content-Type. */
enum MHD_Result request_answer(struct call *c, unsigned status, const char *type, struct text *body);
void request_answer_error(struct call *c, unsigned status, const char *type, int code, const char *message);
enum MHD_Result request_answer_plain(struct call *c, unsigned status, const char *type, const char *body);

/* asked.c. Fills `a`, or answers and returns false; ask_done in either case. */
bool asked_bind(struct call *c, bool needs_code, struct ask *a);

#endif
