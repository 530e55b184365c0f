/* held.h - the jobs that a worker answers for, from the front's word to its answer, and what is told of them later: to a new front, and to the log.
 *
 * Who may use it: worker_side.c, telling.c. Life: held_new to held_drop.
 */
#ifndef WARDER_HELD_H
#define WARDER_HELD_H

#include <sys/queue.h>

#include "port.h"

struct held { /* one job */
	LIST_ENTRY(held) link;
	uint64_t key;
	uid_t uid;
	bool detach, orphan; /* orphan: the front that gave it has gone, and its client with it */
	bool heard;          /* the front that is there knows it */
	struct {             /* of a detached job, for a front that comes later */
		char *id, *policy; /* owned; NULL: none, as of every other job */
		enum language language;
		bool debug;
		int tracee_pid;  /* 0: not started */
		double started_unix_ms, queue_ms, since_ms; /* since: monotonic */
	} facts;
};

struct held_all { /* zeroed: none */
	LIST_HEAD(, held) jobs;
	unsigned n;
};

/* NULL: there is none with that key. */
struct held *held_find(const struct held_all *all, uint64_t key);
/* Heard, without facts. Out of memory ends the process, as for a job that was accepted and cannot be answered. */
struct held *held_new(struct held_all *all, uint64_t key, uid_t uid, bool detach);
void held_drop(struct held_all *all, struct held *h);

/* What a later front is told, if the job is detached. */
void held_note(struct held *h, const struct port_job *facts, const struct job *j, const struct policy *policy);
void held_note_start(struct held *h, int tracee_pid);
struct port_running held_running(const struct held *h); /* its texts are NUL-terminated, without len, and live as long as `h` */

/* The job's end and each of its violations. */
void held_log_end(const struct held *h, const struct result *r);

#endif
