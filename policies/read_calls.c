#include "read.h"

#include <errno.h>
#include <stdio.h>

#include "calls.h"
#include "mem.h"
#include "symbols.h"

char *read_rule(const struct reader *r, const yaml_node_t *at, const char *group)
{
	char *s;

	if (asprintf(&s, "%s:%d %s", r->source, ydoc_line(at), group) < 0)
		abort();
	return s;
}

void read_rows_done(struct policy_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rows[i].conds);
		free(rows[i].rule);
	}
}

void read_rows_free(struct policy_row *rows, size_t n)
{
	read_rows_done(rows, n);
	free(rows);
}

/* --- the floor -------------------------------------------------------------------------------- */

/* Whether the row can hold for no value of the argument with one of `bits` set. */
static bool keeps_out(const struct policy_row *row, unsigned arg, uint64_t bits)
{
	for (size_t i = 0; i < row->n_conds; i++) {
		const struct policy_cond *c = &row->conds[i];
		uint64_t seen = 0;

		if (c->arg != arg)
			continue;
		for (size_t v = 0; v < c->n_values; v++)
			seen |= c->values[v];
		if ((c->op == COND_NONE_OF && !(bits & ~seen)) ||
		    ((c->op == COND_ONLY || c->op == COND_IN) && !(bits & seen)))
			return true;
	}
	return false;
}

/* Says what is wrong and returns false when the row lifts what nothing may lift. Refusing and killing lift nothing. */
static bool above_floor(struct reader *r, yaml_node_t *at, const char *name, const struct policy_row *row)
{
	const struct floor *f = floor_find(name);

	if (!f || (row->kind != RULE_ALLOW && row->kind != RULE_BROKER))
		return true;
	if (f->kind == FLOOR_NEVER)
		ydoc_fail(r->d, at, "%s: on the floor, may only be refused or killed: %s", name, f->why);
	else if (f->kind == FLOOR_BROKER_ONLY && row->kind == RULE_ALLOW)
		ydoc_fail(r->d, at, "%s: may be brokered or refused, never allowed: %s", name, f->why);
	else if (f->kind == FLOOR_CONDITIONAL && row->kind == RULE_ALLOW && !row->n_conds)
		ydoc_fail(r->d, at, "%s: may be allowed under conditions (allow_if) only: %s", name, f->why);
	else if (f->bits && !keeps_out(row, f->arg, f->bits))
		ydoc_fail(r->d, at, "%s: must keep bits 0x%llx of argument %u out (only, none_of): on the floor", name,
			  (unsigned long long)f->bits, f->arg);
	else
		return true;
	return false;
}

/* --- one row ---------------------------------------------------------------------------------- */

/* The place for what this file says of `name`; NULL when it cannot be used, after telling why (a call that only other
 * architectures have is no error: policies are written once for all). */
static struct read_call *place_of(struct reader *r, yaml_node_t *at, const char *name, bool conditional)
{
	int nr = calls_number(name);
	struct read_call *c;

	if (nr == CALLS_UNKNOWN)
		ydoc_fail(r->d, at, "%s: unknown system call", name);
	if (nr < 0)
		return NULL;
	c = &r->own[nr];
	if (c->line && (!conditional || !c->n || !c->rows[c->n - 1].n_conds)) {
		ydoc_fail(r->d, at, "%s: listed twice in this file, first in line %d", name, c->line);
		return NULL;
	}
	if (c->n && c->rows[c->n - 1].otherwise) {
		ydoc_fail(r->d, at, "%s: only the last condition of a call may say else (line %d does)", name, c->line);
		return NULL;
	}
	if (c->n == READ_ROWS_MAX) {
		ydoc_fail(r->d, at, "%s: more than %d conditions", name, READ_ROWS_MAX);
		return NULL;
	}
	if (!c->line)
		c->line = ydoc_line(at);
	return c;
}

/* Takes row->conds. */
static void add_row(struct reader *r, yaml_node_t *at, const char *name, struct policy_row row)
{
	struct read_call *c = place_of(r, at, name, row.n_conds > 0);

	if (!c || !above_floor(r, at, name, &row)) {
		free(row.conds);
		return;
	}
	row.rule = read_rule(r, at, r->group);
	c->rows = mem_grow(c->rows, c->n + 1, sizeof(*c->rows));
	c->rows[c->n++] = row;
}

static int read_errno(struct ydoc *d, yaml_node_t *n, const char *where)
{
	const char *s = ydoc_str(d, n, where);
	int e = s ? symbols_errno(s) : 0;

	if (s && !e)
		ydoc_fail(d, n, "%s: unknown errno %s", where, s);
	return e;
}

/* --- conditions ------------------------------------------------------------------------------- */

static const char *const op_names[] = {
	[COND_IN] = "in", [COND_MASK] = "mask", [COND_NONE_OF] = "none_of", [COND_ONLY] = "only"};
#define N_OPS (sizeof(op_names) / sizeof(op_names[0]))

struct condition { /* one condition mapping as it is being read */
	struct reader *r;
	const char *call;
	yaml_node_t *arg, *ops[N_OPS], *also;
	int otherwise;
	struct policy_cond *conds;
	size_t n;
};

static void take_call(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	((struct condition *)ctx)->call = ydoc_str(d, value, "call");
}

static void take_arg(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)d, (void)key;
	((struct condition *)ctx)->arg = value;
}

static void take_op(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)d;
	for (size_t i = 0; i < N_OPS; i++) {
		if (!strcmp(op_names[i], (const char *)key->data.scalar.value))
			((struct condition *)ctx)->ops[i] = value;
	}
}

static void take_else(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	((struct condition *)ctx)->otherwise = read_errno(d, value, "else");
}

static void take_and(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)d, (void)key;
	((struct condition *)ctx)->also = value;
}

static void add_value(struct ydoc *d, yaml_node_t *at, struct policy_cond *c, uint64_t v)
{
	if (c->n_values == RULE_VALUES_MAX)
		ydoc_fail(d, at, "more than %d values", RULE_VALUES_MAX);
	else
		c->values[c->n_values++] = v;
}

static void take_value(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct policy_cond *c = ctx;
	const char *s = ydoc_str(d, value, op_names[c->op]);
	int64_t v;

	(void)key;
	if (!s)
		return;
	if (!symbols_value(s, &v)) {
		ydoc_fail(d, value, "%s: unknown value %s", op_names[c->op], s);
	} else if (c->op != COND_IN) {
		if (*s == '-')
			ydoc_fail(d, value, "%s: %s: bits cannot be negative", op_names[c->op], s);
		c->values[0] |= (uint64_t)v;
		c->n_values = 1;
	} else {
		add_value(d, value, c, (uint64_t)v);
		/* A negative int reaches the kernel sign-extended or zero-extended, as its caller was compiled: the
		 * kernel looks at the low half alone, so both are the same value. */
		if (v < 0 && v >= INT32_MIN)
			add_value(d, value, c, (uint32_t)v);
	}
}

static void add_cond(struct condition *k, uint8_t arg, uint8_t op, yaml_node_t *values)
{
	struct policy_cond *c;

	if (k->n == RULE_CONDS_MAX) {
		ydoc_fail(k->r->d, values, "more than %d conditions in one row", RULE_CONDS_MAX);
		return;
	}
	k->conds = mem_grow(k->conds, k->n + 1, sizeof(*k->conds));
	c = &k->conds[k->n++];
	*c = (struct policy_cond){.arg = arg, .op = op};
	if (values->type == YAML_SCALAR_NODE)
		take_value(k->r->d, NULL, values, c);
	else
		ydoc_items(k->r->d, values, op_names[op], take_value, c);
	if (!c->n_values)
		ydoc_fail(k->r->d, values, "%s: no values", op_names[op]);
}

/* The arg and operators just read become conditions; several operators all have to hold. */
static void close_condition(struct condition *k, yaml_node_t *at)
{
	uint64_t arg = 0;
	size_t before = k->n;

	if (!k->arg)
		ydoc_fail(k->r->d, at, "%s: a condition needs arg (0 to 5)", k->call ? k->call : "condition");
	else
		ydoc_uint(k->r->d, k->arg, "arg", 0, 5, &arg);
	for (uint8_t op = 0; op < N_OPS; op++) {
		if (k->ops[op])
			add_cond(k, (uint8_t)arg, op, k->ops[op]);
	}
	if (k->n == before)
		ydoc_fail(k->r->d, at, "%s: a condition needs one of in, mask, none_of, only",
			  k->call ? k->call : "condition");
	k->arg = NULL;
	memset(k->ops, 0, sizeof(k->ops));
}

static void take_further(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {
		{"arg", take_arg}, {"in", take_op}, {"mask", take_op}, {"none_of", take_op}, {"only", take_op}};

	(void)key;
	ydoc_map(d, value, "and", keys, sizeof(keys) / sizeof(keys[0]), ctx);
	close_condition(ctx, value);
}

struct row_kind { /* a key of a group: what its names become, and how they are written */
	const char *key;
	enum rule_kind kind;
	void (*take)(struct reader *r, const struct row_kind *k, yaml_node_t *value);
};
struct listing { /* context of the items below such a key */
	struct reader *r;
	const struct row_kind *k;
};

static void take_condition(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {{"call", take_call}, {"arg", take_arg},    {"in", take_op},
					       {"mask", take_op},   {"none_of", take_op}, {"only", take_op},
					       {"else", take_else}, {"and", take_and}};
	struct listing *l = ctx;
	struct condition k = {.r = l->r};
	struct policy_row row;

	(void)key;
	ydoc_map(d, value, l->k->key, keys, sizeof(keys) / sizeof(keys[0]), &k);
	if (!k.call)
		ydoc_fail(d, value, "%s: a condition needs call", l->k->key);
	close_condition(&k, value);
	if (k.also)
		ydoc_items(d, k.also, "and", take_further, &k);
	row = (struct policy_row){
		.kind = l->k->kind, .otherwise = k.otherwise, .n_conds = (uint8_t)k.n, .conds = k.conds};
	if (k.call && k.n)
		add_row(l->r, value, k.call, row);
	else
		free(k.conds);
}

/* --- groups ----------------------------------------------------------------------------------- */

static void take_name(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct listing *l = ctx;
	const char *name = ydoc_str(d, value, l->k->key);

	(void)key;
	if (name)
		add_row(l->r, value, name, (struct policy_row){.kind = l->k->kind});
}

static void take_refusal(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct listing *l = ctx;
	const char *name = (const char *)key->data.scalar.value;
	int e = read_errno(d, value, name);

	if (e)
		add_row(l->r, key, name, (struct policy_row){.kind = l->k->kind, .err = e});
}

/* `kill:` changes nothing, since what is not listed is killed: it says that this is on purpose. */
static void take_killed(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct listing *l = ctx;
	const char *name = ydoc_str(d, value, l->k->key);
	struct read_call *c = name ? place_of(l->r, value, name, false) : NULL;

	(void)key;
	if (c)
		c->killed_by = read_rule(l->r, value, l->r->group);
}

static void names(struct reader *r, const struct row_kind *k, yaml_node_t *value)
{
	ydoc_items(r->d, value, k->key, take_name, &(struct listing){r, k});
}

static void conditions(struct reader *r, const struct row_kind *k, yaml_node_t *value)
{
	ydoc_items(r->d, value, k->key, take_condition, &(struct listing){r, k});
}

static void refusals(struct reader *r, const struct row_kind *k, yaml_node_t *value)
{
	ydoc_pairs(r->d, value, k->key, take_refusal, &(struct listing){r, k});
}

static void killed(struct reader *r, const struct row_kind *k, yaml_node_t *value)
{
	ydoc_items(r->d, value, k->key, take_killed, &(struct listing){r, k});
}

static const struct row_kind row_kinds[] = {
	{"allow", RULE_ALLOW, names},      {"allow_if", RULE_ALLOW, conditions},
	{"broker", RULE_BROKER, names},    {"broker_if", RULE_BROKER, conditions},
	{"refuse", RULE_REFUSE, refusals}, {"refuse_quietly", RULE_REFUSE_QUIETLY, refusals},
	{"kill", RULE_KILL, killed},
};

static void take_rows(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)d;
	for (size_t i = 0; i < sizeof(row_kinds) / sizeof(row_kinds[0]); i++) {
		if (!strcmp(row_kinds[i].key, (const char *)key->data.scalar.value))
			row_kinds[i].take(ctx, &row_kinds[i], value);
	}
}

static void take_why(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;
	const char *text = ydoc_str(d, value, "why");

	(void)key;
	if (!text)
		return;
	r->p->whys = mem_grow(r->p->whys, r->p->n_whys + 1, sizeof(*r->p->whys));
	r->p->whys[r->p->n_whys++] = (struct policy_why){mem_copy(r->source), mem_copy(r->group), mem_copy(text)};
}

static void take_group(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {
		{"why", take_why},        {"allow", take_rows},  {"allow_if", take_rows},       {"broker", take_rows},
		{"broker_if", take_rows}, {"refuse", take_rows}, {"refuse_quietly", take_rows}, {"kill", take_rows}};
	struct reader *r = ctx;

	r->group = (const char *)key->data.scalar.value;
	ydoc_map(d, value, r->group, keys, sizeof(keys) / sizeof(keys[0]), r);
	if (value->type == YAML_MAPPING_NODE && !ydoc_get(d, value, "why"))
		ydoc_fail(d, key, "%s: a group needs why: the reason for its rows", r->group);
}

void read_syscalls(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *reader)
{
	(void)key;
	ydoc_pairs(d, value, "syscalls", take_group, reader);
}

/* --- laying a file over its bases ------------------------------------------------------------- */

/* how much a row gives */
static const int rank[] = {
	[RULE_KILL] = 0, [RULE_REFUSE_QUIETLY] = 1, [RULE_REFUSE] = 1, [RULE_BROKER] = 2, [RULE_ALLOW] = 3};

/* The row of the bases that gives more than `mine` leaves, or NULL. */
static const struct policy_row *taken_away(const struct policy_call *base, const struct read_call *mine)
{
	const struct policy_row *last = mine->n ? &mine->rows[mine->n - 1] : NULL;
	bool always = !last || !last->n_conds;
	int gives = last ? rank[last->kind] : 0;

	for (size_t i = 0; i < base->n_rows; i++) {
		const struct policy_row *b = &base->rows[i];

		if (rank[b->kind] > gives && (always || !b->n_conds))
			return b;
	}
	return NULL;
}

static void merge_rows(struct policy_call *call, struct read_call *mine)
{
	struct policy_row *last = &mine->rows[mine->n - 1];

	if (!last->n_conds) { /* decides always: the bases' rows could never be reached */
		read_rows_free(call->rows, call->n_rows);
		call->rows = NULL;
		call->n_rows = 0;
	} else if (call->n_rows && last->otherwise && call->rows[call->n_rows - 1].n_conds) {
		call->rows[call->n_rows - 1].otherwise = last->otherwise;
	}
	mine->rows = mem_grow(mine->rows, mine->n + call->n_rows, sizeof(*mine->rows));
	if (call->n_rows)
		memcpy(mine->rows + mine->n, call->rows, call->n_rows * sizeof(*call->rows));
	free(call->rows);
	call->rows = mine->rows;
	call->n_rows += mine->n;
	*mine = (struct read_call){0};
}

static void merge_call(struct reader *r, struct policy_call *call, struct read_call *mine)
{
	const struct policy_row *b = taken_away(call, mine);

	if (b) {
		ydoc_problem(r->d->es, r->d->label, mine->line, 1,
			     "%s: takes away what %s grants; a policy that extends another only adds", call->name,
			     b->rule);
		return;
	}
	if (mine->n + call->n_rows > RULE_ROWS_MAX) {
		ydoc_problem(r->d->es, r->d->label, mine->line, 1, "%s: more than %d conditions with its bases'",
			     call->name, RULE_ROWS_MAX);
		return;
	}
	free(call->killed_by);
	call->killed_by = mine->killed_by;
	mine->killed_by = NULL;
	if (mine->n)
		merge_rows(call, mine);
}

void read_merge_calls(struct reader *r)
{
	for (int nr = 0; nr < r->p->n_calls; nr++) {
		struct read_call *mine = &r->own[nr];

		if (mine->n || mine->killed_by)
			merge_call(r, &r->p->calls[nr], mine);
		read_rows_free(mine->rows, mine->n);
		free(mine->killed_by);
	}
}
