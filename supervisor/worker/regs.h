/* regs.h - the system call that a stopped thread is in, read from its registers.
 *
 * Who may use it: the worker, of a thread that it traces and that is in a ptrace stop.
 */
#ifndef WARDER_REGS_H
#define WARDER_REGS_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct regs_call {
	struct seccomp_data data; /* as the filters see it */
	bool native;              /* of this machine's own calls, not of 32-bit programs */
	bool recalled;            /* the kernel has forgotten the number (arm64, at a thread's end): this is what its register holds */
	bool untouched;           /* no result has taken the call's place: so it is at a seccomp kill, where the kernel rolls it back */
};

/* `nr` is -1 for a thread that is in no call, unless it is recalled. -errno when the thread has gone. */
int regs_read(pid_t t_tid, struct regs_call *out);
/* Whether it is behind that call's instruction, as the notification told it. In an exit stop arm64 may have stepped back to make it again. */
bool regs_is_at(const struct regs_call *c, uint64_t t_at);

/* A thread in the stop of a signal that has just interrupted a call (it would return ERESTARTSYS): that call. -ENOENT: no such thing. */
int regs_interrupted(pid_t t_tid, struct regs_call *out);
/* Has that call made again after the signal's handler, with SA_RESTART or without, as the kernel does with calls that no signal interrupts
 * (ERESTARTNOINTR). -ENOSYS: this machine's kernel decides that before the stop. */
int regs_make_again(pid_t t_tid);

#endif
