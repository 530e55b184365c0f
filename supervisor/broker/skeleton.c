#include "skeleton.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "identity.h"
#include "scratch.h"
#include "vpath.h"

#define SKELETON_BYTES (1u << 20)                 /* names take none of it */
#define SKELETON_INODES (16ul * TREE_GRANTS_MAX)

/* Makes the directories above one grant, and its placeholder. */
static int plant(int root, const struct grant *g)
{
	char path[PATH_MAX];
	int fd;

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
	if (g->type == S_IFDIR)
		return mkdirat(root, path + 1, 0755) && errno != EEXIST ? -errno : 0;
	fd = openat(root, path + 1, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int open_root(struct broker_tree *t)
{
	const struct scratch_size size = {SKELETON_BYTES, SKELETON_INODES, 0755, (uid_t)-1, (gid_t)-1};
	int root = scratch_tmpfs(&size);

	return root >= 0 ? root : scratch_dir(&t->skeleton_dir);
}

static int make(struct broker_tree *t)
{
	int root = open_root(t), rc = 0;

	if (root < 0)
		return root;
	for (size_t i = 0; !rc && i < t->n_grants; i++)
		if (!t->grants[i].parent || t->grants[i].parent->place != PLACE_HOST)
			rc = plant(root, &t->grants[i]);
	if (!rc && t->skeleton_dir && fchmod(root, 0755))
		rc = -errno;
	t->skeleton = root;
	t->skeleton_mnt = t->skeleton_dir ? 0 : scratch_mount_id(root);
	if (rc)
		skeleton_drop(t);
	return rc;
}

int skeleton_make(struct broker_tree *t)
{
	int rc = identity_full();

	if (rc)
		return rc;
	rc = make(t);
	identity_leave();
	return rc;
}

void skeleton_drop(struct broker_tree *t)
{
	if (t->skeleton < 0)
		return;
	if (t->skeleton_dir && !identity_full()) {
		scratch_remove(t->skeleton, t->skeleton_dir);
		identity_leave();
	} else {
		close(t->skeleton);
		free(t->skeleton_dir);
	}
	t->skeleton = -1;
	t->skeleton_dir = NULL;
}
