/* debug.h - what the broker knows of a job under a debugger: what it was asked, and what was allowed for good.
 *
 * Made with a job whose policy is a debugger's, freed with it. Who may use it: broker.c; what the worker asks for is in broker.h.
 */
#ifndef WARDER_DEBUG_H
#define WARDER_DEBUG_H

#include "state.h"

#define DEBUG_ALLOWED_MAX 1024 /* decisions that are remembered; later ones count once */

struct debugging {
	struct violations asked; /* the call that is to be held: one entry, or none */
	bool asking;             /* about the call that is being judged */
	bool decided;            /* the call that is being judged: not to be asked again, */
	bool allowed_once;       /* and allowed whatever the policy's rows say */
	bool step;               /* hold the next one, whatever is said of it */
	size_t n_allowed;
	struct broker_call allowed[DEBUG_ALLOWED_MAX];
};

struct debugging *debug_new(void); /* NULL: no memory */
void debug_free(struct debugging *d);
bool debug_is_asking(const struct broker_job *b);
/* Whether the call is allowed now, or was allowed for good: with the same values in the registers that the policy looks at, which are all that a line of it
 * could name. */
bool debug_is_allowed(const struct broker_job *b, const struct broker_call *c);
void debug_remember(struct debugging *d, const struct broker_call *c);

#endif
