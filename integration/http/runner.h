/* runner.h - jobs to the supervisor and results back: one connection a job, so that hanging up cancels it.
 *
 * Thread-safe; calls block the thread that makes them. Who may use it: server, prober.
 */
#ifndef WARDER_HTTP_RUNNER_H
#define WARDER_HTTP_RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "job.h"
#include "text.h"

struct runner;

struct runner_load { /* of now */
	unsigned requests, waiting, running; /* runs that were let in; those of them that wait for their turn, that a supervisor has */
};

/* What `status` of the supervisor says, as far as it concerns us. */
struct runner_status {
	uint64_t workers, zygotes, waiting, running, capacity, queue, queue_max, births, birth_failures, zygote_starts, jobs_done;
	double uptime_s;
};

/* Borrows socket for life. NULL: out of memory. */
struct runner *runner_new(const char *socket, unsigned max_requests, unsigned max_workers);
void runner_free(struct runner *r);

/* Lets a run in, or says that there are max_requests already; runner_leave after each that was let in. */
bool runner_enter(struct runner *r);
void runner_leave(struct runner *r);
/* Waits for one of max_workers turns, in the order of coming, then runs the job. `peer`: the socket of who asked, -1 none; once it has gone the job
 * is cancelled and this is -ECANCELED. -EBADMSG: the supervisor refused it, its "code: message" is in e->text. Other errors: no supervisor. */
int runner_run(struct runner *r, const struct job *j, int peer, struct result *out, struct err *e);

/* dependencies.update or dependencies.refresh. 0; -EBUSY: another one is at work; -ECANCELED: we go down, or the supervisor, or `peer` has gone; -EIO:
 * nothing was installed, `why` is told the reason. Other errors: no supervisor. */
int runner_install(struct runner *r, const char *method, const char *language, int peer, struct text *why, struct err *e);
/* Ends what is at work and what comes; to be called once. */
void runner_end_installs(struct runner *r);

int runner_ask_status(struct runner *r, struct runner_status *out, struct err *e);
struct runner_load runner_load(struct runner *r);

#endif
