/* lower - runs a command with less power: lower [--keep-caps HEX] [--uid N] -- COMMAND [ARG…]
 *
 * --keep-caps: the bounding set keeps only these capabilities; Docker's default is a80425fb. --uid: real, effective and saved
 * uid and gid, no groups. For tests of the situations that Warder must work in. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "lower: %s: %s\n", what, strerror(errno));
	return 125;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"keep-caps", 1, NULL, 'k'}, {"uid", 1, NULL, 'u'}, {0}};
	unsigned long long keep = ~0ull;
	long uid = -1;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'k')
			keep = strtoull(optarg, NULL, 16);
		else if (c == 'u')
			uid = atol(optarg);
		else
			return 125;
	}
	if (optind >= argc)
		return fprintf(stderr, "lower: no command\n"), 125;
	/* root's exec takes its permitted set from the bounding set, capabilities(7) */
	for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return fail("PR_CAPBSET_DROP");
	if (uid >= 0 && (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		return fail("setresuid");
	execvp(argv[optind], argv + optind);
	return fail(argv[optind]);
}
