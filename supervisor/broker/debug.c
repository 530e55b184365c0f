#include "debug.h"

#include <stdlib.h>
#include <string.h>

#include "explain.h"

struct debugging *debug_new(void)
{
	return calloc(1, sizeof(struct debugging));
}

void debug_free(struct debugging *d)
{
	if (d)
		violations_done(&d->asked);
	free(d);
}

static unsigned looked_at(const struct policy *p, int nr)
{
	const struct policy_call *c = nr >= 0 && nr < p->n_calls ? &p->calls[nr] : NULL;
	unsigned args = 0;

	for (size_t i = 0; c && i < c->n_rows; i++)
		for (size_t k = 0; k < c->rows[i].n_conds; k++)
			args |= 1u << c->rows[i].conds[k].arg;
	return args;
}

bool debug_is_asking(const struct broker_job *b)
{
	return b->debug && b->debug->asking;
}

bool debug_is_allowed(const struct broker_job *b, const struct broker_call *c)
{
	unsigned args = looked_at(b->tree->policy, c->nr);

	if (b->debug && b->debug->allowed_once)
		return true;
	for (size_t i = 0; b->debug && i < b->debug->n_allowed; i++) {
		const struct broker_call *a = &b->debug->allowed[i];
		bool same = a->nr == c->nr;

		for (int k = 0; same && k < 6; k++)
			same = !(args >> k & 1) || a->args[k] == c->args[k];
		if (same)
			return true;
	}
	return false;
}

void debug_remember(struct debugging *d, const struct broker_call *c)
{
	if (d->n_allowed < DEBUG_ALLOWED_MAX)
		d->allowed[d->n_allowed++] = *c;
}

/* --- what the worker asks for ------------------------------------------------------------------------------ */

void broker_take_held(struct broker_job *b, struct violation *v)
{
	*v = b->debug->asked.v[0];
	b->debug->asked.n = 0;
	b->debug->step = false;
}

bool broker_can_allow(const struct broker_job *b, const struct broker_call *c)
{
	struct judgement j = policy_judge(b->tree->policy, c->nr, c->args);
	char hint[EXPLAIN_HINT];
	enum remedy r = explain_call(b->tree->policy, c->nr, c->args, hint);

	if (j.kind != RULE_REFUSE && j.kind != RULE_KILL)
		return false;
	return r == REMEDY_NATIVE || r == REMEDY_BROKER || (r == REMEDY_POLICY && !strncmp(hint, "sockopts", 8));
}

void broker_answer_decided(struct broker_job *b, const struct broker_call *c, enum broker_decision d, bool (*still_there)(void *arg, uint64_t id),
                           void *arg, struct broker_reply *out)
{
	b->debug->decided = true;
	b->debug->allowed_once = d != BROKER_AS_POLICY && broker_can_allow(b, c);
	if (b->debug->allowed_once && d == BROKER_ALLOW_ALWAYS)
		debug_remember(b->debug, c);
	broker_answer(b, c, still_there, arg, out);
	b->debug->decided = b->debug->allowed_once = false;
}

void broker_hold_next(struct broker_job *b)
{
	b->debug->step = true;
}

struct broker_grants *broker_set_grants(struct broker_job *b, struct broker_grants *g)
{
	struct broker_grants *old = b->options.grants;

	b->options.grants = g;
	return old;
}

int broker_add_connect(struct broker_job *b, const char *text)
{
	return net_add(&b->net, text);
}

void broker_drop_connect(struct broker_job *b)
{
	net_drop_last(&b->net);
}

void broker_record_held(struct broker_job *b, int nr, struct violation *v)
{
	struct violation *to = violations_add(&b->violations, nr, VERDICT_KILLED);

	v->verdict = VERDICT_KILLED;
	v->err = 0;
	*to = *v; /* a killing one always has its place */
	*v = (struct violation){0};
}
