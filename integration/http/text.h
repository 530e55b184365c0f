/* text.h - a text that grows, and JSON written into it.
 *
 * Life: zeroed, then text_add…, then text_done, or its `p` taken. Out of memory is kept in `failed` and everything after it ignored,
 * so that callers look once, at the end.
 */
#ifndef WARDER_HTTP_TEXT_H
#define WARDER_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

struct text {
	char *p; /* malloc; NUL-terminated when not NULL */
	size_t len, size;
	bool failed;
};

/* Room for so many more bytes and the NUL. Whether there is. */
bool text_reserve(struct text *t, size_t more);
void text_add(struct text *t, const char *p, size_t len);
void text_put(struct text *t, const char *s);
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The bytes as a JSON string with its quotes; each that is no part of good UTF-8 as U+FFFD. */
void text_json(struct text *t, struct bytes b);
/* The bytes, each that is no part of good UTF-8 as U+FFFD. */
void text_utf8(struct text *t, struct bytes b);
void text_done(struct text *t);

#endif
