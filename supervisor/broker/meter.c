#include "meter.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_NAMES 256 /* of one step: half a millisecond */
#define BLOCK      512 /* bytes; what st_blocks counts in, stat(2) */

static void push(struct meter *m, int fd)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		m->dirs[m->depth++] = dir;
	else if (fd >= 0)
		close(fd);
}

/* Files that have no name any more, as long as a descriptor of the job's holds them. */
static uint64_t nameless(const struct broker_tracee *who, dev_t dev)
{
	uint64_t sum = 0;
	struct dirent *d;
	char path[48];
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)who->t_pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir)))
		if (!fstatat(dirfd(dir), d->d_name, &st, 0) && S_ISREG(st.st_mode) && st.st_dev == dev && st.st_nlink == 0)
			sum += (uint64_t)st.st_blocks * BLOCK;
	if (dir)
		closedir(dir);
	return sum;
}

static void look_at(struct meter *m, DIR *dir, const char *name)
{
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, "..") || fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	m->sum += (uint64_t)st.st_blocks * BLOCK / (S_ISDIR(st.st_mode) || !st.st_nlink ? 1 : st.st_nlink);
	if (!S_ISDIR(st.st_mode))
		return;
	if (m->depth == METER_DEPTH)
		m->deep = true;
	else
		push(m, openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool meter_step(struct meter *m, int top, const struct broker_tracee *who)
{
	struct dirent *d;
	struct stat st;

	if (m->depth == 0) {
		m->deep = false;
		m->sum = fstat(top, &st) ? 0 : nameless(who, st.st_dev);
		push(m, openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	}
	for (int i = 0; i < STEP_NAMES && m->depth; i++) {
		DIR *dir = m->dirs[m->depth - 1];

		d = readdir(dir);
		if (d) {
			look_at(m, dir, d->d_name);
		} else {
			closedir(dir);
			m->depth--;
		}
	}
	if (m->depth)
		return false;
	m->last = m->sum;
	return true;
}

void meter_done(struct meter *m)
{
	while (m->depth)
		closedir(m->dirs[--m->depth]);
}
