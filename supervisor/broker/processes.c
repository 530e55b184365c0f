#include "processes.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "handlers.h"
#include "numbers.h"
#include "procfs.h"
#include "rows.h"

/* a thread and nothing else; the low byte is the exit signal, which a thread does not send */
#define THREAD_NEEDS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
/* what libcs add. CLONE_UNTRACED would hide the thread from the tracer, CLONE_PIDFD and namespaces give what no job
 * has */
#define THREAD_MAY (THREAD_NEEDS | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | \
	CLONE_CHILD_SETTID | CLONE_DETACHED | CSIGNAL)

int threads_init(struct threads *t, unsigned limit)
{
	*t = (struct threads){.limit = limit ? limit : 1, .alive = 1};
	t->cloning = calloc(t->limit, sizeof(*t->cloning));
	return t->cloning ? 0 : -ENOMEM;
}

void threads_done(struct threads *t)
{
	free(t->cloning);
	t->cloning = NULL;
}

void threads_not_cloning(struct threads *t, pid_t tid)
{
	for (size_t i = 0; i < t->n_cloning; i++)
		if (t->cloning[i] == tid) {
			t->cloning[i] = t->cloning[--t->n_cloning];
			return;
		}
}

void threads_gone(struct threads *t, pid_t tid)
{
	threads_not_cloning(t, tid);
	if (t->alive > 1)
		t->alive--;
}

/* Failed clones and lost news make the count too high, never too low; at the limit the kernel's own number is asked
 * for. */
bool threads_take(struct threads *t, pid_t tid, pid_t t_pid)
{
	if (t->alive >= t->limit) {
		uint64_t now;

		if (procfs_stat(t_pid, 20, &now) && now && now + t->n_cloning < t->alive) /* num_threads of proc(5) */
			t->alive = (unsigned)(now + t->n_cloning);
		if (t->alive >= t->limit)
			return false;
	}
	if (t->n_cloning < t->limit)
		t->cloning[t->n_cloning++] = tid;
	t->alive++;
	return true;
}

int64_t processes_clone(struct request *r)
{
	uint64_t flags = r->call->args[0];
	struct broker_job *b = r->job;

	if ((flags & THREAD_NEEDS) != THREAD_NEEDS || (flags & ~(uint64_t)THREAD_MAY))
		return request_refused(r, EPERM, NULL, "clone: only threads");
	if (!threads_take(&b->threads, r->call->t_tid, b->who.t_pid)) {
		b->limits_hit |= 1u << LIMIT_HIT_THREADS;
		return request_refused(r, EAGAIN, NULL, "limits.threads");
	}
	return request_go_on(r);
}

/* Only the job itself, by numbers that are register values: its process, or 0 for its group, which is it alone.
 * A lone thread number (tkill) must be the caller's own: others may have been used again since. */
int64_t processes_signal(struct request *r)
{
	pid_t to = (pid_t)r->call->args[0], own = r->job->who.t_own_pid;
	bool by_tid = r->row->fixed;

	for (int i = 1; i <= 2; i++) /* kill and tkill have it second, tgkill third */
		if (r->call->args[i] < 64)
			r->job->signals_sent |= 1ull << r->call->args[i];
	if (to == own || (by_tid ? to == numbers_own(&r->job->who, r->call->t_tid) : to == 0))
		return request_go_on(r);
	return request_refused(r, EPERM, NULL, "signals: only the job itself");
}

int64_t processes_prlimit(struct request *r)
{
	pid_t of = (pid_t)r->call->args[0];

	/* RLIMIT_CPU is how the worker knows the CPU limit was met. RLIMIT_CORE stays at 1: at 0 a core_pattern that is a pipe would be fed, core(5) */
	if ((r->call->args[1] == RLIMIT_CORE || r->call->args[1] == RLIMIT_CPU) && r->call->args[2])
		return request_refused(r, EPERM, NULL, "prlimit64: RLIMIT_CORE and RLIMIT_CPU are fixed");
	if (of == 0 || of == r->job->who.t_own_pid)
		return request_go_on(r);
	return request_refused(r, EPERM, NULL, "prlimit64: only the job itself");
}

/* Questions about a process by its number: the job's own only, so that it does not learn which others there are. */
int64_t processes_about(struct request *r)
{
	pid_t of = (pid_t)r->call->args[0];

	if (of == 0 || of == r->job->who.t_own_pid)
		return request_go_on(r);
	return request_refused(r, EPERM, NULL, "processes: only the job itself");
}
