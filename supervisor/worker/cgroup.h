/* cgroup.h - whether this machine gives the supervisor a cgroup v2 of its own whose memory controller it may use.
 *
 * Memory is bounded without it: by the watch (watch.c) and by RLIMIT_DATA behind it. Who may use it: layers.c.
 */
#ifndef WARDER_CGROUP_H
#define WARDER_CGROUP_H

#include <stddef.h>

#include "err.h"

/* The directory of the caller's cgroup v2, from the texts of /proc/self/cgroup and /proc/self/mountinfo.
 * 0; -ENOENT: no v2 is mounted; -EXDEV: the caller's own is not below what is mounted. */
int cgroup_dir(const char *own, const char *mounts, char *dir, size_t size);
/* 0: there is one that is delegated; else -errno with words. Changes nothing. */
int cgroup_probe(struct err *e);

#endif
