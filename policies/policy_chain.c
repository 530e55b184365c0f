/* How a policy comes to be: its file laid over the files that it extends. Declared in policy.h. */
#include "policy.h"

#include <limits.h>
#include <stdio.h>

#include "mem.h"
#include "read.h"
#include "texts.h"

#define BASES_MAX    16   /* depth of a chain of `extends` */
#define CHAIN_MAX    64   /* files of one chain, all branches */
#define NAME_LEN_MAX 64

/* Where a policy is silent through its whole chain. */
static const uint64_t default_limits[] = {
	[LIMIT_WALL_MS] = 15000,    [LIMIT_CPU_MS] = 15000, [LIMIT_MEMORY_MIB] = 256,
	[LIMIT_OUTPUT_KIB] = 16384, [LIMIT_THREADS] = 32,   [LIMIT_TMP_MIB] = 64,
	[LIMIT_TMP_INODES] = 4096,  [LIMIT_FILE_MIB] = 64,  [LIMIT_OPEN_FILES] = 256,
};
_Static_assert(sizeof(default_limits) / sizeof(default_limits[0]) == LIMIT_COUNT, "a default for every limit");

static const char *const default_interpreters[] = {[LANGUAGE_PYTHON3] = "python3", [LANGUAGE_NODEJS] = "node"};
_Static_assert(sizeof(default_interpreters) / sizeof(default_interpreters[0]) == LANGUAGE_COUNT, "one a language");

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
