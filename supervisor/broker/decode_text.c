#include "decode_text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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

/* Characters that turn the direction of text around, or end its line: with them a text shows as another. */
static bool rearranges(uint32_t c)
{
	return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Bytes of the well-formed UTF-8 character at p, 0 when there is none or it is a control character. */
static size_t shown_char(const unsigned char *p, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t c = len == 1 ? *p : *p & (0x7fu >> len);

	if (!len || len > n || (len == 1 && (*p < 0x20 || *p == 0x7f)))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (len > 1 && (rearranges(c) || c < least[len] || c < 0xa0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)))
		return 0;
	return len;
}

void text_escape(struct text *t, const char *s, size_t n, size_t most, const char *special)
{
	size_t i = 0;

	while (i < n && i < most) {
		const unsigned char *p = (const unsigned char *)s + i;
		size_t len = shown_char(p, n - i);

		if (t->size - t->n < 8)
			break;
		if (!len)
			text_put(t, "\\x%02x", *p);
		else
			text_put(t, "%s%.*s", strchr(special, *p) ? "\\" : "", (int)len, (const char *)p);
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
