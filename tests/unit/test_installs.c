/* Packages over the socket: who may ask, how many at once, what becomes of an installer's words, and of it when its client or the front goes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "front_rig.h"

#define ASKED_MAX 16

static struct {
	unsigned n;
	int out[ASKED_MAX];
	enum installer_command command[ASKED_MAX];
	enum language language[ASKED_MAX];
} asked;

static void note(void *ctx, enum installer_command command, enum language language, int out)
{
	(void)ctx;
	assert_true(asked.n < ASKED_MAX);
	asked.command[asked.n] = command;
	asked.language[asked.n] = language;
	asked.out[asked.n++] = dup(out);
}

static struct rig *new_rig(const uid_t *operators, const uid_t *installers)
{
	struct front_config c = {.gate = -1, .install = note, .operators = operators, .n_operators = operators != NULL, .installers = installers,
				 .n_installers = installers != NULL};

	asked.n = 0;
	return rig_new(&c);
}

/* What the n-th installer says, and that it has ended. */
static void tell(struct rig *g, unsigned n, const char *text, size_t len)
{
	assert_int_equal(write(asked.out[n], text, len), len);
	close(asked.out[n]);
	rig_turn(g);
}
#define TELL(g, n, text) tell(g, n, text, sizeof(text) - 1)

static void expect_packages(struct peer *p, uint32_t msgid, const char *const (*want)[2], size_t n)
{
	assert_int_equal(peer_hear(p), 1);
	assert_int_equal(p->m.msgid, msgid);
	assert_int_equal(p->m.error->type, MSGPACK_OBJECT_NIL);
	assert_int_equal(p->m.result->via.array.size, n);
	for (size_t i = 0; i < n; i++) {
		assert_text(peer_get(&p->m.result->via.array.ptr[i], "name"), want[i][0]);
		assert_text(peer_get(&p->m.result->via.array.ptr[i], "version"), want[i][1]);
	}
}

static void words_become_answers(void **state)
{
	struct rig *g = new_rig(NULL, NULL);
	struct peer p = peer_new(g);
	char words[INSTALLER_WORDS];

	(void)state;
	peer_say(&p, "[0, 1, 'dependencies', [{'language': 'nodejs'}]]");
	assert_int_equal(asked.command[0], INSTALLER_LIST);
	assert_int_equal(asked.language[0], LANGUAGE_NODEJS);
	assert_int_equal(peer_hear(&p), 0);
	TELL(g, 0, "\0a 1.0\nno-blank\n nameless\n@b/c 2\n");
	expect_packages(&p, 1, (const char *const[][2]){{"a", "1.0"}, {"@b/c", "2"}}, 2);
	peer_say(&p, "[0, 2, 'dependencies.update', [{'language': 'python3'}]]");
	assert_int_equal(asked.command[1], INSTALLER_UPDATE);
	TELL(g, 1, "\1no network\n");
	peer_expect_error(&p, 2, "failed: no network?");
	peer_say(&p, "[0, 9, 'dependencies.update', [{'language': 'python3'}]]"); /* the end of them is what matters */
	memset(words, 'x', sizeof(words));
	words[0] = INSTALLER_FAILED;
	tell(g, 2, words, sizeof(words));
	assert_int_equal(peer_hear(&p), 1);
	assert_int_equal(p.m.error->via.str.size, strlen("failed: ") + INSTALLER_WORDS - 1);
	peer_say(&p, "[0, 3, 'dependencies.refresh', [{'language': 'python3'}]]");
	assert_int_equal(asked.command[3], INSTALLER_REFRESH);
	TELL(g, 3, "\2");
	expect_packages(&p, 3, NULL, 0);
	peer_say(&p, "[0, 4, 'dependencies', [{'language': 'python3'}]]");
	TELL(g, 4, "");
	peer_expect_error(&p, 4, "failed: warder-dependencies could not be started");
	peer_say(&p, "[0, 5, 'dependencies', [{'language': 'python3'}]]");
	TELL(g, 5, "\0a \xff\n");
	expect_packages(&p, 5, (const char *const[][2]){{"a", "\xef\xbf\xbd"}}, 1);
	peer_say(&p, "[0, 6, 'dependencies', [{'language': 'python3'}]]");
	TELL(g, 6, "\x7f what");
	peer_expect_error(&p, 6, "failed:  what");
	peer_done(&p);
	rig_free(g);
}

/* A list of any length comes whole, and one without an end is cut off. */
static void long_lists(void **state)
{
	size_t half = INSTALLER_TEXT_MAX / 2;
	char *lines = malloc(half);
	struct rig *g = new_rig(NULL, NULL);
	struct peer p = peer_new(g);

	(void)state;
	for (size_t i = 0; i + 4 <= half; i += 4)
		memcpy(lines + i, "a 1\n", 4);
	for (int times = 1; times <= 3; times += 2) {
		unsigned n = asked.n;

		peer_say(&p, "[0, 1, 'dependencies', [{'language': 'python3'}]]");
		fcntl(asked.out[n], F_SETFL, O_NONBLOCK);
		assert_int_equal(write(asked.out[n], "", 1), 1);
		for (size_t sent = 0; sent < times * half;) {
			ssize_t k = write(asked.out[n], lines + sent % half, half - sent % half);

			rig_turn(g);
			if (k < 0 && errno == EPIPE)
				break;
			sent += k > 0 ? (size_t)k : 0;
		}
		close(asked.out[n]);
		assert_int_equal(peer_hear(&p), 1);
		assert_int_equal(p.m.result->via.array.size, times == 1 ? half / 4 : INSTALLER_TEXT_MAX / 4);
	}
	free(lines);
	peer_done(&p);
	rig_free(g);
}

static void wrong_requests(void **state)
{
	struct rig *g = new_rig(NULL, NULL);
	struct peer p = peer_new(g);

	(void)state;
	peer_say(&p, "[0, 1, 'dependencies', []]");
	peer_expect_error(&p, 1, "bad_request: language: is required");
	peer_say(&p, "[0, 2, 'dependencies.update', [{'language': 'Python3'}]]");
	peer_expect_error(&p, 2, "bad_request: language: must be python3 or nodejs");
	peer_say(&p, "[0, 3, 'dependencies', [{'language': 7}]]");
	peer_expect_error(&p, 3, "bad_request: language: must be python3 or nodejs");
	peer_say(&p, "[0, 4, 'dependencies.refresh', [{'language': 'python3', 'dir': '/'}]]");
	peer_expect_error(&p, 4, "bad_request: unknown or duplicate field dir");
	assert_int_equal(asked.n, 0);
	peer_done(&p);
	rig_free(g);
}

static void who_may(void **state)
{
	const uid_t me = geteuid(), other = 4242;
	static const char *const changes[] = {"update", "refresh"};

	(void)state;
	for (int may = 0; may < 2; may++) {
		struct rig *g = new_rig(&other, may ? &me : NULL);
		struct peer p = peer_new(g);
		char text[80];

		for (unsigned i = 0; i < 2; i++) {
			snprintf(text, sizeof(text), "[0, %u, 'dependencies.%s', [{'language': 'python3'}]]", i, changes[i]);
			peer_say(&p, text);
			assert_int_equal(asked.n, may ? i + 1 : 0);
			if (may)
				TELL(g, i, "\2");
			else
				snprintf(text, sizeof(text), "not_permitted: dependencies.%s is for operators and installers", changes[i]);
			if (may)
				expect_packages(&p, i, NULL, 0);
			else
				peer_expect_error(&p, i, text);
		}
		peer_say(&p, "[0, 9, 'dependencies', [{'language': 'python3'}]]"); /* anybody */
		TELL(g, may ? 2 : 0, "\0");
		expect_packages(&p, 9, NULL, 0);
		peer_done(&p);
		rig_free(g);
	}
}

static void how_many_at_once(void **state)
{
	struct rig *g = new_rig(NULL, NULL);
	struct peer p = peer_new(g);

	(void)state;
	for (int i = 0; i < INSTALLERS_MAX; i++)
		peer_say(&p, "[0, 1, 'dependencies', [{'language': 'python3'}]]");
	peer_expect_error(&p, 1, "busy: too many ask for packages, retry in 200 ms");
	assert_int_equal(asked.n, INSTALLERS_MAX - 1);
	peer_say(&p, "[0, 2, 'dependencies.update', [{'language': 'python3'}]]"); /* readers do not keep it out */
	assert_int_equal(asked.n, INSTALLERS_MAX);
	peer_say(&p, "[0, 3, 'dependencies.refresh', [{'language': 'nodejs'}]]");
	peer_expect_error(&p, 3, "busy: packages are being installed already, retry in 5000 ms");
	TELL(g, INSTALLERS_MAX - 1, "\0");
	expect_packages(&p, 2, NULL, 0);
	TELL(g, 0, "\0");
	expect_packages(&p, 1, NULL, 0);
	peer_say(&p, "[0, 4, 'dependencies.refresh', [{'language': 'nodejs'}]]");
	assert_int_equal(asked.n, INSTALLERS_MAX + 1);
	for (unsigned i = 1; i < asked.n; i++)
		if (i != INSTALLERS_MAX - 1)
			close(asked.out[i]);
	peer_done(&p);
	rig_free(g);
}

/* Whether nobody reads it any more: the installer's word to end the command. */
static bool is_given_up(int out)
{
	struct pollfd p = {.fd = out};

	return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

static void ends_with_who_asked(void **state)
{
	struct rig *g = new_rig(NULL, NULL);
	struct peer p = peer_new(g), q = peer_new(g);

	(void)state;
	peer_say(&p, "[0, 1, 'dependencies.update', [{'language': 'python3'}]]");
	peer_say(&q, "[0, 2, 'dependencies', [{'language': 'python3'}]]");
	peer_hang_up(&p);
	assert_true(is_given_up(asked.out[0]));
	assert_false(is_given_up(asked.out[1]));
	front_drain(g->front);
	rig_turn(g);
	assert_true(is_given_up(asked.out[1]));
	peer_expect_error(&q, 2, "shutting_down: the supervisor is going down");
	peer_say(&q, "[0, 3, 'dependencies', [{'language': 'python3'}]]");
	peer_expect_error(&q, 3, "shutting_down: the supervisor is going down");
	assert_true(front_idle(g->front));
	close(asked.out[0]);
	close(asked.out[1]);
	peer_done(&p);
	peer_done(&q);
	rig_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_answers), cmocka_unit_test(long_lists),          cmocka_unit_test(wrong_requests),
		cmocka_unit_test(who_may),              cmocka_unit_test(how_many_at_once),    cmocka_unit_test(ends_with_who_asked),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
