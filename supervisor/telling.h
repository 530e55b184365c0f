/* telling.h - what a worker tells the front of its jobs: the worker's half of port.h as messages on their link.
 *
 * A job is spoken of to the front that gave it, or that was told of it (held.h), and to no other; without one, and of others, nothing is said. The
 * link takes everything. Of what jobs say as fast as they can, output and events, more waits with them while the front does not keep up.
 *
 * Who may use it: worker_side.c, which owns the link and changes it. Life: embedded, zeroed; `worker` is set before the port is used.
 */
#ifndef WARDER_TELLING_H
#define WARDER_TELLING_H

#include "held.h"
#include "link.h"
#include "worker.h"

struct telling {
	struct link *front; /* NULL: none now */
	struct held_all held;
	struct worker *worker;
	bool paused; /* jobs' output waits */
};

struct port_front telling_port(struct telling *t); /* as long as `t` */
bool telling_is_heard(struct telling *t, uint64_t key); /* the front that is there knows the job */
void telling_result(struct telling *t, uint64_t key, const struct result *r); /* to the front that is there, of a job that it gave */
/* An error of the protocol: the job was never accepted. It is dropped. `telling` is one. */
void telling_refused(void *telling, uint64_t key, enum rpc_error code, const struct err *why);
void telling_resume(struct telling *t); /* the link's backlog has gone, or the front has */

#endif
