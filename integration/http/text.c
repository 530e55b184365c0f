#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc.h"
#include "utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

bool text_reserve(struct text *t, size_t more)
{
	size_t want = t->len + more + 1;
	char *p;

	if (t->failed || want <= t->size)
		return !t->failed;
	if (want < t->size * 2)
		want = t->size * 2;
	p = realloc(t->p, want);
	if (!p) {
		t->failed = true;
		return false;
	}
	t->p = p;
	t->size = want;
	return true;
}

void text_add(struct text *t, const char *p, size_t len)
{
	if (!text_reserve(t, len))
		return;
	if (len)
		memcpy(t->p + t->len, p, len);
	t->len += len;
	t->p[t->len] = '\0';
}

void text_put(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0 && text_reserve(t, (size_t)n)) {
		vsnprintf(t->p + t->len, (size_t)n + 1, fmt, again);
		t->len += (size_t)n;
	}
	va_end(again);
}

/* Good UTF-8, with its quotes, backslashes and control characters escaped. */
static void put_escaped(struct text *t, const char *p, size_t len)
{
	static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
	size_t start = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];
		char letter = c < sizeof(letters) ? letters[c] : 0;

		if (c >= 0x20 && !letter && c != 0x7f)
			continue;
		text_add(t, p + start, i - start);
		start = i + 1;
		if (letter)
			text_add(t, (char[]){'\\', letter}, 2);
		else
			text_printf(t, "\\u%04x", c);
	}
	text_add(t, p + start, len - start);
}

static void put_good(struct text *t, struct bytes b, void (*put)(struct text *, const char *, size_t))
{
	while (b.len > 0) {
		size_t good = utf8_prefix(b.p, b.len);

		put(t, b.p, good);
		b = (struct bytes){b.p + good, b.len - good};
		if (b.len == 0)
			break;
		text_put(t, REPLACEMENT);
		b = (struct bytes){b.p + 1, b.len - 1};
	}
}

void text_json(struct text *t, struct bytes b)
{
	text_reserve(t, b.len + 2);
	text_put(t, "\"");
	put_good(t, b, put_escaped);
	text_put(t, "\"");
}

void text_utf8(struct text *t, struct bytes b)
{
	put_good(t, b, text_add);
}

void text_done(struct text *t)
{
	free(t->p);
	*t = (struct text){0};
}
