/* Zygotes are replaced after a number of jobs or some time, since what their children share (address layout, hash seed) should not live for
 * ever; when their interpreter or tree of packages was replaced; and after a reload that changed their policy, which they outlive until the
 * last job of it is over. The heir warms up beside the old one; from its first waiting tracee on it has the jobs, and the old one goes after
 * its last. */
#include <stdlib.h>

#include "inside.h"
#include "log.h"

#define PACKAGES_S 0.2 /* how old it may be what is known of a tree of packages: to look takes a call for each part of its path */
#define IDLE_S    30.0 /* how long the zygote of a policy that a job brought along waits for the next one */
#define TRY_AGAIN 60.0 /* seconds, after an heir that failed */

static void look_for_packages(struct nursery *n, double now)
{
	if (now - n->packages_at < PACKAGES_S)
		return;
	n->packages_at = now;
	n->packages_moved = dependencies_moved(n->generation, n->policy, n->dependencies);
}

static bool is_due(const struct nursery *n, double now)
{
	const struct worker_config *c = &n->worker->config;

	return n->role == NURSERY_CURRENT && n->state == NURSERY_READY && now >= n->renew_at &&
	       (n->replaced || n->packages_moved || (c->zygote_max_jobs && n->jobs >= c->zygote_max_jobs) || (c->zygote_max_age_s && now - n->ready_at >= c->zygote_max_age_s));
}

static struct nursery *heir_of(struct worker *w, const struct nursery *n)
{
	for (struct nursery *h = w->nurseries; h; h = h->next)
		if (h->role == NURSERY_HEIR && h->policy == n->policy)
			return h;
	return NULL;
}

static void retire_waiting(struct nursery *n)
{
	for (unsigned i = 0; i < n->worker->n_slots; i++)
		if (n->worker->slots[i].nursery == n && n->worker->slots[i].state == SLOT_WAITING)
			slot_retire(&n->worker->slots[i]);
}

static bool is_empty(const struct nursery *n)
{
	for (unsigned i = 0; i < n->worker->n_slots; i++)
		if (n->worker->slots[i].nursery == n && n->worker->slots[i].state != SLOT_FREE)
			return false;
	return !n->birth;
}

static void take_over(struct nursery *n, struct nursery *heir)
{
	log_write(LOG_INFO, "zygote_renewed", "policy=%s old=%d new=%d jobs=%u", n->policy->name, (int)n->pid, (int)heir->pid, n->jobs);
	n->role = NURSERY_RETIRING;
	heir->role = NURSERY_CURRENT;
}

bool renew_is_waited_for(const struct nursery *n)
{
	for (const struct pending *p = n->worker->first; p; p = p->next)
		if (p->policy == n->policy)
			return true;
	return false;
}

/* Of policies that were replaced: nobody waits for it any more, and nobody will. */
static bool is_outdated(const struct nursery *n)
{
	if (n->role == NURSERY_RETIRING || ((!n->worker->newest || n->serves >= n->worker->newest->number) && !n->generation->let_go))
		return false;
	return !renew_is_waited_for(n);
}

static bool has_jobs(const struct nursery *n)
{
	for (unsigned i = 0; i < n->worker->n_slots; i++)
		if (n->worker->slots[i].nursery == n && n->worker->slots[i].state >= SLOT_RUNNING)
			return true;
	return false;
}

/* Of a policy that jobs bring along: kept while it is used. */
static bool is_idle(struct nursery *n, double now)
{
	if (!n->generation->base || n->role == NURSERY_RETIRING)
		return false;
	if (n->state == NURSERY_STARTING || renew_is_waited_for(n) || has_jobs(n))
		n->used_at = now;
	return now - n->used_at > IDLE_S;
}

static void look_after(struct worker *w, struct nursery *n, double now)
{
	if (is_outdated(n) || is_idle(n, now))
		n->role = NURSERY_RETIRING;
	if (n->role == NURSERY_CURRENT && n->state == NURSERY_READY)
		look_for_packages(n, now);
	struct nursery *heir = is_due(n, now) ? heir_of(w, n) : NULL;

	if (heir && heir->state == NURSERY_READY && heir->waiting > 0) {
		take_over(n, heir);
	} else if (heir && heir->state == NURSERY_BROKEN && !heir->pid) {
		heir->role = NURSERY_RETIRING;
		n->renew_at = now + TRY_AGAIN;
	} else if (is_due(n, now) && !heir) {
		nursery_new(w, n->generation, n->policy, NURSERY_HEIR);
	}
	if (n->role == NURSERY_RETIRING)
		retire_waiting(n);
}

void renew_zygotes(struct worker *w)
{
	double now = worker_clock();

	for (struct nursery *n = w->nurseries, *next; n; n = next) {
		next = n->next;
		look_after(w, n, now);
	}
	for (struct nursery **at = &w->nurseries; *at;) {
		struct nursery *n = *at;

		if (n->role != NURSERY_RETIRING || !is_empty(n)) {
			at = &n->next;
			continue;
		}
		*at = n->next;
		nursery_free(n);
	}
}
