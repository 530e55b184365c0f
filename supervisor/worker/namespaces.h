/* namespaces.h - namespaces of a zygote's own: user (where the supervisor is not root), net, ipc, uts, mount, pid, cgroup.
 *
 * There is no interface in them, no other process, no mount that is anybody else's. Made once per zygote: by clone(2) with these flags, then by
 * namespaces_settle in the new process, before it executes the interpreter. Who may use it: midwife.c, layers.c.
 */
#ifndef WARDER_NAMESPACES_H
#define WARDER_NAMESPACES_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

/* For clone(2); 0 without BIRTH_NAMESPACES. `flags`: enum birth_flag. */
unsigned long namespaces_flags(uint32_t flags);
/* In the first process there: its identity, which it had as `uid` and `gid` outside, power to empty its root that execve(2) does not take, BIRTH_PROC_FD. -errno with words. */
int namespaces_settle(uint32_t flags, uid_t uid, gid_t gid, struct err *e);

#endif
