#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "front_rig.h"
#include "gate.h"
#include "queue.h"
#include "skip.h"

#define JOB(id) "{'language': 'python3', 'code': 'x', 'job': '" id "'}"

static void requests_are_answered(void **state)
{
	static const struct {
		const char *name, *say, *want;
	} rows[] = {
		{"unknown method", "[0, 1, 'fly', []]", "unknown_method: fly"},
		{"control characters", "[0, 1, 'a\\n\\x1b', []]", "unknown_method: a??"},
		{"bad UTF-8", "[0, 1, b'\\xff', []]", "unknown_method: \xef\xbf\xbd"},
		{"no policy", "[0, 1, 'policy.get', [{'name': 'x'}]]", "unknown_policy: x"},
		{"run without params", "[0, 1, 'run', []]", "bad_request: language: is required"},
		{"params", "[0, 1, 'run', ['x']]", "bad_request: params: must be an array of one map"},
		{"params of status", "[0, 1, 'status', [1]]", "bad_request: params: must be an array of one map"},
		{"field of status", "[0, 1, 'status', [{'x': 1}]]", "bad_request: unknown field x"},
		{"cancel what", "[0, 1, 'cancel', []]", "bad_request: job: is required"},
		{"cancel number", "[0, 1, 'cancel', [{'job': 1}]]", "bad_request: job: must be a string"},
		{"cancel twice", "[0, 1, 'cancel', [{'job': 'a', 'job': 'b'}]]",
		 "bad_request: unknown or duplicate field job"},
		{"no policy", "[0, 1, 'run', [{'language': 'nodejs', 'code': 'x'}]]", "bad_request: language: nodejs: no policy of that name, so not supported here"},
		{"policy", "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'policy': 'y'}]]", "unknown_policy: y"},
		{"base", "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'policy': 'base'}]]",
		 "bad_request: policy: base names no language, it is for others to extend"},
		{"language", "[0, 1, 'run', [{'language': 'nodejs', 'code': 'x', 'policy': 'python3'}]]",
		 "bad_request: policy: python3 is for python3, the job is nodejs"},
		{"callers_may", "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'limits': {'wall_ms': 90000}}]]",
		 "bad_request: limits.wall_ms: must be 1 to 60000, is 90000"},
		{"a negative limit", "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'limits': {'wall_ms': -5}}]]",
		 "bad_request: limits.wall_ms: must be 1 to 60000, is -5"},
		{"limit zero", "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'limits': {'wall_ms': 0}}]]",
		 "bad_request: limits.wall_ms: must be 1 to 60000, is 0"},
		{"a limit past 63 bits",
		 "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'limits': {'threads': 18446744073709551615}}]]",
		 "bad_request: limits.threads: must be 1 to 32, is 9223372036854775807"},
		{"limits where callers_may is silent",
		 "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'limits': {'threads': 33}}]]",
		 "bad_request: limits.threads: must be 1 to 32, is 33"},
	};
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("row %s\n", rows[i].name);
		peer_say(&p, rows[i].say);
		peer_expect_error(&p, 1, rows[i].want);
	}
	peer_say(&p, "[2, 'run', []]"); /* asks for no answer */
	assert_int_equal(peer_hear(&p), 0);
	assert_int_equal(g->n_jobs, 0);
	peer_done(&p);
	rig_free(g);
}

static void lists(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);

	(void)state;
	peer_say(&p, "[0, 1, 'policies', []]");
	assert_int_equal(peer_hear(&p), 1);
	assert_int_equal(p.m.result->via.array.size, 2);
	peer_say(&p, "[0, 2, 'status', [{}]]");
	assert_int_equal(peer_hear(&p), 1);
	assert_text(&peer_get(p.m.result, "layers")->via.array.ptr[0], "seccomp");
	assert_int_equal(peer_get(peer_get(p.m.result, "pool"), "capacity")->via.u64, 2);
	assert_int_equal(peer_get(peer_get(p.m.result, "queue"), "max")->via.u64, FRONT_QUEUE_DEFAULT);
	for (int i = 0; i < 3; i++)
		peer_say(&p, i == 0   ? "[0, 5, 'run', [" JOB("a") "]]"
			     : i == 1 ? "[0, 6, 'run', [" JOB("b") "]]"
				      : "[0, 7, 'run', [" JOB("c") "]]");
	g->port.on_started(g->port.ctx, g->keys[0], 4711);
	peer_say(&p, "[0, 8, 'jobs', []]");
	assert_int_equal(peer_hear(&p), 1);
	assert_int_equal(p.m.result->via.array.size, 3);
	for (uint32_t i = 0; i < 3; i++) {
		const msgpack_object *j = &p.m.result->via.array.ptr[i];
		bool first = peer_get(j, "job")->via.str.ptr[0] == 'a';

		assert_text(peer_get(j, "state"), first ? "running" : "queued");
		assert_int_equal(peer_get(j, "tracee_pid")->type,
				 first ? MSGPACK_OBJECT_POSITIVE_INTEGER : MSGPACK_OBJECT_NIL);
	}
	peer_done(&p);
	rig_free(g);
}

/* Three at once, a pool of two; answers come as jobs end, not as they were asked. */
static void pipelined_out_of_order(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);

	(void)state;
	peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
	peer_say(&p, "[0, 2, 'run', [" JOB("b") "]]");
	peer_say(&p, "[0, 3, 'run', [" JOB("c") "]]");
	assert_int_equal(g->n_jobs, 2);
	assert_int_equal(g->jobs[0]->limits[LIMIT_WALL_MS], 15000); /* the policy's */
	rig_answer(g, 1, OUTCOME_EXITED, 10);
	peer_expect_result(&p, 2, "b", "exited");
	assert_int_equal(g->n_jobs, 3);
	assert_true(g->queue_ms[2] > 0);
	rig_answer(g, 2, OUTCOME_ERROR, 0);
	rig_answer(g, 0, OUTCOME_LIMIT, 0);
	peer_expect_result(&p, 3, "c", "error");
	peer_expect_result(&p, 1, "a", "limit");
	assert_true(front_idle(g->front));
	g->port.on_result(g->port.ctx, 999, &(struct result){0}); /* unknown: ignored */
	peer_done(&p);
	rig_free(g);
}

/* What a job wants granted is found out late: its place is free again, and nobody else is told. */
static void refused_by_the_worker(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);
	struct err e;

	(void)state;
	err_set(&e, ERR_REQUEST, "grants.read[0]", 0, "/x: No such file or directory");
	for (unsigned n = 0; n < 5; n++) { /* more than there are places */
		peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
		assert_int_equal(g->n_jobs, n + 1);
		g->port.on_refused(g->port.ctx, g->keys[n], n % 2 ? RPC_ERROR_NOT_PERMITTED : RPC_ERROR_BAD_REQUEST, &e);
		peer_expect_error(&p, 1, n % 2 ? "not_permitted: grants.read[0]: /x: No such file or directory"
		                               : "bad_request: grants.read[0]: /x: No such file or directory");
		assert_true(front_idle(g->front));
	}
	g->port.on_refused(g->port.ctx, 999, RPC_ERROR_BAD_REQUEST, &e); /* unknown: ignored */
	peer_done(&p);
	rig_free(g);
}

static void ids(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);

	(void)state;
	peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
	peer_say(&p, "[0, 2, 'run', [" JOB("a") "]]");
	peer_expect_error(&p, 2, "bad_request: job: a is running already");
	rig_answer(g, 0, OUTCOME_EXITED, 0);
	peer_expect_result(&p, 1, "a", "exited");
	peer_say(&p, "[0, 3, 'run', [" JOB("a") "]]"); /* free again */
	assert_int_equal(g->n_jobs, 2);
	peer_done(&p);
	rig_free(g);
}

static void cancels(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g), q = peer_new(g);

	(void)state;
	rig_capacity(g, 1);
	peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
	peer_say(&p, "[0, 2, 'run', [" JOB("b") "]]");
	peer_say(&q, "[0, 9, 'cancel', [{'job': 'none'}]]");
	assert_int_equal(peer_hear(&q), 1);
	assert_false(peer_get(q.m.result, "cancelled")->via.boolean);
	peer_say(&q, "[0, 9, 'cancel', [{'job': 'b'}]]"); /* waits: answered at once */
	assert_int_equal(peer_hear(&q), 1);
	assert_true(peer_get(q.m.result, "cancelled")->via.boolean);
	peer_expect_result(&p, 2, "b", "cancelled");
	assert_int_equal(g->n_cancelled, 0);
	peer_say(&q, "[0, 9, 'cancel', [{'job': 'a'}]]");
	assert_int_equal(peer_hear(&q), 1);
	assert_int_equal(g->n_cancelled, 1);
	assert_int_equal(g->cancelled[0], g->keys[0]);
	assert_int_equal(peer_hear(&p), 0);
	rig_answer(g, 0, OUTCOME_CANCELLED, 0);
	peer_expect_result(&p, 1, "a", "cancelled");
	peer_done(&p);
	peer_done(&q);
	rig_free(g);
}

static void hang_up_cancels(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g), q = peer_new(g);

	(void)state;
	peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
	peer_say(&p, "[0, 2, 'run', [{'language': 'python3', 'code': 'x', 'job': 'd', 'detach': true}]]");
	peer_say(&p, "[0, 3, 'run', [" JOB("waits") "]]");
	peer_say(&p, "[0, 4, 'run', [{'language': 'python3', 'code': 'x', 'job': 'dw', 'detach': true}]]");
	assert_int_equal(g->n_jobs, 2);
	peer_hang_up(&p);
	assert_int_equal(g->n_closed, 1);
	assert_int_equal(g->n_cancelled, 1);
	assert_int_equal(g->cancelled[0], g->keys[0]);
	rig_answer(g, 0, OUTCOME_CANCELLED, 0);
	assert_int_equal(g->n_jobs, 3); /* the detached one that waited; the other is gone */
	assert_string_equal(g->jobs[2]->id, "dw");
	rig_answer(g, 1, OUTCOME_EXITED, 0);
	rig_answer(g, 2, OUTCOME_EXITED, 0);
	assert_true(front_idle(g->front));
	peer_say(&q, "[0, 1, 'status', []]"); /* others live on */
	assert_int_equal(peer_hear(&q), 1);
	shutdown(q.fd, SHUT_WR); /* half a hang-up is one too */
	assert_int_equal(peer_hear(&q), -1);
	assert_int_equal(g->n_closed, 2);
	peer_done(&p);
	peer_done(&q);
	rig_free(g);
}

static void busy(void **state)
{
	struct front_config c = {.gate = -1, .queue_length = 3, .per_tenant = 2};
	struct rig *g = rig_new(&c);
	struct peer p = peer_new(g);

	(void)state;
	rig_capacity(g, 1);
	for (int i = 0; i < 3; i++)
		peer_say(&p, "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'tenant': 't'}]]");
	peer_say(&p, "[0, 2, 'run', [{'language': 'python3', 'code': 'x', 'tenant': 't'}]]");
	peer_expect_error(&p, 2, "busy: this tenant's share of the queue is full (2 jobs), retry in 300 ms");
	peer_say(&p, "[0, 3, 'run', [{'language': 'python3', 'code': 'x', 'job': 'u', 'tenant': 'u'}]]");
	peer_say(&p, "[0, 4, 'run', [{'language': 'python3', 'code': 'x', 'tenant': 'v'}]]");
	peer_expect_error(&p, 4, "busy: queue is full (3 jobs), retry in 400 ms");
	rig_answer(g, 0, OUTCOME_EXITED, 0);
	rig_answer(g, 1, OUTCOME_EXITED, 0);
	assert_string_equal(g->jobs[2]->id, "u"); /* its turn comes before t's second */
	peer_done(&p);
	rig_free(g);
}

/* One who has filled the queue is refused, others are not, until they have a sixteenth of it; of tenants, whose names are made up, fewer find room. */
static void full_for_some(void **state)
{
	struct queue_item items[80];
	struct queue q;
	unsigned n = 0, tenants = 0, users = 0;
	char name[16];

	(void)state;
	queue_init(&q, 32, 32);
	while (n < 80 && queue_push(&q, &items[n], 1, "flood") == 0)
		n++;
	assert_int_equal(n, 32);
	for (int i = 0; i < 3; i++) {
		int ret = queue_push(&q, &items[n], 1, "other");
		assert_int_equal(ret, i < 2 ? 0 : -ENOSPC);
		n += ret == 0;
	}
	do
		snprintf(name, sizeof(name), "made up %u", tenants++);
	while (queue_push(&q, &items[n], 1, name) == 0 && ++n < 80);
	assert_int_equal(n, 48);
	for (uid_t uid = 2; n < 80 && queue_push(&q, &items[n], uid, "") == 0; uid += users & 1, users++)
		n++;
	assert_int_equal(n, 64);
	assert_int_equal(queue_push(&q, &items[n], 99, ""), -ENOSPC);
	assert_ptr_equal(queue_pop(&q), &items[0]);
	assert_ptr_equal(queue_pop(&q), &items[32]);
	queue_done(&q);
}

/* One who has filled the worker with jobs of which some wait there does not keep another's first job from having its turn among those. */
static void newcomers(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);

	(void)state;
	rig_capacity(g, 4);
	for (int i = 0; i < 6; i++)
		peer_say(&p, "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'tenant': 'flood'}]]");
	assert_int_equal(g->n_jobs, 4);
	peer_say(&p, "[0, 2, 'run', [{'language': 'python3', 'code': 'x', 'job': 'u1', 'tenant': 'u'}]]");
	assert_int_equal(g->n_jobs, 5);
	assert_string_equal(g->jobs[4]->id, "u1");
	peer_say(&p, "[0, 3, 'run', [{'language': 'python3', 'code': 'x', 'job': 'v1', 'tenant': 'v'}]]");
	assert_int_equal(g->n_jobs, 5); /* one more, and no second */
	rig_answer(g, 4, OUTCOME_EXITED, 0);
	assert_string_equal(g->jobs[5]->id, "v1");
	rig_answer(g, 5, OUTCOME_EXITED, 0);
	assert_int_equal(g->n_jobs, 6); /* the flood's own wait for room */
	for (unsigned i = 0; i < 4; i++)
		g->port.on_started(g->port.ctx, g->keys[i], 100);
	peer_say(&p, "[0, 4, 'run', [{'language': 'python3', 'code': 'x', 'job': 'u2', 'tenant': 'u'}]]");
	assert_int_equal(g->n_jobs, 6); /* none of them waits there: neither would this one */
	rig_answer(g, 0, OUTCOME_EXITED, 0);
	assert_int_equal(g->n_jobs, 8); /* in the place of the one that ended; and, since it waits there, one more */
	peer_done(&p);
	rig_free(g);
}

/* No pool yet: jobs wait, and start when the worker has one. */
static void capacity_comes_later(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);

	(void)state;
	rig_capacity(g, 0);
	peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
	assert_int_equal(g->n_jobs, 0);
	rig_capacity(g, 1);
	for (int i = 0; i < 50 && g->n_jobs == 0; i++)
		ev_run(g->loop, EVRUN_ONCE);
	assert_int_equal(g->n_jobs, 1);
	peer_done(&p);
	rig_free(g);
}

static void bad_bytes_end_the_connection(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		const char *want; /* NULL: closed at once */
	} rows[] = {
		{"http", "GET / HTTP/1.1\r\n\r\n", 18, NULL},
		{"c1", "\x94\x00\x07\xc1", 4, "bad_request: message: not msgpack-RPC: byte 0xc1"},
		{"params", "\x94\x00\x07\xa1x\x05", 6, "bad_request: message: not msgpack-RPC: params is not an array"},
		{"oversized", "\x94\x00\x07\xa3run\x91\xc6\x7f\xff\xff\xff", 13,
		 "too_large: message: has more than 1000000 bytes"},
		{"many", "\x94\x00\x07\xa3run\x91\xdf\xff\xff\xff\xff", 13,
		 "too_large: message: has more than 1048576 values"},
		{"deep",
		 "\x94\x00\x07\xa1x\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
		 "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
		 40, "too_large: message: is nested more than 32 deep"},
	};
	struct front_config c = {.gate = -1, .max_message = 1000000};
	struct rig *g = rig_new(&c);
	struct peer other = peer_new(g);

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer p = peer_new(g);

		print_message("row %s\n", rows[i].name);
		peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
		peer_bytes(&p, rows[i].bytes, rows[i].len);
		if (rows[i].want)
			peer_expect_error(&p, 7, rows[i].want);
		assert_int_equal(peer_hear(&p), -1);
		assert_int_equal(g->n_cancelled, i + 1); /* what ran is cancelled */
		rig_answer(g, i, OUTCOME_CANCELLED, 0);
		if (rows[i].want) /* what still comes is swallowed, so that a client that is still sending gets to read
				   */
			peer_bytes(&p, (char[100000]){0}, 100000);
		peer_done(&p);
		rig_turn(g);
		assert_int_equal(g->n_closed, i + 1);
	}
	peer_say(&other, "[0, 1, 'status', []]");
	assert_int_equal(peer_hear(&other), 1);
	peer_done(&other);
	rig_free(g);
}

static void half_messages(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);
	msgpack_sbuffer b;

	(void)state;
	msgpack_sbuffer_init(&b);
	wire_pack(&b, "[0, 1, 'run', [" JOB("a") "]]");
	for (size_t i = 0; i < b.size; i++) {
		assert_int_equal(g->n_jobs, 0);
		peer_bytes(&p, b.data + i, 1);
	}
	assert_int_equal(g->n_jobs, 1);
	peer_bytes(&p, b.data, b.size / 2); /* and then hangs up in the middle of one */
	peer_hang_up(&p);
	assert_int_equal(g->n_cancelled, 1);
	peer_done(&p);
	rig_free(g);
	msgpack_sbuffer_destroy(&b);
}

/* A client that only asks: at some point nobody reads its requests, and the rest stays in its own socket. */
static void never_reads(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);
	msgpack_sbuffer b;
	unsigned sent = 0, heard = 0;

	(void)state;
	msgpack_sbuffer_init(&b);
	wire_pack(&b, "[0, 1, 'status', [{}]]");
	for (int idle = 0; idle < 50;) {
		ssize_t n = send(p.fd, b.data, b.size, MSG_NOSIGNAL);

		assert_true(n == (ssize_t)b.size || (n < 0 && errno == EAGAIN));
		sent += n > 0;
		idle = n > 0 ? 0 : idle + 1;
		rig_turn(g);
	}
	assert_true(sent < 40000); /* a megabyte of answers and two socket buffers */
	while (peer_hear(&p) == 1)
		heard++;
	assert_int_equal(heard, sent);
	peer_done(&p);
	rig_free(g);
	msgpack_sbuffer_destroy(&b);
}

/* A streaming job whose client does not read: its output is held, and goes on when the client has read. */
static void slow_reader(void **state)
{
	static char data[65536];
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);
	unsigned told = 0, heard = 0;

	(void)state;
	peer_say(&p, "[0, 1, 'run', [{'language': 'python3', 'code': 'x', 'job': 'a', 'stream': true}]]");
	while (g->held == 0 && told < 1000) {
		g->port.on_output(g->port.ctx, g->keys[0], told % 2, (struct bytes){data, sizeof(data)});
		told++;
	}
	assert_int_equal(g->held, 1);
	assert_true(told < 40);
	assert_int_equal(g->released, 0);
	assert_false(front_idle(g->front));
	for (; heard < told; heard++) {
		assert_int_equal(peer_hear(&p), 1);
		assert_int_equal(p.m.type, RPC_NOTIFY);
		assert_text(peer_get(p.m.params, "stream"), heard % 2 ? "stderr" : "stdout");
		assert_int_equal(peer_get(p.m.params, "data")->via.bin.size, sizeof(data));
	}
	assert_int_equal(g->released, 1);
	rig_answer(g, 0, OUTCOME_EXITED, 0);
	peer_expect_result(&p, 1, "a", "exited");
	peer_done(&p);
	rig_free(g);
}

/* Answers that nobody takes: over the bound the client is hung up on. */
static void unread_results_are_bounded(void **state)
{
	struct front_config c = {.gate = -1, .max_message = 1 << 20};
	struct rig *g = rig_new(&c);
	struct peer p = peer_new(g);
	unsigned n;

	(void)state;
	for (n = 0; n < 20 && g->n_closed == 0; n++) {
		peer_say(&p, "[0, 1, 'run', [{'language': 'python3', 'code': 'x'}]]");
		if (g->n_jobs == n)
			break; /* not read any more */
		rig_answer(g, n, OUTCOME_EXITED, 900000);
		rig_turn(g);
	}
	assert_true(n < 10);
	peer_done(&p);
	rig_free(g);
}

/* Many connections that each gather a large message: together they are bounded, small ones pass. */
static void gathered_input_is_bounded(void **state)
{
	static char half[3 << 20];
	struct front_config c = {.gate = -1, .max_message = 4 << 20};
	struct rig *g = rig_new(&c);
	struct peer p[8], small = peer_new(g);
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		p[i] = peer_new(g);
		peer_bytes(&p[i],
			   "\x94\x00\x07\xa3run\x91\x81\xa4"
			   "code\xc6\x00\x3f\x00\x00",
			   19);
		peer_bytes(&p[i], half, sizeof(half));
		if (peer_hear(&p[i]) == 1) {
			refused++;
			assert_text(p[i].m.error, "busy: too many large messages at once, retry in 1000 ms");
		}
	}
	assert_in_range(refused, 3, 6);
	peer_say(&small, "[0, 1, 'run', [" JOB("a") "]]");
	assert_int_equal(g->n_jobs, 1);
	for (unsigned i = 0; i < 8; i++)
		peer_done(&p[i]);
	rig_turn(g);
	struct peer again = peer_new(g); /* what was held is free again */

	peer_bytes(&again,
		   "\x94\x00\x07\xa3run\x91\x81\xa4"
		   "code\xc6\x00\x3f\x00\x00",
		   19);
	peer_bytes(&again, half, sizeof(half));
	assert_int_equal(peer_hear(&again), 0);
	peer_done(&again);
	peer_done(&small);
	rig_free(g);
}

static void drain(void **state)
{
	struct rig *g = rig_new(NULL);
	struct peer p = peer_new(g);

	(void)state;
	rig_capacity(g, 1);
	peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
	peer_say(&p, "[0, 2, 'run', [" JOB("b") "]]");
	front_drain(g->front);
	peer_expect_error(&p, 2, "shutting_down: the supervisor is going down");
	peer_say(&p, "[0, 3, 'run', [" JOB("c") "]]");
	peer_expect_error(&p, 3, "shutting_down: the supervisor is going down");
	assert_false(front_idle(g->front));
	rig_answer(g, 0, OUTCOME_EXITED, 0);
	peer_expect_result(&p, 1, "a", "exited");
	assert_true(front_idle(g->front));
	peer_done(&p);
	rig_free(g);
}

/* --- the socket in the file system ---------------------------------------------------------------------------- */

static int connect_to(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static void socket_file(void **state)
{
	char path[] = "/tmp/warder-test-socket-XXXXXX";
	struct err e = {0};
	struct stat st;
	int fd;

	(void)state;
	fd = mkstemp(path);
	close(fd);
	assert_int_equal(gate_open(path, 0600, NULL, &e), -EEXIST);
	assert_non_null(strstr(e.text, "is not a socket"));
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* a stale one: bound, and nobody there */
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(a.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	int gate = gate_open(path, 0600, NULL, &e);

	assert_true(gate >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(gate_open(path, 0600, NULL, &e), -EADDRINUSE); /* a live one */

	struct front_config c = {.gate = dup(gate)};
	struct rig *g = rig_new(&c);
	struct peer p = {.g = g, .fd = connect_to(path), .reader = rpc_reader_new(RPC_MESSAGE_MAX_DEFAULT)};

	assert_true(p.fd >= 0);
	peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
	rig_answer(g, 0, OUTCOME_EXITED, 0);
	peer_expect_result(&p, 1, "a", "exited");
	front_drain(g->front);
	assert_int_equal(gate_close(gate, path), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(gate_open(path, 0600, "no-such-group", &e), -ENOENT);
	peer_done(&p);
	rig_free(g);
}

/* Another uid sees and cancels nothing; as root only, since it takes a second uid. */
static void jobs_belong_to_their_uid(void **state)
{
	char path[] = "/tmp/warder-test-uid-XXXXXX";
	uid_t nobody_else = 4242;
	struct front_config c = {.operators = &nobody_else, .n_operators = 1};
	struct err e;
	struct rig *g;
	struct peer p;

	(void)state;
	if (geteuid() != 0)
		SKIP(NEEDS_ROOT);
	close(mkstemp(path));
	unlink(path);
	int gate = gate_open(path, 0666, NULL, &e);
	c.gate = dup(gate);
	g = rig_new(&c);
	p = peer_new(g); /* root, no operator here */
	peer_say(&p, "[0, 1, 'run', [" JOB("a") "]]");
	for (uid_t uid = 4241; uid <= 4242; uid++) {
		struct peer q = {.g = g, .reader = rpc_reader_new(RPC_MESSAGE_MAX_DEFAULT)};

		assert_int_equal(seteuid(uid), 0);
		q.fd = connect_to(path);
		assert_int_equal(seteuid(0), 0);
		peer_say(&q, "[0, 1, 'jobs', []]");
		assert_int_equal(peer_hear(&q), 1);
		assert_int_equal(q.m.result->via.array.size,
				 uid == 4242 ? 2 : 0); /* an operator sees root's and 4241's */
		peer_say(&q, "[0, 2, 'cancel', [{'job': 'a'}]]");
		assert_int_equal(peer_hear(&q), 1);
		assert_int_equal(peer_get(q.m.result, "cancelled")->via.boolean, uid == 4242);
		peer_say(&q, "[0, 3, 'run', [" JOB("a") "]]"); /* the same id is another job */
		peer_done(&q);
	}
	assert_int_equal(g->n_jobs, 2);
	peer_done(&p);
	gate_close(gate, path);
	rig_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered),
		cmocka_unit_test(lists),
		cmocka_unit_test(pipelined_out_of_order),
		cmocka_unit_test(refused_by_the_worker), cmocka_unit_test(ids),
		cmocka_unit_test(cancels),
		cmocka_unit_test(hang_up_cancels),
		cmocka_unit_test(busy),
		cmocka_unit_test(full_for_some),
		cmocka_unit_test(newcomers),
		cmocka_unit_test(capacity_comes_later),
		cmocka_unit_test(bad_bytes_end_the_connection),
		cmocka_unit_test(half_messages),
		cmocka_unit_test(never_reads),
		cmocka_unit_test(slow_reader),
		cmocka_unit_test(unread_results_are_bounded),
		cmocka_unit_test(gathered_input_is_bounded),
		cmocka_unit_test(drain),
		cmocka_unit_test(socket_file),
		cmocka_unit_test(jobs_belong_to_their_uid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
