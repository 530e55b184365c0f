#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "handlers.h"

#define BY_TID 1

const struct row rows_all[] = {
	/* opening */
	{.name = "open", .answer = files_open, .path = {ARG(0)}, .flags = ARG(1), .mode = ARG(2)},
	{.name = "openat", .answer = files_open, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(2), .mode = ARG(3)},
	{"openat2", files_openat2, .dirfd = {ARG(0)}, .path = {ARG(1)}},
	{.name = "creat", .answer = files_open, .path = {ARG(0)}, .mode = ARG(1),
		.fixed = O_CREAT | O_WRONLY | O_TRUNC},
	/* looking */
	{.name = "stat", .answer = look_stat, .path = {ARG(0)}, .out = ARG(1)},
	{.name = "lstat", .answer = look_stat, .path = {ARG(0)}, .out = ARG(1), .fixed = AT_SYMLINK_NOFOLLOW},
	{.name = "newfstatat", .answer = look_stat, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(3),
		.out = ARG(2)},
	{.name = "statx", .answer = look_statx, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(2), .out = ARG(4)},
	{.name = "access", .answer = look_access, .path = {ARG(0)}, .mode = ARG(1)},
	{.name = "faccessat", .answer = look_access, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2)},
	{.name = "faccessat2", .answer = look_access, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(3),
		.mode = ARG(2)},
	{.name = "readlink", .answer = look_readlink, .path = {ARG(0)}, .mode = ARG(2), .out = ARG(1)},
	{.name = "readlinkat", .answer = look_readlink, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(3),
		.out = ARG(2)},
	/* the working directory */
	{.name = "getcwd", .answer = cwd_getcwd},
	{.name = "chdir", .answer = cwd_chdir, .path = {ARG(0)}},
	{.name = "fchdir", .answer = cwd_fchdir},
	{.name = "umask", .answer = look_umask},
	/* names */
	{.name = "mkdir", .answer = names_mkdir, .path = {ARG(0)}, .mode = ARG(1)},
	{.name = "mkdirat", .answer = names_mkdir, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2)},
	{.name = "rmdir", .answer = names_unlink, .path = {ARG(0)}, .fixed = AT_REMOVEDIR},
	{.name = "unlink", .answer = names_unlink, .path = {ARG(0)}},
	{.name = "unlinkat", .answer = names_unlink, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(2)},
	{.name = "rename", .answer = names_rename, .path = {ARG(0), ARG(1)}},
	{.name = "renameat", .answer = names_rename, .dirfd = {ARG(0), ARG(2)}, .path = {ARG(1), ARG(3)}},
	{.name = "renameat2", .answer = names_rename, .dirfd = {ARG(0), ARG(2)}, .path = {ARG(1), ARG(3)},
		.flags = ARG(4)},
	{.name = "link", .answer = names_link, .path = {ARG(0), ARG(1)}},
	{.name = "linkat", .answer = names_link, .dirfd = {ARG(0), ARG(2)}, .path = {ARG(1), ARG(3)}, .flags = ARG(4)},
	/* a link's target is a text, in the second place */
	{.name = "symlink", .answer = names_symlink, .path = {ARG(1), ARG(0)}},
	{.name = "symlinkat", .answer = names_symlink, .dirfd = {ARG(1)}, .path = {ARG(2), ARG(0)}},
	{.name = "mknod", .answer = names_mknod, .path = {ARG(0)}, .mode = ARG(1)},
	{.name = "mknodat", .answer = names_mknod, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2)},
	/* attributes */
	{.name = "chmod", .answer = attributes_chmod, .path = {ARG(0)}, .mode = ARG(1)},
	{.name = "fchmod", .answer = attributes_fchmod},
	{.name = "fchmodat", .answer = attributes_chmod, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2)},
	{.name = "fchmodat2", .answer = attributes_chmod, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2),
		.flags = ARG(3)},
	/* the owner stands where others have the mode, the group behind it */
	{.name = "chown", .answer = attributes_chown, .path = {ARG(0)}, .mode = ARG(1)},
	{.name = "lchown", .answer = attributes_chown, .path = {ARG(0)}, .mode = ARG(1), .fixed = AT_SYMLINK_NOFOLLOW},
	{.name = "fchown", .answer = attributes_fchown},
	{.name = "fchownat", .answer = attributes_chown, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2),
		.flags = ARG(4)},
	{.name = "utime", .answer = attributes_utime, .path = {ARG(0)}, .out = ARG(1)},
	{.name = "utimes", .answer = attributes_utimes, .path = {ARG(0)}, .out = ARG(1)},
	{.name = "futimesat", .answer = attributes_utimes, .dirfd = {ARG(0)}, .path = {ARG(1)}, .out = ARG(2),
		.null_path = true},
	{.name = "utimensat", .answer = attributes_utimensat, .dirfd = {ARG(0)}, .path = {ARG(1)}, .out = ARG(2),
		.flags = ARG(3), .null_path = true},
	{.name = "truncate", .answer = attributes_truncate, .path = {ARG(0)}},
	{.name = "ftruncate", .answer = attributes_ftruncate},
	/* extended attributes */
	{.name = "getxattr", .answer = xattrs_get, .path = {ARG(0)}},
	{.name = "lgetxattr", .answer = xattrs_get, .path = {ARG(0)}, .fixed = AT_SYMLINK_NOFOLLOW},
	{.name = "fgetxattr", .answer = xattrs_get},
	{.name = "listxattr", .answer = xattrs_list, .path = {ARG(0)}},
	{.name = "llistxattr", .answer = xattrs_list, .path = {ARG(0)}, .fixed = AT_SYMLINK_NOFOLLOW},
	{.name = "flistxattr", .answer = xattrs_list},
	{.name = "setxattr", .answer = xattrs_set, .path = {ARG(0)}},
	{.name = "lsetxattr", .answer = xattrs_set, .path = {ARG(0)}, .fixed = AT_SYMLINK_NOFOLLOW},
	{.name = "fsetxattr", .answer = xattrs_set},
	{.name = "removexattr", .answer = xattrs_remove, .path = {ARG(0)}},
	{.name = "lremovexattr", .answer = xattrs_remove, .path = {ARG(0)}, .fixed = AT_SYMLINK_NOFOLLOW},
	{.name = "fremovexattr", .answer = xattrs_remove},
	/* file systems */
	{.name = "statfs", .answer = space_statfs, .path = {ARG(0)}},
	{.name = "fstatfs", .answer = space_fstatfs},
	/* locks */
	{.name = "flock", .answer = locks_flock},
	{.name = "fcntl", .answer = locks_fcntl},
	/* sockets, threads, signals: judged on register values */
	{.name = "socketpair", .answer = sockets_pair},
	{.name = "clone", .answer = processes_clone},
	{.name = "mmap", .answer = memory_map},
	{.name = "mremap", .answer = memory_remap},
	{.name = "kill", .answer = processes_signal},
	{.name = "tgkill", .answer = processes_signal},
	{.name = "tkill", .answer = processes_signal, .fixed = BY_TID},
	{.name = "prlimit64", .answer = processes_prlimit},
	{.name = "getpgid", .answer = processes_about},
	{.name = "getsid", .answer = processes_about},
};
const size_t rows_count = sizeof(rows_all) / sizeof(rows_all[0]);

int rows_index(const struct policy *p, uint32_t **out, int *n)
{
	uint32_t *index = calloc((size_t)p->n_calls + 1, sizeof(*index));

	if (!index)
		return -ENOMEM;
	for (size_t i = 0; i < rows_count; i++) {
		int nr = policy_call_nr(rows_all[i].name);

		if (nr >= 0 && nr < p->n_calls)
			index[nr] = (uint32_t)i + 1;
	}
	*out = index;
	*n = p->n_calls;
	return 0;
}
