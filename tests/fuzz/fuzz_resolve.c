/* Paths in a small tree with links that lead everywhere: whatever text is asked for, what is opened, looked at or changed is granted. */
#include "../unit/child.h"

#include <linux/magic.h>
#include <sys/prctl.h>
#include <sys/vfs.h>

#include "fuzz.h"
#include "state.h"
#include "vpath.h"

#define FD (uint64_t)AT_FDCWD

static struct fixture fx;

static void make(const char *base)
{
	static const char *const dirs[] = {"tree", "tree/sub", "secret", "w"};
	static const char *const links[][2] = {
		{"file", "tree/to_file"}, {"sub", "tree/to_sub"}, {"../secret", "tree/out_dir"}, {"../secret/key", "tree/out"},
		{"/proc/self/environ", "tree/environ"}, {"/proc/self/root", "tree/root"}, {"b", "tree/a"}, {"a", "tree/b"}, {"/", "tree/slash"},
		{"../../tree/sub/../..", "tree/sub/up"}, {".", "w/dot"}, {"../tree/to_sub/..", "w/far"}, {"/tmp/../proc/self/fd", "w/fds"},
	};
	char p[256];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(p, sizeof(p), "%s/%s", base, dirs[i]);
		mkdir(p, 0777);
		chmod(p, 0777);
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(p, sizeof(p), "%s/%s", base, links[i][1]);
		if (symlink(links[i][0], p))
			abort();
	}
	snprintf(p, sizeof(p), "%s/tree/file", base);
	write_file(p, "file", 0666);
	snprintf(p, sizeof(p), "%s/secret/key", base);
	write_file(p, "key", 0666);
	snprintf(p, sizeof(p), "%s/w/file", base);
	write_file(p, "file", 0666);
}

static void stop(void)
{
	fixture_stop(&fx);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char files[512];

	(void)argc, (void)argv;
	fixture_base(&fx);
	make(fx.base);
	snprintf(files, sizeof(files), "  - {path: %s/tree, rights: [read, list]}\n  - {path: %s/w, rights: [read, list, write]}\n", fx.base, fx.base);
	fixture_start(&fx, files);
	atexit(stop);
	identity_full(); /* between inputs libFuzzer reads and writes files */
	return 0;
}

/* An object of the host's that is neither granted nor the job's own: below the tree's directory by its path, elsewhere by what it is. */
static void check_object(int fd, const char *text)
{
	static const char *const others[] = {"/", "/etc", "/etc/passwd", "/root", "/home", "/var", "/var/tmp", "/usr", "/dev", "/tmp"};
	size_t base = strlen(fx.base);
	char link[64], to[512];
	struct stat st, other;
	struct statfs fs;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, to, sizeof(to) - 1);
	FUZZ_REQUIRE(n > 0 && fstat(fd, &st) == 0 && fstatfs(fd, &fs) == 0, "no such descriptor");
	to[n] = 0;
	/* directories above a grant are the job's own, of the same names and on another device */
	if (strncmp(to, fx.base, base) == 0 && stat(fx.base, &other) == 0 && st.st_dev == other.st_dev)
		FUZZ_REQUIRE((strncmp(to + base, "/tree", 5) == 0 && (to[base + 5] == '/' || !to[base + 5])) ||
		             (strncmp(to + base, "/w", 2) == 0 && (to[base + 2] == '/' || !to[base + 2])), "%s gives %s", text, to);
	char own[2][48]; /* two lists of the job's own numbers; what these lead to is asked for here */
	snprintf(own[0], sizeof(own[0]), "/proc/%d/fd", (int)fx.c.pid);
	snprintf(own[1], sizeof(own[1]), "/proc/%d/task", (int)fx.c.pid);
	FUZZ_REQUIRE(fs.f_type != PROC_SUPER_MAGIC || !strcmp(to, own[0]) || !strcmp(to, own[1]), "%s gives %s of the host's procfs", text, to);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		FUZZ_REQUIRE(stat(others[i], &other) || other.st_dev != st.st_dev || other.st_ino != st.st_ino, "%s gives the host's %s", text, others[i]);
}

/* In the text, '@' at the start stands for the tree's own directory. */
static uint64_t put_text(struct feed *f, char *text, size_t size)
{
	size_t n = feed_number(f, 1), at = 0;

	if (n && f->left && *f->p == '@') {
		at = (size_t)snprintf(text, size, "%s/", fx.base);
		feed_number(f, 1);
		n--;
	}
	n = n < f->left ? n : f->left;
	n = n < size - at - 1 ? n : size - at - 1;
	feed_bytes(f, text + at, n);
	text[at + n] = 0;
	return put(&fx, text);
}

static void check_vpath(const char *text)
{
	struct vpath v;

	if (vpath_join(&v, "/tmp", text) == 0) {
		FUZZ_REQUIRE(strlen(v.s) == v.len, "length %zu of %s", v.len, v.s);
		FUZZ_REQUIRE(!v.len || (v.s[0] == '/' && v.s[v.len - 1] != '/'), "%s is not normal", v.s);
		FUZZ_REQUIRE(!strstr(v.s, "//") && !strstr(v.s, "/../") && !strstr(v.s, "/./"), "%s is not normal", v.s);
		vpath_pop(&v);
	}
}

static void one(struct feed *f)
{
	static const char *const names[] = {"openat", "openat", "readlinkat", "newfstatat", "statx", "faccessat2", "chdir", "openat2", "utimensat",
	                                    "fchmodat2", "truncate", "open", "stat", "lstat", "readlink", "access", "getxattr", "statfs"};
	const char *name = names[feed_number(f, 1) % (sizeof(names) / sizeof(names[0]))];
	bool at = strstr(name, "at") && strcmp(name, "stat") && strcmp(name, "lstat") && strcmp(name, "truncate") && strcmp(name, "statfs");
	uint64_t flags = feed_number(f, 4), args[6] = {0};
	char text[300];
	uint64_t t_text = put_text(f, text, sizeof(text));

	at |= strcmp(name, "statx") == 0;
	check_vpath(text);
	flags &= ~(uint64_t)(O_CREAT | O_TMPFILE);
	args[0] = at ? FD : t_text;
	args[1] = at ? t_text : !strcmp(name, "truncate") ? 4 : flags;
	args[2] = at ? flags : OUT(&fx);
	args[3] = 64;
	args[4] = OUT(&fx);
	if (!strcmp(name, "open") || !strcmp(name, "access"))
		args[2] = 0;
	if (!strcmp(name, "stat") || !strcmp(name, "lstat") || !strcmp(name, "readlink") || !strcmp(name, "statfs"))
		args[1] = OUT(&fx), args[2] = 64;
	if (!strcmp(name, "newfstatat") || !strcmp(name, "readlinkat") || !strcmp(name, "utimensat") || !strcmp(name, "openat2"))
		args[2] = OUT(&fx), args[3] = !strcmp(name, "newfstatat") || !strcmp(name, "utimensat") ? flags & 0x1900 : 24;
	if (!strcmp(name, "openat2")) {
		uint64_t how[3] = {flags & 0x7fffff, 0, feed_number(f, 1)};
		memcpy(out(&fx), how, sizeof(how));
	} else if (!strcmp(name, "utimensat")) {
		args[2] = 0;
	}
	answer(&fx, name, args);
	if (fx.reply.kind == REPLY_FD) {
		check_object(fx.reply.fd, text);
		close(fx.reply.fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = {data, size};
	char key[16] = "", p[128];
	struct violation *v;
	uint64_t dropped;
	size_t n;
	identity_rest();
	for (int i = 0; i < 6 && f.left; i++)
		one(&f);
	answer(&fx, "chdir", (const uint64_t[6]){put(&fx, "/tmp")});
	broker_take_violations(fx.job, &v, &n, &dropped);
	for (size_t i = 0; i < n; i++)
		violation_done(&v[i]);
	free(v);
	fuzz_count_descriptors();
	identity_full();
	snprintf(p, sizeof(p), "%s/secret/key", fx.base);
	int fd = open(p, O_RDONLY | O_CLOEXEC | O_NOATIME);
	struct stat st;
	FUZZ_REQUIRE(fd < 0 || (read(fd, key, 8) == 3 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0666), "the secret was changed");
	if (fd >= 0)
		close(fd);
	return 0;
}
