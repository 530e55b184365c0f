/* collect.h - files into a job's /tmp before it starts, and out of it when it has ended.
 *
 * Both go in bounded steps, so that neither a hundred MiB nor as many names hold the worker up. While files are put the
 * tracee has not started; while they are collected its threads are gone or in their exit stops: nobody changes what is
 * walked. Still no link is ever followed, each directory and file is opened below its parent's descriptor, and what was
 * opened is asked for its type. All of it happens with the job's identity. Who may use it: broker.c.
 */
#ifndef WARDER_COLLECT_H
#define WARDER_COLLECT_H

#include "broker.h"

struct put {           /* how far the files are in; all zero but for fd: not begun */
	size_t next;   /* of the list */
	size_t done;   /* bytes of that one */
	int fd;        /* of that one, -1: not made */
};

/* One step. 1: there is more; 0: all are there; -errno, with the file's name in `e`. */
int put_step(struct put *p, struct broker_job *b, const struct job_file *files, size_t n, struct err *e);

struct collect;
/* `root`: of the job's /tmp (borrowed). `own`: the code's name, which is left out. */
int collect_new(int root, const char *own, char *const *patterns, size_t n, uint64_t room, struct collect **out);
int collect_step(struct collect *c); /* 1: there is more; 0: done */
void collect_take(struct collect *c, struct result *r);
void collect_free(struct collect *c);

#endif
