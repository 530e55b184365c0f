/* Paths in the virtual tree, each with the object or the error that Linux would give for such a tree. */
#include "child.h"
#include "skip.h"

#include <sched.h>
#include <sys/mount.h>

#include "resolve.h"
#include "state.h"

#define FD (uint64_t)AT_FDCWD
#define CHAIN 41 /* links: one more than Linux follows, path_resolution(7) */

/* The host's side:
 *   B/tree/         granted read, list          B/secret/        not granted
 *   B/tree/file "file", B/tree/sub/inner "inner", B/tree/sub/deep/
 *   B/w/            granted all rights          B/one "one"      granted as a file
 *   B/linked → B/real, granted through the link
 */
static void make_host(struct fixture *f)
{
	char p[256], to[256];
#define P(s) (snprintf(p, sizeof(p), "%s/" s, f->base), p)
#define T(s) (snprintf(to, sizeof(to), "%s/" s, f->base), to)
	assert_int_equal(mkdir(P("tree"), 0755), 0);
	assert_int_equal(mkdir(P("tree/sub"), 0755), 0);
	assert_int_equal(mkdir(P("tree/sub/deep"), 0755), 0);
	assert_int_equal(mkdir(P("secret"), 0755), 0);
	assert_int_equal(mkdir(P("w"), 0777), 0);
	assert_int_equal(chmod(P("w"), 0777), 0);
	assert_int_equal(mkdir(P("real"), 0755), 0);
	write_file(P("tree/file"), "file", 0644);
	write_file(P("tree/closed"), "closed", 0600);
	write_file(P("tree/sub/inner"), "inner", 0644);
	write_file(P("secret/key"), "key", 0644);
	write_file(P("one"), "one", 0644);
	write_file(P("real/r"), "real", 0644);
	assert_int_equal(mkfifo(P("tree/fifo"), 0666), 0);
	assert_int_equal(symlink("file", P("tree/to_file")), 0);
	assert_int_equal(symlink("sub", P("tree/to_sub")), 0);
	assert_int_equal(symlink("../tree/sub/inner", P("tree/up_and_in")), 0);
	assert_int_equal(symlink(T("tree/file"), P("tree/absolute")), 0);
	assert_int_equal(symlink(T("secret/key"), P("tree/out")), 0);
	assert_int_equal(symlink("../secret", P("tree/out_dir")), 0);
	assert_int_equal(symlink("nothing", P("tree/dangling")), 0);
	assert_int_equal(symlink("loop_b", P("tree/loop_a")), 0);
	assert_int_equal(symlink("loop_a", P("tree/loop_b")), 0);
	assert_int_equal(symlink(T("one"), P("tree/to_other_grant")), 0);
	assert_int_equal(symlink("/proc/self/environ", P("tree/environ")), 0);
	assert_int_equal(symlink(T("real"), P("linked")), 0);
	assert_int_equal(symlink("../sub/deep", P("tree/sub/to_deep")), 0);
	assert_int_equal(mkdir(P("tree/chain"), 0755), 0);
	write_file(P("tree/chain/0"), "end", 0644);
	for (int i = 1; i <= CHAIN; i++) { /* N leads to the file over N links */
		snprintf(p, sizeof(p), "%s/tree/chain/%d", f->base, i);
		snprintf(to, sizeof(to), "%d", i - 1);
		assert_int_equal(symlink(to, p), 0);
	}
}

static int setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));
	char files[1024];

	fixture_base(f);
	make_host(f);
	snprintf(files, sizeof(files),
	         "  - {path: %s/tree, rights: [read, list]}\n  - {path: %s/w, rights: [read, write, create, list]}\n"
	         "  - {path: %s/one, rights: [read]}\n  - {path: %s/linked, rights: [read, list]}\n"
	         "  - {path: %s/not_there, rights: [read]}\n",
	         f->base, f->base, f->base, f->base, f->base);
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

/* `path`: "@" stands for the test's directory. */
struct path_row {
	const char *path;
	int flags;
	int err;           /* expected errno, or 0 and: */
	const char *text;  /* what is in it; NULL: a directory */
	enum verdict told; /* the violation; ALLOWED: none */
};

static const struct path_row open_rows[] = {
	{"@/tree/file", O_RDONLY, 0, "file", 0},
	{"@/tree/sub/inner", O_RDONLY, 0, "inner", 0},
	{"@//tree/./sub//inner", O_RDONLY, 0, "inner", 0},
	{"@/tree/sub/../file", O_RDONLY, 0, "file", 0},
	{"@/tree/../tree/file", O_RDONLY, 0, "file", 0},
	{"/../..@/tree/file", O_RDONLY, 0, "file", 0},
	{"@/tree/to_sub/../file", O_RDONLY, 0, "file", 0},
	{"@/tree/sub/to_deep/../inner", O_RDONLY, 0, "inner", 0},
	{"@/tree/to_file", O_RDONLY, 0, "file", 0},
	{"@/tree/to_sub/inner", O_RDONLY, 0, "inner", 0},
	{"@/tree/up_and_in", O_RDONLY, 0, "inner", 0},
	{"@/tree/absolute", O_RDONLY, 0, "file", 0},
	{"@/tree/to_other_grant", O_RDONLY, 0, "one", 0},
	{"@/linked/r", O_RDONLY, 0, "real", 0},
	{"@/real/r", O_RDONLY, 0, "real", 0},
	{"@/one", O_RDONLY, 0, "one", 0},
	{"@/tree", O_RDONLY | O_DIRECTORY, 0, NULL, 0},
	{"@/tree/", O_RDONLY, 0, NULL, 0},
	{"@/tree/to_sub/", O_RDONLY, 0, NULL, 0},
	{"@/tree/to_sub/", O_RDONLY | O_NOFOLLOW, 0, NULL, 0},
	{"@", O_RDONLY, 0, NULL, 0},
	{"/", O_RDONLY, 0, NULL, 0},
	{"/..", O_RDONLY, 0, NULL, 0},
	{"/tmp", O_RDONLY, 0, NULL, 0},
	{".", O_RDONLY, 0, NULL, 0},
	{"main.py", O_RDONLY, 0, "print(1)\n", 0},
	{"/tmp/main.py", O_RDONLY, 0, "print(1)\n", 0},
	{"/tmp/../tmp/main.py", O_RDONLY, 0, "print(1)\n", 0},
	{"/dev/null", O_RDWR, 0, "", 0},
	{"/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0, "", 0},
	{"@/tree/file", O_RDONLY | O_CREAT, 0, "file", 0},
	/* inside, but no */
	{"@/tree/nothing", O_RDONLY, ENOENT, NULL, 0},
	{"@/tree/dangling", O_RDONLY, ENOENT, NULL, 0},
	{"@/tree/file/", O_RDONLY, ENOTDIR, NULL, 0},
	{"@/tree/file/.", O_RDONLY, ENOTDIR, NULL, 0},
	{"@/tree/file/..", O_RDONLY, ENOTDIR, NULL, 0},
	{"@/tree/file/x", O_RDONLY, ENOTDIR, NULL, 0},
	{"@/one/x", O_RDONLY, ENOTDIR, NULL, 0},
	{"@/one/", O_RDONLY, ENOTDIR, NULL, 0},
	{"@/tree/to_file/", O_RDONLY, ENOTDIR, NULL, 0},
	{"@/tree/file", O_RDONLY | O_DIRECTORY, ENOTDIR, NULL, 0},
	{"@/tree/to_file", O_RDONLY | O_NOFOLLOW, ELOOP, NULL, 0},
	{"@/tree/to_file", O_PATH | O_NOFOLLOW, EOPNOTSUPP, NULL, 0},
	{"@/tree/to_file", O_PATH | O_NOFOLLOW | O_DIRECTORY, ENOTDIR, NULL, 0},
	{"@/tree/chain/40", O_RDONLY, 0, "end", 0},
	{"@/tree/chain/41", O_RDONLY, ELOOP, NULL, 0},
	{"@/tree/loop_a", O_RDONLY, ELOOP, NULL, 0},
	{"@/tree/loop_a/x", O_RDONLY, ELOOP, NULL, 0},
	{"@/tree/file", O_RDONLY | O_CREAT | O_EXCL, EEXIST, NULL, 0},
	{"@/tree/dangling", O_WRONLY | O_CREAT | O_EXCL, EEXIST, NULL, 0},
	{"@/tree/sub", O_WRONLY, EISDIR, NULL, 0},
	{"/", O_RDWR, EISDIR, NULL, 0},
	{"", O_RDONLY, ENOENT, NULL, 0},
	{"@/tree/closed", O_RDONLY, EACCES, NULL, VERDICT_REFUSED},
	/* refused */
	{"@/tree/file", O_WRONLY, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree/file", O_RDWR, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree/file", O_RDONLY | O_TRUNC, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree/file", O_ACCMODE, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree/to_file", O_WRONLY, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree/new", O_WRONLY | O_CREAT, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree/dangling", O_WRONLY | O_CREAT, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree", O_RDWR | O_TMPFILE, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree/fifo", O_RDONLY, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree/fifo", O_WRONLY | O_NONBLOCK, EACCES, NULL, VERDICT_REFUSED},
	{"@/tree/fifo", O_PATH, EACCES, NULL, VERDICT_REFUSED},
	/* hidden */
	{"@/secret/key", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"@/secret", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"@/tree/out", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"@/tree/out_dir/key", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"@/tree/../secret/key", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"@/tree/to_sub/../../secret/key", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"/etc/passwd", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"/no/such/name", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"/etc/new", O_WRONLY | O_CREAT, ENOENT, NULL, VERDICT_HIDDEN},
	{"/proc/self/environ", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"/proc/1/environ", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"@/tree/environ", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"/proc/self/fd/77777", O_RDONLY, ENOENT, NULL, VERDICT_ALLOWED},
	{"/proc/self/fd/077", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"/proc/self/task/1/status", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"/proc/self/status/", O_RDONLY, ENOTDIR, NULL, VERDICT_ALLOWED},
	{"/proc/self/root/etc/passwd", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"/proc/version", O_RDWR, EACCES, NULL, VERDICT_REFUSED},
	{"/proc/new", O_WRONLY | O_CREAT, ENOENT, NULL, VERDICT_HIDDEN},
	{"/etc/hostname", O_RDONLY, 0, "warder\n", VERDICT_ALLOWED},
	{"/proc/self/root/etc/hostname", O_RDONLY, 0, "warder\n", VERDICT_ALLOWED},
	{"/proc/self/cwd/../etc/hostname", O_RDONLY, 0, "warder\n", VERDICT_ALLOWED},
	{"@/not_there", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
	{"@/treehouse", O_RDONLY, ENOENT, NULL, VERDICT_HIDDEN},
};

static const char *expand(const struct fixture *f, const char *path, char *buf, size_t size)
{
	const char *at = strchr(path, '@');

	if (at)
		snprintf(buf, size, "%.*s%s%s", (int)(at - path), path, f->base, at + 1);
	else
		snprintf(buf, size, "%s", path);
	return buf;
}

static enum verdict told(struct fixture *f)
{
	enum verdict verdict = VERDICT_ALLOWED;
	struct violation *v;
	uint64_t dropped;
	size_t n;

	broker_take_violations(f->job, &v, &n, &dropped);
	for (size_t i = 0; i < n; i++) {
		verdict = v[i].verdict;
		violation_done(&v[i]);
	}
	free(v);
	return verdict;
}

static int check_open(struct fixture *f, const struct path_row *row)
{
	char path[PATH_MAX], buf[64] = {0};
	int64_t rc = call(f, "openat", FD, put(f, expand(f, row->path, path, sizeof(path))), (uint64_t)row->flags,
		0644);
	enum verdict verdict = told(f);
	struct stat st;
	bool good = f->reply.kind == REPLY_FD ? !row->err : rc == -row->err && row->err;

	if (good && !row->err && row->text)
		good = !*row->text || (read((int)rc, buf, sizeof(buf) - 1) >= 0 && !strcmp(buf, row->text));
	else if (good && !row->err)
		good = !fstat((int)rc, &st) && S_ISDIR(st.st_mode);
	good = good && verdict == row->told;
	if (!good)
		print_error("open %s, flags %#x: got %lld \"%s\" %s, expected %d \"%s\" %s\n", row->path, row->flags,
		            (long long)rc, buf, verdict_name(verdict), -row->err, row->text ? row->text : "",
		            verdict_name(row->told));
	close_reply(f);
	return !good;
}

static void test_open(void **state)
{
	struct fixture *f = *state;
	int bad = 0;

	for (size_t i = 0; i < sizeof(open_rows) / sizeof(open_rows[0]); i++)
		if (!(open_rows[i].err == EACCES && !open_rows[i].told && !identity_can_switch()))
			bad += check_open(f, &open_rows[i]);
	assert_int_equal(bad, 0);
}

/* A path inside one page, and one that ends where the page does, right before one that cannot be read. */
static void test_strings_at_page_edges(void **state)
{
	struct fixture *f = *state;
	const char name[] = "/tmp/main.py";
	char *edge = arena_end(f) - sizeof(name), *over = f->c.arena + 4096 - 5;

	memcpy(edge, name, sizeof(name));
	expect_content(f, call(f, "openat", FD, (uintptr_t)edge, O_RDONLY), "print(1)\n");
	memcpy(over, name, sizeof(name));
	expect_content(f, call(f, "openat", FD, (uintptr_t)over, O_RDONLY), "print(1)\n");
	memset(edge, 'a', sizeof(name));
	assert_int_equal(call(f, "openat", FD, (uintptr_t)edge, O_RDONLY), -EFAULT);
	assert_int_equal(call(f, "openat", FD, 0, O_RDONLY), -EFAULT);
	assert_int_equal(call(f, "openat", FD, UINT64_MAX, O_RDONLY), -EFAULT);
	assert_int_equal(call(f, "openat", FD, 1ull << 63, O_RDONLY), -EFAULT);
	assert_int_equal(call(f, "openat", FD, 0xffffffffff600000, O_RDONLY), -EFAULT);
	memset(f->c.arena, 'a', PATH_MAX);
	assert_int_equal(call(f, "openat", FD, (uintptr_t)f->c.arena, O_RDONLY), -ENAMETOOLONG);
	memset(f->c.arena, '/', PATH_MAX);
	f->c.arena[PATH_MAX - 1] = '\0';
	assert_int_equal(call(f, "stat", (uintptr_t)f->c.arena, OUT(f)), 0);
	memset(f->c.arena, 'a', PATH_MAX);
	memcpy(f->c.arena, "/tmp/", 5);
	f->c.arena[300] = '\0';
	assert_int_equal(call(f, "openat", FD, (uintptr_t)f->c.arena, O_RDONLY), -ENAMETOOLONG);
	told(f);
}

/* A directory that the job holds is a base to resolve from, whatever it came through. */
static void test_from_descriptors(void **state)
{
	static const struct {
		const char *dir, *path, *text;
		int err;
	} rows[] = {
		{"@/tree", "file", "file", 0}, {"@/tree", "sub/../file", "file", 0}, {"@/tree/to_sub", "inner",
			"inner", 0},
		{"@/tree/to_sub", "../file", "file", 0}, {"@/linked", "r", "real", 0}, {"@/tree", "../one", "one", 0},
		{"@", "one", "one", 0}, {"/", "tmp/main.py", "print(1)\n", 0}, {"/tmp", "main.py", "print(1)\n", 0},
		{"/tmp", "../tmp/main.py", "print(1)\n", 0}, {"@/tree", "../secret/key", NULL, ENOENT},
		{"@", "secret/key", NULL, ENOENT}, {"@/tree", "out", NULL, ENOENT}, {"@/tree", "", NULL, ENOENT},
	};
	struct fixture *f = *state;
	char path[PATH_MAX];

	for (int kind = 0; kind < 2; kind++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			int64_t fd = call(f, "openat", FD, put(f, expand(f, rows[i].dir, path, sizeof(path))),
			                  O_DIRECTORY | (kind ? O_PATH : O_RDONLY));
			int t_fd;

			assert_int_equal(f->reply.kind, REPLY_FD);
			t_fd = child_put(&f->c, (int)fd);
			close((int)fd);
			fd = call(f, "openat", (uint64_t)t_fd, put(f, rows[i].path), O_RDONLY);
			if (rows[i].err)
				assert_int_equal(fd, -rows[i].err);
			else
				expect_content(f, fd, rows[i].text);
		}
	assert_int_equal(call(f, "openat", 999, put(f, "file"), O_RDONLY), -EBADF);
	assert_int_equal(call(f, "openat", (uint64_t)-5, put(f, "file"), O_RDONLY), -EBADF);
	expect_content(f, call(f, "openat", 999, put(f, "/tmp/main.py"), O_RDONLY), "print(1)\n");
	expect_content(f, call(f, "openat", (uint64_t)child_put(&f->c, f->c.sock), put(f, "/tmp/main.py"), O_RDONLY),
	               "print(1)\n");
	assert_int_equal(call(f, "openat", (uint64_t)child_put(&f->c, f->c.sock), put(f, "x"), O_RDONLY), -ENOTDIR);
	told(f);
}

/* A descriptor of a directory outside the tree, however the job came by it, is no way in. */
static void test_foreign_descriptor(void **state)
{
	struct fixture *f = *state;
	int fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), t_fd = child_put(&f->c, fd);

	assert_int_equal(call(f, "openat", (uint64_t)t_fd, put(f, "passwd"), O_RDONLY), -ENOENT);
	assert_int_equal(call(f, "fchdir", (uint64_t)t_fd), -ENOENT);
	close(fd);
	told(f);
}

static void test_working_directory(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX], want[PATH_MAX];

	assert_int_equal(call(f, "getcwd", OUT(f), 4096), 5);
	assert_string_equal(out(f), "/tmp");
	assert_int_equal(call(f, "getcwd", OUT(f), 4), -ERANGE);
	assert_int_equal(call(f, "chdir", put(f, expand(f, "@/tree/to_sub", path, sizeof(path)))), 0);
	assert_int_equal(call(f, "getcwd", OUT(f), 4096), (int)strlen(expand(f, "@/tree/sub", want, sizeof(want))) + 1);
	assert_string_equal(out(f), want);
	expect_content(f, call(f, "open", put(f, "inner"), O_RDONLY), "inner");
	expect_content(f, call(f, "open", put(f, "../file"), O_RDONLY), "file");
	assert_int_equal(call(f, "chdir", put(f, expand(f, "@/tree/file", path, sizeof(path)))), -ENOTDIR);
	assert_int_equal(call(f, "chdir", put(f, expand(f, "@/secret", path, sizeof(path)))), -ENOENT);
	assert_int_equal(call(f, "chdir", put(f, "/")), 0);
	assert_int_equal(call(f, "getcwd", OUT(f), 4096), 2);
	assert_string_equal(out(f), "/");
	expect_content(f, call(f, "open", put(f, "tmp/main.py"), O_RDONLY), "print(1)\n");
	assert_int_equal(call(f, "chdir", put(f, "/tmp")), 0);
	told(f);
}

/* Where access is given by the owner's mode only, the worker's own power must not show. */
static void test_closed_file(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];

	if (!identity_can_switch())
		SKIP(NEEDS_ROOT);
	assert_int_equal(call(f, "open", put(f, expand(f, "@/tree/closed", path, sizeof(path))), O_RDONLY), -EACCES);
	assert_int_equal(call(f, "access", put(f, path), R_OK), -EACCES);
	assert_int_equal(call(f, "access", put(f, path), F_OK), 0);
	told(f);
}

static void test_openat2(void **state)
{
	struct fixture *f = *state;
	struct {
		uint64_t flags, mode, resolve, newer;
	} how = {0};
	uint64_t at = OUT(f);
	char path[PATH_MAX];
#define OPENAT2(p, size) (memcpy(out(f), &how, sizeof(how)), \
	call(f, "openat2", FD, put(f, expand(f, p, path, sizeof(path))), at, size))

	expect_content(f, OPENAT2("@/tree/file", 24), "file");
	expect_content(f, OPENAT2("@/tree/file", 32), "file");
	assert_int_equal(OPENAT2("@/tree/file", 23), -EINVAL);
	assert_int_equal(OPENAT2("@/tree/file", 5000), -E2BIG);
	how.newer = 1;
	assert_int_equal(OPENAT2("@/tree/file", 32), -E2BIG);
	how.newer = 0;
	how.mode = 0644;
	assert_int_equal(OPENAT2("@/tree/file", 24), -EINVAL);
	how.mode = 0;
	how.flags = 1ull << 40;
	assert_int_equal(OPENAT2("@/tree/file", 24), -EINVAL);
	how.flags = 0;
	how.resolve = 4; /* NO_SYMLINKS */
	expect_content(f, OPENAT2("@/tree/file", 24), "file");
	assert_int_equal(OPENAT2("@/tree/to_file", 24), -ELOOP);
	assert_int_equal(OPENAT2("@/tree/to_sub/inner", 24), -ELOOP);
	how.resolve = 8; /* BENEATH */
	assert_int_equal(OPENAT2("@/tree/file", 24), -EXDEV);
	assert_int_equal(OPENAT2("../tmp/main.py", 24), -EXDEV);
	expect_content(f, OPENAT2("main.py", 24), "print(1)\n");
	how.resolve = 16; /* IN_ROOT */
	expect_content(f, OPENAT2("main.py", 24), "print(1)\n");
	expect_content(f, OPENAT2("/main.py", 24), "print(1)\n");
	expect_content(f, OPENAT2("../../main.py", 24), "print(1)\n");
	assert_int_equal(OPENAT2("@/tree/file", 24), -ENOENT);
	assert_int_equal(call(f, "symlink", put(f, "/main.py"), put(f, "/tmp/absolute")), 0);
	expect_content(f, OPENAT2("absolute", 24), "print(1)\n");
	how.resolve = 8;
	assert_int_equal(OPENAT2("absolute", 24), -EXDEV);
	assert_int_equal(call(f, "unlink", put(f, "/tmp/absolute")), 0);
	/* made where the link leads, and that is below the root that was asked for */
	assert_int_equal(call(f, "symlink", put(f, "/made"), put(f, "/tmp/dangling")), 0);
	how.flags = O_CREAT | O_RDWR;
	how.mode = 0600;
	how.resolve = 16;
	expect_content(f, OPENAT2("dangling", 24), "");
	assert_int_equal(call(f, "unlink", put(f, "/tmp/made")), 0);
	assert_int_equal(call(f, "unlink", put(f, "/tmp/dangling")), 0);
	how.flags = how.mode = 0;
	how.resolve = 24; /* BENEATH and IN_ROOT */
	assert_int_equal(OPENAT2("main.py", 24), -EINVAL);
	how.resolve = 1; /* NO_XDEV */
	expect_content(f, OPENAT2("main.py", 24), "print(1)\n");
	assert_int_equal(OPENAT2("../tmp/main.py", 24), -EXDEV);
	assert_int_equal(OPENAT2("/tmp/main.py", 24), -EXDEV);
	how.resolve = 32; /* CACHED */
	expect_content(f, OPENAT2("main.py", 24), "print(1)\n");
	how.flags = O_TRUNC | O_RDWR;
	assert_int_equal(OPENAT2("main.py", 24), -EAGAIN);
	how.flags = 0;
	how.resolve = 64;
	assert_int_equal(OPENAT2("main.py", 24), -EINVAL);
	assert_int_equal(call(f, "openat2", FD, put(f, "main.py"), 8, 24), -EFAULT);
}

/* Changes through a grant with all rights are made with the job's identity. */
static void test_writable_grant(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX], dir[PATH_MAX];
	struct stat st;
	int64_t fd = call(f, "open", put(f, expand(f, "@/w/new", path, sizeof(path))), O_CREAT | O_RDWR | O_EXCL, 0666);

	assert_int_equal(f->reply.kind, REPLY_FD);
	assert_int_equal(fstat((int)fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	if (identity_can_switch())
		assert_int_equal(st.st_uid, JOB_UID);
	close((int)fd);
	assert_int_equal(call(f, "mkdir", put(f, expand(f, "@/w/d", dir, sizeof(dir))), 0777), 0);
	assert_int_equal(call(f, "rename", put(f, path), put(f, expand(f, "@/w/d/moved", dir, sizeof(dir)))), 0);
	assert_int_equal(call(f, "chmod", put(f, dir), 0600), 0);
	assert_int_equal(call(f, "unlink", put(f, dir)), 0);
	assert_int_equal(call(f, "unlink", put(f, dir)), -ENOENT);
	assert_int_equal(call(f, "rmdir", put(f, expand(f, "@/w/d/", dir, sizeof(dir)))), 0);
	assert_int_equal(call(f, "rmdir", put(f, expand(f, "@/w", dir, sizeof(dir)))), -EACCES);
	told(f);
}

static void test_readlink(void **state)
{
	static const struct {
		const char *path, *target;
		int err;
	} rows[] = {
		{"@/tree/to_file", "file", 0}, {"@/tree/to_sub/../to_file", "file", 0}, {"@/tree/dangling",
			"nothing", 0},
		{"@/tree/file", NULL, EINVAL}, {"@/tree", NULL, EINVAL}, {"/", NULL, EINVAL}, {"/tmp", NULL, EINVAL},
		{"@/tree/nothing", NULL, ENOENT}, {"@/linked", NULL, EINVAL}, {"/proc/self/exe", "/usr/bin/python3", 0},
		{"@/tree/to_sub/", NULL, EINVAL}, {"", NULL, ENOENT},
	};
	struct fixture *f = *state;
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t n;

		memset(out(f), 0, 64);
		n = call(f, "readlink", put(f, expand(f, rows[i].path, path, sizeof(path))), OUT(f), 64);
		if (n != (rows[i].err ? -rows[i].err : (int)strlen(rows[i].target)))
			fail_msg("readlink %s: %lld", rows[i].path, (long long)n);
		if (!rows[i].err)
			assert_string_equal(out(f), rows[i].target);
	}
	assert_int_equal(call(f, "readlink", put(f, expand(f, "@/tree/to_file", path, sizeof(path))), OUT(f), 2), 2);
	assert_int_equal(call(f, "readlink", put(f, path), OUT(f), 0), -EINVAL);
	told(f);
}

/* The step that all else stands on, asked for what its callers never ask: it leads nowhere by itself. */
static void test_one_step(void **state)
{
	static const struct {
		const char *rest;
		int err;
	} rows[] = {
		{"file", 0}, {"sub/inner", 0}, {"../secret/key", EXDEV}, {"sub/../../secret/key", EXDEV}, {"..", EXDEV},
		{"/etc/passwd", EXDEV}, {"to_sub/inner", ELOOP}, {"absolute", ELOOP}, {"environ", ELOOP},
		{"out_dir/key", ELOOP},
	};
	struct fixture *f = *state;
	char path[PATH_MAX];
	int dir = open(expand(f, "@/tree", path, sizeof(path)), O_PATH | O_CLOEXEC), magic;

	assert_true(dir >= 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = resolve_openat2(dir, rows[i].rest, O_RDONLY, 0);

		if (rows[i].err ? fd != -rows[i].err : fd < 0)
			fail_msg("%s: %d", rows[i].rest, fd);
		if (fd >= 0)
			close(fd);
	}
	close(dir);
	magic = open("/proc/self", O_PATH | O_CLOEXEC);
	assert_int_equal(resolve_openat2(magic, "root/etc", O_PATH, 0), -ELOOP);
	assert_int_equal(resolve_openat2(magic, "fd/0", O_PATH, 0), -ELOOP);
	close(magic);
}

/* Where procfs is seen below a granted directory nothing of it is shown: it would speak of the worker. In a mount
 * namespace of its own, and so in a process of its own, whose exit status counts what was shown. */
static int shown_of_procfs(struct fixture *f)
{
	static const char *const names[] = {"@/tree/sub/deep", "@/tree/sub/deep/self/status", "@/tree/sub/deep/1/cmdline",
		"@/tree/sub/deep/version"};
	char path[PATH_MAX];
	int shown = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int64_t opened = call(f, "open", put(f, expand(f, names[i], path, sizeof(path))), O_RDONLY);

		close_reply(f);
		shown += opened != -ENOENT;
		shown += call(f, "stat", put(f, path), OUT(f)) != -ENOENT;
	}
	return shown;
}

static int mount_proc_below_grant(struct fixture *f)
{
	char path[PATH_MAX];

	if (identity_full() || unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	/* not a bind mount: each mount of procfs has a device number of its own, since Linux 5.8 */
	int r = mount("proc", expand(f, "@/tree/sub/deep", path, sizeof(path)), "proc", 0, NULL);
	identity_leave();
	return r;
}

static void test_procfs_below_a_grant(void **state)
{
	struct fixture *f = *state, g;
	int status;
	pid_t pid;

	if (!identity_can_switch())
		SKIP(NEEDS_ROOT);
	pid = fork();
	if (!pid) {
		if (mount_proc_below_grant(f))
			_exit(99);
		g = *f;
		if (broker_tree_new(f->policy, NULL, &g.tree, &(struct err){0})) /* handles of the new namespace's mounts */
			_exit(98);
		f->job->tree = g.tree;
		_exit(shown_of_procfs(&g));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 99)
		SKIP("capability CAP_SYS_ADMIN");
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_step),
		cmocka_unit_test(test_procfs_below_a_grant),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_strings_at_page_edges),
		cmocka_unit_test(test_from_descriptors),
		cmocka_unit_test(test_foreign_descriptor),
		cmocka_unit_test(test_working_directory),
		cmocka_unit_test(test_closed_file),
		cmocka_unit_test(test_openat2),
		cmocka_unit_test(test_writable_grant),
		cmocka_unit_test(test_readlink),
	};

	return cmocka_run_group_tests_name("resolve", tests, setup, teardown);
}
