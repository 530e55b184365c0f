/* tree.h - the virtual tree of a policy: grants over a skeleton of the directories above them.
 *
 * Made once per policy and zygote (broker_tree_new), then only read, but for the handles, which come and go, and the
 * skeleton, which is made when first looked at. Shared by all jobs of the worker; single-threaded like the worker. A
 * grant whose host path leads through links is entered twice, under the name the policy gave and under the real one:
 * what absolute links and /proc/self/fd say are real names, and both spell the same object.
 */
#ifndef WARDER_TREE_H
#define WARDER_TREE_H

#include <stdint.h>
#include <sys/stat.h>

#include "broker.h"

#define TREE_HANDLES_MAX 512 /* descriptors held for grants, per tree */
#define TREE_GRANTS_MAX 100000

enum place {
	PLACE_NONE,     /* outside: such names do not exist */
	PLACE_HOST,     /* below a grant */
	PLACE_TMP,      /* the job's private /tmp */
	PLACE_SKELETON, /* a directory above a grant, nothing but names */
};

struct grant {
	char *path;           /* virtual, normal; owned */
	size_t len;
	char *host;           /* real path on the host, owned; NULL: the same as path */
	const char *rule;     /* borrowed from the policy */
	struct grant *parent; /* the next shorter grant that covers this one, or NULL */
	enum place place;     /* HOST or TMP */
	uint32_t rights;      /* enum right; those of the parents are added, since grants only add */
	mode_t type;          /* S_IFMT of the object */
	dev_t dev;
	bool on_proc;         /* lies on procfs */
	ino_t ino;
	int handle;           /* O_PATH, -1 when not held */
	bool used;            /* since the hand came by (second-chance eviction) */
};

struct broker_tree {
	const struct policy *policy;
	struct grant *grants; /* sorted by vpath_cmp; do not move once made */
	size_t n_grants;
	size_t held, hand;    /* handles in use; where the eviction looks next */
	bool grants_below_tmp;
	int skeleton;         /* its root directory; -1 until made */
	char *skeleton_dir;   /* the private directory that it is, where no detached tmpfs could be had */
	uint64_t skeleton_mnt;
	int proc_fds;         /* /proc/self/fd: where an O_PATH handle is opened for real */
	int fd_of_other;      /* errno with which the kernel refuses pidfd_getfd here; 0: it works as far as known */
	uint64_t memfd_mnt;   /* mount id of the kernel's memfds, which are always the job's own */
	uint32_t *rows;       /* by call number: 1 + index of its row in the table of handlers, 0: none */
	int n_rows;
	char hidden_rule[80]; /* what violations of kind hidden name */
};

struct lookup {
	enum place place;
	struct grant *grant;  /* NULL for SKELETON and NONE */
	const char *rest;     /* of the path, below grant or root, without a leading slash; points into it */
};

/* Where a virtual path belongs. No system calls; the cost grows with the logarithm of the number of grants. */
struct lookup tree_find(const struct broker_tree *t, const char *path);
/* The O_PATH handle of a grant (borrowed: valid until another handle is asked for), or -errno:
 * -ESTALE when the host path now names another object. */
int tree_handle(struct broker_tree *t, struct grant *g);
/* The skeleton's root directory (borrowed), or -errno. */
int tree_skeleton(struct broker_tree *t);

#endif
