#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

static char text[8192];
static int saved = -1, ends[2];

static int capture(void **state)
{
	(void)state;
	saved = dup(STDERR_FILENO);
	return pipe2(ends, O_CLOEXEC | O_NONBLOCK) || dup2(ends[1], STDERR_FILENO) < 0;
}

static int release(void **state)
{
	(void)state;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[0]);
	close(ends[1]);
	log_set_level(LOG_INFO);
	return 0;
}

static const char *written(void)
{
	ssize_t n = read(ends[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void lines(void **state)
{
	(void)state;
	log_write(LOG_WARN, "zygote_died", "pid=%d", 12);
	assert_string_equal(written(), "level=warn event=zygote_died pid=12\n");
	log_write(LOG_INFO, "ready", NULL);
	assert_string_equal(written(), "level=info event=ready\n");
	log_write(LOG_DEBUG, "x", NULL);
	assert_string_equal(written(), "");
	log_set_level(LOG_ERROR);
	log_write(LOG_WARN, "x", NULL);
	assert_string_equal(written(), "");
}

static void nothing_is_forged(void **state)
{
	char value[64];

	(void)state;
	log_write(LOG_INFO, "x", "job=%s", "a\nlevel=error\x1b[0m\xc2\x9b");
	assert_string_equal(written(), "level=info event=x job=a\\x0alevel=error\\x1b[0m\\xc2\x9b\n");
	assert_string_equal(log_value(value, sizeof(value), "plain"), "plain");
	assert_string_equal(log_value(value, sizeof(value), "a b=\"c\\"), "\"a b=\\\"c\\\\\"");
	assert_string_equal(log_value(value, sizeof(value), ""), "\"\"");
	assert_string_equal(log_value(value, sizeof(value), NULL), "\"\"");
	assert_string_equal(log_value(value, 12, "a long value with spaces"), "\"a long \""); /* cut, but closed */
}

static void long_lines_are_cut(void **state)
{
	static char huge[5000];

	(void)state;
	memset(huge, '\n', sizeof(huge) - 1);
	log_write(LOG_INFO, "x", "v=%s", huge);
	assert_true(strlen(written()) <= LOG_LINE_MAX);
	assert_string_equal(text + strlen(text) - 4, "...\n");
}

static void json(void **state)
{
	static char huge[5000];
	char value[64];

	(void)state;
	log_set_json(true);
	log_write(LOG_WARN, "zygote_died", "pid=%d", 12);
	assert_string_equal(written(), "{\"level\":\"warn\",\"event\":\"zygote_died\",\"pid\":\"12\"}\n");
	log_write(LOG_INFO, "x", "why=%s b=%s c=", log_value(value, sizeof(value), "a b=\"c\\\n\xff"), "plain");
	assert_string_equal(written(), "{\"level\":\"info\",\"event\":\"x\",\"why\":\"a b=\\\"c\\\\\\\\x0a?\",\"b\":\"plain\",\"c\":\"\"}\n");
	memset(huge, '\\', sizeof(huge) - 1);
	log_write(LOG_INFO, "x", "v=%s", huge);
	assert_true(strlen(written()) <= LOG_LINE_MAX);
	assert_string_equal(text + strlen(text) - 3, "\"}\n");
	log_set_json(false);
}

static void levels(void **state)
{
	(void)state;
	assert_int_equal(log_level_parse("warn"), LOG_WARN);
	assert_int_equal(log_level_parse("loud"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines, capture, release),
		cmocka_unit_test_setup_teardown(nothing_is_forged, capture, release),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, capture, release),
		cmocka_unit_test_setup_teardown(json, capture, release),
		cmocka_unit_test(levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
