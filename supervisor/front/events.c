/* Who is told of jobs as they go: the client that had its job traced, and those who subscribed.
 *
 * A client that traces its own job misses nothing: when it does not read, its job is held (runs.c). Who only watches holds nobody up: what
 * there is no room for is counted, and the count is told when there is room again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"
#include "inside.h"
#include "value.h"

#define WATCHES_MAX 64 /* of one connection */

struct watch { /* one subscription */
	LIST_ENTRY(watch) link;
	struct session *session;
	uint64_t key;     /* of the one job that it is about; 0: all that its peer may see */
	uint32_t kinds;   /* bit (1 << EVENT_KIND_x) */
	enum trace trace; /* how deep that job is traced for it */
	uint64_t lost;    /* events that were not sent, and of which it does not know yet */
};

static void notify(struct session *s, struct bytes packed)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	rpc_begin(&b, &pk);
	rpc_pack_notify(&pk, "event");
	msgpack_sbuffer_write(&b, packed.p, packed.len);
	session_notify(s, &b);
}

static void tell_lost(struct watch *w)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (!w->lost)
		return;
	rpc_begin(&b, &pk);
	event_pack_lost(&pk, w->lost);
	w->lost = 0;
	notify(w->session, (struct bytes){b.data, b.size});
	msgpack_sbuffer_destroy(&b);
}

/* Who watches one job is told of its end in any case: that is one message more. */
static void deliver(struct watch *w, enum event_kind kind, struct bytes packed)
{
	if (session_backlog(w->session) > FRONT_WRITE_HIGH && !(w->key && kind == EVENT_KIND_END)) {
		w->lost++;
		return;
	}
	tell_lost(w);
	notify(w->session, packed);
}

static bool is_for(const struct front *f, const struct watch *w, const struct run *r, enum event_kind kind)
{
	uid_t uid = session_uid(w->session);

	return w->kinds >> kind & 1 && (w->key ? w->key == r->key : r->uid == uid || front_is_operator(f, uid));
}

static void tell_watches(struct front *f, const struct run *r, enum event_kind kind, struct bytes packed)
{
	struct watch *w, *next;

	for (w = LIST_FIRST(&f->watches); w; w = next) {
		next = LIST_NEXT(w, link);
		if (is_for(f, w, r, kind) && !(kind == EVENT_KIND_SYSCALL && w->session == r->session && r->trace != TRACE_OFF))
			deliver(w, kind, packed);
	}
}

static bool is_wanted(const struct front *f, const struct run *r, enum event_kind kind)
{
	struct watch *w;

	LIST_FOREACH(w, &f->watches, link)
		if (is_for(f, w, r, kind))
			return true;
	return false;
}

/* --- what there is to tell ----------------------------------------------------------------------------------- */

void events_started(struct front *f, const struct run *r)
{
	struct event_start s = {.job = r->id, .policy = run_policy_name(r), .language = r->language, .uid = r->uid,
				.tracee_pid = r->tracee_pid, .started_ms = r->started_unix_ms};
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (!is_wanted(f, r, EVENT_KIND_START))
		return;
	rpc_begin(&b, &pk);
	event_pack_start(&pk, &s);
	tell_watches(f, r, EVENT_KIND_START, (struct bytes){b.data, b.size});
	msgpack_sbuffer_destroy(&b);
}

static const msgpack_object *find_key(const msgpack_object *map, const char *key)
{
	for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		const msgpack_object *k = &map->via.map.ptr[i].key;

		if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == strlen(key) && !memcmp(k->via.str.ptr, key, strlen(key)))
			return &map->via.map.ptr[i].val;
	}
	return NULL;
}

/* Each was told when it happened; those that happened again are told with their counts. */
static void tell_violations(struct front *f, const struct run *r, struct bytes result)
{
	const msgpack_object *list;
	msgpack_unpacked u;
	msgpack_sbuffer b;
	msgpack_packer pk;

	msgpack_unpacked_init(&u);
	list = msgpack_unpack_next(&u, result.p, result.len, NULL) == MSGPACK_UNPACK_SUCCESS ? find_key(&u.data, "violations") : NULL;
	for (uint32_t i = 0; list && list->type == MSGPACK_OBJECT_ARRAY && i < list->via.array.size; i++) {
		const msgpack_object *count = find_key(&list->via.array.ptr[i], "count");

		if (!count || count->type != MSGPACK_OBJECT_POSITIVE_INTEGER || count->via.u64 < 2)
			continue;
		rpc_begin(&b, &pk);
		event_pack_violation(&pk, r->id, &list->via.array.ptr[i]);
		tell_watches(f, r, EVENT_KIND_VIOLATION, (struct bytes){b.data, b.size});
		msgpack_sbuffer_destroy(&b);
	}
	msgpack_unpacked_destroy(&u);
}

void events_ended(struct front *f, const struct run *r, struct bytes result)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (is_wanted(f, r, EVENT_KIND_VIOLATION))
		tell_violations(f, r, result);
	if (!is_wanted(f, r, EVENT_KIND_END))
		return;
	rpc_begin(&b, &pk);
	event_pack_end(&pk, r->id, result);
	tell_watches(f, r, EVENT_KIND_END, (struct bytes){b.data, b.size});
	msgpack_sbuffer_destroy(&b);
}

bool events_wants_violations(const struct front *f, const struct run *r)
{
	return is_wanted(f, r, EVENT_KIND_VIOLATION);
}

void events_violation(struct front *f, const struct run *r, struct bytes packed)
{
	tell_watches(f, r, EVENT_KIND_VIOLATION, packed);
}

void events_call(struct front *f, struct run *r, struct bytes packed)
{
	if (r->session && r->trace != TRACE_OFF)
		notify(r->session, packed);
	tell_watches(f, r, EVENT_KIND_SYSCALL, packed);
}

/* --- subscribing --------------------------------------------------------------------------------------------- */

/* As deep as the job itself or one of its watchers wants it. */
static void update_trace(struct front *f, struct run *r)
{
	enum trace mode = r->trace;
	struct watch *w;

	LIST_FOREACH(w, &f->watches, link)
		if (w->key == r->key && w->trace > mode)
			mode = w->trace;
	if (r->traced == mode)
		return;
	r->traced = mode;
	if (r->job)
		r->job->trace = mode; /* it waits */
	else if (r->worker->port)
		r->worker->port->trace(r->worker->port->ctx, r->key, mode);
}

/* Workers tell of violations only where somebody listens. */
static void watch_violations(struct front *f, const struct watch *w)
{
	struct run *r;

	LIST_FOREACH(r, &f->submitted, link)
		if (is_for(f, w, r, EVENT_KIND_VIOLATION) && r->worker->port)
			r->worker->port->watch(r->worker->port->ctx, r->key);
}

static int bad(struct err *e, const char *step, const char *words)
{
	return err_set(e, ERR_REQUEST, step, 0, "%s", words);
}

static int take_kinds(struct watch *w, const msgpack_object *v, struct err *e)
{
	if (v->type != MSGPACK_OBJECT_ARRAY || !v->via.array.size)
		return bad(e, "kinds", "must be a list of start, end, violation, syscall");
	for (uint32_t i = 0; i < v->via.array.size; i++) {
		const msgpack_object *o = &v->via.array.ptr[i];
		int kind = value_is_bytes(o) ? event_kind_parse(o->via.str.ptr, o->via.str.size) : -1;

		if (kind < 0 || kind == EVENT_KIND_LOST)
			return bad(e, "kinds", "must be a list of start, end, violation, syscall");
		w->kinds |= 1u << kind;
	}
	return 0;
}

static int take_trace(struct watch *w, const msgpack_object *v, struct err *e)
{
	int mode = value_is_bytes(v) ? trace_parse(v->via.str.ptr, v->via.str.size) : -1;

	if (mode < 0 || mode == TRACE_OFF)
		return bad(e, "trace", "must be brokered or all");
	w->trace = (enum trace)mode;
	return 0;
}

static int take_params(struct watch *w, const msgpack_object *params, const msgpack_object **job, struct err *e)
{
	int ret = 0;

	if (!params || params->type != MSGPACK_OBJECT_MAP)
		return bad(e, "params", "must be an array of one map");
	for (uint32_t i = 0; i < params->via.map.size && ret == 0; i++) {
		const msgpack_object *k = &params->via.map.ptr[i].key, *v = &params->via.map.ptr[i].val;

		if (v->type == MSGPACK_OBJECT_NIL)
			continue;
		if (value_is(k, "kinds"))
			ret = take_kinds(w, v, e);
		else if (value_is(k, "trace"))
			ret = take_trace(w, v, e);
		else if (value_is(k, "job"))
			*job = v;
		else
			ret = bad(e, "", "unknown field; job, kinds and trace are known");
	}
	if (ret == 0 && !w->kinds)
		ret = bad(e, "kinds", "is required");
	if (ret == 0 && *job && !value_is_bytes(*job))
		ret = bad(e, "job", "must be a string");
	if (ret == 0 && w->trace != TRACE_OFF && (!*job || !(w->kinds >> EVENT_KIND_SYSCALL & 1)))
		ret = bad(e, "trace", "needs job and kind syscall");
	return ret;
}

static unsigned count_watches(const struct front *f, const struct session *s)
{
	struct watch *w;
	unsigned n = 0;

	LIST_FOREACH(w, &f->watches, link)
		n += w->session == s;
	return n;
}

static void refuse(struct session *s, uint32_t msgid, struct watch *w, const struct err *e)
{
	char words[sizeof(*e) + 128];

	free(w);
	answer_error(s, msgid, RPC_ERROR_BAD_REQUEST, err_str(e, words, sizeof(words)));
}

void events_subscribe(struct front *f, struct session *s, const struct rpc_message *m)
{
	const msgpack_object *job = NULL;
	struct run *r = NULL;
	struct err e = {0};
	msgpack_sbuffer b;
	msgpack_packer pk;
	struct watch *w = count_watches(f, s) < WATCHES_MAX ? calloc(1, sizeof(*w)) : NULL;

	if (!w) {
		answer_error(s, m->msgid, RPC_ERROR_BUSY, "this connection has subscribed too often, retry in 1000 ms");
		return;
	}
	w->session = s;
	int ret = take_params(w, m->params, &job, &e);
	if (ret == 0 && job) {
		r = runs_find(f, session_uid(s), (struct bytes){job->via.str.ptr, job->via.str.size});
		if (!r)
			ret = bad(&e, "job", "there is none of this id");
	}
	if (ret < 0) {
		refuse(s, m->msgid, w, &e);
		return;
	}
	if (r) {
		w->key = r->key;
		if (w->kinds >> EVENT_KIND_SYSCALL & 1 && w->trace == TRACE_OFF)
			w->trace = TRACE_BROKERED;
	}
	LIST_INSERT_HEAD(&f->watches, w, link);
	answer_begin(&b, &pk, m->msgid);
	msgpack_pack_map(&pk, 1);
	value_put_bool(&pk, "subscribed", true);
	session_answer(s, &b);
	watch_violations(f, w);
	if (r)
		update_trace(f, r);
}

static void drop(struct front *f, struct watch *w)
{
	struct run *r = w->trace != TRACE_OFF ? runs_of_key(f, w->key) : NULL;

	LIST_REMOVE(w, link);
	free(w);
	if (r)
		update_trace(f, r);
}

void events_let_go(struct front *f, struct session *s)
{
	struct watch *w, *next;

	for (w = LIST_FIRST(&f->watches); w; w = next) {
		next = LIST_NEXT(w, link);
		if (w->session == s)
			drop(f, w);
	}
}

void events_release(struct front *f, struct session *s)
{
	struct watch *w;

	LIST_FOREACH(w, &f->watches, link)
		if (w->session == s)
			tell_lost(w);
}

void events_job_gone(struct front *f, const struct run *r)
{
	struct watch *w, *next;

	for (w = LIST_FIRST(&f->watches); w; w = next) {
		next = LIST_NEXT(w, link);
		if (w->key == r->key) {
			tell_lost(w);
			LIST_REMOVE(w, link);
			free(w);
		}
	}
}

void events_free(struct front *f)
{
	struct watch *w;

	while ((w = LIST_FIRST(&f->watches))) {
		LIST_REMOVE(w, link);
		free(w);
	}
}
