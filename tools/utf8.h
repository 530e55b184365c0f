/* utf8.h - steps through bytes that may or may not be UTF-8.
 *
 * What a job writes, and the names it makes up, are any bytes. Who may use it: the printers of the `warder` command.
 * No state, no errors.
 */
#ifndef WARDER_UTF8_H
#define WARDER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at `p`, of which `n` may be read, and the character in *cp; 0 when it is not UTF-8 as RFC 3629
 * has it: too long a form, a surrogate, above U+10FFFF, cut short. */
size_t utf8_step(const char *p, size_t n, uint32_t *cp);
bool utf8_valid(const char *p, size_t n);
/* Characters that move a terminal's cursor, change its state or turn the direction of text: C0, DEL, C1, line and
 * paragraph separators, bidirectional controls. */
bool utf8_is_control(uint32_t cp);

#endif
