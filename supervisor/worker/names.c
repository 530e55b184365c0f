/* The host names of one job: asked for at its first need, while the calls that need them wait. The worker goes on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "inside.h"
#include "notify.h"

/* How long a job's call waits for names. A server that is down must not hold up what other names are good for; what comes later
 * is there at the job's next look. */
#define PATIENCE 5.0

struct asker {
	struct resolver_wait wait;
	size_t index;
};

struct names {
	struct slot *slot;
	ev_timer patience;
	struct broker_call *calls; /* that wait */
	size_t n_calls, cap_calls;
	size_t left;               /* names without an answer */
	size_t n;
	struct asker v[];
};

/* The calls are answered once more, this time with the names. */
static void over(struct names *n)
{
	struct slot *s = n->slot;
	struct broker_call *calls = n->calls;
	size_t n_calls = n->n_calls;

	ev_timer_stop(s->worker->loop, &n->patience);
	n->calls = NULL;
	n->n_calls = n->cap_calls = 0;
	broker_names_over(s->broker);
	/* a call may be the job's last: then there is no more to answer */
	for (size_t i = 0; i < n_calls && s->state == SLOT_RUNNING && s->names == n; i++)
		if (notify_still_there(s->listener, calls[i].id))
			slot_answer(s, &calls[i]);
	free(calls);
}

static void on_patience(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop, (void)revents;
	over(t->data);
}

static void take(struct names *n, size_t index, const struct resolver_answer *a)
{
	n->left--;
	broker_resolved(n->slot->broker, index, a->v, a->n, a->failed);
}

static void on_answer(struct resolver_wait *w, const struct resolver_answer *a)
{
	struct names *n = w->arg;
	struct asker *at = (struct asker *)((char *)w - offsetof(struct asker, wait));

	if (n->slot->state != SLOT_RUNNING)
		return;
	take(n, at->index, a);
	if (!n->left && n->n_calls)
		over(n);
}

static struct names *begin(struct slot *s)
{
	size_t count = broker_names(s->broker);
	struct names *n = calloc(1, sizeof(*n) + count * sizeof(n->v[0]));

	if (!n)
		return NULL;
	n->slot = s;
	n->n = n->left = count;
	s->names = n;
	ev_timer_init(&n->patience, on_patience, PATIENCE, 0);
	n->patience.data = n;
	ev_timer_start(s->worker->loop, &n->patience);
	for (size_t i = 0; i < count; i++) {
		n->v[i] = (struct asker){.wait = {.on_answer = on_answer, .arg = n}, .index = i};
		const struct resolver_answer *a = resolver_ask(s->worker->resolver, broker_name(s->broker, i), &n->v[i].wait);
		if (a)
			take(n, i, a);
	}
	return n;
}

static int add_call(struct names *n, const struct broker_call *c)
{
	if (n->n_calls == n->cap_calls) { /* one a thread at most, and threads are limited */
		size_t cap = n->cap_calls ? 2 * n->cap_calls : 4;
		struct broker_call *more = reallocarray(n->calls, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		n->calls = more;
		n->cap_calls = cap;
	}
	n->calls[n->n_calls++] = *c;
	return 0;
}

void names_wait(struct slot *s, const struct broker_call *c)
{
	struct names *n = s->names ? s->names : begin(s);
	int r = n ? add_call(n, c) : -ENOMEM;

	if (r)
		notify_answer(s->listener, c->id, r);
	else if (!n->left)
		over(n);
}

void names_drop(struct slot *s)
{
	struct names *n = s->names;

	s->names = NULL;
	if (!n)
		return;
	ev_timer_stop(s->worker->loop, &n->patience);
	for (size_t i = 0; i < n->n; i++)
		resolver_forget(&n->v[i].wait);
	free(n->calls);
	free(n);
}
