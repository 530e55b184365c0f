/* resolve.h - from a path in the job's virtual tree to the object it names, as Linux would walk it.
 *
 * A path that leads through no link and no ".." is one look-up in the grants and one openat2 below the grant's handle
 * with RESOLVE_BENEATH, NO_SYMLINKS and NO_MAGICLINKS. Any other is walked component by component in the virtual
 * tree; each link's target starts at the grants again, 40 links at most. Either way the kernel never follows a link
 * on its own, and a name outside every grant is answered from the table, without a look at the host.
 */
#ifndef WARDER_RESOLVE_H
#define WARDER_RESOLVE_H

#include "state.h"

#define RESOLVE_WORK_MAX  (256u << 10) /* bytes of paths looked up for one path: a few ms */
#define RESOLVE_LINKS_MAX 40 /* as the kernel's MAXSYMLINKS */

enum find_how {
	FIND_NOFOLLOW = 1,   /* the last component may be a link and is not followed */
	FIND_NO_LINKS = 2,   /* as openat2's RESOLVE_NO_SYMLINKS: any link is -ELOOP */
	FIND_UNDER_BASE = 4, /* as openat2's RESOLVE_BENEATH: -EXDEV for what leaves r->jail */
	FIND_IN_ROOT = 8,    /* as openat2's RESOLVE_IN_ROOT: r->jail stands for the root */
	FIND_ONE_DEVICE = 16, /* as openat2's RESOLVE_NO_XDEV: -EXDEV for what is on another device than the base */
};

struct object {
	int fd;                /* O_PATH */
	bool own;              /* to be closed by object_done; else a handle of the tree's */
	enum place place;
	struct grant *grant;   /* NULL for SKELETON */
	bool is_grant;         /* the very object that the grant names */
	uint32_t rights;       /* enum right */
	struct stat st;
	struct vpath path;     /* without links */
};

/* The object that `text`, seen from `base`, names. 0 or -errno; object_done in both cases. */
int resolve_find(struct request *r, const char *base, const char *text, unsigned how, struct object *o);
void object_done(struct object *o);
/* The target of a link, not ended by NUL. Its length or -errno. */
ssize_t resolve_readlink(struct request *r, const struct object *o, char *target, size_t size);

/* The last component of a path whose parent was looked up. */
enum last { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_ROOT };
struct parent {
	struct object dir;
	enum last last;
	char name[NAME_MAX + 2]; /* with the slash that follows it, if any: the kernel's own rules for that then hold */
	bool must_dir;         /* a slash follows */
	struct lookup at;      /* where the name belongs; points into `path`; `rest` empty: it is a grant itself */
	struct vpath path;     /* of the name */
};
/* The directory that the last component of `text` is in. Outside the tree -ENOENT; parent_done in any case. Where that
 * component is no LAST_NAME only `dir`, `last` and `must_dir` are filled. */
int resolve_parent(struct request *r, const char *base, const char *text, struct parent *p);
void parent_done(struct parent *p);

/* The working directory or a descriptor of a directory, as a virtual path to resolve `text` from. Fills r->base for
 * descriptors, r->gone for directories that were removed: nothing but "." and ".." is found from there. 0, -EBADF, -ENOTDIR, -ENOENT for what is not in the tree. */
int resolve_base(struct request *r, int t_dirfd, const char *text, const char **base);
/* The root directory of a place (borrowed), or -errno. */
int resolve_root(struct request *r, const struct lookup *l);
/* openat2 below `dir`, strict as above. The descriptor or -errno. */
int resolve_openat2(int dir, const char *rest, uint64_t flags, mode_t mode);

#endif
