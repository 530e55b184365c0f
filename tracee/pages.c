#include "pages.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif
#define LARGE (2ul << 20) /* x86-64, and arm64 with pages of 4 KiB; elsewhere the kernel refuses or takes several at once */
#define BLOCKS_MAX 256
#define UNFIT (120u << 10) /* bytes: less than malloc maps, mallopt(3) */
#define HOLES_MOST (64u << 20) /* bytes: should malloc be another one, whose ends lie elsewhere */
#define MAPPING_MAX (1ul << 30) /* bytes; what is larger is address space set aside, and looking at each block of it takes seconds */

/* What is not there would be filled with zeros. */
static int is_in_use(uintptr_t block, size_t page)
{
	unsigned char there[LARGE / 4096];
	size_t n = LARGE / page, used = 0;

	if (mincore((void *)block, LARGE, there))
		return 0;
	for (size_t i = 0; i < n; i++)
		used += there[i] & 1;
	return used > n / 2;
}

/* Lists first: collapsing changes the file that is being read. */
static size_t list_blocks(uintptr_t *blocks, size_t most)
{
	FILE *f = fopen("/proc/self/maps", "re");
	size_t n = 0, page = (size_t)sysconf(_SC_PAGESIZE);
	char line[4400];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long from, to, inode;
		char mode[8];
		if (sscanf(line, "%lx-%lx %7s %*s %*s %lu", &from, &to, mode, &inode) != 4 || inode || strcmp(mode, "rw-p") != 0 ||
		    to - from > MAPPING_MAX)
			continue;
		for (uintptr_t at = (from + LARGE - 1) & ~(LARGE - 1); at + LARGE <= to && n < most; at += LARGE)
			if (is_in_use(at, page))
				blocks[n++] = at;
	}
	if (f)
		fclose(f);
	return n;
}

/* What was freed lies here and there, and malloc touches several such chunks for each that it gives. Taken for good, they leave children
 * with what lies together at the end of the heap. */
void pages_use_up_holes(void)
{
	char *end = malloc(UNFIT); /* no hole is that large, so it comes from the end */
	size_t left = HOLES_MOST;

	for (size_t size = UNFIT / 2; end && size >= 16; size -= size > 1024 ? size / 4 : 16) {
		char *volatile hole; /* volatile: or the compiler takes away what is not used */
		while ((hole = malloc(size)) && hole < end && left > size)
			left -= size;
		free(hole);
	}
	free(end);
}

void pages_gather(void)
{
	uintptr_t blocks[BLOCKS_MAX];
	size_t n = list_blocks(blocks, BLOCKS_MAX);

	for (size_t i = 0; i < n; i++)
		madvise((void *)blocks[i], LARGE, MADV_COLLAPSE);
}
