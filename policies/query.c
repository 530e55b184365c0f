#include "query.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "lines.h"
#include "paths.h"
#include "rpc.h"

static void judge_call(struct query *q, int nr)
{
	static const char *const verdicts[] = {[RULE_KILL] = "killed", [RULE_ALLOW] = "allowed", [RULE_BROKER] = "brokered",
					       [RULE_REFUSE] = "refused", [RULE_REFUSE_QUIETLY] = "refused"};
	const struct policy_call *c = &q->policy->calls[nr];
	const uint64_t none[6] = {0};
	struct judgement j = policy_judge(q->policy, nr, none);

	q->depends = c->n_rows && c->rows[0].n_conds;
	q->verdict = q->depends ? "depends on its arguments" : verdicts[j.kind];
	q->rule = q->depends ? NULL : j.rule;
	q->err = q->depends ? 0 : j.err;
	q->why = policy_why(q->policy, q->rule);
	if (!q->depends && (j.kind == RULE_KILL || j.kind == RULE_REFUSE || j.kind == RULE_REFUSE_QUIETLY))
		explain_call(q->policy, nr, NULL, q->hint);
}

static const struct policy_file *file_of(const struct policy *p, const char *path, uint32_t *rights)
{
	const struct policy_file *best = NULL;

	*rights = 0;
	for (size_t i = 0; i < p->n_files; i++) {
		const struct policy_file *f = &p->files[i];

		if (!f->path || !paths_cover(f->path, path))
			continue;
		*rights |= f->rights;
		if (!best || strlen(f->path) > strlen(best->path))
			best = f;
	}
	return best;
}

/* By the name alone: links, and which libraries belong to the interpreter, are known where the job runs. */
static void judge_path(struct query *q, const char *path, enum explain_need need)
{
	uint32_t rights, any = need == EXPLAIN_NAME ? RIGHT_CREATE : need == EXPLAIN_WRITE ? RIGHT_WRITE : RIGHT_READ | RIGHT_LIST;
	const struct policy_file *f = file_of(q->policy, path, &rights);

	if (paths_cover("/tmp", path) || paths_cover("/proc", path)) {
		q->rule = path[1] == 't' ? "the job's own /tmp" : "synthetic";
		return;
	}
	if (f)
		q->rule = f->rule;
	q->why = policy_why(q->policy, q->rule);
	if (f && rights & any)
		return;
	q->verdict = f ? "refused" : "hidden";
	q->err = f ? EACCES : ENOENT;
	if (!f)
		q->rule = "outside every grant of the policy";
	explain_path(path, need, q->hint);
}

static bool covers(const struct policy *p, const struct net_grant *g, const char **rule)
{
	for (size_t i = 0; i < p->n_network; i++)
		if (address_within(&p->network[i], g)) {
			*rule = p->network[i].rule;
			return true;
		}
	return false;
}

static void judge_address(struct query *q, const struct net_grant *g)
{
	if (covers(q->policy, g, &q->rule)) {
		q->why = policy_why(q->policy, q->rule);
		return;
	}
	q->verdict = "refused";
	q->err = EACCES;
	q->why = NULL;
	q->rule = g->kind == NET_RANGE && address_special(&g->addr) ? "network: a special address, only a range that names it would grant it"
	                                                             : "network: not granted";
	snprintf(q->hint, sizeof(q->hint), "grants.connect: [\"%.200s\"]", q->object);
}

static int no_object(char *problem, const char *why)
{
	snprintf(problem, QUERY_PROBLEM, "%s", why);
	return -EINVAL;
}

static int judge_object(struct query *q, char *problem)
{
	enum explain_need need = explain_need(q->call);
	struct net_grant g;

	if (strcmp(q->verdict, "brokered")) /* never looked at */
		return 0;
	if (strcmp(q->call, "connect") && !strstr(q->call, "send")) {
		const char *why = *q->object == '/' ? paths_problem(q->object) : "must be an absolute path";

		if (why)
			return no_object(problem, why);
		judge_path(q, q->object, need == EXPLAIN_READ && q->to_write ? EXPLAIN_WRITE : need);
		return 0;
	}
	if (*q->object == '/')
		return no_object(problem, "must be HOST:PORT; a job reaches no socket by path");
	if (address_parse(q->object, &g, problem, QUERY_PROBLEM))
		return -EINVAL;
	judge_address(q, &g);
	address_done(&g);
	return 0;
}

int query_judge(struct query *q, char *problem)
{
	int nr = policy_call_nr(q->call);

	if (nr < 0 || nr >= q->policy->n_calls)
		return -ENOENT;
	judge_call(q, nr);
	return q->object ? judge_object(q, problem) : 0;
}

static void pack_text(msgpack_packer *pk, const char *key, const char *value)
{
	rpc_pack_cstr(pk, key);
	if (value && *value)
		rpc_pack_cstr(pk, value);
	else
		msgpack_pack_nil(pk);
}

static void pack_rows(msgpack_packer *pk, const struct query *q)
{
	const struct policy_call *c = &q->policy->calls[policy_call_nr(q->call)];
	size_t n = q->depends ? c->n_rows : 0;
	char text[2048];

	rpc_pack_cstr(pk, "rows");
	msgpack_pack_array(pk, n);
	for (size_t i = 0; i < n; i++) {
		lines_row(&c->rows[i], text, sizeof(text));
		rpc_pack_cstr(pk, text);
	}
}

void query_pack(const struct query *q, msgpack_packer *pk)
{
	msgpack_pack_map(pk, 9);
	pack_text(pk, "policy", q->policy->name);
	pack_text(pk, "call", q->call);
	pack_text(pk, "object", q->object);
	pack_text(pk, "verdict", q->verdict);
	pack_text(pk, "errno", q->err ? err_name(q->err) : NULL);
	pack_text(pk, "rule", q->rule);
	pack_text(pk, "why", q->why);
	pack_text(pk, "hint", q->hint);
	pack_rows(pk, q);
}
