/* names.c - making, taking and moving names: in the job's /tmp, and below grants with the right `create`. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors.h"
#include "handlers.h"
#include "resolve.h"
#include "rows.h"

#define RENAME_KNOWN (RENAME_NOREPLACE | RENAME_EXCHANGE)

/* A slash behind the name is no matter here. 0, or -1 with errno. */
static int look(const struct parent *p, struct stat *st)
{
	char name[NAME_MAX + 1];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(p->name, "/"), p->name);
	return fstatat(p->dir.fd, name, st, AT_SYMLINK_NOFOLLOW);
}

static bool there(const struct parent *p)
{
	struct stat st;

	return !look(p, &st);
}

/* A grant itself, or a directory above one: as busy as a mount point. */
static bool is_fixed(const struct parent *p)
{
	return !*p->at.rest || p->at.place == PLACE_SKELETON || p->at.place == PLACE_SYNTH;
}

/* No such name, in a directory that only holds the names of grants: all jobs of a policy may share it. */
static bool is_foreign(const struct parent *p)
{
	return !is_fixed(p) && p->at.place != p->dir.place;
}

/* Root's directories are not the job's to change; elsewhere a grant's name is as busy as a mount point. */
static int refuse_fixed(struct request *r, const struct parent *p)
{
	return request_refused(r, p->dir.place == PLACE_SKELETON ? EACCES : EBUSY, p->path.s,
	                       p->at.grant ? p->at.grant->rule : r->job->tree->hidden_rule);
}

/* What the kernel says of a name before it asks for the right to take it. */
static int before_refusal(const struct parent *p, bool minds_slash)
{
	struct stat st;

	if (look(p, &st))
		return -errno;
	return minds_slash && p->must_dir && !S_ISDIR(st.st_mode) ? -ENOTDIR : 0;
}

/* Whether the name may be made or taken; takes the job's identity for it. */
static int may_change(struct request *r, const struct parent *p)
{
	if (!(p->at.rights & RIGHT_CREATE) || is_foreign(p))
		return request_refused(r, EACCES, p->path.s, p->at.grant ? p->at.grant->rule : r->job->tree->hidden_rule);
	return request_enter(r, true);
}

static int find_parent(struct request *r, int which, struct parent *p)
{
	const char *base;
	int rc;

	p->dir.fd = -1;
	p->dir.own = false;
	if (r->bad[which])
		return r->bad[which];
	if (!*r->text[which])
		return -ENOENT;
	rc = resolve_base(r, request_dirfd(r, which), r->text[which], &base);
	return rc ? rc : resolve_parent(r, base, r->text[which], p);
}

/* --- making ------------------------------------------------------------------------------------------------ */

/* One name to be made, by `make`, which gets what the call made of its other arguments. */
struct making {
	int (*make)(struct request *r, const struct parent *p, const struct making *m);
	mode_t mode;
	const struct object *source; /* of a link */
};

static int make_directory(struct request *r, const struct parent *p, const struct making *m)
{
	(void)r;
	return mkdirat(p->dir.fd, p->name, m->mode) ? -errno : 0;
}

static int make_file(struct request *r, const struct parent *p, const struct making *m)
{
	(void)r;
	return mknodat(p->dir.fd, p->name, m->mode, 0) ? -errno : 0;
}

/* The target is a text and nothing more: it is looked up in the job's tree when it is followed. */
static int make_symlink(struct request *r, const struct parent *p, const struct making *m)
{
	(void)m;
	return symlinkat(r->text[1], p->dir.fd, p->name) ? -errno : 0;
}

/* By the object's own handle: procfs leads to it without a name in between. */
static int make_link(struct request *r, const struct parent *p, const struct making *m)
{
	char proc[16];

	snprintf(proc, sizeof(proc), "%d", m->source->fd);
	return linkat(r->job->tree->proc_fds, proc, p->dir.fd, p->name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* Every name counts, not every file: a link and an unlink of it must come out even. */
static int make_counted(struct request *r, const struct parent *p, const struct making *m)
{
	struct broker_job *b = r->job;
	bool counted = p->at.place == PLACE_TMP && b->tmp.dir;
	mode_t old;
	int rc;

	if (counted && b->tmp.inodes_left <= 0)
		return -ENOSPC;
	old = umask(b->umask);
	rc = m->make(r, p, m);
	umask(old);
	b->tmp.inodes_left -= !rc && counted;
	return rc;
}

static int is_free(const struct parent *p, bool directory)
{
	if (p->last != LAST_NAME || (is_fixed(p) && p->at.place != PLACE_SYNTH) || there(p))
		return -EEXIST;
	return (p->must_dir && !directory) || p->dir.st.st_nlink == 0 ? -ENOENT : 0;
}

/* What is to be asked before a name is made, in the order of the kernel. */
static int may_make(struct request *r, const struct parent *p, bool directory)
{
	int rc = is_free(p, directory);

	return rc ? rc : may_change(r, p);
}

static int64_t make(struct request *r, const struct making *m)
{
	struct parent p;
	int rc = find_parent(r, 0, &p);

	rc = rc ? rc : may_make(r, &p, m->make == make_directory);
	rc = rc ? rc : make_counted(r, &p, m);
	parent_done(&p);
	return request_tmp_error(r, rc);
}

int64_t names_mkdir(struct request *r)
{
	return make(r, &(struct making){make_directory, (mode_t)request_arg(r, r->row->mode) & MODE_GIVEN, NULL});
}

int64_t names_symlink(struct request *r)
{
	if (r->bad[1])
		return r->bad[1];
	return *r->text[1] ? make(r, &(struct making){.make = make_symlink}) : -ENOENT;
}

/* Opening a pipe by its name waits for the other end, and the worker never waits; sockets and devices lead out. */
static int make_nothing(struct request *r, const struct parent *p, const struct making *m)
{
	(void)m;
	if (syscall(SYS_faccessat2, p->dir.fd, "", W_OK | X_OK, AT_EMPTY_PATH | AT_EACCESS))
		return -errno;
	return request_refused(r, EPERM, p->path.s, "mknod: only regular files");
}

int names_check_mknod(struct request *r)
{
	mode_t type = (mode_t)request_arg(r, r->row->mode) & S_IFMT;

	if (type == S_IFDIR)
		return -EPERM;
	return type && type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR && type != S_IFBLK ? -EINVAL : 0;
}

int64_t names_mknod(struct request *r)
{
	mode_t mode = (mode_t)request_arg(r, r->row->mode), type = mode & S_IFMT;
	bool regular = type == 0 || type == S_IFREG;

	return make(r, &(struct making){regular ? make_file : make_nothing, (mode & MODE_GIVEN) | S_IFREG, NULL});
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
		return refuse_fixed(r, p);
	if (is_foreign(p))
		return -ENOENT;
	rc = !(p->at.rights & RIGHT_CREATE) ? before_refusal(p, !flags) : 0;
	rc = rc ? rc : may_change(r, p);
	if (rc)
		return rc;
	if (unlinkat(p->dir.fd, p->name, flags))
		return -errno;
	r->job->tmp.inodes_left += p->at.place == PLACE_TMP;
	r->job->renames += flags != 0;
	return 0;
}

int64_t names_unlink(struct request *r)
{
	int flags = (int)r->flags, rc;
	struct parent p;

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

/* As between mounts. Between grants the kernel may know of no border: there nothing may come to more rights than it has. */
static bool one_place(const struct parent *from, const struct parent *to, unsigned flags)
{
	uint32_t a = from->dir.rights, b = to->dir.rights;

	if (from->dir.place != to->dir.place || (from->dir.place == PLACE_TMP && from->dir.grant != to->dir.grant))
		return false;
	return from->dir.grant == to->dir.grant || !((b & ~a) || ((flags & RENAME_EXCHANGE) && (a & ~b)));
}

/* Whether a name goes. Between two names of one file nothing happens, rename(2). */
static bool takes_one(const struct parent *from, const struct parent *to)
{
	struct stat a, b;

	return !look(from, &a) && !look(to, &b) && (a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

static int move(struct request *r, const struct parent *from, const struct parent *to, unsigned flags)
{
	bool replaces;
	int rc;

	if (is_fixed(from) || is_fixed(to))
		return refuse_fixed(r, is_fixed(from) ? from : to);
	if (is_foreign(from))
		return -ENOENT;
	if (!(from->at.rights & to->at.rights & RIGHT_CREATE)) {
		rc = before_refusal(from, true);
		rc = rc ? rc : (flags & RENAME_NOREPLACE) && there(to) ? -EEXIST : 0;
		if (rc)
			return rc;
	}
	rc = may_change(r, from);
	rc = rc ? rc : may_change(r, to);
	if (rc)
		return rc;
	replaces = flags == 0 && to->at.place == PLACE_TMP && r->job->tmp.dir && takes_one(from, to);
	if (syscall(SYS_renameat2, from->dir.fd, from->name, to->dir.fd, to->name, flags))
		return -errno;
	r->job->tmp.inodes_left += replaces;
	r->job->renames++;
	return 0;
}

int names_check_rename(struct request *r)
{
	return r->flags == RENAME_KNOWN ? -EINVAL : 0;
}

int64_t names_rename(struct request *r)
{
	unsigned flags = (unsigned)r->flags;
	struct parent from, to;
	int rc;

	to.dir.fd = -1;
	to.dir.own = false;
	rc = find_parent(r, 0, &from);
	rc = rc ? rc : keep(&from);
	rc = rc ? rc : find_parent(r, 1, &to);
	if (!rc && !one_place(&from, &to, flags))
		rc = -EXDEV;
	if (!rc && from.last != LAST_NAME)
		rc = -EBUSY;
	if (!rc && to.last != LAST_NAME)
		rc = flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	rc = rc ? rc : move(r, &from, &to, flags);
	parent_done(&from);
	parent_done(&to);
	return request_tmp_error(r, rc);
}

/* --- link -------------------------------------------------------------------------------------------------- */

/* As fs.protected_hardlinks has it, whatever the machine says (proc_sys_fs(5)): a second name would outlive the job's right
 * to the file, so it is given to the owner, or to who may write it. */
static bool may_link(const struct request *r, const struct object *o)
{
	uid_t uid = r->job->who.uid == (uid_t)-1 ? geteuid() : r->job->who.uid;

	if (o->st.st_uid == uid)
		return true;
	if (!S_ISREG(o->st.st_mode) || (o->st.st_mode & S_ISUID) || (o->st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return false;
	return !syscall(SYS_faccessat2, o->fd, "", R_OK | W_OK, AT_EMPTY_PATH | AT_EACCESS);
}

/* Of what the job holds by descriptor, its own files are as good as named. */
static int take_own(struct request *r, struct object *o)
{
	struct lookup l = tree_find(r->job->tree, r->job->options.grants, "/tmp");

	if (descriptor_owner(r, o->fd) != OWNER_JOB)
		return request_refused(r, EPERM, NULL, "link: only descriptors of the job's own files");
	o->place = PLACE_TMP;
	o->grant = l.grant;
	o->rights = l.rights;
	o->is_grant = false;
	return fstat(o->fd, &o->st) ? -errno : 0;
}

/* What a link is made of. An empty path is a descriptor, of the job's own: that is how temporary files get a name. */
static int find_source(struct request *r, struct object *o)
{
	const char *base;
	bool real;
	int rc;

	if (r->bad[0])
		return r->bad[0];
	if (*r->text[0]) {
		rc = resolve_base(r, request_dirfd(r, 0), r->text[0], &base);
		rc = rc ? rc : resolve_find(r, base, r->text[0], r->flags & AT_SYMLINK_FOLLOW ? 0 : FIND_NOFOLLOW, o);
		/* /proc/self/fd/N: the other way to name a temporary file */
		return rc || o->place != PLACE_FD ? rc : take_own(r, o);
	}
	if (!(r->flags & AT_EMPTY_PATH))
		return -ENOENT;
	o->fd = descriptor_get(r, request_dirfd(r, 0), &real);
	o->own = true;
	if (o->fd < 0)
		return o->fd;
	return take_own(r, o);
}

static int link_to(struct request *r, const struct object *o, const struct parent *p)
{
	int rc = is_free(p, false);

	if (rc)
		return rc;
	if (o->place != p->at.place || o->grant != p->at.grant || (o->is_grant && !S_ISDIR(o->st.st_mode)))
		return -EXDEV;
	rc = may_change(r, p);
	/* the kernel refuses directories by itself */
	if (!rc && !S_ISDIR(o->st.st_mode) && (!(o->rights & RIGHT_WRITE) || !may_link(r, o)))
		rc = request_refused(r, EPERM, o->path.s, o->grant->rule);
	return rc ? rc : make_counted(r, p, &(struct making){make_link, 0, o});
}

/* The handle of a grant's own may go when another is asked for. */
static int keep_object(struct object *o)
{
	if (o->own)
		return 0;
	o->fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 0);
	o->own = o->fd >= 0;
	return o->own ? 0 : -errno;
}

int64_t names_link(struct request *r)
{
	struct object o = {.fd = -1, .rights = RIGHT_WRITE};
	struct parent p;
	int rc;

	p.dir.fd = -1;
	p.dir.own = false;
	rc = find_source(r, &o);
	rc = rc ? rc : keep_object(&o);
	rc = rc ? rc : find_parent(r, 1, &p);
	rc = rc ? rc : link_to(r, &o, &p);
	object_done(&o);
	parent_done(&p);
	return request_tmp_error(r, rc);
}
