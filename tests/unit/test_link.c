#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "link.h"
#include "log.h"

#define MESSAGE_MAX (4u << 20)

static const char large[] = "\x93\x02\xa5large\x91\x80";

/* Sends raw bytes with these descriptors beside them. */
static void put_raw(int sock, const void *data, size_t len, const int *fds, size_t n)
{
	char space[CMSG_SPACE(sizeof(int) * 8)] = {0};
	struct iovec iov = {(void *)data, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = n ? space : NULL, .msg_controllen = n ? CMSG_SPACE(sizeof(int) * n) : 0};

	if (n) {
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n)};
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	}
	assert_int_equal(sendmsg(sock, &msg, 0), (ssize_t)len);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int get(int sock)
{
	struct link_in in;
	struct err e;
	int r = link_get(sock, MESSAGE_MAX, &in, &e);

	link_in_done(&in);
	return r;
}

static void wrong_packets_end_the_link(void **state)
{
	static char long_one[LINK_PACKET_MAX + 2];
	static const struct {
		const char *name, *bytes;
		size_t len;
	} rows[] = {
		{"no msgpack", "\xc1", 1},
		{"no message", "\x80", 1},
		{"cut off", "\x93\x02\xa6su", 5},
		{"cut off in a map", "\x93\x02\xa6submit\x91\x81", 11},
		{"something behind it", "\x93\x02\xa6" "cancel\x91\x80\x00", 12},
		{"announces more than there is", "\x93\x02\xa6submit\x91\xdf\xff\xff\xff\xff", 15},
		{"deep", "\x93\x02\xa1x\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
			 "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91", 40},
		{"too long", long_one, sizeof(long_one)},
		{"large, without a descriptor", large, sizeof(large) - 1},
	};
	int ends[2], before = open_fds();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(link_pair(ends), 0);
		put_raw(ends[0], rows[i].bytes, rows[i].len, NULL, 0);
		int r = get(ends[1]);
		if (r != -EPROTO && r != -EMSGSIZE)
			fail_msg("%s: %d", rows[i].name, r);
		close(ends[0]);
		close(ends[1]);
	}
	assert_int_equal(open_fds(), before);
}

/* What could change under the reader, or end early, is not read; nothing is left open. */
static void wrong_memfds_are_refused(void **state)
{
	static const struct {
		const char *name;
		int seals;
		off_t size;
		bool file;
	} rows[] = {
		{"not sealed", 0, 100, false},
		{"not sealed against writing", F_SEAL_SHRINK | F_SEAL_GROW, 100, false},
		{"not sealed against shrinking", F_SEAL_WRITE | F_SEAL_GROW, 100, false},
		{"empty", F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, 0, false},
		{"too large", F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, MESSAGE_MAX + 1, false},
		{"zeroes", F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW, 100, false},
		{"a file", 0, 0, true},
	};
	int ends[2], before = open_fds();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = rows[i].file ? open("/proc/self/exe", O_RDONLY | O_CLOEXEC) : memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		if (!rows[i].file)
			assert_int_equal(ftruncate(fd, rows[i].size), 0);
		if (rows[i].seals)
			assert_int_equal(fcntl(fd, F_ADD_SEALS, rows[i].seals), 0);
		assert_int_equal(link_pair(ends), 0);
		put_raw(ends[0], large, sizeof(large) - 1, &fd, 1);
		int r = get(ends[1]);
		if (r != -EPROTO)
			fail_msg("%s: %d", rows[i].name, r);
		close(fd);
		close(ends[0]);
		close(ends[1]);
	}
	assert_int_equal(open_fds(), before);
}

static void too_many_descriptors_are_closed(void **state)
{
	int ends[2], fds[6], before = open_fds();

	(void)state;
	assert_int_equal(link_pair(ends), 0);
	for (int i = 0; i < 6; i++)
		fds[i] = dup(0);
	put_raw(ends[0], "\x93\x02\xa5" "drain\x91\x80", 10, fds, 6);
	for (int i = 0; i < 6; i++)
		close(fds[i]);
	assert_int_equal(get(ends[1]), -EPROTO);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(open_fds(), before);
}

struct end {
	struct link *link;
	unsigned taken, ended, drained;
	size_t bytes;
	int fd;
};

static int take_output(void *ctx, struct link_in *in)
{
	struct end *e = ctx;
	struct bytes b;

	e->taken++;
	if (!link_bytes(in->m.params, "data", &b))
		return -EPROTO;
	for (size_t i = 0; i < b.len; i++)
		assert_int_equal(b.p[i], 'x');
	e->bytes += b.len;
	e->fd = in->fd;
	in->fd = -1;
	return 0;
}

static void on_ended(void *ctx)
{
	((struct end *)ctx)->ended++;
}

static void on_drained(void *ctx)
{
	((struct end *)ctx)->drained++;
}

static const struct link_row rows_of_end[] = {{LINK_OUTPUT, take_output}};
static const struct link_handler handler = {rows_of_end, 1, MESSAGE_MAX, on_ended, on_drained};

static int send_data(struct link *l, size_t n, int fd)
{
	char *data = malloc(n + 1);
	msgpack_sbuffer b;
	msgpack_packer pk;

	memset(data, 'x', n);
	link_begin(&b, &pk, LINK_OUTPUT, 1);
	rpc_pack_cstr(&pk, "data");
	rpc_pack_bin(&pk, (struct bytes){data, n});
	int r = link_send(l, &b, fd);
	free(data);
	return r;
}

static void turn(struct ev_loop *loop)
{
	for (int i = 0; i < 200; i++)
		ev_run(loop, EVRUN_NOWAIT);
}

/* Small and large ones, with a descriptor beside them, and more than the socket takes: all come, in order, once. */
static void messages_arrive(void **state)
{
	struct ev_loop *loop = ev_loop_new(0);
	struct end a = {0}, b = {.fd = -1};
	int ends[2];
	struct stat one, other;

	(void)state;
	assert_int_equal(link_pair(ends), 0);
	a.link = link_new(loop, ends[0], &handler, &a);
	b.link = link_new(loop, ends[1], &handler, &b);
	static const size_t sizes[] = {0, 1, LINK_PACKET_MAX - 100, LINK_PACKET_MAX, MESSAGE_MAX - 100};
	size_t want = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

		send_data(a.link, sizes[i], fd);
		close(fd);
		turn(loop);
		want += sizes[i];
		assert_int_equal(b.taken, i + 1);
		assert_int_equal(b.bytes, want);
		assert_int_equal(fstat(b.fd, &one), 0);
		assert_int_equal(stat("/dev/zero", &other), 0);
		assert_int_equal(one.st_rdev, other.st_rdev);
		close(b.fd);
	}
	for (int i = 0; i < 300; i++)
		send_data(a.link, 10000, -1);
	assert_true(link_backlog(a.link) > 0);
	turn(loop);
	assert_int_equal(link_backlog(a.link), 0);
	assert_int_equal(a.drained, 1);
	assert_int_equal(b.bytes, want + 3000000);
	/* what was sent before the end is heard, then the end, once */
	send_data(a.link, 7, -1);
	link_free(a.link);
	turn(loop);
	assert_int_equal(b.bytes, want + 3000007);
	assert_int_equal(b.ended, 1);
	link_free(b.link);
	ev_loop_destroy(loop);
}

/* A large message that this machine has no room for, or whose descriptor has no place, is told of when it is sent, whether or not others wait
 * before it; what is small goes out in its stead, and what waited comes whole. */
static void failures_are_told_at_once(void **state)
{
	struct rlimit file_before, files_before, file, files;
	int ends[2], before = open_fds(), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct ev_loop *loop = ev_loop_new(0);
	struct end a = {0}, b = {.fd = -1};
	size_t sent = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &file_before), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files_before), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(link_pair(ends), 0);
	a.link = link_new(loop, ends[0], &handler, &a);
	b.link = link_new(loop, ends[1], &handler, &b);
	for (; !link_backlog(a.link); sent += 10000)
		assert_int_equal(send_data(a.link, 10000, -1), 0);
	assert_int_equal(send_data(a.link, 2 * LINK_PACKET_MAX, -1), 0);
	sent += 2 * LINK_PACKET_MAX;
	size_t backlog = link_backlog(a.link);

	file = (struct rlimit){LINK_PACKET_MAX, file_before.rlim_max}; /* memfds too */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &file), 0);
	assert_int_equal(send_data(a.link, 2 * LINK_PACKET_MAX, -1), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &file_before), 0);
	files = (struct rlimit){(rlim_t)null + 1, files_before.rlim_max}; /* all of these are in use: it had the lowest */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(send_data(a.link, 1, null), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files_before), 0);
	assert_int_equal(link_backlog(a.link), backlog);

	assert_int_equal(send_data(a.link, 1, -1), 0);
	sent++;
	turn(loop);
	assert_int_equal(b.bytes, sent);
	assert_int_equal(link_backlog(a.link), 0);
	link_free(a.link);
	turn(loop);
	assert_int_equal(b.ended, 1);
	link_free(b.link);
	close(null);
	ev_loop_destroy(loop);
	assert_int_equal(open_fds(), before);
}

static void unknown_words_end_the_link(void **state)
{
	struct ev_loop *loop = ev_loop_new(0);
	struct end b = {0};
	int ends[2];

	(void)state;
	assert_int_equal(link_pair(ends), 0);
	b.link = link_new(loop, ends[1], &handler, &b);
	put_raw(ends[0], "\x93\x02\xa5" "drain\x91\x80", 10, NULL, 0); /* a word, but not one for this end */
	turn(loop);
	assert_int_equal(b.ended, 1);
	assert_int_equal(b.taken, 0);
	close(ends[0]);
	link_free(b.link);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_packets_end_the_link), cmocka_unit_test(wrong_memfds_are_refused),
		cmocka_unit_test(too_many_descriptors_are_closed), cmocka_unit_test(messages_arrive),
		cmocka_unit_test(failures_are_told_at_once), cmocka_unit_test(unknown_words_end_the_link),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
