/* descriptors.h - what a number in the tracee's descriptor table really is.
 *
 * pidfd_getfd gives the very open file; it needs CAP_SYS_PTRACE or the tracee's own uid (ptrace(2), attach check on
 * real ids). Where the kernel refuses it, /proc/PID/fd/N under the job's file-system uid gives an O_PATH handle of
 * the same object: enough to look at it, not enough to lock it. A number is looked up once; what another thread puts
 * there later is no matter.
 */
#ifndef WARDER_DESCRIPTORS_H
#define WARDER_DESCRIPTORS_H

#include "state.h"

/* A duplicate of the tracee's descriptor, the caller's own, or -errno. *real: the same open file, else its object. */
int descriptor_get(struct request *r, int t_fd, bool *real);
/* Whether duplicates of the tracee's descriptors can be had at all. */
bool descriptors_in_reach(struct request *r);
/* The virtual path of the directory behind fd (the worker's); of a removed one the last. -ENOTDIR, -ENOENT when it is
 * not in the tree. */
int descriptor_directory(struct request *r, int fd, char *path, size_t size, bool *gone);

/* The virtual path of any object behind the worker's fd, for telling: false when it has none. */
bool descriptor_show(struct request *r, int fd, char *path, size_t size);

/* What it is when it has no path, for telling: "pipe", "socket", "eventfd". */
bool descriptor_kind(struct request *r, int fd, char *buf, size_t size);

enum owner { OWNER_JOB, OWNER_OTHER };
/* Whether the object behind fd (the worker's duplicate) belongs to the job alone: its /tmp, its memfds. */
enum owner descriptor_owner(struct request *r, int fd);
/* What the job may do with the object behind fd by the name that it has now, whatever the descriptor was opened for:
 * enum right; all of them for what belongs to the job, none where no name leads there. */
uint32_t descriptor_rights(struct request *r, int fd);

#endif
