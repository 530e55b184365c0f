#include "crew.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "accounts.h"
#include "front_side.h"
#include "log.h"
#include "message.h"
#include "prompt.h"
#include "worker_side.h"

#define RETRY_FIRST_S  0.1 /* a process that ended soon after its start is started again after so long, doubled each time */
#define RETRY_MOST_S   10.0
#define SOON_S         5.0
#define KEYS_A_FRONT   (1ull << 40)
#define CANNOT_START   1 /* exit code of a child that has said why */

double crew_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int crew_init(struct crew *c, unsigned workers)
{
	*c = (struct crew){.n = 1 + workers};
	c->v = calloc(c->n, sizeof(*c->v));
	if (!c->v)
		return -ENOMEM;
	for (unsigned i = 0; i < c->n; i++)
		c->v[i] = (struct child){.part = i ? WORKER : FRONT, .index = i ? i - 1 : 0, .link = -1, .first = true};
	return 0;
}

void crew_done(struct crew *c)
{
	free(c->v);
	c->v = NULL;
}

bool crew_has_failed(const struct crew *c)
{
	for (unsigned i = 0; i < c->n; i++)
		if (c->v[i].failed)
			return true;
	return false;
}

/* --- words to them ------------------------------------------------------------------------------------------- */

/* A child that does not take a few small packets has hung itself up: it is ended, and started anew. */
static void give_up(struct child *c, int r)
{
	if (r == -EPIPE || c->pid <= 0)
		return;
	log_write(LOG_ERROR, "sendmsg", "pid=%d error=%s", (int)c->pid, err_name(-r));
	c->failed |= c->first;
	kill(c->pid, SIGKILL); /* our child, not reaped */
}

void crew_say(struct child *c, msgpack_sbuffer *b, int fd)
{
	int r = c->link >= 0 ? link_put(c->link, b, fd) : 0;

	if (r < 0)
		give_up(c, r);
	msgpack_sbuffer_destroy(b);
}

void crew_say_word(struct child *c, enum link_word word)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	message_begin(&b, &pk, word, NULL);
	crew_say(c, &b, -1);
}

void crew_say_settings(struct child *c, const msgpack_sbuffer *b)
{
	int r = c->link >= 0 ? link_put_large(c->link, b, -1) : 0;

	if (r < 0)
		give_up(c, r);
}

/* Front and worker get an end each of a pair of their own. */
static void join(struct child *front, struct child *worker)
{
	msgpack_sbuffer b;
	msgpack_packer pk;
	int ends[2], r;

	if (front->pid <= 0 || worker->pid <= 0)
		return; /* the one that is missing is joined when it comes */
	r = link_pair(ends);
	if (r < 0) {
		log_write(LOG_ERROR, "socketpair", "error=%s", err_name(-r));
		worker->failed |= worker->first;
		kill(worker->pid, SIGKILL); /* without a front it is of no use: another try, later */
		return;
	}
	message_begin(&b, &pk, LINK_WORKER, &(struct message){.index = worker->index});
	crew_say(front, &b, ends[0]);
	message_begin(&b, &pk, LINK_FRONT, NULL);
	crew_say(worker, &b, ends[1]);
	close(ends[0]);
	close(ends[1]);
}

/* --- in the new process -------------------------------------------------------------------------------------- */

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
static int be_front(const struct crew_order *order, int link, uint64_t first_key)
{
	struct front_side o = {
		.from = order->from,
		.generation = order->generation,
		.layers = order->layers,
		.keeper = link,
		.gate = order->gate,
		.serve_fd = order->serve_fd,
		.first_key = first_key,
	};
	int keep[] = {o.keeper, o.gate, o.serve_fd};

	close_all_but(keep, 3);
	return front_side_run(&o);
}

static int be_worker(const struct crew_order *order, int link, unsigned index)
{
	struct worker_side o = {
		.from = order->from,
		.generation = order->generation,
		.layers = order->layers,
		.tracee_dir = order->tracee_dir,
		.keeper = link,
		.cpu = choose_cpu(index),
	};

	close_all_but(&link, 1);
	return worker_side_run(&o);
}

static int be(const struct crew *crew, const struct child *c, const struct crew_order *o, int link, pid_t keeper)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != keeper) {
		log_write(LOG_ERROR, "not_started", "step=\"prctl(PR_SET_PDEATHSIG)\" error=%s", err_name(errno));
		return CANNOT_START;
	}
	prctl(PR_SET_NAME, c->part == FRONT ? "warderd-front" : "warderd-worker");
	calm_signals();
	prompt_begin();
	accounts_close();
	return c->part == FRONT ? be_front(o, link, crew->fronts * KEYS_A_FRONT + 1) : be_worker(o, link, c->index);
}

static int be_installer(const struct crew_order *order, enum installer_command command, enum language language, int out)
{
	const struct policy *p = policy_find(order->generation->policies, language_name(language));
	struct installer_order o = {
		.command = command,
		.language = language,
		.out = out,
		.tracee_dir = order->tracee_dir,
		.dependencies_dir = order->generation->config->dependencies_dir,
		.interpreter = p ? p->interpreter : "",
	};

	prctl(PR_SET_NAME, "warderd-install");
	close_all_but(&out, 1);
	calm_signals();
	return installer_be(&o);
}

/* --- starts and ends ----------------------------------------------------------------------------------------- */

/* 0: it runs; or what could not be done is in `step`. */
static int fork_child(struct crew *crew, struct child *c, const struct crew_order *o, const char **step)
{
	pid_t keeper = getpid();
	int ends[2], r = link_pair(ends);

	*step = "socketpair";
	if (r < 0)
		return r;
	c->pid = fork();
	if (c->pid == 0)
		_exit(be(crew, c, o, ends[1], keeper));
	r = c->pid < 0 ? -errno : 0;
	*step = "fork";
	close(ends[1]);
	if (r < 0)
		close(ends[0]);
	else
		c->link = ends[0];
	return r;
}

static void start(struct crew *crew, struct child *c, const struct crew_order *o)
{
	const char *step;

	c->started = crew_clock();
	int r = fork_child(crew, c, o, &step);
	if (r < 0) {
		log_write(LOG_ERROR, "not_started", "step=%s error=%s", step, err_name(-r));
		c->failed |= c->first;
		c->pid = 0;
		c->retry_at = crew_clock() + 1;
		return;
	}
	crew->fronts += c->part == FRONT;
	for (unsigned i = 1; i < crew->n; i++)
		if (c->part == FRONT || c == &crew->v[i])
			join(&crew->v[0], &crew->v[i]);
}

void crew_start_those_due(struct crew *c, const struct crew_order *o)
{
	for (unsigned i = c->n; i-- > 0;) /* workers first: their interpreters take longest */
		if (c->v[i].pid == 0 && c->v[i].retry_at <= crew_clock())
			start(c, &c->v[i], o);
}

double crew_next_start(const struct crew *c)
{
	double at = 0;

	for (unsigned i = 0; i < c->n; i++)
		if (c->v[i].pid == 0 && (at == 0 || c->v[i].retry_at < at))
			at = c->v[i].retry_at;
	return at;
}

static void describe(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "signal %d%s", WTERMSIG(status), WTERMSIG(status) == SIGSYS ? ", bad system call" : "");
	else
		snprintf(buf, size, "exit code %d", WEXITSTATUS(status));
}

void crew_ended(struct child *c, int status, bool leaving, char *how, size_t size)
{
	double now = crew_clock(), wait = 0;

	describe(status, how, size);
	c->early = now - c->started < SOON_S ? c->early + 1 : 0;
	if (c->early > 1)
		wait = RETRY_FIRST_S * (1u << (c->early < 10 ? c->early - 2 : 8));
	c->retry_at = now + (wait < RETRY_MOST_S ? wait : RETRY_MOST_S);
	c->pid = 0;
	if (c->link >= 0)
		close(c->link);
	c->link = -1;
	/* at the start that is an answer; later, when it had worked, it is tried again */
	c->failed |= !leaving && c->first && WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_START;
	c->first = false;
}

pid_t crew_install(const struct crew_order *o, enum installer_command command, enum language language, int out)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(be_installer(o, command, language, out));
	return pid < 0 ? -errno : pid;
}
