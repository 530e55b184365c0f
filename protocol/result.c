/* The answer to a job: its msgpack form, both ways. Declared in job.h. */
#include "job.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job_files.h"
#include "rpc.h"
#include "value.h"
#include "without.h"

/* --- packing ------------------------------------------------------------------------------------------------- */

/* The names of the bits of a mask, and one more unless that is "". */
static void pack_names(msgpack_packer *pk, const char *key, uint32_t mask, int count, const char *(*name)(int), const char *more)
{
	size_t n = *more != 0;

	for (int i = 0; i < count; i++)
		n += mask >> i & 1;
	rpc_pack_cstr(pk, key);
	msgpack_pack_array(pk, n);
	for (int i = 0; i < count; i++)
		if (mask >> i & 1)
			rpc_pack_cstr(pk, name(i));
	if (*more)
		rpc_pack_cstr(pk, more);
}

void violation_pack_keys(const struct violation *v, msgpack_packer *pk)
{
	value_put_text(pk, "syscall", v->syscall);
	value_put_texts(pk, "args", v->args, VIOLATION_ARGS_MAX);
	value_put_text(pk, "path", v->path);
	value_put_text(pk, "address", v->address);
	value_put_text(pk, "verdict", verdict_name(v->verdict));
	value_put_text(pk, "errno", v->err ? err_name(v->err) : NULL);
	value_put_text(pk, "rule", v->rule);
	value_put_text(pk, "file", v->file);
	value_put_int(pk, "line", v->line != 0, v->line);
	value_put_text(pk, "function", v->function);
	value_put_text(pk, "no_line", v->no_line);
	value_put_text(pk, "hint", v->hint);
	value_put_uint(pk, "count", v->count);
}

void violation_pack(const struct violation *v, msgpack_packer *pk)
{
	msgpack_pack_map(pk, VIOLATION_KEYS);
	violation_pack_keys(v, pk);
}

static void pack_violations(msgpack_packer *pk, const struct result *r)
{
	rpc_pack_cstr(pk, "violations");
	msgpack_pack_array(pk, r->n_violations);
	for (size_t i = 0; i < r->n_violations; i++)
		violation_pack(&r->violations[i], pk);
	value_put_uint(pk, "violations_dropped", r->violations_dropped);
}

static void pack_usage(msgpack_packer *pk, const struct usage *u)
{
	rpc_pack_cstr(pk, "usage");
	msgpack_pack_map(pk, 7);
	value_put_double(pk, "queue_ms", u->queue_ms);
	value_put_double(pk, "wall_ms", u->wall_ms);
	value_put_double(pk, "cpu_ms", u->cpu_ms);
	value_put_uint(pk, "max_rss_kib", u->max_rss_kib);
	value_put_uint(pk, "brokered_calls", u->brokered_calls);
	value_put_uint(pk, "stdout_bytes", u->stdout_bytes);
	value_put_uint(pk, "stderr_bytes", u->stderr_bytes);
}

#define RESULT_KEYS 17

void result_pack(const struct result *r, msgpack_packer *pk)
{
	msgpack_pack_map(pk, RESULT_KEYS);
	value_put_text(pk, "job", r->id);
	value_put_text(pk, "outcome", outcome_name(r->outcome));
	value_put_int(pk, "exit_code", r->outcome == OUTCOME_EXITED, r->exit_code);
	value_put_int(pk, "signal", r->outcome == OUTCOME_SIGNALED, r->signal);
	value_put_text(pk, "limit", r->limit == ENDED_BY_NONE ? NULL : ended_by_name(r->limit));
	pack_names(pk, "limits_hit", r->limits_hit, LIMIT_HIT_COUNT, limit_hit_name, "");
	value_put_bin(pk, "stdout", r->out);
	value_put_bin(pk, "stderr", r->err);
	value_put_bool(pk, "stdout_truncated", r->out_truncated);
	value_put_bool(pk, "stderr_truncated", r->err_truncated);
	rpc_pack_cstr(pk, "files");
	result_files_pack(r, pk);
	rpc_pack_cstr(pk, "files_dropped");
	result_dropped_pack(r, pk);
	pack_violations(pk, r); /* two keys */
	pack_usage(pk, &r->usage);
	pack_names(pk, "layers", r->layers, LAYER_COUNT, layer_name, WITHOUT_VERSION);
	value_put_text(pk, "error", r->error);
}

/* --- parsing ------------------------------------------------------------------------------------------------- */

/* Where a value goes: a row per key, `offset` into the struct that the table is for. */
struct row {
	const char *key;
	int (*take)(const msgpack_object *v, void *to);
	size_t offset;
};

static int take_text(const msgpack_object *v, void *to)
{
	char **s = to;

	if (value_is_nil(v))
		return 0;
	if (!value_is_bytes(v))
		return -EINVAL;
	free(*s);
	*s = strndup(value_bytes(v).p, value_bytes(v).len);
	return *s ? 0 : -ENOMEM;
}

static int take_data(const msgpack_object *v, void *to)
{
	struct bytes copy;

	if (!value_is_bytes(v))
		return -EINVAL;
	if (value_copy(value_bytes(v), &copy))
		return -ENOMEM;
	free((char *)((struct bytes *)to)->p);
	*(struct bytes *)to = copy;
	return 0;
}

static int take_flag(const msgpack_object *v, void *to)
{
	if (v->type != MSGPACK_OBJECT_BOOLEAN)
		return -EINVAL;
	*(bool *)to = v->via.boolean;
	return 0;
}

static int take_u64(const msgpack_object *v, void *to)
{
	if (v->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return -EINVAL;
	*(uint64_t *)to = v->via.u64;
	return 0;
}

static int take_u32(const msgpack_object *v, void *to)
{
	if (v->type != MSGPACK_OBJECT_POSITIVE_INTEGER || v->via.u64 > UINT32_MAX)
		return -EINVAL;
	*(uint32_t *)to = (uint32_t)v->via.u64;
	return 0;
}

/* An int that may be nil. */
static int take_int(const msgpack_object *v, void *to)
{
	bool natural = v->type == MSGPACK_OBJECT_POSITIVE_INTEGER;

	if (value_is_nil(v))
		return 0;
	if (!natural && v->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
		return -EINVAL;
	if (natural ? v->via.u64 > INT32_MAX : v->via.i64 < INT32_MIN)
		return -ERANGE;
	*(int *)to = (int)v->via.i64;
	return 0;
}

static int take_number(const msgpack_object *v, void *to)
{
	double *d = to;

	if (v->type == MSGPACK_OBJECT_FLOAT64 || v->type == MSGPACK_OBJECT_FLOAT32)
		*d = v->via.f64;
	else if (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		*d = (double)v->via.u64;
	else
		return -EINVAL;
	return isfinite(*d) ? 0 : -ERANGE;
}

static int take_word(const msgpack_object *v, int *to, int (*parse)(const char *, size_t))
{
	if (!value_is_bytes(v))
		return -EINVAL;
	*to = parse(v->via.str.ptr, v->via.str.size);
	return *to < 0 ? -EINVAL : 0;
}

static int take_outcome(const msgpack_object *v, void *to)
{
	int word, ret = take_word(v, &word, outcome_parse);

	if (ret == 0)
		*(enum outcome *)to = (enum outcome)word;
	return ret;
}

static int take_verdict(const msgpack_object *v, void *to)
{
	int word, ret = take_word(v, &word, verdict_parse);

	if (ret == 0)
		*(enum verdict *)to = (enum verdict)word;
	return ret;
}

static int take_ended_by(const msgpack_object *v, void *to)
{
	int word, ret;

	if (value_is_nil(v))
		return 0;
	ret = take_word(v, &word, ended_by_parse);
	if (ret == 0)
		*(enum ended_by *)to = (enum ended_by)word;
	return ret;
}

/* A list of names as a mask. Names that a later version added are skipped, as keys are. */
static int take_mask(const msgpack_object *v, uint32_t *mask, int (*parse)(const char *, size_t))
{
	int word;

	if (v->type != MSGPACK_OBJECT_ARRAY)
		return -EINVAL;
	for (uint32_t i = 0; i < v->via.array.size; i++)
		if (take_word(&v->via.array.ptr[i], &word, parse) == 0)
			*mask |= 1u << word;
	return 0;
}

static int take_layers(const msgpack_object *v, void *to)
{
	return take_mask(v, to, layer_parse);
}

static int take_limits_hit(const msgpack_object *v, void *to)
{
	return take_mask(v, to, limit_hit_parse);
}

/* An errno's name; an unknown one is kept as "some error", since absent would mean killed. */
static int take_errno(const msgpack_object *v, void *to)
{
	int *num = to;

	if (value_is_nil(v))
		return 0;
	if (v->type != MSGPACK_OBJECT_STR)
		return -EINVAL;
	for (int i = 1; i < 256; i++) {
		const char *name = err_name(i);

		if (strlen(name) == v->via.str.size && memcmp(name, v->via.str.ptr, v->via.str.size) == 0) {
			*num = i;
			return 0;
		}
	}
	*num = EINVAL;
	return 0;
}

static const struct row *find_row(const struct row *rows, size_t n, const msgpack_object *key)
{
	if (key->type != MSGPACK_OBJECT_STR)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strlen(rows[i].key) == key->via.str.size &&
		    memcmp(rows[i].key, key->via.str.ptr, key->via.str.size) == 0)
			return &rows[i];
	return NULL;
}

/* Fills the struct at `to`; -EINVAL, with the key in `*at`, for a value of the wrong type. */
static int take_rows(const struct row *rows, size_t n, const msgpack_object *map, void *to, const char **at)
{
	if (map->type != MSGPACK_OBJECT_MAP)
		return -EINVAL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const struct row *row = find_row(rows, n, &map->via.map.ptr[i].key);
		int ret = row ? row->take(&map->via.map.ptr[i].val, (char *)to + row->offset) : 0;

		if (ret < 0) {
			*at = row->key;
			return ret;
		}
	}
	return 0;
}

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static int take_violation_args(const msgpack_object *v, void *to)
{
	char **args = to;
	int ret = 0;

	if (v->type != MSGPACK_OBJECT_ARRAY)
		return -EINVAL;
	for (uint32_t i = 0; i < v->via.array.size && i < VIOLATION_ARGS_MAX && ret == 0; i++)
		ret = take_text(&v->via.array.ptr[i], &args[i]);
	return ret;
}

#define V(field) offsetof(struct violation, field)
static const struct row violation_rows[] = {
	{"syscall", take_text, V(syscall)},   {"args", take_violation_args, V(args)}, {"path", take_text, V(path)},
	{"address", take_text, V(address)},   {"verdict", take_verdict, V(verdict)},  {"errno", take_errno, V(err)},
	{"rule", take_text, V(rule)},         {"file", take_text, V(file)},           {"line", take_int, V(line)},
	{"function", take_text, V(function)}, {"no_line", take_text, V(no_line)},     {"hint", take_text, V(hint)},
	{"count", take_u32, V(count)},
};
#undef V

static int take_violations(const msgpack_object *v, void *to)
{
	struct result *r = to;
	const char *at;
	int ret = 0;

	if (v->type != MSGPACK_OBJECT_ARRAY || r->violations)
		return -EINVAL;
	r->violations = calloc(v->via.array.size + 1u, sizeof(*r->violations));
	if (!r->violations)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->via.array.size && ret == 0; i++)
		ret = take_rows(violation_rows, COUNT(violation_rows), &v->via.array.ptr[i],
				&r->violations[r->n_violations++], &at);
	return ret;
}

#define U(field) offsetof(struct usage, field)
static const struct row usage_rows[] = {
	{"queue_ms", take_number, U(queue_ms)},
	{"wall_ms", take_number, U(wall_ms)},
	{"cpu_ms", take_number, U(cpu_ms)},
	{"max_rss_kib", take_u64, U(max_rss_kib)},
	{"brokered_calls", take_u64, U(brokered_calls)},
	{"stdout_bytes", take_u64, U(stdout_bytes)},
	{"stderr_bytes", take_u64, U(stderr_bytes)},
};
#undef U

static int take_usage(const msgpack_object *v, void *to)
{
	const char *at;

	return take_rows(usage_rows, COUNT(usage_rows), v, to, &at);
}

#define R(field) offsetof(struct result, field)
static const struct row result_rows[] = {
	{"job", take_text, R(id)},
	{"outcome", take_outcome, R(outcome)},
	{"exit_code", take_int, R(exit_code)},
	{"signal", take_int, R(signal)},
	{"limit", take_ended_by, R(limit)},
	{"limits_hit", take_limits_hit, R(limits_hit)},
	{"stdout", take_data, R(out)},
	{"stderr", take_data, R(err)},
	{"stdout_truncated", take_flag, R(out_truncated)},
	{"stderr_truncated", take_flag, R(err_truncated)},
	{"files", result_files_take, 0},
	{"files_dropped", result_dropped_take, 0},
	{"violations", take_violations, 0},
	{"violations_dropped", take_u64, R(violations_dropped)},
	{"usage", take_usage, R(usage)},
	{"layers", take_layers, R(layers)},
	{"error", take_text, R(error)},
};
#undef R

int result_parse(const msgpack_object *map, struct result *out, struct err *e)
{
	const char *at = "map";
	int ret;

	memset(out, 0, sizeof(*out));
	out->outcome = OUTCOME_COUNT;
	ret = take_rows(result_rows, COUNT(result_rows), map, out, &at);
	if (ret == 0 && (!out->id || out->outcome == OUTCOME_COUNT)) {
		at = out->id ? "outcome" : "job";
		ret = -EINVAL;
	}
	if (ret == 0)
		return 0;
	result_done(out);
	err_set(e, ERR_HOST, "result", 0, "%s: not what a result has there", at);
	return ret;
}

void violation_done(struct violation *v)
{
	for (size_t i = 0; i < VIOLATION_ARGS_MAX; i++)
		free(v->args[i]);
	free(v->syscall);
	free(v->path);
	free(v->address);
	free(v->rule);
	free(v->file);
	free(v->function);
	free(v->no_line);
	free(v->hint);
	memset(v, 0, sizeof(*v));
}

void result_done(struct result *r)
{
	for (size_t i = 0; i < r->n_violations; i++)
		violation_done(&r->violations[i]);
	free(r->violations);
	result_files_free(r);
	free(r->id);
	free((char *)r->out.p);
	free((char *)r->err.p);
	free(r->error);
	memset(r, 0, sizeof(*r));
}
