#include "front_side.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "front.h"
#include "guard.h"
#include "installer.h"
#include "link.h"
#include "log.h"

#define LOOK_S 0.01 /* how often it is seen whether a draining front is idle */

struct back { /* one worker, seen from here */
	struct side *side;
	unsigned index;
	struct link *link; /* NULL: none */
	struct port_worker port;
	struct port_front front;
	bool up; /* it has told its capacity */
	unsigned capacity;
};

struct side {
	struct ev_loop *loop;
	struct front *front;
	struct link *keeper;
	const struct settings_from *from;
	struct generation *generation; /* held */
	struct back backs[FRONT_WORKERS_MAX];
	ev_timer look;
};

/* --- front → worker ------------------------------------------------------------------------------------------ */

static void send_key(struct back *b, enum link_word word, uint64_t key)
{
	msgpack_sbuffer sb;
	msgpack_packer pk;

	if (!b->link)
		return;
	link_begin(&sb, &pk, word, 1);
	link_pack_uint(&pk, "key", key);
	link_send(b->link, &sb, -1);
}

/* The worker answers for a job that it cannot be sent: so the front need not be told while it submits. */
static void send_unsent(struct back *b, uint64_t key, const struct job *job, int error)
{
	msgpack_sbuffer sb;
	msgpack_packer pk;

	link_begin(&sb, &pk, LINK_UNSENT, 3);
	link_pack_uint(&pk, "key", key);
	link_pack_text(&pk, "id", job->id ? job->id : "");
	link_pack_uint(&pk, "errno", (uint64_t)-error);
	link_send(b->link, &sb, -1);
}

static void submit(void *ctx, const struct port_job *facts, struct job *job, struct generation *g, const struct policy *policy)
{
	struct back *b = ctx;
	msgpack_sbuffer sb;
	msgpack_packer pk;
	int r;

	(void)policy; /* the job names it, or has its language's */
	if (b->link) {
		link_begin(&sb, &pk, LINK_SUBMIT, 7);
		link_pack_uint(&pk, "key", facts->key);
		link_pack_double(&pk, "queue_ms", facts->queue_ms);
		link_pack_uint(&pk, "uid", facts->uid);
		link_pack_bool(&pk, "operator", facts->by_operator);
		link_pack_bool(&pk, "watched", facts->watched);
		link_pack_uint(&pk, "generation", g->number);
		rpc_pack_cstr(&pk, "job");
		job_pack(job, &pk);
		r = link_send(b->link, &sb, facts->by_operator ? facts->client : -1);
		if (r < 0)
			send_unsent(b, facts->key, job, r);
	}
	job_free(job);
}

static void debug_attach(void *ctx, uint64_t key, bool on)
{
	struct back *b = ctx;
	msgpack_sbuffer sb;
	msgpack_packer pk;

	if (!b->link)
		return;
	link_begin(&sb, &pk, LINK_ATTACH, 2);
	link_pack_uint(&pk, "key", key);
	link_pack_bool(&pk, "on", on);
	link_send(b->link, &sb, -1);
}

static void debug_decide(void *ctx, uint64_t key, uint64_t call, enum decision decision, enum scope scope)
{
	struct back *b = ctx;
	msgpack_sbuffer sb;
	msgpack_packer pk;

	if (!b->link)
		return;
	link_begin(&sb, &pk, LINK_DECIDE, 4);
	link_pack_uint(&pk, "key", key);
	link_pack_uint(&pk, "call", call);
	link_pack_uint(&pk, "decision", decision);
	link_pack_uint(&pk, "scope", scope);
	link_send(b->link, &sb, -1);
}

static void cancel(void *ctx, uint64_t key)
{
	send_key(ctx, LINK_CANCEL, key);
}

static void watch(void *ctx, uint64_t key)
{
	send_key(ctx, LINK_WATCH, key);
}

static void hold_output(void *ctx, uint64_t key, bool hold)
{
	struct back *b = ctx;
	msgpack_sbuffer sb;
	msgpack_packer pk;

	if (!b->link)
		return;
	link_begin(&sb, &pk, LINK_HOLD, 2);
	link_pack_uint(&pk, "key", key);
	link_pack_bool(&pk, "on", hold);
	link_send(b->link, &sb, -1);
}

static void trace(void *ctx, uint64_t key, enum trace mode)
{
	struct back *b = ctx;
	msgpack_sbuffer sb;
	msgpack_packer pk;

	if (!b->link)
		return;
	link_begin(&sb, &pk, LINK_TRACE, 2);
	link_pack_uint(&pk, "key", key);
	link_pack_uint(&pk, "mode", mode);
	link_send(b->link, &sb, -1);
}

static void ask_status(void *ctx)
{
	struct back *b = ctx;
	msgpack_sbuffer sb;
	msgpack_packer pk;

	if (!b->link)
		return;
	link_begin(&sb, &pk, LINK_ASK_STATUS, 0);
	link_send(b->link, &sb, -1);
}

/* --- front → keeper ------------------------------------------------------------------------------------------- */

static void tell_keeper(struct side *s, enum link_word word)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	link_begin(&b, &pk, word, 0);
	link_send(s->keeper, &b, -1);
}

static void install(void *ctx, enum installer_command command, enum language language, int out)
{
	struct side *s = ctx;
	msgpack_sbuffer b;
	msgpack_packer pk;

	link_begin(&b, &pk, LINK_INSTALL, 2);
	link_pack_uint(&pk, "command", command);
	link_pack_uint(&pk, "language", language);
	link_send(s->keeper, &b, out);
}

/* --- worker → front ------------------------------------------------------------------------------------------ */

static int take_status(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	const msgpack_object *map = in->m.params;
	uint64_t zygotes, waiting, running, capacity;
	struct port_status st = {0};

	if (!link_uint(map, "zygotes", UINT32_MAX, &zygotes) || !link_uint(map, "waiting", UINT32_MAX, &waiting) ||
	    !link_uint(map, "running", UINT32_MAX, &running) || !link_uint(map, "capacity", CONFIG_POOL_MAX, &capacity) ||
	    !link_uint(map, "jobs_done", UINT64_MAX, &st.jobs_done) || !link_uint(map, "births", UINT64_MAX, &st.births) ||
	    !link_uint(map, "birth_failures", UINT64_MAX, &st.birth_failures) ||
	    !link_uint(map, "zygote_starts", UINT64_MAX, &st.zygote_starts))
		return -EPROTO;
	st.zygotes = (unsigned)zygotes;
	st.waiting = (unsigned)waiting;
	st.running = (unsigned)running;
	st.capacity = (unsigned)capacity;
	if (!b->up || b->capacity != st.capacity)
		front_worker_up(b->side->front, b->index, &b->port, st.capacity);
	if (!b->up)
		tell_keeper(b->side, LINK_SERVING);
	b->up = true;
	b->capacity = st.capacity;
	b->front.on_status(b->front.ctx, &st);
	return 0;
}

static int take_started(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	uint64_t key, pid;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_uint(in->m.params, "pid", INT32_MAX, &pid))
		return -EPROTO;
	b->front.on_started(b->front.ctx, key, (int)pid);
	return 0;
}

static int take_output(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	struct bytes data;
	uint64_t key;
	bool is_stderr;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_bool(in->m.params, "stderr", &is_stderr) ||
	    !link_bytes(in->m.params, "data", &data))
		return -EPROTO;
	b->front.on_output(b->front.ctx, key, is_stderr, data);
	return 0;
}

static int take_event(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	struct bytes packed;
	uint64_t key;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_last(in, "packed", &packed))
		return -EPROTO;
	b->front.on_event(b->front.ctx, key, packed);
	return 0;
}

static int take_violation(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	struct bytes packed;
	uint64_t key;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_last(in, "packed", &packed))
		return -EPROTO;
	b->front.on_violation(b->front.ctx, key, packed);
	return 0;
}

/* The result is in the message as the client gets it: its bytes are passed on, not unpacked and packed again. */
static int take_result(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	struct bytes packed;
	uint64_t key;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_last(in, "packed", &packed))
		return -EPROTO;
	front_result(b->side->front, b->index, key, packed);
	return 0;
}

static int take_refused(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	struct err e;
	struct bytes why;
	uint64_t key, code;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_uint(in->m.params, "code", RPC_ERROR_COUNT - 1, &code) ||
	    !link_bytes(in->m.params, "why", &why))
		return -EPROTO;
	err_set(&e, ERR_REQUEST, "", 0, "%.*s", (int)(why.len < sizeof(e.text) ? why.len : sizeof(e.text)), why.p);
	b->front.on_refused(b->front.ctx, key, (enum rpc_error)code, &e);
	return 0;
}

static int take_running(void *ctx, struct link_in *in)
{
	const msgpack_object *map = in->m.params;
	struct port_running j = {0};
	uint64_t uid, language, pid;
	struct back *b = ctx;

	if (!b->up || !link_uint(map, "key", UINT64_MAX, &j.key) || !link_uint(map, "uid", UINT32_MAX, &uid) ||
	    !link_uint(map, "language", LANGUAGE_COUNT - 1, &language) || !link_uint(map, "pid", INT32_MAX, &pid) ||
	    !link_bool(map, "debug", &j.debug) || !link_double(map, "started_unix_ms", &j.started_unix_ms) ||
	    !link_double(map, "queue_ms", &j.queue_ms) || !link_double(map, "age_ms", &j.age_ms) || !link_bytes(map, "job", &j.id) ||
	    !link_bytes(map, "policy", &j.policy))
		return -EPROTO;
	j.uid = (uid_t)uid;
	j.language = (enum language)language;
	j.tracee_pid = (int)pid;
	return front_adopt_job(b->side->front, b->index, &j) < 0 ? -EPROTO : 0;
}

static int take_held(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	const msgpack_object *v = link_map(in->m.params, "violation");
	struct bytes problem;
	uint64_t key, call;

	if (!link_uint(in->m.params, "key", UINT64_MAX, &key) || !link_uint(in->m.params, "call", UINT64_MAX, &call) ||
	    !link_bytes(in->m.params, "problem", &problem) || !v)
		return -EPROTO;
	front_held(b->side->front, b->index, key, call, v, problem);
	return 0;
}

static const struct link_row worker_rows[] = {
	{LINK_HELD, take_held},
	{LINK_STATUS, take_status},
	{LINK_STARTED, take_started},
	{LINK_RUNNING, take_running},
	{LINK_OUTPUT, take_output},
	{LINK_EVENT, take_event},
	{LINK_VIOLATION, take_violation},
	{LINK_RESULT, take_result},
	{LINK_REFUSED, take_refused},
};

/* No jobs for it any more; what becomes of those it has is said when the keeper knows how it died. */
static void on_worker_ended(void *ctx)
{
	struct back *b = ctx;

	link_free(b->link);
	b->link = NULL;
	if (b->up)
		front_worker_up(b->side->front, b->index, &b->port, 0);
}

static struct link_handler worker_handler = {worker_rows, sizeof(worker_rows) / sizeof(worker_rows[0]), 0, on_worker_ended, NULL};

/* --- keeper → front ------------------------------------------------------------------------------------------ */

static void worker_gone(struct back *b, const char *why)
{
	if (b->link)
		link_finish(b->link); /* what it had still said */
	link_free(b->link);
	b->link = NULL;
	if (b->up)
		front_worker_down(b->side->front, b->index, why);
	b->up = false;
}

static int take_worker(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	uint64_t index;

	if (!link_uint(in->m.params, "index", FRONT_WORKERS_MAX - 1, &index) || in->fd < 0)
		return -EPROTO;
	struct back *b = &s->backs[index];

	worker_gone(b, "its worker was replaced");
	b->side = s;
	b->index = (unsigned)index;
	b->port = (struct port_worker){
		.ctx = b, .submit = submit, .cancel = cancel, .hold_output = hold_output, .trace = trace, .watch = watch, .ask_status = ask_status};
	b->front = front_port(s->front, b->index);
	b->port.debug_attach = debug_attach;
	b->port.debug_decide = debug_decide;
	b->link = link_new(s->loop, in->fd, &worker_handler, b);
	in->fd = -1;
	return 0;
}

static int take_worker_gone(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	struct bytes why;
	char words[128];
	uint64_t index;

	if (!link_uint(in->m.params, "index", FRONT_WORKERS_MAX - 1, &index) || !link_bytes(in->m.params, "why", &why))
		return -EPROTO;
	snprintf(words, sizeof(words), "%.*s", (int)(why.len < 100 ? why.len : 100), why.p);
	worker_gone(&s->backs[index], words);
	return 0;
}

static void on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct side *s = t->data;

	(void)revents;
	if (!front_idle(s->front))
		return;
	ev_timer_stop(loop, t);
	tell_keeper(s, LINK_IDLE);
}

static int take_drain(void *ctx, struct link_in *in)
{
	struct side *s = ctx;

	(void)in;
	front_drain(s->front);
	ev_timer_start(s->loop, &s->look);
	ev_feed_event(s->loop, &s->look, EV_TIMER);
	return 0;
}

static struct front_config config_of(const struct generation *g)
{
	const struct config *c = g->config;

	return (struct front_config){
		.gate = -1,
		.max_message = c->max_message_mib << 20,
		.queue_length = c->queue_length,
		.per_tenant = c->queue_per_tenant,
		.operators = c->operators,
		.n_operators = c->n_operators,
		.installers = c->installers,
		.n_installers = c->n_installers,
	};
}

static int take_settings(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	struct generation *g = settings_take(s->from, s->generation, in);

	if (!g)
		return -EPROTO;
	struct front_config fc = config_of(g);
	front_reload(s->front, &fc, g);
	generation_drop(s->generation);
	s->generation = g;
	return 0;
}

static const struct link_row keeper_rows[] = {
	{LINK_SETTINGS, take_settings},
	{LINK_WORKER, take_worker},
	{LINK_WORKER_GONE, take_worker_gone},
	{LINK_DRAIN, take_drain},
};

static void on_keeper_ended(void *ctx)
{
	ev_break(((struct side *)ctx)->loop, EVBREAK_ALL);
}

static struct link_handler keeper_handler = {keeper_rows, sizeof(keeper_rows) / sizeof(keeper_rows[0]), 0, on_keeper_ended, NULL};

static void on_client_gone(void *arg)
{
	tell_keeper(arg, LINK_CLIENT_GONE);
}

/* --- life ---------------------------------------------------------------------------------------------------- */

/* From here on nothing that a client's bytes could do to this process has root's power. Without the power to change (plain containers may
 * take it away) it stays who it is. */
static int lay_power_down(struct err *e)
{
	if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(FRONT_UID, FRONT_UID, FRONT_UID) ||
			       setresuid(FRONT_UID, FRONT_UID, FRONT_UID))) {
		if (geteuid() != 0)
			return err_set(e, ERR_HOST, "setresuid", errno, "of the front");
		log_write(LOG_WARN, "front_keeps_uid", "error=%s", err_name(errno));
	}
	guard_environment();
	int r = guard_power(GUARD_FRONT, e);

	if (r)
		return r;
	/* a change of identity clears the death signal */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) ? err_set(e, ERR_HOST, "prctl(PR_SET_PDEATHSIG)", errno, "of the front") : 0;
}

static int start(struct side *s, const struct front_side *o, struct err *e)
{
	struct front_config fc = config_of(o->generation);
	int r;

	s->from = o->from;
	s->generation = o->generation;
	fc.gate = o->gate;
	fc.layers = o->layers->on;
	fc.first_key = o->first_key;
	fc.install = install;
	fc.install_ctx = s;
	r = front_new(s->loop, &fc, o->generation, &s->front, e);

	if (r)
		return r;
	worker_handler.max_message = fc.max_message + LINK_SLACK;
	keeper_handler.max_message = SETTINGS_MAX;
	s->keeper = link_new(s->loop, o->keeper, &keeper_handler, s);
	if (!s->keeper)
		return err_set(e, ERR_HOST, "link", ENOMEM, NULL);
	ev_timer_init(&s->look, on_look, 0., LOOK_S);
	s->look.data = s;
	r = o->serve_fd < 0 ? 0 : front_adopt(s->front, o->serve_fd, on_client_gone, s);
	if (r < 0)
		return err_set(e, ERR_HOST, "serve-fd", -r, "cannot be served");
	return guard_filter(GUARD_FRONT, e);
}

int front_side_run(const struct front_side *o)
{
	static struct side s;
	struct err e = {0};
	char text[300], value[400];
	int r = lay_power_down(&e);

	s.loop = ev_loop_new(EVFLAG_AUTO);
	if (r == 0)
		r = s.loop ? start(&s, o, &e) : err_set(&e, ERR_HOST, "ev_loop_new", ENOMEM, "no event loop");
	if (r < 0) {
		log_write(LOG_ERROR, "front_failed", "error=%s", log_value(value, sizeof(value), err_str(&e, text, sizeof(text))));
		return 1;
	}
	ev_run(s.loop, 0);
	for (unsigned i = 0; i < FRONT_WORKERS_MAX; i++)
		link_free(s.backs[i].link);
	link_free(s.keeper);
	front_free(s.front);
	generation_drop(s.generation);
	ev_loop_destroy(s.loop);
	return 0;
}
