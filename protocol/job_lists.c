#include "job_lists.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "rpc.h"
#include "value.h"

/* --- parsing -------------------------------------------------------------------------------------------------- */

/* Both lists share one allowance, since both end up on the job's stack. */
static int count_strings(const struct job *j, const char *path, struct err *e)
{
	size_t sum = 0;

	for (size_t i = 0; i < j->n_args; i++)
		sum += strlen(j->args[i]) + 1;
	for (size_t i = 0; i < j->n_env; i++)
		sum += strlen(j->env[i].name) + strlen(j->env[i].value) + 2;
	if (sum > JOB_STRINGS_MAX)
		return value_bad(e, path, "args and env together must have at most %u bytes", JOB_STRINGS_MAX);
	return 0;
}

static int take_arg(const msgpack_object *v, const char *path, char **out, struct err *e)
{
	return value_take_cstr(v, JOB_STRINGS_MAX, path, out, e);
}

int job_args_parse(struct job *j, const msgpack_object *v, struct err *e)
{
	const struct value_list args = {"args", "list of strings", JOB_ARGS_MAX, take_arg};
	int ret = value_take_list(v, &args, &j->args, &j->n_args, e);

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
		return value_bad(e, "env", "a name is empty");
	if (strchr(name, '='))
		return value_bad(e, path, "a name must not hold an equals sign");
	if (is_refused(name))
		return value_bad(e, path, "is read only when an interpreter starts, and cannot be given to a job");
	for (size_t i = 0; i < j->n_env; i++)
		if (strcmp(j->env[i].name, name) == 0)
			return value_bad(e, path, "duplicate name");
	return 0;
}

/* An entry belongs to the job, and is freed with it, from the moment its name is there. */
static int parse_env_entry(struct job *j, const msgpack_object_kv *kv, struct err *e)
{
	char name[VALUE_SHOWN], path[VALUE_SHOWN + 8], *n = NULL, *v = NULL;
	int ret;

	snprintf(path, sizeof(path), "env.%s", value_show(&kv->key, name));
	ret = value_take_cstr(&kv->key, JOB_STRINGS_MAX, path, &n, e);
	if (ret == 0)
		ret = check_env_name(j, n, path, e);
	if (ret == 0)
		ret = value_take_cstr(&kv->val, JOB_STRINGS_MAX, path, &v, e);
	if (ret < 0) {
		free(n);
		return ret;
	}
	j->env[j->n_env++] = (struct job_env){n, v};
	return 0;
}

int job_env_parse(struct job *j, const msgpack_object *v, struct err *e)
{
	int entries = value_entries(v, MSGPACK_OBJECT_MAP, JOB_ENV_MAX, "env", "map of strings", e), ret = 0;

	if (entries < 0)
		return entries;
	j->env = calloc((size_t)entries + 1, sizeof(*j->env));
	if (!j->env)
		return value_no_memory(e);
	for (int i = 0; i < entries && ret == 0; i++)
		ret = parse_env_entry(j, &v->via.map.ptr[i], e);
	return ret < 0 ? ret : count_strings(j, "env", e);
}

/* Only the type: the range is the policy's business, so that an error can name the maximum that holds for this job. */
static int parse_limit(struct job *j, int l, const msgpack_object *v, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "limits.%s", limit_name(l));
	if (value_is_nil(v))
		return 0;
	if (v->type == MSGPACK_OBJECT_FLOAT32 || v->type == MSGPACK_OBJECT_FLOAT64)
		return value_bad(e, path, "must be a whole number, is %g", v->via.f64);
	if (v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		j->limits[l] = v->via.i64;
	else if (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		j->limits[l] = v->via.u64 > INT64_MAX ? INT64_MAX : (int64_t)v->via.u64;
	else
		return value_bad(e, path, "must be a whole number");
	j->limit_given[l] = true;
	return 0;
}

static int take_address(const msgpack_object *v, const char *path, char **out, struct err *e)
{
	int ret = value_take_cstr(v, JOB_GRANT_MAX, path, out, e);

	return ret == 0 && **out == '\0' ? value_bad(e, path, "must not be empty") : ret;
}

static int take_path(const msgpack_object *v, const char *path, char **out, struct err *e)
{
	int ret = take_address(v, path, out, e);
	const char *s = *out, *wrong = ret == 0 ? paths_problem(s) : NULL;

	return wrong ? value_bad(e, path, "%s, is %.*s%s", wrong, VALUE_SHOWN, s, strlen(s) > VALUE_SHOWN ? "..." : "") : ret;
}

static int parse_grant_list(struct job *j, int g, const msgpack_object *v, struct err *e)
{
	char path[32];
	const struct value_list grants = {path, "list of strings", JOB_GRANTS_MAX, g == GRANT_CONNECT ? take_address : take_path};

	snprintf(path, sizeof(path), "grants.%s", grant_kind_name(g));
	return value_is_nil(v) ? 0 : value_take_list(v, &grants, &j->grants[g].v, &j->grants[g].n, e);
}

/* A map whose keys are words of a vocabulary, each at most once. */
struct vocabulary {
	const char *field;
	int (*parse)(const char *, size_t);
	const char *(*name)(int);
	int (*take)(struct job *j, int word, const msgpack_object *v, struct err *e);
};
_Static_assert(LIMIT_COUNT <= 32 && GRANT_COUNT <= 32, "`seen` is a 32-bit mask");

static int parse_words(struct job *j, const struct vocabulary *of, const msgpack_object *v, struct err *e)
{
	char name[VALUE_SHOWN];
	uint32_t seen = 0;

	if (v->type != MSGPACK_OBJECT_MAP)
		return value_bad(e, of->field, "must be a map");
	for (uint32_t i = 0; i < v->via.map.size; i++) {
		const msgpack_object_kv *kv = &v->via.map.ptr[i];
		int word = value_is_bytes(&kv->key) ? of->parse(kv->key.via.str.ptr, kv->key.via.str.size) : -1, ret;

		if (word < 0)
			return value_bad(e, "", "unknown field %s.%s", of->field, value_show(&kv->key, name));
		if (seen & 1u << word)
			return value_bad(e, "", "duplicate field %s.%s", of->field, of->name(word));
		seen |= 1u << word;
		ret = of->take(j, word, &kv->val, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int job_limits_parse(struct job *j, const msgpack_object *v, struct err *e)
{
	return parse_words(j, &(struct vocabulary){"limits", limit_parse, limit_name, parse_limit}, v, e);
}

int job_grants_parse(struct job *j, const msgpack_object *v, struct err *e)
{
	return parse_words(j, &(struct vocabulary){"grants", grant_kind_parse, grant_kind_name, parse_grant_list}, v, e);
}

/* --- packing, and the end ------------------------------------------------------------------------------------- */

size_t job_args_pack(msgpack_packer *pk, const struct job *j)
{
	if (j->n_args && pk)
		value_put_list(pk, "args", j->args, j->n_args);
	return j->n_args > 0;
}

size_t job_env_pack(msgpack_packer *pk, const struct job *j)
{
	if (j->n_env && pk)
		value_put_map(pk, "env", j->n_env);
	for (size_t i = 0; i < j->n_env && pk; i++) {
		value_pack_exact(pk, j->env[i].name);
		value_pack_exact(pk, j->env[i].value);
	}
	return j->n_env > 0;
}

size_t job_limits_pack(msgpack_packer *pk, const struct job *j)
{
	size_t n = 0;

	for (int l = 0; l < LIMIT_COUNT; l++)
		n += j->limit_given[l];
	if (n == 0 || !pk)
		return n > 0;
	value_put_map(pk, "limits", n);
	for (int l = 0; l < LIMIT_COUNT; l++)
		if (j->limit_given[l])
			value_put_int(pk, limit_name(l), true, j->limits[l]);
	return 1;
}

size_t job_grants_pack(msgpack_packer *pk, const struct job *j)
{
	size_t n = 0;

	for (int g = 0; g < GRANT_COUNT; g++)
		n += j->grants[g].n > 0;
	if (n == 0 || !pk)
		return n > 0;
	value_put_map(pk, "grants", n);
	for (int g = 0; g < GRANT_COUNT; g++)
		if (j->grants[g].n)
			value_put_list(pk, grant_kind_name(g), j->grants[g].v, j->grants[g].n);
	return 1;
}

void job_lists_free(struct job *j)
{
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
}
