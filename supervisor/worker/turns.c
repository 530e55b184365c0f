/* Whose job is next. Clients (uid and tenant) have their turns one after the other, so that one who sends many does not keep another's only
 * job behind all of them. A turn is a number: a client's next job has the one after its last, and nobody begins before the turn of the job
 * that began last.
 *
 * A fresh job is one that has just begun and computes. Each client has few of them at once: small ones are over in a millisecond of their
 * CPU and end no later one after the other than all together, but another client's job has its share of that CPU, not one of sixteen.
 * What sleeps is not fresh, and what goes on computing is so for a moment only, so neither keeps the next one from beginning.
 *
 * Nor does a client whose jobs run take the last tracee that waits, when another one is on its way. While several clients come, one whose
 * jobs queue leaves five, or all but one of a smaller pool: what it waits for is births, however long its queue, and each of them would go to
 * it as it comes, so that the other one's only job always met an empty pool. With two left, births that came late on a busy CPU left
 * every hundredth job of the other waiting (p99 beside a flood 2.1 times that alone, 1.6 with five, measured). */
#include <string.h>

#include "inside.h"

#define FRESH_EACH   2     /* of one client */
#define FRESH_MOST_S 0.020 /* that computes all the time: then it may use every CPU */
#define ASLEEP       0.05  /* of a CPU */
#define SEVERAL_S    1.0   /* that a client counts as one that comes, since its last job began */

static bool is_his(const struct pending *p, const struct slot *s)
{
	return s->state == SLOT_RUNNING && s->client == p->uid && s->job && strcmp(s->job->tenant, p->job->tenant) == 0;
}

static bool same_client(const struct pending *a, const struct pending *b)
{
	return a->uid == b->uid && strcmp(a->job->tenant, b->job->tenant) == 0;
}

void turns_join(struct worker *w, struct pending *p)
{
	struct pending **at = &w->first;

	p->turn = w->turn;
	for (unsigned i = 0; i < w->n_slots; i++)
		if (is_his(p, &w->slots[i]) && w->slots[i].turn >= p->turn)
			p->turn = w->slots[i].turn + 1;
	for (const struct pending *q = w->first; q; q = q->next)
		if (same_client(q, p) && q->turn >= p->turn)
			p->turn = q->turn + 1;
	while (*at && (*at)->turn <= p->turn)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	if (!p->next)
		w->last = &p->next;
}

void turns_go_first(struct worker *w, struct pending *p)
{
	p->turn = w->turn;
	p->next = w->first;
	w->first = p;
	if (!p->next)
		w->last = &p->next;
}

bool turns_may_begin(const struct worker *w, const struct pending *p)
{
	unsigned fresh = 0;

	for (unsigned i = 0; i < w->n_slots; i++)
		fresh += w->slots[i].fresh && is_his(p, &w->slots[i]);
	return fresh < FRESH_EACH;
}

bool turns_any_fresh(const struct worker *w)
{
	for (unsigned i = 0; i < w->n_slots; i++)
		if (w->slots[i].fresh)
			return true;
	return false;
}

static bool has_more(const struct worker *w, const struct pending *p)
{
	for (const struct pending *q = w->first; q; q = q->next)
		if (q != p && same_client(q, p))
			return true;
	return false;
}

unsigned turns_leaves(const struct worker *w, const struct pending *p, unsigned wanted)
{
	unsigned left = 0;

	if (worker_clock() < w->several_until && has_more(w, p))
		left = TURNS_LEAVES_MOST;
	for (unsigned i = 0; left == 0 && i < w->n_slots; i++)
		left = is_his(p, &w->slots[i]);
	return left < wanted ? left : wanted - 1;
}

void turns_begun(struct slot *s, uint64_t turn)
{
	struct worker *w = s->worker;

	if (turn > w->turn)
		w->turn = turn;
	s->turn = turn;
	uint64_t client = job_client(s->client, s->job->tenant);
	if (w->begun && w->begun != client)
		w->several_until = s->started + SEVERAL_S;
	w->begun = client;
	s->fresh = true;
	s->fresh_cpu = s->cpu_before;
	s->fresh_at = s->started;
}

void turns_look(struct worker *w)
{
	double now = worker_clock();

	for (unsigned i = 0; i < w->n_slots; i++) {
		struct slot *s = &w->slots[i];
		if (!s->fresh)
			continue;
		double cpu = outcome_cpu(s->t_pid);
		s->fresh = now - s->started < FRESH_MOST_S && cpu - s->fresh_cpu > ASLEEP * (now - s->fresh_at);
		s->fresh_cpu = cpu;
		s->fresh_at = now;
	}
}
