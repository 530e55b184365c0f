/* utf8.h - steps through bytes that may or may not be UTF-8.
 *
 * What a job writes, and the names it makes up, are any bytes. No state, no errors.
 */
#ifndef WARDER_UTF8_H
#define WARDER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at `p`, of which `n` may be read, and the character in *cp; 0 when it is not UTF-8 as RFC 3629
 * has it: too long a form, a surrogate, above U+10FFFF, cut short. */
size_t utf8_step(const char *p, size_t n, uint32_t *cp);
/* How many of the `n` bytes at `p`, from the first on, are UTF-8: n when all of them. */
size_t utf8_prefix(const char *p, size_t n);
/* Characters that a reader does not see: those that move a terminal's cursor, change its state, end a line or turn the direction
 * of text, and those that show as nothing. With them a text shows as another one. */
bool utf8_is_unseen(uint32_t cp);

#endif
