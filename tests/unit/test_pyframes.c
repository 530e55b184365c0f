/* CPython's frames from memory that may hold anything: here a file stands for it. Real interpreters are read in tests/e2e/test_frames.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker.h"
#include "frames.h"
#include "pyframes.h"

#define SIZE   (1u << 20)
#define BASE   0x10000u /* nothing lies below, as in a process */
#define CODE_TYPE 0xc0de00u
#define NONE PYFRAMES_NONE

static unsigned char *memory; /* SIZE bytes, also in the file */
static int mem;

/* As of CPython 3.11, but for threads, which have ids by pthread_t as before it. */
static const struct pyframes layout = {{
	[PY_LINES] = PY_LOCATIONS, [PY_INTERP_THREADS] = 16, [PY_TS_NEXT] = 8, [PY_TS_INTERP] = 16, [PY_TS_FRAME] = 24, [PY_CFRAME] = 8, [PY_TS_ID] = 32,
	[PY_PTHREAD_TID] = 64, [PY_F_BACK] = 48, [PY_F_CODE] = 32, [PY_F_INSTR] = 56, [PY_F_OWNER] = 70, [PY_CO_FILE] = 112, [PY_CO_FUNCTION] = 128,
	[PY_CO_FIRST_LINE] = 72, [PY_CO_LINES] = 136, [PY_CO_CODE] = 184, [PY_BYTES] = 32, [PY_ASCII] = 48, [PY_COMPACT] = 72,
	[PY_CODE_TYPE] = CODE_TYPE, [PY_MAIN] = BASE + 0x100, [PY_INTERP] = BASE,
}};

static int set_up(void **state)
{
	(void)state;
	mem = memfd_create("memory", 0);
	if (mem < 0 || ftruncate(mem, SIZE))
		return -1;
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	return memory == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	munmap(memory, SIZE);
	close(mem);
	return 0;
}

static void put(uint64_t at, uint64_t value)
{
	memcpy(memory + at, &value, sizeof(value));
}

static void put_str(uint64_t at, const char *text)
{
	put(at + 16, strlen(text));
	put(at + 32, 1u << 2 | 1u << 5 | 1u << 6);
	memcpy(memory + at + 48, text, strlen(text));
}

static void put_code(uint64_t at, const char *file, const char *function, const unsigned char *lines, size_t n)
{
	put(at + 8, CODE_TYPE);
	put(at + 112, at + 0x400);
	put(at + 128, at + 0x600);
	put(at + 136, at + 0x800);
	put(at + 72, 10);
	put_str(at + 0x400, file);
	put_str(at + 0x600, function);
	put(at + 0x800 + 16, n);
	memcpy(memory + at + 0x800 + 32, lines, n);
}

static void put_frame(uint64_t at, uint64_t back, uint64_t code, unsigned instruction)
{
	put(at + 48, back);
	put(at + 32, code);
	put(at + 56, code + 184 + 2 * instruction);
	memory[at + 70] = 0;
}

/* two instructions on line 10, then one on 13, one without, one on 9 */
static const unsigned char table[] = {0x80 | 10 << 3 | 1, 0, 0, 0x80 | 13 << 3, 3 << 1, 0x80 | 15 << 3, 0x80 | 14 << 3, 4 << 1 | 1, 0, 0, 0};

/* An interpreter whose main thread is in a library's function, which the user's called; below that Warder's. */
static void put_all(void)
{
	memset(memory, 0, SIZE);
	put(BASE + 16, BASE + 0x100);             /* interpreter: first thread */
	put(BASE + 0x100 + 24, BASE + 0x200);     /* thread: cframe */
	put(BASE + 0x100 + 32, BASE + 0x300);     /* pthread_t */
	put(BASE + 0x300 + 64, 77);               /* its kernel id */
	put(BASE + 0x200 + 8, BASE + 0x1000);     /* cframe: innermost frame */
	put_code(BASE + 0x4000, "/usr/lib/python3.11/json.py", "load", table, sizeof(table));
	put_code(BASE + 0x5000, "/tmp/main.py", "A.f", table, sizeof(table));
	put_code(BASE + 0x6000, "<warder>", "live", table, sizeof(table));
	put_frame(BASE + 0x1000, BASE + 0x1100, BASE + 0x4000, 0);
	put_frame(BASE + 0x1100, BASE + 0x1200, BASE + 0x5000, 2);
	put_frame(BASE + 0x1200, 0, BASE + 0x6000, 0);
}

static struct frames_job reader(void)
{
	static const char *const trees[] = {"/usr/lib/python3.11", NULL};
	char text[PYFRAMES_TEXT];
	struct frames_told told = {.trees = trees, .python = text};
	static struct broker_tracee who;
	struct frames_job j;

	pyframes_format(&layout, text);
	struct frames *f = frames_new(&told);
	assert_non_null(f);
	who = (struct broker_tracee){.t_pid = 76, .t_own_pid = 76, .pidfd = -1, .proc = -1, .mem = mem};
	frames_job_init(&j, f, &who);
	frames_drop(f);
	return j;
}

static void expect(pid_t tid, const char *file, const char *function, int line)
{
	struct frames_job j = reader();
	struct where w;
	bool found = frames_where(&j, tid, &w);

	assert_int_equal(found, *file != '\0');
	assert_string_equal(w.file, file);
	assert_string_equal(w.function, function);
	assert_int_equal(w.line, line);
	frames_job_done(&j);
}

static void test_users_frame(void **state)
{
	(void)state;
	put_all();
	expect(77, "/tmp/main.py", "A.f", 13); /* by the list of threads */
	expect(76, "/tmp/main.py", "A.f", 13); /* the leader is the main thread */
	expect(78, "", "", 0);                 /* no thread of Python's */
}

static void test_no_users_frame(void **state)
{
	(void)state;
	put_all();
	put_frame(BASE + 0x1000, BASE + 0x1200, BASE + 0x4000, 4);
	expect(77, "/usr/lib/python3.11/json.py", "load", 9);
	put(BASE + 0x200 + 8, BASE + 0x1200); /* Warder's alone */
	expect(77, "", "", 0);
}

static void test_lines(void **state)
{
	static const unsigned char pairs[] = {4, 1, 2, 0xff, 2, 0x80, 6, 5};
	static const struct {
		enum pyframes_lines kind;
		const unsigned char *table;
		size_t n;
		int at, want;
	} rows[] = {
		{PY_LOCATIONS, table, sizeof(table), -2, 10}, {PY_LOCATIONS, table, sizeof(table), 0, 10}, {PY_LOCATIONS, table, sizeof(table), 2, 10},
		{PY_LOCATIONS, table, sizeof(table), 4, 13}, {PY_LOCATIONS, table, sizeof(table), 6, 13}, {PY_LOCATIONS, table, sizeof(table), 8, 9},
		{PY_LNOTAB, pairs, 4, 0, 10}, {PY_LNOTAB, pairs, 4, 4, 11}, {PY_LNOTAB, pairs, 4, 5, 11}, {PY_LNOTAB, pairs, 4, 6, 10},
		{PY_LINETABLE, pairs, 8, 0, 11}, {PY_LINETABLE, pairs, 8, 3, 11}, {PY_LINETABLE, pairs, 8, 4, 10}, {PY_LINETABLE, pairs, 8, 6, 10},
		{PY_LINETABLE, pairs, 8, 8, 15},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pyframes p = layout;
		struct pyframe f = {.t_lines = BASE, .at = rows[i].at, .first_line = 10};

		p.v[PY_LINES] = rows[i].kind;
		memset(memory, 0, SIZE);
		put(BASE + 16, rows[i].n);
		memcpy(memory + BASE + 32, rows[i].table, rows[i].n);
		if (pyframes_line(&p, mem, &f) != rows[i].want)
			fail_msg("row %zu: line %d, expected %d", i, pyframes_line(&p, mem, &f), rows[i].want);
	}
}

static void test_texts(void **state)
{
	static const uint16_t wide[] = {0xe9, 0x4e2d, 0xd800};
	static const uint32_t wider[] = {0x1f600, 'x'};
	char buf[64];

	(void)state;
	memset(memory, 0, SIZE);
	put(BASE + 16, 3);
	put(BASE + 32, 2u << 2 | 1u << 5);
	memcpy(memory + BASE + 72, wide, sizeof(wide));
	assert_int_equal(pyframes_text(&layout, mem, BASE, buf, sizeof(buf)), 8);
	assert_string_equal(buf, "\xc3\xa9\xe4\xb8\xad\xed\xa0\x80");
	assert_int_equal(pyframes_text(&layout, mem, BASE, buf, 6), 2); /* cut between characters */
	put(BASE + 32, 4u << 2 | 1u << 5);
	memcpy(memory + BASE + 72, wider, sizeof(wider));
	put(BASE + 16, 2);
	assert_int_equal(pyframes_text(&layout, mem, BASE, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "\xf0\x9f\x98\x80x");
	put(BASE + 16, UINT64_MAX); /* a length is not believed */
	memset(memory + BASE + 72, 0xff, 4096);
	assert_true(pyframes_text(&layout, mem, BASE, buf, sizeof(buf)) < (ssize_t)sizeof(buf));
	put(BASE + 32, 0);
	assert_int_equal(pyframes_text(&layout, mem, BASE, buf, sizeof(buf)), -EFAULT);
	assert_int_equal(pyframes_text(&layout, mem, SIZE - 8, buf, sizeof(buf)), -EFAULT);
}

/* What is told goes to terminals and logs. */
static void test_hostile_names(void **state)
{
	struct frames_job j = reader();
	struct where w;
	char name[900];

	(void)state;
	put_all();
	put_code(BASE + 0x5000, "a\033[2J\n", "\x7f", table, sizeof(table));
	expect(77, "a\\x1b[2J\\x0a", "\\x7f", 13);
	memset(name, '\001', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(memory + BASE + 0x5000, 0, 0x1000);
	put_code(BASE + 0x5000, "f", "g", table, sizeof(table));
	put_str(BASE + 0x9000, name);
	put(BASE + 0x5000 + 112, BASE + 0x9000);
	put(BASE + 0x5000 + 128, BASE + 0x9000);
	assert_true(frames_where(&j, 77, &w));
	assert_true(strlen(w.file) < sizeof(w.file) && strlen(w.function) < sizeof(w.function));
	assert_null(strpbrk(w.file, "\001"));
	frames_job_done(&j);
}

/* Chains that never end, threads that lead to themselves, tables without end: each reading is over soon. */
static void test_forged_chains(void **state)
{
	struct frames_job j = reader();
	struct where w;
	struct timespec a, b;

	(void)state;
	put_all();
	put_frame(BASE + 0x1000, BASE + 0x1000, BASE + 0x4000, 0); /* a frame that called itself, of a library */
	put(BASE + 0x100 + 8, BASE + 0x100);                      /* a thread behind itself */
	put(BASE + 0x4000 + 0x800 + 16, SIZE);                    /* a table of a million bytes, */
	memset(memory + BASE + 0x4000 + 0x800 + 32, 0x05, 4096);  /* that never gets there */
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 100; i++) {
		frames_where(&j, 77, &w);
		assert_string_equal(w.file, "/usr/lib/python3.11/json.py");
		assert_false(frames_where(&j, 1234, &w));
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9 < 5);
	frames_job_done(&j);
}

static void test_any_bytes(void **state)
{
	unsigned seed = (unsigned)time(NULL), rounds = getenv("WARDER_LONG") ? 20000 : 300;
	struct frames_job j = reader();
	struct where w;

	(void)state;
	srand(seed);
	for (unsigned i = 0; i < rounds; i++) {
		put_all();
		for (int k = 0; k < 40; k++) {
			static const uint64_t odd[] = {0, 1, 8, BASE, BASE + 0x1000, BASE + 0x4000, SIZE - 8, SIZE, INT64_MAX, UINT64_MAX, 0x7fffffffffff};
			uint64_t at = BASE + (unsigned)rand() % 0x7000;

			put(at & ~7u, rand() % 2 ? odd[(unsigned)rand() % (sizeof(odd) / sizeof(odd[0]))] : (uint64_t)rand() << 32 | (uint64_t)rand());
		}
		frames_where(&j, rand() % 2 ? 76 : 77, &w);
		if (memchr(w.file, '\0', sizeof(w.file)) == NULL || memchr(w.function, '\0', sizeof(w.function)) == NULL || w.line < 0)
			fail_msg("seed %u round %u", seed, i);
	}
	frames_job_done(&j);
}

static void test_layout_text(void **state)
{
	char text[PYFRAMES_TEXT], longer[PYFRAMES_TEXT + 8];
	struct pyframes p;

	(void)state;
	pyframes_format(&layout, text);
	assert_int_equal(pyframes_parse(&p, text), 0);
	assert_memory_equal(&p, &layout, sizeof(p));
	for (int i = PY_LINES; i < PY_CODE_TYPE; i++) {
		struct pyframes bad = layout;

		bad.v[i] = 1ull << 40;
		pyframes_format(&bad, text);
		if (pyframes_parse(&p, text) != -EPROTO)
			fail_msg("field %d may be anything", i);
	}
	pyframes_format(&layout, text);
	snprintf(longer, sizeof(longer), "%s 1", text);
	assert_int_equal(pyframes_parse(&p, longer), -EPROTO);
	text[strlen(text) / 2] = '\0';
	assert_int_equal(pyframes_parse(&p, text), -EPROTO);
	assert_int_equal(pyframes_parse(&p, ""), -EPROTO);
}

static void test_whose(void **state)
{
	static const struct {
		const char *file;
		bool users;
	} rows[] = {
		{"/tmp/main.py", true}, {"<string>", true}, {"<stdin>", true}, {"<mine>", true}, {"/srv/lib/x.py", true}, {"x.py", true},
		{"/usr/lib/python3.11-mine/x.py", true}, {"/usr/lib/python3.11/json.py", false}, {"/usr/lib/python3.11", false},
		{"<frozen importlib._bootstrap>", false}, {"<warder>", false}, {"<__array_function__ internals>", false},
	};
	struct frames_job j = reader();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (frames_is_users(j.frames, rows[i].file) != rows[i].users)
			fail_msg("%s", rows[i].file);
	frames_job_done(&j);
}

/* A flood of refusals is read for until the job's time for that is used up. */
static void test_time_of_a_job(void **state)
{
	struct frames_job j = reader();
	struct where w;
	int n = 0;

	(void)state;
	put_all();
	assert_true(frames_has_time(&j));
	j.spent = FRAMES_JOB_SECONDS * 0.99;
	while (frames_has_time(&j) && n++ < 1000000)
		frames_where(&j, 77, &w);
	assert_false(frames_has_time(&j));
	assert_true(frames_where(&j, 77, &w)); /* who asks all the same gets an answer */
	frames_job_done(&j);
}

/* A trace reads at each call: what is slow to read has a share of the time, comes again, and takes nothing from violations. */
static void test_time_of_a_trace(void **state)
{
	struct frames_job j = reader();
	struct where w;

	(void)state;
	put_all();
	assert_true(frames_where_told(&j, 77, &w));
	assert_true(j.told > 0 && j.spent == 0);
	j.told = FRAMES_TOLD_SECONDS + 100 * FRAMES_TOLD_SHARE;
	assert_false(frames_where_told(&j, 77, &w));
	assert_int_equal(w.line, 0);
	assert_true(frames_where(&j, 77, &w));
	j.told_at -= 101; /* as if it were that long ago */
	assert_true(frames_where_told(&j, 77, &w));
	frames_job_done(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users_frame),   cmocka_unit_test(test_no_users_frame), cmocka_unit_test(test_lines),
		cmocka_unit_test(test_texts),         cmocka_unit_test(test_hostile_names),  cmocka_unit_test(test_forged_chains),
		cmocka_unit_test(test_any_bytes),     cmocka_unit_test(test_layout_text),    cmocka_unit_test(test_whose),
		cmocka_unit_test(test_time_of_a_job), cmocka_unit_test(test_time_of_a_trace),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
