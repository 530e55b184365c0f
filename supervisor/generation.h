/* generation.h - configuration and policies between two reloads, counted by those who use them.
 *
 * Who may use it: everybody in the supervisor. Life: generation_new with one reference; hold and drop; the last drop frees. One thread.
 */
#ifndef WARDER_GENERATION_H
#define WARDER_GENERATION_H

#include <stdint.h>

#include "policy.h"

struct config;
struct generation {
	uint64_t number; /* from 1; each reload that was good is the next */
	struct policy_set *policies;
	struct config *config; /* NULL: none, in tests of parts that need none */
	unsigned refs;
};

/* Takes policies and config (malloc'ed). Out of memory aborts, as in the policy library. */
struct generation *generation_new(uint64_t number, struct policy_set *policies, struct config *config);
struct generation *generation_hold(struct generation *g); /* returns g */
void generation_drop(struct generation *g);               /* NULL: nothing */

#endif
