#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Static_assert(PATH_MAX == 4096, "the widths of mounted_at");
#define OWN         "supervisor"
#define SWEEP_TRIES 200 /* ms */
#define TEXT_MAX    (256u << 10) /* of /proc/self/mountinfo */

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

/* Others would have to be moved, and are none of ours. */
static int is_alone(const char *dir, struct err *e)
{
	char path[PATH_MAX + 32], procs[512], own[16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	snprintf(own, sizeof(own), "%d\n", (int)getpid());
	int r = read_text(path, procs, sizeof(procs));
	if (r || strcmp(procs, own) != 0)
		return err_set(e, ERR_HOST, "cgroup", r ? -r : EBUSY, "%s: others are in it", dir);
	return 0;
}

int cgroup_probe(char dir[CGROUP_PATH_MAX], struct err *e)
{
	static char own[8192], mounts[TEXT_MAX];
	char path[PATH_MAX + 32], controllers[512];
	int r = read_text("/proc/self/cgroup", own, sizeof(own));

	if (!r)
		r = read_text("/proc/self/mountinfo", mounts, sizeof(mounts));
	if (!r)
		r = cgroup_dir(own, mounts, dir, CGROUP_PATH_MAX);
	if (r)
		return err_set(e, ERR_HOST, "cgroup", -r, "%s", r == -ENOENT ? "no cgroup v2 here, v1 cannot be delegated" : "its own is out of sight");
	snprintf(path, sizeof(path), "%s/cgroup.controllers", dir);
	r = read_text(path, controllers, sizeof(controllers));
	if (r || !has_word(controllers, "memory"))
		return err_set(e, ERR_HOST, "cgroup", r ? -r : ENOTSUP, "%s has no memory controller%s", dir, r ? "" : " (mixed v1 and v2, or not given down)");
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	if (access(path, W_OK))
		return err_set(e, ERR_HOST, "cgroup", errno, "%s is not delegated", dir);
	return is_alone(dir, e);
}

/* --- in use -------------------------------------------------------------------------------------------------- */

static int write_in(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

int cgroup_take(const char *dir, struct err *e)
{
	char child[PATH_MAX + 16];

	snprintf(child, sizeof(child), "%s/" OWN, dir);
	int r = mkdir(child, 0755) && errno != EEXIST ? -errno : 0;
	if (!r)
		r = write_in(child, "cgroup.procs", "0");
	if (!r && (r = write_in(dir, "cgroup.subtree_control", "+memory")))
		write_in(dir, "cgroup.procs", "0");
	if (!r)
		return 0;
	rmdir(child);
	return err_set(e, ERR_HOST, "cgroup", -r, "%s cannot be divided", dir);
}

/* What is killed takes a moment to be gone. */
static void remove_leaf(const char *dir, const char *name)
{
	char path[PATH_MAX + 300];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (int i = 0; rmdir(path) && errno == EBUSY && i < SWEEP_TRIES; i++) {
		if (i == 0)
			write_in(path, "cgroup.kill", "1"); /* Linux 5.14 */
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

void cgroup_sweep(const char *dir, pid_t worker)
{
	DIR *d = *dir ? opendir(dir) : NULL;
	char prefix[32] = CGROUP_LEAF;
	struct dirent *e;

	if (worker)
		snprintf(prefix, sizeof(prefix), CGROUP_LEAF "%d-", (int)worker);
	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, prefix, strlen(prefix)) == 0)
			remove_leaf(dir, e->d_name);
	if (d)
		closedir(d);
}

void cgroup_leave(const char *dir)
{
	char child[PATH_MAX + 16];

	if (!*dir)
		return;
	cgroup_sweep(dir, 0);
	snprintf(child, sizeof(child), "%s/" OWN, dir);
	write_in(dir, "cgroup.subtree_control", "-memory");
	write_in(dir, "cgroup.procs", "0");
	rmdir(child);
}
