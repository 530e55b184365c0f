/* A job is handed to the tracee that waits for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "config.h"
#include "inside.h"
#include "notify.h"
#include "trace.h"

/* A file of the job's own, read from the start; without input it keeps /dev/null. */
static int give_stdin(struct slot *s)
{
	if (!s->job->stdin_data.len)
		return 0;
	char name[32];
	int made = brief_file("stdin", s->job->stdin_data.p, s->job->stdin_data.len);
	if (made < 0)
		return made;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", made);
	int fd = open(name, O_RDONLY | O_CLOEXEC); /* as a file that is redirected from */
	int num = errno;
	close(made);
	if (fd < 0)
		return -num;
	int r = notify_add_fd(s->listener, s->first_call, fd, 0, false);
	close(fd);
	return r < 0 ? r : 0;
}

/* As it was configured when the job's zygote began. */
static const struct proxy *proxy_of(const struct slot *s)
{
	return &s->nursery->generation->config->proxy;
}

static int make_broker_job(struct slot *s, struct broker_grants *grants)
{
	const struct job *j = s->job;
	struct broker_tracee who = {.t_pid = s->t_pid, .t_own_pid = s->t_own_pid, .proc = s->nursery->proc, .pidfd = s->pidfd, .mem = s->mem, .uid = s->uid, .gid = s->gid};
	struct broker_options o = {
		.connect = (const char *const *)j->grants[GRANT_CONNECT].v,
		.n_connect = j->grants[GRANT_CONNECT].n,
		.route = proxy_is_set(proxy_of(s)) ? &proxy_of(s)->route : NULL,
		.frames = s->nursery->frames,
		.filename = j->filename,
		.code = j->code,
		.args = j->args,
		.n_args = j->n_args,
		.interpreter = s->nursery->executable,
		.grants = grants,
		.tmp_bytes = j->limits[LIMIT_TMP_MIB] << 20,
		.tmp_inodes = j->limits[LIMIT_TMP_INODES],
		.file_bytes = (uint64_t)j->limits[LIMIT_FILE_MIB] << 20,
		.threads = j->limits[LIMIT_THREADS],
		.memory_bytes = (uint64_t)j->limits[LIMIT_MEMORY_MIB] << 20,
		.data_bytes = s->rlimit_data,
	};
	struct err e = {0};

	return broker_job_new(s->nursery->tree, &who, &o, &s->broker, &e);
}

static int hand_over(struct slot *s)
{
	int r = give_stdin(s);
	int fd = r ? r : brief_memfd(s->job, s->nursery->policy, broker_has_network(s->broker) ? proxy_of(s)->env : NULL);

	if (fd < 0)
		return fd;
	r = notify_answer_fd(s->listener, s->first_call, fd, true);
	close(fd);
	return r < 0 ? r : 0;
}

static void start_failed(struct slot *s, const char *words)
{
	snprintf(s->error, sizeof(s->error), "the job could not be handed to its tracee: %s", words);
	slot_kill(s, KILLED_ERROR);
}

/* What its files take is none of the job's time. */
static void go(struct slot *s)
{
	struct ev_loop *loop = s->worker->loop;

	s->started = worker_clock();
	ev_now_update(loop);
	ev_timer_set(&s->wall, s->job->limits[LIMIT_WALL_MS] / 1e3, 0);
	ev_timer_start(loop, &s->wall);
	if (s->worker->config.cpu >= 0)
		ev_timer_again(loop, &s->loose);
	watch_start(s);
	int r = leaf_limit(&s->leaf, watch_charged_most(s));
	usage_start(s);
	if (!r)
		r = slot_take_first_call(s);
	if (s->job->trace != TRACE_OFF)
		trace_begin(s); /* interrupts it: a call that was not received would be gone */
	if (!r)
		r = hand_over(s);
	if (s->trace)
		trace_begun(s);
	if (r) {
		s->unbegun = r == -ESRCH || r == -ENOENT || r == -EPIPE; /* the call is not there any more */
		start_failed(s, err_name(-r));
		return;
	}
	s->worker->front->on_started(s->worker->front->ctx, s->key, (int)s->t_pid);
}

void slot_files_in(struct slot *s, int error, const char *words)
{
	if (error)
		start_failed(s, words);
	else
		go(s);
}

void slot_start(struct slot *s, struct pending *p)
{
	s->key = p->key;
	s->watched = p->watched;
	s->job = p->job;
	s->tries = p->tries;
	s->client = p->uid;
	s->queue_ms = p->queue_ms + (worker_clock() - p->since) * 1e3;
	s->started = worker_clock();
	s->cpu_before = s->cpu_seen = outcome_cpu(s->t_pid);
	s->calls_seen = 0;
	turns_begun(s, p->turn);
	slot_set_state(s, SLOT_RUNNING);
	slot_hold_output(s, false);
	int r = rlimits_lower(s);
	if (!r)
		r = make_broker_job(s, p->grants);
	debug_start(s);
	if (p->debugger)
		debug_attach(s, true);
	if (r)
		start_failed(s, err_name(-r));
	else if (s->job->n_files)
		transfer_in(s);
	else
		go(s);
}
