/* input.h - whole files in memory, and whole writes, for sub-commands. */
#ifndef WARDER_INPUT_H
#define WARDER_INPUT_H

#include "bytes.h"
#include "err.h"

/* Reads the file at `path`, or descriptor 0 for "-", to its end; any bytes. *out is new, its memory owned by the
 * caller (free). More than `max` bytes is an error of class ERR_REQUEST. */
int input_read(const char *path, size_t max, struct bytes *out, struct err *e);
/* Writes all of it. -errno. */
int input_write_all(int fd, struct bytes b);

#endif
