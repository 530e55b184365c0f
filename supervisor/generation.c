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

struct generation *generation_derive(struct generation *base, struct policy *p)
{
	struct generation *g = generation_new(base->number, policy_set_of(p), base->config);

	g->base = generation_hold(base);
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
	texts_done(&g->texts);
	if (g->config && !g->base)
		config_done(g->config);
	if (!g->base)
		free(g->config);
	generation_drop(g->base);
	free(g);
}
