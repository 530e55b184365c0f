/* warder.c - the command line of Warder: finds the sub-command and calls it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "streams.h"
#include "tell.h"
#include "version.h"

static int help_main(int argc, char **argv);
static int version_main(int argc, char **argv);

static const struct command {
	const char *name, *args, *help; /* help NULL: another spelling of the row above */
	int (*main)(int argc, char **argv);
} commands[] = {
	{"run", "[options] FILE|- [-- ARGS...]", "runs one job", run_main},
	{"doctor", "[--json]", "tells which layers this machine gives, what is missing, and why", doctor_main},
	{"ps", "[--json]", "lists the jobs of a running supervisor", ps_main},
	{"kill", "JOB", "ends one of them", kill_main},
	{"status", "[--json]", "tells what a running supervisor has and has done", status_main},
	{"policy", "check|show|diff|explain", "tells of policies, and what would allow a call", policy_main},
	{"help", "[COMMAND]", "tells of a command and its options", help_main},
	{"--help", "", NULL, help_main},
	{"-h", "", NULL, help_main},
	{"--version", "", "prints the version", version_main},
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void usage(FILE *f)
{
	fputs("warder: runs untrusted code under a supervisor\n\n", f);
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (commands[i].help)
			fprintf(f, "  warder %-9s %-30s %s\n", commands[i].name, commands[i].args, commands[i].help);
}

static int unknown(const char *name)
{
	fputs("warder: unknown command ", stderr);
	tell_escaped(stderr, name, strlen(name));
	fputs("; see warder --help\n", stderr);
	return STATUS_FAILED;
}

static int help_main(int argc, char **argv)
{
	const struct command *c = argc > 1 ? find(argv[1]) : NULL;

	if (argc > 1 && !c)
		return unknown(argv[1]);
	if (c && c->help && c->main != help_main && c->main != version_main)
		return c->main(2, (char *[]){argv[1], (char *)"--help", NULL});
	usage(stdout);
	return fflush(stdout) ? STATUS_FAILED : 0;
}

static int version_main(int argc, char **argv)
{
	(void)argc, (void)argv;
	puts("warder " WARDER_VERSION);
	return fflush(stdout) ? STATUS_FAILED : 0;
}

int main(int argc, char **argv)
{
	streams_fill();
	if (argc < 2) {
		usage(stderr);
		return STATUS_FAILED;
	}
	const struct command *c = find(argv[1]);
	return c ? c->main(argc - 1, argv + 1) : unknown(argv[1]);
}
