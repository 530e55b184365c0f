/* dependencies.h - trees of packages that jobs find beside their interpreter's own: read-only, made by others, replaced as a whole.
 *
 * LANGUAGE/NAME below the configured directory is a tree, or a link to the version of it that is in use. A zygote takes the version that
 * is there when it starts, and keeps it; when the link leads elsewhere, a new zygote takes its place (renew.c). Nothing is ever
 * installed from here. Who may use it: the worker.
 */
#ifndef WARDER_DEPENDENCIES_H
#define WARDER_DEPENDENCIES_H

#include <stddef.h>

#include "generation.h"
#include "policy.h"

#define DEPENDENCIES_PATH_MAX 512 /* of a version's real path */

/* Writes the real path of the version in use; "" when the policy names no tree, or names `default` and there is none. -errno with words in
 * `e`: it is missing, is no directory, or others than root and the supervisor's user could change it or put another in its place. */
int dependencies_find(const struct generation *g, const struct policy *p, char path[DEPENDENCIES_PATH_MAX], struct err *e);
/* Whether another version than `path` is in use by now. False while there is none that could be. */
bool dependencies_moved(const struct generation *g, const struct policy *p, const char *path);
/* The variable that tells a zygote its tree, "NAME=…", into `buf`. The job finds its own environment in its place. */
const char *dependencies_variable(const struct policy *p, const char *path, char *buf, size_t size);

#endif
