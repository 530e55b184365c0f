/* The readers of interpreters' frames: what the zygote tells as text, and memory of which no two looks agree. */
#include "fuzz.h"

#include <time.h>
#include <unistd.h>

#include "frames.h"

/* Plausible offsets, so that inputs need not find them first. */
static const char python[] = "3 8 8 10 38 0 60 ffffffffffffffff 30 20 40 45 70 78 44 88 c8 20 30 38 955fc0 a0a0a0 b0b0b0";
static const char node[] = "1048576 7 24 16 32 16 8 54 2 3 262 167 191 261";

static int mem;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	mem = memory_open();
	return 0;
}

static double seconds(clockid_t of)
{
	struct timespec t;

	clock_gettime(of, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void read_python(struct feed *f, struct frames_job *j, const char *text, struct where *w)
{
	struct pyframes p;
	char again[PYFRAMES_TEXT];

	if (pyframes_parse(&p, text))
		return;
	pyframes_format(&p, again);
	memory_feed(f);
	frames_python(j, &p, feed_number(f, 1) & 1 ? j->t_pid : j->t_pid + 1, w);
}

static void read_node(struct feed *f, struct frames_job *j, const char *text, struct where *w)
{
	struct v8_frames v;

	if (v8_frames_parse(&v, text))
		return;
	memory_feed(f);
	if (feed_number(f, 1) & 1)
		v8_frames_fit(&v, mem);
	v.exit_frame = 0x7f0000000000;
	v.shared_bytecode = 8;
	v.bytecode_positions = 16;
	frames_node(j, &v, j->t_pid, w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const trees[] = {"/usr/lib/python3.11", NULL};
	struct feed f = {data, size};
	unsigned how = (unsigned)feed_number(&f, 1);
	char told[400];
	const struct broker_tracee who = {.t_pid = getpid(), .t_own_pid = getpid(), .proc = -1, .mem = mem, .pidfd = -1};
	struct frames *all = frames_new(&(struct frames_told){.trees = trees, .python = python, .node = how & 4 ? node : NULL});
	struct frames_job j;
	struct where w = {.line = 0};

	FUZZ_REQUIRE(all, "the layout is refused");
	frames_job_init(&j, all, &who);
	/* a machine that lets this process wait says nothing of the reading */
	double used = seconds(CLOCK_PROCESS_CPUTIME_ID);
	j.until = seconds(CLOCK_MONOTONIC) + FRAMES_SECONDS;
	if (how & 2) {
		size_t n = feed_number(&f, 2) % sizeof(told);

		feed_bytes(&f, told, n);
		told[n] = 0;
	} else {
		snprintf(told, sizeof(told), "%s", how & 1 ? node : python);
	}
	(how & 1 ? read_node : read_python)(&f, &j, told, &w);
	memory_feed(NULL);
	FUZZ_REQUIRE(memchr(w.file, 0, sizeof(w.file)) && memchr(w.function, 0, sizeof(w.function)), "a name without an end");
	for (const char *c = w.file; *c; c++)
		FUZZ_REQUIRE((unsigned char)*c >= ' ', "control characters in a file name");
	used = seconds(CLOCK_PROCESS_CPUTIME_ID) - used;
	FUZZ_REQUIRE(used < 5, "%.1f s", used);
	frames_job_done(&j);
	frames_drop(all);
	return 0;
}
