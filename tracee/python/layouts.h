/* layouts.h - where CPython keeps what a frame is told from, by version.
 *
 * Used by the addon alone, in the zygote, before anything is confined: makes the numbers that pyframes.h reads a job's memory with.
 */
#ifndef WARDER_LAYOUTS_H
#define WARDER_LAYOUTS_H

#include "pyframes.h"

/* Of this interpreter, whose sys.hexversion is given, with its addresses. 0, or -ENOTSUP with the reason in *why (static). */
int layouts_find(unsigned long hexversion, uint64_t code_type, uint64_t thread_state, struct pyframes *p, const char **why);

#endif
