#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inside.h"
#include "log.h"
#include "notify.h"
#include "trace.h"
#include "waits.h"
#include "without.h"

/* A job that has computed for a whole period may use every CPU; one that lives on brokered calls stays beside its worker, or comes back: from
 * another CPU an open costs 70 µs instead of 15 (measured; the answer with ADDFD does not wake on the same CPU). */
#define LOOSE_PERIOD 0.020 /* seconds */
#define LOOSE_CPU    0.015 /* of it, at least, spent computing */
#define LOOSE_CALLS  100   /* brokered calls in it, at most */
#define BORN_PATIENCE 10.0 /* seconds from its first word to its first brokered call */
#define ROUND_SECONDS 0.001
#define ROUND_CALLS 64    /* brokered calls of one tracee before others get their turn */

static const char *const state_names[] = {
	[SLOT_FREE] = "free", [SLOT_ORDERED] = "ordered", [SLOT_BORN] = "born",
	[SLOT_WAITING] = "waiting", [SLOT_RUNNING] = "running",
	[SLOT_COLLECTING] = "collecting", [SLOT_ANSWERED] = "answered",
};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == SLOT_STATES, "a name per state");

/* The one place that changes a slot's state; the counts follow it. */
void slot_set_state(struct slot *s, enum slot_state to)
{
	struct worker *w = s->worker;

	s->nursery->waiting += (to == SLOT_WAITING) - (s->state == SLOT_WAITING);
	if (s->nursery->waiting < s->nursery->least)
		s->nursery->least = s->nursery->waiting;
	s->nursery->born += (to == SLOT_BORN) - (s->state == SLOT_BORN);
	w->running += (to == SLOT_RUNNING) - (s->state == SLOT_RUNNING);
	s->fresh &= to == SLOT_RUNNING;
	log_write(LOG_DEBUG, "slot", "slot=%d pid=%d from=%s to=%s", s->index, (int)s->t_pid, state_names[s->state], state_names[to]);
	s->state = to;
	worker_changed(w);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void on_wall(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop, (void)revents;
	slot_kill(t->data, KILLED_WALL_TIME);
}

static void on_loose(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct slot *s = t->data;

	(void)loop, (void)revents;
	uint64_t calls = s->broker ? broker_calls(s->broker) : 0;
	bool asks = calls - s->calls_seen > LOOSE_CALLS;
	s->calls_seen = calls;
	if (s->is_loose && (!asks || s->n_tids > 1))
		return; /* asked again after another period, as below */
	double cpu = outcome_cpu(s->t_pid);
	bool computes = cpu - s->cpu_seen >= LOOSE_CPU && !asks;
	s->cpu_seen = cpu;
	if (s->is_loose) {
		s->is_loose = false;
		tracer_pin(s);
	} else if (computes) {
		s->is_loose = true;
		tracer_let_loose(s);
	}
}

static void on_period(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop, (void)revents;
	tracer_unpark(t->data);
}

static void on_listener(struct ev_loop *loop, ev_io *io, int revents);

void slot_init(struct slot *s, struct worker *w, int index)
{
	bool identity = w->config.layers->birth_flags & BIRTH_IDENTITY;

	*s = (struct slot){.worker = w, .index = index, .pidfd = -1, .mem = -1, .listener = -1};
	leaf_init(&s->leaf);
	watch_init(s);
	s->uid = identity ? w->uids.base + (uid_t)index : (uid_t)-1;
	s->gid = identity ? w->uids.base + (gid_t)index : (gid_t)-1;
	s->pumps[0].fd = s->pumps[1].fd = -1;
	ev_init(&s->wall, on_wall);
	ev_timer_init(&s->loose, on_loose, 0., LOOSE_PERIOD);
	ev_init(&s->period, on_period);
	s->wall.data = s->loose.data = s->period.data = s;
	transfer_init(s);
	usage_init(s);
}

void slot_ordered(struct slot *s, struct nursery *n)
{
	s->nursery = n;
	slot_set_state(s, SLOT_ORDERED);
}

void slot_unborn(struct slot *s)
{
	slot_set_state(s, SLOT_FREE);
}

/* Frees everything of the tracee that is gone; the slot is as new. */
static void clear(struct slot *s)
{
	struct ev_loop *loop = s->worker->loop;

	if (s->listener >= 0)
		ev_io_stop(loop, &s->on_listener);
	waits_drop(s);
	close_fd(&s->listener);
	close_fd(&s->pidfd);
	close_fd(&s->mem);
	close_fd(&s->statm);
	ev_timer_stop(loop, &s->wall);
	ev_timer_stop(loop, &s->loose);
	ev_timer_stop(loop, &s->period);
	ev_timer_stop(loop, &s->transfer);
	usage_stop(s);
	watch_stop(s);
	for (int i = 0; i < 2; i++) {
		pump_close(&s->pumps[i]);
		free(s->pumps[i].buf);
		s->pumps[i].buf = NULL;
	}
	tracer_forget_threads(s);
	names_drop(s);
	trace_drop(s);
	broker_job_free(s->broker);
	debug_drop(s);
	if (s->state == SLOT_COLLECTING) /* at the worker's end: nobody takes it any more */
		result_done(&s->result);
	job_free(s->job);
	s->broker = NULL;
	s->job = NULL;
	s->is_loose = s->leader_stopped = s->codes_differ = s->kill_seen = s->sigsys_seen = s->reaped = false;
	s->stops = 0;
	s->begun = s->unbegun = false;
	s->killed_for = KILLED_NOT;
	s->limits_hit = 0;
	s->error[0] = '\0';
	s->t_pid = 0;
}

static bool has_ended(const struct slot *s)
{
	struct pollfd p = {.fd = s->pidfd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

void slot_born(struct slot *s, pid_t pid, const int *fds, uint32_t layers)
{
	s->t_pid = pid;
	s->listener = fds[BIRTH_LISTENER];
	s->mem = fds[BIRTH_MEM];
	s->pidfd = fds[BIRTH_PIDFD];
	s->is_equipped = false;
	s->layers = (layers | 1u << LAYER_PTRACE) & ~WITHOUT_LAYERS;
	slot_set_state(s, SLOT_BORN);
	int r = tracer_seize(s);
	if (r) {
		struct err e;
		bool ended = has_ended(s);
		if (ended)
			err_set(&e, ERR_HOST, "birth", 0, "a newborn tracee ended before it was traced");
		else
			err_set(&e, ERR_HOST, "ptrace(PTRACE_SEIZE)", -r, "a newborn tracee cannot be traced");
		slot_kill(s, KILLED_ERROR);
		clear(s); /* not traced, not our child: nobody tells of its end; the zygote reaps it */
		slot_set_state(s, SLOT_FREE);
		nursery_lost(s->nursery, &e, ended);
		return;
	}
	notify_sync_wake_up(s->listener);
	ev_timer_set(&s->wall, BORN_PATIENCE, 0);
	ev_timer_start(s->worker->loop, &s->wall);
	ev_io_init(&s->on_listener, on_listener, s->listener, EV_READ);
	s->on_listener.data = s;
	ev_io_start(s->worker->loop, &s->on_listener);
}

/* The stdio of a job, injected while it waits, so that it costs nothing when the job comes. Each end is a
 * description of its own: flags and offsets are shared with nobody. */
static int give_stdio(struct slot *s)
{
	int ends[3] = {open("/dev/null", O_RDONLY | O_CLOEXEC), -1, -1};
	int r = ends[0] < 0 ? -errno : 0;

	for (int i = 0; i < 2 && !r; i++)
		r = pump_open(&s->pumps[i], s, i == 1, &ends[i + 1]);
	for (int i = 0; i < 3; i++) {
		if (r >= 0)
			r = notify_add_fd(s->listener, s->first_call, ends[i], i, false);
		close_fd(&ends[i]);
	}
	return r < 0 ? r : 0;
}

/* The first brokered call of a newborn. Its arrival proves that its filters are on. */
static void on_first_call(struct slot *s, const struct seccomp_notif *n)
{
	char path[sizeof(BIRTH_JOB_PATH)] = "";
	int want = policy_call_nr("openat");

	if (n->data.nr != want || pread(s->mem, path, sizeof(path), (off_t)n->data.args[1]) != sizeof(path) ||
	    memcmp(path, BIRTH_JOB_PATH, sizeof(path)) != 0) {
		/* what the interpreter's rehearsal calls is answered as for a job that may nothing */
		notify_answer(s->listener, n->id, -ENOENT);
		return;
	}
	s->first_call = n->id;
	s->first_at = n->data.instruction_pointer;
	s->first_path = n->data.args[1];
	int r = give_stdio(s);
	if (!r && watch_open(s))
		r = -errno;
	if (r == -ENOENT || r == -ESRCH) { /* the call is gone: it was killed, as its status will say */
		tracer_kill(s);
		return;
	}
	if (r) {
		log_write(LOG_WARN, "birth_failed", "pid=%d error=%s", (int)s->t_pid, err_name(-r));
		slot_kill(s, KILLED_ERROR);
		return;
	}
	if (frames_try(s->nursery->frames, s->mem))
		log_write(LOG_WARN, "no_source_lines", "policy=%s reason=\"frames of this version do not read as others' do\"",
			  s->nursery->policy->name);
	if (s->worker->config.cpu >= 0)
		tracer_pin(s);
	s->is_equipped = true;
	notify_answer(s->listener, n->id, -EAGAIN);
}

/* It has its stdio and asks for its job again. That call is received when the job is there: a call that was received makes its caller wait
 * uninterruptibly (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV), and each such wait counts as 1 in the machine's load average. */
static void on_second_call(struct slot *s)
{
	ev_io_stop(s->worker->loop, &s->on_listener);
	ev_timer_stop(s->worker->loop, &s->wall);
	nursery_has_borne(s->nursery);
	slot_set_state(s, SLOT_WAITING);
}

int slot_take_first_call(struct slot *s)
{
	struct seccomp_notif n;
	int r;

	while ((r = notify_pending(s->listener)) > 0) {
		r = notify_receive(s->listener, &n);
		if (!r && n.data.instruction_pointer == s->first_at && n.data.args[1] == s->first_path) {
			s->first_call = n.id;
			ev_io_start(s->worker->loop, &s->on_listener);
			return 0;
		}
		if (!r) /* another thread of the interpreter's: as long as there is no job it may nothing */
			notify_answer(s->listener, n.id, -ENOENT);
	}
	return r < 0 ? r : -ESRCH;
}

static void on_listener(struct ev_loop *loop, ev_io *io, int revents)
{
	struct slot *s = io->data;
	struct seccomp_notif n;
	double begun = 0;

	(void)revents;
	for (int i = 0; i < ROUND_CALLS && s->listener >= 0; i++) {
		int r = notify_pending(s->listener);
		if (r == 0)
			return;
		if (r < 0) { /* hung up: all its threads are gone; who reaps it closes it */
			ev_io_stop(loop, io);
			return;
		}
		if (s->state == SLOT_BORN && s->is_equipped) {
			on_second_call(s);
			return;
		}
		if (notify_receive(s->listener, &n))
			continue;
		if (i == 0)
			begun = worker_clock();
		else if (worker_clock() - begun > ROUND_SECONDS)
			i = ROUND_CALLS; /* this one, then others */
		if (s->state == SLOT_RUNNING)
			slot_call(s, &n);
		else if (s->state == SLOT_BORN)
			on_first_call(s, &n);
		else
			notify_answer(s->listener, n.id, -EPERM);
	}
}

void slot_kill(struct slot *s, enum killed_for why)
{
	if (s->killed_for == KILLED_NOT)
		s->killed_for = why;
	int r = s->pidfd >= 0 ? tracer_kill(s) : 0;
	if (r && r != -ESRCH)
		log_write(LOG_ERROR, "cannot_kill", "pid=%d error=%s", (int)s->t_pid, err_name(-r));
}

void slot_retire(struct slot *s)
{
	slot_set_state(s, SLOT_ANSWERED); /* nobody waits for an answer: it gets no job any more */
	slot_kill(s, KILLED_CANCEL);
}

void slot_update_output(struct slot *s)
{
	bool hold = s->held || (s->worker->output_paused && (s->job->stream || s->trace));

	if (s->trace)
		trace_hold(s, hold);

	for (int i = 0; i < 2; i++)
		pump_hold(&s->pumps[i], hold);
}

void slot_hold_output(struct slot *s, bool hold)
{
	s->held = hold;
	slot_update_output(s);
}

/* However it ended by itself or by a limit; who cancelled it wants nothing more, and after an error nothing is certain. */
static bool is_to_be_collected(const struct slot *s)
{
	return s->broker && s->job->n_collect && s->result.outcome != OUTCOME_CANCELLED && s->result.outcome != OUTCOME_ERROR;
}

static void release(struct slot *s)
{
	clear(s);
	slot_set_state(s, SLOT_FREE);
}

/* It makes no call any more. What would still tell of its end, but for its status, would wake the worker for nothing. */
static void stop_watching(struct slot *s)
{
	if (s->listener >= 0)
		ev_io_stop(s->worker->loop, &s->on_listener);
	waits_drop(s);
	names_drop(s);
	close_fd(&s->listener);
	ev_timer_stop(s->worker->loop, &s->wall);
	ev_timer_stop(s->worker->loop, &s->loose);
	ev_timer_stop(s->worker->loop, &s->transfer);
	usage_stop(s);
	watch_stop(s);
	for (int i = 0; i < 2; i++)
		pump_close(&s->pumps[i]);
}

void slot_over(struct slot *s, int status, const struct rusage *ru)
{
	struct result *r = &s->result;

	if (again_is_due(s, status, !ru)) {
		log_write(LOG_WARN, "killed_while_waiting", "pid=%d", (int)s->t_pid);
		stop_watching(s);
		broker_job_free(s->broker);
		s->broker = NULL;
		again_hand_back(s);
		slot_set_state(s, SLOT_ANSWERED);
		return;
	}
	/* Its death signal may be seen before the zygote's own end is; and the first process of a pid namespace takes the others with it. */
	if (s->killed_for == KILLED_NOT && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && nursery_is_over(s->nursery)) {
		s->killed_for = KILLED_ERROR;
		snprintf(s->error, sizeof(s->error), "its zygote died");
	}
	*r = (struct result){.layers = s->layers};
	for (int i = 0; i < 2; i++)
		pump_drain(&s->pumps[i]);
	watch_last(s);
	outcome_measure(s, &r->usage, ru);
	outcome_judge(s, status, r);
	if (s->broker) {
		slot_tell_violations(s);
		broker_take_violations(s->broker, &r->violations, &r->n_violations, &r->violations_dropped);
		r->limits_hit = broker_limits_hit(s->broker) | s->limits_hit;
		if (broker_has_tmp_quota(s->broker))
			r->layers |= 1u << LAYER_TMP_QUOTA;
		if (broker_has_readonly_grants(s->nursery->tree))
			r->layers |= 1u << LAYER_READONLY_GRANTS;
	}
	r->out_truncated = s->pumps[0].truncated;
	r->err_truncated = s->pumps[1].truncated;
	r->out = pump_take(&s->pumps[0]);
	r->err = pump_take(&s->pumps[1]);
	stop_watching(s);
	slot_set_state(s, SLOT_COLLECTING);
	if (is_to_be_collected(s))
		transfer_out(s);
	else
		slot_files_out(s);
}

void slot_files_out(struct slot *s)
{
	struct worker *w = s->worker;

	s->result.id = s->job->id;
	if (s->result.outcome == OUTCOME_ERROR)
		s->result.error = s->error[0] ? s->error : "the job was ended by its worker";
	w->totals.jobs_done++;
	slot_set_state(s, SLOT_ANSWERED);
	w->front->on_result(w->front->ctx, s->key, &s->result);
	s->result.id = s->result.error = NULL; /* the slot's own */
	result_done(&s->result);
	if (s->reaped)
		release(s);
}

void slot_reaped(struct slot *s, int status, const struct rusage *ru)
{
	enum slot_state was = s->state;

	s->t_pid = 0;
	if (was == SLOT_RUNNING)
		slot_over(s, status, ru);
	if (was == SLOT_BORN) {
		struct err e;
		err_set(&e, ERR_HOST, "birth", 0, "a newborn tracee ended before it could wait for a job (%s %d)",
		        WIFEXITED(status) ? "exit code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
		nursery_lost(s->nursery, &e, WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && s->killed_for == KILLED_NOT);
	}
	if (s->state == SLOT_COLLECTING)
		s->reaped = true; /* freed when its files are out */
	else
		release(s);
}

void slot_drop(struct slot *s)
{
	int status;

	if (s->t_pid > 0) {
		slot_kill(s, KILLED_CANCEL);
		ev_io_stop(s->worker->loop, &s->on_listener);
		/* its threads stop in their exit stops once more, then it is ours to reap */
		for (size_t i = s->n_tids; i-- > 0;)
			while (waitpid(s->t_tids[i], &status, __WALL) == s->t_tids[i] && WIFSTOPPED(status))
				ptrace(PTRACE_CONT, s->t_tids[i], 0, 0);
	}
	clear(s);
}
