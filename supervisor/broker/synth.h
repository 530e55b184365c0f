/* synth.h - files that are made when they are looked at: parts of /proc, /etc, /dev and /sys as a job may see them.
 *
 * One table says which names there are (synth.c); synth_texts.c writes what they hold. They speak of the job alone: of its
 * process, its limits, its identity. Each look makes the text anew, as a sealed memfd of its name, so one opened file never
 * changes. Directories of /proc are kept per job, for native getdents, and made when one is first opened; /proc/PID/fd and task are the
 * process's own in procfs, which list numbers and nothing else. A name in /proc/PID/fd leads to the object that the job
 * holds there, with the access that it holds it with (synth_fd.c). Who may use it: the broker.
 */
#ifndef WARDER_SYNTH_H
#define WARDER_SYNTH_H

#include <stdio.h>

#include "resolve.h"

enum synth_kind { SYNTH_DIR, SYNTH_NUMBERS, SYNTH_TEXT, SYNTH_LINK, SYNTH_FD };

struct synth_at {              /* a name of the table, with the numbers that were in it */
	const struct synth_row *row;
	pid_t t_tid;           /* of /proc/PID/task/TID */
	int t_fd;              /* of /proc/PID/fd/N */
};

struct synth_row {
	const char *path;      /* `#` stands for the job's process, `@` for one of its threads, `%` for a descriptor */
	enum synth_kind kind;
	void (*write)(struct request *r, const struct synth_at *at, FILE *f); /* TEXT: its bytes, LINK: its target */
	bool of_process;       /* belongs to the job, as what is below /proc/PID; else to root */
};

/* The rows that are grants of every policy's tree: one a call, NULL past the end; those below /proc have none of their own. */
const char *synth_grant(size_t i, mode_t *type);
/* The target of a link that is the same for every job, for the skeleton; NULL: it is none. */
const char *synth_fixed_target(const char *path);

/* Fills `o`, whose path is below a grant of PLACE_SYNTH. 0 or -errno. */
int synth_look(struct request *r, struct object *o);
/* The target of the link `path`, into `target` (not ended by NUL); its length or -errno. */
ssize_t synth_readlink(struct request *r, const char *path, char *target, size_t size);
/* Opens a directory of PLACE_SYNTH. The descriptor or -errno. */
int synth_open_directory(struct request *r, const struct object *o);
/* `path` is a link of /proc/PID/fd to something that has no place in the tree, or no name any more: fills `o` with that
 * object itself. 0, 1: it is another link, to be followed by its target, or -errno. */
int synth_jump(struct request *r, const char *path, struct object *o);
/* Opens an object of PLACE_FD anew. The descriptor or -errno. */
int synth_reopen(struct request *r, const struct object *o, int flags);

/* What /etc/hosts holds for this job. */
void synth_hosts(struct request *r, const struct synth_at *at, FILE *f);
int64_t synth_uname(struct request *r);
int64_t synth_sysinfo(struct request *r);

/* synth_texts.c */
#define SYNTH_HOSTNAME "warder"
extern const struct synth_row synth_rows[];
extern const size_t synth_n_rows;

/* synth_fd.c */
int synth_fd_look(struct request *r, int t_fd, struct stat *st);
ssize_t synth_fd_target(struct request *r, int t_fd, char *target, size_t size);

#endif
