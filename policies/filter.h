/* filter.h - policies compiled to seccomp-bpf, and a simulator of it.
 *
 * Two programs per policy. The whitelist is loaded once, by the zygote: it leaves at ALLOW what is allowed, brokered or
 * refused through the listener, and what the birth of a tracee needs. The broker filter is loaded by each tracee, with
 * the listener: it notifies the brokered and refused calls and kills the birth's calls again. The kernel takes the
 * strictest of both (seccomp(2): KILL_PROCESS, …, ERRNO, USER_NOTIF, …, ALLOW).
 * Both begin: another architecture or an x32 number kills; the whitelist answers numbers past the table with ENOSYS.
 * Only the stricter of both is the policy's word (policy_judge says the same): where the whitelist kills or gives an
 * errno in any case, the broker filter says whatever makes it shorter. Ask both, then filter_strictest.
 * Who may use it: worker (compile), tools and tests (simulate), tracer (simulate: is this the call that kills?).
 */
#ifndef WARDER_FILTER_H
#define WARDER_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "policy.h"

struct filter {
	struct sock_filter *code; /* owned; filter_done */
	unsigned short len;       /* instructions, at most BPF_MAXINSNS */
};

/* -E2BIG when the program would be longer than the kernel takes; words in `e`. */
int filter_whitelist(const struct policy *p, struct filter *out, struct err *e);
int filter_broker(const struct policy *p, struct filter *out, struct err *e);
void filter_done(struct filter *f);

/* The SECCOMP_RET_* value that the kernel would compute. A bad program is SECCOMP_RET_KILL_PROCESS. */
uint32_t filter_run(const struct filter *f, const struct seccomp_data *d);
/* The stricter of two SECCOMP_RET_* values, as the kernel ranks them. */
uint32_t filter_strictest(uint32_t a, uint32_t b);

#endif
