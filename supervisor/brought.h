/* brought.h - policies that jobs bring along (`policy_text`), and those of the supervisor as they are under a debugger or with other packages
 * (`dependencies`).
 *
 * Each is parsed once, by the worker, from the bytes of the job and the files of the newest generation, and has a generation of its own, so
 * everything that goes by a policy (zygotes, waiting jobs) treats it as any other. At most BROUGHT_MAX are remembered; the one that was not
 * asked for longest makes room: its jobs go on, then its zygote leaves. Who may use it: worker_side.c. Life: zeroed, brought_done.
 */
#ifndef WARDER_BROUGHT_H
#define WARDER_BROUGHT_H

#include "generation.h"
#include "job.h"
#include "policy.h"

#define BROUGHT_MAX 8

struct brought_policy {
	struct bytes text;             /* of the job; owned; p NULL: the policy of that name */
	char *name;                    /* owned; NULL with a text */
	char *dependencies;            /* owned; NULL: the policy's own */
	bool debug;
	const struct generation *base; /* its own generation holds it */
	struct generation *generation; /* held; NULL: a free place */
	uint64_t used;
};
struct brought {
	struct brought_policy v[BROUGHT_MAX];
	uint64_t clock;
};

/* Whether the job needs one: it brings a policy, names its packages, or is to be debugged. */
bool brought_is_needed(const struct job *j);
/* Whether the caller may: policies and debugging are for operators alone, since what a policy names is opened with the supervisor's power. 0, or -EINVAL with the
 * protocol's error. */
int brought_may(const struct job *j, bool by_operator, enum rpc_error *code, struct err *e);
/* Admits the job (admit_job) under the policy that it has, brought along or of `base`, and returns that policy's generation, borrowed. NULL with the
 * protocol's error: brought_may says no, its text is wrong or names an interpreter that is none of the supervisor's, or it is not admitted. */
struct generation *brought_admit(struct brought *b, struct generation *base, struct job *j, bool by_operator, const struct policy **policy,
				 enum rpc_error *code, struct err *e);
void brought_done(struct brought *b);

#endif
