#include "message.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>

#include "config.h"
#include "front.h"

#define FIELDS_MAX 10

struct field {
	const char *name; /* NULL: behind the last one */
	enum kind { NUMBER, FLAG, REAL, TEXT, BINARY, MAP, PACKED } kind;
	size_t at, size; /* in struct message */
	uint64_t max;    /* of a number */
};

#define AT(member)                 offsetof(struct message, member), sizeof(((struct message *)0)->member)
#define NUMBER_IN(name, member, max) {name, NUMBER, AT(member), max}
#define OTHER_IN(name, kind, member) {name, kind, AT(member), 0}
#define KEY      NUMBER_IN("key", key, UINT64_MAX)
#define CALL     NUMBER_IN("call", call, UINT64_MAX)
#define LANGUAGE(member) NUMBER_IN("language", member, LANGUAGE_COUNT - 1)
#define INDEX    NUMBER_IN("index", index, FRONT_WORKERS_MAX - 1)
#define ON       OTHER_IN("on", FLAG, on)
#define WHY      OTHER_IN("why", TEXT, why)
#define REST     OTHER_IN("packed", PACKED, packed)

static const struct field fields[LINK_COUNT][FIELDS_MAX + 1] = {
	[LINK_SUBMIT] = {
		NUMBER_IN("key", job.key, UINT64_MAX),
		OTHER_IN("queue_ms", REAL, job.queue_ms),
		NUMBER_IN("uid", job.uid, UINT32_MAX),
		OTHER_IN("operator", FLAG, job.by_operator),
		OTHER_IN("watched", FLAG, job.watched),
		NUMBER_IN("generation", generation, UINT64_MAX),
		OTHER_IN("job", MAP, map),
	},
	[LINK_UNSENT] = {KEY, OTHER_IN("id", TEXT, id), NUMBER_IN("errno", error, INT_MAX)},
	[LINK_ATTACH] = {KEY, ON},
	[LINK_DECIDE] = {KEY, CALL, NUMBER_IN("decision", decision, DECISION_COUNT - 1), NUMBER_IN("scope", scope, SCOPE_COUNT - 1)},
	[LINK_HELD] = {KEY, CALL, OTHER_IN("problem", TEXT, problem), OTHER_IN("violation", MAP, map)},
	[LINK_CANCEL] = {KEY},
	[LINK_HOLD] = {KEY, ON},
	[LINK_TRACE] = {KEY, NUMBER_IN("mode", mode, TRACE_COUNT - 1)},
	[LINK_WATCH] = {KEY},
	[LINK_STATUS] = {
		NUMBER_IN("zygotes", status.zygotes, UINT32_MAX),
		NUMBER_IN("waiting", status.waiting, UINT32_MAX),
		NUMBER_IN("running", status.running, UINT32_MAX),
		NUMBER_IN("capacity", status.capacity, CONFIG_POOL_MAX),
		NUMBER_IN("jobs_done", status.jobs_done, UINT64_MAX),
		NUMBER_IN("births", status.births, UINT64_MAX),
		NUMBER_IN("birth_failures", status.birth_failures, UINT64_MAX),
		NUMBER_IN("zygote_starts", status.zygote_starts, UINT64_MAX),
	},
	[LINK_STARTED] = {KEY, NUMBER_IN("pid", pid, INT_MAX)},
	[LINK_OUTPUT] = {KEY, OTHER_IN("stderr", FLAG, is_stderr), OTHER_IN("data", BINARY, data)},
	[LINK_EVENT] = {KEY, REST},
	[LINK_VIOLATION] = {KEY, REST},
	[LINK_RUNNING] = {
		NUMBER_IN("key", running.key, UINT64_MAX),
		NUMBER_IN("uid", running.uid, UINT32_MAX),
		OTHER_IN("job", TEXT, running.id),
		OTHER_IN("policy", TEXT, running.policy),
		LANGUAGE(running.language),
		OTHER_IN("debug", FLAG, running.debug),
		NUMBER_IN("pid", running.tracee_pid, INT_MAX),
		OTHER_IN("started_unix_ms", REAL, running.started_unix_ms),
		OTHER_IN("queue_ms", REAL, running.queue_ms),
		OTHER_IN("age_ms", REAL, running.age_ms),
	},
	[LINK_RESULT] = {KEY, REST},
	[LINK_REFUSED] = {KEY, NUMBER_IN("code", code, RPC_ERROR_COUNT - 1), WHY},
	[LINK_WORKER] = {INDEX},
	[LINK_WORKER_GONE] = {INDEX, WHY},
	[LINK_INSTALL] = {NUMBER_IN("command", command, INSTALLER_COMMANDS - 1), LANGUAGE(language)},
};

/* Numbers are of 4 bytes or 8. */
static uint64_t number_of(const void *at, size_t size)
{
	return size == sizeof(uint32_t) ? *(const uint32_t *)at : *(const uint64_t *)at;
}

static void set_number(void *at, size_t size, uint64_t v)
{
	if (size == sizeof(uint32_t))
		*(uint32_t *)at = (uint32_t)v;
	else
		*(uint64_t *)at = v;
}

static void pack_text(msgpack_packer *pk, const struct bytes *text)
{
	rpc_pack_cstr(pk, text->p ? text->p : "");
}

static void pack_value(msgpack_packer *pk, const struct field *f, const void *at)
{
	const struct bytes *packed = at;

	switch (f->kind) {
	case NUMBER: msgpack_pack_uint64(pk, number_of(at, f->size)); break;
	case FLAG: *(const bool *)at ? msgpack_pack_true(pk) : msgpack_pack_false(pk); break;
	case REAL: msgpack_pack_double(pk, *(const double *)at); break;
	case TEXT: pack_text(pk, at); break;
	case BINARY: rpc_pack_bin(pk, *(const struct bytes *)at); break;
	case PACKED: pk->callback(pk->data, packed->p, packed->len); break;
	case MAP: break;
	}
}

static bool take_value(const struct link_in *in, const struct field *f, void *at)
{
	const msgpack_object *params = in->m.params;
	uint64_t v;

	switch (f->kind) {
	case NUMBER: return link_uint(params, f->name, f->max, &v) && (set_number(at, f->size, v), true);
	case FLAG: return link_bool(params, f->name, at);
	case REAL: return link_double(params, f->name, at);
	case TEXT:
	case BINARY: return link_bytes(params, f->name, at);
	case MAP: return (*(const msgpack_object **)at = link_map(params, f->name));
	case PACKED: return link_last(in, f->name, at);
	}
	return false;
}

void message_begin(msgpack_sbuffer *b, msgpack_packer *pk, enum link_word w, const struct message *m)
{
	const struct field *f = fields[w];
	size_t n = 0;

	while (f[n].name)
		n++;
	link_begin(b, pk, w, n);
	for (; f->name; f++) {
		rpc_pack_cstr(pk, f->name);
		pack_value(pk, f, (const char *)m + f->at);
	}
}

int message_send(struct link *l, enum link_word w, const struct message *m)
{
	msgpack_sbuffer b;
	msgpack_packer pk;

	message_begin(&b, &pk, w, m);
	return link_send(l, &b, -1);
}

int message_take(const struct link_in *in, struct message *m)
{
	*m = (struct message){0};
	if (in->word >= LINK_COUNT)
		return -EPROTO;
	for (const struct field *f = fields[in->word]; f->name; f++)
		if (!take_value(in, f, (char *)m + f->at))
			return -EPROTO;
	return 0;
}
