/* interpreter.h - the programs that run jobs: where they are, and what the doctor says of them.
 *
 * Who may use it: the worker (spawn.c), the doctor. Errors: negative with words in `e`.
 */
#ifndef WARDER_INTERPRETER_H
#define WARDER_INTERPRETER_H

#include <stddef.h>

#include "err.h"
#include "words.h"

/* A bare name: /usr/bin first, then PATH: the first python3 on a PATH may be a private build. */
int interpreter_find(const char *name, char *path, size_t size, struct err *e);

struct interpreter {
	char path[512];    /* "" where none was found */
	char version[64];  /* "20.20.2" */
	char why[160];     /* why its jobs cannot run; "": they can */
};
/* Looks for a language's default interpreter and its part of the tracee, and asks the interpreter for its version. */
void interpreter_look(enum language l, const char *tracee_dir, struct interpreter *out);

#endif
