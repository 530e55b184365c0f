#include "connections.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct connection {
	LIST_ENTRY(connection) link;
	int fd;
	enum stage stage;
	double since_ms;
	bool hung_up;
};

struct connections {
	pthread_mutex_t lock;
	LIST_HEAD(, connection) list;
	unsigned n, max;
};

struct connections *connections_new(unsigned max)
{
	struct connections *cs = calloc(1, sizeof(*cs));

	if (!cs)
		return NULL;
	pthread_mutex_init(&cs->lock, NULL);
	cs->max = max;
	return cs;
}

void connections_free(struct connections *cs)
{
	if (!cs)
		return;
	while (LIST_FIRST(&cs->list))
		connections_remove(cs, LIST_FIRST(&cs->list));
	pthread_mutex_destroy(&cs->lock);
	free(cs);
}

struct connection *connections_add(struct connections *cs, int fd, double now_ms)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = fd;
	c->since_ms = now_ms;
	pthread_mutex_lock(&cs->lock);
	LIST_INSERT_HEAD(&cs->list, c, link);
	cs->n++;
	pthread_mutex_unlock(&cs->lock);
	return c;
}

void connections_remove(struct connections *cs, struct connection *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&cs->lock);
	LIST_REMOVE(c, link);
	cs->n--;
	pthread_mutex_unlock(&cs->lock);
	free(c);
}

void connections_enter(struct connections *cs, struct connection *c, enum stage stage, double now_ms)
{
	if (!c)
		return;
	pthread_mutex_lock(&cs->lock);
	c->stage = stage;
	c->since_ms = now_ms;
	pthread_mutex_unlock(&cs->lock);
}

/* Answers take as long as jobs do, and a client that does not read one is silent: libmicrohttpd's to notice. */
static bool is_over(const struct connection *c, bool crowded, double now_ms)
{
	double age = now_ms - c->since_ms;

	return (c->stage == STAGE_IDLE && age > (crowded ? CONNECTIONS_CROWDED_MS : CONNECTIONS_IDLE_MS)) ||
	       (c->stage == STAGE_BODY && age > CONNECTIONS_BODY_MS);
}

/* The thread that serves it finds the end of its connection, and closes it. */
unsigned connections_sweep(struct connections *cs, double now_ms)
{
	struct connection *c;
	unsigned n = 0;

	pthread_mutex_lock(&cs->lock);
	bool crowded = cs->n > cs->max / 4 * 3;

	LIST_FOREACH(c, &cs->list, link) {
		if (c->hung_up || !is_over(c, crowded, now_ms))
			continue;
		c->hung_up = true;
		shutdown(c->fd, SHUT_RDWR);
		n++;
	}
	pthread_mutex_unlock(&cs->lock);
	return n;
}
