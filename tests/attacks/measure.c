/* measure.c - microseconds of one call, made by native code: loaded by `make bench` inside a job and outside of it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attack.h"

#define EXPORT __attribute__((visibility("default")))

/* Makes `rounds` calls, one duration in nanoseconds each into ns[]. 0, or -errno of the first that failed. */
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
