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

#include "inside.h"
#include "log.h"

#define START_PATIENCE 60.0 /* seconds for an interpreter to start and preload */
#define BIRTH_PATIENCE 10.0 /* seconds for one birth */
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

/* Says why to those who wait; tried again later. */
static void broken(struct nursery *n, const struct err *why)
{
	double wait = RETRY_FIRST * (1u << (n->failures < 6 ? n->failures : 6));

	clear_away(n, why);
	n->retry_at = worker_clock() + (wait < RETRY_MOST ? wait : RETRY_MOST);
	if (n->role == NURSERY_CURRENT) /* otherwise another one serves */
		worker_fail_pending(n->worker, n->policy, why);
}

static void on_patience(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct nursery *n = t->data;
	struct err e;

	(void)loop, (void)revents;
	err_set(&e, ERR_HOST, n->state == NURSERY_STARTING ? "zygote" : "birth", ETIMEDOUT, "%s",
	        n->state == NURSERY_STARTING ? "the interpreter did not get ready in time"
	                                     : "a tracee was not born in time; its policy may kill a call that births need");
	broken(n, &e);
}

static void be_patient(struct nursery *n, double seconds)
{
	ev_timer_stop(n->worker->loop, &n->patience);
	ev_timer_set(&n->patience, seconds, 0);
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

/* Cuts what the zygote tells of itself into lines and keeps it. Gives the library trees: new, NULL-terminated, borrowing from n->info. */
static char **take_info(struct nursery *n)
{
	struct frames_told told = {0};
	const char *why = NULL;
	size_t lines = 1, found = 0;
	char *save = NULL;

	for (const char *p = n->info; *p; p++)
		lines += *p == '\n';
	char **trees = calloc(lines + 1, sizeof(*trees));
	for (char *line = strtok_r(n->info, "\n", &save); line && trees; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, "tree=", 5) == 0)
			trees[found++] = line + 5;
		else if (strncmp(line, "executable=", 11) == 0)
			n->executable = line + 11;
		else if (strncmp(line, "reserves_mib=", 13) == 0)
			n->reserves_mib = strtoul(line + 13, NULL, 10);
		else if (strncmp(line, "python_frames=", 14) == 0)
			told.python = line + 14;
		else if (strncmp(line, V8_INFO, strlen(V8_INFO)) == 0)
			told.node = line + strlen(V8_INFO);
		else if (strncmp(line, "no_lines=", 9) == 0)
			why = line + 9;
	told.trees = (const char *const *)trees;
	take_frames(n, &told, why);
	return trees;
}

static void on_ready(struct nursery *n, const struct birth_message *m, int *procfs)
{
	struct err e = {0};

	memcpy(n->info, m->info, sizeof(n->info));
	n->info[sizeof(n->info) - 1] = '\0';
	char **trees = take_info(n);
	if (!trees)
		err_set(&e, ERR_HOST, "zygote", ENOMEM, "no memory");
	/* a zygote that comes after another has the same policy and interpreter, and jobs of the other may still use the tree */
	int r = !trees ? -ENOMEM : n->tree ? 0 : broker_tree_new(n->policy, (const char *const *)trees, &n->tree, &e);
	free(trees);
	if (r) {
		broken(n, &e);
		return;
	}
	ev_timer_stop(n->worker->loop, &n->patience);
	close_fd(&n->proc);
	n->proc = *procfs;
	*procfs = -1; /* ours now */
	n->state = NURSERY_READY;
	n->ready_at = worker_clock();
	n->jobs = 0;
	log_write(LOG_INFO, "zygote_ready", "policy=%s pid=%d %s", n->policy->name, (int)n->pid, n->info);
	worker_changed(n->worker);
}

static void on_failed(struct nursery *n, const struct birth_message *m)
{
	struct err e = m->err;

	e.step[sizeof(e.step) - 1] = e.text[sizeof(e.text) - 1] = '\0';
	n->worker->totals.birth_failures++;
	broken(n, &e);
}

static void on_born(struct nursery *n, const struct birth_message *m, pid_t pid, int *fds)
{
	struct slot *s = n->birth;

	if (n->state != NURSERY_READY || !s || s->index != m->slot || s->state != SLOT_ORDERED || fds[BIRTH_FDS - 1] < 0) {
		struct err e;
		err_set(&e, ERR_BUG, "birth", EPROTO, "an unexpected message on the control socket");
		broken(n, &e);
		return;
	}
	n->worker->totals.births++;
	n->failures = 0;
	nursery_birth_over(n, s);
	s->data_size = m->data_size;
	s->as_size = m->as_size;
	s->t_own_pid = n->proc >= 0 ? m->own_pid : pid;
	slot_born(s, pid, fds, m->layers);
	for (int i = 0; i < BIRTH_FDS; i++)
		fds[i] = -1; /* the slot's now */
}

/* One packet: the message, who sent it (SO_PASSCRED: the kernel says so), and its descriptors. */
static ssize_t receive(int control, struct birth_message *m, struct ucred *who, int fds[BIRTH_FDS])
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * BIRTH_FDS) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} space;
	struct iovec iov = {m, sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.buf, .msg_controllen = sizeof(space.buf)};
	ssize_t n = recvmsg(control, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	/* told once when the peer closed with our set-up unread; its last words are behind that (measured, Linux 6.18) */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(control, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS)
			memcpy(who, CMSG_DATA(c), sizeof(*who));
		else if (c->cmsg_type == SCM_RIGHTS)
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	}
	return n;
}

static void on_control(struct ev_loop *loop, ev_io *io, int revents)
{
	struct nursery *n = io->data;
	static struct birth_message m;
	struct ucred who = {0};
	int fds[BIRTH_FDS] = {-1, -1, -1};

	(void)loop, (void)revents;
	memset(&m, 0, sizeof(m));
	ssize_t r = receive(n->control, &m, &who, fds);
	if (r == -EAGAIN || r == -EINTR)
		return;
	if (r <= 0) { /* the zygote has gone; how, its status will say */
		ev_io_stop(n->worker->loop, io);
		return;
	}
	if (m.type == BIRTH_READY && n->state == NURSERY_STARTING)
		on_ready(n, &m, &fds[0]);
	else if (m.type == BIRTH_FAILED)
		on_failed(n, &m);
	else if (m.type == BIRTH_BORN)
		on_born(n, &m, who.pid, fds);
	for (int i = 0; i < BIRTH_FDS; i++)
		close_fd(&fds[i]);
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
	n->replaced = false;
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
	be_patient(n, START_PATIENCE);
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
	struct birth_message m = {.type = BIRTH_FORK, .slot = s->index, .uid = s->uid, .gid = s->gid,
	                          .hurry = n->waiting == 0};

	if (make_leaf(n, s))
		return;
	slot_ordered(s, n);
	n->birth = s;
	be_patient(n, BIRTH_PATIENCE);
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
	static struct birth_message m;
	struct ucred who;
	int fds[BIRTH_FDS] = {-1, -1, -1};
	bool found = false;

	while (n->control >= 0 && receive(n->control, &m, &who, fds) > 0) {
		if (m.type == BIRTH_FAILED) {
			*e = m.err;
			e->step[sizeof(e->step) - 1] = e->text[sizeof(e->text) - 1] = '\0';
			found = true;
		}
		for (int i = 0; i < BIRTH_FDS; i++)
			close_fd(&fds[i]);
	}
	return found;
}

bool nursery_is_over(const struct nursery *n)
{
	struct pollfd p = {.fd = n->control};

	return n->control < 0 || (poll(&p, 1, 0) == 1 && p.revents & POLLHUP);
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
