#include "utf8.h"

/* by the number of bytes: what the first byte looks like, and the smallest character that needs this form */
static const struct form {
	uint8_t mask, mark;
	uint32_t least;
} forms[] = {
	{0x80, 0x00, 0x0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000},
};

static const struct range {
	uint32_t from, to;
} controls[] = {
	{0x00, 0x1f}, {0x7f, 0x9f}, {0x061c, 0x061c}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
};

#define N_FORMS (sizeof(forms) / sizeof(*forms))
#define N_CONTROLS (sizeof(controls) / sizeof(*controls))

size_t utf8_step(const char *p, size_t n, uint32_t *cp)
{
	size_t len = 0;

	if (!n)
		return 0;
	while (len < N_FORMS && ((uint8_t)*p & forms[len].mask) != forms[len].mark)
		len++;
	if (len == N_FORMS || len >= n)
		return 0;
	*cp = (uint8_t)*p & (uint8_t)~forms[len].mask;
	for (size_t i = 1; i <= len; i++) {
		if (((uint8_t)p[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | ((uint8_t)p[i] & 0x3f);
	}
	if (*cp < forms[len].least || *cp > 0x10ffff || (*cp >= 0xd800 && *cp <= 0xdfff))
		return 0;
	return len + 1;
}

bool utf8_valid(const char *p, size_t n)
{
	uint32_t cp;

	while (n) {
		size_t len = utf8_step(p, n, &cp);
		if (!len)
			return false;
		p += len;
		n -= len;
	}
	return true;
}

bool utf8_is_control(uint32_t cp)
{
	for (size_t i = 0; i < N_CONTROLS; i++)
		if (cp >= controls[i].from && cp <= controls[i].to)
			return true;
	return false;
}
