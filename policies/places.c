#include "places.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The directory of this program; "" when it cannot be told. */
static void own_dir(char *buf, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	if (strrchr(buf, '/'))
		*strrchr(buf, '/') = '\0';
}

const char *const *policy_places(void)
{
	static char beside[PATH_MAX + 32], shared[PATH_MAX + 32];
	static const char *found[3];
	char dir[PATH_MAX];
	int n = 0;

	own_dir(dir, sizeof(dir));
	snprintf(beside, sizeof(beside), "%s/../policies", dir);
	snprintf(shared, sizeof(shared), "%s/../share/warder/policies", dir);
	if (!is_dir(shared))
		strcpy(shared, "/usr/share/warder/policies");
	if (is_dir(beside)) {
		found[n++] = beside;
	} else {
		if (is_dir("/etc/warder/policies"))
			found[n++] = "/etc/warder/policies";
		if (is_dir(shared))
			found[n++] = shared;
	}
	found[n] = NULL;
	return found;
}
