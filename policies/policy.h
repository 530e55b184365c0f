/* policy.h - a policy: which calls of a job are allowed, brokered or refused, its files, limits, environment.
 *
 * Policies are YAML files (README.md beside this file). A loaded policy is read-only, has its `extends` chain
 * merged in, and answers for every system call number of the machine. Who may use it: front, worker, broker, tools.
 * Life: policy_set_load or policy_load_text, then shared by everybody, freed with the set.
 */
#ifndef WARDER_POLICY_H
#define WARDER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "words.h"

/* What happens to a call. KILL is the default of every call that no policy lists. */
enum rule_kind { RULE_KILL, RULE_ALLOW, RULE_BROKER, RULE_REFUSE, RULE_REFUSE_QUIETLY };

/* numbers from here on: x32 calls of x86-64, and -1; killed */
#define POLICY_X32_BIT 0x40000000

#define RULE_CONDS_MAX 8
#define RULE_VALUES_MAX 64
#define RULE_ROWS_MAX 64 /* of one call, its bases' included */

/* A condition on one argument register, all 64 bits. True when
 * COND_IN: the argument equals one of values[]; COND_MASK: all bits of values[0] are set in it;
 * COND_NONE_OF: no bit of values[0] is set in it; COND_ONLY: no bit outside values[0] is set in it. */
enum cond_op { COND_IN, COND_MASK, COND_NONE_OF, COND_ONLY };
struct policy_cond {
	uint8_t arg; /* 0 to 5 */
	uint8_t op;  /* enum cond_op */
	uint16_t n_values;
	uint64_t values[RULE_VALUES_MAX];
};

/* One line of a policy for one call. Rows of one call are tried in order; the first whose conditions all
 * hold decides. When none holds the call is refused with the `otherwise` of the last row, or killed if that is 0. */
struct policy_row {
	enum rule_kind kind;    /* ALLOW, BROKER, REFUSE, REFUSE_QUIETLY */
	int err;                /* errno of REFUSE and REFUSE_QUIETLY */
	int otherwise;          /* errno of `else`; 0: none */
	uint8_t n_conds;        /* 0: always */
	struct policy_cond *conds;
	char *rule;             /* "python3.yaml:12 file_names" */
};

struct policy_call {
	const char *name;       /* as the kernel's table has it */
	int nr;
	bool floor;             /* nothing may lift it */
	size_t n_rows;          /* 0: killed */
	struct policy_row *rows;
	char *killed_by;        /* "base.yaml:90 exec" of a `kill:` line; NULL: in no list, or on the floor alone */
};

enum right { RIGHT_READ = 1, RIGHT_WRITE = 2, RIGHT_CREATE = 4, RIGHT_LIST = 8 };

struct policy_file {
	char *path;             /* absolute, normalised; NULL for `interpreter: true` */
	bool interpreter;       /* the interpreter's own library trees, which the zygote names */
	uint32_t rights;        /* enum right */
	char *rule;             /* "base.yaml:40 files" */
};

/* One line of callers_may: a path, or for CONNECT "host:port" as written. */
struct policy_bound {
	char *text;
	int line, column;       /* in the file that it was written in */
};
struct policy_bounds {
	struct policy_bound *v;
	size_t n;
};

/* Sockets that can be granted; sockets.h has them as triples. */
enum policy_socket { POLICY_TCP4, POLICY_TCP6, POLICY_UDP4, POLICY_UDP6, POLICY_SOCKETS };
#define POLICY_DATAGRAMS (1u << POLICY_UDP4 | 1u << POLICY_UDP6)

struct policy_sockopt { /* one that a job may read and set */
	int level, option;
	char *rule;
};

struct policy_why { /* of one group of one file */
	char *source, *group, *text;
};

struct net_grant; /* address.h */

struct policy {
	char *name;
	char *file;             /* where it was read from */
	char *source;           /* base name of file, as rules show it */
	enum language language;
	bool has_language;      /* false: a base for others, runs no jobs */
	char *interpreter;      /* as written: bare name or absolute path */
	char **preload;         /* NULL-terminated */
	char *dependencies;     /* name of the tree of packages that its jobs find beside the interpreter's own; NULL: none */
	struct policy_call *calls; /* indexed by number, 0 … n_calls-1 */
	int n_calls;            /* numbers from here on get ENOSYS: newer than our table */
	struct policy_file *files;
	size_t n_files;
	struct net_grant *network;
	size_t n_network;
	struct net_grant *may_connect; /* callers_may.connect, parsed */
	size_t n_may_connect;
	uint32_t sockets;       /* bit (1 << enum policy_socket) */
	struct policy_sockopt *sockopts; /* they stand in the rows of getsockopt and setsockopt, too */
	size_t n_sockopts;
	uint64_t limits[LIMIT_COUNT];     /* every one set after the chain is merged */
	uint64_t max_limits[LIMIT_COUNT]; /* callers_may.limits; where silent, limits */
	struct policy_bounds callers_may[GRANT_COUNT]; /* how far a job's own grants may go; itself grants nothing */
	bool end_on_output_limit;
	bool debug;             /* not of the file: calls that it kills are notified, the floor's apart, so that a debugger may be asked */
	struct policy_why *whys;
	size_t n_whys;
	char **env;             /* NULL-terminated NAME=VALUE */
	char **chain;           /* NULL-terminated: the files that it was made of, as they were opened; a text without a file is not among them */
	unsigned refs;          /* sets that it is in, policy_set_share; 1 for one in no set */
	char **quiet;           /* NULL-terminated absolute paths; a trailing slash and star "/x/" followed by "*" covers what is below */
};

struct policy_set; /* all policies of the policy directories */

/* One problem of a policy text. */
struct policy_error {
	char file[256];
	int line, column; /* from 1 */
	char text[512];   /* names the culprit */
};
struct policy_errors {
	struct policy_error *v;
	size_t n;
};
void policy_errors_done(struct policy_errors *es);

/* Loads every *.yaml of `dirs` (NULL-terminated; first wins for a name). NULL when one is wrong; all errors in `es`. */
struct policy_set *policy_set_load(const char *const *dirs, struct policy_errors *es);
struct texts; /* the same from files read before, of these directories; no file is opened */
struct policy_set *policy_set_parse(const char *const *dirs, const struct texts *t, struct policy_errors *es);
void policy_set_free(struct policy_set *s);
/* Policies that are in `old`, too, made of the same texts, become one for both: whoever compares pointers sees that nothing has changed. */
void policy_set_share(struct policy_set *s, const struct texts *t, const struct policy_set *old, const struct texts *old_t);
const struct policy *policy_find(const struct policy_set *s, const char *name); /* NULL: none */
size_t policy_count(const struct policy_set *s);
const struct policy *policy_at(const struct policy_set *s, size_t i);
/* Loads one file, its `extends` looked up in its own directory, then in dirs. Returns new, policy_free. */
struct policy *policy_load_file(const char *path, const char *const *dirs, struct policy_errors *es);
/* The same from a text that has no file; `label` stands for its name in errors and rules. */
struct policy *policy_load_text(const char *label, struct bytes text, const char *const *dirs, struct policy_errors *es);
/* Both again, from texts alone: no file is opened. The path must be one of theirs. */
struct policy *policy_parse_file(const char *path, const char *const *dirs, const struct texts *t, struct policy_errors *es);
struct policy *policy_parse_text(const char *label, struct bytes text, const char *const *dirs, const struct texts *t,
				 struct policy_errors *es);
struct policy *policy_new(void); /* nameless, allows nothing: read.h lays files over it */
void policy_free(struct policy *p);
struct policy_set *policy_set_of(struct policy *p); /* takes it: a set of one */

/* What policy `p` says of a call with these register values: the kind, its errno for the refusing kinds, and
 * the rule in words (borrowed; for killed the `kill:` line, "floor" or "not listed"). Numbers past the table: REFUSE_QUIETLY, ENOSYS. */
struct judgement {
	enum rule_kind kind;
	int err;
	const char *rule;
};
struct judgement policy_judge(const struct policy *p, int nr, const uint64_t args[6]);
const char *policy_call_name(const struct policy *p, int nr); /* NULL: no such number */
int policy_call_nr(const char *name);                         /* -1: unknown */
/* NULL, or why nobody can grant this path, whoever asks: the floor of grants. Static storage. */
const char *policy_grant_problem(const char *path);
/* Whether callers_may covers a path that a job wants granted; a bound to write is one to read, too. */
bool policy_may_grant(const struct policy *p, enum grant_kind kind, const char *path);
/* The same for a network grant: whether one line of callers_may.connect covers all of it. */
bool policy_may_connect(const struct policy *p, const struct net_grant *g);
/* Why the group of this rule ("python3.yaml:12 file_names") is there; NULL: it says none. */
const char *policy_why(const struct policy *p, const char *rule);
/* Whether the list `quiet:` covers this path. */
bool policy_is_quiet(const struct policy *p, const char *path);

#endif
