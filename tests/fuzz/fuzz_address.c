/* Addresses: grants as text, socket addresses as bytes. No text and no bytes lead past the special ranges. */
#include "fuzz.h"

#include <arpa/inet.h>

#include "address.h"
#include "decode.h"

/* What `*` and names must never cover, told anew here and not by the table under test. */
static bool is_plainly_private(const struct in6_addr *a)
{
	const uint8_t *b = a->s6_addr;
	static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;

	if (!IN6_IS_ADDR_V4MAPPED(a))
		return memcmp(a, &loopback, 16) == 0 || (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || b[0] == 0xff;
	return b[12] == 10 || b[12] == 127 || b[12] == 0 || b[12] >= 224 || (b[12] == 192 && b[13] == 168) || (b[12] == 169 && b[13] == 254) ||
	       (b[12] == 172 && (b[13] & 0xf0) == 16) || (b[12] == 100 && (b[13] & 0xc0) == 64);
}

static void check(const struct net_grant *g, const struct net_peer *p)
{
	bool covered = address_covers(g, p);

	if (covered && (g->kind == NET_PUBLIC || g->kind == NET_NAME))
		FUZZ_REQUIRE(!is_plainly_private(&p->addr), "a public grant covers a private address");
	if (covered)
		FUZZ_REQUIRE(g->kind != NET_WILDCARD && p->port >= g->port_lo && p->port <= g->port_hi && p->udp == g->udp, "covered by the wrong grant");
	FUZZ_REQUIRE(address_within(g, g), "a grant is not within itself");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = {data, size};
	struct net_peer peer;
	struct net_grant g = {0}, h = {0};
	char why[200] = "", words[256], text[300];
	size_t len = feed_number(&f, 1) % (sizeof(struct sockaddr_storage) + 1);
	uint8_t *sa = malloc(len ? len : 1); /* its own size, so that a look behind it is seen */

	feed_bytes(&f, sa, len);
	bool whole = address_peer((const struct sockaddr *)sa, len, feed_number(&f, 1) & 1, &peer);
	decode_address((const struct sockaddr *)sa, len, words, sizeof(words));
	FUZZ_REQUIRE(memchr(words, 0, sizeof(words)), "an address without an end");
	for (const char *c = words; *c; c++)
		FUZZ_REQUIRE((unsigned char)*c >= ' ' && *c != 0x7f, "control characters in an address");
	if (whole)
		address_special(&peer.addr);
	size_t n = feed_number(&f, 1) % sizeof(text);
	feed_bytes(&f, text, n);
	text[n] = 0;
	if (address_parse(text, &g, why, sizeof(why)) == 0) {
		if (whole)
			check(&g, &peer);
		size_t m = f.left < sizeof(text) - 1 ? f.left : sizeof(text) - 1;
		feed_bytes(&f, text, m);
		text[m] = 0;
		if (address_parse(text, &h, why, sizeof(why)) == 0 && whole && address_covers(&h, &peer) && g.kind != NET_WILDCARD && address_within(&g, &h))
			FUZZ_REQUIRE(address_covers(&g, &peer), "within a bound that does not cover it");
		address_done(&h);
	} else {
		FUZZ_REQUIRE(why[0], "refused without a word");
	}
	address_done(&g);
	free(sa);
	return 0;
}
