/* At rest the worker has nobody's power over files, whatever its other capabilities. Skipped without root. */
#include "child.h"

#include "identity.h"
#include "skip.h"

static char secret[64];

static bool can_read(void)
{
	int fd = open(secret, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Effective capabilities of this thread, as the kernel tells them. */
static unsigned long long effective(void)
{
	unsigned long long caps = 0;
	char line[256];
	FILE *f = fopen("/proc/thread-self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "CapEff: %llx", &caps);
	if (f)
		fclose(f);
	return caps;
}

#define FILE_CAPS 0xfull /* CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER */
#define CAP_SETUID_BIT (1ull << 7)

static int setup(void **state)
{
	(void)state;
	snprintf(secret, sizeof(secret), "/var/tmp/warder-test-identity-%d", getpid());
	write_file(secret, "secret", 0600);
	/* groups that a login gives to root; at rest they must be gone */
	if (!geteuid() && syscall(SYS_setgroups, 2, (const gid_t[]){4, 24}))
		return -1;
	return identity_rest();
}

static int teardown(void **state)
{
	(void)state;
	identity_full();
	return unlink(secret);
}

static void test_rest_and_full(void **state)
{
	(void)state;
	if (!identity_can_switch())
		SKIP(NEEDS_ROOT);
	assert_false(can_read());
	assert_int_equal(effective() & FILE_CAPS, 0);
	assert_true(effective() & CAP_SETUID_BIT);
	assert_int_equal(getgroups(0, NULL), 0);
	assert_int_equal(identity_full(), 0);
	assert_true(can_read());
	identity_leave();
	assert_false(can_read());
}

static void test_enter(void **state)
{
	char path[80];
	struct stat st;
	int fd;

	(void)state;
	if (!identity_can_switch())
		SKIP(NEEDS_ROOT);
	snprintf(path, sizeof(path), "%s-made", secret);
	assert_int_equal(identity_enter(JOB_UID, JOB_UID), 0);
	assert_false(can_read());
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	identity_leave();
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, JOB_UID);
	assert_int_equal(st.st_gid, JOB_UID);
	close(fd);
	assert_int_equal(open(path, O_RDONLY | O_CLOEXEC), -1);
	assert_int_equal(identity_enter(JOB_UID, (gid_t)-1), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unlink(path), 0);
	identity_leave();
}

/* From one job's identity straight to another's, and to full, nothing of the first stays. */
static void test_order(void **state)
{
	(void)state;
	if (!identity_can_switch())
		SKIP(NEEDS_ROOT);
	assert_int_equal(identity_full(), 0);
	assert_int_equal(identity_enter(JOB_UID, JOB_UID), 0);
	assert_false(can_read());
	assert_int_equal(effective() & FILE_CAPS, 0);
	assert_int_equal(identity_enter((uid_t)-1, (gid_t)-1), 0);
	identity_leave();
	identity_leave();
	assert_false(can_read());
}

/* Asserts in a child would end the wrong process: each step is a bit of its exit status. */
static int steps_without_root(void)
{
	if (identity_full() || syscall(SYS_setresuid, 65534, 65534, 65534) || identity_rest() || identity_can_switch())
		return 1;
	if (identity_enter(1, 1) || identity_full())
		return 2;
	identity_leave();
	return geteuid() == 65534 && !can_read() ? 0 : 4;
}

static void test_without_root(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	if (!identity_can_switch())
		SKIP(NEEDS_ROOT);
	pid = fork();
	if (!pid)
		_exit(steps_without_root());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rest_and_full),
		cmocka_unit_test(test_enter),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_without_root),
	};

	return cmocka_run_group_tests_name("identity", tests, setup, teardown);
}
