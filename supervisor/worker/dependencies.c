#include "dependencies.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#define SHIPPED "default" /* the name in the shipped policies: it need not exist */

/* How each language is told: the interpreter's bootstrap reads the first, Node itself the second. */
static const struct {
	const char *variable, *below;
} forms[LANGUAGE_COUNT] = {
	[LANGUAGE_PYTHON3] = {"WARDER_DEPENDENCIES", ""},
	[LANGUAGE_NODEJS] = {"NODE_PATH", "/node_modules"},
};
_Static_assert(sizeof(forms) / sizeof(forms[0]) == LANGUAGE_COUNT, "one a language");

#define UNMAPPED 65534 /* root's directories, seen from a user namespace that has no root */

/* Root's or ours, and nobody else's to write; of a directory above, where names of ours are, also one with the sticky bit. */
static bool is_safe(const char *path, bool above)
{
	mode_t others = S_IWGRP | S_IWOTH;
	struct stat st;

	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return false;
	if (above && st.st_uid == UNMAPPED)
		return !(st.st_mode & others) || st.st_mode & S_ISVTX;
	return (st.st_uid == 0 || st.st_uid == getuid()) && (!(st.st_mode & others) || (above && st.st_mode & S_ISVTX));
}

/* Whether nobody else can put another directory there: a tree's preloaded modules run in the zygote, before anything is confined. `path` is real. */
static bool is_safe_up_to_root(const char *path, bool above)
{
	char up[PATH_MAX];

	if (!is_safe(path, above))
		return false;
	snprintf(up, sizeof(up), "%s", path);
	for (char *slash; (slash = strrchr(up, '/')) && up[1];) {
		slash[slash == up] = '\0';
		if (!is_safe(up, true))
			return false;
	}
	return true;
}

/* The directory that the link is in is somebody's to point elsewhere, too. */
static bool is_ours(const struct generation *g, const struct policy *p, const char *real)
{
	char base[PATH_MAX], real_base[PATH_MAX];

	snprintf(base, sizeof(base), "%s/%s", g->config->dependencies_dir, language_name(p->language));
	return is_safe_up_to_root(real, false) && realpath(base, real_base) && is_safe_up_to_root(real_base, true);
}

int dependencies_find(const struct generation *g, const struct policy *p, char path[DEPENDENCIES_PATH_MAX], struct err *e)
{
	char name[PATH_MAX], real[PATH_MAX];

	path[0] = '\0';
	if (!p->dependencies)
		return 0;
	if ((size_t)snprintf(name, sizeof(name), "%s/%s/%s", g->config->dependencies_dir, language_name(p->language), p->dependencies) >= sizeof(name))
		return err_set(e, ERR_HOST, "dependencies", ENAMETOOLONG, "%s", p->dependencies);
	if (!realpath(name, real)) {
		if (errno == ENOENT && !strcmp(p->dependencies, SHIPPED))
			return 0;
		return err_set(e, ERR_HOST, "dependencies", errno, "%.200s", name);
	}
	if (!is_ours(g, p, real))
		return err_set(e, ERR_HOST, "dependencies", EPERM, "%.120s: must be a directory, below directories, that root or the supervisor's user alone may change", real);
	if (strlen(real) >= DEPENDENCIES_PATH_MAX)
		return err_set(e, ERR_HOST, "dependencies", ENAMETOOLONG, "%.200s", real);
	strcpy(path, real);
	return 0;
}

bool dependencies_moved(const struct generation *g, const struct policy *p, const char *path)
{
	char now[DEPENDENCIES_PATH_MAX];
	struct err e;

	return p->dependencies && !dependencies_find(g, p, now, &e) && *now && strcmp(now, path) != 0;
}

const char *dependencies_variable(const struct policy *p, const char *path, char *buf, size_t size)
{
	snprintf(buf, size, "%s=%s%s", forms[p->language].variable, path, forms[p->language].below);
	return buf;
}
