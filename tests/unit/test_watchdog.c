/* The watchdog ends a job in whose call the worker hangs, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "watchdog.h"

#define DEADLINE_MS 20000

static pid_t sleeper(int *pidfd)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(*pidfd >= 0);
	return pid;
}

static void end(pid_t pid, int pidfd)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(pidfd);
}

/* A watchdog, and a process in whose call it is begun. */
struct guarded {
	struct watchdog *w;
	int pidfd;
	pid_t pid;
	struct pollfd p;
};

static struct guarded guarded(void)
{
	struct guarded g = {.w = watchdog_new()};

	g.pid = sleeper(&g.pidfd);
	g.p = (struct pollfd){.fd = g.pidfd, .events = POLLIN};
	assert_non_null(g.w);
	return g;
}

static void guarded_end(struct guarded *g)
{
	end(g->pid, g->pidfd);
	watchdog_free(g->w);
}

static void long_call_is_ended(void **state)
{
	struct watchdog *w = watchdog_new();
	int pidfd, status;
	pid_t pid = sleeper(&pidfd);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	(void)state;
	assert_non_null(w);
	watchdog_begin(w, pidfd, (uid_t)-1, (gid_t)-1);
	assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
	assert_true(watchdog_end(w));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(pidfd);
	watchdog_free(w);
}

/* Many short calls, longer together than one may be. */
static void short_calls_are_not(void **state)
{
	struct guarded g = guarded();

	(void)state;
	for (int i = 0; i < 15; i++) {
		watchdog_begin(g.w, g.pidfd, (uid_t)-1, (gid_t)-1);
		assert_int_equal(poll(&g.p, 1, 100), 0);
		assert_false(watchdog_end(g.w));
	}
	guarded_end(&g);
}

/* Until the job's thread takes a descriptor, the worker waits for the machine. */
static void giving_hardly_counts(void **state)
{
	struct guarded g = guarded();

	(void)state;
	watchdog_begin(g.w, g.pidfd, (uid_t)-1, (gid_t)-1);
	watchdog_giving(g.w, true);
	assert_int_equal(poll(&g.p, 1, 1500), 0);
	watchdog_giving(g.w, false);
	assert_int_equal(poll(&g.p, 1, DEADLINE_MS), 1); /* of the same call, what comes after it does */
	assert_true(watchdog_end(g.w));
	guarded_end(&g);
}

/* A worker that waits for a CPU is not held up by the job: here it shares one with others that compute. */
static void computing_counts_and_waiting_for_a_cpu_does_not(void **state)
{
	struct watchdog *w = watchdog_new();
	int pidfd, others[3], n = (int)(sizeof(others) / sizeof(others[0]));
	pid_t pid = sleeper(&pidfd);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	struct timespec cpu = {0};
	cpu_set_t before, one;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	for (int i = 0; i < n; i++)
		if ((others[i] = fork()) == 0)
			for (;;)
				;
	assert_non_null(w);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	double start = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9, spent = 0;
	watchdog_begin(w, pidfd, (uid_t)-1, (gid_t)-1);
	while (poll(&p, 1, 0) == 0) {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
		spent = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9 - start;
		assert_true(spent < DEADLINE_MS / 1e3);
	}
	assert_true(watchdog_end(w));
	assert_true(spent > 0.7);
	for (int i = 0; i < n; i++)
		kill(others[i], SIGKILL), waitpid(others[i], NULL, 0);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	end(pid, pidfd);
	watchdog_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_call_is_ended), cmocka_unit_test(short_calls_are_not), cmocka_unit_test(giving_hardly_counts),
		cmocka_unit_test(computing_counts_and_waiting_for_a_cpu_does_not),
	};

	return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
