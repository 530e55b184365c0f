/* names.c - making, taking and moving names: in the job's /tmp, and below grants with the right `create`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "handlers.h"
#include "resolve.h"
#include "rows.h"

#define RENAME_KNOWN (RENAME_NOREPLACE | RENAME_EXCHANGE)

static bool there(const struct parent *p)
{
	struct stat st;

	return !fstatat(p->dir.fd, p->name, &st, AT_SYMLINK_NOFOLLOW);
}

/* A grant itself, or a directory above one: as busy as a mount point. */
static bool is_fixed(const struct parent *p)
{
	return !*p->at.rest || p->at.place == PLACE_SKELETON || p->at.place != p->dir.place;
}

/* Whether the name may be made or taken; takes the job's identity for it. */
static int may_change(struct request *r, const struct parent *p)
{
	if (!(p->at.grant->rights & RIGHT_CREATE))
		return request_refused(r, EACCES, p->path.s, p->at.grant->rule);
	return request_enter(r, true);
}

static int find_parent(struct request *r, int which, struct parent *p)
{
	const char *base;
	int rc;

	p->dir.fd = -1;
	p->dir.own = false;
	if (!*r->text[which])
		return -ENOENT;
	rc = resolve_base(r, request_dirfd(r, which), r->text[which], &base);
	return rc ? rc : resolve_parent(r, base, r->text[which], p);
}

/* --- mkdir ------------------------------------------------------------------------------------------------- */

static int make_directory(struct request *r, const struct parent *p)
{
	struct broker_job *b = r->job;
	bool counted = p->at.place == PLACE_TMP && b->tmp.dir;
	mode_t old;
	int rc;

	if (is_fixed(p) || there(p))
		return -EEXIST;
	rc = may_change(r, p);
	if (rc)
		return rc;
	if (counted && b->tmp.inodes_left <= 0)
		return -ENOSPC;
	old = umask(b->umask);
	rc = mkdirat(p->dir.fd, p->name, (mode_t)request_arg(r, r->row->mode) & MODE_GIVEN) ? -errno : 0;
	umask(old);
	b->tmp.inodes_left -= !rc && counted;
	return rc;
}

int64_t names_mkdir(struct request *r)
{
	struct parent p;
	int rc = find_parent(r, 0, &p);

	if (!rc)
		rc = p.last == LAST_NAME ? make_directory(r, &p) : -EEXIST;
	parent_done(&p);
	return request_tmp_error(r, rc);
}

/* --- unlink, rmdir ----------------------------------------------------------------------------------------- */

static int no_name(enum last last, bool rmdir_wanted)
{
	static const int errors[] = {[LAST_DOT] = -EINVAL, [LAST_DOTDOT] = -ENOTEMPTY, [LAST_ROOT] = -EBUSY};

	return rmdir_wanted ? errors[last] : -EISDIR;
}

static int take_name(struct request *r, const struct parent *p, int flags)
{
	int rc;

	if (is_fixed(p))
		return request_refused(r, flags ? EBUSY : EACCES, p->path.s,
		                       p->at.grant ? p->at.grant->rule : r->job->tree->hidden_rule);
	if (!(p->at.grant->rights & RIGHT_CREATE) && !there(p))
		return -ENOENT;
	rc = may_change(r, p);
	if (rc)
		return rc;
	if (unlinkat(p->dir.fd, p->name, flags))
		return -errno;
	r->job->tmp.inodes_left += p->at.place == PLACE_TMP;
	return 0;
}

int64_t names_unlink(struct request *r)
{
	int flags = (int)r->flags, rc;
	struct parent p;

	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	rc = find_parent(r, 0, &p);
	if (!rc)
		rc = p.last == LAST_NAME ? take_name(r, &p, flags) : no_name(p.last, flags);
	parent_done(&p);
	return rc;
}

/* --- rename ------------------------------------------------------------------------------------------------ */

/* Handles of the tree's may go when another is asked for; here two are needed at once. */
static int keep(struct parent *p)
{
	int fd;

	if (p->dir.own)
		return 0;
	fd = fcntl(p->dir.fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	p->dir.fd = fd;
	p->dir.own = true;
	return 0;
}

static int move(struct request *r, const struct parent *from, const struct parent *to, unsigned flags)
{
	bool replaces;
	int rc;

	if (is_fixed(from) || is_fixed(to))
		return request_refused(r, EBUSY, is_fixed(from) ? from->path.s : to->path.s, r->job->tree->hidden_rule);
	if (!(from->at.grant->rights & RIGHT_CREATE) && !there(from))
		return -ENOENT;
	rc = may_change(r, from);
	rc = rc ? rc : may_change(r, to);
	if (rc)
		return rc;
	replaces = flags == 0 && to->at.place == PLACE_TMP && r->job->tmp.dir && there(to);
	if (syscall(SYS_renameat2, from->dir.fd, from->name, to->dir.fd, to->name, flags))
		return -errno;
	r->job->tmp.inodes_left += replaces;
	return 0;
}

int64_t names_rename(struct request *r)
{
	unsigned flags = (unsigned)r->flags;
	struct parent from, to;
	int rc;

	if ((flags & ~RENAME_KNOWN) || flags == RENAME_KNOWN)
		return -EINVAL;
	to.dir.fd = -1;
	to.dir.own = false;
	rc = find_parent(r, 0, &from);
	if (!rc && from.last != LAST_NAME)
		rc = -EBUSY;
	rc = rc ? rc : keep(&from);
	rc = rc ? rc : find_parent(r, 1, &to);
	if (!rc && to.last != LAST_NAME)
		rc = flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	rc = rc ? rc : move(r, &from, &to, flags);
	parent_done(&from);
	parent_done(&to);
	return request_tmp_error(r, rc);
}
