#include "generation.h"

#include <stdlib.h>

struct generation *generation_new(uint64_t number, struct policy_set *policies)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	*g = (struct generation){.number = number, .policies = policies, .refs = 1};
	return g;
}

struct generation *generation_hold(struct generation *g)
{
	g->refs++;
	return g;
}

void generation_drop(struct generation *g)
{
	if (!g || --g->refs > 0)
		return;
	policy_set_free(g->policies);
	free(g);
}
