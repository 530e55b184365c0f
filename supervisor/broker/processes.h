/* processes.h - threads counted, signals kept inside: what is judged on register values alone.
 *
 * Threads are counted when they are allowed, since a clone that was let go on cannot be taken back; the count is put
 * right by the tracer's news and, where it would refuse, by the kernel's own number in /proc/PID/stat.
 */
#ifndef WARDER_PROCESSES_H
#define WARDER_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct threads {
	unsigned limit;      /* threads of the job, its first one counted */
	unsigned alive;      /* as far as known, those in flight counted */
	pid_t *cloning;      /* tids whose clone went on and is not known to be over; owned, `limit` places */
	size_t n_cloning;
};

int threads_init(struct threads *t, unsigned limit); /* -ENOMEM */
void threads_done(struct threads *t);
/* The thread makes another call, has a child, or is gone: its clone is over. */
void threads_not_cloning(struct threads *t, pid_t tid);
void threads_gone(struct threads *t, pid_t tid);
/* Counts one more, made by `tid`; false when the limit is reached. t_pid: the job, asked of /proc. */
bool threads_take(struct threads *t, pid_t tid, pid_t t_pid);

struct request;
int64_t processes_clone(struct request *r);
int64_t processes_signal(struct request *r);
int64_t processes_prlimit(struct request *r);
int64_t processes_about(struct request *r);

#endif
