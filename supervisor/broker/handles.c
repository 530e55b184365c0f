#include "grants.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "identity.h"
#include "resolve.h"
#include "without.h"

/* --- the host's tree --------------------------------------------------------------------------------------- */

/* One clone for all: its names are the host's, so that procfs tells the same names of what is opened through either. No
 * NOEXEC, since libraries are mapped from here. Private, for what the host mounts later would come up here writable. */
int hosts_clone(void)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, .propagation = MS_PRIVATE,
	};
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE), rc;

	if (fd < 0)
		return -errno;
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr))) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int hosts_init(struct hosts *h)
{
	int fd = WITHOUT(readonly_grants) ? -ENOTSUP : hosts_clone();

	h->readonly = fd < 0 ? -1 : fd;
	h->plain = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return h->plain < 0 ? -errno : 0;
}

void hosts_done(struct hosts *h)
{
	if (h->plain >= 0)
		close(h->plain);
	if (h->readonly >= 0)
		close(h->readonly);
	h->plain = h->readonly = -1;
}

/* --- handles ----------------------------------------------------------------------------------------------- */

/* Numbers are given lowest first: as long as nothing was closed to make room, this one tells how many the worker has. */
static bool is_scarce(const struct grants *l, int fd)
{
	struct rlimit r;

	return getrlimit(RLIMIT_NOFILE, &r) || (rlim_t)fd >= r.rlim_cur / 4 * l->quarters;
}

/* Whether the list has what it may hold. Once it had, it stays at that. */
static bool is_full(struct grants *l, int fd)
{
	if (!l->most && l->n_held >= GRANTS_HELD_LEAST && is_scarce(l, fd))
		l->most = l->n_held;
	return l->most;
}

static int make_room(struct grants *l)
{
	size_t room = l->room ? 2 * l->room : GRANTS_HELD_LEAST;
	int **held = reallocarray(l->held, room, sizeof(*held));

	if (!held)
		return -ENOMEM;
	l->held = held;
	l->room = room;
	return 0;
}

/* A place for `fd` among the held. Where descriptors are scarce it is that of another, picked blindly: which goes costs
 * nothing to know, and a walk through more grants than can be held still finds most of them. */
static int **place_for(struct grants *l, int fd)
{
	int **place;

	if (is_full(l, fd)) {
		l->pick = l->pick * 1664525 + 1013904223;
		place = &l->held[(uint64_t)l->pick * l->n_held >> 32];
		close(**place);
		**place = -1;
		return place;
	}
	if (l->n_held == l->room && make_room(l))
		return NULL;
	return &l->held[l->n_held++];
}

/* Whoever granted the path may name what nobody can reach, so it is opened with the worker's full rights, if it must:
 * what lies below is not. The real path has no links, and must not have got one. */
static int open_host(int root, const char *path)
{
	const char *rest = path[0] == '/' && path[1] ? path + 1 : ".";
	int fd = resolve_openat2(root, rest, O_PATH | O_NOFOLLOW, 0);

	if (fd == -EACCES && !identity_full()) {
		fd = resolve_openat2(root, rest, O_PATH | O_NOFOLLOW, 0);
		identity_leave();
	}
	return fd;
}

static int open_same(int root, const struct grant *g)
{
	int fd = open_host(root, g->host ? g->host : g->path);
	struct stat st;

	if (fd < 0)
		return fd == -ELOOP || fd == -EXDEV ? -ESTALE : fd;
	if (!fstat(fd, &st) && st.st_dev == g->dev && st.st_ino == g->ino && (st.st_mode & S_IFMT) == g->type)
		return fd;
	close(fd);
	return -ESTALE;
}

/* The clone does not see what the host has mounted since: then it is time for another. */
static int open_readonly(struct hosts *h, const struct grant *g)
{
	int fd = open_same(h->readonly, g), clone;

	if (fd >= 0)
		return fd;
	clone = hosts_clone();
	if (clone < 0)
		return fd;
	close(h->readonly);
	h->readonly = clone;
	return open_same(h->readonly, g);
}

int grants_handle(struct grants *l, struct hosts *h, struct grant *g, bool to_write)
{
	int *at = to_write ? &g->to_write : &g->to_read, **place, fd;

	if (*at >= 0)
		return *at;
	/* devices are written to through any mount, but opened only through one that has devices */
	if (to_write || h->readonly < 0 || g->type == S_IFCHR)
		fd = open_same(h->plain, g);
	else
		fd = open_readonly(h, g);
	if (fd < 0)
		return fd;
	place = place_for(l, fd);
	if (!place) {
		close(fd);
		return -ENOMEM;
	}
	*place = at;
	*at = fd;
	return fd;
}
