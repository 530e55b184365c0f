/* births.h - what comes over a zygote's control socket: packets of the zygote, and of newborn tracees that have not begun to wait.
 *
 * No user code has that socket (birth.h). Yet an interpreter runs behind it, with modules that a policy preloads, so nothing that comes is
 * believed: sizes, numbers of descriptors, strings. Who may use it: nursery.c. Life: a packet is filled by births_receive; what is left of it
 * is given up by births_drop.
 */
#ifndef WARDER_BIRTHS_H
#define WARDER_BIRTHS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "birth.h"
#include "frames.h"

struct births_packet {
	struct birth_message m; /* zeroes where the packet was shorter; its strings end, its class and layers are such as there are */
	pid_t pid;              /* the sender, as the kernel says; 0: it does not */
	int fds[BIRTH_FDS];     /* owned; -1 where none came; whoever keeps one puts -1 in its place */
};

/* 1: a packet; 0: nobody is there any more; -EAGAIN: nothing yet; -EPROTO: one that was too long, or with too many descriptors, of which none is
 * kept; else -errno. In all but the first case `out` holds no descriptors. */
int births_receive(int control, struct births_packet *out);
void births_drop(struct births_packet *p);

/* What a zygote tells of itself with BIRTH_READY. Borrows from the text. */
struct births_told {
	const char *version;       /* the interpreter's; "?": it tells none */
	const char *executable;    /* the interpreter's path; NULL: it tells none */
	uint64_t reserves_mib;     /* private writable memory that the interpreter maps and leaves untouched */
	struct frames_told frames; /* its trees are new: free */
	const char *no_lines;      /* why no lines of source will be told; NULL: nothing is wrong */
};

/* Cuts `info` (NUL-terminated) into lines. -ENOMEM. */
int births_tell(char *info, struct births_told *out);

#endif
