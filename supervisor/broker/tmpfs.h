/* tmpfs.h - the private /tmp and /dev/shm of one job.
 *
 * Made when the job first touches one of them or what is below: a detached tmpfs with a quota of bytes and inodes, owned by
 * the job, the code in it as its first file. Both lie in it under their own names, so that they share the quota. Where the kernel refuses that, a private directory of mode 0700 in which
 * the broker counts what it creates. Ends with the job. Everything in it is regular files, directories and links: the
 * job makes nothing natively.
 */
#ifndef WARDER_TMPFS_H
#define WARDER_TMPFS_H

#include <stdbool.h>
#include <stdint.h>

#include "broker.h"

struct private_tmp {
	int top;           /* directory of both; -1 until made */
	int root;          /* of /tmp; -1 until made */
	int shm;           /* of /dev/shm, likewise */
	uint64_t mnt;      /* mount id of the tmpfs; 0 for a directory */
	char *dir;         /* real path of the directory; NULL for a tmpfs */
	size_t dir_len;
	dev_t dev;
	int64_t inodes_left; /* of the directory: counted by hand */
};

void private_tmp_init(struct private_tmp *p);
/* Its root directory (borrowed), made at the first call; or -errno. Leaves the worker at rest when it had to make
 * one. */
int private_tmp_root(struct private_tmp *p, const struct broker_tracee *who, const struct broker_options *o);
/* Whether it has no byte left: what a native write(2) was told, of which the broker hears nothing. */
bool private_tmp_is_full(const struct private_tmp *p);
void private_tmp_done(struct private_tmp *p, const struct broker_tracee *who);
/* Whether this machine lets the broker make the tmpfs: 0 or -errno. Asked once, then remembered. */
int private_tmp_probe(void);

#endif
