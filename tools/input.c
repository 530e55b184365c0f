#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SIZE 65536

/* Reads to the end of file into memory that doubles. On failure *buf is still the caller's to free. */
static int read_to_end(int fd, size_t max, char **buf, size_t *len)
{
	size_t size = 0;

	for (;;) {
		if (*len == size) {
			size = size ? 2 * size : FIRST_SIZE;
			char *p = realloc(*buf, size);
			if (!p)
				return -ENOMEM;
			*buf = p;
		}
		ssize_t n = read(fd, *buf + *len, size - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		*len += (size_t)n;
		if (*len > max)
			return -EFBIG;
	}
}

int input_read(const char *path, size_t max, struct bytes *out, struct err *e)
{
	char *buf = NULL;
	size_t len = 0;
	int own = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (own < 0 && strcmp(path, "-"))
		return err_set(e, ERR_REQUEST, "open", errno, "%s", path);
	int rc = read_to_end(own < 0 ? 0 : own, max, &buf, &len);
	if (own >= 0)
		close(own);
	if (rc < 0) {
		free(buf);
		if (rc == -EFBIG)
			return err_set(e, ERR_REQUEST, "read", EFBIG, "%s has more than %zu bytes", path, max);
		return err_set(e, ERR_REQUEST, "read", -rc, "%s", path);
	}
	*out = (struct bytes){buf, len};
	return 0;
}

/* The descriptor may be a terminal or pipe that somebody else has made non-blocking. */
int input_write_all(int fd, struct bytes b)
{
	while (b.len) {
		ssize_t n = write(fd, b.p, b.len);
		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		else if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			b.p += n;
			b.len -= (size_t)n;
		}
	}
	return 0;
}
