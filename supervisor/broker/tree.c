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

#include "identity.h"
#include "rows.h"
#include "skeleton.h"
#include "vpath.h"

#define TMP_PATH "/tmp"
/* the job may do with its own what it likes */
#define TMP_RIGHTS (RIGHT_READ | RIGHT_WRITE | RIGHT_CREATE | RIGHT_LIST)

struct lookup tree_find(const struct broker_tree *t, const char *path)
{
	size_t lo = 0, hi = t->n_grants;
	struct grant *g;

	while (lo < hi) { /* lo: the first grant that sorts behind path */
		size_t mid = lo + (hi - lo) / 2;

		if (vpath_cmp(t->grants[mid].path, path) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (g = lo ? &t->grants[lo - 1] : NULL; g && !vpath_covers(g->path, g->len, path); g = g->parent)
		;
	if (!g || (g->place == PLACE_TMP && t->grants_below_tmp && path[g->len])) {
		/* an ancestor of a grant has that grant, or one below the same directory, right behind it */
		if (lo < t->n_grants && vpath_covers(path, strlen(path), t->grants[lo].path))
			return (struct lookup){PLACE_SKELETON, NULL, *path ? path + 1 : path};
		if (!g)
			return (struct lookup){PLACE_NONE, NULL, path};
	}
	return (struct lookup){g->place, g, path[g->len] ? path + g->len + 1 : path + g->len};
}

/* --- handles ----------------------------------------------------------------------------------------------- */

static void make_room(struct broker_tree *t)
{
	while (t->held >= TREE_HANDLES_MAX) {
		struct grant *g = &t->grants[t->hand];

		t->hand = (t->hand + 1) % t->n_grants;
		if (g->handle >= 0 && !g->used) {
			close(g->handle);
			g->handle = -1;
			t->held--;
		}
		g->used = false;
	}
}

/* The operator named the path, so it is opened with the worker's full rights: what lies below is not. */
static int open_path(const char *path, int flags)
{
	int rc = identity_full(), fd;

	if (rc)
		return rc;
	fd = open(path, O_PATH | O_CLOEXEC | flags);
	rc = fd < 0 ? -errno : fd;
	identity_leave();
	return rc;
}

int tree_handle(struct broker_tree *t, struct grant *g)
{
	struct stat st;
	int fd;

	g->used = true;
	if (g->handle >= 0)
		return g->handle;
	fd = open_path(g->host ? g->host : vpath_show(g->path), O_NOFOLLOW);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || st.st_dev != g->dev || st.st_ino != g->ino || (st.st_mode & S_IFMT) != g->type) {
		close(fd);
		return -ESTALE;
	}
	make_room(t);
	g->handle = fd;
	t->held++;
	return fd;
}

int tree_skeleton(struct broker_tree *t)
{
	int rc;

	if (t->skeleton >= 0)
		return t->skeleton;
	rc = skeleton_make(t);
	return rc ? rc : t->skeleton;
}

/* --- making ------------------------------------------------------------------------------------------------ */

/* A list that grows while the tree is made. */
struct making {
	struct grant *v;
	size_t n, room;
	struct err *e;
};

static int add(struct making *m, struct grant *g, const char *path)
{
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 32;
		struct grant *v;

		if (m->n >= TREE_GRANTS_MAX)
			return err_set(m->e, ERR_REQUEST, "files", E2BIG, "more than %d grants", TREE_GRANTS_MAX);
		v = reallocarray(m->v, room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		m->v = v;
		m->room = room;
	}
	g->path = strdup(strcmp(path, "/") ? path : "");
	if (!g->path)
		return -ENOMEM;
	g->len = strlen(g->path);
	g->handle = -1;
	m->v[m->n++] = *g;
	return 0;
}

/* Processes' own directories in procfs speak of the supervisor, whoever's they are. */
static bool is_process_of_proc(const char *real)
{
	return !strncmp(real, "/proc/", 6) && real[6] >= '0' && real[6] <= '9';
}

static int check_type(struct making *m, const char *path, const char *real, mode_t type)
{
	if (is_process_of_proc(real))
		return err_set(m->e, ERR_REQUEST, "files", EINVAL, "%s names a process, the supervisor's own here",
			path);
	if (type != S_IFREG && type != S_IFDIR && type != S_IFCHR)
		return err_set(m->e, ERR_REQUEST, "files", EINVAL, "%s is no file, directory or character device",
			path);
	return 0;
}

static int real_path(int fd, char *buf, size_t size)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, size);
	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return 0;
}

static int add_real(struct making *m, const char *path, const char *real, struct grant *g)
{
	int rc;

	if (!strcmp(path, real))
		return add(m, g, path);
	g->host = strdup(real);
	if (!g->host)
		return -ENOMEM;
	rc = add(m, g, path);
	if (rc) {
		free(g->host);
		return rc;
	}
	g->host = NULL;
	return add(m, g, real);
}

/* A granted path that is not there is left out: policies name what some machines have. */
static int add_path(struct making *m, const char *path, uint32_t rights, const char *rule)
{
	struct grant g = {.rule = rule, .place = PLACE_HOST, .rights = rights};
	char real[PATH_MAX];
	struct statfs fs;
	struct stat st;
	int fd = open_path(path, 0), rc;

	if (fd < 0)
		return fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM
		       ? err_set(m->e, ERR_HOST, "grants", -fd, "%s", path) : 0;
	rc = fstat(fd, &st) || fstatfs(fd, &fs) ? -errno : real_path(fd, real, sizeof(real));
	close(fd);
	if (rc)
		return err_set(m->e, ERR_HOST, "grants", -rc, "%s", path);
	g.dev = st.st_dev;
	g.on_proc = fs.f_type == PROC_SUPER_MAGIC;
	g.ino = st.st_ino;
	g.type = st.st_mode & S_IFMT;
	rc = check_type(m, path, real, g.type);
	return rc ? rc : add_real(m, path, real, &g);
}

static int add_file(struct making *m, const struct policy_file *f, const char *const *trees)
{
	int rc = 0;

	if (!f->interpreter)
		return add_path(m, f->path, f->rights, f->rule);
	for (size_t i = 0; !rc && trees && trees[i]; i++)
		rc = add_path(m, trees[i], f->rights, f->rule);
	return rc;
}

static int add_all(struct making *m, const struct policy *p, const char *const *trees)
{
	struct grant tmp = {.rule = "private /tmp", .place = PLACE_TMP, .rights = TMP_RIGHTS, .type = S_IFDIR};
	int rc = add(m, &tmp, TMP_PATH);

	for (size_t i = 0; !rc && i < p->n_files; i++)
		rc = add_file(m, &p->files[i], trees);
	return rc;
}

/* The private /tmp comes first among equals: no grant may take its place. */
static int by_path(const void *a, const void *b)
{
	const struct grant *x = a, *y = b;
	int order = vpath_cmp(x->path, y->path);

	return order ? order : (y->place == PLACE_TMP) - (x->place == PLACE_TMP);
}

static void drop(struct grant *g)
{
	free(g->path);
	free(g->host);
}

/* Sorts, joins grants of one path, and links each to the next shorter one. */
static void arrange(struct broker_tree *t, struct making *m)
{
	size_t n = 0;

	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_path);
	for (size_t i = 0; i < m->n; i++) {
		struct grant *last = n ? &m->v[n - 1] : NULL;

		if (last && !strcmp(last->path, m->v[i].path)) {
			last->rights |= m->v[i].rights;
			drop(&m->v[i]);
		} else {
			m->v[n++] = m->v[i];
		}
	}
	t->grants = m->v;
	t->n_grants = n;
	for (size_t i = 0; i < n; i++) {
		struct grant *g = &t->grants[i], *up = i ? g - 1 : NULL;

		while (up && !vpath_covers(up->path, up->len, g->path))
			up = up->parent;
		g->parent = up;
		if (up && up->place == PLACE_TMP)
			t->grants_below_tmp = true;
		if (up && up->place == PLACE_HOST && g->place == PLACE_HOST)
			g->rights |= up->rights;
	}
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
	struct making m = {.e = e};
	int rc;

	if (!t)
		return err_set(e, ERR_HOST, "grants", ENOMEM, "no memory for the tree");
	t->policy = p;
	t->skeleton = t->proc_fds = -1;
	snprintf(t->hidden_rule, sizeof(t->hidden_rule), "%.60s files", p->source ? p->source : p->name);
	rc = open_proc(t, e);
	if (!rc)
		rc = add_all(&m, p, trees);
	if (!rc)
		rc = rows_index(p, &t->rows, &t->n_rows);
	arrange(t, &m);
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
	skeleton_drop(t);
	for (size_t i = 0; i < t->n_grants; i++) {
		if (t->grants[i].handle >= 0)
			close(t->grants[i].handle);
		drop(&t->grants[i]);
	}
	free(t->grants);
	free(t->rows);
	if (t->proc_fds >= 0)
		close(t->proc_fds);
	free(t);
}
