#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

static const char *const level_names[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

static enum log_level max_level = LOG_INFO;
static bool as_json;

void log_set_level(enum log_level level)
{
	max_level = level;
}

void log_set_json(bool on)
{
	as_json = on;
}

int log_level_parse(const char *word)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (strcmp(word, level_names[i]) == 0)
			return (int)i;
	return -1;
}

/* Bytes above 0x7f stay: they are UTF-8, or at worst a wrong glyph, never a command to a terminal in UTF-8 mode
 * except C1, which begin with 0xc2 0x80…0x9f there. */
static size_t escape(char *to, size_t room, const unsigned char *from, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bool c1 = from[i] == 0xc2 && i + 1 < len && from[i + 1] >= 0x80 && from[i + 1] < 0xa0;

		if (n + 5 > room) {
			if (n > 3)
				memcpy(to + n - 3, "...", 3);
			break;
		}
		if (from[i] < 0x20 || from[i] == 0x7f || c1) {
			n += (size_t)sprintf(to + n, "\\x%c%c", hex[from[i] >> 4], hex[from[i] & 15]);
			continue;
		}
		to[n++] = (char)from[i];
	}
	return n;
}

struct out {
	char *to;
	size_t n, room;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (o->n + n <= o->room) {
		memcpy(o->to + o->n, s, n);
		o->n += n;
	}
}

/* A byte inside a JSON string, of a line that has been escaped for terminals already: only these two are special. */
static void put_char(struct out *o, char c)
{
	if (o->n + 8 > o->room) /* what ends the value must fit */
		return;
	if (c == '"' || c == '\\')
		put(o, "\\", 1);
	put(o, &c, 1);
}

/* One value: in quotes up to the quote that ends it, a backslash before each that does not; else up to a space. */
static const char *put_value(struct out *o, const char *p, const char *end)
{
	bool quoted = p < end && *p == '"';

	put(o, ":\"", 2);
	for (p += quoted; p < end && (quoted ? *p != '"' : *p != ' '); p++) {
		/* what escape() wrote as \xNN stays as it is; only quotes and backslashes were escaped by log_value */
		if (quoted && *p == '\\' && p + 1 < end && (p[1] == '"' || p[1] == '\\'))
			p++;
		put_char(o, *p);
	}
	put(o, "\"", 1);
	return p + (quoted && p < end);
}

/* A reader of JSON would break on bytes that are no UTF-8. */
static void make_utf8(char *s, size_t len)
{
	for (size_t i = utf8_prefix(s, len); i < len; i += utf8_prefix(s + i, len - i))
		s[i] = '?';
}

/* key=value pairs as an object. */
static size_t to_json(char *to, size_t room, const char *p, size_t len)
{
	struct out o = {.to = to, .room = room - 1};
	const char *end = p + len;
	bool first = true;

	put(&o, "{", 1);
	while (p < end) {
		const char *key = p;

		while (p < end && *p != '=' && *p != ' ')
			p++;
		if (p > key && o.n + (size_t)(p - key) + 16 < o.room) {
			put(&o, ",\"", first ? 0 : 1);
			put(&o, "\"", 1);
			for (const char *k = key; k < p; k++)
				put_char(&o, *k);
			put(&o, "\"", 1);
			first = false;
			p = put_value(&o, p + (p < end && *p == '='), end);
		}
		while (p < end && *p == ' ')
			p++;
	}
	to[o.n] = '}';
	return o.n + 1;
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
	char raw[LOG_LINE_MAX], line[LOG_LINE_MAX];
	int saved = errno;
	va_list ap;
	int n;

	if (level > max_level)
		return;
	n = snprintf(raw, sizeof(raw), "level=%s event=%s%s", level_names[level], event, fmt ? " " : "");
	if (fmt && n > 0 && (size_t)n < sizeof(raw)) {
		va_start(ap, fmt);
		vsnprintf(raw + n, sizeof(raw) - (size_t)n, fmt, ap);
		va_end(ap);
	}
	size_t len = escape(line, sizeof(line) - 1, (const unsigned char *)raw, strlen(raw));

	if (as_json) {
		make_utf8(line, len);
		len = to_json(raw, sizeof(raw) - 1, line, len);
		memcpy(line, raw, len);
	}
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		errno = 0; /* a log that cannot be written has nobody to tell */
	errno = saved;
}

char *log_value(char *buf, size_t size, const char *s)
{
	size_t n = 0;

	if (!s)
		s = "";
	if (*s && !strpbrk(s, " \"=\\")) {
		snprintf(buf, size, "%s", s);
		return buf;
	}
	if (size < 8) {
		snprintf(buf, size, "?");
		return buf;
	}
	buf[n++] = '"';
	for (; *s && n + 4 < size; s++) {
		if (*s == '"' || *s == '\\')
			buf[n++] = '\\';
		buf[n++] = *s;
	}
	buf[n++] = '"';
	buf[n] = '\0';
	return buf;
}
