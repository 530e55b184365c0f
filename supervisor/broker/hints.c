#include "hints.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "explain.h"
#include "resolve.h"
#include "rows.h"
#include "vpath.h"

/* What an open needs is in its flags. A file that is to be made may be there already or not: its directory covers both. */
static enum explain_need need_of_open(uint64_t flags)
{
	if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)))
		return EXPLAIN_NAME;
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) ? EXPLAIN_WRITE : EXPLAIN_READ;
}

static enum explain_need need_of(const struct request *r, enum verdict verdict)
{
	const char *name = r->row ? r->row->name : "";

	if (!strcmp(name, "open"))
		return need_of_open(r->call->args[1]);
	if (!strcmp(name, "openat"))
		return need_of_open(r->call->args[2]);
	if (!strcmp(name, "openat2"))
		return need_of_open(r->open_how.flags);
	if (!strcmp(name, "access") || !strcmp(name, "faccessat") || !strcmp(name, "faccessat2"))
		return verdict == VERDICT_REFUSED ? EXPLAIN_WRITE : EXPLAIN_READ;
	return explain_need(name);
}

void hints_fill(struct request *r, enum verdict verdict, int err, const char *path)
{
	if (*r->hint || verdict == VERDICT_BROKERED)
		return;
	if (path && (verdict == VERDICT_HIDDEN || err == EACCES))
		explain_path(path, need_of(r, verdict), r->hint);
	else if (err == EAGAIN)
		snprintf(r->hint, sizeof(r->hint), "a higher limit of the job");
	else if (err != EACCES)
		snprintf(r->hint, sizeof(r->hint), "nothing can allow it");
}

/* The path of the call as it was asked for; NULL: it has none, or asks only whether it may (access). */
static const char *asked_path(struct request *r, struct vpath *v)
{
	const char *text = r->text[0], *from = r->job->cwd.s;
	bool of_fd = r->row && r->row->dirfd[0] && (int)r->call->args[r->row->dirfd[0] - 1] != AT_FDCWD;

	if (!*text || strstr(r->row->name, "access"))
		return NULL;
	return vpath_join(v, of_fd ? r->base : from, text) == 0 ? v->s : NULL;
}

void hints_tell_closed(struct request *r)
{
	struct vpath v;
	const char *path = r->row && !r->told ? asked_path(r, &v) : NULL;

	if (!path || tree_find(r->job->tree, r->job->options.grants, path).place != PLACE_HOST)
		return;
	snprintf(r->hint, sizeof(r->hint), "nothing in a policy or grant can allow it: modes of the file and of directories above it must let the job's user in");
	request_refused(r, EACCES, path, "mode of the file");
}
