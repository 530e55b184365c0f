/* What clients may call: one row a method. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inside.h"
#include "value.h"
#include "version.h"

#define NAME_SHOWN 64 /* bytes of a caller's name in an error text */

void answer_error(struct session *s, uint32_t msgid, enum rpc_error code, const char *text)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	rpc_begin(&b, &pk);
	rpc_pack_response_error(&pk, msgid, code, text);
	session_answer(s, &b);
}

void answer_begin(msgpack_sbuffer *b, msgpack_packer *pk, uint32_t msgid)
{
	rpc_begin(b, pk);
	rpc_pack_response_ok(pk, msgid);
}

/* The value of the only key that a method knows (NULL: it knows none). Any other key is refused: -EINVAL, answered. */
static int only_param(struct session *s, const struct rpc_message *m, const char *name, const msgpack_object **value)
{
	char text[NAME_SHOWN + 32];

	*value = NULL;
	if (!m->params)
		return 0;
	if (m->params->type != MSGPACK_OBJECT_MAP) {
		answer_error(s, m->msgid, RPC_ERROR_BAD_REQUEST, "params: must be an array of one map");
		return -EINVAL;
	}
	for (uint32_t i = 0; i < m->params->via.map.size; i++) {
		const msgpack_object *k = &m->params->via.map.ptr[i].key;
		bool text_key = value_is_bytes(k);
		int len = !text_key ? 0 : k->via.str.size < NAME_SHOWN ? (int)k->via.str.size : NAME_SHOWN;

		if (name && !*value && value_is(k, name)) {
			*value = &m->params->via.map.ptr[i].val;
			continue;
		}
		snprintf(text, sizeof(text), "%s field %.*s", *value ? "unknown or duplicate" : "unknown", len,
			 text_key ? k->via.str.ptr : "");
		answer_error(s, m->msgid, RPC_ERROR_BAD_REQUEST, text);
		return -EINVAL;
	}
	return 0;
}

/* The answer to a method without params; -EINVAL: answered. */
static int begin(struct session *s, const struct rpc_message *m, msgpack_sbuffer *b, msgpack_packer *pk)
{
	const msgpack_object *none;
	int ret = only_param(s, m, NULL, &none);

	if (ret == 0)
		answer_begin(b, pk, m->msgid);
	return ret;
}

static void method_cancel(struct front *f, struct session *s, const struct rpc_message *m)
{
	const msgpack_object *id;
	msgpack_sbuffer b;
	msgpack_packer pk;
	bool done;

	if (only_param(s, m, "job", &id) < 0)
		return;
	if (!id || !value_is_bytes(id)) {
		answer_error(s, m->msgid, RPC_ERROR_BAD_REQUEST, id ? "job: must be a string" : "job: is required");
		return;
	}
	done = runs_cancel(f, session_uid(s), (struct bytes){id->via.str.ptr, id->via.str.size});
	answer_begin(&b, &pk, m->msgid);
	msgpack_pack_map(&pk, 1);
	value_put_bool(&pk, "cancelled", done);
	session_answer(s, &b);
}

static void pack_run(msgpack_packer *pk, const struct run *r)
{
	msgpack_pack_map(pk, 6);
	value_put_text(pk, "job", r->id);
	value_put_text(pk, "language", language_name(r->language));
	value_put_text(pk, "policy", run_policy_name(r));
	value_put_text(pk, "state", state_name(r->state));
	rpc_pack_cstr(pk, "started_ms");
	if (r->started_unix_ms > 0)
		msgpack_pack_double(pk, r->started_unix_ms);
	else
		msgpack_pack_nil(pk);
	value_put_int(pk, "tracee_pid", r->tracee_pid > 0, r->tracee_pid);
}

/* Those of one list that this caller may see; only counts without pk. */
static size_t pack_runs(msgpack_packer *pk, const struct run_list *list, bool all, uid_t uid)
{
	struct run *r;
	size_t n = 0;

	for (r = LIST_FIRST(list); r; r = LIST_NEXT(r, link)) {
		if (!all && r->uid != uid)
			continue;
		if (pk)
			pack_run(pk, r);
		n++;
	}
	return n;
}

static void method_jobs(struct front *f, struct session *s, const struct rpc_message *m)
{
	bool all = front_is_operator(f, session_uid(s));
	uid_t uid = session_uid(s);
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (begin(s, m, &b, &pk) < 0)
		return;
	msgpack_pack_array(&pk, pack_runs(NULL, &f->submitted, all, uid) + pack_runs(NULL, &f->waiting, all, uid));
	pack_runs(&pk, &f->submitted, all, uid);
	pack_runs(&pk, &f->waiting, all, uid);
	session_answer(s, &b);
}

static void pack_layers(msgpack_packer *pk, uint32_t layers)
{
	size_t n = 0;

	for (int i = 0; i < LAYER_COUNT; i++)
		n += layers >> i & 1;
	rpc_pack_cstr(pk, "layers");
	msgpack_pack_array(pk, n);
	for (int i = 0; i < LAYER_COUNT; i++)
		if (layers >> i & 1)
			rpc_pack_cstr(pk, layer_name(i));
}

static void pack_totals(msgpack_packer *pk, const struct front *f, const struct port_status *st)
{
	value_put_map(pk, "totals", 8);
	value_put_uint(pk, "connections", f->totals.connections);
	value_put_uint(pk, "requests", f->totals.requests);
	value_put_uint(pk, "jobs_accepted", f->totals.accepted);
	value_put_uint(pk, "jobs_refused", f->totals.refused);
	value_put_uint(pk, "jobs_done", st->jobs_done);
	value_put_uint(pk, "births", st->births);
	value_put_uint(pk, "birth_failures", st->birth_failures);
	value_put_uint(pk, "zygote_starts", st->zygote_starts);
}

/* The workers that are up, and what they said together. */
static unsigned sum_up(const struct front *f, struct port_status *sum)
{
	unsigned up = 0;

	*sum = f->past;
	for (unsigned i = 0; i < f->n_workers; i++) {
		const struct port_status *st = &f->workers[i].status;

		up += f->workers[i].port != NULL;
		sum->zygotes += st->zygotes;
		sum->waiting += st->waiting;
		sum->running += st->running;
		sum->jobs_done += st->jobs_done;
		sum->births += st->births;
		sum->birth_failures += st->birth_failures;
		sum->zygote_starts += st->zygote_starts;
	}
	sum->capacity = front_capacity(f);
	return up;
}

static void pack_status(msgpack_packer *pk, const struct front *f)
{
	struct port_status st;
	unsigned workers = sum_up(f, &st);

	msgpack_pack_map(pk, 10);
	value_put_text(pk, "version", WARDER_VERSION);
	value_put_double(pk, "uptime_s", (front_now_ms() - f->born_ms) / 1e3);
	pack_layers(pk, f->layers);
	value_put_uint(pk, "generation", f->generation->number);
	value_put_uint(pk, "workers", workers);
	value_put_uint(pk, "connections", f->n_peers);
	value_put_uint(pk, "zygotes", st.zygotes);
	value_put_map(pk, "pool", 3);
	value_put_uint(pk, "waiting", st.waiting);
	value_put_uint(pk, "running", st.running);
	value_put_uint(pk, "capacity", st.capacity);
	value_put_map(pk, "queue", 2);
	value_put_uint(pk, "length", f->queue.length);
	value_put_uint(pk, "max", f->queue.max);
	pack_totals(pk, f, &st);
}

void methods_answer_status(struct front *f, struct session *s, uint32_t msgid)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	answer_begin(&b, &pk, msgid);
	pack_status(&pk, f);
	session_answer(s, &b);
}

static void method_status(struct front *f, struct session *s, const struct rpc_message *m)
{
	const msgpack_object *none;

	if (only_param(s, m, NULL, &none) == 0)
		workers_ask(f, s, m->msgid);
}

static void method_policies(struct front *f, struct session *s, const struct rpc_message *m)
{
	const struct policy_set *ps = f->generation->policies;
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (begin(s, m, &b, &pk) < 0)
		return;
	msgpack_pack_array(&pk, policy_count(ps));
	for (size_t i = 0; i < policy_count(ps); i++)
		rpc_pack_cstr(&pk, policy_at(ps, i)->name);
	session_answer(s, &b);
}

static void ask_installer(struct front *f, struct session *s, const struct rpc_message *m, enum installer_command c)
{
	const msgpack_object *language;

	if (only_param(s, m, "language", &language) == 0)
		installs_request(f, s, m, c, language);
}

static void method_dependencies(struct front *f, struct session *s, const struct rpc_message *m)
{
	ask_installer(f, s, m, INSTALLER_LIST);
}

static void method_dependencies_update(struct front *f, struct session *s, const struct rpc_message *m)
{
	ask_installer(f, s, m, INSTALLER_UPDATE);
}

static void method_dependencies_refresh(struct front *f, struct session *s, const struct rpc_message *m)
{
	ask_installer(f, s, m, INSTALLER_REFRESH);
}

/* Each answers exactly once, at once or (run, status, dependencies) later. `may` NULL: anybody. */
static const struct method {
	const char *name;
	void (*fn)(struct front *f, struct session *s, const struct rpc_message *m);
	bool (*may)(const struct front *f, uid_t uid);
} methods[] = {
	{"debug.attach", debug_attach_method, front_is_operator}, {"debug.decide", debug_decide_method, front_is_operator},
	{"run", runs_request, NULL},     {"cancel", method_cancel, NULL},     {"jobs", method_jobs, NULL},
	{"status", method_status, NULL}, {"policies", method_policies, NULL},
	{"events.subscribe", events_subscribe, NULL},
	{"dependencies", method_dependencies, NULL},
	{"dependencies.update", method_dependencies_update, front_may_install},
	{"dependencies.refresh", method_dependencies_refresh, front_may_install},
	{"policy.get", policies_get, NULL},   {"policy.check", policies_check, NULL},
	{"policy.diff", policies_diff, NULL}, {"policy.explain", policies_explain, NULL},
};

static const struct method *find_method(struct bytes name)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strlen(methods[i].name) == name.len && memcmp(methods[i].name, name.p, name.len) == 0)
			return &methods[i];
	return NULL;
}

/* Notifications and responses from a client mean nothing to us and ask for no answer. */
void methods_dispatch(struct front *f, struct session *s, const struct rpc_message *m)
{
	const struct method *method;
	char text[NAME_SHOWN + 32];

	if (m->type != RPC_REQUEST)
		return;
	f->totals.requests++;
	method = find_method(m->method);
	if (!method) {
		snprintf(text, sizeof(text), "%.*s", m->method.len < NAME_SHOWN ? (int)m->method.len : NAME_SHOWN,
			 m->method.len ? m->method.p : "");
		answer_error(s, m->msgid, RPC_ERROR_UNKNOWN_METHOD, text);
	} else if (method->may && !method->may(f, session_uid(s))) {
		snprintf(text, sizeof(text), "%s is for operators%s", method->name, method->may == front_may_install ? " and installers" : "");
		answer_error(s, m->msgid, RPC_ERROR_NOT_PERMITTED, text);
	} else {
		method->fn(f, s, m);
	}
}
