/* /proc/PID/fd/N: what the job holds under a number, named, looked at and opened anew.
 *
 * A name there leads to the object, not to a path (proc(5)). What lies in the job's /tmp or below a grant is that file of the tree
 * again, with the rights that it has there. Anything else, a pipe, its stdin, a file without a name, can be opened with the access
 * that the job's own descriptor has, and with no more. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "identity.h"
#include "scratch.h"
#include "synth.h"

/* Access mode of the job's descriptor: the duplicate's own or, of a path-only handle, what procfs tells. -EBADF. */
static int access_mode(struct request *r, int t_fd, int fd, bool real)
{
	char name[64], text[256];
	unsigned flags;
	const char *at;
	ssize_t n;
	int info;

	if (real)
		return fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH);
	snprintf(name, sizeof(name), "/proc/%d/fdinfo/%d", (int)r->job->who.t_pid, t_fd);
	if (request_enter(r, true))
		return -EPERM;
	info = open(name, O_RDONLY | O_CLOEXEC);
	n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (info >= 0)
		close(info);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "flags:");
	if (!at || sscanf(at, "flags: %o", &flags) != 1 || !r->still_there(r->arg, r->call->id))
		return -EBADF;
	return (int)flags & (O_ACCMODE | O_PATH);
}

int synth_fd_look(struct request *r, int t_fd, struct stat *st)
{
	bool real;
	int fd = descriptor_get(r, t_fd, &real), mode;

	if (fd < 0)
		return fd == -EBADF ? -ENOENT : fd;
	mode = access_mode(r, t_fd, fd, real);
	close(fd);
	if (mode < 0)
		return mode;
	st->st_mode = S_IFLNK | ((mode & O_ACCMODE) != O_WRONLY ? 0500 : 0) | ((mode & O_ACCMODE) != O_RDONLY ? 0300 : 0);
	st->st_size = 64; /* as procfs has it for all of them */
	return 0;
}

/* What the kernel calls the worker's duplicate: only names of the job's tree and of things without a place pass. */
static ssize_t name_of(struct request *r, int fd, char *target, size_t size)
{
	static const char *const placeless[] = {"pipe:[", "socket:[", "anon_inode:", "/memfd:"};
	char link[16], raw[PATH_MAX], path[VPATH_MAX];
	const char *shown = "(unreachable)";
	size_t n;
	ssize_t len;

	snprintf(link, sizeof(link), "%d", fd);
	len = readlinkat(r->job->tree->proc_fds, link, raw, sizeof(raw) - 1);
	if (len < 0)
		return -errno;
	raw[len] = '\0';
	for (size_t i = 0; i < sizeof(placeless) / sizeof(placeless[0]); i++)
		if (!strncmp(raw, placeless[i], strlen(placeless[i])))
			shown = raw;
	if (shown == raw && !strncmp(raw, "/memfd:/", 8)) { /* a synthetic file, called by its own name */
		raw[len - (ssize_t)strlen(" (deleted)")] = '\0';
		shown = raw + 7;
	} else if (descriptor_show(r, fd, path, sizeof(path))) {
		shown = vpath_show(path);
	}
	n = strlen(shown);
	n = n < size ? n : size;
	memcpy(target, shown, n);
	return (ssize_t)n;
}

ssize_t synth_fd_target(struct request *r, int t_fd, char *target, size_t size)
{
	bool real;
	int fd = descriptor_get(r, t_fd, &real);
	ssize_t n;

	if (fd < 0)
		return fd == -EBADF ? -ENOENT : fd;
	n = name_of(r, fd, target, size);
	close(fd);
	return n;
}

/* --- the object itself ----------------------------------------------------------------------------------------- */

static bool is_in_tmp(struct request *r, const struct object *o)
{
	return (S_ISREG(o->st.st_mode) || S_ISDIR(o->st.st_mode)) && descriptor_owner(r, o->fd) == OWNER_JOB &&
	       scratch_mount_id(o->fd) != r->job->tree->memfd_mnt;
}

/* The grant under which the tree has this very object: then it is an object like any other, but keeps the job's handle. */
static bool is_in_grant(struct request *r, struct object *o)
{
	char path[VPATH_MAX];
	struct object named = {.fd = -1};
	bool same;

	if (!descriptor_show(r, o->fd, path, sizeof(path)))
		return false;
	same = !resolve_find(r, "", vpath_show(path), FIND_NOFOLLOW, &named) && named.place == PLACE_HOST &&
	       named.st.st_dev == o->st.st_dev && named.st.st_ino == o->st.st_ino;
	if (same) {
		o->place = named.place;
		o->grant = named.grant;
		o->rights = named.rights;
		o->is_grant = named.is_grant;
		vpath_set(&o->path, named.path.s);
	}
	object_done(&named);
	return same;
}

/* The number at the end of a name that find() has already taken for one of /proc/PID/fd. */
static int t_fd_of(const char *path)
{
	const char *p = strrchr(path, '/') + 1;
	int n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		n = 10 * n + (*p - '0');
	return n;
}

static int take(struct request *r, struct object *o, int mode)
{
	if (is_in_tmp(r, o)) {
		struct lookup l = tree_find(r->job->tree, NULL, "/tmp");

		o->place = PLACE_TMP;
		o->grant = l.grant;
		o->rights = l.rights;
		return 0;
	}
	if (!S_ISDIR(o->st.st_mode) && is_in_grant(r, o))
		return 0;
	o->place = PLACE_FD;
	o->rights = ((mode & O_ACCMODE) != O_WRONLY ? RIGHT_READ : 0) | ((mode & O_ACCMODE) != O_RDONLY ? RIGHT_WRITE : 0);
	return 0;
}

int synth_jump(struct request *r, const char *path, struct object *o)
{
	char link[64];
	int t_fd = t_fd_of(path), fd, mode;
	bool real;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)r->job->who.t_own_pid, t_fd);
	if (strcmp(link, path))
		return 1;
	fd = descriptor_get(r, t_fd, &real);
	if (fd < 0)
		return fd == -EBADF ? -ENOENT : fd;
	mode = access_mode(r, t_fd, fd, real);
	if (mode < 0 || fstat(fd, &o->st) || (S_ISDIR(o->st.st_mode) && o->st.st_nlink)) {
		close(fd);
		return mode < 0 ? mode : 1; /* a directory is found by its name */
	}
	object_done(o);
	o->fd = fd;
	o->own = true;
	o->is_grant = false;
	return take(r, o, mode);
}

/* A pipe is opened without waiting for its other end, then set to wait as was asked. */
static int open_again(struct request *r, const struct object *o, int flags)
{
	char name[16];
	int fd;

	/* the job's own stdin, stdout and stderr are pipes of the worker's; looking for the name may have taken the job's identity */
	if (r->entered) {
		identity_leave();
		r->entered = false;
	}
	snprintf(name, sizeof(name), "%d", o->fd);
	fd = openat(r->job->tree->proc_fds, name, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == EACCES && !request_enter(r, true)) /* a pipe of the job's own making */
		fd = openat(r->job->tree->proc_fds, name, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK)) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

int synth_reopen(struct request *r, const struct object *o, int flags)
{
	int mode = flags & O_ACCMODE;
	uint32_t need = (mode != O_WRONLY ? RIGHT_READ : 0) | (mode != O_RDONLY || (flags & O_TRUNC) ? RIGHT_WRITE : 0);

	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (!S_ISREG(o->st.st_mode) && !S_ISFIFO(o->st.st_mode) && !S_ISCHR(o->st.st_mode))
		return -ENXIO; /* sockets, and what the kernel has no file for */
	if (need & ~o->rights)
		return request_refused(r, EACCES, o->path.s, "synthetic: no more access than the descriptor has");
	return open_again(r, o, flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW | O_DIRECTORY));
}
