/* The packets of fuzz.h. */
#include "fuzz.h"

#include <sys/socket.h>

void fuzz_send(int sock, const void *p, size_t n, const int *fds, size_t n_fds)
{
	char room[CMSG_SPACE(sizeof(int) * FUZZ_FDS_MAX)] = {0};
	struct iovec iov = {(void *)p, n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		m.msg_control = room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n_fds)};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, sizeof(int) * n_fds);
	}
	FUZZ_REQUIRE(sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0, "%zu bytes, %zu descriptors", n, n_fds);
}
