#include "policy.h"

#include <errno.h>

#include "address.h"
#include "calls.h"
#include "mem.h"
#include "paths.h"
#include "read.h"

/* --- life ------------------------------------------------------------------------------------- */

struct policy *policy_new(void)
{
	struct policy *p = mem_zeroed(1, sizeof(*p));

	p->n_calls = calls_count();
	p->calls = mem_zeroed((size_t)p->n_calls, sizeof(*p->calls));
	for (int nr = 0; nr < p->n_calls; nr++) {
		const char *name = calls_name(nr);
		const struct floor *f = name ? floor_find(name) : NULL;

		p->calls[nr] = (struct policy_call){.name = name, .nr = nr, .floor = f && f->kind == FLOOR_NEVER};
	}
	p->preload = mem_zeroed(1, sizeof(char *));
	p->env = mem_zeroed(1, sizeof(char *));
	p->quiet = mem_zeroed(1, sizeof(char *));
	p->chain = mem_zeroed(1, sizeof(char *));
	p->refs = 1;
	return p;
}

static void list_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void policy_free(struct policy *p)
{
	if (!p || --p->refs > 0)
		return;
	for (int nr = 0; nr < p->n_calls; nr++) {
		read_rows_free(p->calls[nr].rows, p->calls[nr].n_rows);
		free(p->calls[nr].killed_by);
	}
	for (size_t i = 0; i < p->n_files; i++) {
		free(p->files[i].path);
		free(p->files[i].rule);
	}
	for (int g = 0; g < GRANT_COUNT; g++) {
		for (size_t i = 0; i < p->callers_may[g].n; i++)
			free(p->callers_may[g].v[i].text);
		free(p->callers_may[g].v);
	}
	for (size_t i = 0; i < p->n_whys; i++) {
		free(p->whys[i].source);
		free(p->whys[i].group);
		free(p->whys[i].text);
	}
	free(p->whys);
	read_net_done(p);
	list_free(p->preload);
	list_free(p->env);
	list_free(p->quiet);
	list_free(p->chain);
	free(p->calls);
	free(p->files);
	free(p->name);
	free(p->file);
	free(p->source);
	free(p->interpreter);
	free(p->dependencies);
	free(p);
}

/* --- questions -------------------------------------------------------------------------------- */

static bool holds(const struct policy_cond *c, uint64_t arg)
{
	switch ((enum cond_op)c->op) {
	case COND_MASK:
		return (arg & c->values[0]) == c->values[0];
	case COND_NONE_OF:
		return !(arg & c->values[0]);
	case COND_ONLY:
		return !(arg & ~c->values[0]);
	case COND_IN:
		break;
	}
	for (size_t i = 0; i < c->n_values; i++) {
		if (c->values[i] == arg)
			return true;
	}
	return false;
}

static bool all_hold(const struct policy_row *row, const uint64_t args[6])
{
	for (size_t i = 0; i < row->n_conds; i++) {
		if (!holds(&row->conds[i], args[row->conds[i].arg]))
			return false;
	}
	return true;
}

struct judgement policy_judge(const struct policy *p, int nr, const uint64_t args[6])
{
	const struct policy_call *c;
	const struct policy_row *last;

	if (nr < 0 || nr >= POLICY_X32_BIT)
		return (struct judgement){RULE_KILL, 0, "not listed"};
	if (nr >= p->n_calls)
		return (struct judgement){RULE_REFUSE_QUIETLY, ENOSYS, "newer than the table of calls"};
	c = &p->calls[nr];
	if (!c->n_rows)
		return (struct judgement){RULE_KILL, 0,
					  c->floor       ? "floor"
					  : c->killed_by ? c->killed_by
							 : "not listed"};
	for (size_t i = 0; i < c->n_rows; i++) {
		if (all_hold(&c->rows[i], args))
			return (struct judgement){c->rows[i].kind, c->rows[i].err, c->rows[i].rule};
	}
	last = &c->rows[c->n_rows - 1];
	return (struct judgement){last->otherwise ? RULE_REFUSE : RULE_KILL, last->otherwise, last->rule};
}

const char *policy_why(const struct policy *p, const char *rule)
{
	const char *group = rule ? strchr(rule, ' ') : NULL;
	size_t n = rule ? strcspn(rule, ":") : 0;

	for (size_t i = 0; group && i < p->n_whys; i++) {
		const struct policy_why *w = &p->whys[i];

		if (strlen(w->source) == n && !memcmp(w->source, rule, n) && !strcmp(w->group, group + 1))
			return w->text;
	}
	return NULL;
}

const char *policy_call_name(const struct policy *p, int nr)
{
	return nr >= 0 && nr < p->n_calls ? p->calls[nr].name : NULL;
}

int policy_call_nr(const char *name)
{
	int nr = calls_number(name);

	return nr < 0 ? -1 : nr;
}

static bool is_within(const struct policy_bounds *b, const char *path)
{
	for (size_t i = 0; i < b->n; i++)
		if (paths_cover(b->v[i].text, path))
			return true;
	return false;
}

bool policy_may_grant(const struct policy *p, enum grant_kind kind, const char *path)
{
	return is_within(&p->callers_may[GRANT_WRITE], path) ||
	       (kind == GRANT_READ && is_within(&p->callers_may[GRANT_READ], path));
}

bool policy_may_connect(const struct policy *p, const struct net_grant *g)
{
	for (size_t i = 0; i < p->n_may_connect; i++)
		if (address_within(&p->may_connect[i], g))
			return true;
	return false;
}

bool policy_is_quiet(const struct policy *p, const char *path)
{
	for (size_t i = 0; p->quiet[i]; i++) {
		size_t n = strlen(p->quiet[i]);

		if (!strcmp(p->quiet[i], path))
			return true;
		if (p->quiet[i][n - 1] == '*' && !strncmp(p->quiet[i], path, n - 1) && path[n - 1])
			return true;
	}
	return false;
}
