#include "explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "calls.h"
#include "sockets.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define IN_GROUP " in a group of the policy's syscalls"

__attribute__((format(printf, 3, 4))) static enum remedy say(char *hint, enum remedy r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(hint, EXPLAIN_HINT, fmt, ap);
	va_end(ap);
	return r;
}

static enum remedy nothing(char *hint, const char *why)
{
	return say(hint, REMEDY_NONE, "nothing can allow it: %s", why);
}

static bool among(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* May not be native, and the supervisor has no answer to them: a test holds this against its table. */
static const char *const unanswered[] = {
	"ustat", "setxattrat", "getxattrat", "listxattrat", "removexattrat", "file_getattr", "file_setattr", "name_to_handle_at",
	"inotify_init", "inotify_init1", "inotify_add_watch", "fanotify_init", "fanotify_mark", "mq_open", "mq_unlink", "listen",
	"accept", "accept4", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal",
};

bool explain_is_unanswered(const char *call)
{
	return among(unanswered, N(unanswered), call);
}

enum explain_need explain_need(const char *call)
{
	static const char *const names[] = {
		"creat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink",
		"symlinkat", "mknod", "mknodat",
	};
	static const char *const writes[] = {
		"chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
		"truncate", "ftruncate", "utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr", "removexattr",
		"lremovexattr", "fremovexattr", "flock", "fcntl",
	};

	return among(names, N(names), call) ? EXPLAIN_NAME : among(writes, N(writes), call) ? EXPLAIN_WRITE : EXPLAIN_READ;
}

/* --- socket options ------------------------------------------------------------------------------------------ */

static const struct socket_option *option_of(const uint64_t *args)
{
	const struct socket_option *o;

	for (size_t i = 0; (o = socket_option_at(i)); i++)
		if ((uint32_t)o->level == (uint32_t)args[1] && (uint32_t)o->option == (uint32_t)args[2])
			return o;
	return NULL;
}

static enum remedy explain_option(const uint64_t *args, char *hint)
{
	const struct socket_option *o = args ? option_of(args) : NULL;

	if (!args)
		return say(hint, REMEDY_POLICY, "sockopts: [LEVEL/NAME] in the policy, for most options");
	if (!o)
		return nothing(hint, "no such option is for jobs");
	return o->never ? nothing(hint, o->never) : say(hint, REMEDY_POLICY, "sockopts: [%s/%s] in the policy", o->level_name, o->name);
}

/* --- calls --------------------------------------------------------------------------------------------------- */

/* The registers that the row looks at, with the values they have: as narrow as a line can be. Without such a row the first two, where calls
 * that take a condition have what matters. */
static enum remedy allow_if(const char *name, const struct policy_row *row, const uint64_t *args, char *hint)
{
	static struct policy_cond first_two[] = {{.arg = 0}, {.arg = 1}};
	static const struct policy_row any = {.n_conds = 2, .conds = first_two};

	char text[EXPLAIN_HINT];
	size_t n = 0, used = 0;
	unsigned seen = 0;

	if (!row || !row->n_conds)
		row = &any;
	for (size_t i = 0; i < row->n_conds && n < sizeof(text); i++) {
		unsigned arg = row->conds[i].arg;

		if (seen & 1u << arg)
			continue;
		seen |= 1u << arg;
		n += (size_t)snprintf(text + n, sizeof(text) - n, used == 0 ? "arg: %u, in: [0x%llx]" : used == 1 ? ", and: [{arg: %u, in: [0x%llx]}" : ", {arg: %u, in: [0x%llx]}",
				      arg, (unsigned long long)args[arg]);
		used++;
	}
	return say(hint, REMEDY_NATIVE, "allow_if: [{call: %s, %.180s%s}]" IN_GROUP, name, text, used > 1 ? "]" : "");
}

/* Of a call that the floor does not keep from the kernel altogether. */
static enum remedy native(const struct policy_call *c, const struct floor *f, const uint64_t *args, char *hint)
{
	const struct policy_row *last = c->n_rows ? &c->rows[c->n_rows - 1] : NULL;

	if (f && args && (args[f->arg] & f->bits))
		return nothing(hint, f->why);
	if (args && ((last && last->n_conds) || f))
		return allow_if(c->name, last, args, hint);
	if ((last && last->n_conds) || f)
		return say(hint, REMEDY_NATIVE, "allow_if: [{call: %s, arg: N, in: [VALUE]}]" IN_GROUP, c->name);
	return say(hint, REMEDY_NATIVE, "allow: [%s]" IN_GROUP, c->name);
}

enum remedy explain_call(const struct policy *p, int nr, const uint64_t *args, char *hint)
{
	static const char *const datagrams[] = {"sendto", "sendmsg", "sendmmsg"};
	const char *name = policy_call_name(p, nr);
	const struct floor *f = name ? floor_find(name) : NULL;

	if (!name)
		return nothing(hint, "no call of this machine has that number");
	if (f && f->kind == FLOOR_NEVER)
		return nothing(hint, f->why);
	if (!strcmp(name, "clone"))
		return nothing(hint, "a job is one process; only threads can be made");
	if (!strcmp(name, "getsockopt") || !strcmp(name, "setsockopt"))
		return explain_option(args, hint);
	if (among(datagrams, N(datagrams), name) && !(p->sockets & POLICY_DATAGRAMS) && (!args || !f || !(args[f->arg] & f->bits)))
		return say(hint, REMEDY_POLICY, "sockets: [{family: inet, type: dgram, protocol: udp}] in the policy");
	if (explain_is_unanswered(name))
		return nothing(hint, f->why);
	if (f && f->kind == FLOOR_BROKER_ONLY)
		return say(hint, REMEDY_BROKER, "broker: [%s]" IN_GROUP, name);
	return native(&p->calls[nr], f, args, hint);
}

/* --- paths --------------------------------------------------------------------------------------------------- */

/* As a list of YAML and of JSON has it, on one line. */
static bool is_plain(const char *path)
{
	for (const char *p = path; *p; p++)
		if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
			return false;
	return true;
}

enum remedy explain_path(const char *path, enum explain_need need, char *hint)
{
	char dir[EXPLAIN_HINT];
	const char *never;

	if (need == EXPLAIN_NAME && strlen(path) < sizeof(dir) && strrchr(path, '/')) {
		snprintf(dir, sizeof(dir), "%.*s", strrchr(path, '/') > path ? (int)(strrchr(path, '/') - path) : 1, path);
		path = dir;
	}
	never = policy_grant_problem(path);

	if (never)
		return say(hint, REMEDY_NONE, "nothing can grant it: %s", never);
	if (!is_plain(path) || strlen(path) > EXPLAIN_HINT - 24)
		return say(hint, REMEDY_POLICY, "a grant of its directory");
	return say(hint, REMEDY_POLICY, "grants.%s: [\"%s\"]", need == EXPLAIN_READ ? "read" : "write", path);
}
