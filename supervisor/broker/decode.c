#include "decode.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "decode_structs.h"
#include "decode_table.h"
#include "decode_text.h"
#include "guest.h"
#include "vpath.h"

#define ARGV_SHOWN 6    /* strings of an argument vector */
#define DATA_SHOWN 32   /* bytes of what is written */
#define ARG_SIZE 1100   /* of one decoded argument: DECODE_SHOWN bytes, all escaped, and quotes */
#define PATH_SIZE (PATH_MAX + 64)

/* --- text that the job chose -------------------------------------------------------------------------------- */

void decode_escape(const char *s, size_t most, char *buf, size_t size)
{
	struct text t = {buf, 0, size};

	buf[0] = '\0';
	text_escape(&t, s, strlen(s), most, "");
}

static void put_quoted(struct text *t, const char *s, size_t most)
{
	text_put(t, "\"");
	text_escape(t, s, strlen(s), most, "\"\\");
	text_put(t, "\"");
}

/* The text an argument points to; NULL when it cannot be read. buf: PATH_MAX bytes. */
static const char *text_of(const struct decode *d, int arg, char *buf)
{
	ssize_t n;

	if (d->known[arg])
		return d->known[arg];
	n = d->mem < 0 || !d->args[arg] ? -EFAULT : guest_string(d->mem, d->args[arg], buf, PATH_MAX);
	if (n == -ENAMETOOLONG)
		buf[PATH_MAX - 1] = '\0';
	return n == -EFAULT ? NULL : buf;
}

/* --- addresses ---------------------------------------------------------------------------------------------- */

static void put_ip(struct text *t, int family, const void *ip, in_port_t port)
{
	char host[INET6_ADDRSTRLEN];

	if (inet_ntop(family, ip, host, sizeof(host)))
		text_put(t, family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, ntohs(port));
}

static void put_unix(struct text *t, const struct sockaddr_un *un, size_t len)
{
	size_t n = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;

	text_put(t, "unix:");
	if (n && !un->sun_path[0]) {
		text_put(t, "@");
		text_escape(t, un->sun_path + 1, n - 1, DECODE_SHOWN, "");
	} else {
		text_escape(t, un->sun_path, strnlen(un->sun_path, n), DECODE_SHOWN, "");
	}
}

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage room;
};

/* What is missing of a short one counts as zero. */
static void put_address(struct text *t, const union address *a, size_t len)
{
	if (a->sa.sa_family == AF_INET)
		put_ip(t, AF_INET, &a->in.sin_addr, a->in.sin_port);
	else if (a->sa.sa_family == AF_INET6)
		put_ip(t, AF_INET6, &a->in6.sin6_addr, a->in6.sin6_port);
	else if (a->sa.sa_family == AF_UNIX)
		put_unix(t, &a->un, len);
	else
		text_put(t, "family %u", a->sa.sa_family);
}

void decode_address(const struct sockaddr *sa, size_t len, char *buf, size_t size)
{
	struct text t = {buf, 0, size};
	union address a = {0};

	memcpy(&a, sa, len < sizeof(a) ? len : sizeof(a));
	buf[0] = '\0';
	if (len >= sizeof(sa->sa_family))
		put_address(&t, &a, len);
}

/* "1.2.3.4:80" and the like; false when the argument leads to no address. The next argument is its length. */
static bool address_of(const struct decode *d, int arg, struct text *t)
{
	union address a = {0};
	size_t len = arg < 5 ? (uint32_t)d->args[arg + 1] : 0;

	if (d->address) {
		text_put(t, "%s", d->address);
		return true;
	}
	if (len > sizeof(a))
		len = sizeof(a);
	if (d->mem < 0 || !d->args[arg] || len < sizeof(a.sa.sa_family) || guest_read(d->mem, d->args[arg], &a, len))
		return false;
	put_address(t, &a, len);
	return true;
}

/* --- values ------------------------------------------------------------------------------------------------- */

static void put_argv(const struct decode *d, struct text *t, uint64_t t_addr)
{
	char buf[PATH_MAX];
	uint64_t p = 0;

	text_put(t, "[");
	for (int i = 0; i < ARGV_SHOWN + 1; i++) {
		if (d->mem < 0 || guest_read(d->mem, t_addr + 8 * (uint64_t)i, &p, sizeof(p)) || !p)
			break;
		text_put(t, "%s", i ? ", " : "");
		if (i == ARGV_SHOWN || guest_string(d->mem, p, buf, sizeof(buf)) < 0)
			text_put(t, "…");
		else
			put_quoted(t, buf, 64);
	}
	text_put(t, "]");
}

static void put_text(const struct decode *d, struct text *t, int arg)
{
	char buf[PATH_MAX];
	const char *s = text_of(d, arg, buf);

	if (s)
		put_quoted(t, s, DECODE_SHOWN);
	else if (d->args[arg])
		text_put(t, "0x%llx", (unsigned long long)d->args[arg]);
	else
		text_put(t, "NULL");
}

/* Bytes that the job hands over; how many is in the next argument. */
static void put_data(const struct decode *d, struct text *t, int arg)
{
	uint64_t len = arg < 5 ? d->args[arg + 1] : 0;
	size_t n = len < DATA_SHOWN ? (size_t)len : DATA_SHOWN;
	char buf[DATA_SHOWN];

	if (d->mem < 0 || !d->args[arg] || guest_read(d->mem, d->args[arg], buf, n)) {
		text_pointer(t, d->args[arg]);
		return;
	}
	text_put(t, "\"");
	text_escape(t, buf, n, DATA_SHOWN, "\"\\");
	text_put(t, len > n ? "\"…" : "\"");
}

/* A number of the tracee's table, and what is there. */
static void put_fd(const struct decode *d, struct text *t, int t_fd)
{
	char name[PATH_SIZE];

	text_put(t, "%d", t_fd);
	if (!d->fd_name || t_fd < 0 || !d->fd_name(d->fd_arg, t_fd, name, sizeof(name)))
		return;
	text_put(t, "<");
	text_escape(t, name, strlen(name), DECODE_SHOWN, "<>");
	text_put(t, ">");
}

static void put_number(struct text *t, enum decode_kind kind, uint64_t v)
{
	if (kind == A_DIRFD && (int)v == AT_FDCWD)
		text_put(t, "AT_FDCWD");
	else if (kind == A_SIZE)
		text_put(t, "%llu", (unsigned long long)v);
	else if (kind == A_OCTAL || kind == A_OMODE)
		text_put(t, "0%03llo", (unsigned long long)v & 07777);
	else if (kind == A_HEX)
		text_put(t, v > 9 ? "0x%llx" : "%llu", (unsigned long long)v);
	else /* registers hold ints without their sign */
		text_put(t, "%d", (int)v);
}

static enum decode_kind kind_of(const struct decode_row *row, int arg)
{
	return row ? row->kind[arg] : A_HEX;
}

static const struct decode_row *row_of(const struct decode *d)
{
	const char *name = policy_call_name(d->policy, d->nr);

	return name ? decode_row(name) : NULL;
}

void decode_arg(const struct decode *d, int arg, char *buf, size_t size)
{
	enum decode_kind kind = kind_of(row_of(d), arg);
	struct text t = {buf, 0, size};

	buf[0] = '\0';
	if (kind == A_PATH || kind == A_TEXT)
		put_text(d, &t, arg);
	else if (kind == A_ARGV)
		put_argv(d, &t, d->args[arg]);
	else if (kind == A_DATA)
		put_data(d, &t, arg);
	else if (decode_is_struct(kind))
		decode_struct(d, kind, arg, &t);
	else if (kind == A_FD || (kind == A_DIRFD && (int)d->args[arg] != AT_FDCWD))
		put_fd(d, &t, (int)d->args[arg]);
	else if (kind == A_PTR || (kind == A_ADDR && !address_of(d, arg, &t)))
		text_pointer(&t, d->args[arg]);
	else if (kind == A_SOCKOPT && arg > 0)
		text_words(&t, decode_sockopts((uint32_t)d->args[arg - 1]), (uint32_t)d->args[arg]);
	else if (decode_words[kind].v->name)
		text_words(&t, &decode_words[kind], (uint32_t)d->args[arg] == d->args[arg] ? d->args[arg]
		          : kind == A_CLONE ? d->args[arg] : (uint32_t)d->args[arg]);
	else if (kind != A_ADDR)
		put_number(&t, kind, d->args[arg]);
}

/* The mode of an open says something only when a file is made. */
static bool has_mode(const struct decode *d, int arg)
{
	return arg > 0 && (d->args[arg - 1] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)));
}

int decode_count(const struct decode *d)
{
	const struct decode_row *row = row_of(d);
	int n = 0;

	if (!row)
		return 6;
	while (n < 6 && row->kind[n] != A_NONE && (row->kind[n] != A_OMODE || has_mode(d, n)))
		n++;
	return n;
}

/* --- the object --------------------------------------------------------------------------------------------- */

static bool escaped_path(const char *path, char *buf, size_t size)
{
	decode_escape(path, PATH_MAX, buf, size);
	return true;
}

/* The path behind a descriptor, where that can be told. */
static bool path_of_fd(const struct decode *d, int t_fd, char *buf, size_t size)
{
	return d->fd_name && t_fd >= 0 && d->fd_name(d->fd_arg, t_fd, buf, size) && *buf == '/';
}

/* A path argument as the job's tree has it: relative ones from the working directory, or from what a descriptor is known to be. */
static bool path_from_args(const struct decode *d, const struct decode_row *row, char *buf, size_t size)
{
	struct vpath v;
	char raw[PATH_MAX], base[PATH_SIZE];
	const char *s, *from = d->cwd;
	int arg = 0, rc;

	while (arg < 6 && row->kind[arg] != A_PATH)
		arg++;
	s = arg < 6 ? text_of(d, arg, raw) : NULL;
	if (!s || !*s)
		return false;
	if (*s != '/' && arg && row->kind[arg - 1] == A_DIRFD && (int)d->args[arg - 1] != AT_FDCWD) {
		if (!path_of_fd(d, (int)d->args[arg - 1], base, sizeof(base)))
			return false;
		from = strcmp(base, "/") ? base : "";
	}
	rc = vpath_join(&v, from, s);
	if (rc < 0)
		return false;
	if (rc == 1) { /* "..": told as it was given */
		rc = vpath_set(&v, *s == '/' ? "" : from);
		rc = rc ? rc : vpath_push(&v, s + (*s == '/'), strlen(s) - (*s == '/'));
	}
	return !rc && escaped_path(vpath_show(v.s), buf, size);
}

static bool find_path(const struct decode *d, const struct decode_row *row, char *buf, size_t size)
{
	char name[PATH_SIZE];

	if (d->path)
		return escaped_path(d->path, buf, size);
	if (!row)
		return false;
	if (path_from_args(d, row, buf, size))
		return true;
	for (int arg = 0; arg < 6 && row->kind[arg] != A_NONE; arg++) /* the first descriptor is what the call is about */
		if (row->kind[arg] == A_FD || (row->kind[arg] == A_DIRFD && (int)d->args[arg] != AT_FDCWD))
			return path_of_fd(d, (int)d->args[arg], name, sizeof(name)) && escaped_path(name, buf, size);
	return false;
}

static bool find_address(const struct decode *d, const struct decode_row *row, char *buf, size_t size)
{
	struct text t = {buf, 0, size};

	if (d->address)
		return escaped_path(d->address, buf, size);
	for (int arg = 0; row && arg < 6; arg++)
		if (row->kind[arg] == A_ADDR)
			return address_of(d, arg, &t);
	return false;
}

/* --- an entry ------------------------------------------------------------------------------------------------ */

static char *copy(const char *s)
{
	return s ? strdup(s) : NULL;
}

static void fill_where(struct violation *v, const struct where *w)
{
	v->file = *w->file ? copy(w->file) : NULL;
	v->function = *w->function ? copy(w->function) : NULL;
	v->line = w->line;
	v->no_line = w->line ? NULL : copy(w->why);
}

static void fill(const struct decode *d, struct violation *v, int err, const char *path, const char *address,
                 const char *rule)
{
	const char *name = policy_call_name(d->policy, d->nr);
	char text[ARG_SIZE];
	int n = decode_count(d);

	snprintf(text, sizeof(text), "%d", d->nr);
	v->syscall = copy(name ? name : text);
	v->err = err;
	v->path = copy(path);
	v->address = copy(address);
	v->rule = copy(rule);
	v->hint = copy(d->hint);
	if (d->where)
		fill_where(v, d->where);
	else
		v->no_line = copy(FRAMES_NO_TIME);
	for (int i = 0; i < n; i++) {
		decode_arg(d, i, text, sizeof(text));
		v->args[i] = copy(text);
		if (!v->args[i])
			break;
	}
}

void decode_record(const struct decode *d, struct violations *vs, enum verdict verdict, int err, const char *rule)
{
	const struct decode_row *row = row_of(d);
	char path_buf[PATH_SIZE], address_buf[DECODE_SHOWN];
	const char *path = find_path(d, row, path_buf, sizeof(path_buf)) ? path_buf : NULL;
	const char *address = find_address(d, row, address_buf, sizeof(address_buf)) ? address_buf : NULL;
	struct violation *v;

	if (violations_find(vs, d->nr, verdict, path, address, d->where))
		return;
	v = violations_add(vs, d->nr, verdict);
	if (v)
		fill(d, v, err, path, address, rule);
}

void decode_call(const struct decode *d, struct violation *out, enum verdict verdict, int err, const char *rule)
{
	const struct decode_row *row = row_of(d);
	char path_buf[PATH_SIZE], address_buf[DECODE_SHOWN];
	const char *path = find_path(d, row, path_buf, sizeof(path_buf)) ? path_buf : NULL;
	const char *address = find_address(d, row, address_buf, sizeof(address_buf)) ? address_buf : NULL;

	*out = (struct violation){.verdict = verdict, .count = 1};
	fill(d, out, err, path, address, rule);
}
