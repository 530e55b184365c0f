/* job_lists.h - the fields of a job that hold many values: `args`, `env`, `limits`, `grants`; their msgpack form.
 *
 * For job.c, which owns the fields. Errors are as in job.h: "grants.read[3]: must not be empty".
 */
#ifndef WARDER_JOB_LISTS_H
#define WARDER_JOB_LISTS_H

#include "job.h"

/* job.c's table of fields. What was read before an error stays in the job, for job_lists_free. */
int job_args_parse(struct job *j, const msgpack_object *v, struct err *e);
int job_env_parse(struct job *j, const msgpack_object *v, struct err *e);
int job_limits_parse(struct job *j, const msgpack_object *v, struct err *e);
int job_grants_parse(struct job *j, const msgpack_object *v, struct err *e);
/* Pack the field, key first, when there is one and `pk` is given. Each returns how many fields it is: 0 or 1. */
size_t job_args_pack(msgpack_packer *pk, const struct job *j);
size_t job_env_pack(msgpack_packer *pk, const struct job *j);
size_t job_limits_pack(msgpack_packer *pk, const struct job *j);
size_t job_grants_pack(msgpack_packer *pk, const struct job *j);
void job_lists_free(struct job *j); /* with the job: the fields themselves are left as they are */

#endif
