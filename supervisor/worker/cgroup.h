/* cgroup.h - a cgroup v2 of the supervisor's own whose memory controller it may use, where the machine gives it one.
 *
 * Memory is bounded without it: by the watch (watch.c) and by RLIMIT_DATA behind it. In one that is used, the supervisor's processes are in
 * the child `supervisor`, since the kernel divides memory only among cgroups below one that has no processes; each tracee is in a leaf beside
 * it (leaf.h). Who may use it: layers.c, main, the keeper. Life: cgroup_probe, cgroup_take, and at the end cgroup_leave, all by the same process.
 */
#ifndef WARDER_CGROUP_H
#define WARDER_CGROUP_H

#include <stddef.h>
#include <sys/types.h>

#include "err.h"

/* The directory of the caller's cgroup v2, from the texts of /proc/self/cgroup and /proc/self/mountinfo.
 * 0; -ENOENT: no v2 is mounted; -EXDEV: the caller's own is not below what is mounted. */
int cgroup_dir(const char *own, const char *mounts, char *dir, size_t size);
#define CGROUP_PATH_MAX 4096
#define CGROUP_LEAF     "job-" /* then the worker's pid, -, the slot */

/* 0: there is one that is delegated, and nobody but the caller is in it: its directory in `dir`; else -errno with words. Changes nothing. */
int cgroup_probe(char dir[CGROUP_PATH_MAX], struct err *e);
/* Moves the caller, which has made no other processes yet, into the child and enables the controller below. 0, or -errno and all is as before. */
int cgroup_take(const char *dir, struct err *e);
/* Removes the leaves of a worker that has gone, with what may still be in them; worker 0: of all. */
void cgroup_sweep(const char *dir, pid_t worker);
/* Takes back what cgroup_take did. The caller's children are gone. */
void cgroup_leave(const char *dir);

#endif
