/* midwife.h - the process that starts the processes of a worker's zygotes.
 *
 * A worker's own filter (guard.h) kills whatever starts a process or a program; the zygotes, which need both, come from a process that was
 * forked before the filter, has no other work, and hears nobody but its worker. They are the worker's children all the same (CLONE_PARENT):
 * it reaps them, and they die with it. So does the midwife. With the namespaces layer each zygote is the first process of its own.
 *
 * Who may use it: worker.c makes it, spawn.c asks it. Life: midwife_new before any thread, midwife_free.
 */
#ifndef WARDER_MIDWIFE_H
#define WARDER_MIDWIFE_H

#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct midwife;

/* In the worker: forks the process. -errno with words; midwife_free in either case. */
int midwife_new(struct midwife **out, struct err *e);
/* Returns the zygote's pid, not reaped, or -errno with words. `argv` and `env` end with NULL; all is borrowed. `flags`: enum birth_flag.
 * Waits for the answer, which takes as long as a fork. A midwife that is gone ends the worker: it could never start a zygote again. */
pid_t midwife_start(struct midwife *m, const char *path, char *const *argv, char *const *env, uint32_t flags, int control, int log, struct err *e);
void midwife_free(struct midwife *m);

#endif
