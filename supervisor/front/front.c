#include "front.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gate.h"
#include "inside.h"

#define ACCEPTS_A_TURN 16  /* then those who are connected have their turn */
#define GATE_REST_S    0.2 /* no descriptor left: others have to close some first */
#define PUMP_S         0.1 /* how soon a change of the worker's capacity is seen while jobs wait */

double front_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

bool front_is_operator(const struct front *f, uid_t uid)
{
	for (size_t i = 0; i < f->n_operators; i++)
		if (f->operators[i] == uid)
			return true;
	return false;
}

/* --- connections --------------------------------------------------------------------------------------------- */

static void on_message(void *ctx, struct session *s, const struct rpc_message *m)
{
	methods_dispatch(ctx, s, m);
}

static void on_drained(void *ctx, struct session *s)
{
	runs_release(ctx, s);
}

/* Feeding a watcher that is not started calls it once, after the callback that we are in: nothing is freed under it. */
static void on_ended(void *ctx, struct session *s)
{
	struct front *f = ctx;

	(void)s;
	ev_feed_event(f->loop, &f->sweep, EV_CUSTOM);
}

static const struct session_handler session_handler = {on_message, on_drained, on_ended};

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
	bool want = f->gate >= 0 && f->n_peers < FRONT_SESSIONS_MAX && !ev_is_active(&f->gate_rest);

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
	for (c = LIST_FIRST(&f->peers); c; c = next) {
		void (*on_closed)(void *) = c->on_closed;
		void *arg = c->arg;

		next = LIST_NEXT(c, link);
		if (session_ended(c->session) && !c->told) {
			c->told = true;
			runs_let_go(f, c->session);
		}
		if (!session_dead(c->session))
			continue;
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
	for (int i = 0; i < ACCEPTS_A_TURN && f->n_peers < FRONT_SESSIONS_MAX; i++) {
		int fd = gate_accept(f->gate), ret;

		if (fd == -EAGAIN)
			break;
		if (fd < 0) {
			rest(f, -fd);
			break;
		}
		ret = add_peer(f, fd, NULL, NULL);
		if (ret < 0)
			log_write(LOG_WARN, "client_refused", "error=%s", err_name(-ret));
	}
	update_gate(f);
}

static void on_pump(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct front *f = w->data;

	(void)loop, (void)revents;
	f->capacity = 0; /* ask again */
	runs_pump(f);
}

/* --- life ---------------------------------------------------------------------------------------------------- */

static int copy_operators(struct front *f, const struct front_config *c)
{
	const uid_t by_default[] = {geteuid(), 0};
	const uid_t *from = c->operators ? c->operators : by_default;

	f->n_operators = c->operators ? c->n_operators : 2;
	f->operators = calloc(f->n_operators + 1, sizeof(uid_t));
	if (!f->operators)
		return -ENOMEM;
	memcpy(f->operators, from, f->n_operators * sizeof(uid_t));
	return 0;
}

static void init_watchers(struct front *f)
{
	ev_init(&f->sweep, on_sweep);
	ev_timer_init(&f->gate_rest, on_gate_rest, 0., GATE_REST_S);
	ev_timer_init(&f->pump, on_pump, 0., PUMP_S);
	ev_io_init(&f->on_connection, on_connection, -1, EV_READ);
	f->sweep.data = f->gate_rest.data = f->pump.data = f->on_connection.data = f;
}

static int open_gate(struct front *f, const struct front_config *c, struct err *e)
{
	if (!c->path)
		return 0;
	f->path = strdup(c->path);
	if (!f->path)
		return err_set(e, ERR_HOST, "front", ENOMEM, NULL);
	f->gate = gate_open(f->path, c->mode ? c->mode : 0660, c->group, e);
	if (f->gate < 0)
		return f->gate;
	ev_io_set(&f->on_connection, f->gate, EV_READ);
	update_gate(f);
	return 0;
}

int front_new(struct ev_loop *loop, const struct front_config *c, const struct policy_set *ps,
	      const struct port_worker *w, struct front **out, struct err *e)
{
	struct front *f = calloc(1, sizeof(*f));
	unsigned length = c->queue_length ? c->queue_length : FRONT_QUEUE_DEFAULT;
	int ret;

	if (!f)
		return err_set(e, ERR_HOST, "front", ENOMEM, NULL);
	f->loop = loop;
	f->policies = ps;
	f->worker = w;
	f->gate = -1;
	f->next_key = 1;
	f->born_ms = front_now_ms();
	f->max_message = c->max_message ? c->max_message : RPC_MESSAGE_MAX_DEFAULT;
	f->shared = (struct session_shared){.loop = loop,
					    .handler = &session_handler,
					    .ctx = f,
					    .max_message = f->max_message,
					    .max_input = FRONT_INPUT_MESSAGES * f->max_message};
	queue_init(&f->queue, length, c->per_tenant ? c->per_tenant : length);
	init_watchers(f);
	ret = copy_operators(f, c) < 0 ? err_set(e, ERR_HOST, "front", ENOMEM, NULL) : open_gate(f, c, e);
	if (ret < 0) {
		front_free(f);
		return ret;
	}
	*out = f;
	return 0;
}

struct port_front front_port(struct front *f)
{
	return (struct port_front){
		.ctx = f, .on_started = runs_started, .on_output = runs_output, .on_result = runs_result,
		.on_refused = runs_refused};
}

static void shut_gate(struct front *f)
{
	char path[256];
	int ret;

	ev_io_stop(f->loop, &f->on_connection);
	ev_timer_stop(f->loop, &f->gate_rest);
	ret = gate_close(f->gate, f->path);
	if (ret < 0)
		log_write(LOG_WARN, "socket_stays", "path=%s error=%s", log_value(path, sizeof(path), f->path),
			  err_name(-ret));
	f->gate = -1;
}

void front_drain(struct front *f)
{
	f->draining = true;
	shut_gate(f);
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
	ev_timer_stop(f->loop, &f->pump);
	while ((c = LIST_FIRST(&f->peers)))
		remove_peer(f, c);
	runs_free(f);
	queue_done(&f->queue);
	free(f->operators);
	free(f->path);
	free(f);
}
