/* bpf.h - writes seccomp-bpf programs from their end to their start.
 *
 * All jumps of classic BPF go forward, so a program that is written backwards knows each target when it writes the
 * jump: a label is simply the number of instructions that stand behind it. Where a target is further than the 8 bits of
 * a conditional jump reach, a JA (or a copy of the RET) is put in between. An instruction that is there already, with
 * the same targets and within reach, is used again: calls with the same conditions share their code. Only LD, AND, JMP
 * with constants and RET are written: of these the kernel (5.11 on) works out at load time which numbers are always
 * allowed, and then does not run the program for them at all. One BPF_X and it would give up. Life: zeroed, calls,
 * bpf_take. Past the kernel's length nothing more is written and bpf_take fails.
 */
#ifndef WARDER_BPF_H
#define WARDER_BPF_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t bpf_label;

struct bpf {
	struct sock_filter code[BPF_MAXINSNS]; /* code[0] is the last instruction */
	uint32_t len;
	bool too_long;
	struct {
		bpf_label yes, no; /* where code[i] leads: yes alone for a load, both 0 for a RET */
	} to[BPF_MAXINSNS];
};

bpf_label bpf_ret(struct bpf *b, uint32_t value);
bpf_label bpf_load(struct bpf *b, uint32_t offset, bpf_label then); /* A = word at `offset` of seccomp_data */
bpf_label bpf_and(struct bpf *b, uint32_t k, bpf_label then);       /* A &= k */
/* `op` is BPF_JEQ, BPF_JGE, BPF_JGT or BPF_JSET: A op k. */
bpf_label bpf_jump(struct bpf *b, uint16_t op, uint32_t k, bpf_label yes, bpf_label no);

/* What A leads to: from `start` on, up to the next run's start. */
struct bpf_run {
	uint32_t start;
	bpf_label to;
};
/* A search for A among runs (ascending, the first at 0; neighbours with one target are joined here). */
bpf_label bpf_search(struct bpf *b, struct bpf_run *runs, size_t n);

/* Moves the program out in its running order, starting at label `start`. -E2BIG: too long; -ENOMEM. */
int bpf_take(struct bpf *b, bpf_label start, struct sock_filter **code, unsigned short *len);

#endif
