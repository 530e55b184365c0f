#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "birth.h"

unsigned long namespaces_flags(uint32_t flags)
{
	unsigned long all = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

	if (!(flags & BIRTH_NAMESPACES))
		return 0;
	return all | (flags & BIRTH_USER_NS ? CLONE_NEWUSER : 0);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int r = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

/* The one uid and gid that an ordinary user may map: its own. */
static int map_identity(uid_t uid, gid_t gid, struct err *e)
{
	char text[64];
	int r;

	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)) /* else these files are root's, proc(5) */
		return err_set(e, ERR_HOST, "prctl(PR_SET_DUMPABLE)", errno, NULL);
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)uid, (unsigned)uid);
	r = put("/proc/self/uid_map", text);
	if (!r)
		r = put("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "%u %u 1", (unsigned)gid, (unsigned)gid);
	if (!r)
		r = put("/proc/self/gid_map", text);
	return r ? err_set(e, ERR_HOST, "uid_map", -r, "of a user namespace") : 0;
}

/* An ordinary user's power in its own namespaces would be lost with execve(2): what it takes to empty the root directory is kept. */
static int keep_admin(struct err *e)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d))
		return err_set(e, ERR_HOST, "capget", errno, NULL);
	d[0].inheritable |= 1u << CAP_SYS_ADMIN;
	if (syscall(SYS_capset, &h, d) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0))
		return err_set(e, ERR_HOST, "prctl(PR_CAP_AMBIENT)", errno, NULL);
	return 0;
}

/* Numbers in it are those that the processes of this namespace have there. */
static int open_procfs(struct err *e)
{
	int fs = syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC), fd = -1;

	if (fs >= 0 && !syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		return err_set(e, ERR_HOST, "fsmount(proc)", errno, "of a pid namespace");
	if (dup2(fd, BIRTH_PROC_FD) < 0)
		return err_set(e, ERR_HOST, "dup2 (RLIMIT_NOFILE)", errno, NULL);
	close(fd);
	close(fs);
	return 0;
}

int namespaces_settle(uint32_t flags, uid_t uid, gid_t gid, struct err *e)
{
	int r = 0;

	if (!(flags & BIRTH_NAMESPACES))
		return 0;
	if (flags & BIRTH_USER_NS)
		r = map_identity(uid, gid, e);
	if (!r && flags & BIRTH_USER_NS)
		r = keep_admin(e);
	return r ? r : open_procfs(e);
}
