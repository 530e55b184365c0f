/* Which connections of warder-http are hung up on, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "connections.h"

#define MAX 8

static bool has_ended(int peer)
{
	char byte;

	return recv(peer, &byte, 1, MSG_DONTWAIT) == 0;
}

static const struct {
	const char *name;
	enum stage stage;
	unsigned others; /* connections beside it */
	double age;
	bool ended;
} rows[] = {
	{"new", STAGE_IDLE, 0, 0, false},
	{"idle", STAGE_IDLE, 0, CONNECTIONS_IDLE_MS - 1, false},
	{"idle for too long", STAGE_IDLE, 0, CONNECTIONS_IDLE_MS + 1, true},
	{"idle among many", STAGE_IDLE, MAX / 4 * 3 - 1, CONNECTIONS_CROWDED_MS + 1, false},
	{"idle among too many", STAGE_IDLE, MAX / 4 * 3, CONNECTIONS_CROWDED_MS + 1, true},
	{"new among too many", STAGE_IDLE, MAX - 1, CONNECTIONS_CROWDED_MS - 1, false},
	{"a body, among too many", STAGE_BODY, MAX - 1, CONNECTIONS_BODY_MS - 1, false},
	{"a body that never ends", STAGE_BODY, 0, CONNECTIONS_BODY_MS + 1, true},
	{"an answer", STAGE_ANSWER, MAX - 1, 1e9, false},
};

static void each_stage_has_its_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct connections *cs = connections_new(MAX);
		struct connection *c;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		c = connections_add(cs, pair[0], 0);
		for (unsigned k = 0; k < rows[i].others; k++)
			connections_enter(cs, connections_add(cs, -1, 0), STAGE_ANSWER, 0);
		connections_enter(cs, c, rows[i].stage, 1000);
		if (connections_sweep(cs, 1000 + rows[i].age) != rows[i].ended || has_ended(pair[1]) != rows[i].ended)
			fail_msg("%s", rows[i].name);
		assert_int_equal(connections_sweep(cs, 1000 + rows[i].age), 0); /* once */
		connections_remove(cs, c);
		connections_free(cs);
		close(pair[0]);
		close(pair[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_stage_has_its_time)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
