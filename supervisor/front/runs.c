/* What happens to a job from admission to answer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admit.h"
#include "brought.h"
#include "inside.h"

#define WAITING_MESSAGES_MAX 4u /* jobs that wait hold at most so many times max_message bytes together */
#define RETRY_MIN_MS         10.0
#define RETRY_MAX_MS         60000.0
#define RETRY_GUESS_MS       100.0 /* per job, before any has ended */
#define MEAN_WEIGHT          0.1   /* of the newest in the moving mean */
#define ID_SHOWN             (2 * JOB_ID_MAX + 4)

void runs_set_state(struct run *r, enum state state)
{
	char id[ID_SHOWN];

	log_write(LOG_DEBUG, "job_state", "job=%s uid=%u from=%s to=%s", log_value(id, sizeof(id), r->id), r->uid,
		  state_name(r->state), state_name(state));
	r->state = state;
}

static void drop_proof(struct run *r)
{
	if (r->proof >= 0)
		close(r->proof);
	r->proof = -1;
}

static void run_free(struct run *r)
{
	if (!r)
		return;
	drop_proof(r);
	job_free(r->job);
	generation_drop(r->generation);
	free(r->id);
	free(r->policy_name);
	free(r);
}

static struct run *run_new(struct front *f, struct session *s, uint32_t msgid, struct job *j)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->id = strdup(j->id);
	if (!r->id) {
		free(r);
		return NULL;
	}
	r->key = f->next_key++;
	r->session = s;
	r->msgid = msgid;
	r->uid = session_uid(s);
	r->client = job_client(r->uid, j->tenant);
	r->job = j;
	r->language = j->language;
	r->debug = j->debug;
	r->bytes = j->code.len + j->stdin_data.len + j->files_bytes;
	r->asked_ms = front_now_ms();
	r->detach = j->detach;
	r->proof = -1;
	r->trace = r->traced = j->trace;
	return r;
}

/* The client's answer, and what watchers are told. */
static void answer_packed(struct front *f, struct run *r, struct bytes packed)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	events_ended(f, r, packed);
	events_job_gone(f, r);
	if (!r->session)
		return;
	answer_begin(&b, &pk, r->msgid);
	msgpack_sbuffer_write(&b, packed.p, packed.len);
	session_answer(r->session, &b);
}

static void answer_result(struct front *f, struct run *r, const struct result *result)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	rpc_begin(&b, &pk);
	result_pack(result, &pk);
	answer_packed(f, r, (struct bytes){b.data, b.size});
	msgpack_sbuffer_destroy(&b);
}

/* A run that ends here, without a word from its worker, which logs what it answers. */
static void answer_alone(struct front *f, struct run *r, const struct result *result)
{
	char id[ID_SHOWN], error[200];

	log_write(LOG_INFO, "job_end", "job=%s uid=%u outcome=%s queue_ms=%.1f wall_ms=%.1f client=%s error=%s",
		  log_value(id, sizeof(id), r->id), r->uid, outcome_name(result->outcome), result->usage.queue_ms,
		  result->usage.wall_ms, r->session ? "there" : "gone", log_value(error, sizeof(error), result->error));
	answer_result(f, r, result);
}

/* --- to the worker ------------------------------------------------------------------------------------------- */

static void leave_waiting(struct front *f, struct run *r)
{
	queue_remove(&f->queue, &r->item);
	LIST_REMOVE(r, link);
	f->waiting_bytes -= r->bytes;
}

static void submit(struct front *f, struct run *r, struct front_worker *w)
{
	struct job *j = r->job;

	leave_waiting(f, r);
	LIST_INSERT_HEAD(&f->submitted, r, link);
	r->worker = w;
	w->n_submitted++;
	r->job = NULL;
	r->submitted_ms = front_now_ms();
	r->queue_ms = r->submitted_ms - r->asked_ms;
	struct port_job facts = {
		.key = r->key, .queue_ms = r->queue_ms, .uid = r->uid, .by_operator = r->proof >= 0, .watched = events_wants_violations(f, r), .client = r->proof};
	w->port->submit(w->port->ctx, &facts, j, r->generation, r->policy);
	drop_proof(r);
	debug_submitted(r);
}

/* Out of the list of those that a worker has. */
static void leave_submitted(struct run *r)
{
	LIST_REMOVE(r, link);
	r->worker->n_submitted--;
	r->worker->n_started -= r->tracee_pid > 0;
}

static bool has_none_submitted(void *ctx, const struct queue_item *item)
{
	const struct run *mine = (const struct run *)item, *r;
	const struct front *f = ctx;

	for (r = LIST_FIRST(&f->submitted); r; r = LIST_NEXT(r, link))
		if (r->client == mine->client)
			return false;
	return true;
}

void runs_pump(struct front *f)
{
	struct front_worker *w;

	while (f->queue.length > 0 && (w = workers_choose(f)))
		submit(f, (struct run *)queue_pop(&f->queue), w);
	/* one who floods has filled the workers: another's first job gets its turn there, among those that wait */
	struct queue_item *item;
	while (f->queue.length > 0 && (w = workers_choose_full(f)) && (item = queue_pop_if(&f->queue, has_none_submitted, f)))
		submit(f, (struct run *)item, w);
}

/* --- admission ----------------------------------------------------------------------------------------------- */

static struct run *find_in(const struct run_list *list, bool any_uid, uid_t uid, const char *id, size_t len)
{
	struct run *r;

	for (r = LIST_FIRST(list); r; r = LIST_NEXT(r, link))
		if ((any_uid || r->uid == uid) && strlen(r->id) == len && memcmp(r->id, id, len) == 0)
			return r;
	return NULL;
}

static struct run *find_id(const struct front *f, bool any_uid, uid_t uid, const char *id, size_t len)
{
	struct run *r = find_in(&f->submitted, any_uid, uid, id, len);

	return r ? r : find_in(&f->waiting, any_uid, uid, id, len);
}

/* When the queue will have moved on, by the mean of late. */
static double retry_ms(const struct front *f)
{
	double each = f->mean_ms > 0 ? f->mean_ms : RETRY_GUESS_MS;
	unsigned capacity = front_capacity(f);
	double ms = each * (f->queue.length + 1) / (capacity > 0 ? capacity : 1);

	return ms < RETRY_MIN_MS ? RETRY_MIN_MS : ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms;
}

static void refuse_busy(struct front *f, struct session *s, uint32_t msgid, const char *what, unsigned long n,
			const char *unit)
{
	char text[128];

	snprintf(text, sizeof(text), "%s is full (%lu %s), retry in %.0f ms", what, n, unit, retry_ms(f));
	f->totals.refused++;
	answer_error(s, msgid, RPC_ERROR_BUSY, text);
}

/* Queues it; 0, or the refusal has been sent. */
static int enqueue(struct front *f, struct session *s, struct run *r)
{
	size_t max = WAITING_MESSAGES_MAX * f->max_message;
	int ret;

	if (f->waiting_bytes + r->bytes > max) {
		refuse_busy(f, s, r->msgid, "queue", max >> 20, "MiB of jobs");
		return -ENOSPC;
	}
	ret = queue_push(&f->queue, &r->item, r->uid, r->job->tenant);
	if (ret == -ENOSPC)
		refuse_busy(f, s, r->msgid, "queue", f->queue.max, "jobs");
	else if (ret == -EDQUOT)
		refuse_busy(f, s, r->msgid, "this tenant's share of the queue", f->queue.per_tenant, "jobs");
	else if (ret < 0)
		refuse_busy(f, s, r->msgid, "memory", 0, "bytes");
	if (ret < 0)
		return ret;
	LIST_INSERT_HEAD(&f->waiting, r, link);
	f->waiting_bytes += r->bytes;
	return 0;
}

/* Everything that makes a job no job of ours. NULL: the refusal has been sent. */
static struct job *admit(struct front *f, struct session *s, const struct rpc_message *m, const struct policy **policy)
{
	enum rpc_error code = RPC_ERROR_BAD_REQUEST;
	char words[sizeof(struct err) + 128];
	struct job *j = NULL;
	struct err e = {0};
	int ret;

	if (f->draining) {
		answer_error(s, m->msgid, RPC_ERROR_SHUTTING_DOWN, "the supervisor is going down");
		return NULL;
	}
	ret = job_parse(m->params, &j, &e);
	if (ret == 0)
		ret = brought_may(j, front_is_operator(f, session_uid(s)), &code, &e);
	if (ret == 0 && !j->policy_text.p)
		ret = admit_job(j, f->generation->policies, f->max_message, front_is_operator(f, session_uid(s)), policy, &code, &e);
	if (ret == 0 && find_id(f, false, session_uid(s), j->id, strlen(j->id)))
		ret = err_set(&e, ERR_REQUEST, "job", 0, "%s is running already", j->id);
	if (ret == 0)
		return j;
	job_free(j);
	f->totals.refused++;
	answer_error(s, m->msgid, code, err_str(&e, words, sizeof(words)));
	return NULL;
}

/* Only grants of the job's own and policies that it brings along go by who asks (admit.h, brought.h). */
static bool needs_operator(const struct job *j)
{
	for (int kind = 0; kind < GRANT_COUNT; kind++)
		if (j->grants[kind].n > 0)
			return true;
	return brought_is_needed(j);
}

/* The client may have gone when the worker gets its job, and the worker does not take our word for who it was. */
static int take_proof(struct front *f, struct session *s, struct run *r)
{
	int fd = needs_operator(r->job) && front_is_operator(f, r->uid) ? session_dup(s) : -1;

	r->proof = fd < 0 ? -1 : fd;
	return fd < -1 ? fd : 0;
}

void runs_request(struct front *f, struct session *s, const struct rpc_message *m)
{
	const struct policy *policy = NULL;
	struct job *j = admit(f, s, m, &policy);
	struct run *r;

	if (!j)
		return;
	r = run_new(f, s, m->msgid, j);
	if (!r) {
		job_free(j);
		refuse_busy(f, s, m->msgid, "memory", 0, "bytes");
		return;
	}
	r->policy = policy;
	r->generation = generation_hold(f->generation);
	if (take_proof(f, s, r) < 0) {
		refuse_busy(f, s, r->msgid, "the table of descriptors", 0, "free");
		run_free(r);
		return;
	}
	if (enqueue(f, s, r) < 0) {
		run_free(r);
		return;
	}
	f->totals.accepted++;
	runs_pump(f);
}

/* --- from the worker ----------------------------------------------------------------------------------------- */

/* Only its own jobs: what one worker says is nothing to another's. */
static struct run *find_key(const struct front_worker *w, uint64_t key)
{
	struct run *r;

	for (r = LIST_FIRST(&w->front->submitted); r; r = LIST_NEXT(r, link))
		if (r->key == key && r->worker == w)
			return r;
	return NULL;
}

struct run *runs_of_worker(const struct front_worker *w, uint64_t key)
{
	return find_key(w, key);
}

void runs_started(void *ctx, uint64_t key, int tracee_pid)
{
	struct run *r = find_key(ctx, key);
	struct timespec t;

	if (!r)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	r->started_unix_ms = (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
	r->worker->n_started += r->tracee_pid == 0;
	r->tracee_pid = tracee_pid;
	events_started(r->worker->front, r);
	if (r->state == STATE_QUEUED)
		runs_set_state(r, STATE_RUNNING);
}

static void hold(struct run *r, bool on)
{
	const struct port_worker *to = r->worker->port;

	if (r->held == on)
		return;
	r->held = on;
	if (to)
		to->hold_output(to->ctx, r->key, on);
}

void runs_output(void *ctx, uint64_t key, bool is_stderr, struct bytes data)
{
	struct run *r = find_key(ctx, key);
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (!r || !r->session)
		return;
	rpc_begin(&b, &pk);
	rpc_pack_notify(&pk, "output");
	msgpack_pack_map(&pk, 3);
	rpc_pack_cstr(&pk, "job");
	rpc_pack_cstr(&pk, r->id);
	rpc_pack_cstr(&pk, "stream");
	rpc_pack_cstr(&pk, is_stderr ? "stderr" : "stdout");
	rpc_pack_cstr(&pk, "data");
	rpc_pack_bin(&pk, data);
	session_notify(r->session, &b);
	if (session_backlog(r->session) > FRONT_WRITE_HIGH)
		hold(r, true);
}

void runs_event(void *ctx, uint64_t key, struct bytes packed)
{
	struct front_worker *w = ctx;
	struct run *r = find_key(w, key);

	if (!r)
		return;
	events_call(w->front, r, packed);
	if (r->session && r->trace != TRACE_OFF && session_backlog(r->session) > FRONT_WRITE_HIGH)
		hold(r, true);
}

void runs_violation(void *ctx, uint64_t key, struct bytes packed)
{
	struct front_worker *w = ctx;
	struct run *r = find_key(w, key);

	if (r)
		events_violation(w->front, r, packed);
}

void runs_release(struct front *f, struct session *s)
{
	struct run *r;

	for (r = LIST_FIRST(&f->submitted); r; r = LIST_NEXT(r, link))
		if (r->session == s)
			hold(r, false);
}

/* It has its result; frees it. */
static void end_submitted(struct front *f, struct run *r)
{
	double took = front_now_ms() - r->submitted_ms;

	f->mean_ms = f->mean_ms > 0 ? f->mean_ms + MEAN_WEIGHT * (took - f->mean_ms) : took;
	leave_submitted(r);
	run_free(r);
	runs_pump(f);
}

void runs_result(void *ctx, uint64_t key, const struct result *result)
{
	struct front_worker *w = ctx;
	struct run *r = find_key(w, key);

	if (!r)
		return;
	answer_result(w->front, r, result);
	end_submitted(w->front, r);
}

void front_result(struct front *f, unsigned index, uint64_t key, struct bytes packed)
{
	struct run *r = find_key(&f->workers[index], key);

	if (!r)
		return;
	answer_packed(f, r, packed);
	end_submitted(f, r);
}

void runs_refused(void *ctx, uint64_t key, enum rpc_error code, const struct err *why)
{
	char words[sizeof(struct err) + 128], shown[sizeof(words) * 4], id[ID_SHOWN];
	struct front_worker *w = ctx;
	struct run *r = find_key(w, key);

	if (!r)
		return;
	err_str(why, words, sizeof(words));
	w->front->totals.refused++;
	if (r->session)
		answer_error(r->session, r->msgid, code, words);
	else
		log_write(LOG_INFO, "job_refused", "job=%s uid=%u why=%s", log_value(id, sizeof(id), r->id), r->uid,
			  log_value(shown, sizeof(shown), words));
	events_job_gone(w->front, r);
	end_submitted(w->front, r);
}

/* --- ends that do not come from the worker ------------------------------------------------------------------- */

static void cancel_waiting(struct front *f, struct run *r)
{
	struct result result = {
		.id = r->id, .outcome = OUTCOME_CANCELLED, .usage.queue_ms = front_now_ms() - r->asked_ms};

	leave_waiting(f, r);
	answer_alone(f, r, &result); /* result owns nothing: not to be given to result_done */
	run_free(r);
}

static void cancel_submitted(struct run *r)
{
	hold(r, false); /* output that is held would keep it from ending */
	runs_set_state(r, STATE_ENDING);
	if (r->worker->port)
		r->worker->port->cancel(r->worker->port->ctx, r->key);
}

struct run *runs_find(const struct front *f, uid_t uid, struct bytes id)
{
	struct run *r = find_id(f, false, uid, id.p, id.len);

	return r || !front_is_operator(f, uid) ? r : find_id(f, true, uid, id.p, id.len);
}

struct run *runs_of_key(const struct front *f, uint64_t key)
{
	struct run *r;

	for (r = LIST_FIRST(&f->submitted); r; r = LIST_NEXT(r, link))
		if (r->key == key)
			return r;
	for (r = LIST_FIRST(&f->waiting); r; r = LIST_NEXT(r, link))
		if (r->key == key)
			return r;
	return NULL;
}

bool runs_cancel(struct front *f, uid_t uid, struct bytes id)
{
	struct run *r = runs_find(f, uid, id);

	if (!r)
		return false;
	if (r->job)
		cancel_waiting(f, r);
	else
		cancel_submitted(r);
	return true;
}

void runs_let_go(struct front *f, struct session *s)
{
	struct run *r, *next;

	debug_let_go(f, s);

	for (r = LIST_FIRST(&f->waiting); r; r = next) {
		next = LIST_NEXT(r, link);
		if (r->session != s)
			continue;
		r->session = NULL;
		if (!r->detach)
			cancel_waiting(f, r);
	}
	for (r = LIST_FIRST(&f->submitted); r; r = next) {
		next = LIST_NEXT(r, link);
		if (r->session != s)
			continue;
		r->session = NULL;
		if (r->detach)
			hold(r, false);
		else
			cancel_submitted(r);
	}
}

void runs_lost(struct front *f, struct front_worker *w, const char *why)
{
	struct run *r, *next;

	for (r = LIST_FIRST(&f->submitted); r; r = next) {
		next = LIST_NEXT(r, link);
		if (r->worker != w)
			continue;
		struct result result = {.id = r->id,
					.outcome = OUTCOME_ERROR,
					.error = (char *)why,
					.layers = 0,
					.usage = {.queue_ms = r->queue_ms, .wall_ms = front_now_ms() - r->submitted_ms}};
		leave_submitted(r);
		answer_alone(f, r, &result); /* owns nothing, as above */
		run_free(r);
	}
}

void runs_refuse_waiting(struct front *f)
{
	char id[ID_SHOWN];
	struct run *r;

	while ((r = LIST_FIRST(&f->waiting))) {
		leave_waiting(f, r);
		if (r->session)
			answer_error(r->session, r->msgid, RPC_ERROR_SHUTTING_DOWN, "the supervisor is going down");
		else
			log_write(LOG_WARN, "job_lost", "job=%s uid=%u why=\"going down\"",
				  log_value(id, sizeof(id), r->id), r->uid);
		events_job_gone(f, r);
		run_free(r);
	}
	runs_pump(f);
}

void runs_free(struct front *f)
{
	struct run *r;

	while ((r = LIST_FIRST(&f->waiting))) {
		leave_waiting(f, r);
		run_free(r);
	}
	while ((r = LIST_FIRST(&f->submitted))) {
		LIST_REMOVE(r, link);
		run_free(r);
	}
}
