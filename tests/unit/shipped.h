/* shipped.h - the policies of this repository, for unit tests: found from the working directory or the program's place.
 */
#ifndef WARDER_SHIPPED_H
#define WARDER_SHIPPED_H

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "policy.h"

/* A path below the repository's root, in static storage; NULL when nothing is there. */
static inline const char *shipped_path(const char *below)
{
	static char path[PATH_MAX];
	char root[PATH_MAX - 256];
	ssize_t n = readlink("/proc/self/exe", root, sizeof(root) - 1);

	snprintf(path, sizeof(path), "%s", below);
	if (!access(path, R_OK))
		return path;
	root[n > 0 ? n : 0] = '\0';
	for (char *slash; (slash = strrchr(root, '/'));) {
		*slash = '\0';
		snprintf(path, sizeof(path), "%s/%.200s", root, below);
		if (!access(path, R_OK))
			return path;
	}
	return NULL;
}

static inline void shipped_print_errors(const struct policy_errors *es)
{
	for (size_t i = 0; i < es->n; i++)
		fprintf(stderr, "%s:%d:%d: %s\n", es->v[i].file, es->v[i].line, es->v[i].column, es->v[i].text);
}

/* NULL after printing what is wrong. */
static inline struct policy_set *shipped_policies(void)
{
	const char *dirs[] = {shipped_path("policies"), NULL};
	struct policy_errors es = {0};
	struct policy_set *s = policy_set_load(dirs, &es);

	shipped_print_errors(&es);
	policy_errors_done(&es);
	return s;
}

#endif
