/* jobs.h - from what a request asks for to a job of the supervisor, and what of our wishes its policies allow.
 *
 * Wishes are limits and a network grant that a Dify node may need and a policy may bound. One that the supervisor refuses by name is dropped for
 * good, with a line in the log, and the job asked for again. Thread-safe. Who may use it: server.
 */
#ifndef WARDER_HTTP_JOBS_H
#define WARDER_HTTP_JOBS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "ask.h"
#include "knobs.h"
#include "runner.h"

struct wishes { /* of one language */
	atomic_bool limits[LIMIT_COUNT], connect;
};

struct jobs {
	const struct knobs *knobs;
	struct runner *runner;
	struct wishes wishes[LANGUAGE_COUNT];
	atomic_bool ready[LANGUAGE_COUNT]; /* one job of it has run */
};

void jobs_init(struct jobs *j, const struct knobs *k, struct runner *r);
/* Runs code as a Dify node; id NUL-terminated, unique among running jobs. As runner_run. */
int jobs_run(struct jobs *j, const char *id, enum language l, struct bytes code, bool network, int peer, struct result *out, struct err *e);
/* Runs an empty job. Whether it ended well; else words in `e`. */
bool jobs_probe(struct jobs *j, enum language l, struct err *e);
bool jobs_any_ready(struct jobs *j);

#endif
