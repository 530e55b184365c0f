/* Which jobs are given to another tracee, without a tracee: its registers and its broker answer as the rows say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "worker/inside.h"
#include "worker/regs.h"

#define FIRST_AT   0x1000
#define FIRST_PATH 0x2000

static struct {
	int regs_error;
	struct regs_call call;
	uint64_t calls;
} tracee;

int regs_read(pid_t t_tid, struct regs_call *out)
{
	(void)t_tid;
	*out = tracee.call;
	return tracee.regs_error;
}

bool regs_is_at(const struct regs_call *c, uint64_t t_at)
{
	return c->data.instruction_pointer == t_at;
}

uint64_t broker_calls(const struct broker_job *b)
{
	(void)b;
	return tracee.calls;
}

void worker_changed(struct worker *w)
{
	w->dirty = true;
}

void turns_go_first(struct worker *worker, struct pending *p) /* as turns.c, which test_turns asks */
{
	p->next = worker->first;
	worker->first = p;
}

static struct worker w;
static struct generation generation;
static struct policy policy;
static struct nursery nursery = {.worker = &w, .generation = &generation, .policy = &policy};
static struct job job;
static struct slot slot;

/* Killed from outside while it waited: a job for another one. */
static void begin(void)
{
	w = (struct worker){0};
	job = (struct job){0};
	slot = (struct slot){.worker = &w, .nursery = &nursery, .job = &job, .broker = (struct broker_job *)&slot, .n_tids = 1,
	                     .first_at = FIRST_AT, .first_path = FIRST_PATH, .key = 7, .client = 5, .queue_ms = 3, .started = 11};
	memset(&tracee, 0, sizeof(tracee));
	tracee.call = (struct regs_call){.native = true, .data = {.nr = policy_call_nr("openat"), .instruction_pointer = FIRST_AT}};
	tracee.call.data.args[1] = FIRST_PATH;
}

static void it_was(void) {}
static void no_broker(void) { slot.broker = NULL; }
static void tried_often(void) { slot.tries = 3; }
static void shutdown_came(void) { w.shutting_down = true; }
static void it_began(void) { slot.begun = true; }
static void limit_killed(void) { slot.killed_for = KILLED_WALL_TIME; }
static void it_has_threads(void) { slot.n_tids = 2; }
static void it_has_gone(void) { tracee.regs_error = -ESRCH; }
static void foreign_call(void) { tracee.call.native = false; }
static void another_call(void) { tracee.call.data.nr++; }
static void from_elsewhere(void) { tracee.call.data.instruction_pointer++; }
static void another_path(void) { tracee.call.data.args[1]++; }
static void it_called(void) { tracee.calls = 1; }
static void not_handed_over(void) { slot.unbegun = true, slot.killed_for = KILLED_ERROR, tracee.regs_error = -ESRCH; }

static void test_when(void **state)
{
	const struct {
		const char *name;
		void (*change)(void);
		int status;
		bool at_exit_stop, due;
	} rows[] = {
		{"killed while it waited", it_was, SIGKILL, true, true},
		{"and seen when it was reaped", it_was, SIGKILL, false, false},
		{"by another signal", it_was, SIGSEGV, true, false},
		{"it exited", it_was, 0x100, true, false},
		{"its broker could not be made", no_broker, SIGKILL, true, false},
		{"too often", tried_often, SIGKILL, true, false},
		{"at shutdown", shutdown_came, SIGKILL, true, false},
		{"it has computed", it_began, SIGKILL, true, false},
		{"by its limit", limit_killed, SIGKILL, true, false},
		{"it has threads", it_has_threads, SIGKILL, true, false},
		{"no registers", it_has_gone, SIGKILL, true, false},
		{"in a call of 32-bit programs", foreign_call, SIGKILL, true, false},
		{"in another call", another_call, SIGKILL, true, false},
		{"from another place", from_elsewhere, SIGKILL, true, false},
		{"of another path", another_path, SIGKILL, true, false},
		{"after a brokered call", it_called, SIGKILL, true, false},
		{"it was dead at the hand-over", not_handed_over, SIGKILL, false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		rows[i].change();
		if (again_is_due(&slot, rows[i].status, rows[i].at_exit_stop) != rows[i].due)
			fail_msg("%s: not %s", rows[i].name, rows[i].due ? "due" : "refused");
	}
}

static void test_it_waits_anew(void **state)
{
	struct job other = {0};
	struct pending waits = {.key = 8, .job = &other};

	(void)state;
	begin();
	generation.refs = 1;
	slot.tries = 1;
	job.n_files = 1;
	w.first = &waits;
	again_hand_back(&slot);

	struct pending *p = w.first;
	assert_ptr_not_equal(p, &waits);
	assert_ptr_equal(p->next, &waits);
	assert_int_equal(p->key, 7);
	assert_ptr_equal(p->job, &job);
	assert_int_equal(p->job->n_files, 1);
	assert_ptr_equal(p->generation, &generation);
	assert_int_equal(generation.refs, 2);
	assert_ptr_equal(p->policy, &policy);
	assert_int_equal(p->uid, 5);
	assert_int_equal(p->tries, 2);
	assert_true(p->queue_ms == 3 && p->since == 11);
	assert_null(slot.job);
	assert_true(w.dirty);
	free(p);
}

static void test_files_go_when_it_has_begun(void **state)
{
	(void)state;
	begin();
	job.files = calloc(1, sizeof(*job.files));
	job.files[0].name = strdup("a");
	job.n_files = 1;
	again_begun(&slot);
	assert_true(slot.begun);
	assert_null(job.files);
	assert_int_equal(job.n_files, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_when), cmocka_unit_test(test_it_waits_anew), cmocka_unit_test(test_files_go_when_it_has_begun),
	};

	return cmocka_run_group_tests_name("again", tests, NULL, NULL);
}
