/* without.h - test builds in which one wall is missing: `make WITHOUT=landlock`, into BUILD/without-landlock. Several are joined by +.
 *
 * What a wall is worth shows when it alone is gone (tests/beds/without). Who may use it: whoever puts the wall up, by WITHOUT(name), a constant
 * that is 0 in every other build; nothing at run time can make it 1. A test build says what it is in its version, in its log, in `warder doctor`
 * and in each result's `layers`, and `make install` refuses it. What includes this header is compiled anew for each of them, the rest is shared.
 *
 * no_new_privs has no row: without it the kernel lets none but CAP_SYS_ADMIN load a filter or a Landlock ruleset (EPERM, EACCES), so no build
 * without it could have the others.
 */
#ifndef WARDER_WITHOUT_H
#define WARDER_WITHOUT_H

#include "words.h"

/* name; bits of the layers that are then not on; what such a build does not have */
#define WITHOUT_ROWS(X) \
	X(seccomp, 1u << LAYER_SECCOMP, "the whitelist is not loaded") \
	X(floor, 0, "the supervisor's floor under everything it starts (guard.c)") \
	X(leftovers, 0, "the broker filter leaves open what births need and policies do not list") \
	X(broker, 1u << LAYER_BROKER, "what the broker refuses goes on to the kernel") \
	X(landlock, 1u << LAYER_LANDLOCK | 1u << LAYER_LANDLOCK_NET | 1u << LAYER_LANDLOCK_SCOPE, "no ruleset") \
	X(identity, 1u << LAYER_IDENTITY, "jobs keep the supervisor's uid") \
	X(namespaces, 1u << LAYER_NAMESPACES | 1u << LAYER_EMPTY_ROOT, "jobs are in the host's") \
	X(empty_root, 1u << LAYER_EMPTY_ROOT, "jobs have the host's root directory") \
	X(readonly_grants, 1u << LAYER_READONLY_GRANTS, "granted files are opened through the host's own mounts") \
	X(tmp_quota, 1u << LAYER_TMP_QUOTA, "/tmp is a directory whose size is watched") \
	X(rlimits, 1u << LAYER_RLIMITS, "limits stay as inherited") \
	X(watch, 0, "the worker does not look at memory and CPU time") \
	X(ptrace, 1u << LAYER_PTRACE, "tracees are not killed with their tracer")

#define WITHOUT_ENUM(name, layers, means) WITHOUT_##name,
enum without { WITHOUT_ROWS(WITHOUT_ENUM) };

/* The Makefile defines both: a bit (1 << WITHOUT_x) for each that is left out, and their names. */
#ifdef WITHOUT_BITS
/* behind the version; the Makefile looks for its first words in what is to be installed */
#define WITHOUT_VERSION " (test build without " WITHOUT_NAME ")"
#else
#define WITHOUT_BITS 0u
#define WITHOUT_NAME ""
#define WITHOUT_VERSION ""
#endif

#define WITHOUT(name) ((WITHOUT_BITS) >> WITHOUT_##name & 1u)
#define WITHOUT_LAYERS_OF(name, layers, means) | (WITHOUT(name) ? (layers) : 0u)
/* bits (1 << LAYER_x) that this build does not have */
#define WITHOUT_LAYERS (0u WITHOUT_ROWS(WITHOUT_LAYERS_OF))

#endif
