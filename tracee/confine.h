/* confine.h - the layers that a process puts on itself: once in the zygote, and in each newborn tracee.
 *
 * Works on plain values; knows no interpreter. After fork it must not allocate. A layer that fails is told in
 * `struct err` whose step is the call's name; the caller then ends the process: nobody goes on half-confined.
 */
#ifndef WARDER_CONFINE_H
#define WARDER_CONFINE_H

#include <linux/filter.h>
#include <sys/types.h>

#include "birth.h"

struct confine_plan {
	struct birth_setup setup;
	struct sock_fprog whitelist, broker;
	uint64_t data_size, as_size; /* bytes: the zygote's own, which RLIMIT_DATA and RLIMIT_AS are counted from */
};

/* In the zygote: an empty root directory, keep only the capabilities that births need, no_new_privs, whitelist filter, SIGCHLD ignored. */
int confine_zygote(const struct confine_plan *p, struct err *e);

struct confine_birth {
	int slot;
	uid_t uid;
	gid_t gid;
	const int *keep;  /* descriptors from 3 on that stay open, ascending; the rest is closed */
	size_t n_keep;
	pid_t zygote;     /* the parent that must still be there */
	pid_t own_pid;    /* out: in its own pid namespace */
	uint32_t layers;  /* out: bit (1 << LAYER_x) that are on */
	int fds[BIRTH_FDS]; /* out: to be sent to the worker, then closed */
};

/* In the newborn: every layer of a tracee, in the order that design section 2 gives. */
int confine_tracee(const struct confine_plan *p, struct confine_birth *b, struct err *e);

#endif
