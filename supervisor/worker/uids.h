/* uids.h - which uids and gids the tracees of a worker get, claimed so that no two workers on a machine share one.
 *
 * A shared uid would let jobs of two supervisors count against each other's thread limits (RLIMIT_NPROC is per uid).
 * A claim is an abstract socket name per UIDS_STEP uids: it goes with its holder, whatever way that ends, and leaves no file.
 * Somebody who holds names without right gains nothing: the worker then goes on with uids that are not claimed, and says so.
 * Who may use it: worker.c. Life: uids_claim, then uids_release.
 */
#ifndef WARDER_UIDS_H
#define WARDER_UIDS_H

#include <stdbool.h>
#include <sys/types.h>

/* Below 65536, since many containers map no more, and outside the ranges that Debian and systemd hand out (policy manual
 * 9.2.2: 60000 to 64999 are free for programs to use by agreement). */
#define UIDS_FIRST 60200
#define UIDS_END   65000
#define UIDS_STEP  50
#define UIDS_CLAIMS ((UIDS_END - UIDS_FIRST) / UIDS_STEP)

struct uids {
	uid_t base;                /* of `n` consecutive uids; gids are the same numbers */
	bool claimed;
	int fds[UIDS_CLAIMS];      /* the sockets that hold the names */
	unsigned n_fds;
};

/* The first free range of n uids. 0; -EBUSY when none is free or claims cannot be made: base is UIDS_FIRST then,
 * not claimed; -ERANGE when n are more than there are. */
int uids_claim(struct uids *u, unsigned n);
void uids_release(struct uids *u);

#endif
