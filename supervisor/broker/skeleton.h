/* skeleton.h - the directories above the grants, as real directories that hold the granted names and nothing else.
 *
 * Native getdents on an injected directory shows what that directory holds; so these are real, on a detached tmpfs or
 * in a private directory. Files and directories that are grants appear as empty placeholders: a path never leads to
 * one, since the grant of that name is found first. Made when first needed, dropped with the tree.
 */
#ifndef WARDER_SKELETON_H
#define WARDER_SKELETON_H

#include "tree.h"

/* Fills t->skeleton, t->skeleton_mnt, t->skeleton_dir. 0 or -errno. */
int skeleton_make(struct broker_tree *t);
void skeleton_drop(struct broker_tree *t);

#endif
