/* embed.h - a supervisor of one's own: `warderd` as a child, on a socket pair.
 *
 * Life: embed_start, use of the descriptor, close of it (the supervisor ends at hang-up), embed_end.
 * Who may use it: `warder run`. The child's stdout and stderr are this command's stderr.
 */
#ifndef WARDER_EMBED_H
#define WARDER_EMBED_H

#include <sys/types.h>

#include "err.h"
#include "options.h"

struct embed_options { /* all borrowed */
	const char *config;                     /* NULL: none */
	const struct option_list *policy_dirs;
};

struct embed {
	pid_t pid;
};

/* The path of `program` beside this one's own file, or `program` itself, to be looked for on PATH. Fills buf. */
void embed_program(const char *program, char *buf, size_t size);
/* Starts it. *fd is this end of the connection, the caller's to close. That the child has refused to start shows
 * as a hang-up on *fd, with the reason on stderr. */
int embed_start(struct embed *em, const struct embed_options *o, int *fd, struct err *e);
/* To be called after the descriptor is closed: waits for the child, at most EMBED_END_MS, then kills it.
 * Returns its exit status as a shell tells it: 128 + N for signal N. */
int embed_end(struct embed *em);

#define EMBED_END_MS 10000

#endif
