/* How many tracees wait, with the slots and the clock of nobody: what demand.c retires is told here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/inside.h"

#define LEAST 2
#define MOST  16

static unsigned retired;

void slot_retire(struct slot *s) /* as slot.c: it is killed, and waits no more */
{
	s->state = SLOT_ANSWERED;
	if (--s->nursery->waiting < s->nursery->least)
		s->nursery->least = s->nursery->waiting;
	retired++;
}

struct pool {
	struct worker w;
	struct slot slots[MOST + 4];
	struct policy policies[2];
	struct generation generation, own;
	struct nursery nurseries[2];
	struct pending pending[MOST + 4];
};

static int begin(void **state)
{
	static struct pool p;

	memset(&p, 0, sizeof(p));
	p.w = (struct worker){.loop = ev_loop_new(0), .config = {.pool_min = LEAST, .pool_max = MOST}, .slots = p.slots,
	                      .n_slots = MOST + 4, .nurseries = &p.nurseries[0], .last = &p.w.first};
	for (int i = 0; i < 2; i++)
		p.nurseries[i] = (struct nursery){.next = i ? NULL : &p.nurseries[1], .worker = &p.w, .generation = &p.generation, .policy = &p.policies[i]};
	demand_init(&p.w);
	retired = 0;
	*state = &p;
	return 0;
}

static int end(void **state)
{
	struct pool *p = *state;

	ev_loop_destroy(p->w.loop);
	return 0;
}

/* So many jobs have no tracee. */
static void pend(struct pool *p, unsigned a, unsigned b)
{
	p->w.first = NULL;
	for (unsigned i = 0; i < a + b; i++) {
		p->pending[i] = (struct pending){.next = p->w.first, .policy = &p->policies[i >= a]};
		p->w.first = &p->pending[i];
	}
}

/* So many wait, and did all the time. */
static void fill(struct pool *p, unsigned many)
{
	for (unsigned i = 0; i < many; i++)
		p->slots[i] = (struct slot){.nursery = &p->nurseries[0], .state = SLOT_WAITING};
	p->nurseries[0].waiting = p->nurseries[0].least = many;
}

static void a_period_passes(struct pool *p)
{
	ev_invoke(p->w.loop, &p->w.ebb, EV_TIMER);
}

static void test_bounds(void **state)
{
	struct pool *p = *state;
	struct nursery *n = &p->nurseries[0];

	assert_int_equal(demand_wanted(n), LEAST);
	n->wanted = 5;
	assert_int_equal(demand_wanted(n), 5);
	n->wanted = MOST + 1;
	assert_int_equal(demand_wanted(n), MOST);
	n->generation = &p->own; /* of a policy that a job brought */
	p->own.base = &p->generation;
	assert_int_equal(demand_wanted(n), 1);
}

static void test_as_many_as_waited_together(void **state)
{
	struct pool *p = *state;

	pend(p, LEAST, 9);
	demand_note(&p->nurseries[0]);
	assert_int_equal(demand_wanted(&p->nurseries[0]), LEAST);
	assert_false(ev_is_active(&p->w.ebb));
	demand_note(&p->nurseries[1]);
	assert_int_equal(demand_wanted(&p->nurseries[0]), LEAST);
	assert_int_equal(demand_wanted(&p->nurseries[1]), 9);
	assert_true(ev_is_active(&p->w.ebb));
	pend(p, 0, 4); /* fewer take nothing back */
	demand_note(&p->nurseries[1]);
	assert_int_equal(demand_wanted(&p->nurseries[1]), 9);
	pend(p, MOST + 4, 0);
	demand_note(&p->nurseries[0]);
	assert_int_equal(demand_wanted(&p->nurseries[0]), MOST);
}

static void test_what_is_needed_stays(void **state)
{
	struct pool *p = *state;
	struct nursery *n = &p->nurseries[0];

	pend(p, 10, 0);
	demand_note(n);
	fill(p, 10);
	for (int i = 0; i < 5; i++) {
		n->least = 0; /* meanwhile all of them had jobs once */
		a_period_passes(p);
		assert_int_equal(demand_wanted(n), 10);
		assert_int_equal(retired, 0);
	}
	assert_true(ev_is_active(&p->w.ebb));
}

static void test_what_is_not_goes_by_halves(void **state)
{
	struct pool *p = *state;
	struct nursery *n = &p->nurseries[0];
	static const unsigned want[] = {5, 2};

	pend(p, 10, 0);
	demand_note(n);
	p->w.first = NULL;
	fill(p, 10);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_true(ev_is_active(&p->w.ebb));
		a_period_passes(p);
		assert_int_equal(demand_wanted(n), want[i]);
		assert_int_equal(n->waiting, want[i]);
		n->least = n->waiting;
	}
	assert_int_equal(retired, 10 - LEAST);
	assert_false(ev_is_active(&p->w.ebb));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bounds, begin, end),
		cmocka_unit_test_setup_teardown(test_as_many_as_waited_together, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_needed_stays, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_not_goes_by_halves, begin, end),
	};

	return cmocka_run_group_tests_name("demand", tests, NULL, NULL);
}
