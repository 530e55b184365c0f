/* worker_side.h - a worker as a process: its loop, and the link that carries port.h to the front.
 *
 * The front parses what anybody sends, so this side does not take its word: a job is parsed and admitted once more, from the generation that
 * the keeper gave. A front that has been taken over can run jobs under any policy; that an operator sent them it has to show by the operator's own
 * connection (SO_PEERCRED), so it can say so of those alone who are connected.
 * Who may use it: the keeper, in the process that it has just forked for this.
 */
#ifndef WARDER_WORKER_SIDE_H
#define WARDER_WORKER_SIDE_H

#include "layers.h"
#include "settings.h"

struct worker_side {
	const struct settings_from *from;
	struct generation *generation; /* taken */
	const struct layers *layers;
	const char *tracee_dir;
	int keeper; /* link to the keeper, taken */
	int cpu;    /* -1: any */
};

/* Ends with the keeper: returns the exit status. */
int worker_side_run(const struct worker_side *o);

#endif
