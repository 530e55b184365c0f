#include "lines.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "mem.h"
#include "sockets.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define ROW_SIZE 2048

static const char *const kinds[] = {
	[RULE_KILL] = "kill", [RULE_ALLOW] = "allow", [RULE_BROKER] = "broker", [RULE_REFUSE] = "refuse", [RULE_REFUSE_QUIETLY] = "refuse_quietly"};
static const char *const ops[] = {
	[COND_IN] = "is one of", [COND_MASK] = "has all bits of", [COND_NONE_OF] = "has no bit of", [COND_ONLY] = "has no bit outside"};

__attribute__((format(printf, 3, 4))) static void add(struct lines *l, const char *rule, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	l->v = mem_grow(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct line){text, rule};
}

__attribute__((format(printf, 4, 5))) static void put(char *buf, size_t size, size_t *n, const char *fmt, ...)
{
	va_list ap;
	int k;

	va_start(ap, fmt);
	k = *n < size ? vsnprintf(buf + *n, size - *n, fmt, ap) : 0;
	va_end(ap);
	*n += k > 0 ? (size_t)k : 0;
}

void lines_row(const struct policy_row *row, char *buf, size_t size)
{
	size_t n = 0;

	put(buf, size, &n, "%s", kinds[row->kind]);
	if (row->err)
		put(buf, size, &n, " %s", err_name(row->err));
	for (size_t i = 0; i < row->n_conds; i++) {
		const struct policy_cond *c = &row->conds[i];

		put(buf, size, &n, "%s arg %u %s", i ? " and" : " if", c->arg, ops[c->op]);
		for (size_t k = 0; k < c->n_values; k++)
			put(buf, size, &n, "%s 0x%llx", k ? "," : "", (unsigned long long)c->values[k]);
	}
	if (row->otherwise)
		put(buf, size, &n, ", else %s", err_name(row->otherwise));
}

static void add_calls(struct lines *l, const struct policy *p)
{
	char text[ROW_SIZE];

	for (int nr = 0; nr < p->n_calls; nr++) {
		const struct policy_call *c = &p->calls[nr];

		for (size_t i = 0; i < c->n_rows; i++) {
			lines_row(&c->rows[i], text, sizeof(text));
			add(l, c->rows[i].rule, "call %s %s", c->name, text);
		}
	}
}

static void add_file(struct lines *l, const struct policy_file *f)
{
	add(l, f->rule, "file %s%s%s%s%s", f->interpreter ? "(the interpreter's library trees)" : f->path, f->rights & RIGHT_READ ? " read" : "",
	    f->rights & RIGHT_WRITE ? " write" : "", f->rights & RIGHT_CREATE ? " create" : "", f->rights & RIGHT_LIST ? " list" : "");
}

static void add_grant(struct lines *l, const struct net_grant *g)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(&g->addr);
	char host[INET6_ADDRSTRLEN + 8] = "*", ip[INET6_ADDRSTRLEN];

	if (g->kind == NET_RANGE) {
		inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &g->addr.s6_addr[12] : g->addr.s6_addr, ip, sizeof(ip));
		snprintf(host, sizeof(host), v4 ? "%s/%u" : "[%s/%u]", ip, g->prefix - (v4 ? 96 : 0));
	}
	add(l, g->rule, "connect %s%s%s:%u-%u", g->udp ? "udp://" : "", g->kind == NET_WILDCARD ? "*." : "", g->name ? g->name : host, g->port_lo,
	    g->port_hi);
}

static void add_network(struct lines *l, const struct policy *p)
{
	for (size_t i = 0; i < p->n_network; i++)
		add_grant(l, &p->network[i]);
	for (int i = 0; i < POLICY_SOCKETS; i++)
		if (p->sockets >> i & 1)
			add(l, NULL, "socket %s %s %s", socket_kinds[i].family, socket_kinds[i].type, socket_kinds[i].protocol);
}

static void add_list(struct lines *l, const char *what, char *const *v)
{
	for (; *v; v++)
		add(l, NULL, "%s %s", what, *v);
}

void lines_of(const struct policy *p, struct lines *l)
{
	*l = (struct lines){0};
	if (p->has_language) {
		add(l, NULL, "language %s", language_name(p->language));
		add(l, NULL, "interpreter %s", p->interpreter);
	}
	if (p->dependencies)
		add(l, NULL, "dependencies %s", p->dependencies);
	add_list(l, "preload", p->preload);
	add_calls(l, p);
	for (size_t i = 0; i < p->n_files; i++)
		add_file(l, &p->files[i]);
	add_network(l, p);
	for (int i = 0; i < LIMIT_COUNT; i++)
		add(l, NULL, "limit %s %llu, for callers at most %llu", limit_name(i), (unsigned long long)p->limits[i],
		    (unsigned long long)p->max_limits[i]);
	add(l, NULL, "on_output_limit %s", p->end_on_output_limit ? "end" : "cut");
	add_list(l, "env", p->env);
	add_list(l, "quiet", p->quiet);
	for (int g = 0; g < GRANT_COUNT; g++)
		for (size_t i = 0; i < p->callers_may[g].n; i++)
			add(l, NULL, "callers_may %s %s", grant_kind_name(g), p->callers_may[g].v[i].text);
}

static bool has(const struct lines *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i].text, text))
			return true;
	return false;
}

static void add_missing(struct lines *out, char mark, const struct lines *from, const struct lines *in)
{
	for (size_t i = 0; i < from->n; i++)
		if (!has(in, from->v[i].text))
			add(out, from->v[i].rule, "%c %s", mark, from->v[i].text);
}

void lines_diff(const struct policy *a, const struct policy *b, struct lines *out)
{
	struct lines x, y;

	lines_of(a, &x);
	lines_of(b, &y);
	*out = (struct lines){0};
	add_missing(out, '-', &x, &y);
	add_missing(out, '+', &y, &x);
	lines_done(&x);
	lines_done(&y);
}

void lines_done(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].text);
	free(l->v);
	*l = (struct lines){0};
}
