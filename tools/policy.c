/* policy.c - `warder policy check|show|diff|explain`: what a policy says, without a supervisor. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "commands.h"
#include "explain.h"
#include "json.h"
#include "lines.h"
#include "options.h"
#include "paths.h"
#include "places.h"
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

static void print_line(const char *mark, const struct line *l)
{
	fputs(mark, stdout);
	tell_escaped(stdout, l->text, strlen(l->text));
	if (l->rule)
		printf("  # %s", l->rule);
	putchar('\n');
}

static int show(const struct policy_options *o, const struct option_list *words)
{
	struct policy *p = load(words->v[0]);
	struct lines l;

	(void)o;
	if (!p)
		return 1;
	lines_of(p, &l);
	for (size_t i = 0; i < l.n; i++)
		print_line("", &l.v[i]);
	lines_done(&l);
	policy_free(p);
	return 0;
}

static bool has(const struct lines *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i].text, text))
			return true;
	return false;
}

static bool print_missing(const char *mark, const struct lines *from, const struct lines *in)
{
	bool any = false;

	for (size_t i = 0; i < from->n; i++)
		if (!has(in, from->v[i].text)) {
			print_line(mark, &from->v[i]);
			any = true;
		}
	return any;
}

/* As diff(1): 0 when they say the same, 1 when not. */
static int diff(const struct policy_options *o, const struct option_list *words)
{
	struct policy *a = load(words->v[0]), *b = load(words->v[1]);
	int status = STATUS_FAILED;
	struct lines x, y;

	(void)o;
	if (a && b) {
		lines_of(a, &x);
		lines_of(b, &y);
		bool gone = print_missing("- ", &x, &y), come = print_missing("+ ", &y, &x);
		status = gone || come;
		lines_done(&x);
		lines_done(&y);
	}
	policy_free(a);
	policy_free(b);
	return status;
}

/* --- explain ------------------------------------------------------------------------------------------------- */

struct answer {
	const struct policy *p;
	const char *call, *object;
	const char *verdict, *rule, *why;
	int err;
	char hint[EXPLAIN_HINT];
	bool depends; /* on registers, which are not known here */
};

static void judge_call(struct answer *a, int nr)
{
	static const char *const verdicts[] = {[RULE_KILL] = "killed", [RULE_ALLOW] = "allowed", [RULE_BROKER] = "brokered",
					       [RULE_REFUSE] = "refused", [RULE_REFUSE_QUIETLY] = "refused"};
	const struct policy_call *c = &a->p->calls[nr];
	const uint64_t none[6] = {0};
	struct judgement j = policy_judge(a->p, nr, none);

	a->depends = c->n_rows && c->rows[0].n_conds;
	a->verdict = a->depends ? "depends on its arguments" : verdicts[j.kind];
	a->rule = a->depends ? NULL : j.rule;
	a->err = a->depends ? 0 : j.err;
	a->why = policy_why(a->p, a->rule);
	if (!a->depends && (j.kind == RULE_KILL || j.kind == RULE_REFUSE || j.kind == RULE_REFUSE_QUIETLY))
		explain_call(a->p, nr, NULL, a->hint);
}

static const struct policy_file *file_of(const struct policy *p, const char *path, uint32_t *rights)
{
	const struct policy_file *best = NULL;

	*rights = 0;
	for (size_t i = 0; i < p->n_files; i++) {
		const struct policy_file *f = &p->files[i];

		if (!f->path || !paths_cover(f->path, path))
			continue;
		*rights |= f->rights;
		if (!best || strlen(f->path) > strlen(best->path))
			best = f;
	}
	return best;
}

/* By the name alone: links, and which libraries belong to the interpreter, are known where the job runs. */
static void judge_path(struct answer *a, const char *path, enum explain_need need)
{
	uint32_t rights, any = need == EXPLAIN_NAME ? RIGHT_CREATE : need == EXPLAIN_WRITE ? RIGHT_WRITE : RIGHT_READ | RIGHT_LIST;
	const struct policy_file *f = file_of(a->p, path, &rights);

	if (paths_cover("/tmp", path) || paths_cover("/proc", path)) {
		a->rule = path[1] == 't' ? "the job's own /tmp" : "synthetic";
		return;
	}
	if (f)
		a->rule = f->rule;
	a->why = policy_why(a->p, a->rule);
	if (f && rights & any)
		return;
	a->verdict = f ? "refused" : "hidden";
	a->err = f ? EACCES : ENOENT;
	if (!f)
		a->rule = "outside every grant of the policy";
	explain_path(path, need, a->hint);
}

static bool covers(const struct policy *p, const struct net_grant *g, const char **rule)
{
	for (size_t i = 0; i < p->n_network; i++)
		if (address_within(&p->network[i], g)) {
			*rule = p->network[i].rule;
			return true;
		}
	return false;
}

static void judge_address(struct answer *a, const struct net_grant *g)
{
	if (covers(a->p, g, &a->rule)) {
		a->why = policy_why(a->p, a->rule);
		return;
	}
	a->verdict = "refused";
	a->err = EACCES;
	a->why = NULL;
	a->rule = g->kind == NET_RANGE && address_special(&g->addr) ? "network: a special address, only a range that names it would grant it"
	                                                             : "network: not granted";
	snprintf(a->hint, sizeof(a->hint), "grants.connect: [\"%.200s\"]", a->object);
}

static int no_object(const struct answer *a, const char *why)
{
	fputs("warder policy explain: ", stderr);
	tell_escaped(stderr, a->object, strlen(a->object));
	fprintf(stderr, ": %s\n", why);
	return -EINVAL;
}

static int judge_object(struct answer *a, bool to_write)
{
	struct net_grant g;
	char why[160];

	if (strcmp(a->verdict, "brokered")) /* never looked at */
		return 0;
	if (strcmp(a->call, "connect") && !strstr(a->call, "send")) {
		const char *problem = *a->object == '/' ? paths_problem(a->object) : "must be an absolute path";

		if (problem)
			return no_object(a, problem);
		judge_path(a, a->object, explain_need(a->call) == EXPLAIN_READ && to_write ? EXPLAIN_WRITE : explain_need(a->call));
		return 0;
	}
	if (*a->object == '/')
		return no_object(a, "must be HOST:PORT; a job reaches no socket by path");
	if (address_parse(a->object, &g, why, sizeof(why)))
		return no_object(a, why);
	judge_address(a, &g);
	address_done(&g);
	return 0;
}

static void pack_text(msgpack_packer *pk, const char *key, const char *value)
{
	rpc_pack_cstr(pk, key);
	if (value && *value)
		rpc_pack_cstr(pk, value);
	else
		msgpack_pack_nil(pk);
}

static void pack_rows(msgpack_packer *pk, const struct answer *a)
{
	const struct policy_call *c = &a->p->calls[policy_call_nr(a->call)];
	size_t n = a->depends ? c->n_rows : 0;
	char text[2048];

	rpc_pack_cstr(pk, "rows");
	msgpack_pack_array(pk, n);
	for (size_t i = 0; i < n; i++) {
		lines_row(&c->rows[i], text, sizeof(text));
		rpc_pack_cstr(pk, text);
	}
}

static void print_json(const struct answer *a)
{
	msgpack_unpacked m;
	msgpack_sbuffer b;
	msgpack_packer pk;

	msgpack_sbuffer_init(&b);
	msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
	msgpack_pack_map(&pk, 9);
	pack_text(&pk, "policy", a->p->name);
	pack_text(&pk, "call", a->call);
	pack_text(&pk, "object", a->object);
	pack_text(&pk, "verdict", a->verdict);
	pack_text(&pk, "errno", a->err ? err_name(a->err) : NULL);
	pack_text(&pk, "rule", a->rule);
	pack_text(&pk, "why", a->why);
	pack_text(&pk, "hint", a->hint);
	pack_rows(&pk, a);
	msgpack_unpacked_init(&m);
	if (msgpack_unpack_next(&m, b.data, b.size, NULL) == MSGPACK_UNPACK_SUCCESS)
		json_print(stdout, &m.data);
	putchar('\n');
	msgpack_unpacked_destroy(&m);
	msgpack_sbuffer_destroy(&b);
}

static void print_rows(const struct answer *a)
{
	const struct policy_call *c = &a->p->calls[policy_call_nr(a->call)];
	char text[2048];

	for (size_t i = 0; a->depends && i < c->n_rows; i++) {
		const char *why = policy_why(a->p, c->rows[i].rule);

		lines_row(&c->rows[i], text, sizeof(text));
		printf("  %s  # %s%s%s\n", text, c->rows[i].rule, why ? ": " : "", why ? why : "");
	}
	if (a->depends && !c->rows[c->n_rows - 1].otherwise && c->rows[c->n_rows - 1].n_conds)
		puts("  else killed");
}

static void print_answer(const struct answer *a)
{
	printf("%s%s", a->call, a->object ? " " : "");
	if (a->object)
		tell_escaped(stdout, a->object, strlen(a->object));
	printf(": %s%s%s by %s\n", a->verdict, a->err ? " with " : "", a->err ? err_name(a->err) : "", a->p->name);
	print_rows(a);
	if (a->rule)
		printf("  rule: %s\n", a->rule);
	if (a->why)
		printf("  why:  %s\n", a->why);
	if (*a->hint)
		printf("  hint: %s\n", a->hint);
}

static int explain(const struct policy_options *o, const struct option_list *words)
{
	struct answer a = {.call = words->v[0], .object = words->n > 1 ? words->v[1] : NULL};
	int nr = policy_call_nr(a.call), status = 1;
	struct policy *p;

	if (nr < 0) {
		fputs("warder policy explain: unknown call ", stderr);
		tell_escaped(stderr, a.call, strlen(a.call));
		fputc('\n', stderr);
		return STATUS_FAILED;
	}
	p = load(o->policy ? o->policy : "python3");
	if (!p)
		return STATUS_FAILED;
	a.p = p;
	judge_call(&a, nr);
	if (!a.object || judge_object(&a, o->to_write) == 0) {
		status = 0;
		if (o->json)
			print_json(&a);
		else
			print_answer(&a);
	}
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
