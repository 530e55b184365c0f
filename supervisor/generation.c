#include "generation.h"

#include <stdlib.h>

#include "config.h"

struct generation *generation_new(uint64_t number, struct policy_set *policies, struct config *config)
{
	struct generation *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	*g = (struct generation){.number = number, .policies = policies, .config = config, .refs = 1};
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
	if (g->config)
		config_done(g->config);
	free(g->config);
	free(g);
}
