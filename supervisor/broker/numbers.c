#include "numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "procfs.h"

/* "NSpid:" of proc(5): the numbers from the reader's namespace inwards. */
static pid_t innermost(const char *status)
{
	const char *line = strstr(status, "\nNSpid:"), *end = line ? strchr(line + 1, '\n') : NULL;

	while (end && end > line && end[-1] != '\t' && end[-1] != ' ')
		end--;
	return end ? (pid_t)atoi(end) : 0;
}

pid_t numbers_own(const struct broker_tracee *who, pid_t t_tid)
{
	char text[PROCFS_TEXT];

	if (who->proc < 0)
		return t_tid;
	if (t_tid == who->t_pid)
		return who->t_own_pid;
	return procfs_read(text, "%d/task/%d/status", (int)who->t_pid, (int)t_tid) ? innermost(text) : 0;
}

int numbers_procfs(const struct broker_tracee *who, const char *path, int flags)
{
	char whole[128];
	int fd;

	if (who->proc >= 0) {
		fd = openat(who->proc, path, flags | O_CLOEXEC);
	} else {
		snprintf(whole, sizeof(whole), "/proc/%s", path);
		fd = open(whole, flags | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}
