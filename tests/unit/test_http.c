/* Requests and answers of warder-http as texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ask.h"
#include "reply.h"
#include "text.h"

/* A copy of the exact size, so that a sanitizer sees one byte too many. What came of it: 0 and `language`, or words. */
static int read_json(const char *body, size_t len, struct ask *a, struct text *why)
{
	char *copy = malloc(len ? len : 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, body, len);
	*a = (struct ask){0};
	*why = (struct text){0};
	ret = ask_json(a, (struct bytes){copy, len}, why);
	free(copy);
	return ret;
}

static void test_json_taken(void **state)
{
	static const char body[] = " {\"LANGUAGE\":\"python3\",\"code\":\"a\\u0000b\\ud800\\n\",\"other\":[{}],\"enable_network\":true} x";
	struct ask a;
	struct text why;

	(void)state;
	assert_int_equal(read_json(body, sizeof(body) - 1, &a, &why), 0);
	assert_string_equal(a.language.p, "python3");
	assert_int_equal(a.code.len, 7);
	assert_memory_equal(a.code.p, "a\0b\xef\xbf\xbd\n", 7);
	assert_true(a.network);
	assert_true(ask_is_whole(&a, true, &why));
	ask_done(&a);
	text_done(&why);
}

static void test_json_refused(void **state)
{
	static const struct {
		const char *body, *why;
	} rows[] = {
		{"", "EOF"}, {" \n", "EOF"}, {"{", "unexpected EOF"}, {"{\"code\":\"", "unexpected EOF"}, {"[]", "json: cannot unmarshal array into Go value"},
		{"7", "json: cannot unmarshal number into Go value"}, {"{\"code\":1}", "json: cannot unmarshal number into Go struct field .code of type string"},
		{"{\"enable_network\":\"1\"}", "json: cannot unmarshal string into Go struct field .enable_network of type bool"},
		{"{\"code\":\"a\nb\"}", "invalid JSON: control character in string literal"}, {"{\"code\":\"\\", NULL}, {"\"\\", NULL}, {"{'\"':[1,1]}", "invalid JSON: single quote"},
		{"{\"a\":nul}", NULL}, {"\xff", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ask a;
		struct text why;

		int ret = read_json(rows[i].body, strlen(rows[i].body), &a, &why);

		if (ret == 0)
			print_error("row %zu was taken\n", i);
		assert_int_not_equal(ret, 0);
		assert_true(why.len > 0);
		if (rows[i].why)
			assert_string_equal(why.p, rows[i].why);
		ask_done(&a);
		text_done(&why);
	}
}

/* Every beginning of a good body is read without harm. */
static void test_json_cut(void **state)
{
	static const char body[] = "{\"language\":\"python3\",\"code\":\"\\ud83d\\ude00\\\\\",\"preload\":null,\"enable_network\":false}";

	(void)state;
	for (size_t n = 0; n < sizeof(body); n++) {
		struct ask a;
		struct text why;
		int ret = read_json(body, n, &a, &why);

		if (n < sizeof(body) - 1)
			assert_int_not_equal(ret, 0);
		else
			assert_int_equal(ret, 0), n = sizeof(body);
		ask_done(&a);
		text_done(&why);
	}
}

static void test_json_bombs(void **state)
{
	enum { SIZE = 1 << 20 };
	static const char *const units[] = {"[", "{\"a\":", "1,", "[1,", "\"\\"};

	(void)state;
	for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
		size_t n = strlen(units[u]);
		char *body = malloc(SIZE);
		struct ask a;
		struct text why;

		assert_non_null(body);
		for (size_t i = 0; i < SIZE; i++)
			body[i] = units[u][i % n];
		assert_int_not_equal(read_json(body, SIZE, &a, &why), 0);
		ask_done(&a);
		text_done(&why);
		free(body);
	}
}

static void check_told(const char *bytes, size_t len, const char *want)
{
	char *copy = malloc(len ? len : 1);
	struct text t = {0};

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	text_json(&t, (struct bytes){copy, len});
	assert_string_equal(t.p, want);
	text_done(&t);
	free(copy);
}

static void test_texts(void **state)
{
	(void)state;
	check_told("", 0, "\"\"");
	check_told("\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
	check_told("a\xff" "b", 3, "\"a\xef\xbf\xbd" "b\"");
	check_told("\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"");
	check_told("\"\\", 2, "\"\\\"\\\\\"");
}

static void test_results(void **state)
{
	struct result r = {.outcome = OUTCOME_EXITED, .out = {"1\n", 2}};
	struct text t = {0};

	(void)state;
	reply_result(&t, &r);
	assert_string_equal(t.p, "{\"code\":0,\"message\":\"success\",\"data\":{\"stdout\":\"1\\n\",\"stderr\":\"\",\"error\":\"\",\"exit_code\":0}}");
	text_done(&t);
	r = (struct result){.outcome = OUTCOME_LIMIT, .limit = ENDED_BY_WALL_TIME, .err = {"e", 1}};
	reply_result(&t, &r);
	assert_non_null(strstr(t.p, "\"error\":\"process exited with code -1\\nerror: timeout\\ne\",\"exit_code\":-1}"));
	text_done(&t);
	r = (struct result){.outcome = OUTCOME_ERROR};
	reply_result(&t, &r);
	assert_string_equal(t.p, "{\"code\":-500,\"message\":\"the job could not be run\",\"data\":null}");
	text_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_taken), cmocka_unit_test(test_json_refused), cmocka_unit_test(test_json_cut),
		cmocka_unit_test(test_json_bombs), cmocka_unit_test(test_texts),        cmocka_unit_test(test_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
