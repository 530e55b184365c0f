/* mem.h - allocation for the policy library. Its sizes come from files of the operator's, capped at YDOC_FILE_MAX, and
 * a supervisor that cannot hold its policies cannot start: out of memory aborts. Never used for a job's sizes. */
#ifndef WARDER_MEM_H
#define WARDER_MEM_H

#include <stdlib.h>
#include <string.h>

static inline void *mem_must(void *p)
{
	if (!p)
		abort();
	return p;
}

static inline void *mem_zeroed(size_t n, size_t size)
{
	return mem_must(calloc(n ? n : 1, size));
}

/* Room for n elements; NULL or what mem_grow gave before. */
static inline void *mem_grow(void *old, size_t n, size_t size)
{
	return mem_must(reallocarray(old, n ? n : 1, size));
}

static inline char *mem_copy(const char *s)
{
	return mem_must(strdup(s));
}

#endif
