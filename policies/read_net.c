#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "calls.h"
#include "mem.h"
#include "read.h"
#include "sockets.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- network ---------------------------------------------------------------------------------- */

static void add_grant(struct reader *r, const yaml_node_t *at, struct net_grant *g)
{
	struct policy *p = r->p;

	if (p->n_network == NET_GRANTS_MAX) {
		ydoc_fail(r->d, at, "network: more than %d lines", NET_GRANTS_MAX);
		address_done(g);
		return;
	}
	g->rule = read_rule(r, at, "network");
	p->network = mem_grow(p->network, p->n_network + 1, sizeof(*p->network));
	p->network[p->n_network++] = *g;
}

static void take_connect(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const char *s = ydoc_str(d, value, "connect");
	char why[READ_WHY_MAX];
	struct net_grant g;

	(void)key;
	if (!s)
		return;
	if (address_parse(s, &g, why, sizeof(why)))
		ydoc_fail(d, value, "connect: %.100s: %s", s, why);
	else
		add_grant(ctx, value, &g);
}

static void take_network_line(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {{"connect", take_connect}};

	(void)key;
	ydoc_map(d, value, "network", keys, N(keys), ctx);
	if (value->type == YAML_MAPPING_NODE && !ydoc_get(d, value, "connect"))
		ydoc_fail(d, value, "network: a line needs connect: \"host:port\"");
}

void read_network(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *reader)
{
	(void)key;
	ydoc_items(d, value, "network", take_network_line, reader);
}

const char *read_connect_problem(const char *text, char why[READ_WHY_MAX])
{
	struct net_grant g;
	bool wrong = address_parse(text, &g, why, READ_WHY_MAX);

	address_done(&g);
	return wrong ? why : NULL;
}

/* --- sockets ---------------------------------------------------------------------------------- */

struct triple {
	const char *family, *type, *protocol;
};

static void take_word(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct triple *t = ctx;
	const char *name = (const char *)key->data.scalar.value, *s = ydoc_str(d, value, name);

	*(*name == 'f' ? &t->family : *name == 't' ? &t->type : &t->protocol) = s;
}

static bool same(const char *have, const char *want)
{
	return have && !strcmp(have, want);
}

static void take_socket(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {{"family", take_word}, {"type", take_word}, {"protocol", take_word}};
	struct reader *r = ctx;
	struct triple t = {0};

	(void)key;
	ydoc_map(d, value, "sockets", keys, N(keys), &t);
	if (value->type != YAML_MAPPING_NODE)
		return;
	for (int i = 0; i < POLICY_SOCKETS; i++) {
		const struct socket_kind *k = &socket_kinds[i];

		if (same(t.family, k->family) && same(t.type, k->type) && same(t.protocol, k->protocol)) {
			r->p->sockets |= 1u << i;
			return;
		}
	}
	ydoc_fail(d, value, "sockets: %s, %s, %s cannot be granted; what can: inet or inet6 with stream, tcp or dgram, udp",
		  t.family ? t.family : "no family", t.type ? t.type : "no type", t.protocol ? t.protocol : "no protocol");
}

void read_sockets(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *reader)
{
	(void)key;
	ydoc_items(d, value, "sockets", take_socket, reader);
}

/* --- sockopts --------------------------------------------------------------------------------- */

static void add_option(struct reader *r, const yaml_node_t *at, const struct socket_option *o)
{
	struct policy *p = r->p;

	for (size_t i = 0; i < p->n_sockopts; i++) {
		if (p->sockopts[i].level == o->level && p->sockopts[i].option == o->option)
			return;
	}
	p->sockopts = mem_grow(p->sockopts, p->n_sockopts + 1, sizeof(*p->sockopts));
	p->sockopts[p->n_sockopts++] = (struct policy_sockopt){o->level, o->option, read_rule(r, at, "sockopts")};
}

static void take_option(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const char *s = ydoc_str(d, value, "sockopts");
	const struct socket_option *o = s ? socket_option_find(s) : NULL;

	(void)key;
	if (!s)
		return;
	if (!o)
		ydoc_fail(d, value, "sockopts: %s: unknown option; write it as LEVEL/NAME (IPPROTO_TCP/TCP_NODELAY)", s);
	else if (o->never)
		ydoc_fail(d, value, "sockopts: %s: on the floor, nothing grants it: %s", s, o->never);
	else
		add_option(ctx, value, o);
}

void read_sockopts(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *reader)
{
	(void)key;
	ydoc_items(d, value, "sockopts", take_option, reader);
}

/* --- what these keys mean for calls ----------------------------------------------------------- */

static struct policy_call *call_of(struct policy *p, const char *name)
{
	int nr = calls_number(name);

	return nr >= 0 && nr < p->n_calls ? &p->calls[nr] : NULL;
}

/* The size of a buffer is a value in memory: how much of the kernel's a job may take for what it sends is the broker's to say. */
static bool is_brokered(const struct policy_call *c, const struct policy_sockopt *o)
{
	return o->level == SOL_SOCKET && o->option == SO_SNDBUF && !strcmp(c->name, "setsockopt");
}

static bool share_a_row(const struct policy_call *c, const struct policy_sockopt *a, const struct policy_sockopt *b)
{
	return a->level == b->level && is_brokered(c, a) == is_brokered(c, b);
}

/* The row that an option of `sockopts:` becomes; others of its level are further values. */
static struct policy_row option_row(const struct policy *p, const struct policy_call *c, size_t first)
{
	struct policy_row row = {.kind = is_brokered(c, &p->sockopts[first]) ? RULE_BROKER : RULE_ALLOW, .n_conds = 2,
	                         .rule = mem_copy(p->sockopts[first].rule)};

	row.conds = mem_zeroed(2, sizeof(*row.conds));
	row.conds[0] = (struct policy_cond){.arg = 1, .op = COND_IN, .n_values = 1, .values = {(uint64_t)p->sockopts[first].level}};
	row.conds[1] = (struct policy_cond){.arg = 2, .op = COND_IN};
	for (size_t i = first; i < p->n_sockopts && row.conds[1].n_values < RULE_VALUES_MAX; i++) {
		if (share_a_row(c, &p->sockopts[i], &p->sockopts[first]))
			row.conds[1].values[row.conds[1].n_values++] = (uint64_t)p->sockopts[i].option;
	}
	return row;
}

static bool is_first_of_row(const struct policy *p, const struct policy_call *c, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (share_a_row(c, &p->sockopts[k], &p->sockopts[i]))
			return false;
	}
	return true;
}

/* Options come before what the call's own rows say. */
static void settle_options(struct policy *p, struct policy_call *c)
{
	struct policy_row *rows = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->n_sockopts; i++) {
		if (!is_first_of_row(p, c, i))
			continue;
		rows = mem_grow(rows, n + 1, sizeof(*rows));
		rows[n++] = option_row(p, c, i);
	}
	rows = mem_grow(rows, n + c->n_rows + 1, sizeof(*rows));
	if (c->n_rows)
		memcpy(rows + n, c->rows, c->n_rows * sizeof(*rows));
	free(c->rows);
	c->rows = rows;
	c->n_rows += n;
	if (c->n_rows == n && n) /* the policy says nothing of the call: other options are refused, not killed */
		c->rows[n - 1].otherwise = EPERM;
}

/* sendto whose row looks at the register of the address and finds none there */
static bool has_no_address(const struct policy_row *row)
{
	for (size_t i = 0; i < row->n_conds; i++) {
		const struct policy_cond *c = &row->conds[i];

		if (c->arg == 4 && c->op == COND_IN && c->n_values == 1 && !c->values[0])
			return row->kind == RULE_ALLOW;
	}
	return false;
}

/* A datagram socket takes an address with every message, in memory: then no such call is the kernel's alone. */
static void settle_datagrams(struct policy *p, const char *name)
{
	struct policy_call *c = call_of(p, name);
	size_t keep = 0;

	for (size_t i = 0; c && i < c->n_rows; i++) {
		if (!strcmp(name, "sendto") && has_no_address(&c->rows[i])) {
			c->rows[i].otherwise = 0;
			c->rows[keep++] = c->rows[i];
		} else {
			read_rows_done(&c->rows[i], 1);
		}
	}
	if (!c)
		return;
	c->rows = mem_grow(c->rows, keep + 1, sizeof(*c->rows));
	c->rows[keep] = (struct policy_row){.kind = RULE_BROKER, .rule = mem_copy("sockets: datagrams")};
	c->n_rows = keep + 1;
}

/* The texts of callers_may.connect were looked at when they were read. */
static void settle_bounds(struct policy *p)
{
	const struct policy_bounds *b = &p->callers_may[GRANT_CONNECT];
	char why[READ_WHY_MAX];

	p->may_connect = mem_zeroed(b->n, sizeof(*p->may_connect));
	for (size_t i = 0; i < b->n; i++) {
		if (!address_parse(b->v[i].text, &p->may_connect[p->n_may_connect], why, sizeof(why)))
			p->n_may_connect++;
	}
}

void read_settle_net(struct policy *p)
{
	static const char *const options[] = {"getsockopt", "setsockopt"};
	static const char *const sends[] = {"sendto", "sendmsg", "sendmmsg"};

	settle_bounds(p);
	for (size_t i = 0; p->n_sockopts && i < N(options); i++) {
		struct policy_call *c = call_of(p, options[i]);

		if (c)
			settle_options(p, c);
	}
	for (size_t i = 0; p->sockets & POLICY_DATAGRAMS && i < N(sends); i++)
		settle_datagrams(p, sends[i]);
}

void read_net_done(struct policy *p)
{
	for (size_t i = 0; i < p->n_network; i++)
		address_done(&p->network[i]);
	for (size_t i = 0; i < p->n_may_connect; i++)
		address_done(&p->may_connect[i]);
	for (size_t i = 0; i < p->n_sockopts; i++)
		free(p->sockopts[i].rule);
	free(p->may_connect);
	free(p->network);
	free(p->sockopts);
}
