/* The watchdog ends a job in whose call the worker hangs, and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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
	struct watchdog *w = watchdog_new();
	int pidfd;
	pid_t pid = sleeper(&pidfd);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	(void)state;
	assert_non_null(w);
	for (int i = 0; i < 15; i++) {
		watchdog_begin(w, pidfd, (uid_t)-1, (gid_t)-1);
		assert_int_equal(poll(&p, 1, 100), 0);
		assert_false(watchdog_end(w));
	}
	end(pid, pidfd);
	watchdog_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(long_call_is_ended), cmocka_unit_test(short_calls_are_not)};

	return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
