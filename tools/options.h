/* options.h - command line options as one table: parsed from it, explained from it.
 *
 * A row says where its value goes: an offset into the sub-command's own struct. Values borrow from argv.
 * Who may use it: sub-commands. Errors are of class ERR_REQUEST and name the option.
 */
#ifndef WARDER_OPTIONS_H
#define WARDER_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "err.h"

enum option_kind {
	OPTION_FLAG,    /* bool */
	OPTION_TEXT,    /* const char * */
	OPTION_LIST,    /* struct option_list, one entry each time the option is given */
	OPTION_NUMBER,  /* uint64_t, at least 1 */
	OPTION_SECONDS, /* uint64_t milliseconds, given as seconds with or without a fraction, more than 0 */
};

struct option_list {
	const char **v; /* options_list_done frees the array */
	size_t n;
};

struct option {
	const char *name; /* with its dashes */
	const char *arg;  /* as --help shows it; NULL for a flag */
	enum option_kind kind;
	size_t offset;
	const char *help;
};

struct option_table {
	const struct option *rows;
	size_t n;
};

/* Reads argv[1] … into `out`. `--name value` and `--name=value` are the same; `-` is a word. Words are appended to
 * `words`; what follows `--` is left alone. Returns the index of the first argument after `--` (argc when there is
 * none), or -EINVAL, -ENOMEM with words in `e`. */
int options_parse(const struct option_table *t, int argc, char **argv, void *out, struct option_list *words,
                  struct err *e);
/* One line per row. */
void options_print(const struct option_table *t, FILE *f);
void options_list_done(struct option_list *l);

#endif
