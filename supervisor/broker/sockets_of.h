/* sockets.h - a socket of the tracee, as the worker can reach it: what sockets.c and its neighbours share. */
#ifndef WARDER_SOCKETS_OF_H
#define WARDER_SOCKETS_OF_H

#include <sys/socket.h>

#include "state.h"

/* One socket. `fd` is a duplicate of the very open file that the number stood for; which object it is was looked at, not its number. */
struct socket_of {
	int fd;    /* -1: connected, and out of reach where pidfd_getfd is refused */
	bool own;  /* to be closed */
	ino_t ino; /* 0 where nothing is kept */
	int kind;  /* enum policy_socket, or -1: some other socket */
	bool nonblocking;
	bool probing; /* a datagram socket is connected, which sends nothing: getaddrinfo(3) does so to sort addresses */
};
/* 0, -EBADF, -ENOTSOCK, -errno. socket_of_done in any case. */
int socket_of(struct request *r, int t_fd, struct socket_of *s);
void socket_of_done(struct socket_of *s);

/* An address, copied once. */
struct socket_address {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage room;
	};
	socklen_t len;
};
/* -EINVAL for an impossible length, -EFAULT. Nothing is copied for a length of 0. */
int socket_address_copy(struct request *r, uint64_t t_addr, int len, struct socket_address *a);
/* Whether the job may send to that address from such a socket: 0 or -errno, told as a violation. Names the address it judged, so that
 * nobody chooses another: an unspecified one becomes the loopback. */
int socket_address_judge(struct request *r, const struct socket_of *s, struct socket_address *a);
/* Whether such sockets can send nothing: datagram sockets that the policy does not grant. */
bool socket_is_mute(const struct request *r, int kind);

#endif
