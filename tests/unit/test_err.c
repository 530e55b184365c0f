#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "err.h"

/* Every number that libc has words for has a name here, but for the two that Linux never gave out. */
static void names_are_complete(void **state)
{
	(void)state;
	for (int i = 1; i <= 133; i++) {
		if (i == 41 || i == 58)
			assert_string_equal(err_name(i), "E?");
		else
			assert_string_equal(err_name(i), strerrorname_np(i));
	}
	assert_string_equal(err_name(-1), "E?");
	assert_string_equal(err_name(134), "E?");
	assert_string_equal(err_name(100000), "E?");
}

static void set_returns_the_errno(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_set(&e, ERR_HOST, "bind", EPERM, "%s", "x"), -EPERM);
	assert_int_equal(e.class, ERR_HOST);
	assert_int_equal(e.num, EPERM);
	assert_int_equal(err_set(NULL, ERR_BUG, NULL, 0, NULL), -EINVAL);
}

static void strings(void **state)
{
	static const struct {
		const char *name;
		struct err e;
		const char *want;
	} rows[] = {
		{"all", {ERR_HOST, EPERM, "step", "text"}, "step: text: Operation not permitted (EPERM)"},
		{"no text", {ERR_HOST, EPERM, "step", ""}, "step: Operation not permitted (EPERM)"},
		{"no step", {ERR_HOST, 0, "", "text"}, "text"},
		{"no number", {ERR_REQUEST, 0, "limits.wall_ms", "must be 1"}, "limits.wall_ms: must be 1"},
		{"number alone", {ERR_HOST, ENOENT, "", ""}, "No such file or directory (ENOENT)"},
	};
	char buf[400];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(err_str(&rows[i].e, buf, sizeof(buf)), rows[i].want) != 0)
			fail_msg("%s: expected \"%s\", got \"%s\"", rows[i].name, rows[i].want, buf);
}

/* One that came over a socket may have no end. */
static void unterminated(void **state)
{
	struct err e;
	char buf[1024];

	(void)state;
	memset(&e, 'a', sizeof(e));
	e.num = 0;
	assert_int_equal(strlen(err_str(&e, buf, sizeof(buf))), sizeof(e.step) + sizeof(e.text) + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_complete),
		cmocka_unit_test(set_returns_the_errno),
		cmocka_unit_test(strings),
		cmocka_unit_test(unterminated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
