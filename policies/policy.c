#include "policy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "address.h"
#include "calls.h"
#include "mem.h"
#include "paths.h"
#include "read.h"
#include "texts.h"

#define BASES_MAX    16   /* depth of a chain of `extends` */
#define CHAIN_MAX    64   /* files of one chain, all branches */
#define NAME_LEN_MAX 64

struct policy_set {
	struct policy **v;
	size_t n;
};

/* Where a policy is silent through its whole chain. */
static const uint64_t default_limits[] = {
	[LIMIT_WALL_MS] = 15000,    [LIMIT_CPU_MS] = 15000, [LIMIT_MEMORY_MIB] = 256,
	[LIMIT_OUTPUT_KIB] = 16384, [LIMIT_THREADS] = 32,   [LIMIT_TMP_MIB] = 64,
	[LIMIT_TMP_INODES] = 4096,  [LIMIT_FILE_MIB] = 64,  [LIMIT_OPEN_FILES] = 256,
};
_Static_assert(sizeof(default_limits) / sizeof(default_limits[0]) == LIMIT_COUNT, "a default for every limit");

static const char *const default_interpreters[] = {[LANGUAGE_PYTHON3] = "python3", [LANGUAGE_NODEJS] = "node"};
_Static_assert(sizeof(default_interpreters) / sizeof(default_interpreters[0]) == LANGUAGE_COUNT, "one a language");

/* --- life ------------------------------------------------------------------------------------- */

static struct policy *policy_new(void)
{
	struct policy *p = mem_zeroed(1, sizeof(*p));

	p->n_calls = calls_count();
	p->calls = mem_zeroed((size_t)p->n_calls, sizeof(*p->calls));
	for (int nr = 0; nr < p->n_calls; nr++) {
		const char *name = calls_name(nr);
		const struct floor *f = name ? floor_find(name) : NULL;

		p->calls[nr] = (struct policy_call){.name = name, .nr = nr, .floor = f && f->kind == FLOOR_NEVER};
	}
	p->preload = mem_zeroed(1, sizeof(char *));
	p->env = mem_zeroed(1, sizeof(char *));
	p->quiet = mem_zeroed(1, sizeof(char *));
	p->chain = mem_zeroed(1, sizeof(char *));
	p->refs = 1;
	return p;
}

static void list_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void policy_free(struct policy *p)
{
	if (!p || --p->refs > 0)
		return;
	for (int nr = 0; nr < p->n_calls; nr++) {
		read_rows_free(p->calls[nr].rows, p->calls[nr].n_rows);
		free(p->calls[nr].killed_by);
	}
	for (size_t i = 0; i < p->n_files; i++) {
		free(p->files[i].path);
		free(p->files[i].rule);
	}
	for (int g = 0; g < GRANT_COUNT; g++) {
		for (size_t i = 0; i < p->callers_may[g].n; i++)
			free(p->callers_may[g].v[i].text);
		free(p->callers_may[g].v);
	}
	for (size_t i = 0; i < p->n_whys; i++) {
		free(p->whys[i].source);
		free(p->whys[i].group);
		free(p->whys[i].text);
	}
	free(p->whys);
	read_net_done(p);
	list_free(p->preload);
	list_free(p->env);
	list_free(p->quiet);
	list_free(p->chain);
	free(p->calls);
	free(p->files);
	free(p->name);
	free(p->file);
	free(p->source);
	free(p->interpreter);
	free(p->dependencies);
	free(p);
}

/* --- chains of `extends` ---------------------------------------------------------------------- */

struct chain { /* one policy being put together from its bases, then itself */
	struct policy *p;
	const char *const *dirs;
	const struct texts *texts; /* the only files there are; NULL: those of the disk */
	struct policy_errors *es;
	char *open[BASES_MAX]; /* real paths of the files being laid down, the outermost first */
	size_t n_open;
	char *done[CHAIN_MAX]; /* laid down already: two bases may share one */
	size_t n_done;
};

static void lay_file(struct chain *c, const char *path, const char *name, struct ydoc *from, yaml_node_t *at);

static bool among(char *const *v, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(v[i], s))
			return true;
	}
	return false;
}

static bool is_name(const char *s)
{
	return strlen(s) <= NAME_LEN_MAX && s[0] != '.' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(s);
}

static bool exists(const struct chain *c, char *out, size_t size, const char *dir, const char *name)
{
	char real[PATH_MAX];

	if (snprintf(out, size, "%s/%s.yaml", dir, name) >= (int)size)
		return false;
	return c->texts ? texts_find(c->texts, out) != NULL : realpath(out, real) != NULL;
}

static char *real_path(const struct chain *c, const char *path)
{
	const struct text *t = c->texts ? texts_find(c->texts, path) : NULL;

	return t ? mem_copy(t->real) : c->texts ? NULL : realpath(path, NULL);
}

static int open_doc(const struct chain *c, const char *path, struct ydoc *d)
{
	const struct text *t = c->texts ? texts_find(c->texts, path) : NULL;

	return t ? ydoc_open_read(d, t, c->es) : ydoc_open_file(d, path, c->es);
}

static bool is_open(const struct chain *c, const char *path)
{
	char *real = real_path(c, path);
	bool open = real && among(c->open, c->n_open, real);

	free(real);
	return open;
}

/* The file of base `name`: beside the file that names it, else in the policy directories. A file that is being read is its own base only where
 * there is no other, which is an error: so an operator's python3 can extend the shipped one. */
static bool find_base(const struct chain *c, const char *label, const char *name, char *out, size_t size)
{
	const char *slash = strrchr(label, '/');
	char beside[PATH_MAX];
	bool itself = false;

	snprintf(beside, sizeof(beside), "%.*s", slash ? (int)(slash - label) : 1, slash ? label : ".");
	if (c->n_open && exists(c, out, size, *beside ? beside : "/", name)) {
		if (!is_open(c, out))
			return true;
		itself = true;
	}
	for (size_t i = 0; c->dirs && c->dirs[i]; i++) {
		char other[PATH_MAX];

		if (!exists(c, other, sizeof(other), c->dirs[i], name) || is_open(c, other))
			continue;
		snprintf(out, size, "%s", other);
		return true;
	}
	return itself;
}

static void take_base(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct chain *c = ctx;
	const char *name = ydoc_str(d, value, "extends");
	char path[PATH_MAX];

	(void)key;
	if (!name)
		return;
	if (!is_name(name) || !find_base(c, d->label, name, path, sizeof(path)))
		ydoc_fail(d, value, "extends: no policy %s found", name);
	else
		lay_file(c, path, name, d, value);
}

static void lay_bases(struct chain *c, struct ydoc *d)
{
	yaml_node_t *n = ydoc_get(d, ydoc_root(d), "extends");

	if (n && n->type == YAML_SCALAR_NODE)
		take_base(d, NULL, n, c);
	else if (n)
		ydoc_items(d, n, "extends", take_base, c);
}

/* The document's own name, checked; NULL after telling what is wrong. `expected` NULL: any. */
static const char *own_name(struct ydoc *d, const char *expected)
{
	yaml_node_t *n = ydoc_get(d, ydoc_root(d), "name");
	const char *name;

	if (!n) {
		ydoc_fail(d, NULL, "a policy needs a name");
		return NULL;
	}
	name = ydoc_str(d, n, "name");
	if (name && !is_name(name))
		ydoc_fail(d, n, "name: %.80s: letters, digits, _ . - only, at most %d", name, NAME_LEN_MAX);
	else if (name && expected && strcmp(name, expected))
		ydoc_fail(d, n, "name: is %s, but the file's name says %s", name, expected);
	return name;
}

static const char *source_of(const char *label)
{
	const char *slash = strrchr(label, '/');

	return slash ? slash + 1 : label;
}

static void lay_document(struct chain *c, struct ydoc *d, const char *expected)
{
	const char *name;

	if (ydoc_root(d)->type != YAML_MAPPING_NODE) {
		ydoc_fail(d, ydoc_root(d), "a policy must be a mapping (key: value)");
		return;
	}
	name = own_name(d, expected);
	lay_bases(c, d);
	read_policy(d, source_of(d->label), c->p);
	if (expected || !name)
		return;
	c->p->name = mem_copy(name);
	c->p->file = mem_copy(d->label);
	c->p->source = mem_copy(source_of(d->label));
}

static void note_file(struct policy *p, const char *path)
{
	size_t n = 0;

	while (p->chain[n])
		n++;
	p->chain = mem_grow(p->chain, n + 2, sizeof(*p->chain));
	p->chain[n] = mem_copy(path);
	p->chain[n + 1] = NULL;
}

/* `name` and `at` say which line of which document named this base; both NULL for the policy itself. */
static void lay_file(struct chain *c, const char *path, const char *name, struct ydoc *from, yaml_node_t *at)
{
	char *real = real_path(c, path);
	struct ydoc d;

	if (real && among(c->done, c->n_done, real)) {
		free(real);
		return;
	}
	if (real && among(c->open, c->n_open, real)) {
		ydoc_fail(from, at, "extends: %s extends itself in a loop", name);
		free(real);
		return;
	}
	if (c->n_open == BASES_MAX || c->n_done == CHAIN_MAX) {
		ydoc_fail(from, at, "extends: %s: too many policies in a chain", name);
		free(real);
		return;
	}
	note_file(c->p, path);
	c->open[c->n_open++] = real ? real : mem_copy(path);
	if (!open_doc(c, path, &d))
		lay_document(c, &d, name);
	ydoc_close(&d);
	if (c->n_done < CHAIN_MAX)
		c->done[c->n_done++] = c->open[--c->n_open];
	else
		free(c->open[--c->n_open]);
}

/* --- the end of a chain ----------------------------------------------------------------------- */

static void settle_limits(struct policy *p, struct policy_errors *es)
{
	for (int l = 0; l < LIMIT_COUNT; l++) {
		if (!p->limits[l])
			p->limits[l] = default_limits[l];
		if (!p->max_limits[l])
			p->max_limits[l] = p->limits[l];
		if (p->max_limits[l] < p->limits[l])
			ydoc_problem(es, p->file, 1, 1, "callers_may.limits.%s: %llu is below the policy's own %llu",
				     limit_name(l), (unsigned long long)p->max_limits[l],
				     (unsigned long long)p->limits[l]);
	}
}

/* Frees the chain. Its policy, or NULL when there were problems beyond the first `before`. */
static struct policy *finish(struct chain *c, size_t before)
{
	struct policy *p = c->p;

	for (size_t i = 0; i < c->n_done; i++)
		free(c->done[i]);
	if (c->es->n == before) {
		settle_limits(p, c->es);
		read_settle_net(p);
		if (p->has_language && !p->interpreter)
			p->interpreter = mem_copy(default_interpreters[p->language]);
	}
	if (c->es->n == before)
		return p;
	policy_free(p);
	return NULL;
}

struct policy *policy_parse_file(const char *path, const char *const *dirs, const struct texts *t, struct policy_errors *es)
{
	struct chain c = {.p = policy_new(), .dirs = dirs, .texts = t, .es = es};
	size_t before = es->n;

	lay_file(&c, path, NULL, NULL, NULL);
	return finish(&c, before);
}

struct policy *policy_load_file(const char *path, const char *const *dirs, struct policy_errors *es)
{
	return policy_parse_file(path, dirs, NULL, es);
}

struct policy *policy_parse_text(const char *label, struct bytes text, const char *const *dirs, const struct texts *t,
				 struct policy_errors *es)
{
	struct chain c = {.p = policy_new(), .dirs = dirs, .texts = t, .es = es};
	size_t before = es->n;
	struct ydoc d;

	if (!ydoc_open_text(&d, label, text, es))
		lay_document(&c, &d, NULL);
	ydoc_close(&d);
	return finish(&c, before);
}

struct policy *policy_load_text(const char *label, struct bytes text, const char *const *dirs, struct policy_errors *es)
{
	return policy_parse_text(label, text, dirs, NULL, es);
}

/* --- sets ------------------------------------------------------------------------------------- */

struct policy_set *policy_set_of(struct policy *p)
{
	struct policy_set *s = mem_zeroed(1, sizeof(*s));

	s->v = mem_grow(NULL, 1, sizeof(*s->v));
	s->v[s->n++] = p;
	return s;
}

void policy_set_free(struct policy_set *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		policy_free(s->v[i]);
	free(s->v);
	free(s);
}

const struct policy *policy_find(const struct policy_set *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!strcmp(s->v[i]->name, name))
			return s->v[i];
	}
	return NULL;
}

size_t policy_count(const struct policy_set *s)
{
	return s->n;
}

const struct policy *policy_at(const struct policy_set *s, size_t i)
{
	return i < s->n ? s->v[i] : NULL;
}

/* Takes `p`. The first of a name wins over directories; within one, two files with one name are a mistake. */
static void set_add(struct policy_set *s, struct policy *p, size_t first_of_dir, struct policy_errors *es)
{
	const struct policy *old = policy_find(s, p->name);

	if (!old) {
		s->v = mem_grow(s->v, s->n + 1, sizeof(*s->v));
		s->v[s->n++] = p;
		return;
	}
	for (size_t i = first_of_dir; i < s->n; i++) {
		if (s->v[i] == old)
			ydoc_problem(es, p->file, 1, 1, "name: %s is the name of %s, too", p->name, old->file);
	}
	policy_free(p);
}

static bool is_in(const struct text *t, const char *dir)
{
	size_t n = strlen(dir);

	return t->listed && !strncmp(t->path, dir, n) && t->path[n] == '/' && !strchr(t->path + n + 1, '/');
}

static void parse_dir(struct policy_set *s, const char *dir, const char *const *dirs, const struct texts *t, struct policy_errors *es)
{
	const struct text *unlisted = texts_find(t, dir);
	size_t first = s->n, n = 0;

	if (unlisted)
		ydoc_problem(es, dir, 1, 1, "cannot be read: %s", strerror(unlisted->err));
	for (size_t i = 0; i < t->n; i++) {
		if (!is_in(&t->v[i], dir) || n++ == TEXTS_DIR_MAX)
			continue;
		struct policy *p = policy_parse_file(t->v[i].path, dirs, t, es);
		if (p)
			set_add(s, p, first, es);
	}
	if (n > TEXTS_DIR_MAX)
		ydoc_problem(es, dir, 1, 1, "more than %d policies", TEXTS_DIR_MAX);
}

struct policy_set *policy_set_parse(const char *const *dirs, const struct texts *t, struct policy_errors *es)
{
	struct policy_set *s = mem_zeroed(1, sizeof(*s));
	size_t before = es->n;

	for (size_t i = 0; dirs && dirs[i]; i++)
		parse_dir(s, dirs[i], dirs, t, es);
	if (!s->n && es->n == before)
		ydoc_problem(es, dirs && dirs[0] ? dirs[0] : "policies", 1, 1, "no policy found");
	if (es->n == before)
		return s;
	policy_set_free(s);
	return NULL;
}

static bool same_text(const struct text *a, const struct text *b)
{
	return a && b && !strcmp(a->real, b->real) && a->data.len == b->data.len && (!a->data.len || !memcmp(a->data.p, b->data.p, a->data.len));
}

/* The same files, opened in the same order, with the same bytes: nothing else goes into a policy. */
static bool same_chain(const struct policy *p, const struct texts *t, const struct policy *old, const struct texts *old_t)
{
	size_t i = 0;

	for (; p->chain[i] && old->chain[i]; i++)
		if (strcmp(p->chain[i], old->chain[i]) != 0 || !same_text(texts_find(t, p->chain[i]), texts_find(old_t, old->chain[i])))
			return false;
	return i > 0 && p->chain[i] == old->chain[i];
}

void policy_set_share(struct policy_set *s, const struct texts *t, const struct policy_set *old, const struct texts *old_t)
{
	for (size_t i = 0; i < s->n; i++) {
		struct policy *same = (struct policy *)policy_find(old, s->v[i]->name);

		if (!same || !same_chain(s->v[i], t, same, old_t))
			continue;
		same->refs++;
		policy_free(s->v[i]);
		s->v[i] = same;
	}
}

struct policy_set *policy_set_load(const char *const *dirs, struct policy_errors *es)
{
	struct texts t = {0};

	for (size_t i = 0; dirs && dirs[i]; i++)
		texts_read_dir(&t, dirs[i]);
	struct policy_set *s = policy_set_parse(dirs, &t, es);
	texts_done(&t);
	return s;
}

/* --- questions -------------------------------------------------------------------------------- */

static bool holds(const struct policy_cond *c, uint64_t arg)
{
	switch ((enum cond_op)c->op) {
	case COND_MASK:
		return (arg & c->values[0]) == c->values[0];
	case COND_NONE_OF:
		return !(arg & c->values[0]);
	case COND_ONLY:
		return !(arg & ~c->values[0]);
	case COND_IN:
		break;
	}
	for (size_t i = 0; i < c->n_values; i++) {
		if (c->values[i] == arg)
			return true;
	}
	return false;
}

static bool all_hold(const struct policy_row *row, const uint64_t args[6])
{
	for (size_t i = 0; i < row->n_conds; i++) {
		if (!holds(&row->conds[i], args[row->conds[i].arg]))
			return false;
	}
	return true;
}

struct judgement policy_judge(const struct policy *p, int nr, const uint64_t args[6])
{
	const struct policy_call *c;
	const struct policy_row *last;

	if (nr < 0 || nr >= POLICY_X32_BIT)
		return (struct judgement){RULE_KILL, 0, "not listed"};
	if (nr >= p->n_calls)
		return (struct judgement){RULE_REFUSE_QUIETLY, ENOSYS, "newer than the table of calls"};
	c = &p->calls[nr];
	if (!c->n_rows)
		return (struct judgement){RULE_KILL, 0,
					  c->floor       ? "floor"
					  : c->killed_by ? c->killed_by
							 : "not listed"};
	for (size_t i = 0; i < c->n_rows; i++) {
		if (all_hold(&c->rows[i], args))
			return (struct judgement){c->rows[i].kind, c->rows[i].err, c->rows[i].rule};
	}
	last = &c->rows[c->n_rows - 1];
	return (struct judgement){last->otherwise ? RULE_REFUSE : RULE_KILL, last->otherwise, last->rule};
}

const char *policy_why(const struct policy *p, const char *rule)
{
	const char *group = rule ? strchr(rule, ' ') : NULL;
	size_t n = rule ? strcspn(rule, ":") : 0;

	for (size_t i = 0; group && i < p->n_whys; i++) {
		const struct policy_why *w = &p->whys[i];

		if (strlen(w->source) == n && !memcmp(w->source, rule, n) && !strcmp(w->group, group + 1))
			return w->text;
	}
	return NULL;
}

const char *policy_call_name(const struct policy *p, int nr)
{
	return nr >= 0 && nr < p->n_calls ? p->calls[nr].name : NULL;
}

int policy_call_nr(const char *name)
{
	int nr = calls_number(name);

	return nr < 0 ? -1 : nr;
}

static bool is_within(const struct policy_bounds *b, const char *path)
{
	for (size_t i = 0; i < b->n; i++)
		if (paths_cover(b->v[i].text, path))
			return true;
	return false;
}

bool policy_may_grant(const struct policy *p, enum grant_kind kind, const char *path)
{
	return is_within(&p->callers_may[GRANT_WRITE], path) ||
	       (kind == GRANT_READ && is_within(&p->callers_may[GRANT_READ], path));
}

bool policy_may_connect(const struct policy *p, const struct net_grant *g)
{
	for (size_t i = 0; i < p->n_may_connect; i++)
		if (address_within(&p->may_connect[i], g))
			return true;
	return false;
}

bool policy_is_quiet(const struct policy *p, const char *path)
{
	for (size_t i = 0; p->quiet[i]; i++) {
		size_t n = strlen(p->quiet[i]);

		if (!strcmp(p->quiet[i], path))
			return true;
		if (p->quiet[i][n - 1] == '*' && !strncmp(p->quiet[i], path, n - 1) && path[n - 1])
			return true;
	}
	return false;
}
