/* watchdog.h - ends a job that holds the worker up inside one brokered call.
 *
 * Reading a tracee's memory waits for its mmap_lock, and a job can hold that for as long as it likes (one long madvise beside a
 * queued munmap: 56 s, measured); so can a slow file system below a grant. The worker's one thread cannot interrupt itself there, so
 * a thread of its own looks at it ten times a second and kills the job by its pidfd: that ends the wait. What counts is the time that the
 * worker sleeps or computes in the call, not that for which a busy machine keeps it from running, and hardly that for which such a machine keeps
 * the job's thread from taking what the worker gives it.
 * Who may use it: the worker. Life: watchdog_new after identity_rest, watchdog_free when no call is under way.
 */
#ifndef WARDER_WATCHDOG_H
#define WARDER_WATCHDOG_H

#include <stdbool.h>
#include <sys/types.h>

#define WATCHDOG_SECONDS 1.0 /* for one call; a cold disk may need some of it */

struct watchdog;

/* Watches the calling thread. NULL: no memory, no thread or no procfs. */
struct watchdog *watchdog_new(void);
void watchdog_free(struct watchdog *w);
/* Around each call: the job's pidfd is borrowed until watchdog_end, uid and gid are its identity ((uid_t)-1: the worker's own). */
void watchdog_begin(struct watchdog *w, int pidfd, uid_t uid, gid_t gid);
bool watchdog_end(struct watchdog *w); /* true: the job was killed meanwhile */
/* Between those: from here on, or no more, the worker waits for nothing but the job's thread to take a descriptor (SECCOMP_IOCTL_NOTIF_ADDFD). */
void watchdog_giving(struct watchdog *w, bool on);

#endif
