#include "filter.h"

#include <endian.h>
#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <stdlib.h>

#include "birth.h"
#include "bpf.h"
#include "calls.h"
#include "mem.h"
#include "without.h"

/* Calls that a tracee makes between fork and its first brokered call, and that a zygote makes while it waits and forks.
 * The whitelist leaves them alone whatever the policy says; the broker filter, the last thing that a tracee puts on
 * before it waits, carries the policy's word on them: a job gets what the policy gives, killed where it lists nothing.
 */
static const struct {
	const char *why, *calls[8];
} birth_calls[] = {
	{"a tracee; libc's fork is clone without thread flags", {"fork", "vfork", "clone"}},
	{"limits, before the identity is given up", {"prlimit64", "setrlimit", "getrlimit"}},
	{"the job's identity, and no capabilities", {"setgroups", "setresgid", "setresuid", "capget", "capset"}},
	{"a session of its own", {"setsid", "setpgid"}},
	{"dumpable, death signal, no_new_privs; the parent is still there", {"prctl", "getppid", "getpid"}},
	{"deny-all: no rules to add", {"landlock_create_ruleset", "landlock_restrict_self"}},
	{"the broker filter itself", {"seccomp"}},
	{"/proc/self/mem and the pidfd, for the worker", {"openat", "close", "close_range", "dup3", "pidfd_open"}},
	{"the control socket", {"sendmsg", "sendto", "recvmsg", "recvfrom", "read", "write", "poll", "ppoll"}},
	{"the worker's CPU", {"sched_setaffinity"}},
	{"signals as a fresh interpreter has them", {"rt_sigaction", "rt_sigprocmask"}},
	{"a zygote without a tracer reaps by itself", {"wait4", "waitid"}},
	{"a birth that failed", {"exit_group"}},
};

static bool is_birth_call(const char *name)
{
	for (size_t i = 0; i < sizeof(birth_calls) / sizeof(birth_calls[0]); i++) {
		for (size_t k = 0; k < 8 && birth_calls[i].calls[k]; k++) {
			if (!strcmp(birth_calls[i].calls[k], name))
				return true;
		}
	}
	return false;
}

/* --- what a program says of one call ---------------------------------------------------------- */

enum program { WHITELIST, BROKER };

/* Verdicts that do no harm because the other program's is stricter in any case; for joining neighbours. */
enum { FREE_ALLOW = 1, FREE_NOTIFY = 2, FREE_KILL = 4, FREE_ALL = 7 };

struct plan {
	const struct policy_row *rows; /* tried in order */
	uint32_t rets[RULE_ROWS_MAX];
	size_t n;
	uint32_t final; /* where none holds */
	uint8_t free;   /* only when n is 0 */
};

static uint32_t errno_ret(int e)
{
	return SECCOMP_RET_ERRNO | ((uint32_t)e & SECCOMP_RET_DATA);
}

static uint32_t row_ret(enum program prog, bool birth, const struct policy_row *row)
{
	if (row->kind == RULE_REFUSE_QUIETLY)
		return birth == (prog == BROKER) ? errno_ret(row->err) : SECCOMP_RET_ALLOW;
	if (prog == BROKER && (row->kind == RULE_BROKER || row->kind == RULE_REFUSE))
		return SECCOMP_RET_USER_NOTIF;
	return SECCOMP_RET_ALLOW;
}

/* What follows when no row holds. `told`: the policy is that of a debugger, who is asked about what would kill. */
static uint32_t final_ret(enum program prog, bool birth, bool told, int otherwise)
{
	if (otherwise || told)
		return prog == BROKER ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW;
	if (WITHOUT(leftovers) && birth)
		return SECCOMP_RET_ALLOW;
	return birth == (prog == BROKER) ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW;
}

static void plan_rows(struct plan *pl, enum program prog, bool birth, bool told, const struct policy_call *c)
{
	size_t i;

	pl->rows = c->rows;
	pl->final = final_ret(prog, birth, told, c->n_rows ? c->rows[c->n_rows - 1].otherwise : 0);
	for (i = 0; i < c->n_rows; i++) {
		uint32_t ret = row_ret(prog, birth, &c->rows[i]);

		if (!c->rows[i].n_conds) {
			pl->final = ret;
			break;
		}
		pl->rets[i] = ret;
	}
	pl->n = i;
	while (pl->n && pl->rets[pl->n - 1] == pl->final)
		pl->n--;
}

/* Both programs run and the stricter verdict wins: the broker filter may say anything of what the whitelist kills, and
 * anything but kill of what it answers with an errno. */
static uint8_t free_verdicts(const struct policy_call *c)
{
	if (!c->name || !c->n_rows)
		return FREE_ALL;
	if (!c->rows[0].n_conds && c->rows[0].kind == RULE_REFUSE_QUIETLY)
		return FREE_ALLOW | FREE_NOTIFY;
	return 0;
}

static struct plan plan_call(enum program prog, const struct policy *p, const struct policy_call *c)
{
	bool birth = c->name && is_birth_call(c->name), told = p->debug && c->name && !c->floor;
	struct plan pl = {.final = SECCOMP_RET_ALLOW};

	if (prog == WHITELIST && birth)
		return pl;
	if (!c->name)
		pl.final = prog == WHITELIST ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW;
	else
		plan_rows(&pl, prog, birth, told, c);
	if (prog == BROKER && !birth && !told)
		pl.free = free_verdicts(c);
	return pl;
}

/* --- conditions ------------------------------------------------------------------------------- */

#if __BYTE_ORDER != __LITTLE_ENDIAN
#error "the halves of a 64-bit argument stand the other way round here"
#endif
#define LOW(arg)  ((uint32_t)offsetof(struct seccomp_data, args) + 8u * (arg))
#define HIGH(arg) (LOW(arg) + 4u)

/* The low half was `low`: the high half must be one that goes with it. Low halves come first because the test of the
 * high one, nearly always 0, is then the same code for all values and all calls. */
static bpf_label put_highs(struct bpf *b, const struct policy_cond *c, uint32_t low, bpf_label yes, bpf_label no)
{
	bpf_label next = no;

	for (size_t i = c->n_values; i-- > 0;) {
		if ((uint32_t)c->values[i] == low)
			next = bpf_jump(b, BPF_JEQ, (uint32_t)(c->values[i] >> 32), yes, next);
	}
	return bpf_load(b, HIGH(c->arg), next);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static bpf_label put_in(struct bpf *b, const struct policy_cond *c, bpf_label yes, bpf_label no)
{
	struct bpf_run runs[2 * RULE_VALUES_MAX + 1] = {{0, no}};
	uint32_t lows[RULE_VALUES_MAX];
	size_t n = 1;

	for (size_t i = 0; i < c->n_values; i++)
		lows[i] = (uint32_t)c->values[i];
	qsort(lows, c->n_values, sizeof(lows[0]), by_value);
	for (size_t i = 0; i < c->n_values; i++) {
		if (i && lows[i] == lows[i - 1])
			continue;
		if (runs[n - 1].start == lows[i]) /* right behind the one before, or 0: in the place of its end */
			n--;
		runs[n++] = (struct bpf_run){lows[i], put_highs(b, c, lows[i], yes, no)};
		if (lows[i] != UINT32_MAX)
			runs[n++] = (struct bpf_run){lows[i] + 1, no};
	}
	return bpf_load(b, LOW(c->arg), bpf_search(b, runs, n));
}

/* One half, all of `bits` set. */
static bpf_label put_all_set(struct bpf *b, uint32_t offset, uint32_t bits, bpf_label yes, bpf_label no)
{
	bpf_label test;

	if (!bits)
		return yes;
	test = bpf_jump(b, BPF_JEQ, bits, yes, no);
	return bpf_load(b, offset, bpf_and(b, bits, test));
}

/* One half, none of `bits` set. */
static bpf_label put_none_set(struct bpf *b, uint32_t offset, uint32_t bits, bpf_label yes, bpf_label no)
{
	return bits ? bpf_load(b, offset, bpf_jump(b, BPF_JSET, bits, no, yes)) : yes;
}

static bpf_label put_cond(struct bpf *b, const struct policy_cond *c, bpf_label yes, bpf_label no)
{
	uint64_t bits = c->op == COND_ONLY ? ~c->values[0] : c->values[0];

	if (c->op == COND_IN)
		return put_in(b, c, yes, no);
	if (c->op == COND_MASK) {
		yes = put_all_set(b, LOW(c->arg), (uint32_t)bits, yes, no);
		return put_all_set(b, HIGH(c->arg), (uint32_t)(bits >> 32), yes, no);
	}
	yes = put_none_set(b, LOW(c->arg), (uint32_t)bits, yes, no);
	return put_none_set(b, HIGH(c->arg), (uint32_t)(bits >> 32), yes, no);
}

static bpf_label put_plan(struct bpf *b, const struct plan *pl)
{
	bpf_label next = bpf_ret(b, pl->final);

	for (size_t i = pl->n; i-- > 0;) {
		bpf_label yes = bpf_ret(b, pl->rets[i]);

		for (size_t k = pl->rows[i].n_conds; k-- > 0;)
			yes = put_cond(b, &pl->rows[i].conds[k], yes, next);
		next = yes;
	}
	return next;
}

/* --- programs --------------------------------------------------------------------------------- */

static uint8_t free_bit(uint32_t ret)
{
	switch (ret) {
	case SECCOMP_RET_ALLOW:
		return FREE_ALLOW;
	case SECCOMP_RET_USER_NOTIF:
		return FREE_NOTIFY;
	case SECCOMP_RET_KILL_PROCESS:
		return FREE_KILL;
	}
	return 0;
}

static bool may_be(const struct plan *pl, uint32_t ret)
{
	return !pl->n && (pl->final == ret || (pl->free & free_bit(ret)));
}

/* A plan with freedom goes along with the number before it, else with the next one that has none. */
static void use_freedom(struct plan *plans, int n)
{
	for (int nr = 0; nr < n; nr++) {
		struct plan *pl = &plans[nr];
		int next = nr + 1;

		while (next < n && plans[next].free)
			next++;
		if (nr && !plans[nr - 1].n && may_be(pl, plans[nr - 1].final))
			pl->final = plans[nr - 1].final;
		else if (pl->free && next < n && !plans[next].n && may_be(pl, plans[next].final))
			pl->final = plans[next].final;
	}
}

/* A newborn sends its listener to the worker when the broker filter is on already. The control socket's number is above
 * every job's RLIMIT_NOFILE (birth.h), so no descriptor of a job can ever have it: to a job this call is EBADF. */
static bpf_label put_birth_send(struct bpf *b, bpf_label otherwise)
{
	static const struct policy_cond on_control = {.arg = 0, .op = COND_IN, .n_values = 1, .values = {BIRTH_FD}};

	return put_cond(b, &on_control, bpf_ret(b, SECCOMP_RET_ALLOW), otherwise);
}

static size_t put_runs(struct bpf *b, enum program prog, const struct policy *p, struct bpf_run *runs)
{
	struct plan *plans = mem_zeroed((size_t)p->n_calls, sizeof(*plans));

	for (int nr = 0; nr < p->n_calls; nr++)
		plans[nr] = plan_call(prog, p, &p->calls[nr]);
	use_freedom(plans, p->n_calls);
	for (int nr = 0; nr < p->n_calls; nr++) {
		bpf_label l = put_plan(b, &plans[nr]);

		if (prog == BROKER && p->calls[nr].name && !strcmp(p->calls[nr].name, "sendmsg"))
			l = put_birth_send(b, l);
		runs[nr] = (struct bpf_run){(uint32_t)nr, l};
	}
	free(plans);
	return (size_t)p->n_calls;
}

static int compile(enum program prog, const struct policy *p, struct filter *out, struct err *e)
{
	struct bpf *b = mem_zeroed(1, sizeof(*b));
	struct bpf_run *runs = mem_zeroed((size_t)p->n_calls + 2, sizeof(*runs));
	bpf_label kill = bpf_ret(b, SECCOMP_RET_KILL_PROCESS), search;
	size_t n = put_runs(b, prog, p, runs);
	int r;

	/* newer than the table: the whitelist says what an older kernel would */
	runs[n++] = (struct bpf_run){(uint32_t)p->n_calls,
				     bpf_ret(b, prog == WHITELIST ? errno_ret(ENOSYS) : SECCOMP_RET_ALLOW)};
	runs[n++] = (struct bpf_run){POLICY_X32_BIT, kill};
	search = bpf_load(b, offsetof(struct seccomp_data, nr), bpf_search(b, runs, n));
	search = bpf_jump(b, BPF_JEQ, calls_arch(), search, kill);
	search = bpf_load(b, offsetof(struct seccomp_data, arch), search);
	r = bpf_take(b, search, &out->code, &out->len);
	free(runs);
	free(b);
	if (r == -E2BIG)
		err_set(e, ERR_REQUEST, "seccomp filter", E2BIG, "policy %s needs more than %d instructions", p->name,
			BPF_MAXINSNS);
	else if (r)
		err_set(e, ERR_HOST, "seccomp filter", -r, "policy %s", p->name);
	return r;
}

int filter_whitelist(const struct policy *p, struct filter *out, struct err *e)
{
	return compile(WHITELIST, p, out, e);
}

int filter_broker(const struct policy *p, struct filter *out, struct err *e)
{
	return compile(BROKER, p, out, e);
}

void filter_done(struct filter *f)
{
	free(f->code);
	*f = (struct filter){0};
}
