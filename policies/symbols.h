/* symbols.h - the names that a policy may use for argument values and errnos. Static data. */
#ifndef WARDER_SYMBOLS_H
#define WARDER_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A symbolic name, or an integer, decimal (with a minus, too) or 0x. False: neither. */
bool symbols_value(const char *text, int64_t *out);
int symbols_errno(const char *name);   /* "EPERM" is 1; 0: unknown */
const char *symbols_name_at(size_t i); /* NULL past the end; for tests and documentation */

#endif
