#include "names.h"

#include <stdio.h>
#include <string.h>

#include "rpc.h"
#include "utf8.h"

static const char *part_flaw(const char *p, size_t n)
{
	if (n == 0)
		return "has an empty component";
	if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
		return "must not hold . or ..";
	return n > NAMES_PART_MAX ? "has a component of more than 255 bytes" : NULL;
}

const char *names_flaw(struct bytes name)
{
	const char *p = name.p, *end = name.p + name.len, *flaw = NULL;
	unsigned parts = 0;

	if (name.len == 0)
		return "must not be empty";
	if (name.len > NAMES_BYTES_MAX)
		return "has more than 1024 bytes";
	if (memchr(p, '\0', name.len))
		return "holds a NUL byte";
	if (*p == '/')
		return "must be relative to the job's /tmp";
	if (utf8_prefix(p, name.len) < name.len)
		return "must be UTF-8";
	for (;;) {
		const char *slash = memchr(p, '/', (size_t)(end - p)), *stop = slash ? slash : end;

		flaw = part_flaw(p, (size_t)(stop - p));
		if (!flaw && ++parts > NAMES_DEPTH_MAX)
			flaw = "has more than 32 components";
		if (flaw || !slash)
			return flaw;
		p = slash + 1;
	}
}

const char *names_show(struct bytes name, char buf[NAMES_SHOWN])
{
	size_t n = 0;

	for (; n < name.len && n < NAMES_SHOWN - 4; n++) {
		unsigned char c = (unsigned char)name.p[n];

		buf[n] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
	}
	snprintf(buf + n, NAMES_SHOWN - n, "%s", n < name.len ? "..." : "");
	return buf;
}

/* As numbers for the order: the end first, then the slash. */
static int rank(char c)
{
	return c == '\0' ? 0 : c == '/' ? 1 : (unsigned char)c + 1;
}

int names_cmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return rank(*a) - rank(*b);
}

int names_below(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	return strncmp(dir, name, n) == 0 && name[n] == '/';
}

const char *names_tree_problem(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (!*s || strlen(s) > NAMES_TREE_MAX)
		return "must have 1 to 64 bytes";
	return *s == '.' || s[strspn(s, letters)] ? "must be of letters, digits and . _ -, no dot first" : NULL;
}
