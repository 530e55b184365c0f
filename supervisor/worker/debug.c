/* Calls of a job under a debugger: held until it is said what becomes of them, or nobody is left to say it. A held call is pending in its
 * notification, so its thread sleeps; the job's other threads go on. The wall limit stands still while any call is held. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "notify.h"
#include "trace.h"

#define DEBUGGER_PATIENCE 10.0 /* seconds that the first held call waits for somebody to attach */
#define RETIRED_MAX 1024       /* lists of grants that allowing for good has replaced; more is not allowed */

struct held_call {
	struct held_call *next;
	uint64_t number; /* as the debugger names it */
	struct broker_call call;
	struct violation v;
};

struct debugger {
	struct held_call *held;
	uint64_t last_number;
	enum { DEBUG_AWAITED, DEBUG_ATTACHED, DEBUG_GONE } state;
	ev_timer patience;
	double wall_left; /* seconds; only while something is held */
	struct broker_grants *retired[RETIRED_MAX]; /* calls that wait may still look at them */
	size_t n_retired;
};

static bool still_there(void *arg, uint64_t id)
{
	return notify_still_there(((struct slot *)arg)->listener, id);
}

/* --- the list ------------------------------------------------------------------------------------------------ */

static void free_held(struct held_call *h)
{
	violation_done(&h->v);
	free(h);
}

/* Out of the list; the caller's. */
static struct held_call *take(struct slot *s, struct held_call **at)
{
	struct held_call *h = *at;
	struct debugger *d = s->debugger;

	*at = h->next;
	if (!d->held && s->state == SLOT_RUNNING) {
		ev_now_update(s->worker->loop);
		ev_timer_set(&s->wall, d->wall_left, 0);
		ev_timer_start(s->worker->loop, &s->wall);
	}
	return h;
}

static void add(struct slot *s, struct held_call *h)
{
	struct debugger *d = s->debugger;
	struct held_call **at = &d->held;

	if (!d->held) {
		d->wall_left = ev_timer_remaining(s->worker->loop, &s->wall);
		ev_timer_stop(s->worker->loop, &s->wall);
	}
	while (*at)
		at = &(*at)->next;
	h->next = NULL;
	*at = h;
}

static void tell(struct slot *s, const struct held_call *h, const char *problem)
{
	if (s->debugger->state == DEBUG_ATTACHED)
		s->worker->front->on_held(s->worker->front->ctx, s->key, h->number, &h->v, problem);
}

/* --- what becomes of one ------------------------------------------------------------------------------------- */

static void answer(struct slot *s, const struct held_call *h, enum broker_decision d)
{
	struct broker_reply r = {.fd = -1, .fd2 = -1};

	if (!still_there(s, h->call.id))
		return;
	slot_guard(s);
	broker_answer_decided(s->broker, &h->call, d, still_there, s, &r);
	if (s->trace)
		trace_judged(s, &h->call);
	slot_carry_out(s, &h->call, &r);
	slot_unguard(s, r.held_up);
	if (r.kind == REPLY_NAMES) /* asked for names before; what there is counts */
		notify_answer(s->listener, h->call.id, -EACCES);
}

static void end_job(struct slot *s, struct held_call *h)
{
	broker_record_held(s->broker, h->call.nr, &h->v);
	slot_kill(s, KILLED_POLICY);
}

/* Nobody says otherwise. */
static void as_policy(struct slot *s, struct held_call *h)
{
	if (h->v.verdict == VERDICT_KILLED)
		end_job(s, h);
	else
		answer(s, h, BROKER_AS_POLICY);
}

static void let_all_go(struct slot *s)
{
	s->debugger->state = DEBUG_GONE;
	while (s->debugger->held) {
		struct held_call *h = take(s, &s->debugger->held);

		as_policy(s, h);
		free_held(h);
	}
}

static void on_patience(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop, (void)revents;
	let_all_go(t->data);
}

/* --- allowing ------------------------------------------------------------------------------------------------ */

/* The grant that a hint names: `grants.read: ["/x"]`. False: it names none. */
static bool grant_of(const char *hint, enum grant_kind *kind, char *text, size_t size)
{
	char word[16] = "";
	int at = 0;

	if (!hint || sscanf(hint, "grants.%15[a-z]: [\"%n", word, &at) != 1 || !at)
		return false;
	int k = grant_kind_parse(word, strlen(word));
	size_t n = strcspn(hint + at, "\"");
	if (k < 0 || n == 0 || n >= size)
		return false;
	*kind = (enum grant_kind)k;
	memcpy(text, hint + at, n);
	text[n] = '\0';
	return true;
}

/* As far as the scope reaches: the directory of a path, every port of a host. */
static void widen(char *text, enum grant_kind kind, enum scope scope)
{
	char *slash = strrchr(text, '/'), *colon = strrchr(text, ':');

	if (kind == GRANT_CONNECT && scope == SCOPE_HOST && colon)
		*colon = '\0';
	if (kind != GRANT_CONNECT && scope == SCOPE_DIRECTORY && slash && slash > text)
		*slash = '\0';
}

static int push(struct job_list *l, const char *text)
{
	char **v = reallocarray(l->v, l->n + 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	l->v = v;
	v[l->n] = strdup(text);
	return v[l->n] ? (l->n++, 0) : -ENOMEM;
}

static void pop(struct job_list *l)
{
	free(l->v[--l->n]);
}

/* With this path among the job's own grants: for this call, or from now on. */
static int with_path(struct slot *s, const struct held_call *h, enum grant_kind kind, const char *text, bool always, struct err *e)
{
	struct debugger *d = s->debugger;
	struct broker_grants *mine;
	enum rpc_error code;

	if (always && d->n_retired == RETIRED_MAX)
		return err_set(e, ERR_REQUEST, "", ENOSPC, "too many grants were added to this job");
	if (push(&s->job->grants[kind], text))
		return err_set(e, ERR_HOST, "", ENOMEM, "no memory");
	int rc = broker_grants_new(s->job, s->nursery->policy, &mine, &code, e);
	if (rc) {
		pop(&s->job->grants[kind]);
		return rc;
	}
	struct broker_grants *old = broker_set_grants(s->broker, mine);
	answer(s, h, BROKER_AS_POLICY);
	if (!always) {
		pop(&s->job->grants[kind]);
		mine = broker_set_grants(s->broker, old);
		old = mine;
	}
	if (d->n_retired < RETIRED_MAX)
		d->retired[d->n_retired++] = old;
	else
		broker_grants_free(old);
	return 0;
}

static int with_address(struct slot *s, const struct held_call *h, const char *text, bool always, struct err *e)
{
	if (broker_add_connect(s->broker, text))
		return err_set(e, ERR_REQUEST, "", EINVAL, "%.100s cannot be granted", text);
	answer(s, h, BROKER_AS_POLICY);
	if (!always)
		broker_drop_connect(s->broker);
	return 0;
}

/* 0: it was answered. Else words for the debugger in `e`. */
static int allow(struct slot *s, const struct held_call *h, bool always, enum scope scope, struct err *e)
{
	enum grant_kind kind;
	char text[512];

	if (h->v.verdict == VERDICT_BROKERED) {
		slot_answer(s, &h->call);
		return 0;
	}
	if (broker_can_allow(s->broker, &h->call)) {
		answer(s, h, always ? BROKER_ALLOW_ALWAYS : BROKER_ALLOW);
		return 0;
	}
	if (!grant_of(h->v.hint, &kind, text, sizeof(text)))
		return err_set(e, ERR_REQUEST, "", EPERM, "%s", h->v.hint ? h->v.hint : "nothing can allow it");
	widen(text, kind, scope);
	return kind == GRANT_CONNECT ? with_address(s, h, text, always, e) : with_path(s, h, kind, text, always, e);
}

/* --- hooks --------------------------------------------------------------------------------------------------- */

void debug_start(struct slot *s)
{
	if (!s->job->debug || s->debugger)
		return;
	s->debugger = calloc(1, sizeof(*s->debugger)); /* without one nothing is held */
	if (!s->debugger)
		return;
	ev_init(&s->debugger->patience, on_patience);
	s->debugger->patience.data = s;
}

void debug_drop(struct slot *s)
{
	struct debugger *d = s->debugger;

	if (!d)
		return;
	ev_timer_stop(s->worker->loop, &d->patience);
	while (d->held) {
		struct held_call *h = d->held;

		d->held = h->next;
		free_held(h);
	}
	for (size_t i = 0; i < d->n_retired; i++)
		broker_grants_free(d->retired[i]);
	free(d);
	s->debugger = NULL;
}

void debug_hold(struct slot *s, const struct broker_call *c)
{
	struct debugger *d = s->debugger;
	struct held_call *h = calloc(1, sizeof(*h));
	struct violation v;

	broker_take_held(s->broker, &v);
	if (!h || !d) {
		violation_done(&v);
		free(h);
		notify_answer(s->listener, c->id, -EPERM);
		return;
	}
	*h = (struct held_call){.number = ++d->last_number, .call = *c, .v = v};
	if (d->state == DEBUG_GONE) {
		as_policy(s, h);
		free_held(h);
		return;
	}
	if (d->state == DEBUG_AWAITED && !ev_is_active(&d->patience)) {
		ev_timer_set(&d->patience, DEBUGGER_PATIENCE, 0);
		ev_timer_start(s->worker->loop, &d->patience);
	}
	add(s, h);
	tell(s, h, NULL);
}

void debug_interrupted(struct slot *s, pid_t t_tid)
{
	if (!s->debugger)
		return;
	for (struct held_call **at = &s->debugger->held; *at;)
		if ((*at)->call.t_tid == t_tid)
			free_held(take(s, at));
		else
			at = &(*at)->next;
}

void debug_attach(struct slot *s, bool on)
{
	struct debugger *d = s->debugger;

	if (!d)
		return;
	ev_timer_stop(s->worker->loop, &d->patience);
	if (!on) {
		let_all_go(s);
		return;
	}
	d->state = DEBUG_ATTACHED;
	for (struct held_call *h = d->held; h; h = h->next)
		tell(s, h, NULL);
}

/* What cannot be done is told, and the call is held on. */
void debug_decide(struct slot *s, uint64_t number, enum decision decision, enum scope scope)
{
	struct held_call **at = s->debugger ? &s->debugger->held : NULL, *h;
	struct err e = {0};

	while (at && *at && (*at)->number != number)
		at = &(*at)->next;
	if (!at || !*at || !s->broker)
		return;
	h = take(s, at);
	if (decision == DECISION_KILL) {
		end_job(s, h);
	} else if (decision == DECISION_REFUSE) {
		answer(s, h, BROKER_AS_POLICY);
	} else if (allow(s, h, decision == DECISION_ALLOW_ALWAYS, scope, &e)) {
		if (decision == DECISION_STEP) {
			answer(s, h, BROKER_AS_POLICY);
		} else {
			add(s, h);
			tell(s, h, e.text);
			return;
		}
	}
	if (decision == DECISION_STEP)
		broker_hold_next(s->broker);
	free_held(h);
}
