/* run_job.h - the job that `warder run` asks for, made of its options and files.
 *
 * Who may use it: run.c, which reads the options and then owns the job. Paths are taken as seen from here; files are read whole, so that a job that
 * is sent is complete. Nothing is checked that the supervisor checks, which words it better. Errors: -errno with words for the user.
 */
#ifndef WARDER_RUN_JOB_H
#define WARDER_RUN_JOB_H

#include "job.h"
#include "options.h"

/* What the command line says; text and lists are borrowed from it. */
struct run_options {
	bool help, json, stats;
	const char *language, *policy, *dependencies, *filename, *stdin_file, *socket, *config, *output_dir;
	struct option_list env, policy_dirs, files, collect, grants[GRANT_COUNT];
	uint64_t limits[LIMIT_COUNT];
};

/* On errors, too, what is in the job is freed with it. `file`: the code, "-" is stdin. */
int run_job_fill(struct job *j, const struct run_options *o, const char *file, struct err *e);
int run_job_args(struct job *j, int argc, char **argv, struct err *e); /* what stands behind "--" */

#endif
