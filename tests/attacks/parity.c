/* parity.c - the same system calls on the same small tree, in a job and outside: what each of them answers.
 *
 * parity_run(base, ...) makes the tree below `base` (or finds it there, when it may not write), makes every call of
 * the table with every case of a path, and prints one line for each: place, call, case and answer. After a call that changed
 * something the tree is made anew. test_parity.py compares the lines.
 */
#include "attack.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define GONE "/tmp/gone"
#define PAGE 4096

static char base[256];
static bool read_only;
static char *edge;        /* the end of a page; nothing lies behind it */
static char buffer[8192]; /* where answers go */
static char *text;        /* what is printed in the end */
static size_t text_len, text_room;

static void print(const char *format, ...)
{
	va_list ap;

	if (text_room - text_len < 2 * PAGE) {
		text_room = text_room ? 2 * text_room : 1 << 20;
		text = realloc(text, text_room);
	}
	va_start(ap, format);
	text_len += (size_t)vsnprintf(text + text_len, PAGE, format, ap);
	va_end(ap);
}

static void flush(void)
{
	for (size_t done = 0; done < text_len;) {
		ssize_t n = write(1, text + done, text_len - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	text_len = 0;
}

/* --- the tree ---------------------------------------------------------------------------------------------- */

/* "@" stands for the base. */
static const char *expand(const char *path, char *room)
{
	snprintf(room, PATH_MAX, "%s%s", *path == '@' ? base : "", *path == '@' ? path + 1 : path);
	return room;
}

static void wipe(const char *path)
{
	char name[2 * PATH_MAX], list[PAGE];
	int fd = (int)raw3(SYS_open, path, O_RDONLY | O_DIRECTORY, 0);
	long n;

	if (fd < 0) {
		raw2(SYS_chmod, path, 0700);
		fd = (int)raw3(SYS_open, path, O_RDONLY | O_DIRECTORY, 0);
	}
	while ((n = raw3(SYS_getdents64, fd, list, sizeof(list))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(list + at);

			at += d->d_reclen;
			if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
				continue;
			snprintf(name, sizeof(name), "%s/%s", path, d->d_name);
			if (!raw1(SYS_unlink, name))
				continue;
			raw2(SYS_chmod, name, 0700);
			wipe(name);
			raw1(SYS_rmdir, name);
		}
	}
	raw1(SYS_close, fd);
}

static void make_file(const char *path, const char *what, mode_t mode)
{
	char room[PATH_MAX];
	int fd = (int)raw3(SYS_open, expand(path, room), O_CREAT | O_WRONLY | O_TRUNC, 0600);

	raw3(SYS_write, fd, what, strlen(what));
	raw1(SYS_close, fd);
	raw2(SYS_chmod, room, mode);
}

static void make_tree(void)
{
	static const struct {
		const char *name, *target;
	} links[] = {{"@/link", "file"}, {"@/dlink", "dir"}, {"@/dangling", "nothing"}, {"@/loop", "loop"}, {"@/up", "../w/file"},
		{"@/intolocked", "locked/inner"}, {"@/slashed", "dir/"}, {"@/fslashed", "file/"}, {"@/farther", "dlink/inner"}};
	char room[PATH_MAX];

	if (read_only)
		return;
	raw2(SYS_mkdir, base, 0755);
	raw2(SYS_chmod, base, 0755);
	raw2(SYS_chmod, "/tmp", 01777);
	wipe(base);
	raw2(SYS_mkdir, expand("@/dir", room), 0755);
	raw2(SYS_mkdir, expand("@/empty", room), 0755);
	raw2(SYS_mkdir, expand("@/locked", room), 0755);
	make_file("@/dir/inner", "inner", 0644);
	make_file("@/locked/inner", "inner", 0644);
	make_file("@/file", "text", 0644);
	make_file("@/other", "other", 0644);
	make_file("@/shut", "shut", 0);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		raw2(SYS_symlink, links[i].target, expand(links[i].name, room));
	raw2(SYS_chmod, expand("@/locked", room), 0);
}

/* --- cases of a path --------------------------------------------------------------------------------------- */

enum special { PLAIN, NULL_POINTER, LOW_POINTER, KERNEL_POINTER, NEGATIVE_POINTER, EDGE_GOOD, EDGE_BAD, NAME_255, NAME_256, DIR_256,
	PATH_4095, PATH_4096, SLASHES_4095 };
enum from { FROM_CWD, FROM_BASE, FROM_BASE_CWD, FROM_FILE, FROM_NOTHING, FROM_MINUS, FROM_GONE, FROM_GONE_CWD, FROM_LOCKED, FROM_ROOT,
	FROM_PIPE };

static const struct path_case {
	const char *name, *path;
	enum special special;
	enum from from;
} cases[] = {
	{"file", "@/file", 0, 0}, {"dir", "@/dir", 0, 0}, {"empty dir", "@/empty", 0, 0}, {"missing", "@/missing", 0, 0},
	{"below missing", "@/missing/x", 0, 0}, {"link", "@/link", 0, 0}, {"link to dir", "@/dlink", 0, 0},
	{"through link", "@/dlink/inner", 0, 0}, {"missing through link", "@/dlink/missing", 0, 0}, {"dangling", "@/dangling", 0, 0},
	{"below dangling", "@/dangling/x", 0, 0}, {"loop", "@/loop", 0, 0}, {"below loop", "@/loop/x", 0, 0}, {"link up", "@/up", 0, 0},
	{"two links", "@/farther", 0, 0}, {"link with slash", "@/slashed", 0, 0}, {"file link with slash", "@/fslashed", 0, 0},
	{"locked dir", "@/locked", 0, 0}, {"in locked", "@/locked/inner", 0, 0}, {"missing in locked", "@/locked/missing", 0, 0},
	{"link into locked", "@/intolocked", 0, 0}, {"shut file", "@/shut", 0, 0}, {"locked/.", "@/locked/.", 0, 0},
	{"locked/..", "@/locked/..", 0, 0}, {"file/", "@/file/", 0, 0}, {"dir/", "@/dir/", 0, 0}, {"empty dir/", "@/empty/", 0, 0},
	{"missing/", "@/missing/", 0, 0}, {"link/", "@/link/", 0, 0}, {"link to dir/", "@/dlink/", 0, 0}, {"dangling/", "@/dangling/", 0, 0},
	{"loop/", "@/loop/", 0, 0}, {"file//", "@/file//", 0, 0}, {"file/x", "@/file/x", 0, 0}, {"file/.", "@/file/.", 0, 0},
	{"file/..", "@/file/..", 0, 0}, {"link/x", "@/link/x", 0, 0}, {"dir/.", "@/dir/.", 0, 0}, {"dir/./", "@/dir/./", 0, 0},
	{"dir/..", "@/dir/..", 0, 0}, {"dir/../file", "@/dir/../file", 0, 0}, {"dir/../missing", "@/dir/../missing", 0, 0},
	{"dlink/..", "@/dlink/..", 0, 0}, {"dlink/../file", "@/dlink/../file", 0, 0}, {"missing/..", "@/missing/..", 0, 0},
	{"missing/../file", "@/missing/../file", 0, 0}, {"dir//inner", "@/dir//inner", 0, 0}, {"base", "@", 0, 0}, {"above base", "@/..", 0, 0},
	{"other", "@/other", 0, 0},
	{"empty", "", 0, 0}, {"root", "/", 0, 0}, {"root..", "/..", 0, 0}, {"root../..", "/../../", 0, 0}, {"root.", "/.", 0, 0},
	{"roots", "//", 0, 0}, {"new in root", "/missing", 0, 0}, {"root../tmp", "/../tmp", 0, 0}, {"tmp", "/tmp", 0, 0},
	{"not granted", "/etc/passwd", 0, 0},
	{"null", NULL, NULL_POINTER, 0}, {"low pointer", NULL, LOW_POINTER, 0}, {"kernel pointer", NULL, KERNEL_POINTER, 0},
	{"pointer -1", NULL, NEGATIVE_POINTER, 0}, {"ends at page edge", "@/file", EDGE_GOOD, 0}, {"missing, page edge", "@/missing", EDGE_GOOD, 0},
	{"runs over page edge", "@/file", EDGE_BAD, 0}, {"name of 255", "@", NAME_255, 0}, {"name of 256", "@", NAME_256, 0},
	{"dir of 256", "@", DIR_256, 0}, {"path of 4095", "@", PATH_4095, 0}, {"path of 4096", "@", PATH_4096, 0}, {"slashes", "@", SLASHES_4095, 0},
	{"relative", "file", 0, FROM_BASE_CWD}, {"relative missing", "missing", 0, FROM_BASE_CWD}, {".", ".", 0, FROM_BASE_CWD},
	{"..", "..", 0, FROM_BASE_CWD}, {"./", "./", 0, FROM_BASE_CWD}, {"../w/file", "../w/file", 0, FROM_BASE_CWD}, {"relative link", "link", 0, FROM_BASE_CWD},
	{"cwd gone, file", "file", 0, FROM_GONE_CWD}, {"cwd gone, .", ".", 0, FROM_GONE_CWD}, {"cwd gone, ..", "..", 0, FROM_GONE_CWD},
	{"cwd gone, ./..", "./../w", 0, FROM_GONE_CWD}, {"cwd gone, empty", "", 0, FROM_GONE_CWD},
	/* for calls that take a directory's descriptor */
	{"fd, file", "file", 0, FROM_BASE}, {"fd, missing", "missing", 0, FROM_BASE}, {"fd, dir/inner", "dir/inner", 0, FROM_BASE},
	{"fd, .", ".", 0, FROM_BASE}, {"fd, ..", "..", 0, FROM_BASE}, {"fd, absolute", "@/file", 0, FROM_BASE}, {"fd, link", "link", 0, FROM_BASE},
	{"fd, empty", "", 0, FROM_BASE}, {"fd, null", NULL, NULL_POINTER, FROM_BASE}, {"fd, ../w/file", "../w/file", 0, FROM_BASE},
	{"fd of file, x", "x", 0, FROM_FILE}, {"fd of file, empty", "", 0, FROM_FILE}, {"fd of file, .", ".", 0, FROM_FILE},
	{"fd of file, null", NULL, NULL_POINTER, FROM_FILE},
	{"fd of file, absolute", "@/file", 0, FROM_FILE}, {"bad fd, x", "x", 0, FROM_NOTHING}, {"bad fd, empty", "", 0, FROM_NOTHING},
	{"bad fd, absolute", "@/file", 0, FROM_NOTHING}, {"fd -1, x", "x", 0, FROM_MINUS}, {"fd -1, empty", "", 0, FROM_MINUS},
	{"fd gone, x", "x", 0, FROM_GONE}, {"fd gone, .", ".", 0, FROM_GONE}, {"fd gone, ..", "..", 0, FROM_GONE},
	{"fd gone, empty", "", 0, FROM_GONE}, {"fd locked, inner", "inner", 0, FROM_LOCKED}, {"fd locked, .", ".", 0, FROM_LOCKED},
	{"fd of root, tmp", "tmp", 0, FROM_ROOT}, {"fd of root, ..", "..", 0, FROM_ROOT}, {"fd of pipe, x", "x", 0, FROM_PIPE},
	{"fd of pipe, empty", "", 0, FROM_PIPE},
};

static const char *fill_name(const char *path, size_t n, const char *behind)
{
	static char room[PATH_MAX];
	size_t at = (size_t)snprintf(room, sizeof(room), "%s/", path);

	memset(room + at, 'n', n);
	strcpy(room + at + n, behind);
	return room;
}

/* base, then "/." or slashes up to the length, then "/file" */
static const char *fill_path(const char *path, size_t n, const char *step)
{
	static char room[2 * PATH_MAX];
	size_t at = strlen(strcpy(room, path)), w = strlen(step);

	while (at + w + 5 <= n) {
		memcpy(room + at, step, w);
		at += w;
	}
	while (at + 5 < n)
		room[at++] = '/';
	strcpy(room + at, "/file");
	return room;
}

static const char *at_edge(const char *s, bool closed)
{
	size_t n = strlen(s) + closed;

	return memcpy(edge - n, s, n);
}

static const char *pointer(const struct path_case *c, char *room)
{
	const char *path = c->path ? expand(c->path, room) : NULL;

	switch (c->special) {
	case PLAIN:
		return path;
	case NULL_POINTER:
		return NULL;
	case LOW_POINTER:
		return (const char *)16;
	case KERNEL_POINTER:
		return (const char *)0xffff888000000000ul;
	case NEGATIVE_POINTER:
		return (const char *)-1l;
	case EDGE_GOOD:
		return at_edge(path, true);
	case EDGE_BAD:
		return at_edge(path, false);
	case NAME_255:
		return fill_name(path, 255, "");
	case NAME_256:
		return fill_name(path, 256, "");
	case DIR_256:
		return fill_name(path, 256, "/x");
	case PATH_4095:
		return fill_path(path, 4095, "/.");
	case PATH_4096:
		return fill_path(path, 4096, "/.");
	case SLASHES_4095:
		return fill_path(path, 4095, "/");
	}
	return path;
}

static int made_fd; /* of the case: to be closed */

static int directory(enum from from)
{
	char room[PATH_MAX];
	int pipes[2];

	made_fd = -1;
	switch (from) {
	case FROM_CWD:
		break;
	case FROM_BASE_CWD:
		raw1(SYS_chdir, base);
		break;
	case FROM_GONE_CWD:
		raw2(SYS_mkdir, GONE, 0755);
		raw1(SYS_chdir, GONE);
		raw1(SYS_rmdir, GONE);
		break;
	case FROM_NOTHING:
		return 987;
	case FROM_MINUS:
		return -1;
	case FROM_BASE:
		return made_fd = (int)raw3(SYS_open, base, O_RDONLY | O_DIRECTORY, 0);
	case FROM_FILE:
		return made_fd = (int)raw3(SYS_open, expand("@/file", room), O_RDONLY, 0);
	case FROM_ROOT:
		return made_fd = (int)raw3(SYS_open, "/", O_RDONLY | O_DIRECTORY, 0);
	case FROM_GONE:
		raw2(SYS_mkdir, GONE, 0755);
		made_fd = (int)raw3(SYS_open, GONE, O_RDONLY | O_DIRECTORY, 0);
		raw1(SYS_rmdir, GONE);
		return made_fd;
	case FROM_LOCKED:
		raw2(SYS_chmod, expand("@/locked", room), 0700);
		made_fd = (int)raw3(SYS_open, room, O_RDONLY | O_DIRECTORY, 0);
		raw2(SYS_chmod, room, 0);
		return made_fd;
	case FROM_PIPE:
		raw2(SYS_pipe2, pipes, 0);
		raw1(SYS_close, pipes[1]);
		return made_fd = pipes[0];
	}
	return AT_FDCWD;
}

/* --- calls ------------------------------------------------------------------------------------------------- */

/* what stands for an argument */
#define P 0x7a000001L   /* the case's path */
#define D 0x7a000002L   /* its directory */
#define B 0x7a000003L   /* room for an answer */
#define Q 0x7a000004L   /* the row's other path */
#define ME 0x7a000005L  /* the job's user */
#define HOW 0x7a000006L /* a struct open_how */
#define ATTR 0x7a000007L /* the name of an attribute */
#define WATCH 0x7a000008L /* a descriptor of inotify */
#define TIMES 0x7a000009L
#define HANDLE 0x7a00000aL
#define MOUNT 0x7a00000bL
#define FD 0x7a00000cL  /* for calls on descriptors */
#define W AT_FDCWD

enum show { OK, IS_FD, IS_STAT, IS_STATX, IS_TEXT, IS_CWD };

struct call {
	const char *name;
	long nr;
	long a[6];
	enum show show;
	const char *other;
	struct open_how how;
};

static const struct call calls[] = {
	{"open RDONLY", SYS_open, {P, O_RDONLY}, IS_FD, 0, {0, 0, 0}},
	{"open WRONLY", SYS_open, {P, O_WRONLY}, IS_FD, 0, {0, 0, 0}},
	{"open RDWR", SYS_open, {P, O_RDWR}, IS_FD, 0, {0, 0, 0}},
	{"open 3", SYS_open, {P, 3}, IS_FD, 0, {0, 0, 0}},
	{"open WRONLY|TRUNC", SYS_open, {P, O_WRONLY | O_TRUNC}, IS_FD, 0, {0, 0, 0}},
	{"open WRONLY|CREAT", SYS_open, {P, O_WRONLY | O_CREAT, 0644}, IS_FD, 0, {0, 0, 0}},
	{"open RDONLY|CREAT", SYS_open, {P, O_RDONLY | O_CREAT, 0644}, IS_FD, 0, {0, 0, 0}},
	{"open RDWR|CREAT|EXCL", SYS_open, {P, O_RDWR | O_CREAT | O_EXCL, 0644}, IS_FD, 0, {0, 0, 0}},
	{"open WRONLY|CREAT|NOFOLLOW", SYS_open, {P, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644}, IS_FD, 0, {0, 0, 0}},
	{"open CREAT|DIRECTORY", SYS_open, {P, O_CREAT | O_DIRECTORY, 0644}, IS_FD, 0, {0, 0, 0}},
	{"open DIRECTORY", SYS_open, {P, O_DIRECTORY}, IS_FD, 0, {0, 0, 0}},
	{"open NOFOLLOW", SYS_open, {P, O_NOFOLLOW}, IS_FD, 0, {0, 0, 0}},
	{"open DIRECTORY|NOFOLLOW", SYS_open, {P, O_DIRECTORY | O_NOFOLLOW}, IS_FD, 0, {0, 0, 0}},
	{"open WRONLY|APPEND", SYS_open, {P, O_WRONLY | O_APPEND}, IS_FD, 0, {0, 0, 0}},
	{"open TMPFILE", SYS_open, {P, O_TMPFILE | O_RDWR, 0600}, IS_FD, 0, {0, 0, 0}},
	{"open TMPFILE, to read", SYS_open, {P, O_TMPFILE | O_RDONLY, 0600}, IS_FD, 0, {0, 0, 0}},
	{"open PATH", SYS_open, {P, O_PATH}, IS_FD, 0, {0, 0, 0}},
	{"open PATH|NOFOLLOW", SYS_open, {P, O_PATH | O_NOFOLLOW}, IS_FD, 0, {0, 0, 0}},
	{"open PATH|DIRECTORY", SYS_open, {P, O_PATH | O_DIRECTORY}, IS_FD, 0, {0, 0, 0}},
	{"creat", SYS_creat, {P, 0644}, IS_FD, 0, {0, 0, 0}},
	{"openat RDONLY", SYS_openat, {D, P, O_RDONLY}, IS_FD, 0, {0, 0, 0}},
	{"openat WRONLY|CREAT", SYS_openat, {D, P, O_WRONLY | O_CREAT, 0644}, IS_FD, 0, {0, 0, 0}},
	{"openat DIRECTORY", SYS_openat, {D, P, O_DIRECTORY}, IS_FD, 0, {0, 0, 0}},
	{"openat2", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {O_RDONLY, 0, 0}},
	{"openat2 CREAT", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {O_RDWR | O_CREAT, 0644, 0}},
	{"openat2 NO_SYMLINKS", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {0, 0, RESOLVE_NO_SYMLINKS}},
	{"openat2 NO_MAGICLINKS", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {0, 0, RESOLVE_NO_MAGICLINKS}},
	{"openat2 BENEATH", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {0, 0, RESOLVE_BENEATH}},
	{"openat2 BENEATH, CREAT", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {O_RDWR | O_CREAT, 0644, RESOLVE_BENEATH}},
	{"openat2 IN_ROOT", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {0, 0, RESOLVE_IN_ROOT}},
	{"openat2 IN_ROOT, CREAT", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {O_RDWR | O_CREAT, 0644, RESOLVE_IN_ROOT}},
	{"openat2 NO_XDEV", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {0, 0, RESOLVE_NO_XDEV}},
	{"openat2 CACHED", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {0, 0, 0x20}},
	{"openat2 BENEATH|IN_ROOT", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {0, 0, RESOLVE_IN_ROOT | RESOLVE_BENEATH}},
	{"openat2 bad resolve", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {0, 0, 0x1000}},
	{"openat2 bad flag", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {1ull << 40, 0, 0}},
	{"openat2 mode without CREAT", SYS_openat2, {D, P, HOW, sizeof(struct open_how)}, IS_FD, 0, {0, 0644, 0}},
	{"openat2 small", SYS_openat2, {D, P, HOW, 8}, IS_FD, 0, {0, 0, 0}},
	{"openat2 large", SYS_openat2, {D, P, HOW, 5000}, IS_FD, 0, {0, 0, 0}},
	{"openat2 null", SYS_openat2, {D, P, 0, sizeof(struct open_how)}, IS_FD, 0, {0, 0, 0}},
	{"stat", SYS_stat, {P, B}, IS_STAT, 0, {0, 0, 0}},
	{"stat, bad buffer", SYS_stat, {P, 16}, OK, 0, {0, 0, 0}},
	{"lstat", SYS_lstat, {P, B}, IS_STAT, 0, {0, 0, 0}},
	{"newfstatat", SYS_newfstatat, {D, P, B, 0}, IS_STAT, 0, {0, 0, 0}},
	{"newfstatat NOFOLLOW", SYS_newfstatat, {D, P, B, AT_SYMLINK_NOFOLLOW}, IS_STAT, 0, {0, 0, 0}},
	{"newfstatat EMPTY_PATH", SYS_newfstatat, {D, P, B, AT_EMPTY_PATH}, IS_STAT, 0, {0, 0, 0}},
	{"newfstatat, bad flag", SYS_newfstatat, {D, P, B, 1}, IS_STAT, 0, {0, 0, 0}},
	{"statx", SYS_statx, {D, P, 0, STATX_BASIC_STATS, B}, IS_STATX, 0, {0, 0, 0}},
	{"statx NOFOLLOW", SYS_statx, {D, P, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, B}, IS_STATX, 0, {0, 0, 0}},
	{"statx EMPTY_PATH", SYS_statx, {D, P, AT_EMPTY_PATH, STATX_BASIC_STATS, B}, IS_STATX, 0, {0, 0, 0}},
	{"statx, bad mask", SYS_statx, {D, P, 0, 0x80000000l, B}, IS_STATX, 0, {0, 0, 0}},
	{"statx, bad sync", SYS_statx, {D, P, AT_STATX_SYNC_TYPE, 0, B}, IS_STATX, 0, {0, 0, 0}},
	{"access F", SYS_access, {P, F_OK}, OK, 0, {0, 0, 0}},
	{"access R", SYS_access, {P, R_OK}, OK, 0, {0, 0, 0}},
	{"access W", SYS_access, {P, W_OK}, OK, 0, {0, 0, 0}},
	{"access X", SYS_access, {P, X_OK}, OK, 0, {0, 0, 0}},
	{"access RWX", SYS_access, {P, 7}, OK, 0, {0, 0, 0}},
	{"access 8", SYS_access, {P, 8}, OK, 0, {0, 0, 0}},
	{"faccessat R", SYS_faccessat, {D, P, R_OK}, OK, 0, {0, 0, 0}},
	{"faccessat2 EACCESS R", SYS_faccessat2, {D, P, R_OK, AT_EACCESS}, OK, 0, {0, 0, 0}},
	{"faccessat2 NOFOLLOW R", SYS_faccessat2, {D, P, R_OK, AT_SYMLINK_NOFOLLOW}, OK, 0, {0, 0, 0}},
	{"faccessat2 EMPTY_PATH R", SYS_faccessat2, {D, P, R_OK, AT_EMPTY_PATH}, OK, 0, {0, 0, 0}},
	{"faccessat2, bad flag", SYS_faccessat2, {D, P, R_OK, 1}, OK, 0, {0, 0, 0}},
	{"readlink", SYS_readlink, {P, B, 100}, IS_TEXT, 0, {0, 0, 0}},
	{"readlink, short", SYS_readlink, {P, B, 2}, IS_TEXT, 0, {0, 0, 0}},
	{"readlink, no room", SYS_readlink, {P, B, 0}, IS_TEXT, 0, {0, 0, 0}},
	{"readlinkat", SYS_readlinkat, {D, P, B, 100}, IS_TEXT, 0, {0, 0, 0}},
	{"chdir", SYS_chdir, {P}, IS_CWD, 0, {0, 0, 0}},
	{"mkdir", SYS_mkdir, {P, 0755}, OK, 0, {0, 0, 0}},
	{"mkdirat", SYS_mkdirat, {D, P, 0755}, OK, 0, {0, 0, 0}},
	{"rmdir", SYS_rmdir, {P}, OK, 0, {0, 0, 0}},
	{"unlink", SYS_unlink, {P}, OK, 0, {0, 0, 0}},
	{"unlinkat", SYS_unlinkat, {D, P, 0}, OK, 0, {0, 0, 0}},
	{"unlinkat REMOVEDIR", SYS_unlinkat, {D, P, AT_REMOVEDIR}, OK, 0, {0, 0, 0}},
	{"unlinkat, bad flag", SYS_unlinkat, {D, P, 1}, OK, 0, {0, 0, 0}},
	{"rename to missing", SYS_rename, {P, Q}, OK, "@/new", {0, 0, 0}},
	{"rename to file", SYS_rename, {P, Q}, OK, "@/other", {0, 0, 0}},
	{"rename to empty dir", SYS_rename, {P, Q}, OK, "@/empty", {0, 0, 0}},
	{"rename to full dir", SYS_rename, {P, Q}, OK, "@/dir", {0, 0, 0}},
	{"rename to missing/", SYS_rename, {P, Q}, OK, "@/new/", {0, 0, 0}},
	{"rename into dir", SYS_rename, {P, Q}, OK, "@/dir/new", {0, 0, 0}},
	{"rename a file", SYS_rename, {Q, P}, OK, "@/other", {0, 0, 0}},
	{"rename an empty dir", SYS_rename, {Q, P}, OK, "@/empty", {0, 0, 0}},
	{"rename a full dir", SYS_rename, {Q, P}, OK, "@/dir", {0, 0, 0}},
	{"rename a link", SYS_rename, {Q, P}, OK, "@/link", {0, 0, 0}},
	{"rename what is missing", SYS_rename, {Q, P}, OK, "@/missing", {0, 0, 0}},
	{"rename base", SYS_rename, {Q, P}, OK, "@", {0, 0, 0}},
	{"renameat", SYS_renameat, {D, P, W, Q}, OK, "@/new", {0, 0, 0}},
	{"renameat, second", SYS_renameat, {W, Q, D, P}, OK, "@/other", {0, 0, 0}},
	{"renameat2 NOREPLACE", SYS_renameat2, {D, P, W, Q, 1}, OK, "@/new", {0, 0, 0}},
	{"renameat2 NOREPLACE, second", SYS_renameat2, {W, Q, D, P, 1}, OK, "@/other", {0, 0, 0}},
	{"renameat2 EXCHANGE", SYS_renameat2, {D, P, W, Q, 2}, OK, "@/other", {0, 0, 0}},
	{"renameat2 EXCHANGE a dir", SYS_renameat2, {W, Q, D, P, 2}, OK, "@/dir", {0, 0, 0}},
	{"renameat2 WHITEOUT", SYS_renameat2, {D, P, W, Q, 4}, OK, "@/new", {0, 0, 0}},
	{"renameat2 NOREPLACE|EXCHANGE", SYS_renameat2, {D, P, W, Q, 3}, OK, "@/new", {0, 0, 0}},
	{"renameat2, bad flag", SYS_renameat2, {D, P, W, Q, 64}, OK, "@/new", {0, 0, 0}},
	{"link", SYS_link, {P, Q}, OK, "@/new", {0, 0, 0}},
	{"link to file", SYS_link, {P, Q}, OK, "@/other", {0, 0, 0}},
	{"link to tmp", SYS_link, {P, Q}, OK, "/tmp/new-link", {0, 0, 0}},
	{"link a file", SYS_link, {Q, P}, OK, "@/other", {0, 0, 0}},
	{"link a dir", SYS_link, {Q, P}, OK, "@/dir", {0, 0, 0}},
	{"link what is missing", SYS_link, {Q, P}, OK, "@/missing", {0, 0, 0}},
	{"linkat", SYS_linkat, {D, P, W, Q, 0}, OK, "@/new", {0, 0, 0}},
	{"linkat FOLLOW", SYS_linkat, {D, P, W, Q, AT_SYMLINK_FOLLOW}, OK, "@/new", {0, 0, 0}},
	{"linkat, second", SYS_linkat, {W, Q, D, P, 0}, OK, "@/other", {0, 0, 0}},
	{"linkat, bad flag", SYS_linkat, {D, P, W, Q, 1}, OK, "@/new", {0, 0, 0}},
	{"symlink", SYS_symlink, {Q, P}, OK, "/any/thing", {0, 0, 0}},
	{"symlink, target", SYS_symlink, {P, Q}, OK, "@/new", {0, 0, 0}},
	{"symlink, no target", SYS_symlink, {Q, P}, OK, "", {0, 0, 0}},
	{"symlinkat", SYS_symlinkat, {Q, D, P}, OK, "x", {0, 0, 0}},
	{"mknod REG", SYS_mknod, {P, S_IFREG | 0644}, OK, 0, {0, 0, 0}},
	{"mknod 0", SYS_mknod, {P, 0644}, OK, 0, {0, 0, 0}},
	{"mknod FIFO", SYS_mknod, {P, S_IFIFO | 0644}, OK, 0, {0, 0, 0}},
	{"mknod SOCK", SYS_mknod, {P, S_IFSOCK | 0644}, OK, 0, {0, 0, 0}},
	{"mknod CHR", SYS_mknod, {P, S_IFCHR | 0644, 0x103}, OK, 0, {0, 0, 0}},
	{"mknod BLK", SYS_mknod, {P, S_IFBLK | 0644, 0x103}, OK, 0, {0, 0, 0}},
	{"mknod DIR", SYS_mknod, {P, S_IFDIR | 0755}, OK, 0, {0, 0, 0}},
	{"mknod bad type", SYS_mknod, {P, 0170644}, OK, 0, {0, 0, 0}},
	{"mknodat REG", SYS_mknodat, {D, P, S_IFREG | 0644}, OK, 0, {0, 0, 0}},
	{"chmod", SYS_chmod, {P, 0700}, OK, 0, {0, 0, 0}},
	{"fchmodat", SYS_fchmodat, {D, P, 0700}, OK, 0, {0, 0, 0}},
	{"fchmodat2 NOFOLLOW", SYS_fchmodat2, {D, P, 0700, AT_SYMLINK_NOFOLLOW}, OK, 0, {0, 0, 0}},
	{"fchmodat2 EMPTY_PATH", SYS_fchmodat2, {D, P, 0700, AT_EMPTY_PATH}, OK, 0, {0, 0, 0}},
	{"fchmodat2, bad flag", SYS_fchmodat2, {D, P, 0700, 1}, OK, 0, {0, 0, 0}},
	{"chown none", SYS_chown, {P, -1, -1}, OK, 0, {0, 0, 0}},
	{"chown me", SYS_chown, {P, ME, -1}, OK, 0, {0, 0, 0}},
	{"chown root", SYS_chown, {P, 0, -1}, OK, 0, {0, 0, 0}},
	{"chown my group", SYS_chown, {P, -1, ME}, OK, 0, {0, 0, 0}},
	{"chown root's group", SYS_chown, {P, -1, 0}, OK, 0, {0, 0, 0}},
	{"lchown me", SYS_lchown, {P, ME, ME}, OK, 0, {0, 0, 0}},
	{"fchownat", SYS_fchownat, {D, P, ME, -1, 0}, OK, 0, {0, 0, 0}},
	{"fchownat NOFOLLOW", SYS_fchownat, {D, P, ME, -1, AT_SYMLINK_NOFOLLOW}, OK, 0, {0, 0, 0}},
	{"fchownat EMPTY_PATH", SYS_fchownat, {D, P, ME, -1, AT_EMPTY_PATH}, OK, 0, {0, 0, 0}},
	{"fchownat, bad flag", SYS_fchownat, {D, P, ME, -1, 1}, OK, 0, {0, 0, 0}},
#ifdef SYS_utime
	{"utime", SYS_utime, {P, 0}, OK, 0, {0, 0, 0}},
	{"utimes", SYS_utimes, {P, 0}, OK, 0, {0, 0, 0}},
	{"utimes, bad buffer", SYS_utimes, {P, 16}, OK, 0, {0, 0, 0}},
	{"futimesat", SYS_futimesat, {D, P, 0}, OK, 0, {0, 0, 0}},
#endif
	{"utimensat", SYS_utimensat, {D, P, 0, 0}, OK, 0, {0, 0, 0}},
	{"utimensat, times", SYS_utimensat, {D, P, TIMES, 0}, OK, 0, {0, 0, 0}},
	{"utimensat NOFOLLOW", SYS_utimensat, {D, P, TIMES, AT_SYMLINK_NOFOLLOW}, OK, 0, {0, 0, 0}},
	{"utimensat EMPTY_PATH", SYS_utimensat, {D, P, 0, AT_EMPTY_PATH}, OK, 0, {0, 0, 0}},
	{"utimensat, bad flag", SYS_utimensat, {D, P, 0, 1}, OK, 0, {0, 0, 0}},
	{"truncate", SYS_truncate, {P, 2}, OK, 0, {0, 0, 0}},
	{"truncate -1", SYS_truncate, {P, -1}, OK, 0, {0, 0, 0}},
	{"statfs", SYS_statfs, {P, B}, OK, 0, {0, 0, 0}},
	{"statfs, bad buffer", SYS_statfs, {P, 16}, OK, 0, {0, 0, 0}},
	{"getxattr", SYS_getxattr, {P, ATTR, B, 100}, OK, 0, {0, 0, 0}},
	{"getxattr, bad name", SYS_getxattr, {P, 16, B, 100}, OK, 0, {0, 0, 0}},
	{"lgetxattr", SYS_lgetxattr, {P, ATTR, B, 100}, OK, 0, {0, 0, 0}},
	{"listxattr", SYS_listxattr, {P, B, 100}, OK, 0, {0, 0, 0}},
	{"llistxattr", SYS_llistxattr, {P, B, 100}, OK, 0, {0, 0, 0}},
	{"setxattr", SYS_setxattr, {P, ATTR, B, 1, 0}, OK, 0, {0, 0, 0}},
	{"setxattr REPLACE", SYS_setxattr, {P, ATTR, B, 1, XATTR_REPLACE}, OK, 0, {0, 0, 0}},
	{"setxattr, bad flag", SYS_setxattr, {P, ATTR, B, 1, 8}, OK, 0, {0, 0, 0}},
	{"removexattr", SYS_removexattr, {P, ATTR}, OK, 0, {0, 0, 0}},
	{"lremovexattr", SYS_lremovexattr, {P, ATTR}, OK, 0, {0, 0, 0}},
	{"name_to_handle_at", SYS_name_to_handle_at, {D, P, HANDLE, MOUNT, 0}, OK, 0, {0, 0, 0}},
	{"inotify_add_watch", SYS_inotify_add_watch, {WATCH, P, IN_MODIFY}, OK, 0, {0, 0, 0}},
};
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

/* Calls on descriptors; for each kind of descriptor. */
static const struct call fd_calls[] = {
	{"fstat", SYS_fstat, {FD, B}, IS_STAT, 0, {0, 0, 0}},
	{"fchdir", SYS_fchdir, {FD}, IS_CWD, 0, {0, 0, 0}},
	{"fchmod", SYS_fchmod, {FD, 0700}, OK, 0, {0, 0, 0}},
	{"fchown none", SYS_fchown, {FD, -1, -1}, OK, 0, {0, 0, 0}},
	{"fchown me", SYS_fchown, {FD, ME, ME}, OK, 0, {0, 0, 0}},
	{"fchown root", SYS_fchown, {FD, 0, 0}, OK, 0, {0, 0, 0}},
	{"futimens", SYS_utimensat, {FD, 0, 0, 0}, OK, 0, {0, 0, 0}},
	{"ftruncate", SYS_ftruncate, {FD, 2}, OK, 0, {0, 0, 0}},
	{"ftruncate -1", SYS_ftruncate, {FD, -1}, OK, 0, {0, 0, 0}},
	{"fstatfs", SYS_fstatfs, {FD, B}, OK, 0, {0, 0, 0}},
	{"flock SH", SYS_flock, {FD, LOCK_SH | LOCK_NB}, OK, 0, {0, 0, 0}},
	{"flock EX", SYS_flock, {FD, LOCK_EX | LOCK_NB}, OK, 0, {0, 0, 0}},
	{"flock UN", SYS_flock, {FD, LOCK_UN}, OK, 0, {0, 0, 0}},
	{"flock, bad", SYS_flock, {FD, 77}, OK, 0, {0, 0, 0}},
	{"fgetxattr", SYS_fgetxattr, {FD, ATTR, B, 100}, OK, 0, {0, 0, 0}},
	{"flistxattr", SYS_flistxattr, {FD, B, 100}, OK, 0, {0, 0, 0}},
	{"fsetxattr", SYS_fsetxattr, {FD, ATTR, B, 1, 0}, OK, 0, {0, 0, 0}},
	{"fremovexattr", SYS_fremovexattr, {FD, ATTR}, OK, 0, {0, 0, 0}},
	{"F_SETLK read", SYS_fcntl, {FD, F_SETLK, Q}, OK, "read", {0, 0, 0}},
	{"F_SETLK write", SYS_fcntl, {FD, F_SETLK, Q}, OK, "write", {0, 0, 0}},
	{"F_SETLKW write", SYS_fcntl, {FD, F_SETLKW, Q}, OK, "write", {0, 0, 0}},
	{"F_GETLK write", SYS_fcntl, {FD, F_GETLK, Q}, OK, "write", {0, 0, 0}},
	{"F_SETLK bad", SYS_fcntl, {FD, F_SETLK, Q}, OK, "bad", {0, 0, 0}},
	{"F_SETLK null", SYS_fcntl, {FD, F_SETLK, 0}, OK, 0, {0, 0, 0}},
	{"F_OFD_SETLK read", SYS_fcntl, {FD, F_OFD_SETLK, Q}, OK, "read", {0, 0, 0}},
	{"F_OFD_SETLK write", SYS_fcntl, {FD, F_OFD_SETLK, Q}, OK, "write", {0, 0, 0}},
	{"F_OFD_GETLK write", SYS_fcntl, {FD, F_OFD_GETLK, Q}, OK, "write", {0, 0, 0}},
	{"getdents64", SYS_getdents64, {FD, B, 4096}, OK, 0, {0, 0, 0}},
};

static const struct {
	const char *name, *path;
	int flags;
} descriptors[] = {
	{"-1", NULL, -1}, {"none", NULL, 987}, {"file, to read", "@/file", O_RDONLY}, {"file, to write", "@/file", O_WRONLY},
	{"file, for both", "@/file", O_RDWR}, {"dir", "@/dir", O_RDONLY}, {"temporary", "/tmp", O_TMPFILE | O_RDWR},
	{"path-only file", "@/file", O_PATH}, {"path-only dir", "@/dir", O_PATH}, {"root", "/", O_RDONLY}, {"gone", GONE, 0}, {"pipe", NULL, 0},
};

static const char *error_name(long rc, char *room)
{
	const char *s = strerrorname_np((int)-rc);

	snprintf(room, 32, "%s", s ? s : "?");
	return room;
}

/* What a call that succeeded brought. */
static const char *shown(const struct call *c, long rc, char *room)
{
	const struct stat *st = (const void *)buffer;
	const struct statx *sx = (const void *)buffer;
	unsigned mode = c->show == IS_STATX ? sx->stx_mode : st->st_mode;
	long long size = c->show == IS_STATX ? (long long)sx->stx_size : (long long)st->st_size;
	unsigned nlink = c->show == IS_STATX ? sx->stx_nlink : (unsigned)st->st_nlink;
	uid_t uid = c->show == IS_STATX ? sx->stx_uid : st->st_uid;
	struct stat opened;

	strcpy(room, "ok");
	if (c->show == IS_FD) {
		mode = raw2(SYS_fstat, rc, &opened) ? 0 : opened.st_mode;
		snprintf(room, 64, "fd of %o, flags %lo", mode, raw3(SYS_fcntl, rc, F_GETFL, 0) & ~0100000l);
		raw1(SYS_close, rc);
	} else if (c->show == IS_STAT || c->show == IS_STATX) {
		if (S_ISDIR(mode))
			snprintf(room, 64, "%o %s", mode, uid == 0 ? "root's" : uid == getuid() ? "mine" : "?");
		else
			snprintf(room, 64, "%o %s %lld %u", mode, uid == 0 ? "root's" : uid == getuid() ? "mine" : "?", S_ISFIFO(mode) ? 0 : size, nlink);
	} else if (c->show == IS_TEXT) {
		snprintf(room, 64, "%.*s", (int)rc, buffer);
	} else if (c->show == IS_CWD) {
		rc = raw2(SYS_getcwd, buffer, sizeof(buffer));
		if (rc > 0)
			snprintf(room, 64, "in %.50s", buffer);
		else
			error_name(rc, room);
	}
	return room;
}

static struct file_handle *handle(void)
{
	static struct {
		struct file_handle h;
		char room[128];
	} h;

	h.h.handle_bytes = 128;
	return &h.h;
}

static long lock_of(const char *kind)
{
	static struct flock lock;

	lock = (struct flock){.l_type = (short)(*kind == 'r' ? F_RDLCK : *kind == 'w' ? F_WRLCK : 77)};
	return (long)&lock;
}

static long run(const struct call *c, long path, long dir, long fd)
{
	static const struct timespec times[2] = {{1000, 1}, {2000, 2}};
	static char other[PATH_MAX];
	static int watch, mount_id;
	struct open_how how = c->how;
	long a[6];

	if (c->nr == SYS_inotify_add_watch && !watch)
		watch = (int)raw1(SYS_inotify_init1, 0);
	for (int i = 0; i < 6; i++) {
		switch (c->a[i]) {
		case P: a[i] = path; break;
		case D: a[i] = dir; break;
		case B: a[i] = (long)buffer; break;
		case Q: a[i] = c->nr == SYS_fcntl ? lock_of(c->other) : (long)expand(c->other, other); break;
		case ME: a[i] = (long)getuid(); break;
		case HOW: a[i] = (long)&how; break;
		case ATTR: a[i] = (long)"user.parity"; break;
		case WATCH: a[i] = watch; break;
		case TIMES: a[i] = (long)times; break;
		case HANDLE: a[i] = (long)handle(); break;
		case MOUNT: a[i] = (long)&mount_id; break;
		case FD: a[i] = fd; break;
		default: a[i] = c->a[i];
		}
	}
	memset(buffer, 0, 256);
	return raw6(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void tell(const char *what, const struct call *c, const char *name, long rc)
{
	char room[128];

	print("%s\t%s\t%s\t%s\n", what, c->name, name, rc < 0 ? error_name(rc, room) : shown(c, rc, room));
	raw1(SYS_chdir, "/tmp");
	raw1(SYS_unlink, "/tmp/new-link");
}

static bool takes_directory(const struct call *c)
{
	for (int i = 0; i < 6; i++)
		if (c->a[i] == D)
			return true;
	return false;
}

/* Calls that succeed and leave the tree as it was. */
static bool only_looks(const struct call *c)
{
	static const long looks[] = {SYS_stat, SYS_lstat, SYS_newfstatat, SYS_statx, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_readlink,
		SYS_readlinkat, SYS_chdir, SYS_statfs, SYS_getxattr, SYS_lgetxattr, SYS_listxattr, SYS_llistxattr, SYS_name_to_handle_at,
		SYS_inotify_add_watch};

	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
		if (looks[i] == c->nr)
			return true;
	return c->nr == SYS_open && !(c->a[1] & (O_CREAT | O_TRUNC));
}

static void run_case(const struct call *c, const struct path_case *k, const char *place)
{
	char room[PATH_MAX];
	bool needs_directory = k->from != FROM_CWD && k->from != FROM_BASE_CWD && k->from != FROM_GONE_CWD;
	long dir, rc;

	if (needs_directory && !takes_directory(c))
		return;
	dir = directory(k->from);
	rc = run(c, (long)pointer(k, room), dir, -1);
	tell(place, c, k->name, rc);
	if (made_fd >= 0)
		raw1(SYS_close, made_fd);
	if (rc >= 0 && !only_looks(c))
		make_tree();
}

static int descriptor(size_t i)
{
	char room[PATH_MAX];

	made_fd = -1;
	if (!descriptors[i].path)
		return descriptors[i].flags ? descriptors[i].flags : directory(FROM_PIPE);
	if (!strcmp(descriptors[i].path, GONE))
		return directory(FROM_GONE);
	return made_fd = (int)raw3(SYS_open, expand(descriptors[i].path, room), descriptors[i].flags, 0600);
}

/* One cell of every `stride` is run. */
void parity_run(const char *where, const char *place, int is_read_only, int stride);
void parity_run(const char *where, const char *place, int is_read_only, int stride)
{
	char *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(pages + 2 * PAGE, PAGE);
	edge = pages + 2 * PAGE;
	snprintf(base, sizeof(base), "%s", where);
	read_only = is_read_only;
	umask(022);
	raw1(SYS_chdir, "/tmp");
	make_tree();
	for (size_t i = 0; i < N_CALLS; i++)
		for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++)
			if ((i + k) % (size_t)stride == 0)
				run_case(&calls[i], &cases[k], place);
	make_tree();
	for (size_t i = 0; i < sizeof(fd_calls) / sizeof(fd_calls[0]); i++)
		for (size_t k = 0; k < sizeof(descriptors) / sizeof(descriptors[0]); k++) {
			int fd = descriptor(k);

			tell(place, &fd_calls[i], descriptors[k].name, run(&fd_calls[i], 0, 0, fd));
			if (made_fd >= 0)
				raw1(SYS_close, made_fd);
			make_tree();
		}
	flush();
	munmap(pages, 2 * PAGE);
}
