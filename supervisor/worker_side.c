#include "worker_side.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "admit.h"
#include "brought.h"
#include "guard.h"
#include "link.h"
#include "log.h"
#include "mem.h"
#include "worker.h"

#define BACKLOG_HIGH     (1u << 20) /* bytes that the front has not taken; above: jobs' output is left where it is */
#define JOBS_BEYOND      1024u      /* jobs of a front beyond the capacity: more is no front of ours */
#define FRONTLESS_S      30.0       /* without a front for so long: end, to be started anew */
#define ID_SHOWN         (2 * JOB_ID_MAX + 4)

struct held { /* a job, from the front's word to its answer */
	LIST_ENTRY(held) link;
	uint64_t key;
	uid_t uid;
	bool detach, orphan; /* orphan: the front that gave it has gone, and its client with it */
	bool heard;          /* the front that is there knows it */
	struct {             /* of a detached job, for a front that comes later */
		char *id, *policy; /* owned */
		enum language language;
		bool debug;
		int tracee_pid;  /* 0: not started */
		double started_unix_ms, queue_ms, since_ms; /* since: monotonic */
	} facts;
};

struct side {
	struct ev_loop *loop;
	const struct settings_from *from;
	struct generation *generation; /* the newest; held */
	struct brought brought;
	struct worker *worker;
	struct port_worker port;
	struct port_front to_front;
	struct link *keeper, *front; /* front NULL: none now */
	int next_front;              /* its link's descriptor, when the present one is still to be let go; -1: none */
	ev_timer change_front;       /* never started, only fed */
	LIST_HEAD(, held) held;
	unsigned n_held;
	bool paused;
	ev_timer frontless;
};

/* --- worker → front ------------------------------------------------------------------------------------------ */

static void on_status(void *ctx, const struct port_status *st)
{
	struct side *s = ctx;
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (!s->front)
		return;
	link_begin(&b, &pk, LINK_STATUS, 8);
	link_pack_uint(&pk, "zygotes", st->zygotes);
	link_pack_uint(&pk, "waiting", st->waiting);
	link_pack_uint(&pk, "running", st->running);
	link_pack_uint(&pk, "capacity", st->capacity);
	link_pack_uint(&pk, "jobs_done", st->jobs_done);
	link_pack_uint(&pk, "births", st->births);
	link_pack_uint(&pk, "birth_failures", st->birth_failures);
	link_pack_uint(&pk, "zygote_starts", st->zygote_starts);
	link_send(s->front, &b, -1);
}

static struct held *find(struct side *s, uint64_t key)
{
	struct held *h;

	LIST_FOREACH(h, &s->held, link)
		if (h->key == key)
			return h;
	return NULL;
}

static double clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool is_heard(struct side *s, uint64_t key)
{
	const struct held *h = s->front ? find(s, key) : NULL;

	return h && h->heard;
}

static void on_started(void *ctx, uint64_t key, int tracee_pid)
{
	struct side *s = ctx;
	struct held *h = find(s, key);
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (h) {
		h->facts.tracee_pid = tracee_pid;
		h->facts.started_unix_ms = clock_ms(CLOCK_REALTIME);
	}
	if (!is_heard(s, key))
		return;
	link_begin(&b, &pk, LINK_STARTED, 2);
	link_pack_uint(&pk, "key", key);
	link_pack_uint(&pk, "pid", (uint64_t)tracee_pid);
	link_send(s->front, &b, -1);
}

static void on_output(void *ctx, uint64_t key, bool is_stderr, struct bytes data)
{
	struct side *s = ctx;
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (!is_heard(s, key))
		return;
	link_begin(&b, &pk, LINK_OUTPUT, 3);
	link_pack_uint(&pk, "key", key);
	link_pack_bool(&pk, "stderr", is_stderr);
	rpc_pack_cstr(&pk, "data");
	rpc_pack_bin(&pk, data);
	link_send(s->front, &b, -1);
	if (!s->paused && link_backlog(s->front) > BACKLOG_HIGH)
		worker_pause_output(s->worker, s->paused = true);
}

static void send_packed(void *ctx, uint64_t key, enum link_word word, struct bytes packed)
{
	struct side *s = ctx;
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (!is_heard(s, key))
		return;
	link_begin(&b, &pk, word, 2);
	link_pack_uint(&pk, "key", key);
	rpc_pack_cstr(&pk, "packed"); /* the last one: link_last */
	msgpack_sbuffer_write(&b, packed.p, packed.len);
	link_send(s->front, &b, -1);
	if (!s->paused && link_backlog(s->front) > BACKLOG_HIGH)
		worker_pause_output(s->worker, s->paused = true);
}

static void on_event(void *ctx, uint64_t key, struct bytes packed)
{
	send_packed(ctx, key, LINK_EVENT, packed);
}

static void on_violation(void *ctx, uint64_t key, struct bytes packed)
{
	send_packed(ctx, key, LINK_VIOLATION, packed);
}

static void on_drained(void *ctx)
{
	struct side *s = ctx;

	if (s->paused)
		worker_pause_output(s->worker, s->paused = false);
}

/* Names and paths in it are the job's own choice. */
static void log_violation(const char *job, uid_t uid, const struct violation *v)
{
	char call[100], path[300], address[100], rule[200];

	log_write(LOG_INFO, "violation", "job=%s uid=%u verdict=%s syscall=%s path=%s address=%s rule=%s count=%u", job, uid,
		  verdict_name(v->verdict), log_value(call, sizeof(call), v->syscall), log_value(path, sizeof(path), v->path),
		  log_value(address, sizeof(address), v->address), log_value(rule, sizeof(rule), v->rule), v->count);
}

static void log_end(const struct held *h, const struct result *r)
{
	char id[ID_SHOWN], error[300];

	log_value(id, sizeof(id), r->id);
	for (size_t i = 0; i < r->n_violations; i++)
		log_violation(id, h->uid, &r->violations[i]);
	log_write(LOG_INFO, "job_end",
		  "job=%s uid=%u outcome=%s exit_code=%d signal=%d limit=%s queue_ms=%.1f wall_ms=%.1f cpu_ms=%.1f max_rss_kib=%llu "
		  "brokered_calls=%llu violations=%zu client=%s error=%s",
		  id, h->uid, outcome_name(r->outcome), r->exit_code, r->signal, ended_by_name(r->limit), r->usage.queue_ms,
		  r->usage.wall_ms, r->usage.cpu_ms, (unsigned long long)r->usage.max_rss_kib,
		  (unsigned long long)r->usage.brokered_calls, r->n_violations, h->orphan ? "gone" : "there",
		  log_value(error, sizeof(error), r->error));
}

static int try_result(struct side *s, uint64_t key, const struct result *r)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	link_begin(&b, &pk, LINK_RESULT, 2);
	link_pack_uint(&pk, "key", key);
	rpc_pack_cstr(&pk, "packed"); /* the last one: link_last */
	result_pack(r, &pk);
	return link_send(s->front, &b, -1);
}

static void send_result(struct side *s, uint64_t key, const struct result *r)
{
	char words[100];
	int e = try_result(s, key, r);

	if (e == 0)
		return;
	snprintf(words, sizeof(words), "its result could not be sent: %s", err_name(-e));
	try_result(s, key, &(struct result){.id = r->id, .outcome = OUTCOME_ERROR, .error = words, .usage = r->usage, .layers = r->layers});
}

static void drop(struct side *s, struct held *h)
{
	LIST_REMOVE(h, link);
	s->n_held--;
	free(h->facts.id);
	free(h->facts.policy);
	free(h);
}

static void on_result(void *ctx, uint64_t key, const struct result *r)
{
	struct side *s = ctx;
	struct held *h = find(s, key);

	if (!h)
		return;
	if (s->front && h->heard)
		send_result(s, key, r);
	log_end(h, r);
	drop(s, h);
}

/* An error of the protocol: the job was never accepted. */
static void on_refused(void *ctx, uint64_t key, enum rpc_error code, const struct err *why)
{
	struct side *s = ctx;
	struct held *h = find(s, key);
	msgpack_sbuffer b;
	msgpack_packer pk;
	char words[300];

	if (!h)
		return;
	if (s->front && h->heard) {
		link_begin(&b, &pk, LINK_REFUSED, 3);
		link_pack_uint(&pk, "key", key);
		link_pack_uint(&pk, "code", code);
		link_pack_text(&pk, "why", err_str(why, words, sizeof(words)));
		link_send(s->front, &b, -1);
	}
	drop(s, h);
}

static void on_held(void *ctx, uint64_t key, uint64_t call, const struct violation *v, const char *problem)
{
	struct side *s = ctx;
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (!is_heard(s, key))
		return;
	link_begin(&b, &pk, LINK_HELD, 4);
	link_pack_uint(&pk, "key", key);
	link_pack_uint(&pk, "call", call);
	link_pack_text(&pk, "problem", problem ? problem : "");
	rpc_pack_cstr(&pk, "violation");
	violation_pack(v, &pk);
	link_send(s->front, &b, -1);
}

/* --- front → worker: not believed ---------------------------------------------------------------------------- */

/* The generation that the front spoke of has been sent before the front heard of it, so it is there, at worst unread. A job that was queued
 * under an older one is admitted once more, by the newest: whatever it did not ask for itself comes from there. False: there is none such. */
static bool know_generation(struct side *s, uint64_t number)
{
	while (number > s->generation->number && link_step(s->keeper))
		;
	return number <= s->generation->number;
}

/* The kernel says who made that connection. Of the front's own making there are none but its own. */
static bool is_of_operator(const struct side *s, int client)
{
	const struct config *c = s->generation->config;
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);

	if (client < 0 || getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	for (size_t i = 0; i < c->n_operators; i++)
		if (c->operators[i] == peer.uid)
			return true;
	return false;
}

static int take_facts(const msgpack_object *map, struct port_job *facts, uint64_t *generation)
{
	uint64_t uid;

	if (!link_uint(map, "key", UINT64_MAX, &facts->key) || !link_double(map, "queue_ms", &facts->queue_ms) ||
	    !link_uint(map, "uid", UINT32_MAX, &uid) || !link_bool(map, "operator", &facts->by_operator) || !link_bool(map, "watched", &facts->watched) ||
	    !link_uint(map, "generation", UINT64_MAX, generation))
		return -EPROTO;
	facts->uid = (uid_t)uid;
	facts->client = -1;
	return 0;
}

/* The generation whose policy the job has, and that policy. NULL: it is none of ours. */
static struct generation *admit(struct side *s, const struct port_job *facts, struct job *j, const struct policy **policy, enum rpc_error *code,
				struct err *e)
{
	struct generation *g = s->generation;

	if (brought_may(j, facts->by_operator, code, e) < 0)
		return NULL;
	if (brought_is_needed(j))
		g = brought_get(&s->brought, g, j, code, e);
	return g && admit_job(j, g->policies, g->config->max_message_mib << 20, facts->by_operator, policy, code, e) == 0 ? g : NULL;
}

static void note_facts(struct held *h, const struct port_job *facts, const struct job *j, const struct policy *policy)
{
	if (!j->detach)
		return;
	h->facts.id = mem_copy(j->id);
	h->facts.policy = mem_copy(j->policy_text.p ? "policy_text" : policy->name);
	h->facts.language = j->language;
	h->facts.debug = j->debug;
	h->facts.queue_ms = facts->queue_ms;
	h->facts.since_ms = clock_ms(CLOCK_MONOTONIC);
}

static int take_submit(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	const struct policy *policy = NULL;
	struct port_job facts;
	enum rpc_error code = RPC_ERROR_BAD_REQUEST;
	struct err e = {0};
	struct held *h;
	uint64_t number;
	struct job *j;

	if (take_facts(in->m.params, &facts, &number) || find(s, facts.key) || s->n_held > CONFIG_POOL_MAX + JOBS_BEYOND ||
	    job_parse(link_map(in->m.params, "job"), &j, &e))
		return -EPROTO;
	h = calloc(1, sizeof(*h));
	if (!h)
		abort(); /* as for a job that was accepted and cannot be answered */
	*h = (struct held){.key = facts.key, .uid = facts.uid, .detach = j->detach, .heard = true};
	LIST_INSERT_HEAD(&s->held, h, link);
	s->n_held++;
	/* from here on `in` is not looked at any more but for its descriptor: the keeper's messages come into the same buffer */
	if (!know_generation(s, number))
		err_set(&e, ERR_REQUEST, "generation", 0, "is not known to the worker");
	if (facts.by_operator && !is_of_operator(s, in->fd)) {
		log_write(LOG_WARN, "no_operator", "uid=%u", facts.uid); /* or, since a reload, no longer one: the rules of others hold */
		facts.by_operator = false;
	}
	struct generation *g = number <= s->generation->number ? admit(s, &facts, j, &policy, &code, &e) : NULL;

	if (g) {
		note_facts(h, &facts, j, policy);
		s->port.submit(s->port.ctx, &facts, j, g, policy);
		return 0;
	}
	on_refused(s, facts.key, code, &e);
	job_free(j);
	return 0;
}

/* A job that could not even be sent: answered here, where it never was. */
static int take_unsent(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	uint64_t key, number;
	char id[JOB_ID_MAX + 1] = "", words[100];
	struct bytes text;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_uint(in->m.params, "errno", INT_MAX, &number) ||
	    !link_bytes(in->m.params, "id", &text) || text.len >= sizeof(id))
		return -EPROTO;
	memcpy(id, text.p, text.len);
	snprintf(words, sizeof(words), "the job could not be sent to its worker: %s", err_name((int)number));
	send_result(s, key, &(struct result){.id = id, .outcome = OUTCOME_ERROR, .error = words});
	return 0;
}

static int take_attach(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	uint64_t key;
	bool on;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_bool(in->m.params, "on", &on))
		return -EPROTO;
	if (is_heard(s, key))
		s->port.debug_attach(s->port.ctx, key, on);
	return 0;
}

static int take_decide(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	uint64_t key, call, decision, scope;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_uint(in->m.params, "call", UINT64_MAX, &call) ||
	    !link_uint(in->m.params, "decision", DECISION_COUNT - 1, &decision) || !link_uint(in->m.params, "scope", SCOPE_COUNT - 1, &scope))
		return -EPROTO;
	if (is_heard(s, key))
		s->port.debug_decide(s->port.ctx, key, call, (enum decision)decision, (enum scope)scope);
	return 0;
}

static int take_cancel(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	uint64_t key;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key))
		return -EPROTO;
	if (is_heard(s, key))
		s->port.cancel(s->port.ctx, key);
	return 0;
}

static int take_watch(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	uint64_t key;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key))
		return -EPROTO;
	if (is_heard(s, key))
		s->port.watch(s->port.ctx, key);
	return 0;
}

static int take_hold(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	uint64_t key;
	bool on;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_bool(in->m.params, "on", &on))
		return -EPROTO;
	if (is_heard(s, key))
		s->port.hold_output(s->port.ctx, key, on);
	return 0;
}

static int take_trace(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	uint64_t key, mode;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_uint(in->m.params, "mode", TRACE_COUNT - 1, &mode))
		return -EPROTO;
	if (is_heard(s, key))
		s->port.trace(s->port.ctx, key, (enum trace)mode);
	return 0;
}

static int take_ask_status(void *ctx, struct link_in *in)
{
	struct side *s = ctx;

	(void)in;
	s->port.ask_status(s->port.ctx);
	return 0;
}

static const struct link_row front_rows[] = {
	{LINK_ATTACH, take_attach},
	{LINK_DECIDE, take_decide},
	{LINK_SUBMIT, take_submit},
	{LINK_UNSENT, take_unsent},
	{LINK_CANCEL, take_cancel},
	{LINK_HOLD, take_hold},
	{LINK_TRACE, take_trace},
	{LINK_WATCH, take_watch},
	{LINK_ASK_STATUS, take_ask_status},
};

/* Its clients have lost their connections: what is not detached ends. Detached jobs go on, and nobody holds their output. */
static void let_go(struct side *s)
{
	struct held *h;
	bool found = true;

	LIST_FOREACH(h, &s->held, link) {
		h->orphan = true;
		h->heard = false;
	}
	while (found) { /* a cancel may answer, and with it change the list */
		found = false;
		LIST_FOREACH(h, &s->held, link) {
			if (h->detach)
				continue;
			h->detach = true; /* asked once */
			found = true;
			s->port.cancel(s->port.ctx, h->key);
			break;
		}
	}
	LIST_FOREACH(h, &s->held, link)
		s->port.debug_attach(s->port.ctx, h->key, false);
	LIST_FOREACH(h, &s->held, link) {
		s->port.hold_output(s->port.ctx, h->key, false);
		s->port.trace(s->port.ctx, h->key, TRACE_OFF);
	}
	on_drained(s);
}

static void on_front_ended(void *ctx)
{
	struct side *s = ctx;

	link_free(s->front);
	s->front = NULL;
	let_go(s);
	ev_timer_again(s->loop, &s->frontless);
}

static struct link_handler front_handler = {front_rows, sizeof(front_rows) / sizeof(front_rows[0]), 0, on_front_ended, on_drained};

/* --- keeper → worker ----------------------------------------------------------------------------------------- */

static void tell_running(struct side *s, struct held *h)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	h->heard = true;
	link_begin(&b, &pk, LINK_RUNNING, 10);
	link_pack_uint(&pk, "key", h->key);
	link_pack_uint(&pk, "uid", h->uid);
	link_pack_text(&pk, "job", h->facts.id);
	link_pack_text(&pk, "policy", h->facts.policy);
	link_pack_uint(&pk, "language", h->facts.language);
	link_pack_bool(&pk, "debug", h->facts.debug);
	link_pack_uint(&pk, "pid", (uint64_t)h->facts.tracee_pid);
	link_pack_double(&pk, "started_unix_ms", h->facts.started_unix_ms);
	link_pack_double(&pk, "queue_ms", h->facts.queue_ms);
	link_pack_double(&pk, "age_ms", clock_ms(CLOCK_MONOTONIC) - h->facts.since_ms);
	link_send(s->front, &b, -1);
}

/* Those that are being cancelled have no facts that are worth telling. */
static void tell_detached(struct side *s)
{
	struct held *h;

	LIST_FOREACH(h, &s->held, link)
		if (h->facts.id)
			tell_running(s, h);
}

static void on_change_front(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct side *s = t->data;

	(void)revents;
	if (s->next_front < 0)
		return;
	if (s->front)
		on_front_ended(s);
	s->front = link_new(loop, s->next_front, &front_handler, s);
	s->next_front = -1;
	ev_timer_stop(loop, &s->frontless);
	if (!s->front)
		return;
	s->port.ask_status(s->port.ctx); /* the first word: it is up */
	tell_detached(s);
}

/* A word of the keeper's may be read from inside a word of the front's (know_generation), whose link must not be freed there. */
static int take_front(void *ctx, struct link_in *in)
{
	struct side *s = ctx;

	if (in->fd < 0)
		return -EPROTO;
	if (s->next_front >= 0)
		close(s->next_front);
	s->next_front = in->fd;
	in->fd = -1;
	ev_feed_event(s->loop, &s->change_front, EV_TIMER);
	return 0;
}

static void warm(struct side *s)
{
	for (int l = 0; l < LANGUAGE_COUNT; l++) {
		const struct policy *p = policy_find(s->generation->policies, language_name(l));

		if (p && p->has_language)
			worker_warm(s->worker, s->generation, p);
	}
}

static struct worker_config config_of(const struct generation *g)
{
	return (struct worker_config){
		.pool_min = g->config->pool_min,
		.pool_max = g->config->pool_max,
		.zygote_max_jobs = g->config->zygote_max_jobs,
		.zygote_max_age_s = g->config->zygote_max_age_s,
	};
}

static int take_settings(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	struct generation *g = settings_take(s->from, s->generation, in);

	if (!g)
		return -EPROTO;
	struct worker_config wc = config_of(g);
	worker_reload(s->worker, &wc, g);
	generation_drop(s->generation);
	s->generation = g;
	warm(s);
	s->port.ask_status(s->port.ctx); /* the front must know how many jobs it takes now */
	return 0;
}

static int take_shutdown(void *ctx, struct link_in *in)
{
	struct side *s = ctx;

	(void)in;
	s->port.shutdown(s->port.ctx);
	return 0;
}

static const struct link_row keeper_rows[] = {
	{LINK_FRONT, take_front},
	{LINK_SETTINGS, take_settings},
	{LINK_SHUTDOWN, take_shutdown},
};

static void on_keeper_ended(void *ctx)
{
	ev_break(((struct side *)ctx)->loop, EVBREAK_ALL);
}

static struct link_handler keeper_handler = {keeper_rows, sizeof(keeper_rows) / sizeof(keeper_rows[0]), 0, on_keeper_ended, NULL};

/* --- life ---------------------------------------------------------------------------------------------------- */

static void on_frontless(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)t, (void)revents;
	log_write(LOG_ERROR, "no_front", "seconds=%.0f", FRONTLESS_S);
	ev_break(loop, EVBREAK_ALL);
}

static int start(struct side *s, const struct worker_side *o, struct err *e)
{
	struct worker_config wc = config_of(o->generation);
	int r;

	wc.cpu = o->cpu;
	wc.tracee_dir = o->tracee_dir;
	wc.layers = o->layers;
	guard_environment();
	r = guard_power(GUARD_WORKER, e);
	if (!r)
		r = worker_new(s->loop, &wc, &s->to_front, &s->worker, e);
	if (r)
		return r;
	s->port = worker_port(s->worker);
	worker_debugs(&s->port);
	front_handler.max_message = (o->generation->config->max_message_mib << 20) + LINK_SLACK;
	keeper_handler.max_message = SETTINGS_MAX;
	s->keeper = link_new(s->loop, o->keeper, &keeper_handler, s);
	if (!s->keeper)
		return err_set(e, ERR_HOST, "link", ENOMEM, NULL);
	ev_timer_init(&s->frontless, on_frontless, 0., FRONTLESS_S);
	ev_init(&s->change_front, on_change_front);
	s->frontless.data = s->change_front.data = s;
	s->next_front = -1;
	r = guard_filter(GUARD_WORKER, e);
	if (r)
		return r;
	warm(s);
	return 0;
}

int worker_side_run(const struct worker_side *o)
{
	static struct side s;
	struct err e = {0};
	char text[300], value[400];

	s.from = o->from;
	s.generation = o->generation;
	s.to_front = (struct port_front){
		.ctx = &s, .on_status = on_status, .on_started = on_started, .on_output = on_output, .on_event = on_event, .on_violation = on_violation, .on_result = on_result,
		.on_refused = on_refused};
	/* Not the default loop: that one reaps every child by itself, and exit statuses were lost (measured, libev 4.33).
	 * By signalfd, so that signals stay blocked: one that interrupts SECCOMP_IOCTL_NOTIF_ADDFD with SEND makes the restarted call
	 * fail with EINPROGRESS while the tracee's call returns 0, as if that were its descriptor (measured, Linux 6.18). */
	s.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_SIGNALFD);
	s.to_front.on_held = on_held;
	if (!s.loop)
		err_set(&e, ERR_HOST, "ev_loop_new", ENOMEM, "no event loop");
	if (!s.loop || start(&s, o, &e) < 0) {
		log_write(LOG_ERROR, "worker_failed", "error=%s", log_value(value, sizeof(value), err_str(&e, text, sizeof(text))));
		return 1;
	}
	ev_run(s.loop, 0);
	brought_done(&s.brought);
	worker_free(s.worker); /* everything of its jobs is gone before it is itself */
	return 0;
}
