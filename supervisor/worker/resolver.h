/* resolver.h - host names to addresses, for grants that name hosts.
 *
 * Asks as the machine itself would (its resolv.conf, search list and /etc/hosts), by c-ares on the worker's loop: nothing here waits.
 * Answers are remembered for as long as their records say, failures for a few seconds, so jobs that name the same host
 * share one question. Names are asked as given; whether one may be asked for is the caller's to know (policies/address.h).
 *
 * Who may use it: the worker. Life: resolver_new, waits linked and unlinked, resolver_free with no wait left.
 */
#ifndef WARDER_RESOLVER_H
#define WARDER_RESOLVER_H

#include <ev.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "err.h"

#define RESOLVER_ADDRESSES_MAX 32   /* of one name; more are left out */
#define RESOLVER_NAME_MAX      254  /* bytes, a trailing dot included */
#define RESOLVER_CACHE_MAX     1024 /* names remembered; those being asked for are not counted */
/* Each server is asked three times: one lost packet costs a job little, and a dead server is a failure after 10.5 s. */
#define RESOLVER_TRY_MS 1500
#define RESOLVER_TRIES  3
#define RESOLVER_TTL_LEAST     1.0  /* seconds that an answer is remembered, whatever its record says */
#define RESOLVER_TTL_MOST      300.0
#define RESOLVER_TTL_FAILED    5.0

struct resolver_answer {
	const char *failed;  /* why there are no addresses, in words (static); NULL: there are some */
	bool left_out;       /* there were more than RESOLVER_ADDRESSES_MAX */
	unsigned n;
	struct in6_addr v[RESOLVER_ADDRESSES_MAX]; /* IPv4 as ::ffff:a.b.c.d, as everywhere in policies/address.h */
};

struct resolver;
struct resolver_entry;

/* One asker, embedded where it lives. on_answer: once, from the loop; the wait is unlinked already, the answer
 * borrowed for the call. It may link new waits and unlink others. */
struct resolver_wait {
	struct resolver_wait *next, **at; /* at NULL: not linked */
	void (*on_answer)(struct resolver_wait *w, const struct resolver_answer *a);
	void *arg;
};

struct resolver_options {
	const char *servers; /* "127.0.0.1:5300,…" in place of the machine's, for tests; NULL: the machine's */
	int try_ms;          /* how long the first try waits for an answer; 0: RESOLVER_TRY_MS */
};

int resolver_new(struct ev_loop *loop, const struct resolver_options *o, struct resolver **out, struct err *e);
void resolver_free(struct resolver *r);
/* The answer when it is remembered (borrowed until the loop turns), else NULL: then `w` is linked and will be told. */
const struct resolver_answer *resolver_ask(struct resolver *r, const char *name, struct resolver_wait *w);
void resolver_forget(struct resolver_wait *w); /* harmless when it is not linked */

#endif
