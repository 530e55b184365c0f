/* doctor.c - `warder doctor`: asks the supervisor program, which alone knows its layers and how to try them. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "embed.h"
#include "options.h"
#include "tell.h"

struct doctor_options {
	bool help, json;
};

#define AT(field) offsetof(struct doctor_options, field)
static const struct option rows[] = {
	{"--json", NULL, OPTION_FLAG, AT(json), "prints one JSON object"},
	{"--help", NULL, OPTION_FLAG, AT(help), "this list"},
};
static const struct option_table table = {rows, sizeof(rows) / sizeof(*rows)};

static int become_doctor(bool json)
{
	char program[4096];

	embed_program("warderd", program, sizeof(program));
	const char *argv[] = {program, "--doctor", json ? "--json" : NULL, NULL};
	execvp(program, (char **)argv);
	fprintf(stderr, "warder: %s: %s\n", program, strerror(errno));
	return STATUS_FAILED;
}

int doctor_main(int argc, char **argv)
{
	struct doctor_options o = {0};
	struct option_list words = {0};
	struct err e = {0};
	char text[300];

	int rc = options_parse(&table, argc, argv, &o, &words, &e);
	if (rc >= 0 && (words.n || rc < argc))
		rc = err_set(&e, ERR_REQUEST, "doctor", 0, "takes no arguments");
	options_list_done(&words);
	if (rc < 0) {
		fprintf(stderr, "warder doctor: %s; see warder doctor --help\n", err_str(&e, text, sizeof(text)));
		return STATUS_FAILED;
	}
	if (!o.help)
		return become_doctor(o.json);
	puts("warder doctor [--json]: tells which layers this machine gives, what is missing, and why\n");
	options_print(&table, stdout);
	return fflush(stdout) ? STATUS_FAILED : 0;
}
