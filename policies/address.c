#include "address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define V4_BITS 96 /* of ::ffff:0:0/96, in which IPv4 is kept */

struct range {
	struct in6_addr addr;
	unsigned prefix;
};

static bool range_has(const struct in6_addr *base, unsigned prefix, const struct in6_addr *a)
{
	unsigned bytes = prefix / 8, bits = prefix % 8;

	if (memcmp(base->s6_addr, a->s6_addr, bytes))
		return false;
	return !bits || !((base->s6_addr[bytes] ^ a->s6_addr[bytes]) >> (8 - bits));
}

/* A range of IPv6 does not reach into the mapped addresses, which are IPv4's. */
static bool same_family(unsigned prefix, const struct in6_addr *a)
{
	return prefix >= V4_BITS || !IN6_IS_ADDR_V4MAPPED(a);
}

/* --- special addresses ------------------------------------------------------------------------ */

#define V4(a, b, c, d) {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}}}
#define HI(g) ((g) >> 8), ((g) & 0xff)
#define V6(a, b, c, d, h) {{{HI(a), HI(b), HI(c), HI(d), 0, 0, 0, 0, 0, 0, HI(h)}}}

/* IANA's special-purpose registries, all that is not globally reachable, and the metadata services of the clouds. */
static const struct special {
	struct in6_addr addr;
	unsigned prefix;
	const char *what;
} specials[] = {
	{V4(0, 0, 0, 0), 96 + 8, "this network"},
	{V4(10, 0, 0, 0), 96 + 8, "private"},
	{V4(100, 64, 0, 0), 96 + 10, "shared (carrier NAT)"},
	{V4(100, 100, 100, 200), 128, "metadata service"},
	{V4(127, 0, 0, 0), 96 + 8, "loopback"},
	{V4(168, 63, 129, 16), 128, "metadata service"},
	{V4(169, 254, 0, 0), 96 + 16, "link-local"},
	{V4(169, 254, 169, 254), 128, "metadata service"},
	{V4(169, 254, 169, 253), 128, "metadata service"},
	{V4(169, 254, 169, 123), 128, "metadata service"},
	{V4(169, 254, 170, 2), 128, "metadata service"},
	{V4(169, 254, 170, 23), 128, "metadata service"},
	{V4(172, 16, 0, 0), 96 + 12, "private"},
	{V4(192, 0, 0, 0), 96 + 24, "reserved"},
	{V4(192, 0, 0, 192), 128, "metadata service"},
	{V4(192, 0, 2, 0), 96 + 24, "documentation"},
	{V4(192, 88, 99, 0), 96 + 24, "reserved"},
	{V4(192, 168, 0, 0), 96 + 16, "private"},
	{V4(198, 18, 0, 0), 96 + 15, "benchmarking"},
	{V4(198, 51, 100, 0), 96 + 24, "documentation"},
	{V4(203, 0, 113, 0), 96 + 24, "documentation"},
	{V4(224, 0, 0, 0), 96 + 4, "multicast"},
	{V4(240, 0, 0, 0), 96 + 4, "reserved"},
	/* of IPv6 only 2000::/3 is public, these are the rest */
	{V6(0, 0, 0, 0, 0), 3, "reserved"},
	{V6(0, 0, 0, 0, 0), 96, "IPv4-compatible"},
	{V6(0, 0, 0, 0, 1), 128, "loopback"},
	{V6(0x4000, 0, 0, 0, 0), 2, "reserved"},
	{V6(0x8000, 0, 0, 0, 0), 1, "reserved"},
	{V6(0x64, 0xff9b, 1, 0, 0), 48, "private"},
	{V6(0x100, 0, 0, 0, 0), 64, "discard"},
	{V6(0x2001, 0, 0, 0, 0), 23, "reserved"}, /* Teredo among them */
	{V6(0x2001, 0xdb8, 0, 0, 0), 32, "documentation"},
	{V6(0x2002, 0, 0, 0, 0), 16, "6to4"},
	{V6(0x3fff, 0, 0, 0, 0), 20, "documentation"},
	{V6(0xfc00, 0, 0, 0, 0), 7, "private"},
	{V6(0xfd00, 0xec2, 0, 0, 0x254), 128, "metadata service"},
	{V6(0xfd00, 0xec2, 0, 0, 0x253), 128, "metadata service"},
	{V6(0xfd00, 0xec2, 0, 0, 0x23), 128, "metadata service"},
	{V6(0xfd20, 0xce, 0, 0, 0x254), 128, "metadata service"},
	{V6(0xfe80, 0, 0, 0, 0), 10, "link-local"},
	{V6(0xfec0, 0, 0, 0, 0), 10, "private"},
	{V6(0xff00, 0, 0, 0, 0), 8, "multicast"},
};

/* IPv6 ranges that carry an IPv4 address from bit `prefix` on: what that leads to counts as well. */
static const struct range carriers[] = {
	{V6(0, 0, 0, 0, 0), 96},                                                          /* IPv4-compatible */
	{V6(0x64, 0xff9b, 0, 0, 0), 96},                                                  /* NAT64 */
	{{{{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0}}}, 96},                 /* SIIT */
	{V6(0x2002, 0, 0, 0, 0), 16},                                                     /* 6to4 */
};
static const struct range nat64 = {V6(0x64, 0xff9b, 0, 0, 0), 96};

static const struct special *narrowest(const struct in6_addr *a, unsigned prefix)
{
	const struct special *best = NULL;

	for (size_t i = 0; i < N(specials); i++) {
		const struct special *s = &specials[i];

		if (s->prefix <= prefix && same_family(s->prefix, a) && range_has(&s->addr, s->prefix, a) &&
		    (!best || s->prefix > best->prefix))
			best = s;
	}
	return best;
}

/* The narrowest special range that holds all of a/prefix. */
static bool special_range(const struct in6_addr *a, unsigned prefix, struct special *out)
{
	const struct special *s = narrowest(a, prefix);
	bool found = s && !(prefix >= nat64.prefix && range_has(&nat64.addr, nat64.prefix, a));

	/* what NAT64 translates to a public address is public */
	if (found)
		*out = *s;
	for (size_t i = 0; i < N(carriers); i++) {
		unsigned from = carriers[i].prefix;
		struct in6_addr v4 = V4(0, 0, 0, 0);
		const struct special *in;

		if (prefix < from || !range_has(&carriers[i].addr, from, a))
			continue;
		memcpy(&v4.s6_addr[12], &a->s6_addr[from / 8], 4);
		in = narrowest(&v4, prefix - from > 32 ? 128 : V4_BITS + prefix - from);
		if (in && (!found || from + in->prefix - V4_BITS > out->prefix)) {
			*out = (struct special){*a, from + in->prefix - V4_BITS, in->what};
			found = true;
		}
	}
	return found;
}

const char *address_special(const struct in6_addr *a)
{
	struct special s;

	return special_range(a, 128, &s) ? s.what : NULL;
}

/* --- parsing ---------------------------------------------------------------------------------- */

static int bad(char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return -EINVAL;
}

/* Decimal digits and no more; false when there are none, a leading zero, or a number above max. */
static bool number(const char *s, size_t n, unsigned max, unsigned *out)
{
	*out = 0;
	if (!n || n > 5 || (n > 1 && *s == '0'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		*out = *out * 10 + (unsigned)(s[i] - '0');
	}
	return *out <= max;
}

static int parse_ports(const char *s, struct net_grant *g, char *why, size_t size)
{
	const char *dash = strchr(s, '-');
	unsigned lo, hi;

	if (!number(s, dash ? (size_t)(dash - s) : strlen(s), 65535, &lo) || !lo)
		return bad(why, size, "the port must be 1 to 65535, or a range of such");
	hi = lo;
	if (dash && (!number(dash + 1, strlen(dash + 1), 65535, &hi) || hi < lo))
		return bad(why, size, "the range of ports must go from a lower to a higher one, 1 to 65535");
	g->port_lo = (uint16_t)lo;
	g->port_hi = (uint16_t)hi;
	return 0;
}

static bool clean_below(const struct in6_addr *a, unsigned prefix)
{
	for (unsigned i = prefix; i < 128; i++) {
		if (a->s6_addr[i / 8] >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

static int parse_range(char *s, bool v6, struct net_grant *g, char *why, size_t size)
{
	char *slash = strchr(s, '/');
	unsigned prefix = v6 ? 128 : 32;

	if (slash) {
		*slash = '\0';
		if (!number(slash + 1, strlen(slash + 1), prefix, &prefix))
			return bad(why, size, "the prefix must be 0 to 32 (IPv4) or 0 to 128 (IPv6)");
	}
	g->kind = NET_RANGE;
	g->prefix = v6 ? prefix : prefix + V4_BITS;
	if (v6 && inet_pton(AF_INET6, s, &g->addr) != 1)
		return bad(why, size, strchr(s, '%') ? "a scope (%) cannot be granted" : "not an IPv6 address");
	if (!v6) {
		g->addr = (struct in6_addr)V4(0, 0, 0, 0);
		if (inet_pton(AF_INET, s, &g->addr.s6_addr[12]) != 1)
			return bad(why, size, "not an IPv4 address: four decimal numbers without leading zeros");
	}
	if (!clean_below(&g->addr, g->prefix))
		return bad(why, size, "the address has bits below its prefix");
	if (g->prefix == 128 && (IN6_IS_ADDR_UNSPECIFIED(&g->addr) || (IN6_IS_ADDR_V4MAPPED(&g->addr) &&
	                                                               !memcmp(&g->addr.s6_addr[12], "\0\0\0\0", 4))))
		return bad(why, size, "the unspecified address leads to the loopback: write 127.0.0.1 or [::1]");
	return 0;
}

static bool is_label(const char *s, size_t n)
{
	if (!n || n > 63 || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
			return false;
	}
	return true;
}

/* inet_aton(3) and with it many clients take 0x7f.1, 017700000001 and 2130706433 for addresses; so no last label may look like a
 * number. */
static bool is_numeric(const char *label)
{
	size_t hex = !strncasecmp(label, "0x", 2) ? 2 : 0;

	return label[strspn(label + hex, hex ? "0123456789abcdefABCDEF" : "0123456789") + hex] == '\0';
}

static int parse_name(char *s, struct net_grant *g, char *why, size_t size)
{
	size_t n = strlen(s);
	bool wildcard = !strncmp(s, "*.", 2);
	const char *last = s;

	if (wildcard)
		s += 2, n -= 2;
	if (n && s[n - 1] == '.')
		s[--n] = '\0';
	if (n > ADDRESS_NAME_MAX)
		return bad(why, size, "a host name has at most 253 bytes");
	for (char *p = s, *dot; p; p = dot ? dot + 1 : NULL) {
		dot = strchr(p, '.');
		if (!is_label(p, dot ? (size_t)(dot - p) : strlen(p)))
			return bad(why, size, "not a host name: labels of letters, digits, - and _ (others as xn--…), * only as the first");
		last = p;
	}
	if (is_numeric(last))
		return bad(why, size, "looks like an address, but is none in its usual form (1.2.3.4, [::1])");
	for (size_t i = 0; i < n; i++)
		s[i] = (char)tolower((unsigned char)s[i]);
	g->kind = wildcard ? NET_WILDCARD : NET_NAME;
	g->name = mem_copy(s);
	return 0;
}

/* Cuts the ports off; *ports is NULL when there are none. -EINVAL for unbalanced brackets. */
static int split(char *s, char **host, char **ports, bool *v6, char *why, size_t size)
{
	char *colon = strrchr(s, ':'), *end;

	*v6 = *s == '[' || (colon && strchr(s, ':') != colon);
	*host = s;
	*ports = NULL;
	if (*s == '[') {
		end = strchr(s, ']');
		if (!end || (end[1] && end[1] != ':'))
			return bad(why, size, "brackets go around an IPv6 address, and only :PORT follows them");
		*end = '\0';
		*host = s + 1;
		*ports = end[1] ? end + 2 : NULL;
	} else if (!*v6 && colon) {
		*colon = '\0';
		*ports = colon + 1;
	}
	return 0;
}

int address_parse(const char *text, struct net_grant *g, char *why, size_t size)
{
	char copy[ADDRESS_NAME_MAX + 64], *host, *ports;
	bool v6;

	*g = (struct net_grant){.port_lo = 1, .port_hi = 65535};
	if (!strncmp(text, "udp://", 6)) {
		g->udp = true;
		text += 6;
	}
	if (strstr(text, "://"))
		return bad(why, size, "only udp:// may stand in front");
	if (strlen(text) >= sizeof(copy))
		return bad(why, size, "too long");
	strcpy(copy, text);
	if (split(copy, &host, &ports, &v6, why, size) || (ports && parse_ports(ports, g, why, size)))
		return -EINVAL;
	if (v6 || (strspn(host, "0123456789./") == strlen(host) && *host))
		return parse_range(host, v6, g, why, size);
	if (strchr(host, '/'))
		return bad(why, size, "only an address has a prefix");
	if (!strcmp(host, "*")) {
		g->kind = NET_PUBLIC;
		return 0;
	}
	return parse_name(host, g, why, size);
}

void address_done(struct net_grant *g)
{
	free(g->name);
	free(g->rule);
	g->name = g->rule = NULL;
}

/* --- judging ---------------------------------------------------------------------------------- */

bool address_peer(const struct sockaddr *sa, size_t len, bool udp, struct net_peer *out)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	*out = (struct net_peer){.addr = V4(0, 0, 0, 0), .udp = udp};
	if (len >= sizeof(*in) && sa->sa_family == AF_INET) {
		memcpy(&out->addr.s6_addr[12], &in->sin_addr, 4);
		out->port = ntohs(in->sin_port);
	} else if (len >= offsetof(struct sockaddr_in6, sin6_scope_id) && sa->sa_family == AF_INET6) {
		out->addr = in6->sin6_addr;
		out->port = ntohs(in6->sin6_port);
	} else {
		return false;
	}
	if (IN6_IS_ADDR_UNSPECIFIED(&out->addr))
		out->addr = in6addr_loopback;
	else if (IN6_IS_ADDR_V4MAPPED(&out->addr) && !memcmp(&out->addr.s6_addr[12], "\0\0\0\0", 4))
		out->addr = (struct in6_addr)V4(127, 0, 0, 1);
	return true;
}

bool address_in_range(const struct net_grant *g, const struct in6_addr *a)
{
	return g->kind == NET_RANGE && same_family(g->prefix, a) && range_has(&g->addr, g->prefix, a);
}

bool address_covers(const struct net_grant *g, const struct net_peer *p)
{
	struct special s;

	if (g->udp != p->udp || p->port < g->port_lo || p->port > g->port_hi || g->kind == NET_WILDCARD)
		return false;
	if (g->kind == NET_RANGE && !address_in_range(g, &p->addr))
		return false;
	if (!special_range(&p->addr, 128, &s))
		return true;
	return g->kind == NET_RANGE && s.prefix <= g->prefix;
}

bool address_is_named(const struct net_grant *g, const char *name)
{
	size_t n = strlen(name), len = g->name ? strlen(g->name) : 0;

	if (n && name[n - 1] == '.')
		n--;
	if (g->kind == NET_NAME)
		return n == len && !strncasecmp(name, g->name, n);
	return g->kind == NET_WILDCARD && n > len + 1 && name[n - len - 1] == '.' && !strncasecmp(name + n - len, g->name, len);
}

static bool range_within(const struct net_grant *bound, const struct net_grant *g)
{
	struct special s;

	if (bound->prefix > g->prefix || !same_family(bound->prefix, &g->addr) ||
	    !range_has(&bound->addr, bound->prefix, &g->addr))
		return false;
	return !special_range(&g->addr, g->prefix, &s) || s.prefix <= bound->prefix;
}

bool address_within(const struct net_grant *bound, const struct net_grant *g)
{
	struct special s;

	if (bound->udp != g->udp || g->port_lo < bound->port_lo || g->port_hi > bound->port_hi)
		return false;
	switch (bound->kind) {
	case NET_RANGE:
		return g->kind == NET_RANGE && range_within(bound, g);
	case NET_PUBLIC:
		return g->kind != NET_RANGE || !special_range(&g->addr, g->prefix, &s);
	case NET_NAME:
		return g->kind == NET_NAME && !strcmp(bound->name, g->name);
	case NET_WILDCARD:
		break;
	}
	return g->name && (address_is_named(bound, g->name) || (g->kind == NET_WILDCARD && !strcmp(bound->name, g->name)));
}
