/* sockets.c - sockets are made by the worker and given to the job; addresses are copied once and judged. */
#include "sockets_of.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "briefly.h"
#include "decode.h"
#include "descriptors.h"
#include "guest.h"
#include "handlers.h"
#include "sockets.h"

#define TYPE_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

/* Linux 6.16: whether descriptors can be passed over a Unix socket */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* --- making ------------------------------------------------------------------------------------------------- */

bool socket_is_mute(const struct request *r, int kind)
{
	return (kind == POLICY_UDP4 || kind == POLICY_UDP6) && !(r->job->tree->policy->sockets & 1u << kind);
}

/* getaddrinfo(3) asks netlink which address families there are, and goes on without an answer. */
static bool is_probe(int family, int type, int protocol)
{
	return family == AF_NETLINK && (type == SOCK_RAW || type == SOCK_DGRAM) && protocol == NETLINK_ROUTE;
}

static int refused_always(struct request *r, int err, const char *path, const char *rule)
{
	snprintf(r->hint, sizeof(r->hint), "nothing can grant it");
	return request_refused(r, err, path, rule);
}

static int64_t refuse_socket(struct request *r, int family, int type, int protocol)
{
	if (is_probe(family, type, protocol))
		return -EAFNOSUPPORT;
	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
		return refused_always(r, EAFNOSUPPORT, NULL, "sockets: no such family");
	if (type == SOCK_RAW || type == SOCK_PACKET)
		return refused_always(r, EPERM, NULL, "sockets: no raw sockets");
	return refused_always(r, EPROTONOSUPPORT, NULL, "sockets: no such type or protocol");
}

static int64_t refuse_kind(struct request *r, int kind)
{
	const struct socket_kind *k = &socket_kinds[kind];

	snprintf(r->hint, sizeof(r->hint), "sockets: [{family: %s, type: %s, protocol: %s}] in the policy", k->family, k->type, k->protocol);
	return request_refused(r, EPERM, NULL, "sockets: not granted");
}

/* Where the job's descriptors cannot be reached later, the socket is remembered now. */
static int keep(struct request *r, int fd)
{
	struct kept *k = &r->job->kept;
	int rc;

	if (descriptors_in_reach(r))
		return 0;
	rc = kept_add(k, fd);
	if (rc != -EMFILE || request_enter(r, true))
		return rc;
	kept_sweep(k, r->job->who.t_pid);
	return kept_add(k, fd);
}

/* Unix stream sockets are made, too: they lead nowhere unless they are connected, which is refused with the path in it. Datagram
 * sockets that are not granted are made mute: getaddrinfo(3) sorts addresses by what a connect, which sends nothing, says of them. */
int64_t sockets_socket(struct request *r)
{
	int family = (int)r->call->args[0], type = (int)r->call->args[1], protocol = (int)r->call->args[2], fd, rc;
	int base = type & ~TYPE_FLAGS, kind = socket_kind_of(family, base, protocol);
	bool is_unix = family == AF_UNIX && base == SOCK_STREAM && protocol == 0, mute = socket_is_mute(r, kind);

	if (kind < 0 && !is_unix)
		return refuse_socket(r, family, base, protocol);
	if (!is_unix && !mute && !(r->job->tree->policy->sockets & 1u << kind))
		return refuse_kind(r, kind);
	if (request_enter(r, false)) /* owner, as firewalls see it */
		return -EPERM;
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -errno;
	if (mute)
		shutdown(fd, SHUT_RDWR); /* says ENOTCONN, and does it; nothing takes it back (measured) */
	rc = is_unix ? 0 : keep(r, fd);
	if (rc) {
		close(fd);
		return rc;
	}
	return request_give(r, fd, type & SOCK_CLOEXEC);
}

/* Datagram pairs can be connected elsewhere later, stream pairs cannot (unix(7)). */
static int check_pair(struct request *r, int family, int type, int protocol)
{
	if (family != AF_UNIX)
		return refused_always(r, EOPNOTSUPP, NULL, "socketpair: only AF_UNIX");
	if ((type & ~TYPE_FLAGS) != SOCK_STREAM || protocol != 0)
		return refused_always(r, EPERM, NULL, "socketpair: only SOCK_STREAM");
	return 0;
}

int64_t sockets_pair(struct request *r)
{
	int type = (int)r->call->args[1], fds[2], none = 0;
	uint64_t t_fds = r->call->args[3];
	int rc = check_pair(r, (int)r->call->args[0], type, (int)r->call->args[2]);

	rc = rc ? rc : guest_read(r->job->who.mem, t_fds, fds, sizeof(fds));
	if (rc)
		return rc;
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds))
		return -errno;
	/* Descriptors in flight are counted by uid, past the job's own limit. Older kernels cannot be told. */
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_PASSRIGHTS, &none, sizeof(none));
	request_give(r, fds[0], type & SOCK_CLOEXEC);
	r->reply->fd2 = fds[1];
	r->reply->fds_at = t_fds;
	return 0;
}

/* --- finding ------------------------------------------------------------------------------------------------ */

static int number_of(int fd, int option)
{
	int v = -1;
	socklen_t n = sizeof(v);

	return getsockopt(fd, SOL_SOCKET, option, &v, &n) ? -1 : v;
}

void socket_of_done(struct socket_of *s)
{
	if (s->own && s->fd >= 0)
		briefly_close(s->fd);
	s->fd = -1;
}

int socket_of(struct request *r, int t_fd, struct socket_of *s)
{
	struct stat st;
	bool real;
	int fd = descriptor_get(r, t_fd, &real);

	*s = (struct socket_of){.fd = -1, .kind = -1};
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || !S_ISSOCK(st.st_mode)) {
		close(fd);
		return -ENOTSOCK;
	}
	s->fd = fd;
	s->own = true;
	if (!real) {
		close(fd);
		s->fd = kept_find(&r->job->kept, st.st_ino);
		s->own = false;
		s->ino = st.st_ino;
	}
	if (s->fd < 0)
		return 0;
	s->kind = socket_kind_of(number_of(s->fd, SO_DOMAIN), number_of(s->fd, SO_TYPE), number_of(s->fd, SO_PROTOCOL));
	s->nonblocking = fcntl(s->fd, F_GETFL) & O_NONBLOCK;
	return 0;
}

/* --- addresses ---------------------------------------------------------------------------------------------- */

int socket_address_copy(struct request *r, uint64_t t_addr, int len, struct socket_address *a)
{
	memset(a, 0, sizeof(*a));
	if (len < 0 || (size_t)len > sizeof(a->room))
		return -EINVAL;
	a->len = (socklen_t)len;
	return len ? guest_read(r->job->who.mem, t_addr, &a->room, (size_t)len) : 0;
}

static int refuse_unix(struct request *r, const struct socket_address *a)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1] = "";
	size_t n = a->len > offsetof(struct sockaddr_un, sun_path) ? a->len - offsetof(struct sockaddr_un, sun_path) : 0;

	if (n > sizeof(path) - 1)
		return -EINVAL;
	memcpy(path, ((const struct sockaddr_un *)&a->room)->sun_path, n);
	/* the C library asks its name service cache by itself: such a path is in the policy's list of quiet ones */
	return refused_always(r, EACCES, *path == '/' ? path : NULL, "sockets: Unix sockets lead nowhere");
}

static bool is_localhost(const struct in6_addr *a)
{
	static const struct in6_addr v4 = {{{[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}}};

	return IN6_IS_ADDR_LOOPBACK(a) || memcmp(a, &v4, sizeof(v4)) == 0;
}

/* The grant that would allow it. An address is named as it was judged. */
static void hint_grant(struct request *r, const struct net_peer *p)
{
	const struct net_route *route = r->job->net.route;
	bool v4 = IN6_IS_ADDR_V4MAPPED(&p->addr);
	char host[INET6_ADDRSTRLEN] = "";

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? &p->addr.s6_addr[12] : p->addr.s6_addr, host, sizeof(host));
	if (!p->port)
		snprintf(r->hint, sizeof(r->hint), "nothing can grant port 0");
	else
		snprintf(r->hint, sizeof(r->hint), "grants.connect: [\"%s%s%s%s:%u\"]%s", p->udp ? "udp://" : "", v4 ? "" : "[", host, v4 ? "" : "]", p->port,
		         route && !route_is_direct(route, NULL, &p->addr) ? ", and no_proxy of the configuration" : "");
}

/* The port of a mute socket's peer does not matter: nothing goes there. What nothing else grants may be an address of a name that was not
 * looked up yet: then the call waits for that. */
static int judge_ip(struct request *r, const struct socket_of *s, const struct net_peer *p)
{
	const char *why = "network: not granted";
	bool mute = socket_is_mute(r, s->kind);
	int rc = mute ? net_judge_mute(&r->job->net, p) : net_judge(&r->job->net, p, &why);

	if (rc && !mute && hostnames_wait(r))
		return -EAGAIN;
	if (rc && mute && is_localhost(&p->addr))
		return rc; /* getaddrinfo(3) sorts the lines of localhost, which every job has */
	if (rc && s->probing && !net_judge_mute(&r->job->net, p))
		return rc; /* to be told would be a riddle: the job asked for the address of a host that it is granted */
	if (!rc)
		return 0;
	hint_grant(r, p);
	return request_refused(r, -rc, NULL, why);
}

/* What Linux takes for the loopback is called by its name, so that nobody chooses another. */
static void name_loopback(struct socket_address *a, const struct net_peer *p)
{
	if (a->sa.sa_family == AF_INET)
		memcpy(&a->in.sin_addr, &p->addr.s6_addr[12], 4);
	else
		a->in6.sin6_addr = p->addr;
}

int socket_address_judge(struct request *r, const struct socket_of *s, struct socket_address *a)
{
	struct net_peer p;
	int rc;

	decode_address(&a->sa, a->len, r->address, sizeof(r->address));
	if (a->len < sizeof(a->sa.sa_family))
		return -EINVAL;
	if (a->sa.sa_family == AF_UNIX)
		return refuse_unix(r, a);
	if (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6)
		return refused_always(r, EAFNOSUPPORT, NULL, "sockets: no such family");
	if (!address_peer(&a->sa, a->len, s->kind == POLICY_UDP4 || s->kind == POLICY_UDP6, &p))
		return -EINVAL;
	rc = judge_ip(r, s, &p);
	if (!rc)
		name_loopback(a, &p);
	return rc;
}

/* --- local addresses ---------------------------------------------------------------------------------------- */

/* How libraries ask whether there is IPv6: any free port of its loopback, which is what connect(2) would choose there by itself. */
static bool is_ipv6_probe(const struct socket_of *s, const struct socket_address *a)
{
	bool inet6 = s->fd < 0 || s->kind == POLICY_TCP6 || s->kind == POLICY_UDP6;

	return inet6 && a->len >= sizeof(a->in6) && a->in6.sin6_family == AF_INET6 && a->in6.sin6_port == 0 && IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

static int64_t bind_here(struct request *r, const struct socket_of *s)
{
	struct socket_address a;
	int rc = socket_address_copy(r, r->call->args[1], (int)r->call->args[2], &a);

	if (rc)
		return rc;
	decode_address(&a.sa, a.len, r->address, sizeof(r->address));
	if (!is_ipv6_probe(s, &a))
		return refused_always(r, EPERM, NULL, "sockets: a job has no address of its own");
	if (s->fd < 0)
		return -EINVAL; /* as natively, for one that has an address already */
	if (request_enter(r, false))
		return -EPERM;
	return bind(s->fd, &a.sa, a.len) ? -errno : 0;
}

int64_t sockets_bind(struct request *r)
{
	struct socket_of s;
	int rc = socket_of(r, (int)r->call->args[0], &s);
	int64_t result = rc ? rc : bind_here(r, &s);

	socket_of_done(&s);
	return result;
}

/* --- options ------------------------------------------------------------------------------------------------ */

/* What a socket holds unsent is memory of the kernel's, which no limit of the job counts: the 252 ends that a job may have open took 2 GiB
 * where net.core.wmem_max is 4 MiB (measured, Linux 6.18). So a buffer can be made smaller; a larger one is a wish that is not met, as beyond
 * wmem_max. The kernel takes negative sizes for large ones. */
static int64_t set_send_buffer(struct request *r, const struct socket_of *s)
{
	int now = s->fd < 0 ? -1 : number_of(s->fd, SO_SNDBUF), wanted;

	if ((int)r->call->args[4] < (int)sizeof(wanted))
		return -EINVAL;
	if (guest_read(r->job->who.mem, r->call->args[3], &wanted, sizeof(wanted)))
		return -EFAULT;
	if (now < 0 || (unsigned)wanted > (unsigned)now / 2) /* the kernel doubles what is asked for, socket(7) */
		return 0;
	return setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted)) ? -errno : 0;
}

int64_t sockets_option(struct request *r)
{
	struct socket_of s;

	if ((int)r->call->args[1] != SOL_SOCKET || (int)r->call->args[2] != SO_SNDBUF)
		return request_refused(r, EPERM, NULL, "sockopts: not granted");
	int rc = socket_of(r, (int)r->call->args[0], &s);
	int64_t result = rc ? rc : set_send_buffer(r, &s);

	socket_of_done(&s);
	return result;
}
