#include "procfs.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool procfs_read(char text[PROCFS_TEXT], const char *fmt, ...)
{
	char path[64] = "/proc/";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path + strlen(path), sizeof(path) - strlen(path), fmt, ap);
	va_end(ap);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, PROCFS_TEXT - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The name in field 2 may hold anything: counting starts behind its last bracket. */
char *procfs_field(const char *text, int number)
{
	char *p = strrchr(text, ')');

	for (int field = 2; p && field < number; field++)
		p = strchr(p + 1, ' ');
	return p ? p + 1 : NULL;
}

bool procfs_stat(pid_t pid, int number, uint64_t *out)
{
	char text[PROCFS_TEXT];
	const char *field = procfs_read(text, "%d/stat", (int)pid) ? procfs_field(text, number) : NULL;

	*out = field ? strtoull(field, NULL, 10) : 0;
	return field;
}

uint64_t procfs_status(pid_t pid, const char *key)
{
	char text[PROCFS_TEXT], line[32];
	const char *at;

	snprintf(line, sizeof(line), "\n%s:", key);
	at = procfs_read(text, "%d/status", (int)pid) ? strstr(text, line) : NULL;
	return at ? strtoull(at + strlen(line), NULL, 10) : 0;
}
