/* regs.h - the system call that a stopped thread is in, read from its registers.
 *
 * Who may use it: the worker, of a thread that it traces and that is in a ptrace stop.
 */
#ifndef WARDER_REGS_H
#define WARDER_REGS_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/types.h>

struct regs_call {
	struct seccomp_data data; /* as the filters see it */
	bool native;              /* of this machine's own calls, not of 32-bit programs */
	bool untouched;           /* no result has taken the call's place: so it is at a seccomp kill, where the kernel rolls it back */
};

/* `nr` is -1 for a thread that is in no call. -errno when the thread has gone. */
int regs_read(pid_t t_tid, struct regs_call *out);

#endif
