/* decode.h - calls in words, for violations: flags by name, paths quoted, addresses spelled out.
 *
 * Only for telling: nothing is decided on what is read here. What the tracee's memory holds is bounded, escaped and
 * may be anything.
 */
#ifndef WARDER_DECODE_H
#define WARDER_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "frames.h"
#include "policy.h"
#include "violations.h"

#define DECODE_SHOWN 256 /* bytes of a path or text that are shown before "…" */

struct decode {
	const struct policy *policy;
	int mem;                 /* the tracee's memory; -1: nothing is read */
	int nr;
	const uint64_t *args;    /* 6 */
	const char *cwd;         /* virtual, for relative paths */
	const char *path;        /* the object as it was resolved; NULL: taken from the arguments */
	const char *address;     /* that was copied before, in words; NULL: taken from the arguments */
	const char *hint;        /* what would allow it, in words; NULL: unknown */
	const char *known[6];    /* texts of pointer arguments that were copied before */
	const struct where *where; /* in the job's source; NULL: not looked for, counted in any entry of this call and object */
	/* What a descriptor of the tracee's is, in words: a path of its tree, "socket 1.2.3.4:80", "pipe". NULL: numbers alone are told. */
	bool (*fd_name)(void *arg, int t_fd, char *buf, size_t size);
	void *fd_arg;
};

/* Counts the call in its entry, or makes one with everything filled in. `rule` may be NULL. */
void decode_record(const struct decode *d, struct violations *vs, enum verdict verdict, int err, const char *rule);
/* Text that the job chose, as it is shown: well-formed, without control characters, ending in "…" behind `most` bytes of it. */
void decode_escape(const char *s, size_t most, char *buf, size_t size);
/* One call as an entry of its own (caller: violation_done), for a trace. */
void decode_call(const struct decode *d, struct violation *out, enum verdict verdict, int err, const char *rule);
struct sockaddr;
/* An address in words: "1.2.3.4:80", "[::1]:80", "unix:/run/x", "unix:@abstract", "family 16". */
void decode_address(const struct sockaddr *sa, size_t len, char *buf, size_t size);
/* One argument in words, NUL-terminated. */
void decode_arg(const struct decode *d, int arg, char *buf, size_t size);
/* How many arguments the call has; 6 for calls without a row here. */
int decode_count(const struct decode *d);

#endif
