/* commands.h - the sub-commands of `warder`.
 *
 * Each gets its own name as argv[0] and returns the exit status of the process. Who may use it: warder.c.
 */
#ifndef WARDER_COMMANDS_H
#define WARDER_COMMANDS_H

int run_main(int argc, char **argv);    /* run.c */
int doctor_main(int argc, char **argv); /* doctor.c */
int ps_main(int argc, char **argv);     /* manage.c */
int kill_main(int argc, char **argv);
int status_main(int argc, char **argv);
int policy_main(int argc, char **argv); /* policy.c */

#endif
