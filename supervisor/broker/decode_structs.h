/* decode_structs.h - what a call's pointers lead to, as strace(1) shows it: timespec, iovec, pollfd, rlimit … For decode.c alone.
 *
 * Each struct is copied once, a bounded number of elements of it; nothing is decided on it. What the kernel will write there (the times of
 * clock_gettime, the bytes of read) is not there yet: such arguments stay addresses.
 */
#ifndef WARDER_DECODE_STRUCTS_H
#define WARDER_DECODE_STRUCTS_H

#include <stdbool.h>

#include "decode.h"
#include "decode_text.h"

bool decode_is_struct(enum decode_kind kind);
/* In words; an address where nothing can be read. */
void decode_struct(const struct decode *d, enum decode_kind kind, int arg, struct text *t);

#endif
