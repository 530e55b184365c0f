/* Packets on a zygote's control socket, from an interpreter or a newborn tracee that has been taken over. */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "births.h"
#include "words.h"

static int ends[2] = {-1, -1};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int on = 1;

	(void)argc, (void)argv;
	FUZZ_REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "no sockets");
	FUZZ_REQUIRE(!setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), "no credentials");
	return 0;
}

static void send_packet(const void *p, size_t n, size_t n_fds)
{
	int fds[FUZZ_FDS_MAX] = {0};

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = ends[i % 2];
	fuzz_send(ends[0], p, n, fds, n_fds);
}

/* The text as it came, or lines of the input behind a short message. */
static void tell(char *info)
{
	struct births_told told;
	size_t size = strlen(info), n = 0;
	struct frames *f;

	FUZZ_REQUIRE(births_tell(info, &told) == 0, "%zu bytes are not told", size);
	for (; told.frames.trees[n]; n++)
		FUZZ_REQUIRE(told.frames.trees[n] >= info && told.frames.trees[n] + strlen(told.frames.trees[n]) <= info + size, "tree %zu", n);
	FUZZ_REQUIRE(told.reserves_mib <= 65536 && told.version, "%llu MiB", (unsigned long long)told.reserves_mib);
	f = frames_new(&told.frames);
	frames_drop(f);
	free((void *)told.frames.trees);
}

static void look(struct births_packet *p, size_t sent, size_t n_fds, int r)
{
	size_t came = 0;

	FUZZ_REQUIRE(r == (sent > sizeof(p->m) || n_fds > BIRTH_FDS ? -EPROTO : 1), "%zu bytes, %zu descriptors: %d", sent, n_fds, r);
	for (int i = 0; i < BIRTH_FDS; i++)
		came += p->fds[i] >= 0 && fcntl(p->fds[i], F_GETFD) == FD_CLOEXEC;
	FUZZ_REQUIRE(came == (r == 1 ? n_fds : 0), "%zu of %zu descriptors", came, n_fds);
	if (r != 1)
		return;
	FUZZ_REQUIRE(p->pid == getpid(), "from %d", (int)p->pid);
	FUZZ_REQUIRE(memchr(p->m.err.step, 0, sizeof(p->m.err.step)) && memchr(p->m.err.text, 0, sizeof(p->m.err.text)), "endless words");
	FUZZ_REQUIRE(p->m.err.class >= ERR_JOB && p->m.err.class <= ERR_BUG && !(p->m.layers >> LAYER_COUNT), "class %d, layers %x", p->m.err.class,
		     p->m.layers);
	tell(p->m.info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct births_packet p;
	static union {
		struct birth_message m;
		char bytes[sizeof(struct birth_message) + 64];
	} out;
	struct feed f = {data, size};
	unsigned how = (unsigned)feed_number(&f, 1);
	size_t n_fds = how % (FUZZ_FDS_MAX + 1), n = f.left < sizeof(out) ? f.left : sizeof(out);

	memset(&out, 0, sizeof(out));
	if (how & 128) { /* a message that is in order, but for what it tells */
		size_t given = n < BIRTH_INFO_MAX ? n : BIRTH_INFO_MAX;

		out.m.type = BIRTH_READY;
		feed_bytes(&f, out.m.info, given);
		for (size_t i = given; how & 64 && given && i < BIRTH_INFO_MAX; i++) /* again and again, to the brim */
			out.m.info[i] = out.m.info[i - given];
		n = sizeof(out.m);
	} else {
		feed_bytes(&f, out.bytes, n);
	}
	if (n == 0) /* which is the end, on a socket of packets */
		return 0;
	send_packet(out.bytes, n, n_fds);
	look(&p, n, n_fds, births_receive(ends[1], &p));
	births_drop(&p);
	FUZZ_REQUIRE(births_receive(ends[1], &p) == -EAGAIN, "two packets of one");
	fuzz_count_descriptors();
	return 0;
}
