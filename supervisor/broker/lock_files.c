#include "lock_files.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void lock_files_done(struct lock_files *l)
{
	while (l->n)
		close(l->v[--l->n].fd);
}

int lock_files_get(struct lock_files *l, int proc_fds, int fd)
{
	struct stat st;
	char name[16];
	int own;

	if (fstat(fd, &st))
		return -errno;
	for (unsigned i = 0; i < l->n; i++)
		if (l->v[i].dev == st.st_dev && l->v[i].ino == st.st_ino)
			return l->v[i].fd;
	if (!S_ISREG(st.st_mode) || l->n == LOCK_FILES_MAX)
		return -ENOLCK;
	snprintf(name, sizeof(name), "%d", fd);
	own = openat(proc_fds, name, O_RDWR | O_CLOEXEC);
	if (own < 0)
		return -errno;
	l->v[l->n++] = (struct lock_file){st.st_dev, st.st_ino, own};
	return own;
}
