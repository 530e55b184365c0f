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
#include "log.h"
#include "message.h"

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

/* What is said to a worker that has gone is lost: worker_gone answers for it. */
static void tell(struct back *b, enum link_word word, const struct message *m)
{
	if (b->link)
		message_send(b->link, word, m);
}

/* The worker answers for a job that it cannot be sent: so the front need not be told while it submits. */
static void submit(void *ctx, const struct port_job *facts, struct job *job, struct generation *g, const struct policy *policy)
{
	struct back *b = ctx;
	msgpack_sbuffer sb;
	msgpack_packer pk;
	int r;

	(void)policy; /* the job names it, or has its language's */
	if (b->link) {
		message_begin(&sb, &pk, LINK_SUBMIT, &(struct message){.job = *facts, .generation = g->number});
		job_pack(job, &pk);
		r = link_send(b->link, &sb, facts->by_operator ? facts->client : -1);
		if (r < 0)
			tell(b, LINK_UNSENT, &(struct message){.key = facts->key, .id.p = job->id, .error = -r});
	}
	job_free(job);
}

static void debug_attach(void *ctx, uint64_t key, bool on)
{
	tell(ctx, LINK_ATTACH, &(struct message){.key = key, .on = on});
}

static void debug_decide(void *ctx, uint64_t key, uint64_t call, enum decision decision, enum scope scope)
{
	tell(ctx, LINK_DECIDE, &(struct message){.key = key, .call = call, .decision = decision, .scope = scope});
}

static void cancel(void *ctx, uint64_t key)
{
	tell(ctx, LINK_CANCEL, &(struct message){.key = key});
}

static void watch(void *ctx, uint64_t key)
{
	tell(ctx, LINK_WATCH, &(struct message){.key = key});
}

static void hold_output(void *ctx, uint64_t key, bool hold)
{
	tell(ctx, LINK_HOLD, &(struct message){.key = key, .on = hold});
}

static void trace(void *ctx, uint64_t key, enum trace mode)
{
	tell(ctx, LINK_TRACE, &(struct message){.key = key, .mode = mode});
}

static void ask_status(void *ctx)
{
	tell(ctx, LINK_ASK_STATUS, NULL);
}

/* --- front → keeper ------------------------------------------------------------------------------------------- */

static void install(void *ctx, enum installer_command command, enum language language, int out)
{
	struct side *s = ctx;
	msgpack_sbuffer b;
	msgpack_packer pk;

	message_begin(&b, &pk, LINK_INSTALL, &(struct message){.command = command, .language = language});
	link_send(s->keeper, &b, out);
}

/* --- worker → front ------------------------------------------------------------------------------------------ */

static int take_status(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	struct message m;

	if (message_take(in, &m))
		return -EPROTO;
	if (!b->up || b->capacity != m.status.capacity)
		front_worker_up(b->side->front, b->index, &b->port, m.status.capacity);
	if (!b->up)
		message_send(b->side->keeper, LINK_SERVING, NULL);
	b->up = true;
	b->capacity = m.status.capacity;
	b->front.on_status(b->front.ctx, &m.status);
	return 0;
}

static void do_started(struct back *b, const struct message *m)
{
	b->front.on_started(b->front.ctx, m->key, m->pid);
}

static void do_output(struct back *b, const struct message *m)
{
	b->front.on_output(b->front.ctx, m->key, m->is_stderr, m->data);
}

static void do_event(struct back *b, const struct message *m)
{
	b->front.on_event(b->front.ctx, m->key, m->packed);
}

static void do_violation(struct back *b, const struct message *m)
{
	b->front.on_violation(b->front.ctx, m->key, m->packed);
}

/* The result is in the message as the client gets it: its bytes are passed on, not unpacked and packed again. */
static void do_result(struct back *b, const struct message *m)
{
	front_result(b->side->front, b->index, m->key, m->packed);
}

static void do_refused(struct back *b, const struct message *m)
{
	struct err e;

	err_set(&e, ERR_REQUEST, "", 0, "%.*s", (int)(m->why.len < sizeof(e.text) ? m->why.len : sizeof(e.text)), m->why.p);
	b->front.on_refused(b->front.ctx, m->key, m->code, &e);
}

static void do_held(struct back *b, const struct message *m)
{
	front_held(b->side->front, b->index, m->key, m->call, m->map, m->problem);
}

/* Words about one job, of which the front finds out by itself whether it knows it. One list makes both tables. */
#define OF_A_JOB(X) \
	X(LINK_HELD, do_held) X(LINK_STARTED, do_started) X(LINK_OUTPUT, do_output) X(LINK_EVENT, do_event) X(LINK_VIOLATION, do_violation) \
	X(LINK_RESULT, do_result) X(LINK_REFUSED, do_refused)
#define DOES(word, fn) [word] = fn,
#define TAKES(word, fn) {word, take_of_job},

static void (*const of_job[LINK_COUNT])(struct back *b, const struct message *m) = {OF_A_JOB(DOES)};

static int take_of_job(void *ctx, struct link_in *in)
{
	struct message m;

	if (message_take(in, &m))
		return -EPROTO;
	of_job[in->word](ctx, &m);
	return 0;
}

static int take_running(void *ctx, struct link_in *in)
{
	struct back *b = ctx;
	struct message m;

	return b->up && message_take(in, &m) == 0 && front_adopt_job(b->side->front, b->index, &m.running) >= 0 ? 0 : -EPROTO;
}

static const struct link_row worker_rows[] = {
	OF_A_JOB(TAKES)
	{LINK_STATUS, take_status},
	{LINK_RUNNING, take_running},
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
	struct message m;

	if (message_take(in, &m) || in->fd < 0)
		return -EPROTO;
	struct back *b = &s->backs[m.index];

	worker_gone(b, "its worker was replaced");
	b->side = s;
	b->index = m.index;
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
	struct message m;
	char words[128];

	if (message_take(in, &m))
		return -EPROTO;
	snprintf(words, sizeof(words), "%.*s", (int)(m.why.len < 100 ? m.why.len : 100), m.why.p);
	worker_gone(&s->backs[m.index], words);
	return 0;
}

static void on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct side *s = t->data;

	(void)revents;
	if (!front_idle(s->front))
		return;
	ev_timer_stop(loop, t);
	message_send(s->keeper, LINK_IDLE, NULL);
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
	message_send(((struct side *)arg)->keeper, LINK_CLIENT_GONE, NULL);
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
