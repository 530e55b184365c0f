#include "proxy.h"

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

#define HOST_MAX 253

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

/* [user:password@]host:port[/] */
static const char *split(const char *at, struct proxy_server *s)
{
	const char *user = strrchr(at, '@'), *host = user ? user + 1 : at, *end, *colon;
	unsigned long port;
	char *rest;

	if (*host == '[') {
		end = strchr(++host, ']');
		colon = end ? end + 1 : NULL;
	} else {
		colon = end = strchr(host, ':');
	}
	if (!colon || *colon != ':' || end == host || end - host > HOST_MAX)
		return "must be a URL or HOST:PORT, with a port";
	port = strtoul(colon + 1, &rest, 10);
	if (rest == colon + 1 || colon[1] < '0' || colon[1] > '9' || port < 1 || port > 65535 || (*rest && strcmp(rest, "/")))
		return "must end in a port, 1 to 65535";
	s->host = mem_must(strndup(host, end - host));
	s->port = (uint16_t)port;
	return NULL;
}

const char *proxy_set(struct proxy *p, enum proxy_kind k, const char *text)
{
	struct proxy_server *s = &p->servers[k];
	const char *at = is_plain(text) ? skip_scheme(k, text) : NULL, *why;

	if (!is_plain(text))
		return "must be printable ASCII without spaces";
	if (!at)
		return k == PROXY_SOCKS5 ? "must be socks5h://, socks5:// or HOST:PORT" : "must be http://, https:// or HOST:PORT";
	why = split(at, s);
	if (why)
		return why;
	if (asprintf(&s->url, "%s%s", at == text ? kinds[k].scheme : "", text) < 0)
		abort();
	return NULL;
}

const char *proxy_except(struct proxy *p, const char *text)
{
	char *longer;

	if (!is_plain(text) || strchr(text, ','))
		return "must be a host, .domain, address or CIDR without spaces and commas";
	if (asprintf(&longer, "%s%s%s", p->no_proxy ? p->no_proxy : "", p->no_proxy ? "," : "", text) < 0)
		abort();
	free(p->no_proxy);
	p->no_proxy = longer;
	return NULL;
}

bool proxy_is_set(const struct proxy *p)
{
	for (int k = 0; k < PROXY_KINDS; k++)
		if (p->servers[k].url)
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
		for (int i = 0; i < 2 && p->servers[k].url; i++)
			add(p, &n, kinds[k].variables[i], p->servers[k].url);
	if (p->no_proxy) {
		add(p, &n, "NO_PROXY", p->no_proxy);
		add(p, &n, "no_proxy", p->no_proxy);
	}
}

void proxy_done(struct proxy *p)
{
	for (int k = 0; k < PROXY_KINDS; k++) {
		free(p->servers[k].url);
		free(p->servers[k].host);
	}
	for (size_t i = 0; p->env && p->env[i]; i++)
		free(p->env[i]);
	free(p->env);
	free(p->no_proxy);
	*p = (struct proxy){0};
}
