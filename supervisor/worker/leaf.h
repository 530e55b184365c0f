/* leaf.h - a cgroup v2 of its own for each tracee, below the supervisor's, which cgroup.h has made ready.
 *
 * A bound behind the watch (watch.c) and RLIMIT_DATA: what the kernel charges to a job, its /tmp and page tables among it, whatever the worker
 * is doing meanwhile. A newborn joins by itself (tracee/zygote.c): the first move after a pause waits 5 to 15 ms for the kernel (measured,
 * Linux 6.18), which a worker has not. Who may use it: nursery.c, slot.c, outcome.c. Life: zeroed by leaf_init; made when the first tracee
 * of its slot is ordered, used by all that follow; leaf_done. The directories are the keeper's to remove (cgroup_sweep), also of a worker that has died.
 */
#ifndef WARDER_LEAF_H
#define WARDER_LEAF_H

#include <stdbool.h>
#include <stdint.h>

struct leaf {
	char *path;        /* owned; NULL: not made */
	int procs, max;    /* cgroup.procs and memory.max, opened with the worker's full identity; -1: none */
	uint64_t bytes;    /* as memory.max says; 0: not set yet */
	uint64_t killed;   /* of memory.events, when it was looked at last */
};

void leaf_init(struct leaf *l);
/* In the supervisor's cgroup `dir`, unless it is there already. 0 or -errno. */
int leaf_make(struct leaf *l, const char *dir, int slot);
/* What may be charged to it, before the job begins; for the births of later ones that is enough, too. Nothing without a leaf. 0 or -errno. */
int leaf_limit(struct leaf *l, uint64_t bytes);
/* Whether the kernel has killed its tracee for memory since this was asked last. */
bool leaf_was_killed(struct leaf *l);
void leaf_done(struct leaf *l);

#endif
