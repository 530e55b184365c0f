/* sockets.h - which sockets and socket options a policy can give: two tables, one row each.
 *
 * Only what stands here can be granted; the option table also knows those that nothing grants, with the reason. Who may use it: the
 * policy library, the broker. Static data.
 */
#ifndef WARDER_SOCKETS_H
#define WARDER_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "policy.h"

struct socket_kind {
	const char *family, *type, *protocol; /* as `sockets:` has them */
	int af, sock_type, ipproto;
};
/* By enum policy_socket. */
extern const struct socket_kind socket_kinds[POLICY_SOCKETS];
/* The kind of socket(family, type, protocol), type without its flags, protocol 0 for the usual one; -1: none of ours. */
int socket_kind_of(int family, int type, int protocol);

struct socket_option {
	const char *level_name, *name;
	int level, option;
	const char *never; /* why nothing grants it; NULL: may be granted */
};
/* "SOL_SOCKET/SO_REUSEADDR"; NULL: unknown. */
const struct socket_option *socket_option_find(const char *text);
const struct socket_option *socket_option_at(size_t i); /* NULL past the end; for tests and documentation */

#endif
