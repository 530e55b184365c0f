/* stacks.h - the words on the stack of a stopped thread, for a reader of frames that looks for something of the thread's own there.
 *
 * Who may use it: frames_x.c, whose rules hold here (frames.h): what is read is the job's to write, all is bounded.
 */
#ifndef WARDER_STACKS_H
#define WARDER_STACKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STACKS_BYTES (32u << 10) /* that are looked at, from the newest on */
#define STACKS_MAX   (64ull << 20) /* no stack is larger */

struct frames_job;
/* The stack pointer of a thread that waits in a call or is stopped, as the kernel tells it; 0: not told, where we may not trace the job. */
uint64_t stacks_pointer(const struct frames_job *j, pid_t t_tid);
/* Gives `is_it` each word that could be the address of something which is not on that stack, newest first, one that was given lately not again, until
 * it is true. The word; 0: none was it. */
uint64_t stacks_search(const struct frames_job *j, uint64_t t_sp, bool (*is_it)(void *arg, uint64_t word), void *arg);

#endif
