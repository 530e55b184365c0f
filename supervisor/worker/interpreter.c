#include "interpreter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int interpreter_find(const char *name, char *path, size_t size, struct err *e)
{
	const char *dirs = getenv("PATH");
	char list[4096], *save = NULL;

	if (strchr(name, '/')) {
		snprintf(path, size, "%s", name);
		return access(path, X_OK) ? err_set(e, ERR_HOST, "interpreter", errno, "%s", name) : 0;
	}
	snprintf(list, sizeof(list), "/usr/bin:%s", dirs ? dirs : "/usr/local/bin:/bin");
	for (char *d = strtok_r(list, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
		if ((size_t)snprintf(path, size, "%s/%s", d, name) < size && access(path, X_OK) == 0)
			return 0;
	}
	return err_set(e, ERR_HOST, "interpreter", ENOENT, "%s is neither in /usr/bin nor on PATH", name);
}

struct interpreter_mark interpreter_mark(const char *name)
{
	struct interpreter_mark m = {0};
	struct stat st;
	struct err e;
	char path[512];

	if (!interpreter_find(name, path, sizeof(path), &e) && !stat(path, &st))
		m = (struct interpreter_mark){st.st_dev, st.st_ino, st.st_ctim};
	return m;
}

bool interpreter_same(const struct interpreter_mark *a, const struct interpreter_mark *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* The oldest that the tracee's parts are for. */
static const struct {
	const char *name, *addon, *missing;
	int major, minor;
} rows[LANGUAGE_COUNT] = {
	[LANGUAGE_PYTHON3] = {"python3", "_warder.abi3.so", "the extension was not built: Python's headers were missing (python3-dev)", 3, 8},
	[LANGUAGE_NODEJS] = {"node", "_warder.node", "the addon was not built: Node's headers were missing (libnode-dev)", 18, 0},
};

/* "Python 3.11.2", "v20.20.2": from the first digit on. */
static void ask_version(const char *path, char *out, size_t size)
{
	char line[128] = "";
	int ends[2];

	if (pipe(ends))
		return;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		execl(path, path, "--version", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	ssize_t n = pid > 0 ? read(ends[0], line, sizeof(line) - 1) : 0;
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	snprintf(out, size, "%s", line + strcspn(line, "0123456789"));
}

void interpreter_look(enum language l, const char *tracee_dir, struct interpreter *out)
{
	struct err e = {0};
	char addon[600];
	int major = 0, minor = 0;

	memset(out, 0, sizeof(*out));
	if (interpreter_find(rows[l].name, out->path, sizeof(out->path), &e)) {
		out->path[0] = '\0';
		snprintf(out->why, sizeof(out->why), "%.150s", e.text);
		return;
	}
	ask_version(out->path, out->version, sizeof(out->version));
	sscanf(out->version, "%d.%d", &major, &minor);
	snprintf(addon, sizeof(addon), "%s/%s", tracee_dir, rows[l].addon);
	if (major < rows[l].major || (major == rows[l].major && minor < rows[l].minor))
		snprintf(out->why, sizeof(out->why), "version %d.%d or later is needed", rows[l].major, rows[l].minor);
	else if (access(addon, R_OK))
		snprintf(out->why, sizeof(out->why), "%s", rows[l].missing);
}
