/* The simulator: the part of classic BPF that seccomp programs of ours and of libseccomp are made of. */
#include "filter.h"

#include <string.h>

struct machine {
	uint32_t a;
	uint32_t pc;
};

static bool compare(uint16_t op, uint32_t a, uint32_t k)
{
	switch (op) {
	case BPF_JEQ:
		return a == k;
	case BPF_JGT:
		return a > k;
	case BPF_JGE:
		return a >= k;
	default:
		return a & k;
	}
}

/* One instruction that is no RET. False: not one of a seccomp program's. */
static bool step(struct machine *m, const struct sock_filter *i, const struct seccomp_data *d)
{
	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		if (i->k % 4 || i->k > sizeof(*d) - 4)
			return false;
		memcpy(&m->a, (const char *)d + i->k, 4);
		return true;
	case BPF_ALU | BPF_AND | BPF_K:
		m->a &= i->k;
		return true;
	case BPF_JMP | BPF_JA:
		if (i->k > BPF_MAXINSNS)
			return false;
		m->pc += i->k;
		return true;
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_K:
		m->pc += compare(BPF_OP(i->code), m->a, i->k) ? i->jt : i->jf;
		return true;
	}
	return false;
}

uint32_t filter_run(const struct filter *f, const struct seccomp_data *d)
{
	struct machine m = {0};

	/* jumps go forward only, so this ends */
	while (m.pc < f->len) {
		const struct sock_filter *i = &f->code[m.pc++];

		if (i->code == (BPF_RET | BPF_K))
			return i->k;
		if (i->code == (BPF_RET | BPF_A))
			return m.a;
		if (!step(&m, i, d))
			break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

uint32_t filter_strictest(uint32_t a, uint32_t b)
{
	/* seccomp(2) and the kernel's seccomp_run_filters: actions are ordered as signed numbers, KILL_PROCESS lowest;
	 * of equal actions the filter loaded last wins, which is b here */
	int32_t action_a = (int32_t)(a & SECCOMP_RET_ACTION_FULL), action_b = (int32_t)(b & SECCOMP_RET_ACTION_FULL);

	return action_a < action_b ? a : b;
}
