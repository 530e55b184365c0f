#include "job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "job_files.h"
#include "names.h"
#include "paths.h"
#include "rpc.h"

#define ENV_NAME_SHOWN 64 /* bytes of a caller's name in an error text */
#define MADE_UP_BYTES  12 /* random bytes of a made-up job id */

/* --- errors, and values of one type -------------------------------------------------------------------------- */

/* "path: words"; path goes into the step where it fits, so that callers can tell fields apart. Returns -EINVAL. */
__attribute__((format(printf, 3, 4))) static int bad(struct err *e, const char *path, const char *fmt, ...)
{
	struct err scratch;
	char words[sizeof(e->text)];
	bool fits = strlen(path) < sizeof(e->step);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	return err_set(e ? e : &scratch, ERR_REQUEST, fits ? path : "", 0, "%s%s%s", fits ? "" : path, fits ? "" : ": ",
		       words);
}

static int out_of_memory(struct err *e)
{
	return err_set(e, ERR_HOST, "job", ENOMEM, NULL);
}

static bool is_bytes(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_STR || o->type == MSGPACK_OBJECT_BIN;
}

static bool is_nil(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_NIL;
}

static struct bytes as_bytes(const msgpack_object *o)
{
	return (struct bytes){o->via.str.ptr, o->via.str.size};
}

static bool same(const msgpack_object *key, const char *name)
{
	return is_bytes(key) && key->via.str.size == strlen(name) &&
	       (key->via.str.size == 0 || memcmp(key->via.str.ptr, name, key->via.str.size) == 0);
}

/* A caller's key for an error text: printable, not too long. */
static const char *shown(const msgpack_object *key, char buf[ENV_NAME_SHOWN])
{
	size_t n = 0;

	if (!is_bytes(key))
		return "(not a string)";
	for (; n < key->via.str.size && n < ENV_NAME_SHOWN - 4; n++) {
		unsigned char c = (unsigned char)key->via.str.ptr[n];

		buf[n] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
	}
	snprintf(buf + n, ENV_NAME_SHOWN - n, "%s", n < key->via.str.size ? "..." : "");
	return buf;
}

/* A string of the caller's as a C string, new. NUL bytes inside would cut it short unnoticed. */
static int take_cstr(const msgpack_object *v, size_t max, const char *path, char **out, struct err *e)
{
	struct bytes b;

	if (!is_bytes(v))
		return bad(e, path, "must be a string");
	b = as_bytes(v);
	if (b.len > max)
		return bad(e, path, "must have at most %zu bytes, has %zu", max, b.len);
	if (b.len > 0 && memchr(b.p, '\0', b.len))
		return bad(e, path, "holds a NUL byte");
	*out = strndup(b.len ? b.p : "", b.len);
	return *out ? 0 : out_of_memory(e);
}

/* Names that are shown in lists, logs and errors: good UTF-8 without control characters, not empty. */
static int take_name(const msgpack_object *v, size_t max, const char *path, char **out, struct err *e)
{
	int ret = take_cstr(v, max, path, out, e);

	if (ret < 0)
		return ret;
	if (**out == '\0')
		return bad(e, path, "must not be empty");
	if (rpc_utf8_prefix(*out, strlen(*out)) < strlen(*out))
		return bad(e, path, "must be UTF-8");
	for (const char *p = *out; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return bad(e, path, "holds a control character");
	return 0;
}

static int take_bytes(const msgpack_object *v, const char *path, struct bytes *out, struct err *e)
{
	if (!is_bytes(v))
		return bad(e, path, "must be bytes or a string");
	struct bytes b = as_bytes(v);
	char *copy = malloc(b.len ? b.len : 1);

	if (!copy)
		return out_of_memory(e);
	if (b.len > 0)
		memcpy(copy, b.p, b.len);
	*out = (struct bytes){copy, b.len};
	return 0;
}

static int take_bool(const msgpack_object *v, const char *path, bool *out, struct err *e)
{
	if (v->type != MSGPACK_OBJECT_BOOLEAN)
		return bad(e, path, "must be true or false");
	*out = v->via.boolean;
	return 0;
}

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
	char words[64], name[ENV_NAME_SHOWN];
	int l = is_bytes(v) ? language_parse(v->via.str.ptr, v->via.str.size) : -1;

	if (l < 0)
		return bad(e, "language", "must be %s, is %s",
			   list_words(language_name, LANGUAGE_COUNT, words, sizeof(words)), shown(v, name));
	j->language = (enum language)l;
	return 0;
}

static int parse_code(struct job *j, const msgpack_object *v, struct err *e)
{
	return take_bytes(v, "code", &j->code, e);
}

static int parse_policy(struct job *j, const msgpack_object *v, struct err *e)
{
	return take_name(v, JOB_NAME_MAX, "policy", &j->policy, e);
}

/* What is wrong with it as a policy the worker says, which reads it. */
static int parse_policy_text(struct job *j, const msgpack_object *v, struct err *e)
{
	int ret = take_bytes(v, "policy_text", &j->policy_text, e);

	if (ret == 0 && j->policy_text.len > JOB_POLICY_MAX)
		return bad(e, "policy_text", "must have at most %u bytes, has %zu", JOB_POLICY_MAX, j->policy_text.len);
	return ret;
}

static int parse_debug(struct job *j, const msgpack_object *v, struct err *e)
{
	return take_bool(v, "debug", &j->debug, e);
}

static int parse_id(struct job *j, const msgpack_object *v, struct err *e)
{
	return take_name(v, JOB_ID_MAX, "job", &j->id, e);
}

static int parse_filename(struct job *j, const msgpack_object *v, struct err *e)
{
	int ret = take_name(v, JOB_NAME_MAX, "filename", &j->filename, e);

	if (ret < 0)
		return ret;
	if (strchr(j->filename, '/') || strcmp(j->filename, ".") == 0 || strcmp(j->filename, "..") == 0)
		return bad(e, "filename", "must be a plain name, without directories");
	return 0;
}

/* Both lists share one allowance, since both end up on the job's stack. */
static int count_strings(const struct job *j, const char *path, struct err *e)
{
	size_t sum = 0;

	for (size_t i = 0; i < j->n_args; i++)
		sum += strlen(j->args[i]) + 1;
	for (size_t i = 0; i < j->n_env; i++)
		sum += strlen(j->env[i].name) + strlen(j->env[i].value) + 2;
	if (sum > JOB_STRINGS_MAX)
		return bad(e, path, "args and env together must have at most %u bytes", JOB_STRINGS_MAX);
	return 0;
}

static int parse_args(struct job *j, const msgpack_object *v, struct err *e)
{
	char path[32];
	int ret = 0;

	if (v->type != MSGPACK_OBJECT_ARRAY)
		return bad(e, "args", "must be a list of strings");
	if (v->via.array.size > JOB_ARGS_MAX)
		return bad(e, "args", "must have at most %d entries, has %u", JOB_ARGS_MAX, v->via.array.size);
	j->args = calloc(v->via.array.size + 1u, sizeof(*j->args));
	if (!j->args)
		return out_of_memory(e);
	for (uint32_t i = 0; i < v->via.array.size && ret == 0; i++) {
		snprintf(path, sizeof(path), "args[%u]", i);
		ret = take_cstr(&v->via.array.ptr[i], JOB_STRINGS_MAX, path, &j->args[i], e);
		j->n_args += ret == 0;
	}
	return ret < 0 ? ret : count_strings(j, "args", e);
}

/* Names that interpreters and libc read only when they start: warm ones have long done that, so they would be
 * ignored, or would steer a process that is not the job's. A star ends a prefix. */
static const char *const env_refused[] = {"PYTHON*", "NODE_OPTIONS", "LD_*", "MALLOC_*", "GLIBC_TUNABLES"};

static bool is_refused(const char *name)
{
	for (size_t i = 0; i < sizeof(env_refused) / sizeof(env_refused[0]); i++) {
		const char *row = env_refused[i], *star = strchr(row, '*');

		if (star ? strncmp(name, row, (size_t)(star - row)) == 0 : strcmp(name, row) == 0)
			return true;
	}
	return false;
}

static int check_env_name(const struct job *j, const char *name, const char *path, struct err *e)
{
	if (*name == '\0')
		return bad(e, "env", "a name is empty");
	if (strchr(name, '='))
		return bad(e, path, "a name must not hold an equals sign");
	if (is_refused(name))
		return bad(e, path, "is read only when an interpreter starts, and cannot be given to a job");
	for (size_t i = 0; i < j->n_env; i++)
		if (strcmp(j->env[i].name, name) == 0)
			return bad(e, path, "duplicate name");
	return 0;
}

/* An entry belongs to the job, and is freed with it, from the moment its name is there. */
static int parse_env_entry(struct job *j, const msgpack_object_kv *kv, struct err *e)
{
	char name[ENV_NAME_SHOWN], path[ENV_NAME_SHOWN + 8], *n = NULL, *v = NULL;
	int ret;

	snprintf(path, sizeof(path), "env.%s", shown(&kv->key, name));
	ret = take_cstr(&kv->key, JOB_STRINGS_MAX, path, &n, e);
	if (ret == 0)
		ret = check_env_name(j, n, path, e);
	if (ret == 0)
		ret = take_cstr(&kv->val, JOB_STRINGS_MAX, path, &v, e);
	if (ret < 0) {
		free(n);
		return ret;
	}
	j->env[j->n_env++] = (struct job_env){n, v};
	return 0;
}

static int parse_env(struct job *j, const msgpack_object *v, struct err *e)
{
	int ret = 0;

	if (v->type != MSGPACK_OBJECT_MAP)
		return bad(e, "env", "must be a map of strings");
	if (v->via.map.size > JOB_ENV_MAX)
		return bad(e, "env", "must have at most %d entries, has %u", JOB_ENV_MAX, v->via.map.size);
	j->env = calloc(v->via.map.size + 1u, sizeof(*j->env));
	if (!j->env)
		return out_of_memory(e);
	for (uint32_t i = 0; i < v->via.map.size && ret == 0; i++)
		ret = parse_env_entry(j, &v->via.map.ptr[i], e);
	return ret < 0 ? ret : count_strings(j, "env", e);
}

static int parse_stdin(struct job *j, const msgpack_object *v, struct err *e)
{
	return take_bytes(v, "stdin", &j->stdin_data, e);
}

static int parse_tenant(struct job *j, const msgpack_object *v, struct err *e)
{
	if (is_bytes(v) && v->via.str.size == 0)
		return 0;
	return take_name(v, JOB_ID_MAX, "tenant", &j->tenant, e);
}

static int parse_dependencies(struct job *j, const msgpack_object *v, struct err *e)
{
	if (is_bytes(v) && v->via.str.size == 0)
		return 0;
	int ret = take_name(v, NAMES_TREE_MAX, "dependencies", &j->dependencies, e);
	const char *problem = ret ? NULL : names_tree_problem(j->dependencies);

	return problem ? bad(e, "dependencies", "%s", problem) : ret;
}

static int parse_detach(struct job *j, const msgpack_object *v, struct err *e)
{
	return take_bool(v, "detach", &j->detach, e);
}

static int parse_stream(struct job *j, const msgpack_object *v, struct err *e)
{
	return take_bool(v, "stream", &j->stream, e);
}

static int parse_trace(struct job *j, const msgpack_object *v, struct err *e)
{
	char words[64], name[ENV_NAME_SHOWN];
	int t = is_nil(v) ? TRACE_OFF : is_bytes(v) ? trace_parse(v->via.str.ptr, v->via.str.size) : -1;

	if (t < 0)
		return bad(e, "trace", "must be %s, is %s", list_words(trace_name, TRACE_COUNT, words, sizeof(words)), shown(v, name));
	j->trace = (enum trace)t;
	return 0;
}

/* Only the type: the range is the policy's business, so that an error can name the maximum that holds for this job. */
static int parse_limit(struct job *j, int l, const msgpack_object *v, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "limits.%s", limit_name(l));
	if (is_nil(v))
		return 0;
	if (v->type == MSGPACK_OBJECT_FLOAT32 || v->type == MSGPACK_OBJECT_FLOAT64)
		return bad(e, path, "must be a whole number, is %g", v->via.f64);
	if (v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		j->limits[l] = v->via.i64;
	else if (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		j->limits[l] = v->via.u64 > INT64_MAX ? INT64_MAX : (int64_t)v->via.u64;
	else
		return bad(e, path, "must be a whole number");
	j->limit_given[l] = true;
	return 0;
}

static int parse_limits(struct job *j, const msgpack_object *v, struct err *e)
{
	char name[ENV_NAME_SHOWN];
	uint32_t seen = 0;

	if (v->type != MSGPACK_OBJECT_MAP)
		return bad(e, "limits", "must be a map");
	for (uint32_t i = 0; i < v->via.map.size; i++) {
		const msgpack_object_kv *kv = &v->via.map.ptr[i];
		int l = is_bytes(&kv->key) ? limit_parse(kv->key.via.str.ptr, kv->key.via.str.size) : -1, ret;

		if (l < 0)
			return bad(e, "", "unknown field limits.%s", shown(&kv->key, name));
		if (seen & 1u << l)
			return bad(e, "", "duplicate field limits.%s", limit_name(l));
		seen |= 1u << l;
		ret = parse_limit(j, l, &kv->val, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int parse_grant(struct job_list *l, const char *path, bool is_path, const msgpack_object *v, struct err *e)
{
	const char *wrong;
	char *s = NULL;
	int ret = take_cstr(v, JOB_GRANT_MAX, path, &s, e);

	if (ret == 0 && *s == '\0')
		ret = bad(e, path, "must not be empty");
	wrong = ret == 0 && is_path ? paths_problem(s) : NULL;
	if (wrong)
		ret = bad(e, path, "%s, is %.*s%s", wrong, ENV_NAME_SHOWN, s, strlen(s) > ENV_NAME_SHOWN ? "..." : "");
	if (ret < 0) {
		free(s);
		return ret;
	}
	l->v[l->n++] = s;
	return 0;
}

static int parse_grant_list(struct job *j, int g, const msgpack_object *v, struct err *e)
{
	char path[32];
	int ret = 0;

	snprintf(path, sizeof(path), "grants.%s", grant_kind_name(g));
	if (is_nil(v))
		return 0;
	if (v->type != MSGPACK_OBJECT_ARRAY)
		return bad(e, path, "must be a list of strings");
	if (v->via.array.size > JOB_GRANTS_MAX)
		return bad(e, path, "must have at most %d entries, has %u", JOB_GRANTS_MAX, v->via.array.size);
	j->grants[g].v = calloc(v->via.array.size + 1u, sizeof(char *));
	if (!j->grants[g].v)
		return out_of_memory(e);
	for (uint32_t i = 0; i < v->via.array.size && ret == 0; i++) {
		snprintf(path, sizeof(path), "grants.%s[%u]", grant_kind_name(g), i);
		ret = parse_grant(&j->grants[g], path, g != GRANT_CONNECT, &v->via.array.ptr[i], e);
	}
	return ret;
}

static int parse_grants(struct job *j, const msgpack_object *v, struct err *e)
{
	char name[ENV_NAME_SHOWN];
	uint32_t seen = 0;

	if (v->type != MSGPACK_OBJECT_MAP)
		return bad(e, "grants", "must be a map");
	for (uint32_t i = 0; i < v->via.map.size; i++) {
		const msgpack_object_kv *kv = &v->via.map.ptr[i];
		int g = is_bytes(&kv->key) ? grant_kind_parse(kv->key.via.str.ptr, kv->key.via.str.size) : -1, ret;

		if (g < 0)
			return bad(e, "", "unknown field grants.%s", shown(&kv->key, name));
		if (seen & 1u << g)
			return bad(e, "", "duplicate field grants.%s", grant_kind_name(g));
		seen |= 1u << g;
		ret = parse_grant_list(j, g, &kv->val, e);
		if (ret < 0)
			return ret;
	}
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
	{"args", parse_args, false},
	{"env", parse_env, false},
	{"stdin", parse_stdin, false},
	{"limits", parse_limits, false},
	{"grants", parse_grants, false},
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
		if (same(key, job_fields[i].name))
			return (int)i;
	return -1;
}

static int parse_field(struct job *j, const struct job_field *f, const msgpack_object *v, struct err *e)
{
	if (is_nil(v))
		return f->required ? bad(e, f->name, "is required") : 0;
	return f->parse(j, v, e);
}

static int parse_fields(struct job *j, const msgpack_object_map *map, struct err *e)
{
	char name[ENV_NAME_SHOWN];
	uint32_t seen = 0;

	for (uint32_t i = 0; i < map->size; i++) {
		int f = find_field(&map->ptr[i].key), ret;

		if (f < 0)
			return bad(e, "", "unknown field %s", shown(&map->ptr[i].key, name));
		if (seen & 1u << f)
			return bad(e, "", "duplicate field %s", job_fields[f].name);
		seen |= 1u << f;
		ret = parse_field(j, &job_fields[f], &map->ptr[i].val, e);
		if (ret < 0)
			return ret;
	}
	for (size_t f = 0; f < N_JOB_FIELDS; f++)
		if (job_fields[f].required && !(seen & 1u << f))
			return bad(e, job_fields[f].name, "is required");
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
	return j->id && j->filename && j->tenant ? 0 : out_of_memory(e);
}

int job_parse(const msgpack_object *map, struct job **out, struct err *e)
{
	static const msgpack_object_map none;
	struct job *j;
	int ret;

	if (map && map->type != MSGPACK_OBJECT_MAP)
		return bad(e, "params", "must be an array of one map");
	j = job_new();
	if (!j)
		return out_of_memory(e);
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
	for (size_t i = 0; i < j->n_args; i++)
		free(j->args[i]);
	for (size_t i = 0; i < j->n_env; i++) {
		free(j->env[i].name);
		free(j->env[i].value);
	}
	for (int g = 0; g < GRANT_COUNT; g++) {
		for (size_t i = 0; i < j->grants[g].n; i++)
			free(j->grants[g].v[i]);
		free(j->grants[g].v);
	}
	free(j->args);
	free(j->env);
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

static void pack_key(msgpack_packer *pk, const char *key)
{
	rpc_pack_cstr(pk, key);
}

/* As `str` where it is one, else as `bin`, which is accepted too and loses nothing. */
static void pack_exact(msgpack_packer *pk, const char *s)
{
	size_t len = strlen(s);

	if (rpc_utf8_prefix(s, len) == len)
		rpc_pack_cstr(pk, s);
	else
		rpc_pack_bin(pk, (struct bytes){s, len});
}

static size_t pack_str_field(msgpack_packer *pk, const char *key, const char *value)
{
	if (!value || !*value)
		return 0;
	if (pk) {
		pack_key(pk, key);
		pack_exact(pk, value);
	}
	return 1;
}

static size_t pack_true_field(msgpack_packer *pk, const char *key, bool value)
{
	if (value && pk) {
		pack_key(pk, key);
		msgpack_pack_true(pk);
	}
	return value;
}

static size_t pack_trace(msgpack_packer *pk, enum trace t)
{
	if (t != TRACE_OFF && pk) {
		pack_key(pk, "trace");
		pack_key(pk, trace_name(t));
	}
	return t != TRACE_OFF;
}

static size_t pack_bytes(msgpack_packer *pk, const char *key, struct bytes b, bool there)
{
	if (there && pk) {
		pack_key(pk, key);
		rpc_pack_bin(pk, b);
	}
	return there;
}

static size_t pack_args(msgpack_packer *pk, const struct job *j)
{
	if (j->n_args == 0 || !pk)
		return j->n_args > 0;
	pack_key(pk, "args");
	msgpack_pack_array(pk, j->n_args);
	for (size_t i = 0; i < j->n_args; i++)
		pack_exact(pk, j->args[i]);
	return 1;
}

static size_t pack_env(msgpack_packer *pk, const struct job *j)
{
	if (j->n_env == 0 || !pk)
		return j->n_env > 0;
	pack_key(pk, "env");
	msgpack_pack_map(pk, j->n_env);
	for (size_t i = 0; i < j->n_env; i++) {
		pack_exact(pk, j->env[i].name);
		pack_exact(pk, j->env[i].value);
	}
	return 1;
}

static size_t pack_limits(msgpack_packer *pk, const struct job *j)
{
	size_t n = 0;

	for (int l = 0; l < LIMIT_COUNT; l++)
		n += j->limit_given[l];
	if (n == 0 || !pk)
		return n > 0;
	pack_key(pk, "limits");
	msgpack_pack_map(pk, n);
	for (int l = 0; l < LIMIT_COUNT; l++) {
		if (!j->limit_given[l])
			continue;
		pack_key(pk, limit_name(l));
		msgpack_pack_int64(pk, j->limits[l]);
	}
	return 1;
}

static size_t pack_grants(msgpack_packer *pk, const struct job *j)
{
	size_t n = 0;

	for (int g = 0; g < GRANT_COUNT; g++)
		n += j->grants[g].n > 0;
	if (n == 0 || !pk)
		return n > 0;
	pack_key(pk, "grants");
	msgpack_pack_map(pk, n);
	for (int g = 0; g < GRANT_COUNT; g++) {
		const struct job_list *l = &j->grants[g];

		if (l->n == 0)
			continue;
		pack_key(pk, grant_kind_name(g));
		msgpack_pack_array(pk, l->n);
		for (size_t i = 0; i < l->n; i++)
			pack_exact(pk, l->v[i]);
	}
	return 1;
}

/* How many optional fields there are; packs them when pk is given. One list for both: a map's size comes first. */
static size_t pack_optional(msgpack_packer *pk, const struct job *j)
{
	return pack_str_field(pk, "policy", j->policy) + pack_str_field(pk, "job", j->id) +
	       pack_str_field(pk, "filename", j->filename) + pack_str_field(pk, "tenant", j->tenant) + pack_str_field(pk, "dependencies", j->dependencies) +
	       pack_args(pk, j) + pack_env(pk, j) + pack_bytes(pk, "stdin", j->stdin_data, j->stdin_data.len > 0) + pack_limits(pk, j) + pack_grants(pk, j) +
	       job_files_pack(pk, j) + job_collect_pack(pk, j) +
	       pack_bytes(pk, "policy_text", j->policy_text, j->policy_text.p != NULL) + pack_true_field(pk, "debug", j->debug) +
	       pack_true_field(pk, "detach", j->detach) + pack_true_field(pk, "stream", j->stream) +
	       pack_trace(pk, j->trace);
}

void job_pack(const struct job *j, msgpack_packer *pk)
{
	msgpack_pack_map(pk, 2 + pack_optional(NULL, j));
	pack_key(pk, "language");
	pack_key(pk, language_name(j->language));
	pack_key(pk, "code");
	rpc_pack_bin(pk, j->code);
	pack_optional(pk, j);
}
