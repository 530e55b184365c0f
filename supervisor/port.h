/* port.h - what the front and a worker say to each other, and nothing else.
 *
 * Front and worker never include each other; the keeper joins them by these two tables of functions. Each call is one
 * message that only carries values, so that a socket can take the place of the call.
 * A `key` is the front's number for a job: unique, never used again.
 */
#ifndef WARDER_PORT_H
#define WARDER_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "job.h"
#include "policy.h"

struct port_status { /* what a worker tells of itself for `status` and `doctor` */
	uint32_t layers;         /* bit (1 << LAYER_x): on for its tracees */
	unsigned zygotes, waiting, running, capacity;
	uint64_t jobs_done, births, birth_failures;
};

/* front → worker */
struct port_worker {
	void *ctx;
	/* Takes `job`. The answer comes by on_result, also for failures, never from inside this call.
	 * To be called only while fewer than `capacity` jobs are unanswered. */
	void (*submit)(void *ctx, uint64_t key, struct job *job, const struct policy *policy, double queue_ms);
	void (*cancel)(void *ctx, uint64_t key);                 /* unknown keys are ignored */
	void (*hold_output)(void *ctx, uint64_t key, bool hold); /* a slow client: stop and go on reading the job's output */
	void (*status)(void *ctx, struct port_status *out);
	void (*shutdown)(void *ctx);                             /* kill what is left, answer it, take nothing more */
};

/* worker → front */
struct port_front {
	void *ctx;
	void (*on_started)(void *ctx, uint64_t key, int tracee_pid);
	void (*on_output)(void *ctx, uint64_t key, bool is_stderr, struct bytes data); /* only for job->stream; borrows */
	void (*on_result)(void *ctx, uint64_t key, struct result *r);                  /* borrows; exactly once a job, */
	/* or this instead: it was never begun, since what it wants granted cannot be. */
	void (*on_refused)(void *ctx, uint64_t key, enum rpc_error code, const struct err *why);
};

#endif
