/* policy.c - `warder policy check|show|diff|explain`: what a policy says, without a supervisor. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "json.h"
#include "lines.h"
#include "options.h"
#include "places.h"
#include "query.h"
#include "rpc.h"
#include "tell.h"

struct policy_options {
	bool help, json, to_write;
	const char *policy;
	struct option_list dirs;
};

#define AT(field) offsetof(struct policy_options, field)
static const struct option rows[] = {
	{"--policy", "NAME|FILE", OPTION_TEXT, AT(policy), "explain: by this policy; python3"},
	{"--write", NULL, OPTION_FLAG, AT(to_write), "explain: the call is to change the file"},
	{"--policy-dir", "DIR", OPTION_LIST, AT(dirs), "where policies are; may be given several times, the first wins"},
	{"--json", NULL, OPTION_FLAG, AT(json), "explain: prints one JSON object"},
	{"--help", NULL, OPTION_FLAG, AT(help), "this list"},
};
static const struct option_table table = {rows, sizeof(rows) / sizeof(*rows)};

/* --- policies ------------------------------------------------------------------------------------------------ */

#define DIRS_MAX 16

static const char *dirs[DIRS_MAX + 1]; /* NULL-terminated */

/* Those that were given, else where warderd looks. */
static void find_dirs(const struct option_list *given)
{
	const char *const *places = policy_places();
	size_t k = 0;

	for (; k < given->n && k < DIRS_MAX; k++)
		dirs[k] = given->v[k];
	for (size_t i = 0; !given->n && places[i]; i++)
		dirs[k++] = places[i];
}

static void tell_errors(FILE *f, const struct policy_errors *es)
{
	for (size_t i = 0; i < es->n; i++) {
		tell_escaped(f, es->v[i].file, strlen(es->v[i].file));
		fprintf(f, ":%d:%d: ", es->v[i].line, es->v[i].column);
		tell_escaped(f, es->v[i].text, strlen(es->v[i].text));
		fputc('\n', f);
	}
}

static bool is_file(const char *name)
{
	size_t n = strlen(name);

	return strchr(name, '/') || (n > 5 && !strcmp(name + n - 5, ".yaml"));
}

/* By name or file; NULL after telling what is wrong. */
static struct policy *load(const char *name)
{
	struct policy_errors es = {0};
	struct policy *p = NULL;
	char path[PATH_MAX];
	bool found = is_file(name);

	snprintf(path, sizeof(path), "%s", name);
	for (size_t i = 0; !found && dirs[i]; i++)
		found = snprintf(path, sizeof(path), "%s/%s.yaml", dirs[i], name) < (int)sizeof(path) && !access(path, R_OK);
	if (found) {
		p = policy_load_file(path, dirs, &es);
	} else {
		fputs("warder: no policy ", stderr);
		tell_escaped(stderr, name, strlen(name));
		fputs(" in the policy directories\n", stderr);
	}
	tell_errors(stderr, &es);
	policy_errors_done(&es);
	return p;
}

/* --- check, show, diff --------------------------------------------------------------------------------------- */

static int check(const struct policy_options *o, const struct option_list *files)
{
	int status = 0;

	(void)o;
	for (size_t i = 0; i < files->n; i++) {
		struct policy_errors es = {0};
		struct policy *p = policy_load_file(files->v[i], dirs, &es);

		tell_errors(stdout, &es);
		if (p)
			printf("%s: ok\n", files->v[i]);
		else
			status = 1;
		policy_free(p);
		policy_errors_done(&es);
	}
	return status;
}

static void print_lines(const struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		tell_escaped(stdout, l->v[i].text, strlen(l->v[i].text));
		if (l->v[i].rule)
			printf("  # %s", l->v[i].rule);
		putchar('\n');
	}
}

static int show(const struct policy_options *o, const struct option_list *words)
{
	struct policy *p = load(words->v[0]);
	struct lines l;

	(void)o;
	if (!p)
		return STATUS_FAILED;
	lines_of(p, &l);
	print_lines(&l);
	lines_done(&l);
	policy_free(p);
	return 0;
}

/* As diff(1): 0 when they say the same, 1 when not. */
static int diff(const struct policy_options *o, const struct option_list *words)
{
	struct policy *a = load(words->v[0]), *b = load(words->v[1]);
	int status = STATUS_FAILED;
	struct lines l;

	(void)o;
	if (a && b) {
		lines_diff(a, b, &l);
		print_lines(&l);
		status = l.n > 0;
		lines_done(&l);
	}
	policy_free(a);
	policy_free(b);
	return status;
}

/* --- explain ------------------------------------------------------------------------------------------------- */

static void print_json(const struct query *q)
{
	msgpack_unpacked m;
	msgpack_sbuffer b;
	msgpack_packer pk;

	rpc_begin(&b, &pk);
	query_pack(q, &pk);
	msgpack_unpacked_init(&m);
	if (msgpack_unpack_next(&m, b.data, b.size, NULL) == MSGPACK_UNPACK_SUCCESS)
		json_print(stdout, &m.data);
	putchar('\n');
	msgpack_unpacked_destroy(&m);
	msgpack_sbuffer_destroy(&b);
}

static void print_rows(const struct query *q)
{
	const struct policy_call *c = &q->policy->calls[policy_call_nr(q->call)];
	char text[2048];

	for (size_t i = 0; q->depends && i < c->n_rows; i++) {
		const char *why = policy_why(q->policy, c->rows[i].rule);

		lines_row(&c->rows[i], text, sizeof(text));
		printf("  %s  # %s%s%s\n", text, c->rows[i].rule, why ? ": " : "", why ? why : "");
	}
	if (q->depends && !c->rows[c->n_rows - 1].otherwise && c->rows[c->n_rows - 1].n_conds)
		puts("  else killed");
}

static void print_answer(const struct query *q)
{
	printf("%s%s", q->call, q->object ? " " : "");
	if (q->object)
		tell_escaped(stdout, q->object, strlen(q->object));
	printf(": %s%s%s by %s\n", q->verdict, q->err ? " with " : "", q->err ? err_name(q->err) : "", q->policy->name);
	print_rows(q);
	if (q->rule)
		printf("  rule: %s\n", q->rule);
	if (q->why)
		printf("  why:  %s\n", q->why);
	if (*q->hint)
		printf("  hint: %s\n", q->hint);
}

static int no_answer(int ret, const struct query *q, const char *problem)
{
	const char *about = ret == -ENOENT ? q->call : q->object;

	fprintf(stderr, "warder policy explain: %s", ret == -ENOENT ? "unknown call " : "");
	tell_escaped(stderr, about, strlen(about));
	fprintf(stderr, "%s%s\n", ret == -ENOENT ? "" : ": ", ret == -ENOENT ? "" : problem);
	return STATUS_FAILED;
}

static int explain(const struct policy_options *o, const struct option_list *words)
{
	struct query q = {.call = words->v[0], .object = words->n > 1 ? words->v[1] : NULL, .to_write = o->to_write};
	struct policy *p = load(o->policy ? o->policy : "python3");
	char problem[QUERY_PROBLEM];
	int status = 0, ret;

	if (!p)
		return STATUS_FAILED;
	q.policy = p;
	ret = query_judge(&q, problem);
	if (ret)
		status = no_answer(ret, &q, problem);
	else if (o->json)
		print_json(&q);
	else
		print_answer(&q);
	policy_free(p);
	return status;
}

/* --- the command --------------------------------------------------------------------------------------------- */

static const struct sub {
	const char *name, *args, *help;
	int (*fn)(const struct policy_options *o, const struct option_list *words);
	size_t min, max;
} subs[] = {
	{"check", "FILE...", "tells what is wrong with policy files, by line and column", check, 1, SIZE_MAX},
	{"show", "NAME|FILE", "a policy with its bases, one fact a line", show, 1, 1},
	{"diff", "A B", "what two of them say differently", diff, 2, 2},
	{"explain", "CALL [PATH|HOST:PORT]", "what a policy does with a call, why, and what would allow it", explain, 1, 2},
};
#define N_SUBS (sizeof(subs) / sizeof(*subs))

static int help(FILE *f)
{
	for (size_t i = 0; i < N_SUBS; i++)
		fprintf(f, "  warder policy %-8s %-22s %s\n", subs[i].name, subs[i].args, subs[i].help);
	fputc('\n', f);
	options_print(&table, f);
	return fflush(f) ? STATUS_FAILED : 0;
}

static int run_sub(const char *name, const struct policy_options *o, const struct option_list *words)
{
	for (size_t i = 0; i < N_SUBS; i++) {
		if (strcmp(subs[i].name, name))
			continue;
		if (words->n < subs[i].min || words->n > subs[i].max) {
			fprintf(stderr, "usage: warder policy %s %s\n", subs[i].name, subs[i].args);
			return STATUS_FAILED;
		}
		find_dirs(&o->dirs);
		int status = subs[i].fn(o, words);
		return fflush(stdout) ? STATUS_FAILED : status;
	}
	fputs("warder policy: unknown command ", stderr);
	tell_escaped(stderr, name, strlen(name));
	fputs("; see warder policy --help\n", stderr);
	return STATUS_FAILED;
}

int policy_main(int argc, char **argv)
{
	struct policy_options o = {0};
	struct option_list words = {0};
	struct err e = {0};
	char text[300];
	int status = STATUS_FAILED, sub = argc > 1 && argv[1][0] != '-';
	int rc = options_parse(&table, argc - sub, argv + sub, &o, &words, &e);

	if (rc < 0)
		fprintf(stderr, "warder policy: %s; see warder policy --help\n", err_str(&e, text, sizeof(text)));
	else if (o.help)
		status = help(stdout);
	else if (!sub)
		help(stderr);
	else
		status = run_sub(argv[1], &o, &words);
	options_list_done(&words);
	options_list_done(&o.dirs);
	return status;
}
