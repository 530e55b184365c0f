#include "leaf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"
#include "identity.h"

void leaf_init(struct leaf *l)
{
	*l = (struct leaf){.procs = -1, .max = -1};
}

static int open_in(const struct leaf *l, const char *name, int flags)
{
	char path[CGROUP_PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", l->path, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_text(int fd, const char *text)
{
	ssize_t n = pwrite(fd, text, strlen(text), 0);

	return n < 0 ? -errno : 0;
}

static int set(const struct leaf *l, const char *name, const char *text)
{
	int fd = open_in(l, name, O_WRONLY);
	int r = fd < 0 ? fd : write_text(fd, text);

	if (fd >= 0)
		close(fd);
	return r;
}

static int make(struct leaf *l)
{
	if (mkdir(l->path, 0755) && errno != EEXIST)
		return -errno;
	int r = set(l, "memory.swap.max", "0");
	if (r && r != -ENOENT) /* a kernel without swap */
		return r;
	if ((r = set(l, "memory.oom.group", "1")))
		return r;
	l->max = open_in(l, "memory.max", O_WRONLY);
	l->procs = l->max < 0 ? l->max : open_in(l, "cgroup.procs", O_WRONLY);
	return l->procs < 0 ? l->procs : 0;
}

/* Whoever opened cgroup.procs is who moves, cgroup_procs_write of Linux 5.16: the newborn itself has no right to. */
int leaf_make(struct leaf *l, const char *dir, int slot)
{
	if (l->path)
		return 0;
	if (asprintf(&l->path, "%s/" CGROUP_LEAF "%d-%d", dir, (int)getpid(), slot) < 0) {
		l->path = NULL;
		return -ENOMEM;
	}
	int r = identity_full();
	if (!r)
		r = make(l);
	identity_leave();
	if (r)
		leaf_done(l);
	return r;
}

int leaf_limit(struct leaf *l, uint64_t bytes)
{
	char text[32];

	if (!l->path || l->bytes == bytes)
		return 0;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	int r = write_text(l->max, text);
	l->bytes = r ? 0 : bytes;
	return r;
}

bool leaf_was_killed(struct leaf *l)
{
	char text[512] = "";
	int fd = l->path ? open_in(l, "memory.events", O_RDONLY) : -1;

	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	const char *line = n > 0 ? strstr(text, "oom_kill ") : NULL;
	uint64_t killed = line ? strtoull(line + 9, NULL, 10) : 0;
	bool more = killed > l->killed;
	l->killed = killed;
	return more;
}

void leaf_done(struct leaf *l)
{
	if (l->procs >= 0)
		close(l->procs);
	if (l->max >= 0)
		close(l->max);
	free(l->path);
	leaf_init(l);
}
