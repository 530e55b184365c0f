/* service.h - what a service manager hands over at the start, and what it is told in turn.
 *
 * systemd's two protocols, sd_listen_fds(3) and sd_notify(3). Their pages give the bytes and promise to keep them, and ask programs like this one to
 * speak them by themselves: libsystemd would map compression and cryptography into a process that holds root's power, for two variables and one
 * datagram. Other managers speak them too.
 *
 * Who may use it: main (service_take), the keeper (service_tell): only the first process of a service is listened to. State: none but `struct service`.
 */
#ifndef WARDER_SERVICE_H
#define WARDER_SERVICE_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "err.h"

struct service {
	int gate;                                          /* a listening Unix socket, non-blocking and close-on-exec; -1: none */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1]; /* of that socket, "" without a name */
	struct sockaddr_un notify;                         /* where the manager listens */
	socklen_t notify_len;                              /* 0: nobody does */
};

/* Reads LISTEN_PID, LISTEN_FDS and NOTIFY_SOCKET and takes them out of the environment: they are for this process alone. 0, or -errno with words when a
 * socket was handed over that cannot be served. What is addressed to another process (LISTEN_PID) is left alone. */
int service_take(struct service *s, struct err *e);
/* One or more lines KEY=VALUE: READY=1, STOPPING=1, STATUS=… Never waits; a manager that does not listen misses it. */
void service_tell(const struct service *s, const char *lines);
/* RELOADING=1 with the time that systemd wants beside it; READY=1 ends it. */
void service_tell_reloading(const struct service *s);

#endif
