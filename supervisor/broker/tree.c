#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "rows.h"
#include "vpath.h"

#define NEEDS_WRITABLE (RIGHT_WRITE | RIGHT_CREATE)

struct lookup tree_find(struct broker_tree *t, struct broker_grants *own, const char *path)
{
	struct lookup l = {.place = PLACE_NONE, .list = &t->grants, .rest = path};
	bool above, own_above = false;
	struct grant *g = grants_find(&t->grants, path, &above), *mine;

	mine = own ? grants_find(&own->list, path, &own_above) : NULL;
	if (mine && (!g || mine->len >= g->len)) {
		l.list = &own->list;
		g = mine;
	}
	/* in the private /tmp, the directories above a grant stand for themselves */
	if ((!g || (g->place == PLACE_TMP && path[g->len])) && (above || own_above)) {
		l.place = PLACE_SKELETON;
		l.rights = RIGHT_LIST;
		l.own_skeleton = own_above;
		l.rest = *path ? path + 1 : path;
		return l;
	}
	if (!g)
		return l;
	l.place = g->place;
	l.grant = g;
	l.rights = g->listed;
	if (own && g->place == PLACE_HOST)
		l.rights |= grants_rights(g == mine ? &t->grants : &own->list, g, path);
	l.rest = path[g->len] ? path + g->len + 1 : path + g->len;
	return l;
}

int tree_root(struct broker_tree *t, struct broker_grants *own, const struct lookup *l)
{
	if (l->place == PLACE_HOST)
		return grants_handle(l->list, &t->hosts, l->grant, l->rights & NEEDS_WRITABLE);
	if (l->own_skeleton)
		return skeleton_root(&own->skeleton, &own->list, &t->grants);
	return skeleton_root(&t->skeleton, &t->grants, NULL);
}

/* The mount that every memfd lives on. */
static uint64_t mount_of_memfds(void)
{
	struct statx sx = {0};
	int fd = memfd_create("probe", MFD_CLOEXEC);

	if (fd < 0)
		return 0;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx))
		sx.stx_mnt_id = 0;
	close(fd);
	return sx.stx_mnt_id;
}

static int open_proc(struct broker_tree *t, struct err *e)
{
	struct statfs fs;

	t->proc_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->proc_fds < 0 || fstatfs(t->proc_fds, &fs))
		return err_set(e, ERR_HOST, "/proc/self/fd", errno, "the broker needs procfs");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return err_set(e, ERR_HOST, "/proc/self/fd", ENODEV, "/proc is no procfs");
	return 0;
}

int broker_tree_new(const struct policy *p, const char *const *trees, struct broker_tree **out, struct err *e)
{
	struct broker_tree *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return err_set(e, ERR_HOST, "grants", ENOMEM, "no memory for the tree");
	t->policy = p;
	t->proc_fds = t->hosts.plain = t->hosts.readonly = -1;
	skeleton_init(&t->skeleton);
	snprintf(t->hidden_rule, sizeof(t->hidden_rule), "%.60s files", p->source ? p->source : p->name);
	rc = open_proc(t, e);
	if (!rc && (rc = hosts_init(&t->hosts)))
		err_set(e, ERR_HOST, "/", -rc, "the host's tree cannot be opened");
	if (!rc)
		rc = grants_of_policy(&t->grants, p, trees, e);
	if (!rc)
		rc = rows_index(p, &t->rows, &t->n_rows);
	if (rc) {
		broker_tree_free(t);
		return rc == -ENOMEM ? err_set(e, ERR_HOST, "grants", ENOMEM, "no memory for the tree") : rc;
	}
	t->memfd_mnt = mount_of_memfds();
	*out = t;
	return 0;
}

void broker_tree_free(struct broker_tree *t)
{
	if (!t)
		return;
	skeleton_done(&t->skeleton);
	grants_done(&t->grants);
	hosts_done(&t->hosts);
	free(t->rows);
	if (t->proc_fds >= 0)
		close(t->proc_fds);
	free(t);
}

bool broker_has_readonly_grants(const struct broker_tree *t)
{
	return t->hosts.readonly >= 0;
}

int broker_probe_readonly(struct err *e)
{
	int fd = hosts_clone();

	if (fd < 0)
		return err_set(e, ERR_HOST, "open_tree, mount_setattr", -fd, "no detached clone of the host's tree");
	close(fd);
	return 0;
}

/* --- a job's own grants -------------------------------------------------------------------------------------- */

int broker_grants_new(const struct job *j, const struct policy *p, struct broker_grants **out, enum rpc_error *code,
                      struct err *e)
{
	struct broker_grants *own;
	int rc;

	*out = NULL;
	if (!j->grants[GRANT_READ].n && !j->grants[GRANT_WRITE].n)
		return 0;
	own = calloc(1, sizeof(*own));
	if (!own)
		return err_set(e, ERR_HOST, "grants", ENOMEM, "no memory for a job's grants");
	skeleton_init(&own->skeleton);
	rc = grants_of_job(&own->list, j, p, code, e);
	if (rc)
		broker_grants_free(own);
	else
		*out = own;
	return rc;
}

void broker_grants_free(struct broker_grants *own)
{
	if (!own)
		return;
	skeleton_done(&own->skeleton);
	grants_done(&own->list);
	free(own);
}
