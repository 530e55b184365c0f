/* Memory in few large pages: what is in it stays, and who writes after a fork writes to its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pages.h"
#include "skip.h"

#define LARGE (2ul << 20)
#define SIZE  (8 * LARGE)

/* KiB of the mapping that begins at p which are in large pages. */
static unsigned long in_large_pages(const char *p)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long kib = 0, from, to;
	int mine = 0;
	char line[4400];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			mine = from <= (uintptr_t)p && (uintptr_t)p < to;
		else if (mine && sscanf(line, "AnonHugePages: %lu kB", &kib) == 1)
			break;
	}
	fclose(f);
	return kib;
}

/* What lies beside it must not become one mapping with it. The caller unmaps SIZE bytes; the edges stay. */
static char *map_apart(void)
{
	char *all = mmap(NULL, SIZE + 2 * LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(all, MAP_FAILED);
	assert_int_equal(mprotect(all + LARGE, SIZE, PROT_READ | PROT_WRITE), 0);
	return all + LARGE;
}

static char *map_words(void)
{
	char *p = map_apart();

	madvise(p, SIZE, MADV_NOHUGEPAGE); /* the machine may give large pages by itself */
	for (size_t i = 0; i < SIZE; i += 64)
		memcpy(p + i, &i, sizeof(i));
	madvise(p, SIZE, MADV_HUGEPAGE);
	return p;
}

static int holds_its_words(const char *p, size_t from)
{
	for (size_t i = from; i < SIZE; i += 64)
		if (memcmp(p + i, &i, sizeof(i)) != 0)
			return 0;
	return 1;
}

static void test_what_is_there_stays(void **state)
{
	char *p = map_words();
	int status;

	(void)state;
	pages_gather();
	assert_true(holds_its_words(p, 0));
	pid_t pid = fork();
	if (pid == 0) {
		memset(p, 1, LARGE / 2);
		_exit(holds_its_words(p, LARGE / 2) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(holds_its_words(p, 0));
	munmap(p, SIZE);
}

static void test_it_is_in_large_pages(void **state)
{
	char *p = map_words();

	(void)state;
	pages_gather();
	unsigned long kib = in_large_pages(p);
	int given = madvise((void *)(((uintptr_t)p + LARGE - 1) & ~(LARGE - 1)), LARGE, 25) == 0; /* MADV_COLLAPSE */
	munmap(p, SIZE);
	if (!given)
		SKIP("kernel feature MADV_COLLAPSE (Linux 6.1)");
	assert_true(kib > 0);
}

/* KiB in large pages after gathering, where every sixteenth page was in use. */
static unsigned long gathered_of_few(void)
{
	char *p = map_apart();

	madvise(p, SIZE, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < SIZE; i += 64 << 10)
		p[i] = 1;
	madvise(p, SIZE, MADV_HUGEPAGE);
	pages_gather();
	unsigned long kib = in_large_pages(p);
	munmap(p, SIZE);
	return kib;
}

/* Address space that is set aside is not filled. The kernel's own khugepaged may come by between two lines, every ten seconds. */
static void test_what_is_not_used_is_left(void **state)
{
	unsigned long kib = 1;

	(void)state;
	for (int i = 0; i < 3 && kib; i++)
		kib = gathered_of_few();
	assert_int_equal(kib, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_there_stays),
		cmocka_unit_test(test_it_is_in_large_pages),
		cmocka_unit_test(test_what_is_not_used_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
