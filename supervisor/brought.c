#include "brought.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "admit.h"
#include "config.h"
#include "mem.h"

#define LABEL "policy_text" /* its name in errors and rules */

bool brought_is_needed(const struct job *j)
{
	return j->policy_text.p || j->debug || j->dependencies;
}

int brought_may(const struct job *j, bool by_operator, enum rpc_error *code, struct err *e)
{
	const char *field = j->policy_text.p ? "policy_text" : "debug";

	*code = RPC_ERROR_BAD_REQUEST;
	if (j->policy_text.p && j->policy)
		return err_set(e, ERR_REQUEST, field, 0, "not together with policy");
	if (by_operator || (!j->policy_text.p && !j->debug))
		return 0;
	*code = RPC_ERROR_NOT_PERMITTED;
	return err_set(e, ERR_REQUEST, field, 0, "is for operators");
}

/* --- one policy ---------------------------------------------------------------------------------------------- */

/* A zygote's interpreter starts before anything is confined, so it must be one that the supervisor's own policies have. */
static bool has_known_interpreter(const struct policy *p, const struct policy_set *known)
{
	if (!p->has_language) /* runs no jobs, as admission will say */
		return true;
	for (size_t i = 0; i < policy_count(known); i++) {
		const struct policy *k = policy_at(known, i);

		if (k->has_language && k->language == p->language && !strcmp(k->interpreter, p->interpreter))
			return true;
	}
	return false;
}

/* The first problem; how many more there are. */
static void tell(const struct policy_errors *es, struct err *e)
{
	const struct policy_error *first = es->v;
	char more[48] = "";

	if (es->n > 1)
		snprintf(more, sizeof(more), " (and %zu more)", es->n - 1);
	err_set(e, ERR_REQUEST, "", 0, "%.60s:%d:%d: %.110s%s", first->file, first->line, first->column, first->text, more);
}

static bool has_tree(const struct generation *base, const struct job *j)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s/%s/%s", base->config->dependencies_dir, language_name(j->language), j->dependencies) <
		       sizeof(path) && !access(path, F_OK);
}

static struct policy *parse(struct generation *base, const struct job *j, const char *name, enum rpc_error *code, struct err *e)
{
	const struct policy *named = j->policy_text.p ? NULL : policy_find(base->policies, name);
	struct policy_errors es = {0};
	struct policy *p = NULL;

	*code = RPC_ERROR_BAD_REQUEST;
	if (j->dependencies && !has_tree(base, j)) {
		err_set(e, ERR_REQUEST, "dependencies", 0, "there is no tree %s for %s", j->dependencies, language_name(j->language));
		return NULL;
	}
	if (j->policy_text.p) {
		p = policy_parse_text(LABEL, j->policy_text, base->dirs, &base->texts, &es);
	} else if (named) {
		p = policy_parse_file(named->file, base->dirs, &base->texts, &es);
	} else {
		*code = RPC_ERROR_UNKNOWN_POLICY;
		err_set(e, ERR_REQUEST, "", 0, "%.*s", JOB_ID_MAX, name);
	}
	if (es.n)
		tell(&es, e);
	policy_errors_done(&es);
	if (p && !has_known_interpreter(p, base->policies)) {
		err_set(e, ERR_REQUEST, LABEL, 0, "interpreter: %.100s is none of the supervisor's own policies", p->interpreter);
		policy_free(p);
		p = NULL;
	}
	if (p)
		p->debug = j->debug;
	if (p && j->dependencies) {
		free(p->dependencies);
		p->dependencies = mem_copy(j->dependencies);
	}
	return p;
}

/* --- those that are remembered ------------------------------------------------------------------------------- */

static void let_go(struct brought_policy *x)
{
	if (!x->generation)
		return;
	x->generation->let_go = true;
	generation_drop(x->generation);
	free((char *)x->text.p);
	free(x->name);
	free(x->dependencies);
	*x = (struct brought_policy){0};
}

static bool same_or_none(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_same(const struct brought_policy *x, const struct generation *base, const struct job *j, const char *name)
{
	if (!x->generation || x->base != base || x->debug != j->debug || !x->text.p != !j->policy_text.p ||
	    !same_or_none(x->dependencies, j->dependencies))
		return false;
	return x->text.p ? x->text.len == j->policy_text.len && !memcmp(x->text.p, j->policy_text.p, x->text.len) : !strcmp(x->name, name);
}

static void remember(struct brought_policy *x, struct generation *base, const struct job *j, const char *name, struct policy *p)
{
	struct bytes text = j->policy_text;

	let_go(x);
	*x = (struct brought_policy){.dependencies = j->dependencies ? mem_copy(j->dependencies) : NULL, .debug = j->debug, .base = base, .generation = generation_derive(base, p)};
	if (text.p) {
		char *copy = mem_zeroed(text.len, 1);

		memcpy(copy, text.p, text.len);
		x->text = (struct bytes){copy, text.len};
	} else {
		x->name = mem_copy(name);
	}
}

static struct generation *get(struct brought *b, struct generation *base, const struct job *j, enum rpc_error *code, struct err *e)
{
	const char *name = j->policy ? j->policy : language_name(j->language);
	struct brought_policy *oldest = &b->v[0];
	struct policy *p;

	for (struct brought_policy *x = b->v; x < b->v + BROUGHT_MAX; x++) {
		if (is_same(x, base, j, name)) {
			x->used = ++b->clock;
			return x->generation;
		}
		if (x->used < oldest->used)
			oldest = x;
	}
	p = parse(base, j, name, code, e);
	if (!p)
		return NULL;
	remember(oldest, base, j, name, p);
	oldest->used = ++b->clock;
	return oldest->generation;
}

struct generation *brought_admit(struct brought *b, struct generation *base, struct job *j, bool by_operator, const struct policy **policy,
				 enum rpc_error *code, struct err *e)
{
	struct generation *g = base;

	if (brought_may(j, by_operator, code, e) < 0)
		return NULL;
	if (brought_is_needed(j))
		g = get(b, base, j, code, e);
	return g && admit_job(j, g->policies, g->config->max_message_mib << 20, by_operator, policy, code, e) == 0 ? g : NULL;
}

void brought_done(struct brought *b)
{
	for (struct brought_policy *x = b->v; x < b->v + BROUGHT_MAX; x++)
		let_go(x);
}
