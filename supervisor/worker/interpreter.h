/* interpreter.h - the programs that run jobs: where they are, and what the doctor says of them.
 *
 * Who may use it: the worker (spawn.c), the doctor. Errors: negative with words in `e`.
 */
#ifndef WARDER_INTERPRETER_H
#define WARDER_INTERPRETER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "err.h"
#include "words.h"

/* A bare name: /usr/bin first, then PATH: the first python3 on a PATH may be a private build. */
int interpreter_find(const char *name, char *path, size_t size, struct err *e);

/* Which file an interpreter was: another one has been installed when this differs. */
struct interpreter_mark {
	dev_t dev;
	ino_t ino;
	struct timespec changed;
};
/* Of the one that this name finds now; zero where there is none. */
struct interpreter_mark interpreter_mark(const char *name);
bool interpreter_same(const struct interpreter_mark *a, const struct interpreter_mark *b);

struct interpreter {
	char path[512];    /* "" where none was found */
	char version[64];  /* "20.20.2" */
	char why[160];     /* why its jobs cannot run; "": they can */
};
/* Looks for a language's default interpreter and its part of the tracee, and asks the interpreter for its version. */
void interpreter_look(enum language l, const char *tracee_dir, struct interpreter *out);

#endif
