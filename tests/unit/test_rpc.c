#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "job.h"
#include "rpc.h"
#include "wire.h"

#define MAX 100000u

static void feed(struct rpc_reader *r, const char *p, size_t len)
{
	char *buf;
	size_t size;

	assert_int_equal(rpc_reader_space(r, len, &buf, &size), 0);
	assert_true(size >= len);
	if (len > 0)
		memcpy(buf, p, len);
	rpc_reader_filled(r, len);
}

static void kinds(void **state)
{
	struct rpc_reader *r = rpc_reader_new(MAX);
	struct rpc_message m;
	msgpack_sbuffer b;
	int64_t id;
	struct err e;

	(void)state;
	msgpack_sbuffer_init(&b);
	wire_pack(&b, "[0, 7, 'run', [{'a': 1}]]");
	wire_pack(&b, "[0, 4294967295, b'status', []]");
	wire_pack(&b, "[2, 'output', nil]");
	wire_pack(&b, "[1, 9, 'busy: x', nil]");
	wire_pack(&b, "[0, 8, 'run', [1, 2]]");
	feed(r, b.data, b.size);
	assert_int_equal(rpc_reader_next(r, &m, &id, &e), 1);
	assert_int_equal(m.type, RPC_REQUEST);
	assert_int_equal(m.msgid, 7);
	assert_memory_equal(m.method.p, "run", 3);
	assert_int_equal(m.params->type, MSGPACK_OBJECT_MAP);
	assert_int_equal(rpc_reader_next(r, &m, &id, &e), 1);
	assert_true(m.msgid == 4294967295u && m.params == NULL);
	assert_int_equal(rpc_reader_next(r, &m, &id, &e), 1);
	assert_true(m.type == RPC_NOTIFY && m.params == NULL);
	assert_int_equal(rpc_reader_next(r, &m, &id, &e), 1);
	assert_true(m.type == RPC_RESPONSE && m.msgid == 9 && m.error->type == MSGPACK_OBJECT_STR);
	assert_int_equal(rpc_reader_next(r, &m, &id, &e), 1);
	assert_int_equal(m.params->type, MSGPACK_OBJECT_ARRAY);
	assert_int_equal(rpc_reader_next(r, &m, &id, &e), 0);
	rpc_reader_free(r);
	msgpack_sbuffer_destroy(&b);
}

#define RAW(s) s, sizeof(s) - 1
#define TEN    "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"

static void bad_bytes(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		int want;
		int64_t msgid;
		const char *text;
	} rows[] = {
		{"http", RAW("GET / HTTP/1.0\r\n"), -EPROTO, -1,
		 "message: not msgpack-RPC: does not begin with an array"},
		{"map", RAW("\x81"), -EPROTO, -1, "message: not msgpack-RPC: does not begin with an array"},
		{"nil", RAW("\xc0"), -EPROTO, -1, "message: not msgpack-RPC: does not begin with an array"},
		{"never used byte", RAW("\x94\x00\x05\xc1"), -EPROTO, 5, "message: not msgpack-RPC: byte 0xc1"},
		{"empty array", RAW("\x90"), -EPROTO, -1,
		 "message: not msgpack-RPC: the array has neither 3 nor 4 elements"},
		{"2^32 elements", RAW("\xdd\xff\xff\xff\xff"), -EPROTO, -1,
		 "message: not msgpack-RPC: the array has neither 3 nor 4 elements"},
		{"2^32 inside", RAW("\x94\x00\x07\xa1x\xdd\xff\xff\xff\xff"), -EMSGSIZE, 7,
		 "message: has more than 1048576 values"},
		{"2^32 pairs", RAW("\x94\x00\x07\xa1x\xdf\xff\xff\xff\xff"), -EMSGSIZE, 7,
		 "message: has more than 1048576 values"},
		{"count past the size", RAW("\x94\x00\x07\xa1x\xdd\x00\x02\x00\x00"), -EMSGSIZE, 7,
		 "message: has more than 100000 bytes"},
		{"pairs past the size", RAW("\x94\x00\x07\xa1x\xdf\x00\x01\x00\x00"), -EMSGSIZE, 7,
		 "message: has more than 100000 bytes"},
		{"4 GiB string", RAW("\x94\x00\x07\xdb\xff\xff\xff\xff"), -EMSGSIZE, 7,
		 "message: has more than 100000 bytes"},
		{"4 GiB bin", RAW("\x94\x00\x07\xa1x\x91\xc6\xff\xff\xff\xff"), -EMSGSIZE, 7,
		 "message: has more than 100000 bytes"},
		{"4 GiB ext", RAW("\x94\x00\x07\xa1x\x91\xc9\xff\xff\xff\xff\x01"), -EMSGSIZE, 7,
		 "message: has more than 100000 bytes"},
		{"deep", RAW("\x94\x00\x07\xa1x" TEN TEN TEN "\x91\x91"), -EMSGSIZE, 7,
		 "message: is nested more than 32 deep"},
		{"type 3", RAW("\x94\x03\x07\xa1x\x90"), -EPROTO, -1,
		 "message: not msgpack-RPC: the type is not 0, 1 or 2"},
		{"type text", RAW("\x94\xa1x\x07\xa1x\x90"), -EPROTO, -1,
		 "message: not msgpack-RPC: the type is not 0, 1 or 2"},
		{"type list", RAW("\x94\x91\x00\x07\xa1x\x90"), -EPROTO, -1,
		 "message: not msgpack-RPC: the type is not 0, 1 or 2"},
		{"short request", RAW("\x93\x00\x07\xa1x"), -EPROTO, 7,
		 "message: not msgpack-RPC: the array's length does not fit the type"},
		{"long notify", RAW("\x94\x02\xa1x\x90\xc0"), -EPROTO, -1,
		 "message: not msgpack-RPC: the array's length does not fit the type"},
		{"msgid negative", RAW("\x94\x00\xff\xa1x\x90"), -EPROTO, -1,
		 "message: not msgpack-RPC: the msgid is not a 32-bit number"},
		{"msgid 64 bits", RAW("\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa1x\x90"), -EPROTO, -1,
		 "message: not msgpack-RPC: the msgid is not a 32-bit number"},
		{"msgid float", RAW("\x94\x00\xca\x00\x00\x00\x00\xa1x\x90"), -EPROTO, -1,
		 "message: not msgpack-RPC: the msgid is not a 32-bit number"},
		{"msgid signed form", RAW("\x94\x00\xd2\x00\x00\x00\x09\x05\x90"), -EPROTO, 9,
		 "message: not msgpack-RPC: the method is not a string"},
		{"params map", RAW("\x94\x00\x07\xa1x\x80"), -EPROTO, 7,
		 "message: not msgpack-RPC: params is not an array"},
		{"params text", RAW("\x94\x00\x07\xa1x\xa1y"), -EPROTO, 7,
		 "message: not msgpack-RPC: params is not an array"},
	};
	char words[400];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rpc_reader *r = rpc_reader_new(MAX);
		struct rpc_message m;
		int64_t id = -2;
		struct err e = {0};

		feed(r, rows[i].bytes, rows[i].len);
		int ret = rpc_reader_next(r, &m, &id, &e);

		err_str(&e, words, sizeof(words));
		if (ret != rows[i].want || id != rows[i].msgid || strcmp(words, rows[i].text) != 0)
			fail_msg("%s: expected %d, id %lld, \"%s\"; got %d, id %lld, \"%s\"", rows[i].name,
				 rows[i].want, (long long)rows[i].msgid, rows[i].text, ret, (long long)id, words);
		assert_int_equal(rpc_reader_next(r, &m, &id, &e), rows[i].want); /* it stays refused */
		rpc_reader_free(r);
	}
}

/* What is as deep as may be is read: the outer array, params, and 30 more. */
static void deepest(void **state)
{
	static const char bytes[] = "\x94\x00\x07\xa1x" TEN TEN TEN "\x90";
	struct rpc_reader *r = rpc_reader_new(MAX);
	struct rpc_message m;
	int64_t id;
	struct err e;

	(void)state;
	feed(r, bytes, sizeof(bytes) - 1);
	assert_int_equal(rpc_reader_next(r, &m, &id, &e), 1);
	rpc_reader_free(r);
}

/* An announced size allocates nothing: only what has arrived does. */
static void bombs_allocate_nothing(void **state)
{
	static const char *const heads[] = {"\x94\x00\x07\xa1x\x91\xc6\x07\x00\x00\x00",
					    "\x94\x00\x07\xa1x\x91\xdd\x00\x0f\x00\x00"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct rpc_reader *r = rpc_reader_new(RPC_MESSAGE_MAX_DEFAULT);
		size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
		struct rpc_message m;
		int64_t id;
		struct err e;

		feed(r, heads[i], 11);
		assert_int_equal(rpc_reader_next(r, &m, &id, &e), 0);
		assert_true(mallinfo2().uordblks + mallinfo2().hblkhd - before < 100000);
		rpc_reader_free(r);
	}
}

static const char long_message[] =
	"[0, 77, 'run', [{'language': 'python3', 'code': b'print(1)', 'args': ['a', 'b'], 'env': {'K': 'V'}, 'stdin': "
	"'0123456789012345678901234567890123456789012345678901234567890123456789', 'limits': {'wall_ms': 70000, 'x': "
	"-3, 'y': 1.5, 'z': 18446744073709551615}, 'n': nil, 't': true, 'e': {}, 'l': [[], [[]]]}]]";

/* At every length: whole at the last byte only, from a buffer whose end is the end of memory, and the same bit by bit.
 */
static void every_truncation(void **state)
{
	msgpack_sbuffer b;

	(void)state;
	msgpack_sbuffer_init(&b);
	wire_pack(&b, long_message);
	for (size_t len = 0; len <= b.size; len++) {
		struct guarded g = guarded_new(b.data, len);
		struct rpc_reader *r = rpc_reader_new(MAX), *slow = rpc_reader_new(MAX);
		struct rpc_message m;
		int64_t id;
		struct err e;
		int ret = 0;

		feed(r, g.p, len);
		assert_int_equal(rpc_reader_next(r, &m, &id, &e), len == b.size);
		for (size_t i = 0; i < len; i++) {
			assert_int_equal(ret, 0);
			feed(slow, g.p + i, 1);
			ret = rpc_reader_next(slow, &m, &id, &e);
		}
		assert_int_equal(ret, len == b.size);
		rpc_reader_free(r);
		rpc_reader_free(slow);
		guarded_free(&g);
	}
	msgpack_sbuffer_destroy(&b);
}

/* Many messages through one reader in pieces of all sizes. */
static void pipelined(void **state)
{
	msgpack_sbuffer b;
	struct rpc_message m;
	int64_t id;
	struct err e;

	(void)state;
	msgpack_sbuffer_init(&b);
	for (int i = 0; i < 300; i++)
		wire_pack(&b, i % 3 ? "[0, 5, 'x', []]" : long_message);
	for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
		struct rpc_reader *r = rpc_reader_new(MAX);
		int n = 0;

		for (size_t at = 0; at < b.size; at += piece) {
			feed(r, b.data + at, b.size - at < piece ? b.size - at : piece);
			while (rpc_reader_next(r, &m, &id, &e) == 1)
				assert_int_equal(m.msgid, n++ % 3 ? 5 : 77);
		}
		assert_int_equal(n, 300);
		rpc_reader_free(r);
	}
	msgpack_sbuffer_destroy(&b);
}

static void size_limit_is_exact(void **state)
{
	static char payload[1000];
	struct rpc_message m;
	msgpack_sbuffer b;
	msgpack_packer pk;
	int64_t id;
	struct err e;

	(void)state;
	msgpack_sbuffer_init(&b);
	msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
	rpc_pack_request(&pk, 3, "run");
	msgpack_pack_map(&pk, 1);
	rpc_pack_cstr(&pk, "code");
	rpc_pack_bin(&pk, (struct bytes){payload, sizeof(payload)});
	for (int spare = -1; spare <= 1; spare++) {
		struct rpc_reader *r = rpc_reader_new(b.size + (size_t)spare);

		feed(r, b.data, b.size);
		assert_int_equal(rpc_reader_next(r, &m, &id, &e), spare < 0 ? -EMSGSIZE : 1);
		rpc_reader_free(r);
	}
	msgpack_sbuffer_destroy(&b);
}

static void strings_are_good_utf8(void **state)
{
	static const struct {
		const char *name, *in, *out;
	} rows[] = {
		{"ascii", "abc", "abc"},
		{"empty", "", ""},
		{"two", "\xc3\xa4", "\xc3\xa4"},
		{"four", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		{"lone", "a\xffz", "a\xef\xbf\xbdz"},
		{"overlong", "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"surrogate", "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"past the end", "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"cut", "a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		msgpack_sbuffer b;
		msgpack_packer pk;

		msgpack_sbuffer_init(&b);
		msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
		rpc_pack_cstr(&pk, rows[i].in);
		if (b.size != strlen(rows[i].out) + 1 || memcmp(b.data + 1, rows[i].out, b.size - 1) != 0)
			fail_msg("%s: got %.*s", rows[i].name, (int)b.size - 1, b.data + 1);
		msgpack_sbuffer_destroy(&b);
	}
}

static void mutate(char *p, size_t len, unsigned *seed)
{
	int n = 1 + rand_r(seed) % 4;

	while (n-- > 0)
		p[(size_t)rand_r(seed) % len] = (char)rand_r(seed);
}

/* Random damage to a good message: anything may come of it but a crash, and a message that is read goes to job_parse.
 */
static void mutations(void **state)
{
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL), first = seed;
	struct timespec start, now;
	unsigned long rounds = 0, read_well = 0;
	msgpack_sbuffer b;

	(void)state;
	print_message("seed %u (SEED=%u repeats it)\n", first, first);
	msgpack_sbuffer_init(&b);
	wire_pack(&b, long_message);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		struct guarded g = guarded_new(b.data, b.size);
		struct rpc_reader *r = rpc_reader_new(MAX);
		struct rpc_message m;
		struct job *j = NULL;
		struct result res;
		int64_t id;
		struct err e;

		mutate(g.p, b.size, &seed);
		feed(r, g.p, b.size);
		while (rpc_reader_next(r, &m, &id, &e) == 1) {
			read_well++;
			if (m.type == RPC_REQUEST && job_parse(m.params, &j, &e) == 0)
				job_free(j);
			if (m.params && result_parse(m.params, &res, &e) == 0)
				result_done(&res);
		}
		rpc_reader_free(r);
		guarded_free(&g);
		rounds++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec < 2);
	print_message("%lu rounds, %lu messages read\n", rounds, read_well);
	assert_true(rounds > 100 && read_well > 0);
	msgpack_sbuffer_destroy(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(bad_bytes),
		cmocka_unit_test(deepest),
		cmocka_unit_test(bombs_allocate_nothing),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(size_limit_is_exact),
		cmocka_unit_test(strings_are_good_utf8),
		cmocka_unit_test(mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
