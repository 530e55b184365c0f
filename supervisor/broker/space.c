/* space.c - statfs: how full the job's /tmp is. Of the host's file systems it tells nothing but what a job can use: a
 * granted place has room when it may be written, and none otherwise. */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "descriptors.h"
#include "guest.h"
#include "handlers.h"
#include "resolve.h"
#include "rows.h"

#define BLOCK 4096
#define GRANT_BLOCKS (1u << 18) /* 1 GiB: enough for whoever asks before he writes */
#define GRANT_INODES (1u << 20)
#define KERNEL_ST_VALID 0x0020 /* statfs(2): f_flags is filled */

static void of_grant(uint32_t rights, struct statfs *fs)
{
	bool writable = rights & RIGHT_WRITE;

	*fs = (struct statfs){.f_type = OVERLAYFS_SUPER_MAGIC, .f_bsize = BLOCK, .f_frsize = BLOCK, .f_namelen = NAME_MAX};
	fs->f_blocks = GRANT_BLOCKS;
	fs->f_files = GRANT_INODES;
	fs->f_bfree = fs->f_bavail = writable ? GRANT_BLOCKS : 0;
	fs->f_ffree = writable ? GRANT_INODES : 0;
	fs->f_flags = KERNEL_ST_VALID | ST_NOSUID | ST_NODEV | (writable ? 0 : ST_RDONLY);
}

/* The tmpfs tells by itself; a directory in its place has the quota's figures, and what is left of its inodes. */
static int of_tmp(struct request *r, int fd, struct statfs *fs)
{
	const struct broker_job *b = r->job;

	if (!b->tmp.dir) {
		if (fstatfs(fd, fs))
			return -errno;
		memset(&fs->f_fsid, 0, sizeof(fs->f_fsid));
		return 0;
	}
	of_grant(RIGHT_WRITE, fs);
	fs->f_type = TMPFS_MAGIC;
	fs->f_blocks = fs->f_bfree = fs->f_bavail = b->options.tmp_bytes / BLOCK;
	fs->f_files = b->options.tmp_inodes;
	fs->f_ffree = b->tmp.inodes_left > 0 ? (uint64_t)b->tmp.inodes_left : 0;
	return 0;
}

static int64_t tell(struct request *r, int rc, const struct statfs *fs)
{
	return rc ? rc : guest_write(r->job->who.mem, r->call->args[1], fs, sizeof(*fs));
}

int64_t space_statfs(struct request *r)
{
	struct statfs fs;
	struct object o;
	int fd, rc = look_find(r, &o, &fd);

	if (!rc && o.place == PLACE_TMP)
		rc = of_tmp(r, o.fd, &fs);
	else if (!rc)
		of_grant(o.rights, &fs);
	look_done(&o, fd);
	return tell(r, rc, &fs);
}

/* Pipes, sockets and the like have file systems of the kernel's own, which tell nothing. */
static bool has_a_place(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISCHR(st.st_mode));
}

int64_t space_fstatfs(struct request *r)
{
	struct statfs fs;
	bool real;
	int fd = descriptor_get(r, (int)r->call->args[0], &real), rc = 0;

	if (fd < 0)
		return fd;
	if (!has_a_place(fd))
		rc = fstatfs(fd, &fs) ? -errno : 0;
	else if (descriptor_owner(r, fd) == OWNER_JOB)
		rc = of_tmp(r, fd, &fs);
	else
		of_grant(descriptor_rights(r, fd), &fs);
	close(fd);
	return tell(r, rc, &fs);
}
