/* xattrs.c - extended attributes: the job's tree is one whose files have none. Those of the host's files are not shown,
 * and none are set, so that copying tools list them, find nothing to copy, and go on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "descriptors.h"
#include "guest.h"
#include "handlers.h"
#include "resolve.h"
#include "rows.h"

static const char *const kinds[] = {"user.", "trusted.", "security.", "system."};

/* 0 for the name of some attribute that a file could have. */
static int check_name(struct request *r, uint64_t t_name)
{
	char name[XATTR_NAME_MAX + 1];
	ssize_t n = guest_string(r->job->who.mem, t_name, name, sizeof(name));

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	if (n < 0)
		return (int)n;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strncmp(name, kinds[i], strlen(kinds[i])) && name[strlen(kinds[i])])
			return 0;
	return -EOPNOTSUPP;
}

/* `f` calls name a descriptor, which they want as an empty path. */
static int find(struct request *r, struct object *o, int *fd)
{
	int t_fd = (int)r->call->args[0];
	bool real;

	o->fd = *fd = -1;
	o->own = false;
	if (r->row->path[0])
		return look_find(r, o, fd);
	*fd = descriptor_get(r, t_fd, &real);
	return *fd < 0 ? *fd : 0;
}

/* What may be written at all. */
static int find_writable(struct request *r)
{
	struct object o;
	int fd, rc = find(r, &o, &fd);
	uint32_t rights = rc ? 0 : fd < 0 ? o.rights : descriptor_rights(r, fd);

	if (!rc && !(rights & RIGHT_WRITE))
		rc = request_refused(r, EACCES, fd < 0 ? o.path.s : NULL, fd < 0 && o.grant ? o.grant->rule : r->job->tree->hidden_rule);
	look_done(&o, fd);
	return rc;
}

int64_t xattrs_list(struct request *r)
{
	struct object o;
	int fd, rc = find(r, &o, &fd);

	look_done(&o, fd);
	return rc;
}

int64_t xattrs_get(struct request *r)
{
	int rc = (int)xattrs_list(r);

	return rc ? rc : r->checked ? r->checked : -ENODATA;
}

int xattrs_check_name(struct request *r)
{
	r->checked = check_name(r, r->call->args[1]);
	return r->checked == -EOPNOTSUPP ? 0 : r->checked;
}

int xattrs_check_set(struct request *r)
{
	int rc;

	if (r->call->args[4] & UINT32_MAX & ~(uint64_t)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	rc = xattrs_check_name(r);
	return rc ? rc : r->call->args[3] > XATTR_SIZE_MAX ? -E2BIG : 0;
}

int64_t xattrs_set(struct request *r)
{
	int rc = find_writable(r);

	if (!rc && (r->call->args[4] & XATTR_REPLACE))
		return -ENODATA;
	return rc ? rc : request_refused(r, EOPNOTSUPP, NULL, "xattrs: files have no extended attributes");
}

int64_t xattrs_remove(struct request *r)
{
	int rc = find_writable(r);

	return rc ? rc : r->checked ? r->checked : -ENODATA;
}
