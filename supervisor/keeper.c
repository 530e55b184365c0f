/* No event loop: what there is to wait for is signals (one descriptor), the front's words, and the next moment for a restart. So nothing of a
 * loop's state is shared with the processes that are forked from here. */
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "gate.h"
#include "guard.h"
#include "log.h"
#include "message.h"
#include "service.h"

#define KILLED_S       2.0 /* after the draining time: for killed jobs to be answered */
#define LEAVE_S        2.0 /* for front and workers to end by themselves */
#define MESSAGE_MAX    4096
#define INSTALLERS     (4 * INSTALLERS_MAX) /* with those that were given up and clean up behind them */

enum stage { SERVING, DRAINING, KILLING, LEAVING };

struct keeper {
	const struct keeper_options *o;
	struct generation *generation;
	int gate, serve_fd, signals;
	struct crew crew;
	enum stage stage;
	double deadline; /* of this stage */
	bool ready;      /* the service manager was told so */
	pid_t installers[INSTALLERS]; /* 0: none; they end with the front, whose pipe they hold */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static struct crew_order order(const struct keeper *k)
{
	return (struct crew_order){
		.from = k->o->from,
		.generation = k->generation,
		.layers = k->o->layers,
		.tracee_dir = k->o->tracee_dir,
		.gate = k->stage == SERVING ? k->gate : -1,
		.serve_fd = k->serve_fd,
	};
}

/* --- packages ------------------------------------------------------------------------------------------------ */

/* A front that somebody has taken over can have done here what the operator has written down, again. */
static void install(struct keeper *k, const struct link_in *in)
{
	struct message m;
	pid_t *place = NULL;

	for (pid_t *p = k->installers; p < k->installers + INSTALLERS; p++)
		place = *p ? place : p;
	if (!place || in->fd < 0 || k->stage != SERVING || message_take(in, &m))
		return; /* the pipe ends without a word, which says so */
	struct crew_order o = order(k);
	*place = crew_install(&o, m.command, m.language, in->fd);
	if (*place < 0) {
		log_write(LOG_ERROR, "not_started", "step=fork error=%s", err_name(-*place));
		*place = 0;
	}
}

static void on_installer_end(struct keeper *k, pid_t pid)
{
	for (pid_t *p = k->installers; p < k->installers + INSTALLERS; p++)
		*p = *p == pid ? 0 : *p;
}

static bool has_installers(const struct keeper *k)
{
	for (const pid_t *p = k->installers; p < k->installers + INSTALLERS; p++)
		if (*p)
			return true;
	return false;
}

/* --- ends ---------------------------------------------------------------------------------------------------- */

static void next_stage(struct keeper *k, enum stage s, double seconds)
{
	k->stage = s;
	k->deadline = crew_clock() + seconds;
}

static void drain(struct keeper *k, double seconds)
{
	if (k->stage != SERVING) { /* asked twice: at once */
		next_stage(k, LEAVING, LEAVE_S);
		return;
	}
	log_write(LOG_INFO, "draining", "seconds=%.1f", seconds);
	service_tell(k->o->service, "STOPPING=1\nSTATUS=waiting for jobs");
	gate_close(k->gate, k->o->socket);
	k->gate = -1;
	next_stage(k, DRAINING, seconds);
	crew_say_word(&k->crew.v[0], LINK_DRAIN);
	if (k->crew.v[0].pid <= 0)
		next_stage(k, LEAVING, LEAVE_S); /* nobody is left to be answered */
}

static void tell_front(struct keeper *k, const struct child *worker, const char *how)
{
	msgpack_sbuffer b;
	msgpack_packer pk;
	char why[64];

	snprintf(why, sizeof(why), "its worker died (%s)", how);
	message_begin(&b, &pk, LINK_WORKER_GONE, &(struct message){.index = worker->index, .why.p = why});
	crew_say(&k->crew.v[0], &b, -1);
}

static void on_end(struct keeper *k, struct child *c, int status)
{
	char how[32];

	if (c->part == WORKER)
		cgroup_sweep(k->o->layers->cgroup, c->pid);
	crew_ended(c, status, k->stage == LEAVING, how, sizeof(how));
	if (k->stage == LEAVING)
		return;
	log_write(LOG_ERROR, c->part == FRONT ? "front_died" : "worker_died", "worker=%u how=\"%s\"", c->index, how);
	if (c->part == WORKER)
		tell_front(k, c, how);
	else if (k->o->serve_fd >= 0 || k->stage != SERVING)
		next_stage(k, LEAVING, LEAVE_S); /* its clients have gone with it */
}

static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		on_installer_end(k, pid);
		for (unsigned i = 0; i < k->crew.n; i++)
			if (k->crew.v[i].pid == pid)
				on_end(k, &k->crew.v[i], status);
	}
}

static void on_deadline(struct keeper *k)
{
	if (k->stage == DRAINING) { /* running jobs had their time: what is left is killed and answered */
		for (unsigned i = 1; i < k->crew.n; i++)
			crew_say_word(&k->crew.v[i], LINK_SHUTDOWN);
		next_stage(k, KILLING, KILLED_S);
	} else if (k->stage == KILLING) {
		next_stage(k, LEAVING, LEAVE_S);
	}
}

/* The end of its link is each child's word to leave. Workers first: the front is done. */
static void leave(struct keeper *k)
{
	double until = crew_clock() + LEAVE_S;
	bool left = true;

	for (unsigned i = 0; i < k->crew.n; i++)
		close_fd(&k->crew.v[i].link);
	while (left && crew_clock() < until) {
		struct pollfd p = {.fd = k->signals, .events = POLLIN};
		struct signalfd_siginfo si;

		reap(k);
		left = has_installers(k);
		for (unsigned i = 0; i < k->crew.n; i++)
			left |= k->crew.v[i].pid > 0;
		if (left && poll(&p, 1, 100) > 0 && read(k->signals, &si, sizeof(si)) < 0)
			continue;
	}
	for (unsigned i = 0; i < k->crew.n; i++)
		if (k->crew.v[i].pid > 0) {
			log_write(LOG_ERROR, "child_stuck", "pid=%d", (int)k->crew.v[i].pid);
			kill(k->crew.v[i].pid, SIGKILL);
			waitpid(k->crew.v[i].pid, NULL, 0);
		}
}

/* --- reloading ----------------------------------------------------------------------------------------------- */

static void log_problems(const struct policy_errors *es)
{
	char at[300], text[600];

	for (size_t i = 0; i < es->n; i++) {
		snprintf(at, sizeof(at), "%s:%d:%d", es->v[i].file, es->v[i].line, es->v[i].column);
		char shown[400];
		log_write(LOG_ERROR, "reload_problem", "at=%s text=%s", log_value(shown, sizeof(shown), at),
			  log_value(text, sizeof(text), es->v[i].text));
	}
}

/* Workers first: a worker that gets a job of a generation that it does not know yet finds it in its link. Who is started later has it from us. */
static void switch_to(struct keeper *k, struct generation *g, const msgpack_sbuffer *b)
{
	char kept[SETTINGS_KEPT], shown[SETTINGS_KEPT + 4];

	settings_keep(g, k->generation, kept);
	settings_apply(k->o->from, g);
	generation_drop(k->generation);
	k->generation = g;
	for (unsigned i = k->crew.n; i-- > 0;)
		crew_say_settings(&k->crew.v[i], b);
	if (kept[0])
		log_write(LOG_WARN, "reload_needs_restart", "keys=%s", log_value(shown, sizeof(shown), kept));
	log_write(LOG_INFO, "reloaded", "generation=%llu policies=%zu", (unsigned long long)g->number, policy_count(g->policies));
}

static void reload(struct keeper *k)
{
	struct policy_errors es = {0};
	struct texts t = {0};
	msgpack_sbuffer b;

	if (k->stage != SERVING)
		return;
	service_tell_reloading(k->o->service);
	struct generation *g = settings_read(k->o->from, k->generation->number + 1, &t, &es);
	msgpack_sbuffer_init(&b);
	if (g && settings_pack(&b, g->number, &t)) {
		log_write(LOG_ERROR, "reload_problem", "text=\"all files together have more than %lu bytes\"", SETTINGS_MAX);
		generation_drop(g);
		g = NULL;
	}
	log_problems(&es);
	if (g)
		switch_to(k, g, &b);
	else
		log_write(LOG_ERROR, "reload_failed", "kept=%llu", (unsigned long long)k->generation->number);
	/* a reload that failed leaves a service that serves: what is wrong is in the log and in the status */
	service_tell(k->o->service, g ? "READY=1\nSTATUS=serving" : "READY=1\nSTATUS=serving; the last reload failed, see the log");
	msgpack_sbuffer_destroy(&b);
	policy_errors_done(&es);
	texts_done(&t);
}

/* --- what is waited for -------------------------------------------------------------------------------------- */

static void on_signals(struct keeper *k)
{
	struct signalfd_siginfo si;

	while (read(k->signals, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo == SIGHUP)
			reload(k);
		else if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			drain(k, k->generation->config->drain_ms / 1e3);
	reap(k); /* SIGCHLD may stand for several */
}

/* A service is ready when its first job could run. */
static void on_serving(struct keeper *k)
{
	if (!k->ready && k->stage == SERVING)
		service_tell(k->o->service, "READY=1\nSTATUS=serving");
	k->ready = true;
}

/* All that the front has to say to us. */
static void on_front(struct keeper *k)
{
	struct child *front = &k->crew.v[0];
	struct link_in in;
	struct err e;
	int r = link_get(front->link, MESSAGE_MAX, &in, &e);

	if (r == 0 && in.word == LINK_SERVING)
		on_serving(k);
	else if (r == 0 && in.word == LINK_IDLE && k->stage != SERVING)
		next_stage(k, LEAVING, LEAVE_S);
	else if (r == 0 && in.word == LINK_INSTALL)
		install(k, &in);
	else if (r == 0 && in.word == LINK_CLIENT_GONE)
		drain(k, 0);
	else if (r < 0 && r != -EAGAIN)
		close_fd(&front->link); /* it is ending: its status will say how; a link that is closed ends one that is not */
	link_in_done(&in);
}

static int next_timeout(const struct keeper *k)
{
	double at = k->stage == SERVING ? 0 : k->deadline, start = crew_next_start(&k->crew);

	if (start != 0 && (at == 0 || start < at))
		at = start;
	if (at == 0)
		return -1;
	double ms = (at - crew_clock()) * 1e3;
	return ms <= 0 ? 0 : (int)ms + 1;
}

static void serve(struct keeper *k)
{
	struct child *front = &k->crew.v[0];

	while (k->stage != LEAVING && !crew_has_failed(&k->crew)) {
		struct crew_order o = order(k);

		crew_start_those_due(&k->crew, &o);
		if (front->pid > 0)
			close_fd(&k->serve_fd);
		if (crew_has_failed(&k->crew))
			break;
		struct pollfd p[] = {{.fd = k->signals, .events = POLLIN}, {.fd = front->link, .events = POLLIN}};

		if (poll(p, 2, next_timeout(k)) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			on_front(k);
		if (p[0].revents)
			on_signals(k);
		if (k->stage != SERVING && crew_clock() >= k->deadline)
			on_deadline(k);
	}
	k->stage = LEAVING;
	leave(k);
}

/* --- life ---------------------------------------------------------------------------------------------------- */

/* Zygotes hold their control socket at a high number (birth.h), each job takes some descriptors, each connection one. */
static void raise_open_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max < 65536 ? r.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int open_signals(struct err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log, or a memfd, that may not be so large: EFBIG tells */
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_set(e, ERR_HOST, "signalfd", errno, NULL) : fd;
}

static int assemble(struct keeper *k, struct err *e)
{
	const struct config *c = k->generation->config;

	if (crew_init(&k->crew, k->o->workers))
		return err_set(e, ERR_HOST, "keeper", ENOMEM, NULL);
	k->signals = open_signals(e);
	if (k->signals < 0)
		return k->signals;
	k->gate = k->o->service->gate;
	if (!k->o->socket)
		return 0;
	k->gate = gate_open(k->o->socket, c->socket_mode, c->socket_group, e);
	return k->gate < 0 ? k->gate : 0;
}

static const char *name_of_socket(const struct keeper_options *o)
{
	return o->socket ? o->socket : o->service->gate >= 0 ? o->service->path : "-";
}

int keeper_run(const struct keeper_options *o, struct err *e)
{
	struct keeper k = {.o = o, .gate = -1, .serve_fd = o->serve_fd, .signals = -1, .generation = o->generation};

	raise_open_files();
	int r = guard_power(GUARD_KEEPER, e);
	if (!r)
		r = guard_floor(e);
	if (!r)
		r = assemble(&k, e);
	if (!r) {
		log_write(LOG_INFO, "ready", "socket=%s workers=%u", name_of_socket(o), o->workers);
		serve(&k);
		if (crew_has_failed(&k.crew))
			r = err_set(e, ERR_HOST, "start", 0, "front and workers cannot work here, see the log");
	}
	gate_close(k.gate, o->socket);
	close_fd(&k.signals);
	close_fd(&k.serve_fd);
	crew_done(&k.crew);
	generation_drop(k.generation);
	return r;
}
