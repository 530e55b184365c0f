/* cwd.h - the job's working directory: a directory, not a name. It stays the same one when it is renamed or removed.
 *
 * A handle of it is held where its name can change (in /tmp, below a grant); the name is asked for again when it may
 * have. Embedded in struct broker_job.
 */
#ifndef WARDER_CWD_H
#define WARDER_CWD_H

#include "state.h"

void cwd_init(struct broker_job *b, const char *path);
void cwd_done(struct broker_job *b);
/* Brings its name up to date: 0, *gone when it was removed (the name is then its last one), or -ENOENT when it has
 * left the tree. */
int cwd_look(struct request *r, bool *gone);

#endif
