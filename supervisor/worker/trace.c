#include "trace.h"

#include <errno.h>
#include <msgpack.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#include "event.h"
#include "rpc.h"

struct open_call { /* a thread is in it; one a thread at most */
	struct open_call *next;
	struct broker_call call; /* id 0: it did not come to the broker */
	struct traced_call told;
	double since;
};

struct tracing {
	enum trace mode;
	struct violation words; /* the broker's, of the call that it answers now */
	struct open_call *open;
	bool held;
	pid_t *t_held;          /* threads that stay in their syscall stops meanwhile */
	size_t n_held, cap_held;
};

/* --- calls that are open ------------------------------------------------------------------------------------- */

static struct open_call **find(struct tracing *t, pid_t t_tid)
{
	struct open_call **at = &t->open;

	while (*at && (*at)->call.t_tid != t_tid)
		at = &(*at)->next;
	return at;
}

static struct open_call *add(struct slot *s, pid_t t_tid, int nr, const uint64_t args[6])
{
	struct open_call *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->call = (struct broker_call){.t_tid = t_tid, .nr = nr};
	memcpy(o->call.args, args, sizeof(o->call.args));
	o->since = worker_clock();
	o->told.t_ms = (o->since - s->started) * 1e3;
	o->told.tid = t_tid;
	o->told.registers = o->call.args;
	o->next = s->trace->open;
	s->trace->open = o;
	return o;
}

/* Tells of it, and forgets it. */
static void tell(struct slot *s, struct open_call **at)
{
	const struct port_front *front = s->worker->front;
	struct open_call *o = *at;
	msgpack_sbuffer b;
	msgpack_packer pk;

	o->told.spent_us = (worker_clock() - o->since) * 1e6;
	if (!o->told.what.syscall)
		broker_describe(s->broker, o->call.t_tid, o->call.nr, o->call.args, &o->told.what);
	if (o->told.what.syscall) {
		rpc_begin(&b, &pk);
		event_pack_call(&pk, s->job->id, &o->told);
		front->on_event(front->ctx, s->key, (struct bytes){b.data, b.size});
		msgpack_sbuffer_destroy(&b);
	}
	violation_done(&o->told.what);
	*at = o->next;
	free(o);
}

static void forget_calls(struct tracing *t)
{
	while (t->open) {
		struct open_call *o = t->open;

		t->open = o->next;
		violation_done(&o->told.what);
		free(o);
	}
	violation_done(&t->words);
	t->words = (struct violation){0};
}

/* --- life ---------------------------------------------------------------------------------------------------- */

static void interrupt_all(struct slot *s)
{
	for (size_t i = 0; i < s->n_tids; i++)
		ptrace(PTRACE_INTERRUPT, s->t_tids[i], 0, 0);
}

static void start(struct slot *s, enum trace mode)
{
	if (!s->trace)
		s->trace = calloc(1, sizeof(*s->trace));
	if (!s->trace)
		return;
	s->trace->mode = mode;
	broker_tell(s->broker, &s->trace->words);
}

static void stop(struct slot *s)
{
	trace_hold(s, false);
	broker_tell(s->broker, NULL);
	forget_calls(s->trace);
	free(s->trace->t_held);
	free(s->trace);
	s->trace = NULL;
}

void trace_set(struct slot *s, enum trace mode)
{
	bool deep = trace_is_deep(s);

	if (!s->broker || (s->trace ? s->trace->mode : TRACE_OFF) == mode)
		return;
	if (mode == TRACE_OFF) {
		stop(s);
		return;
	}
	start(s, mode);
	if (deep && s->trace)
		forget_calls(s->trace); /* no stop will end them */
	else if (!deep && mode == TRACE_ALL)
		interrupt_all(s); /* each goes on from a stop, and from there to its next call */
	slot_update_output(s);
}

/* A thread that waits for an answer which only death can interrupt looks at this when it has it, before its first instruction. Where
 * waiting can be interrupted, this would make it ask again, under another number: then it is done after the answer, and the first calls may
 * be missed. */
static bool waits_to_the_end(const struct slot *s)
{
	return s->worker->config.layers->birth_flags & BIRTH_WAIT_KILLABLE;
}

void trace_begin(struct slot *s)
{
	start(s, s->job->trace);
	if (trace_is_deep(s) && waits_to_the_end(s))
		interrupt_all(s);
}

void trace_begun(struct slot *s)
{
	if (trace_is_deep(s) && !waits_to_the_end(s))
		interrupt_all(s);
}

void trace_drop(struct slot *s)
{
	if (!s->trace)
		return;
	forget_calls(s->trace);
	free(s->trace->t_held);
	free(s->trace);
	s->trace = NULL;
}

bool trace_is_deep(const struct slot *s)
{
	return s->trace && s->trace->mode == TRACE_ALL;
}

/* --- brokered calls ------------------------------------------------------------------------------------------ */

void trace_came(struct slot *s, const struct broker_call *c)
{
	struct open_call **at = find(s->trace, c->t_tid);

	if (*at && (*at)->call.nr == c->nr && !(*at)->call.id) { /* its stop came first */
		(*at)->call.id = c->id;
		return;
	}
	if (*at) { /* it makes another call, so a signal has ended the last one */
		(*at)->told.has_result = true;
		(*at)->told.result = -EINTR;
		tell(s, at);
	}
	struct open_call *o = add(s, c->t_tid, c->nr, c->args);
	if (o)
		o->call.id = c->id;
}

static struct open_call **find_id(struct slot *s, const struct broker_call *c)
{
	struct open_call **at = find(s->trace, c->t_tid);

	return *at && (*at)->call.id == c->id ? at : NULL;
}

void trace_judged(struct slot *s, const struct broker_call *c)
{
	struct open_call **at = find_id(s, c);
	struct violation *words = &s->trace->words;

	if (at && words->syscall) {
		violation_done(&(*at)->told.what);
		(*at)->told.what = *words;
	} else {
		violation_done(words);
	}
	*words = (struct violation){0};
}

void trace_answered(struct slot *s, const struct broker_call *c, bool known, int64_t result)
{
	struct open_call **at = find_id(s, c);

	if (!at || s->trace->mode == TRACE_ALL) /* the stop at its end tells more */
		return;
	(*at)->told.has_result = known;
	(*at)->told.result = result;
	tell(s, at);
}

/* --- syscall stops ------------------------------------------------------------------------------------------- */

static void on_entry(struct slot *s, pid_t t_tid, const struct __ptrace_syscall_info *i)
{
	struct open_call **at = find(s->trace, t_tid), *o;
	uint64_t args[6];

	if (*at)
		tell(s, at);
	for (int k = 0; k < 6; k++)
		args[k] = i->entry.args[k];
	o = add(s, t_tid, (int)i->entry.nr, args);
	if (o)
		broker_describe(s->broker, t_tid, o->call.nr, args, &o->told.what);
}

static void on_return(struct slot *s, pid_t t_tid, int64_t result)
{
	struct open_call **at = find(s->trace, t_tid);

	/* a killed one seems to return, too; it is told of when the thread ends */
	if (!*at || (*at)->told.what.verdict == VERDICT_KILLED)
		return;
	(*at)->told.has_result = true;
	(*at)->told.result = result;
	tell(s, at);
}

static bool keep(struct tracing *t, pid_t t_tid)
{
	if (t->n_held == t->cap_held) {
		size_t cap = t->cap_held ? 2 * t->cap_held : 8;
		pid_t *more = reallocarray(t->t_held, cap, sizeof(*more));

		if (!more)
			return false;
		t->t_held = more;
		t->cap_held = cap;
	}
	t->t_held[t->n_held++] = t_tid;
	return true;
}

bool trace_stopped(struct slot *s, pid_t t_tid)
{
	struct __ptrace_syscall_info i;

	if (!trace_is_deep(s) || s->state != SLOT_RUNNING)
		return true;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, t_tid, sizeof(i), &i) > 0) {
		if (i.op == PTRACE_SYSCALL_INFO_ENTRY)
			on_entry(s, t_tid, &i);
		else if (i.op == PTRACE_SYSCALL_INFO_EXIT)
			on_return(s, t_tid, i.exit.rval);
	}
	return !s->trace->held || !keep(s->trace, t_tid);
}

/* --- ends ---------------------------------------------------------------------------------------------------- */

void trace_killed(struct slot *s, pid_t t_tid, int nr, const uint64_t args[6])
{
	struct open_call **at = find(s->trace, t_tid), *o;

	if (*at && (*at)->call.nr != nr)
		tell(s, at);
	o = *at && (*at)->call.nr == nr ? *at : add(s, t_tid, nr, args);
	if (!o)
		return;
	violation_done(&o->told.what);
	broker_describe(s->broker, t_tid, nr, args, &o->told.what);
	o->told.what.verdict = VERDICT_KILLED;
	o->told.has_result = false;
	tell(s, find(s->trace, t_tid));
}

void trace_thread_ends(struct slot *s, pid_t t_tid)
{
	struct open_call **at = find(s->trace, t_tid);

	if (*at && s->broker && s->state == SLOT_RUNNING)
		tell(s, at);
}

/* --- a slow reader ------------------------------------------------------------------------------------------- */

void trace_hold(struct slot *s, bool hold)
{
	struct tracing *t = s->trace;

	if (t->held == hold)
		return;
	t->held = hold;
	if (hold) {
		ev_io_stop(s->worker->loop, &s->on_listener);
		return;
	}
	if (s->listener >= 0)
		ev_io_start(s->worker->loop, &s->on_listener);
	size_t n = t->n_held;
	t->n_held = 0;
	for (size_t k = 0; k < n; k++)
		tracer_go_on(s, t->t_held[k], 0);
}
