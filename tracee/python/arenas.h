/* arenas.h - CPython's small objects side by side, where large pages can hold them (pages.h).
 *
 * By itself it maps each arena wherever there is room, between libraries. For speed alone: an interpreter that cannot be told keeps its ways.
 */
#ifndef WARDER_ARENAS_H
#define WARDER_ARENAS_H

/* Before modules are loaded. */
void arenas_begin(void);
/* When the interpreter is warm: what was set aside and not used is given back, and later arenas are mapped as always. */
void arenas_end(void);

#endif
