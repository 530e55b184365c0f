/* The order of the jobs that wait for a tracee: clients (uid and tenant) have their turns one after the other, so that one who sends many
 * does not keep another's only job behind all of them. A turn is a number: a client's next job has the one after its last, and nobody
 * begins before the turn of the first that waits. */
#include <string.h>

#include "inside.h"

static bool same_client(const struct pending *a, const struct pending *b)
{
	return a->uid == b->uid && strcmp(a->job->tenant, b->job->tenant) == 0;
}

void turns_join(struct worker *w, struct pending *p)
{
	struct pending **at = &w->first;

	p->turn = w->first ? w->first->turn : 0;
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
	p->turn = w->first ? w->first->turn : 0;
	p->next = w->first;
	w->first = p;
	if (!p->next)
		w->last = &p->next;
}
