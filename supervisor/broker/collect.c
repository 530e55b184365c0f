#include "collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "globs.h"
#include "identity.h"
#include "names.h"
#include "state.h"

#define STEP_COST    (1u << 20) /* of one step: bytes copied, */
#define ENTRY_COST   4096u      /* and this for each name: half a millisecond together */
#define ENTRIES_MAX  (1u << 18) /* names looked at for one job */
#define FILES_MAX    65536u
#define DROPPED_MAX  64u        /* files told of that could not be collected */
#define FILE_ROOM    16u        /* bytes of a message that a file takes beside its name and data */

/* --- in -------------------------------------------------------------------------------------------------------- */

/* Counts a name, where the kernel has no quota of them. `rc`: of what made it. */
static int count(struct private_tmp *tmp, int rc)
{
	if (rc)
		return errno == EEXIST ? 0 : -errno;
	return tmp->dir && tmp->inodes_left-- <= 0 ? -ENOSPC : 0;
}

/* Nobody has been in there before: no link is on the way. */
static int make_file(struct private_tmp *tmp, const char *name)
{
	char path[NAMES_BYTES_MAX + 1];
	int fd, rc;

	snprintf(path, sizeof(path), "%s", name);
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		rc = count(tmp, mkdirat(tmp->root, path, 0755));
		if (rc)
			return rc;
		*slash = '/';
	}
	rc = count(tmp, 0);
	fd = rc ? rc : openat(tmp->root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	return rc ? rc : fd < 0 ? -errno : fd;
}

/* At most `cost` bytes of the file that is being put. 0 or -errno. */
static int put_some(struct put *p, struct private_tmp *tmp, const struct job_file *f, size_t *cost)
{
	size_t left = f->data.len - p->done, want = left < *cost ? left : *cost;
	ssize_t n = 0;

	if (p->fd < 0)
		p->fd = make_file(tmp, f->name);
	if (p->fd < 0)
		return p->fd;
	if (want)
		n = write(p->fd, f->data.p + p->done, want);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	p->done += (size_t)n;
	*cost -= (size_t)n < *cost ? (size_t)n : *cost;
	if (p->done == f->data.len) {
		close(p->fd);
		*p = (struct put){.next = p->next + 1, .fd = -1};
		*cost -= ENTRY_COST < *cost ? ENTRY_COST : *cost;
	}
	return 0;
}

int put_step(struct put *p, struct broker_job *b, const struct job_file *files, size_t n, struct err *e)
{
	int root = private_tmp_root(&b->tmp, &b->who, &b->options), rc = root < 0 ? root : 0;
	size_t cost = STEP_COST;
	mode_t old;

	if (!rc && identity_enter(b->who.uid, b->who.gid))
		rc = -EPERM;
	old = umask(022);
	while (!rc && p->next < n && cost)
		rc = put_some(p, &b->tmp, &files[p->next], &cost);
	umask(old);
	identity_leave();
	if (rc) {
		char name[NAMES_SHOWN] = "";

		if (p->next < n)
			names_show((struct bytes){files[p->next].name, strlen(files[p->next].name)}, name);
		return err_set(e, ERR_HOST, "files", -rc, "%s cannot be put into /tmp", name);
	}
	return p->next < n;
}

/* --- out ------------------------------------------------------------------------------------------------------- */

struct level {
	DIR *dir;
	struct globs_state wanted;
	size_t len;               /* of the name up to here, with its slash */
};

struct collect {
	struct globs *globs;
	const char *own;
	uint64_t room;
	unsigned entries;
	struct level levels[NAMES_DEPTH_MAX];
	unsigned depth;           /* levels in use */
	char name[NAMES_BYTES_MAX + NAMES_PART_MAX + 2]; /* of what is being looked at */
	int fd;                   /* of the file being read, -1: none */
	size_t done;
	struct job_file *files;   /* room for one more than there are, while one is read */
	size_t n_files, cap;
	struct file_dropped *dropped;
	size_t n_dropped;
	uint64_t more_dropped;    /* beyond those told of */
	const char *cut;          /* why the walk was ended early */
};

static void drop(struct collect *c, const char *name, uint64_t bytes, const char *why)
{
	struct file_dropped *d = &c->dropped[c->n_dropped];

	if (c->n_dropped == DROPPED_MAX) {
		c->more_dropped++;
		return;
	}
	*d = (struct file_dropped){name ? strdup(name) : NULL, bytes, strdup(why)};
	c->n_dropped++;
}

static int push(struct collect *c, int fd, const struct globs_state *wanted, size_t len)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		int rc = -errno;

		if (fd >= 0)
			close(fd);
		return rc;
	}
	c->levels[c->depth] = (struct level){.dir = dir, .len = len};
	c->levels[c->depth++].wanted = *wanted;
	return 0;
}

int collect_new(int root, const char *own, char *const *patterns, size_t n, uint64_t room, struct collect **out)
{
	struct collect *c = calloc(1, sizeof(*c));
	struct globs_state wanted = {{0}};
	int rc = c ? 0 : -ENOMEM;

	if (c) {
		c->fd = -1;
		c->own = own;
		c->room = room;
		c->dropped = calloc(DROPPED_MAX + 2, sizeof(*c->dropped));
		rc = c->dropped ? globs_new(patterns, n, &c->globs) : -ENOMEM;
	}
	if (!rc) {
		globs_begin(c->globs, &wanted);
		/* a descriptor of its own: the place it has got to in the listing is then nobody else's */
		rc = push(c, openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), &wanted, 0);
	}
	if (rc)
		collect_free(c);
	else
		*out = c;
	return rc;
}

void collect_free(struct collect *c)
{
	if (!c)
		return;
	while (c->depth)
		closedir(c->levels[--c->depth].dir);
	if (c->fd >= 0) {
		close(c->fd);
		free(c->files[c->n_files].name);
		free((char *)c->files[c->n_files].data.p);
	}
	for (size_t i = 0; i < c->n_files; i++) {
		free(c->files[i].name);
		free((char *)c->files[i].data.p);
	}
	for (size_t i = 0; i < c->n_dropped; i++) {
		free(c->dropped[i].name);
		free(c->dropped[i].why);
	}
	free(c->files);
	free(c->dropped);
	globs_free(c->globs);
	free(c);
}

static void enter(struct collect *c, const struct level *in, const char *name, size_t len)
{
	struct globs_state wanted = {{0}};
	int fd, rc;

	if (!globs_enter(c->globs, &in->wanted, name, &wanted))
		return;
	if (c->depth == NAMES_DEPTH_MAX || len + 1 >= NAMES_BYTES_MAX) {
		drop(c, c->name, 0, "a directory too deep below /tmp");
		return;
	}
	fd = openat(dirfd(in->dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = fd < 0 ? -errno : push(c, fd, &wanted, len + 1);
	if (rc)
		drop(c, c->name, 0, err_name(-rc));
	else
		c->name[len] = '/';
}

/* Room in the list, and for the bytes. */
static struct job_file *make_room(struct collect *c, size_t bytes)
{
	struct job_file *f;

	if (c->n_files == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 16;

		f = reallocarray(c->files, cap, sizeof(*f));
		if (!f)
			return NULL;
		c->files = f;
		c->cap = cap;
	}
	f = &c->files[c->n_files];
	f->name = strdup(c->name);
	f->data = (struct bytes){malloc(bytes ? bytes : 1), bytes};
	if (f->name && f->data.p)
		return f;
	free(f->name);
	free((char *)f->data.p);
	return NULL;
}

/* Why a file of that size cannot be taken; NULL when it can. */
static const char *flaw(const struct collect *c, uint64_t bytes, size_t len, char *buf, size_t size)
{
	const char *words = names_flaw((struct bytes){c->name, len});

	if (words) {
		snprintf(buf, size, "its name %s", words);
		return buf;
	}
	if (c->n_files >= FILES_MAX)
		return "there are 65536 files already";
	if (bytes + len + FILE_ROOM > c->room) {
		snprintf(buf, size, "it has %llu bytes, the result has room for %llu more", (unsigned long long)bytes,
			 (unsigned long long)c->room);
		return buf;
	}
	return NULL;
}

static void begin_file(struct collect *c, const struct level *in, const char *name, size_t len)
{
	char words[96];
	const char *why;
	struct stat st;
	int fd;

	if (!globs_match(c->globs, &in->wanted, name))
		return;
	fd = openat(dirfd(in->dir), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		drop(c, c->name, 0, err_name(errno));
	} else if (S_ISREG(st.st_mode)) {
		why = flaw(c, (uint64_t)st.st_size, len, words, sizeof(words));
		if (!why && !make_room(c, (size_t)st.st_size))
			why = "no memory for it";
		if (!why) {
			c->room -= (uint64_t)st.st_size + len + FILE_ROOM;
			c->fd = fd;
			c->done = 0;
			return;
		}
		drop(c, c->name, (uint64_t)st.st_size, why);
	}
	if (fd >= 0)
		close(fd);
}

/* The next name of the innermost directory. */
static void look_at_next(struct collect *c)
{
	struct level *in = &c->levels[c->depth - 1];
	struct dirent *d = readdir(in->dir);
	unsigned char type;
	struct stat st;
	size_t len;

	if (!d) {
		closedir(in->dir);
		c->depth--;
		return;
	}
	if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") || (c->depth == 1 && !strcmp(d->d_name, c->own)))
		return;
	if (++c->entries > ENTRIES_MAX) {
		c->cut = "more than 262144 names below /tmp";
		return;
	}
	len = in->len + (size_t)snprintf(c->name + in->len, sizeof(c->name) - in->len, "%s", d->d_name);
	type = d->d_type;
	if (type == DT_UNKNOWN && !fstatat(dirfd(in->dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW))
		type = IFTODT(st.st_mode);
	if (type == DT_DIR)
		enter(c, in, d->d_name, len);
	else if (type == DT_REG)
		begin_file(c, in, d->d_name, len);
}

/* At most `cost` bytes of the file that is being read. */
static size_t read_some(struct collect *c, size_t cost)
{
	struct job_file *f = &c->files[c->n_files];
	size_t left = f->data.len - c->done, want = left < cost ? left : cost;
	ssize_t n = want ? read(c->fd, (char *)f->data.p + c->done, want) : 0;

	if (n < 0 && errno == EINTR)
		return 0;
	if (n > 0)
		c->done += (size_t)n;
	if (n > 0 && c->done < f->data.len)
		return (size_t)n;
	close(c->fd);
	c->fd = -1;
	if (n < 0) {
		drop(c, f->name, f->data.len, err_name(errno));
		free(f->name);
		free((char *)f->data.p);
	} else {
		f->data.len = c->done;
		c->n_files++;
	}
	return n > 0 ? (size_t)n : 0;
}

int collect_step(struct collect *c)
{
	size_t cost = 0;

	while (cost < STEP_COST && (c->fd >= 0 || c->depth) && !c->cut) {
		if (c->fd >= 0) {
			cost += read_some(c, STEP_COST - cost);
			continue;
		}
		look_at_next(c);
		cost += ENTRY_COST;
	}
	return !c->cut && (c->fd >= 0 || c->depth);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct job_file *)a)->name, ((const struct job_file *)b)->name);
}

void collect_take(struct collect *c, struct result *r)
{
	char words[64];

	if (c->more_dropped) {
		snprintf(words, sizeof(words), "%llu more files", (unsigned long long)c->more_dropped);
		c->dropped[c->n_dropped++] = (struct file_dropped){NULL, 0, strdup(words)};
	}
	if (c->cut)
		c->dropped[c->n_dropped++] = (struct file_dropped){NULL, 0, strdup(c->cut)};
	if (c->n_files)
		qsort(c->files, c->n_files, sizeof(*c->files), by_name);
	r->files = c->files;
	r->n_files = c->n_files;
	r->files_dropped = c->dropped;
	r->n_files_dropped = c->n_dropped;
	c->files = NULL;
	c->dropped = NULL;
	c->n_files = c->n_dropped = 0;
}
