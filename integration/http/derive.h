/* derive.h - configuration and policies of our own supervisor, as texts. Knows no processes. Who may use it: starter.
 *
 * The policies are python3 and nodejs, each extending the one of that name in the policy directories behind.
 */
#ifndef WARDER_HTTP_DERIVE_H
#define WARDER_HTTP_DERIVE_H

#include "knobs.h"
#include "policy.h"
#include "text.h"

void derive_config(const struct knobs *k, const char *socket, unsigned cpus, struct text *out);
/* `base` is the policy that is extended. Each call of ALLOWED_SYSCALLS is logged by name, with what becomes of it. -EINVAL: that variable is no list of
 * numbers. */
int derive_policy(const struct knobs *k, const struct policy *base, struct text *out, struct err *e);

#endif
