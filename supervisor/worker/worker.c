#include "worker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "identity.h"
#include "inside.h"
#include "log.h"
#include "midwife.h"
#include "notify.h"
#include "trace.h"
#include "waits.h"

#define RENEW_LOOK_S 1.0
#define FRESH_S      0.002 /* most small jobs are over by then */
#define ORPHANS_S 1.0 /* how long processes that were killed may take to be gone */

double worker_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void worker_changed(struct worker *w)
{
	w->dirty = true;
}

void worker_answer_error(struct worker *w, uint64_t key, const char *id, double queue_ms, const char *text)
{
	struct result r = {.id = (char *)id, .outcome = OUTCOME_ERROR, .error = (char *)text, .usage.queue_ms = queue_ms};

	w->totals.jobs_done++;
	w->front->on_result(w->front->ctx, key, &r);
}

static void drop_pending(struct worker *w, struct pending **at)
{
	struct pending *p = *at;

	*at = p->next;
	if (w->last == &p->next)
		w->last = at;
	job_free(p->job);
	generation_drop(p->generation);
	free(p);
}

void worker_fail_pending(struct worker *w, const struct policy *policy, const struct err *why)
{
	char text[300];

	err_str(why, text, sizeof(text));
	for (struct pending **at = &w->first; *at;) {
		struct pending *p = *at;
		if (p->policy != policy) {
			at = &p->next;
			continue;
		}
		worker_answer_error(w, p->key, p->job->id, p->queue_ms + (worker_clock() - p->since) * 1e3, text);
		drop_pending(w, at);
	}
}

static struct slot *find_slot(struct worker *w, enum slot_state state, const struct nursery *n)
{
	for (unsigned i = 0; i < w->n_slots; i++)
		if (w->slots[i].state == state && (!n || w->slots[i].nursery == n))
			return &w->slots[i];
	return NULL;
}

/* May a waiting tracee of `other` make room for one of `n`? Never so that two policies could take it from each other in turns. */
static bool gives_way(const struct nursery *other, const struct nursery *n)
{
	return other != n && n->waiting + n->born == 0 && (other->waiting > 1 || n->role == NURSERY_HEIR || renew_is_waited_for(n));
}

static struct slot *slot_for_birth(struct worker *w, const struct nursery *n)
{
	struct slot *s = find_slot(w, SLOT_FREE, NULL);

	for (unsigned i = 0; !s && i < w->n_slots; i++)
		if (w->slots[i].state == SLOT_WAITING && gives_way(w->slots[i].nursery, n)) {
			slot_retire(&w->slots[i]);
			break;
		}
	return s;
}

static void order(struct worker *w, struct nursery *n)
{
	struct slot *s = n->birth || nursery_rests(n) ? NULL : slot_for_birth(w, n);

	if (s)
		nursery_order(n, s);
}

/* What the job wants granted is looked up now, as late as can be. False: it cannot be granted, which was answered. */
static bool find_grants(struct worker *w, struct pending *p)
{
	enum rpc_error code;
	struct err e;

	if (!broker_grants_new(p->job, p->policy, &p->grants, &code, &e))
		return true;
	if (e.class == ERR_REQUEST) {
		w->front->on_refused(w->front->ctx, p->key, code, &e);
	} else {
		char text[300];
		worker_answer_error(w, p->key, p->job->id, p->queue_ms, err_str(&e, text, sizeof(text)));
	}
	return false;
}

static void begin_fresh(struct worker *w)
{
	if (ev_is_active(&w->fresh))
		return;
	ev_timer_set(&w->fresh, FRESH_S, 0);
	ev_timer_start(w->loop, &w->fresh);
}

static void on_fresh(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct worker *w = t->data;

	(void)loop, (void)revents;
	turns_look(w);
	worker_changed(w);
}

static bool is_left(const struct worker *w, const struct nursery *n, const struct pending *p)
{
	return n->waiting > 0 && n->waiting <= TURNS_LEAVES_MOST && n->waiting <= turns_leaves(w, p, demand_wanted(n));
}

/* A tracee for the job; NULL: none is there, or it is not to be had now. Another one is ordered, if only to have one left. */
static struct slot *choose(struct worker *w, struct nursery *n, const struct pending *p)
{
	if (n->state != NURSERY_READY || w->running >= w->config.pool_max)
		return NULL;
	if (!turns_may_begin(w, p)) {
		begin_fresh(w); /* to look again */
		return NULL;
	}
	if (is_left(w, n, p)) {
		if (n->born == 0)
			order(w, n);
		if (n->birth || n->born)
			return NULL;
	}
	return find_slot(w, SLOT_WAITING, n);
}

/* Gives each pending job the tracee that waits for it; a policy's jobs keep their order. */
static void hand_out(struct worker *w)
{
	for (struct pending **at = &w->first; *at;) {
		struct pending *p = *at;
		struct nursery *n = nursery_get(w, p->generation, p->policy);
		if (!n) {
			worker_answer_error(w, p->key, p->job->id, p->queue_ms, "no memory for a zygote");
			drop_pending(w, at);
			continue;
		}
		if (*at != p)
			return; /* starting the zygote failed and answered the job: look again next turn */
		if (nursery_rests(n) && n->waiting + n->born == 0 && !n->birth) {
			struct err e = n->err;
			worker_fail_pending(w, p->policy, &e);
			w->dirty = true;
			return;
		}
		if (n->state == NURSERY_BROKEN && !n->pid) {
			nursery_start(n);
			w->dirty = true;
			return;
		}
		struct slot *s = choose(w, n, p);
		if (!s) { /* refill makes one */
			if (n->waiting == 0)
				demand_note(n);
			at = &p->next;
			continue;
		}
		if (!find_grants(w, p)) {
			drop_pending(w, at);
			continue;
		}
		*at = p->next;
		if (w->last == &p->next)
			w->last = at;
		n->jobs++;
		begin_fresh(w);
		slot_start(s, p);
		generation_drop(p->generation); /* its zygote holds it, too */
		free(p);
	}
}

/* A birth beside a job that has just begun takes its caches, and the front's CPU, from it: it waits until the job is over, or was given
 * time enough, unless the pool is empty. */
static bool is_time_to_refill(const struct worker *w, const struct nursery *n)
{
	return !turns_any_fresh(w) || n->waiting == 0 || (w->config.cpu >= 0 && !ev_is_active(&w->fresh));
}

static void refill(struct worker *w)
{
	for (struct nursery *n = w->nurseries; n; n = n->next)
		if (n->state == NURSERY_READY && n->role != NURSERY_RETIRING && !n->birth && n->waiting + n->born < demand_wanted(n) && is_time_to_refill(w, n))
			order(w, n);
}

static void on_turn(struct ev_loop *loop, ev_prepare *p, int revents)
{
	struct worker *w = p->data;

	(void)loop, (void)revents;
	while (w->dirty) { /* ends: each round hands out, answers or orders something, and there is a bound on each */
		w->dirty = false;
		hand_out(w);
		if (!w->shutting_down) {
			renew_zygotes(w);
			refill(w);
		}
	}
}

static void on_renew(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop, (void)revents;
	worker_changed(t->data);
}

static void on_child(struct ev_loop *loop, ev_signal *s, int revents)
{
	(void)loop, (void)revents;
	tracer_wait(s->data);
}

static void on_more_children(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop, (void)revents;
	tracer_wait(t->data);
}

static void submit(void *ctx, const struct port_job *facts, struct job *job, struct generation *g, const struct policy *policy)
{
	struct worker *w = ctx;
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		abort(); /* a job that was accepted must be answered, and there is no memory to remember it */
	*p = (struct pending){.key = facts->key, .job = job, .generation = generation_hold(g), .policy = policy,
	                      .watched = facts->watched, .uid = facts->uid, .queue_ms = facts->queue_ms, .since = worker_clock()};
	turns_join(w, p);
	worker_changed(w);
}

static struct slot *slot_of_key(struct worker *w, uint64_t key)
{
	for (unsigned i = 0; i < w->n_slots; i++)
		if (w->slots[i].state == SLOT_RUNNING && w->slots[i].key == key)
			return &w->slots[i];
	return NULL;
}

static void attach(void *ctx, uint64_t key, bool on)
{
	struct slot *s = slot_of_key(ctx, key);
	struct worker *w = ctx;

	if (s)
		debug_attach(s, on);
	for (struct pending *p = w->first; p; p = p->next)
		if (p->key == key)
			p->debugger = on;
}

static void decide(void *ctx, uint64_t key, uint64_t call, enum decision decision, enum scope scope)
{
	struct slot *s = slot_of_key(ctx, key);

	if (s)
		debug_decide(s, call, decision, scope);
}

void worker_debugs(struct port_worker *p)
{
	p->debug_attach = attach;
	p->debug_decide = decide;
}

static void cancel(void *ctx, uint64_t key)
{
	struct worker *w = ctx;
	struct slot *s = slot_of_key(w, key);

	if (s) {
		slot_kill(s, KILLED_CANCEL);
		return;
	}
	for (struct pending **at = &w->first; *at; at = &(*at)->next) {
		if ((*at)->key != key)
			continue;
		struct result r = {.id = (*at)->job->id, .outcome = OUTCOME_CANCELLED,
		                   .usage.queue_ms = (*at)->queue_ms + (worker_clock() - (*at)->since) * 1e3};
		w->totals.jobs_done++;
		w->front->on_result(w->front->ctx, key, &r);
		drop_pending(w, at);
		worker_changed(w);
		return;
	}
}

static void hold_output(void *ctx, uint64_t key, bool hold)
{
	struct slot *s = slot_of_key(ctx, key);

	if (s)
		slot_hold_output(s, hold);
}

static void set_trace(void *ctx, uint64_t key, enum trace mode)
{
	struct worker *w = ctx;
	struct slot *s = slot_of_key(w, key);

	if (s && ev_is_active(&s->wall)) /* it was handed over */
		trace_set(s, mode);
	else if (s)
		s->job->trace = mode;
	for (struct pending *p = s ? NULL : w->first; p; p = p->next)
		if (p->key == key)
			p->job->trace = mode;
}

static void set_watched(void *ctx, uint64_t key)
{
	struct worker *w = ctx;
	struct slot *s = slot_of_key(w, key);

	for (struct pending *p = s ? NULL : w->first; p; p = p->next)
		if (p->key == key)
			p->watched = true;
	if (!s)
		return;
	s->watched = true;
	slot_tell_violations(s);
}

static void ask_status(void *ctx)
{
	struct worker *w = ctx;
	struct port_status st = w->totals;

	st.running = w->running;
	st.capacity = w->config.pool_max;
	for (struct nursery *n = w->nurseries; n; n = n->next) {
		st.zygotes += n->state == NURSERY_READY;
		st.waiting += n->waiting;
	}
	w->front->on_status(w->front->ctx, &st);
}

void worker_pause_output(struct worker *w, bool pause)
{
	w->output_paused = pause;
	for (unsigned i = 0; i < w->n_slots; i++)
		if (w->slots[i].state == SLOT_RUNNING)
			slot_update_output(&w->slots[i]);
}

static void shut_down(void *ctx)
{
	struct worker *w = ctx;
	struct err e;

	w->shutting_down = true;
	err_set(&e, ERR_HOST, "shutdown", 0, "the supervisor is shutting down");
	while (w->first)
		worker_fail_pending(w, w->first->policy, &e);
	for (unsigned i = 0; i < w->n_slots; i++)
		if (w->slots[i].state == SLOT_RUNNING) {
			memcpy(w->slots[i].error, e.text, sizeof(w->slots[i].error) < sizeof(e.text) ? sizeof(w->slots[i].error) : sizeof(e.text));
			slot_kill(&w->slots[i], KILLED_ERROR);
		}
}

struct port_worker worker_port(struct worker *w)
{
	return (struct port_worker){.ctx = w, .submit = submit, .cancel = cancel, .hold_output = hold_output, .trace = set_trace, .watch = set_watched,
	                            .ask_status = ask_status, .shutdown = shut_down};
}

void worker_warm(struct worker *w, struct generation *g, const struct policy *p)
{
	nursery_get(w, g, p);
}

/* Places are made once, at the start; what is more than these has to wait for the next one. */
static void resize_pool(struct worker *w, const struct worker_config *c)
{
	unsigned min = c->pool_min < w->n_slots ? c->pool_min : w->n_slots - 1;
	unsigned max = c->pool_max + min <= w->n_slots ? c->pool_max : w->n_slots - min;

	if (min != c->pool_min || max != c->pool_max)
		log_write(LOG_WARN, "reload_needs_restart", "keys=pool why=\"this worker has %u places: min %u and max %u until then\"",
			  w->n_slots, min, max);
	w->config.pool_min = min;
	w->config.pool_max = max;
}

void worker_reload(struct worker *w, const struct worker_config *c, struct generation *g)
{
	resize_pool(w, c);
	w->config.zygote_max_jobs = c->zygote_max_jobs;
	w->config.zygote_max_age_s = c->zygote_max_age_s;
	generation_drop(w->newest);
	w->newest = generation_hold(g);
	for (struct nursery *n = w->nurseries; n; n = n->next) /* new ones come before the first */
		nursery_reload(n, g);
	worker_changed(w);
}

/* Waiting tracees answer fastest on the worker's own CPU (9 µs against 33 to 260, measured). */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		log_write(LOG_WARN, "not_pinned", "cpu=%d error=%s", cpu, err_name(errno));
}

static void claim_uids(struct worker *w)
{
	w->uids = (struct uids){.base = UIDS_FIRST};
	if (!(w->config.layers->birth_flags & BIRTH_IDENTITY))
		return;
	int r = uids_claim(&w->uids, w->n_slots);
	if (r)
		log_write(LOG_WARN, "uids_shared", "base=%u error=%s", (unsigned)w->uids.base, err_name(-r));
}

int worker_new(struct ev_loop *loop, const struct worker_config *c, const struct port_front *front, struct worker **out,
               struct err *e)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r = notify_init();

	if (r || !w) {
		free(w);
		return err_set(e, ERR_HOST, r ? "seccomp(SECCOMP_GET_NOTIF_SIZES)" : "worker", r ? -r : ENOMEM, "cannot start");
	}
	r = midwife_new(&w->midwife, e); /* with the worker's full identity, and one thread */
	if (r) {
		free(w);
		return r;
	}
	r = identity_rest();
	if (r) {
		free(w);
		return err_set(e, ERR_HOST, "identity", -r, "root's power over files cannot be put to rest (setgroups, setfsgid, setfsuid)");
	}
	broker_sweep();
	w->watchdog = watchdog_new();
	if (!w->watchdog) {
		free(w);
		return err_set(e, ERR_HOST, "pthread_create", EAGAIN, "the watchdog cannot start");
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* reap_orphans */
	r = resolver_new(loop, &(struct resolver_options){0}, &w->resolver, e);
	if (r) {
		watchdog_free(w->watchdog);
		free(w);
		return r;
	}
	w->loop = loop;
	w->config = *c;
	w->front = front;
	w->last = &w->first;
	w->page_size = sysconf(_SC_PAGESIZE);
	w->n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	w->n_slots = c->pool_max + c->pool_min;
	w->slots = calloc(w->n_slots, sizeof(*w->slots));
	w->waits = w->slots ? waits_new(w) : NULL;
	if (!w->waits) {
		free(w->slots);
		resolver_free(w->resolver);
		watchdog_free(w->watchdog);
		free(w);
		return err_set(e, ERR_HOST, "worker", ENOMEM, "cannot start");
	}
	claim_uids(w);
	for (unsigned i = 0; i < w->n_slots; i++)
		slot_init(&w->slots[i], w, i);
	if (c->cpu >= 0)
		pin(c->cpu);
	ev_signal_init(&w->on_child, on_child, SIGCHLD);
	ev_timer_init(&w->more_children, on_more_children, 0., 0.);
	ev_prepare_init(&w->on_turn, on_turn);
	demand_init(w);
	ev_init(&w->fresh, on_fresh);
	w->fresh.data = w;
	ev_timer_init(&w->renew, on_renew, RENEW_LOOK_S, RENEW_LOOK_S);
	w->renew.data = w;
	if (c->zygote_max_age_s)
		ev_timer_start(loop, &w->renew);
	w->on_child.data = w->more_children.data = w->on_turn.data = w;
	ev_signal_start(loop, &w->on_child);
	ev_prepare_start(loop, &w->on_turn);
	*out = w;
	return 0;
}

/* A newborn that nobody traces yet dies with its zygote, and is then our child: a worker that has ended leaves nothing behind. */
static void reap_orphans(void)
{
	double until = worker_clock() + ORPHANS_S;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) >= 0 && worker_clock() < until)
		if (pid == 0)
			nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	ev_signal_stop(w->loop, &w->on_child);
	ev_timer_stop(w->loop, &w->more_children);
	ev_prepare_stop(w->loop, &w->on_turn);
	ev_timer_stop(w->loop, &w->renew);
	ev_timer_stop(w->loop, &w->fresh);
	ev_timer_stop(w->loop, &w->ebb);
	for (unsigned i = 0; i < w->n_slots; i++) {
		slot_drop(&w->slots[i]);
		leaf_done(&w->slots[i].leaf);
	}
	while (w->nurseries) {
		struct nursery *n = w->nurseries;
		w->nurseries = n->next;
		nursery_free(n);
	}
	midwife_free(w->midwife);
	reap_orphans();
	while (w->first)
		drop_pending(w, &w->first);
	resolver_free(w->resolver);
	waits_free(w->waits);
	watchdog_free(w->watchdog);
	uids_release(&w->uids);
	generation_drop(w->newest);
	free(w->slots);
	free(w);
}
