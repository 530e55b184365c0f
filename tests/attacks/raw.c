/* raw.c - any system call, with any registers, from any thread and through any door of the kernel. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "attack.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT long raw(long nr, long a, long b, long c, long d, long e, long f);
EXPORT long raw_in_thread(long nr, long a, long b, long c, long d, long e, long f);
#if defined(__x86_64__)
EXPORT long raw_int80(int nr, int b, int c, int d);
EXPORT long raw_vsyscall(unsigned which);
#endif
EXPORT char *string_at_edge(const char *s, size_t len, int terminated);
EXPORT int open_descriptors(int *out, int max);

long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	return raw6(nr, a, b, c, d, e, f);
}

struct call {
	long nr, args[6], ret;
};

static void *make_call(void *arg)
{
	struct call *c = arg;

	c->ret = raw6(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4], c->args[5]);
	return NULL;
}

/* -1000 when there is no thread to be had. */
long raw_in_thread(long nr, long a, long b, long c, long d, long e, long f)
{
	struct call call = {.nr = nr, .args = {a, b, c, d, e, f}};
	pthread_t t;

	if (pthread_create(&t, NULL, make_call, &call) != 0)
		return -1000;
	pthread_join(t, NULL);
	return call.ret;
}

#if defined(__x86_64__)

/* The 32-bit door: i386 numbers, arguments cut to 32 bits. */
long raw_int80(int nr, int b, int c, int d)
{
	long ret;

	__asm__ volatile("push %%rbx\n\t"
	                 "mov %k[b], %%ebx\n\t"
	                 "int $0x80\n\t"
	                 "pop %%rbx"
	                 : "=a"(ret)
	                 : "a"((long)nr), [b] "r"((long)b), "c"((long)c), "d"((long)d)
	                 : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

/* The fixed page of old binaries: 0 gettimeofday, 1 time, 2 getcpu. */
long raw_vsyscall(unsigned which)
{
	long (*entry)(void *, void *, void *) = (void *)(0xffffffffff600000ul + 1024ul * which);
	char space[64] = {0};

	return entry(which == 1 ? NULL : space, NULL, NULL);
}

#endif

/* A string whose last byte is the last of its page; what follows cannot be read. Without its NUL when asked. */
char *string_at_edge(const char *s, size_t len, int terminated)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), need = len + (terminated ? 1 : 0);
	size_t room = (need + page - 1) / page * page;
	char *p = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at;

	if (p == MAP_FAILED)
		return NULL;
	munmap(p + room, page);
	at = p + room - need;
	memcpy(at, s, len);
	if (terminated)
		at[len] = '\0';
	return at;
}

/* Fills out with the numbers of open descriptors below 4096, by dup's errno: no call that a broker answers. */
int open_descriptors(int *out, int max)
{
	int n = 0;

	for (int fd = 0; fd < 4096 && n < max; fd++) {
		long copy = raw1(SYS_dup, fd);
		if (copy >= 0)
			raw1(SYS_close, copy);
		if (copy != -EBADF)
			out[n++] = fd;
	}
	return n;
}
