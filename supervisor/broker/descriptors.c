#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "identity.h"
#include "resolve.h"
#include "scratch.h"

/* procfs judges by the file-system uid; the pid is the tracee's only while its call is still pending. */
static int by_procfs(struct request *r, int t_fd)
{
	char name[64];
	int rc = request_enter(r, true), fd;

	if (rc)
		return rc;
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", r->job->who.t_pid, t_fd);
	fd = open(name, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EBADF : -errno;
	if (!r->still_there(r->arg, r->call->id)) {
		close(fd);
		return -EINTR;
	}
	return fd;
}

bool descriptors_in_reach(struct request *r)
{
	struct broker_tree *t = r->job->tree;
	int fd;

	if (!t->fd_of_other && !t->fd_asked) {
		fd = (int)syscall(SYS_pidfd_getfd, r->job->who.pidfd, 0, 0);
		if (fd >= 0)
			close(fd);
		else if (errno == EPERM || errno == ENOSYS)
			t->fd_of_other = errno;
		t->fd_asked = true;
	}
	return !t->fd_of_other;
}

int descriptor_get(struct request *r, int t_fd, bool *real)
{
	struct broker_tree *t = r->job->tree;

	*real = true;
	if (t_fd < 0)
		return -EBADF;
	if (!t->fd_of_other) {
		int fd = (int)syscall(SYS_pidfd_getfd, r->job->who.pidfd, t_fd, 0);

		if (fd >= 0)
			return fd;
		if (errno != EPERM && errno != ENOSYS)
			return -errno;
		t->fd_of_other = errno;
	}
	*real = false;
	return by_procfs(r, t_fd);
}

static bool strip(char *s, const char *prefix, size_t len)
{
	if (!vpath_covers(prefix, len, s))
		return false;
	memmove(s, s + len, strlen(s) - len + 1);
	return true;
}

static int below(char *s, size_t size, const char *virtual_root)
{
	size_t n = strlen(virtual_root), len = strcmp(s, "/") ? strlen(s) : 0;

	if (n + len + 1 > size)
		return -ENAMETOOLONG;
	memmove(s + n, s, len);
	memcpy(s, virtual_root, n);
	s[n + len] = '\0';
	return 0;
}

/* `s`: what /proc/self/fd says of the worker's duplicate. A real name of a granted object is its virtual name too
 * (tree.h). */
static int to_virtual(struct request *r, uint64_t mnt, char *s, size_t size)
{
	const struct private_tmp *tmp = &r->job->tmp;
	struct broker_grants *own = r->job->options.grants;
	struct broker_tree *t = r->job->tree;
	enum place place;

	if (tmp->root >= 0 && (tmp->mnt ? mnt == tmp->mnt : tmp->dir && strip(s, tmp->dir, tmp->dir_len)))
		return 0; /* named there as in the tree */
	if (skeleton_holds(&t->skeleton, mnt, s) || (own && skeleton_holds(&own->skeleton, mnt, s)))
		return below(s, size, "");
	if (skeleton_holds(&r->job->synth, mnt, s))
		return 0;
	place = tree_find(t, own, s).place;
	if (place != PLACE_HOST && place != PLACE_SYNTH) /* procfs's own lists of numbers are among the latter */
		return -ENOENT;
	return strcmp(s, "/") ? 0 : below(s, size, "");
}

static int name_of(struct request *r, int fd, char *path, size_t size)
{
	char name[16];
	ssize_t n;

	snprintf(name, sizeof(name), "%d", fd);
	n = readlinkat(r->job->tree->proc_fds, name, path, size - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	return *path == '/' ? 0 : -ENOENT;
}

/* The kernel adds this to the last name of what was removed. */
static void strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	size_t n = strlen(path), m = sizeof(mark) - 1;

	if (n > m && !strcmp(path + n - m, mark))
		path[n - m] = '\0';
}

int descriptor_directory(struct request *r, int fd, char *path, size_t size, bool *gone)
{
	struct statx sx = {0};
	int rc;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_NLINK | STATX_MNT_ID, &sx))
		return -errno;
	if (!S_ISDIR(sx.stx_mode))
		return -ENOTDIR;
	rc = name_of(r, fd, path, size);
	if (rc)
		return rc;
	*gone = sx.stx_nlink == 0;
	if (*gone)
		strip_deleted(path);
	return to_virtual(r, sx.stx_mnt_id, path, size);
}

bool descriptor_show(struct request *r, int fd, char *path, size_t size)
{
	return !name_of(r, fd, path, size) && !to_virtual(r, scratch_mount_id(fd), path, size);
}

bool descriptor_kind(struct request *r, int fd, char *buf, size_t size)
{
	static const char anonymous[] = "anon_inode:", memfd[] = "/memfd:";
	char name[16];
	ssize_t n;

	snprintf(name, sizeof(name), "%d", fd);
	n = readlinkat(r->job->tree->proc_fds, name, buf, size - 1);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	if (!strncmp(buf, memfd, sizeof(memfd) - 1)) {
		snprintf(buf, size, "memfd");
		return true;
	}
	if (!strncmp(buf, anonymous, sizeof(anonymous) - 1)) /* "anon_inode:[eventpoll]" */
		memmove(buf, buf + sizeof(anonymous) - 1, strlen(buf) - (sizeof(anonymous) - 1) + 1);
	else
		buf[strcspn(buf, ":")] = '\0'; /* "pipe:[1234]" */
	if (*buf == '/') /* a name of the host's, which is nothing to the job */
		return false;
	if (*buf == '[') {
		memmove(buf, buf + 1, strlen(buf));
		buf[strcspn(buf, "]")] = '\0';
	}
	return true;
}

enum owner descriptor_owner(struct request *r, int fd)
{
	const struct private_tmp *tmp = &r->job->tmp;
	uint64_t mnt = scratch_mount_id(fd);
	char path[PATH_MAX];

	if (mnt && (mnt == tmp->mnt || mnt == r->job->tree->memfd_mnt))
		return OWNER_JOB;
	if (!tmp->dir || name_of(r, fd, path, sizeof(path)))
		return OWNER_OTHER;
	return vpath_covers(tmp->dir, tmp->dir_len, path) ? OWNER_JOB : OWNER_OTHER;
}

uint32_t descriptor_rights(struct request *r, int fd)
{
	char path[VPATH_MAX];
	struct object o = {.fd = -1};
	struct stat st;
	uint32_t rights = 0;

	if (descriptor_owner(r, fd) == OWNER_JOB)
		return RIGHT_READ | RIGHT_WRITE | RIGHT_CREATE | RIGHT_LIST;
	/* a name is only a hint: what it leads to must be the very object */
	if (descriptor_show(r, fd, path, sizeof(path)) && !fstat(fd, &st) &&
	    !resolve_find(r, "", vpath_show(path), FIND_NOFOLLOW, &o) && o.st.st_dev == st.st_dev && o.st.st_ino == st.st_ino)
		rights = o.rights;
	object_done(&o);
	return rights;
}
