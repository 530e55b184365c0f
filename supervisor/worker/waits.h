/* waits.h - brokered calls that are not answered yet: a connect on its way, and whatever else the broker has wait (broker_wait).
 *
 * One epoll descriptor of its own watches what they wait for: libev forgets closed descriptors without telling the kernel, and these are
 * open files that the job holds, too, so the kernel would go on reporting them. Signals: a call once received waits for its answer or
 * for death alone (WAIT_KILLABLE_RECV), so pending signals of waiting threads are looked for in /proc, so many a tick, and the call is
 * answered as an interrupted one. Who may use it: slot.c.
 */
#ifndef WARDER_WAITS_H
#define WARDER_WAITS_H

#include <stdbool.h>

#include "inside.h"

/* NULL with errno set. */
struct waits *waits_new(struct worker *w);
void waits_free(struct waits *ws); /* after the last slot */

/* Takes `wait`. `answered`: its call is answered already. -errno, and the wait is gone. */
int waits_add(struct slot *s, const struct broker_call *c, struct broker_wait *wait, bool answered);
/* The thread has made another call: what it waited for was interrupted. */
void waits_interrupted(struct slot *s, pid_t t_tid);
void waits_drop(struct slot *s); /* all of a slot's */
/* Those of the slot that watch nothing look again: what they wait for may have come. */
void waits_wake(struct slot *s);

#endif
