/* grants.h - a sorted list of grants, and the handles of their objects.
 *
 * A policy has one, made with its tree and shared by all its jobs; a job that brings grants has one of its own, made
 * before it starts. A grant whose host path leads through links is entered twice, under the name that was given and
 * under the real one: what absolute links and /proc/self/fd say are real names, and both spell the same object.
 * Once made a list is only read, but for the handles, which come and go. Who may use it: the broker.
 */
#ifndef WARDER_GRANTS_H
#define WARDER_GRANTS_H

#include <stdint.h>
#include <sys/stat.h>

#include "broker.h"
#include "grant_index.h"

#define GRANTS_MAX 100000     /* of one list */
/* Handles stay open, for one costs little (a third of a µs and 300 bytes) and opening it again 3 µs (measured), until
 * the worker has used so many quarters of its RLIMIT_NOFILE: from there on a new one takes the place of another. */
#define GRANTS_HELD_BY_POLICY 2
#define GRANTS_HELD_BY_JOB 3  /* which leaves soon */
#define GRANTS_HELD_LEAST 16  /* that a list holds in any case */

enum place {
	PLACE_NONE,     /* outside: such names do not exist */
	PLACE_HOST,     /* below a grant */
	PLACE_TMP,      /* the job's private /tmp */
	PLACE_SKELETON, /* a directory above a grant, nothing but names */
	PLACE_SYNTH,    /* made when it is looked at: synth.h */
	PLACE_FD,       /* no place at all: an object that the job holds, found by /proc/self/fd */
};

struct grant {
	char *path;           /* virtual, normal; owned */
	size_t len;
	char *host;           /* real path on the host, owned; NULL: the same as path */
	const char *rule;     /* borrowed: from the policy, or from the list */
	struct grant *parent; /* the next shorter grant of its list that covers this one, or NULL */
	enum place place;     /* HOST, TMP or SYNTH */
	uint32_t listed;      /* enum right; those of its real parents are added, since grants only add. A look-up adds those
	                       * of the other list, so ask that one */
	mode_t type;          /* S_IFMT of the object */
	dev_t dev;
	bool on_proc;         /* lies on procfs */
	ino_t ino;
	int to_read, to_write; /* O_PATH, -1 when not held; the first on a read-only mount, where there is one */
};

struct grants {
	struct grant *v;      /* sorted by vpath_cmp; do not move once made */
	size_t n;
	struct grant_index index;
	int **held;           /* of `room` places, NULL when there are none yet */
	size_t room, n_held, most; /* most: that it holds, 0 while nothing bounds it */
	unsigned quarters;    /* GRANTS_HELD_BY_ */
	uint32_t pick;        /* which handle made room last */
	char (*rules)[32];    /* of a job's own grants */
};

/* Where the host's objects are opened from. */
struct hosts {
	int plain;            /* "/" */
	int readonly;         /* the same as a detached read-only clone with all mounts below; -1 where not permitted */
};
int hosts_init(struct hosts *h);
void hosts_done(struct hosts *h);
/* A detached read-only clone of "/", or -errno. */
int hosts_clone(void);

/* Adds what the policy grants, and the private /tmp, then arranges. What does not exist is skipped. */
int grants_of_policy(struct grants *l, const struct policy *p, const char *const *trees, struct err *e);
/* Those of a job. On refusal -EINVAL with the protocol's error in *code. */
int grants_of_job(struct grants *l, const struct job *j, const struct policy *p, enum rpc_error *code, struct err *e);
void grants_done(struct grants *l);

/* The longest grant that covers a virtual path, or NULL; *above: whether the path is a directory above others. */
struct grant *grants_find(const struct grants *l, const char *path, bool *above);
/* What this list adds to the rights of `path`, which another list's grant covers. */
uint32_t grants_rights(const struct grants *l, const struct grant *g, const char *path);
/* The O_PATH handle of a grant (borrowed: valid until another handle is asked for), or -errno:
 * -ESTALE when the host path now names another object. */
int grants_handle(struct grants *l, struct hosts *h, struct grant *g, bool to_write);

#endif
