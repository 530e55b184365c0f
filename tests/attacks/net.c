/* net.c - time of check against time of use for connect: the address, or the descriptor, changes while the call is being judged. */
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attack.h"

#define EXPORT __attribute__((visibility("default")))

struct counts {
	uint64_t connected, refused, wrong; /* wrong: connected, and to another port than the allowed one */
	int64_t last_errno;
};

struct race {
	_Atomic uint32_t *word;
	uint32_t values[2];
	int fds[2], at;
	_Atomic bool stop;
};

EXPORT int race_address(unsigned allowed, unsigned forbidden, unsigned ms, struct counts *out);
EXPORT int race_descriptor(unsigned forbidden, unsigned ms, struct counts *out);
EXPORT int race_blocking(unsigned hole, unsigned ms);

/* family and port are one word: one store, so that no half of each is ever seen */
static void *flip_word(void *arg)
{
	struct race *r = arg;

	for (unsigned i = 0; !r->stop; i++)
		*r->word = r->values[i / 64 & 1];
	return NULL;
}

static void *flip_descriptor(void *arg)
{
	struct race *r = arg;

	for (unsigned i = 0; !r->stop; i++)
		raw3(SYS_dup3, r->fds[i & 1], r->at, 0);
	return NULL;
}

static void look(int fd, unsigned forbidden, struct counts *out)
{
	struct sockaddr_in peer = {0};
	socklen_t n = sizeof(peer);

	out->connected++;
	if (!raw3(SYS_getpeername, fd, &peer, &n) && peer.sin_port == htons((uint16_t)forbidden))
		out->wrong++;
}

static void count(long ret, int fd, unsigned forbidden, struct counts *out)
{
	if (ret == 0) {
		look(fd, forbidden, out);
	} else {
		out->refused += ret == -EACCES;
		out->last_errno = ret;
	}
}

int race_address(unsigned allowed, unsigned forbidden, unsigned ms, struct counts *out)
{
	static struct sockaddr_in a __attribute__((aligned(8)));
	uint64_t end = deadline_ms(ms);
	struct race r = {.word = (_Atomic uint32_t *)&a};
	pthread_t t[2];

	memset(out, 0, sizeof(*out));
	a.sin_family = AF_INET;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons((uint16_t)allowed);
	memcpy(&r.values[0], &a, 4);
	a.sin_port = htons((uint16_t)forbidden);
	memcpy(&r.values[1], &a, 4);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, flip_word, &r))
			return -1;
	while (now_ns() < end) {
		long fd = raw3(SYS_socket, AF_INET, SOCK_STREAM, 0);

		if (fd < 0) {
			out->last_errno = fd;
			continue;
		}
		count(raw3(SYS_connect, fd, &a, sizeof(a)), (int)fd, forbidden, out);
		raw1(SYS_close, fd);
	}
	r.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return 0;
}

/* A datagram socket that cannot send may be connected where a stream socket may not: the number stands for one, then for the other. */
int race_descriptor(unsigned forbidden, unsigned ms, struct counts *out)
{
	struct sockaddr_in a = {AF_INET, htons((uint16_t)forbidden), {htonl(INADDR_LOOPBACK)}, {0}};
	uint64_t end = deadline_ms(ms);
	struct race r = {0};
	pthread_t t;

	memset(out, 0, sizeof(*out));
	r.fds[0] = (int)raw3(SYS_socket, AF_INET, SOCK_DGRAM, 0);
	r.fds[1] = (int)raw3(SYS_socket, AF_INET, SOCK_STREAM, 0);
	r.at = (int)raw1(SYS_dup, r.fds[0]);
	if (r.fds[0] < 0 || r.fds[1] < 0 || r.at < 0 || pthread_create(&t, NULL, flip_descriptor, &r))
		return -1;
	while (now_ns() < end) {
		struct sockaddr_in peer;
		socklen_t n = sizeof(peer);
		long ret = raw3(SYS_connect, r.at, &a, sizeof(a));

		out->connected += ret == 0;
		out->refused += ret == -EACCES;
		out->wrong += raw3(SYS_getpeername, r.fds[1], &peer, &n) == 0;
	}
	r.stop = true;
	pthread_join(t, NULL);
	return 0;
}

/* A socket that is not to block becomes one that is, while the supervisor connects it to a host that does not answer. */
static struct {
	_Atomic int fd;
	_Atomic bool stop;
	unsigned hole;
} sleeper;

static void *flip_blocking(void *arg)
{
	(void)arg;
	while (!sleeper.stop) {
		raw3(SYS_fcntl, sleeper.fd, F_SETFL, 0);
		for (volatile int i = 0; i < 200; i++)
			;
		raw3(SYS_fcntl, sleeper.fd, F_SETFL, O_NONBLOCK);
	}
	return NULL;
}

static void *connect_to_hole(void *arg)
{
	struct sockaddr_in a = {AF_INET, htons((uint16_t)sleeper.hole), {htonl(INADDR_LOOPBACK)}, {0}};

	(void)arg;
	for (unsigned i = 1; !sleeper.stop; i++) {
		/* of the supervisor's sleep, too, where it sleeps: mostly short, so that there are many tries */
		long patience[2] = {i % 16 ? 0 : 20, 20000};

		long fd = raw3(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

		if (fd < 0)
			continue;
		sleeper.fd = (int)fd;
		raw5(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, patience, sizeof(patience));
		raw3(SYS_connect, fd, &a, sizeof(a));
		raw1(SYS_close, fd);
	}
	return NULL;
}

int race_blocking(unsigned hole, unsigned ms)
{
	uint64_t end = deadline_ms(ms);
	pthread_t t;

	sleeper.fd = -1;
	sleeper.hole = hole;
	for (int i = 0; i < 24; i++)
		if (pthread_create(&t, NULL, i < 4 ? flip_blocking : connect_to_hole, NULL))
			return -1;
	while (now_ns() < end)
		usleep(2000);
	return 0;
}
