/* procfs.h - what the kernel says of a process in the worker's procfs, by the worker's numbers.
 *
 * Who may use it: broker and worker, for what they decide themselves; what a job sees of procfs is synth_texts.c's. No state, so any thread may.
 * The files are short: each is read by one call, which does not wait for the process.
 */
#ifndef WARDER_PROCFS_H
#define WARDER_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCFS_TEXT 4096 /* bytes of a file, with the NUL behind it */

/* The file "/proc/" with this path. False, and an empty text: it cannot be read, since the process has gone. */
bool procfs_read(char text[PROCFS_TEXT], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Where a field of a stat file begins, by its number in proc(5), from 3 on; NULL: it ends before. */
char *procfs_field(const char *text, int number);
/* Such a field of /proc/PID/stat, which is a number. False: it cannot be read. */
bool procfs_stat(pid_t pid, int number, uint64_t *out);
/* The decimal number behind "KEY:" in /proc/PID/status (kB, where it has a unit); 0: there is none. */
uint64_t procfs_status(pid_t pid, const char *key);

#endif
