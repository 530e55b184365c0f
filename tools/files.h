/* files.h - files that `warder run` gives a job, and those that it writes from a result. */
#ifndef WARDER_FILES_H
#define WARDER_FILES_H

#include "job.h"
#include "options.h"

/* Reads NAME=PATH entries into the job's files; `max` bytes at most, all together. Errors name the entry. */
int files_read(struct job *j, const struct option_list *l, size_t max, struct err *e);
/* Writes the result's files below `dir`, which is made if it is not there. A file takes the place of one of its name at once
 * or not at all. No link below `dir` is followed: neither for a directory nor for a file. */
int files_write(const struct result *r, const char *dir, struct err *e);

#endif
