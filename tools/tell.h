/* tell.h - a result in words, for people: what ended a job, what was refused, what it used.
 *
 * Lines begin with "warder: " and go to a stream of the caller's. What comes from the job is escaped, so that no
 * name it made up can play with a terminal. Who may use it: sub-commands of `warder`. Errors: the stream's.
 */
#ifndef WARDER_TELL_H
#define WARDER_TELL_H

#include <stdio.h>

#include "job.h"

/* Exit statuses of `warder run` beside the job's own and 128 + N. */
enum tell_status {
	STATUS_TIME = 124,      /* wall or CPU time */
	STATUS_FAILED = 125,    /* warder itself */
	STATUS_CANCELLED = 130,
	STATUS_LIMIT = 137,     /* another limit */
	STATUS_VIOLATION = 159, /* killed by its policy */
};

/* Text from a job: control characters and bytes that are not UTF-8 as \n, \x1b, \u202e; a backslash stays one. */
void tell_escaped(FILE *f, const char *s, size_t n);
/* One line per violation and per limit, and what ended the job where it did not exit; nothing for a job that ran
 * into nothing. */
void tell_result(FILE *f, const struct result *r);
void tell_usage(FILE *f, const struct usage *u);
int tell_exit_status(const struct result *r);

#endif
