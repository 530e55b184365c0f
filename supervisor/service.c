#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIRST_HANDED 3 /* SD_LISTEN_FDS_START */

/* A whole number and nothing behind it; -1: none. */
static long number_in(const char *name)
{
	const char *s = getenv(name);
	char *end;

	if (!s || s[0] < '0' || s[0] > '9')
		return -1;
	errno = 0;
	long v = strtol(s, &end, 10);
	return *end || errno ? -1 : v;
}

static int option_of(int fd, int option)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, option, &v, &len) ? -1 : v;
}

/* Peers are told apart by their uid, which only a Unix socket knows. */
static int check_gate(int fd, struct err *e)
{
	if (option_of(fd, SO_DOMAIN) != AF_UNIX || option_of(fd, SO_TYPE) != SOCK_STREAM)
		return err_set(e, ERR_HOST, "LISTEN_FDS", ENOTSOCK, "descriptor %d is no Unix stream socket (ListenStream=/…)", fd);
	if (option_of(fd, SO_ACCEPTCONN) != 1)
		return err_set(e, ERR_HOST, "LISTEN_FDS", EINVAL, "descriptor %d does not listen (Accept=no)", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		return err_set(e, ERR_HOST, "LISTEN_FDS", errno, "descriptor %d", fd);
	return 0;
}

static void name_gate(struct service *s)
{
	struct sockaddr_un a = {0};
	socklen_t len = sizeof(a);

	if (getsockname(s->gate, (struct sockaddr *)&a, &len) == 0 && a.sun_path[0])
		snprintf(s->path, sizeof(s->path), "%.*s", (int)sizeof(a.sun_path), a.sun_path);
}

static int take_gate(struct service *s, struct err *e)
{
	long n = number_in("LISTEN_FDS");

	if (number_in("LISTEN_PID") != (long)getpid() || n == 0)
		return 0;
	if (n != 1)
		return err_set(e, ERR_HOST, "LISTEN_FDS", EINVAL, "there is one socket to serve, not %s", getenv("LISTEN_FDS"));
	int r = check_gate(FIRST_HANDED, e);
	if (r)
		return r;
	s->gate = FIRST_HANDED;
	name_gate(s);
	return 0;
}

/* A path, or after an @ an abstract name. Other families than Unix are not for services of this machine. */
static void take_notify(struct service *s)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name ? strlen(name) : 0;

	if (len < 2 || len > sizeof(s->notify.sun_path) - 1 || (name[0] != '/' && name[0] != '@'))
		return;
	s->notify.sun_family = AF_UNIX;
	memcpy(s->notify.sun_path, name, len);
	if (name[0] == '@')
		s->notify.sun_path[0] = '\0';
	s->notify_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

int service_take(struct service *s, struct err *e)
{
	static const char *const names[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"};
	int r;

	*s = (struct service){.gate = -1};
	r = take_gate(s, e);
	take_notify(s);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	return r;
}

/* A socket each time: the manager may have made a new one at that name since. */
void service_tell(const struct service *s, const char *lines)
{
	int fd = s->notify_len ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;

	if (fd < 0)
		return;
	ssize_t n = sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&s->notify, s->notify_len);
	(void)n; /* there is nobody else to tell */
	close(fd);
}

void service_tell_reloading(const struct service *s)
{
	struct timespec t;
	char lines[64];

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(lines, sizeof(lines), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000);
	service_tell(s, lines);
}
