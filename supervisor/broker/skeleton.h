/* skeleton.h - the directories above the grants, as real directories that hold the granted names and nothing else.
 *
 * Native getdents on an injected directory shows what that directory holds; so these are real, on a detached tmpfs or
 * in a private directory. Files and directories that are grants appear as empty placeholders: a path never leads to
 * one, since the grant of that name is found first. A policy's is made when first needed and dropped with its tree. A
 * job with grants of its own has another, for the directories above those: they show the policy's names, too.
 */
#ifndef WARDER_SKELETON_H
#define WARDER_SKELETON_H

#include "grants.h"

struct skeleton {
	int root;     /* its root directory; -1 until made */
	char *dir;    /* the private directory that it is, where no detached tmpfs could be had */
	uint64_t mnt; /* mount id; 0 for a directory */
};

void skeleton_init(struct skeleton *s);
/* The root (borrowed), made at the first call, or -errno. `shared`: NULL, or the grants of the policy below those of
 * the job. */
int skeleton_root(struct skeleton *s, const struct grants *l, const struct grants *shared);
void skeleton_done(struct skeleton *s);
/* Whether the worker's descriptor of that mount id, named `path` by procfs, is in it; then cuts the path down to what
 * is below the root. */
bool skeleton_holds(const struct skeleton *s, uint64_t mnt, char *path);

#endif
