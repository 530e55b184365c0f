#include "uids.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The descriptor that holds the name of this step, or -errno: -EADDRINUSE when another worker has it. */
static int claim_step(unsigned step)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "warder-uids-%u", UIDS_FIRST + step * UIDS_STEP);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
		return fd;
	int r = -errno;
	close(fd);
	return r;
}

void uids_release(struct uids *u)
{
	while (u->n_fds > 0)
		close(u->fds[--u->n_fds]);
	u->claimed = false;
}

int uids_claim(struct uids *u, unsigned n)
{
	unsigned steps = (n + UIDS_STEP - 1) / UIDS_STEP;
	unsigned first = 0;

	*u = (struct uids){.base = UIDS_FIRST};
	if (steps > UIDS_CLAIMS)
		return -ERANGE;
	while (u->n_fds < steps && first + steps <= UIDS_CLAIMS) {
		int fd = claim_step(first + u->n_fds);
		if (fd >= 0) {
			u->fds[u->n_fds++] = fd;
			continue;
		}
		first += u->n_fds + 1; /* the range begins behind the one that is taken */
		uids_release(u);
	}
	if (u->n_fds < steps)
		return -EBUSY;
	u->base = UIDS_FIRST + first * UIDS_STEP;
	u->claimed = true;
	return 0;
}
