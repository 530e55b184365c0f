/* A job's own grants: what they may be, how they lie over the policy's, and what they are opened through. */
#include "child.h"

#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "identity.h"
#include "state.h"

struct own {
	struct fixture f;
	struct broker_grants *grants;
	enum rpc_error code;
	struct err e;
};

static void make_tree(struct fixture *f)
{
	static const char *const dirs[] = {"data", "data/in", "data/out", "other", "deep", "deep/a", "deep/a/b"};
	char path[160], to[160];

	fixture_base(f);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->base, dirs[i]);
		assert_int_equal(mkdir(path, 0755), 0);
		assert_int_equal(chmod(path, 0777), 0);
		snprintf(path, sizeof(path), "%s/%s/file", f->base, dirs[i]);
		write_file(path, dirs[i], 0666);
	}
	snprintf(path, sizeof(path), "%s/data/to_other", f->base);
	assert_int_equal(symlink("../other", path), 0);
	snprintf(path, sizeof(path), "%s/data/to_in", f->base);
	assert_int_equal(symlink("in", path), 0);
	snprintf(path, sizeof(path), "%s/bound", f->base);
	snprintf(to, sizeof(to), "%s/data", f->base);
	assert_int_equal(symlink(to, path), 0);
}

/* The job's wishes: "r/path" or "w/path" below the base, or an absolute path behind "r=" or "w=". */
static int wish(struct own *o, bool by_operator, const char *const *wishes)
{
	struct job *j = job_new();
	int rc;

	for (int kind = 0; kind < GRANT_COUNT; kind++)
		j->grants[kind].v = calloc(16, sizeof(char *));
	for (; *wishes; wishes++) {
		struct job_list *l = &j->grants[**wishes == 'w' ? GRANT_WRITE : GRANT_READ];

		assert_true(asprintf(&l->v[l->n++], "%s%s", (*wishes)[1] == '=' ? "" : o->f.base,
		                     *wishes + ((*wishes)[1] == '=' ? 2 : 1)) > 0);
	}
	j->by_operator = by_operator;
	rc = broker_grants_new(j, o->f.policy, &o->grants, &o->code, &o->e);
	job_free(j);
	return rc;
}

#define WISHES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* `policy`: lines of files, with %1$s for the base. */
static void start(struct own *o, const char *policy, const char *const *wishes)
{
	char files[1024];

	*o = (struct own){0};
	make_tree(&o->f);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(files, sizeof(files), policy, o->f.base);
#pragma GCC diagnostic pop
	fixture_start(&o->f, files);
	if (!wishes)
		return;
	if (wish(o, true, wishes))
		fail_msg("%s: %s", o->e.step, o->e.text);
	o->f.job->options.grants = o->grants; /* freed with the job */
}

static const char *at(struct own *o, const char *rest)
{
	static char path[4][200];
	static unsigned n;

	n = (n + 1) % 4;
	snprintf(path[n], sizeof(path[n]), "%s%s", o->f.base, rest);
	return path[n];
}

static uint32_t rights(struct own *o, const char *rest)
{
	struct lookup l = tree_find(o->f.tree, o->grants, at(o, rest));

	return l.place == PLACE_HOST ? l.rights : 0;
}

#define R (RIGHT_READ | RIGHT_LIST)
#define W (R | RIGHT_WRITE | RIGHT_CREATE)

#define NO_FILES "  - {path: /dev/null, rights: [read]}\n"

/* --- how the lists lie over each other --------------------------------------------------------------------- */

static void test_rights_add_up(void **state)
{
	struct own o;

	(void)state;
	start(&o, "  - {path: %1$s/data, rights: [read, list]}\n  - {path: %1$s/deep/a, rights: [write]}\n",
	           WISHES("w/data/out", "r/deep", "r/other"));
	assert_int_equal(rights(&o, "/data/in/x"), R);
	assert_int_equal(rights(&o, "/data/out"), W);
	assert_int_equal(rights(&o, "/data/out/x"), W);
	assert_int_equal(rights(&o, "/data/outer"), R);
	assert_int_equal(rights(&o, "/deep/x"), R);
	assert_int_equal(rights(&o, "/deep/a/b/c"), R | RIGHT_WRITE); /* the policy's grant below the job's */
	assert_int_equal(rights(&o, "/other/x"), R);
	assert_int_equal(rights(&o, "/none"), 0);
	o.grants = NULL;
	assert_int_equal(rights(&o, "/data/out/x"), R); /* other jobs see nothing of it */
	assert_int_equal(rights(&o, "/other/x"), 0);
	fixture_stop(&o.f);
}

/* What may be done with the directory that holds a link says nothing of what the link leads to. */
static void test_rights_do_not_follow_links(void **state)
{
	struct own o;

	(void)state;
	start(&o, "  - {path: %1$s/data, rights: [read, list, write, create]}\n", WISHES("r/data/to_other"));
	assert_int_equal(rights(&o, "/data/to_other/file"), R);
	assert_int_equal(rights(&o, "/other/file"), R);
	assert_int_equal(rights(&o, "/data/file"), W);
	fixture_stop(&o.f);
	start(&o, NO_FILES, WISHES("w/data", "r/data/to_other", "r/data/to_in"));
	assert_int_equal(rights(&o, "/data/to_other/file"), R);
	assert_int_equal(rights(&o, "/data/to_in/file"), W); /* by its real name */
	fixture_stop(&o.f);
	start(&o, "  - {path: %1$s/data, rights: [read]}\n  - {path: %1$s/data/to_other, rights: [write]}\n", NULL);
	assert_int_equal(rights(&o, "/data/to_other/file"), RIGHT_WRITE);
	fixture_stop(&o.f);
}

/* A policy's read grant inside the job's write grant is opened for writing, too. */
static void test_writing_below_a_read_grant(void **state)
{
	struct own o;
	int64_t fd;

	(void)state;
	start(&o, "  - {path: %1$s/data/in, rights: [read, list]}\n", WISHES("w/data"));
	fd = call(&o.f, "open", put(&o.f, at(&o, "/data/in/file")), O_RDWR, 0);
	assert_int_equal(o.f.reply.kind, REPLY_FD);
	assert_int_equal(write((int)fd, "new", 3), 3);
	close((int)fd);
	fd = call(&o.f, "open", put(&o.f, at(&o, "/data/in/made")), O_CREAT | O_EXCL | O_WRONLY, 0600);
	assert_int_equal(o.f.reply.kind, REPLY_FD);
	close((int)fd);
	assert_int_equal(call(&o.f, "unlink", put(&o.f, at(&o, "/data/in/made"))), 0);
	assert_int_equal(call(&o.f, "rename", put(&o.f, at(&o, "/data/in/file")), put(&o.f, at(&o, "/data/out/x"))), 0);
	fixture_stop(&o.f);
}

static void test_grants_below_tmp(void **state)
{
	char dir[] = "/tmp/warder-grants-XXXXXX", path[64];
	struct own o;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/in", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "r=%s/in", dir);
	start(&o, NO_FILES, WISHES(path));
	assert_int_equal(tree_find(o.f.tree, o.grants, path + 2).place, PLACE_HOST);
	assert_int_equal(tree_find(o.f.tree, o.grants, path + 2).rights, R);
	assert_int_equal(tree_find(o.f.tree, o.grants, dir).place, PLACE_SKELETON);
	assert_int_equal(tree_find(o.f.tree, o.grants, "/tmp/x").place, PLACE_TMP);
	assert_int_equal(tree_find(o.f.tree, NULL, dir).place, PLACE_TMP);
	fixture_stop(&o.f);
	remove_all(dir);
}

/* --- directories above ------------------------------------------------------------------------------------- */

static void expect_names(struct own *o, const char *path, const char *const *names)
{
	int64_t fd = call(&o->f, "open", put(&o->f, path), O_RDONLY | O_DIRECTORY, 0);
	struct dirent *e;
	int n = 0;
	DIR *d;

	assert_int_equal(o->f.reply.kind, REPLY_FD);
	d = fdopendir((int)fd);
	assert_non_null(d);
	while ((e = readdir(d))) {
		bool wanted = e->d_name[0] == '.';

		for (int i = 0; names[i]; i++)
			if (!strcmp(names[i], e->d_name)) {
				wanted = true;
				n++;
			}
		if (!wanted)
			fail_msg("%s shows %s", path, e->d_name);
	}
	closedir(d);
	for (int i = 0; names[i]; i++)
		n--;
	if (n)
		fail_msg("%s: %d names too few or many", path, n);
}

static void test_listings_show_both(void **state)
{
	struct own o;

	(void)state;
	start(&o, "  - {path: %1$s/data/in, rights: [read, list]}\n  - {path: %1$s/data/file, rights: [read]}\n"
	           "  - {path: %1$s/deep/a/b, rights: [read, list]}\n", WISHES("r/other", "r/data/out", "r/deep/a/file"));
	expect_names(&o, o.f.base, WISHES("data", "deep", "other"));
	expect_names(&o, at(&o, "/data"), WISHES("in", "out", "file"));
	expect_names(&o, at(&o, "/deep"), WISHES("a"));
	expect_names(&o, at(&o, "/deep/a"), WISHES("b", "file"));
	expect_names(&o, "/dev", WISHES("null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout", "stderr", "shm"));
	o.f.job->options.grants = NULL; /* as another job sees it */
	expect_names(&o, o.f.base, WISHES("data", "deep"));
	expect_names(&o, at(&o, "/data"), WISHES("in", "file"));
	o.f.job->options.grants = o.grants;
	fixture_stop(&o.f);
}

/* Whatever is held, names lead on from it. */
static void test_from_descriptors(void **state)
{
	static const char *const dirs[] = {"", "/data", "/data/out", "/other"};
	struct own o;

	(void)state;
	start(&o, "  - {path: %1$s/data/in, rights: [read, list]}\n", WISHES("r/other", "w/data/out"));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int64_t fd = call(&o.f, "open", put(&o.f, at(&o, dirs[i])), O_RDONLY | O_DIRECTORY, 0);
		const char *up = i == 0 ? "data/out/file" : i == 1 ? "out/file" : i == 2 ? "file" : "../data/out/file";
		int t_fd;

		assert_int_equal(o.f.reply.kind, REPLY_FD);
		t_fd = child_put(&o.f.c, (int)fd);
		close((int)fd);
		fd = call(&o.f, "openat", (uint64_t)t_fd, put(&o.f, up), O_RDONLY, 0);
		expect_content(&o.f, fd, "data/out");
	}
	fixture_stop(&o.f);
}

/* --- what may be granted ----------------------------------------------------------------------------------- */

static void test_bounds(void **state)
{
	static const struct {
		const char *name, *wish;
		bool by_operator;
		int code;        /* -1: granted */
		const char *want;
	} rows[] = {
		{"within", "r/data/in", false, -1, NULL},
		{"a bound to write is one to read", "r/data/out", false, -1, NULL},
		{"by a bound that is a link", "r/bound/in", false, -1, NULL},
		{"a link that stays within", "r/data/to_in", false, -1, NULL},
		{"a link that leads out", "r/data/to_other", false, RPC_ERROR_NOT_PERMITTED, "outside callers_may of policy test"},
		{"through a link that leads out", "r/data/to_other/file", false, RPC_ERROR_NOT_PERMITTED, "outside callers_may"},
		{"the same by an operator", "r/data/to_other", true, -1, NULL},
		{"missing", "r/data/none", false, RPC_ERROR_BAD_REQUEST, "/data/none: No such file or directory"},
		{"missing, by an operator", "w/none", true, RPC_ERROR_BAD_REQUEST, "/none: No such file or directory"},
		{"a file for a directory", "r/data/file/x", true, RPC_ERROR_BAD_REQUEST, "Not a directory"},
		{"a link into proc", "r/data/to_proc", true, RPC_ERROR_NOT_PERMITTED, "would show the supervisor's processes"},
		{"a link to the root", "r/data/to_root", true, RPC_ERROR_NOT_PERMITTED, "everything at once"},
		{"a fifo", "r/data/fifo", true, RPC_ERROR_NOT_PERMITTED, "is no file, directory or character device"},
		{"a device", "r/data/null", true, -1, NULL},
		{"a device in a bound", "r/data/null", false, RPC_ERROR_NOT_PERMITTED, "outside callers_may"},
		{"a device that a bound names", "r/data/named", false, -1, NULL},
	};
	struct own o = {0};
	char policy[1024], path[160];

	(void)state;
	make_tree(&o.f);
	snprintf(path, sizeof(path), "%s/data/to_proc", o.f.base);
	assert_int_equal(symlink("/proc/sys", path), 0);
	snprintf(path, sizeof(path), "%s/data/to_root", o.f.base);
	assert_int_equal(symlink("/", path), 0);
	snprintf(path, sizeof(path), "%s/data/fifo", o.f.base);
	assert_int_equal(mkfifo(path, 0666), 0);
	snprintf(path, sizeof(path), "%s/data/null", o.f.base);
	bool devices = !mknod(path, 0666 | S_IFCHR, makedev(1, 3));
	snprintf(path, sizeof(path), "%s/data/named", o.f.base);
	devices &= !mknod(path, 0666 | S_IFCHR, makedev(1, 3));
	snprintf(policy, sizeof(policy),
	         "  - {path: /dev/null, rights: [read]}\ncallers_may: {read: [%1$s/data, %1$s/bound, %1$s/data/named], write: [%1$s/data/out]}\n",
	         o.f.base);
	fixture_start(&o.f, policy);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc;

		if (strstr(rows[i].name, "device") && !devices)
			continue;
		rc = wish(&o, rows[i].by_operator, WISHES(rows[i].wish));
		if (rows[i].code < 0 && rc)
			fail_msg("%s: %s: %s", rows[i].name, o.e.step, o.e.text);
		if (rows[i].code >= 0 && (!rc || (int)o.code != rows[i].code || o.e.class != ERR_REQUEST ||
		                          strncmp(o.e.step, *rows[i].wish == 'r' ? "grants.read[0]" : "grants.write[0]", 16) ||
		                          !strstr(o.e.text, rows[i].want)))
			fail_msg("%s: %d, code %d, %s: %s", rows[i].name, rc, o.code, o.e.step, o.e.text);
		broker_grants_free(o.grants);
	}
	fixture_stop(&o.f);
}

/* Somebody moves the granted directory away and puts another in its place, after the job was admitted. */
static void test_swapped_after_admission(void **state)
{
	char from[160], to[160];
	struct own o;

	(void)state;
	start(&o, NO_FILES, WISHES("r/data/in"));
	snprintf(from, sizeof(from), "%s", at(&o, "/data/in"));
	snprintf(to, sizeof(to), "%s", at(&o, "/data/moved"));
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(symlink("../other", from), 0);
	assert_int_equal(call(&o.f, "open", put(&o.f, at(&o, "/data/in/file")), O_RDONLY, 0), -ESTALE);
	assert_int_equal(unlink(from), 0);
	assert_int_equal(mkdir(from, 0755), 0);
	assert_int_equal(call(&o.f, "open", put(&o.f, at(&o, "/data/in/file")), O_RDONLY, 0), -ESTALE);
	assert_int_equal(call(&o.f, "open", put(&o.f, at(&o, "/data/moved/file")), O_RDONLY, 0), -ENOENT);
	fixture_stop(&o.f);
}

/* --- what they are opened through -------------------------------------------------------------------------- */

/* Root itself can do nothing to the host's file with what a job is given for reading. */
static void test_readonly(void **state)
{
	const struct timespec times[2] = {{1, 0}, {1, 0}};
	struct stat before, after;
	struct own o;
	int64_t fd;

	(void)state;
	start(&o, NO_FILES, WISHES("r/data", "w/other"));
	if (!broker_has_readonly_grants(o.f.tree)) {
		fixture_stop(&o.f);
		print_message("missing: detached read-only clones (CAP_SYS_ADMIN)\n");
		skip();
	}
	assert_int_equal(stat(at(&o, "/data/file"), &before), 0);
	fd = call(&o.f, "open", put(&o.f, at(&o, "/data/file")), O_RDONLY, 0);
	assert_int_equal(o.f.reply.kind, REPLY_FD);
	assert_int_equal(identity_full(), 0);
	assert_int_equal(fchmod((int)fd, 0777), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(futimens((int)fd, times), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(fsetxattr((int)fd, "user.x", "y", 1, 0), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(fchown((int)fd, 1, 1), -1);
	assert_int_equal(errno, EROFS);
	identity_leave();
	assert_ptr_not_equal(mmap(NULL, 4, PROT_READ | PROT_EXEC, MAP_PRIVATE, (int)fd, 0), MAP_FAILED);
	close((int)fd);
	assert_int_equal(stat(at(&o, "/data/file"), &after), 0);
	assert_int_equal(before.st_mode, after.st_mode);
	assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	fd = call(&o.f, "open", put(&o.f, at(&o, "/other/file")), O_RDWR, 0);
	assert_int_equal(o.f.reply.kind, REPLY_FD);
	assert_int_equal(write((int)fd, "x", 1), 1);
	close((int)fd);
	fixture_stop(&o.f);
}

/* The same answers where the kernel permits no clone. */
static void test_without_clones(void **state)
{
	struct own o;
	int64_t fd;

	(void)state;
	start(&o, "  - {path: %1$s/data, rights: [read, list]}\n", WISHES("w/data/out", "r/other"));
	if (o.f.tree->hosts.readonly >= 0)
		close(o.f.tree->hosts.readonly);
	o.f.tree->hosts.readonly = -1;
	assert_false(broker_has_readonly_grants(o.f.tree));
	fd = call(&o.f, "open", put(&o.f, at(&o, "/data/in/file")), O_RDONLY, 0);
	expect_content(&o.f, fd, "data/in");
	assert_int_equal(call(&o.f, "open", put(&o.f, at(&o, "/data/in/file")), O_RDWR, 0), -EACCES);
	fd = call(&o.f, "open", put(&o.f, at(&o, "/data/out/file")), O_RDWR, 0);
	expect_content(&o.f, fd, "data/out");
	fd = call(&o.f, "open", put(&o.f, at(&o, "/other/file")), O_RDONLY, 0);
	expect_content(&o.f, fd, "other");
	fixture_stop(&o.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights_add_up), cmocka_unit_test(test_rights_do_not_follow_links),
		cmocka_unit_test(test_writing_below_a_read_grant), cmocka_unit_test(test_grants_below_tmp),
		cmocka_unit_test(test_listings_show_both), cmocka_unit_test(test_from_descriptors),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_swapped_after_admission),
		cmocka_unit_test(test_readonly), cmocka_unit_test(test_without_clones),
	};

	return cmocka_run_group_tests_name("grants", tests, NULL, NULL);
}
