/* texts.h - files of settings as they were read, to be parsed later or by somebody else.
 *
 * Who reads need not be who parses: the keeper reads policies and configuration with its rights, and front and worker, which lack them, parse
 * the same bytes. So the files of one reload are read once, too, whatever happens to them meanwhile. Life: zeroed, texts_read_* or texts_add,
 * texts_done. A file that cannot be read is an entry with its errno: it is the parser's to tell.
 */
#ifndef WARDER_TEXTS_H
#define WARDER_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

#define TEXTS_DIR_MAX 1000 /* policies of one directory; one more is read, so that the parser sees that there are too many */

struct text {
	char *path;        /* as it was asked for */
	char *real;        /* the same without links */
	int err;           /* errno of reading; 0: `data` has it. A directory has an entry only if it cannot be listed */
	struct bytes data; /* owned */
	bool listed;       /* it was found in a directory of policies; one that was asked for by itself may be none */
};
struct texts {
	struct text *v;
	size_t n;
};

void texts_read_file(struct texts *t, const char *path);
/* Every *.yaml of it, in the order of their names. A directory that does not exist is an empty one. */
void texts_read_dir(struct texts *t, const char *dir);
/* Copies everything. */
void texts_add(struct texts *t, struct bytes path, struct bytes real, bool listed, int err, struct bytes data);
void texts_copy(struct texts *to, const struct texts *from); /* adds copies of all */
const struct text *texts_find(const struct texts *t, const char *path); /* NULL: none */
void texts_done(struct texts *t);

#endif
