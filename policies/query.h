/* query.h - what a policy does with a call on an object, as far as a policy alone can tell: for `warder policy explain` and the method policy.explain.
 *
 * Who may use it: everybody. Pure. All texts are borrowed, from the policy or from what was asked.
 */
#ifndef WARDER_QUERY_H
#define WARDER_QUERY_H

#include <msgpack.h>

#include "explain.h"
#include "policy.h"

#define QUERY_PROBLEM 160 /* bytes of what is wrong with an object */

struct query {
	const struct policy *policy;
	const char *call, *object; /* object NULL: the call alone */
	bool to_write;             /* the call is to change the file */
	/* the answer */
	const char *verdict, *rule, *why; /* rule and why: NULL, none */
	int err;                   /* errno of a refusal; 0: none */
	char hint[EXPLAIN_HINT];   /* "": none is needed */
	bool depends;              /* on registers, which are not known here: see the rows of the call */
};

/* Fills the answer. -ENOENT: there is no such call; -EINVAL: the call takes no such object, `problem` (QUERY_PROBLEM bytes) says why. */
int query_judge(struct query *q, char *problem);
/* As one map: policy call object verdict errno rule why hint rows. */
void query_pack(const struct query *q, msgpack_packer *pk);

#endif
