/* starter.h - a supervisor of our own: warderd on a socket in a directory made for it, with what the environment says.
 *
 * Life: starter_start, then `socket` can be connected to once warderd is up; starter_end. Who may use it: main, before any thread.
 */
#ifndef WARDER_HTTP_STARTER_H
#define WARDER_HTTP_STARTER_H

#include <sys/types.h>

#include "err.h"
#include "knobs.h"

struct starter {
	char dir[64], socket[96]; /* dir: 0750, of group `gid` */
	pid_t pid;                /* of warderd; 0: none */
};

/* The directory that this program's file is in. */
void starter_own_dir(char *buf, size_t size);
/* Writes configuration and policies, checks them (problems go to stderr), starts warderd. `gid` is who may reach the socket, `uid` who may have packages
 * installed. */
int starter_start(struct starter *s, const struct knobs *k, uid_t uid, gid_t gid, struct err *e);
/* Ends warderd in good order, unless it has ended (pid 0), and removes the directory. */
void starter_end(struct starter *s);

#endif
