#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <limits.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "procfs.h"

static void test_fields(void **state)
{
	static const struct {
		const char *text;
		int number;
		const char *want; /* NULL: none */
	} rows[] = {
		{"1 (a) S 2 3\n", 3, "S 2 3\n"},
		{"1 (a) S 2 3\n", 5, "3\n"},
		{"1 (a) S 2 3\n", 6, NULL},
		{"1 (a) R 9) S 2 3\n", 3, "S 2 3\n"}, /* a name like the fields behind it */
		{"1 (a)", 3, NULL},
		{"1 (a", 3, NULL},
		{"", 3, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = procfs_field(rows[i].text, rows[i].number);

		if (!got != !rows[i].want || (got && strcmp(got, rows[i].want)))
			fail_msg("row %zu: %s", i, got ? got : "none");
	}
}

static void test_of_a_process(void **state)
{
	char text[PROCFS_TEXT] = "x", name[16];
	uint64_t v;

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, name), 0);
	assert_int_equal(prctl(PR_SET_NAME, ") R 1 2 3"), 0);
	assert_true(procfs_stat(getpid(), 4, &v));
	assert_int_equal(v, getppid());
	assert_true(procfs_stat(getpid(), 20, &v));
	assert_int_equal(v, 1); /* threads */
	assert_int_equal(prctl(PR_SET_NAME, name), 0);
	assert_int_equal(procfs_status(getpid(), "Tgid"), getpid());
	assert_true(procfs_status(getpid(), "VmHWM") >= 100);
	assert_int_equal(procfs_status(getpid(), "gid"), 0); /* no line begins so */
	assert_false(procfs_stat(INT_MAX, 20, &v)); /* above the kernel's most, 4 Mi */
	assert_int_equal(v, 0);
	assert_int_equal(procfs_status(INT_MAX, "Tgid"), 0);
	assert_false(procfs_read(text, "%d/stat", INT_MAX));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields), cmocka_unit_test(test_of_a_process)};

	return cmocka_run_group_tests_name("procfs", tests, NULL, NULL);
}
