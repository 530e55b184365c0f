#include "synth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "identity.h"
#include "numbers.h"
#include "scratch.h"
#include "seal.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define DIRECTORY_INODES 4096 /* names of all directories of /proc together, */
#define THREADS_LISTED_MAX 512 /* with those of so many threads, a job's whole life long */
#define DIRECTORY_BYTES  (1u << 16)

/* --- names ----------------------------------------------------------------------------------------------------- */

/* A number as procfs has it: without a sign, without zeros in front. -1: it is none. */
static int number(const char *p, size_t len)
{
	int n = 0;

	if (len == 0 || len > 9 || (*p == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		n = 10 * n + (p[i] - '0');
	}
	return n;
}

/* Whether a thread is the job's, by the number that it has for the job: judged by the kernel itself, by the signal that is none, or by what its
 * procfs lists. */
static bool is_own_thread(const struct request *r, pid_t tid)
{
	const struct broker_tracee *who = &r->job->who;
	char path[48];

	if (tid == who->t_own_pid)
		return true;
	if (who->proc < 0)
		return !syscall(SYS_tgkill, who->t_pid, tid, 0) || errno == EPERM;
	snprintf(path, sizeof(path), "%d/task/%d", (int)who->t_own_pid, (int)tid);
	return !faccessat(who->proc, path, F_OK, 0);
}

/* One component of a row against one of the path. */
static bool part_matches(const struct request *r, const char *row, const char *p, size_t len, struct synth_at *at)
{
	int n;

	if (row[1] && row[1] != '/')
		return strncmp(row, p, len) == 0 && (row[len] == '\0' || row[len] == '/');
	switch (*row) {
	case '#':
		return number(p, len) == r->job->who.t_own_pid;
	case '@':
		n = number(p, len);
		at->t_tid = n;
		return n > 0 && is_own_thread(r, n);
	case '%':
		n = number(p, len);
		at->t_fd = n;
		return n >= 0;
	}
	return len == 1 && *row == *p;
}

static bool row_matches(const struct request *r, const struct synth_row *row, const char *path, struct synth_at *at)
{
	const char *w = row->path;

	while (*w && *path) {
		size_t len = strcspn(path + 1, "/");

		if (!part_matches(r, w + 1, path + 1, len, at))
			return false;
		w += 1 + strcspn(w + 1, "/");
		path += 1 + len;
	}
	return !*w && !*path;
}

static bool find(const struct request *r, const char *path, struct synth_at *at)
{
	for (size_t i = 0; i < synth_n_rows; i++) {
		*at = (struct synth_at){&synth_rows[i], r->job->who.t_own_pid, -1};
		if (row_matches(r, &synth_rows[i], path, at))
			return true;
	}
	return false;
}

static const mode_t types[] = {
	[SYNTH_DIR] = S_IFDIR, [SYNTH_NUMBERS] = S_IFDIR, [SYNTH_TEXT] = S_IFREG, [SYNTH_LINK] = S_IFLNK, [SYNTH_FD] = S_IFLNK,
};

const char *synth_grant(size_t i, mode_t *type)
{
	for (size_t k = 0; k < synth_n_rows; k++) {
		const struct synth_row *row = &synth_rows[k];

		if (strncmp(row->path, "/proc/", 6) == 0 || i--)
			continue;
		*type = types[row->kind];
		return row->path;
	}
	return NULL;
}

const char *synth_fixed_target(const char *path)
{
	static const char *const links[][2] = {
		{"/dev/fd", "/proc/self/fd"}, {"/dev/stdin", "/proc/self/fd/0"}, {"/dev/stdout", "/proc/self/fd/1"},
		{"/dev/stderr", "/proc/self/fd/2"},
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (!strcmp(links[i][0], path))
			return links[i][1];
	return NULL;
}

/* --- objects --------------------------------------------------------------------------------------------------- */

/* Back to who the call was before root's identity was taken for a moment. */
static void back(const struct request *r)
{
	if (!r->entered || identity_enter(r->job->who.uid, r->job->who.gid))
		identity_leave();
}

/* A memfd that belongs to its maker: root or, for what is the process's own, the job. */
static int make_memfd(struct request *r, const char *path, bool of_process)
{
	char name[250];
	int fd, rc = of_process ? identity_enter(r->job->who.uid, r->job->who.gid) : identity_full();

	snprintf(name, sizeof(name), "%s", path);
	fd = rc ? rc : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (!rc && fd < 0)
		fd = -errno;
	if (fd >= 0)
		fchmod(fd, 0444);
	back(r);
	return fd;
}

static int put_text(int fd, const char *text, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, text + done, len - done, (off_t)done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return seal(fd, SEALS);
}

static int write_text(struct request *r, const struct synth_at *at, char **text, size_t *len)
{
	FILE *f = open_memstream(text, len);

	if (!f)
		return -ENOMEM;
	at->row->write(r, at, f);
	return fclose(f) ? -ENOMEM : 0;
}

static int make_file(struct request *r, const char *path, const struct synth_at *at)
{
	char *text = NULL;
	size_t len = 0;
	int rc = write_text(r, at, &text, &len), fd;

	fd = rc ? rc : make_memfd(r, path, at->row->of_process);
	rc = fd < 0 ? 0 : put_text(fd, text, len);
	free(text);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

/* The same number for a name at every look. */
static ino_t inode_of(const char *path)
{
	uint32_t h = 2166136261u;

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 16777619u;
	return h;
}

static void own(const struct request *r, const struct synth_at *at, struct stat *st)
{
	bool job = at->row->of_process && r->job->who.uid != (uid_t)-1;

	st->st_uid = job ? r->job->who.uid : 0;
	st->st_gid = job ? r->job->who.gid : 0;
}

/* What has no inode of its own: the skeleton's root stands for it, which holds nothing that the job may not see. */
static int look_at_name(struct request *r, const struct synth_at *at, struct object *o)
{
	struct lookup root = {.place = PLACE_SKELETON};
	char target[PATH_MAX];
	ssize_t n = 0;

	o->fd = tree_root(r->job->tree, NULL, &root);
	o->own = false;
	if (o->fd < 0)
		return o->fd;
	if (fstat(o->fd, &o->st))
		return -errno;
	o->st.st_ino = inode_of(o->path.s);
	own(r, at, &o->st);
	o->st.st_mode = S_IFDIR | 0555;
	o->st.st_size = 0;
	o->st.st_nlink = 1;
	if (types[at->row->kind] == S_IFDIR)
		return 0;
	n = at->row->kind == SYNTH_FD ? synth_fd_look(r, at->t_fd, &o->st)
	                              : synth_readlink(r, o->path.s, target, sizeof(target));
	if (n < 0)
		return (int)n;
	if (at->row->kind == SYNTH_LINK) {
		o->st.st_mode = S_IFLNK | 0777;
		o->st.st_size = n;
	}
	return 0;
}

/* Whether a name above `path` is a link: what lies behind it is found by walking. */
static bool leads_through_link(const struct request *r, const char *path)
{
	char above[PATH_MAX];
	struct synth_at at;

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		if ((size_t)(slash - path) >= sizeof(above))
			return false;
		memcpy(above, path, (size_t)(slash - path));
		above[slash - path] = '\0';
		if (find(r, above, &at) && types[at.row->kind] == S_IFLNK)
			return true;
	}
	return false;
}

/* Told of as /proc/self: policies can name that, and it is the same for every job. */
static int hidden(struct request *r, const char *path)
{
	char own[32], shown[VPATH_MAX];
	int len = snprintf(own, sizeof(own), "/proc/%d/", (int)r->job->who.t_own_pid);

	if (strncmp(path, own, (size_t)len))
		return request_hidden(r, path);
	snprintf(shown, sizeof(shown), "/proc/self/%s", path + len);
	return request_hidden(r, shown);
}

int synth_look(struct request *r, struct object *o)
{
	struct synth_at at;

	if (!find(r, o->path.s, &at))
		return leads_through_link(r, o->path.s) ? -ELOOP : hidden(r, o->path.s);
	if (at.row->kind != SYNTH_TEXT)
		return look_at_name(r, &at, o);
	o->fd = make_file(r, o->path.s, &at);
	if (o->fd < 0)
		return o->fd;
	o->own = true;
	return fstat(o->fd, &o->st) ? -errno : 0;
}

ssize_t synth_readlink(struct request *r, const char *path, char *target, size_t size)
{
	struct synth_at at;
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (!find(r, path, &at) || types[at.row->kind] != S_IFLNK)
		return -EINVAL;
	if (at.row->kind == SYNTH_FD)
		return synth_fd_target(r, at.t_fd, target, size);
	rc = write_text(r, &at, &text, &len);
	if (!rc) {
		len = len < size ? len : size;
		memcpy(target, text, len);
	}
	free(text);
	return rc ? rc : (ssize_t)len;
}

/* --- directories ----------------------------------------------------------------------------------------------- */

/* A row's path with the job's numbers in it; false: `@` and `%` have none of their own here. */
static bool fill_in(const struct request *r, const struct synth_row *row, pid_t t_tid, char *out, size_t size)
{
	size_t n = 0;

	for (const char *p = row->path; *p && n < size; p++) {
		if (!strchr("#@%", *p))
			n += (size_t)snprintf(out + n, size - n, "%c", *p);
		else if (*p == '#')
			n += (size_t)snprintf(out + n, size - n, "%d", (int)r->job->who.t_own_pid);
		else if (*p == '@' && t_tid)
			n += (size_t)snprintf(out + n, size - n, "%d", (int)t_tid);
		else
			return false;
	}
	return n < size;
}

static void plant(struct request *r, const struct synth_row *row, pid_t t_tid)
{
	/* what stands on a disk is filled without any capability: its owner writes. Others never do, the job neither: it has no path to it */
	mode_t mode = r->job->synth.dir ? 0755 : 0555;
	int fd, root = r->job->synth.root;
	char path[128];

	if (!fill_in(r, row, t_tid, path, sizeof(path)))
		return;
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdirat(root, path + 1, mode);
		*p = '/';
	}
	if (types[row->kind] == S_IFDIR) {
		mkdirat(root, path + 1, mode);
	} else if (types[row->kind] == S_IFLNK) {
		(void)!symlinkat("-", root, path + 1); /* listed, never followed here */
	} else {
		fd = openat(root, path + 1, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0444);
		if (fd >= 0)
			close(fd);
	}
}

/* All names that there are, once a job; those of a thread when its directory is opened. */
static int plant_all(struct request *r, pid_t t_tid)
{
	const struct scratch_size size = {DIRECTORY_BYTES, DIRECTORY_INODES, 0555, (uid_t)-1, (gid_t)-1};
	struct skeleton *s = &r->job->synth;
	bool made = s->root >= 0;
	int rc = identity_full();

	if (rc)
		return rc;
	if (!made) {
		s->root = scratch_tmpfs(&size);
		if (s->root < 0)
			s->root = scratch_dir(&s->dir);
		s->mnt = s->root < 0 || s->dir ? 0 : scratch_mount_id(s->root);
		if (s->dir)
			fchmod(s->root, 0755);
	}
	for (size_t i = 0; s->root >= 0 && i < synth_n_rows; i++)
		if (!made || strchr(synth_rows[i].path, '@'))
			plant(r, &synth_rows[i], t_tid);
	back(r);
	return s->root < 0 ? s->root : 0;
}

/* The process's own numbers, which procfs lists as they are at that moment. */
static int open_numbers(struct request *r, const char *path)
{
	char name[64];
	int fd, rc = request_enter(r, true);

	if (rc)
		return rc;
	snprintf(name, sizeof(name), "%d/%s", (int)r->job->who.t_own_pid, strrchr(path, '/') + 1);
	fd = numbers_procfs(&r->job->who, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	if (r->still_there(r->arg, r->call->id))
		return fd;
	close(fd);
	return -EINTR;
}

/* A thread's directory stays when the thread has ended: where the kernel has no quota of names, this is it. */
static int plant_thread(struct request *r, const char *path, pid_t t_tid)
{
	const struct skeleton *s = &r->job->synth;

	if (s->root >= 0 && !faccessat(s->root, path + 1, F_OK, 0))
		return 0;
	return r->job->threads_listed++ < THREADS_LISTED_MAX ? plant_all(r, t_tid) : -ENFILE;
}

int synth_open_directory(struct request *r, const struct object *o)
{
	struct synth_at at;
	int rc = 0;

	if (!find(r, o->path.s, &at))
		return -ENOENT;
	if (at.row->kind == SYNTH_NUMBERS)
		return open_numbers(r, o->path.s);
	if (strchr(at.row->path, '@'))
		rc = plant_thread(r, o->path.s, at.t_tid);
	else if (r->job->synth.root < 0)
		rc = plant_all(r, 0);
	return rc ? rc : resolve_openat2(r->job->synth.root, o->path.s + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}
