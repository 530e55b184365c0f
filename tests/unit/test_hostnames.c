#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostnames.h"
#include "state.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct broker_job *job_with(const char *const *texts, size_t n, const struct net_route *route)
{
	static const struct policy none;
	struct broker_job *b = calloc(1, sizeof(*b));
	struct err e;

	assert_non_null(b);
	assert_int_equal(net_init(&b->net, &none, texts, n, &e), 0);
	b->net.route = route;
	return b;
}

static void done(struct broker_job *b)
{
	hostnames_done(&b->hostnames);
	net_done(&b->net);
	free(b);
}

static struct in6_addr address(const char *text)
{
	struct in6_addr a = {{{[10] = 0xff, [11] = 0xff}}};

	assert_int_equal(strchr(text, ':') ? inet_pton(AF_INET6, text, &a) : inet_pton(AF_INET, text, &a.s6_addr[12]), 1);
	return a;
}

static void resolved(struct broker_job *b, size_t i, const char *text)
{
	struct in6_addr a = address(text);

	broker_resolved(b, i, &a, 1, NULL);
}

static bool reaches(struct broker_job *b, const char *text, uint16_t port)
{
	const char *why;

	return net_judge(&b->net, &(struct net_peer){.addr = address(text), .port = port}, &why) == 0;
}

static void each_name_is_asked_for_once(void **state)
{
	static const char *const texts[] = {"a.test:80", "A.test:443", "b.test", "*.wild.test", "10.0.0.0/8", "udp://b.test:53", "*"};
	struct broker_job *b = job_with(texts, N(texts), NULL);

	(void)state;
	assert_int_equal(broker_names(b), 2);
	assert_string_equal(broker_name(b, 0), "a.test");
	assert_string_equal(broker_name(b, 1), "b.test");
	done(b);
}

static void their_number_is_bounded(void **state)
{
	const char *texts[HOSTNAMES_MAX + 50];
	char names[HOSTNAMES_MAX + 50][16];

	(void)state;
	for (size_t i = 0; i < N(texts); i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu.test", i);
		texts[i] = names[i];
	}
	struct broker_job *b = job_with(texts, N(texts), NULL);
	assert_int_equal(broker_names(b), HOSTNAMES_MAX);
	assert_int_equal(b->hostnames.left_out, 50);
	done(b);
}

static void a_call_waits_until_they_are_known(void **state)
{
	static const char *const texts[] = {"a.test"};
	struct broker_job *b = job_with(texts, 1, NULL), *without = job_with(NULL, 0, NULL);
	struct broker_reply reply = {0};
	struct request *r = calloc(1, sizeof(*r));

	(void)state;
	r->job = b;
	r->reply = &reply;
	assert_true(hostnames_wait(r));
	assert_int_equal(reply.kind, REPLY_NAMES);
	broker_names_over(b);
	assert_false(hostnames_wait(r));
	r->job = without;
	assert_false(hostnames_wait(r));
	free(r);
	done(b);
	done(without);
}

static void the_first_answer_counts(void **state)
{
	static const char *const texts[] = {"a.test:443"};
	struct broker_job *b = job_with(texts, 1, NULL);

	(void)state;
	assert_int_equal(broker_names(b), 1);
	assert_false(reaches(b, "93.184.216.34", 443));
	resolved(b, 0, "93.184.216.34");
	resolved(b, 0, "93.184.216.35");
	assert_true(reaches(b, "93.184.216.34", 443));
	assert_false(reaches(b, "93.184.216.34", 80));
	assert_false(reaches(b, "93.184.216.35", 443));
	assert_int_equal(b->net.n_pins, 1);
	done(b);
}

static void late_answers_count_and_missing_ones_are_told(void **state)
{
	static const char *const texts[] = {"a.test", "b.test"};
	struct broker_job *b = job_with(texts, 2, NULL);

	(void)state;
	assert_int_equal(broker_names(b), 2);
	broker_resolved(b, 1, NULL, 0, "Domain name not found");
	broker_names_over(b);
	assert_non_null(strstr(b->hostnames.v[0].told, "not resolved in time"));
	assert_non_null(strstr(b->hostnames.v[1].told, "not resolved: Domain name not found"));
	resolved(b, 0, "93.184.216.34");
	assert_true(reaches(b, "93.184.216.34", 1));
	done(b);
}

static const struct {
	const char *address;
	bool with_range; /* 10.0.0.0/8 and ::1 beside the name */
	bool pinned;
} specials[] = {
	{"93.184.216.34", false, true}, {"2606:2800:220:1::1", false, true},
	{"10.1.2.3", false, false}, {"10.1.2.3", true, true}, {"192.168.0.1", true, false},
	{"127.0.0.1", true, false}, {"0.0.0.0", true, false}, {"169.254.169.254", true, false},
	{"::1", false, false}, {"::1", true, true}, {"fe80::1", true, false}, {"fd00::1", true, false},
	{"::ffff:127.0.0.1", true, false}, {"::ffff:10.1.2.3", true, true}, {"64:ff9b::7f00:1", true, false}, {"::", true, false},
};

static void special_addresses_need_their_range(void **state)
{
	static const char *const texts[] = {"a.test", "10.0.0.0/8:1", "[::1]:1"};

	(void)state;
	for (size_t i = 0; i < N(specials); i++) {
		struct broker_job *b = job_with(texts, specials[i].with_range ? 3 : 1, NULL);

		assert_int_equal(broker_names(b), 1);
		resolved(b, 0, specials[i].address);
		if ((b->net.n_pins == 1) != specials[i].pinned || !b->hostnames.v[0].told != specials[i].pinned)
			fail_msg("%s %s a range: %zu pins, told %s", specials[i].address, specials[i].with_range ? "with" : "without",
			         b->net.n_pins, b->hostnames.v[0].told);
		done(b);
	}
}

static void with_a_proxy_only_direct_names_are_asked_for(void **state)
{
	static const char *const texts[] = {"a.test:80", "db.internal:5432", "10.0.0.0/8"};
	struct net_grant server = {.kind = NET_NAME, .name = (char *)"proxy.test", .rule = (char *)"proxy", .port_lo = 3128, .port_hi = 3128};
	struct net_grant direct = {.kind = NET_WILDCARD, .name = (char *)"internal"};
	const struct net_route route = {.servers = &server, .n_servers = 1, .direct = &direct, .n_direct = 1};
	struct broker_job *b = job_with(texts, N(texts), &route);

	(void)state;
	assert_int_equal(broker_names(b), 2);
	assert_string_equal(broker_name(b, 0), "proxy.test");
	assert_string_equal(broker_name(b, 1), "db.internal");
	resolved(b, 0, "192.168.9.9"); /* the operator answers for it */
	resolved(b, 1, "93.184.216.34");
	assert_true(reaches(b, "192.168.9.9", 3128));
	assert_false(reaches(b, "192.168.9.9", 22));
	assert_true(reaches(b, "93.184.216.34", 5432));
	assert_false(reaches(b, "93.184.216.34", 80));
	assert_false(reaches(b, "10.0.0.1", 80));
	done(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_is_asked_for_once),
		cmocka_unit_test(their_number_is_bounded),
		cmocka_unit_test(a_call_waits_until_they_are_known),
		cmocka_unit_test(the_first_answer_counts),
		cmocka_unit_test(late_answers_count_and_missing_ones_are_told),
		cmocka_unit_test(special_addresses_need_their_range),
		cmocka_unit_test(with_a_proxy_only_direct_names_are_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
