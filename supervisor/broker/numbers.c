#include "numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_MAX 4096

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
	char path[48], text[STATUS_MAX];
	ssize_t n;
	int fd;

	if (who->proc < 0)
		return t_tid;
	if (t_tid == who->t_pid)
		return who->t_own_pid;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)who->t_pid, (int)t_tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return innermost(text);
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
