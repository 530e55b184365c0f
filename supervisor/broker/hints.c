#include "hints.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "explain.h"
#include "rows.h"

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
