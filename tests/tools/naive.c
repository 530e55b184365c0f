/* naive.c - a broker that looks twice, for comparison: what the flip attack does to it shows that the attack bites.
 *
 *   naive FORBIDDEN -- COMMAND…
 *
 * Every open and openat of the command stops in user notification. A path that contains FORBIDDEN gets EACCES;
 * any other is let through with SECCOMP_USER_NOTIF_FLAG_CONTINUE, and so read by the kernel a second time.
 * Exit status: the command's.
 */
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILED 125
#define PATH_SIZE 4096

static int send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &m, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static int load_filter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	if (!ctx || seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(open), 0) ||
	    seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(openat), 0) || seccomp_load(ctx))
		return -1;
	return seccomp_notify_fd(ctx);
}

static void run_command(int sock, char **argv)
{
	int listener = load_filter();

	if (listener < 0 || send_fd(sock, listener) < 0) {
		fprintf(stderr, "naive: no listener\n");
		_exit(FAILED);
	}
	close(listener);
	execvp(argv[0], argv);
	_exit(FAILED);
}

static void judge(const struct seccomp_notif *req, const char *forbidden, struct seccomp_notif_resp *resp)
{
	char path[PATH_SIZE] = "";
	int which = req->data.nr == SCMP_SYS(openat);
	struct iovec here = {path, sizeof(path) - 1};
	struct iovec there = {(void *)(uintptr_t)req->data.args[which], sizeof(path) - 1};

	/* may stop early at the end of a mapping; what came is enough to look at */
	process_vm_readv((pid_t)req->pid, &here, 1, &there, 1, 0);
	*resp = (struct seccomp_notif_resp){.id = req->id};
	if (strstr(path, forbidden))
		resp->error = -EACCES;
	else
		resp->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
}

static void serve(int listener, const char *forbidden)
{
	struct seccomp_notif *req;
	struct seccomp_notif_resp *resp;
	struct pollfd p = {.fd = listener, .events = POLLIN};

	if (seccomp_notify_alloc(&req, &resp) < 0)
		return;
	while (poll(&p, 1, -1) >= 0 && !(p.revents & POLLHUP)) {
		memset(req, 0, sizeof(*req));
		if (!(p.revents & POLLIN) || seccomp_notify_receive(listener, req) < 0)
			continue;
		judge(req, forbidden, resp);
		seccomp_notify_respond(listener, resp);
	}
	seccomp_notify_free(req, resp);
}

int main(int argc, char **argv)
{
	int sock[2], listener, status;
	pid_t pid;

	if (argc < 4 || strcmp(argv[2], "--") != 0) {
		fprintf(stderr, "usage: naive FORBIDDEN -- COMMAND…\n");
		return FAILED;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0 || (pid = fork()) < 0)
		return FAILED;
	if (pid == 0)
		run_command(sock[1], argv + 3);
	close(sock[1]);
	listener = receive_fd(sock[0]);
	if (listener >= 0)
		serve(listener, argv[1]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}
