/* Seals of files in memory where the kernel holds on to their pages: its EBUSY stands in for that, which cannot be had at will. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "seal.h"

static int busy; /* so many tries */

int fcntl64(int fd, int cmd, ...)
{
	va_list ap;

	va_start(ap, cmd);
	long arg = va_arg(ap, long);
	va_end(ap);
	if (cmd == F_ADD_SEALS && busy > 0) {
		busy--;
		errno = EBUSY;
		return -1;
	}
	return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

int fcntl(int fd, int cmd, ...) __attribute__((alias("fcntl64")));

static void test_tries_again(void **state)
{
	(void)state;
	for (int tries = 0; tries <= 5; tries++) {
		int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		busy = tries;
		assert_int_equal(seal(fd, F_SEAL_WRITE), tries < 4 ? 0 : -EBUSY);
		assert_int_equal(syscall(SYS_fcntl, fd, F_GET_SEALS), tries < 4 ? F_SEAL_WRITE : 0);
		close(fd);
	}
	busy = 0;
	assert_int_equal(seal(-1, F_SEAL_WRITE), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tries_again)};

	return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
