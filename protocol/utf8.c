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
} unseen[] = {
	{0x00, 0x1f}, {0x7f, 0x9f}, {0x2028, 0x2029},  /* C0, DEL, C1, Zl, Zp */
	/* Default_Ignorable_Code_Point of Unicode 15.1 (DerivedCoreProperties.txt), which all bidirectional controls belong to */
	{0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x200b, 0x200f},
	{0x202a, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb},
	{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

#define N_FORMS (sizeof(forms) / sizeof(*forms))
#define N_UNSEEN (sizeof(unseen) / sizeof(*unseen))

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

size_t utf8_prefix(const char *p, size_t n)
{
	size_t good = 0, len;
	uint32_t cp;

	do {
		while (good < n && (uint8_t)p[good] < 0x80) /* of megabytes of source text nearly all */
			good++;
		len = utf8_step(p + good, n - good, &cp);
		good += len;
	} while (len);
	return good;
}

bool utf8_is_unseen(uint32_t cp)
{
	for (size_t i = 0; i < N_UNSEEN; i++)
		if (cp >= unseen[i].from && cp <= unseen[i].to)
			return true;
	return false;
}
