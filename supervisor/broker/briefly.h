/* briefly.h - calls on a job's sockets that must not make the worker sleep, whatever the job does to the socket meanwhile.
 *
 * O_NONBLOCK and SO_LINGER belong to the open file that the job holds, too: another thread may change them at any time. An alarm
 * ends the sleep. It is on for that one call only: others need not bear a signal. Takes SIGALRM and ITIMER_REAL of the process.
 */
#ifndef WARDER_BRIEFLY_H
#define WARDER_BRIEFLY_H

#include <sys/socket.h>

/* 0 or -errno; -EINTR when it slept, and goes on by itself. */
int briefly_connect(int fd, const struct sockaddr *sa, socklen_t len);
/* The last descriptor of a socket waits until the peer has all the data, where the job set SO_LINGER. */
void briefly_close(int fd);

#endif
