/* net.h - where a job may connect to: the grants of its policy, its own, and the addresses that granted names have for it.
 *
 * A name is granted before anybody knows its addresses. Whoever resolves it pins them: from then on, for this job, they are
 * what the name means. A pin never opens a special address (address.h): that takes a range of its own, so a name that leads to
 * 127.0.0.1 or 10.0.0.1 leads nowhere else than where the job could go anyway. Who may use it: the broker; others through
 * broker_next_name and broker_pin (broker.h). Life: with its broker_job.
 */
#ifndef WARDER_NET_H
#define WARDER_NET_H

#include "address.h"
#include "policy.h"
#include "route.h"

#define NET_PINS_MAX 4096 /* addresses of one job */

struct net_pinned {
	struct in6_addr addr;
	char *name; /* lower case, no final dot */
};

struct net {
	const struct policy *policy; /* borrowed */
	struct net_grant *own;       /* the job's; owned */
	size_t n_own;
	const struct net_route *route; /* borrowed; NULL: no proxies, or nothing is granted */
	struct net_pinned *pins;
	size_t n_pins;
};

/* `texts`: the job's own grants, as it wrote them. -EINVAL with words for what is no grant, -ENOMEM. */
int net_init(struct net *n, const struct policy *p, const char *const *texts, size_t count, struct err *e);
void net_done(struct net *n);
/* One more grant of the job's own, as a job writes it, and the last one gone again: for a debugger. -EINVAL, -ENOMEM. */
int net_add(struct net *n, const char *text);
void net_drop_last(struct net *n);

/* The i-th grant of all, NULL past the end. */
const struct net_grant *net_grant_at(const struct net *n, size_t i);
/* `addrs` (IPv4 mapped) are addresses of `name` from now on. -EPERM when no grant and no proxy is about that name, -ENOSPC, -ENOMEM. */
int net_pin(struct net *n, const char *name, const struct in6_addr *addrs, size_t count);

/* Whether there is any grant. */
bool net_any(const struct net *n);
/* Whether `name` is that of a proxy, whose addresses the operator answers for, special or not. */
bool net_is_proxy(const struct net *n, const char *name);
/* 0: `p` may be reached. Else -EACCES, and in *why what is missing (static storage). */
int net_judge(const struct net *n, const struct net_peer *p, const char **why);
/* The same for a socket that cannot send: whether any grant is about that address, whatever port and protocol. */
int net_judge_mute(const struct net *n, const struct net_peer *p);

#endif
