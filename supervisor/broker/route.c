#include "route.h"

#include <string.h>

static bool covers(const struct net_grant *d, const char *name, const struct in6_addr *a)
{
	if (d->kind == NET_RANGE)
		return a && address_in_range(d, a);
	return name && (address_is_named(d, name) || strcmp(d->name, name) == 0);
}

bool route_is_direct(const struct net_route *r, const char *name, const struct in6_addr *a)
{
	for (size_t i = 0; i < r->n_direct; i++)
		if (covers(&r->direct[i], name, a))
			return true;
	return r->all_direct;
}
