#include "telling.h"

#include <stdio.h>

#include "message.h"

#define BACKLOG_HIGH (1u << 20) /* bytes that the front has not taken; above: jobs' output is left where it is */

static void on_status(void *ctx, const struct port_status *st)
{
	struct telling *t = ctx;

	if (t->front)
		message_send(t->front, LINK_STATUS, &(struct message){.status = *st});
}

bool telling_is_heard(struct telling *t, uint64_t key)
{
	const struct held *h = t->front ? held_find(&t->held, key) : NULL;

	return h && h->heard;
}

/* A word about one job, for the front that knows it. False: none does. */
static bool tell(struct telling *t, enum link_word word, const struct message *m)
{
	bool heard = telling_is_heard(t, m->key);

	if (heard)
		message_send(t->front, word, m);
	return heard;
}

/* What jobs say as fast as they can: more of it waits with them when the front does not keep up. */
static void tell_much(struct telling *t, enum link_word word, const struct message *m)
{
	if (tell(t, word, m) && !t->paused && link_backlog(t->front) > BACKLOG_HIGH)
		worker_pause_output(t->worker, t->paused = true);
}

static void on_started(void *ctx, uint64_t key, int tracee_pid)
{
	struct telling *t = ctx;
	struct held *h = held_find(&t->held, key);

	if (h)
		held_note_start(h, tracee_pid);
	tell(t, LINK_STARTED, &(struct message){.key = key, .pid = tracee_pid});
}

static void on_output(void *ctx, uint64_t key, bool is_stderr, struct bytes data)
{
	tell_much(ctx, LINK_OUTPUT, &(struct message){.key = key, .is_stderr = is_stderr, .data = data});
}

static void on_event(void *ctx, uint64_t key, struct bytes packed)
{
	tell_much(ctx, LINK_EVENT, &(struct message){.key = key, .packed = packed});
}

static void on_violation(void *ctx, uint64_t key, struct bytes packed)
{
	tell_much(ctx, LINK_VIOLATION, &(struct message){.key = key, .packed = packed});
}

void telling_resume(struct telling *t)
{
	if (t->paused)
		worker_pause_output(t->worker, t->paused = false);
}

static int try_result(struct telling *t, uint64_t key, const struct result *r)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	message_begin(&b, &pk, LINK_RESULT, &(struct message){.key = key});
	result_pack(r, &pk);
	return link_send(t->front, &b, -1);
}

void telling_result(struct telling *t, uint64_t key, const struct result *r)
{
	char words[100];
	int e = try_result(t, key, r);

	if (e == 0)
		return;
	snprintf(words, sizeof(words), "its result could not be sent: %s", err_name(-e));
	try_result(t, key, &(struct result){.id = r->id, .outcome = OUTCOME_ERROR, .error = words, .usage = r->usage, .layers = r->layers});
}

static void on_result(void *ctx, uint64_t key, const struct result *r)
{
	struct telling *t = ctx;
	struct held *h = held_find(&t->held, key);

	if (!h)
		return;
	if (t->front && h->heard)
		telling_result(t, key, r);
	held_log_end(h, r);
	held_drop(&t->held, h);
}

void telling_refused(void *telling, uint64_t key, enum rpc_error code, const struct err *why)
{
	struct telling *t = telling;
	struct held *h = held_find(&t->held, key);
	char words[300];

	if (!h)
		return;
	tell(t, LINK_REFUSED, &(struct message){.key = key, .code = code, .why.p = err_str(why, words, sizeof(words))});
	held_drop(&t->held, h);
}

static void on_held(void *ctx, uint64_t key, uint64_t call, const struct violation *v, const char *problem)
{
	struct telling *t = ctx;
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (!telling_is_heard(t, key))
		return;
	message_begin(&b, &pk, LINK_HELD, &(struct message){.key = key, .call = call, .problem.p = problem});
	violation_pack(v, &pk);
	link_send(t->front, &b, -1);
}

struct port_front telling_port(struct telling *t)
{
	return (struct port_front){
		.ctx = t, .on_status = on_status, .on_started = on_started, .on_output = on_output, .on_event = on_event, .on_violation = on_violation,
		.on_result = on_result, .on_refused = telling_refused, .on_held = on_held};
}
