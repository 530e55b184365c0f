/* identity.h - whose power the worker uses for file work: design rule "never lend power".
 *
 * As root the worker rests with the file-system uid and gid of nobody and no supplementary groups; identity_enter
 * takes a job's for what creates or changes something or looks into /proc/PID, identity_leave goes back to rest. Raw
 * setfsuid(2) and setfsgid(2): per thread, without signals to other threads. Without root all of it does nothing.
 * identity_full gives back root's for the set-up of grants; it must be followed by identity_leave.
 */
#ifndef WARDER_IDENTITY_H
#define WARDER_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

/* Call once in the worker, before anything else here. -errno when root's identity cannot be put to rest. */
int identity_rest(void);
bool identity_can_switch(void);
/* -EPERM when the kernel did not switch (setfsuid reports nothing: it is asked again). uid -1: no change. */
int identity_enter(uid_t uid, gid_t gid);
int identity_full(void);
void identity_leave(void);
bool identity_is_at_rest(void);
/* After set*uid(2) calls of others, which change the file-system ids behind this module's back: back to rest for certain. */
void identity_recover(void);

#endif
