/* layers.h - which layers of confinement this machine gives, and why one is missing (design section 3).
 *
 * Each layer is tried for real, in a child that ends at once. Who may use it: worker, keeper (start, doctor).
 * Life: a plain struct, filled once at start.
 */
#ifndef WARDER_LAYERS_H
#define WARDER_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroup.h"
#include "err.h"
#include "words.h"

struct layers {
	uint32_t on;                  /* bit (1 << LAYER_x) */
	uint32_t required;            /* likewise; after `require` and `optional` of the configuration */
	char why[LAYER_COUNT][160];   /* why it is not on; "" when it is */
	uint32_t birth_flags;         /* enum birth_flag */
	int landlock_abi;
	char kernel[65];
	char cgroup[CGROUP_PATH_MAX]; /* directory of the one that tracees' leaves are in; "": none */
};

/* `require` and `optional`: bits of the configuration. */
void layers_probe(struct layers *l, uint32_t require, uint32_t optional);
/* For a supervisor that starts: what changes the machine until its end (cgroup.h). Before it makes processes, after layers_probe. */
void layers_begin(struct layers *l);
/* 0, or -ENOTSUP with the first required layer that is missing and why. */
int layers_check(const struct layers *l, struct err *e);
/* What the layer does, and how to get it where it is missing ("": not at all). Static storage. */
const char *layers_purpose(enum layer l);
const char *layers_remedy(enum layer l);
/* The first Linux that can have it, and what it means that it is missing. Static storage. */
const char *layers_since(enum layer l);
const char *layers_lost(enum layer l);

#endif
