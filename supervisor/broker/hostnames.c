#include "hostnames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "state.h"

/* --- which names ------------------------------------------------------------------------------------------- */

static bool listed(const struct hostnames *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->v[i].name, name) == 0)
			return true;
	return false;
}

static void add(struct hostnames *h, const struct net_grant *g, bool proxied)
{
	if (g->kind == NET_WILDCARD && !proxied && !h->wildcard)
		h->wildcard = g;
	if (g->kind != NET_NAME || listed(h, g->name))
		return;
	if (h->n == HOSTNAMES_MAX)
		h->left_out++;
	else
		h->v[h->n++] = (struct hostname){.name = g->name, .rule = g->rule};
}

/* What is only behind a proxy is for the proxy to resolve. */
static int list(struct broker_job *b)
{
	struct hostnames *h = &b->hostnames;
	const struct net_route *route = b->net.route;
	const struct net_grant *g;

	if (h->v)
		return 0;
	h->v = calloc(HOSTNAMES_MAX, sizeof(*h->v));
	if (!h->v)
		return -ENOMEM;
	for (size_t i = 0; route && i < route->n_servers; i++)
		add(h, &route->servers[i], true);
	for (size_t i = 0; (g = net_grant_at(&b->net, i)); i++)
		if (!route || route_is_direct(route, g->name, NULL))
			add(h, g, route);
	return 0;
}

size_t broker_names(struct broker_job *b)
{
	return list(b) ? 0 : b->hostnames.n;
}

const char *broker_name(const struct broker_job *b, size_t i)
{
	return b->hostnames.v[i].name;
}

bool hostnames_wait(struct request *r)
{
	struct hostnames *h = &r->job->hostnames;

	if (h->state == HOSTNAMES_KNOWN || !broker_names(r->job))
		return false;
	h->state = HOSTNAMES_ASKED;
	r->reply->kind = REPLY_NAMES;
	return true;
}

/* --- what they are ----------------------------------------------------------------------------------------- */

/* Whether some range reaches this address, at whatever port. */
static bool in_range(const struct net *n, const struct in6_addr *a)
{
	const struct net_grant *g;

	for (size_t i = 0; (g = net_grant_at(n, i)); i++)
		if (g->kind == NET_RANGE && address_covers(g, &(struct net_peer){*a, g->port_lo, g->udp}))
			return true;
	return false;
}

static void show(const struct in6_addr *a, char *buf, size_t size)
{
	if (IN6_IS_ADDR_V4MAPPED(a))
		inet_ntop(AF_INET, &a->s6_addr[12], buf, size);
	else
		inet_ntop(AF_INET6, a, buf, size);
}

static void tell_later(struct hostname *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell_later(struct hostname *at, const char *fmt, ...)
{
	va_list args;

	if (at->told)
		return;
	va_start(args, fmt);
	if (vasprintf(&at->told, fmt, args) < 0)
		at->told = NULL;
	va_end(args);
}

void broker_resolved(struct broker_job *b, size_t i, const struct in6_addr *addrs, size_t n, const char *failed)
{
	struct hostname *at = &b->hostnames.v[i];
	char text[INET6_ADDRSTRLEN];

	if (at->answered)
		return; /* pinned: nothing changes its mind */
	at->answered = true;
	if (failed)
		tell_later(at, "%s: not resolved: %s", at->rule, failed);
	for (size_t k = 0; k < n; k++) {
		const char *special = address_special(&addrs[k]);

		if (!special || in_range(&b->net, &addrs[k]) || net_is_proxy(&b->net, at->name)) {
			net_pin(&b->net, at->name, &addrs[k], 1);
			continue;
		}
		show(&addrs[k], text, sizeof(text));
		tell_later(at, "%s: leads to %s (%s), which a range of its own would grant", at->rule, text, special);
	}
}

void broker_names_over(struct broker_job *b)
{
	b->hostnames.state = HOSTNAMES_KNOWN;
	for (size_t i = 0; i < b->hostnames.n; i++)
		if (!b->hostnames.v[i].answered)
			tell_later(&b->hostnames.v[i], "%s: not resolved in time", b->hostnames.v[i].rule);
}

/* --- the file ---------------------------------------------------------------------------------------------- */

static void tell(struct request *r)
{
	struct hostnames *h = &r->job->hostnames;
	char name[ADDRESS_NAME_MAX + 3], rule[256];

	for (size_t i = 0; i < h->n; i++) {
		if (!h->v[i].told)
			continue;
		request_hidden_host(r, h->v[i].name, h->v[i].told);
		free(h->v[i].told);
		h->v[i].told = NULL;
	}
	if (h->wildcard) {
		snprintf(name, sizeof(name), "*.%s", h->wildcard->name);
		snprintf(rule, sizeof(rule), "%s: opens no direct route, and no proxy is configured", h->wildcard->rule);
		request_hidden_host(r, name, rule);
		h->wildcard = NULL;
	}
	if (h->left_out) {
		request_hidden_host(r, "*", "network: the job is granted more host names than are resolved for one");
		h->left_out = 0;
	}
}

void hostnames_write(struct request *r, FILE *f)
{
	const struct net *n = &r->job->net;
	char address[INET6_ADDRSTRLEN];

	tell(r);
	fprintf(f, "127.0.0.1 localhost\n::1 localhost\n");
	for (size_t i = 0; i < n->n_pins; i++) {
		show(&n->pins[i].addr, address, sizeof(address));
		fprintf(f, "%s %s\n", address, n->pins[i].name);
	}
}

void hostnames_done(struct hostnames *h)
{
	for (size_t i = 0; i < h->n; i++)
		free(h->v[i].told);
	free(h->v);
	*h = (struct hostnames){0};
}
