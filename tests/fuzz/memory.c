/* The memory of fuzz.h. The programs are linked with --wrap for the two calls by which the supervisor reaches a tracee's memory. */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#define KEPT_MAX 64   /* descriptors */
#define SHORT_READ 64 /* bytes; of longer ones only so many come from the input as it says itself */

ssize_t __real_pread(int fd, void *buf, size_t n, off_t at);
ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at);
ssize_t __wrap___pread_chk(int fd, void *buf, size_t n, off_t at, size_t room);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at);

static int mem = -1;
static struct feed *feed;

int memory_open(void)
{
	mem = open("/dev/null", O_RDWR | O_CLOEXEC);
	return mem;
}

void memory_feed(struct feed *from)
{
	feed = from;
}

static ssize_t fault(void)
{
	errno = EIO;
	return -1;
}

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at)
{
	if (fd < 0 || fd != mem)
		return __real_pread(fd, buf, n, at);
	if (!feed || !feed->left || !n)
		return fault();
	uint64_t how = feed_number(feed, 1);
	if (how >= 0xf8)
		return fault();
	if (how >= 0xf0) /* the mapping ends within */
		n = 1 + feed_number(feed, 1) % n;
	if (n < SHORT_READ) {
		feed_bytes(feed, buf, n);
	} else {
		size_t some = feed_number(feed, 1);

		some = some < n ? some : n;
		feed_bytes(feed, buf, some);
		memset((char *)buf + some, how & 1 ? 'x' : 0, n - some);
	}
	return (ssize_t)n;
}

ssize_t __wrap___pread_chk(int fd, void *buf, size_t n, off_t at, size_t room)
{
	if (n > room)
		abort();
	return __wrap_pread(fd, buf, n, at);
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at)
{
	if (fd < 0 || fd != mem)
		return __real_pwrite(fd, buf, n, at);
	if (!feed || feed_number(feed, 1) >= 0xf0)
		return fault();
	/* what is written must have been made by somebody: reading it lets the sanitizers look */
	unsigned sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += ((const unsigned char *)buf)[i];
	return sum == 0xffffffffu ? fault() : (ssize_t)n;
}

void fuzz_count_descriptors(void)
{
	static int first = -1;
	int next = dup(0);

	close(next);
	first = first < 0 ? next : first;
	FUZZ_REQUIRE(next < first + KEPT_MAX, "%d descriptors are left", next - first);
}

uint64_t feed_value(struct feed *f)
{
	switch (feed_number(f, 1) % 9) {
	case 0:
		return 0;
	case 1:
		return feed_number(f, 1);
	case 2:
		return (uint64_t)(int64_t)(int8_t)feed_number(f, 1);
	case 3:
		return feed_number(f, 2);
	case 4:
		return feed_number(f, 4);
	case 5:
		return feed_number(f, 8);
	case 6:
		return (uint64_t)AT_FDCWD;
	case 7:
		return 0x7f0000001000 + feed_number(f, 2);
	default: /* a few bytes before a page's end */
		return 0x7f0000002000 - feed_number(f, 1) % 64;
	}
}
