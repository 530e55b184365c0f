/* state.h - what the broker's own files share: one job, and one call of it that is being answered.
 *
 * A `struct request` lives on the stack of broker_answer. Its texts are the one copy of what the tracee's pointers
 * led to: the decision and the operation both use them. Handlers return what the call returns: 0 or more, or -errno.
 */
#ifndef WARDER_STATE_H
#define WARDER_STATE_H

#include <linux/openat2.h>
#include <time.h>

#include "broker.h"
#include "collect.h"
#include "explain.h"
#include "frames.h"
#include "hostnames.h"
#include "kept.h"
#include "meter.h"
#include "net.h"
#include "lock_files.h"
#include "processes.h"
#include "tmpfs.h"
#include "tree.h"
#include "violations.h"
#include "vpath.h"

struct broker_job {
	struct broker_tree *tree;
	struct broker_tracee who;
	struct broker_options options;
	char filename[JOB_NAME_MAX + 1];
	struct private_tmp tmp;
	struct meter meter;       /* of a private directory alone */
	struct skeleton synth;    /* directories of /proc, once one was opened: synth.h */
	unsigned threads_listed;  /* how many of those are of threads */
	struct timespec started;  /* CLOCK_MONOTONIC */
	time_t started_real;      /* Unix time */
	struct vpath cwd;         /* its name when it was last looked at: cwd.h */
	int cwd_fd;               /* O_PATH handle of it; -1 where its name cannot change */
	bool cwd_moves;           /* the host may rename it, too */
	bool cwd_gone;            /* it was removed */
	unsigned renames, cwd_renames; /* renames and removals of directories so far, and when `cwd` was last looked at */
	struct put put;
	struct collect *collect;  /* NULL: not begun */
	mode_t umask;             /* as the job last set it */
	struct threads threads;
	struct violations violations;
	struct frames_job frames;
	struct hostnames hostnames;
	struct net net;
	struct kept kept;
	unsigned watched;         /* sockets on their way that are watched, though their call is answered */
	unsigned sleeps;          /* connects that made the worker sleep */
	uint32_t limits_hit;      /* bit (1 << LIMIT_HIT_x) */
	struct violation *told;   /* traced: where the words of each call go; else NULL */
	uint64_t calls;
	uint64_t signals_sent;    /* bit (1 << signal): to itself, by kill(2) and its like */
	uint64_t shared_memory;   /* bytes, shared and anonymous, that may be mapped */
	unsigned ofd_locks;       /* set so far */
	struct lock_files lock_files;
	struct debugging *debug;  /* NULL: no debugger's job; debug.h */
};

struct row;
struct debugging;

struct request {
	struct broker_job *job;
	const struct broker_call *call;
	const struct row *row;
	struct broker_reply *reply;
	bool (*still_there)(void *arg, uint64_t id);
	void *arg;
	bool entered;             /* the thread has the job's file-system uid */
	bool told;                /* a violation was recorded */
	bool no_path;             /* the path argument was NULL where the call allows that */
	uint64_t flags;           /* the row's, and those of the call */
	char text[2][PATH_MAX];   /* the path arguments, copied once */
	int bad[2];               /* -errno of those copies; calls of two paths look at them in the kernel's order */
	char base[VPATH_MAX];     /* of the path being resolved, where it is a descriptor's */
	char address[128];        /* of the call, in words, once it was copied; empty: none */
	char hint[EXPLAIN_HINT];           /* what would allow the call, once its handler knows that; empty: unknown */
	const char *gone;         /* the base of a path, when that directory was removed; else NULL */
	int gone_fd;              /* its handle */
	bool gone_own;            /* to be closed at the end of the call */
	struct open_how open_how; /* openat2's, copied once */
	int checked;              /* what the row's `first` found out, for its handler */
	const char *onward;       /* what is left to walk behind the path that is looked up; NULL: nothing */
	const char *name;         /* what comes behind that, while the directory of a name is looked for; else NULL */
	unsigned how;             /* enum find_how, for every path of the call: openat2's RESOLVE flags */
	const char *jail;         /* with FIND_UNDER_BASE and FIND_IN_ROOT: the virtual path that is not left */
};

/* Takes the job's identity for the rest of the call; with_group for what creates. 0 or -EPERM. */
int request_enter(struct request *r, bool with_group);
/* Records that `path` (virtual), on the way to what the call asked for, is outside the tree. Returns -ENOENT. */
int request_hidden(struct request *r, const char *path);
/* Records that host `name` is not there for the job, by `rule`. */
void request_hidden_host(struct request *r, const char *name, const char *rule);
/* Records that the call was refused with -err, for `path` (virtual, may be NULL) and by `rule`. Returns -err. */
int request_refused(struct request *r, int err, const char *path, const char *rule);

#endif
