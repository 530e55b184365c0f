#include "grant_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "grants.h"

struct index_slot {
	const char *path;    /* a grant's, `len` bytes of it; NULL: an empty slot */
	struct grant *grant; /* of this very path, or NULL */
	uint32_t hash;
	uint32_t len : 31;
	uint32_t above : 1;  /* of a grant further down */
};

/* FNV-1a, which goes on from where the parent's hash ended */
#define HASH_START 2166136261u
static uint32_t hash_on(uint32_t hash, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)s[i]) * 16777619u;
	return hash;
}

/* The slot of the first `len` bytes of `path`, or the empty one where it belongs. */
static struct index_slot *slot_of(const struct grant_index *x, const char *path, size_t len, uint32_t hash)
{
	uint32_t i = (hash ^ hash >> 15) & x->mask;

	for (;; i = (i + 1) & x->mask) {
		struct index_slot *s = &x->slots[i];

		if (!s->path || (s->hash == hash && s->len == len && !memcmp(s->path, path, len)))
			return s;
	}
}

/* Bytes of the first component at `p`, its slash included. */
static size_t component(const char *p)
{
	return *p ? 1 + strcspn(p + 1, "/") : 0;
}

static size_t count_components(const char *path)
{
	size_t n = 0;

	for (; *path; path += component(path))
		n++;
	return n;
}

static void enter(struct grant_index *x, struct grant *g)
{
	uint32_t hash = HASH_START;
	size_t len = 0, more;

	for (;; len += more) {
		struct index_slot *s = slot_of(x, g->path, len, hash);

		if (!s->path) {
			s->path = g->path;
			s->len = (uint32_t)len & INT32_MAX;
			s->hash = hash;
		}
		more = component(g->path + len);
		if (!more) {
			s->grant = g;
			return;
		}
		s->above = true;
		hash = hash_on(hash, g->path + len, more);
	}
}

int grant_index_make(struct grant_index *x, struct grant *v, size_t n)
{
	size_t most = 1, room = 4;

	for (size_t i = 0; i < n; i++)
		most += count_components(v[i].path);
	while (room < 2 * most)
		room *= 2;
	x->slots = calloc(room, sizeof(*x->slots));
	if (!x->slots)
		return -ENOMEM;
	x->mask = (uint32_t)(room - 1);
	for (size_t i = 0; i < n; i++)
		enter(x, &v[i]);
	return 0;
}

void grant_index_done(struct grant_index *x)
{
	free(x->slots);
	x->slots = NULL;
}

struct grant *grant_index_find(const struct grant_index *x, const char *path, bool *above)
{
	struct grant *longest = NULL;
	uint32_t hash = HASH_START;
	size_t len = 0, more;

	*above = false;
	if (!x->slots)
		return NULL;
	for (;; len += more) {
		const struct index_slot *s = slot_of(x, path, len, hash);

		if (!s->path)
			return longest;
		longest = s->grant ? s->grant : longest;
		more = component(path + len);
		if (!more) {
			*above = s->above;
			return longest;
		}
		hash = hash_on(hash, path + len, more);
	}
}
