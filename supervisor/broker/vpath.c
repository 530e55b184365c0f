#include "vpath.h"

#include <errno.h>
#include <string.h>

int vpath_set(struct vpath *v, const char *path)
{
	size_t n = strlen(path);

	if (n >= sizeof(v->s))
		return -ENAMETOOLONG;
	memcpy(v->s, path, n + 1);
	v->len = n;
	v->must_dir = false;
	return 0;
}

int vpath_push(struct vpath *v, const char *name, size_t len)
{
	if (len + 2 > sizeof(v->s) - v->len)
		return -ENAMETOOLONG;
	v->s[v->len++] = '/';
	memcpy(v->s + v->len, name, len);
	v->len += len;
	v->s[v->len] = '\0';
	return 0;
}

void vpath_pop(struct vpath *v)
{
	while (v->len && v->s[--v->len] != '/')
		;
	v->s[v->len] = '\0';
}

int vpath_join(struct vpath *v, const char *base, const char *text)
{
	const char *p = text;
	int rc = vpath_set(v, *text == '/' ? "" : base);

	while (!rc && *p) {
		size_t len = strcspn(p, "/");

		v->must_dir = len == 0 || (len == 1 && *p == '.');
		if (len == 2 && !memcmp(p, "..", 2))
			return 1;
		if (!v->must_dir)
			rc = vpath_push(v, p, len);
		p += len;
		if (*p == '/') {
			v->must_dir = true;
			p++;
		}
	}
	return rc;
}

const char *vpath_show(const char *path)
{
	return *path ? path : "/";
}

/* the slash sorts before every other byte, the end before all */
static unsigned rank(char c)
{
	if (c == '\0')
		return 0;
	return c == '/' ? 1 : (unsigned char)c + 1u;
}

int vpath_cmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (int)rank(*a) - (int)rank(*b);
}

bool vpath_covers(const char *prefix, size_t prefix_len, const char *path)
{
	return !strncmp(prefix, path, prefix_len) && (path[prefix_len] == '\0' || path[prefix_len] == '/');
}
