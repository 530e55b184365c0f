/* identity.c - the file-system uid and gid of the worker's one thread.
 *
 * setfsuid(2) from 0 to another uid also clears the file capabilities (CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER,
 * FSETID, MKNOD, LINUX_IMMUTABLE, MAC_OVERRIDE) from the effective set, and going back to 0 raises them again
 * (capabilities(7)). The others, SYS_PTRACE and SYS_ADMIN among them, stay.
 */
#include "identity.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534

static bool can_switch;
/* what the kernel was last told, so that a switch to the same costs nothing; it is this thread's alone */
static uid_t now_uid;
static gid_t now_gid;

/* Both calls return the previous value and never an error; (uid_t)-1 is no uid, so it only asks. */
static int set_uid(uid_t uid)
{
	if (uid == now_uid)
		return 0;
	syscall(SYS_setfsuid, uid);
	now_uid = (uid_t)syscall(SYS_setfsuid, (uid_t)-1);
	return now_uid == uid ? 0 : -EPERM;
}

static int set_gid(gid_t gid)
{
	if (gid == now_gid)
		return 0;
	syscall(SYS_setfsgid, gid);
	now_gid = (gid_t)syscall(SYS_setfsgid, (gid_t)-1);
	return now_gid == gid ? 0 : -EPERM;
}

int identity_rest(void)
{
	now_uid = (uid_t)syscall(SYS_setfsuid, (uid_t)-1);
	now_gid = (gid_t)syscall(SYS_setfsgid, (gid_t)-1);
	can_switch = false;
	if (geteuid() != 0)
		return 0;
	if (syscall(SYS_setgroups, 0, NULL))
		return -errno;
	if (set_gid(NOBODY) || set_uid(NOBODY))
		return -EPERM;
	can_switch = true;
	return 0;
}

bool identity_can_switch(void)
{
	return can_switch;
}

int identity_enter(uid_t uid, gid_t gid)
{
	if (!can_switch || uid == (uid_t)-1)
		return 0;
	if (gid != (gid_t)-1 && set_gid(gid))
		return -EPERM;
	return set_uid(uid);
}

int identity_full(void)
{
	if (!can_switch)
		return 0;
	if (set_gid(0))
		return -EPERM;
	return set_uid(0);
}

/* A worker that cannot lay a job's or root's power down must not answer another call. */
void identity_leave(void)
{
	if (can_switch && (set_uid(NOBODY) || set_gid(NOBODY)))
		abort();
}

bool identity_is_at_rest(void)
{
	return !can_switch || now_uid == NOBODY;
}

void identity_recover(void)
{
	now_uid = (uid_t)-1;
	now_gid = (gid_t)-1;
	identity_leave();
}
