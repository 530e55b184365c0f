/* Names and what hangs on them: links, nodes, owners, attributes, free space, the working directory. Twice, as in
 * test_broker.c: with a tmpfs and pidfd_getfd, and without. */
#include "child.h"

#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include "calls.h"
#include "scratch.h"
#include "state.h"
#include "twice.h"

#define FD (uint64_t)AT_FDCWD

/* B/ro: read, list; B/w and B/w2: all rights; B/add: list, create. Everybody may write there by the host's modes. */
static int setup(void **state)
{
	static const char *const dirs[] = {"ro", "w", "w2", "add"};
	struct fixture *f = malloc(sizeof(*f));
	char files[1024], p[160];

	fixture_base(f);
	for (int i = 0; i < 4; i++) {
		snprintf(p, sizeof(p), "%s/%s", f->base, dirs[i]);
		assert_int_equal(mkdir(p, 0777), 0);
		assert_int_equal(chmod(p, 0777), 0);
		strcat(p, "/file");
		write_file(p, "file", 0666);
	}
	snprintf(p, sizeof(p), "%s/w/closed", f->base);
	write_file(p, "closed", 0644);
	snprintf(files, sizeof(files),
		"  - {path: %s/ro, rights: [read, list]}\n  - {path: %s/w, rights: [read, write, create, list]}\n"
		"  - {path: %s/w2, rights: [read, write, create, list]}\n  - {path: %s/add, rights: [list, create]}\n",
		f->base, f->base, f->base, f->base);
	fixture_start(f, files);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

/* "@/x" is B/x; good for eight calls. */
static const char *at(struct fixture *f, const char *path)
{
	static char room[8][256];
	static unsigned n;
	char *p = room[n++ % 8];

	snprintf(p, sizeof(room[0]), "%s%s", *path == '@' ? f->base : "", *path == '@' ? path + 1 : path);
	return p;
}

static int64_t one(struct fixture *f, const char *name, const char *path, uint64_t a, uint64_t b)
{
	return call(f, name, put(f, at(f, path)), a, b);
}

static int64_t two(struct fixture *f, const char *name, const char *a, const char *b)
{
	return call(f, name, put(f, at(f, a)), put(f, at(f, b)));
}

static void make(struct fixture *f, const char *path)
{
	int64_t fd = call(f, "open", put(f, at(f, path)), O_CREAT | O_WRONLY | O_EXCL, 0644);

	assert_int_equal(f->reply.kind, REPLY_FD);
	close((int)fd);
}

static int t_open(struct fixture *f, const char *path, int flags)
{
	int64_t fd = call(f, "openat", FD, put(f, at(f, path)), (uint64_t)flags, 0600);
	int t_fd;

	if (f->reply.kind != REPLY_FD)
		fail_msg("open %s: %lld", path, (long long)fd);
	t_fd = child_put(&f->c, (int)fd);
	close((int)fd);
	return t_fd;
}

static void expect_nlink(struct fixture *f, const char *path, unsigned n)
{
	struct stat st;

	assert_int_equal(one(f, "lstat", path, OUT(f), 0), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_int_equal(st.st_nlink, n);
}

/* --- links ------------------------------------------------------------------------------------------------- */

static void test_symlinks(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *target, *name;
		int64_t want;
	} rows[] = {
		{"file", "/tmp/s", 0}, {"x", "/tmp/s", -EEXIST}, {"", "/tmp/t", -ENOENT}, {"x", "", -ENOENT},
		{"x", "/tmp/t/", -ENOENT}, {"x", "/tmp/none/t", -ENOENT}, {"x", "/tmp/main.py/t", -ENOTDIR},
		{"x", "/tmp", -EEXIST}, {"x", "/", -EEXIST}, {"x", "/tmp/.", -EEXIST}, {"x", "@/ro/file", -EEXIST},
		{"x", "@/ro/s", -EACCES}, {"x", "/etc/s", -ENOENT}, {"@/ro/file", "@/w/s", 0}, {"@/ro/file", "/tmp/ro", 0},
		{"/etc/passwd", "/tmp/out", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (two(f, "symlink", rows[i].target, rows[i].name) != rows[i].want)
			fail_msg("symlink %s %s: %lld", rows[i].target, rows[i].name, (long long)f->reply.value);
	assert_int_equal(call(f, "symlinkat", put(f, "x"), FD, put(f, "u")), 0);
	assert_int_equal(call(f, "symlink", 8, put(f, "/tmp/v")), -EFAULT);
	expect_content(f, one(f, "open", "/tmp/ro", O_RDONLY, 0), "file");
	assert_int_equal(one(f, "open", "/tmp/ro", O_WRONLY, 0), -EACCES);
	assert_int_equal(one(f, "open", "/tmp/out", O_RDONLY, 0), -ENOENT);
	assert_int_equal(one(f, "open", "@/w/s", O_WRONLY, 0), -EACCES);
	static const char *const made[] = {"/tmp/s", "/tmp/ro", "/tmp/out", "/tmp/u", "@/w/s"};
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(one(f, "unlink", made[i], 0, 0), 0);
}

/* Said by the broker, not by the machine's fs.protected_hardlinks alone: that would be no violation. */
static void expect_refused_link(struct fixture *f, const char *path)
{
	size_t n, len = strlen(path);
	struct violation *v;
	uint64_t dropped;
	bool told = false;

	broker_take_violations(f->job, &v, &n, &dropped);
	for (size_t i = 0; i < n; i++) {
		size_t have = v[i].path ? strlen(v[i].path) : 0;

		told |= !strcmp(v[i].syscall, "link") && have > len && !strcmp(v[i].path + have - len, path);
		violation_done(&v[i]);
	}
	free(v);
	assert_true(told);
}

static void test_hard_links(void **state)
{
	struct fixture *f = *state;
	bool root = identity_can_switch();
	const struct {
		const char *from, *to;
		int64_t want;
	} rows[] = {
		{"/tmp/h", "/tmp/h2", 0}, {"/tmp/h", "/tmp/h2", -EEXIST}, {"/tmp/none", "/tmp/h3", -ENOENT},
		{"/tmp/h", "/tmp/h3/", -ENOENT}, {"/tmp/dir", "/tmp/h3", -EPERM}, {"/tmp", "/tmp/h3", -EPERM},
		/* a granted file never gets a name elsewhere, */
		{"@/ro/file", "/tmp/h3", -EXDEV}, {"@/ro/file", "@/w/h3", -EXDEV}, {"@/w/file", "@/w2/h3", -EXDEV},
		{"@/w/file", "/tmp/h3", -EXDEV}, {"/tmp/h", "@/w/h3", -EXDEV}, {"@/ro/file", "@/ro/h3", -EACCES},
		/* nor a second one in its place that outlives the right to write it, */
		{"@/add/file", "@/add/h3", -EPERM}, {"@/w/closed", "@/w/h3", root ? -EPERM : 0},
		/* but where all rights are had */
		{"@/w/file", "@/w/h4", 0}, {"/tmp/link", "/tmp/h5", 0},
	};

	make(f, "/tmp/h");
	assert_int_equal(one(f, "mkdir", "/tmp/dir", 0700, 0), 0);
	assert_int_equal(two(f, "symlink", "h", "/tmp/link"), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (two(f, "link", rows[i].from, rows[i].to) != rows[i].want)
			fail_msg("link %s %s: %lld", rows[i].from, rows[i].to, (long long)f->reply.value);
	if (root)
		expect_refused_link(f, "/w/closed");
	expect_nlink(f, "/tmp/h", 2);
	expect_nlink(f, "/tmp/link", 2); /* the link itself got the name */
	assert_int_equal(call(f, "linkat", FD, put(f, "/tmp/link"), FD, put(f, "h6"), AT_SYMLINK_FOLLOW), 0);
	expect_nlink(f, "/tmp/h", 3);
	assert_int_equal(call(f, "linkat", FD, put(f, "/tmp/h"), FD, put(f, "h7"), 1), -EINVAL);
	assert_int_equal(call(f, "linkat", FD, put(f, ""), FD, put(f, "h7"), 0), -ENOENT);
	static const char *const made[] = {"/tmp/h", "/tmp/h2", "/tmp/link", "/tmp/h5", "/tmp/h6", "@/w/h4"};
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(one(f, "unlink", made[i], 0, 0), 0);
	assert_int_equal(one(f, "rmdir", "/tmp/dir", 0, 0), 0);
}

/* A temporary file gets its name from its descriptor; a granted file does not get one. */
static void test_link_of_a_descriptor(void **state)
{
	struct fixture *f = *state;
	int t_tmp = t_open(f, "/tmp", O_TMPFILE | O_RDWR), t_ro = t_open(f, "@/ro/file", O_RDONLY);

	assert_int_equal(call(f, "linkat", (uint64_t)t_tmp, put(f, ""), FD, put(f, "/tmp/named"), AT_EMPTY_PATH), 0);
	assert_int_equal(call(f, "linkat", (uint64_t)t_ro, put(f, ""), FD, put(f, "/tmp/stolen"), AT_EMPTY_PATH), -EPERM);
	assert_int_equal(call(f, "linkat", 777, put(f, ""), FD, put(f, "/tmp/stolen"), AT_EMPTY_PATH), -EBADF);
	expect_nlink(f, "/tmp/named", 1);
	assert_int_equal(one(f, "unlink", "/tmp/named", 0, 0), 0);
}

/* A name that moves to another grant may come to less rights, never to more. */
static void test_rename_between_grants(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(two(f, "rename", "@/add/file", "@/w/got"), -EXDEV);
	assert_int_equal(two(f, "rename", "@/w/file", "@/w2/got"), 0);
	assert_int_equal(two(f, "rename", "@/w2/got", "@/w/file"), 0);
	assert_int_equal(call(f, "renameat2", FD, put(f, at(f, "@/w/file")), FD, put(f, at(f, "@/add/file")), 2), -EXDEV);
	assert_int_equal(two(f, "rename", "@/w/file", "/tmp/got"), -EXDEV);
	make(f, "/tmp/a");
	assert_int_equal(call(f, "renameat2", FD, put(f, "a"), FD, put(f, "b"), 4), -EINVAL); /* WHITEOUT */
	assert_int_equal(call(f, "renameat2", FD, put(f, "a"), FD, put(f, "main.py"), 1), -EEXIST);
	assert_int_equal(call(f, "renameat2", FD, put(f, "a"), FD, put(f, "main.py"), 2), 0);
	assert_int_equal(call(f, "renameat2", FD, put(f, "a"), FD, put(f, "main.py"), 2), 0);
	assert_int_equal(one(f, "unlink", "/tmp/a", 0, 0), 0);
}

/* As many links and unlinks as a job likes give it no more inodes than it had. */
static void test_links_count(void **state)
{
	struct fixture *f = *state;
	int64_t left = f->job->tmp.inodes_left;

	make(f, "/tmp/c");
	for (int i = 0; i < 10; i++) {
		assert_int_equal(two(f, "link", "/tmp/c", "/tmp/d"), 0);
		assert_int_equal(one(f, "unlink", "/tmp/d", 0, 0), 0);
	}
	assert_int_equal(two(f, "link", "/tmp/c", "/tmp/d"), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(two(f, "rename", "/tmp/c", "/tmp/d"), 0); /* names of one file: nothing happens */
	make(f, "/tmp/e");
	assert_int_equal(two(f, "rename", "/tmp/e", "/tmp/d"), 0);
	assert_int_equal(two(f, "rename", "/tmp/d", "/tmp/d"), 0);
	assert_int_equal(one(f, "unlink", "/tmp/c", 0, 0), 0);
	assert_int_equal(one(f, "unlink", "/tmp/d", 0, 0), 0);
	if (f->job->tmp.dir)
		assert_int_equal(f->job->tmp.inodes_left, left);
}

static void test_mknod(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *path;
		mode_t mode;
		int64_t want;
	} rows[] = {
		{"/tmp/n", S_IFREG | 0600, 0}, {"/tmp/n", S_IFREG | 0600, -EEXIST}, {"/tmp/m", 0600, 0},
		{"/tmp/p", S_IFIFO | 0600, -EPERM}, {"/tmp/p", S_IFSOCK | 0600, -EPERM}, {"/tmp/p", S_IFCHR | 0600, -EPERM},
		{"/tmp/p", S_IFBLK | 0600, -EPERM}, {"/tmp/p", S_IFDIR | 0600, -EPERM}, {"/tmp/p", S_IFMT, -EINVAL},
		{"/tmp/p/", S_IFREG | 0600, -ENOENT}, {"@/ro/p", S_IFREG | 0600, -EACCES}, {"@/w/p", S_IFIFO | 0600, -EPERM},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (one(f, "mknod", rows[i].path, rows[i].mode, 0x103) != rows[i].want)
			fail_msg("mknod %s %o: %lld", rows[i].path, rows[i].mode, (long long)f->reply.value);
	assert_int_equal(call(f, "mknodat", FD, put(f, "q"), S_IFREG | 06644), 0);
	assert_int_equal(one(f, "unlink", "/tmp/n", 0, 0) | one(f, "unlink", "/tmp/m", 0, 0) | one(f, "unlink", "/tmp/q", 0, 0), 0);
}

/* The directory above a grant below /tmp may be shared with other jobs: nothing is made in it, whatever its modes say. */
static void test_above_a_grant_below_tmp(void **state)
{
	char dir[] = "/tmp/warder-names-XXXXXX", files[256], path[64], other[64];
	struct violation *v;
	struct fixture g;
	uint64_t dropped;
	size_t n;

	(void)state;
	assert_int_equal(identity_full(), 0);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/granted", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	fixture_base(&g);
	snprintf(files, sizeof(files), "  - {path: %s, rights: [read, write, create, list]}\n", path);
	fixture_start(&g, files);
	snprintf(other, sizeof(other), "%s/../%s/new", dir, dir + 5);
	assert_int_equal(one(&g, "open", other, O_CREAT | O_WRONLY, 0666), -EACCES);
	assert_int_equal(one(&g, "mkdir", other, 0777, 0), -EACCES);
	assert_int_equal(one(&g, "mknod", other, S_IFREG | 0666, 0), -EACCES);
	assert_int_equal(two(&g, "symlink", "x", other), -EACCES);
	broker_take_violations(g.job, &v, &n, &dropped);
	assert_int_equal(n, 4); /* told by the broker, not left to the kernel */
	for (size_t i = 0; i < n; i++)
		violation_done(&v[i]);
	free(v);
	assert_int_equal(two(&g, "link", "/tmp/main.py", other), -EACCES);
	assert_int_equal(two(&g, "rename", "/tmp/main.py", other), -EXDEV);
	assert_int_equal(two(&g, "rename", other, path), -EACCES);
	assert_int_equal(one(&g, "unlink", other, 0, 0), -ENOENT);
	assert_int_equal(one(&g, "rmdir", path, 0, 0), -EACCES);
	assert_int_equal(one(&g, "rmdir", dir, 0, 0), -EBUSY);
	assert_int_equal(one(&g, "mkdir", dir, 0777, 0), -EEXIST);
	fixture_stop(&g);
	remove_all(dir);
	assert_int_equal(identity_rest(), 0);
}

/* --- owners, attributes, space ----------------------------------------------------------------------------- */

static void test_owners(void **state)
{
	struct fixture *f = *state;
	uint64_t me = identity_can_switch() ? JOB_UID : geteuid(), none = (uint32_t)-1;
	int t_own, t_ro = t_open(f, "@/ro/file", O_RDONLY);

	make(f, "/tmp/o");
	t_own = t_open(f, "/tmp/o", O_RDONLY);
	assert_int_equal(one(f, "chown", "/tmp/o", me, me), 0);
	assert_int_equal(one(f, "chown", "/tmp/o", none, none), 0);
	assert_int_equal(one(f, "lchown", "/tmp/o", me, none), 0);
	assert_int_equal(call(f, "fchown", (uint64_t)t_own, me, me), 0);
	assert_int_equal(call(f, "fchownat", (uint64_t)t_own, put(f, ""), me, me, AT_EMPTY_PATH), 0);
	if (identity_can_switch()) {
		assert_int_equal(one(f, "chown", "/tmp/o", 0, none), -EPERM);
		assert_int_equal(one(f, "chown", "/tmp/o", none, 0), -EPERM);
		assert_int_equal(call(f, "fchown", (uint64_t)t_own, 0, 0), -EPERM);
		assert_int_equal(one(f, "chown", "@/w/file", me, none), -EPERM); /* root's */
	}
	assert_int_equal(one(f, "chown", "@/ro/file", me, none), -EACCES);
	assert_int_equal(call(f, "fchown", (uint64_t)t_ro, none, none), -EACCES);
	assert_int_equal(call(f, "fchownat", FD, put(f, "/tmp/o"), me, me, 1), -EINVAL);
	assert_int_equal(call(f, "fchown", 777, me, me), -EBADF);
	assert_int_equal(one(f, "unlink", "/tmp/o", 0, 0), 0);
}

/* By the name that a descriptor's object has, the job may change what is granted for writing. */
static void test_descriptors_of_writable_grants(void **state)
{
	struct fixture *f = *state;
	int t_made;

	make(f, "@/w/made");
	t_made = t_open(f, "@/w/made", O_RDONLY);
	assert_int_equal(call(f, "fchmod", (uint64_t)t_made, 0600), 0);
	assert_int_equal(call(f, "utimensat", (uint64_t)t_made, 0, 0, 0), 0);
	assert_int_equal(one(f, "unlink", "@/w/made", 0, 0), 0);
	assert_int_equal(call(f, "fchmod", (uint64_t)t_made, 0600), -EACCES);
}

/* A file on a mount that is attached nowhere can have the name of a granted one: a name alone proves nothing. */
static void test_a_name_is_only_a_hint(void **state)
{
	const struct scratch_size size = {1 << 20, 64, 0777, (uid_t)-1, (gid_t)-1};
	struct fixture *f = *state;
	char path[256];
	int root, fd, t_fd;

	assert_int_equal(identity_full(), 0);
	root = scratch_tmpfs(&size);
	if (root >= 0) {
		snprintf(path, sizeof(path), "%s/w/file", f->base + 1);
		for (char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
			*p = '\0';
			assert_int_equal(mkdirat(root, path, 0777), 0);
			*p = '/';
		}
		fd = openat(root, path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
		assert_true(fd >= 0);
		t_fd = child_put(&f->c, fd);
		close(fd);
		close(root);
		identity_leave();
		assert_int_equal(call(f, "fchmod", (uint64_t)t_fd, 0600), -EACCES);
		assert_int_equal(call(f, "flock", (uint64_t)t_fd, LOCK_SH), -EACCES);
	}
	identity_leave();
}

/* The worker holds a descriptor for each file with record locks, and the kernel's memory for each lock: both have a bound. */
static void test_locks_have_a_bound(void **state)
{
	struct fixture *f = *state;
	const struct flock lock = {.l_type = F_WRLCK, .l_len = 10};
	unsigned before = f->job->ofd_locks;
	char name[32];

	lock_files_done(&f->job->lock_files); /* those of other tests */
	for (int i = 0; i <= LOCK_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "@/w/many%d", i);
		int t_fd = t_open(f, name, O_RDWR | O_CREAT);

		memcpy(out(f), &lock, sizeof(lock));
		assert_int_equal(call(f, "fcntl", (uint64_t)t_fd, F_SETLK, OUT(f)), i < LOCK_FILES_MAX ? 0 : -ENOLCK);
		assert_int_equal(one(f, "unlink", name, 0, 0), 0);
	}
	assert_int_equal(LOCK_FILES_MAX, 16);
	lock_files_done(&f->job->lock_files);
	f->job->ofd_locks = 1023;
	int t_fd = t_open(f, "/tmp/lock", O_RDWR | O_CREAT);

	if (!f->tree->fd_of_other) {
		assert_int_equal(call(f, "fcntl", (uint64_t)t_fd, F_OFD_SETLK, OUT(f)), 0);
		assert_int_equal(call(f, "fcntl", (uint64_t)t_fd, F_OFD_SETLK, OUT(f)), -ENOLCK);
	}
	f->job->ofd_locks = before;
	assert_int_equal(one(f, "unlink", "/tmp/lock", 0, 0), 0);
}

/* Locks on files of a writable grant are seen by others, and theirs by the job; one's own do not conflict. */
static void test_locks_of_writable_grants(void **state)
{
	struct fixture *f = *state;
	struct flock lock = {.l_type = F_WRLCK, .l_len = 10}, got;
	int t_a, t_b, host, t_ro = t_open(f, "@/ro/file", O_RDONLY);

	t_a = t_open(f, "@/w/file", O_RDWR);
	t_b = t_open(f, "@/w/file", O_RDWR);
	assert_int_equal(identity_full(), 0);
	host = open(at(f, "@/w/file"), O_RDWR | O_CLOEXEC);
	identity_leave();
	assert_true(host >= 0);
	memcpy(out(f), &lock, sizeof(lock));
	assert_int_equal(call(f, "fcntl", (uint64_t)t_ro, F_SETLK, OUT(f)), -EACCES);
	assert_int_equal(call(f, "flock", (uint64_t)t_ro, LOCK_SH), -EACCES);
	assert_int_equal(call(f, "fcntl", (uint64_t)t_a, F_SETLK, OUT(f)), 0);
	assert_int_equal(call(f, "fcntl", (uint64_t)t_b, F_SETLK, OUT(f)), 0);
	assert_int_equal(call(f, "fcntl", (uint64_t)t_b, F_GETLK, OUT(f)), 0);
	memcpy(&got, out(f), sizeof(got));
	assert_int_equal(got.l_type, F_UNLCK);
	assert_int_equal(fcntl(host, F_SETLK, &lock), -1);
	lock.l_type = F_UNLCK;
	memcpy(out(f), &lock, sizeof(lock));
	assert_int_equal(call(f, "fcntl", (uint64_t)t_b, F_SETLK, OUT(f)), 0);
	lock.l_type = F_WRLCK;
	assert_int_equal(fcntl(host, F_OFD_SETLK, &lock), 0);
	memcpy(out(f), &lock, sizeof(lock));
	assert_int_equal(call(f, "fcntl", (uint64_t)t_a, F_SETLK, OUT(f)), -EAGAIN);
	assert_int_equal(call(f, "fcntl", (uint64_t)t_a, F_SETLKW, OUT(f)), -EINTR);
	assert_int_equal(call(f, "fcntl", (uint64_t)t_a, F_GETLK, OUT(f)), 0);
	memcpy(&got, out(f), sizeof(got));
	assert_int_equal(got.l_type, F_WRLCK);
	assert_int_equal(got.l_pid, 0);
	if (!f->tree->fd_of_other) {
		assert_int_equal(call(f, "flock", (uint64_t)t_a, LOCK_EX | LOCK_NB), 0);
		assert_int_equal(flock(host, LOCK_EX | LOCK_NB), -1);
		assert_int_equal(call(f, "flock", (uint64_t)t_a, LOCK_UN), 0);
	}
	close(host);
}

static void test_extended_attributes(void **state)
{
	struct fixture *f = *state;
	uint64_t name = put(f, "user.a"), odd = put(f, "odd.a"), empty = put(f, ""), value = put(f, "v");
	int t_ro = t_open(f, "@/ro/file", O_RDONLY);

	assert_int_equal(call(f, "getxattr", put(f, at(f, "@/ro/file")), name, OUT(f), 10), -ENODATA);
	assert_int_equal(call(f, "lgetxattr", put(f, at(f, "@/ro/file")), odd, OUT(f), 10), -EOPNOTSUPP);
	assert_int_equal(call(f, "getxattr", put(f, at(f, "@/ro/file")), empty, OUT(f), 10), -ERANGE);
	assert_int_equal(call(f, "getxattr", put(f, at(f, "@/ro/none")), name, OUT(f), 10), -ENOENT);
	assert_int_equal(call(f, "getxattr", put(f, at(f, "@/ro/file")), 8, OUT(f), 10), -EFAULT);
	assert_int_equal(call(f, "fgetxattr", (uint64_t)t_ro, name, OUT(f), 10), -ENODATA);
	assert_int_equal(call(f, "fgetxattr", 777, name, OUT(f), 10), -EBADF);
	assert_int_equal(one(f, "listxattr", "@/ro/file", OUT(f), 100), 0);
	assert_int_equal(one(f, "llistxattr", "/tmp/main.py", 0, 0), 0);
	assert_int_equal(call(f, "flistxattr", (uint64_t)t_ro, 0, 0), 0);
	assert_int_equal(one(f, "listxattr", "/etc/passwd", 0, 0), -ENOENT);
	assert_int_equal(call(f, "setxattr", put(f, "/tmp/main.py"), name, value, 1, 0), -EOPNOTSUPP);
	assert_int_equal(call(f, "setxattr", put(f, "/tmp/main.py"), name, value, 1, 4), -EINVAL);
	assert_int_equal(call(f, "setxattr", put(f, at(f, "@/ro/file")), name, value, 1, 0), -EACCES);
	assert_int_equal(call(f, "fsetxattr", (uint64_t)t_ro, name, value, 1, 0), -EACCES);
	assert_int_equal(call(f, "removexattr", put(f, "/tmp/main.py"), name), -ENODATA);
	assert_int_equal(call(f, "fremovexattr", (uint64_t)t_ro, name), -EACCES);
}

static struct statfs space(struct fixture *f)
{
	struct statfs fs;

	memcpy(&fs, out(f), sizeof(fs));
	return fs;
}

static void test_space(void **state)
{
	struct fixture *f = *state;
	int t_tmp = t_open(f, "/tmp/main.py", O_RDONLY), t_ro = t_open(f, "@/ro/file", O_RDONLY);

	assert_int_equal(one(f, "statfs", "/tmp", OUT(f), 0), 0);
	assert_int_equal(space(f).f_type, 0x01021994);
	assert_int_equal(space(f).f_blocks * (uint64_t)space(f).f_bsize, 1 << 20);
	assert_in_range(space(f).f_ffree, 1, 64);
	assert_int_equal(call(f, "fstatfs", (uint64_t)t_tmp, OUT(f)), 0);
	assert_int_equal(space(f).f_type, 0x01021994);
	assert_int_equal(one(f, "statfs", "@/ro/file", OUT(f), 0), 0);
	assert_int_equal(space(f).f_bavail, 0);
	assert_true(space(f).f_flags & ST_RDONLY);
	assert_int_equal(call(f, "fstatfs", (uint64_t)t_ro, OUT(f)), 0);
	assert_int_equal(space(f).f_bavail, 0);
	assert_int_equal(one(f, "statfs", "@/w", OUT(f), 0), 0);
	assert_true(space(f).f_bavail > 0 && !(space(f).f_flags & ST_RDONLY));
	assert_int_equal(one(f, "statfs", "/", OUT(f), 0), 0);
	assert_int_equal(one(f, "statfs", "/none", OUT(f), 0), -ENOENT);
	assert_int_equal(one(f, "statfs", "", OUT(f), 0), -ENOENT);
	assert_int_equal(one(f, "statfs", "/tmp", 8, 0), -EFAULT);
	assert_int_equal(call(f, "fstatfs", 777, OUT(f)), -EBADF);
}

/* --- the working directory and directories behind descriptors ---------------------------------------------- */

static void expect_cwd(struct fixture *f, const char *want)
{
	int64_t rc = call(f, "getcwd", OUT(f), 4096);

	if (!want) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, (int64_t)strlen(want) + 1);
	assert_string_equal(out(f), want);
}

static void test_cwd_is_a_directory(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(one(f, "mkdir", "/tmp/d", 0700, 0), 0);
	assert_int_equal(one(f, "mkdir", "/tmp/d/e", 0700, 0), 0);
	assert_int_equal(one(f, "chdir", "/tmp/d/e", 0, 0), 0);
	make(f, "x");
	assert_int_equal(two(f, "rename", "/tmp/d", "/tmp/renamed"), 0);
	expect_cwd(f, "/tmp/renamed/e");
	assert_int_equal(one(f, "stat", "x", OUT(f), 0), 0);
	assert_int_equal(one(f, "stat", "../e/x", OUT(f), 0), 0);
	assert_int_equal(one(f, "unlink", "x", 0, 0), 0);
	assert_int_equal(one(f, "rmdir", "/tmp/renamed/e", 0, 0), 0);
	expect_cwd(f, NULL);
	/* another directory of that name is not the one that was left */
	assert_int_equal(one(f, "mkdir", "/tmp/renamed/e", 0700, 0), 0);
	make(f, "/tmp/renamed/e/x");
	assert_int_equal(one(f, "stat", "x", OUT(f), 0), -ENOENT);
	assert_int_equal(one(f, "open", "x", O_CREAT | O_WRONLY, 0600), -ENOENT);
	assert_int_equal(one(f, "mkdir", "y", 0700, 0), -ENOENT);
	assert_int_equal(one(f, "stat", ".", OUT(f), 0), 0);
	expect_nlink(f, ".", 0);
	assert_int_equal(one(f, "stat", "..", OUT(f), 0), 0);
	assert_int_equal(one(f, "stat", "./../e/x", OUT(f), 0), 0);
	assert_int_equal(one(f, "chdir", ".", 0, 0), 0);
	expect_cwd(f, NULL);
	assert_int_equal(one(f, "chdir", "..", 0, 0), 0);
	expect_cwd(f, "/tmp/renamed");
	assert_int_equal(one(f, "unlink", "e/x", 0, 0), 0);
	assert_int_equal(one(f, "rmdir", "e", 0, 0), 0);
	assert_int_equal(one(f, "chdir", "/tmp", 0, 0), 0);
	assert_int_equal(one(f, "rmdir", "renamed", 0, 0), 0);
}

/* The host renames directories, too; what leaves the grant is no longer there. */
static void test_cwd_below_a_grant(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(identity_full(), 0);
	assert_int_equal(mkdir(at(f, "@/ro/sub"), 0755), 0);
	identity_leave();
	assert_int_equal(one(f, "chdir", "@/ro/sub", 0, 0), 0);
	assert_int_equal(identity_full(), 0);
	assert_int_equal(rename(at(f, "@/ro/sub"), at(f, "@/ro/other")), 0);
	identity_leave();
	expect_cwd(f, at(f, "@/ro/other"));
	assert_int_equal(one(f, "stat", "../file", OUT(f), 0), 0);
	assert_int_equal(identity_full(), 0);
	assert_int_equal(rename(at(f, "@/ro/other"), at(f, "@/outside")), 0);
	identity_leave();
	expect_cwd(f, NULL);
	assert_int_equal(one(f, "stat", "../w", OUT(f), 0), -ENOENT);
	assert_int_equal(one(f, "chdir", "/tmp", 0, 0), 0);
	assert_int_equal(identity_full(), 0);
	assert_int_equal(rmdir(at(f, "@/outside")), 0);
	identity_leave();
}

static void test_directories_behind_descriptors(void **state)
{
	struct fixture *f = *state;
	uint64_t t_dir;

	assert_int_equal(one(f, "mkdir", "/tmp/d", 0700, 0), 0);
	make(f, "/tmp/d/x");
	t_dir = (uint64_t)t_open(f, "/tmp/d", O_RDONLY | O_DIRECTORY);
	assert_int_equal(two(f, "rename", "/tmp/d", "/tmp/e"), 0);
	assert_int_equal(call(f, "newfstatat", t_dir, put(f, "x"), OUT(f), 0), 0);
	assert_int_equal(call(f, "newfstatat", t_dir, put(f, "../e/x"), OUT(f), 0), 0);
	assert_int_equal(call(f, "unlinkat", t_dir, put(f, "x"), 0), 0);
	assert_int_equal(call(f, "fchdir", t_dir), 0);
	expect_cwd(f, "/tmp/e");
	assert_int_equal(one(f, "rmdir", "/tmp/e", 0, 0), 0);
	expect_cwd(f, NULL);
	make(f, "/tmp/e");
	assert_int_equal(call(f, "newfstatat", t_dir, put(f, "x"), OUT(f), 0), -ENOENT);
	assert_int_equal(call(f, "newfstatat", t_dir, put(f, "."), OUT(f), 0), 0);
	assert_int_equal(call(f, "newfstatat", t_dir, put(f, "../e"), OUT(f), 0), 0);
	assert_int_equal(call(f, "mkdirat", t_dir, put(f, "x"), 0700), -ENOENT);
	/* the first of two paths begins at what is gone, the second does not */
	assert_int_equal(call(f, "renameat", t_dir, put(f, "../e"), FD, put(f, "/tmp/f")), 0);
	assert_int_equal(call(f, "renameat", FD, put(f, "/tmp/f"), t_dir, put(f, "x")), -ENOENT);
	assert_int_equal(call(f, "fchdir", t_dir), 0);
	expect_cwd(f, NULL);
	assert_int_equal(one(f, "chdir", "/tmp", 0, 0), 0);
	assert_int_equal(call(f, "fchdir", 777), -EBADF);
	assert_int_equal(one(f, "unlink", "/tmp/f", 0, 0), 0);
}

static int run(const char *name)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_symlinks), cmocka_unit_test(test_hard_links), cmocka_unit_test(test_link_of_a_descriptor),
		cmocka_unit_test(test_rename_between_grants), cmocka_unit_test(test_links_count), cmocka_unit_test(test_mknod),
		cmocka_unit_test(test_owners), cmocka_unit_test(test_above_a_grant_below_tmp), cmocka_unit_test(test_descriptors_of_writable_grants),
		cmocka_unit_test(test_locks_of_writable_grants), cmocka_unit_test(test_locks_have_a_bound), cmocka_unit_test(test_a_name_is_only_a_hint), cmocka_unit_test(test_extended_attributes), cmocka_unit_test(test_space), cmocka_unit_test(test_cwd_is_a_directory),
		cmocka_unit_test(test_cwd_below_a_grant), cmocka_unit_test(test_directories_behind_descriptors),
	};

	return cmocka_run_group_tests_name(name, tests, setup, teardown);
}

int main(void)
{
	return run_twice("names", run);
}
