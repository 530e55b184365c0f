/* proxy.h - the operator's proxies: what jobs are told of them, and where they are.
 *
 * Who may use it: the configuration, which fills it; the keeper and the worker, which read it. Life: proxy_done, also for an empty one.
 */
#ifndef WARDER_PROXY_H
#define WARDER_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "route.h"

enum proxy_kind { PROXY_HTTP, PROXY_HTTPS, PROXY_SOCKS5, PROXY_KINDS };

struct proxy {
	char *urls[PROXY_KINDS]; /* as jobs get them; NULL: none */
	char *no_proxy;          /* comma-separated; NULL: nothing */
	struct net_route route;
	char **env;              /* NULL-terminated NAME=VALUE, each name in both letter cases; NULL: no proxy */
};

const char *proxy_kind_name(enum proxy_kind k); /* its key in the configuration */
/* Takes a URL, or HOST:PORT, to which the kind's scheme is added. 0, or -EINVAL and what is wrong in `why`, without the text itself. */
int proxy_set(struct proxy *p, enum proxy_kind k, const char *text, char *why, size_t size);
/* Adds one host, domain, address or CIDR (or * for all) that jobs reach without a proxy. Likewise. */
int proxy_except(struct proxy *p, const char *text, char *why, size_t size);
/* After the last of them: makes `env`. */
void proxy_finish(struct proxy *p);
bool proxy_is_set(const struct proxy *p);
void proxy_done(struct proxy *p);

#endif
