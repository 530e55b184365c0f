#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(PATH_MAX == 4096, "the widths of mounted_at");
#define TEXT_MAX (256u << 10) /* of /proc/self/mountinfo */

/* "0::/path" of cgroups(7); the other lines are v1's. */
static int own_path(const char *text, char *path, size_t size)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "0::", 3) == 0)
			return snprintf(path, size, "%.*s", (int)strcspn(line + 3, "\n"), line + 3) < (int)size ? 0 : -ENAMETOOLONG;
	}
	return -ENOENT;
}

/* Root and mount point of the first cgroup2 of mountinfo, proc(5). */
static int mounted_at(const char *text, char root[PATH_MAX], char point[PATH_MAX])
{
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		size_t len = strcspn(line, "\n");
		const char *type = memmem(line, len, " - cgroup2 ", 11);
		if (type && sscanf(line, "%*u %*u %*u:%*u %4095s %4095s", root, point) == 2)
			return 0;
	}
	return -ENOENT;
}

int cgroup_dir(const char *own, const char *mounts, char *dir, size_t size)
{
	char path[PATH_MAX], root[PATH_MAX], point[PATH_MAX];
	int r = own_path(own, path, sizeof(path));

	if (r || (r = mounted_at(mounts, root, point)))
		return r;
	size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
	if (strncmp(path, root, n) != 0 || (path[n] && path[n] != '/'))
		return -EXDEV;
	const char *rest = strcmp(path + n, "/") == 0 ? "" : path + n;
	return snprintf(dir, size, "%s%s", point, rest) < (int)size ? 0 : -ENAMETOOLONG;
}

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	int r = n < 0 ? -errno : 0;
	close(fd);
	text[len] = '\0';
	return r;
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += n)
		if ((at == text || at[-1] == ' ') && (!at[n] || at[n] == ' ' || at[n] == '\n'))
			return true;
	return false;
}

int cgroup_probe(struct err *e)
{
	static char own[8192], mounts[TEXT_MAX];
	char dir[PATH_MAX], path[PATH_MAX + 32], controllers[512];
	int r = read_text("/proc/self/cgroup", own, sizeof(own));

	if (!r)
		r = read_text("/proc/self/mountinfo", mounts, sizeof(mounts));
	if (!r)
		r = cgroup_dir(own, mounts, dir, sizeof(dir));
	if (r)
		return err_set(e, ERR_HOST, "cgroup", -r, "%s", r == -ENOENT ? "no cgroup v2 here, v1 cannot be delegated" : "its own is out of sight");
	snprintf(path, sizeof(path), "%s/cgroup.controllers", dir);
	r = read_text(path, controllers, sizeof(controllers));
	if (r || !has_word(controllers, "memory"))
		return err_set(e, ERR_HOST, "cgroup", r ? -r : ENOTSUP, "%s has no memory controller%s", dir, r ? "" : " (mixed v1 and v2, or not given down)");
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	if (access(path, W_OK))
		return err_set(e, ERR_HOST, "cgroup", errno, "%s is not delegated", dir);
	return 0;
}
