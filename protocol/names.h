/* names.h - names of files that cross the wire: a job's `files`, its `collect` patterns, a result's `files`.
 *
 * Such a name is relative to the job's /tmp: components between single slashes, none of them "." or "..", good UTF-8
 * without NUL bytes (other control characters are names on Linux, too). Who may use it: everybody. No state.
 */
#ifndef WARDER_NAMES_H
#define WARDER_NAMES_H

#include <stddef.h>

#include "bytes.h"

#define NAMES_BYTES_MAX 1024 /* of a whole name */
#define NAMES_DEPTH_MAX 32   /* components */
#define NAMES_PART_MAX  255  /* bytes of one component, NAME_MAX of Linux */
#define NAMES_SHOWN     68   /* a buffer for names_show */

/* NULL for a good name, else what is wrong with it: "must be relative". */
const char *names_flaw(struct bytes name);
/* The name as error texts have it: printable ASCII, cut where it is long. Returns buf. */
const char *names_show(struct bytes name, char buf[NAMES_SHOWN]);
/* Orders names so that everything below a directory follows it at once: "a" < "a/b" < "a-b". */
int names_cmp(const char *a, const char *b);
/* Whether `name` lies below the directory `dir`. */
int names_below(const char *dir, const char *name);

#define NAMES_TREE_MAX 64 /* bytes of the name of a tree of packages */
/* NULL, or why this cannot name a tree of packages (`dependencies`): letters, digits and . _ - alone, no dot first. Static storage. */
const char *names_tree_problem(const char *s);

#endif
