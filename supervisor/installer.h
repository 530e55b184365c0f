/* installer.h - packages for jobs, as clients ask for them: one process that runs warder-dependencies once and tells what came of it.
 *
 * The keeper forks it at the front's word, with the keeper's power: trees belong to the supervisor's user. What it is told is a row of each of two
 * tables, nothing of a client's bytes; what is installed, and where and whence, is the operator's: files of requirements, configuration, environment.
 * It answers into a pipe, of which the front reads the other end: one byte, an enum installer_end, then at most INSTALLER_TEXT_MAX bytes of text, then
 * the end. An end without a byte: it could not be started. Whoever closes the other end has the command ended; what it had begun is taken back.
 *
 * Who may use it: the keeper (installer_be, in the process that it has forked for this), the front (the words alone).
 */
#ifndef WARDER_INSTALLER_H
#define WARDER_INSTALLER_H

#include "words.h"

#define INSTALLER_MAX_S    300           /* a command that takes longer is ended, and nothing is changed */
#define INSTALLER_TEXT_MAX (256ul << 10) /* bytes of the list */
#define INSTALLER_WORDS    1500u         /* bytes of what a failed command said: its end, where the reason is */
#define INSTALLERS_MAX     4             /* at once; of those that change something one */

enum installer_command { INSTALLER_LIST, INSTALLER_UPDATE, INSTALLER_REFRESH, INSTALLER_COMMANDS };
enum installer_end {
	INSTALLER_DONE,     /* the text: a line `name version` for each package of the tree */
	INSTALLER_FAILED,   /* the text: why */
	INSTALLER_NOTHING,  /* there is no tree to refresh */
	INSTALLER_ENDS
};

struct installer_order {
	enum installer_command command;
	enum language language;
	int out;                      /* the pipe's end, blocking */
	const char *tracee_dir;       /* of this installation; the command lies beside it */
	const char *dependencies_dir, *interpreter; /* interpreter: absolute, or a bare name */
};

const char *installer_command_name(enum installer_command c);
/* Returns the exit status. */
int installer_be(const struct installer_order *o);

#endif
