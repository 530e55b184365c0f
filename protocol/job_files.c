#include "job_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "rpc.h"
#include "value.h"

/* /tmp is made of pages of this size at least, and rounds each file up to them */
#define PAGE 4096u

/* "field.NAME: words" */
static int bad_name(struct err *e, const char *field, struct bytes name, const char *words)
{
	char shown[NAMES_SHOWN];

	return err_set(e, ERR_REQUEST, "", 0, "%s.%s: %s", field, names_show(name, shown), words);
}

/* An entry with copies of both; -ENOMEM. */
static int copy_file(struct job_file *to, struct bytes name, struct bytes data)
{
	to->name = strndup(name.p, name.len);
	if (!to->name || value_copy(data, &to->data)) {
		free(to->name);
		return -ENOMEM;
	}
	return 0;
}

static void free_files(struct job_file *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].name);
		free((char *)v[i].data.p);
	}
	free(v);
}

/* --- a job's --------------------------------------------------------------------------------------------------- */

static int parse_entry(struct job *j, const msgpack_object_kv *kv, struct err *e)
{
	struct bytes name;
	const char *flaw;

	if (!value_is_bytes(&kv->key))
		return value_bad(e, "files", "a name must be a string");
	name = value_bytes(&kv->key);
	flaw = names_flaw(name);
	if (!flaw && !value_is_bytes(&kv->val))
		flaw = "must be bytes or a string";
	if (flaw)
		return bad_name(e, "files", name, flaw);
	if (copy_file(&j->files[j->n_files], name, value_bytes(&kv->val)))
		return value_no_memory(e);
	j->n_files++;
	return 0;
}

int job_files_parse(struct job *j, const msgpack_object *v, struct err *e)
{
	int entries = value_entries(v, MSGPACK_OBJECT_MAP, JOB_FILES_MAX, "files", "map of bytes by name", e), ret = 0;

	if (entries <= 0)
		return entries;
	j->files = calloc((size_t)entries, sizeof(*j->files));
	if (!j->files)
		return value_no_memory(e);
	for (int i = 0; i < entries && ret == 0; i++)
		ret = parse_entry(j, &v->via.map.ptr[i], e);
	return ret;
}

static int take_pattern(const msgpack_object *v, const char *path, char **out, struct err *e)
{
	const char *flaw = value_is_bytes(v) ? names_flaw(value_bytes(v)) : "must be a string";

	return flaw ? value_bad(e, path, "%s", flaw) : value_take_cstr(v, NAMES_BYTES_MAX, path, out, e);
}

int job_collect_parse(struct job *j, const msgpack_object *v, struct err *e)
{
	const struct value_list patterns = {"collect", "list of patterns", JOB_COLLECT_MAX, take_pattern};

	return value_take_list(v, &patterns, &j->collect, &j->n_collect, e);
}

static int by_name(const void *a, const void *b)
{
	const struct job_file *x = a, *y = b;

	return names_cmp(x->name, y->name);
}

/* Directories above `name` that the one before it in the order does not lie in, too. */
static unsigned new_directories(const char *before, const char *name)
{
	size_t same = 0;
	unsigned n = 0;

	while (name[same] && name[same] == before[same])
		same++;
	for (const char *p = strchr(name, '/'); p; p = strchr(p + 1, '/'))
		n += (size_t)(p - name) >= same;
	return n;
}

static uint64_t pages(size_t bytes)
{
	return ((uint64_t)bytes + PAGE - 1) / PAGE * PAGE;
}

static const char *clash(const struct job *j, size_t i)
{
	const char *name = j->files[i].name, *next = i + 1 < j->n_files ? j->files[i + 1].name : NULL;

	if (strcmp(name, j->filename) == 0)
		return "is the name of the code";
	if (names_below(j->filename, name))
		return "lies below the name of the code";
	if (next && strcmp(name, next) == 0)
		return "duplicate name";
	return next && names_below(name, next) ? "is a file, and a directory of another one" : NULL;
}

int job_files_check(struct job *j, struct err *e)
{
	const char *before = "";

	if (j->n_files == 0)
		return 0;
	qsort(j->files, j->n_files, sizeof(*j->files), by_name);
	j->files_bytes = pages(j->code.len);
	j->files_inodes = 1; /* the code */
	for (size_t i = 0; i < j->n_files; i++) {
		const char *name = j->files[i].name, *flaw = clash(j, i);

		if (flaw)
			return bad_name(e, "files", (struct bytes){name, strlen(name)}, flaw);
		j->files_bytes += pages(j->files[i].data.len);
		j->files_inodes += 1 + new_directories(before, name);
		before = name;
	}
	return 0;
}

size_t job_files_pack(msgpack_packer *pk, const struct job *j)
{
	if (j->n_files && pk)
		value_put_map(pk, "files", j->n_files);
	for (size_t i = 0; i < j->n_files && pk; i++)
		value_put_bin(pk, j->files[i].name, j->files[i].data);
	return j->n_files > 0;
}

size_t job_collect_pack(msgpack_packer *pk, const struct job *j)
{
	if (j->n_collect && pk)
		value_put_list(pk, "collect", j->collect, j->n_collect);
	return j->n_collect > 0;
}

void job_files_free(struct job *j)
{
	free_files(j->files, j->n_files);
	j->files = NULL;
	j->n_files = 0;
}

void job_collect_free(struct job *j)
{
	for (size_t i = 0; i < j->n_collect; i++)
		free(j->collect[i]);
	free(j->collect);
	j->collect = NULL;
	j->n_collect = 0;
}

/* --- a result's ------------------------------------------------------------------------------------------------ */

void result_files_pack(const struct result *r, msgpack_packer *pk)
{
	msgpack_pack_map(pk, r->n_files);
	for (size_t i = 0; i < r->n_files; i++)
		value_put_bin(pk, r->files[i].name, r->files[i].data);
}

void result_dropped_pack(const struct result *r, msgpack_packer *pk)
{
	msgpack_pack_array(pk, r->n_files_dropped);
	for (size_t i = 0; i < r->n_files_dropped; i++) {
		msgpack_pack_map(pk, 3);
		value_put_text(pk, "name", r->files_dropped[i].name);
		value_put_uint(pk, "bytes", r->files_dropped[i].bytes);
		value_put_text(pk, "why", r->files_dropped[i].why);
	}
}

/* Names are judged again: a client that writes files by them must not depend on who it talks to. */
int result_files_take(const msgpack_object *v, void *result)
{
	struct result *r = result;

	if (v->type != MSGPACK_OBJECT_MAP || r->files)
		return -EINVAL;
	r->files = calloc(v->via.map.size + 1u, sizeof(*r->files));
	if (!r->files)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->via.map.size; i++) {
		const msgpack_object_kv *kv = &v->via.map.ptr[i];

		if (!value_is_bytes(&kv->key) || !value_is_bytes(&kv->val) || names_flaw(value_bytes(&kv->key)))
			return -EINVAL;
		if (copy_file(&r->files[i], value_bytes(&kv->key), value_bytes(&kv->val)))
			return -ENOMEM;
		r->n_files++;
	}
	return 0;
}

static int take_dropped(const msgpack_object *v, struct file_dropped *to)
{
	if (v->type != MSGPACK_OBJECT_MAP)
		return -EINVAL;
	for (uint32_t i = 0; i < v->via.map.size; i++) {
		const msgpack_object *key = &v->via.map.ptr[i].key, *val = &v->via.map.ptr[i].val;
		struct bytes k = value_is_bytes(key) ? value_bytes(key) : (struct bytes){"", 0};
		char **text = k.len == 4 && !memcmp(k.p, "name", 4)  ? &to->name
			      : k.len == 3 && !memcmp(k.p, "why", 3) ? &to->why
								     : NULL;

		if (k.len == 5 && !memcmp(k.p, "bytes", 5) && val->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
			to->bytes = val->via.u64;
		if (text && value_is_bytes(val) && !*text)
			*text = strndup(value_bytes(val).p, value_bytes(val).len);
	}
	return 0;
}

int result_dropped_take(const msgpack_object *v, void *result)
{
	struct result *r = result;
	int ret = 0;

	if (v->type != MSGPACK_OBJECT_ARRAY || r->files_dropped)
		return -EINVAL;
	r->files_dropped = calloc(v->via.array.size + 1u, sizeof(*r->files_dropped));
	if (!r->files_dropped)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->via.array.size && ret == 0; i++)
		ret = take_dropped(&v->via.array.ptr[i], &r->files_dropped[r->n_files_dropped++]);
	return ret;
}

void result_files_free(struct result *r)
{
	free_files(r->files, r->n_files);
	for (size_t i = 0; i < r->n_files_dropped; i++) {
		free(r->files_dropped[i].name);
		free(r->files_dropped[i].why);
	}
	free(r->files_dropped);
}
