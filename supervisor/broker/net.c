#include "net.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 160

static int parse_own(struct net *n, const char *text, struct err *e)
{
	char why[WHY_MAX];
	struct net_grant *g = &n->own[n->n_own];

	if (address_parse(text, g, why, sizeof(why)))
		return err_set(e, ERR_REQUEST, "grants.connect", EINVAL, "%.100s: %s", text, why);
	g->rule = strdup("grants.connect of the job");
	n->n_own++;
	return g->rule ? 0 : err_set(e, ERR_HOST, "grants.connect", ENOMEM, "out of memory");
}

int net_init(struct net *n, const struct policy *p, const char *const *texts, size_t count, struct err *e)
{
	int rc = 0;

	*n = (struct net){.policy = p, .own = calloc(count + 1, sizeof(*n->own))};
	if (!n->own)
		return err_set(e, ERR_HOST, "grants.connect", ENOMEM, "out of memory");
	for (size_t i = 0; i < count && !rc; i++)
		rc = parse_own(n, texts[i], e);
	if (rc)
		net_done(n);
	return rc;
}

int net_add(struct net *n, const char *text)
{
	struct net_grant *grown = reallocarray(n->own, n->n_own + 1, sizeof(*grown));
	size_t before = n->n_own;
	struct err e;

	if (!grown)
		return -ENOMEM;
	n->own = grown;
	int rc = parse_own(n, text, &e);
	if (rc && n->n_own > before)
		net_drop_last(n);
	return rc;
}

void net_drop_last(struct net *n)
{
	address_done(&n->own[--n->n_own]);
}

void net_done(struct net *n)
{
	for (size_t i = 0; i < n->n_own; i++)
		address_done(&n->own[i]);
	for (size_t i = 0; i < n->n_pins; i++)
		free(n->pins[i].name);
	free(n->own);
	free(n->pins);
	*n = (struct net){0};
}

const struct net_grant *net_grant_at(const struct net *n, size_t i)
{
	if (i < n->policy->n_network)
		return &n->policy->network[i];
	i -= n->policy->n_network;
	return i < n->n_own ? &n->own[i] : NULL;
}

static bool is_granted(const struct net *n, const char *name)
{
	const struct net_grant *g;

	for (size_t i = 0; (g = net_grant_at(n, i)); i++)
		if (g->kind == NET_NAME && address_is_named(g, name))
			return true;
	return net_is_proxy(n, name);
}

static bool is_pinned(const struct net *n, const char *name, const struct in6_addr *a)
{
	for (size_t i = 0; i < n->n_pins; i++)
		if (!memcmp(&n->pins[i].addr, a, sizeof(*a)) && !strcmp(n->pins[i].name, name))
			return true;
	return false;
}

static int pin_one(struct net *n, const char *name, const struct in6_addr *a)
{
	struct net_pinned *grown;

	if (is_pinned(n, name, a))
		return 0;
	if (n->n_pins == NET_PINS_MAX)
		return -ENOSPC;
	grown = reallocarray(n->pins, n->n_pins + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	n->pins = grown;
	grown[n->n_pins] = (struct net_pinned){*a, strdup(name)};
	if (!grown[n->n_pins].name)
		return -ENOMEM;
	n->n_pins++;
	return 0;
}

int net_pin(struct net *n, const char *name, const struct in6_addr *addrs, size_t count)
{
	char low[ADDRESS_NAME_MAX + 1];
	size_t len = strlen(name);
	int rc = 0;

	if (len && name[len - 1] == '.')
		len--;
	if (!len || len > ADDRESS_NAME_MAX)
		return -EPERM;
	for (size_t i = 0; i < len; i++)
		low[i] = (char)tolower((unsigned char)name[i]);
	low[len] = '\0';
	if (!is_granted(n, low))
		return -EPERM;
	for (size_t i = 0; i < count && !rc; i++)
		rc = pin_one(n, low, &addrs[i]);
	return rc;
}

/* Asked once, so that an address without a name costs one look at the pins and not one for each grant. */
static bool has_a_name(const struct net *n, const struct in6_addr *a)
{
	for (size_t i = 0; i < n->n_pins; i++)
		if (!memcmp(&n->pins[i].addr, a, sizeof(*a)))
			return true;
	return false;
}

static bool by_name(const struct net *n, const struct net_grant *g, const struct in6_addr *a)
{
	for (size_t i = 0; i < n->n_pins; i++)
		if (!memcmp(&n->pins[i].addr, a, sizeof(*a)) && address_is_named(g, n->pins[i].name))
			return true;
	return false;
}

bool net_any(const struct net *n)
{
	return n->policy->n_network || n->n_own;
}

bool net_is_proxy(const struct net *n, const char *name)
{
	for (size_t i = 0; n->route && i < n->route->n_servers; i++)
		if (n->route->servers[i].kind == NET_NAME && address_is_named(&n->route->servers[i], name))
			return true;
	return false;
}

static bool leads_to_proxy(const struct net *n, const struct net_peer *p)
{
	for (size_t i = 0; n->route && i < n->route->n_servers; i++) {
		const struct net_grant *s = &n->route->servers[i];

		if (!p->udp && p->port == s->port_lo && (s->kind == NET_NAME ? by_name(n, s, &p->addr) : address_in_range(s, &p->addr)))
			return true;
	}
	return false;
}

/* With proxies a grant is no direct route, unless no_proxy makes it one. */
static bool is_open(const struct net *n, const struct net_grant *g, const struct net_peer *p)
{
	return !n->route || route_is_direct(n->route, g->kind == NET_NAME ? g->name : NULL, &p->addr);
}

int net_judge(const struct net *n, const struct net_peer *p, const char **why)
{
	const struct net_grant *g;
	bool closed = false, pinned = has_a_name(n, &p->addr);

	if (leads_to_proxy(n, p))
		return 0;
	for (size_t i = 0; (g = net_grant_at(n, i)); i++) {
		if (!address_covers(g, p) || (g->kind == NET_NAME && !(pinned && by_name(n, g, &p->addr))))
			continue;
		if (is_open(n, g, p))
			return 0;
		closed = true;
	}
	*why = closed ? "network: granted, but only through the proxy of the configuration" : address_special(&p->addr) ? "network: a special address, only a range that names it would grant it"
	                                 : "network: not granted";
	return -EACCES;
}

int net_judge_mute(const struct net *n, const struct net_peer *p)
{
	const struct net_grant *g;
	bool pinned = has_a_name(n, &p->addr);

	for (size_t i = 0; n->route && i < n->route->n_servers; i++)
		if (leads_to_proxy(n, &(struct net_peer){.addr = p->addr, .port = n->route->servers[i].port_lo}))
			return 0;
	for (size_t i = 0; (g = net_grant_at(n, i)); i++) {
		struct net_peer as = {.addr = p->addr, .port = g->port_lo, .udp = g->udp};

		if (address_covers(g, &as) && (g->kind != NET_NAME || (pinned && by_name(n, g, &p->addr))))
			return 0;
	}
	return -EACCES;
}
