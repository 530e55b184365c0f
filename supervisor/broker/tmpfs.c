#include "tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "identity.h"
#include "scratch.h"
#include "without.h"

#define OWN_INODES 4 /* top, tmp, dev, shm; the code counts as the job's */

void private_tmp_init(struct private_tmp *p)
{
	*p = (struct private_tmp){.top = -1, .root = -1, .shm = -1};
}

int private_tmp_probe(void)
{
	const struct scratch_size small = {4096, 16, 01777, (uid_t)-1, (gid_t)-1};
	static int known = 1;
	int fd;

	if (known <= 0)
		return known;
	fd = WITHOUT(tmp_quota) ? -ENOTSUP : scratch_tmpfs(&small);
	if (fd >= 0)
		close(fd);
	known = fd < 0 ? fd : 0;
	return known;
}

static int make_directory(struct private_tmp *p, const struct broker_options *o)
{
	p->top = scratch_dir(&p->dir);
	if (p->top < 0)
		return p->top;
	p->dir_len = strlen(p->dir);
	p->inodes_left = o->tmp_inodes > INT64_MAX ? INT64_MAX : (int64_t)o->tmp_inodes;
	return 0;
}

static int make_tmpfs(struct private_tmp *p, const struct broker_tracee *who, const struct broker_options *o)
{
	const struct scratch_size size = {o->tmp_bytes, o->tmp_inodes + OWN_INODES, 0700, who->uid, who->gid};
	int rc = private_tmp_probe();

	rc = rc ? rc : scratch_tmpfs(&size);
	if (rc < 0)
		return rc;
	p->top = rc;
	p->mnt = scratch_mount_id(rc);
	return 0;
}

static int write_all(int fd, struct bytes b)
{
	while (b.len) {
		ssize_t n = write(fd, b.p, b.len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			b.p += n;
			b.len -= (size_t)n;
		}
	}
	return 0;
}

/* The code may be larger than the quota: then it is not there to be read, and the traceback has no source lines. */
static void put_code(struct private_tmp *p, const struct broker_options *o)
{
	int fd = openat(p->root, o->filename, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	fchmod(fd, 0644);
	p->inodes_left--;
	if (write_all(fd, o->code))
		unlinkat(p->root, o->filename, 0);
	close(fd);
}

static int make_own(int top, const char *name)
{
	int fd;

	if (mkdirat(top, name, 0700))
		return -errno;
	fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 01777))
		return -errno;
	return fd;
}

static int make_both(struct private_tmp *p)
{
	p->root = make_own(p->top, "tmp");
	if (p->root < 0)
		return p->root;
	if (mkdirat(p->top, "dev", 0700))
		return -errno;
	p->shm = make_own(p->top, "dev/shm");
	return p->shm < 0 ? p->shm : 0;
}

int private_tmp_root(struct private_tmp *p, const struct broker_tracee *who, const struct broker_options *o)
{
	struct stat st;
	int rc;

	if (p->root >= 0)
		return p->root;
	rc = make_tmpfs(p, who, o);
	if (identity_enter(who->uid, who->gid))
		rc = -EPERM;
	else if (rc)
		rc = make_directory(p, o);
	rc = rc ? rc : make_both(p);
	if (!rc) {
		put_code(p, o);
		p->dev = fstat(p->root, &st) ? 0 : st.st_dev;
	}
	identity_leave();
	if (rc)
		private_tmp_done(p, who);
	return rc ? rc : p->root;
}

bool private_tmp_is_full(const struct private_tmp *p)
{
	struct statfs fs;

	return p->root >= 0 && !p->dir && !fstatfs(p->root, &fs) && fs.f_bfree == 0;
}

void private_tmp_done(struct private_tmp *p, const struct broker_tracee *who)
{
	if (p->root >= 0)
		close(p->root);
	if (p->shm >= 0)
		close(p->shm);
	if (p->dir) {
		identity_enter(who->uid, who->gid);
		scratch_remove(p->top, p->dir);
		identity_leave();
	} else if (p->top >= 0) {
		close(p->top);
	}
	private_tmp_init(p);
}
