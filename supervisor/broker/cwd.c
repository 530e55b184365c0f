#include "cwd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors.h"
#include "guest.h"
#include "handlers.h"
#include "resolve.h"

void cwd_init(struct broker_job *b, const char *path)
{
	vpath_set(&b->cwd, path);
	b->cwd_fd = -1;
}

void cwd_done(struct broker_job *b)
{
	if (b->cwd_fd >= 0)
		close(b->cwd_fd);
	b->cwd_fd = -1;
}

int cwd_look(struct request *r, bool *gone)
{
	struct broker_job *b = r->job;
	char path[VPATH_MAX];
	int rc;

	if (b->cwd_fd >= 0 && (b->cwd_moves || b->cwd_renames != b->renames)) {
		rc = descriptor_directory(r, b->cwd_fd, path, sizeof(path), &b->cwd_gone);
		rc = rc ? rc : vpath_set(&b->cwd, path);
		if (rc)
			return rc;
		b->cwd_renames = b->renames;
	}
	*gone = b->cwd_gone;
	return 0;
}

int64_t cwd_getcwd(struct request *r)
{
	const char *cwd;
	bool gone;
	int rc = cwd_look(r, &gone);
	size_t n;

	if (rc || gone)
		return -ENOENT;
	cwd = vpath_show(r->job->cwd.s);
	n = strlen(cwd) + 1;
	if (n > PATH_MAX)
		return -ENAMETOOLONG;
	if (n > r->call->args[1])
		return -ERANGE;
	rc = guest_write(r->job->who.mem, r->call->args[0], cwd, n);
	return rc ? rc : (int64_t)n;
}

/* The root of a grant or of /tmp keeps its name; a grant's is the object's own, as getcwd(2) tells it. */
static int take(struct broker_job *b, struct object *o)
{
	int rc = vpath_set(&b->cwd, o->is_grant && o->grant->host ? o->grant->host : o->path.s);

	if (rc)
		return rc;
	cwd_done(b);
	b->cwd_gone = o->st.st_nlink == 0;
	b->cwd_moves = o->place == PLACE_HOST;
	b->cwd_renames = b->renames;
	if (o->own && o->place != PLACE_SKELETON && o->place != PLACE_SYNTH) {
		b->cwd_fd = o->fd;
		o->own = false;
	}
	return 0;
}

static int change_to(struct request *r, struct object *o)
{
	if (!S_ISDIR(o->st.st_mode))
		return -ENOTDIR;
	if ((o->place == PLACE_TMP || (o->rights & RIGHT_WRITE)) && request_enter(r, true))
		return -EPERM;
	if (o->place != PLACE_SKELETON && o->place != PLACE_SYNTH && syscall(SYS_faccessat2, o->fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS))
		return -errno;
	return take(r->job, o);
}

static int64_t change(struct request *r, int t_dirfd, const char *text)
{
	const char *base;
	struct object o = {.fd = -1};
	int rc = resolve_base(r, t_dirfd, text, &base);

	rc = rc ? rc : resolve_find(r, base, text, 0, &o);
	rc = rc ? rc : change_to(r, &o);
	object_done(&o);
	return rc;
}

int64_t cwd_chdir(struct request *r)
{
	return *r->text[0] ? change(r, AT_FDCWD, r->text[0]) : -ENOENT;
}

int64_t cwd_fchdir(struct request *r)
{
	int t_fd = (int)r->call->args[0];

	return t_fd < 0 ? -EBADF : change(r, t_fd, ".");
}
