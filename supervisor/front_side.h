/* front_side.h - the front as a process: its power, its loop, and the links that carry port.h to the workers.
 *
 * Who may use it: the keeper, in the process that it has just forked for this.
 */
#ifndef WARDER_FRONT_SIDE_H
#define WARDER_FRONT_SIDE_H

#include <stdint.h>
#include <sys/types.h>

#include "layers.h"
#include "settings.h"

/* The front's own uid and gid when started as root: outside the tracees' (worker/uids.h), nobody's else. */
#define FRONT_UID 60150

struct front_side {
	const struct settings_from *from;
	struct generation *generation; /* taken */
	const struct layers *layers;
	int keeper;         /* link to the keeper, taken */
	int gate;           /* listening socket, taken; -1: none */
	int serve_fd;       /* the one client, taken; -1: none */
	uint64_t first_key; /* of its jobs: no other front had them */
};

/* Ends with the keeper: returns the exit status. */
int front_side_run(const struct front_side *o);

#endif
