/* arenas.h - CPython's small objects side by side, where large pages can hold them (pages.h).
 *
 * By itself it maps each arena wherever there is room, between libraries. For speed alone: an interpreter that cannot be told keeps its ways.
 */
#ifndef WARDER_ARENAS_H
#define WARDER_ARENAS_H

#include <stddef.h>

/* Before modules are loaded. */
void arenas_begin(void);
/* When the interpreter is warm: what was set aside and not used is given back, and later arenas are mapped as always. */
void arenas_end(void);

/* Takes what is free between small objects for good, so that what a child makes lies together (as pages_use_up_holes does for malloc).
 * `pool`: bytes of a pool, 4096 before CPython 3.10, 16384 from then on. */
void arenas_use_up_holes(void *(*allocate)(size_t size), size_t pool);

#endif
