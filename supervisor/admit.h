/* admit.h - may this job run, under which policy, with which limits?
 *
 * Who may use it: the front, before it queues a job, and the worker, which does not take the front's word for it. Pure: no clock, no
 * state.
 */
#ifndef WARDER_ADMIT_H
#define WARDER_ADMIT_H

#include "job.h"
#include "policy.h"

/* Finds the job's policy (with `policy_text`: the first of the set), holds its limits against what callers may ask for, and fills those it left out from the
 * policy. max_message: bytes that a result may have. `by_operator`: its grants
 * are bound by the floor alone; where they really lead is for the worker to see. On refusal returns -EINVAL with the protocol's error in *code and
 * its words in `e`. */
int admit_job(struct job *j, const struct policy_set *ps, size_t max_message, bool by_operator,
	      const struct policy **policy, enum rpc_error *code, struct err *e);

#endif
