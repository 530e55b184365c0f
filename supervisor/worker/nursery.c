/* One zygote: its process, its control socket, its births. It forks one tracee at a time; while that one confines itself and
 * rehearses, the zygote may fork the next. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "births.h"
#include "inside.h"
#include "log.h"
#include "procfs.h"

#define PATIENCE       60.0 /* seconds for an interpreter to start and preload, and for a birth, since giving that up ends its zygote's jobs */
#define ASK_PERIOD     0.25 /* seconds: a birth that takes longer is asked for, each time the worker is awake */
#define LOST_MOST      5    /* newborns in a row, killed by others: this one is told to the jobs that wait */
#define RETRY_FIRST    1.0  /* seconds; doubled with each failure in a row */
#define RETRY_MOST     60.0

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void stop(struct nursery *n)
{
	struct ev_loop *loop = n->worker->loop;

	ev_io_stop(loop, &n->on_control);
	ev_io_stop(loop, &n->on_log);
	ev_timer_stop(loop, &n->patience);
	close_fd(&n->control);
	close_fd(&n->log);
}

/* The zygote cannot serve any more. Its tracees go with it: by their death signals, and by us where those do not reach. */
static void clear_away(struct nursery *n, const struct err *why)
{
	struct worker *w = n->worker;
	char text[300], value[400];

	stop(n);
	if (n->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, n->pidfd, SIGKILL, NULL, 0);
	if (n->birth) {
		slot_unborn(n->birth);
		n->birth = NULL;
	}
	for (unsigned i = 0; i < w->n_slots; i++)
		if (w->slots[i].nursery == n && (w->slots[i].state == SLOT_WAITING || w->slots[i].state == SLOT_BORN)) {
			slot_retire(&w->slots[i]);
		} else if (w->slots[i].nursery == n && w->slots[i].state == SLOT_RUNNING) {
			snprintf(w->slots[i].error, sizeof(w->slots[i].error), "its zygote died");
			slot_kill(&w->slots[i], KILLED_ERROR);
		}
	n->state = NURSERY_BROKEN;
	n->err = *why;
	n->failures++;
	log_write(LOG_ERROR, "zygote_failed", "policy=%s error=%s", n->policy->name,
	          log_value(value, sizeof(value), err_str(why, text, sizeof(text))));
	worker_changed(w);
}

static double next_try(const struct nursery *n)
{
	double wait = RETRY_FIRST * (1u << (n->failures < 6 ? n->failures : 6));

	return worker_clock() + (wait < RETRY_MOST ? wait : RETRY_MOST);
}

/* Says why to those who wait; tried again later. */
static void broken(struct nursery *n, const struct err *why)
{
	n->retry_at = next_try(n);
	clear_away(n, why);
	if (n->role == NURSERY_CURRENT) /* otherwise another one serves */
		worker_fail_pending(n->worker, n->policy, why);
}

/* The zygote stays: it has jobs that run. */
void nursery_lost(struct nursery *n, const struct err *why, bool by_others)
{
	char text[300], value[400];

	n->worker->totals.birth_failures++;
	log_write(LOG_WARN, "birth_failed", "policy=%s error=%s", n->policy->name, log_value(value, sizeof(value), err_str(why, text, sizeof(text))));
	worker_changed(n->worker);
	if (by_others && ++n->lost < LOST_MOST)
		return;
	if (by_others || n->failures) /* one alone may be chance */
		n->retry_at = next_try(n);
	n->failures++;
	n->err = *why;
	if (n->role == NURSERY_CURRENT)
		worker_fail_pending(n->worker, n->policy, why);
}

void nursery_has_borne(struct nursery *n)
{
	n->failures = n->lost = 0;
	n->retry_at = 0;
}

bool nursery_rests(const struct nursery *n)
{
	return n->retry_at > 0 && worker_clock() < n->retry_at;
}

/* With the cgroup that the newborn is to join. */
static ssize_t send_order(int control, const struct birth_message *m, int leaf)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} space = {{0}};
	struct iovec iov = {(void *)m, offsetof(struct birth_message, info)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (leaf >= 0) {
		msg.msg_control = space.buf;
		msg.msg_controllen = sizeof(space.buf);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(c), &leaf, sizeof(int));
	}
	return sendmsg(control, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* After the end of one that nobody traces yet, which nobody else tells. It may be forked only now: the order goes before. */
static void ask(struct nursery *n)
{
	struct birth_message m = {.type = BIRTH_ASK, .slot = n->birth->index, .order = n->order};

	n->asked++;
	send_order(n->control, &m, -1); /* a zygote that has gone is told by its status */
}

static void on_patience(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct nursery *n = t->data;
	struct err e;

	(void)loop, (void)revents;
	if (n->birth && n->asked < PATIENCE / ASK_PERIOD) {
		ask(n);
		return;
	}
	err_set(&e, ERR_HOST, n->state == NURSERY_STARTING ? "zygote" : "birth", ETIMEDOUT, "%s",
	        n->state == NURSERY_STARTING ? "the interpreter did not get ready in time"
	                                     : "a tracee was not born in time; its policy may kill a call that births need");
	broken(n, &e);
}

static void be_patient(struct nursery *n, double seconds)
{
	ev_timer_stop(n->worker->loop, &n->patience);
	ev_timer_set(&n->patience, seconds, seconds);
	ev_timer_start(n->worker->loop, &n->patience);
}

/* Lines of source are told for the jobs of a zygote that knows how its frames are laid out. */
static void take_frames(struct nursery *n, const struct frames_told *told, const char *why)
{
	char value[300];

	frames_drop(n->frames);
	n->frames = frames_new(told);
	if (!n->frames && why)
		log_write(LOG_WARN, "no_source_lines", "policy=%s reason=%s", n->policy->name, log_value(value, sizeof(value), why));
}

static void on_ready(struct nursery *n, struct births_packet *p)
{
	char value[200];
	struct births_told told;
	struct err e = {0};

	memcpy(n->info, p->m.info, sizeof(n->info));
	int r = births_tell(n->info, &told);
	if (r)
		err_set(&e, ERR_HOST, "zygote", ENOMEM, "no memory");
	/* a zygote that comes after another has the same policy and interpreter, and jobs of the other may still use the tree */
	else if (!n->tree)
		r = broker_tree_new(n->policy, told.frames.trees, &n->tree, &e);
	if (!r)
		take_frames(n, &told.frames, told.no_lines);
	free((void *)told.frames.trees);
	if (r) {
		broken(n, &e);
		return;
	}
	n->executable = told.executable;
	n->reserves_mib = told.reserves_mib;
	ev_timer_stop(n->worker->loop, &n->patience);
	close_fd(&n->proc);
	n->proc = p->fds[0];
	p->fds[0] = -1; /* ours now */
	n->state = NURSERY_READY;
	n->ready_at = worker_clock();
	n->jobs = 0;
	log_write(LOG_INFO, "zygote_ready", "policy=%s pid=%d version=%s", n->policy->name, (int)n->pid, log_value(value, sizeof(value), told.version));
	worker_changed(n->worker);
}

static void on_failed(struct nursery *n, const struct birth_message *m)
{
	struct err e = m->err;

	n->worker->totals.birth_failures++;
	broken(n, &e);
}

static void unexpected(struct nursery *n)
{
	struct err e;

	err_set(&e, ERR_BUG, "birth", EPROTO, "an unexpected message on the control socket");
	broken(n, &e);
}

static void on_born(struct nursery *n, struct births_packet *p)
{
	struct slot *s = n->birth;

	if (n->state != NURSERY_READY || !s || s->index != p->m.slot || n->order != p->m.order || s->state != SLOT_ORDERED || p->fds[BIRTH_FDS - 1] < 0) {
		unexpected(n);
		return;
	}
	n->worker->totals.births++;
	nursery_birth_over(n, s);
	s->data_size = p->m.data_size;
	s->as_size = p->m.as_size;
	s->t_own_pid = n->proc >= 0 ? p->m.own_pid : p->pid;
	slot_born(s, p->pid, p->fds, p->m.layers);
	for (int i = 0; i < BIRTH_FDS; i++)
		p->fds[i] = -1; /* the slot's now */
}

static void on_gone(struct nursery *n, const struct birth_message *m)
{
	struct slot *s = n->birth;
	struct err e;

	if (!s || n->order != m->order)
		return; /* it had told of itself before, and what ended was more than a newborn */
	nursery_birth_over(n, s);
	slot_unborn(s);
	err_set(&e, ERR_HOST, "birth", 0, "newborn tracees ended before they told of themselves; their policy may kill a call that births need");
	nursery_lost(n, &e, true); /* how it ended nobody knows */
}

static void on_control(struct ev_loop *loop, ev_io *io, int revents)
{
	struct nursery *n = io->data;
	static struct births_packet p;

	(void)loop, (void)revents;
	int r = births_receive(n->control, &p);
	if (r == -EAGAIN)
		return;
	if (r == -EPROTO) {
		unexpected(n);
		return;
	}
	if (r <= 0) { /* the zygote has gone; how, its status will say */
		ev_io_stop(n->worker->loop, io);
		return;
	}
	if (p.m.type == BIRTH_READY && n->state == NURSERY_STARTING)
		on_ready(n, &p);
	else if (p.m.type == BIRTH_FAILED)
		on_failed(n, &p.m);
	else if (p.m.type == BIRTH_BORN)
		on_born(n, &p);
	else if (p.m.type == BIRTH_GONE)
		on_gone(n, &p.m);
	births_drop(&p);
}

/* What interpreter and preloaded modules print while they warm up. */
static void on_log(struct ev_loop *loop, ev_io *io, int revents)
{
	struct nursery *n = io->data;
	char chunk[1024], value[600];
	ssize_t got = read(n->log, chunk, sizeof(chunk));

	(void)revents;
	if (got <= 0 && errno != EAGAIN && errno != EINTR)
		ev_io_stop(loop, io);
	for (ssize_t i = 0; i < got; i++) {
		if (chunk[i] != '\n' && n->log_len < sizeof(n->log_line) - 1) {
			n->log_line[n->log_len++] = chunk[i];
			continue;
		}
		n->log_line[n->log_len] = '\0';
		n->log_len = 0;
		log_write(LOG_INFO, "zygote_says", "policy=%s text=%s", n->policy->name, log_value(value, sizeof(value), n->log_line));
	}
}

void nursery_start(struct nursery *n)
{
	struct err e = {0};

	n->state = NURSERY_STARTING;
	n->interpreter = interpreter_mark(n->policy->interpreter);
	n->replaced = n->packages_moved = false;
	n->retry_at = 0;
	int r = spawn_zygote(n, &e);
	ev_io_set(&n->on_control, n->control, EV_READ);
	ev_io_set(&n->on_log, n->log, EV_READ);
	if (r) {
		broken(n, &e);
		return;
	}
	n->worker->totals.zygote_starts++;
	ev_io_start(n->worker->loop, &n->on_control);
	ev_io_start(n->worker->loop, &n->on_log);
	be_patient(n, PATIENCE);
}

struct nursery *nursery_get(struct worker *w, struct generation *g, const struct policy *p)
{
	for (struct nursery *n = w->nurseries; n; n = n->next)
		if (n->policy == p && n->role == NURSERY_CURRENT)
			return n;
	return nursery_new(w, g, p, NURSERY_CURRENT);
}

/* A policy that a reload has left as it was is in several generations. */
static struct generation *newest_with(struct worker *w, struct generation *g, const struct policy *p)
{
	return w->newest && !g->base && policy_find(w->newest->policies, p->name) == p ? w->newest : g;
}

struct nursery *nursery_new(struct worker *w, struct generation *g, const struct policy *p, enum nursery_role role)
{
	struct nursery *n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->worker = w;
	n->generation = generation_hold(newest_with(w, g, p));
	n->serves = n->generation->number;
	n->policy = p;
	n->role = role;
	n->pidfd = n->control = n->log = n->proc = -1;
	ev_init(&n->on_control, on_control);
	ev_init(&n->on_log, on_log);
	ev_init(&n->patience, on_patience);
	n->on_control.data = n->on_log.data = n->patience.data = n;
	n->used_at = worker_clock();
	n->next = w->nurseries;
	w->nurseries = n;
	if ((g->base || p->dependencies) && !ev_is_active(&w->renew)) /* it leaves when it is idle; its packages may be replaced */
		ev_timer_again(w->loop, &w->renew);
	nursery_start(n);
	return n;
}

void nursery_reload(struct nursery *n, struct generation *g)
{
	const struct policy *p = n->generation->base || n->role == NURSERY_RETIRING ? NULL : policy_find(g->policies, n->policy->name);

	if (p != n->policy) {
		if (p && p->has_language && n->role == NURSERY_CURRENT)
			nursery_get(n->worker, g, p);
		return;
	}
	struct interpreter_mark now = interpreter_mark(p->interpreter);

	n->serves = g->number;
	n->replaced = n->state != NURSERY_BROKEN && !interpreter_same(&n->interpreter, &now);
	if (n->state == NURSERY_BROKEN && !n->pid) /* what was wrong may have been put right */
		nursery_start(n);
}

/* A supervisor that has the layer has it for every tracee. */
static int make_leaf(struct nursery *n, struct slot *s)
{
	const char *dir = n->worker->config.layers->cgroup;
	struct err e;

	if (!*dir)
		return 0;
	int r = leaf_make(&s->leaf, dir, s->index);
	if (!r)
		return 0;
	err_set(&e, ERR_HOST, "cgroup", -r, "a leaf in %.100s", dir);
	broken(n, &e);
	return r;
}

void nursery_order(struct nursery *n, struct slot *s)
{
	struct birth_message m = {.type = BIRTH_FORK, .slot = s->index, .order = ++n->order, .uid = s->uid, .gid = s->gid,
	                          .hurry = n->waiting == 0 || n->worker->first};

	if (make_leaf(n, s))
		return;
	slot_ordered(s, n);
	n->birth = s;
	n->asked = 0;
	be_patient(n, ASK_PERIOD);
	/* A zygote that has gone is told by its status; a full socket cannot be: forks are ordered one at a time. */
	if (send_order(n->control, &m, s->leaf.procs) < 0)
		log_write(LOG_WARN, "order_failed", "policy=%s error=%s", n->policy->name, err_name(errno));
}

void nursery_birth_over(struct nursery *n, struct slot *s)
{
	if (n->birth != s)
		return;
	n->birth = NULL;
	ev_timer_stop(n->worker->loop, &n->patience);
	worker_changed(n->worker);
}

/* Its last words may still be in the socket: an interpreter that fails says why and leaves. */
static bool last_words(struct nursery *n, struct err *e)
{
	static struct births_packet p;
	bool found = false;

	while (n->control >= 0 && births_receive(n->control, &p) > 0) {
		if (p.m.type == BIRTH_FAILED) {
			*e = p.m.err;
			found = true;
		}
		births_drop(&p);
	}
	return found;
}

/* PF_EXITING, a flag (field 9 of proc(5)) that is set before a process gives up anything. */
static bool is_exiting(pid_t pid)
{
	uint64_t flags;

	return !procfs_stat(pid, 9, &flags) || flags & 0x4;
}

bool nursery_is_over(const struct nursery *n)
{
	struct pollfd p = {.fd = n->control};

	return n->control < 0 || n->pid <= 0 || (poll(&p, 1, 0) == 1 && p.revents & POLLHUP) || is_exiting(n->pid);
}

void nursery_reaped(struct nursery *n, int status)
{
	struct err e;

	if (!last_words(n, &e))
		err_set(&e, ERR_HOST, "zygote", 0, "the interpreter %s ended by itself (%s %d)", n->policy->interpreter,
		        WIFEXITED(status) ? "exit code" : "signal", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	n->pid = 0;
	close_fd(&n->pidfd);
	if (n->state == NURSERY_BROKEN)
		return;
	/* one that served well is replaced at once, and who waits goes on waiting; the next failure in a row is told and waits */
	bool served = n->state == NURSERY_READY && n->failures == 0 && n->role != NURSERY_RETIRING;
	if (served)
		clear_away(n, &e);
	else
		broken(n, &e);
	if (served)
		nursery_start(n);
}

void nursery_free(struct nursery *n)
{
	int status;

	stop(n);
	if (n->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, n->pidfd, SIGKILL, NULL, 0);
	if (n->pid > 0)
		waitpid(n->pid, &status, 0);
	close_fd(&n->pidfd);
	close_fd(&n->proc);
	filter_done(&n->whitelist);
	filter_done(&n->broker);
	broker_tree_free(n->tree);
	frames_drop(n->frames);
	generation_drop(n->generation);
	free(n);
}
