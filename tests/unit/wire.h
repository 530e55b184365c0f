/* wire.h - msgpack for tests, written as text: {'code': b'print(1)', 'limits': {'wall_ms': -5}, 'args': ['a', nil]}
 *
 * Strings take \0, \n, \xNN. Duplicate keys stay as written. Nothing is checked: a text that is wrong aborts.
 */
#ifndef WARDER_TEST_WIRE_H
#define WARDER_TEST_WIRE_H

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static inline const char *wire_value(msgpack_packer *pk, const char *p);

static inline const char *wire_blank(const char *p)
{
	while (*p == ' ' || *p == ',' || *p == ':')
		p++;
	return p;
}

static inline const char *wire_string(msgpack_packer *pk, const char *p, bool bin)
{
	char buf[8192];
	size_t n = 0;

	for (p++; *p != '\''; p++) {
		if (*p != '\\') {
			buf[n++] = *p;
			continue;
		}
		p++;
		buf[n++] = *p == '0'   ? '\0'
			   : *p == 'n' ? '\n'
			   : *p == 'x' ? (char)strtoul((char[]){p[1], p[2], 0}, NULL, 16)
				       : *p;
		p += *p == 'x' ? 2 : 0;
	}
	if (bin)
		msgpack_pack_bin(pk, n), msgpack_pack_bin_body(pk, buf, n);
	else
		msgpack_pack_str(pk, n), msgpack_pack_str_body(pk, buf, n);
	return p + 1;
}

/* Two passes over a container: its size comes first on the wire. */
static inline const char *wire_container(msgpack_packer *pk, const char *p, char close)
{
	msgpack_sbuffer inner;
	msgpack_packer ipk;
	size_t n = 0;

	msgpack_sbuffer_init(&inner);
	msgpack_packer_init(&ipk, &inner, msgpack_sbuffer_write);
	for (p = wire_blank(p + 1); *p != close; p = wire_blank(p), n++)
		p = wire_value(&ipk, p);
	if (close == ']')
		msgpack_pack_array(pk, n);
	else
		msgpack_pack_map(pk, n / 2);
	pk->callback(pk->data, inner.data, inner.size);
	msgpack_sbuffer_destroy(&inner);
	return p + 1;
}

static inline const char *wire_number(msgpack_packer *pk, const char *p)
{
	char *end;
	size_t len = strspn(p, "-0123456789");

	if (p[len] == '.')
		return msgpack_pack_double(pk, strtod(p, &end)), end;
	if (*p == '-')
		return msgpack_pack_int64(pk, strtoll(p, &end, 10)), end;
	return msgpack_pack_uint64(pk, strtoull(p, &end, 10)), end;
}

static inline const char *wire_value(msgpack_packer *pk, const char *p)
{
	p = wire_blank(p);
	if (*p == '{' || *p == '[')
		return wire_container(pk, p, *p == '{' ? '}' : ']');
	if (*p == '\'')
		return wire_string(pk, p, false);
	if (*p == 'b')
		return wire_string(pk, p + 1, true);
	if (*p == 't')
		return msgpack_pack_true(pk), p + 4;
	if (*p == 'f')
		return msgpack_pack_false(pk), p + 5;
	if (*p == 'n')
		return msgpack_pack_nil(pk), p + 3;
	if (!strchr("-0123456789", *p))
		abort();
	return wire_number(pk, p);
}

/* Appends the text's msgpack form to `b`. */
static inline void wire_pack(msgpack_sbuffer *b, const char *text)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, b, msgpack_sbuffer_write);
	wire_value(&pk, text);
}

/* `len` bytes that end at a page that cannot be read: a read past them is a crash. */
struct guarded {
	char *map, *p;
	size_t map_size;
};

static inline struct guarded guarded_new(const char *data, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (len / page + 2) * page;
	struct guarded g = {.map_size = size};

	g.map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g.map == MAP_FAILED || mprotect(g.map + size - page, page, PROT_NONE) < 0)
		abort();
	g.p = g.map + size - page - len;
	if (len > 0)
		memcpy(g.p, data, len);
	return g;
}

static inline void guarded_free(struct guarded *g)
{
	munmap(g->map, g->map_size);
}

#endif
