/* load.c - sends one prepared request again and again and takes the time of each answer.
 *
 *   load SOCKET REQUEST CLIENTS DEPTH COUNT PAUSE_US
 *
 * REQUEST is a file with a packed `[0, msgid, "run", [{…}]]` whose msgid is a uint32: 0xce and four bytes, from
 * byte 2 on. Each of CLIENTS connections keeps DEPTH requests unanswered until COUNT answers have come in all;
 * PAUSE_US is slept before each request (for a single client of depth 1). Prints the whole time in ns, then one
 * latency in ns a line. Exit status 1 when an answer was not `exited`.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 256
#define DEPTH_MAX 256
#define REQUEST_MAX (1 << 16)
#define MSGID_AT 3 /* the four bytes behind 0xce */

struct client {
	int fd;
	unsigned unanswered;
	uint64_t sent[DEPTH_MAX]; /* by msgid modulo DEPTH_MAX */
	uint32_t next;
	uint8_t *buf;
	size_t len, size;
};

struct load {
	uint8_t request[REQUEST_MAX];
	size_t request_len;
	unsigned n_clients, depth, pause_us;
	uint64_t count, started, answered, bad;
	uint64_t *ns;
	struct client clients[CLIENTS_MAX];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* --- as much of msgpack as it takes to find the end of a message ------------------------------------------------ */

static uint64_t big_endian(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

struct shape { /* of the object that a byte begins */
	unsigned length_bytes; /* of its length or value, behind that byte */
	unsigned fixed;        /* bytes behind those, whatever the length says */
	unsigned children;     /* objects for each counted one: 1 arrays, 2 maps, 0 bytes */
	bool counted;
};

static struct shape shape_of(uint8_t b)
{
	static const struct shape rows[32] = {
		/* 0xc4: bin, ext */
		[4] = {1, 0, 0, true}, {2, 0, 0, true}, {4, 0, 0, true}, {1, 1, 0, true}, {2, 1, 0, true}, {4, 1, 0, true},
		/* 0xca: float, uint, int */
		[10] = {4}, {8}, {1}, {2}, {4}, {8}, {1}, {2}, {4}, {8},
		/* 0xd4: fixext */
		[20] = {0, 2}, {0, 3}, {0, 5}, {0, 9}, {0, 17},
		/* 0xd9: str, array, map */
		[25] = {1, 0, 0, true}, {2, 0, 0, true}, {4, 0, 0, true}, {2, 0, 1, true}, {4, 0, 1, true},
		{2, 0, 2, true}, {4, 0, 2, true},
	};

	return b >= 0xc0 && b < 0xe0 ? rows[b - 0xc0] : (struct shape){0};
}

/* Bytes of the first message in p, 0 when it is not whole yet. */
static size_t message_length(const uint8_t *p, size_t len)
{
	uint64_t at = 0, objects = 1;

	while (objects--) {
		if (at >= len)
			return 0;
		uint8_t b = p[at++];
		struct shape s = shape_of(b);
		uint64_t n = 0;
		if (at + s.length_bytes > len)
			return 0;
		if (s.counted)
			n = big_endian(p + at, s.length_bytes);
		at += s.length_bytes + s.fixed;
		if (b >= 0x80 && b < 0x90)
			objects += 2 * (b & 0x0fu);
		else if (b >= 0x90 && b < 0xa0)
			objects += b & 0x0fu;
		else if (b >= 0xa0 && b < 0xc0)
			at += b & 0x1fu;
		else if (s.children)
			objects += n * s.children;
		else
			at += n;
	}
	return at <= len ? at : 0;
}

static uint32_t answered_id(const uint8_t *p)
{
	switch (p[2]) {
	case 0xcc: return p[3];
	case 0xcd: return (uint32_t)big_endian(p + 3, 2);
	case 0xce: return (uint32_t)big_endian(p + 3, 4);
	default: return p[2];
	}
}

/* --- sending and receiving -------------------------------------------------------------------------------------- */

static void send_one(struct load *l, struct client *c)
{
	uint32_t id = c->next++;
	size_t done = 0;

	if (l->pause_us)
		usleep(l->pause_us);
	for (int i = 0; i < 4; i++)
		l->request[MSGID_AT + i] = (uint8_t)(id >> (24 - 8 * i));
	c->sent[id % DEPTH_MAX] = now_ns();
	while (done < l->request_len) {
		ssize_t n = send(c->fd, l->request + done, l->request_len - done, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			die("send");
		done += n > 0 ? (size_t)n : 0;
	}
	c->unanswered++;
	l->started++;
}

static void take_answer(struct load *l, struct client *c, const uint8_t *p, size_t len)
{
	static const char good[] = "\xa7" "outcome" "\xa6" "exited";
	uint32_t id = answered_id(p);

	if (l->answered < l->count)
		l->ns[l->answered++] = now_ns() - c->sent[id % DEPTH_MAX];
	if (!memmem(p, len, good, sizeof(good) - 1)) {
		if (l->bad++ == 0)
			fprintf(stderr, "load: a bad answer: %.*s\n", (int)(len < 300 ? len : 300), (const char *)p);
	}
	c->unanswered--;
}

static void receive(struct load *l, struct client *c)
{
	size_t used = 0, n;
	ssize_t got;

	if (c->size - c->len < 1 << 16) {
		c->size = c->size * 2 + (1 << 17);
		c->buf = realloc(c->buf, c->size);
		if (!c->buf)
			die("realloc");
	}
	got = recv(c->fd, c->buf + c->len, c->size - c->len, 0);
	if (got <= 0)
		die("recv");
	c->len += (size_t)got;
	while ((n = message_length(c->buf + used, c->len - used)) > 0) {
		take_answer(l, c, c->buf + used, n);
		used += n;
		if (l->started < l->count)
			send_one(l, c);
	}
	memmove(c->buf, c->buf + used, c->len - used);
	c->len -= used;
}

static void run(struct load *l)
{
	struct pollfd p[CLIENTS_MAX];

	for (unsigned d = 0; d < l->depth; d++)
		for (unsigned i = 0; i < l->n_clients && l->started < l->count; i++)
			send_one(l, &l->clients[i]);
	while (l->answered < l->count) {
		for (unsigned i = 0; i < l->n_clients; i++)
			p[i] = (struct pollfd){.fd = l->clients[i].fd, .events = POLLIN};
		if (poll(p, l->n_clients, 30000) <= 0)
			die("no answer within 30 s");
		for (unsigned i = 0; i < l->n_clients; i++)
			if (p[i].revents)
				receive(l, &l->clients[i]);
	}
}

static int dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		die("socket");
	strcpy(a.sun_path, path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die(path);
	return fd;
}

static void read_request(struct load *l, const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		die(path);
	l->request_len = fread(l->request, 1, sizeof(l->request), f);
	fclose(f);
	if (l->request_len < MSGID_AT + 4 || l->request[2] != 0xce) {
		fprintf(stderr, "load: %s is no request\n", path);
		exit(2);
	}
}

static unsigned bounded(const char *text, unsigned max)
{
	unsigned long v = strtoul(text, NULL, 10);

	return v < 1 ? 1 : v > max ? max : (unsigned)v;
}

int main(int argc, char **argv)
{
	static struct load l;
	uint64_t start;

	if (argc != 7) {
		fprintf(stderr, "usage: load SOCKET REQUEST CLIENTS DEPTH COUNT PAUSE_US\n");
		return 2;
	}
	read_request(&l, argv[2]);
	l.n_clients = bounded(argv[3], CLIENTS_MAX);
	l.depth = bounded(argv[4], DEPTH_MAX);
	l.count = bounded(argv[5], 10000000);
	l.pause_us = (unsigned)strtoul(argv[6], NULL, 10);
	l.ns = calloc(l.count, sizeof(*l.ns));
	if (!l.ns)
		die("calloc");
	for (unsigned i = 0; i < l.n_clients; i++)
		l.clients[i].fd = dial(argv[1]);
	start = now_ns();
	run(&l);
	printf("%llu\n", (unsigned long long)(now_ns() - start));
	for (uint64_t i = 0; i < l.count; i++)
		printf("%llu\n", (unsigned long long)l.ns[i]);
	return l.bad ? 1 : 0;
}
