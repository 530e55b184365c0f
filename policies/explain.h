/* explain.h - what would allow a call or an object that a policy does not: in words, as a policy or a job writes it.
 *
 * One place for the hints of violations, for `warder policy explain` and for the debugger, so that they agree. Who may use it: everybody. Pure.
 */
#ifndef WARDER_EXPLAIN_H
#define WARDER_EXPLAIN_H

#include "policy.h"

#define EXPLAIN_HINT 256 /* bytes of a hint */

enum remedy {
	REMEDY_NONE,   /* nothing can allow it */
	REMEDY_NATIVE, /* the policy may let the kernel carry it out: allow, allow_if */
	REMEDY_BROKER, /* it may have the supervisor answer it */
	REMEDY_POLICY, /* another key of the policy */
};

/* A call that the policy's rows kill or refuse. `args` NULL: the registers are not known. Fills hint (EXPLAIN_HINT bytes). */
enum remedy explain_call(const struct policy *p, int nr, const uint64_t *args, char *hint);
/* A path outside the grants, or without the right: the grant of a job that would do. What is not there cannot be granted, so for names that are
 * made or removed it is that of their directory. */
enum explain_need { EXPLAIN_READ, EXPLAIN_WRITE, EXPLAIN_NAME };
enum remedy explain_path(const char *path, enum explain_need need, char *hint);
/* What the call needs of what its path names; of open and its like the flags say more. */
enum explain_need explain_need(const char *call);
/* Whether the floor keeps the call from the kernel and the supervisor has no answer to it either. */
bool explain_is_unanswered(const char *call);

#endif
