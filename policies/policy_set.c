/* All policies of the policy directories. Declared in policy.h. */
#include "policy.h"

#include "mem.h"
#include "texts.h"
#include "ydoc.h"

struct policy_set {
	struct policy **v;
	size_t n;
};

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
