/* paths.h - what a path must look like in a policy or a job's grants: absolute and normal.
 *
 * Who may use it: everybody. Plain text, no system calls.
 */
#ifndef WARDER_PATHS_H
#define WARDER_PATHS_H

#include <stdbool.h>

/* NULL, or what is wrong with it, to be put behind the field's name. Static storage. */
const char *paths_problem(const char *path);
/* Whether `path` is `above` or lies below it; both absolute and normal, "/" lies above everything. */
bool paths_cover(const char *above, const char *path);

#endif
