/* gate.h - the listening socket in the file system. Who may use it: the keeper, which opens and removes it, and the front, which accepts.
 * No libev. */
#ifndef WARDER_GATE_H
#define WARDER_GATE_H

#include <sys/types.h>

#include "err.h"

/* A listening socket at `path`, non-blocking and close-on-exec: returns its descriptor. A stale socket file, on which
 * nobody answers, is replaced; -EADDRINUSE when somebody does; -EEXIST when no socket is there. group NULL: as created.
 * /run/warder is made (mode 0755) when the path is directly in it; other directories have to be there. */
int gate_open(const char *path, mode_t mode, const char *group, struct err *e);
/* Accepts one connection: its descriptor, non-blocking and close-on-exec; -EAGAIN none waits; -EMFILE, … */
int gate_accept(int gate);
/* Closes, and removes the file (NULL: it is not ours to remove): 0, or -errno when it could not be removed. Nothing happens for gate -1. */
int gate_close(int gate, const char *path);

#endif
