#include "guest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define GUEST_PAGE 4096u  /* no page is smaller; what fails does so at such a border */
#define GUEST_FIRST 256u  /* most paths are shorter: the first look copies no more */

/* The upper half is the kernel's; pread would take the vsyscall page for readable, which a system call does not. */
static int in_user_half(uint64_t t_addr, size_t n)
{
	return t_addr <= INT64_MAX && n <= INT64_MAX - t_addr;
}

int guest_read(int mem, uint64_t t_addr, void *buf, size_t n)
{
	if (!in_user_half(t_addr, n))
		return -EFAULT;
	return pread(mem, buf, n, (off_t)t_addr) == (ssize_t)n ? 0 : -EFAULT;
}

int guest_write(int mem, uint64_t t_addr, const void *buf, size_t n)
{
	if (!in_user_half(t_addr, n))
		return -EFAULT;
	return pwrite(mem, buf, n, (off_t)t_addr) == (ssize_t)n ? 0 : -EFAULT;
}

ssize_t guest_string(int mem, uint64_t t_addr, char *buf, size_t size)
{
	size_t have = 0, step = GUEST_FIRST;

	while (have < size) {
		size_t to_border = GUEST_PAGE - (t_addr + have) % GUEST_PAGE;
		size_t want = step < to_border ? step : to_border;
		const char *end;

		if (want > size - have)
			want = size - have;
		if (guest_read(mem, t_addr + have, buf + have, want))
			return -EFAULT;
		end = memchr(buf + have, '\0', want);
		if (end)
			return end - buf;
		have += want;
		step = GUEST_PAGE;
	}
	return -ENAMETOOLONG;
}
