/* sockets.c - stream socketpairs: made by the worker, both ends given to the job. */
#include <errno.h>
#include <sys/socket.h>

#include "guest.h"
#include "handlers.h"

#define PAIR_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

/* Datagram pairs can be connected elsewhere later, stream pairs cannot (unix(7)). */
static int check(struct request *r, int family, int type, int protocol)
{
	if (family != AF_UNIX)
		return request_refused(r, EOPNOTSUPP, NULL, "socketpair: only AF_UNIX");
	if ((type & ~PAIR_FLAGS) != SOCK_STREAM || protocol != 0)
		return request_refused(r, EPERM, NULL, "socketpair: only SOCK_STREAM");
	return 0;
}

int64_t sockets_pair(struct request *r)
{
	int type = (int)r->call->args[1], fds[2];
	uint64_t t_fds = r->call->args[3];
	int rc = check(r, (int)r->call->args[0], type, (int)r->call->args[2]);

	rc = rc ? rc : guest_read(r->job->who.mem, t_fds, fds, sizeof(fds));
	if (rc)
		return rc;
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds))
		return -errno;
	request_give(r, fds[0], type & SOCK_CLOEXEC);
	r->reply->fd2 = fds[1];
	r->reply->fds_at = t_fds;
	return 0;
}
