#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* of Linux 6.6 */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

int notify_init(void)
{
	struct seccomp_notif_sizes s;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &s))
		return -errno;
	if (s.seccomp_notif > sizeof(struct seccomp_notif) || s.seccomp_notif_resp > sizeof(struct seccomp_notif_resp))
		return -E2BIG;
	return 0;
}

int notify_pending(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	if (poll(&p, 1, 0) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p.revents & POLLIN)
		return 1;
	return p.revents & (POLLHUP | POLLERR | POLLNVAL) ? -EPIPE : 0;
}

int notify_receive(int listener, struct seccomp_notif *out)
{
	memset(out, 0, sizeof(*out)); /* the kernel refuses a dirty one */
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, out) ? -errno : 0;
}

static int respond(int listener, struct seccomp_notif_resp *r)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, r) ? -errno : 0;
}

int notify_answer(int listener, uint64_t id, int64_t value)
{
	struct seccomp_notif_resp r = {.id = id};

	if (value < 0)
		r.error = (int32_t)value;
	else
		r.val = value;
	return respond(listener, &r);
}

int notify_continue(int listener, uint64_t id)
{
	struct seccomp_notif_resp r = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

	return respond(listener, &r);
}

int notify_add_fd(int listener, uint64_t id, int fd, int at, bool cloexec)
{
	struct seccomp_notif_addfd a = {
		.id = id,
		.srcfd = fd,
		.newfd = at >= 0 ? at : 0,
		.flags = at >= 0 ? SECCOMP_ADDFD_FLAG_SETFD : 0,
		.newfd_flags = cloexec ? O_CLOEXEC : 0,
	};
	int n = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);

	return n < 0 ? -errno : n;
}

int notify_answer_fd(int listener, uint64_t id, int fd, bool cloexec)
{
	struct seccomp_notif_addfd a = {
		.id = id,
		.srcfd = fd,
		.flags = SECCOMP_ADDFD_FLAG_SEND,
		.newfd_flags = cloexec ? O_CLOEXEC : 0,
	};
	int n = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);

	return n < 0 ? -errno : n;
}

bool notify_still_there(int listener, uint64_t id)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

int notify_sync_wake_up(int listener)
{
	uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;

	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags) ? -errno : 0;
}
