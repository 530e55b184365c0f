#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct queue_tenant {
	struct queue_tenant *next, *prev; /* ring, in order of turn */
	struct queue_item *first, *last;
	unsigned length; /* never 0 */
	uid_t uid;
	char name[];
};

void queue_init(struct queue *q, unsigned max, unsigned per_tenant)
{
	*q = (struct queue){.max = max, .per_tenant = per_tenant};
}

void queue_done(struct queue *q)
{
	while (queue_pop(q))
		;
}

/* At most twice `max` tenants have items, so a walk is short. */
static struct queue_tenant *find_tenant(const struct queue *q, uid_t uid, const char *name)
{
	struct queue_tenant *t = q->turn;

	for (; t; t = t->next == q->turn ? NULL : t->next)
		if (t->uid == uid && strcmp(t->name, name) == 0)
			return t;
	return NULL;
}

/* Joins the ring behind everybody: just before the one whose turn it is. */
static struct queue_tenant *add_tenant(struct queue *q, uid_t uid, const char *name)
{
	struct queue_tenant *t = calloc(1, sizeof(*t) + strlen(name) + 1);

	if (!t)
		return NULL;
	t->uid = uid;
	strcpy(t->name, name);
	if (!q->turn) {
		t->next = t->prev = t;
		q->turn = t;
		return t;
	}
	t->next = q->turn;
	t->prev = q->turn->prev;
	t->prev->next = t;
	t->next->prev = t;
	return t;
}

static void drop_tenant(struct queue *q, struct queue_tenant *t)
{
	t->next->prev = t->prev;
	t->prev->next = t->next;
	if (q->turn == t)
		q->turn = t->next == t ? NULL : t->next;
	free(t);
}

static unsigned items_of(const struct queue *q, uid_t uid)
{
	const struct queue_tenant *t = q->turn;
	unsigned n = 0;

	for (; t; t = t->next == q->turn ? NULL : t->next)
		if (t->uid == uid)
			n += t->length;
	return n;
}

/* Tenants are made up by clients, uids are not: so tenants have the smaller part of what is beside a full queue. */
static bool has_room(const struct queue *q, uid_t uid, const struct queue_tenant *t)
{
	unsigned few = q->max / QUEUE_FEW;

	if (q->length < q->max)
		return true;
	if ((t ? t->length : 0) < few && q->length < q->max + q->max / 2)
		return true;
	return q->length < 2 * q->max && items_of(q, uid) < few;
}

int queue_push(struct queue *q, struct queue_item *item, uid_t uid, const char *name)
{
	struct queue_tenant *t = find_tenant(q, uid, name);

	if (!has_room(q, uid, t))
		return -ENOSPC;
	if (t && t->length >= q->per_tenant)
		return -EDQUOT;
	if (!t)
		t = add_tenant(q, uid, name);
	if (!t)
		return -ENOMEM;
	*item = (struct queue_item){.prev = t->last, .tenant = t};
	if (t->last)
		t->last->next = item;
	else
		t->first = item;
	t->last = item;
	t->length++;
	q->length++;
	return 0;
}

void queue_remove(struct queue *q, struct queue_item *item)
{
	struct queue_tenant *t = item->tenant;

	if (!t)
		return;
	if (item->prev)
		item->prev->next = item->next;
	else
		t->first = item->next;
	if (item->next)
		item->next->prev = item->prev;
	else
		t->last = item->prev;
	*item = (struct queue_item){0};
	q->length--;
	if (--t->length == 0)
		drop_tenant(q, t);
}

struct queue_item *queue_pop(struct queue *q)
{
	struct queue_tenant *t = q->turn;
	struct queue_item *item;

	if (!t)
		return NULL;
	item = t->first;
	q->turn = t->next;
	queue_remove(q, item);
	return item;
}

struct queue_item *queue_pop_if(struct queue *q, bool (*may)(void *ctx, const struct queue_item *item), void *ctx)
{
	struct queue_tenant *t = q->turn;

	for (; t; t = t->next == q->turn ? NULL : t->next) {
		struct queue_item *item = t->first;

		if (!may(ctx, item))
			continue;
		if (q->turn == t)
			q->turn = t->next;
		queue_remove(q, item);
		return item;
	}
	return NULL;
}
