/* worker.h - one worker: zygotes, waiting tracees, running jobs; brokers, traces, measures.
 *
 * It never parses a client's bytes: jobs come through port.h, already checked. Who may use it: worker_side.c alone.
 * Life: worker_new, then callbacks of the loop, worker_free when idle. Everything runs on the loop's thread.
 */
#ifndef WARDER_WORKER_H
#define WARDER_WORKER_H

#include <ev.h>

#include "layers.h"
#include "port.h"

struct worker;

struct worker_config {
	unsigned pool_min;        /* tracees kept waiting per zygote */
	unsigned pool_max;        /* jobs at once */
	unsigned zygote_max_jobs, zygote_max_age_s; /* replaced after these; 0: never */
	int cpu;                  /* CPU that worker, zygotes and waiting tracees share; -1: any */
	const char *tracee_dir;   /* where addon and bootstrap are; borrowed for life */
	const struct layers *layers; /* borrowed for life */
};

/* Takes over SIGCHLD of the process and every child's status, adopts its children's orphans: no other part of the process may wait for children.
 * `front` is filled by the caller before the first job comes. -errno with words in `e`. */
int worker_new(struct ev_loop *loop, const struct worker_config *c, const struct port_front *front, struct worker **out,
               struct err *e);
/* Starts the policy's zygote ahead of its first job. */
void worker_warm(struct worker *w, struct generation *g, const struct policy *p);
/* From here on `g` is the newest: of `c` the numbers take effect, what is borrowed for life stays. Jobs that it has go on under theirs,
 * whose zygotes leave after the last of them; policies that are in use get new zygotes at once. */
void worker_reload(struct worker *w, const struct worker_config *c, struct generation *g);
/* While the front takes no more: the output of jobs that stream is left where it is. */
void worker_pause_output(struct worker *w, bool pause);
void worker_debugs(struct port_worker *p); /* its calls for debuggers */
struct port_worker worker_port(struct worker *w);
/* Kills what is left and frees. Unanswered jobs stay unanswered: ask shutdown of the port first. */
void worker_free(struct worker *w);

#endif
