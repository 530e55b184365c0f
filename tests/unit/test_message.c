#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "front.h"
#include "message.h"
#include "value.h"

static int ends[2];

static int open_link(void **state)
{
	(void)state;
	return link_pair(ends);
}

static int close_link(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* `in` is to be let go of, since `m` points into it. */
static int pass(msgpack_sbuffer *b, struct link_in *in, struct message *m)
{
	struct err e;

	assert_int_equal(link_put(ends[0], b, -1), 0);
	assert_int_equal(link_get(ends[1], 1 << 20, in, &e), 0);
	msgpack_sbuffer_destroy(b);
	return message_take(in, m);
}

static bool same(struct bytes came, const char *sent)
{
	return came.len == strlen(sent) && memcmp(came.p, sent, came.len) == 0;
}

/* From one with every field set each word takes its own, and no others. */
static void words_carry_what_they_have(void **state)
{
	static const struct message all = {
		.key = UINT64_MAX, .call = 1ull << 40, .generation = 7, .decision = DECISION_COUNT - 1, .scope = SCOPE_COUNT - 1, .mode = TRACE_COUNT - 1,
		.code = RPC_ERROR_COUNT - 1, .command = INSTALLER_REFRESH, .language = LANGUAGE_COUNT - 1, .pid = INT_MAX, .error = ENOSPC,
		.index = FRONT_WORKERS_MAX - 1, .on = true, .is_stderr = true, .id.p = "an id", .why.p = "a reason", .data = {"a\0b", 3}, .packed = {"\x2a", 1},
		.job = {.key = 5, .queue_ms = 1.5, .uid = UINT32_MAX, .by_operator = true, .watched = true},
		.status = {1, 2, 3, CONFIG_POOL_MAX, 5, 6, 7, UINT64_MAX},
		.running = {.key = 6, .id.p = "x", .policy.p = "y", .uid = 60001, .debug = true, .tracee_pid = 9, .started_unix_ms = 1e12, .age_ms = 0.5},
	};
	struct message m[LINK_COUNT];

	(void)state;
	for (enum link_word w = 0; w < LINK_COUNT; w++) {
		msgpack_sbuffer b;
		msgpack_packer pk;
		struct link_in in;

		if (w == LINK_SETTINGS)
			continue;
		message_begin(&b, &pk, w, &all);
		if (w == LINK_SUBMIT || w == LINK_HELD)
			msgpack_pack_map(&pk, 0);
		if (pass(&b, &in, &m[w]))
			fail_msg("word %d is not taken", (int)w);
		assert_int_equal(in.word, w);
		if (m[w].key && m[w].key != all.key)
			fail_msg("word %d: key", (int)w);
		assert_int_equal(m[w].map != NULL, w == LINK_SUBMIT || w == LINK_HELD);
		if (w == LINK_OUTPUT)
			assert_memory_equal(m[w].data.p, "a\0b", m[w].data.len);
		if (w == LINK_RESULT || w == LINK_EVENT || w == LINK_VIOLATION)
			assert_true(same(m[w].packed, "\x2a"));
		if (w == LINK_HELD)
			assert_int_equal(m[w].problem.len, 0);
		if (w == LINK_REFUSED || w == LINK_WORKER_GONE)
			assert_true(same(m[w].why, "a reason"));
		if (w == LINK_UNSENT)
			assert_true(same(m[w].id, "an id"));
		if (w == LINK_RUNNING)
			assert_true(same(m[w].running.id, "x") && same(m[w].running.policy, "y"));
		link_in_done(&in);
	}
	assert_true(m[LINK_SUBMIT].job.key == 5 && m[LINK_SUBMIT].job.queue_ms == 1.5 && m[LINK_SUBMIT].job.uid == UINT32_MAX);
	assert_true(m[LINK_SUBMIT].job.by_operator && m[LINK_SUBMIT].job.watched && m[LINK_SUBMIT].generation == 7);
	assert_memory_equal(&m[LINK_STATUS].status, &all.status, sizeof(all.status));
	assert_true(m[LINK_ATTACH].on && m[LINK_HOLD].on && m[LINK_OUTPUT].is_stderr);
	assert_true(m[LINK_DECIDE].call == all.call && m[LINK_DECIDE].decision == all.decision && m[LINK_DECIDE].scope == all.scope);
	assert_int_equal(m[LINK_TRACE].mode, all.mode);
	assert_int_equal(m[LINK_STARTED].pid, INT_MAX);
	assert_int_equal(m[LINK_UNSENT].error, ENOSPC);
	assert_int_equal(m[LINK_REFUSED].code, all.code);
	assert_int_equal(m[LINK_WORKER].index, all.index);
	assert_true(m[LINK_INSTALL].command == all.command && m[LINK_INSTALL].language == all.language);
	assert_true(m[LINK_RUNNING].running.key == 6 && m[LINK_RUNNING].running.uid == 60001 && m[LINK_RUNNING].running.debug);
	assert_true(m[LINK_RUNNING].running.tracee_pid == 9 && m[LINK_RUNNING].running.started_unix_ms == 1e12 && m[LINK_RUNNING].running.age_ms == 0.5);
	assert_int_equal(m[LINK_CANCEL].call, 0);
	assert_int_equal(m[LINK_CANCEL].pid, 0);
}

/* The other end may have been taken over: what it says outside the ranges is not believed. */
static void wrong_values_are_refused(void **state)
{
	static const struct {
		const char *name;
		enum link_word word;
		const char *key;
		uint64_t value;
		int expected;
	} rows[] = {
		{"a mode", LINK_TRACE, "mode", TRACE_COUNT - 1, 0},
		{"no such mode", LINK_TRACE, "mode", TRACE_COUNT, -EPROTO},
		{"another key", LINK_TRACE, "modes", 0, -EPROTO},
		{"a number for a flag", LINK_HOLD, "on", 1, -EPROTO},
		{"a pid", LINK_STARTED, "pid", INT_MAX, 0},
		{"no pid", LINK_STARTED, "pid", 1ull << 31, -EPROTO},
		{"beyond 32 bits", LINK_STARTED, "pid", 1ull << 32, -EPROTO},
		{"a value that is there packed", LINK_RESULT, "packed", 1, 0},
		{"another last value", LINK_RESULT, "data", 1, -EPROTO},
		{"a number for a map", LINK_HELD, "violation", 1, -EPROTO},
		{"no number of a worker", LINK_WORKER, "index", FRONT_WORKERS_MAX, -EPROTO},
		{"a number of a worker", LINK_WORKER, "index", FRONT_WORKERS_MAX - 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		msgpack_sbuffer b;
		msgpack_packer pk;
		struct message m;
		struct link_in in;

		link_begin(&b, &pk, rows[i].word, 2);
		value_put_uint(&pk, "key", 1);
		value_put_uint(&pk, rows[i].key, rows[i].value);
		int r = pass(&b, &in, &m);
		link_in_done(&in);
		if (r != rows[i].expected)
			fail_msg("%s: %d, not %d", rows[i].name, r, rows[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_carry_what_they_have),
		cmocka_unit_test(wrong_values_are_refused),
	};

	return cmocka_run_group_tests(tests, open_link, close_link);
}
