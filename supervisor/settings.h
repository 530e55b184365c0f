/* settings.h - configuration and policies together, as one generation: read, sent, parsed.
 *
 * The keeper alone reads files, at the start and when it is told to reload; front and workers parse the same bytes by the same code, so all of
 * them have the same generation or none. Who may use it: main, keeper, front_side.c, worker_side.c.
 */
#ifndef WARDER_SETTINGS_H
#define WARDER_SETTINGS_H

#include <msgpack.h>

#include "config.h"
#include "generation.h"
#include "link.h"
#include "texts.h"

#define SETTINGS_MAX  (64ul << 20) /* bytes of all files together */
#define SETTINGS_KEPT 200          /* bytes of the names that config_keep gives */

/* Where settings come from: the command line. Never changes. */
struct settings_from {
	const char *config;             /* NULL: no file */
	const char *const *policy_dirs; /* NULL-terminated; empty: those of the configuration, */
	const char *const *default_dirs; /* or if it names none these */
	int log_level;                  /* -1: as the configuration says */
	uid_t own;                      /* who started the supervisor */
};

/* Reads into `t` (zeroed; texts_done in any case) and parses. NULL: something is wrong, said in `es`. One reference is the caller's. */
struct generation *settings_read(const struct settings_from *from, uint64_t number, struct texts *t, struct policy_errors *es);
/* A reload: what needs a restart is taken from `now`; `kept` (SETTINGS_KEPT bytes) gets the names of what would have changed. */
void settings_keep(struct generation *g, const struct generation *now, char *kept);
/* What a process does by itself: level and format of its log. */
void settings_apply(const struct settings_from *from, const struct generation *g);
/* keeper → front and worker. -EFBIG: more than SETTINGS_MAX. */
int settings_pack(msgpack_sbuffer *b, uint64_t number, const struct texts *t);
/* The generation after `now`, applied; policies that are the same are shared with it, unless what else zygotes are made with differs. One reference is the caller's. NULL: the message is none of ours, or was not understood, which was logged. */
struct generation *settings_take(const struct settings_from *from, const struct generation *now, const struct link_in *in);

#endif
