/* Framing: the same bytes give the same messages, however they come in pieces; what a reader takes, rpc_parse takes. */
#include "fuzz.h"

#include "rpc.h"

#define MESSAGES 64
#define MAX 65536u

struct seen {
	unsigned n;
	int end; /* what rpc_reader_next returned last */
	uint32_t ids[MESSAGES];
	int types[MESSAGES];
	size_t methods[MESSAGES];
};

static void touch(const struct rpc_message *m)
{
	unsigned sum = 0;

	for (size_t i = 0; i < m->method.len; i++)
		sum += (unsigned char)m->method.p[i];
	if (sum == 0xffffffffu)
		abort();
	FUZZ_REQUIRE(m->type == RPC_REQUEST || m->type == RPC_RESPONSE || m->type == RPC_NOTIFY, "type %d", m->type);
	FUZZ_REQUIRE(m->type != RPC_RESPONSE || (m->error && m->result), "a response without both");
}

static void read_all(const uint8_t *p, size_t size, size_t piece, struct seen *s)
{
	struct rpc_reader *r = rpc_reader_new(MAX);
	struct rpc_message m;
	struct err e = {0};
	int64_t id = -1;

	*s = (struct seen){0};
	for (size_t at = 0; r && s->end == 0;) {
		size_t n = size - at < piece ? size - at : piece, room;
		char *buf;

		while (s->n < MESSAGES && (s->end = rpc_reader_next(r, &m, &id, &e)) == 1) {
			touch(&m);
			s->ids[s->n] = m.type == RPC_NOTIFY ? 0 : m.msgid;
			s->types[s->n] = m.type;
			s->methods[s->n++] = m.type == RPC_RESPONSE ? 0 : m.method.len;
		}
		rpc_reader_msgid(r);
		FUZZ_REQUIRE(rpc_reader_held(r) <= 4 * MAX + 2 * size, "%zu bytes held for %zu", rpc_reader_held(r), at);
		if (!n || s->end || s->n == MESSAGES)
			break;
		if (rpc_reader_space(r, n, &buf, &room))
			break;
		FUZZ_REQUIRE(room >= n, "%zu of %zu", room, n);
		memcpy(buf, p + at, n);
		rpc_reader_filled(r, n);
		at += n;
	}
	rpc_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole, parts;
	struct rpc_message m;
	struct err e = {0};
	msgpack_unpacked u;

	if (size < 1)
		return 0;
	read_all(data + 1, size - 1, size, &whole);
	read_all(data + 1, size - 1, 1 + data[0] % 7, &parts);
	FUZZ_REQUIRE(whole.n == parts.n, "%u messages, in pieces %u", whole.n, parts.n);
	FUZZ_REQUIRE(whole.end == parts.end, "%d, in pieces %d", whole.end, parts.end);
	FUZZ_REQUIRE(memcmp(whole.ids, parts.ids, sizeof(whole.ids)) == 0 && memcmp(whole.types, parts.types, sizeof(whole.types)) == 0 &&
	             memcmp(whole.methods, parts.methods, sizeof(whole.methods)) == 0, "the messages differ");
	msgpack_unpacked_init(&u);
	if (rpc_parse((struct bytes){(const char *)data + 1, size - 1}, &u, &m, &e) == 0)
		touch(&m);
	msgpack_unpacked_destroy(&u);
	return 0;
}
