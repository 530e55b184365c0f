/* fstat.c - fstat(2) by descriptor alone. Loaded before libc into the zygote of an interpreter that calls fstat often.
 *
 * glibc from 2.33 on makes fstat(fd) of newfstatat(fd, "", AT_EMPTY_PATH): a call that takes a path, and so one that the
 * supervisor answers (10 us). The call that takes none is allowed natively and says the same. For speed alone: nothing
 * depends on its being used.
 */
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_fstat
__attribute__((visibility("default"))) int fstat(int fd, struct stat *st)
{
	return (int)syscall(SYS_fstat, fd, st);
}

__attribute__((visibility("default"))) int fstat64(int fd, struct stat64 *st)
{
	return (int)syscall(SYS_fstat, fd, st);
}
#endif
