#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "net.h"
#include "sockets.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- texts ------------------------------------------------------------------------------------ */

static const struct {
	const char *text;
	enum net_kind kind;
	const char *name;
	unsigned prefix, lo, hi;
	bool udp;
} good[] = {
	{"example.com:443", NET_NAME, "example.com", 0, 443, 443, false},
	{"EXAMPLE.Com.", NET_NAME, "example.com", 0, 1, 65535, false},
	{"_srv.a-b.xn--mnchen-3ya", NET_NAME, "_srv.a-b.xn--mnchen-3ya", 0, 1, 65535, false},
	{"localhost:1-65535", NET_NAME, "localhost", 0, 1, 65535, false},
	{"*.example.com:443", NET_WILDCARD, "example.com", 0, 443, 443, false},
	{"*", NET_PUBLIC, NULL, 0, 1, 65535, false},
	{"*:80-90", NET_PUBLIC, NULL, 0, 80, 90, false},
	{"10.0.0.0/8:443", NET_RANGE, NULL, 96 + 8, 443, 443, false},
	{"0.0.0.0/0", NET_RANGE, NULL, 96, 1, 65535, false},
	{"1.2.3.4", NET_RANGE, NULL, 128, 1, 65535, false},
	{"udp://1.2.3.4:53", NET_RANGE, NULL, 128, 53, 53, true},
	{"[::1]:8000-8010", NET_RANGE, NULL, 128, 8000, 8010, false},
	{"[fd00::/8]:1", NET_RANGE, NULL, 8, 1, 1, false},
	{"fd00::/8", NET_RANGE, NULL, 8, 1, 65535, false},
	{"::ffff:10.0.0.0/104", NET_RANGE, NULL, 104, 1, 65535, false},
	{"udp://*.example.com", NET_WILDCARD, "example.com", 0, 1, 65535, true},
};

static void grants_are_parsed(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(good); i++) {
		struct net_grant g;
		char why[200];

		if (address_parse(good[i].text, &g, why, sizeof(why)))
			fail_msg("%s: %s", good[i].text, why);
		if (g.kind != good[i].kind || g.port_lo != good[i].lo || g.port_hi != good[i].hi || g.udp != good[i].udp ||
		    (g.kind == NET_RANGE && g.prefix != good[i].prefix) || !g.name != !good[i].name ||
		    (g.name && strcmp(g.name, good[i].name)))
			fail_msg("%s: kind %d name %s prefix %u ports %u-%u", good[i].text, g.kind, g.name, g.prefix, g.port_lo,
			         g.port_hi);
		address_done(&g);
	}
}

static const struct {
	const char *text, *why;
} bad[] = {
	{"", "not a host name"},
	{":80", "not a host name"},
	{"a..b", "not a host name"},
	{"-a.com", "not a host name"},
	{"a b", "not a host name"},
	{"m\xc3\xbcnchen.de", "not a host name"},
	{"a.*.com", "not a host name"},
	{"**", "not a host name"},
	{"*.", "not a host name"},
	{"*.*", "not a host name"},
	{"host:0", "port must be"},
	{"host:65536", "port must be"},
	{"host:080", "port must be"},
	{"host:", "port must be"},
	{"host:+80", "port must be"},
	{"host: 80", "port must be"},
	{"host:90-80", "range of ports"},
	{"host:80-", "range of ports"},
	{"host:-80", "port must be"},
	{"host:http", "port must be"},
	{"2130706433", "not an IPv4 address"},
	{"2130706433:80", "not an IPv4 address"},
	{"127.1", "not an IPv4 address"},
	{"0177.0.0.1", "not an IPv4 address"},
	{"127.0.0.01", "not an IPv4 address"},
	{"1.2.3.4.5", "not an IPv4 address"},
	{"256.1.1.1", "not an IPv4 address"},
	{"1.2.3.4.", "not an IPv4 address"},
	{"0x7f.0.0.1", "looks like an address"},
	{"0x7f000001", "looks like an address"},
	{"a.0x10", "looks like an address"},
	{"example.1", "looks like an address"},
	{"*.1", "looks like an address"},
	{"10.0.0.1/8", "bits below its prefix"},
	{"10.0.0.0/33", "prefix must be"},
	{"10.0.0.0/08", "prefix must be"},
	{"10.0.0.0/", "prefix must be"},
	{"fd00::1/8", "bits below its prefix"},
	{"::/129", "prefix must be"},
	{"[::1", "brackets go around"},
	{"[::1]80", "brackets go around"},
	{"[example.com]:80", "not an IPv6 address"},
	{"[1.2.3.4]:80", "not an IPv6 address"},
	{"fe80::1%eth0", "a scope"},
	{"[fe80::1%2]:80", "a scope"},
	{"::1::", "not an IPv6 address"},
	{"0.0.0.0", "unspecified"},
	{"0.0.0.0:80", "unspecified"},
	{"::", "unspecified"},
	{"[::ffff:0.0.0.0]:80", "unspecified"},
	{"http://example.com", "only udp://"},
	{"tcp://1.2.3.4", "only"},
	{"example.com/24", "only an address"},
	{"unix:/run/x.sock", "port must be"},
};

static void what_is_no_grant_is_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(bad); i++) {
		struct net_grant g;
		char why[200] = "", message[400];

		if (!address_parse(bad[i].text, &g, why, sizeof(why)) || !strstr(why, bad[i].why)) {
			snprintf(message, sizeof(message), "%s: expected '%s', got '%s'", bad[i].text, bad[i].why, why);
			fail_msg("%s", message);
		}
		address_done(&g);
	}
}

/* --- judging ---------------------------------------------------------------------------------- */

static struct net_grant parse(const char *text)
{
	struct net_grant g;
	char why[200];

	if (address_parse(text, &g, why, sizeof(why)))
		fail_msg("%s: %s", text, why);
	return g;
}

static struct net_peer peer(const char *host, unsigned port, bool udp)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_scope_id = 7, .sin6_flowinfo = 9};
	struct net_peer p;

	if (inet_pton(AF_INET, host, &in.sin_addr) == 1)
		assert_true(address_peer((struct sockaddr *)&in, sizeof(in), udp, &p));
	else if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1)
		assert_true(address_peer((struct sockaddr *)&in6, sizeof(in6), udp, &p));
	else
		fail_msg("%s: no address", host);
	return p;
}

static const struct {
	const char *grant, *host;
	unsigned port;
	bool udp, covered;
} judged[] = {
	{"1.2.3.4:80", "1.2.3.4", 80, false, true},
	{"1.2.3.4:80", "1.2.3.4", 81, false, false},
	{"1.2.3.4:80", "1.2.3.5", 80, false, false},
	{"1.2.3.4:80", "1.2.3.4", 80, true, false},
	{"udp://1.2.3.4:80", "1.2.3.4", 80, true, true},
	{"udp://1.2.3.4:80", "1.2.3.4", 80, false, false},
	{"1.2.3.4", "1.2.3.4", 0, false, false}, /* port 0 is none */
	{"10.0.0.0/8", "10.255.255.255", 1, false, true},
	{"10.0.0.0/8", "11.0.0.0", 1, false, false},
	{"10.0.0.0/8", "9.255.255.255", 1, false, false},
	/* mapped is IPv4 */
	{"1.2.3.4", "::ffff:1.2.3.4", 80, false, true},
	{"::ffff:1.2.3.4", "1.2.3.4", 80, false, true},
	{"::/0", "::ffff:8.8.8.8", 80, false, false},
	{"::/0", "8.8.8.8", 80, false, false},
	{"*", "::ffff:127.0.0.1", 80, false, false},
	{"*", "::ffff:169.254.169.254", 80, false, false},
	{"1.2.3.4", "::1.2.3.4", 80, false, false}, /* compatible is not mapped */
	{"127.0.0.1", "::127.0.0.1", 80, false, false},
	/* public */
	{"*", "8.8.8.8", 80, false, true},
	{"*", "2606:4700::1111", 80, false, true},
	{"*", "127.0.0.1", 80, false, false},
	{"*", "127.255.255.254", 80, false, false},
	{"*", "0.0.0.0", 80, false, false},
	{"*", "::", 80, false, false},
	{"*", "0.0.0.1", 80, false, false},
	{"*", "10.1.2.3", 80, false, false},
	{"*", "172.16.0.1", 80, false, false},
	{"*", "172.31.255.255", 80, false, false},
	{"*", "172.32.0.1", 80, false, true},
	{"*", "192.168.1.1", 80, false, false},
	{"*", "100.64.0.1", 80, false, false},
	{"*", "100.127.255.255", 80, false, false},
	{"*", "100.128.0.1", 80, false, true},
	{"*", "169.254.169.254", 80, false, false},
	{"*", "168.63.129.16", 80, false, false},
	{"*", "224.0.0.1", 80, false, false},
	{"*", "255.255.255.255", 80, false, false},
	{"*", "240.0.0.1", 80, false, false},
	{"*", "198.18.0.1", 80, false, false},
	{"*", "::1", 80, false, false},
	{"*", "fe80::1", 80, false, false},
	{"*", "fec0::1", 80, false, false},
	{"*", "fd00:ec2::254", 80, false, false},
	{"*", "fc00::1", 80, false, false},
	{"*", "ff02::1", 80, false, false},
	{"*", "::8.8.8.8", 80, false, false},
	{"*", "::ffff:0:8.8.8.8", 80, false, false},
	{"*", "64:ff9b::8.8.8.8", 80, false, true},
	{"*", "64:ff9b::127.0.0.1", 80, false, false},
	{"*", "64:ff9b::10.0.0.1", 80, false, false},
	{"*", "64:ff9b::169.254.169.254", 80, false, false},
	{"*", "64:ff9b:1::1", 80, false, false},
	{"*", "2002:7f00:1::1", 80, false, false},
	{"*", "2002:808:808::1", 80, false, false},
	{"*", "2001::1", 80, false, false}, /* Teredo */
	{"*", "2001:db8::1", 80, false, false},
	{"*", "4000::1", 80, false, false},
	/* a range reaches into a special one only from inside */
	{"0.0.0.0/0", "8.8.8.8", 80, false, true},
	{"0.0.0.0/0", "127.0.0.1", 80, false, false},
	{"0.0.0.0/0", "10.0.0.1", 80, false, false},
	{"0.0.0.0/0", "0.0.0.0", 80, false, false},
	{"0.0.0.0/0", "169.254.169.254", 80, false, false},
	{"128.0.0.0/1", "192.168.0.1", 80, false, false},
	{"192.168.0.0/16", "192.168.0.1", 80, false, true},
	{"192.0.0.0/8", "192.168.0.1", 80, false, false},
	{"169.254.0.0/16", "169.254.1.1", 80, false, true},
	{"169.254.0.0/16", "169.254.169.254", 80, false, false},
	{"169.254.169.254", "169.254.169.254", 80, false, true},
	{"fd00::/8", "fd00::1", 80, false, true},
	{"fd00::/8", "fd00:ec2::254", 80, false, false},
	{"[fd00:ec2::254]:80", "fd00:ec2::254", 80, false, true},
	{"::/0", "::1", 80, false, false},
	{"::/0", "2606:4700::1111", 80, false, true},
	{"::/0", "fd00::1", 80, false, false},
	{"::/96", "::1", 80, false, false},
	{"::/104", "::1", 80, false, false},
	{"127.0.0.0/8", "127.0.0.1", 80, false, true},
	{"64:ff9b::/96", "64:ff9b::8.8.8.8", 80, false, true},
	{"64:ff9b::/96", "64:ff9b::10.0.0.1", 80, false, false},
	{"64:ff9b::10.0.0.0/104", "64:ff9b::10.0.0.1", 80, false, true},
	{"2002::/16", "2002:808:808::1", 80, false, true},
	{"2002::/16", "2002:7f00:1::1", 80, false, false},
	/* the unspecified address is the loopback */
	{"127.0.0.1:80", "0.0.0.0", 80, false, true},
	{"127.0.0.1:80", "::ffff:0.0.0.0", 80, false, true},
	{"[::1]:80", "::", 80, false, true},
	{"127.0.0.1:80", "::", 80, false, false},
	/* names have no address yet, wildcards never do; judged as one of the name's addresses */
	{"example.com", "8.8.8.8", 80, false, true},
	{"example.com", "127.0.0.1", 80, false, false},
	{"*.example.com", "8.8.8.8", 80, false, false},
};

static void peers_are_judged(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < N(judged); i++) {
		struct net_grant g = parse(judged[i].grant);
		struct net_peer p = peer(judged[i].host, judged[i].port, judged[i].udp);

		if (address_covers(&g, &p) != judged[i].covered) {
			print_error("%s, %s port %u udp %d: expected %d\n", judged[i].grant, judged[i].host, judged[i].port,
			            judged[i].udp, judged[i].covered);
			wrong++;
		}
		address_done(&g);
	}
	assert_int_equal(wrong, 0);
}

static void short_addresses_are_no_peers(void **state)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_storage other = {.ss_family = AF_UNIX};
	struct net_peer p;

	(void)state;
	for (size_t n = 2; n < sizeof(in); n++)
		assert_false(address_peer((struct sockaddr *)&in, n, false, &p));
	for (size_t n = 2; n < 24; n++) /* without a scope it is whole, as the kernel sees it */
		assert_false(address_peer((struct sockaddr *)&in6, n, false, &p));
	assert_true(address_peer((struct sockaddr *)&in6, 24, false, &p));
	assert_false(address_peer((struct sockaddr *)&other, sizeof(other), false, &p));
}

static const struct {
	const char *bound, *grant;
	bool within;
} bounds[] = {
	{"*:443", "example.com:443", true},
	{"*:443", "example.com:80", false},
	{"*:443", "example.com", false},
	{"*", "*.example.com:443", true},
	{"*", "*", true},
	{"*", "8.8.8.0/24", true},
	{"*", "0.0.0.0/0", true},
	{"*", "10.0.0.0/8", false},
	{"*", "127.0.0.1", false},
	{"*", "udp://example.com", false},
	{"udp://*", "udp://example.com", true},
	{"10.0.0.0/8", "10.1.0.0/16:80", true},
	{"10.0.0.0/8", "10.0.0.0/7", false},
	{"10.0.0.0/8", "example.com", false},
	{"10.0.0.0/8", "*", false},
	{"0.0.0.0/0", "10.0.0.0/8", false},
	{"0.0.0.0/0", "8.8.8.8", true},
	{"0.0.0.0/0", "*", false},
	{"169.254.0.0/16", "169.254.169.254", false},
	{"::/0", "::ffff:8.8.8.8", false},
	{"example.com", "EXAMPLE.com:80", true},
	{"example.com", "www.example.com", false},
	{"*.example.com", "www.example.com", true},
	{"*.example.com", "*.www.example.com", true},
	{"*.example.com", "*.example.com", true},
	{"*.example.com", "example.com", false},
	{"*.example.com", "badexample.com", false},
	{"*.example.com", "*.com", false},
	{"example.com", "8.8.8.8", false},
	{"*:80-90", "a:80-90", true},
	{"*:80-90", "a:80-91", false},
};

static void grants_are_held_against_bounds(void **state)
{
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < N(bounds); i++) {
		struct net_grant b = parse(bounds[i].bound), g = parse(bounds[i].grant);

		if (address_within(&b, &g) != bounds[i].within) {
			print_error("%s within %s: expected %d\n", bounds[i].grant, bounds[i].bound, bounds[i].within);
			wrong++;
		}
		address_done(&b);
		address_done(&g);
	}
	assert_int_equal(wrong, 0);
}

/* What is within a bound covers nothing that the bound does not cover. */
static void bounds_hold_for_every_address(void **state)
{
	static const char *const grants[] = {"*", "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "127.0.0.0/8", "127.0.0.1", "169.254.0.0/16",
		"169.254.169.254", "128.0.0.0/1", "192.168.0.0/16", "::/0", "fd00::/8", "[fd00:ec2::254]:1-65535", "64:ff9b::/96",
		"64:ff9b::10.0.0.0/104", "2002::/16", "::/96", "::1", "100.64.0.0/10", "100.100.100.200"};
	int wrong = 0;

	(void)state;
	for (size_t b = 0; b < N(grants); b++)
		for (size_t g = 0; g < N(grants); g++)
			for (size_t i = 0; i < N(judged); i++) {
				struct net_grant bound = parse(grants[b]), grant = parse(grants[g]);
				struct net_peer p = peer(judged[i].host, 80, false);

				if (address_within(&bound, &grant) && address_covers(&grant, &p) && !address_covers(&bound, &p)) {
					print_error("%s is within %s, but covers %s alone\n", grants[g], grants[b], judged[i].host);
					wrong++;
				}
				address_done(&bound);
				address_done(&grant);
			}
	assert_int_equal(wrong, 0);
}

/* --- a job's grants and pins ------------------------------------------------------------------- */

static int judge(const struct net *n, const char *host, unsigned port)
{
	struct net_peer p = peer(host, port, false);
	const char *why = NULL;
	int rc = net_judge(n, &p, &why);

	assert_int_equal(!rc, !why);
	return rc;
}

static void pin(struct net *n, const char *name, const char *host, int expected)
{
	struct net_peer p = peer(host, 1, false);

	assert_int_equal(net_pin(n, name, &p.addr, 1), expected);
}

static void names_mean_their_pinned_addresses_and_no_others(void **state)
{
	static const char *const texts[] = {"Example.com:443", "localhost:80", "*.wild.com:443", "10.9.0.0/16:443"};
	struct policy none = {0};
	struct net n;
	struct err e;

	(void)state;
	assert_int_equal(net_init(&n, &none, texts, N(texts), &e), 0);
	assert_int_equal(judge(&n, "93.184.216.34", 443), -EACCES);
	pin(&n, "EXAMPLE.COM.", "93.184.216.34", 0);
	pin(&n, "example.com", "10.0.0.1", 0);
	pin(&n, "example.com", "10.9.0.1", 0);
	pin(&n, "localhost", "127.0.0.1", 0);
	pin(&n, "other.com", "8.8.8.8", -EPERM);
	pin(&n, "www.wild.com", "8.8.8.8", -EPERM); /* through the proxy alone */
	assert_int_equal(judge(&n, "93.184.216.34", 443), 0);
	assert_int_equal(judge(&n, "::ffff:93.184.216.34", 443), 0);
	assert_int_equal(judge(&n, "93.184.216.34", 80), -EACCES);
	assert_int_equal(judge(&n, "93.184.216.35", 443), -EACCES);
	assert_int_equal(judge(&n, "10.0.0.1", 443), -EACCES); /* rebinding */
	assert_int_equal(judge(&n, "10.9.0.1", 443), 0);
	assert_int_equal(judge(&n, "127.0.0.1", 80), -EACCES);
	assert_int_equal(judge(&n, "8.8.8.8", 443), -EACCES);
	net_done(&n);
}

static void pins_are_bounded(void **state)
{
	static const char *const texts[] = {"example.com"};
	struct policy none = {0};
	struct net n;
	struct err e;
	struct in6_addr a = {{{0x20}}};

	(void)state;
	assert_int_equal(net_init(&n, &none, texts, 1, &e), 0);
	for (unsigned i = 0; i < NET_PINS_MAX; i++) {
		a.s6_addr[14] = (uint8_t)(i >> 8), a.s6_addr[15] = (uint8_t)i;
		assert_int_equal(net_pin(&n, "example.com", &a, 1), 0);
		assert_int_equal(net_pin(&n, "example.com", &a, 1), 0);
	}
	a.s6_addr[0] = 0x21;
	assert_int_equal(net_pin(&n, "example.com", &a, 1), -ENOSPC);
	net_done(&n);
}

static void nothing_granted_is_nothing(void **state)
{
	static const char *const wrong[] = {"example.com:0"};
	struct policy none = {0};
	struct net n;
	struct err e;

	(void)state;
	assert_int_equal(net_init(&n, &none, NULL, 0, &e), 0);
	for (size_t i = 0; i < N(judged); i++)
		assert_int_equal(judge(&n, judged[i].host, 80), -EACCES);
	net_done(&n);
	assert_int_equal(net_init(&n, &none, wrong, 1, &e), -EINVAL);
	assert_non_null(strstr(e.text, "example.com:0: the port must be"));
}

/* --- tables ------------------------------------------------------------------------------------ */

static void options_are_unique_and_found(void **state)
{
	const struct socket_option *o, *other;
	char text[100];

	(void)state;
	for (size_t i = 0; (o = socket_option_at(i)); i++) {
		snprintf(text, sizeof(text), "%s/%s", o->level_name, o->name);
		assert_ptr_equal(socket_option_find(text), o);
		for (size_t k = 0; k < i; k++) {
			other = socket_option_at(k);
			if (other->level == o->level && other->option == o->option)
				fail_msg("%s and %s are one number", other->name, o->name);
		}
	}
	assert_null(socket_option_find("SO_REUSEADDR"));
	assert_null(socket_option_find("SOL_SOCKET/"));
	assert_null(socket_option_find("IPPROTO_TCP/SO_REUSEADDR"));
}

static void only_plain_sockets_are_kinds(void **state)
{
	(void)state;
	assert_int_equal(socket_kind_of(AF_INET, SOCK_STREAM, 0), POLICY_TCP4);
	assert_int_equal(socket_kind_of(AF_INET6, SOCK_STREAM, IPPROTO_TCP), POLICY_TCP6);
	assert_int_equal(socket_kind_of(AF_INET, SOCK_DGRAM, 0), POLICY_UDP4);
	assert_int_equal(socket_kind_of(AF_INET, SOCK_STREAM, 262 /* MPTCP */), -1);
	assert_int_equal(socket_kind_of(AF_INET, SOCK_STREAM, IPPROTO_SCTP), -1);
	assert_int_equal(socket_kind_of(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), -1);
	assert_int_equal(socket_kind_of(AF_INET, SOCK_RAW, 0), -1);
	assert_int_equal(socket_kind_of(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1);
	assert_int_equal(socket_kind_of(AF_UNIX, SOCK_STREAM, 0), -1);
	assert_int_equal(socket_kind_of(AF_NETLINK, SOCK_RAW, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants_are_parsed),
		cmocka_unit_test(what_is_no_grant_is_refused_with_a_reason),
		cmocka_unit_test(peers_are_judged),
		cmocka_unit_test(short_addresses_are_no_peers),
		cmocka_unit_test(grants_are_held_against_bounds),
		cmocka_unit_test(bounds_hold_for_every_address),
		cmocka_unit_test(names_mean_their_pinned_addresses_and_no_others),
		cmocka_unit_test(pins_are_bounded),
		cmocka_unit_test(nothing_granted_is_nothing),
		cmocka_unit_test(options_are_unique_and_found),
		cmocka_unit_test(only_plain_sockets_are_kinds),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
