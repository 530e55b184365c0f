#include "prompt.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TURN_NS 100000ul /* the shortest that the kernel gives, sched_setattr(2) */
#define NICE    (-10)

/* A result found its front waiting behind a birth for 0.6 ms of 1.4 (measured, Linux 6.18): a turn has 3 ms otherwise. That alone does not help
 * a worker that has just done much: it waits until all others on its CPU had as much. With three busy loops there, wall time limits came up to
 * 240 ms late. */
void prompt_begin(void)
{
	int nice = getpriority(PRIO_PROCESS, 0);
	struct sched_attr a = {
		.size = sizeof(a),
		.sched_policy = 0, /* SCHED_OTHER */
		.sched_flags = SCHED_FLAG_RESET_ON_FORK,
		.sched_nice = nice ? nice : NICE, /* an operator's choice stays */
		.sched_runtime = TURN_NS,
	};

	/* for speed alone: refused, all is as before */
	if (syscall(SYS_sched_setattr, 0, &a, 0) && errno == EPERM) {
		a.sched_nice = nice;
		syscall(SYS_sched_setattr, 0, &a, 0);
	}
}
