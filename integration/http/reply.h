/* reply.h - what Dify's API answers, as JSON texts. Knows no sockets. Who may use it: server. */
#ifndef WARDER_HTTP_REPLY_H
#define WARDER_HTTP_REPLY_H

#include "job.h"
#include "text.h"

/* {"code":…,"message":…,"data":null} */
void reply_error(struct text *t, int code, struct bytes message);
/* {"code":0,"message":"success","data":DATA} with `data` as it is. */
void reply_success(struct text *t, struct bytes data);

/* What a result is to Dify. */
struct verdict_of_job {
	int exit_code;       /* -1: it did not end by itself */
	struct text error;   /* "" if and only if exit_code is 0 */
};
/* Not for outcome `error`, which is no job's fault. */
void reply_judge(const struct result *r, struct verdict_of_job *v);
/* The whole answer to a run; an outcome `error` is code -500. */
void reply_result(struct text *t, const struct result *r);

#endif
