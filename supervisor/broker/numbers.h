/* numbers.h - the process and thread numbers that a job knows, which are others than the worker's where the job has a pid namespace of its own.
 *
 * Who may use it: the broker. `t_tid` is the worker's number of a thread of that job.
 */
#ifndef WARDER_NUMBERS_H
#define WARDER_NUMBERS_H

#include "broker.h"

/* The number that the job knows the thread by; 0: it has ended. */
pid_t numbers_own(const struct broker_tracee *who, pid_t t_tid);
/* Opens a file of procfs, whose path is in the job's own numbers: the namespace's procfs, or the worker's. The descriptor or -errno. */
int numbers_procfs(const struct broker_tracee *who, const char *path, int flags);

#endif
