/* accounts.h - users and groups by name.
 *
 * Looking one up may load modules, read files and talk to daemons (nsswitch.conf(5)): the keeper does it, when it reads the configuration, and
 * remembers. Front and worker get what it found with the settings, and ask nobody: their filters (guard.h) do not let them.
 * Who may use it: config.c asks, settings.c carries over, crew.c closes. State is the process's own, for its life.
 */
#ifndef WARDER_ACCOUNTS_H
#define WARDER_ACCOUNTS_H

#include <msgpack.h>
#include <stdbool.h>
#include <sys/types.h>

/* False: there is none. */
bool accounts_uid(const char *user, uid_t *out);
bool accounts_has_group(const char *group);

/* In a child of the keeper's, before its filter: from here on only what is known is there. */
void accounts_close(void);

/* Everything that was found, as one array; and its reading, which adds. False: it is none. */
void accounts_pack(msgpack_packer *pk);
bool accounts_take(const msgpack_object *o);

#endif
