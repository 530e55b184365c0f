/* derive.h - configuration and policies of our own supervisor, as texts. Knows no processes. Who may use it: starter.
 *
 * The policies are python3 and nodejs, each extending the one of that name in the policy directories behind.
 */
#ifndef WARDER_HTTP_DERIVE_H
#define WARDER_HTTP_DERIVE_H

#include <sys/types.h>

#include "knobs.h"
#include "policy.h"
#include "text.h"

/* `installer`: who may have packages installed; may do nothing else that others may not. */
void derive_config(const struct knobs *k, const char *socket, unsigned cpus, uid_t installer, struct text *out);
/* `base` is the policy that is extended. Each call of ALLOWED_SYSCALLS is logged by name, with what becomes of it. -EINVAL: that variable is no list of
 * numbers. */
int derive_policy(const struct knobs *k, const struct policy *base, struct text *out, struct err *e);

#endif
