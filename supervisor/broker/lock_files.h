/* lock_files.h - record locks on files of writable grants, which the host and other jobs see.
 *
 * fcntl(2)'s record locks belong to a process, and the worker cannot take one in another's name. An open file of the
 * worker's own stands for the job instead, one for each file that the job locks: locks of open files (Linux 3.15) conflict
 * with everybody else's, and not with each other. They end when they are unlocked, or with the job. Embedded in
 * struct broker_job.
 */
#ifndef WARDER_LOCK_FILES_H
#define WARDER_LOCK_FILES_H

#include <fcntl.h>
#include <sys/types.h>

#define LOCK_FILES_MAX 16

struct lock_files {
	struct lock_file {
		dev_t dev;
		ino_t ino;
		int fd;
	} v[LOCK_FILES_MAX];
	unsigned n;
};

void lock_files_done(struct lock_files *l);
/* The open file that stands for the job on the object behind fd (borrowed), or -errno: -ENOLCK beyond LOCK_FILES_MAX. To be
 * called with the job's identity; `proc_fds`: /proc/self/fd. */
int lock_files_get(struct lock_files *l, int proc_fds, int fd);

#endif
