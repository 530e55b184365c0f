/* flip.c - time of check against time of use: what a call points to changes while the call is being judged.
 *
 * Two threads write to the four bytes in which an allowed and a forbidden path differ (or dup2 over a descriptor, or
 * change a struct), while the calling thread makes the call again and again. A broker that looks twice loses.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attack.h"

#define EXPORT __attribute__((visibility("default")))
#define SECRET_SIZE 7777 /* bytes: only the forbidden file has this size */
#define SECRET "FORBIDDEN"
#define FLAGS_STAY 300   /* stores */

enum seen { SEEN_ALLOWED, SEEN_SECRET, SEEN_FAILED, SEEN_COUNT };

struct flip {
	char *path;              /* aligned so that `word` is one store */
	_Atomic uint32_t *word;
	uint32_t allowed, forbidden;
	int fds[2], at;          /* descriptors: at is the number that both are put over */
	struct open_how *how;
	_Atomic bool stop;
};

struct flip_counts {
	uint64_t seen[SEEN_COUNT];
	int64_t last_errno;
};

EXPORT int flip_path(const char *op, const char *allowed, const char *forbidden, unsigned ms, struct flip_counts *out);
EXPORT int flip_fd(const char *op, int a, int b, unsigned ms, struct flip_counts *out);
EXPORT int flip_how(const char *path, unsigned ms, struct flip_counts *out);

/* --- what is done with the flipping thing ----------------------------------------------------------------------- */

static long look_inside(long fd)
{
	char buf[256];
	long n;

	if (fd < 0)
		return fd;
	n = raw3(SYS_read, fd, buf, sizeof(buf));
	raw1(SYS_close, fd);
	if (n < 0)
		return n;
	return memmem(buf, (size_t)n, SECRET, strlen(SECRET)) ? SEEN_SECRET : SEEN_ALLOWED;
}

static long by_size(long ret, uint64_t size)
{
	return ret < 0 ? ret : size == SECRET_SIZE ? SEEN_SECRET : SEEN_ALLOWED;
}

static long do_open(struct flip *f)
{
	return look_inside(raw3(SYS_open, f->path, O_RDONLY, 0));
}

static long do_openat(struct flip *f)
{
	return look_inside(raw4(SYS_openat, AT_FDCWD, f->path, O_RDONLY | O_CLOEXEC, 0));
}

static long do_openat2(struct flip *f)
{
	struct open_how how = {.flags = O_RDONLY};

	return look_inside(raw4(SYS_openat2, AT_FDCWD, f->path, &how, sizeof(how)));
}

/* A path-only descriptor leads to the file by /proc/self/fd, or by an empty name. */
static long do_open_path(struct flip *f)
{
	struct stat st;
	long fd = raw3(SYS_open, f->path, O_PATH, 0), ret;

	if (fd < 0)
		return fd;
	ret = raw4(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH);
	raw1(SYS_close, fd);
	return by_size(ret, (uint64_t)st.st_size);
}

static long do_stat(struct flip *f)
{
	struct stat st;
	long ret = raw2(SYS_stat, f->path, &st);

	return by_size(ret, (uint64_t)st.st_size);
}

static long do_lstat(struct flip *f)
{
	struct stat st;
	long ret = raw2(SYS_lstat, f->path, &st);

	return by_size(ret, (uint64_t)st.st_size);
}

static long do_newfstatat(struct flip *f)
{
	struct stat st;
	long ret = raw4(SYS_newfstatat, AT_FDCWD, f->path, &st, 0);

	return by_size(ret, (uint64_t)st.st_size);
}

static long do_statx(struct flip *f)
{
	struct statx st;
	long ret = raw5(SYS_statx, AT_FDCWD, f->path, 0, STATX_SIZE, &st);

	return by_size(ret, st.stx_size);
}

/* The allowed file is read-only, the forbidden one writable for all: only the latter gives 0. */
static long may_write(long ret)
{
	return ret == 0 ? SEEN_SECRET : ret == -EACCES || ret == -EROFS ? SEEN_ALLOWED : ret;
}

static long do_access(struct flip *f)
{
	return may_write(raw2(SYS_access, f->path, W_OK));
}

static long do_faccessat(struct flip *f)
{
	return may_write(raw3(SYS_faccessat, AT_FDCWD, f->path, W_OK));
}

static long do_faccessat2(struct flip *f)
{
	return may_write(raw4(SYS_faccessat2, AT_FDCWD, f->path, W_OK, 0));
}

static long link_text(long n, const char *text)
{
	if (n < 0)
		return n;
	return memmem(text, (size_t)n, SECRET, strlen(SECRET)) ? SEEN_SECRET : SEEN_ALLOWED;
}

static long do_readlink(struct flip *f)
{
	char text[256];

	return link_text(raw3(SYS_readlink, f->path, text, sizeof(text)), text);
}

static long do_readlinkat(struct flip *f)
{
	char text[256];

	return link_text(raw4(SYS_readlinkat, AT_FDCWD, f->path, text, sizeof(text)), text);
}

/* The flipping path is a directory. */
static long do_chdir(struct flip *f)
{
	long ret = raw1(SYS_chdir, f->path);

	return ret < 0 ? ret : look_inside(raw3(SYS_open, "secret", O_RDONLY, 0));
}

/* The flipping descriptor is a directory; 0 means that something was done somewhere: the host looks where. */
static long done(long ret)
{
	return ret < 0 ? ret : SEEN_ALLOWED;
}

static long do_fd_create(struct flip *f)
{
	long fd = raw4(SYS_openat, f->at, "planted", O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd >= 0)
		raw1(SYS_close, fd);
	return done(fd);
}

static long do_fd_truncate(struct flip *f)
{
	long fd = raw4(SYS_openat, f->at, "secret", O_WRONLY | O_TRUNC, 0);

	if (fd >= 0)
		raw1(SYS_close, fd);
	return done(fd);
}

static long do_fd_unlink(struct flip *f)
{
	return done(raw3(SYS_unlinkat, f->at, "secret", 0));
}

static long do_fd_mkdir(struct flip *f)
{
	long ret = done(raw3(SYS_mkdirat, f->at, "planted-directory", 0777));

	raw3(SYS_unlinkat, f->at, "planted-directory", AT_REMOVEDIR);
	return ret;
}

static long do_fd_rename(struct flip *f)
{
	return done(raw4(SYS_renameat, f->at, "secret", f->at, "renamed"));
}

static long do_fd_read(struct flip *f)
{
	return look_inside(raw4(SYS_openat, f->at, "secret", O_RDONLY, 0));
}

static long do_fd_climb(struct flip *f)
{
	return look_inside(raw4(SYS_openat, f->at, "../deny/secret", O_RDONLY, 0));
}

static long do_fd_fchmod(struct flip *f)
{
	return done(raw2(SYS_fchmod, f->at, 0777));
}

static long do_fd_ftruncate(struct flip *f)
{
	return done(raw2(SYS_ftruncate, f->at, 1));
}

static long do_fd_utime(struct flip *f)
{
	struct timespec t[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

	return done(raw4(SYS_utimensat, f->at, NULL, t, 0));
}

/* Any descriptor that can be written to is a leak: nothing here is ever granted for writing. */
static long do_how(struct flip *f)
{
	long fd = raw4(SYS_openat2, AT_FDCWD, f->path, f->how, sizeof(*f->how)), n;

	if (fd < 0)
		return fd;
	n = raw3(SYS_write, fd, "x", 1);
	raw1(SYS_close, fd);
	return n > 0 ? SEEN_SECRET : SEEN_ALLOWED;
}

static const struct flip_op {
	const char *name;
	long (*make)(struct flip *f);
} OPS[] = {
	{"open", do_open}, {"openat", do_openat}, {"openat2", do_openat2}, {"open_path", do_open_path},
	{"stat", do_stat}, {"lstat", do_lstat}, {"newfstatat", do_newfstatat}, {"statx", do_statx},
	{"access", do_access}, {"faccessat", do_faccessat}, {"faccessat2", do_faccessat2},
	{"readlink", do_readlink}, {"readlinkat", do_readlinkat}, {"chdir", do_chdir},
	{"fd_create", do_fd_create}, {"fd_truncate", do_fd_truncate}, {"fd_unlink", do_fd_unlink},
	{"fd_mkdir", do_fd_mkdir}, {"fd_rename", do_fd_rename}, {"fd_read", do_fd_read}, {"fd_climb", do_fd_climb},
	{"fd_fchmod", do_fd_fchmod}, {"fd_ftruncate", do_fd_ftruncate}, {"fd_utime", do_fd_utime},
};

/* --- the flipping threads --------------------------------------------------------------------------------------- */

static void *flip_to_allowed(void *arg)
{
	struct flip *f = arg;

	while (!f->stop)
		*f->word = f->allowed;
	return NULL;
}

static void *flip_to_forbidden(void *arg)
{
	struct flip *f = arg;

	while (!f->stop)
		*f->word = f->forbidden;
	return NULL;
}

static void *put_first(void *arg)
{
	struct flip *f = arg;

	while (!f->stop)
		raw2(SYS_dup2, f->fds[0], f->at);
	return NULL;
}

static void *put_second(void *arg)
{
	struct flip *f = arg;

	while (!f->stop)
		raw2(SYS_dup2, f->fds[1], f->at);
	return NULL;
}

static void *flip_flags(void *arg)
{
	struct flip *f = arg;

	/* each value stays a while: of two stores in a row another CPU sees the second one only */
	for (volatile uint64_t *flags = (volatile uint64_t *)&f->how->flags; !f->stop;) {
		for (int i = 0; i < FLAGS_STAY; i++)
			*flags = O_WRONLY | O_TRUNC;
		for (int i = 0; i < FLAGS_STAY; i++)
			*flags = O_RDONLY;
	}
	return NULL;
}

static void count(struct flip_counts *out, long seen)
{
	if (seen < 0)
		out->last_errno = -seen;
	out->seen[seen < 0 ? SEEN_FAILED : seen]++;
}

static int race(struct flip *f, void *(*const flippers[2])(void *), long (*make)(struct flip *), unsigned ms,
                struct flip_counts *out)
{
	uint64_t end = deadline_ms(ms);
	pthread_t t[2];
	int n = 0;

	memset(out, 0, sizeof(*out));
	while (n < 2 && pthread_create(&t[n], NULL, flippers[n], f) == 0)
		n++;
	for (unsigned i = 0; n == 2 && now_ns() < end; i++) {
		/* half of the calls start out innocent, a quarter guilty: both must be seen to be judged */
		if (f->word && i % 4 != 3)
			*f->word = i % 4 == 1 ? f->forbidden : f->allowed;
		count(out, make(f));
	}
	f->stop = true;
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	return n == 2 ? 0 : -EAGAIN;
}

static const struct flip_op *find(const char *name)
{
	for (size_t i = 0; i < sizeof(OPS) / sizeof(OPS[0]); i++)
		if (strcmp(OPS[i].name, name) == 0)
			return &OPS[i];
	return NULL;
}

/* A copy of `allowed` in which the first byte that differs from `forbidden` is at a multiple of four. */
static int place(struct flip *f, const char *allowed, const char *forbidden)
{
	size_t len = strlen(allowed), at = 0;
	char *room;

	if (strlen(forbidden) != len)
		return -EINVAL;
	while (at < len && allowed[at] == forbidden[at])
		at++;
	if (at + 4 > len || strcmp(allowed + at + 4, forbidden + at + 4) != 0)
		return -EINVAL;
	room = aligned_alloc(64, (len + 128) / 64 * 64);
	if (!room)
		return -ENOMEM;
	f->path = room + (4 - at % 4) % 4;
	memcpy(f->path, allowed, len + 1);
	memcpy(&f->allowed, allowed + at, 4);
	memcpy(&f->forbidden, forbidden + at, 4);
	f->word = (void *)(f->path + at);
	return 0;
}

int flip_path(const char *op, const char *allowed, const char *forbidden, unsigned ms, struct flip_counts *out)
{
	static void *(*const flippers[2])(void *) = {flip_to_allowed, flip_to_forbidden};
	struct flip f = {.at = -1};
	const struct flip_op *o = find(op);
	int err = o ? place(&f, allowed, forbidden) : -ENOENT;

	return err < 0 ? err : race(&f, flippers, o->make, ms, out);
}

int flip_fd(const char *op, int a, int b, unsigned ms, struct flip_counts *out)
{
	static void *(*const flippers[2])(void *) = {put_first, put_second};
	struct flip f = {.fds = {a, b}};
	const struct flip_op *o = find(op);

	if (!o)
		return -ENOENT;
	f.at = dup(a);
	return f.at < 0 ? -errno : race(&f, flippers, o->make, ms, out);
}

int flip_how(const char *path, unsigned ms, struct flip_counts *out)
{
	static void *(*const flippers[2])(void *) = {flip_flags, flip_flags};
	struct open_how how = {.flags = O_RDONLY};
	struct flip f = {.at = -1, .how = &how, .path = (char *)(uintptr_t)path};

	return race(&f, flippers, do_how, ms, out);
}
