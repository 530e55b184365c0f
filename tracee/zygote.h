/* zygote.h - the life of a zygote and of its newborns, without the interpreter.
 *
 * An interpreter's addon calls, in this order: zygote_setup, (warm up), zygote_ready, then again and again zygote_next and its own
 * fork with its own at-fork handlers; in the parent zygote_forked; in the child zygote_confine, (a last rehearsal), zygote_wait_for_job.
 * State is one static struct: a process is one zygote, and a child inherits it. Errors: negative with words in `e`;
 * zygote_fail tells the worker and is the last thing a process does.
 */
#ifndef WARDER_ZYGOTE_H
#define WARDER_ZYGOTE_H

#include <stdbool.h>
#include <sys/types.h>

#include "birth.h"
#include "bytes.h"

/* Receives BIRTH_SETUP. *preload: NUL-terminated names, an empty one ends (borrowed). */
int zygote_setup(const char **preload, struct err *e);
/* `info`: lines for BIRTH_READY (birth.h). Confines the zygote, then tells the worker. */
int zygote_ready(const char *info, struct err *e);
/* Waits for the next order to fork. 1: fork now; 0: the worker is gone, leave. */
int zygote_next(struct err *e);
void zygote_forked(pid_t newborn);
/* Descriptors from 3 on are closed but for `keep` (ascending numbers, those that this child made for itself). */
int zygote_confine(pid_t zygote, const int *keep, size_t n_keep, struct err *e);
/* Whether the newborn has time to rehearse: false when nobody else waits, so that the next job is its. */
bool zygote_may_rehearse(void);

struct zygote_job {
	const char *filename; /* NUL-terminated, like args and env */
	char **args, **env;   /* NULL-terminated */
	struct bytes code;
	uint32_t memory_mib, threads;
};
/* Opens BIRTH_JOB_PATH, which the worker answers when a job is there. Everything is malloc'd once and stays. The C environment is
 * the job's afterwards. */
int zygote_wait_for_job(struct zygote_job *j, struct err *e);

/* Tells the worker why this process (or, in the zygote, the fork it was to make) failed. Does not return in a newborn. */
void zygote_fail(const struct err *e);

#endif
