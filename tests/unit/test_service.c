/* What a service manager hands over, and what it is told. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "service.h"

#define HANDED 3

enum what { UNIX_LISTENING, UNIX_IDLE, UNIX_DATAGRAM, TCP, A_FILE };

static int make(enum what what)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd;

	if (what == A_FILE)
		return open("/dev/null", O_RDONLY);
	fd = socket(what == TCP ? AF_INET : AF_UNIX, what == UNIX_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM, 0);
	if (what == UNIX_LISTENING) {
		snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "warder-test-%d", getpid());
		assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	}
	if (what == UNIX_LISTENING || what == TCP)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void set_pid(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	setenv("LISTEN_PID", text, 1);
}

static void test_handed_over(void **state)
{
	static const struct {
		const char *name, *fds;
		enum what what;
		int pid_off, r, gate;
	} rows[] = {
		{"good", "1", UNIX_LISTENING, 0, 0, HANDED},
		{"for another process", "1", UNIX_LISTENING, 1, 0, -1},
		{"for another process, and wrong", "7", A_FILE, 1, 0, -1},
		{"none", "0", A_FILE, 0, 0, -1},
		{"no number", "1x", UNIX_LISTENING, 0, -EINVAL, -1},
		{"two", "2", UNIX_LISTENING, 0, -EINVAL, -1},
		{"not listening", "1", UNIX_IDLE, 0, -EINVAL, -1},
		{"datagrams", "1", UNIX_DATAGRAM, 0, -ENOTSOCK, -1},
		{"the network", "1", TCP, 0, -ENOTSOCK, -1},
		{"a file", "1", A_FILE, 0, -ENOTSOCK, -1},
	};
	int kept = dup(HANDED);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct service s;
		struct err e = {0};
		int fd = make(rows[i].what);

		dup2(fd, HANDED);
		if (fd != HANDED)
			close(fd);
		set_pid(getpid() + rows[i].pid_off);
		setenv("LISTEN_FDS", rows[i].fds, 1);
		int r = service_take(&s, &e);
		if (r != rows[i].r || s.gate != rows[i].gate)
			fail_msg("%s: %d, gate %d", rows[i].name, r, s.gate);
		assert_null(getenv("LISTEN_FDS"));
		assert_null(getenv("LISTEN_PID"));
		if (s.gate >= 0) {
			assert_true(fcntl(HANDED, F_GETFD) & FD_CLOEXEC);
			assert_true(fcntl(HANDED, F_GETFL) & O_NONBLOCK);
		}
		close(HANDED);
	}
	if (kept >= 0) {
		dup2(kept, HANDED);
		close(kept);
	}
}

static void test_told(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char name[64], got[128] = "";
	struct service s;
	struct err e;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	(void)state;
	snprintf(name, sizeof(name), "@warder-test-notify-%d", getpid());
	memcpy(a.sun_path + 1, name + 1, strlen(name) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(service_take(&s, &e), 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	service_tell(&s, "READY=1");
	assert_int_equal(recv(fd, got, sizeof(got), 0), 7);
	assert_memory_equal(got, "READY=1", 7);
	service_tell_reloading(&s);
	assert_true(recv(fd, got, sizeof(got), 0) > 30);
	assert_memory_equal(got, "RELOADING=1\nMONOTONIC_USEC=", 27);
	close(fd);
	service_tell(&s, "READY=1"); /* nobody is there any more */
}

static void test_nobody_to_tell(void **state)
{
	static const char *const names[] = {"", "/", "@", "relative", "vsock:2:1234"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct service s;
		struct err e;

		setenv("NOTIFY_SOCKET", names[i], 1);
		assert_int_equal(service_take(&s, &e), 0);
		assert_int_equal(s.notify_len, 0);
		service_tell(&s, "READY=1");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handed_over),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_nobody_to_tell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
