/* read.h - inside the policy library: one YAML document laid over a policy. */
#ifndef WARDER_READ_H
#define WARDER_READ_H

#include "policy.h"
#include "ydoc.h"

#define READ_ROWS_MAX 16 /* conditional rows of one call in one file */

/* What one file says of one call, before it is laid over its bases. */
struct read_call {
	struct policy_row *rows;
	size_t n;
	int line;        /* of the first mention; 0: none */
	char *killed_by; /* of a `kill:` line */
};

struct reader {
	struct ydoc *d;
	struct policy *p;
	const char *source;     /* base name of the file, as rules show it */
	const char *group;      /* group of `syscalls` being read */
	struct read_call *own;  /* by number, p->n_calls of them */
};

/* Lays every key of the document but name and extends over `p`. Problems go to the document's policy_errors. */
void read_policy(struct ydoc *d, const char *source, struct policy *p);

/* read_calls.c: the `syscalls` mapping */
void read_syscalls(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *reader);
/* Lays what the file says of its calls over what its bases say. Frees r->own's contents. */
void read_merge_calls(struct reader *r);

char *read_rule(const struct reader *r, const yaml_node_t *at, const char *group); /* returns new */
void read_rows_free(struct policy_row *rows, size_t n);
void read_rows_done(struct policy_row *rows, size_t n); /* what they own, not the array */

/* read_net.c: `network`, `sockets`, `sockopts` */
void read_network(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *reader);
void read_sockets(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *reader);
void read_sockopts(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *reader);
#define READ_WHY_MAX 160
/* NULL, or `why` filled with what is wrong with a network grant. */
const char *read_connect_problem(const char *text, char why[READ_WHY_MAX]);
/* Once the chain is laid down: the rows of calls that these keys stand for. */
void read_settle_net(struct policy *p);
void read_net_done(struct policy *p);

#endif
