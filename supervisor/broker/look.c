/* look.c - looking at objects. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors.h"
#include "guest.h"
#include "handlers.h"
#include "resolve.h"
#include "rows.h"

int look_find(struct request *r, struct object *o, int *fd)
{
	const char *text = r->text[0], *base;
	int t_dirfd = request_dirfd(r, 0), rc;
	bool real;

	o->fd = *fd = -1;
	o->own = false;
	if (!*text && !(r->flags & AT_EMPTY_PATH))
		return -ENOENT;
	if (!*text && t_dirfd != AT_FDCWD) {
		*fd = descriptor_get(r, t_dirfd, &real);
		return *fd < 0 ? *fd : 0;
	}
	rc = resolve_base(r, t_dirfd, text, &base);
	if (rc)
		return rc;
	return resolve_find(r, base, *text ? text : ".", r->flags & AT_SYMLINK_NOFOLLOW ? FIND_NOFOLLOW : 0, o);
}

static int fd_of(const struct object *o, int fd)
{
	return fd >= 0 ? fd : o->fd;
}

void look_done(struct object *o, int fd)
{
	if (fd >= 0)
		close(fd);
	object_done(o);
}

int64_t look_stat(struct request *r)
{
	struct object o;
	int fd, rc;

	rc = look_find(r, &o, &fd);
	if (!rc && fd >= 0 && syscall(SYS_fstat, fd, &o.st))
		rc = -errno;
	look_done(&o, fd);
	return rc ? rc : guest_write(r->job->who.mem, request_arg(r, r->row->out), &o.st, sizeof(o.st));
}

/* What look_stat corrects is corrected here too. */
static void correct(struct statx *sx, const struct object *o)
{
	sx->stx_mode = (uint16_t)o->st.st_mode;
	sx->stx_uid = o->st.st_uid;
	sx->stx_gid = o->st.st_gid;
	sx->stx_ino = o->st.st_ino;
	sx->stx_nlink = (uint32_t)o->st.st_nlink;
	sx->stx_size = (uint64_t)o->st.st_size;
}

int look_check_statx(struct request *r)
{
	return (r->flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || (r->call->args[3] & STATX__RESERVED) ? -EINVAL : 0;
}

int64_t look_statx(struct request *r)
{
	unsigned mask = (unsigned)r->call->args[3];
	struct statx sx = {0};
	struct object o;
	int fd, rc;

	rc = look_find(r, &o, &fd);
	if (!rc && statx(fd_of(&o, fd), "", AT_EMPTY_PATH | (int)(r->flags & AT_STATX_SYNC_TYPE), mask, &sx))
		rc = -errno;
	if (!rc && fd < 0)
		correct(&sx, &o);
	look_done(&o, fd);
	return rc ? rc : guest_write(r->job->who.mem, request_arg(r, r->row->out), &sx, sizeof(sx));
}

/* What the grant leaves of read, write and execute. */
static int allowed_modes(const struct object *o)
{
	bool is_dir = S_ISDIR(o->st.st_mode);
	int modes = X_OK;

	if (o->rights & (is_dir ? RIGHT_LIST : RIGHT_READ))
		modes |= R_OK;
	if (o->rights & (is_dir ? RIGHT_CREATE : RIGHT_WRITE))
		modes |= W_OK;
	return modes;
}

int look_check_access(struct request *r)
{
	return request_arg(r, r->row->mode) & UINT32_MAX & ~(R_OK | W_OK | X_OK) ? -EINVAL : 0;
}

/* Asking is no attempt: a refusal here is an answer, not a violation. */
int64_t look_access(struct request *r)
{
	int mode = (int)request_arg(r, r->row->mode), fd, rc;
	struct object o;

	rc = look_find(r, &o, &fd);
	if (!rc && fd < 0 && (mode & ~allowed_modes(&o)))
		rc = -EACCES;
	if (!rc && mode != F_OK && (fd >= 0 || o.place != PLACE_HOST || (o.rights & RIGHT_WRITE)))
		rc = request_enter(r, true);
	/* AT_EACCESS: by the file-system uid; without it the kernel would ask for the worker's real one */
	if (!rc && mode != F_OK &&
	    syscall(SYS_faccessat2, fd_of(&o, fd), "", mode, AT_EMPTY_PATH | AT_EACCESS))
		rc = -errno;
	look_done(&o, fd);
	return rc;
}

int look_check_readlink(struct request *r)
{
	return (int)request_arg(r, r->row->mode) <= 0 ? -EINVAL : 0;
}

int64_t look_readlink(struct request *r)
{
	uint64_t t_buf = request_arg(r, r->row->out);
	int size = (int)request_arg(r, r->row->mode), fd, rc;
	char target[PATH_MAX];
	struct object o;
	ssize_t n = 0;

	r->flags = AT_SYMLINK_NOFOLLOW | (r->row->dirfd[0] ? AT_EMPTY_PATH : 0);
	rc = look_find(r, &o, &fd);
	if (!rc) {
		n = fd < 0 ? resolve_readlink(r, &o, target, sizeof(target)) : readlinkat(fd, "", target, sizeof(target));
		rc = n >= 0 ? 0 : fd < 0 ? (int)n : -errno;
		/* what is no link is named that way only when it was an empty path */
		if (rc == -ENOENT && *r->text[0])
			rc = -EINVAL;
	}
	look_done(&o, fd);
	if (rc)
		return rc;
	n = n > size ? size : n;
	rc = guest_write(r->job->who.mem, t_buf, target, (size_t)n);
	return rc ? rc : n;
}

/* A plain number: the kernel applies it to what the job makes natively, the broker to what it makes for the job. */
int64_t look_umask(struct request *r)
{
	r->job->umask = (mode_t)(r->call->args[0] & 0777);
	return request_go_on(r);
}
