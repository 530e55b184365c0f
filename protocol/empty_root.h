/* empty_root.h - a process's root directory becomes an empty one that nobody can write to.
 *
 * For a process that is alone in a mount namespace of its own. Who may use it: the zygote, and the supervisor's probe of that layer.
 */
#ifndef WARDER_EMPTY_ROOT_H
#define WARDER_EMPTY_ROOT_H

#include "err.h"

/* What is open stays open; no path leads anywhere afterwards. -errno with words; the process must not go on then. */
int empty_root(struct err *e);

#endif
