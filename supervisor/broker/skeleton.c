#include "skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "identity.h"
#include "scratch.h"
#include "synth.h"
#include "vpath.h"

#define SKELETON_BYTES (1u << 20)                 /* names take none of it */
#define SKELETON_INODES (16ul * GRANTS_MAX)

void skeleton_init(struct skeleton *s)
{
	*s = (struct skeleton){.root = -1};
}

/* `path`: with its first slash, seen from the root. */
static int plant_one(int root, const char *path, bool is_dir)
{
	const char *target = synth_fixed_target(path);
	int fd;

	if (target) /* listed as what it is; looked at as a grant */
		return symlinkat(target, root, path + 1) && errno != EEXIST ? -errno : 0;
	if (is_dir)
		return mkdirat(root, path + 1, 0755) && errno != EEXIST ? -errno : 0;
	fd = openat(root, path + 1, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (fd < 0)
		return errno == EISDIR ? 0 : -errno; /* above another grant, too */
	close(fd);
	return 0;
}

/* The places where a list goes on behind all that lies below `path`. */
static size_t skip(const struct grants *l, size_t from, const char *path, size_t len)
{
	size_t lo = from, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (vpath_covers(path, len, l->v[mid].path))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The names that another list has in the directory `path`. */
static int plant_names(int root, const struct grants *l, const char *path)
{
	size_t len = strlen(path), i = 0, hi = l->n;
	char child[PATH_MAX];
	int rc = 0;

	while (i < hi) { /* i: the first that sorts behind path */
		size_t mid = i + (hi - i) / 2;

		if (vpath_cmp(l->v[mid].path, path) <= 0)
			i = mid + 1;
		else
			hi = mid;
	}
	while (!rc && i < l->n && vpath_covers(path, len, l->v[i].path)) {
		size_t n = len + 1 + strcspn(l->v[i].path + len + 1, "/");

		if (n >= sizeof(child))
			return -ENAMETOOLONG;
		memcpy(child, l->v[i].path, n);
		child[n] = '\0';
		rc = plant_one(root, child, l->v[i].path[n] || l->v[i].type == S_IFDIR);
		i = skip(l, i, child, n);
	}
	return rc;
}

/* Makes the directories above one grant, and its placeholder. */
static int plant(int root, const struct grant *g)
{
	char path[PATH_MAX];

	if (g->len == 0)
		return 0;
	if (g->len >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, g->path, g->len + 1);
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdirat(root, path + 1, 0755) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return plant_one(root, path, g->type == S_IFDIR);
}

/* The policy's names in every directory above `g` that is not above the grant before it, which had its turn. */
static int plant_shared(int root, const struct grants *shared, const struct grant *before, const struct grant *g)
{
	char path[PATH_MAX];
	int rc = 0;

	memcpy(path, g->path, g->len + 1);
	for (char *p = path; !rc && p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (!before || !vpath_covers(path, (size_t)(p - path), before->path))
			rc = plant_names(root, shared, path);
		*p = '/';
	}
	return rc;
}

/* What lies in a granted directory is found there, not here. */
static bool is_planted(const struct grants *shared, const struct grant *g)
{
	const struct grant *up = g->parent;
	bool above;

	if (up && up->place == PLACE_HOST)
		return false;
	up = shared ? grants_find(shared, g->path, &above) : NULL;
	return !up || up->place != PLACE_HOST;
}

static int plant_all(int root, const struct grants *l, const struct grants *shared)
{
	const struct grant *before = NULL;
	int rc = 0;

	for (size_t i = 0; !rc && i < l->n; i++)
		if (is_planted(shared, &l->v[i]))
			rc = plant(root, &l->v[i]);
	for (size_t i = 0; shared && !rc && i < l->n; i++)
		if (is_planted(shared, &l->v[i])) {
			rc = plant_shared(root, shared, before, &l->v[i]);
			before = &l->v[i];
		}
	return rc;
}

static int make(struct skeleton *s, const struct grants *l, const struct grants *shared)
{
	const struct scratch_size size = {SKELETON_BYTES, SKELETON_INODES, 0755, (uid_t)-1, (gid_t)-1};
	int rc;

	s->root = scratch_tmpfs(&size);
	if (s->root < 0)
		s->root = scratch_dir(&s->dir);
	if (s->root < 0)
		return s->root;
	s->mnt = s->dir ? 0 : scratch_mount_id(s->root);
	rc = plant_all(s->root, l, shared);
	if (!rc && s->dir && fchmod(s->root, 0755))
		rc = -errno;
	return rc;
}

int skeleton_root(struct skeleton *s, const struct grants *l, const struct grants *shared)
{
	int rc;

	if (s->root >= 0)
		return s->root;
	rc = identity_full();
	if (rc)
		return rc;
	rc = make(s, l, shared);
	identity_leave();
	if (rc)
		skeleton_done(s);
	return rc ? rc : s->root;
}

void skeleton_done(struct skeleton *s)
{
	if (s->root < 0)
		return;
	if (s->dir && !identity_full()) {
		scratch_remove(s->root, s->dir);
		identity_leave();
	} else {
		close(s->root);
		free(s->dir);
	}
	skeleton_init(s);
}

bool skeleton_holds(const struct skeleton *s, uint64_t mnt, char *path)
{
	size_t len = s->dir ? strlen(s->dir) : 0;

	if (s->root < 0 || (s->mnt ? mnt != s->mnt : !s->dir || !vpath_covers(s->dir, len, path)))
		return false;
	memmove(path, path + len, strlen(path + len) + 1);
	return true;
}
