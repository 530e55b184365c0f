/* keeper.h - joins front and worker, watches for signals, ends the supervisor in order.
 *
 * Who may use it: main. One process today: the keeper owns the loop, the front's socket and the worker.
 */
#ifndef WARDER_KEEPER_H
#define WARDER_KEEPER_H

#include "config.h"
#include "layers.h"
#include "policy.h"

struct keeper_options {
	const struct config *config;
	const struct policy_set *policies;
	const struct layers *layers;
	const char *socket;     /* NULL with serve_fd */
	int serve_fd;           /* a connected client, served alone until it hangs up; -1: none. Taken */
	const char *tracee_dir;
};

/* Runs until a signal (SIGTERM, SIGINT) or the served client ends it. 0, or -errno with words. */
int keeper_run(const struct keeper_options *o, struct err *e);

#endif
