/* How a job ended and what it used: from the kernel and the worker, never from bytes that the job could have written. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "inside.h"
#include "procfs.h"

/* CPU time of a process by its number, seconds: clock_getcpuclockid(3) without its checks. */
double outcome_cpu(pid_t pid)
{
	struct timespec t = {0};
	clockid_t clock = (clockid_t)((~(unsigned)pid << 3) | 2);

	return clock_gettime(clock, &t) ? 0 : t.tv_sec + t.tv_nsec / 1e9;
}

void outcome_measure(struct slot *s, struct usage *u, const struct rusage *ru)
{
	u->queue_ms = s->queue_ms;
	u->wall_ms = (worker_clock() - s->started) * 1e3;
	double before = s->cpu_before * 1e3; /* its birth, which is not the job's doing */
	if (ru) {
		u->cpu_ms = (ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1e3 + (ru->ru_utime.tv_usec + ru->ru_stime.tv_usec) / 1e3 - before;
		u->max_rss_kib = ru->ru_maxrss;
	} else {
		u->cpu_ms = outcome_cpu(s->t_pid) * 1e3 - before;
		u->max_rss_kib = procfs_status(s->t_pid, "VmHWM"); /* at the exit stop the memory is still there */
	}
	u->brokered_calls = s->broker ? broker_calls(s->broker) : 0;
	u->stdout_bytes = s->pumps[0].total;
	u->stderr_bytes = s->pumps[1].total;
}

/* What a SIGKILL of ours was for. */
static const struct {
	enum outcome outcome;
	enum ended_by limit;
} kills[] = {
	[KILLED_NOT] = {OUTCOME_SIGNALED, ENDED_BY_NONE},
	[KILLED_WALL_TIME] = {OUTCOME_LIMIT, ENDED_BY_WALL_TIME},
	[KILLED_CPU_TIME] = {OUTCOME_LIMIT, ENDED_BY_CPU_TIME},
	[KILLED_MEMORY] = {OUTCOME_LIMIT, ENDED_BY_MEMORY},
	[KILLED_OUTPUT] = {OUTCOME_LIMIT, ENDED_BY_OUTPUT},
	[KILLED_TMP] = {OUTCOME_LIMIT, ENDED_BY_TMP},
	[KILLED_CANCEL] = {OUTCOME_CANCELLED, ENDED_BY_NONE},
	[KILLED_POLICY] = {OUTCOME_VIOLATION, ENDED_BY_NONE},
	[KILLED_ERROR] = {OUTCOME_ERROR, ENDED_BY_NONE},
};

/* A job that blocks SIGXCPU, and that the watch has missed, is killed at the hard limit. */
static bool is_near_cpu_limit(const struct slot *s, double cpu_ms)
{
	return s->job->limits[LIMIT_CPU_MS] > 0 && cpu_ms >= 0.6 * (double)s->job->limits[LIMIT_CPU_MS];
}

/* V8 ends the process by a signal of its own when the kernel gives it no more memory. That it was near RLIMIT_DATA the worker saw. */
static bool died_of_memory(const struct slot *s, int sig)
{
	return s->job->language == LANGUAGE_NODEJS && s->limits_hit & 1u << LIMIT_HIT_MEMORY &&
	       (sig == SIGABRT || sig == SIGTRAP || sig == SIGILL);
}

void outcome_judge(struct slot *s, int status, struct result *r)
{
	if (WIFEXITED(status)) {
		r->outcome = OUTCOME_EXITED;
		r->exit_code = WEXITSTATUS(status);
		return;
	}
	int sig = WTERMSIG(status);
	bool out_of_memory = sig == SIGKILL && leaf_was_killed(&s->leaf);
	if (sig == SIGSYS && s->kill_seen) {
		r->outcome = OUTCOME_VIOLATION;
	} else if (sig == SIGKILL && s->killed_for != KILLED_NOT) {
		r->outcome = kills[s->killed_for].outcome;
		r->limit = kills[s->killed_for].limit;
	} else if (sig == SIGKILL && !(broker_signals_sent(s->broker) & 1ull << SIGKILL) && is_near_cpu_limit(s, r->usage.cpu_ms + s->cpu_before * 1e3)) {
		r->outcome = OUTCOME_LIMIT; /* RLIMIT_CPU: the kernel kills at the hard limit, setrlimit(2) */
		r->limit = ENDED_BY_CPU_TIME;
	} else if (died_of_memory(s, sig) || out_of_memory) {
		r->outcome = OUTCOME_LIMIT;
		r->limit = ENDED_BY_MEMORY;
	} else {
		r->outcome = OUTCOME_SIGNALED;
		r->signal = sig;
	}
}
