/* Calls on sockets that would sleep for long, and must not. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "briefly.h"

#define LONG_S 30 /* what the calls would take by themselves */
#define SHORT_S 10

static int listener(struct sockaddr_in *a, int backlog)
{
	socklen_t n = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), little = 4096;

	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
	assert_int_equal(bind(fd, (struct sockaddr *)a, sizeof(*a)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)a, &n), 0);
	return fd;
}

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* A full queue answers nothing; these sockets block. */
static void test_connect(void **state)
{
	const struct timeval patience = {.tv_sec = LONG_S};
	struct sockaddr_in a;
	int fd = listener(&a, 0), fds[3], rc = 0;
	time_t begun = seconds();

	(void)state;
	for (int i = 0; i < 3; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(fds[i], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		rc = briefly_connect(fds[i], (struct sockaddr *)&a, sizeof(a));
	}
	assert_int_equal(rc, -EINTR);
	assert_true(seconds() - begun < SHORT_S);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(fd);
}

/* The peer reads nothing, and there is more than it has room for. */
static void test_close(void **state)
{
	const struct linger linger = {1, LONG_S};
	static char much[1 << 16];
	struct sockaddr_in a;
	int fd = listener(&a, 1), peer, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	time_t begun = seconds();

	(void)state;
	assert_int_equal(setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	assert_int_equal(briefly_connect(s, (struct sockaddr *)&a, sizeof(a)), 0);
	peer = accept(fd, NULL, NULL);
	while (send(s, much, sizeof(much), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	briefly_close(s);
	assert_true(seconds() - begun < SHORT_S);
	close(peer);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_connect), cmocka_unit_test(test_close)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
