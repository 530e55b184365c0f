#include "words.h"

#include <string.h>

static int find(const char *const *names, int count, const char *s, size_t len)
{
	for (int i = 0; i < count; i++)
		if (strlen(names[i]) == len && memcmp(names[i], s, len) == 0)
			return i;
	return -1;
}

/* The table, the printer and the parser of one vocabulary. */
#define NAME(n, s) s,
#define VOCABULARY(lower, UPPER)                                                                                       \
	static const char *const lower##_names[] = {WORDS_##UPPER(NAME)};                                              \
	_Static_assert(sizeof(lower##_names) / sizeof(char *) == UPPER##_COUNT, #lower);                               \
	const char *lower##_name(int v)                                                                                \
	{                                                                                                              \
		return v >= 0 && v < UPPER##_COUNT ? lower##_names[v] : "?";                                           \
	}                                                                                                              \
	int lower##_parse(const char *s, size_t len)                                                                   \
	{                                                                                                              \
		return find(lower##_names, UPPER##_COUNT, s, len);                                                     \
	}
WORDS_ALL(VOCABULARY)

#define DAY_MS (24ul * 60 * 60 * 1000)
static const unsigned long limit_maxima[] = {
	[LIMIT_WALL_MS] = DAY_MS,       [LIMIT_CPU_MS] = DAY_MS,  [LIMIT_MEMORY_MIB] = 1ul << 20,
	[LIMIT_OUTPUT_KIB] = 1ul << 20, [LIMIT_THREADS] = 1024,   [LIMIT_TMP_MIB] = 65536,
	[LIMIT_TMP_INODES] = 10000000,  [LIMIT_FILE_MIB] = 65536, [LIMIT_OPEN_FILES] = 1000, /* below BIRTH_FD */
};
_Static_assert(sizeof(limit_maxima) / sizeof(limit_maxima[0]) == LIMIT_COUNT, "a bound for every limit");

unsigned long limit_max(enum limit l)
{
	return limit_maxima[l];
}
