/* doctor.h - tells which layers and languages this machine gives, which not, why, and what that means.
 *
 * Who may use it: main. Prints on stdout, a table for people or one JSON object.
 */
#ifndef WARDER_DOCTOR_H
#define WARDER_DOCTOR_H

#include <stdbool.h>

#include "layers.h"

/* 0: all required layers are there; 1: one is missing. */
int doctor_print(const struct layers *l, const char *tracee_dir, bool json);

#endif
