#include "tell.h"

#include <inttypes.h>
#include <string.h>

#include "utf8.h"

void tell_escaped(FILE *f, const char *s, size_t n)
{
	uint32_t cp;

	while (n) {
		size_t len = utf8_step(s, n, &cp);
		if (!len)
			fprintf(f, "\\x%02x", (unsigned char)*s);
		else if (cp == '\n')
			fputs("\\n", f);
		else if (!utf8_is_unseen(cp))
			fwrite(s, 1, len, f);
		else
			fprintf(f, cp < 0x100 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
		s += len ? len : 1;
		n -= len ? len : 1;
	}
}

static void put(FILE *f, const char *s)
{
	tell_escaped(f, s, strlen(s));
}

static void tell_call(FILE *f, const struct violation *v)
{
	put(f, v->syscall ? v->syscall : "?");
	fputc('(', f);
	for (int i = 0; i < VIOLATION_ARGS_MAX && v->args[i]; i++) {
		fputs(i ? ", " : "", f);
		put(f, v->args[i]);
	}
	fputc(')', f);
}

/* What the call was about, and the answer it got. */
static void tell_object(FILE *f, const struct violation *v)
{
	bool host = v->verdict == VERDICT_HIDDEN && v->address;
	const char *object = v->path && !host ? v->path : v->address;

	if (object && v->verdict != VERDICT_KILLED) {
		fputs(": ", f);
		put(f, object);
	}
	if (host)
		fputs(" is not among the job's hosts", f);
	else if (v->verdict == VERDICT_HIDDEN)
		fputs(object ? " is not in the job's tree" : ": not in the job's tree", f);
	if (v->err)
		fprintf(f, ": %s", err_name(v->err));
}

static void tell_place(FILE *f, const struct violation *v)
{
	if (v->file) {
		fputs(" at ", f);
		put(f, v->file);
		fprintf(f, ":%d", v->line);
	}
	if (v->function) {
		fputs(" in ", f);
		put(f, v->function);
	}
	if (!v->file && v->no_line) {
		fputs(" (no line: ", f);
		put(f, v->no_line);
		fputc(')', f);
	}
	if (v->count > 1)
		fprintf(f, ", %" PRIu32 " times", v->count);
}

static void tell_violation(FILE *f, const struct violation *v)
{
	fprintf(f, "warder: %s: ", verdict_name(v->verdict));
	tell_call(f, v);
	tell_object(f, v);
	tell_place(f, v);
	if (v->rule) {
		fputs(" [", f);
		put(f, v->rule);
		fputc(']', f);
	}
	if (v->hint) {
		fputs("; ", f);
		put(f, v->hint);
	}
	fputc('\n', f);
}

static void tell_limits(FILE *f, const struct result *r)
{
	for (int i = 0; i < LIMIT_HIT_COUNT; i++)
		if (r->limits_hit & 1u << i)
			fprintf(f, "warder: limit reached: %s\n", limit_hit_name(i));
	if (r->out_truncated || r->err_truncated)
		fprintf(f, "warder: limit reached: output: %s cut\n",
		        !r->err_truncated ? "stdout" : r->out_truncated ? "stdout and stderr" : "stderr");
}

static void tell_end(FILE *f, const struct result *r)
{
	switch (r->outcome) {
	case OUTCOME_LIMIT:
		fprintf(f, "warder: ended by limit: %s\n", ended_by_name(r->limit));
		break;
	case OUTCOME_CANCELLED:
		fputs("warder: cancelled\n", f);
		break;
	case OUTCOME_SIGNALED:
		fprintf(f, "warder: ended by signal %d (%s)\n", r->signal, strsignal(r->signal));
		break;
	case OUTCOME_ERROR:
		fputs("warder: error: ", f);
		put(f, r->error ? r->error : "the supervisor gives no reason");
		fputc('\n', f);
		break;
	default:
		break;
	}
}

static void tell_dropped(FILE *f, const struct file_dropped *d)
{
	fputs("warder: not collected: ", f);
	if (d->name) {
		put(f, d->name);
		fputs(": ", f);
	}
	put(f, d->why ? d->why : "the supervisor gives no reason");
	fputc('\n', f);
}

void tell_result(FILE *f, const struct result *r)
{
	for (size_t i = 0; i < r->n_violations; i++)
		tell_violation(f, &r->violations[i]);
	if (r->violations_dropped)
		fprintf(f, "warder: %" PRIu64 " more violations are not listed\n", r->violations_dropped);
	for (size_t i = 0; i < r->n_files_dropped; i++)
		tell_dropped(f, &r->files_dropped[i]);
	tell_limits(f, r);
	tell_end(f, r);
}

void tell_usage(FILE *f, const struct usage *u)
{
	fprintf(f,
	        "warder: queue %.3f ms, wall %.3f ms, cpu %.3f ms, peak memory %" PRIu64 " KiB, brokered calls %" PRIu64
	        ", stdout %" PRIu64 " bytes, stderr %" PRIu64 " bytes\n",
	        u->queue_ms, u->wall_ms, u->cpu_ms, u->max_rss_kib, u->brokered_calls, u->stdout_bytes,
	        u->stderr_bytes);
}

int tell_exit_status(const struct result *r)
{
	switch (r->outcome) {
	case OUTCOME_EXITED:
		return r->exit_code & 0xff;
	case OUTCOME_SIGNALED:
		return 128 + r->signal;
	case OUTCOME_VIOLATION:
		return STATUS_VIOLATION;
	case OUTCOME_CANCELLED:
		return STATUS_CANCELLED;
	case OUTCOME_LIMIT:
		return r->limit == ENDED_BY_WALL_TIME || r->limit == ENDED_BY_CPU_TIME ? STATUS_TIME : STATUS_LIMIT;
	default:
		return STATUS_FAILED;
	}
}
