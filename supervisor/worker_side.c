#include "worker_side.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brought.h"
#include "guard.h"
#include "log.h"
#include "message.h"
#include "telling.h"

#define JOBS_BEYOND      1024u      /* jobs of a front beyond the capacity: more is no front of ours */
#define FRONTLESS_S      30.0       /* without a front for so long: end, to be started anew */

struct side {
	struct ev_loop *loop;
	const struct settings_from *from;
	struct generation *generation; /* the newest; held */
	struct brought brought;
	struct telling telling; /* with the link to the front, the jobs and the worker itself */
	struct port_worker port;
	struct port_front to_front;
	struct link *keeper;
	int next_front;         /* the link's descriptor, when the present one is still to be let go; -1: none */
	ev_timer change_front;  /* never started, only fed */
	ev_timer frontless;
};

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

static int take_submit(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	const struct policy *policy = NULL;
	enum rpc_error code = RPC_ERROR_BAD_REQUEST;
	struct err e = {0};
	struct message m;
	struct held *h;
	struct job *j;

	if (message_take(in, &m) || held_find(&s->telling.held, m.job.key) || s->telling.held.n > CONFIG_POOL_MAX + JOBS_BEYOND || job_parse(m.map, &j, &e))
		return -EPROTO;
	struct port_job facts = m.job;

	facts.client = -1;
	h = held_new(&s->telling.held, facts.key, facts.uid, j->detach);
	/* from here on `in` is not looked at any more but for its descriptor: the keeper's messages come into the same buffer */
	if (!know_generation(s, m.generation))
		err_set(&e, ERR_REQUEST, "generation", 0, "is not known to the worker");
	if (facts.by_operator && !is_of_operator(s, in->fd)) {
		log_write(LOG_WARN, "no_operator", "uid=%u", facts.uid); /* or, since a reload, no longer one: the rules of others hold */
		facts.by_operator = false;
	}
	struct generation *g = m.generation > s->generation->number ? NULL :
			       brought_admit(&s->brought, s->generation, j, facts.by_operator, &policy, &code, &e);

	if (g) {
		held_note(h, &facts, j, policy);
		s->port.submit(s->port.ctx, &facts, j, g, policy);
		return 0;
	}
	telling_refused(&s->telling, facts.key, code, &e);
	job_free(j);
	return 0;
}

/* A job that could not even be sent: answered here, where it never was. */
static int take_unsent(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	char id[JOB_ID_MAX + 1] = "", words[100];
	struct message m;

	if (message_take(in, &m) || m.id.len >= sizeof(id))
		return -EPROTO;
	memcpy(id, m.id.p, m.id.len);
	snprintf(words, sizeof(words), "the job could not be sent to its worker: %s", err_name(m.error));
	telling_result(&s->telling, m.key, &(struct result){.id = id, .outcome = OUTCOME_ERROR, .error = words});
	return 0;
}

static void do_attach(const struct port_worker *p, const struct message *m)
{
	p->debug_attach(p->ctx, m->key, m->on);
}

static void do_decide(const struct port_worker *p, const struct message *m)
{
	p->debug_decide(p->ctx, m->key, m->call, m->decision, m->scope);
}

static void do_cancel(const struct port_worker *p, const struct message *m)
{
	p->cancel(p->ctx, m->key);
}

static void do_hold(const struct port_worker *p, const struct message *m)
{
	p->hold_output(p->ctx, m->key, m->on);
}

static void do_trace(const struct port_worker *p, const struct message *m)
{
	p->trace(p->ctx, m->key, m->mode);
}

static void do_watch(const struct port_worker *p, const struct message *m)
{
	p->watch(p->ctx, m->key);
}

/* One list makes both tables: who is taken to be of a job has somebody who does it. */
#define OF_A_JOB(X) \
	X(LINK_ATTACH, do_attach) X(LINK_DECIDE, do_decide) X(LINK_CANCEL, do_cancel) X(LINK_HOLD, do_hold) X(LINK_TRACE, do_trace) X(LINK_WATCH, do_watch)
#define DOES(word, fn) [word] = fn,
#define TAKES(word, fn) {word, take_of_job},

static void (*const of_job[LINK_COUNT])(const struct port_worker *p, const struct message *m) = {OF_A_JOB(DOES)};

/* Words about one job: nothing happens when the front that says them did not give it, or was not told of it. */
static int take_of_job(void *ctx, struct link_in *in)
{
	struct side *s = ctx;
	struct message m;

	if (message_take(in, &m))
		return -EPROTO;
	if (telling_is_heard(&s->telling, m.key))
		of_job[in->word](&s->port, &m);
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
	OF_A_JOB(TAKES)
	{LINK_SUBMIT, take_submit},
	{LINK_UNSENT, take_unsent},
	{LINK_ASK_STATUS, take_ask_status},
};

/* Its clients have lost their connections: what is not detached ends. Detached jobs go on, and nobody holds their output. */
static void let_go(struct side *s)
{
	struct held *h;
	bool found = true;

	LIST_FOREACH(h, &s->telling.held.jobs, link) {
		h->orphan = true;
		h->heard = false;
	}
	while (found) { /* a cancel may answer, and with it change the list */
		found = false;
		LIST_FOREACH(h, &s->telling.held.jobs, link) {
			if (h->detach)
				continue;
			h->detach = true; /* asked once */
			found = true;
			s->port.cancel(s->port.ctx, h->key);
			break;
		}
	}
	LIST_FOREACH(h, &s->telling.held.jobs, link)
		s->port.debug_attach(s->port.ctx, h->key, false);
	LIST_FOREACH(h, &s->telling.held.jobs, link) {
		s->port.hold_output(s->port.ctx, h->key, false);
		s->port.trace(s->port.ctx, h->key, TRACE_OFF);
	}
	telling_resume(&s->telling);
}

static void on_front_ended(void *ctx)
{
	struct side *s = ctx;

	link_free(s->telling.front);
	s->telling.front = NULL;
	let_go(s);
	ev_timer_again(s->loop, &s->frontless);
}

static void on_drained(void *ctx)
{
	telling_resume(&((struct side *)ctx)->telling);
}

static struct link_handler front_handler = {front_rows, sizeof(front_rows) / sizeof(front_rows[0]), 0, on_front_ended, on_drained};

/* --- keeper → worker ----------------------------------------------------------------------------------------- */

static void tell_running(struct side *s, struct held *h)
{
	h->heard = true;
	message_send(s->telling.front, LINK_RUNNING, &(struct message){.running = held_running(h)});
}

/* Those that are being cancelled have no facts that are worth telling. */
static void tell_detached(struct side *s)
{
	struct held *h;

	LIST_FOREACH(h, &s->telling.held.jobs, link)
		if (h->facts.id)
			tell_running(s, h);
}

static void on_change_front(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct side *s = t->data;

	(void)revents;
	if (s->next_front < 0)
		return;
	if (s->telling.front)
		on_front_ended(s);
	s->telling.front = link_new(loop, s->next_front, &front_handler, s);
	s->next_front = -1;
	ev_timer_stop(loop, &s->frontless);
	if (!s->telling.front)
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
			worker_warm(s->telling.worker, s->generation, p);
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
	worker_reload(s->telling.worker, &wc, g);
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
		r = worker_new(s->loop, &wc, &s->to_front, &s->telling.worker, e);
	if (r)
		return r;
	s->port = worker_port(s->telling.worker);
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
	s.to_front = telling_port(&s.telling);
	/* Not the default loop: that one reaps every child by itself, and exit statuses were lost (measured, libev 4.33).
	 * By signalfd, so that signals stay blocked: one that interrupts SECCOMP_IOCTL_NOTIF_ADDFD with SEND makes the restarted call
	 * fail with EINPROGRESS while the tracee's call returns 0, as if that were its descriptor (measured, Linux 6.18). */
	s.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_SIGNALFD);
	if (!s.loop)
		err_set(&e, ERR_HOST, "ev_loop_new", ENOMEM, "no event loop");
	if (!s.loop || start(&s, o, &e) < 0) {
		log_write(LOG_ERROR, "worker_failed", "error=%s", log_value(value, sizeof(value), err_str(&e, text, sizeof(text))));
		return 1;
	}
	ev_run(s.loop, 0);
	brought_done(&s.brought);
	worker_free(s.telling.worker); /* everything of its jobs is gone before it is itself */
	return 0;
}
