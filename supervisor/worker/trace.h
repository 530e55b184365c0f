/* trace.h - the calls of one job, told as events: struct traced_call of protocol/event.h.
 *
 * Two depths. BROKERED: the calls that come to the worker anyway, told when they are answered; the job runs as fast as ever but for the
 * telling. ALL: every call, by ptrace's syscall stops, two a call; brokered ones keep the broker's words, which are of the same copy
 * that was judged. An untraced job has no struct tracing and none of its stops.
 *
 * A reader who is slow holds the job, not the supervisor's memory: while its output is held, no call of a traced job is answered and no
 * stopped thread goes on. Who may use it: slot.c, tracer.c, waits.c, worker.c. Life: trace_set to slot's clear.
 */
#ifndef WARDER_TRACE_H
#define WARDER_TRACE_H

#include <stdbool.h>

#include "inside.h"

/* How deep from now on; TRACE_OFF ends it. Out of memory: the job is told less of. */
void trace_set(struct slot *s, enum trace mode);
/* The same for a job that is about to be handed over, before and after that answer. */
void trace_begin(struct slot *s);
void trace_begun(struct slot *s);
void trace_drop(struct slot *s);
bool trace_is_deep(const struct slot *s); /* its threads are to stop at calls */

/* A brokered call: it came; its words are with the broker; it has its answer (known: what it returns), or was interrupted. */
void trace_came(struct slot *s, const struct broker_call *c);
void trace_judged(struct slot *s, const struct broker_call *c);
void trace_answered(struct slot *s, const struct broker_call *c, bool known, int64_t result);

/* ptrace: a thread is in a syscall stop. False: it is held there, else the caller lets it go on. */
bool trace_stopped(struct slot *s, pid_t t_tid);
/* The call that killed the job, whose thread is in its exit stop; then, for every thread, that it ends. */
void trace_killed(struct slot *s, pid_t t_tid, int nr, const uint64_t args[6]);
void trace_thread_ends(struct slot *s, pid_t t_tid);

void trace_hold(struct slot *s, bool hold);

#endif
