#include "event.h"

#include "rpc.h"

static void begin(msgpack_packer *pk, size_t more, const char *job, enum event_kind kind)
{
	msgpack_pack_map(pk, 2 + more);
	rpc_pack_cstr(pk, "job");
	rpc_pack_cstr(pk, job);
	rpc_pack_cstr(pk, "kind");
	rpc_pack_cstr(pk, event_kind_name(kind));
}

static void put_text(msgpack_packer *pk, const char *key, const char *value)
{
	rpc_pack_cstr(pk, key);
	rpc_pack_cstr(pk, value);
}

static void put_number(msgpack_packer *pk, const char *key, bool there, int64_t value)
{
	rpc_pack_cstr(pk, key);
	if (there)
		msgpack_pack_int64(pk, value);
	else
		msgpack_pack_nil(pk);
}

static void put_double(msgpack_packer *pk, const char *key, double value)
{
	rpc_pack_cstr(pk, key);
	msgpack_pack_double(pk, value);
}

static void put_args(msgpack_packer *pk, char *const *args)
{
	size_t n = 0;

	while (n < VIOLATION_ARGS_MAX && args[n])
		n++;
	rpc_pack_cstr(pk, "args");
	msgpack_pack_array(pk, n);
	for (size_t i = 0; i < n; i++)
		rpc_pack_cstr(pk, args[i]);
}

void event_pack_call(msgpack_packer *pk, const char *job, const struct traced_call *c)
{
	bool failed = c->has_result && c->result < 0 && c->result >= -4095;

	begin(pk, 14, job, EVENT_KIND_SYSCALL);
	put_double(pk, "t_ms", c->t_ms);
	put_number(pk, "tid", true, c->tid);
	put_text(pk, "syscall", c->what.syscall);
	put_args(pk, c->what.args);
	rpc_pack_cstr(pk, "registers");
	msgpack_pack_array(pk, 6);
	for (int i = 0; i < 6; i++)
		msgpack_pack_uint64(pk, c->registers[i]);
	put_text(pk, "path", c->what.path);
	put_text(pk, "address", c->what.address);
	put_text(pk, "verdict", verdict_name(c->what.verdict));
	put_number(pk, "result", c->has_result, failed ? -1 : c->result);
	put_text(pk, "errno", failed ? err_name((int)-c->result) : NULL);
	put_double(pk, "spent_us", c->spent_us);
	put_text(pk, "file", c->what.file);
	put_number(pk, "line", c->what.line > 0, c->what.line);
	put_text(pk, "function", c->what.function);
}

void event_pack_start(msgpack_packer *pk, const struct event_start *s)
{
	begin(pk, 5, s->job, EVENT_KIND_START);
	put_number(pk, "uid", true, s->uid);
	put_text(pk, "language", language_name(s->language));
	put_text(pk, "policy", s->policy);
	put_number(pk, "tracee_pid", true, s->tracee_pid);
	put_double(pk, "started_ms", s->started_ms);
}

void event_pack_end(msgpack_packer *pk, const char *job, struct bytes result)
{
	begin(pk, 1, job, EVENT_KIND_END);
	rpc_pack_cstr(pk, "result");
	msgpack_pack_str_body(pk, result.p, result.len); /* packed already: only copied */
}

void event_pack_violation(msgpack_packer *pk, const char *job, const msgpack_object *entry)
{
	size_t n = entry->type == MSGPACK_OBJECT_MAP ? entry->via.map.size : 0;

	begin(pk, n, job, EVENT_KIND_VIOLATION);
	for (size_t i = 0; i < n; i++) {
		msgpack_pack_object(pk, entry->via.map.ptr[i].key);
		msgpack_pack_object(pk, entry->via.map.ptr[i].val);
	}
}

void event_pack_fresh_violation(msgpack_packer *pk, const char *job, const struct violation *v)
{
	begin(pk, VIOLATION_KEYS, job, EVENT_KIND_VIOLATION);
	violation_pack_keys(v, pk);
}

void event_pack_lost(msgpack_packer *pk, uint64_t count)
{
	begin(pk, 1, NULL, EVENT_KIND_LOST);
	rpc_pack_cstr(pk, "count");
	msgpack_pack_uint64(pk, count);
}
