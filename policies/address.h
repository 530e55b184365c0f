/* address.h - network grants: "example.com:443", "10.0.0.0/8:5432", "[::1]:8000-8010", "udp://192.0.2.1:53", "*:443".
 *
 * What a policy's `network:`, a job's `grants.connect` and `callers_may.connect` mean, and whether an address is covered.
 * Nothing here resolves names or opens sockets. Who may use it: policies, front, broker, tools.
 *
 * Special addresses (loopback, link-local, private, metadata services, multicast, and all that is not globally reachable)
 * are covered only by a range that lies inside the special range itself: `10.0.0.0/8` and `10.1.0.0/16` name private addresses,
 * `0.0.0.0/0`, `*` and host names are public addresses alone. Where special ranges nest the narrowest counts, so
 * `169.254.0.0/16` does not reach the metadata address inside it.
 */
#ifndef WARDER_ADDRESS_H
#define WARDER_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_NAME_MAX 253  /* bytes of a host name */
#define NET_GRANTS_MAX 10000  /* of one list */

enum net_kind {
	NET_RANGE,    /* addresses: addr/prefix */
	NET_PUBLIC,   /* *: every address that is not special */
	NET_NAME,     /* a host name: the public ones of its addresses, once it was resolved */
	NET_WILDCARD, /* *.example.com: no direct route, for the proxy */
};

struct net_grant {
	enum net_kind kind;
	char *name;                /* NAME, WILDCARD (without "*."): lower case, no final dot; owned */
	struct in6_addr addr;      /* RANGE: IPv4 as ::ffff:a.b.c.d */
	unsigned prefix;           /* RANGE: bits of addr that count, 0 to 128; IPv4 from 96 on */
	uint16_t port_lo, port_hi; /* both included, host order */
	bool udp;                  /* else TCP */
	char *rule;                /* "python3.yaml:12 network"; owned, NULL: none yet */
};

/* 0, or -EINVAL and what is wrong in `why`, without the text itself. Fills *g, to be freed with address_done. No port means every
 * port. Addresses are written in full: what inet_aton(3) would read as decimal or octal numbers is refused. */
int address_parse(const char *text, struct net_grant *g, char *why, size_t size);
void address_done(struct net_grant *g);

/* Where a call leads, in one form: mapped addresses as IPv4, the unspecified one as the loopback that Linux takes it for. */
struct net_peer {
	struct in6_addr addr;
	uint16_t port; /* host order */
	bool udp;
};
/* False when sa (len bytes of it are there) is no whole IPv4 or IPv6 address. */
bool address_peer(const struct sockaddr *sa, size_t len, bool udp, struct net_peer *out);

/* Whether the grant covers the peer; for names: as if the peer's address were one of theirs. */
bool address_covers(const struct net_grant *g, const struct net_peer *p);
/* Whether a RANGE holds this address, special or not. */
bool address_in_range(const struct net_grant *g, const struct in6_addr *a);
/* NULL for a public address, else what it is: "loopback", "private", "metadata service". */
const char *address_special(const struct in6_addr *a);
/* Whether all that `g` covers is covered by `bound`. */
bool address_within(const struct net_grant *bound, const struct net_grant *g);
/* Whether a grant for `name` (NAME or WILDCARD) is about this host name; case does not count. */
bool address_is_named(const struct net_grant *g, const char *name);

#endif
