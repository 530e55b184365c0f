/* attack.h - what native code of the attack tests shares: raw system calls, clocks, threads.
 *
 * The .c files beside it are built as shared objects, and loaded with ctypes by Python code that runs as a job.
 * Nothing here goes through libc's wrappers: a wrapper may choose another call than the one that is to be tried.
 */
#ifndef WARDER_ATTACK_H
#define WARDER_ATTACK_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#if defined(__x86_64__)

/* -errno for failures, as the kernel gives it. */
static inline long raw6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
	                 : "=a"(ret)
	                 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

#include <fcntl.h>

static inline long raw_native(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}

/* Calls that this architecture never had; attacks are written once, and say them by the newer ones. */
enum {
	SYS_open = 100000, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_symlink, SYS_link,
	SYS_chmod, SYS_chown, SYS_lchown, SYS_creat, SYS_mknod, SYS_dup2, SYS_pipe, SYS_fork, SYS_getdents,
};

static inline long raw6(long nr, long a, long b, long c, long d, long e, long f)
{
	switch (nr) {
	case SYS_open:
		return raw_native(SYS_openat, AT_FDCWD, a, b, c, 0, 0);
	case SYS_stat:
		return raw_native(SYS_newfstatat, AT_FDCWD, a, b, 0, 0, 0);
	case SYS_lstat:
		return raw_native(SYS_newfstatat, AT_FDCWD, a, b, AT_SYMLINK_NOFOLLOW, 0, 0);
	case SYS_access:
		return raw_native(SYS_faccessat, AT_FDCWD, a, b, 0, 0, 0);
	case SYS_readlink:
		return raw_native(SYS_readlinkat, AT_FDCWD, a, b, c, 0, 0);
	case SYS_mkdir:
		return raw_native(SYS_mkdirat, AT_FDCWD, a, b, 0, 0, 0);
	case SYS_rmdir:
		return raw_native(SYS_unlinkat, AT_FDCWD, a, AT_REMOVEDIR, 0, 0, 0);
	case SYS_unlink:
		return raw_native(SYS_unlinkat, AT_FDCWD, a, 0, 0, 0, 0);
	case SYS_rename:
		return raw_native(SYS_renameat, AT_FDCWD, a, AT_FDCWD, b, 0, 0);
	case SYS_symlink:
		return raw_native(SYS_symlinkat, a, AT_FDCWD, b, 0, 0, 0);
	case SYS_link:
		return raw_native(SYS_linkat, AT_FDCWD, a, AT_FDCWD, b, 0, 0);
	case SYS_chmod:
		return raw_native(SYS_fchmodat, AT_FDCWD, a, b, 0, 0, 0);
	case SYS_chown:
		return raw_native(SYS_fchownat, AT_FDCWD, a, b, c, 0, 0);
	case SYS_lchown:
		return raw_native(SYS_fchownat, AT_FDCWD, a, b, c, AT_SYMLINK_NOFOLLOW, 0);
	case SYS_creat:
		return raw_native(SYS_openat, AT_FDCWD, a, O_CREAT | O_WRONLY | O_TRUNC, b, 0, 0);
	case SYS_mknod:
		return raw_native(SYS_mknodat, AT_FDCWD, a, b, c, 0, 0);
	case SYS_dup2:
		return raw_native(SYS_dup3, a, b, 0, 0, 0, 0);
	case SYS_pipe:
		return raw_native(SYS_pipe2, a, 0, 0, 0, 0, 0);
	case SYS_fork:
		return raw_native(SYS_clone, 17, 0, 0, 0, 0, 0);
	case SYS_getdents:
		return raw_native(SYS_getdents64, a, b, c, 0, 0, 0);
	}
	return raw_native(nr, a, b, c, d, e, f);
}

#endif

#define raw0(nr) raw6((nr), 0, 0, 0, 0, 0, 0)
#define raw1(nr, a) raw6((nr), (long)(a), 0, 0, 0, 0, 0)
#define raw2(nr, a, b) raw6((nr), (long)(a), (long)(b), 0, 0, 0, 0)
#define raw3(nr, a, b, c) raw6((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define raw4(nr, a, b, c, d) raw6((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define raw5(nr, a, b, c, d, e) raw6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t deadline_ms(unsigned ms)
{
	return now_ns() + ms * 1000000ull;
}

#endif
