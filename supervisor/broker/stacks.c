#include "stacks.h"

#include <stdio.h>

#include "frames.h"
#include "guest.h"
#include "identity.h"
#include "procfs.h"

#define PIECE 4096u /* a page: what lies behind the stack may not be there */
#define WORD  8u
#define LATELY 64u

uint64_t stacks_pointer(const struct frames_job *j, pid_t t_tid)
{
	char text[PROCFS_TEXT];
	unsigned long long t_sp = 0;
	bool rests = identity_is_at_rest(), may = !rests || !identity_enter(j->who->uid, j->who->gid);
	bool done = may && procfs_read(text, "%d/task/%d/syscall", (int)j->t_pid, (int)t_tid);

	if (rests)
		identity_leave();
	if (!done)
		return 0;
	/* a number, six arguments, the stack pointer and that of the code; outside of a call -1 and these two */
	if (sscanf(text, "-1 %llx", &t_sp) != 1 && sscanf(text, "%*d %*s %*s %*s %*s %*s %*s %llx", &t_sp) != 1)
		return 0;
	return t_sp % WORD ? 0 : t_sp;
}

/* Of a heap or a mapping, neither of which is low, and not of this stack. */
static bool may_be_address(uint64_t v, uint64_t t_sp)
{
	return v % WORD == 0 && v >> 20 && v >> 48 == 0 && (v < t_sp || v - t_sp > STACKS_BYTES);
}

uint64_t stacks_search(const struct frames_job *j, uint64_t t_sp, bool (*is_it)(void *arg, uint64_t word), void *arg)
{
	uint64_t words[PIECE / WORD], given[LATELY] = {0};

	for (uint64_t at = t_sp; at < t_sp + STACKS_BYTES && !frames_is_over(j);) {
		size_t n = PIECE - at % PIECE;
		if (guest_read(j->mem, at, words, n))
			return 0;
		for (size_t i = 0; i < n / WORD; i++) {
			uint64_t v = words[i], *lately = &given[v / WORD % LATELY];
			if (!may_be_address(v, t_sp) || *lately == v)
				continue;
			*lately = v;
			if (is_it(arg, v))
				return v;
		}
		at += n;
	}
	return 0;
}
