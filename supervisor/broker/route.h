/* route.h - the way out of a job when the operator has proxies.
 *
 * Then grants open no direct route any more: a job with any network grant reaches the proxies, and they decide what is behind them. The
 * exceptions are what is granted and also stands in the operator's no_proxy.
 * Who may use it: the configuration fills it, the broker reads it. Life: the configuration's.
 */
#ifndef WARDER_ROUTE_H
#define WARDER_ROUTE_H

#include "address.h"

struct net_route {
	struct net_grant *servers;  /* the proxies: one address or a name, one port */
	size_t n_servers;
	struct net_grant *direct;   /* of no_proxy: ranges, and domains as WILDCARD, which here stand for themselves, too */
	size_t n_direct;
	bool all_direct;            /* no_proxy has "*" */
};

/* Whether no_proxy covers an address, or a name (NULL: none) and with it all that it leads to. */
bool route_is_direct(const struct net_route *r, const char *name, const struct in6_addr *a);

#endif
