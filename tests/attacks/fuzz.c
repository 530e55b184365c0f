/* fuzz.c - random system calls with random arguments, from several threads of a job: what no test thought of.
 *
 * Which numbers are tried, for how long, and the seed come as text, "SEED MS THREADS NUMBER NUMBER …": by ctypes, or for Node, which has no
 * ctypes, in the environment variable RANDOM_CALLS when the file is loaded. The arguments are drawn so that they mean something often enough:
 * descriptors, flags, addresses of paths, of buffers with addresses in them, and just before a page that is not there.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "attack.h"

#define EXPORT __attribute__((visibility("default")))
#define PAGES 16
#define PAGE 4096u
#define NUMBERS_MAX 1024
#define THREADS_MAX 8
#define TICK_US 2000 /* a signal comes so often, so that no call blocks for long */

EXPORT long random_calls(const char *what);

static char *arena; /* its last page is not there */
static int numbers[NUMBERS_MAX];
static unsigned n_numbers;
static uint64_t until;

static const char *const texts[] = {"/tmp/a", "/tmp", ".", "..", "", "/", "/proc/self/fd/1", "/proc/self/mem", "/proc/1/environ", "/etc/passwd", "/dev/null",
                                    "../../etc/shadow", "/tmp/b/../a", "user.x", "/proc/self/root/etc/shadow", "/dev/shm/x", "/tmp/b"};

struct stream {
	uint64_t state;
	unsigned long made;
};

static uint64_t next(struct stream *s)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return s->state;
}

static long argument(struct stream *s)
{
	uint64_t v = next(s) >> 8;

	switch (next(s) % 10) {
	case 0:
		return 0;
	case 1:
		return (long)(v % 12);
	case 2:
		return -(long)(v % 12);
	case 3:
		return -100; /* AT_FDCWD */
	case 4:
		return (long)(1ul << v % 64);
	case 5:
		return (long)(v % 4096);
	case 6:
		return (long)v;
	case 7:
		return (long)(arena + (PAGES - 1) * PAGE - v % 32);
	default:
		return (long)(arena + v % (PAGES * PAGE / 64) * 64);
	}
}

static void fill(struct stream *s)
{
	for (unsigned i = 0; i < 64; i++) {
		char *at = arena + next(s) % (PAGES - 2) * PAGE + next(s) % 60 * 64;

		if (next(s) % 2) {
			strcpy(at, texts[next(s) % (sizeof(texts) / sizeof(texts[0]))]);
		} else {
			long words[] = {argument(s), argument(s), argument(s)};
			memcpy(at, words, sizeof(words));
		}
	}
}

static void *make_calls(void *arg)
{
	struct stream *s = arg;

	while (now_ns() < until) {
		if (s->made % 64 == 0)
			fill(s);
		s->made++;
		raw6(numbers[next(s) % n_numbers], argument(s), argument(s), argument(s), argument(s), argument(s), argument(s));
	}
	return NULL;
}

static void on_tick(int number)
{
	(void)number;
}

/* How many calls were made; -1 for a text that says nothing. Most runs do not come to their end. */
long random_calls(const char *what)
{
	struct itimerval tick = {{0, TICK_US}, {0, TICK_US}};
	struct stream streams[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	unsigned long seed, ms, n_threads;
	unsigned started = 0;
	long made = 0;
	int used;

	if (sscanf(what, "%lu %lu %lu%n", &seed, &ms, &n_threads, &used) != 3 || n_threads > THREADS_MAX)
		return -1;
	for (char *at = (char *)what + used; *at && n_numbers < NUMBERS_MAX;)
		numbers[n_numbers++] = (int)strtol(at, &at, 10);
	arena = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED || !n_numbers || munmap(arena + (PAGES - 1) * PAGE, PAGE))
		return -1;
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_tick}, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
	until = deadline_ms((unsigned)ms);
	for (unsigned i = 0; i < n_threads; i++) {
		streams[i] = (struct stream){.state = (seed + 1) * 0x9e3779b97f4a7c15ull ^ i};
		if (i && pthread_create(&threads[started], NULL, make_calls, &streams[i]) == 0)
			started++;
	}
	make_calls(&streams[0]);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < n_threads; i++)
		made += (long)streams[i].made;
	return made;
}

__attribute__((constructor)) static void on_load(void)
{
	const char *what = getenv("RANDOM_CALLS");

	if (what)
		printf("%ld calls\n", random_calls(what));
}
