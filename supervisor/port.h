/* port.h - what the front and a worker say to each other, and nothing else.
 *
 * Front and worker never include each other; front_side.c and worker_side.c join them by these two tables of functions, each call one
 * message of a link (link.h) that only carries values.
 * A `key` is the front's number for a job: unique, never used again, also not by a front that takes another's place.
 */
#ifndef WARDER_PORT_H
#define WARDER_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "generation.h"
#include "job.h"
#include "policy.h"

struct port_status { /* what a worker tells of itself for `status` */
	unsigned zygotes, waiting, running, capacity;
	uint64_t jobs_done, births, birth_failures, zygote_starts;
};

/* What the front knows of a job beside its text. */
struct port_job {
	uint64_t key;
	double queue_ms;
	uid_t uid;        /* whose it is */
	bool by_operator; /* and it makes a difference for this job */
	bool watched;     /* somebody wants to be told of its violations as they happen */
	int client;       /* by_operator: its connection, borrowed, which shows the worker who it is (SO_PEERCRED); else -1 */
};

/* What a worker tells a new front of a job that it has from the one before. */
struct port_running {
	uint64_t key;
	struct bytes id, policy; /* policy: its name, to be shown */
	enum language language;
	uid_t uid;
	bool debug;
	int tracee_pid;         /* 0: not started */
	double started_unix_ms; /* 0: not started */
	double queue_ms, age_ms; /* age: since the worker got it */
};

/* front → worker */
struct port_worker {
	void *ctx;
	/* Takes `job`; holds the generation of `policy` for itself. The answer comes by on_result, also for failures, never from inside this
	 * call. To be called only while fewer than `capacity` jobs are unanswered. */
	void (*submit)(void *ctx, const struct port_job *facts, struct job *job, struct generation *g, const struct policy *policy);
	void (*cancel)(void *ctx, uint64_t key);                 /* unknown keys are ignored */
	void (*hold_output)(void *ctx, uint64_t key, bool hold); /* a slow client: stop and go on reading the job's output */
	void (*trace)(void *ctx, uint64_t key, enum trace mode); /* from now on; unknown keys are ignored */
	void (*watch)(void *ctx, uint64_t key);                  /* as port_job.watched, from now on; unknown keys are ignored */
	void (*ask_status)(void *ctx);                           /* answered by on_status, perhaps from inside */
	void (*shutdown)(void *ctx);                             /* kill what is left, answer it, take nothing more */
	/* A debugger listens to what is held of this job, or does not any more. */
	void (*debug_attach)(void *ctx, uint64_t key, bool on);
	void (*debug_decide)(void *ctx, uint64_t key, uint64_t call, enum decision decision, enum scope scope);
};

/* worker → front */
struct port_front {
	void *ctx;
	void (*on_status)(void *ctx, const struct port_status *st); /* asked for; also once before the first job is taken */
	/* A call waits for the debugger's word; again with a problem, when that word could not be carried out. Borrows. */
	void (*on_held)(void *ctx, uint64_t key, uint64_t call, const struct violation *v, const char *problem);
	void (*on_started)(void *ctx, uint64_t key, int tracee_pid);
	void (*on_output)(void *ctx, uint64_t key, bool is_stderr, struct bytes data); /* only for job->stream; borrows */
	void (*on_event)(void *ctx, uint64_t key, struct bytes packed);                /* of a traced job: a whole map, event.h; borrows */
	void (*on_violation)(void *ctx, uint64_t key, struct bytes packed);            /* of a watched job, as it happens; likewise; each entry of the result once */
	void (*on_result)(void *ctx, uint64_t key, const struct result *r);            /* borrows; exactly once a job, */
	/* or this instead: it was never begun, since what it wants granted cannot be. */
	void (*on_refused)(void *ctx, uint64_t key, enum rpc_error code, const struct err *why);
};

#endif
