/* config.h - the supervisor's configuration, from a YAML file (warder.yaml) or its defaults.
 *
 * Who may use it: settings.h, which puts it into a generation, and those who run by that. Life: config_load or config_parse (also without a
 * file), read-only from then on, config_done. Unknown keys, wrong types and values out of range are problems with file, line
 * and column; so are keys of the interface that this version does not carry out: nothing is ignored silently.
 */
#ifndef WARDER_CONFIG_H
#define WARDER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "log.h"
#include "policy.h"
#include "proxy.h"
#include "texts.h"

#define CONFIG_POOL_MAX        1024    /* tracees of one worker */
#define CONFIG_QUEUE_MAX       1000000 /* waiting jobs */
#define CONFIG_MESSAGE_MIB_MAX 1024
#define CONFIG_DRAIN_MS_MAX    3600000
#define CONFIG_WORKERS_MAX     256
#define CONFIG_LIST_MAX        256 /* entries of policy_dirs, operators, installers */

struct config {
	char *socket_path; /* absolute; NULL: the default place */
	mode_t socket_mode;
	char *socket_group; /* name, exists; NULL: as created */
	char **policy_dirs; /* NULL-terminated, absolute; NULL: the default places */
	uid_t *operators;
	size_t n_operators;
	uid_t *installers; /* who beside them may have packages updated */
	size_t n_installers;
	uint32_t require, optional;              /* bit (1 << LAYER_x) */
	unsigned workers;                        /* 0: one per CPU */
	unsigned pool_min, pool_max;             /* of each worker: waiting tracees kept ready; tracees at all */
	unsigned zygote_max_jobs, zygote_max_age_s; /* a zygote is replaced after so many jobs, or seconds */
	unsigned queue_length, queue_per_tenant; /* jobs */
	size_t max_message_mib;
	unsigned drain_ms; /* how long running jobs may go on after SIGTERM */
	char *dependencies_dir; /* absolute: LANGUAGE/NAME below it are the trees of packages */
	struct proxy proxy;
	enum log_level log_level;
	bool log_json; /* instead of logfmt */
};

/* `path` NULL: the defaults. 0, or -EINVAL (-errno of reading) with all problems in `es`; config_done in either case.
 */
int config_load(const char *path, struct config *out, struct policy_errors *es);
/* The same from a file read before (NULL: the defaults), for a supervisor of uid `own`: front and worker may be somebody else. */
int config_parse(const struct text *t, uid_t own, struct config *out, struct policy_errors *es);
/* After a reload: what takes effect only at a start stays as it was then. Writes the names of those that should have changed, with commas. */
void config_keep(struct config *c, const struct config *started, char *names, size_t size);
/* Whether zygotes that began under `a` can serve jobs under `b`: nothing that they were made with, or that jobs are told through them, differs. */
bool config_zygotes_alike(const struct config *a, const struct config *b);
void config_done(struct config *c);

#endif
