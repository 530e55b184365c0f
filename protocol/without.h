/* without.h - test builds in which one wall is missing: `make WITHOUT=landlock`, into BUILD/without-landlock.
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

/* name; bits of the layers that are then not on; what is missing in such a build */
#define WITHOUT_ROWS(X) \
	X(nothing, 0, "") \
	X(seccomp, 1u << LAYER_SECCOMP, "the whitelist is not loaded") \
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

#ifdef WITHOUT_BUILD
#define WITHOUT_PASTE(name) WITHOUT_##name
#define WITHOUT_EXPAND(name) WITHOUT_PASTE(name)
#define WITHOUT_PICKED WITHOUT_EXPAND(WITHOUT_BUILD)
#define WITHOUT_QUOTE(name) #name
#define WITHOUT_TEXT(name) WITHOUT_QUOTE(name)
/* behind the version; the Makefile looks for its first words in what is to be installed */
#define WITHOUT_VERSION " (test build without " WITHOUT_TEXT(WITHOUT_BUILD) ")"
#define WITHOUT_NAME WITHOUT_TEXT(WITHOUT_BUILD)
#else
#define WITHOUT_PICKED WITHOUT_nothing
#define WITHOUT_VERSION ""
#define WITHOUT_NAME ""
#endif

#define WITHOUT(name) (WITHOUT_PICKED == WITHOUT_##name)
#define WITHOUT_LAYERS_OF(name, layers, means) | (WITHOUT(name) ? (layers) : 0u)
/* bits (1 << LAYER_x) that this build does not have */
#define WITHOUT_LAYERS (0u WITHOUT_ROWS(WITHOUT_LAYERS_OF))
#define WITHOUT_MEANS_OF(name, layers, means) WITHOUT(name) ? means :
#define WITHOUT_MEANS (WITHOUT_ROWS(WITHOUT_MEANS_OF) "")

#endif
