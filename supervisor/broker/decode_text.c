#include "decode_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "utf8.h"

void text_put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->s + t->n, t->size - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n += (size_t)n < t->size - t->n ? (size_t)n : t->size - t->n - 1;
}

/* Bytes of the character at p, 0 when it is not UTF-8 or a reader would not see it. */
static size_t shown_char(const char *p, size_t n)
{
	uint32_t c;
	size_t len = utf8_step(p, n, &c);

	return len && utf8_is_unseen(c) ? 0 : len;
}

void text_escape(struct text *t, const char *s, size_t n, size_t most, const char *special)
{
	size_t i = 0;

	while (i < n && i < most) {
		const char *p = s + i;
		size_t len = shown_char(p, n - i);

		if (t->size - t->n < 8)
			break;
		if (!len)
			text_put(t, "\\x%02x", (unsigned char)*p);
		else
			text_put(t, "%s%.*s", strchr(special, *p) ? "\\" : "", (int)len, p);
		i += len ? len : 1;
	}
	if (i < n)
		text_put(t, "…");
}

static const char *symbol(const struct decode_words *w, uint64_t value)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i].value == value)
			return w->v[i].name;
	return NULL;
}

void text_words(struct text *t, const struct decode_words *w, uint64_t value)
{
	uint64_t one = value & w->enum_mask, left = value & ~w->enum_mask;
	const char *name = w->enum_mask || !value ? symbol(w, one) : NULL;
	size_t start = t->n;

	if (name)
		text_put(t, "%s", name);
	else
		left |= one;
	for (size_t i = 0; i < w->n && left; i++) {
		uint64_t v = w->v[i].value;

		if (!v || (v & w->enum_mask) || (left & v) != v)
			continue;
		text_put(t, "%s%s", t->n > start ? "|" : "", w->v[i].name);
		left &= ~v;
	}
	if (left || t->n == start)
		text_put(t, left > 9 ? "%s0x%llx" : "%s%llu", t->n > start ? "|" : "", (unsigned long long)left);
}

void text_pointer(struct text *t, uint64_t v)
{
	if (v)
		text_put(t, "0x%llx", (unsigned long long)v);
	else
		text_put(t, "NULL");
}
