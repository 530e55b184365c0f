/* frames.h - where in the job's source a stopped thread is: file, line, function.
 *
 * Read from the interpreter's own frames in the tracee's memory, at a notification or an exit stop: the thread is stopped, others may run and
 * change what is read. Nothing is decided on it. A reading is bounded in frames and bytes, a few ms at most, and by FRAMES_SECONDS, should the
 * job make its memory slow to read; texts are escaped (decode.h).
 *
 *   struct frames       how the tracees of one zygote are read; counted, since jobs may outlive what the zygote said of itself
 *   struct frames_job   one job's reader, embedded; borrows the descriptor of its memory
 *
 * Single-threaded. A new language adds a file frames_x.c with a row in frames.c.
 */
#ifndef WARDER_FRAMES_H
#define WARDER_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker.h"
#include "frames_node.h"
#include "pyframes.h"

/* Of the clock, not of the CPU: on a loaded machine most of it is waiting. */
#define FRAMES_SECONDS 0.5     /* for one reading; what is not found by then is not told */
#define FRAMES_JOB_SECONDS 1.0 /* for all violations of a job together */
#define FRAMES_TOLD_SHARE 0.4  /* of a worker, for the calls of a traced job: forged frames are slow to read */
#define FRAMES_TOLD_SECONDS 0.2 /* at once */
#define FRAMES_DEPTH_MAX 256    /* frames that are looked at */
#define FRAMES_TOLD_DEPTH 64    /* … for a trace, which reads at each call */
#define FRAMES_SEEN 16
#define FRAMES_NO_TIME "the time that is spent on lines of this job is used up"

struct where { /* as shown; file and function empty, line 0: unknown */
	char file[520], function[260];
	int line;
	const char *why; /* there is none, in words; static */
	bool rough; /* compiled code, which does not tell its place: the line is where the function begins, or none */
};

struct frames;
struct frames_told { /* by the zygote; borrowed */
	const char *const *trees; /* the interpreter's libraries, NULL-terminated */
	const char *python;       /* python_frames= of bootstrap.py; NULL: none */
	const char *node;         /* v8= of bootstrap.js (v8.h); NULL: none */
};
struct frames *frames_new(const struct frames_told *t); /* returns new, held once; NULL: nothing was told, or no memory */
/* Once, with the memory of a tracee that waits for its job and has run none. 0, or -ENOENT: no lines will be told. */
int frames_try(struct frames *f, int mem);
struct frames *frames_hold(struct frames *f); /* NULL is fine, here and below */
void frames_drop(struct frames *f);
/* Whether code of that file name is the user's own, rather than the interpreter's, a library's or Warder's. */
bool frames_is_users(const struct frames *f, const char *file);

struct frames_job {
	struct frames *frames; /* held */
	const struct broker_tracee *who;
	int mem;
	pid_t t_pid;
	double spent;          /* seconds, by all readings so far */
	int depth;             /* how many frames the one that goes on may look at */
	double until;          /* CLOCK_MONOTONIC, of the one that goes on */
	double told, told_at;  /* seconds that a trace has used and not been forgiven yet; since when */
	struct {
		pid_t t_tid;
		uint64_t t_state;  /* where its thread state was last */
	} seen[FRAMES_SEEN];
};

void frames_job_init(struct frames_job *j, struct frames *f, const struct broker_tracee *who); /* borrows who for the job's life */
void frames_job_done(struct frames_job *j);
/* The innermost frame of the user's own source, else the innermost of all but Warder's. False: none is known; *out is empty then. */
bool frames_where(struct frames_job *j, pid_t t_tid, struct where *out);
/* The same for a trace, from time that is its own: a job that uses that up is told of without lines until it has some again. */
bool frames_where_told(struct frames_job *j, pid_t t_tid, struct where *out);
/* Whether violations of this job may still be read for. */
bool frames_has_time(const struct frames_job *j);

/* For frames_x.c: whether the one that goes on must end now. */
bool frames_is_over(const struct frames_job *j);
/* frames_python.c; Node's has a header of its own */
bool frames_python(struct frames_job *j, const struct pyframes *p, pid_t t_tid, struct where *out);

#endif
