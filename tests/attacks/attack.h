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

/* Calls that this architecture never had, each by the newer one that does the same: attacks are written once. */
#define OLD_CALLS(X) \
	X(open, openat, AT_FDCWD, a, b, c, 0) \
	X(stat, newfstatat, AT_FDCWD, a, b, 0, 0) \
	X(lstat, newfstatat, AT_FDCWD, a, b, AT_SYMLINK_NOFOLLOW, 0) \
	X(access, faccessat, AT_FDCWD, a, b, 0, 0) \
	X(readlink, readlinkat, AT_FDCWD, a, b, c, 0) \
	X(mkdir, mkdirat, AT_FDCWD, a, b, 0, 0) \
	X(rmdir, unlinkat, AT_FDCWD, a, AT_REMOVEDIR, 0, 0) \
	X(unlink, unlinkat, AT_FDCWD, a, 0, 0, 0) \
	X(rename, renameat, AT_FDCWD, a, AT_FDCWD, b, 0) \
	X(symlink, symlinkat, a, AT_FDCWD, b, 0, 0) \
	X(link, linkat, AT_FDCWD, a, AT_FDCWD, b, 0) \
	X(chmod, fchmodat, AT_FDCWD, a, b, 0, 0) \
	X(chown, fchownat, AT_FDCWD, a, b, c, 0) \
	X(lchown, fchownat, AT_FDCWD, a, b, c, AT_SYMLINK_NOFOLLOW) \
	X(creat, openat, AT_FDCWD, a, O_CREAT | O_WRONLY | O_TRUNC, b, 0) \
	X(mknod, mknodat, AT_FDCWD, a, b, c, 0) \
	X(dup2, dup3, a, b, 0, 0, 0) \
	X(pipe, pipe2, a, 0, 0, 0, 0) \
	X(fork, clone, 17, 0, 0, 0, 0) \
	X(getdents, getdents64, a, b, c, 0, 0)
#define OLD_NUMBER(old, ...) SYS_##old,
#define OLD_CASE(old, now, v, w, x, y, z) case SYS_##old: return raw_native(SYS_##now, v, w, x, y, z, 0);
enum { OLD_BEFORE = 100000, OLD_CALLS(OLD_NUMBER) };

static inline long raw6(long nr, long a, long b, long c, long d, long e, long f)
{
	switch (nr) {
	OLD_CALLS(OLD_CASE)
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
