/* queue.h - the jobs that wait: first come first served for each tenant, turn by turn between tenants.
 *
 * A tenant is a uid with the name that the client gave. Beside a full queue there is room for those who do not fill it: half as much again for
 * tenants, as much again for uids, that have few items in it. Otherwise one who sends more than it holds would be the only one served.
 * Items are embedded in their owner's struct; the queue only
 * links them. Who may use it: the front. No libev, no clock.
 */
#ifndef WARDER_QUEUE_H
#define WARDER_QUEUE_H

#include <stdbool.h>
#include <sys/types.h>

#define QUEUE_FEW 16 /* few is less than one of so many parts of `max` */

struct queue_tenant;
struct queue_item {
	struct queue_item *next, *prev;
	struct queue_tenant *tenant; /* NULL: not in a queue */
};

struct queue {
	struct queue_tenant *turn; /* whose item is next; a ring of those that have any */
	unsigned length;
	unsigned max, per_tenant;
};

void queue_init(struct queue *q, unsigned max, unsigned per_tenant);
/* Frees what the queue keeps of tenants; items still in it are unlinked. */
void queue_done(struct queue *q);
/* -ENOSPC: the queue is full, and this one has not few in it; -EDQUOT: this tenant's share is; -ENOMEM. Borrows `name` during the call. */
int queue_push(struct queue *q, struct queue_item *item, uid_t uid, const char *name);
/* The item whose turn it is, unlinked; NULL when empty. */
struct queue_item *queue_pop(struct queue *q);
/* Likewise, but the first in the order of turns of which `may` is true. */
struct queue_item *queue_pop_if(struct queue *q, bool (*may)(void *ctx, const struct queue_item *item), void *ctx);
/* Unlinks an item from the middle. No effect on one that is in no queue. */
void queue_remove(struct queue *q, struct queue_item *item);

#endif
