#include "paths.h"

#include <string.h>

#define PATH_BYTES 4096 /* PATH_MAX, the NUL among them */

const char *paths_problem(const char *path)
{
	size_t len = strlen(path);

	if (*path != '/')
		return "must be an absolute path";
	if (len >= PATH_BYTES)
		return "longer than PATH_MAX";
	if (strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../"))
		return "must be normalised: no //, no . and no ..";
	if (len > 1 &&
	    (path[len - 1] == '/' || !strcmp(path + len - 2, "/.") || (len > 2 && !strcmp(path + len - 3, "/.."))))
		return "must be normalised: no slash and no dot at the end";
	return NULL;
}

bool paths_cover(const char *above, const char *path)
{
	size_t n = strlen(above);

	if (n == 1)
		return true;
	return !strncmp(above, path, n) && (path[n] == '\0' || path[n] == '/');
}
