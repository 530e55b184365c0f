/* No event loop: what there is to wait for is signals (one descriptor), the front's words, and the next moment for a restart. So nothing of a
 * loop's state is shared with the processes that are forked from here. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "accounts.h"
#include "front_side.h"
#include "gate.h"
#include "guard.h"
#include "installer.h"
#include "log.h"
#include "message.h"
#include "prompt.h"
#include "service.h"
#include "worker_side.h"

#define RETRY_FIRST_S  0.1 /* a process that ended soon after its start is started again after so long, doubled each time */
#define RETRY_MOST_S   10.0
#define SOON_S         5.0
#define KILLED_S       2.0 /* after the draining time: for killed jobs to be answered */
#define LEAVE_S        2.0 /* for front and workers to end by themselves */
#define KEYS_A_FRONT   (1ull << 40)
#define MESSAGE_MAX    4096
#define INSTALLERS     (4 * INSTALLERS_MAX) /* with those that were given up and clean up behind them */
#define CANNOT_START   1 /* exit code of a child that has said why */

enum part { FRONT, WORKER };

struct child {
	enum part part;
	unsigned index;   /* of a worker */
	pid_t pid;        /* 0: not running */
	int link;         /* -1: none */
	bool first;       /* it has not been started before */
	double started;
	double retry_at;  /* not running: not before */
	unsigned early;   /* ends soon after the start, in a row */
};

enum stage { SERVING, DRAINING, KILLING, LEAVING };

struct keeper {
	const struct keeper_options *o;
	struct generation *generation;
	int gate, serve_fd, signals;
	struct child *children; /* the front first, then the workers */
	unsigned n;
	uint64_t fronts;        /* started so far */
	enum stage stage;
	double deadline;        /* of this stage */
	bool failed;            /* somebody could not start at all */
	bool ready;             /* the service manager was told so */
	pid_t installers[INSTALLERS]; /* 0: none; they end with the front, whose pipe they hold */
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- words to the children ----------------------------------------------------------------------------------- */

/* A child that does not take a few small packets has hung itself up: it is ended, and started anew. */
static void give_up(struct keeper *k, struct child *c, int r)
{
	if (r == -EPIPE || c->pid <= 0)
		return;
	log_write(LOG_ERROR, "sendmsg", "pid=%d error=%s", (int)c->pid, err_name(-r));
	k->failed |= c->first;
	kill(c->pid, SIGKILL); /* our child, not reaped */
}

static void say(struct keeper *k, struct child *c, msgpack_sbuffer *b, int fd)
{
	int r = c->link >= 0 ? link_put(c->link, b, fd) : 0;

	if (r < 0)
		give_up(k, c, r);
	msgpack_sbuffer_destroy(b);
}

static void say_word(struct keeper *k, struct child *c, enum link_word word)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	message_begin(&b, &pk, word, NULL);
	say(k, c, &b, -1);
}

/* Front and worker get an end each of a pair of their own. */
static void join(struct keeper *k, struct child *worker)
{
	struct child *front = &k->children[0];
	msgpack_sbuffer b;
	msgpack_packer pk;
	int ends[2], r;

	if (front->pid <= 0 || worker->pid <= 0)
		return; /* the one that is missing is joined when it comes */
	r = link_pair(ends);
	if (r < 0) {
		log_write(LOG_ERROR, "socketpair", "error=%s", err_name(-r));
		k->failed |= worker->first;
		kill(worker->pid, SIGKILL); /* without a front it is of no use: another try, later */
		return;
	}
	message_begin(&b, &pk, LINK_WORKER, &(struct message){.index = worker->index});
	say(k, front, &b, ends[0]);
	message_begin(&b, &pk, LINK_FRONT, NULL);
	say(k, worker, &b, ends[1]);
	close(ends[0]);
	close(ends[1]);
}

/* --- starting ------------------------------------------------------------------------------------------------ */

/* CPUs from the last one down, since interrupts and clients tend to be on the first. With a single CPU there is nothing to choose. */
static int choose_cpu(unsigned index)
{
	cpu_set_t set;
	int n, skip;

	if (sched_getaffinity(0, sizeof(set), &set) || (n = CPU_COUNT(&set)) < 2)
		return -1;
	skip = (int)(index % (unsigned)n);
	for (int i = CPU_SETSIZE - 1; i >= 0; i--)
		if (CPU_ISSET(i, &set) && skip-- == 0)
			return i;
	return -1;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Everything but these and the standard streams: descriptors of the keeper's and of other children are none of this child's business. */
static void close_all_but(int *keep, unsigned n)
{
	unsigned from = 3;

	qsort(keep, n, sizeof(*keep), by_number);
	for (unsigned i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0u, 0);
}

/* SIGTERM and the like are the keeper's: it tells its children in their order. */
static void calm_signals(void)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ};
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The death signal is lost with each change of identity: the front's comes after its only one, a worker sees the end of its link. */
static int be_front(const struct keeper *k, int link)
{
	struct front_side o = {
		.from = k->o->from,
		.generation = k->generation,
		.layers = k->o->layers,
		.keeper = link,
		.gate = k->stage == SERVING ? k->gate : -1,
		.serve_fd = k->serve_fd,
		.first_key = k->fronts * KEYS_A_FRONT + 1,
	};
	int keep[] = {o.keeper, o.gate, o.serve_fd};

	close_all_but(keep, 3);
	return front_side_run(&o);
}

static int be_worker(const struct keeper *k, unsigned index, int link)
{
	struct worker_side o = {
		.from = k->o->from,
		.generation = k->generation,
		.layers = k->o->layers,
		.tracee_dir = k->o->tracee_dir,
		.keeper = link,
		.cpu = choose_cpu(index),
	};

	close_all_but(&link, 1);
	return worker_side_run(&o);
}

static void start(struct keeper *k, struct child *c)
{
	int ends[2], r = link_pair(ends);
	pid_t keeper = getpid();

	c->started = now_s();
	c->pid = r < 0 ? r : fork();
	if (c->pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != keeper) {
			log_write(LOG_ERROR, "not_started", "step=\"prctl(PR_SET_PDEATHSIG)\" error=%s", err_name(errno));
			_exit(CANNOT_START);
		}
		prctl(PR_SET_NAME, c->part == FRONT ? "warderd-front" : "warderd-worker");
		calm_signals();
		prompt_begin();
		accounts_close();
		_exit(c->part == FRONT ? be_front(k, ends[1]) : be_worker(k, c->index, ends[1]));
	}
	if (r == 0)
		close(ends[1]);
	if (c->pid < 0) {
		log_write(LOG_ERROR, "not_started", "step=%s error=%s", r < 0 ? "socketpair" : "fork", err_name(r < 0 ? -r : errno));
		k->failed |= c->first;
		if (r == 0)
			close(ends[0]);
		c->pid = 0;
		c->retry_at = now_s() + 1;
		return;
	}
	c->link = ends[0];
	if (c->part == FRONT) {
		k->fronts++;
		for (unsigned i = 1; i < k->n; i++)
			join(k, &k->children[i]);
		close_fd(&k->serve_fd);
	} else {
		join(k, c);
	}
}

static void start_those_due(struct keeper *k)
{
	for (unsigned i = k->n; i-- > 0;) /* workers first: their interpreters take longest */
		if (k->children[i].pid == 0 && k->children[i].retry_at <= now_s())
			start(k, &k->children[i]);
}

/* --- packages ------------------------------------------------------------------------------------------------ */

static int be_installer(const struct keeper *k, enum installer_command command, enum language language, int out)
{
	const struct policy *p = policy_find(k->generation->policies, language_name(language));
	struct installer_order o = {
		.command = command,
		.language = language,
		.out = out,
		.tracee_dir = k->o->tracee_dir,
		.dependencies_dir = k->generation->config->dependencies_dir,
		.interpreter = p ? p->interpreter : "",
	};

	prctl(PR_SET_NAME, "warderd-install");
	close_all_but(&out, 1);
	calm_signals();
	return installer_be(&o);
}

/* A front that somebody has taken over can have done here what the operator has written down, again. */
static void install(struct keeper *k, const struct link_in *in)
{
	struct message m;
	pid_t *place = NULL;

	for (pid_t *p = k->installers; p < k->installers + INSTALLERS; p++)
		place = *p ? place : p;
	if (!place || in->fd < 0 || k->stage != SERVING || message_take(in, &m))
		return; /* the pipe ends without a word, which says so */
	*place = fork();
	if (*place == 0)
		_exit(be_installer(k, m.command, m.language, in->fd));
	if (*place < 0) {
		log_write(LOG_ERROR, "not_started", "step=fork error=%s", err_name(errno));
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
	k->deadline = now_s() + seconds;
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
	say_word(k, &k->children[0], LINK_DRAIN);
	if (k->children[0].pid <= 0)
		next_stage(k, LEAVING, LEAVE_S); /* nobody is left to be answered */
}

static void describe(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "signal %d%s", WTERMSIG(status), WTERMSIG(status) == SIGSYS ? ", bad system call" : "");
	else
		snprintf(buf, size, "exit code %d", WEXITSTATUS(status));
}

static void tell_front(struct keeper *k, const struct child *worker, const char *how)
{
	msgpack_sbuffer b;
	msgpack_packer pk;
	char why[64];

	snprintf(why, sizeof(why), "its worker died (%s)", how);
	message_begin(&b, &pk, LINK_WORKER_GONE, &(struct message){.index = worker->index, .why.p = why});
	say(k, &k->children[0], &b, -1);
}

/* The first end after a good time is made good at once; those that follow soon wait longer and longer. */
static void on_end(struct keeper *k, struct child *c, int status)
{
	bool early = now_s() - c->started < SOON_S;
	double wait = 0;
	char how[32];

	describe(status, how, sizeof(how));
	c->early = early ? c->early + 1 : 0;
	if (c->early > 1)
		wait = RETRY_FIRST_S * (1u << (c->early < 10 ? c->early - 2 : 8));
	c->retry_at = now_s() + (wait < RETRY_MOST_S ? wait : RETRY_MOST_S);
	if (c->part == WORKER)
		cgroup_sweep(k->o->layers->cgroup, c->pid);
	c->pid = 0;
	close_fd(&c->link);
	if (k->stage == LEAVING)
		return;
	/* at the start that is an answer; later, when it had worked, it is tried again */
	k->failed |= c->first && WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_START;
	c->first = false;
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
		for (unsigned i = 0; i < k->n; i++)
			if (k->children[i].pid == pid)
				on_end(k, &k->children[i], status);
	}
}

static void on_deadline(struct keeper *k)
{
	if (k->stage == DRAINING) { /* running jobs had their time: what is left is killed and answered */
		for (unsigned i = 1; i < k->n; i++)
			say_word(k, &k->children[i], LINK_SHUTDOWN);
		next_stage(k, KILLING, KILLED_S);
	} else if (k->stage == KILLING) {
		next_stage(k, LEAVING, LEAVE_S);
	}
}

/* The end of its link is each child's word to leave. Workers first: the front is done. */
static void leave(struct keeper *k)
{
	double until = now_s() + LEAVE_S;
	bool left = true;

	for (unsigned i = 0; i < k->n; i++)
		close_fd(&k->children[i].link);
	while (left && now_s() < until) {
		struct pollfd p = {.fd = k->signals, .events = POLLIN};
		struct signalfd_siginfo si;

		reap(k);
		left = has_installers(k);
		for (unsigned i = 0; i < k->n; i++)
			left |= k->children[i].pid > 0;
		if (left && poll(&p, 1, 100) > 0 && read(k->signals, &si, sizeof(si)) < 0)
			continue;
	}
	for (unsigned i = 0; i < k->n; i++)
		if (k->children[i].pid > 0) {
			log_write(LOG_ERROR, "child_stuck", "pid=%d", (int)k->children[i].pid);
			kill(k->children[i].pid, SIGKILL);
			waitpid(k->children[i].pid, NULL, 0);
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

static void say_settings(struct keeper *k, struct child *c, const msgpack_sbuffer *b)
{
	int r = c->link >= 0 ? link_put_large(c->link, b, -1) : 0;

	if (r < 0)
		give_up(k, c, r);
}

/* Workers first: a worker that gets a job of a generation that it does not know yet finds it in its link. Who is started later has it from us. */
static void switch_to(struct keeper *k, struct generation *g, const msgpack_sbuffer *b)
{
	char kept[SETTINGS_KEPT], shown[SETTINGS_KEPT + 4];

	settings_keep(g, k->generation, kept);
	settings_apply(k->o->from, g);
	generation_drop(k->generation);
	k->generation = g;
	for (unsigned i = k->n; i-- > 0;)
		say_settings(k, &k->children[i], b);
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
	struct child *front = &k->children[0];
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
	double at = k->stage == SERVING ? 0 : k->deadline;

	for (unsigned i = 0; i < k->n; i++)
		if (k->children[i].pid == 0 && (at == 0 || k->children[i].retry_at < at))
			at = k->children[i].retry_at;
	if (at == 0)
		return -1;
	double ms = (at - now_s()) * 1e3;
	return ms <= 0 ? 0 : (int)ms + 1;
}

static void serve(struct keeper *k)
{
	while (k->stage != LEAVING && !k->failed) {
		start_those_due(k);
		if (k->failed)
			break;
		struct pollfd p[] = {{.fd = k->signals, .events = POLLIN}, {.fd = k->children[0].link, .events = POLLIN}};

		if (poll(p, 2, next_timeout(k)) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			on_front(k);
		if (p[0].revents)
			on_signals(k);
		if (k->stage != SERVING && now_s() >= k->deadline)
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

	k->n = 1 + k->o->workers;
	k->children = calloc(k->n, sizeof(*k->children));
	if (!k->children)
		return err_set(e, ERR_HOST, "keeper", ENOMEM, NULL);
	for (unsigned i = 0; i < k->n; i++)
		k->children[i] = (struct child){.part = i ? WORKER : FRONT, .index = i ? i - 1 : 0, .link = -1, .first = true};
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
		if (k.failed)
			r = err_set(e, ERR_HOST, "start", 0, "front and workers cannot work here, see the log");
	}
	gate_close(k.gate, o->socket);
	close_fd(&k.signals);
	close_fd(&k.serve_fd);
	free(k.children);
	generation_drop(k.generation);
	return r;
}
