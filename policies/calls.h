/* calls.h - the machine's system calls by name and number, and the floor that no policy lifts.
 *
 * Names come from libseccomp, for the running architecture, and from a small table of names newer than it has.
 * Who may use it: the policy library, its tests. Static data, filled on first use; names live as long as the process.
 * Warder runs on two architectures, x86-64 and arm64, and knows no others.
 */
#ifndef WARDER_CALLS_H
#define WARDER_CALLS_H

#include <stddef.h>
#include <stdint.h>

/* Whose numbers these are, as seccomp_data.arch has it (SCMP_ARCH_* are the same): the machine's own. */
uint32_t calls_arch(void);
/* Policies that are loaded from here on are the other architecture's, to be simulated; for tests. Those that are loaded keep their numbers. */
void calls_simulate(uint32_t arch);

/* Highest known number + 1. Numbers from here on are newer than the table. */
int calls_count(void);
const char *calls_name(int nr); /* NULL: a hole */

/* A number; CALLS_ELSEWHERE: a call of another architecture only; CALLS_UNKNOWN: no call at all. */
#define CALLS_UNKNOWN   (-1)
#define CALLS_ELSEWHERE (-2)
int calls_number(const char *name);

/* How far a policy may go with a call of the floor. */
enum floor_kind {
	FLOOR_NONE,
	FLOOR_NEVER,       /* killed or refused, nothing else */
	FLOOR_BROKER_ONLY, /* never natively: no other layer stands behind the filter there (Landlock does not cover it)
			    */
	FLOOR_CONDITIONAL, /* natively only under conditions */
};
struct floor {
	const char *name;
	enum floor_kind kind;
	const char *why; /* the reason, as a refusal and the documentation show it */
	uint64_t bits;   /* bits of argument `arg` that no row that allows or brokers may leave open; 0: none */
	uint8_t arg;
};
const struct floor *floor_find(const char *name); /* NULL: not on the floor */
const struct floor *floor_at(size_t i);           /* NULL past the end; for tests and documentation */

#endif
