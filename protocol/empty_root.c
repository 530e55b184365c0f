#include "empty_root.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PLACE "/proc" /* any directory that is there for certain */
#define QUIET (MS_NOSUID | MS_NODEV | MS_NOEXEC)

int empty_root(struct err *e)
{
	/* what is mounted here from now on stays here */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return err_set(e, ERR_HOST, "mount(MS_PRIVATE)", errno, "of the root directory");
	if (mount("empty", PLACE, "tmpfs", QUIET | MS_RDONLY, "size=4k,nr_inodes=2,mode=0555"))
		return err_set(e, ERR_HOST, "mount(tmpfs)", errno, "for an empty root directory");
	/* the old root lies over the new one for a moment, pivot_root(2) */
	if (chdir(PLACE) || syscall(SYS_pivot_root, ".", "."))
		return err_set(e, ERR_HOST, "pivot_root", errno, "to an empty directory");
	if (umount2(".", MNT_DETACH) || chdir("/"))
		return err_set(e, ERR_HOST, "umount2", errno, "of the old root directory");
	return 0;
}
