/* generation.h - configuration and policies between two reloads, counted by those who use them.
 *
 * Who may use it: everybody in the supervisor. Life: generation_new with one reference; hold and drop; the last drop frees. One thread.
 */
#ifndef WARDER_GENERATION_H
#define WARDER_GENERATION_H

#include <stdint.h>

#include "policy.h"
#include "texts.h"

struct config;
struct generation {
	uint64_t number; /* from 1; each reload that was good is the next */
	struct policy_set *policies;
	struct config *config; /* NULL: none, in tests of parts that need none */
	struct texts texts;      /* what they were read from, for policies that extend them */
	const char *const *dirs; /* of those; the configuration's or the command line's */
	struct generation *base; /* NULL; or the one whose configuration a policy goes by that jobs bring along: held (brought.h) */
	bool let_go;             /* with a base: no new jobs, its zygote may leave */
	unsigned refs;
};

/* Takes policies and config (malloc'ed). Out of memory aborts, as in the policy library. */
struct generation *generation_new(uint64_t number, struct policy_set *policies, struct config *config);
/* For one policy, which it takes: number and configuration are those of `base`, which it holds. */
struct generation *generation_derive(struct generation *base, struct policy *p);
struct generation *generation_hold(struct generation *g); /* returns g */
void generation_drop(struct generation *g);               /* NULL: nothing */

#endif
