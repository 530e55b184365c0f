/* hints.h - what would allow a call that was refused: for its violation. Who may use it: broker.c. */
#ifndef WARDER_HINTS_H
#define WARDER_HINTS_H

#include "state.h"

/* Fills r->hint, unless the call's handler has; it stays empty where nobody can say. Nothing is looked up on the host: what is not granted is
 * not told of. `err` 0: it kills, or is hidden. */
void hints_fill(struct request *r, enum verdict verdict, int err, const char *path);
/* The call gets EACCES, and nothing was told of it: for a file below a grant its mode, or that of a directory above it, keeps the job's own
 * user out. No grant can mend that, which is what is told. In its own /tmp the job is the one who closed it; access(2) only asks. */
void hints_tell_closed(struct request *r);

#endif
