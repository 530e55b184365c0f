/* ptrace and wait4. The tracer reaps what it traces, also what is not its child (measured, Linux 6.18).
 *
 * A tracee is seized at birth, with its threads to come. Each thread stops once more at PTRACE_EVENT_EXIT; the leader is held
 * there until the others are gone: then nothing of the job can write any more, and the job is answered. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "identity.h"
#include "inside.h"
#include "log.h"
#include "procfs.h"
#include "regs.h"
#include "trace.h"
#include "without.h"

#define STATUSES_A_TURN 64
#define STOPS_A_PERIOD  500   /* signal stops of one job, and stops of its group */
#define STOPS_PERIOD    0.050 /* seconds */
#define CALLS_A_PERIOD  1000  /* syscall stops likewise, two a call of a job that is traced to the full */
#define SYSCALL_STOP    (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */
#define STAY_STOPPED    (-1)  /* in the place of the signal that a parked thread goes on with: it is in a group stop */
#define SEIZE_OPTIONS (PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT | (WITHOUT(ptrace) ? 0 : PTRACE_O_EXITKILL) | PTRACE_O_TRACESYSGOOD)

/* Does `f` with the job's real and effective identity, by raw calls of this one thread: without CAP_SYS_PTRACE, CAP_SYS_NICE (plain
 * Docker) or CAP_KILL the kernel asks for the same uid. File-system ids follow the effective ones, so they are put to rest again. */
long tracer_as_job(const struct slot *s, long (*f)(const struct slot *s, pid_t tid), pid_t tid)
{
	long r = f(s, tid);

	if (r != -EPERM || s->uid == (uid_t)-1)
		return r;
	if (syscall(SYS_setresgid, s->gid, s->gid, -1) || syscall(SYS_setresuid, s->uid, s->uid, -1))
		r = -errno;
	else
		r = f(s, tid);
	if (syscall(SYS_setresuid, 0, 0, -1) || syscall(SYS_setresgid, 0, 0, -1))
		abort(); /* a worker that cannot take its own identity back must not go on */
	identity_recover();
	return r;
}

static long seize(const struct slot *s, pid_t tid)
{
	(void)s;
	return ptrace(PTRACE_SEIZE, tid, 0, SEIZE_OPTIONS) ? -errno : 0;
}

static long send_kill(const struct slot *s, pid_t unused)
{
	(void)unused;
	return syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0) ? -errno : 0;
}

int tracer_kill(struct slot *s)
{
	return (int)tracer_as_job(s, send_kill, s->t_pid);
}

static cpu_set_t wanted; /* for give_cpus: tracer_as_job passes a number alone */

static long give_cpus(const struct slot *s, pid_t tid)
{
	(void)s;
	return sched_setaffinity(tid, sizeof(wanted), &wanted) ? -errno : 0;
}

static void unpark_one(struct slot *s, pid_t tid)
{
	for (size_t i = 0; i < s->n_parked; i++)
		if (s->parked[i].t_tid == tid) {
			s->parked[i] = s->parked[--s->n_parked];
			return;
		}
}

static int add_thread(struct slot *s, pid_t tid)
{
	if (s->n_tids == s->cap_tids) {
		size_t cap = s->cap_tids ? s->cap_tids * 2 : 8;
		pid_t *grown = cap <= 2 * SLOT_THREADS_MAX ? realloc(s->t_tids, cap * sizeof(*grown)) : NULL;
		if (!grown)
			return -ENOMEM;
		s->t_tids = grown;
		s->cap_tids = cap;
	}
	s->t_tids[s->n_tids++] = tid;
	return 0;
}

static void remove_thread(struct slot *s, pid_t tid)
{
	for (size_t i = 0; i < s->n_tids; i++)
		if (s->t_tids[i] == tid) {
			s->t_tids[i] = s->t_tids[--s->n_tids];
			unpark_one(s, tid);
			return;
		}
}

void tracer_forget_threads(struct slot *s)
{
	free(s->t_tids);
	free(s->parked);
	s->t_tids = NULL;
	s->parked = NULL;
	s->n_tids = s->cap_tids = s->n_parked = s->cap_parked = 0;
}

int tracer_seize(struct slot *s)
{
	long r = tracer_as_job(s, seize, s->t_pid);

	return r ? (int)r : add_thread(s, s->t_pid);
}

void tracer_let_loose(struct slot *s)
{
	memset(&wanted, 0xff, sizeof(wanted)); /* the kernel keeps those that there are, sched_setaffinity(2) */
	for (size_t i = 0; i < s->n_tids; i++)
		tracer_as_job(s, give_cpus, s->t_tids[i]);
}

void tracer_pin(struct slot *s)
{
	CPU_ZERO(&wanted);
	CPU_SET(s->worker->config.cpu, &wanted);
	for (size_t i = 0; i < s->n_tids; i++)
		tracer_as_job(s, give_cpus, s->t_tids[i]);
}

static struct slot *slot_of(struct worker *w, pid_t tid)
{
	for (unsigned i = 0; i < w->n_slots; i++)
		for (size_t k = 0; k < w->slots[i].n_tids; k++)
			if (w->slots[i].t_tids[k] == tid)
				return &w->slots[i];
	return NULL;
}

void tracer_go_on(const struct slot *s, pid_t tid, long signal_number)
{
	/* ESRCH: it was killed meanwhile, wait4 will tell */
	ptrace(s && trace_is_deep(s) ? PTRACE_SYSCALL : PTRACE_CONT, tid, 0, signal_number);
}

/* At a seccomp kill the culprit's registers still hold the call. Whether the filters really kill that call is computed, not believed: a job
 * can send itself SIGSYS from any call. */
static void look_for_kill(struct slot *s, pid_t tid)
{
	struct regs_call c;

	if (s->kill_seen || !s->broker || regs_read(tid, &c) || !c.untouched)
		return;
	/* -1 is also what a thread has that is in no call at all, and what it has in a register may be of any time: neither is believed when a
	 * SIGSYS came as an ordinary signal */
	if ((c.data.nr == -1 || c.recalled) && s->sigsys_seen)
		return;
	uint32_t verdict = filter_strictest(filter_run(&s->nursery->whitelist, &c.data), filter_run(&s->nursery->broker, &c.data));
	if (verdict != SECCOMP_RET_KILL_PROCESS)
		return;
	s->kill_seen = true;
	int nr = c.native ? c.data.nr : -1 - c.data.nr;
	broker_record_kill(s->broker, tid, nr, (const uint64_t *)c.data.args);
	if (s->trace)
		trace_killed(s, tid, nr, (const uint64_t *)c.data.args);
}

/* A thread killed between its clone and its first stop never tells of its end to those who did not know it. */
static void forget_vanished(struct slot *s)
{
	for (size_t i = s->n_tids; i-- > 0;)
		if (s->t_tids[i] != s->t_pid && syscall(SYS_tgkill, s->t_pid, s->t_tids[i], 0) && errno == ESRCH)
			remove_thread(s, s->t_tids[i]);
}

static void end_if_alone(struct slot *s)
{
	if (!s->leader_stopped)
		return;
	forget_vanished(s);
	if (s->n_tids != 1)
		return;
	/* All threads of a group exit have one code. Where they differ the leader had left before (pthread_exit):
	 * what the process then ends with is only known when it is reaped. */
	if (s->state == SLOT_RUNNING && !s->codes_differ)
		slot_over(s, s->leader_status, NULL);
	s->leader_stopped = false;
	if (s->worker->config.cpu >= 0)
		tracer_let_loose(s); /* its teardown takes 0.7 to 1 ms, best on a CPU where nobody waits for it */
	tracer_go_on(s, s->t_pid, 0);
}

static void on_exit_stop(struct slot *s, pid_t tid)
{
	unsigned long status = 0;

	ptrace(PTRACE_GETEVENTMSG, tid, 0, &status);
	if (s->state == SLOT_WAITING) /* killed from outside: no job for it */
		slot_retire(s);
	if ((status & 0x7f) == SIGSYS)
		look_for_kill(s, tid);
	if (s->trace)
		trace_thread_ends(s, tid);
	if (tid == s->t_pid) {
		s->leader_stopped = true;
		s->leader_status = (int)status;
		s->codes_differ = false;
		end_if_alone(s);
		return;
	}
	if (s->leader_stopped && (int)status != s->leader_status)
		s->codes_differ = true;
	tracer_go_on(s, tid, 0);
}

static bool has_thread(const struct slot *s, pid_t tid)
{
	for (size_t i = 0; i < s->n_tids; i++)
		if (s->t_tids[i] == tid)
			return true;
	return false;
}

static void take_thread(struct slot *s, pid_t tid)
{
	if (has_thread(s, tid) || add_thread(s, tid) == 0)
		return;
	snprintf(s->error, sizeof(s->error), "out of memory for its threads");
	slot_kill(s, KILLED_ERROR);
}

static void on_clone(struct slot *s, pid_t parent)
{
	unsigned long tid = 0;

	if (ptrace(PTRACE_GETEVENTMSG, parent, 0, &tid) == 0 && tid) {
		take_thread(s, (pid_t)tid);
		if (s->broker)
			broker_thread_born(s->broker, parent, (pid_t)tid);
	}
	tracer_go_on(s, parent, 0);
}

static bool has_room_to_park(struct slot *s)
{
	if (s->n_parked < s->cap_parked)
		return true;
	void *grown = reallocarray(s->parked, s->cap_tids, sizeof(*s->parked));
	if (!grown)
		return false;
	s->parked = grown;
	s->cap_parked = s->cap_tids;
	return s->n_parked < s->cap_parked;
}

/* A job that stops more often than this has its threads wait for the next period: wait4 gives statuses in the order of births,
 * so a storm of one job's faults would keep every other job's from being seen. */
static bool park(struct slot *s, pid_t tid, int sig)
{
	if (!has_room_to_park(s))
		return false;
	s->parked[s->n_parked].t_tid = tid;
	s->parked[s->n_parked++].sig = sig;
	if (!ev_is_active(&s->period)) {
		ev_timer_set(&s->period, STOPS_PERIOD, 0);
		ev_timer_start(s->worker->loop, &s->period);
	}
	return true;
}

static bool too_many_stops(struct slot *s, unsigned most)
{
	double now = worker_clock();

	if (now - s->stops_since > STOPS_PERIOD) {
		s->stops_since = now;
		s->stops = 0;
	}
	return ++s->stops > most;
}

/* A group stop is kept up until SIGCONT ends it, which may have come while the thread was parked: it is told of that then, ptrace(2). */
static void stay_stopped(pid_t tid)
{
	ptrace(PTRACE_LISTEN, tid, 0, 0);
}

void tracer_unpark(struct slot *s)
{
	size_t n = s->n_parked;

	s->n_parked = 0;
	for (size_t i = 0; i < n; i++)
		if (s->parked[i].sig == STAY_STOPPED)
			stay_stopped(s->parked[i].t_tid);
		else
			tracer_go_on(s, s->parked[i].t_tid, s->parked[i].sig);
}

/* Not to be forged: policies refuse rt_sigqueueinfo, and changes of RLIMIT_CPU are refused too. */
static bool is_from_kernel(pid_t tid)
{
	siginfo_t i;

	return ptrace(PTRACE_GETSIGINFO, tid, 0, &i) == 0 && i.si_code == SI_KERNEL;
}

/* RLIMIT_FSIZE: the kernel says that the writer sent it, as kill(2) would, and shows it to the tracer even where it is ignored. */
static bool is_of_write(const struct slot *s, pid_t tid)
{
	siginfo_t i;

	return s->broker && !(broker_signals_sent(s->broker) & 1ull << SIGXFSZ) && ptrace(PTRACE_GETSIGINFO, tid, 0, &i) == 0 &&
	       i.si_code == SI_USER;
}

/* Calls that are brokered and that signals interrupt on Linux, too: where they wait for somebody else. */
static bool may_be_interrupted(int nr)
{
	static const int calls[] = {SYS_connect, SYS_flock, SYS_fcntl, SYS_sendto, SYS_sendmsg, SYS_sendmmsg};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == nr)
			return true;
	return false;
}

/* A signal that comes before the worker has received a brokered call ends that call: without SA_RESTART a stat would give EINTR, which no
 * program expects. Nothing was done, so it is made again. Once received it waits to its end; where it does not (before Linux 5.19), it may
 * have been carried out, and stays as it is. */
static void make_again(const struct slot *s, pid_t tid)
{
	struct regs_call c;

	if (s->state != SLOT_RUNNING || !(s->worker->config.layers->birth_flags & BIRTH_WAIT_KILLABLE) || regs_interrupted(tid, &c) || !c.native ||
	    may_be_interrupted(c.data.nr) || filter_run(&s->nursery->broker, &c.data) != SECCOMP_RET_USER_NOTIF)
		return;
	regs_make_again(tid);
}

static bool stops_a_group(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

/* Timers stop a job and let it go on as often as they like, and all of its threads tell of each time. */
static void on_group_stop(struct slot *s, pid_t tid)
{
	if (!too_many_stops(s, STOPS_A_PERIOD) || !park(s, tid, STAY_STOPPED))
		stay_stopped(tid);
}

static void on_syscall_stop(struct slot *s, pid_t tid)
{
	if (!trace_stopped(s, tid) || (too_many_stops(s, CALLS_A_PERIOD) && park(s, tid, 0)))
		return;
	tracer_go_on(s, tid, 0);
}

static void on_stop(struct slot *s, pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	switch (event) {
	case PTRACE_EVENT_EXIT:
		on_exit_stop(s, tid);
		break;
	case PTRACE_EVENT_CLONE:
		on_clone(s, tid);
		break;
	case PTRACE_EVENT_STOP: /* a new thread's first stop, or a group stop */
		if (stops_a_group(sig))
			on_group_stop(s, tid);
		else
			tracer_go_on(s, tid, 0);
		break;
	default:
		if (sig == SYSCALL_STOP) {
			on_syscall_stop(s, tid);
			return;
		}
		if (sig == SIGSYS)
			s->sigsys_seen = true;
		if (sig == SIGXCPU && is_from_kernel(tid)) /* RLIMIT_CPU; whoever blocks it is killed at the hard limit, a second later */
			slot_kill(s, KILLED_CPU_TIME);
		if (sig == SIGXFSZ && is_of_write(s, tid))
			s->limits_hit |= 1u << LIMIT_HIT_FILE_SIZE;
		if (!event)
			make_again(s, tid);
		if (too_many_stops(s, trace_is_deep(s) ? CALLS_A_PERIOD : STOPS_A_PERIOD) && park(s, tid, event ? 0 : sig))
			return;
		tracer_go_on(s, tid, event ? 0 : sig);
	}
}

static void on_gone(struct slot *s, pid_t tid, int status, const struct rusage *ru)
{
	remove_thread(s, tid);
	if (s->broker)
		broker_thread_gone(s->broker, tid);
	if (tid == s->t_pid)
		slot_reaped(s, status, ru);
	else
		end_if_alone(s);
}

static struct nursery *nursery_of(struct worker *w, pid_t pid)
{
	for (struct nursery *n = w->nurseries; n; n = n->next)
		if (n->pid == pid)
			return n;
	return NULL;
}

/* A thread may stop for the first time before its parent's PTRACE_EVENT_CLONE is told: ask /proc whose it is. */
static struct slot *adopt(struct worker *w, pid_t tid)
{
	pid_t tgid = (pid_t)procfs_status(tid, "Tgid");

	for (unsigned i = 0; tgid && i < w->n_slots; i++)
		if (w->slots[i].t_pid == tgid) {
			take_thread(&w->slots[i], tid);
			return &w->slots[i];
		}
	return NULL;
}

static void on_status(struct worker *w, pid_t tid, int status, const struct rusage *ru)
{
	struct slot *s = slot_of(w, tid);
	struct nursery *n = s ? NULL : nursery_of(w, tid);

	if (n && !WIFSTOPPED(status)) {
		nursery_reaped(n, status);
		return;
	}
	if (!s && WIFSTOPPED(status))
		s = adopt(w, tid);
	if (s && WIFSTOPPED(status))
		on_stop(s, tid, status);
	else if (s)
		on_gone(s, tid, status, ru);
	else if (WIFSTOPPED(status))
		tracer_go_on(NULL, tid, 0);
}

void tracer_wait(struct worker *w)
{
	struct rusage ru;
	int status;
	pid_t tid;

	for (int i = 0; i < STATUSES_A_TURN; i++) {
		tid = wait4(-1, &status, WNOHANG | __WALL, &ru);
		if (tid <= 0)
			return;
		on_status(w, tid, status, &ru);
	}
	/* More another turn: timers and listeners come first. An event that is fed would come before them, libev takes it in this turn (measured:
	 * a job whose timers stop it and let it go on again and again had a worker look at nothing else for a minute). */
	if (ev_is_active(&w->more_children))
		return;
	ev_timer_set(&w->more_children, 0, 0);
	ev_timer_start(w->loop, &w->more_children);
}
