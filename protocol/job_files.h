/* job_files.h - `files` and `collect` of a job, `files` and `files_dropped` of a result: their msgpack form.
 *
 * For job.c and result.c, which own the fields, and for admission. Errors are as in job.h: "files.a/b: must be …".
 */
#ifndef WARDER_JOB_FILES_H
#define WARDER_JOB_FILES_H

#include "job.h"

/* job.c's table of fields */
int job_files_parse(struct job *j, const msgpack_object *v, struct err *e);
int job_collect_parse(struct job *j, const msgpack_object *v, struct err *e);
/* Once all fields are there: no two names clash, none with the code's. Fills files_bytes and files_inodes. */
int job_files_check(struct job *j, struct err *e);
/* Pack the field, key first, when there is one and `pk` is given. Each returns how many fields it is: 0 or 1. */
size_t job_files_pack(msgpack_packer *pk, const struct job *j);
size_t job_collect_pack(msgpack_packer *pk, const struct job *j);
void job_files_free(struct job *j);   /* the files alone: their bytes are not kept longer than needed */
void job_collect_free(struct job *j);

/* result.c: the values of `files` and `files_dropped`, and the way back; -EINVAL, -ENOMEM */
void result_files_pack(const struct result *r, msgpack_packer *pk);
void result_dropped_pack(const struct result *r, msgpack_packer *pk);
int result_files_take(const msgpack_object *v, void *result);
int result_dropped_take(const msgpack_object *v, void *result);
void result_files_free(struct result *r);

#endif
