#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "handlers.h"
#include "synth.h"

#define BY_TID 1
#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)
#define STATX_FLAGS (STAT_FLAGS | AT_STATX_SYNC_TYPE)
#define ACCESS_FLAGS (AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
#define CHANGE_FLAGS (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)

const struct row rows_all[] = {
	/* opening */
	{.name = "open", .answer = files_open, .path = {ARG(0)}, .flags = ARG(1), .mode = ARG(2), .first = files_check_open},
	{.name = "openat", .answer = files_open, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(2),
		.mode = ARG(3), .first = files_check_open},
	{"openat2", files_openat2, .dirfd = {ARG(0)}, .path = {ARG(1)}, .first = files_check_openat2},
	{.name = "creat", .answer = files_open, .path = {ARG(0)}, .mode = ARG(1),
		.fixed = O_CREAT | O_WRONLY | O_TRUNC},
	/* looking */
	{.name = "stat", .answer = look_stat, .path = {ARG(0)}, .out = ARG(1)},
	{.name = "lstat", .answer = look_stat, .path = {ARG(0)}, .out = ARG(1), .fixed = AT_SYMLINK_NOFOLLOW},
	{.name = "newfstatat", .answer = look_stat, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(3),
		.out = ARG(2), .known = STAT_FLAGS},
	{.name = "statx", .answer = look_statx, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(2), .out = ARG(4),
		.known = STATX_FLAGS, .first = look_check_statx},
	{.name = "access", .answer = look_access, .path = {ARG(0)}, .mode = ARG(1), .first = look_check_access},
	{.name = "faccessat", .answer = look_access, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2),
		.first = look_check_access},
	{.name = "faccessat2", .answer = look_access, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(3),
		.mode = ARG(2), .known = ACCESS_FLAGS, .first = look_check_access},
	{.name = "readlink", .answer = look_readlink, .path = {ARG(0)}, .mode = ARG(2), .out = ARG(1),
		.first = look_check_readlink},
	{.name = "readlinkat", .answer = look_readlink, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(3),
		.out = ARG(2), .first = look_check_readlink},
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
	{.name = "unlinkat", .answer = names_unlink, .dirfd = {ARG(0)}, .path = {ARG(1)}, .flags = ARG(2),
		.known = AT_REMOVEDIR},
	{.name = "rename", .answer = names_rename, .path = {ARG(0), ARG(1)}},
	{.name = "renameat", .answer = names_rename, .dirfd = {ARG(0), ARG(2)}, .path = {ARG(1), ARG(3)}},
	{.name = "renameat2", .answer = names_rename, .dirfd = {ARG(0), ARG(2)}, .path = {ARG(1), ARG(3)},
		.flags = ARG(4), .known = RENAME_NOREPLACE | RENAME_EXCHANGE, .first = names_check_rename},
	{.name = "link", .answer = names_link, .path = {ARG(0), ARG(1)}},
	{.name = "linkat", .answer = names_link, .dirfd = {ARG(0), ARG(2)}, .path = {ARG(1), ARG(3)},
		.flags = ARG(4), .known = AT_SYMLINK_FOLLOW | AT_EMPTY_PATH},
	/* a link's target is a text, in the second place */
	{.name = "symlink", .answer = names_symlink, .path = {ARG(1), ARG(0)}},
	{.name = "symlinkat", .answer = names_symlink, .dirfd = {ARG(1)}, .path = {ARG(2), ARG(0)}},
	{.name = "mknod", .answer = names_mknod, .path = {ARG(0)}, .mode = ARG(1), .first = names_check_mknod},
	{.name = "mknodat", .answer = names_mknod, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2),
		.first = names_check_mknod},
	/* attributes */
	{.name = "chmod", .answer = attributes_chmod, .path = {ARG(0)}, .mode = ARG(1)},
	{.name = "fchmod", .answer = attributes_fchmod},
	{.name = "fchmodat", .answer = attributes_chmod, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2)},
	{.name = "fchmodat2", .answer = attributes_chmod, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2),
		.flags = ARG(3), .known = CHANGE_FLAGS},
	/* the owner stands where others have the mode, the group behind it */
	{.name = "chown", .answer = attributes_chown, .path = {ARG(0)}, .mode = ARG(1)},
	{.name = "lchown", .answer = attributes_chown, .path = {ARG(0)}, .mode = ARG(1), .fixed = AT_SYMLINK_NOFOLLOW},
	{.name = "fchown", .answer = attributes_fchown},
	{.name = "fchownat", .answer = attributes_chown, .dirfd = {ARG(0)}, .path = {ARG(1)}, .mode = ARG(2),
		.flags = ARG(4), .known = CHANGE_FLAGS},
	{.name = "utime", .answer = attributes_utime, .path = {ARG(0)}, .out = ARG(1)},
	{.name = "utimes", .answer = attributes_utimes, .path = {ARG(0)}, .out = ARG(1)},
	{.name = "futimesat", .answer = attributes_utimes, .dirfd = {ARG(0)}, .path = {ARG(1)}, .out = ARG(2),
		.null_path = true},
	{.name = "utimensat", .answer = attributes_utimensat, .dirfd = {ARG(0)}, .path = {ARG(1)}, .out = ARG(2),
		.flags = ARG(3), .null_path = true, .known = CHANGE_FLAGS},
	{.name = "truncate", .answer = attributes_truncate, .path = {ARG(0)}, .first = attributes_check_truncate},
	{.name = "ftruncate", .answer = attributes_ftruncate},
	/* extended attributes */
	{.name = "getxattr", .answer = xattrs_get, .path = {ARG(0)}, .first = xattrs_check_name},
	{.name = "lgetxattr", .answer = xattrs_get, .path = {ARG(0)}, .fixed = AT_SYMLINK_NOFOLLOW,
		.first = xattrs_check_name},
	{.name = "fgetxattr", .answer = xattrs_get, .first = xattrs_check_name},
	{.name = "listxattr", .answer = xattrs_list, .path = {ARG(0)}},
	{.name = "llistxattr", .answer = xattrs_list, .path = {ARG(0)}, .fixed = AT_SYMLINK_NOFOLLOW},
	{.name = "flistxattr", .answer = xattrs_list},
	{.name = "setxattr", .answer = xattrs_set, .path = {ARG(0)}, .first = xattrs_check_set},
	{.name = "lsetxattr", .answer = xattrs_set, .path = {ARG(0)}, .fixed = AT_SYMLINK_NOFOLLOW,
		.first = xattrs_check_set},
	{.name = "fsetxattr", .answer = xattrs_set, .first = xattrs_check_set},
	{.name = "removexattr", .answer = xattrs_remove, .path = {ARG(0)}, .first = xattrs_check_name},
	{.name = "lremovexattr", .answer = xattrs_remove, .path = {ARG(0)}, .fixed = AT_SYMLINK_NOFOLLOW,
		.first = xattrs_check_name},
	{.name = "fremovexattr", .answer = xattrs_remove, .first = xattrs_check_name},
	/* file systems */
	{.name = "statfs", .answer = space_statfs, .path = {ARG(0)}},
	{.name = "fstatfs", .answer = space_fstatfs},
	/* locks */
	{.name = "flock", .answer = locks_flock, .first = locks_check_flock},
	{.name = "fcntl", .answer = locks_fcntl},
	/* sockets, threads, signals: judged on register values */
	{.name = "socket", .answer = sockets_socket},
	{.name = "connect", .answer = connects_connect},
	{.name = "bind", .answer = sockets_bind},
	{.name = "setsockopt", .answer = sockets_option},
	{.name = "sendto", .answer = sends_sendto},
	{.name = "sendmsg", .answer = sends_sendmsg},
	{.name = "sendmmsg", .answer = sends_sendmmsg},
	{.name = "socketpair", .answer = sockets_pair},
	{.name = "clone", .answer = processes_clone},
	{.name = "mmap", .answer = memory_map},
	{.name = "mremap", .answer = memory_remap},
	{.name = "mprotect", .answer = memory_protect},
	{.name = "kill", .answer = processes_signal},
	{.name = "tgkill", .answer = processes_signal},
	{.name = "tkill", .answer = processes_signal, .fixed = BY_TID},
	{.name = "prlimit64", .answer = processes_prlimit},
	{.name = "uname", .answer = synth_uname},
	{.name = "sysinfo", .answer = synth_sysinfo},
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
