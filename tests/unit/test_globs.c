/* Names of files on the wire, and the patterns that collect them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "globs.h"
#include "names.h"

static void flaws(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{"a", NULL}, {"a/b.c/d", NULL}, {".hidden", NULL}, {"...", NULL}, {"a b\n\x01", NULL}, {"\xc3\xa4", NULL},
		{"*", NULL}, {"", "must not be empty"}, {"/", "must be relative to the job's /tmp"},
		{"/a", "must be relative to the job's /tmp"}, {"a/", "has an empty component"}, {"a//b", "has an empty component"},
		{".", "must not hold . or .."}, {"..", "must not hold . or .."}, {"a/../b", "must not hold . or .."},
		{"a/.", "must not hold . or .."}, {"\xff", "must be UTF-8"}, {"a/\xc3", "must be UTF-8"},
	};
	char big[NAMES_BYTES_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = names_flaw((struct bytes){rows[i].name, strlen(rows[i].name)});

		if (!got != !rows[i].want || (got && strcmp(got, rows[i].want)))
			fail_msg("%s: expected %s, got %s", rows[i].name, rows[i].want, got);
	}
	assert_string_equal(names_flaw((struct bytes){"a\0b", 3}), "holds a NUL byte");
	memset(big, 'a', sizeof(big));
	assert_null(names_flaw((struct bytes){big, NAMES_PART_MAX}));
	assert_string_equal(names_flaw((struct bytes){big, NAMES_PART_MAX + 1}), "has a component of more than 255 bytes");
	for (size_t i = 100; i < sizeof(big); i += 101)
		big[i] = '/';
	assert_null(names_flaw((struct bytes){big, NAMES_BYTES_MAX}));
	assert_string_equal(names_flaw((struct bytes){big, NAMES_BYTES_MAX + 1}), "has more than 1024 bytes");
	for (size_t i = 1; i < 2 * NAMES_DEPTH_MAX; i += 2)
		big[i] = '/';
	assert_null(names_flaw((struct bytes){big, 2 * NAMES_DEPTH_MAX - 1}));
	assert_string_equal(names_flaw((struct bytes){big, 2 * NAMES_DEPTH_MAX + 1}), "has more than 32 components");
}

static void order(void **state)
{
	static const char *const sorted[] = {"a", "a/b", "a/b/c", "a/c", "a-b", "a.txt", "ab", "b"};

	(void)state;
	for (size_t i = 0; i < 8; i++)
		for (size_t k = 0; k < 8; k++)
			assert_int_equal((names_cmp(sorted[i], sorted[k]) > 0) - (names_cmp(sorted[i], sorted[k]) < 0),
					 (i > k) - (i < k));
	assert_true(names_below("a", "a/b") && names_below("a", "a/b/c"));
	assert_false(names_below("a", "ab") || names_below("a", "a") || names_below("a/b", "a"));
}

/* As a walk does it: directory by directory. */
static bool matches(const struct globs *g, const char *path)
{
	struct globs_state at = {{0}}, next;
	char part[256];
	const char *slash;

	globs_begin(g, &at);
	for (; (slash = strchr(path, '/')); path = slash + 1) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (!globs_enter(g, &at, part, &next))
			return false;
		at = next;
	}
	return globs_match(g, &at, path);
}

static void patterns(void **state)
{
	static const struct {
		const char *pattern, *yes[5], *no[6];
	} rows[] = {
		{"a.txt", {"a.txt"}, {"b.txt", "x/a.txt", "a.txt/x", "a.tx", "a.txtx"}},
		{"*", {"a", "a.b"}, {"x/a", ".a"}},
		{"*.csv", {"a.csv", "a.csv.csv"}, {".csv", "a.csv2", "acsv", "x/a.csv"}},
		{".*", {".a", ".csv"}, {"a"}},
		{"out/*", {"out/a"}, {"out", "out/x/a", "x/out/a", "out/.a"}},
		{"**", {"a", "x/a", "x/y/a"}, {".a", "x/.a", ".x/a"}},
		{"a/**", {"a/b", "a/b/c"}, {"a", "b/a", "a/.b/c"}},
		{"**/a", {"a", "x/a", "x/y/a"}, {"a/x", "ba", "x/ba"}},
		{"a/**/b", {"a/b", "a/x/b", "a/x/y/b"}, {"ab", "a/x", "b", "x/a/b"}},
		{"**/x/**/y", {"x/y", "q/x/y", "x/q/y", "q/x/q/x/y"}, {"x", "y", "x/q", "y/x"}},
		{"**/.config/*", {".config/a", "x/.config/a"}, {"config/a", ".config/.a"}},
		{"a**b", {"ab", "axxb"}, {"a/b", "a"}},
		{"?", {"a", "\xc3\xa4", "\xf0\x9f\x98\x80"}, {"", "aa", "."}},
		{"[a-c]x", {"ax", "cx"}, {"dx", "x", "Ax"}},
		{"[!a-c]x", {"dx", "\xc3\xa4x"}, {"ax", "x"}},
		{"[^a]", {"b"}, {"a"}},
		{"[]a]", {"]", "a"}, {"b"}},
		{"[a-]", {"a", "-"}, {"b"}},
		{"[\xc3\xa0-\xc3\xbf]", {"\xc3\xa4"}, {"a", "\xc3\x9f"}},
		{"[*]", {"*"}, {"a"}},
		{"[a", {"[a"}, {"a"}},
		{"\\*", {"\\x", "\\"}, {"*"}},
		{"a*b*c", {"abc", "axbxc", "abbcc"}, {"ab", "acb", "bc"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *one[] = {(char *)rows[i].pattern};
		struct globs *g;

		assert_int_equal(globs_new(one, 1, &g), 0);
		for (size_t k = 0; k < 5 && rows[i].yes[k]; k++)
			if (!matches(g, rows[i].yes[k]))
				fail_msg("%s does not match %s", rows[i].pattern, rows[i].yes[k]);
		for (size_t k = 0; k < 6 && rows[i].no[k]; k++)
			if (matches(g, rows[i].no[k]))
				fail_msg("%s matches %s", rows[i].pattern, rows[i].no[k]);
		globs_free(g);
	}
}

static void several(void **state)
{
	char *both[] = {"a/*.x", "**/y"};
	struct globs *g;

	(void)state;
	assert_int_equal(globs_new(both, 2, &g), 0);
	assert_true(matches(g, "a/b.x") && matches(g, "y") && matches(g, "a/y"));
	assert_false(matches(g, "b/b.x"));
	globs_free(g);
}

/* Matchers that go back to every star take 2^n steps for these. */
static void hostile_names(void **state)
{
	char name[256], pattern[256], deep[NAMES_BYTES_MAX + 1] = "", wide[NAMES_BYTES_MAX + 1] = "";
	char *list[JOB_COLLECT_MAX];
	struct timespec a, b;
	struct globs *g;

	(void)state;
	memset(name, 'a', 255);
	name[255] = '\0';
	for (size_t i = 0; i < 254; i += 2)
		memcpy(pattern + i, "*a", 2);
	strcpy(pattern + 252, "*b");
	for (int i = 0; i < 15; i++) {
		strcat(wide, i ? "/**/a" : "**/a");
		strcat(deep, i ? "/a/a" : "a/a");
	}
	strcat(wide, "/b");
	for (size_t i = 0; i < JOB_COLLECT_MAX; i++)
		list[i] = i % 2 ? wide : pattern;
	assert_int_equal(globs_new(list, JOB_COLLECT_MAX, &g), 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_false(matches(g, name));
	assert_false(matches(g, deep));
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < 2);
	globs_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flaws),   cmocka_unit_test(order),         cmocka_unit_test(patterns),
		cmocka_unit_test(several), cmocka_unit_test(hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
