/* knobs.h - what the environment says: the variables of Dify's own sandbox, read once.
 *
 * Who may use it: main, starter, server. Texts are borrowed from the environment, which nobody changes.
 */
#ifndef WARDER_HTTP_KNOBS_H
#define WARDER_HTTP_KNOBS_H

#include <stdbool.h>

#include "err.h"

#define KNOBS_KEY_DEFAULT "dify-sandbox"

struct knobs {
	const char *key;          /* API_KEY; never NULL */
	bool own_key;             /* false: it is the default, which everybody knows */
	int port;                 /* SANDBOX_PORT; 0: any */
	int timeout_s;            /* WORKER_TIMEOUT: wall time of a job */
	int max_workers;          /* MAX_WORKERS: jobs at once */
	int max_requests;         /* MAX_REQUESTS: runs at once, those that wait included */
	bool network, preload;    /* ENABLE_NETWORK, ENABLE_PRELOAD */
	const char *http_proxy, *https_proxy, *socks5_proxy; /* NULL: none; so the rest */
	const char *python, *nodejs;                         /* PYTHON_PATH, NODEJS_PATH */
	const char *syscalls;                                /* ALLOWED_SYSCALLS */
	const char *pip_mirror;                              /* PIP_MIRROR_URL */
};

/* An empty variable counts as absent. -EINVAL with the variable's name in `e` when one is wrong. */
int knobs_read(struct knobs *k, struct err *e);
/* Logs by name each variable that is set and is the supervisor's to know: another one was named, which has its own. */
void knobs_tell_unused(const struct knobs *k);

#endif
