#include "reply.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void reply_error(struct text *t, int code, struct bytes message)
{
	text_printf(t, "{\"code\":%d,\"message\":", code);
	text_json(t, message);
	text_put(t, ",\"data\":null}");
}

void reply_success(struct text *t, struct bytes data)
{
	text_put(t, "{\"code\":0,\"message\":\"success\",\"data\":");
	text_add(t, data.p, data.len);
	text_put(t, "}");
}

/* --- one violation in a line --------------------------------------------------------------------------------- */

/* Decoded arguments and names come from the job: a line stays one line. */
static void put_line(struct text *t, const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x20 && *s != 0x7f)
			text_add(t, s, 1);
		else
			text_printf(t, "\\x%02x", (unsigned char)*s);
}

static void put_violation(struct text *t, const struct violation *v)
{
	const char *object = v->path ? v->path : v->address;

	text_printf(t, "%s: ", verdict_name(v->verdict));
	put_line(t, v->syscall ? v->syscall : "?");
	text_put(t, "(");
	for (int i = 0; i < VIOLATION_ARGS_MAX && v->args[i]; i++) {
		text_put(t, i ? ", " : "");
		put_line(t, v->args[i]);
	}
	text_put(t, ")");
	if (object && v->verdict != VERDICT_KILLED) {
		text_put(t, ": ");
		put_line(t, object);
	}
	if (v->err)
		text_printf(t, ": %s", err_name(v->err));
	if (v->rule) {
		text_put(t, " [");
		put_line(t, v->rule);
		text_put(t, "]");
	}
	if (v->file) {
		text_put(t, " at ");
		put_line(t, v->file);
		text_printf(t, ":%d", v->line);
	}
	if (v->function) {
		text_put(t, " in ");
		put_line(t, v->function);
	}
	if (v->hint) {
		text_put(t, "; ");
		put_line(t, v->hint);
	}
	text_put(t, "\n");
}

/* --- outcomes ------------------------------------------------------------------------------------------------ */

static const char *const limit_words[] = {
	[ENDED_BY_NONE] = "limit",
	[ENDED_BY_WALL_TIME] = "timeout",
	[ENDED_BY_CPU_TIME] = "timeout",
	[ENDED_BY_MEMORY] = "memory limit exceeded",
	[ENDED_BY_OUTPUT] = "output limit exceeded",
	[ENDED_BY_TMP] = "limit of /tmp exceeded",
};
_Static_assert(sizeof(limit_words) / sizeof(limit_words[0]) == ENDED_BY_COUNT, "words for every limit");

static void put_why(struct text *t, const struct result *r)
{
	switch (r->outcome) {
	case OUTCOME_VIOLATION:
		text_put(t, "error: operation not permitted\n");
		if (r->n_violations)
			put_violation(t, &r->violations[r->n_violations - 1]);
		break;
	case OUTCOME_LIMIT:
		text_printf(t, "error: %s\n", limit_words[r->limit]);
		break;
	case OUTCOME_SIGNALED:
		text_printf(t, "error: signal: %s\n", strsignal(r->signal));
		break;
	case OUTCOME_CANCELLED:
		text_put(t, "error: cancelled\n");
		break;
	default: /* it exited, and yet its output is not what it wrote */
		text_put(t, "error: output limit exceeded\n");
	}
}

void reply_judge(const struct result *r, struct verdict_of_job *v)
{
	bool by_itself = r->outcome == OUTCOME_EXITED && !r->out_truncated;

	*v = (struct verdict_of_job){.exit_code = by_itself ? r->exit_code : -1};
	if (v->exit_code == 0)
		return;
	text_printf(&v->error, "process exited with code %d", v->exit_code);
	if (!by_itself || r->err.len)
		text_put(&v->error, "\n");
	if (!by_itself)
		put_why(&v->error, r);
	text_add(&v->error, r->err.p, r->err.len);
}

static void put_data(struct text *t, const struct result *r, const struct verdict_of_job *v)
{
	text_put(t, "{\"stdout\":");
	text_json(t, r->out);
	text_put(t, ",\"stderr\":");
	text_json(t, r->err);
	text_put(t, ",\"error\":");
	text_json(t, (struct bytes){v->error.p, v->error.len});
	text_printf(t, ",\"exit_code\":%d}", v->exit_code);
}

void reply_result(struct text *t, const struct result *r)
{
	struct verdict_of_job v;

	if (r->outcome == OUTCOME_ERROR) {
		const char *why = r->error ? r->error : "the job could not be run";

		reply_error(t, -500, (struct bytes){why, strlen(why)});
		return;
	}
	reply_judge(r, &v);
	text_reserve(t, r->out.len + r->err.len + v.error.len + 128);
	text_put(t, "{\"code\":0,\"message\":\"success\",\"data\":");
	put_data(t, r, &v);
	text_put(t, "}");
	t->failed |= v.error.failed;
	text_done(&v.error);
}
