#include "read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "mem.h"
#include "names.h"
#include "paths.h"

#define N(a)       (sizeof(a) / sizeof((a)[0]))
#define TEXT(node) ((const char *)(node)->data.scalar.value)

/* --- lists of strings that end in NULL -------------------------------------------------------- */

static size_t list_len(char **list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* Takes `s`. */
static void list_add(char ***list, char *s)
{
	size_t n = list_len(*list);

	*list = mem_grow(*list, n + 2, sizeof(**list));
	(*list)[n] = s;
	(*list)[n + 1] = NULL;
}

static void list_add_once(char ***list, const char *s)
{
	for (size_t i = 0; i < list_len(*list); i++) {
		if (!strcmp((*list)[i], s))
			return;
	}
	list_add(list, mem_copy(s));
}

/* --- scalars ---------------------------------------------------------------------------------- */

static void ignore(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)d, (void)key, (void)value, (void)ctx;
}

static void take_language(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;
	const char *s = ydoc_str(d, value, "language");
	int l = s ? language_parse(s, strlen(s)) : -1;

	(void)key;
	if (!s)
		return;
	if (l < 0)
		ydoc_fail(d, value, "language: unknown language %s", s);
	r->p->language = l < 0 ? LANGUAGE_PYTHON3 : (enum language)l;
	r->p->has_language = true;
}

static void take_interpreter(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;
	const char *s = ydoc_str(d, value, "interpreter");

	(void)key;
	if (!s)
		return;
	if (*s != '/' && strchr(s, '/'))
		ydoc_fail(d, value, "interpreter: must be a bare name or an absolute path, is %s", s);
	free(r->p->interpreter);
	r->p->interpreter = mem_copy(s);
}

static void take_dependencies(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;
	const char *s = ydoc_str(d, value, "dependencies");
	const char *problem = s ? names_tree_problem(s) : NULL;

	(void)key;
	if (problem)
		ydoc_fail(d, value, "dependencies: %s: %s", s, problem);
	if (!s || problem)
		return;
	free(r->p->dependencies);
	r->p->dependencies = mem_copy(s);
}

static void take_on_output_limit(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;
	const char *s = ydoc_str(d, value, "on_output_limit");

	(void)key;
	if (s && strcmp(s, "cut") && strcmp(s, "end"))
		ydoc_fail(d, value, "on_output_limit: must be cut or end, is %s", s);
	r->p->end_on_output_limit = s && !strcmp(s, "end");
}

/* --- preload, quiet --------------------------------------------------------------------------- */

#define NAMES_MAX 1024 /* of one list: each is compared with those before it */
#define FILES_MAX 10000 /* the same of files: 0.1 s */

/* A dotted module name: the zygote imports it, so nothing but identifiers may get there. */
static bool is_module(const char *s)
{
	bool start = true;

	for (; *s; s++) {
		if (*s == '.' && !start) {
			start = true;
		} else if (*s == '_' || isalpha((unsigned char)*s) || (!start && isdigit((unsigned char)*s))) {
			start = false;
		} else {
			return false;
		}
	}
	return !start;
}

static void take_module(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;
	const char *s = ydoc_str(d, value, "preload");

	(void)key;
	if (s && !is_module(s))
		ydoc_fail(d, value, "preload: %s: not a module name", s);
	else if (s)
		list_add_once(&r->p->preload, s);
}

static void take_preload(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	ydoc_few_items(d, value, "preload", NAMES_MAX, take_module, ctx);
}

static void take_quiet_path(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;
	const char *s = ydoc_str(d, value, "quiet");
	const char *wrong = s ? paths_problem(s) : NULL;

	(void)key;
	if (!s)
		return;
	if (!wrong && strchr(s, '*') && (strchr(s, '*') != s + strlen(s) - 1 || s[strlen(s) - 2] != '/'))
		wrong = "a star may only stand alone after the last slash";
	if (wrong)
		ydoc_fail(d, value, "quiet: %s: %s", s, wrong);
	else
		list_add_once(&r->p->quiet, s);
}

static void take_quiet(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	ydoc_few_items(d, value, "quiet", NAMES_MAX, take_quiet_path, ctx);
}

/* --- environment ------------------------------------------------------------------------------ */

/* Interpreters and the loader read these at their own start, long before a job: setting them would do nothing. */
static const char *const start_names[] = {"PYTHON", "LD_", "NODE_OPTIONS", "GLIBC_TUNABLES"};

static const char *env_problem(const char *name)
{
	if (isdigit((unsigned char)*name) ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name))
		return "not a variable's name";
	for (size_t i = 0; i < N(start_names); i++) {
		if (!strncmp(name, start_names[i], strlen(start_names[i])))
			return "read only when the interpreter starts, which is before any job";
	}
	return NULL;
}

static void env_set(char ***env, const char *name, const char *value)
{
	size_t n = strlen(name);
	char *line;

	if (asprintf(&line, "%s=%s", name, value) < 0)
		abort();
	for (size_t i = 0; i < list_len(*env); i++) {
		if (!strncmp((*env)[i], line, n + 1)) {
			free((*env)[i]);
			(*env)[i] = line;
			return;
		}
	}
	list_add(env, line);
}

static void take_variable(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;
	const char *wrong = env_problem(TEXT(key));
	const char *s = ydoc_str(d, value, "env");

	if (wrong)
		ydoc_fail(d, key, "env: %s: %s", TEXT(key), wrong);
	else if (s)
		env_set(&r->p->env, TEXT(key), s);
}

static void take_env(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	ydoc_pairs(d, value, "env", take_variable, ctx);
}

/* --- limits ----------------------------------------------------------------------------------- */

struct limits_ctx {
	const char *where;
	uint64_t *limits;
};

static void take_limit(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const struct limits_ctx *c = ctx;
	int l = limit_parse(TEXT(key), strlen(TEXT(key)));
	char where[80];

	snprintf(where, sizeof(where), "%s.%.40s", c->where, TEXT(key));
	if (l < 0)
		ydoc_fail(d, key, "%s: unknown limit", where);
	else
		ydoc_uint(d, value, where, 1, limit_max(l), &c->limits[l]);
}

static void take_limits(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;

	(void)key;
	ydoc_pairs(d, value, "limits", take_limit, &(struct limits_ctx){"limits", r->p->limits});
}

static void take_max_limits(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct reader *r = ctx;

	(void)key;
	ydoc_pairs(d, value, "callers_may.limits", take_limit,
		   &(struct limits_ctx){"callers_may.limits", r->p->max_limits});
}

/* --- files ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	uint32_t bit;
} rights[] = {{"read", RIGHT_READ}, {"write", RIGHT_WRITE}, {"create", RIGHT_CREATE}, {"list", RIGHT_LIST}};

/* Names of the virtual tree that the supervisor fills itself, and trees whose content is about the one who looks: the
 * worker opens grants, so they would show the supervisor. */
static const struct {
	const char *path;
	bool below; /* everything below, too */
	const char *why;
} reserved[] = {
	{"/", false, "everything at once; name the directories that are needed"},
	{"/proc", true, "would show the supervisor's processes"},
	{"/sys", true, "would show and change the machine"},
	{"/tmp", false, "is the job's private directory"},
	{"/dev/shm", false, "is the job's private directory"},
	{"/.warder", true, "is the supervisor's own"},
};

const char *policy_grant_problem(const char *path)
{
	for (size_t i = 0; i < N(reserved); i++) {
		size_t n = strlen(reserved[i].path);

		if (!strcmp(path, reserved[i].path) ||
		    (reserved[i].below && !strncmp(path, reserved[i].path, n) && path[n] == '/'))
			return reserved[i].why;
	}
	return paths_problem(path);
}

struct grant {
	const char *path;
	bool interpreter;
	uint32_t rights;
};

static void take_grant_path(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const char *s = ydoc_str(d, value, "path");
	const char *wrong = s ? policy_grant_problem(s) : NULL;

	(void)key;
	if (wrong)
		ydoc_fail(d, value, "path: %s: %s", s, wrong);
	((struct grant *)ctx)->path = s;
}

static void take_grant_interpreter(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct grant *g = ctx;

	(void)key;
	if (ydoc_bool(d, value, "interpreter", &g->interpreter) && !g->interpreter)
		ydoc_fail(d, value, "interpreter: false grants nothing; leave the line out");
}

static void take_right(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const char *s = ydoc_str(d, value, "rights");

	(void)key;
	for (size_t i = 0; s && i < N(rights); i++) {
		if (!strcmp(rights[i].name, s)) {
			((struct grant *)ctx)->rights |= rights[i].bit;
			return;
		}
	}
	if (s)
		ydoc_fail(d, value, "rights: unknown right %s (read, write, create, list)", s);
}

static void take_rights(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	ydoc_items(d, value, "rights", take_right, ctx);
}

static struct policy_file *find_grant(struct policy *p, const struct grant *g)
{
	for (size_t i = 0; i < p->n_files; i++) {
		struct policy_file *f = &p->files[i];

		if (f->interpreter == g->interpreter && (g->interpreter || !strcmp(f->path, g->path)))
			return f;
	}
	return NULL;
}

static void add_grant(struct reader *r, yaml_node_t *at, const struct grant *g)
{
	struct policy *p = r->p;
	struct policy_file *f = find_grant(p, g);

	if (!f) {
		p->files = mem_grow(p->files, p->n_files + 1, sizeof(*p->files));
		f = &p->files[p->n_files++];
		*f = (struct policy_file){.path = g->path ? mem_copy(g->path) : NULL, .interpreter = g->interpreter};
	}
	f->rights |= g->rights; /* grants only add */
	free(f->rule);
	f->rule = read_rule(r, at, "files");
}

static void take_file(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {
		{"path", take_grant_path}, {"interpreter", take_grant_interpreter}, {"rights", take_rights}};
	struct grant g = {0};

	(void)key;
	ydoc_map(d, value, "files", keys, N(keys), &g);
	if (value->type != YAML_MAPPING_NODE)
		return;
	if (!g.path == !g.interpreter)
		ydoc_fail(d, value, "files: a line needs either path or interpreter: true");
	else if (!g.rights)
		ydoc_fail(d, value, "files: a line needs rights (read, write, create, list)");
	else
		add_grant(ctx, value, &g);
}

static void take_files(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	ydoc_few_items(d, value, "files", FILES_MAX, take_file, ctx);
}

/* --- callers_may ------------------------------------------------------------------------------ */

struct bound_ctx {
	struct reader *r;
	enum grant_kind kind;
	char where[32];
};

/* A bound is no grant: "/" and "/tmp" may stand here, since each grant is held against the floor by itself. */
static void take_bound(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const struct bound_ctx *c = ctx;
	const char *s = ydoc_str(d, value, c->where);
	char why[READ_WHY_MAX];
	const char *wrong = !s ? NULL : c->kind != GRANT_CONNECT ? paths_problem(s) : read_connect_problem(s, why);
	struct policy_bounds *b = &c->r->p->callers_may[c->kind];

	(void)key;
	if (!s)
		return;
	if (wrong) {
		ydoc_fail(d, value, "%s: %s: %s", c->where, s, wrong);
		return;
	}
	b->v = mem_grow(b->v, b->n + 1, sizeof(*b->v));
	b->v[b->n++] = (struct policy_bound){mem_copy(s), ydoc_line(value), (int)value->start_mark.column + 1};
}

static void take_bounds(struct ydoc *d, yaml_node_t *value, void *ctx, enum grant_kind kind)
{
	struct bound_ctx c = {.r = ctx, .kind = kind};

	snprintf(c.where, sizeof(c.where), "callers_may.%s", grant_kind_name(kind));
	ydoc_items(d, value, c.where, take_bound, &c);
}

static void take_may_read(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	take_bounds(d, value, ctx, GRANT_READ);
}

static void take_may_write(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	take_bounds(d, value, ctx, GRANT_WRITE);
}

static void take_may_connect(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	take_bounds(d, value, ctx, GRANT_CONNECT);
}

static void take_callers_may(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {
		{"limits", take_max_limits}, {"read", take_may_read}, {"write", take_may_write},
		{"connect", take_may_connect}};

	(void)key;
	ydoc_map(d, value, "callers_may", keys, N(keys), ctx);
}

/* --- the whole document ----------------------------------------------------------------------- */

static const struct ydoc_key top_keys[] = {
	{"name", ignore}, /* both are read before the bases are laid down */
	{"extends", ignore},
	{"language", take_language},
	{"interpreter", take_interpreter},
	{"preload", take_preload},
	{"syscalls", read_syscalls},
	{"files", take_files},
	{"limits", take_limits},
	{"on_output_limit", take_on_output_limit},
	{"env", take_env},
	{"quiet", take_quiet},
	{"callers_may", take_callers_may},
	{"network", read_network},
	{"sockets", read_sockets},
	{"sockopts", read_sockopts},
	{"dependencies", take_dependencies},
};

void read_policy(struct ydoc *d, const char *source, struct policy *p)
{
	struct reader r = {.d = d, .p = p, .source = source};

	r.own = mem_zeroed((size_t)p->n_calls, sizeof(*r.own));
	ydoc_map(d, ydoc_root(d), "", top_keys, N(top_keys), &r);
	read_merge_calls(&r);
	free(r.own);
}
