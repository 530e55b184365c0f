/* files.c - opening files and directories.
 *
 * What is opened is first looked at through an O_PATH handle, which triggers nothing: only regular files, directories
 * and character devices that are grants themselves go on. Then that very object is opened by its handle, so nothing
 * can take its place. In the job's /tmp there is nothing else, and one openat2 does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "handlers.h"
#include "resolve.h"
#include "rows.h"
#include "synth.h"

/* openat(2) ignores what it does not know, openat2(2) refuses it; O_ASYNC would send signals to whom the broker is */
#define OPEN_KNOWN (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | \
	O_DIRECT | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE)
#define KERNEL_LARGEFILE 0100000 /* the kernel sets it for all 64-bit programs; libc's macro for it is 0 */
/* the one bit that says temporary file; libc's macros hold O_DIRECTORY too */
#define KERNEL_TMPFILE (O_TMPFILE & ~O_DIRECTORY)
#define OPEN_WITH_PATH (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* what is decided before an object is opened by its handle */
#define OPEN_DECIDED (O_CREAT | O_EXCL | O_NOFOLLOW | O_DIRECTORY)
#define OPEN_TRIES 4        /* for names that come and go meanwhile */
#define RESOLVE_KNOWN (RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV | RESOLVE_BENEATH | RESOLVE_IN_ROOT | \
	RESOLVE_CACHED)
#define OPEN_HOW_MAX 4096u  /* openat2(2): a larger struct is E2BIG */

struct opening {
	struct request *r;
	const char *base;
	const char *text;
	int flags;
	mode_t mode;
	unsigned how;         /* enum find_how */
	bool path_only;       /* O_PATH was asked for */
};

static bool has(int flags, int all)
{
	return (flags & all) == all;
}

/* The rights that these flags need of an existing object. Access mode 3 asks for both. */
static uint32_t rights_for(int flags, mode_t type)
{
	uint32_t need = type == S_IFDIR ? RIGHT_LIST : 0;

	if (has(flags, O_TMPFILE))
		return RIGHT_CREATE | RIGHT_WRITE;
	if (type != S_IFDIR && (flags & O_ACCMODE) != O_WRONLY)
		need |= RIGHT_READ;
	if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))
		need |= RIGHT_WRITE;
	return need;
}

static int refused(struct opening *p, int err, const char *path, const struct grant *g)
{
	return request_refused(p->r, err, path, g ? g->rule : p->r->job->tree->hidden_rule);
}

/* --- an object that is there ------------------------------------------------------------------------------- */

static int check_directory(const struct opening *p)
{
	if (has(p->flags, O_TMPFILE))
		return 0;
	return (p->flags & (O_CREAT | O_TRUNC)) || (p->flags & O_ACCMODE) != O_RDONLY ? -EISDIR : 0;
}

static int check_object(struct opening *p, const struct object *o)
{
	mode_t type = o->st.st_mode & S_IFMT;
	uint32_t need;

	if (has(p->flags, O_CREAT | O_EXCL))
		return -EEXIST;
	/* chmod of a link itself is libc's: it opens the link path-only, and hands on the errno, which is then Linux's of such a chmod */
	if (type == S_IFLNK)
		return p->flags & O_DIRECTORY ? -ENOTDIR : p->path_only ? -EOPNOTSUPP : -ELOOP;
	if ((p->flags & O_DIRECTORY) && type != S_IFDIR)
		return -ENOTDIR;
	if (type != S_IFREG && type != S_IFDIR && !(type == S_IFCHR && o->is_grant))
		return refused(p, EACCES, o->path.s, o->grant);
	if (type == S_IFDIR) {
		int rc = check_directory(p);

		if (rc)
			return rc;
	}
	need = rights_for(p->flags, type);
	return need & ~o->rights ? refused(p, EACCES, o->path.s, o->grant) : 0;
}

/* A temporary file is made here, with the job's mask. */
static int reopen_directory(const struct opening *p, const struct object *o)
{
	mode_t old = umask(p->r->job->umask);
	int fd = openat(o->fd, ".", (p->flags & ~(O_CREAT | O_EXCL)) | O_CLOEXEC, p->mode);

	umask(old);
	return fd;
}

/* By the object's own handle: procfs leads to it without a name in between. */
static int reopen(struct opening *p, const struct object *o)
{
	char name[16];
	int fd;

	if (S_ISDIR(o->st.st_mode)) {
		fd = reopen_directory(p, o);
	} else {
		snprintf(name, sizeof(name), "%d", o->fd);
		fd = openat(p->r->job->tree->proc_fds, name, (p->flags & ~OPEN_DECIDED) | O_NOCTTY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

static bool changes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_TRUNC | O_CREAT | KERNEL_TMPFILE));
}

/* The kernel says so by itself on a tmpfs; freeing by O_TRUNC is what helps. */
static bool is_full(const struct opening *p)
{
	return p->r->job->meter.over && (p->flags & O_ACCMODE) != O_RDONLY && !(p->flags & O_TRUNC);
}

static int open_object(struct opening *p, struct object *o)
{
	int rc = o->place == PLACE_FD ? 0 : check_object(p, o);

	if (rc)
		return rc;
	if (o->place == PLACE_TMP && is_full(p))
		return -ENOSPC;
	if (o->place == PLACE_FD)
		return synth_reopen(p->r, o, p->flags);
	if (o->place == PLACE_SYNTH && S_ISDIR(o->st.st_mode))
		return synth_open_directory(p->r, o);
	if (o->place == PLACE_SYNTH && !strcmp(o->path.s, HOSTNAMES_PATH) && hostnames_wait(p->r))
		return -EAGAIN; /* asked again, from the start, when the names are there */
	if ((o->place == PLACE_TMP || (o->rights & RIGHT_WRITE) || changes(p->flags)) &&
	    request_enter(p->r, o->place == PLACE_HOST || has(p->flags, O_TMPFILE)))
		return -EPERM;
	return reopen(p, o);
}

/* --- a name that is not there ------------------------------------------------------------------------------ */

static int create_at(struct opening *p, struct parent *at)
{
	struct broker_job *b = p->r->job;
	int rc = request_enter(p->r, true);
	mode_t old;

	if (rc)
		return rc;
	if (at->at.place == PLACE_TMP && b->tmp.dir && (b->tmp.inodes_left <= 0 || b->meter.over))
		return -ENOSPC;
	old = umask(b->umask);
	rc = resolve_openat2(at->dir.fd, at->name, (unsigned)p->flags | O_CREAT | O_EXCL, p->mode); /* which follows no link */
	umask(old);
	if (rc >= 0 && at->at.place == PLACE_TMP)
		b->tmp.inodes_left--;
	return rc;
}

static int create(struct opening *p)
{
	struct parent at;
	int rc = resolve_parent(p->r, p->base, p->text, &at);

	if (!rc && (at.last != LAST_NAME || at.must_dir))
		rc = -EISDIR;
	else if (!rc && !*at.at.rest)
		rc = -EISDIR; /* a skeleton directory or a grant, and so there */
	else if (!rc && at.at.place == PLACE_SKELETON)
		rc = -EISDIR;
	else if (!rc && (!(at.at.rights & RIGHT_CREATE) || at.at.place != at.dir.place))
		rc = refused(p, EACCES, at.path.s, at.at.grant);
	rc = rc ? rc : create_at(p, &at);
	parent_done(&at);
	return rc;
}

/* A link to nothing is created through, as open(2) does; *text then is its target. */
static int through_link(struct opening *p, char *target, size_t size, char *dir, size_t dir_size)
{
	struct parent at;
	int rc = resolve_parent(p->r, p->base, p->text, &at);
	ssize_t n = -1;

	if (!rc && at.last == LAST_NAME && !at.must_dir)
		n = readlinkat(at.dir.fd, at.name, target, size - 1);
	if (n > 0 && at.dir.path.len < dir_size) {
		target[n] = '\0';
		memcpy(dir, at.dir.path.s, at.dir.path.len + 1);
		p->text = target;
		p->base = dir;
	}
	parent_done(&at);
	return n > 0;
}

/* --- both -------------------------------------------------------------------------------------------------- */

static int find_or_create(struct opening *p)
{
	struct object o;
	int rc = resolve_find(p->r, p->base, p->text, p->how, &o);

	if (!rc)
		rc = open_object(p, &o);
	else if (rc == -ENOENT && (p->flags & O_CREAT) && !p->r->told)
		rc = create(p);
	object_done(&o);
	return rc;
}

static int open_anywhere(struct opening *p)
{
	char target[2][PATH_MAX], dir[2][VPATH_MAX];
	int rc = -EEXIST;

	for (unsigned i = 0, links = 0; i < OPEN_TRIES; i++) {
		rc = find_or_create(p);
		if (rc != -EEXIST || !(p->flags & O_CREAT) || (p->flags & O_EXCL))
			return rc;
		if (!(p->flags & O_NOFOLLOW) &&
		    through_link(p, target[links % 2], PATH_MAX, dir[links % 2], VPATH_MAX)) {
			if (++links > RESOLVE_LINKS_MAX)
				return -ELOOP;
			i = 0;
		}
	}
	return rc;
}

static bool makes(int flags)
{
	return flags & (O_CREAT | KERNEL_TMPFILE);
}

static int open_masked(const struct opening *p, int root, const char *rest)
{
	mode_t old = makes(p->flags) ? umask(p->r->job->umask) : 0;
	int rc = resolve_openat2(root, rest, (unsigned)p->flags, p->mode);

	if (makes(p->flags))
		umask(old);
	return rc;
}

/* One openat2 for a path in the private /tmp that leads through no link. 1: not of that kind. */
static int open_in_tmp(struct opening *p, const struct vpath *v)
{
	struct lookup l = tree_find(p->r->job->tree, p->r->job->options.grants, v->s);
	struct broker_job *b = p->r->job;
	int root, rc;

	if (l.place != PLACE_TMP || !*l.rest || v->must_dir)
		return 1;
	root = resolve_root(p->r, &l);
	if (root < 0)
		return root;
	/* names of a directory are counted, where they are made; what stands for /tmp is known from here on */
	if (b->tmp.dir && (p->flags & O_CREAT))
		return 1;
	if (is_full(p))
		return -ENOSPC;
	if (changes(p->flags) && request_enter(p->r, makes(p->flags)))
		return -EPERM;
	rc = open_masked(p, root, l.rest);
	/* what is closed to others may be open to the job */
	if (rc == -EACCES && !p->r->entered && !request_enter(p->r, false))
		rc = open_masked(p, root, l.rest);
	return rc == -ELOOP ? 1 : rc;
}

static bool ends_in_slash(const char *text)
{
	return text[strlen(text) - 1] == '/';
}

/* With O_CREAT a name before a slash is EISDIR, whatever it is, once the way to it was found. */
static int is_directory_by_name(struct opening *p)
{
	struct parent at;
	int rc = resolve_parent(p->r, p->base, p->text, &at);

	if (!rc)
		rc = at.last != LAST_NAME && has(p->flags, O_EXCL) ? -EEXIST : -EISDIR;
	parent_done(&at);
	return rc;
}

static int64_t open_it(struct opening *p)
{
	struct vpath v;
	int fd = 1;

	if ((p->flags & O_CREAT) && ends_in_slash(p->text))
		return is_directory_by_name(p);
	if (!p->how && !p->r->how && !p->r->gone && !vpath_join(&v, p->base, p->text))
		fd = open_in_tmp(p, &v);
	if (fd == 1) {
		if (p->flags & O_NOFOLLOW || has(p->flags, O_CREAT | O_EXCL))
			p->how |= FIND_NOFOLLOW;
		fd = open_anywhere(p);
	}
	return fd < 0 ? request_tmp_error(p->r, fd) : request_give(p->r, fd, p->flags & O_CLOEXEC);
}

/* What open(2) makes of flags before it looks at anything. */
static void normalise(struct opening *p)
{
	p->flags &= OPEN_KNOWN;
	/* ADDFD cannot give a path-only handle away (EBADF, measured on Linux 6.18): a reading one does all that it could */
	p->path_only = p->flags & O_PATH;
	if (p->path_only)
		p->flags &= OPEN_WITH_PATH & ~O_PATH;
	p->mode = makes(p->flags) ? p->mode & MODE_GIVEN : 0;
}

static int check_flags(int flags)
{
	if ((flags & KERNEL_TMPFILE) && !has(flags, O_TMPFILE))
		return -EINVAL;
	if (has(flags, O_TMPFILE) && ((flags & O_CREAT) || !(flags & O_ACCMODE)))
		return -EINVAL;
	return has(flags, O_CREAT | O_DIRECTORY) ? -EINVAL : 0;
}

static int64_t start(struct opening *p, int t_dirfd)
{
	int rc;

	p->text = p->r->text[0];
	if (!*p->text)
		return -ENOENT;
	/* with RESOLVE_IN_ROOT the descriptor is the root of absolute paths, too */
	rc = resolve_base(p->r, t_dirfd, p->r->how & FIND_IN_ROOT ? "" : p->text, &p->base);
	if (rc)
		return rc;
	p->r->jail = p->base;
	return open_it(p);
}

static struct opening opening_of(struct request *r)
{
	struct opening p = {.r = r, .flags = (int)r->flags, .mode = (mode_t)request_arg(r, r->row->mode)};

	normalise(&p);
	return p;
}

int files_check_open(struct request *r)
{
	return check_flags(opening_of(r).flags);
}

int64_t files_open(struct request *r)
{
	struct opening p = opening_of(r);

	return start(&p, request_dirfd(r, 0));
}

/* The struct as openat2(2) reads it: longer ones of newer programs are taken when what is new is zero. */
static int read_how(struct request *r, struct open_how *how)
{
	uint64_t t_addr = r->call->args[2], size = r->call->args[3];
	char tail[256];

	if (size < sizeof(*how))
		return -EINVAL;
	if (size > OPEN_HOW_MAX)
		return -E2BIG;
	if (guest_read(r->job->who.mem, t_addr, how, sizeof(*how)))
		return -EFAULT;
	for (uint64_t at = sizeof(*how); at < size; at += sizeof(tail)) {
		size_t n = size - at < sizeof(tail) ? size - at : sizeof(tail);

		if (guest_read(r->job->who.mem, t_addr + at, tail, n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (tail[i])
				return -E2BIG;
	}
	return 0;
}

static int check_how(const struct open_how *how)
{
	if (how->flags & ~(uint64_t)(OPEN_KNOWN | O_ASYNC | KERNEL_LARGEFILE))
		return -EINVAL;
	if ((how->resolve & ~(uint64_t)RESOLVE_KNOWN) || !(~how->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)))
		return -EINVAL;
	if (makes((int)how->flags) ? how->mode & ~07777ull : how->mode)
		return -EINVAL;
	return (how->flags & O_PATH) && (how->flags & ~(uint64_t)OPEN_WITH_PATH) ? -EINVAL : 0;
}

/* Magic links do not exist here. */
static const struct {
	uint64_t resolve;
	unsigned how;
} resolves[] = {
	{RESOLVE_NO_SYMLINKS, FIND_NO_LINKS},
	{RESOLVE_BENEATH, FIND_UNDER_BASE},
	{RESOLVE_IN_ROOT, FIND_IN_ROOT},
	{RESOLVE_NO_XDEV, FIND_ONE_DEVICE},
};

int files_check_openat2(struct request *r)
{
	struct open_how *how = &r->open_how;
	int rc = read_how(r, how);

	rc = rc ? rc : check_how(how);
	return rc ? rc : check_flags((int)how->flags);
}

int64_t files_openat2(struct request *r)
{
	const struct open_how how = r->open_how;
	struct opening p = {.r = r, .flags = (int)how.flags, .mode = (mode_t)how.mode};

	/* as if all names were in the kernel's cache */
	if ((how.resolve & RESOLVE_CACHED) && changes(p.flags & ~O_ACCMODE))
		return -EAGAIN;
	normalise(&p);
	for (size_t i = 0; i < sizeof(resolves) / sizeof(resolves[0]); i++)
		r->how |= how.resolve & resolves[i].resolve ? resolves[i].how : 0;
	return start(&p, request_dirfd(r, 0));
}
