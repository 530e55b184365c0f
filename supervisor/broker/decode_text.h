/* decode_text.h - bounded texts that calls are told in. For decode.c and its parts. */
#ifndef WARDER_DECODE_TEXT_H
#define WARDER_DECODE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "decode_table.h"

/* A text that is being written; what does not fit is cut off. Begins as {buffer, 0, its size}, with buffer[0] NUL. */
struct text {
	char *s;
	size_t n, size;
};

void text_put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Escapes what is no printable UTF-8, and the characters of `special`. Ends in "…" after `most` bytes of the source. */
void text_escape(struct text *t, const char *s, size_t n, size_t most, const char *special);
void text_words(struct text *t, const struct decode_words *w, uint64_t value); /* "O_RDWR|O_CLOEXEC" */
void text_pointer(struct text *t, uint64_t v);                                 /* "0x7f…", "NULL" */

#endif
