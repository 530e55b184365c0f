#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/inside.h"

#define JOBS_MAX 16

struct queue {
	struct worker w;
	struct job jobs[JOBS_MAX];
	struct pending pending[JOBS_MAX];
	char tenants[JOBS_MAX][4];
	unsigned n;
};

static void begin(struct queue *q)
{
	memset(q, 0, sizeof(*q));
	q->w.last = &q->w.first;
}

/* "1a": a job of uid 1, tenant a, as far as the next space; its key is its number */
static struct pending *made(struct queue *q, const char *client)
{
	struct pending *p = &q->pending[q->n];

	q->jobs[q->n].tenant = q->tenants[q->n];
	sscanf(client + 1, "%3[a-z]", q->tenants[q->n]);
	*p = (struct pending){.key = q->n++, .job = &q->jobs[p - q->pending], .uid = (uid_t)(client[0] - '0')};
	return p;
}

/* "1a 2a 1b" */
static void join(struct queue *q, const char *clients)
{
	for (const char *c = clients; c; c = strchr(c, ' ') ? strchr(c, ' ') + 1 : NULL)
		turns_join(&q->w, made(q, c));
}

static struct pending *take_first(struct queue *q)
{
	struct pending *p = q->w.first;

	q->w.turn = p->turn; /* as turns_begun, which wants a slot */
	q->w.first = p->next;
	if (!q->w.first)
		q->w.last = &q->w.first;
	return p;
}

/* The keys in order, and the end where it should be. */
static void order_is(struct queue *q, const char *want)
{
	char got[JOBS_MAX + 1] = "";
	struct pending **end = &q->w.first;

	for (unsigned n = 0; *end; end = &(*end)->next)
		got[n++] = (char)('0' + (*end)->key);
	assert_string_equal(got, want);
	assert_ptr_equal(q->w.last, end);
}

static void test_one_client_keeps_its_order(void **state)
{
	struct queue q;

	(void)state;
	begin(&q);
	order_is(&q, "");
	join(&q, "1 1 1 1");
	order_is(&q, "0123");
}

static void test_clients_take_turns(void **state)
{
	struct queue q;

	(void)state;
	begin(&q);
	join(&q, "1 1 1 1 2"); /* behind the first one's first only */
	order_is(&q, "04123");
	join(&q, "2 3");
	order_is(&q, "0461523");
}

static void test_tenants_are_clients(void **state)
{
	struct queue q;

	(void)state;
	begin(&q);
	join(&q, "1a 1a 1b 2a");
	order_is(&q, "0231");
}

/* Who comes later has no turns to make up for: it begins at the turn that it is now. */
static void test_who_was_away_saves_nothing_up(void **state)
{
	struct queue q;

	(void)state;
	begin(&q);
	join(&q, "1 1 1 1 1 1");
	for (int i = 0; i < 3; i++)
		take_first(&q);
	join(&q, "2 2");
	order_is(&q, "63745");
}

static void test_first_of_all(void **state)
{
	struct queue q;

	(void)state;
	begin(&q);
	turns_go_first(&q.w, made(&q, "1"));
	order_is(&q, "0");
	join(&q, "1 2");
	order_is(&q, "021");
	turns_go_first(&q.w, made(&q, "1"));
	order_is(&q, "3021");
	while (q.w.first)
		take_first(&q);
	join(&q, "2");
	order_is(&q, "4");
}

/* What runs counts: who has two fresh jobs begins no third, and his next one's turn comes after theirs. */
static void test_jobs_that_run(void **state)
{
	struct queue q;
	struct slot slots[3] = {0};

	(void)state;
	begin(&q);
	q.w.slots = slots;
	q.w.n_slots = 3;
	struct pending *first = made(&q, "1"), *other = made(&q, "2");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(turns_may_begin(&q.w, first), i < 2);
		slots[i] = (struct slot){.worker = &q.w, .state = SLOT_RUNNING, .client = 1, .job = first->job, .fresh = true, .turn = 5};
		assert_int_equal(turns_leaves(&q.w, first, 4), 1);
		assert_int_equal(turns_leaves(&q.w, first, 1), 0);
	}
	assert_true(turns_may_begin(&q.w, other));
	assert_int_equal(turns_leaves(&q.w, other, 4), 0);
	turns_join(&q.w, first);
	turns_join(&q.w, other);
	assert_int_equal(first->turn, 6);
	order_is(&q, "10");
	slots[0].fresh = slots[1].fresh = false;
	assert_true(turns_may_begin(&q.w, first));
	assert_true(turns_any_fresh(&q.w));
	slots[2].fresh = false; /* they run, and none computes */
	assert_false(turns_any_fresh(&q.w));
}

/* Who queues leaves more to others, but only while there are others. */
static void test_what_a_queue_leaves(void **state)
{
	struct queue q;
	struct slot slot = {.worker = &q.w};
	static const struct {
		const char *name;
		int begun; /* the job whose like begins now, of those below; -1: none */
		unsigned one, many;
	} rows[] = {
		{"nobody came yet", -1, 0, 0}, {"the first one", 1, 0, 0}, {"the same again", 2, 0, 0}, {"another one", 0, 0, 5}, {"both", 1, 0, 5},
		{"a while", -1, 0, 0}, {"one alone again", 1, 0, 0}, {"another tenant of his", 3, 0, 5},
	};

	(void)state;
	begin(&q);
	join(&q, "1 2 2 2b");
	struct pending *one = &q.pending[0], *many = &q.pending[1];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].begun >= 0) {
			const struct pending *p = &q.pending[rows[i].begun];
			slot = (struct slot){.worker = &q.w, .client = p->uid, .job = p->job, .started = worker_clock()};
			turns_begun(&slot, 0);
		} else {
			q.w.several_until = 0; /* as time would have it */
		}
		for (unsigned wanted = 1; wanted <= 16; wanted++) { /* all but one of a small pool */
			unsigned most = rows[i].many < wanted ? rows[i].many : wanted - 1;
			if (turns_leaves(&q.w, one, wanted) != rows[i].one || turns_leaves(&q.w, many, wanted) != most)
				fail_msg("%s, of %u: %u, %u", rows[i].name, wanted, turns_leaves(&q.w, one, wanted), turns_leaves(&q.w, many, wanted));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_client_keeps_its_order), cmocka_unit_test(test_clients_take_turns),
		cmocka_unit_test(test_tenants_are_clients), cmocka_unit_test(test_who_was_away_saves_nothing_up),
		cmocka_unit_test(test_first_of_all), cmocka_unit_test(test_jobs_that_run), cmocka_unit_test(test_what_a_queue_leaves),
	};

	return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
