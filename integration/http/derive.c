#include "derive.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "log.h"

#define POOL_DEFAULT  16  /* jobs at once of one worker */
#define POOL_MAX      1024
#define SEEN_MAX      4096 /* numbers above are no calls, and may be named twice */
#define QUEUE_SPARE   64  /* beside MAX_WORKERS: the supervisor's own health checks, and jobs that just end */

/* The environment is the operator's, but YAML must not read it as anything but one string. */
static void put_string(struct text *t, const char *s)
{
	text_json(t, (struct bytes){s, strlen(s)});
}

static void put_proxy(struct text *t, const struct knobs *k)
{
	const struct {
		const char *key, *value;
	} rows[] = {{"http", k->http_proxy}, {"https", k->https_proxy}, {"socks5", k->socks5_proxy}};
	const char *between = "";

	if (!k->network || (!k->http_proxy && !k->https_proxy && !k->socks5_proxy))
		return;
	text_put(t, "proxy: {");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rows[i].value)
			continue;
		text_printf(t, "%s%s: ", between, rows[i].key);
		put_string(t, rows[i].value);
		between = ", ";
	}
	text_put(t, "}\n");
}

void derive_config(const struct knobs *k, const char *socket, unsigned cpus, uid_t installer, struct text *t)
{
	unsigned jobs = (unsigned)k->max_workers, workers = jobs < cpus ? jobs : cpus, each = (jobs + workers - 1) / workers;

	text_put(t, "socket: {mode: \"0666\", path: ");
	put_string(t, socket);
	text_printf(t, "}\nworkers: %u\npool: {max: %u}\n", workers, each < POOL_DEFAULT ? POOL_DEFAULT : each < POOL_MAX ? each : POOL_MAX);
	text_printf(t, "queue: {length: %u}\ninstallers: [%u]\n", jobs + QUEUE_SPARE, installer);
	put_proxy(t, k);
}

/* --- policies ------------------------------------------------------------------------------------------------ */

/* What the base says of the call whatever its arguments are; RULE_KILL where that depends. */
static enum rule_kind kind_of(const struct policy_call *c)
{
	return c->n_rows && c->rows[0].n_conds == 0 ? c->rows[0].kind : RULE_KILL;
}

/* NULL: it is allowed from now on; else why not. */
static const char *why_not(const struct policy *base, int nr)
{
	const char *name = calls_name(nr);
	const struct floor *f = name ? floor_find(name) : NULL;
	enum rule_kind kind = name ? kind_of(&base->calls[nr]) : RULE_KILL;

	if (!name)
		return "no call of this machine has that number";
	if (kind == RULE_ALLOW)
		return "is allowed already";
	if (kind == RULE_BROKER)
		return "is answered by the supervisor";
	return f ? f->why : NULL;
}

static void put_call(struct text *t, const struct policy *base, int nr)
{
	const char *name = nr < calls_count() ? calls_name(nr) : NULL, *why = nr < calls_count() ? why_not(base, nr) : "is newer than the table of calls";
	char shown[300];

	log_write(why ? LOG_WARN : LOG_INFO, "allowed_syscall", "policy=%s number=%d call=%s allowed=%s%s%s", base->name, nr, name ? name : "none",
		  why ? "no" : "yes", why ? " why=" : "", why ? log_value(shown, sizeof(shown), why) : "");
	if (!why)
		text_printf(t, "%s%s", t->len ? ", " : "", name);
}

static int put_calls(const struct knobs *k, const struct policy *base, struct text *t, struct err *e)
{
	const char *s = k->syscalls ? k->syscalls : "";
	bool seen[SEEN_MAX] = {false};

	while (*s) {
		char *end;
		unsigned long nr = strtoul(s, &end, 10);
		const char *after = end + strspn(end, " ");

		if (end == s || *s == '-' || *s == '+' || (*after && *after != ','))
			return err_set(e, ERR_HOST, "ALLOWED_SYSCALLS", 0, "must be numbers with commas between, is %.80s", k->syscalls);
		if (nr >= SEEN_MAX || !seen[nr])
			put_call(t, base, nr < INT_MAX ? (int)nr : INT_MAX);
		if (nr < SEEN_MAX)
			seen[nr] = true;
		s = *after ? after + 1 : after;
	}
	return 0;
}

static void put_limits(struct text *t, const struct knobs *k, const struct policy *base)
{
	long ms = k->timeout_s * 1000l;
	unsigned long wall = base->max_limits[LIMIT_WALL_MS], cpu = base->max_limits[LIMIT_CPU_MS];

	text_printf(t, "callers_may: {%slimits: {wall_ms: %lu, cpu_ms: %lu}}\n", k->network ? "connect: [\"*\"], " : "",
		    (unsigned long)ms > wall ? (unsigned long)ms : wall, (unsigned long)ms > cpu ? (unsigned long)ms : cpu);
}

int derive_policy(const struct knobs *k, const struct policy *base, struct text *t, struct err *e)
{
	const char *interpreter = base->language == LANGUAGE_PYTHON3 ? k->python : k->nodejs;
	struct text calls = {0};
	int ret = put_calls(k, base, &calls, e);

	text_printf(t, "name: %s\nextends: %s\n", base->name, base->name);
	if (interpreter) {
		text_put(t, "interpreter: ");
		put_string(t, interpreter);
		text_put(t, "\n");
	}
	put_limits(t, k, base);
	if (calls.len)
		text_printf(t, "syscalls:\n  environment:\n    why: the operator's ALLOWED_SYSCALLS\n    allow: [%s]\n", calls.p);
	t->failed |= calls.failed;
	text_done(&calls);
	return ret;
}
