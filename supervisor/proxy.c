#include "proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* A client that resolves a SOCKS proxy's targets itself finds none: socks5h is the scheme that says so. */
static const struct {
	const char *key, *scheme, *schemes[4];
	const char *variables[2];
} kinds[PROXY_KINDS] = {
	[PROXY_HTTP] = {"http", "http://", {"http://", "https://"}, {"HTTP_PROXY", "http_proxy"}},
	[PROXY_HTTPS] = {"https", "http://", {"http://", "https://"}, {"HTTPS_PROXY", "https_proxy"}},
	[PROXY_SOCKS5] = {"socks5", "socks5h://", {"socks5h://", "socks5://"}, {"ALL_PROXY", "all_proxy"}},
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == PROXY_KINDS, "a row per kind");

static int bad(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return -EINVAL;
}

const char *proxy_kind_name(enum proxy_kind k)
{
	return kinds[k].key;
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static const char *skip_scheme(enum proxy_kind k, const char *text)
{
	for (int i = 0; i < 4 && kinds[k].schemes[i]; i++)
		if (strncmp(text, kinds[k].schemes[i], strlen(kinds[k].schemes[i])) == 0)
			return text + strlen(kinds[k].schemes[i]);
	return strstr(text, "://") ? NULL : text;
}

static void add_server(struct net_route *r, const struct net_grant *g)
{
	r->servers = mem_grow(r->servers, r->n_servers + 1, sizeof(*g));
	r->servers[r->n_servers] = *g;
	r->servers[r->n_servers++].rule = mem_copy("proxy of the configuration");
}

/* [user:password@]host:port[/] */
static int take_server(struct proxy *p, const char *at, char *why, size_t size)
{
	const char *user = strrchr(at, '@');
	char *host = mem_copy(user ? user + 1 : at);
	size_t n = strlen(host);
	struct net_grant g;

	if (n && host[n - 1] == '/')
		host[n - 1] = '\0';
	int rc = address_parse(host, &g, why, size);
	free(host);
	if (rc)
		return rc;
	if (g.udp || g.port_lo != g.port_hi || (g.kind != NET_NAME && (g.kind != NET_RANGE || g.prefix != 128))) {
		address_done(&g);
		return bad(why, size, "must be a URL or HOST:PORT, with one host and one port");
	}
	add_server(&p->route, &g);
	return 0;
}

int proxy_set(struct proxy *p, enum proxy_kind k, const char *text, char *why, size_t size)
{
	const char *at = is_plain(text) ? skip_scheme(k, text) : NULL;

	if (!is_plain(text))
		return bad(why, size, "must be printable ASCII without spaces");
	if (!at)
		return bad(why, size, k == PROXY_SOCKS5 ? "must be socks5h://, socks5:// or HOST:PORT" : "must be http://, https:// or HOST:PORT");
	if (take_server(p, at, why, size))
		return -EINVAL;
	free(p->urls[k]);
	if (asprintf(&p->urls[k], "%s%s", at == text ? kinds[k].scheme : "", text) < 0)
		abort();
	return 0;
}

/* A domain covers all below it, with or without its leading dot, as clients read it. */
static int add_exception(struct net_route *r, const char *text, char *why, size_t size)
{
	const char *name = strncmp(text, "*.", 2) == 0 ? text + 2 : text + (*text == '.');
	struct net_grant g;

	if (strcmp(text, "*") == 0) {
		r->all_direct = true;
		return 0;
	}
	if (address_parse(name, &g, why, size))
		return -EINVAL;
	if (g.udp || g.port_lo != 1 || g.port_hi != 65535 || (g.kind != NET_NAME && g.kind != NET_RANGE)) {
		address_done(&g);
		return bad(why, size, "must be a host, a domain, an address or a CIDR, without a port");
	}
	if (g.kind == NET_NAME)
		g.kind = NET_WILDCARD;
	r->direct = mem_grow(r->direct, r->n_direct + 1, sizeof(g));
	r->direct[r->n_direct++] = g;
	return 0;
}

int proxy_except(struct proxy *p, const char *text, char *why, size_t size)
{
	char *longer;

	if (!is_plain(text) || strchr(text, ','))
		return bad(why, size, "must be one host, without spaces and commas");
	if (add_exception(&p->route, text, why, size))
		return -EINVAL;
	if (asprintf(&longer, "%s%s%s", p->no_proxy ? p->no_proxy : "", p->no_proxy ? "," : "", text) < 0)
		abort();
	free(p->no_proxy);
	p->no_proxy = longer;
	return 0;
}

bool proxy_is_set(const struct proxy *p)
{
	for (int k = 0; k < PROXY_KINDS; k++)
		if (p->urls[k])
			return true;
	return false;
}

static void add(struct proxy *p, size_t *n, const char *name, const char *value)
{
	p->env = mem_grow(p->env, *n + 2, sizeof(*p->env));
	if (asprintf(&p->env[*n], "%s=%s", name, value) < 0)
		abort();
	p->env[++*n] = NULL;
}

void proxy_finish(struct proxy *p)
{
	size_t n = 0;

	if (!proxy_is_set(p))
		return;
	for (int k = 0; k < PROXY_KINDS; k++)
		for (int i = 0; i < 2 && p->urls[k]; i++)
			add(p, &n, kinds[k].variables[i], p->urls[k]);
	if (p->no_proxy) {
		add(p, &n, "NO_PROXY", p->no_proxy);
		add(p, &n, "no_proxy", p->no_proxy);
	}
}

void proxy_done(struct proxy *p)
{
	for (int k = 0; k < PROXY_KINDS; k++)
		free(p->urls[k]);
	for (size_t i = 0; i < p->route.n_servers; i++)
		address_done(&p->route.servers[i]);
	for (size_t i = 0; i < p->route.n_direct; i++)
		address_done(&p->route.direct[i]);
	free(p->route.servers);
	free(p->route.direct);
	for (size_t i = 0; p->env && p->env[i]; i++)
		free(p->env[i]);
	free(p->env);
	free(p->no_proxy);
	*p = (struct proxy){0};
}
