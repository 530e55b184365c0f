/* Mappings that the broker hears of, against a real process whose memory is what it says: shared anonymous memory is counted, large
 * requests that the kernel will refuse are remembered. Twice, as test_broker is: with root's capabilities, and in a container without. */
#include "child.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include "handlers.h"
#include "state.h"
#include "twice.h"

#define MIB (1ull << 20)
#define MEMORY (64 * MIB)
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

static int setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));

	fixture_base(f);
	fixture_start(f, "  - {path: /dev/null, rights: [read]}\n");
	f->job->options.memory_bytes = MEMORY;
	f->job->options.data_bytes = 1024 * MIB;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

static bool hit(struct fixture *f)
{
	bool was = f->job->limits_hit & 1u << LIMIT_HIT_MEMORY;

	f->job->limits_hit = 0;
	return was;
}

/* VmData of proc(5), bytes. */
static uint64_t data_size_of(pid_t pid)
{
	unsigned long kib = 0;
	char path[48], line[256];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *in = fopen(path, "re");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in) && sscanf(line, "VmData: %lu", &kib) != 1)
		;
	fclose(in);
	return (uint64_t)kib << 10;
}

static bool goes_on(struct fixture *f, const char *name, uint64_t a1, uint64_t a2, uint64_t a3)
{
	return call(f, name, 0, a1, a2, a3) == 0 && f->reply.kind == REPLY_CONTINUE;
}

/* A process of the job's identity that has no shared memory. */
static pid_t plain_process(void)
{
	char path[48], name[16] = "";
	pid_t pid = fork();

	if (pid == 0) {
		if (!geteuid() && (setresgid(JOB_UID, JOB_UID, JOB_UID) || setresuid(JOB_UID, JOB_UID, JOB_UID)))
			_exit(1);
		execl("/bin/sleep", "sleep", "60", NULL);
		_exit(1);
	}
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	for (int i = 0; i < 10000 && strcmp(name, "sleep\n") != 0; i++) {
		FILE *f = fopen(path, "re");
		if (f && !fgets(name, sizeof(name), f))
			name[0] = '\0';
		if (f)
			fclose(f);
		usleep(1000);
	}
	return pid;
}

static void test_shared_is_counted(void **state)
{
	struct fixture *f = *state;
	pid_t own = f->job->who.t_pid, pid = plain_process();

	f->job->who.t_pid = pid;

	assert_true(goes_on(f, "mmap", 40 * MIB - 1, RW, SHARED));
	assert_int_equal(broker_shared_memory(f->job), 40 * MIB);
	assert_false(hit(f));
	assert_int_equal(call(f, "mmap", 0, MEMORY + 1, RW, SHARED), -ENOMEM);
	assert_true(hit(f));
	/* the process has none of it: what was asked for has gone, and the count begins anew */
	assert_true(goes_on(f, "mmap", 40 * MIB, PROT_NONE, SHARED | MAP_FIXED));
	assert_int_equal(broker_shared_memory(f->job), 40 * MIB);
	/* unless another thread may be about to map what it was allowed to */
	f->job->threads.alive = 2;
	assert_int_equal(call(f, "mmap", 0, 40 * MIB, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS), -ENOMEM);
	assert_true(hit(f));
	assert_int_equal(broker_shared_memory(f->job), 40 * MIB);
	f->job->threads.alive = 1;
	f->job->shared_memory = 0;
	f->job->who.t_pid = own;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A child of its own that keeps one page of a mapping. */
static void test_shared_that_is_left(void **state)
{
	struct fixture *f = *state;
	pid_t own = f->job->who.t_pid, pid;
	char *at = mmap(NULL, 8 * MIB, RW, SHARED, -1, 0);

	assert_true(at != MAP_FAILED);
	munmap(at + 4096, 8 * MIB - 4096);
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	f->job->who.t_pid = pid;
	f->job->shared_memory = MEMORY;
	assert_int_equal(call(f, "mmap", 0, 4096, RW, SHARED), -ENOMEM);
	assert_int_equal(broker_shared_memory(f->job), MEMORY);
	f->job->who.t_pid = own;
	f->job->shared_memory = 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap(at, 4096);
	hit(f);
}

static void test_large(void **state)
{
	struct fixture *f = *state;
	pid_t own = f->job->who.t_pid, pid = plain_process();

	f->job->who.t_pid = pid;

	assert_true(goes_on(f, "mmap", 500 * MIB, RW, ANON));
	assert_false(hit(f));
	assert_true(goes_on(f, "mmap", 1024 * MIB, RW, ANON)); /* and what the process has already */
	assert_true(hit(f));
	assert_true(goes_on(f, "mmap", 1ull << 46, RW, ANON));
	assert_true(hit(f));
	assert_true(goes_on(f, "mremap", 64 * MIB, 100 * MIB, 0)); /* old size, new size, flags */
	assert_false(hit(f));
	call(f, "mremap", 0, 32 * MIB, 2048 * MIB, 1);
	assert_int_equal(f->reply.kind, REPLY_CONTINUE);
	assert_true(hit(f));
	call(f, "mremap", 0, 4096 * MIB, 2048 * MIB, 1); /* smaller */
	assert_false(hit(f));
	f->job->who.t_pid = own;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A process of the job's identity that has what this one has mapped. */
static pid_t copy_of_this(void)
{
	int ready[2];
	char c = 0;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (!geteuid() && (setresgid(JOB_UID, JOB_UID, JOB_UID) || setresuid(JOB_UID, JOB_UID, JOB_UID)))
			_exit(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* when an assertion fails */
		prctl(PR_SET_DUMPABLE, 1);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

/* What becomes writable counts, what is so already does not. */
static void test_protected(void **state)
{
	struct fixture *f = *state;
	pid_t own = f->job->who.t_pid;
	uint64_t at = (uint64_t)(uintptr_t)mmap(NULL, 64 * MIB, RW, ANON | MAP_NORESERVE, -1, 0);
	const struct {
		const char *name;
		uint64_t from, len, prot, room;
		bool want;
	} rows[] = {
		{"fits", 0, 32 * MIB, RW, 64 * MIB, false},
		{"becomes writable", 0, 2048 * MIB, RW, 1024 * MIB, true},
		{"not writable", 0, 2048 * MIB, PROT_READ, 1024 * MIB, false},
		{"is writable", at, 64 * MIB, RW, 8 * MIB, false},
		{"is writable for the most part", at + 8 * MIB, 1024 * MIB, RW, 900 * MIB, true},
		{"wraps", UINT64_MAX - MIB, 1024 * MIB, RW, 0, false},
	};

	assert_int_equal(mprotect((void *)(uintptr_t)(at + 62 * MIB), 2 * MIB, PROT_NONE), 0);
	pid_t pid = copy_of_this();
	f->job->who.t_pid = pid;
	uint64_t has = data_size_of(pid), most = f->job->options.data_bytes;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		f->job->options.data_bytes = has + rows[i].room;
		assert_int_equal(call(f, "mprotect", rows[i].from, rows[i].len, rows[i].prot, 0), 0);
		assert_int_equal(f->reply.kind, REPLY_CONTINUE);
		if (hit(f) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
	f->job->options.data_bytes = most;
	f->job->who.t_pid = own;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap((void *)(uintptr_t)at, 64 * MIB);
}

static bool still_there(void *arg, uint64_t id)
{
	(void)arg, (void)id;
	return true;
}

static void test_never(void **state)
{
	struct fixture *f = *state;
	static const uint64_t flags[] = {MAP_POPULATE, MAP_LOCKED, MAP_HUGETLB};

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(call(f, "mmap", 0, 64 * MIB, RW, ANON | flags[i]), -EPERM);
		assert_int_equal(call(f, "mmap", 0, 4096, RW, SHARED | flags[i]), -EPERM);
		assert_int_equal(f->reply.kind, REPLY_VALUE);
		/* and where a policy's own conditions would let it through */
		struct broker_call c = {.id = 1, .t_tid = f->c.pid, .nr = policy_call_nr("mmap"), .args = {0, 4096, RW, ANON | flags[i]}};
		struct request r = {.job = f->job, .call = &c, .reply = &f->reply, .still_there = still_there};
		assert_int_equal(memory_map(&r), -EPERM);
	}
}

static void test_policy(void **state)
{
	struct fixture *f = *state;
	const struct {
		uint64_t len, prot, flags;
		enum rule_kind want;
	} rows[] = {
		{MIB - 1, RW, ANON, RULE_ALLOW},               {MIB, RW, ANON, RULE_BROKER},
		{1ull << 46, RW, ANON, RULE_BROKER},           {1ull << 40, PROT_NONE, ANON, RULE_ALLOW},
		{1ull << 40, PROT_READ, MAP_SHARED, RULE_ALLOW}, {4096, RW, SHARED, RULE_BROKER},
		{4096, PROT_NONE, SHARED, RULE_BROKER},        {4096, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, RULE_BROKER},
		{4096, RW, MAP_SHARED, RULE_ALLOW},            {4096, RW, ANON | MAP_HUGETLB, RULE_REFUSE},
		{4096, PROT_READ, ANON | MAP_POPULATE, RULE_REFUSE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint64_t args[6] = {0, rows[i].len, rows[i].prot, rows[i].flags, (uint64_t)-1, 0};
		enum rule_kind got = policy_judge(f->job->tree->policy, policy_call_nr("mmap"), args).kind;
		if (got != rows[i].want)
			fail_msg("row %zu: %d, not %d", i, got, rows[i].want);
	}
	static const struct {
		uint64_t len, prot;
		enum rule_kind want;
	} protects[] = {
		{16 * MIB - 1, RW, RULE_ALLOW}, {16 * MIB, RW, RULE_BROKER}, {1ull << 40, PROT_WRITE | PROT_EXEC, RULE_BROKER},
		{16 * MIB, PROT_NONE, RULE_ALLOW}, {1ull << 40, PROT_READ | PROT_EXEC, RULE_ALLOW},
	};
	for (size_t i = 0; i < sizeof(protects) / sizeof(protects[0]); i++) {
		const uint64_t args[6] = {4096, protects[i].len, protects[i].prot};
		enum rule_kind got = policy_judge(f->job->tree->policy, policy_call_nr("mprotect"), args).kind;
		if (got != protects[i].want)
			fail_msg("mprotect %zu: %d, not %d", i, got, protects[i].want);
	}
}

static int run(const char *name)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_is_counted), cmocka_unit_test(test_shared_that_is_left), cmocka_unit_test(test_large),
		cmocka_unit_test(test_protected), cmocka_unit_test(test_never), cmocka_unit_test(test_policy),
	};

	return cmocka_run_group_tests_name(name, tests, setup, teardown);
}

int main(void)
{
	return run_twice("memory", run);
}
