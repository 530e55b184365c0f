#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cwd.h"
#include "descriptors.h"
#include "synth.h"

int resolve_openat2(int dir, const char *rest, uint64_t flags, mode_t mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir, rest, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

int resolve_root(struct request *r, const struct lookup *l)
{
	struct broker_job *b = r->job;
	int fd;

	if (l->place != PLACE_TMP)
		return tree_root(b->tree, b->options.grants, l);
	fd = b->tmp.root;
	if (fd < 0) {
		fd = private_tmp_root(&b->tmp, &b->who, &b->options);
		r->entered = false;
	}
	if (fd >= 0 && strcmp(l->grant->path, "/tmp"))
		fd = b->tmp.shm;
	/* a directory in its place is closed to all but the job */
	if (fd >= 0 && b->tmp.dir && !r->entered && request_enter(r, false))
		return -EPERM;
	return fd;
}

void object_done(struct object *o)
{
	if (o->own && o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	o->own = false;
}

/* --- one step: a virtual path without links ---------------------------------------------------------------- */

/* What the job sees of the directories that are only there for their names. */
static void show_as_root_owned(struct stat *st, mode_t mode)
{
	st->st_uid = st->st_gid = 0;
	st->st_mode = S_IFDIR | mode;
}

/* Procfs under a granted directory would speak of the worker, which is who opens it. */
static bool is_forbidden(const struct object *o)
{
	struct statfs fs;

	if (o->place != PLACE_HOST || o->is_grant)
		return false;
	if (o->st.st_dev == o->grant->dev)
		return o->grant->on_proc;
	return fstatfs(o->fd, &fs) || fs.f_type == PROC_SUPER_MAGIC; /* another mount below the grant */
}

static int look_at(struct request *r, struct object *o)
{
	if (fstat(o->fd, &o->st))
		return -errno;
	if (is_forbidden(o))
		return request_hidden(r, o->path.s);
	if (o->place == PLACE_SKELETON)
		show_as_root_owned(&o->st, 0755);
	else if (o->place == PLACE_TMP && o->is_grant && r->job->tmp.dir)
		o->st.st_mode = S_IFDIR | 01777;
	return 0;
}

/* Takes the job's identity where there may be something of its own; false when that brings nothing new. */
static bool as_job(struct request *r, const struct object *o)
{
	bool writable = o->place == PLACE_TMP || (o->place == PLACE_HOST && (o->rights & (RIGHT_WRITE | RIGHT_CREATE)));

	return writable && !r->entered && !request_enter(r, o->place == PLACE_HOST);
}

/* Opens o->path, whose last component may be a link. -ELOOP when a link is on the way. */
static int at(struct request *r, struct object *o)
{
	struct lookup l = tree_find(r->job->tree, r->job->options.grants, o->path.s);
	int root;

	o->place = l.place;
	o->grant = l.grant;
	o->rights = l.rights;
	o->is_grant = l.grant && !*l.rest;
	if (l.place == PLACE_NONE)
		return request_hidden(r, o->path.s);
	if (l.place == PLACE_SYNTH)
		return synth_look(r, o);
	root = resolve_root(r, &l);
	if (root < 0)
		return root;
	if (!*l.rest) {
		o->fd = root;
		o->own = false;
		return look_at(r, o);
	}
	o->fd = resolve_openat2(root, l.rest, O_PATH | O_NOFOLLOW, 0);
	/* a directory of the job's own may be closed to others */
	if (o->fd == -EACCES && as_job(r, o))
		o->fd = resolve_openat2(root, l.rest, O_PATH | O_NOFOLLOW, 0);
	if (o->fd < 0)
		return o->fd;
	o->own = true;
	return look_at(r, o);
}

/* --- many steps -------------------------------------------------------------------------------------------- */

struct walk {
	struct request *r;
	struct object *o;
	unsigned how;
	unsigned links;
	size_t work;              /* bytes of paths that were looked up so far */
	size_t floor;             /* length of r->jail */
	dev_t dev;                /* for FIND_ONE_DEVICE */
	const char *rest;         /* into todo */
	char todo[VPATH_MAX];
};

static bool is_name(const char *p, size_t len, const char *name)
{
	return strlen(name) == len && !memcmp(p, name, len);
}

/* After a step that looked at nothing, looks at where it led, if that matters. */
static int same_device(struct walk *w)
{
	int rc;

	if (!(w->how & FIND_ONE_DEVICE))
		return 0;
	rc = w->o->fd < 0 ? at(w->r, w->o) : 0;
	return rc ? rc : w->o->st.st_dev == w->dev ? 0 : -EXDEV;
}

static int to_root(struct walk *w)
{
	vpath_set(&w->o->path, w->how & FIND_IN_ROOT ? w->r->jail : "");
	return same_device(w);
}

ssize_t resolve_readlink(struct request *r, const struct object *o, char *target, size_t size)
{
	ssize_t n;

	if (o->place == PLACE_SYNTH)
		return synth_readlink(r, o->path.s, target, size);
	n = readlinkat(o->fd, "", target, size);
	return n < 0 ? -errno : n;
}

/* Puts a link's target in front of what is left to walk. */
static int follow(struct walk *w)
{
	char target[PATH_MAX];
	size_t left = strlen(w->rest);
	ssize_t n;

	if (++w->links > RESOLVE_LINKS_MAX || (w->how & FIND_NO_LINKS))
		return -ELOOP;
	if (w->o->place == PLACE_SYNTH) {
		int rc = synth_jump(w->r, w->o->path.s, w->o);

		if (rc <= 0)
			return rc;
	}
	n = resolve_readlink(w->r, w->o, target, sizeof(target));
	if (n <= 0)
		return n ? (int)n : -ENOENT;
	if ((size_t)n + left + 1 > sizeof(w->todo) || (size_t)n == sizeof(target))
		return -ENAMETOOLONG;
	memmove(w->todo + n, w->rest, left + 1);
	memcpy(w->todo, target, (size_t)n);
	w->rest = w->todo;
	object_done(w->o);
	vpath_pop(&w->o->path);
	if (target[0] == '/') {
		if (w->how & FIND_UNDER_BASE)
			return -EXDEV;
		return to_root(w);
	}
	return 0;
}

/* "." and ".." are looked up in a directory, too. */
static int searchable(struct walk *w)
{
	struct object *o = w->o;
	int rc = 0;

	if (o->fd < 0) {
		w->work += o->path.len;
		rc = w->work > RESOLVE_WORK_MAX ? -ELOOP : at(w->r, o);
	}
	if (rc || o->place == PLACE_SKELETON)
		return rc;
	for (;;) {
		if (!syscall(SYS_faccessat2, o->fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS))
			return 0;
		if (errno != EACCES || !as_job(w->r, o))
			return -errno;
	}
}

static int up(struct walk *w)
{
	if ((w->how & FIND_UNDER_BASE) && w->o->path.len <= w->floor)
		return -EXDEV;
	object_done(w->o);
	if (!(w->how & FIND_IN_ROOT) || w->o->path.len > w->floor)
		vpath_pop(&w->o->path);
	return same_device(w);
}

/* One component that is a name. */
static int down(struct walk *w, const char *name, size_t len)
{
	bool is_last = w->rest[strspn(w->rest, "/")] == '\0', slash = *w->rest == '/';
	struct object *o = w->o;
	int rc;

	object_done(o);
	rc = vpath_push(&o->path, name, len);
	/* each component looks its whole path up: short steps below a deep directory would hold the worker up for long */
	w->work += o->path.len;
	if (!rc && w->work > RESOLVE_WORK_MAX)
		rc = -ELOOP;
	rc = rc ? rc : at(w->r, o);
	if (rc)
		return rc;
	rc = same_device(w);
	if (rc)
		return rc;
	if (S_ISLNK(o->st.st_mode) && (!is_last || slash || !(w->how & FIND_NOFOLLOW))) {
		rc = follow(w);
		if (rc || o->fd < 0) /* on by its target */
			return rc;
	}
	return slash && !S_ISDIR(o->st.st_mode) ? -ENOTDIR : 0;
}

static int step(struct walk *w)
{
	const char *name = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(name, "/");
	int rc;

	w->rest = name + len;
	if (len == 0)
		return 0;
	if (!is_name(name, len, ".") && !is_name(name, len, "..")) {
		w->r->onward = w->rest;
		return down(w, name, len);
	}
	w->r->onward = name;
	rc = searchable(w);
	return rc || len == 1 ? rc : up(w);
}

static int go_on(struct walk *w, int rc)
{
	while (!rc && *w->rest)
		rc = step(w);
	w->r->onward = NULL;
	if (!rc && w->o->fd < 0)
		rc = at(w->r, w->o);
	return rc;
}

static int walk(struct request *r, const char *base, const char *text, unsigned how, struct object *o)
{
	struct walk w = {.r = r, .o = o, .how = how, .rest = w.todo, .floor = r->jail ? strlen(r->jail) : 0};
	size_t len = strlen(text);
	int rc;

	object_done(o);
	if (len >= sizeof(w.todo))
		return -ENAMETOOLONG;
	memcpy(w.todo, text, len + 1);
	rc = vpath_set(&o->path, *text != '/' ? base : how & FIND_IN_ROOT ? r->jail : "");
	if (!rc && (how & FIND_ONE_DEVICE)) {
		rc = at(r, o);
		w.dev = o->st.st_dev;
	}
	return go_on(&w, rc);
}

/* `o` is a link that nothing but names led to: what is left to walk is its target. */
static int walk_on(struct request *r, bool must_dir, unsigned how, struct object *o)
{
	struct walk w = {.r = r, .o = o, .how = how, .rest = w.todo};

	strcpy(w.todo, must_dir ? "/" : "");
	return go_on(&w, follow(&w));
}

/* The object behind the descriptor of a removed directory. */
static int gone_itself(struct request *r, struct object *o)
{
	struct lookup l = tree_find(r->job->tree, r->job->options.grants, r->gone);

	o->place = l.place;
	o->grant = l.grant;
	o->rights = l.rights;
	o->is_grant = false;
	if (l.place == PLACE_NONE)
		return -ENOENT;
	o->fd = fcntl(r->gone_fd, F_DUPFD_CLOEXEC, 0);
	if (o->fd < 0)
		return -errno;
	o->own = true;
	return fstat(o->fd, &o->st) ? -errno : vpath_set(&o->path, r->gone);
}

/* From a removed directory nothing leads on but ".." . */
static int from_gone(struct request *r, const char *text, unsigned how, struct object *o)
{
	struct vpath up;
	size_t len;
	int rc;

	for (;;) {
		text += strspn(text, "/");
		len = strcspn(text, "/");
		if (len == 0)
			return gone_itself(r, o);
		if (!is_name(text, len, "."))
			break;
		text += len;
	}
	if (!is_name(text, len, ".."))
		return -ENOENT;
	if (how & FIND_UNDER_BASE)
		return -EXDEV;
	if (how & FIND_IN_ROOT)
		return from_gone(r, text + len, how, o);
	rc = vpath_set(&up, r->gone);
	vpath_pop(&up);
	text += len;
	return rc ? rc : walk(r, up.s, text + strspn(text, "/"), how, o);
}

static size_t trim_slashes(const char *text, size_t len)
{
	while (len && text[len - 1] == '/')
		len--;
	return len;
}

/* A directory's "." behind its name. */
static bool ends_in_dot(const char *text)
{
	size_t n = trim_slashes(text, strlen(text));

	return n && text[n - 1] == '.' && (n == 1 || text[n - 2] == '/');
}

int resolve_find(struct request *r, const char *base, const char *text, unsigned how, struct object *o)
{
	int rc;

	o->fd = -1;
	o->own = false;
	how |= r->how;
	if (*text == '/' && (how & FIND_UNDER_BASE))
		return -EXDEV;
	if (*text != '/' && r->gone && base == r->gone)
		return from_gone(r, text, how, o);
	if ((how & (FIND_IN_ROOT | FIND_ONE_DEVICE)) || ends_in_dot(text))
		return walk(r, base, text, how, o);
	rc = vpath_join(&o->path, base, text);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		bool must_dir = o->path.must_dir;

		rc = at(r, o);
		if (rc && rc != -ELOOP)
			return rc;
		if (!rc && !S_ISLNK(o->st.st_mode))
			return must_dir && !S_ISDIR(o->st.st_mode) ? -ENOTDIR : 0;
		if (!rc && !must_dir && (how & FIND_NOFOLLOW))
			return 0;
		if (!rc && !(how & FIND_UNDER_BASE))
			return walk_on(r, must_dir, how, o);
	}
	return walk(r, base, text, how, o);
}

/* --- the directory of a name ------------------------------------------------------------------------------- */

static enum last kind_of(const char *name, size_t len)
{
	if (len == 0)
		return LAST_ROOT;
	if (is_name(name, len, "."))
		return LAST_DOT;
	return is_name(name, len, "..") ? LAST_DOTDOT : LAST_NAME;
}

int resolve_parent(struct request *r, const char *base, const char *text, struct parent *p)
{
	size_t all = strlen(text), end = trim_slashes(text, all), start = end;
	char dir[PATH_MAX + 2];
	int rc;

	p->dir.fd = -1;
	p->dir.own = false;
	p->must_dir = end != all;
	while (start && text[start - 1] != '/')
		start--;
	p->last = kind_of(text + start, end - start);
	if (p->last == LAST_NAME && end - start > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(dir, text, start);
	strcpy(dir + start, p->last == LAST_ROOT ? "/" : "");
	/* where the name is a dot itself, its directory must be searchable: "x/." asks for that */
	if (p->last == LAST_DOT || p->last == LAST_DOTDOT)
		strcpy(dir + start, ".");
	r->name = p->last == LAST_NAME ? text + start : NULL;
	rc = resolve_find(r, base, dir, 0, &p->dir);
	r->name = NULL;
	if (!rc && !S_ISDIR(p->dir.st.st_mode))
		rc = -ENOTDIR;
	if (rc || p->last != LAST_NAME)
		return rc;
	memcpy(p->name, text + start, end - start);
	strcpy(p->name + (end - start), p->must_dir ? "/" : "");
	rc = rc ? rc : vpath_set(&p->path, p->dir.path.s);
	rc = rc ? rc : vpath_push(&p->path, p->name, end - start);
	if (rc)
		return rc;
	p->at = tree_find(r->job->tree, r->job->options.grants, p->path.s);
	return p->at.place == PLACE_NONE ? request_hidden(r, p->path.s) : 0;
}

void parent_done(struct parent *p)
{
	object_done(&p->dir);
}

/* What another path of the call began at. */
static void forget_gone(struct request *r)
{
	if (r->gone_own)
		close(r->gone_fd);
	r->gone_own = false;
	r->gone = NULL;
	r->gone_fd = -1;
}

static int from_descriptor(struct request *r, int t_dirfd)
{
	bool real, gone = false;
	int fd = descriptor_get(r, t_dirfd, &real), rc;

	if (fd < 0)
		return fd;
	rc = descriptor_directory(r, fd, r->base, sizeof(r->base), &gone);
	if (rc || !gone) {
		close(fd);
		return rc;
	}
	r->gone = r->base;
	r->gone_fd = fd;
	r->gone_own = true;
	return 0;
}

int resolve_base(struct request *r, int t_dirfd, const char *text, const char **base)
{
	bool gone = false;
	int rc;

	forget_gone(r);
	*base = r->job->cwd.s;
	if (*text == '/')
		return 0;
	if (t_dirfd != AT_FDCWD) {
		*base = r->base;
		return from_descriptor(r, t_dirfd);
	}
	rc = cwd_look(r, &gone);
	if (rc || !gone)
		return rc;
	r->gone = *base;
	r->gone_fd = r->job->cwd_fd;
	return 0;
}
