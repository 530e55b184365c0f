/* globs.h - patterns of files to be collected.
 *
 * A pattern is components between slashes. In a component `*` stands for any characters, `?` for one, `[a-z]` and `[!a-z]`
 * for one of a set; a `[` that is not closed is itself, and so is every other character (`[*]` quotes). A component `**` stands for
 * any number of directories, also none; at the end of a pattern, for all files below. A name that begins with a
 * dot is only matched by a component that does, too.
 * A walk carries a state per directory, so each name is held once against what the patterns still want there.
 * Matching takes at most (bytes of pattern) × (bytes of name) steps, whatever both are. Plain functions. Who may use them: collect.c.
 */
#ifndef WARDER_GLOBS_H
#define WARDER_GLOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "job.h"

struct globs_state {
	uint64_t at[JOB_COLLECT_MAX]; /* per pattern: bit i, the components before i led here */
};

struct globs;
/* Copies the patterns, which are good names (names.h). -ENOMEM. */
int globs_new(char *const *patterns, size_t n, struct globs **out);
void globs_free(struct globs *g);
void globs_begin(const struct globs *g, struct globs_state *root);
/* The state of the directory `name` in `in`; false: nothing below it can match. */
bool globs_enter(const struct globs *g, const struct globs_state *in, const char *name, struct globs_state *out);
/* Whether the file `name` in the directory of state `in` matches. */
bool globs_match(const struct globs *g, const struct globs_state *in, const char *name);

#endif
