#include "front.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gate.h"
#include "inside.h"

#define ACCEPTS_A_TURN 16  /* then those who are connected have their turn */
#define GATE_REST_S    0.2 /* no descriptor left: others have to close some first */

double front_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool has_uid(const uid_t *v, size_t n, uid_t uid)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == uid)
			return true;
	return false;
}

bool front_is_operator(const struct front *f, uid_t uid)
{
	return has_uid(f->operators, f->n_operators, uid);
}

bool front_may_install(const struct front *f, uid_t uid)
{
	return front_is_operator(f, uid) || has_uid(f->installers, f->n_installers, uid);
}

/* --- connections --------------------------------------------------------------------------------------------- */

static void on_message(void *ctx, struct session *s, const struct rpc_message *m)
{
	methods_dispatch(ctx, s, m);
}

static void on_drained(void *ctx, struct session *s)
{
	runs_release(ctx, s);
	events_release(ctx, s);
}

/* Feeding a watcher that is not started calls it once, after the callback that we are in: nothing is freed under it. */
static void on_ended(void *ctx, struct session *s)
{
	struct front *f = ctx;
	struct peer *c = session_owner(s);

	if (c && !c->ended) {
		c->ended = true;
		STAILQ_INSERT_TAIL(&f->ended, c, ended_link);
	}
	ev_feed_event(f->loop, &f->sweep, EV_CUSTOM);
}

static const struct session_handler session_handler = {on_message, on_drained, on_ended};

/* The share of this uid, one connection more in it; NULL: it has too many, or no memory. */
static struct share *join_share(struct front *f, uid_t uid)
{
	struct share *h = LIST_FIRST(&f->shares);

	while (h && h->uid != uid)
		h = LIST_NEXT(h, link);
	if (h && h->n >= f->max_peers / FRONT_SHARE) {
		if (!h->refused)
			log_write(LOG_WARN, "client_refused", "uid=%u why=\"has %u connections, more than its share\"", uid, h->n);
		h->refused = true;
		return NULL;
	}
	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h)
			return NULL;
		h->uid = uid;
		LIST_INSERT_HEAD(&f->shares, h, link);
	}
	h->n++;
	return h;
}

static void leave_share(struct share *h)
{
	if (!h)
		return;
	h->refused = false;
	if (--h->n > 0)
		return;
	LIST_REMOVE(h, link);
	free(h);
}

static int add_peer(struct front *f, int fd, void (*on_closed)(void *), void *arg)
{
	struct peer *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->session = session_new(&f->shared, fd);
	if (!c->session) {
		int ret = -errno;

		free(c);
		return ret;
	}
	c->share = join_share(f, session_uid(c->session));
	if (!c->share) {
		session_free(c->session);
		free(c);
		return -EUSERS;
	}
	session_set_owner(c->session, c);
	c->on_closed = on_closed;
	c->arg = arg;
	LIST_INSERT_HEAD(&f->peers, c, link);
	f->n_peers++;
	f->totals.connections++;
	return 0;
}

static void remove_peer(struct front *f, struct peer *c)
{
	LIST_REMOVE(c, link);
	if (c->ended)
		STAILQ_REMOVE(&f->ended, c, peer, ended_link);
	leave_share(c->share);
	f->n_peers--;
	session_free(c->session);
	free(c);
}

int front_adopt(struct front *f, int fd, void (*on_closed)(void *), void *arg)
{
	return add_peer(f, fd, on_closed, arg);
}

static void update_gate(struct front *f)
{
	bool want = f->gate >= 0 && f->n_peers < f->max_peers && !ev_is_active(&f->gate_rest);

	if (want)
		ev_io_start(f->loop, &f->on_connection);
	else
		ev_io_stop(f->loop, &f->on_connection);
}

/* Ends the waiting of those who hung up: their jobs first, then, unless they linger, they themselves. */
static void on_sweep(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct front *f = w->data;
	struct peer *c, *next;

	(void)loop, (void)revents;
	for (c = STAILQ_FIRST(&f->ended); c; c = next) {
		void (*on_closed)(void *) = c->on_closed;
		void *arg = c->arg;

		next = STAILQ_NEXT(c, ended_link);
		if (!c->told) {
			c->told = true;
			runs_let_go(f, c->session);
			workers_let_go(f, c->session);
			installs_let_go(f, c->session);
			events_let_go(f, c->session);
		}
		if (!session_dead(c->session))
			continue; /* it lingers, and ends once more */
		remove_peer(f, c);
		if (on_closed)
			on_closed(arg);
	}
	update_gate(f);
}

static void on_gate_rest(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	ev_timer_stop(loop, w);
	update_gate(w->data);
}

/* A connection that cannot be accepted stays readable for ever: look away for a while instead of spinning. */
static void rest(struct front *f, int num)
{
	log_write(LOG_WARN, "accept_failed", "error=%s", err_name(num));
	ev_timer_again(f->loop, &f->gate_rest);
}

static void on_connection(struct ev_loop *loop, ev_io *w, int revents)
{
	struct front *f = w->data;

	(void)loop, (void)revents;
	for (int i = 0; i < ACCEPTS_A_TURN && f->n_peers < f->max_peers; i++) {
		int fd = gate_accept(f->gate), ret;

		if (fd == -EAGAIN)
			break;
		if (fd < 0) {
			rest(f, -fd);
			break;
		}
		ret = add_peer(f, fd, NULL, NULL);
		if (ret < 0 && ret != -EUSERS)
			log_write(LOG_WARN, "client_refused", "error=%s", err_name(-ret));
	}
	update_gate(f);
}

/* --- life ---------------------------------------------------------------------------------------------------- */

static uid_t *copy_uids(const uid_t *from, size_t n)
{
	uid_t *v = calloc(n + 1, sizeof(*v));

	if (v && n)
		memcpy(v, from, n * sizeof(*v));
	return v;
}

/* The lists that it has are replaced, or, without memory, stay: they are no more than they were. */
static int copy_users(struct front *f, const struct front_config *c)
{
	const uid_t by_default[] = {geteuid(), 0};
	size_t n = c->operators ? c->n_operators : 2;
	uid_t *operators = copy_uids(c->operators ? c->operators : by_default, n), *installers = copy_uids(c->installers, c->n_installers);

	if (!operators || !installers) {
		free(operators);
		free(installers);
		return -ENOMEM;
	}
	free(f->operators);
	free(f->installers);
	f->operators = operators;
	f->n_operators = n;
	f->installers = installers;
	f->n_installers = c->n_installers;
	return 0;
}

static unsigned queue_length(const struct front_config *c)
{
	return c->queue_length ? c->queue_length : FRONT_QUEUE_DEFAULT;
}

void front_reload(struct front *f, const struct front_config *c, struct generation *g)
{
	copy_users(f, c);
	f->queue.max = queue_length(c);
	f->queue.per_tenant = c->per_tenant ? c->per_tenant : f->queue.max;
	generation_hold(g);
	generation_drop(f->generation);
	f->generation = g;
}

static void init_watchers(struct front *f)
{
	ev_init(&f->sweep, on_sweep);
	ev_timer_init(&f->gate_rest, on_gate_rest, 0., GATE_REST_S);
	ev_io_init(&f->on_connection, on_connection, -1, EV_READ);
	f->sweep.data = f->gate_rest.data = f->on_connection.data = f;
}

static unsigned count_descriptors(void)
{
	struct rlimit r;
	unsigned n = FRONT_SESSIONS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < n + FRONT_OWN_FDS)
		n = r.rlim_cur > 2 * FRONT_OWN_FDS ? (unsigned)r.rlim_cur - FRONT_OWN_FDS : FRONT_OWN_FDS / 2;
	return n;
}

int front_new(struct ev_loop *loop, const struct front_config *c, struct generation *g, struct front **out, struct err *e)
{
	struct front *f = calloc(1, sizeof(*f));
	unsigned length = queue_length(c);

	if (!f) {
		if (c->gate >= 0)
			close(c->gate);
		return err_set(e, ERR_HOST, "front", ENOMEM, NULL);
	}
	f->loop = loop;
	f->generation = generation_hold(g);
	f->gate = c->gate;
	f->layers = c->layers;
	f->install = c->install;
	f->install_ctx = c->install_ctx;
	f->next_key = c->first_key ? c->first_key : 1;
	f->born_ms = front_now_ms();
	f->max_peers = count_descriptors();
	f->max_message = c->max_message ? c->max_message : RPC_MESSAGE_MAX_DEFAULT;
	f->shared = (struct session_shared){.loop = loop,
					    .handler = &session_handler,
					    .ctx = f,
					    .max_message = f->max_message,
					    .max_input = FRONT_INPUT_MESSAGES * f->max_message};
	STAILQ_INIT(&f->ended);
	queue_init(&f->queue, length, c->per_tenant ? c->per_tenant : length);
	init_watchers(f);
	workers_init(f);
	if (!f->workers || copy_users(f, c) < 0) {
		front_free(f);
		return err_set(e, ERR_HOST, "front", ENOMEM, NULL);
	}
	if (f->gate >= 0)
		ev_io_set(&f->on_connection, f->gate, EV_READ);
	update_gate(f);
	*out = f;
	return 0;
}

static void shut_gate(struct front *f)
{
	ev_io_stop(f->loop, &f->on_connection);
	ev_timer_stop(f->loop, &f->gate_rest);
	if (f->gate >= 0)
		close(f->gate);
	f->gate = -1;
}

void front_drain(struct front *f)
{
	f->draining = true;
	shut_gate(f);
	installs_end(f);
	runs_refuse_waiting(f);
}

bool front_idle(const struct front *f)
{
	struct peer *c;

	if (!LIST_EMPTY(&f->waiting) || !LIST_EMPTY(&f->submitted))
		return false;
	for (c = LIST_FIRST(&f->peers); c; c = LIST_NEXT(c, link))
		if (session_backlog(c->session) > 0)
			return false;
	return true;
}

void front_free(struct front *f)
{
	struct peer *c;

	if (!f)
		return;
	shut_gate(f);
	ev_clear_pending(f->loop, &f->sweep);
	installs_free(f);
	events_free(f);
	while ((c = LIST_FIRST(&f->peers)))
		remove_peer(f, c);
	runs_free(f);
	queue_done(&f->queue);
	workers_free(f);
	generation_drop(f->generation);
	free(f->operators);
	free(f->installers);
	free(f);
}
