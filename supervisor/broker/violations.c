#include "violations.h"

#include <stdlib.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_at(const struct violation *v, const struct where *w)
{
	return !w || w->rough || (v->line == w->line && !strcmp(v->file ? v->file : "", w->file));
}

struct violation *violations_find(struct violations *vs, int nr, enum verdict verdict, const char *path,
                                  const char *address, const struct where *where)
{
	for (size_t i = 0; i < vs->n; i++) {
		struct violation *v = &vs->v[i];

		if (vs->nr[i] == nr && v->verdict == verdict && same(v->path, path) && same(v->address, address) && is_at(v, where)) {
			v->count += v->count < UINT32_MAX;
			return v;
		}
	}
	return NULL;
}

struct violation *violations_add(struct violations *vs, int nr, enum verdict verdict)
{
	size_t i = vs->n;

	if (i == VIOLATIONS_MAX) {
		vs->dropped++;
		if (verdict != VERDICT_KILLED)
			return NULL;
		violation_done(&vs->v[--i]);
		vs->n_fresh -= vs->fresh[i];
	}
	vs->n = i + 1;
	vs->nr[i] = nr;
	vs->fresh[i] = true;
	vs->n_fresh++;
	vs->v[i] = (struct violation){.verdict = verdict, .count = 1};
	return &vs->v[i];
}

const struct violation *violations_fresh(struct violations *vs)
{
	for (size_t i = 0; vs->n_fresh && i < vs->n; i++)
		if (vs->fresh[i]) {
			vs->fresh[i] = false;
			vs->n_fresh--;
			return &vs->v[i];
		}
	return NULL;
}

void violations_take(struct violations *vs, struct violation **v, size_t *n, uint64_t *dropped)
{
	*v = vs->n ? calloc(vs->n, sizeof(**v)) : NULL;
	*n = *v ? vs->n : 0;
	*dropped = vs->dropped;
	if (*v)
		memcpy(*v, vs->v, vs->n * sizeof(**v));
	else
		violations_done(vs);
	vs->n = vs->n_fresh = 0;
	vs->dropped = 0;
}

void violations_done(struct violations *vs)
{
	for (size_t i = 0; i < vs->n; i++)
		violation_done(&vs->v[i]);
	vs->n = vs->n_fresh = 0;
}
