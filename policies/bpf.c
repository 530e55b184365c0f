#include "bpf.h"

#include <errno.h>

#include "mem.h"

#define REACH 255 /* instructions that a conditional jump can skip */
#define CHAIN 4   /* single numbers compared one after the other before the search splits */

/* Instructions between the next one to be put and label `to`. */
static uint32_t distance(const struct bpf *b, bpf_label to)
{
	return b->len - to;
}

/* The label of the same instruction with the same targets, near enough for any jump; 0: none. */
static bpf_label same(const struct bpf *b, uint16_t code, uint32_t k, bpf_label yes, bpf_label no)
{
	for (bpf_label at = b->len; at && distance(b, at) < REACH; at--) {
		uint32_t i = at - 1;

		if (b->code[i].code == code && b->code[i].k == k && b->to[i].yes == yes && b->to[i].no == no)
			return at;
	}
	return 0;
}

static bpf_label put(struct bpf *b, struct sock_filter insn, bpf_label yes, bpf_label no)
{
	if (b->len == BPF_MAXINSNS) {
		b->too_long = true;
		return b->len;
	}
	b->code[b->len] = insn;
	b->to[b->len].yes = yes;
	b->to[b->len].no = no;
	return ++b->len;
}

bpf_label bpf_ret(struct bpf *b, uint32_t value)
{
	bpf_label at = same(b, BPF_RET | BPF_K, value, 0, 0);

	return at ? at : put(b, (struct sock_filter){BPF_RET | BPF_K, 0, 0, value}, 0, 0);
}

static bpf_label go(struct bpf *b, bpf_label to)
{
	return put(b, (struct sock_filter){BPF_JMP | BPF_JA, 0, 0, distance(b, to)}, to, 0);
}

/* A label for the same place that is still within reach when `more` instructions have been put. */
static bpf_label within_reach(struct bpf *b, bpf_label to, uint32_t more)
{
	const struct sock_filter *at = &b->code[to - 1];

	if (distance(b, to) + more <= REACH)
		return to;
	return at->code == (BPF_RET | BPF_K) ? bpf_ret(b, at->k) : go(b, to);
}

/* An instruction that always goes on to `then`, which therefore has to be the one put before it. */
static bpf_label lead(struct bpf *b, uint16_t code, uint32_t k, bpf_label then)
{
	bpf_label at = same(b, code, k, then, 0);

	if (at)
		return at;
	if (then != b->len)
		go(b, then);
	return put(b, (struct sock_filter){code, 0, 0, k}, then, 0);
}

bpf_label bpf_load(struct bpf *b, uint32_t offset, bpf_label then)
{
	return lead(b, BPF_LD | BPF_W | BPF_ABS, offset, then);
}

bpf_label bpf_and(struct bpf *b, uint32_t k, bpf_label then)
{
	return lead(b, BPF_ALU | BPF_AND | BPF_K, k, then);
}

bpf_label bpf_jump(struct bpf *b, uint16_t op, uint32_t k, bpf_label yes, bpf_label no)
{
	uint16_t code = BPF_JMP | BPF_K | op;
	bpf_label near_yes, near_no, at = same(b, code, k, yes, no);

	if (yes == no)
		return yes;
	if (at)
		return at;
	near_yes = within_reach(b, yes, 1); /* the way to the other one may take one more */
	near_no = within_reach(b, no, 0);
	return put(b, (struct sock_filter){code, (uint8_t)distance(b, near_yes), (uint8_t)distance(b, near_no), k}, yes,
		   no);
}

/* --- search ----------------------------------------------------------------------------------- */

/* A stretch with one target but for a few single numbers: one JEQ for each of those costs half of what two bounds cost.
 */
struct stretch {
	uint32_t start;
	bpf_label to;
	struct bpf_run but[CHAIN];
	size_t n_but;
};

static size_t join_runs(struct bpf_run *runs, size_t n)
{
	size_t out = 1;

	for (size_t i = 1; i < n; i++) {
		if (runs[i].to != runs[out - 1].to)
			runs[out++] = runs[i];
	}
	return out;
}

/* The longest stretch from runs[i] on whose own target is `to`. Returns the first run behind it. */
static size_t gather(const struct bpf_run *runs, size_t n, size_t i, bpf_label to, struct stretch *s)
{
	*s = (struct stretch){.start = runs[i].start, .to = to};
	for (; i < n; i++) {
		if (runs[i].to == to)
			continue;
		if (s->n_but == CHAIN || i + 1 == n || runs[i + 1].start != runs[i].start + 1)
			break;
		s->but[s->n_but++] = runs[i];
	}
	return i;
}

struct choice {        /* the cheapest way to search runs[i] and all behind it */
	unsigned cost; /* instructions */
	size_t next;   /* first run behind its first stretch */
	struct stretch s;
};

/* Tries each target that a stretch from runs[i] on could have as its own. */
static void choose(const struct bpf_run *runs, size_t n, size_t i, struct choice *all)
{
	all[i].cost = UINT32_MAX;
	for (size_t own = i; own < n && own <= i + CHAIN; own++) {
		struct stretch s;
		size_t next = gather(runs, n, i, runs[own].to, &s);
		unsigned cost;

		if (next == i)
			continue;
		cost = (unsigned)s.n_but + (next < n ? 1 + all[next].cost : 0);
		if (cost < all[i].cost)
			all[i] = (struct choice){cost, next, s};
	}
}

static bpf_label put_stretch(struct bpf *b, const struct stretch *s)
{
	bpf_label next = s->to;

	for (size_t i = s->n_but; i-- > 0;)
		next = bpf_jump(b, BPF_JEQ, s->but[i].start, s->but[i].to, next);
	return next;
}

static bpf_label put_tree(struct bpf *b, const struct stretch *s, size_t n)
{
	bpf_label high, low;

	if (n == 1)
		return put_stretch(b, s);
	high = put_tree(b, s + n / 2, n - n / 2);
	low = put_tree(b, s, n / 2);
	return bpf_jump(b, BPF_JGE, s[n / 2].start, high, low);
}

bpf_label bpf_search(struct bpf *b, struct bpf_run *runs, size_t n)
{
	struct choice *all;
	struct stretch *s;
	size_t n_s = 0;
	bpf_label start;

	n = join_runs(runs, n);
	all = mem_zeroed(n, sizeof(*all));
	s = mem_zeroed(n, sizeof(*s));
	for (size_t i = n; i-- > 0;)
		choose(runs, n, i, all);
	for (size_t i = 0; i < n; i = all[i].next)
		s[n_s++] = all[i].s;
	start = put_tree(b, s, n_s);
	free(s);
	free(all);
	return start;
}

int bpf_take(struct bpf *b, bpf_label start, struct sock_filter **code, unsigned short *len)
{
	if (start != b->len)
		go(b, start);
	if (b->too_long)
		return -E2BIG;
	*code = calloc(b->len, sizeof(**code));
	if (!*code)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->len; i++)
		(*code)[i] = b->code[b->len - 1 - i];
	*len = (unsigned short)b->len;
	return 0;
}
