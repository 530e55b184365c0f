#include "event.h"

#include "rpc.h"
#include "value.h"

static void begin(msgpack_packer *pk, size_t more, const char *job, enum event_kind kind)
{
	msgpack_pack_map(pk, 2 + more);
	value_put_text(pk, "job", job);
	value_put_text(pk, "kind", event_kind_name(kind));
}

void event_pack_call(msgpack_packer *pk, const char *job, const struct traced_call *c)
{
	bool failed = c->has_result && c->result < 0 && c->result >= -4095;

	begin(pk, 14, job, EVENT_KIND_SYSCALL);
	value_put_double(pk, "t_ms", c->t_ms);
	value_put_int(pk, "tid", true, c->tid);
	value_put_text(pk, "syscall", c->what.syscall);
	value_put_texts(pk, "args", c->what.args, VIOLATION_ARGS_MAX);
	rpc_pack_cstr(pk, "registers");
	msgpack_pack_array(pk, 6);
	for (int i = 0; i < 6; i++)
		msgpack_pack_uint64(pk, c->registers[i]);
	value_put_text(pk, "path", c->what.path);
	value_put_text(pk, "address", c->what.address);
	value_put_text(pk, "verdict", verdict_name(c->what.verdict));
	value_put_int(pk, "result", c->has_result, failed ? -1 : c->result);
	value_put_text(pk, "errno", failed ? err_name((int)-c->result) : NULL);
	value_put_double(pk, "spent_us", c->spent_us);
	value_put_text(pk, "file", c->what.file);
	value_put_int(pk, "line", c->what.line > 0, c->what.line);
	value_put_text(pk, "function", c->what.function);
}

void event_pack_start(msgpack_packer *pk, const struct event_start *s)
{
	begin(pk, 5, s->job, EVENT_KIND_START);
	value_put_int(pk, "uid", true, s->uid);
	value_put_text(pk, "language", language_name(s->language));
	value_put_text(pk, "policy", s->policy);
	value_put_int(pk, "tracee_pid", true, s->tracee_pid);
	value_put_double(pk, "started_ms", s->started_ms);
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
	value_put_uint(pk, "count", count);
}
