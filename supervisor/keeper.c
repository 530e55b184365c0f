#include "keeper.h"

#include <errno.h>
#include <ev.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "front.h"
#include "identity.h"
#include "log.h"
#include "worker.h"

struct keeper {
	struct ev_loop *loop;
	const struct config *config;
	struct port_worker to_worker;
	struct port_front to_front;
	struct front *front;
	struct worker *worker;
	ev_signal term, interrupt;
	ev_timer deadline, look;
	bool leaving;
};

static void on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct keeper *k = t->data;

	(void)revents;
	if (front_idle(k->front))
		ev_break(loop, EVBREAK_ALL);
}

/* Running jobs had their time: what is left is killed and answered, then there is nothing to wait for. */
static void on_deadline(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct keeper *k = t->data;

	(void)revents;
	k->to_worker.shutdown(k->to_worker.ctx);
	ev_timer_set(&k->deadline, 2.0, 0);
	if (k->leaving)
		ev_timer_start(loop, &k->deadline);
	if (front_idle(k->front))
		ev_break(loop, EVBREAK_ALL);
}

static void leave(struct keeper *k, double drain_s)
{
	if (k->leaving) { /* asked twice: at once */
		ev_break(k->loop, EVBREAK_ALL);
		return;
	}
	k->leaving = true;
	log_write(LOG_INFO, "draining", "seconds=%.1f", drain_s);
	identity_full(); /* the socket lies in a folder that the worker's resting identity may not change */
	front_drain(k->front);
	identity_leave();
	ev_timer_set(&k->deadline, drain_s, 0);
	ev_timer_start(k->loop, &k->deadline);
	ev_timer_set(&k->look, 0, 0.01);
	ev_timer_start(k->loop, &k->look);
}

static void on_signal(struct ev_loop *loop, ev_signal *s, int revents)
{
	struct keeper *k = s->data;

	(void)loop, (void)revents;
	leave(k, k->config->drain_ms / 1e3);
}

static void on_client_gone(void *arg)
{
	leave(arg, 0);
}

/* The CPU that the worker shares with its waiting tracees: the last one it may use, since interrupts and clients
 * tend to be on the first. With a single CPU there is nothing to choose. */
static int choose_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) < 2)
		return -1;
	for (int i = CPU_SETSIZE - 1; i >= 0; i--)
		if (CPU_ISSET(i, &set))
			return i;
	return -1;
}

/* Zygotes hold their control socket at a high number (birth.h), and each job takes some descriptors here. */
static void raise_open_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max < 65536 ? r.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int assemble(struct keeper *k, const struct keeper_options *o, struct err *e)
{
	const struct config *c = o->config;
	struct front_config fc = {
		.path = o->socket,
		.mode = c->socket_mode,
		.group = c->socket_group,
		.max_message = c->max_message_mib << 20,
		.queue_length = c->queue_length,
		.per_tenant = c->queue_per_tenant,
		.operators = c->operators,
		.n_operators = c->n_operators,
	};
	struct worker_config wc = {
		.pool_min = c->pool_min,
		.pool_max = c->pool_max,
		.cpu = choose_cpu(),
		.tracee_dir = o->tracee_dir,
		.layers = o->layers,
		.proxy = &c->proxy,
	};
	/* the front first: it binds its socket with the identity that the worker then puts to rest */
	int r = front_new(k->loop, &fc, o->policies, &k->to_worker, &k->front, e);

	if (r)
		return r;
	k->to_front = front_port(k->front);
	r = worker_new(k->loop, &wc, &k->to_front, &k->worker, e);
	if (r)
		return r;
	k->to_worker = worker_port(k->worker);
	return o->serve_fd < 0 ? 0 : front_adopt(k->front, o->serve_fd, on_client_gone, k);
}

static void warm(struct keeper *k, const struct policy_set *ps)
{
	for (int l = 0; l < LANGUAGE_COUNT; l++) {
		const struct policy *p = policy_find(ps, language_name(l));
		if (p && p->has_language)
			worker_warm(k->worker, p);
	}
}

static void watch(struct keeper *k)
{
	ev_signal_init(&k->term, on_signal, SIGTERM);
	ev_signal_init(&k->interrupt, on_signal, SIGINT);
	ev_timer_init(&k->deadline, on_deadline, 0, 0);
	ev_timer_init(&k->look, on_look, 0, 0);
	k->term.data = k->interrupt.data = k->deadline.data = k->look.data = k;
	ev_signal_start(k->loop, &k->term);
	ev_signal_start(k->loop, &k->interrupt);
}

int keeper_run(const struct keeper_options *o, struct err *e)
{
	/* Not the default loop: that one reaps every child by itself, and exit statuses were lost (measured, libev 4.33).
	 * By signalfd, so that signals stay blocked: one that interrupts SECCOMP_IOCTL_NOTIF_ADDFD with SEND makes the restarted call
	 * fail with EINPROGRESS while the tracee's call returns 0, as if that were its descriptor (measured, Linux 6.18). */
	struct keeper k = {.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_SIGNALFD), .config = o->config};

	if (!k.loop)
		return err_set(e, ERR_HOST, "ev_loop_new", ENOMEM, "no event loop");
	raise_open_files();
	signal(SIGPIPE, SIG_IGN);
	watch(&k);
	int r = assemble(&k, o, e);
	if (!r) {
		warm(&k, o->policies);
		log_write(LOG_INFO, "ready", "socket=%s", o->socket ? o->socket : "-");
		ev_run(k.loop, 0);
	}
	worker_free(k.worker);
	identity_full();
	front_free(k.front);
	ev_loop_destroy(k.loop);
	return r;
}
