/* keeper.h - the supervisor's first process: holds the socket, starts front and workers, restarts them, ends all in order.
 *
 * Who may use it: main. It parses nothing that clients, jobs, front or workers could have chosen, but for the few words of the front. SIGHUP makes it read configuration
 * and policies again: all of it good, it tells everybody; else everything stays as it is, and the log says why.
 */
#ifndef WARDER_KEEPER_H
#define WARDER_KEEPER_H

#include "layers.h"
#include "service.h"
#include "settings.h"

struct keeper_options {
	const struct settings_from *from;
	struct generation *generation; /* the first one; taken */
	unsigned workers;
	const struct layers *layers;
	const char *socket;     /* where to listen; NULL with serve_fd, or with a socket that was handed over */
	const struct service *service; /* its socket is taken */
	int serve_fd;           /* a connected client, served alone until it hangs up; -1: none. Taken */
	const char *tracee_dir;
};

/* Runs until a signal (SIGTERM, SIGINT) or the served client ends it. 0, or -errno with words. */
int keeper_run(const struct keeper_options *o, struct err *e);

#endif
