/* failcall.c - makes one system call fail, in a command and all that it starts.
 *
 *   failcall CALL[:ARG=VALUE[&MASK]] ERRNO -- COMMAND…
 *
 * CALL is a name, ARG 0 to 5, VALUE and MASK numbers as C writes them, ERRNO a name or a number; 0: the call tells that
 * it succeeded. The call is not executed where the argument register, after MASK, equals VALUE.
 * Exit status: the command's; 125 when failcall itself failed.
 * A seccomp filter cannot be taken off again, and needs no_new_privs: the command has it from the start.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAILED 125

struct rule {
	char name[64];
	int nr;
	bool has_arg;
	unsigned arg;
	unsigned long long value, mask;
};

static int usage(const char *why)
{
	fprintf(stderr, "failcall: %s\nusage: failcall CALL[:ARG=VALUE[&MASK]] ERRNO -- COMMAND…\n", why);
	return FAILED;
}

static bool number(const char **p, unsigned long long *out)
{
	char *end;

	*out = strtoull(*p, &end, 0);
	if (end == *p)
		return false;
	*p = end;
	return true;
}

/* "ARG=VALUE[&MASK]" */
static bool parse_condition(const char *p, struct rule *r)
{
	unsigned long long arg;

	r->has_arg = true;
	r->mask = ~0ull;
	if (!number(&p, &arg) || arg > 5 || *p++ != '=' || !number(&p, &r->value))
		return false;
	r->arg = (unsigned)arg;
	if (*p == '&') {
		p++;
		if (!number(&p, &r->mask))
			return false;
	}
	return *p == '\0';
}

static bool parse_rule(const char *text, struct rule *r)
{
	const char *colon = strchrnul(text, ':');

	memset(r, 0, sizeof(*r));
	if ((size_t)(colon - text) >= sizeof(r->name))
		return false;
	memcpy(r->name, text, (size_t)(colon - text));
	r->nr = seccomp_syscall_resolve_name(r->name);
	if (r->nr == __NR_SCMP_ERROR || r->nr < 0)
		return false;
	return *colon == '\0' || parse_condition(colon + 1, r);
}

static int parse_errno(const char *text)
{
	for (int e = 1; e < 134; e++) {
		const char *name = strerrorname_np(e);
		if (name && strcmp(name, text) == 0)
			return e;
	}
	return strcmp(text, "0") == 0 ? 0 : atoi(text) > 0 ? atoi(text) : -1;
}

static int install(const struct rule *r, int err)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int ret;

	if (!ctx)
		return -ENOMEM;
	if (r->has_arg)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(err), r->nr, 1,
		                       SCMP_CMP(r->arg, SCMP_CMP_MASKED_EQ, r->mask, r->value));
	else
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(err), r->nr, 0);
	if (ret == 0)
		ret = seccomp_load(ctx);
	seccomp_release(ctx);
	return ret;
}

int main(int argc, char **argv)
{
	struct rule r;
	int err, ret;

	if (argc < 5 || strcmp(argv[3], "--") != 0)
		return usage("too few arguments");
	if (!parse_rule(argv[1], &r))
		return usage("no such call, or a bad condition");
	err = parse_errno(argv[2]);
	if (err < 0 || err > 4095)
		return usage("no such errno");
	ret = install(&r, err);
	if (ret < 0)
		return fprintf(stderr, "failcall: filter: %s\n", strerror(-ret)), FAILED;
	execvp(argv[4], argv + 4);
	fprintf(stderr, "failcall: %s: %s\n", argv[4], strerror(errno));
	return FAILED;
}
