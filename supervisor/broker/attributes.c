/* attributes.c - mode, times and size of objects: the job's own, and below grants with the right `write`.
 *
 * An O_RDONLY descriptor is enough for fchmod(2) and futimens(3) on what one owns, whatever it was given for: so
 * these are decided on the object behind the descriptor, never left to the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "descriptors.h"
#include "guest.h"
#include "handlers.h"
#include "resolve.h"
#include "rows.h"

/* One object to be changed, however it was named. */
struct target {
	struct object o;
	int fd;         /* the worker's duplicate of a descriptor, or -1: `o` then */
	bool real;      /* the duplicate is the very open file */
	bool must_be_file; /* asked of what a path names, before the right to change it */
	char proc[16];  /* its name below /proc/self/fd: O_PATH handles are changed by that */
};

static int decide_on_descriptor(struct request *r, struct target *t)
{
	char path[VPATH_MAX];
	bool shown;

	if (descriptor_rights(r, t->fd) & RIGHT_WRITE)
		return 0;
	shown = descriptor_show(r, t->fd, path, sizeof(path));
	return request_refused(r, EACCES, shown ? path : NULL, r->job->tree->hidden_rule);
}

static int by_descriptor(struct request *r, int t_fd, struct target *t)
{
	t->o.fd = -1;
	t->o.own = false;
	t->fd = descriptor_get(r, t_fd, &t->real);
	return t->fd < 0 ? t->fd : decide_on_descriptor(r, t);
}

static int by_path(struct request *r, struct target *t)
{
	const char *base, *text = r->text[0];
	int rc = resolve_base(r, request_dirfd(r, 0), text, &base);

	if (rc)
		return rc;
	rc = resolve_find(r, base, *text ? text : ".", r->flags & AT_SYMLINK_NOFOLLOW ? FIND_NOFOLLOW : 0, &t->o);
	if (!rc && t->must_be_file && !S_ISREG(t->o.st.st_mode))
		rc = S_ISDIR(t->o.st.st_mode) ? -EISDIR : -EINVAL;
	if (!rc && !(t->o.rights & RIGHT_WRITE))
		rc = request_refused(r, EACCES, t->o.path.s,
		                     t->o.grant ? t->o.grant->rule : r->job->tree->hidden_rule);
	return rc;
}

/* Finds it, asks whether it may be changed, takes the job's identity. target_done in any case. */
static int find(struct request *r, struct target *t)
{
	int t_dirfd = request_dirfd(r, 0), rc;

	t->o.fd = t->fd = -1;
	t->o.own = false;
	if (r->no_path && (r->flags || t_dirfd == AT_FDCWD))
		rc = t_dirfd == AT_FDCWD ? -EFAULT : -EINVAL;
	else if (*r->text[0] || t_dirfd == AT_FDCWD)
		rc = *r->text[0] || r->flags & AT_EMPTY_PATH ? by_path(r, t) : -ENOENT;
	else
		rc = r->flags & AT_EMPTY_PATH || r->no_path ? by_descriptor(r, t_dirfd, t) : -ENOENT;
	rc = rc ? rc : request_enter(r, t->fd < 0 && t->o.place == PLACE_HOST);
	snprintf(t->proc, sizeof(t->proc), "%d", t->fd >= 0 ? t->fd : t->o.fd);
	return rc;
}

/* The same of a call that names it by a descriptor alone. */
static int find_descriptor(struct request *r, bool with_group, struct target *t)
{
	int rc = by_descriptor(r, (int)r->call->args[0], t);

	rc = rc ? rc : request_enter(r, with_group);
	snprintf(t->proc, sizeof(t->proc), "%d", t->fd);
	return rc;
}

static void target_done(struct target *t)
{
	if (t->fd >= 0)
		close(t->fd);
	object_done(&t->o);
}

static bool is_link(const struct target *t)
{
	return t->fd < 0 && S_ISLNK(t->o.st.st_mode);
}

/* --- mode -------------------------------------------------------------------------------------------------- */

int64_t attributes_chmod(struct request *r)
{
	mode_t mode = (mode_t)request_arg(r, r->row->mode) & MODE_GIVEN;
	struct target t = {0};
	int rc = find(r, &t);

	if (!rc && is_link(&t))
		rc = -EOPNOTSUPP;
	if (!rc && fchmodat(r->job->tree->proc_fds, t.proc, mode, 0))
		rc = -errno;
	target_done(&t);
	return rc;
}

int64_t attributes_fchmod(struct request *r)
{
	struct target t = {0};
	int rc = find_descriptor(r, false, &t);

	if (!rc && fchmodat(r->job->tree->proc_fds, t.proc, (mode_t)r->call->args[1] & MODE_GIVEN, 0))
		rc = -errno;
	target_done(&t);
	return rc;
}

/* --- owner ------------------------------------------------------------------------------------------------- */

/* The kernel lets an owner give it to himself and to a group of his own, which have no other: the worker has the job's
 * identity here, and so no more power. */
static int set_owner(struct request *r, const struct target *t, uid_t uid, gid_t gid)
{
	if (is_link(t))
		return fchownat(t->o.fd, "", uid, gid, AT_EMPTY_PATH) ? -errno : 0;
	return fchownat(r->job->tree->proc_fds, t->proc, uid, gid, 0) ? -errno : 0;
}

int64_t attributes_chown(struct request *r)
{
	row_arg owner = r->row->mode;
	struct target t = {0};
	int rc = find(r, &t);

	rc = rc ? rc : set_owner(r, &t, (uid_t)request_arg(r, owner), (gid_t)request_arg(r, owner + 1));
	target_done(&t);
	return rc;
}

int64_t attributes_fchown(struct request *r)
{
	struct target t = {0};
	int rc = find_descriptor(r, true, &t);

	rc = rc ? rc : set_owner(r, &t, (uid_t)r->call->args[1], (gid_t)r->call->args[2]);
	target_done(&t);
	return rc;
}

/* --- times ------------------------------------------------------------------------------------------------- */

/* `times` NULL: now, as the call has it. */
static int64_t set_times(struct request *r, const struct timespec *times)
{
	struct target t = {0};
	int rc = find(r, &t);

	if (!rc && is_link(&t))
		rc = utimensat(t.o.fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) ? -errno : 0;
	else if (!rc)
		rc = utimensat(r->job->tree->proc_fds, t.proc, times, 0) ? -errno : 0;
	target_done(&t);
	return rc;
}

int64_t attributes_utimensat(struct request *r)
{
	uint64_t t_times = request_arg(r, r->row->out);
	struct timespec times[2];

	if (t_times && guest_read(r->job->who.mem, t_times, times, sizeof(times)))
		return -EFAULT;
	return set_times(r, t_times ? times : NULL);
}

int64_t attributes_utimes(struct request *r)
{
	uint64_t t_times = request_arg(r, r->row->out);
	struct timespec times[2];
	struct timeval tv[2];

	if (!t_times)
		return set_times(r, NULL);
	if (guest_read(r->job->who.mem, t_times, tv, sizeof(tv)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -EINVAL;
		times[i] = (struct timespec){tv[i].tv_sec, tv[i].tv_usec * 1000};
	}
	return set_times(r, times);
}

int64_t attributes_utime(struct request *r)
{
	uint64_t t_times = request_arg(r, r->row->out);
	struct utimbuf u;

	if (!t_times)
		return set_times(r, NULL);
	if (guest_read(r->job->who.mem, t_times, &u, sizeof(u)))
		return -EFAULT;
	return set_times(r, (const struct timespec[2]){{u.actime, 0}, {u.modtime, 0}});
}

/* RLIMIT_FSIZE, which binds the tracee and not the worker, setrlimit(2). */
static bool too_large(struct request *r, off_t size)
{
	if (!r->job->options.file_bytes || (uint64_t)size <= r->job->options.file_bytes)
		return false;
	r->job->limits_hit |= 1u << LIMIT_HIT_FILE_SIZE;
	return true;
}

/* --- size -------------------------------------------------------------------------------------------------- */

static int truncate_handle(struct request *r, const char *proc, off_t size)
{
	int fd = openat(r->job->tree->proc_fds, proc, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;

	if (fd < 0)
		return -errno;
	rc = ftruncate(fd, size) ? -errno : 0;
	close(fd);
	return rc;
}

int attributes_check_truncate(struct request *r)
{
	return (off_t)r->call->args[1] < 0 ? -EINVAL : 0;
}

int64_t attributes_truncate(struct request *r)
{
	off_t size = (off_t)r->call->args[1];
	struct target t = {.must_be_file = true};
	int rc;

	if (too_large(r, size))
		return -EFBIG;
	rc = find(r, &t);
	rc = rc ? rc : truncate_handle(r, t.proc, size);
	target_done(&t);
	return request_tmp_error(r, rc);
}

/* The duplicate keeps the access mode of the open file, so the kernel's own check of it holds. */
int64_t attributes_ftruncate(struct request *r)
{
	off_t size = (off_t)r->call->args[1];
	char proc[16];
	bool real;
	int fd, rc;

	if (size < 0)
		return -EINVAL;
	if (too_large(r, size))
		return -EFBIG;
	fd = descriptor_get(r, (int)r->call->args[0], &real);
	if (fd < 0)
		return fd;
	snprintf(proc, sizeof(proc), "%d", fd);
	if (real)
		rc = ftruncate(fd, size) ? -errno : 0;
	else
		rc = descriptor_owner(r, fd) == OWNER_JOB ? truncate_handle(r, proc, size) : -EINVAL;
	close(fd);
	return request_tmp_error(r, rc);
}
