/* guard.h - the supervisor's own confinement: what a process of it may no longer do once it has started.
 *
 * Whoever takes over a front by a client's bytes, or a worker by a hostile job, finds no call there that starts a program, opens a socket of
 * a kind that is not needed, maps code, or looks at other processes. Who may use it: keeper.c, front_side.c, worker_side.c, midwife.c. State is the
 * process's own and cannot be taken back. Errors: -errno with words in `e`; a process that cannot guard itself must not go on.
 *
 * A call that is not listed is not executed: SIGSYS, one line `forbidden_call` in the log, death by SIGSYS. The lists are rows of guard.c.
 */
#ifndef WARDER_GUARD_H
#define WARDER_GUARD_H

#include "err.h"

enum guard_who { GUARD_KEEPER, GUARD_FRONT, GUARD_WORKER, GUARD_COUNT };

/* Capabilities: a worker keeps what jobs need of it (guard.c says which and why), the keeper what it hands on, a front none; sets no_new_privs; nobody without privilege may
 * look into it by ptrace or /proc. To be called after the last change of identity, before threads are made. */
int guard_power(enum guard_who who, struct err *e);
/* Only what interpreters and libraries are told by the environment stays, also where /proc/PID/environ would show it. */
void guard_environment(void);
/* In the keeper: a filter that everything it starts inherits, which refuses what none of them has a use for. After guard_power. */
int guard_floor(struct err *e);
/* The filter of a front or worker, on all threads. No process can be made after it. */
int guard_filter(enum guard_who who, struct err *e);

#endif
