/* grant_index.h - from a virtual path to the longest grant that covers it, whatever the number of grants.
 *
 * A hash table of every grant's path and of every directory above one. A look-up goes down the path by its components
 * and stops at the first that is not in the table, since nothing below it can be: one probe a component, two cache
 * lines each, where a search among 10,000 sorted names touches thirty. Made once per list, then only read. Who may use
 * it: grants.c.
 */
#ifndef WARDER_GRANT_INDEX_H
#define WARDER_GRANT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grant;

struct grant_index {
	struct index_slot *slots; /* owned */
	uint32_t mask;            /* number of slots - 1 */
};

/* Of `n` grants, which stay where they are. 0 or -ENOMEM. */
int grant_index_make(struct grant_index *x, struct grant *v, size_t n);
void grant_index_done(struct grant_index *x);
/* NULL when none covers `path`; *above: whether the path is a directory above others. No system calls. */
struct grant *grant_index_find(const struct grant_index *x, const char *path, bool *above);

#endif
