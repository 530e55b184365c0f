/* proxy.h - the operator's proxies: what jobs are told of them, and where they are.
 *
 * Who may use it: the configuration, which fills it; the keeper and the worker, which read it. Life: proxy_done, also for an empty one.
 */
#ifndef WARDER_PROXY_H
#define WARDER_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proxy_kind { PROXY_HTTP, PROXY_HTTPS, PROXY_SOCKS5, PROXY_KINDS };

struct proxy_server {
	char *url;               /* as jobs get it; NULL: none */
	char *host;              /* a name, or an address without brackets */
	uint16_t port;
};

struct proxy {
	struct proxy_server servers[PROXY_KINDS];
	char *no_proxy;          /* comma-separated; NULL: nothing */
	char **env;              /* NULL-terminated NAME=VALUE, each name in both letter cases; NULL: no proxy */
};

const char *proxy_kind_name(enum proxy_kind k); /* its key in the configuration */
/* Takes a URL, or HOST:PORT, to which the kind's scheme is added. NULL when it is good, else what is wrong with it. */
const char *proxy_set(struct proxy *p, enum proxy_kind k, const char *text);
/* Adds one host, domain, address or CIDR that jobs reach without a proxy. NULL, or what is wrong with it. */
const char *proxy_except(struct proxy *p, const char *text);
/* After the last of them: makes `env`. */
void proxy_finish(struct proxy *p);
bool proxy_is_set(const struct proxy *p);
void proxy_done(struct proxy *p);

#endif
