#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "words.h"

struct vocabulary {
	const char *title;
	int count;
	const char *(*name)(int);
	int (*parse)(const char *, size_t);
};

#define ROW(lower, UPPER) {#lower, UPPER##_COUNT, lower##_name, lower##_parse},
static const struct vocabulary vocabularies[] = {WORDS_ALL(ROW)};

static void every_word_parses_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vocabularies) / sizeof(vocabularies[0]); i++) {
		const struct vocabulary *v = &vocabularies[i];

		assert_true(v->count > 0);
		for (int w = 0; w < v->count; w++) {
			const char *name = v->name(w);

			if (!name || !*name || v->parse(name, strlen(name)) != w)
				fail_msg("%s %d: \"%s\" does not parse back", v->title, w, name);
		}
	}
}

static void strangers_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vocabularies) / sizeof(vocabularies[0]); i++) {
		const struct vocabulary *v = &vocabularies[i];
		const char *first = v->name(0);

		assert_int_equal(v->parse("nonsense", 8), -1);
		assert_int_equal(v->parse("", 0), -1);
		assert_int_equal(v->parse(first, strlen(first) - 1), -1);
		assert_int_equal(v->parse(first, strlen(first) + 1), -1); /* with its NUL */
		assert_string_equal(v->name(-1), "?");
		assert_string_equal(v->name(v->count), "?");
	}
}

static void limits_have_bounds(void **state)
{
	(void)state;
	for (int l = 0; l < LIMIT_COUNT; l++)
		if (limit_max((enum limit)l) < 1)
			fail_msg("%s has no bound", limit_name(l));
	assert_int_equal(limit_max(LIMIT_WALL_MS), 86400000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_parses_back),
		cmocka_unit_test(strangers_are_refused),
		cmocka_unit_test(limits_have_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
