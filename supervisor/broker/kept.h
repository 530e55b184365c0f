/* kept.h - duplicates of the sockets that the worker made for a job, for machines whose kernel refuses pidfd_getfd.
 *
 * There a socket is found again by its inode (an open duplicate keeps that number from being used again). A connected one is
 * forgotten at once, since a duplicate would keep the peer from seeing the job's close; what is not found is therefore connected.
 * Who may use it: sockets.c. Life: with its broker_job.
 */
#ifndef WARDER_KEPT_H
#define WARDER_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define KEPT_MAX 256 /* sockets of one job that are not connected */

struct kept {
	struct {
		ino_t ino;
		int fd;
	} *v;
	size_t n;
};

void kept_init(struct kept *k);
void kept_done(struct kept *k);
/* Keeps a duplicate of fd. -EMFILE when there are too many: kept_sweep may help. -errno. */
int kept_add(struct kept *k, int fd);
/* The duplicate of the socket with that inode (borrowed), or -1. */
int kept_find(const struct kept *k, ino_t ino);
void kept_forget(struct kept *k, ino_t ino);
/* Forgets those that the process has closed. To be called with the process's identity. */
void kept_sweep(struct kept *k, pid_t t_pid);

#endif
