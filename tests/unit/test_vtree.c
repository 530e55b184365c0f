/* The tree of grants: look-up, handles, the skeleton above. */
#include "child.h"

#include <dirent.h>
#include <sys/resource.h>
#include <time.h>

#include "tree.h"
#include "vpath.h"

/* --- names ------------------------------------------------------------------------------------------------- */

static void test_join(void **state)
{
	static const struct {
		const char *base, *text, *want; /* NULL: it has a ".." */
		bool must_dir;
	} rows[] = {
		{"", "/", "", true}, {"", "//", "", true}, {"/tmp", "", "/tmp", false}, {"/tmp", ".", "/tmp", true},
		{"/tmp", "a", "/tmp/a", false}, {"/tmp", "a/", "/tmp/a", true}, {"/tmp", "a/.", "/tmp/a", true},
		{"/tmp", "./a//b", "/tmp/a/b", false}, {"/tmp", "/a", "/a", false}, {"/tmp", "..", NULL, false},
		{"/tmp", "a/../b", NULL, false}, {"/tmp", "..a", "/tmp/..a", false}, {"/tmp", "a/...", "/tmp/a/...",
			false},
		{"", "a", "/a", false},
	};
	struct vpath v;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = vpath_join(&v, rows[i].base, rows[i].text);

		if (rc != !rows[i].want || (rows[i].want && (strcmp(v.s, rows[i].want) ||
			v.must_dir != rows[i].must_dir)))
			fail_msg("%s + %s: %d \"%s\" %d", rows[i].base, rows[i].text, rc, v.s, v.must_dir);
	}
}

static void test_long_names(void **state)
{
	static char base[VPATH_MAX], text[PATH_MAX];
	struct vpath v;

	(void)state;
	memset(base, 'a', sizeof(base) - 2);
	base[0] = '/';
	assert_int_equal(vpath_join(&v, base, ""), 0);
	assert_int_equal(vpath_join(&v, base, "b"), -ENAMETOOLONG);
	memset(text, 'b', sizeof(text) - 1);
	assert_int_equal(vpath_join(&v, "/tmp", text), 0);
	assert_int_equal(v.len, PATH_MAX - 1 + 5);
	vpath_pop(&v);
	assert_string_equal(v.s, "/tmp");
	vpath_pop(&v);
	vpath_pop(&v);
	assert_string_equal(v.s, "");
}

static void test_order(void **state)
{
	static const char *const sorted[] = {"", "/a", "/a/b", "/a/b/c", "/a/b-c", "/a-b", "/a.b", "/ab", "/b"};
	const size_t n = sizeof(sorted) / sizeof(sorted[0]);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++) {
			int order = vpath_cmp(sorted[i], sorted[k]);

			if ((order > 0) != (i > k) || (order < 0) != (i < k))
				fail_msg("\"%s\" and \"%s\": %d", sorted[i], sorted[k], order);
		}
	assert_true(vpath_covers("/a", 2, "/a/b"));
	assert_true(vpath_covers("", 0, "/a"));
	assert_false(vpath_covers("/a", 2, "/ab"));
}

/* --- look-up ----------------------------------------------------------------------------------------------- */

static void start(struct fixture *f, const char *files)
{
	struct err e = {0};

	f->policy = load_policy(f->base, files);
	assert_int_equal(identity_rest(), 0);
	if (broker_tree_new(f->policy, NULL, &f->tree, &e))
		fail_msg("%s: %s", e.step, e.text);
}

static void stop(struct fixture *f)
{
	broker_tree_free(f->tree);
	policy_free(f->policy);
	assert_int_equal(identity_full(), 0);
	remove_all(f->base);
}

static char *make_dir(struct fixture *f, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s%s", f->base, name);
	assert_int_equal(mkdir(path, 0755), 0);
	return path;
}

static void test_find(void **state)
{
	char files[512], path[128];
	struct lookup l;
	struct fixture f;

	(void)state;
	fixture_base(&f);
	make_dir(&f, "/a");
	make_dir(&f, "/a/b");
	make_dir(&f, "/a/b/c");
	make_dir(&f, "/a-b");
	snprintf(files, sizeof(files), "  - {path: %s/a, rights: [read]}\n  - {path: %s/a/b/c, rights: [list]}\n"
	         "  - {path: %s/a-b, rights: [read]}\n", f.base, f.base, f.base);
	start(&f, files);
#define FIND(s) (snprintf(path, sizeof(path), "%s" s, f.base), l = tree_find(f.tree, NULL, path))
	FIND("/a/x");
	assert_int_equal(l.place, PLACE_HOST);
	assert_string_equal(l.rest, "x");
	FIND("/a/b");
	assert_int_equal(l.place, PLACE_HOST);
	assert_string_equal(l.rest, "b");
	FIND("/a/b/c");
	assert_string_equal(l.rest, "");
	assert_int_equal(l.rights, RIGHT_READ | RIGHT_LIST); /* grants only add */
	FIND("/a/b/c/d/e");
	assert_string_equal(l.rest, "d/e");
	FIND("/a/b/d");
	assert_string_equal(l.rest, "b/d");
	FIND("");
	assert_int_equal(l.place, PLACE_SKELETON);
	FIND("/ab");
	assert_int_equal(l.place, PLACE_NONE);
	FIND("/a-b/z");
	assert_int_equal(l.place, PLACE_HOST);
	FIND("/a-c");
	assert_int_equal(l.place, PLACE_NONE);
	assert_int_equal(tree_find(f.tree, NULL, "").place, PLACE_SKELETON);
	assert_int_equal(tree_find(f.tree, NULL, "/var").place, PLACE_SKELETON);
	assert_int_equal(tree_find(f.tree, NULL, "/var/lib").place, PLACE_NONE);
	assert_int_equal(tree_find(f.tree, NULL, "/tmp").place, PLACE_TMP);
	assert_int_equal(tree_find(f.tree, NULL, "/tmp/x").place, PLACE_TMP);
	assert_int_equal(tree_find(f.tree, NULL, "/tmpx").place, PLACE_NONE);
	stop(&f);
}

/* A grant below /tmp stands in the private one; the directories between are there for its name. */
static void test_grant_below_tmp(void **state)
{
	char dir[] = "/tmp/warder-vtree-XXXXXX", files[256], path[64];
	struct fixture f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/lib", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	fixture_base(&f);
	snprintf(files, sizeof(files), "  - {path: %s, rights: [read, list]}\n", path);
	start(&f, files);
	assert_int_equal(tree_find(f.tree, NULL, path).place, PLACE_HOST);
	assert_int_equal(tree_find(f.tree, NULL, dir).place, PLACE_SKELETON);
	assert_int_equal(tree_find(f.tree, NULL, "/tmp").place, PLACE_TMP);
	assert_int_equal(tree_find(f.tree, NULL, "/tmp/other").place, PLACE_TMP);
	stop(&f);
	remove_all(dir);
}

/* --- many grants ------------------------------------------------------------------------------------------- */

static struct fixture *with_grants(struct fixture *f, int n)
{
	char *files = malloc((size_t)n * 96 + 1), *p = files, name[32];

	fixture_base(f);
	*p = '\0';
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/g%d", i);
		p += sprintf(p, "  - {path: %s, rights: [read, list]}\n", make_dir(f, name));
	}
	/* by hand: the policy's text would not fit load_policy's */
	f->policy = load_policy(f->base, "  - {path: /dev/null, rights: [read, write]}\n");
	f->policy->files = realloc(f->policy->files, ((size_t)n + f->policy->n_files) * sizeof(*f->policy->files));
	for (int i = 0; i < n; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/g%d", f->base, i);
		f->policy->files[f->policy->n_files++] = (struct policy_file){
			.path = strdup(path), .rights = RIGHT_READ | RIGHT_LIST, .rule = strdup("test"),
		};
	}
	free(files);
	assert_int_equal(identity_rest(), 0);
	assert_int_equal(broker_tree_new(f->policy, NULL, &f->tree, NULL), 0);
	return f;
}

static unsigned open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static size_t hold_all(struct fixture *f)
{
	struct grants *l = &f->tree->grants;

	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].place == PLACE_HOST)
			assert_true(grants_handle(l, &f->tree->hosts, &l->v[i], false) >= 0);
	return l->n_held;
}

/* Handles leave half of the descriptors alone, and each is that of its grant. */
static void test_handles_are_bounded(void **state)
{
	struct rlimit before, few;
	struct fixture f;
	struct stat st;
	size_t held;

	(void)state;
	with_grants(&f, 700);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){400, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int round = 0; round < 3; round++)
		assert_in_range(held = hold_all(&f), 150, 200);
	assert_in_range(open_descriptors(), held, 205);
	for (size_t i = 0; i < f.tree->grants.n; i++) {
		struct grant *g = &f.tree->grants.v[i];

		if (g->to_read >= 0 && (fstat(g->to_read, &st) || st.st_ino != g->ino))
			fail_msg("the handle of %s is another's", g->path);
	}
	stop(&f);
	with_grants(&f, 100);
	assert_in_range(hold_all(&f), 100, f.tree->grants.n);
	stop(&f);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_replaced_object(void **state)
{
	struct fixture f;
	char path[128], moved[128];
	struct grant *g;

	(void)state;
	with_grants(&f, 1);
	snprintf(path, sizeof(path), "%s/g0", f.base);
	snprintf(moved, sizeof(moved), "%s/moved", f.base);
	g = tree_find(f.tree, NULL, path).grant;
	assert_int_equal(g->to_read, -1);
	assert_int_equal(identity_full(), 0);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(symlink("/etc", path), 0);
	identity_leave();
	assert_int_equal(grants_handle(&f.tree->grants, &f.tree->hosts, g, false), -ESTALE);
	assert_int_equal(identity_full(), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	identity_leave();
	assert_int_equal(grants_handle(&f.tree->grants, &f.tree->hosts, g, false), -ESTALE);
	stop(&f);
}

static double per_lookup(struct broker_tree *t, const char *path)
{
	struct timespec a, b;
	double best = 1e9;

	for (int round = 0; round < 20; round++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		for (int i = 0; i < 10000; i++)
			assert_int_equal(tree_find(t, NULL, path).place, PLACE_HOST);
		clock_gettime(CLOCK_MONOTONIC, &b);
		double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);

		best = ns < best ? ns : best;
	}
	return best / 10000;
}

static void test_ten_thousand(void **state)
{
	struct fixture few, many;
	char path[128];
	double a, b;

	(void)state;
	with_grants(&few, 10);
	snprintf(path, sizeof(path), "%s/g7/some/file", few.base);
	a = per_lookup(few.tree, path);
	stop(&few);
	with_grants(&many, 10000);
	snprintf(path, sizeof(path), "%s/g7777/some/file", many.base);
	b = per_lookup(many.tree, path);
	assert_true(skeleton_root(&many.tree->skeleton, &many.tree->grants, NULL) >= 0);
	stop(&many);
	print_message("  look-up with 10 grants %.0f ns, with 10,000 %.0f ns\n", a, b);
}

/* --- the skeleton ------------------------------------------------------------------------------------------ */

static void expect_names(int dir, const char *path, const char *const *names)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = fdopendir(fd);
	struct dirent *e;

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
	assert_int_equal(n, 0);
}

static void test_skeleton(void **state)
{
	char files[512];
	struct fixture f;
	int root;

	(void)state;
	fixture_base(&f);
	make_dir(&f, "/shown");
	make_dir(&f, "/hidden");
	make_dir(&f, "/shown/inner");
	write_file(strcat(strcpy(files, f.base), "/one"), "", 0644);
	snprintf(files, sizeof(files),
		"  - {path: %s/shown, rights: [read]}\n  - {path: %s/shown/inner, rights: [read]}\n"
	         "  - {path: %s/one, rights: [read]}\n", f.base, f.base, f.base);
	start(&f, files);
	root = skeleton_root(&f.tree->skeleton, &f.tree->grants, NULL);
	assert_true(root >= 0);
	expect_names(root, f.base + 1, (const char *const[]){"shown", "one", NULL});
	expect_names(root, "dev", (const char *const[]){"null", "zero", "full", "random", "urandom", "fd", "stdin", "stdout",
	                                               "stderr", "shm", NULL});
	expect_names(root, "sys/devices/system/cpu", (const char *const[]){"online", "possible", "present", NULL});
	expect_names(root, "proc", (const char *const[]){NULL});
	expect_names(root, "var", (const char *const[]){"tmp", NULL});
	expect_names(root, "tmp", (const char *const[]){NULL});
	stop(&f);
}

/* Not what the operator can have meant: told, not taken. */
static void test_bad_grants(void **state)
{
	static const char *const rows[] = {"fifo", "to_self", "to_status"};
	char files[256], path[128];
	struct fixture f;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fixture_base(&f);
		snprintf(path, sizeof(path), "%s/fifo", f.base);
		assert_int_equal(mkfifo(path, 0666), 0);
		snprintf(path, sizeof(path), "%s/to_self", f.base);
		assert_int_equal(symlink("/proc/self", path), 0);
		snprintf(path, sizeof(path), "%s/to_status", f.base);
		assert_int_equal(symlink("/proc/thread-self/status", path), 0);
		snprintf(files, sizeof(files), "  - {path: %s/%s, rights: [read]}\n", f.base, rows[i]);
		f.policy = load_policy(f.base, files);
		assert_int_equal(identity_rest(), 0);
		assert_int_equal(broker_tree_new(f.policy, NULL, &f.tree, &e), -EINVAL);
		assert_int_equal(e.class, ERR_REQUEST);
		f.tree = NULL;
		stop(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join), cmocka_unit_test(test_long_names), cmocka_unit_test(test_order),
		cmocka_unit_test(test_find), cmocka_unit_test(test_grant_below_tmp),
			cmocka_unit_test(test_handles_are_bounded),
		cmocka_unit_test(test_replaced_object), cmocka_unit_test(test_ten_thousand),
			cmocka_unit_test(test_skeleton),
		cmocka_unit_test(test_bad_grants),
	};

	return cmocka_run_group_tests_name("vtree", tests, NULL, NULL);
}
