/* measure.c - microseconds of one call, made by native code: loaded by `make bench` inside a job and outside of it. */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attack.h"

#define EXPORT __attribute__((visibility("default")))

/* Makes `rounds` calls, one duration in nanoseconds each into ns[]. 0, or -errno of the first that failed. */
EXPORT int measure_connect(unsigned port, int rounds, uint64_t *ns);
EXPORT int measure(const char *what, const char *path, int rounds, unsigned pause_us, uint64_t *ns);

static long open_close(const char *path, long fd)
{
	long new = raw4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

	(void)fd;
	return new < 0 ? new : raw1(SYS_close, new);
}

static long stat_path(const char *path, long fd)
{
	struct stat st;

	(void)fd;
	return raw4(SYS_newfstatat, AT_FDCWD, path, &st, 0);
}

/* as CPython and glibc do it */
static long stat_fd(const char *path, long fd)
{
	struct stat st;

	(void)path;
	return raw4(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);
}

static long getppid_only(const char *path, long fd)
{
	(void)path;
	(void)fd;
	return raw0(SYS_getppid);
}

static const struct {
	const char *name;
	long (*make)(const char *path, long fd);
} WHAT[] = {{"open+close", open_close}, {"stat", stat_path}, {"fstat", stat_fd}, {"getppid", getppid_only}};

static void burn_us(unsigned us)
{
	for (uint64_t end = now_ns() + us * 1000ull; us && now_ns() < end;)
		;
}

static int run(long (*make)(const char *, long), const char *path, int rounds, unsigned pause_us, uint64_t *ns)
{
	long fd = raw4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0), ret = fd < 0 ? fd : 0;

	for (int i = 0; i < rounds && ret >= 0; i++) {
		uint64_t start = now_ns();
		ret = make(path, fd);
		ns[i] = now_ns() - start;
		burn_us(pause_us);
	}
	if (fd >= 0)
		raw1(SYS_close, fd);
	return ret < 0 ? (int)ret : 0;
}

int measure(const char *what, const char *path, int rounds, unsigned pause_us, uint64_t *ns)
{
	for (size_t i = 0; i < sizeof(WHAT) / sizeof(WHAT[0]); i++)
		if (strcmp(WHAT[i].name, what) == 0)
			return run(WHAT[i].make, path, rounds, pause_us, ns);
	return -ENOENT;
}

/* connects to a port of 127.0.0.1; only the connect is measured. Closing resets, so that no port stays taken. */
int measure_connect(unsigned port, int rounds, uint64_t *ns)
{
	struct sockaddr_in a = {AF_INET, htons((uint16_t)port), {htonl(INADDR_LOOPBACK)}, {0}};
	struct linger reset = {1, 0};

	for (int i = 0; i < rounds; i++) {
		long fd = raw3(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ret = fd;
		uint64_t begun = now_ns();

		if (fd >= 0)
			ret = raw3(SYS_connect, fd, &a, sizeof(a));
		ns[i] = now_ns() - begun;
		if (ret < 0)
			return (int)ret;
		raw5(SYS_setsockopt, fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		raw1(SYS_close, fd);
	}
	return 0;
}
