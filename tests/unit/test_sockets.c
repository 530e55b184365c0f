/* Sockets, connects and sends: addresses at the edges of memory, odd descriptors, connects that wait. Twice, as in test_broker.c: with
 * pidfd_getfd and without. */
#include "child.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include "state.h"
#include "twice.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct rig {
	struct fixture f;
	int live, hole, fill[4], udp; /* listeners: one that has room, one whose queue is full */
	uint16_t port, hole_port, udp_port;
};

static int listener(int type, int backlog, uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	char more[512];

	r->live = listener(SOCK_STREAM, 64, &r->port);
	r->hole = listener(SOCK_STREAM, 0, &r->hole_port);
	r->udp = listener(SOCK_DGRAM, 0, &r->udp_port);
	for (size_t i = 0; i < N(r->fill); i++) {
		struct sockaddr_in a = loopback(r->hole_port);

		r->fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(r->fill[i], (struct sockaddr *)&a, sizeof(a));
	}
	fixture_base(&r->f);
	snprintf(more, sizeof(more),
		"  - {path: /dev/null, rights: [read]}\nnetwork:\n  - {connect: \"127.0.0.1:%u\"}\n  - {connect: \"127.0.0.1:%u\"}\n"
		"  - {connect: \"udp://127.0.0.1:%u\"}\nsockets: [{family: inet, type: dgram, protocol: udp}]\n",
		r->port, r->hole_port, r->udp_port);
	fixture_start(&r->f, more);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	fixture_stop(&r->f);
	for (size_t i = 0; i < N(r->fill); i++)
		close(r->fill[i]);
	close(r->live);
	close(r->hole);
	close(r->udp);
	free(r);
	return 0;
}

/* A socket of the job's: made by the call, then put into the child's table. */
static int t_socket(struct rig *r, int type)
{
	int fd = (int)call(&r->f, "socket", AF_INET, (uint64_t)type, 0), t_fd;

	assert_int_equal(r->f.reply.kind, REPLY_FD);
	t_fd = child_put(&r->f.c, fd);
	close(fd);
	return t_fd;
}

static int64_t connect_at(struct rig *r, int t_fd, const void *sa, size_t n, char *at, int len)
{
	memcpy(at, sa, n);
	return call(&r->f, "connect", (uint64_t)t_fd, (uintptr_t)at, (uint32_t)len);
}

static void addresses_at_the_edge_of_memory(void **state)
{
	struct rig *r = *state;
	struct sockaddr_in a = loopback(r->port);
	char *end = arena_end(&r->f);

	assert_int_equal(connect_at(r, t_socket(r, SOCK_STREAM), &a, 16, end - 16, 16), 0);
	assert_int_equal(connect_at(r, t_socket(r, SOCK_STREAM), &a, 16, end - 16, 17), -EFAULT);
	assert_int_equal(connect_at(r, t_socket(r, SOCK_STREAM), &a, 8, end - 8, 16), -EFAULT);
	assert_int_equal(connect_at(r, t_socket(r, SOCK_STREAM), &a, 16, end - 4096 - 8, 16), 0);
	assert_int_equal(call(&r->f, "connect", (uint64_t)t_socket(r, SOCK_STREAM), 0, 16), -EFAULT);
	assert_int_equal(call(&r->f, "connect", (uint64_t)t_socket(r, SOCK_STREAM), UINT64_MAX - 8, 16), -EFAULT);
	assert_int_equal(call(&r->f, "connect", (uint64_t)t_socket(r, SOCK_STREAM), 1ull << 63, 16), -EFAULT);
	for (int len = -2; len < 16; len++)
		assert_int_equal(connect_at(r, t_socket(r, SOCK_STREAM), &a, 16, out(&r->f), len), -EINVAL);
	assert_int_equal(connect_at(r, t_socket(r, SOCK_STREAM), &a, 16, out(&r->f), 129), -EINVAL);
	assert_int_equal(connect_at(r, t_socket(r, SOCK_STREAM), &a, 16, out(&r->f), INT32_MAX), -EINVAL);
}

static void descriptors_that_are_no_sockets(void **state)
{
	struct rig *r = *state;
	struct sockaddr_in a = loopback(r->port);
	int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(connect_at(r, -1, &a, 16, out(&r->f), 16), -EBADF);
	assert_int_equal(connect_at(r, 999, &a, 16, out(&r->f), 16), -EBADF);
	assert_int_equal(connect_at(r, child_put(&r->f.c, null), &a, 16, out(&r->f), 16), -ENOTSOCK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_true(connect_at(r, child_put(&r->f.c, pair[0]), &a, 16, out(&r->f), 16) < 0);
	close(null);
	close(pair[0]);
	close(pair[1]);
}

static struct broker_call call_of(struct rig *r, int t_fd)
{
	return (struct broker_call){.id = 1, .t_tid = r->f.c.pid, .nr = policy_call_nr("connect"),
	                            .args = {(uint64_t)t_fd, (uintptr_t)out(&r->f), 16}};
}

/* A blocking connect that waits is left to the worker; its socket blocks as before. */
static void a_connect_that_waits(void **state)
{
	struct rig *r = *state;
	struct sockaddr_in a = loopback(r->hole_port), changed = loopback(r->port);
	int own = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), t_fd = t_socket(r, SOCK_STREAM);
	struct broker_call c = call_of(r, t_fd);
	struct broker_wait *w;

	close(own);
	connect_at(r, t_fd, &a, 16, out(&r->f), 16);
	assert_int_equal(r->f.reply.kind, REPLY_LATER);
	w = r->f.reply.wait;
	assert_int_equal(w->events, POLLOUT);
	assert_int_equal(w->interrupted, -BROKER_ERESTARTSYS);
	assert_true(w->until == 0 && !(fcntl(w->fd, F_GETFL) & O_NONBLOCK));
	memcpy(out(&r->f), &changed, 16); /* the copy counts */
	broker_resume(r->f.job, &c, w, false, always_there, NULL, &r->f.reply);
	assert_int_equal(r->f.reply.kind, REPLY_LATER);
	assert_ptr_equal(r->f.reply.wait, w);
	broker_resume(r->f.job, &c, w, true, always_there, NULL, &r->f.reply);
	assert_int_equal(r->f.reply.kind, REPLY_VALUE);
	assert_int_equal(r->f.reply.value, -EINPROGRESS);
	/* another thread ends it: told once, and not begun anew */
	shutdown(w->fd, SHUT_RDWR);
	broker_resume(r->f.job, &c, w, false, always_there, NULL, &r->f.reply);
	assert_int_equal(r->f.reply.kind, REPLY_VALUE);
	assert_int_equal(r->f.reply.value, -ECONNRESET);
	broker_forget(w);
	assert_int_equal(connect_at(r, t_fd, &changed, 16, out(&r->f), 16), 0);
}

static void only_what_is_not_connected_is_kept(void **state)
{
	struct rig *r = *state;
	struct sockaddr_in a = loopback(r->port), hole = loopback(r->hole_port), no = {.sin_family = AF_INET};
	int first = t_socket(r, SOCK_STREAM), second = t_socket(r, SOCK_STREAM | SOCK_NONBLOCK);
	bool kept = r->f.tree->fd_of_other;

	assert_int_equal(r->f.job->kept.n, kept ? 2 : 0);
	assert_int_equal(connect_at(r, first, &no, 16, out(&r->f), 16), -EACCES);
	assert_int_equal(connect_at(r, first, &a, 16, out(&r->f), 16), 0);
	assert_int_equal(r->f.job->kept.n, kept ? 1 : 0);
	assert_int_equal(connect_at(r, first, &a, 16, out(&r->f), 16), -EISCONN);
	assert_int_equal(connect_at(r, second, &hole, 16, out(&r->f), 16), -EINPROGRESS);
	assert_int_equal(r->f.reply.beside != NULL, kept);
	broker_forget(r->f.reply.beside);
	assert_int_equal(r->f.job->kept.n, kept ? 1 : 0);
}

static void sockets_that_are_given(void **state)
{
	static const struct {
		int family, type, protocol, expected;
	} rows[] = {
		{AF_INET, SOCK_STREAM, IPPROTO_TCP, 0}, {AF_INET6, SOCK_STREAM, 0, 0}, {AF_INET, SOCK_DGRAM, 0, 0}, {AF_INET6, SOCK_DGRAM, 0, 0},
		{AF_UNIX, SOCK_STREAM, 0, 0}, {AF_UNIX, SOCK_DGRAM, 0, -EPROTONOSUPPORT}, {AF_INET, SOCK_STREAM, 262, -EPROTONOSUPPORT},
		{AF_INET, SOCK_RAW, 1, -EPERM}, {AF_PACKET, SOCK_RAW, 768, -EAFNOSUPPORT}, {AF_NETLINK, SOCK_RAW, 0, -EAFNOSUPPORT},
		{AF_VSOCK, SOCK_STREAM, 0, -EAFNOSUPPORT}, {AF_ALG, SOCK_SEQPACKET, 0, -EAFNOSUPPORT}, {AF_INET, SOCK_STREAM | 0x100, 0, -EPROTONOSUPPORT},
	};
	const struct sockaddr_in6 here = {AF_INET6, htons(9), 0, IN6ADDR_LOOPBACK_INIT, 0};
	struct rig *r = *state;

	for (size_t i = 0; i < N(rows); i++) {
		int64_t got = call(&r->f, "socket", (uint64_t)rows[i].family, (uint64_t)rows[i].type, (uint64_t)rows[i].protocol);

		assert_int_equal(r->f.reply.kind == REPLY_FD ? 0 : got, rows[i].expected);
		if (rows[i].family == AF_INET6 && rows[i].type == SOCK_DGRAM) /* not granted: it can send nothing */
			assert_true(sendto((int)got, "x", 1, MSG_NOSIGNAL, (void *)&here, sizeof(here)) < 0 && errno == EPIPE);
		close_reply(&r->f);
	}
}

/* A struct msghdr in the arena that sends `n` bytes from `data` to `to`. */
static struct msghdr *message(struct rig *r, const struct sockaddr_in *to, void *data, size_t n)
{
	struct msghdr *m = (void *)out(&r->f);
	struct iovec *v = (void *)(out(&r->f) + 256);
	struct sockaddr_in *a = (void *)(out(&r->f) + 512);

	*a = *to;
	*v = (struct iovec){data, n};
	*m = (struct msghdr){.msg_name = a, .msg_namelen = sizeof(*a), .msg_iov = v, .msg_iovlen = 1};
	return m;
}

static void messages_are_copied_once_and_bounded(void **state)
{
	struct rig *r = *state;
	struct sockaddr_in to = loopback(r->udp_port), no = loopback(r->port);
	uint64_t s = (uint64_t)t_socket(r, SOCK_DGRAM);
	char *data = out(&r->f) + 1024, got[16];
	struct msghdr *m = message(r, &to, data, 4);

	memcpy(data, "data", 4);
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)m, 0), 4);
	assert_int_equal(recv(r->udp, got, sizeof(got), 0), 4);
	assert_memory_equal(got, "data", 4);
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)message(r, &no, data, 4), 0), -EACCES);
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)message(r, &to, data, 65536), 0), -EMSGSIZE);
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)message(r, &to, data, SIZE_MAX), 0), -EINVAL);
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)message(r, &to, arena_end(&r->f) - 2, 4), 0), -EFAULT);
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)arena_end(&r->f) - 8, 0), -EFAULT);
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)message(r, &to, data, 4), MSG_OOB), -EPERM);
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)message(r, &to, data, 4), MSG_FASTOPEN), -EPERM);
	m = message(r, &to, data, 4);
	m->msg_controllen = 8;
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)m, 0), -EPERM);
	m = message(r, &to, data, 4);
	m->msg_iovlen = 1025;
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)m, 0), -EMSGSIZE);
	m = message(r, &to, data, 4);
	m->msg_namelen = (socklen_t)-1;
	assert_int_equal(call(&r->f, "sendmsg", s, (uintptr_t)m, 0), -EINVAL);
	assert_int_equal(call(&r->f, "sendto", s, (uintptr_t)data, 4, 0, (uintptr_t)m->msg_name, 16), 4);
	assert_int_equal(call(&r->f, "sendto", s, (uintptr_t)data, 4, 0, (uintptr_t)m->msg_name, 8), -EINVAL);
	assert_int_equal(call(&r->f, "sendmmsg", s, (uintptr_t)arena_end(&r->f) - 8, 3, 0), -EFAULT);
	assert_int_equal(call(&r->f, "sendmmsg", s, (uintptr_t)message(r, &to, data, 4), 0, 0), 0);
	assert_int_equal(recv(r->udp, got, sizeof(got), 0), 4);
	assert_true(recv(r->udp, got, sizeof(got), MSG_DONTWAIT) < 0);
}

static int run(const char *name)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(addresses_at_the_edge_of_memory), T(descriptors_that_are_no_sockets), T(a_connect_that_waits),
		T(only_what_is_not_connected_is_kept), T(sockets_that_are_given), T(messages_are_copied_once_and_bounded),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
	return run_twice("sockets", run);
}
