#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

/* the escapes that have a short form; every other control character is \u00NN */
static const char short_escapes[][2] = {
	{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'},
};

#define N_SHORT (sizeof(short_escapes) / sizeof(*short_escapes))

static void print_char(FILE *f, const char *p, size_t len, uint32_t cp)
{
	for (size_t i = 0; i < N_SHORT; i++) {
		if (cp == (uint32_t)short_escapes[i][0]) {
			fprintf(f, "\\%c", short_escapes[i][1]);
			return;
		}
	}
	if (cp < 0x20 || cp == 0x7f)
		fprintf(f, "\\u%04x", (unsigned)cp);
	else
		fwrite(p, 1, len, f);
}

/* A byte that is no UTF-8 becomes U+FFFD: only keys come here with such bytes, and JSON has no other form for them. */
static void print_string(FILE *f, const char *p, size_t n)
{
	uint32_t cp;

	fputc('"', f);
	while (n) {
		size_t len = utf8_step(p, n, &cp);
		if (len)
			print_char(f, p, len, cp);
		else
			fputs("\xef\xbf\xbd", f);
		p += len ? len : 1;
		n -= len ? len : 1;
	}
	fputc('"', f);
}

static void print_base64(FILE *f, const char *p, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	fputs("{\"base64\": \"", f);
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)(uint8_t)p[i] << 16;
		if (i + 1 < n)
			v |= (uint32_t)(uint8_t)p[i + 1] << 8;
		if (i + 2 < n)
			v |= (uint8_t)p[i + 2];
		fputc(digits[v >> 18], f);
		fputc(digits[v >> 12 & 63], f);
		fputc(i + 1 < n ? digits[v >> 6 & 63] : '=', f);
		fputc(i + 2 < n ? digits[v & 63] : '=', f);
	}
	fputs("\"}", f);
}

static void print_bytes(FILE *f, const char *p, size_t n)
{
	if (utf8_prefix(p, n) == n)
		print_string(f, p, n);
	else
		print_base64(f, p, n);
}

/* The shortest form that reads back as the same number. JSON has no infinities. */
static void print_float(FILE *f, double v)
{
	char text[40];

	if (!isfinite(v)) {
		fputs("null", f);
		return;
	}
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	fputs(text, f);
}

static void print_key(FILE *f, const msgpack_object *key)
{
	if (key->type == MSGPACK_OBJECT_STR)
		print_string(f, key->via.str.ptr, key->via.str.size);
	else if (key->type == MSGPACK_OBJECT_BIN)
		print_string(f, key->via.bin.ptr, key->via.bin.size);
	else
		print_string(f, "?", 1);
}

static void print_array(FILE *f, const msgpack_object_array *a)
{
	fputc('[', f);
	for (uint32_t i = 0; i < a->size; i++) {
		fputs(i ? ", " : "", f);
		json_print(f, &a->ptr[i]);
	}
	fputc(']', f);
}

static void print_map(FILE *f, const msgpack_object_map *m)
{
	fputc('{', f);
	for (uint32_t i = 0; i < m->size; i++) {
		fputs(i ? ", " : "", f);
		print_key(f, &m->ptr[i].key);
		fputs(": ", f);
		json_print(f, &m->ptr[i].val);
	}
	fputc('}', f);
}

/* Recursion is bounded: the reader refuses messages deeper than RPC_DEPTH_MAX. */
void json_print(FILE *f, const msgpack_object *o)
{
	switch (o->type) {
	case MSGPACK_OBJECT_BOOLEAN:
		fputs(o->via.boolean ? "true" : "false", f);
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		fprintf(f, "%" PRIu64, o->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		fprintf(f, "%" PRId64, o->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		print_float(f, o->via.f64);
		break;
	case MSGPACK_OBJECT_STR:
		print_bytes(f, o->via.str.ptr, o->via.str.size);
		break;
	case MSGPACK_OBJECT_BIN:
		print_bytes(f, o->via.bin.ptr, o->via.bin.size);
		break;
	case MSGPACK_OBJECT_ARRAY:
		print_array(f, &o->via.array);
		break;
	case MSGPACK_OBJECT_MAP:
		print_map(f, &o->via.map);
		break;
	default:
		fputs("null", f);
	}
}
