#include "job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "job_files.h"
#include "job_lists.h"
#include "names.h"
#include "rpc.h"
#include "value.h"

#define MADE_UP_BYTES 12 /* random bytes of a made-up job id */

/* --- the fields of a job ------------------------------------------------------------------------------------- */

/* "python3 or nodejs" */
static const char *list_words(const char *(*name)(int), int count, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (int i = 0; i < count && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i == 0 ? "" : i == count - 1 ? " or " : ", ", name(i));
	return buf;
}

static int parse_language(struct job *j, const msgpack_object *v, struct err *e)
{
	char words[64], name[VALUE_SHOWN];
	int l = value_is_bytes(v) ? language_parse(v->via.str.ptr, v->via.str.size) : -1;

	if (l < 0)
		return value_bad(e, "language", "must be %s, is %s",
				 list_words(language_name, LANGUAGE_COUNT, words, sizeof(words)), value_show(v, name));
	j->language = (enum language)l;
	return 0;
}

static int parse_code(struct job *j, const msgpack_object *v, struct err *e)
{
	return value_take_bytes(v, "code", &j->code, e);
}

static int parse_policy(struct job *j, const msgpack_object *v, struct err *e)
{
	return value_take_name(v, JOB_NAME_MAX, "policy", &j->policy, e);
}

/* What is wrong with it as a policy the worker says, which reads it. */
static int parse_policy_text(struct job *j, const msgpack_object *v, struct err *e)
{
	int ret = value_take_bytes(v, "policy_text", &j->policy_text, e);

	if (ret == 0 && j->policy_text.len > JOB_POLICY_MAX)
		return value_bad(e, "policy_text", "must have at most %u bytes, has %zu", JOB_POLICY_MAX, j->policy_text.len);
	return ret;
}

static int parse_debug(struct job *j, const msgpack_object *v, struct err *e)
{
	return value_take_bool(v, "debug", &j->debug, e);
}

static int parse_id(struct job *j, const msgpack_object *v, struct err *e)
{
	return value_take_name(v, JOB_ID_MAX, "job", &j->id, e);
}

static int parse_filename(struct job *j, const msgpack_object *v, struct err *e)
{
	int ret = value_take_name(v, JOB_NAME_MAX, "filename", &j->filename, e);

	if (ret < 0)
		return ret;
	if (strchr(j->filename, '/') || strcmp(j->filename, ".") == 0 || strcmp(j->filename, "..") == 0)
		return value_bad(e, "filename", "must be a plain name, without directories");
	return 0;
}

static int parse_stdin(struct job *j, const msgpack_object *v, struct err *e)
{
	return value_take_bytes(v, "stdin", &j->stdin_data, e);
}

static int parse_tenant(struct job *j, const msgpack_object *v, struct err *e)
{
	if (value_is_bytes(v) && v->via.str.size == 0)
		return 0;
	return value_take_name(v, JOB_ID_MAX, "tenant", &j->tenant, e);
}

static int parse_dependencies(struct job *j, const msgpack_object *v, struct err *e)
{
	if (value_is_bytes(v) && v->via.str.size == 0)
		return 0;
	int ret = value_take_name(v, NAMES_TREE_MAX, "dependencies", &j->dependencies, e);
	const char *problem = ret ? NULL : names_tree_problem(j->dependencies);

	return problem ? value_bad(e, "dependencies", "%s", problem) : ret;
}

static int parse_detach(struct job *j, const msgpack_object *v, struct err *e)
{
	return value_take_bool(v, "detach", &j->detach, e);
}

static int parse_stream(struct job *j, const msgpack_object *v, struct err *e)
{
	return value_take_bool(v, "stream", &j->stream, e);
}

static int parse_trace(struct job *j, const msgpack_object *v, struct err *e)
{
	char words[64], name[VALUE_SHOWN];
	int t = value_is_nil(v) ? TRACE_OFF : value_is_bytes(v) ? trace_parse(v->via.str.ptr, v->via.str.size) : -1;

	if (t < 0)
		return value_bad(e, "trace", "must be %s, is %s", list_words(trace_name, TRACE_COUNT, words, sizeof(words)), value_show(v, name));
	j->trace = (enum trace)t;
	return 0;
}

static const struct job_field {
	const char *name;
	int (*parse)(struct job *j, const msgpack_object *v, struct err *e);
	bool required;
} job_fields[] = {
	{"language", parse_language, true},
	{"code", parse_code, true},
	{"policy", parse_policy, false},
	{"job", parse_id, false},
	{"filename", parse_filename, false},
	{"args", job_args_parse, false},
	{"env", job_env_parse, false},
	{"stdin", parse_stdin, false},
	{"limits", job_limits_parse, false},
	{"grants", job_grants_parse, false},
	{"tenant", parse_tenant, false},
	{"detach", parse_detach, false},
	{"stream", parse_stream, false},
	{"files", job_files_parse, false},
	{"collect", job_collect_parse, false},
	{"policy_text", parse_policy_text, false},
	{"debug", parse_debug, false},
	{"dependencies", parse_dependencies, false},
	{"trace", parse_trace, false},
};
#define N_JOB_FIELDS (sizeof(job_fields) / sizeof(job_fields[0]))
_Static_assert(N_JOB_FIELDS <= 32, "`seen` is a 32-bit mask");

static int find_field(const msgpack_object *key)
{
	for (size_t i = 0; i < N_JOB_FIELDS; i++)
		if (value_is(key, job_fields[i].name))
			return (int)i;
	return -1;
}

static int parse_field(struct job *j, const struct job_field *f, const msgpack_object *v, struct err *e)
{
	if (value_is_nil(v))
		return f->required ? value_bad(e, f->name, "is required") : 0;
	return f->parse(j, v, e);
}

static int parse_fields(struct job *j, const msgpack_object_map *map, struct err *e)
{
	char name[VALUE_SHOWN];
	uint32_t seen = 0;

	for (uint32_t i = 0; i < map->size; i++) {
		int f = find_field(&map->ptr[i].key), ret;

		if (f < 0)
			return value_bad(e, "", "unknown field %s", value_show(&map->ptr[i].key, name));
		if (seen & 1u << f)
			return value_bad(e, "", "duplicate field %s", job_fields[f].name);
		seen |= 1u << f;
		ret = parse_field(j, &job_fields[f], &map->ptr[i].val, e);
		if (ret < 0)
			return ret;
	}
	for (size_t f = 0; f < N_JOB_FIELDS; f++)
		if (job_fields[f].required && !(seen & 1u << f))
			return value_bad(e, job_fields[f].name, "is required");
	return 0;
}

/* Random, so that an id cannot be guessed ahead, and two supervisors' ids do not meet in one log. */
static char *make_up_id(void)
{
	unsigned char raw[MADE_UP_BYTES];
	char *id = malloc(2 * sizeof(raw) + 1);

	if (!id || getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw)) { /* this few bytes come whole (random(4)) */
		free(id);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(raw); i++)
		sprintf(id + 2 * i, "%02x", raw[i]);
	return id;
}

static const char *const default_filenames[] = {[LANGUAGE_PYTHON3] = "main.py", [LANGUAGE_NODEJS] = "main.js"};
_Static_assert(sizeof(default_filenames) / sizeof(char *) == LANGUAGE_COUNT, "a file name for every language");

static int fill_defaults(struct job *j, struct err *e)
{
	if (!j->id)
		j->id = make_up_id();
	if (!j->filename)
		j->filename = strdup(default_filenames[j->language]);
	if (!j->tenant)
		j->tenant = strdup("");
	return j->id && j->filename && j->tenant ? 0 : value_no_memory(e);
}

int job_parse(const msgpack_object *map, struct job **out, struct err *e)
{
	static const msgpack_object_map none;
	struct job *j;
	int ret;

	if (map && map->type != MSGPACK_OBJECT_MAP)
		return value_bad(e, "params", "must be an array of one map");
	j = job_new();
	if (!j)
		return value_no_memory(e);
	ret = parse_fields(j, map ? &map->via.map : &none, e);
	if (ret == 0)
		ret = fill_defaults(j, e);
	if (ret == 0)
		ret = job_files_check(j, e);
	if (ret < 0) {
		job_free(j);
		return ret;
	}
	*out = j;
	return 0;
}

struct job *job_new(void)
{
	return calloc(1, sizeof(struct job));
}

void job_free(struct job *j)
{
	if (!j)
		return;
	job_lists_free(j);
	free((char *)j->code.p);
	free((char *)j->stdin_data.p);
	free((char *)j->policy_text.p);
	job_files_free(j);
	job_collect_free(j);
	free(j->id);
	free(j->policy);
	free(j->filename);
	free(j->tenant);
	free(j->dependencies);
	free(j);
}

/* --- packing a job ------------------------------------------------------------------------------------------- */

static size_t pack_str_field(msgpack_packer *pk, const char *key, const char *value)
{
	if (!value || !*value)
		return 0;
	if (pk) {
		rpc_pack_cstr(pk, key);
		value_pack_exact(pk, value);
	}
	return 1;
}

static size_t pack_true_field(msgpack_packer *pk, const char *key, bool value)
{
	if (value && pk)
		value_put_bool(pk, key, true);
	return value;
}

static size_t pack_trace(msgpack_packer *pk, enum trace t)
{
	if (t != TRACE_OFF && pk)
		value_put_text(pk, "trace", trace_name(t));
	return t != TRACE_OFF;
}

static size_t pack_bytes(msgpack_packer *pk, const char *key, struct bytes b, bool there)
{
	if (there && pk)
		value_put_bin(pk, key, b);
	return there;
}

/* How many optional fields there are; packs them when pk is given. One list for both: a map's size comes first. */
static size_t pack_optional(msgpack_packer *pk, const struct job *j)
{
	return pack_str_field(pk, "policy", j->policy) + pack_str_field(pk, "job", j->id) +
	       pack_str_field(pk, "filename", j->filename) + pack_str_field(pk, "tenant", j->tenant) +
	       pack_str_field(pk, "dependencies", j->dependencies) + job_args_pack(pk, j) + job_env_pack(pk, j) +
	       pack_bytes(pk, "stdin", j->stdin_data, j->stdin_data.len > 0) + job_limits_pack(pk, j) + job_grants_pack(pk, j) +
	       job_files_pack(pk, j) + job_collect_pack(pk, j) +
	       pack_bytes(pk, "policy_text", j->policy_text, j->policy_text.p != NULL) + pack_true_field(pk, "debug", j->debug) +
	       pack_true_field(pk, "detach", j->detach) + pack_true_field(pk, "stream", j->stream) +
	       pack_trace(pk, j->trace);
}

void job_pack(const struct job *j, msgpack_packer *pk)
{
	msgpack_pack_map(pk, 2 + pack_optional(NULL, j));
	value_put_text(pk, "language", language_name(j->language));
	value_put_bin(pk, "code", j->code);
	pack_optional(pk, j);
}

uint64_t job_client(uid_t uid, const char *tenant)
{
	uint64_t h = 14695981039346656037u ^ uid;

	for (; *tenant; tenant++)
		h = (h * 1099511628211u) ^ (unsigned char)*tenant;
	h *= 1099511628211u;
	return h ? h : 1;
}
