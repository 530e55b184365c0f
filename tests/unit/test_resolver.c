#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "resolver.h"

#define TRY_MS 40
#define DEADLINE 10.0

/* A name server on the test's own loop; what it answers depends on the first label. */
struct rig {
	struct ev_loop *loop;
	struct resolver *resolver;
	ev_io io;
	int fd, other;       /* the server's socket; one that nobody asked */
	unsigned questions;  /* for A */
	struct resolver_wait waits[300];
	struct resolver_answer answers[300];
	unsigned n_answered;
	struct resolver_wait *to_forget;
};

static size_t put_record(uint8_t *at, uint16_t type, uint32_t ttl, const void *data, uint16_t len)
{
	uint8_t head[12] = {0xc0, 12, type >> 8, type, 0, 1, ttl >> 24, ttl >> 16, ttl >> 8, ttl, len >> 8, len};

	memcpy(at, head, sizeof(head));
	memcpy(at + sizeof(head), data, len);
	return sizeof(head) + len;
}

static bool asks(const uint8_t *q, const char *label)
{
	return q[12] == strlen(label) && memcmp(q + 13, label, q[12]) == 0;
}

/* The answer's length; 0: none is given. */
static size_t answer(struct rig *g, uint8_t *m, size_t n)
{
	uint8_t a[4] = {192, 0, 2, 1}, aaaa[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
	bool v4 = m[n - 3] == 1;
	unsigned count = 1;
	size_t len = n;

	g->questions += v4;
	m[2] |= 0x80;
	if (asks(m, "silent"))
		return 0;
	if (asks(m, "unknown")) {
		m[3] |= 3;
		return n;
	}
	if (asks(m, "broken")) {
		m[3] |= 2;
		return n;
	}
	if (asks(m, "garbage")) {
		memset(m + 2, 0xff, n - 2);
		return n;
	}
	if (asks(m, "other-id"))
		m[0] ^= 0x55;
	if (asks(m, "other-question"))
		m[14] ^= 1;
	if (asks(m, "cut")) {
		m[7] = 5;
		return n;
	}
	if (asks(m, "none"))
		return n;
	if (asks(m, "six") && v4)
		return n;
	if (asks(m, "many"))
		count = v4 ? 28 : 16; /* what a datagram of 512 bytes holds */
	m[7] = count;
	for (unsigned i = 0; i < count; i++) {
		a[3] = aaaa[15] = i + 1;
		len += put_record(m + len, v4 ? 1 : 28, asks(m, "short") ? 0 : 60, v4 ? a : aaaa, v4 ? 4 : 16);
	}
	return len;
}

static void on_question(struct ev_loop *loop, ev_io *io, int revents)
{
	struct rig *g = io->data;
	uint8_t m[4096] = {0};
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	ssize_t n = recvfrom(g->fd, m, 512, 0, (struct sockaddr *)&from, &size);

	(void)loop, (void)revents;
	assert_true(n > 16);
	bool stranger = asks(m, "stranger");
	size_t len = answer(g, m, n);
	if (len)
		assert_int_equal(sendto(stranger ? g->other : g->fd, m, len, 0, (struct sockaddr *)&from, size), len);
}

static int local_socket(int *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static int setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	char servers[64];
	struct err e;
	int port, other;

	log_set_level(LOG_ERROR);
	g->loop = ev_loop_new(EVFLAG_AUTO);
	g->fd = local_socket(&port);
	g->other = local_socket(&other);
	ev_io_init(&g->io, on_question, g->fd, EV_READ);
	g->io.data = g;
	ev_io_start(g->loop, &g->io);
	snprintf(servers, sizeof(servers), "127.0.0.1:%d", port);
	struct resolver_options o = {.servers = servers, .try_ms = TRY_MS};
	assert_int_equal(resolver_new(g->loop, &o, &g->resolver, &e), 0);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct rig *g = *state;

	resolver_free(g->resolver);
	ev_io_stop(g->loop, &g->io);
	close(g->fd);
	close(g->other);
	ev_loop_destroy(g->loop);
	free(g);
	return 0;
}

static void on_answer(struct resolver_wait *w, const struct resolver_answer *a)
{
	struct rig *g = w->arg;

	assert_null(w->at);
	g->answers[w - g->waits] = *a;
	g->n_answered++;
	if (g->to_forget)
		resolver_forget(g->to_forget);
}

static const struct resolver_answer *ask(struct rig *g, unsigned i, const char *name)
{
	g->waits[i] = (struct resolver_wait){.on_answer = on_answer, .arg = g};
	return resolver_ask(g->resolver, name, &g->waits[i]);
}

static void run_until(struct rig *g, unsigned n)
{
	ev_tstamp end = ev_time() + DEADLINE;

	while (g->n_answered < n && ev_time() < end)
		ev_run(g->loop, EVRUN_ONCE);
	assert_int_equal(g->n_answered, n);
}

/* The one answer to a name that is asked for once. */
static const struct resolver_answer *resolve(struct rig *g, const char *name)
{
	assert_null(ask(g, 0, name));
	g->n_answered = 0;
	run_until(g, 1);
	return &g->answers[0];
}

static void names_have_addresses_of_both_families(void **state)
{
	const struct resolver_answer *a = resolve(*state, "www.example.test");
	bool v4 = false, v6 = false;

	assert_null(a->failed);
	assert_int_equal(a->n, 2);
	for (unsigned i = 0; i < 2; i++) {
		char text[INET6_ADDRSTRLEN];
		inet_ntop(AF_INET6, &a->v[i], text, sizeof(text));
		v4 |= strcmp(text, "::ffff:192.0.2.1") == 0;
		v6 |= strcmp(text, "2001:db8::1") == 0;
	}
	assert_true(v4 && v6);
}

static void one_family_is_enough(void **state)
{
	const struct resolver_answer *a = resolve(*state, "six.example.test");

	assert_int_equal(a->n, 1);
	assert_false(IN6_IS_ADDR_V4MAPPED(&a->v[0]));
}

/* Every bad server leads to a failure in words, in the time of three tries. */
static void bad_answers_are_failures(void **state)
{
	static const char *const rows[] = {"silent", "unknown", "broken", "garbage", "other-id", "other-question", "stranger", "none", "cut"};
	char name[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ev_tstamp before = ev_time();
		snprintf(name, sizeof(name), "%s.example.test.", rows[i]);
		const struct resolver_answer *a = resolve(*state, name);
		if (!a->failed || a->n)
			fail_msg("%s: %u addresses", rows[i], a->n);
		assert_true(ev_time() - before < 5);
	}
}

static void a_name_has_a_bounded_number_of_addresses(void **state)
{
	const struct resolver_answer *a = resolve(*state, "many.example.test");

	assert_int_equal(a->n, RESOLVER_ADDRESSES_MAX);
	assert_true(a->left_out);
}

static void answers_are_remembered(void **state)
{
	struct rig *g = *state;

	resolve(g, "www.example.test");
	const struct resolver_answer *a = ask(g, 1, "www.example.test");
	assert_non_null(a);
	assert_int_equal(a->n, 2);
	assert_int_equal(g->questions, 1);
	resolve(g, "unknown.example.test.");
	a = ask(g, 1, "unknown.example.test.");
	assert_non_null(a);
	assert_non_null(a->failed);
	assert_int_equal(g->questions, 2);
}

static void nothing_longer_than_its_record_says(void **state)
{
	struct rig *g = *state;

	resolve(g, "short.example.test");
	const unsigned before = g->questions;
	ev_tstamp until = ev_now(g->loop) + RESOLVER_TTL_LEAST;
	while (ev_now(g->loop) <= until) {
		usleep(20000);
		ev_run(g->loop, EVRUN_NOWAIT);
		ev_now_update(g->loop);
	}
	resolve(g, "short.example.test");
	assert_true(g->questions > before);
}

static void those_who_ask_together_share_a_question(void **state)
{
	struct rig *g = *state;

	for (unsigned i = 0; i < 50; i++)
		assert_null(ask(g, i, "www.example.test"));
	run_until(g, 50);
	assert_int_equal(g->questions, 1);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(g->answers[i].n, 2);
}

static void who_is_gone_is_not_told(void **state)
{
	struct rig *g = *state;

	for (unsigned i = 0; i < 3; i++)
		ask(g, i, "www.example.test");
	resolver_forget(&g->waits[1]);
	resolver_forget(&g->waits[1]);
	ask(g, 3, "last.example.test");
	run_until(g, 3);
	assert_int_equal(g->answers[1].n, 0);
}

static void one_can_go_while_another_is_told(void **state)
{
	struct rig *g = *state;

	/* the last to come is the first to be told */
	for (unsigned i = 0; i < 3; i++)
		ask(g, i, "www.example.test");
	g->to_forget = &g->waits[1];
	run_until(g, 2);
	assert_int_equal(g->answers[1].n, 0);
	assert_int_equal(g->answers[0].n, 2);
}

static void the_cache_is_bounded(void **state)
{
	struct rig *g = *state;
	char name[64];

	for (unsigned i = 0; i < RESOLVER_CACHE_MAX + 200; i += 200) {
		g->n_answered = 0;
		for (unsigned k = 0; k < 200; k++) {
			snprintf(name, sizeof(name), "n%u.example.test", i + k);
			assert_null(ask(g, k, name));
		}
		run_until(g, 200);
	}
	assert_null(ask(g, 0, "n0.example.test")); /* room was made */
	g->n_answered = 0;
	run_until(g, 1);
}

static void odd_names_ask_nobody(void **state)
{
	struct rig *g = *state;
	char name[400];

	memset(name, 'a', sizeof(name));
	name[399] = '\0';
	const struct resolver_answer *a = ask(g, 0, name);
	assert_non_null(a);
	assert_non_null(a->failed);
	for (unsigned i = 63; i < 253; i += 64)
		name[i] = '.';
	name[64] = 'a';
	name[20] = '.';
	name[21] = '.'; /* an empty label */
	name[100] = '\0';
	assert_non_null(resolve(g, name)->failed);
	assert_int_equal(g->questions, 0);
}

static void it_ends_in_the_middle_of_questions(void **state)
{
	struct rig *g = *state;

	ask(g, 0, "silent.example.test");
	for (int i = 0; i < 3; i++)
		ev_run(g->loop, EVRUN_NOWAIT);
	ask(g, 1, "queued.example.test");
	resolver_forget(&g->waits[0]);
	resolver_forget(&g->waits[1]);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(names_have_addresses_of_both_families),
		T(one_family_is_enough),
		T(bad_answers_are_failures),
		T(a_name_has_a_bounded_number_of_addresses),
		T(answers_are_remembered),
		T(nothing_longer_than_its_record_says),
		T(those_who_ask_together_share_a_question),
		T(who_is_gone_is_not_told),
		T(one_can_go_while_another_is_told),
		T(the_cache_is_bounded),
		T(odd_names_ask_nobody),
		T(it_ends_in_the_middle_of_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
