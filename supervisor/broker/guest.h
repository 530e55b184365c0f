/* guest.h - copying from and to a tracee's memory.
 *
 * `mem` is the /proc/PID/mem descriptor that the tracee handed over: it is bound to that address space, so a recycled
 * pid can never be met. Reads and writes go through it with pread and pwrite; the kernel copies page by page. A write
 * reaches a private read-only page too (FOLL_FORCE, proc(5)), which only harms the job itself; shared read-only
 * mappings stay closed. For the same reason memory that the job has closed with PROT_NONE is read, where a native
 * call would say EFAULT. Who may use it: the broker. t_addr is a number that the job chose: any value is safe here.
 */
#ifndef WARDER_GUEST_H
#define WARDER_GUEST_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All n bytes, or -EFAULT. */
int guest_read(int mem, uint64_t t_addr, void *buf, size_t n);
int guest_write(int mem, uint64_t t_addr, const void *buf, size_t n);
/* A NUL-terminated string of at most size-1 bytes. Its length, -EFAULT, or -ENAMETOOLONG. */
ssize_t guest_string(int mem, uint64_t t_addr, char *buf, size_t size);

#endif
