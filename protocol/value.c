#include "value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc.h"
#include "utf8.h"

int value_bad(struct err *e, const char *path, const char *fmt, ...)
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

int value_no_memory(struct err *e)
{
	return err_set(e, ERR_HOST, "job", ENOMEM, NULL);
}

bool value_is_bytes(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_STR || o->type == MSGPACK_OBJECT_BIN;
}

bool value_is_nil(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_NIL;
}

struct bytes value_bytes(const msgpack_object *o)
{
	return (struct bytes){o->via.str.size ? o->via.str.ptr : "", o->via.str.size};
}

bool value_is(const msgpack_object *key, const char *name)
{
	return value_is_bytes(key) && key->via.str.size == strlen(name) &&
	       memcmp(value_bytes(key).p, name, key->via.str.size) == 0;
}

const char *value_show(const msgpack_object *key, char buf[VALUE_SHOWN])
{
	size_t n = 0;

	if (!value_is_bytes(key))
		return "(not a string)";
	for (; n < key->via.str.size && n < VALUE_SHOWN - 4; n++) {
		unsigned char c = (unsigned char)key->via.str.ptr[n];

		buf[n] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
	}
	snprintf(buf + n, VALUE_SHOWN - n, "%s", n < key->via.str.size ? "..." : "");
	return buf;
}

int value_copy(struct bytes from, struct bytes *to)
{
	char *copy = malloc(from.len ? from.len : 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, from.p, from.len);
	*to = (struct bytes){copy, from.len};
	return 0;
}

int value_take_cstr(const msgpack_object *v, size_t max, const char *path, char **out, struct err *e)
{
	struct bytes b;

	if (!value_is_bytes(v))
		return value_bad(e, path, "must be a string");
	b = value_bytes(v);
	if (b.len > max)
		return value_bad(e, path, "must have at most %zu bytes, has %zu", max, b.len);
	if (memchr(b.p, '\0', b.len))
		return value_bad(e, path, "holds a NUL byte");
	*out = strndup(b.p, b.len);
	return *out ? 0 : value_no_memory(e);
}

int value_take_name(const msgpack_object *v, size_t max, const char *path, char **out, struct err *e)
{
	int ret = value_take_cstr(v, max, path, out, e);

	if (ret < 0)
		return ret;
	if (**out == '\0')
		return value_bad(e, path, "must not be empty");
	if (utf8_prefix(*out, strlen(*out)) < strlen(*out))
		return value_bad(e, path, "must be UTF-8");
	for (const char *p = *out; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return value_bad(e, path, "holds a control character");
	return 0;
}

int value_take_bytes(const msgpack_object *v, const char *path, struct bytes *out, struct err *e)
{
	if (!value_is_bytes(v))
		return value_bad(e, path, "must be bytes or a string");
	return value_copy(value_bytes(v), out) ? value_no_memory(e) : 0;
}

int value_take_bool(const msgpack_object *v, const char *path, bool *out, struct err *e)
{
	if (v->type != MSGPACK_OBJECT_BOOLEAN)
		return value_bad(e, path, "must be true or false");
	*out = v->via.boolean;
	return 0;
}

int value_entries(const msgpack_object *v, msgpack_object_type type, uint32_t most, const char *path, const char *what, struct err *e)
{
	uint32_t n;

	if (v->type != type)
		return value_bad(e, path, "must be a %s", what);
	n = type == MSGPACK_OBJECT_MAP ? v->via.map.size : v->via.array.size;
	return n > most ? value_bad(e, path, "must have at most %u entries, has %u", most, n) : (int)n;
}

int value_take_list(const msgpack_object *v, const struct value_list *of, char ***list, size_t *n, struct err *e)
{
	int entries = value_entries(v, MSGPACK_OBJECT_ARRAY, of->most, of->path, of->what, e), ret = 0;
	char path[VALUE_SHOWN];

	if (entries < 0)
		return entries;
	*list = calloc((size_t)entries + 1, sizeof(**list));
	if (!*list)
		return value_no_memory(e);
	for (int i = 0; i < entries && ret == 0; i++) {
		snprintf(path, sizeof(path), "%s[%d]", of->path, i);
		ret = of->take(&v->via.array.ptr[i], path, &(*list)[i], e);
		*n += (*list)[i] != NULL;
	}
	return ret;
}

void value_put_text(msgpack_packer *pk, const char *key, const char *value)
{
	rpc_pack_cstr(pk, key);
	rpc_pack_cstr(pk, value);
}

void value_put_texts(msgpack_packer *pk, const char *key, char *const *v, size_t most)
{
	size_t n = 0;

	while (n < most && v[n])
		n++;
	rpc_pack_cstr(pk, key);
	msgpack_pack_array(pk, n);
	for (size_t i = 0; i < n; i++)
		rpc_pack_cstr(pk, v[i]);
}

void value_put_int(msgpack_packer *pk, const char *key, bool applies, int64_t value)
{
	rpc_pack_cstr(pk, key);
	if (applies)
		msgpack_pack_int64(pk, value);
	else
		msgpack_pack_nil(pk);
}

void value_put_uint(msgpack_packer *pk, const char *key, uint64_t value)
{
	rpc_pack_cstr(pk, key);
	msgpack_pack_uint64(pk, value);
}

void value_put_double(msgpack_packer *pk, const char *key, double value)
{
	rpc_pack_cstr(pk, key);
	msgpack_pack_double(pk, value);
}

void value_put_bool(msgpack_packer *pk, const char *key, bool value)
{
	rpc_pack_cstr(pk, key);
	if (value)
		msgpack_pack_true(pk);
	else
		msgpack_pack_false(pk);
}

void value_put_bin(msgpack_packer *pk, const char *key, struct bytes value)
{
	rpc_pack_cstr(pk, key);
	rpc_pack_bin(pk, value);
}

void value_put_map(msgpack_packer *pk, const char *key, size_t n)
{
	rpc_pack_cstr(pk, key);
	msgpack_pack_map(pk, n);
}

void value_put_list(msgpack_packer *pk, const char *key, char *const *v, size_t n)
{
	rpc_pack_cstr(pk, key);
	msgpack_pack_array(pk, n);
	for (size_t i = 0; i < n; i++)
		value_pack_exact(pk, v[i]);
}

void value_pack_exact(msgpack_packer *pk, const char *s)
{
	size_t len = strlen(s);

	if (utf8_prefix(s, len) == len)
		rpc_pack_cstr(pk, s);
	else
		rpc_pack_bin(pk, (struct bytes){s, len});
}
