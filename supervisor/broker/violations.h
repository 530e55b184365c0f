/* violations.h - the refused, hidden and killing calls of one job, as they will stand in its result.
 *
 * One entry per (call, object, source line), counted; at most VIOLATIONS_MAX, the killing one always among them. The job chooses
 * what comes in, so every text is bounded and escaped before it gets here (decode.h).
 */
#ifndef WARDER_VIOLATIONS_H
#define WARDER_VIOLATIONS_H

#include <stdint.h>

#include "frames.h"
#include "job.h"

#define VIOLATIONS_MAX 64

struct violations {
	struct violation v[VIOLATIONS_MAX];
	int nr[VIOLATIONS_MAX];
	bool fresh[VIOLATIONS_MAX]; /* nobody was told of it yet */
	size_t n;
	size_t n_fresh;
	uint64_t dropped;
};

/* The entry of this call, object and line, its count raised, or NULL. `path` as shown, NULL when there is none; `where` NULL: any line. */
struct violation *violations_find(struct violations *vs, int nr, enum verdict verdict, const char *path,
                                  const char *address, const struct where *where);
/* A new entry with count 1 and that verdict, otherwise empty, for the caller to fill; NULL (and counted as dropped)
 * when there is no room. A killing one takes the last place if it must. */
struct violation *violations_add(struct violations *vs, int nr, enum verdict verdict);
/* An entry that this has not given yet, borrowed until the next call; NULL: none. */
const struct violation *violations_fresh(struct violations *vs);
/* Moves the entries out (malloc, caller owns); *v is NULL when there are none or no memory. */
void violations_take(struct violations *vs, struct violation **v, size_t *n, uint64_t *dropped);
void violations_done(struct violations *vs);

#endif
