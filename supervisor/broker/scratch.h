/* scratch.h - places that only the broker and one job see: a detached tmpfs, or else a private directory.
 *
 * A detached tmpfs (fsopen and fsmount, Linux 5.2, CAP_SYS_ADMIN) is attached nowhere and gone with its last
 * descriptor. Where the kernel does not permit one, a directory with a random name and mode 0700 stands in; it has to
 * be removed by scratch_remove. Who may use it: tmpfs.c, skeleton.c.
 */
#ifndef WARDER_SCRATCH_H
#define WARDER_SCRATCH_H

#include <stdint.h>
#include <sys/types.h>

struct scratch_size {
	uint64_t bytes;  /* rounded up to pages by the kernel */
	uint64_t inodes; /* its root counts as one */
	mode_t mode;     /* of its root */
	uid_t uid;       /* owner of its root; (uid_t)-1: the worker's own */
	gid_t gid;
};

/* The root directory of a new one, close-on-exec, no set-uid, no devices, no execution; or -errno (-EPERM where not
 * allowed). */
int scratch_tmpfs(const struct scratch_size *s);
/* A new directory below $TMPDIR, /tmp, /dev/shm or /var/tmp, the first that takes it, owned by the present file-system
 * uid. Returns its descriptor; *path is new (free). */
int scratch_dir(char **path);
/* Removes what supervisors that are gone have left of these (kill -9): a living one holds a lock on each of its own. Never follows a
 * link, and has the power of each directory's owner alone. At rest before and after. */
void scratch_sweep(void);
/* Removes the directory and all below it, never following a link. Takes dir (closes it) and path (frees it). */
void scratch_remove(int dir, char *path);
/* Mount id of what fd is open on, 0 when the kernel does not tell. */
uint64_t scratch_mount_id(int fd);

#endif
