#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>

#include <cmocka.h>

#include "uids.h"

static bool apart(const struct uids *a, unsigned na, const struct uids *b, unsigned nb)
{
	return a->base + na <= b->base || b->base + nb <= a->base;
}

static void two_claims_share_nothing(void **state)
{
	struct uids a, b, c;

	(void)state;
	assert_int_equal(uids_claim(&a, 2 * UIDS_STEP + 1), 0);
	assert_int_equal(uids_claim(&b, 1), 0);
	assert_int_equal(uids_claim(&c, UIDS_STEP), 0);
	assert_true(apart(&a, 2 * UIDS_STEP + 1, &b, 1));
	assert_true(apart(&a, 2 * UIDS_STEP + 1, &c, UIDS_STEP));
	assert_true(apart(&b, 1, &c, UIDS_STEP));
	uids_release(&a);
	uids_release(&b);
	uids_release(&c);
}

static void what_is_released_is_free(void **state)
{
	struct uids u;

	(void)state;
	for (int i = 0; i < 2 * UIDS_CLAIMS; i++) {
		assert_int_equal(uids_claim(&u, 1), 0);
		uids_release(&u);
	}
}

static void none_left(void **state)
{
	struct uids a, b;

	(void)state;
	assert_int_equal(uids_claim(&a, UIDS_STEP), 0);
	assert_int_equal(uids_claim(&b, UIDS_END - UIDS_FIRST), -EBUSY);
	assert_false(b.claimed);
	assert_int_equal(b.base, UIDS_FIRST);
	uids_release(&a);
	assert_int_equal(uids_claim(&b, UIDS_END - UIDS_FIRST + 1), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_claims_share_nothing),
		cmocka_unit_test(what_is_released_is_free),
		cmocka_unit_test(none_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
