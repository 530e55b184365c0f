/* The reader of V8's frames meets memory that a job has forged: whatever is there, it ends, within its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "frames.h"

#define MEMORY 65536u
#define WORDS (MEMORY / 8)

/* isolate 4096, line 7, then numbers as Node 20 has them */
static const char NUMBERS[] = "4096 7 24 16 32 16 8 54 2 3 262 167 191 261";

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void test_parse(void **state)
{
	static const char *const bad[] = {"", "1", "1 2", "1 2 3", "4096 7 24 16 32 16 8 54 2 3 262 167 191 -1", "4096 7 24 16 32 16 8 54 2 3 262 167 191 99999"};
	struct v8_frames f;

	(void)state;
	assert_int_equal(v8_frames_parse(&f, NUMBERS), 0);
	assert_int_equal(f.isolate, 4096);
	assert_int_equal(f.line, 7);
	assert_int_equal(f.number[V8_TYPE_SCOPE], 261);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(v8_frames_parse(&f, bad[i]), -22);
}

/* where things lie in the memory: bytes */
enum { MAPS = 0x400, EXIT = 0x1000, STACK = 0x2000, FUNCTION = 0x3000, SHARED = 0x3100, SCRIPT = 0x3200, SCOPE = 0x3300, BYTECODE = 0x3400,
       TABLE = 0x3500, NAME = 0x3600, FILE_NAME = 0x3700, SOURCE = 0x4000 };

static uint64_t map_of(uint64_t *m, unsigned type)
{
	static const unsigned types[] = {262, 167, 191, 261, 8, 2065, 190, 1, 3, 5, 2};
	unsigned i = 0;

	while (types[i] != type)
		i++;
	m[(MAPS + 32 * i + 8) / 8] = (uint64_t)type << 32;
	return MAPS + 32 * i + 1;
}

static uint64_t *object(uint64_t *m, size_t at, unsigned type)
{
	m[at / 8] = map_of(m, type);
	return &m[at / 8];
}

static void string(uint64_t *m, size_t at, const char *text)
{
	uint64_t *o = object(m, at, 8); /* one byte a character */

	o[1] = (uint64_t)strlen(text) << 32;
	memcpy(o + 2, text, strlen(text));
}

/* One call from line 3 of /tmp/a.js, in `f`. */
static void build(uint64_t *m)
{
	static const uint8_t table[] = {2, 20, 8, 12}; /* code 0: character 4, code 4: character 7; each difference twice, a character four times */
	uint64_t *o;

	memset(m, 0, MEMORY);
	m[EXIT / 8] = STACK;
	o = &m[STACK / 8];
	o[-1] = 3 << 1; /* a frame of native code */
	o[0] = STACK + 0x100;
	o = &m[STACK / 8 + 32];
	o[-1] = FUNCTION + 1; /* its context: any object */
	o[-2] = FUNCTION + 1;
	o[-4] = BYTECODE + 1;
	o[-5] = (uint64_t)(53 + 6) << 32;
	o = object(m, FUNCTION, 2065);
	o[3] = SHARED + 1;
	o = object(m, SHARED, 262);
	o[1] = BYTECODE + 1;
	o[2] = SCOPE + 1;
	o[4] = SCRIPT + 1;
	o = object(m, SCRIPT, 167);
	o[1] = SOURCE + 1;
	o[2] = FILE_NAME + 1;
	o = object(m, SCOPE, 261);
	o[3] = 0; /* no locals */
	o[4] = NAME + 1;
	o = object(m, BYTECODE, 191);
	o[4] = TABLE + 1;
	o = object(m, TABLE, 190);
	o[1] = (uint64_t)sizeof(table) << 32;
	memcpy(o + 2, table, sizeof(table));
	string(m, NAME, "f");
	string(m, FILE_NAME, "file:///tmp/a%2ejs");
	string(m, SOURCE, "ab\ncd\r\nefgh\nij");
}

/* Pointers into the memory, small numbers, large ones. */
static uint64_t any_word(void)
{
	uint64_t at = (uint64_t)((unsigned)rand() % WORDS) * 8;

	switch (rand() % 5) {
	case 0:
		return at;
	case 1:
		return at + 1;
	case 2:
		return (uint64_t)((unsigned)rand() % 4096) << 32;
	case 3:
		return (uint64_t)(unsigned)rand() << 33;
	default:
		return ((uint64_t)(unsigned)rand() << 33) ^ (uint64_t)(unsigned)rand();
	}
}

/* Changes a few of the words that mean something. */
static void forge(uint64_t *m, unsigned seed)
{
	unsigned changes = 1 + seed % 8;

	build(m);
	srand(seed);
	while (changes) {
		size_t i = 1 + (unsigned)rand() % (SOURCE / 8 + 8);
		if (!m[i] && rand() % 200)
			continue;
		m[i] = any_word();
		changes--;
	}
}

static struct v8_frames fitted(void)
{
	struct v8_frames f;

	assert_int_equal(v8_frames_parse(&f, NUMBERS), 0);
	f.exit_frame = EXIT;
	f.shared_bytecode = 8;
	f.bytecode_positions = 32;
	return f;
}

static void test_forged(void **state)
{
	int mem = memfd_create("forged", MFD_CLOEXEC);
	struct v8_frames f;
	const char *trees[] = {NULL};
	struct frames *all = frames_new(&(struct frames_told){.trees = trees, .node = NUMBERS});
	struct frames_job j;
	struct where w;
	unsigned found = 0;

	(void)state;
	assert_non_null(all);
	assert_int_equal(ftruncate(mem, MEMORY), 0);
	uint64_t *m = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	assert_ptr_not_equal(m, MAP_FAILED);
	f = fitted();
	frames_job_init(&j, all, &(struct broker_tracee){.t_pid = 1, .t_own_pid = 1, .proc = -1, .mem = mem});
	build(m);
	j.until = now() + 60;
	w = (struct where){.line = 0};
	assert_true(frames_node(&j, &f, 1, &w));
	assert_string_equal(w.file, "/tmp/a.js");
	assert_string_equal(w.function, "f");
	assert_int_equal(w.line, 3);
	assert_false(w.rough);
	for (unsigned seed = 1; seed <= 3000; seed++) {
		forge(m, seed);
		double begun = now();
		j.until = begun + FRAMES_SECONDS;
		w = (struct where){.line = 0};
		found += frames_node(&j, &f, 1, &w);
		assert_true(memchr(w.file, '\0', sizeof(w.file)) && memchr(w.function, '\0', sizeof(w.function)));
		if (now() - begun > 20 * FRAMES_SECONDS)
			fail_msg("seed %u took %.1f ms", seed, (now() - begun) * 1e3);
		assert_false(frames_node(&j, &f, 2, &w)); /* another thread */
		if (seed % 100 == 0 && v8_frames_fit(&f, mem) == 0)
			fail_msg("seed %u fits", seed);
	}
	assert_true(found > 10 && found < 2990); /* some still read as a place, most do not */
	frames_job_done(&j);
	frames_drop(all);
	munmap(m, MEMORY);
	close(mem);
}

/* The longest chains there can be: each frame one word above the last, each string made of another. */
static void test_chains(void **state)
{
	int mem = memfd_create("chain", MFD_CLOEXEC);
	const size_t size = 8u << 20;
	struct v8_frames f;
	const char *trees[] = {NULL};
	struct frames *all = frames_new(&(struct frames_told){.trees = trees, .node = NUMBERS});
	struct frames_job j;
	struct where w = {.line = 0};

	(void)state;
	assert_int_equal(ftruncate(mem, (off_t)size), 0);
	uint64_t *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	assert_ptr_not_equal(m, MAP_FAILED);
	f = fitted();
	for (size_t i = 0; i < size / 8; i++)
		m[i] = 8 * i + 8;
	frames_job_init(&j, all, &(struct broker_tracee){.t_pid = 1, .t_own_pid = 1, .proc = -1, .mem = mem});
	double begun = now();
	j.until = begun + FRAMES_SECONDS;
	assert_false(frames_node(&j, &f, 1, &w));
	assert_true(now() - begun < 20 * FRAMES_SECONDS);
	frames_job_done(&j);
	frames_drop(all);
	munmap(m, size);
	close(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
