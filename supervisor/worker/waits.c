#include "waits.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "notify.h"
#include "procfs.h"
#include "trace.h"

#define EVENTS_A_TURN 16
#define TICK 0.010      /* seconds between looks for signals */
#define LOOKS_A_TICK 8  /* threads looked at in one: 10 to 20 µs each (measured) */

struct waiting {
	struct waiting *next, **at;             /* in its slot */
	struct waiting *after, *before;         /* in the ring of those that a signal may interrupt; NULL: not there */
	struct slot *slot;
	struct broker_call call;
	struct broker_wait *wait;
	bool answered, woken;
	ev_timer patience;
};

struct waits {
	struct worker *worker;
	int epoll;
	ev_io io;
	ev_timer tick;
	struct waiting *ring; /* the next one to be looked at */
};

/* --- the ring ----------------------------------------------------------------------------------------------- */

static void ring_add(struct waits *ws, struct waiting *w)
{
	if (!ws->ring) {
		w->after = w->before = w;
		ws->ring = w;
		ev_timer_again(ws->worker->loop, &ws->tick);
		return;
	}
	w->after = ws->ring;
	w->before = ws->ring->before;
	w->before->after = w->after->before = w;
}

static void ring_remove(struct waits *ws, struct waiting *w)
{
	if (!w->after)
		return;
	if (w->after == w) {
		ws->ring = NULL;
		ev_timer_stop(ws->worker->loop, &ws->tick);
	} else {
		w->before->after = w->after;
		w->after->before = w->before;
		if (ws->ring == w)
			ws->ring = w->after;
	}
	w->after = w->before = NULL;
}

/* --- one that waits ----------------------------------------------------------------------------------------- */

/* Out of every list and watcher; what it waited for is the caller's again. */
static struct broker_wait *take(struct waiting *w)
{
	struct waits *ws = w->slot->worker->waits;
	struct broker_wait *wait = w->wait;

	if (wait && wait->fd >= 0)
		epoll_ctl(ws->epoll, EPOLL_CTL_DEL, wait->fd, NULL);
	ev_timer_stop(ws->worker->loop, &w->patience);
	ring_remove(ws, w);
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
	free(w);
	return wait;
}

static bool still_there(void *arg, uint64_t id)
{
	return notify_still_there(((struct slot *)arg)->listener, id);
}

/* It has its answer, or needs none. */
static void end(struct waiting *w)
{
	broker_forget(take(w));
}

static void be_patient(struct waiting *w)
{
	struct ev_loop *loop = w->slot->worker->loop;
	double left = w->wait->until - worker_clock();

	if (w->wait->until <= 0)
		return;
	ev_now_update(loop);
	ev_timer_set(&w->patience, left > 0 ? left : 0, 0);
	ev_timer_start(loop, &w->patience);
}

static void resume(struct waiting *w, bool timed_out)
{
	struct slot *s = w->slot;
	struct broker_reply r = {.fd = -1, .fd2 = -1};

	if (!w->answered && !still_there(s, w->call.id)) {
		end(w);
		return;
	}
	slot_guard(s);
	broker_resume(s->broker, &w->call, w->wait, timed_out, still_there, s, &r);
	if (s->trace)
		trace_judged(s, &w->call);
	if (r.kind != REPLY_LATER && !w->answered)
		slot_carry_out(s, &w->call, &r);
	if (r.kind != REPLY_LATER)
		end(w);
	else if (timed_out)
		be_patient(w);
	slot_unguard(s, r.held_up);
	slot_tell_violations(s);
}

static void on_ready(struct ev_loop *loop, ev_io *io, int revents)
{
	struct waits *ws = io->data;
	struct epoll_event e;

	(void)loop, (void)revents;
	/* one at a time: what is done for one may end others */
	for (int i = 0; i < EVENTS_A_TURN && epoll_wait(ws->epoll, &e, 1, 0) == 1; i++)
		resume(e.data.ptr, false);
}

static void on_patience(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop, (void)revents;
	resume(t->data, true);
}

/* Edges only: a wait that goes on although its descriptor looks ready is not told again for nothing. */
static int watch(struct waits *ws, struct waiting *w)
{
	struct epoll_event e = {.events = (uint32_t)w->wait->events | EPOLLET, .data.ptr = w};

	if (w->wait->fd >= 0 && epoll_ctl(ws->epoll, EPOLL_CTL_ADD, w->wait->fd, &e))
		return -errno;
	be_patient(w);
	if (!w->answered)
		ring_add(ws, w);
	return 0;
}

int waits_add(struct slot *s, const struct broker_call *c, struct broker_wait *wait, bool answered)
{
	struct waiting *w = calloc(1, sizeof(*w));

	if (!w) {
		broker_forget(wait);
		return -ENOMEM;
	}
	w->slot = s;
	w->call = *c;
	w->wait = wait;
	w->answered = answered;
	ev_init(&w->patience, on_patience);
	w->patience.data = w;
	w->next = s->waits;
	w->at = &s->waits;
	if (w->next)
		w->next->at = &w->next;
	s->waits = w;
	int r = watch(s->worker->waits, w);
	if (r)
		end(w);
	return r;
}

void waits_interrupted(struct slot *s, pid_t t_tid)
{
	for (struct waiting *w = s->waits, *next; w; w = next) {
		next = w->next;
		if (!w->answered && w->call.t_tid == t_tid)
			end(w);
	}
}

void waits_drop(struct slot *s)
{
	while (s->waits)
		end(s->waits);
}

/* What one answer does may end others, so the list is looked at anew until all have had their turn. */
void waits_wake(struct slot *s)
{
	for (struct waiting *w = s->waits; w; w = w->next)
		w->woken = w->wait->fd < 0;
	for (struct waiting *w = s->waits; w;) {
		bool woken = w->woken;
		w->woken = false;
		if (woken)
			resume(w, false);
		w = woken ? s->waits : w->next;
	}
}

/* --- signals ------------------------------------------------------------------------------------------------ */

enum { SIGNAL_NONE, SIGNAL_CAUGHT, SIGNAL_OTHER };

#define BIT(sig) (1ull << ((sig) - 1))
#define IGNORED_BY_DEFAULT (BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCONT))

/* Which signal, if any, would end the thread's sleep: proc(5), SigPnd to SigCgt stand in one block. */
static int pending_signal(pid_t t_pid, pid_t t_tid)
{
	uint64_t own, shared, blocked, ignored, caught;
	char text[PROCFS_TEXT];
	const char *p;

	if (!procfs_read(text, "%d/task/%d/status", (int)t_pid, (int)t_tid))
		return SIGNAL_NONE;
	p = strstr(text, "\nSigPnd:");
	if (!p || sscanf(p, " SigPnd: %" SCNx64 " ShdPnd: %" SCNx64 " SigBlk: %" SCNx64 " SigIgn: %" SCNx64 " SigCgt: %" SCNx64,
	                 &own, &shared, &blocked, &ignored, &caught) != 5)
		return SIGNAL_NONE;
	own = (own | shared) & ~blocked & ~ignored;
	return own & caught ? SIGNAL_CAUGHT : own & ~IGNORED_BY_DEFAULT ? SIGNAL_OTHER : SIGNAL_NONE;
}

/* -ERESTARTSYS is only for a thread that is about to look at its signals: a traced one that is interrupted does, whatever becomes of the
 * signal meanwhile. Without that it would be what the call returns. */
static void interrupt(struct waiting *w, int kind)
{
	int value = kind == SIGNAL_CAUGHT ? w->wait->interrupted : -BROKER_ERESTARTSYS;

	if (ptrace(PTRACE_INTERRUPT, w->call.t_tid, 0, 0))
		value = -EINTR;
	notify_answer(w->slot->listener, w->call.id, value);
	if (w->slot->trace)
		trace_answered(w->slot, &w->call, true, value);
	end(w);
}

static void on_tick(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct waits *ws = t->data;
	struct waiting *first = NULL;

	(void)loop, (void)revents;
	for (int i = 0; i < LOOKS_A_TICK && ws->ring && ws->ring != first; i++) {
		struct waiting *w = ws->ring;
		int kind = pending_signal(w->slot->t_pid, w->call.t_tid);

		ws->ring = w->after;
		if (kind)
			interrupt(w, kind);
		else if (!first)
			first = w;
	}
}

/* --- life --------------------------------------------------------------------------------------------------- */

struct waits *waits_new(struct worker *w)
{
	struct waits *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return NULL;
	ws->worker = w;
	ws->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (ws->epoll < 0) {
		free(ws);
		return NULL;
	}
	ev_io_init(&ws->io, on_ready, ws->epoll, EV_READ);
	ws->io.data = ws;
	ev_io_start(w->loop, &ws->io);
	ev_init(&ws->tick, on_tick);
	ws->tick.repeat = TICK;
	ws->tick.data = ws;
	return ws;
}

void waits_free(struct waits *ws)
{
	if (!ws)
		return;
	ev_io_stop(ws->worker->loop, &ws->io);
	ev_timer_stop(ws->worker->loop, &ws->tick);
	close(ws->epoll);
	free(ws);
}
