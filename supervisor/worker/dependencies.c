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

/* Its preloaded modules run in the zygote, before anything is confined. */
static bool is_safe(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == getuid()) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

int dependencies_find(const struct generation *g, const struct policy *p, char path[DEPENDENCIES_PATH_MAX], struct err *e)
{
	char name[PATH_MAX], real[PATH_MAX];
	struct stat st;

	path[0] = '\0';
	if (!p->dependencies)
		return 0;
	if ((size_t)snprintf(name, sizeof(name), "%s/%s/%s", g->config->dependencies_dir, language_name(p->language), p->dependencies) >= sizeof(name))
		return err_set(e, ERR_HOST, "dependencies", ENAMETOOLONG, "%s", p->dependencies);
	if (!realpath(name, real) || stat(real, &st)) {
		if (errno == ENOENT && !strcmp(p->dependencies, SHIPPED))
			return 0;
		return err_set(e, ERR_HOST, "dependencies", errno, "%.200s", name);
	}
	if (!S_ISDIR(st.st_mode) || !is_safe(&st))
		return err_set(e, ERR_HOST, "dependencies", EPERM, "%.200s: must be a directory that root or the supervisor's user alone may change", real);
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
