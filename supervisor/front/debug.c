/* Who debugs which job: one connection a job, an operator's. What it says goes to the job's worker, what is held comes from there. */
#include <stdio.h>
#include <string.h>

#include "inside.h"
#include "value.h"

/* --- params -------------------------------------------------------------------------------------------------- */

struct params {
	struct bytes job, verdict, scope;
	uint64_t call;
	bool has_call;
};

static bool take_text(const msgpack_object *v, struct bytes *out)
{
	if (!value_is_bytes(v))
		return false;
	*out = (struct bytes){v->via.str.ptr, v->via.str.size};
	return true;
}

/* NULL, or what is wrong. */
static const char *take_params(const msgpack_object *map, bool decides, struct params *p)
{
	*p = (struct params){0};
	for (uint32_t i = 0; map && map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		const msgpack_object *k = &map->via.map.ptr[i].key, *v = &map->via.map.ptr[i].val;

		if (value_is(k, "job")) {
			if (!take_text(v, &p->job))
				return "job: must be a string";
		} else if (decides && value_is(k, "verdict")) {
			if (!take_text(v, &p->verdict))
				return "verdict: must be a string";
		} else if (decides && value_is(k, "scope")) {
			if (v->type != MSGPACK_OBJECT_NIL && !take_text(v, &p->scope))
				return "scope: must be a string";
		} else if (decides && value_is(k, "call")) {
			p->has_call = v->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
			p->call = v->via.u64;
		} else {
			return "unknown field";
		}
	}
	if (!p->job.p)
		return "job: is required";
	return decides && !p->has_call ? "call: must be the number of a held call" : NULL;
}

/* The job that is meant, whose worker may be asked; NULL: answered. */
static struct run *find(struct front *f, struct session *s, const struct rpc_message *m, const struct params *p, const char *problem)
{
	struct run *r = problem ? NULL : runs_find(f, session_uid(s), p->job);

	if (!problem && !r)
		problem = "job: no such job";
	if (!problem && !r->debug)
		problem = "job: was not started with debug";
	if (problem)
		answer_error(s, m->msgid, RPC_ERROR_BAD_REQUEST, problem);
	return problem ? NULL : r;
}

static void answer_nothing(struct session *s, uint32_t msgid)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	answer_begin(&b, &pk, msgid);
	msgpack_pack_map(&pk, 0);
	session_answer(s, &b);
}

/* --- to the worker ------------------------------------------------------------------------------------------- */

static void tell_worker(struct run *r, bool on)
{
	const struct port_worker *to = r->worker ? r->worker->port : NULL;

	if (to)
		to->debug_attach(to->ctx, r->key, on);
}

void debug_submitted(struct run *r)
{
	if (r->debugger)
		tell_worker(r, true);
}

static void let_go(struct run_list *list, const struct session *s)
{
	struct run *r;

	for (r = LIST_FIRST(list); r; r = LIST_NEXT(r, link)) {
		if (r->debugger != s)
			continue;
		r->debugger = NULL;
		tell_worker(r, false);
	}
}

void debug_let_go(struct front *f, struct session *s)
{
	let_go(&f->waiting, s);
	let_go(&f->submitted, s);
}

void debug_attach_method(struct front *f, struct session *s, const struct rpc_message *m)
{
	struct params p;
	struct run *r = find(f, s, m, &p, take_params(m->params, false, &p));

	if (!r)
		return;
	if (r->debugger && r->debugger != s) {
		answer_error(s, m->msgid, RPC_ERROR_BAD_REQUEST, "job: another connection debugs it");
		return;
	}
	r->debugger = s;
	answer_nothing(s, m->msgid); /* before what is held already */
	tell_worker(r, true);
}

void debug_decide_method(struct front *f, struct session *s, const struct rpc_message *m)
{
	struct params p;
	const char *problem = take_params(m->params, true, &p);
	int verdict = p.verdict.p ? decision_parse(p.verdict.p, p.verdict.len) : -1;
	int scope = p.scope.p ? scope_parse(p.scope.p, p.scope.len) : SCOPE_PATH;

	if (!problem && verdict < 0)
		problem = "verdict: must be allow_once, allow_always, refuse, kill or step";
	if (!problem && scope < 0)
		problem = "scope: must be path, directory or host";
	struct run *r = find(f, s, m, &p, problem);
	if (!r)
		return;
	const struct port_worker *to = r->worker ? r->worker->port : NULL;
	answer_nothing(s, m->msgid);
	if (to)
		to->debug_decide(to->ctx, r->key, p.call, (enum decision)verdict, (enum scope)scope);
}

/* --- from the worker ----------------------------------------------------------------------------------------- */

void front_held(struct front *f, unsigned index, uint64_t key, uint64_t call, const msgpack_object *violation, struct bytes problem)
{
	const struct run *r = runs_of_worker(&f->workers[index], key);
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (!r || !r->debugger || violation->type != MSGPACK_OBJECT_MAP)
		return;
	rpc_begin(&b, &pk);
	rpc_pack_notify(&pk, "held");
	msgpack_pack_map(&pk, 3 + violation->via.map.size);
	rpc_pack_cstr(&pk, "job");
	rpc_pack_cstr(&pk, r->id);
	rpc_pack_cstr(&pk, "call");
	msgpack_pack_uint64(&pk, call);
	rpc_pack_cstr(&pk, "problem");
	if (problem.len)
		msgpack_pack_str_with_body(&pk, problem.p, problem.len);
	else
		msgpack_pack_nil(&pk);
	for (uint32_t i = 0; i < violation->via.map.size; i++) {
		msgpack_pack_object(&pk, violation->via.map.ptr[i].key);
		msgpack_pack_object(&pk, violation->via.map.ptr[i].val);
	}
	session_notify(r->debugger, &b);
}
