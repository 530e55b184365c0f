#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "identity.h"

/* --- a detached tmpfs -------------------------------------------------------------------------------------- */

static int set_option(int fs, const char *key, bool octal, unsigned long long value)
{
	char text[32];

	snprintf(text, sizeof(text), octal ? "%llo" : "%llu", value);
	return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, text, 0) ? -errno : 0;
}

static int configure(int fs, const struct scratch_size *s)
{
	int rc = set_option(fs, "size", false, s->bytes);

	rc = rc ? rc : set_option(fs, "nr_inodes", false, s->inodes);
	rc = rc ? rc : set_option(fs, "mode", true, s->mode);
	if (!rc && s->uid != (uid_t)-1) {
		rc = set_option(fs, "uid", false, s->uid);
		rc = rc ? rc : set_option(fs, "gid", false, s->gid);
	}
	if (!rc && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		rc = -errno;
	return rc;
}

int scratch_tmpfs(const struct scratch_size *s)
{
	int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), rc;

	if (fs < 0)
		return -errno;
	rc = configure(fs, s);
	if (!rc) {
		rc = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
		                  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		rc = rc < 0 ? -errno : rc;
	}
	close(fs);
	return rc;
}

uint64_t scratch_mount_id(int fd)
{
	struct statx sx = {0};

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) || !(sx.stx_mask & STATX_MNT_ID))
		return 0;
	return sx.stx_mnt_id;
}

/* --- a private directory ----------------------------------------------------------------------------------- */

/* The name of each: of nobody else's. */
#define DIR_PREFIX ".warder-job-"
#define SWEEP_AGE  2  /* seconds: a younger one may not have its lock yet */

static int dir_below(const char *parent, char **path)
{
	char name[PATH_MAX];
	int fd, rc;

	if (!parent || snprintf(name, sizeof(name), "%s/" DIR_PREFIX "XXXXXX", parent) >= (int)sizeof(name))
		return -ENOENT;
	if (!mkdtemp(name))
		return -errno;
	fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = fd < 0 ? -errno : fd;
	if (fd >= 0)
		flock(fd, LOCK_EX | LOCK_NB); /* held until the last descriptor of it is closed: gone with the worker */
	*path = fd < 0 ? NULL : realpath(name, NULL);
	if (!*path) {
		rc = fd < 0 ? rc : -ENOMEM;
		if (fd >= 0)
			close(fd);
		rmdir(name);
	}
	return rc;
}

#define PARENTS 4
static const char *parent_at(size_t i)
{
	static const char *const rest[] = {"/tmp", "/dev/shm", "/var/tmp"};

	return i ? rest[i - 1] : getenv("TMPDIR");
}

int scratch_dir(char **path)
{
	int rc = -ENOENT;

	for (size_t i = 0; i < PARENTS && rc < 0; i++)
		rc = dir_below(parent_at(i), path);
	return rc;
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Empties the directory `name` of `top` by moving its own directories up to top, so that neither depth nor
 * descriptors grow with what a job has nested; then removes it. */
static void flatten(int top, const char *name, unsigned long *serial)
{
	int fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *d;
	char moved[40];
	DIR *dir;

	/* the job has ended: nobody puts a link in its place */
	if (fd < 0 && errno == EACCES && !fchmodat(top, name, 0700, 0))
		fd = openat(top, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	fchmod(fd, 0700);
	while ((d = readdir(dir))) {
		if (is_dots(d->d_name) || !unlinkat(fd, d->d_name, 0) || !unlinkat(fd, d->d_name, AT_REMOVEDIR))
			continue;
		/* another parent means another "..", for which a directory must be writable where there is no capability */
		(void)!fchmodat(fd, d->d_name, 0700, 0);
		snprintf(moved, sizeof(moved), ".warder-%lu", *serial);
		*serial += !renameat(fd, d->d_name, top, moved);
	}
	closedir(dir);
	unlinkat(top, name, AT_REMOVEDIR);
}

/* One pass over the top; whether something was there and went. */
static bool sweep(int top, unsigned long *serial)
{
	int again = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again < 0 ? NULL : fdopendir(again);
	unsigned long before = *serial;
	bool went = false;
	struct dirent *d;

	if (!dir) {
		if (again >= 0)
			close(again);
		return false;
	}
	while ((d = readdir(dir))) {
		if (is_dots(d->d_name))
			continue;
		if (unlinkat(top, d->d_name, 0) && unlinkat(top, d->d_name, AT_REMOVEDIR))
			flatten(top, d->d_name, serial);
		went |= faccessat(top, d->d_name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
	}
	closedir(dir);
	return went || *serial != before;
}

void scratch_remove(int dir, char *path)
{
	unsigned long serial = 0;

	fchmod(dir, 0700);
	while (sweep(dir, &serial))
		;
	close(dir);
	rmdir(path);
	free(path);
}

/* Takes the owner's power, which is all that its removal needs: the parents are sticky directories. */
static bool become_owner(const struct stat *st)
{
	return (st->st_uid ? identity_enter(st->st_uid, st->st_gid) : identity_full()) == 0;
}

static void sweep_one(const char *parent, const char *name)
{
	char path[PATH_MAX], *copy;
	struct stat st;
	int fd = -1;

	if (snprintf(path, sizeof(path), "%s/%s", parent, name) >= (int)sizeof(path) || lstat(path, &st) || !S_ISDIR(st.st_mode) ||
	    time(NULL) - st.st_ctime < SWEEP_AGE || !become_owner(&st))
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	copy = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) ? NULL : strdup(path);
	if (copy)
		scratch_remove(fd, copy);
	else if (fd >= 0)
		close(fd);
	identity_leave();
}

void scratch_sweep(void)
{
	for (size_t i = 0; i < PARENTS; i++) {
		DIR *dir = parent_at(i) ? opendir(parent_at(i)) : NULL;
		struct dirent *d;

		while (dir && (d = readdir(dir)))
			if (!strncmp(d->d_name, DIR_PREFIX, strlen(DIR_PREFIX)))
				sweep_one(parent_at(i), d->d_name);
		if (dir)
			closedir(dir);
	}
}
