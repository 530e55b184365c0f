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
/* The virtual path of a directory that the tracee holds. -EBADF, -ENOTDIR, -ENOENT when it is gone or not in the
 * tree. */
int descriptor_path(struct request *r, int t_fd, char *path, size_t size);

/* The virtual path of any object behind the worker's fd, for telling: false when it has none. */
bool descriptor_show(struct request *r, int fd, char *path, size_t size);

enum owner { OWNER_JOB, OWNER_OTHER };
/* Whether the object behind fd (the worker's duplicate) belongs to the job alone: its /tmp, its memfds. */
enum owner descriptor_owner(struct request *r, int fd);

#endif
