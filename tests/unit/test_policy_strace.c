/* Runs ordinary programs outside of any sandbox under `strace -f` and holds every call they make against the policy:
 * none may be one that kills. The programs are tests/e2e/snippets and what an interpreter does at its start and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <glob.h>
#include <stdlib.h>

#include "filter.h"
#include "shipped.h"

#define CALLS_SEEN_MAX 1024

struct seen {
	const struct policy *p;
	unsigned by_nr[CALLS_SEEN_MAX];
	unsigned lines, killed;
	const char *program;
};

/* "12 openat(0xffffff9c, 0x7ffe, 0x80000, 0) = 3": number and registers of the call; -1 for other lines. */
static int parse_line(const char *line, uint64_t args[6])
{
	char name[64];
	int at = 0, nr;

	memset(args, 0, 6 * sizeof(*args));
	if (sscanf(line, "%*d %63[a-z0-9_]%n", name, &at) != 1 || line[at] != '(')
		return -1;
	nr = policy_call_nr(name);
	for (int i = 0; i < 6 && (line[at] == '(' || line[at] == ','); i++) {
		char *end;

		args[i] = strtoull(line + at + 1, &end, 0);
		at = (int)(end - line);
	}
	return nr;
}

static void judge_line(struct seen *s, const char *line)
{
	uint64_t args[6];
	int nr = parse_line(line, args);
	struct judgement j;

	/* strace itself starts the program by execve */
	if (nr < 0 || !strcmp(policy_call_name(s->p, nr), "execve"))
		return;
	s->lines++;
	s->by_nr[nr]++;
	j = policy_judge(s->p, nr, args);
	if (j.kind == RULE_KILL) {
		s->killed++;
		print_message("%s: would be killed (%s): %s", s->program, j.rule, line);
	}
}

static void trace(struct seen *s, const char *path)
{
	char command[1024], log[] = "/tmp/warder-strace-XXXXXX", line[4096];
	char *program = realpath(path, NULL); /* the command changes its directory */
	int fd = mkstemp(log), r;
	FILE *f;

	assert_true(fd >= 0 && program);
	s->program = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	snprintf(command, sizeof(command),
		 "cd $(mktemp -d) && strace -f -qq -e raw=all -e signal=none -o %s %s -I %s </dev/null >/dev/null "
		 "2>&1; rm -rf \"$PWD\"",
		 log, getenv("PYTHON") ? getenv("PYTHON") : "/usr/bin/python3", program);
	r = system(command);
	(void)r; /* a package that this machine lacks ends a program early: what it called counts all the same */
	free(program);
	f = fdopen(fd, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		judge_line(s, line);
	fclose(f);
	unlink(log);
}

static bool works(const char *command)
{
	return system(command) == 0;
}

static void ordinary_programs_are_never_killed(void **state)
{
	static struct seen s;
	struct policy_set *set = shipped_policies();
	const char *folder = shipped_path("tests/e2e/snippets");
	char pattern[PATH_MAX + 8];
	unsigned calls = 0;
	glob_t g;

	(void)state;
	assert_non_null(set);
	s.p = policy_find(set, "python3");
	if (!folder || !works("strace -qq -o /dev/null true 2>/dev/null")) {
		print_message("skip ordinary_programs_are_never_killed: missing %s\n",
			      folder ? "strace" : "tests/e2e/snippets");
		policy_set_free(set);
		skip();
	}
	snprintf(pattern, sizeof(pattern), "%s/*.py", folder);
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		trace(&s, g.gl_pathv[i]);
	for (int nr = 0; nr < s.p->n_calls; nr++)
		calls += s.by_nr[nr] > 0;
	print_message("%zu programs, %u calls of %u kinds, %u would be killed\n", g.gl_pathc, s.lines, calls, s.killed);
	globfree(&g);
	assert_int_equal(s.killed, 0);
	assert_true(calls > 40); /* they did run */
	policy_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_programs_are_never_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
