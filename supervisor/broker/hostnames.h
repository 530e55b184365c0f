/* hostnames.h - the host names that a job is granted, as it finds them in /etc/hosts.
 *
 * A job has no resolver: its C library reads /etc/hosts and nothing else. Its first look there, or its first connect that only a name
 * could grant, makes the worker resolve all names that the job is granted (REPLY_NAMES in broker.h), once: what comes back is
 * pinned for the job's life, so a name cannot lead elsewhere later. Special addresses of a name (private, loopback, metadata …) are
 * left out unless a range that the job is granted names them.
 * Who may use it: the broker. Life: with its broker_job.
 */
#ifndef WARDER_HOSTNAMES_H
#define WARDER_HOSTNAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "net.h"

#define HOSTNAMES_PATH "/etc/hosts"
#define HOSTNAMES_MAX 128 /* names of one job that are resolved; each may be a question to a name server */

struct hostname {
	const char *name;  /* borrowed from its grant */
	const char *rule;  /* likewise */
	bool answered;
	char *told;        /* why something is missing, in words, to be told once; NULL: nothing to tell */
};

enum hostnames_state { HOSTNAMES_UNASKED, HOSTNAMES_ASKED, HOSTNAMES_KNOWN };

struct hostnames {
	enum hostnames_state state;
	struct hostname *v;
	size_t n;
	size_t left_out;   /* names past HOSTNAMES_MAX */
	const struct net_grant *wildcard; /* one that means nothing, since there is no proxy; borrowed */
};

struct request;

/* True when the job's names must be resolved before this call can be answered: then the reply says so. */
bool hostnames_wait(struct request *r);
/* Writes /etc/hosts. Tells of names that have no address. */
void hostnames_write(struct request *r, FILE *f);
void hostnames_done(struct hostnames *h);

#endif
