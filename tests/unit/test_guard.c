/* The supervisor's own filters: each forbidden call ends a process that has loaded one, and is named; what its work needs goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guard.h"
#include "skip.h"

#define FRONT  (1u << GUARD_FRONT)
#define WORKER (1u << GUARD_WORKER)
#define BOTH   (FRONT | WORKER)

static void *start(void *arg)
{
	return arg;
}

static void do_execve(void) { execl("/bin/true", "true", (char *)NULL); }
static void do_fork(void) { _exit(fork() == 0); }
static void do_vfork(void) { syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0); }
static void do_clone3(void) { syscall(SYS_clone3, NULL, 0); }
static void do_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, start, NULL);
}
static void do_code(void) { mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void do_make_code(void) { mprotect(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096, PROT_READ | PROT_EXEC); }
static void do_ptrace(void) { ptrace(PTRACE_TRACEME, 0, 0, 0); }
static void do_socket(void) { socket(AF_INET, SOCK_STREAM, 0); }
static void do_open(void) { open("/etc/passwd", O_RDONLY); }
static void do_kill(void) { kill(1, 0); }
static void do_prlimit(void) { syscall(SYS_prlimit64, 1, 0, NULL, NULL); }
static void do_mount(void) { syscall(SYS_mount, NULL, NULL, NULL, 0, NULL); }
static void do_unshare(void) { unshare(CLONE_NEWNS); }
static void do_setns(void) { setns(-1, 0); }
static void do_chroot(void) { syscall(SYS_chroot, NULL); }
static void do_bpf(void) { syscall(SYS_bpf, 0, NULL, 0); }
static void do_module(void) { syscall(SYS_init_module, NULL, 0, NULL); }
static void do_keyctl(void) { syscall(SYS_keyctl, 0, 0, 0, 0, 0); }
static void do_by_handle(void) { syscall(SYS_open_by_handle_at, -1, NULL, 0); }
static void do_prctl(void) { prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }
static void do_seccomp(void) { syscall(SYS_seccomp, 0, 0, NULL); }
static void do_setuid(void) { syscall(SYS_setresuid, 0, 0, 0); }
#if defined(__x86_64__)
/* the calls of 32-bit programs have other numbers */
static void do_int80(void)
{
	long r;

	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20), "b"(0), "c"(0), "d"(0) : "memory");
}
#endif

static const struct {
	const char *name; /* as the log tells it; "": signals are blocked there, or the filter does not ask any further, and it is not told */
	void (*call)(void);
	unsigned who;
} forbidden[] = {
	{"execve", do_execve, BOTH}, {"clone", do_fork, BOTH}, {"clone", do_vfork, BOTH}, {"clone3", do_clone3, BOTH}, {"", do_thread, BOTH},
	{"mmap", do_code, BOTH}, {"mprotect", do_make_code, BOTH}, {"ptrace", do_ptrace, FRONT}, {"socket", do_socket, FRONT},
	{"openat", do_open, FRONT}, {"kill", do_kill, BOTH}, {"prlimit64", do_prlimit, FRONT}, {"mount", do_mount, BOTH},
	{"unshare", do_unshare, BOTH}, {"setns", do_setns, BOTH}, {"chroot", do_chroot, BOTH}, {"bpf", do_bpf, BOTH},
	{"init_module", do_module, BOTH}, {"keyctl", do_keyctl, BOTH}, {"open_by_handle_at", do_by_handle, BOTH}, {"prctl", do_prctl, BOTH},
	{"seccomp", do_seccomp, BOTH}, {"setresuid", do_setuid, FRONT},
#if defined(__x86_64__)
	{"", do_int80, BOTH},
#endif
};

/* Runs `f` behind the filter, its log in `said`. Returns its raw wait status. */
static int behind(enum guard_who who, void (*f)(void), char *said, size_t size)
{
	int ends[2], status;
	struct err e;

	assert_int_equal(pipe(ends), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		if (guard_filter(who, &e))
			_exit(99);
		f();
		_exit(0);
	}
	close(ends[1]);
	ssize_t n = read(ends[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool filters_here(void)
{
#ifdef __SANITIZE_ADDRESS__
	return false;
#else
	return true;
#endif
}

static void test_forbidden_calls_end_it(void **state)
{
	char said[1024], want[64];
	int bad = 0;

	(void)state;
	if (!filters_here())
		SKIP("missing: a build without sanitizers, whose own calls the filters do not know");
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		for (int who = GUARD_FRONT; who < GUARD_COUNT; who++) {
			if (!(forbidden[i].who & 1u << who))
				continue;
			int status = behind(who, forbidden[i].call, said, sizeof(said));

			snprintf(want, sizeof(want), "event=forbidden_call pid=");
			bool told = strstr(said, want) != NULL;
			snprintf(want, sizeof(want), " call=%s ", forbidden[i].name);
			told = !*forbidden[i].name || (told && strstr(said, want));
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS || !told) {
				print_error("row %zu %s, %s: status %x, said: %s\n", i, forbidden[i].name, who == GUARD_FRONT ? "front" : "worker", status, said);
				bad++;
			}
		}
	assert_int_equal(bad, 0);
}

static void work(void);

/* --- the floor ----------------------------------------------------------------------------------------------- */

#define IS_ABSENT(call, err) ((call) != -1 || errno != (err))

/* 0, or the number of what was not refused. Bad arguments: what gets past the filter says something else. */
static int refused_by_floor(void)
{
	struct err e;

	if (guard_power(GUARD_KEEPER, &e) || guard_floor(&e))
		return 1;
	if (IS_ABSENT(syscall(SYS_bpf, 9999, NULL, 0), EPERM) || IS_ABSENT(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0), EPERM))
		return 2;
	if (IS_ABSENT(syscall(SYS_keyctl, 9999, 0, 0, 0, 0), EPERM) || IS_ABSENT(syscall(SYS_init_module, NULL, 0, NULL), EPERM))
		return 3;
	if (IS_ABSENT(syscall(SYS_unshare, 1), EPERM) || IS_ABSENT(syscall(SYS_setns, -1, 0), EPERM) || IS_ABSENT(syscall(SYS_chroot, NULL), EPERM))
		return 4;
	if (IS_ABSENT(syscall(SYS_io_uring_setup, 1, NULL), ENOSYS) || IS_ABSENT(syscall(SYS_open_by_handle_at, -1, NULL, 0), EPERM))
		return 5;
	return 0;
}

/* In the keeper and in what it forks and executes; whose work goes on. */
static void test_floor_is_inherited(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		int r = refused_by_floor();
		pid_t child = r ? -1 : fork();

		if (child == 0) {
			work();
			if (IS_ABSENT(syscall(SYS_keyctl, 9999, 0, 0, 0, 0), EPERM))
				_exit(6);
			execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
		}
		if (child > 0 && waitpid(child, &status, 0) == child)
			r = status == 7 << 8 ? 0 : 8;
		_exit(r);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#if defined(__x86_64__)
static void test_floor_has_no_32_bit_door(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		struct err e;

		if (guard_power(GUARD_KEEPER, &e) || guard_floor(&e))
			_exit(1);
		do_int80();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

static void *forbidden_thread(void *arg)
{
	usleep(50000); /* until the filter of the other thread is on */
	do_setns();
	return arg;
}


/* The watchdog's thread is older than the filter. */
static void test_threads_are_behind_it_too(void **state)
{
	int status;

	(void)state;
	if (!filters_here())
		SKIP("missing: a build without sanitizers, whose own calls the filters do not know");
	pid_t pid = fork();
	if (pid == 0) {
		struct err e;
		pthread_t t;

		close(STDERR_FILENO);
		pthread_create(&t, NULL, forbidden_thread, NULL);
		if (guard_filter(GUARD_WORKER, &e))
			_exit(99);
		poll(NULL, 0, 10000);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void work(void)
{
	char *p = malloc(1 << 20), byte = 0;
	int ends[2], m = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (!p || m < 0 || ftruncate(m, 4096) || fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK) || pipe2(ends, O_CLOEXEC) ||
	    write(ends[1], "x", 1) != 1 || read(ends[0], &byte, 1) != 1 || byte != 'x')
		_exit(1);
	free(p);
}

/* The scheduler may let a thread that was made before the filter begin after it. */
static void test_a_thread_may_begin_behind_it(void **state)
{
	int status;

	(void)state;
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			struct err e;
			pthread_t t;

			_exit(pthread_create(&t, NULL, start, NULL) || guard_filter(GUARD_WORKER, &e) || pthread_join(t, NULL));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void test_its_work_goes_on(void **state)
{
	char said[1024];

	(void)state;
	for (int who = GUARD_FRONT; who < GUARD_COUNT; who++) {
		int status = behind(who, work, said, sizeof(said));

		if (status)
			print_error("said: %s\n", said);
		assert_int_equal(status, 0);
	}
}

/* --- power --------------------------------------------------------------------------------------------------- */

static bool has_cap(int cap)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];

	return !syscall(SYS_capget, &h, d) && (d[cap / 32].permitted & 1u << cap % 32 || prctl(PR_CAPBSET_READ, cap) == 1);
}

/* 0, or the number of what does not hold. */
static int power_of(enum guard_who who)
{
	const uint64_t of_worker = 1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_KILL | 1ull << CAP_SYS_PTRACE | 1ull << CAP_SYS_ADMIN |
	                           1ull << CAP_SYS_NICE | 1ull << CAP_SYS_RESOURCE | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH |
	                           1ull << CAP_CHOWN | 1ull << CAP_FOWNER;
	struct err e;

	if (guard_power(who, &e))
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return 3;
	for (int c = 0; c <= CAP_CHECKPOINT_RESTORE; c++) {
		bool kept = who != GUARD_FRONT && of_worker & 1ull << c;

		kept |= who == GUARD_KEEPER && c == CAP_SETPCAP;
		if (has_cap(c) && !kept)
			return 100 + c;
	}
	return 0;
}

static void test_power_is_laid_down(void **state)
{
	int status;

	(void)state;
	if (geteuid())
		SKIP(NEEDS_ROOT);
	for (int who = 0; who < GUARD_COUNT; who++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(power_of(who));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void test_environment(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		char entry[] = "WARDER_SECRET=abc", kept[] = "TMPDIR=/x";
		char *env[] = {entry, kept, NULL};

		environ = env;
		guard_environment();
		for (size_t i = 0; i < sizeof(entry); i++)
			if (entry[i])
				_exit(1);
		_exit(environ[0] != kept || environ[1] || strcmp(kept, "TMPDIR=/x") != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden_calls_end_it),
		cmocka_unit_test(test_threads_are_behind_it_too),
		cmocka_unit_test(test_a_thread_may_begin_behind_it),
		cmocka_unit_test(test_its_work_goes_on),
		cmocka_unit_test(test_power_is_laid_down),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_floor_is_inherited),
#if defined(__x86_64__)
		cmocka_unit_test(test_floor_has_no_32_bit_door),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
