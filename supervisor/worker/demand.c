/* How many tracees wait for jobs of each policy: pool.min of them, and after jobs had to wait together for births, as many as those were, up to
 * pool.max. What was never needed for a while goes again, half of it at a time. */
#include "inside.h"

#define EBB_S 2.0

unsigned demand_wanted(const struct nursery *n)
{
	unsigned least = n->worker->config.pool_min, most = n->worker->config.pool_max;

	if (n->generation->base) /* one that jobs bring along is rarely asked for twice at once */
		return 1;
	return n->wanted < least ? least : n->wanted > most ? most : n->wanted;
}

void demand_note(struct nursery *n)
{
	struct worker *w = n->worker;
	unsigned jobs = 0;

	for (const struct pending *p = w->first; p; p = p->next)
		jobs += p->policy == n->policy;
	if (jobs <= demand_wanted(n))
		return;
	n->wanted = jobs;
	n->least = 0;
	if (!ev_is_active(&w->ebb))
		ev_timer_again(w->loop, &w->ebb);
}

static void retire_some(struct nursery *n, unsigned many)
{
	struct worker *w = n->worker;

	for (unsigned i = 0; many > 0 && i < w->n_slots; i++)
		if (w->slots[i].nursery == n && w->slots[i].state == SLOT_WAITING) {
			slot_retire(&w->slots[i]);
			many--;
		}
}

/* True: there is still something to give up another time. */
static bool ebb(struct nursery *n)
{
	unsigned wanted = demand_wanted(n), least = n->worker->config.pool_min, spare = (n->least + 1) / 2;

	n->least = n->waiting;
	if (wanted <= least)
		return false;
	n->wanted = wanted - least < spare ? least : wanted - spare;
	if (n->waiting > n->wanted)
		retire_some(n, n->waiting - n->wanted);
	return n->wanted > least;
}

static void on_ebb(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct worker *w = t->data;
	bool more = false;

	(void)revents;
	for (struct nursery *n = w->nurseries; n; n = n->next)
		more |= ebb(n);
	if (!more)
		ev_timer_stop(loop, t);
}

void demand_init(struct worker *w)
{
	ev_timer_init(&w->ebb, on_ebb, 0., EBB_S);
	w->ebb.data = w;
}
