#include "kept.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "briefly.h"

void kept_init(struct kept *k)
{
	*k = (struct kept){0};
}

void kept_done(struct kept *k)
{
	const struct linger none = {0};

	for (size_t i = 0; i < k->n; i++) {
		setsockopt(k->v[i].fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)); /* its job is gone, and sets no other */
		briefly_close(k->v[i].fd);
	}
	free(k->v);
	kept_init(k);
}

int kept_add(struct kept *k, int fd)
{
	struct stat st;
	int copy;

	if (!k->v)
		k->v = calloc(KEPT_MAX, sizeof(*k->v));
	if (!k->v)
		return -ENOMEM;
	if (k->n == KEPT_MAX)
		return -EMFILE;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0 || fstat(copy, &st)) {
		if (copy >= 0)
			close(copy);
		return -errno;
	}
	k->v[k->n].ino = st.st_ino;
	k->v[k->n++].fd = copy;
	return 0;
}

int kept_find(const struct kept *k, ino_t ino)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].ino == ino)
			return k->v[i].fd;
	return -1;
}

static void drop(struct kept *k, size_t i)
{
	briefly_close(k->v[i].fd);
	k->v[i] = k->v[--k->n];
}

void kept_forget(struct kept *k, ino_t ino)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].ino == ino) {
			drop(k, i);
			return;
		}
}

void kept_sweep(struct kept *k, pid_t t_pid)
{
	bool used[KEPT_MAX] = {false};
	struct dirent *e;
	struct stat st;
	char path[40];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)t_pid);
	d = opendir(path);
	if (!d)
		return;
	while ((e = readdir(d))) {
		if (fstatat(dirfd(d), e->d_name, &st, 0) || !S_ISSOCK(st.st_mode))
			continue;
		for (size_t i = 0; i < k->n; i++)
			used[i] = used[i] || k->v[i].ino == st.st_ino;
	}
	closedir(d);
	for (size_t i = k->n; i-- > 0;)
		if (!used[i])
			drop(k, i);
}
