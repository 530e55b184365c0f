#include "admit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "names.h"
#include "rpc.h"

#define RESULT_ROOM (1ul << 20) /* bytes of a result beside its output: violations, names */

__attribute__((format(printf, 4, 5))) static int refuse(enum rpc_error *to, enum rpc_error code, struct err *e,
							const char *fmt, ...)
{
	char words[sizeof(e->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	*to = code;
	return err_set(e, ERR_REQUEST, "", 0, "%s", words);
}

static int choose_policy(const struct job *j, const struct policy_set *ps, const struct policy **policy,
			 enum rpc_error *code, struct err *e)
{
	const char *name = j->policy ? j->policy : language_name(j->language);
	const struct policy *p = j->policy_text.p ? policy_at(ps, 0) : policy_find(ps, name);

	if (!p && !j->policy)
		return refuse(code, RPC_ERROR_BAD_REQUEST, e, "language: %s: no policy of that name, so not supported here", name);
	if (!p)
		return refuse(code, RPC_ERROR_UNKNOWN_POLICY, e, "%.*s", JOB_ID_MAX, name);
	if (!p->has_language)
		return refuse(code, RPC_ERROR_BAD_REQUEST, e,
			      "policy: %s names no language, it is for others to extend", p->name);
	if (p->language != j->language)
		return refuse(code, RPC_ERROR_BAD_REQUEST, e, "policy: %s is for %s, the job is %s", p->name,
			      language_name(p->language), language_name(j->language));
	*policy = p;
	return 0;
}

/* What a caller may ask for at most. A result must fit into one message, whatever the policy says of output. */
static size_t result_room(size_t max_message)
{
	return max_message - (max_message / 2 < RESULT_ROOM ? max_message / 2 : RESULT_ROOM);
}

static uint64_t most(const struct policy *p, int l, size_t max_message)
{
	uint64_t max = p->max_limits[l], fits = result_room(max_message) >> 10;

	return l == LIMIT_OUTPUT_KIB && fits < max ? fits : max;
}

static int settle_limits(struct job *j, const struct policy *p, size_t max_message, enum rpc_error *code, struct err *e)
{
	for (int l = 0; l < LIMIT_COUNT; l++) {
		uint64_t max = most(p, l, max_message);

		if (!j->limit_given[l])
			j->limits[l] = (int64_t)p->limits[l];
		else if (j->limits[l] < 1 || (uint64_t)j->limits[l] > max)
			return refuse(code, RPC_ERROR_BAD_REQUEST, e, "limits.%s: must be 1 to %llu, is %lld",
				      limit_name(l), (unsigned long long)max, (long long)j->limits[l]);
	}
	return 0;
}

/* What the texts say. Links can lead elsewhere, which the worker finds out (broker/grants.h). */
static int check_paths(const struct job *j, const struct policy *p, enum grant_kind kind, enum rpc_error *code,
		       struct err *e)
{
	for (size_t i = 0; i < j->grants[kind].n; i++) {
		const char *path = j->grants[kind].v[i], *why = policy_grant_problem(path);

		if (why)
			return refuse(code, RPC_ERROR_NOT_PERMITTED, e, "grants.%s[%zu]: %.80s cannot be granted: %s",
				      grant_kind_name(kind), i, path, why);
		if (!j->by_operator && !policy_may_grant(p, kind, path))
			return refuse(code, RPC_ERROR_NOT_PERMITTED, e,
				      "grants.%s[%zu]: %.100s is outside callers_may of policy %.40s",
				      grant_kind_name(kind), i, path, p->name);
	}
	return 0;
}

static int check_connects(const struct job *j, const struct policy *p, enum rpc_error *code, struct err *e)
{
	const struct job_list *l = &j->grants[GRANT_CONNECT];

	for (size_t i = 0; i < l->n; i++) {
		struct net_grant g;
		char why[160];
		bool parsed = !address_parse(l->v[i], &g, why, sizeof(why)), within = parsed && policy_may_connect(p, &g);

		address_done(&g);
		if (!parsed)
			return refuse(code, RPC_ERROR_BAD_REQUEST, e, "grants.connect[%zu]: %.80s: %s", i, l->v[i], why);
		if (!j->by_operator && !within)
			return refuse(code, RPC_ERROR_NOT_PERMITTED, e,
				      "grants.connect[%zu]: %.100s is outside callers_may of policy %.40s", i, l->v[i], p->name);
	}
	return 0;
}

/* Node.js reads the program from /tmp, and would tell that there is no such module; Python is handed it, and only goes without its lines. */
static int check_code(const struct job *j, uint64_t have, enum rpc_error *code, struct err *e)
{
	if (j->language != LANGUAGE_NODEJS || j->code.len <= have)
		return 0;
	return refuse(code, RPC_ERROR_BAD_REQUEST, e, "code: has %zu bytes, limits.tmp_mib is %llu", j->code.len, (unsigned long long)(have >> 20));
}

/* Files are put into /tmp with the code, so all of them must fit there. */
static int check_files(const struct job *j, enum rpc_error *code, struct err *e)
{
	uint64_t have = (uint64_t)j->limits[LIMIT_TMP_MIB] << 20, inodes = (uint64_t)j->limits[LIMIT_TMP_INODES];
	const struct job_file *largest = j->files;
	char name[NAMES_SHOWN];

	if (j->n_files == 0)
		return check_code(j, have, code, e);
	if (j->files_bytes <= have && j->files_inodes <= inodes)
		return 0;
	if (j->files_bytes <= have)
		return refuse(code, RPC_ERROR_BAD_REQUEST, e, "files: take %llu inodes with the code, limits.tmp_inodes is %llu",
			      (unsigned long long)j->files_inodes, (unsigned long long)inodes);
	for (size_t i = 1; i < j->n_files; i++)
		if (j->files[i].data.len > largest->data.len)
			largest = &j->files[i];
	names_show((struct bytes){largest->name, strlen(largest->name)}, name);
	return refuse(code, RPC_ERROR_BAD_REQUEST, e,
		      "files: take %llu bytes with the code, limits.tmp_mib is %llu; the largest is %s with %zu",
		      (unsigned long long)j->files_bytes, (unsigned long long)(have >> 20), name, largest->data.len);
}

int admit_job(struct job *j, const struct policy_set *ps, size_t max_message, bool by_operator,
	      const struct policy **policy, enum rpc_error *code, struct err *e)
{
	int ret = choose_policy(j, ps, policy, code, e);

	j->by_operator = by_operator;
	j->result_room = result_room(max_message);
	ret = ret < 0 ? ret : settle_limits(j, *policy, max_message, code, e);
	ret = ret < 0 ? ret : check_files(j, code, e);
	ret = ret < 0 ? ret : check_paths(j, *policy, GRANT_READ, code, e);
	ret = ret < 0 ? ret : check_paths(j, *policy, GRANT_WRITE, code, e);
	return ret < 0 ? ret : check_connects(j, *policy, code, e);
}
