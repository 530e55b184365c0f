/* job.h - a job and its result, as messages: the structs, and their msgpack form.
 *
 * A `struct job` is parsed from the one map in `params` of `run`; a `struct result` is what answers it.
 * Who may use it: front, worker, clients, tools. Unknown fields, wrong types and values out of range are
 * errors of class ERR_REQUEST whose text names the field: "limits.wall_ms: must be 1 to 60000, is -5".
 */
#ifndef WARDER_JOB_H
#define WARDER_JOB_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "words.h"

/* sizes that a client chooses */
#define JOB_ID_MAX 128      /* bytes of `job` */
#define JOB_NAME_MAX 255    /* bytes of `filename` */
#define JOB_ARGS_MAX 1024   /* entries of `args` */
#define JOB_ENV_MAX 1024    /* entries of `env` */
#define JOB_STRINGS_MAX (1u << 20) /* bytes of all args and env together */
#define JOB_GRANTS_MAX 1024 /* entries of each list of `grants` */
#define JOB_GRANT_MAX 4095  /* bytes of one: what the kernel takes of a path */
#define JOB_FILES_MAX 65536 /* entries of `files` */
#define JOB_COLLECT_MAX 64  /* entries of `collect` */
#define JOB_POLICY_MAX (1u << 20) /* bytes of `policy_text` */

struct job_env { /* both NUL-terminated */
	char *name;
	char *value;
};

/* A list of strings, each NUL-terminated. */
struct job_list {
	char **v;
	size_t n;
};

struct job_file { /* its name relative to /tmp (names.h), NUL-terminated; its bytes (malloc) */
	char *name;
	struct bytes data;
};

/* One request to run code. Strings are NUL-terminated, owned by the struct; absent strings are NULL.
 * `code` and `stdin_data` are owned too (malloc), and may hold any bytes. */
struct job {
	char *id;               /* never NULL after job_parse: made up when the caller gave none */
	enum language language;
	struct bytes code;
	char *policy;           /* NULL: the language's own ("python3", "nodejs") */
	struct bytes policy_text; /* a policy of its own instead; p NULL: none. malloc */
	bool debug;             /* calls that its policy refuses or kills are held for debug.decide */
	char *filename;         /* never NULL: main.py or main.js by default; one path component */
	char **args;
	size_t n_args;
	struct job_env *env;
	size_t n_env;
	struct bytes stdin_data;
	struct job_file *files; /* put into /tmp before the start */
	size_t n_files;
	uint64_t files_bytes, files_inodes; /* what code and files take of /tmp, whole pages; 0 without files */
	char **collect;         /* patterns of files to return */
	size_t n_collect;
	uint64_t result_room;   /* set by admission: bytes that output and collected files may have together */
	int64_t limits[LIMIT_COUNT];  /* as asked for, in range only after admission, which knows the policy; units are in the names */
	bool limit_given[LIMIT_COUNT]; /* false: the policy's */
	struct job_list grants[GRANT_COUNT]; /* READ, WRITE: absolute normal paths; CONNECT: "host:port" as written */
	bool by_operator;       /* not on the wire: told by the front, bounds `grants` by the floor alone */
	char *tenant;           /* "" by default */
	char *dependencies;     /* the tree of packages in place of the policy's; NULL: the policy's */
	bool detach;
	bool stream;
	enum trace trace;       /* whose calls are told by `event` notifications */
};

/* Parses `map`. On success `*out` is new, to be freed with job_free. */
int job_parse(const msgpack_object *map, struct job **out, struct err *e);
/* Packs a job as the params map of `run` (for clients). Absent and default fields are left out. */
void job_pack(const struct job *j, msgpack_packer *pk);
struct job *job_new(void); /* empty, every string NULL; NULL when out of memory */
/* A number for whose job it is (FNV-1a), never 0. Clients that share one by chance have their turns as one where it is asked for. */
uint64_t job_client(uid_t uid, const char *tenant);
void job_free(struct job *j);

#define VIOLATION_ARGS_MAX 6

/* One refused, hidden or killing call. Strings are owned (malloc) or NULL. */
struct violation {
	char *syscall;          /* name, or a number in decimal when the table has none */
	char *args[VIOLATION_ARGS_MAX]; /* decoded; the first NULL ends the list */
	char *path;             /* absolute in the job's tree */
	char *address;          /* "1.2.3.4:80", "[::1]:80" */
	enum verdict verdict;
	int err;                /* errno given; 0 for killed */
	char *rule;             /* "python3.yaml:12 file_names" */
	char *file, *function, *hint;
	int line;               /* 0: none */
	char *no_line;          /* why, in words */
	uint32_t count;
};

/* A file that was to be collected and could not be. Owned strings. */
struct file_dropped {
	char *name;             /* NULL: several, of which no more is told */
	uint64_t bytes;         /* its size; 0 where unknown */
	char *why;              /* in words */
};

struct usage {
	double queue_ms, wall_ms, cpu_ms;
	uint64_t max_rss_kib, brokered_calls, stdout_bytes, stderr_bytes;
};

/* The one answer to a job. Everything is owned by the struct; result_done frees what it points to. */
struct result {
	char *id;
	enum outcome outcome;
	int exit_code;          /* for exited */
	int signal;             /* for signaled */
	enum ended_by limit;    /* for limit */
	uint32_t limits_hit;    /* bit (1 << LIMIT_HIT_x) */
	struct bytes out, err;  /* stdout, stderr */
	bool out_truncated, err_truncated;
	struct job_file *files; /* collected */
	size_t n_files;
	struct file_dropped *files_dropped;
	size_t n_files_dropped;
	struct violation *violations;
	size_t n_violations;
	uint64_t violations_dropped;
	struct usage usage;
	uint32_t layers;        /* bit (1 << LAYER_x) */
	char *error;            /* for error, else NULL */
};

/* Every key of the interface is packed, absent values as nil. */
void result_pack(const struct result *r, msgpack_packer *pk);
/* The other way round, for clients. Unknown keys are skipped: results may grow. */
int result_parse(const msgpack_object *map, struct result *out, struct err *e);
#define VIOLATION_KEYS 13
void violation_pack(const struct violation *v, msgpack_packer *pk); /* one map */
void violation_pack_keys(const struct violation *v, msgpack_packer *pk); /* its VIOLATION_KEYS keys and values alone */
void violation_done(struct violation *v);
void result_done(struct result *r);

#endif
