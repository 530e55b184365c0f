#include "globs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

#define PARTS_MAX (NAMES_DEPTH_MAX + 1) /* a last `**` becomes two */
_Static_assert(PARTS_MAX < 64, "a bit for every component, and one for the end");

struct pattern {
	char *text;                /* owned; cut into components by NULs */
	const char *part[PARTS_MAX];
	unsigned n;
};

struct globs {
	size_t n;
	struct pattern v[];
};

static bool is_any_depth(const char *part)
{
	return strcmp(part, "**") == 0;
}

/* --- one component --------------------------------------------------------------------------------------------- */

/* The character at `s`, and its bytes. What is no UTF-8 counts byte by byte, above every character. */
static uint32_t character(const char *s, size_t *len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
	uint32_t c = n <= 1 ? p[0] : p[0] & (0x7fu >> n);

	*len = 1;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0x110000u + p[0];
		c = c << 6 | (p[i] & 0x3fu);
	}
	*len = n ? n : 1;
	return n ? c : 0x110000u + p[0];
}

/* The set that begins behind `[` at p. Returns what follows its `]`; NULL: it is not closed, so it is no set. */
static const char *in_set(const char *p, uint32_t c, bool *in)
{
	bool negated = *p == '!' || *p == '^', first = true;
	size_t n;

	*in = false;
	for (p += negated; *p && (first || *p != ']'); first = false) {
		uint32_t low = character(p, &n), high = low;

		p += n;
		if (p[0] == '-' && p[1] && p[1] != ']') {
			high = character(p + 1, &n);
			p += 1 + n;
		}
		*in |= low <= c && c <= high;
	}
	*in ^= negated;
	return *p ? p + 1 : NULL;
}

/* One character of a pattern that is no star against the name. Returns the bytes of the name it takes, 0: it does not match. */
static size_t one(const char **pattern, const char *name)
{
	const char *p = *pattern, *behind;
	size_t n;
	uint32_t c = character(name, &n);
	bool in;

	if (*p == '[' && (behind = in_set(p + 1, c, &in))) {
		*pattern = behind;
		return in ? n : 0;
	}
	*pattern = p + 1;
	if (*p == '?')
		return n;
	return *p == *name;
}

/* Only the last star is ever gone back to: an earlier one could give nothing that this one cannot. */
static bool part_matches(const char *pattern, const char *name)
{
	const char *star = NULL, *tried = NULL;
	size_t n;

	if (*name == '.' && *pattern != '.')
		return false;
	while (*name) {
		if (*pattern == '*') {
			star = ++pattern;
			tried = name;
		} else if (*pattern && (n = one(&pattern, name))) {
			name += n;
		} else if (star) {
			character(tried, &n);
			name = tried += n;
			pattern = star;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

/* --- whole patterns -------------------------------------------------------------------------------------------- */

static int compile(struct pattern *p, const char *text)
{
	char *at = p->text = strdup(text), *slash;

	if (!at)
		return -ENOMEM;
	for (; at; at = slash ? slash + 1 : NULL) {
		slash = strchr(at, '/');
		if (slash)
			*slash = '\0';
		p->part[p->n++] = at;
	}
	if (is_any_depth(p->part[p->n - 1]))
		p->part[p->n++] = "*";
	return 0;
}

int globs_new(char *const *patterns, size_t n, struct globs **out)
{
	struct globs *g = calloc(1, sizeof(*g) + n * sizeof(g->v[0]));
	int rc = g ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !rc; i++) {
		rc = compile(&g->v[i], patterns[i]);
		g->n++;
	}
	if (rc)
		globs_free(g);
	else
		*out = g;
	return rc;
}

void globs_free(struct globs *g)
{
	for (size_t i = 0; g && i < g->n; i++)
		free(g->v[i].text);
	free(g);
}

/* `**` may stand for nothing. */
static uint64_t skip_any_depth(const struct pattern *p, uint64_t at)
{
	for (unsigned i = 0; i < p->n; i++)
		if ((at >> i & 1) && is_any_depth(p->part[i]))
			at |= 1ull << (i + 1);
	return at;
}

static uint64_t step(const struct pattern *p, uint64_t at, const char *name)
{
	uint64_t to = 0;

	for (unsigned i = 0; i < p->n; i++) {
		if (!(at >> i & 1))
			continue;
		if (is_any_depth(p->part[i]))
			to |= *name == '.' ? 0 : 1ull << i;
		else if (part_matches(p->part[i], name))
			to |= 1ull << (i + 1);
	}
	return skip_any_depth(p, to);
}

void globs_begin(const struct globs *g, struct globs_state *root)
{
	for (size_t i = 0; i < g->n; i++)
		root->at[i] = skip_any_depth(&g->v[i], 1);
}

bool globs_enter(const struct globs *g, const struct globs_state *in, const char *name, struct globs_state *out)
{
	uint64_t any = 0;

	for (size_t i = 0; i < g->n; i++) {
		out->at[i] = in->at[i] ? step(&g->v[i], in->at[i], name) & ~(1ull << g->v[i].n) : 0;
		any |= out->at[i];
	}
	return any != 0;
}

bool globs_match(const struct globs *g, const struct globs_state *in, const char *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (in->at[i] && step(&g->v[i], in->at[i], name) >> g->v[i].n & 1)
			return true;
	return false;
}
