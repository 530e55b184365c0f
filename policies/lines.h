/* lines.h - a policy, its bases merged in, as lines of text: one fact a line, in one order, so that two can be compared.
 *
 * Who may use it: sub-commands of `warder`, the front. Life: lines_of, lines_done. Out of memory aborts, as in the policy library.
 */
#ifndef WARDER_LINES_H
#define WARDER_LINES_H

#include <stddef.h>

#include "policy.h"

struct line {
	char *text;       /* "call openat broker" */
	const char *rule; /* where it comes from; borrowed from the policy; NULL: told of no line */
};
struct lines {
	struct line *v;
	size_t n;
};

void lines_of(const struct policy *p, struct lines *out);
/* Those of `a` that `b` lacks, "- …", then those of `b` that `a` lacks, "+ …". Rules are borrowed as in them. */
void lines_diff(const struct policy *a, const struct policy *b, struct lines *out);
void lines_done(struct lines *l);
/* What one row of a call does, and when: "allow if arg 1 is one of 0x5401". Fills buf, cut to its size. */
void lines_row(const struct policy_row *row, char *buf, size_t size);

#endif
