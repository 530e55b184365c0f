/* meter.h - how many bytes a job has in the private directory that stands for its /tmp where no tmpfs may be made.
 *
 * The kernel counts nothing there, and the job writes natively: so the worker looks, a bounded step at a time, round after round. What is
 * linked into the tree counts, and what the job holds open without a name. More than the quota: nothing is created or opened for
 * writing until there is less. More than twice as much: the job is ended. Who may use it: broker.c. Life: with its broker_job.
 */
#ifndef WARDER_METER_H
#define WARDER_METER_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker.h"

#define METER_DEPTH 64 /* directories; what lies deeper is not looked at, and so nothing more may be created */

struct meter {
	DIR *dirs[METER_DEPTH];
	unsigned depth;      /* 0: between two rounds */
	uint64_t sum, last;  /* bytes of this round so far, of the round before */
	bool deep;           /* this round met directories that are too deep */
	bool over;           /* the quota, when last looked; or too deep */
};

/* One step below `top`, with the job's identity. True when a round was completed. */
bool meter_step(struct meter *m, int top, const struct broker_tracee *who);
void meter_done(struct meter *m);

#endif
