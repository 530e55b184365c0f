/* Packets between keeper, front and workers, small and in a sealed memfd, from a peer that has been taken over. */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"

#define MAX 65536u

static int ends[2] = {-1, -1};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	FUZZ_REQUIRE(link_pair(ends) == 0, "no sockets");
	return 0;
}

/* A file with these bytes; sealed as far as `how` says. */
static int file_of(const void *p, size_t n, unsigned how)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && write(fd, p, n) == (ssize_t)n)
		fcntl(fd, F_ADD_SEALS, how & (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	return fd;
}

static void look(struct link_in *in)
{
	static const char *const keys[] = {"key", "on", "pid", "data", "packed", "code", "why", "index", "mode"};
	const msgpack_object *map = in->m.params;
	struct bytes b;
	uint64_t v;
	double d;
	bool on;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (link_uint(map, keys[i], 1000, &v))
			FUZZ_REQUIRE(v <= 1000, "%llu", (unsigned long long)v);
		link_bool(map, keys[i], &on);
		if (link_double(map, keys[i], &d))
			FUZZ_REQUIRE(d >= 0, "%f", d);
		if (link_bytes(map, keys[i], &b) || link_last(in, keys[i], &b))
			FUZZ_REQUIRE(!b.len || !memchr(b.p, 0, b.len) || b.p, "no bytes");
		link_map(map, keys[i]);
		link_array(map, keys[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = {data, size};
	unsigned how = (unsigned)feed_number(&f, 1), n_fds = how & 3;
	size_t packet = how & 4 ? f.left : feed_number(&f, 1);
	int fds[4] = {-1, -1, -1, -1};
	struct link_in in;
	struct err e = {0};

	packet = packet < f.left ? packet : f.left;
	for (unsigned i = 0; i < n_fds; i++)
		fds[i] = file_of(f.p + packet, f.left - packet, how >> 3);
	fuzz_send(ends[0], packet ? (const void *)f.p : "", packet ? packet : 1, fds, n_fds);
	for (unsigned i = 0; i < n_fds; i++)
		close(fds[i]);
	int before = dup(ends[0]);
	close(before);
	int ret = link_get(ends[1], MAX, &in, &e);
	FUZZ_REQUIRE(ret != -EAGAIN, "the packet is not there");
	if (ret == 0)
		look(&in);
	link_in_done(&in);
	int after = dup(ends[0]);
	close(after);
	FUZZ_REQUIRE(before == after, "descriptors are left");
	return 0;
}
