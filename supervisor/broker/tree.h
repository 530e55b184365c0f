/* tree.h - the virtual tree of a policy: grants over a skeleton of the directories above them.
 *
 * Made once per policy and zygote (broker_tree_new), then only read, but for handles, which come and go, and the
 * skeleton, which is made when first looked at. Shared by all jobs of the worker; single-threaded like the worker.
 * A job's own grants (grants.h) lie over it: both lists are searched, the longer match gives the object, the rights
 * add up. A job without grants of its own pays nothing for that.
 */
#ifndef WARDER_TREE_H
#define WARDER_TREE_H

#include "grants.h"
#include "skeleton.h"

struct broker_tree {
	const struct policy *policy;
	struct grants grants;
	struct hosts hosts;
	struct skeleton skeleton;
	int proc_fds;         /* /proc/self/fd: where an O_PATH handle is opened for real */
	bool fd_asked;        /* whether it works was tried */
	int fd_of_other;      /* errno with which the kernel refuses pidfd_getfd here; 0: it works as far as known */
	uint64_t memfd_mnt;   /* mount id of the kernel's memfds, which are always the job's own */
	uint32_t *rows;       /* by call number: 1 + index of its row in the table of handlers, 0: none */
	int n_rows;
	char hidden_rule[80]; /* what violations of kind hidden name */
};

/* A job's own part of the tree. */
struct broker_grants {
	struct grants list;
	struct skeleton skeleton;
};

struct lookup {
	enum place place;
	struct grant *grant;  /* NULL for SKELETON and NONE */
	struct grants *list;  /* that the grant is in */
	uint32_t rights;      /* enum right; of both lists */
	bool own_skeleton;    /* SKELETON: above a grant of the job's own */
	const char *rest;     /* of the path, below grant or root, without a leading slash; points into it */
};

/* Where a virtual path belongs; `own` may be NULL. No system calls; the cost grows with the logarithm of the number of
 * grants. */
struct lookup tree_find(struct broker_tree *t, struct broker_grants *own, const char *path);
/* The directory that l->rest starts from, for HOST and SKELETON (borrowed: valid until another is asked for), or
 * -errno: -ESTALE when the host path now names another object. */
int tree_root(struct broker_tree *t, struct broker_grants *own, const struct lookup *l);

#endif
