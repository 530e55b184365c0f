/* The stack of a waiting thread: its pointer is told, words are found, and what the job made of its stack ends the search within its bounds. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "frames.h"
#include "stacks.h"

#define SOUGHT  0x7abcdef01238ull
#define PATIENCE 30

static int pipe_of[2];
static volatile pid_t tid;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *wait_for_end(void *unused)
{
	volatile uint64_t word = SOUGHT;
	char c;

	(void)unused;
	tid = (pid_t)syscall(SYS_gettid);
	while (read(pipe_of[0], &c, 1) > 0)
		;
	return word == SOUGHT ? NULL : &pipe_of;
}

static bool is_sought(void *arg, uint64_t word)
{
	++*(unsigned *)arg;
	return word == SOUGHT;
}

static bool is_never(void *arg, uint64_t word)
{
	(void)word;
	++*(unsigned *)arg;
	return false;
}

static void job_of(struct frames_job *j, int mem)
{
	static struct broker_tracee who;

	who = (struct broker_tracee){.t_pid = getpid(), .t_own_pid = getpid(), .proc = -1, .mem = mem, .uid = (uid_t)-1, .gid = (gid_t)-1};
	frames_job_init(j, NULL, &who);
	j->until = now() + PATIENCE;
}

static void test_waiting_thread(void **state)
{
	struct frames_job j;
	pthread_t t;
	void *bad;
	unsigned asked = 0;
	uint64_t t_sp = 0, found = 0;
	FILE *mem = fopen("/proc/self/mem", "re");

	(void)state;
	assert_non_null(mem);
	assert_int_equal(pipe(pipe_of), 0);
	assert_int_equal(pthread_create(&t, NULL, wait_for_end, NULL), 0);
	job_of(&j, fileno(mem));
	while (!found && now() < j.until) { /* until it waits */
		t_sp = tid ? stacks_pointer(&j, tid) : 0;
		found = t_sp ? stacks_search(&j, t_sp, is_sought, &asked) : 0;
	}
	assert_int_equal(found, SOUGHT);
	assert_true(asked > 0);
	j.until = now() - 1;
	assert_int_equal(stacks_search(&j, t_sp, is_sought, &asked), 0);
	close(pipe_of[1]);
	assert_int_equal(pthread_join(t, &bad), 0);
	assert_null(bad);
	assert_int_equal(stacks_pointer(&j, 0), 0);
	fclose(mem);
}

static void test_bounds(void **state)
{
	const size_t size = 4 * STACKS_BYTES;
	int fd = memfd_create("stack", MFD_CLOEXEC);
	struct frames_job j;
	unsigned asked = 0;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	uint64_t *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(m, MAP_FAILED);
	job_of(&j, fd);
	for (size_t i = 0; i < size / 8; i++)
		m[i] = (1ull << 44) + 8 * i;
	assert_int_equal(stacks_search(&j, 24, is_never, &asked), 0);
	assert_true(asked > 0 && asked <= STACKS_BYTES / 8 + 512);
	asked = 0;
	assert_int_equal(stacks_search(&j, size - 64, is_never, &asked), 0); /* nothing behind it */
	assert_int_equal(asked, 8);
	asked = 0;
	for (size_t i = 0; i < size / 8; i++)
		m[i] = i % 4 ? 1ull << 44 : i % 3 ? 4096 : ~0ull;
	assert_int_equal(stacks_search(&j, 0, is_never, &asked), 0);
	assert_int_equal(asked, 1); /* given once, and what is no address not at all */
	munmap(m, size);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waiting_thread),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
