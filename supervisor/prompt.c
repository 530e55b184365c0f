#include "prompt.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURN_NS 100000ul /* the shortest that the kernel gives, sched_setattr(2) */

/* A result found its front waiting behind a birth for 0.6 ms of 1.4 (measured, Linux 6.18): a turn has 3 ms otherwise. */
void prompt_begin(void)
{
	struct sched_attr a = {
		.size = sizeof(a),
		.sched_policy = 0, /* SCHED_OTHER */
		.sched_flags = SCHED_FLAG_RESET_ON_FORK,
		.sched_nice = getpriority(PRIO_PROCESS, 0),
		.sched_runtime = TURN_NS,
	};

	syscall(SYS_sched_setattr, 0, &a, 0); /* for speed alone: refused, all is as before */
}
