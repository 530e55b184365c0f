/* installer.h - the process that installs packages: warder-dependencies as its child, one at a time, bounded in time.
 *
 * It is forked before there are threads and before privileges are dropped, and takes nothing but "update" and "refresh": what is installed, where
 * and from whom, says its environment. Life: installer_start; installer_run from any thread; installer_end in each process that holds it. It ends
 * with the last of these. Who may use it: main, server.
 */
#ifndef WARDER_HTTP_INSTALLER_H
#define WARDER_HTTP_INSTALLER_H

#include "err.h"
#include "knobs.h"
#include "text.h"

#define INSTALLER_MAX_S 300 /* an installation that takes longer is ended, and nothing is changed */

struct installer;

/* Borrows knobs. The new process closes `listener`, which is not its business. */
int installer_start(const struct knobs *k, int listener, struct installer **out, struct err *e);
/* "update" or "refresh". 0; -EBUSY: another one is at work; -ENOENT: there is no tree to refresh; -ECANCELED: the installer has gone or goes;
 * -EIO: it failed, and `why` is told what the command said. */
int installer_run(struct installer *i, const char *command, struct text *why);
/* Ends what is at work; installer_run returns at once from now on. */
void installer_cancel(struct installer *i);
/* NULL: nothing. Nobody may be inside of installer_run. */
void installer_end(struct installer *i);

#endif
