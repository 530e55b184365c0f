/* vpath.h - names in the job's virtual tree, as text.
 *
 * A virtual path is absolute and normal: "/a/b", the root is the empty string; no ".", "..", "//" or slash at its end.
 * Plain functions without system calls. Who may use them: the broker.
 */
#ifndef WARDER_VPATH_H
#define WARDER_VPATH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* a working directory and a path given in a call, each at most PATH_MAX */
#define VPATH_MAX (2 * PATH_MAX)

struct vpath {
	size_t len;
	bool must_dir;  /* the text ended in a slash or in "." */
	char s[VPATH_MAX];
};

/* `text` seen from the virtual path `base` (not looked at when text is absolute). 0; 1 when the text has a ".."
 * component, whose meaning depends on links (`v` is then unspecified); -ENAMETOOLONG. */
int vpath_join(struct vpath *v, const char *base, const char *text);
int vpath_set(struct vpath *v, const char *path);
/* Adds one component. -ENAMETOOLONG. */
int vpath_push(struct vpath *v, const char *name, size_t len);
/* Takes the last component off; the root's parent is the root. */
void vpath_pop(struct vpath *v);
/* What a user is shown: "/" for the root. */
const char *vpath_show(const char *path);

/* Orders paths so that everything below a directory follows it at once: "/a" < "/a/b" < "/a-b". */
int vpath_cmp(const char *a, const char *b);
/* Whether `path` is `prefix` or lies below it. */
bool vpath_covers(const char *prefix, size_t prefix_len, const char *path);

#endif
