/* twice.h - the main function of the broker's unit tests: they run with root's full set of capabilities, and as in a
 * container that has neither CAP_SYS_ADMIN nor CAP_SYS_PTRACE (no detached tmpfs, no pidfd_getfd).
 */
#ifndef WARDER_TEST_TWICE_H
#define WARDER_TEST_TWICE_H

#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void drop_capability(unsigned cap)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return;
	d[0].effective &= ~(1u << cap);
	d[0].permitted &= ~(1u << cap);
	syscall(SYS_capset, &h, d);
}

/* Runs the group in a child without them, when started as root, then here. Returns what main is to return: 0 when both passed.
 * A child that a signal ended has not. */
static inline int run_twice(const char *name, int (*run)(const char *name))
{
	pid_t pid = geteuid() == 0 ? fork() : -1;
	char contained[64];
	int status = 0;

	if (pid == 0) {
		drop_capability(CAP_SYS_ADMIN);
		drop_capability(CAP_SYS_PTRACE);
		snprintf(contained, sizeof(contained), "%s, as in a container", name);
		return run(contained);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return run(name) || status;
}

#endif
