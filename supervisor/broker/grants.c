#include "grants.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "identity.h"
#include "paths.h"
#include "resolve.h"
#include "synth.h"
#include "vpath.h"

#define TMP_PATH "/tmp"
#define SHM_PATH "/dev/shm"
/* the job may do with its own what it likes */
#define TMP_RIGHTS (RIGHT_READ | RIGHT_WRITE | RIGHT_CREATE | RIGHT_LIST)

struct grant *grants_find(const struct grants *l, const char *path, bool *above)
{
	return grant_index_find(&l->index, path, above);
}

/* --- making ------------------------------------------------------------------------------------------------ */

/* A list that grows while it is made. */
struct making {
	struct grants *l;
	size_t room;
	struct err *e;
};

static int add(struct making *m, struct grant *g, const char *path)
{
	struct grants *l = m->l;

	if (l->n == m->room) {
		size_t room = m->room ? 2 * m->room : 32;
		struct grant *v;

		if (l->n >= GRANTS_MAX)
			return err_set(m->e, ERR_REQUEST, "files", E2BIG, "more than %d grants", GRANTS_MAX);
		v = reallocarray(l->v, room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		l->v = v;
		m->room = room;
	}
	g->path = strdup(strcmp(path, "/") ? path : "");
	if (!g->path)
		return -ENOMEM;
	g->len = strlen(g->path);
	g->to_read = g->to_write = -1;
	l->v[l->n++] = *g;
	return 0;
}

/* Processes' own directories in procfs speak of the supervisor, whoever's they are. */
static bool is_process_of_proc(const char *real)
{
	return !strncmp(real, "/proc/", 6) && real[6] >= '0' && real[6] <= '9';
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

/* What a path that someone wants granted really is. */
struct found {
	struct stat st;
	bool on_proc;
	char real[PATH_MAX];
};

/* With full rights: who grants may name what nobody can reach. Links are followed. -errno. */
static int look_up(const char *path, struct found *f)
{
	int rc = identity_full(), fd;
	struct statfs fs;

	if (rc)
		return rc;
	fd = open(path, O_PATH | O_CLOEXEC);
	rc = fd < 0 ? -errno : 0;
	identity_leave();
	if (rc)
		return rc;
	rc = fstat(fd, &f->st) || fstatfs(fd, &fs) ? -errno : real_path(fd, f->real, sizeof(f->real));
	f->on_proc = !rc && fs.f_type == PROC_SUPER_MAGIC;
	close(fd);
	return rc;
}

/* NULL, or why such an object is never granted. */
static const char *type_problem(const struct found *f)
{
	mode_t type = f->st.st_mode & S_IFMT;

	if (is_process_of_proc(f->real))
		return "names a process, the supervisor's own here";
	if (type != S_IFREG && type != S_IFDIR && type != S_IFCHR)
		return "is no file, directory or character device";
	return NULL;
}

static int add_found(struct making *m, const char *path, const struct found *f, uint32_t rights, const char *rule)
{
	struct grant g = {
		.rule = rule, .place = PLACE_HOST, .listed = rights, .dev = f->st.st_dev, .ino = f->st.st_ino,
		.type = f->st.st_mode & S_IFMT, .on_proc = f->on_proc,
	};

	return add_real(m, path, f->real, &g);
}

/* The private /tmp comes first: no grant may take its place. What the operator grants takes that of a synthetic file. */
static int rank(const struct grant *g)
{
	return g->place == PLACE_TMP ? 0 : g->place == PLACE_HOST ? 1 : 2;
}

static int by_path(const void *a, const void *b)
{
	const struct grant *x = a, *y = b;
	int order = vpath_cmp(x->path, y->path);

	return order ? order : rank(x) - rank(y);
}

static void drop(struct grant *g)
{
	free(g->path);
	free(g->host);
}

/* The next shorter grant under a real name. Names that are links are left out: what may be done with the directory
 * that holds a link says nothing of what it leads to. */
static const struct grant *really_above(const struct grant *g)
{
	while (g && (g->host || g->place != PLACE_HOST))
		g = g->parent;
	return g;
}

static void add_up(struct grants *l)
{
	const struct grant *up;
	bool above;

	for (size_t i = 0; i < l->n; i++) { /* shorter ones come first */
		up = l->v[i].host || l->v[i].place != PLACE_HOST ? NULL : really_above(l->v[i].parent);
		l->v[i].listed |= up ? up->listed : 0;
	}
	for (size_t i = 0; i < l->n; i++) {
		up = l->v[i].host ? grants_find(l, l->v[i].host, &above) : NULL;
		l->v[i].listed |= up ? up->listed : 0;
	}
}

/* Sorts, joins grants of one path, links each to the next shorter one, and makes them findable. 0 or -ENOMEM. */
static int arrange(struct grants *l)
{
	size_t n = 0;
	int rc;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_path);
	for (size_t i = 0; i < l->n; i++) {
		if (!n || strcmp(l->v[n - 1].path, l->v[i].path)) {
			l->v[n++] = l->v[i];
			continue;
		}
		l->v[n - 1].listed |= l->v[i].place == PLACE_SYNTH ? 0 : l->v[i].listed;
		drop(&l->v[i]);
	}
	l->n = n;
	for (size_t i = 0; i < n; i++) {
		struct grant *g = &l->v[i], *up = i ? g - 1 : NULL;

		while (up && !vpath_covers(up->path, up->len, g->path))
			up = up->parent;
		g->parent = up;
	}
	rc = grant_index_make(&l->index, l->v, n);
	if (!rc)
		add_up(l);
	return rc;
}

uint32_t grants_rights(const struct grants *l, const struct grant *g, const char *path)
{
	const struct grant *up;
	bool above;

	up = really_above(grants_find(l, g->host ? g->host : path, &above));
	return up ? up->listed : 0;
}

void grants_done(struct grants *l)
{
	for (size_t i = 0; i < l->n_held; i++)
		close(*l->held[i]);
	for (size_t i = 0; i < l->n; i++)
		drop(&l->v[i]);
	grant_index_done(&l->index);
	free(l->v);
	free(l->held);
	free(l->rules);
	*l = (struct grants){0};
}

/* --- of a policy ------------------------------------------------------------------------------------------- */

/* A granted path that is not there is left out: policies name what some machines have. */
static int add_path(struct making *m, const char *path, const struct policy_file *file)
{
	const char *wrong;
	struct found f;
	int rc = look_up(path, &f);

	if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM)
		return err_set(m->e, ERR_HOST, "grants", -rc, "%s", path);
	if (rc)
		return 0;
	wrong = type_problem(&f);
	if (wrong)
		return err_set(m->e, ERR_REQUEST, "files", EINVAL, "%s %s", path, wrong);
	return add_found(m, path, &f, file->rights, file->rule);
}

static int add_file(struct making *m, const struct policy_file *f, const char *const *trees)
{
	int rc = 0;

	if (!f->interpreter)
		return add_path(m, f->path, f);
	for (size_t i = 0; !rc && trees && trees[i]; i++)
		rc = add_path(m, trees[i], f);
	return rc;
}

static int add_synthetic(struct making *m)
{
	struct grant g = {.rule = "synthetic", .place = PLACE_SYNTH, .listed = RIGHT_READ | RIGHT_LIST};
	const char *path;
	int rc = 0;

	for (size_t i = 0; !rc && (path = synth_grant(i, &g.type)); i++)
		rc = add(m, &g, path);
	return rc;
}

int grants_of_policy(struct grants *l, const struct policy *p, const char *const *trees, struct err *e)
{
	struct grant tmp = {.rule = "private /tmp", .place = PLACE_TMP, .listed = TMP_RIGHTS, .type = S_IFDIR};
	struct making m = {.l = l, .e = e};
	int rc;

	*l = (struct grants){.quarters = GRANTS_HELD_BY_POLICY};
	rc = add(&m, &tmp, TMP_PATH);
	rc = rc ? rc : add(&m, &tmp, SHM_PATH);
	rc = rc ? rc : add_synthetic(&m);
	for (size_t i = 0; !rc && i < p->n_files; i++)
		rc = add_file(&m, &p->files[i], trees);
	rc = rc ? rc : arrange(l);
	return rc == -ENOMEM ? err_set(e, ERR_HOST, "grants", ENOMEM, "no memory for the tree") : rc;
}

/* --- of a job ---------------------------------------------------------------------------------------------- */

struct wish {
	const struct job *job;
	const struct policy *policy;
	enum grant_kind kind;
	const char *path;
	char name[32];           /* grants.read[0] */
	enum rpc_error *code;
	struct err *e;
};

__attribute__((format(printf, 3, 4))) static int refuse(const struct wish *w, enum rpc_error code, const char *fmt, ...)
{
	char words[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	*w->code = code;
	return err_set(w->e, ERR_REQUEST, w->name, 0, "%s", words);
}

/* Whether what the path really is lies where a bound that covers its name really is. */
static bool is_within(const struct policy_bounds *b, const struct wish *w, const char *real)
{
	struct found bound;

	for (size_t i = 0; i < b->n; i++)
		if (paths_cover(b->v[i].text, w->path) && !look_up(b->v[i].text, &bound) && paths_cover(bound.real, real))
			return true;
	return false;
}

/* A device is more than its name in a directory: it has to be named itself. */
static bool is_named(const struct policy_bounds *b, const char *path)
{
	for (size_t i = 0; i < b->n; i++)
		if (!strcmp(b->v[i].text, path))
			return true;
	return false;
}

static bool may(const struct wish *w, const struct found *f)
{
	const struct policy_bounds *all = w->policy->callers_may;
	bool device = S_ISCHR(f->st.st_mode);

	for (int kind = GRANT_READ; kind <= GRANT_WRITE; kind++) {
		if (w->kind == GRANT_WRITE && kind == GRANT_READ)
			continue;
		if (is_within(&all[kind], w, f->real) && (!device || is_named(&all[kind], w->path)))
			return true;
	}
	return false;
}

static int check_wish(const struct wish *w, const struct found *f)
{
	const char *why = policy_grant_problem(f->real);

	if (!why && f->on_proc)
		why = "would show the supervisor's processes";
	if (!why)
		why = type_problem(f);
	if (why)
		return refuse(w, RPC_ERROR_NOT_PERMITTED, "%.60s leads to %.60s: %s", w->path, f->real, why);
	if (!w->job->by_operator && !may(w, f))
		return refuse(w, RPC_ERROR_NOT_PERMITTED, "%.60s leads to %.60s, outside callers_may of policy %.30s", w->path,
		              f->real, w->policy->name);
	return 0;
}

static int add_wish(struct making *m, struct wish *w, char *rule)
{
	static const uint32_t rights[] = {
		[GRANT_READ] = RIGHT_READ | RIGHT_LIST,
		[GRANT_WRITE] = RIGHT_READ | RIGHT_WRITE | RIGHT_CREATE | RIGHT_LIST,
	};
	struct found f;
	int rc = look_up(w->path, &f);

	if (rc)
		return refuse(w, RPC_ERROR_BAD_REQUEST, "%.120s: %s", w->path, strerror(-rc));
	rc = check_wish(w, &f);
	return rc ? rc : add_found(m, w->path, &f, rights[w->kind], rule);
}

int grants_of_job(struct grants *l, const struct job *j, const struct policy *p, enum rpc_error *code, struct err *e)
{
	struct wish w = {.job = j, .policy = p, .code = code, .e = e};
	struct making m = {.l = l, .e = e};
	size_t n = 0;
	int rc = 0;

	*l = (struct grants){.quarters = GRANTS_HELD_BY_JOB};
	*code = RPC_ERROR_BAD_REQUEST;
	l->rules = calloc(j->grants[GRANT_READ].n + j->grants[GRANT_WRITE].n, sizeof(*l->rules));
	for (int kind = GRANT_READ; !rc && kind <= GRANT_WRITE; kind++)
		for (size_t i = 0; !rc && i < j->grants[kind].n; i++) {
			w.kind = (enum grant_kind)kind;
			w.path = j->grants[kind].v[i];
			snprintf(w.name, sizeof(w.name), "grants.%s[%zu]", grant_kind_name(kind), i);
			rc = l->rules ? 0 : -ENOMEM;
			if (!rc) {
				strcpy(l->rules[n], w.name);
				rc = add_wish(&m, &w, l->rules[n++]);
			}
		}
	rc = rc ? rc : arrange(l);
	return rc == -ENOMEM ? err_set(e, ERR_HOST, "grants", ENOMEM, "no memory for a job's grants") : rc;
}
