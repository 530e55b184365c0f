/* ydoc.h - YAML documents with errors by file, line and column; for policies and the configuration file.
 *
 * A ydoc holds one parsed document and collects problems in the caller's policy_errors: callers go on after an error,
 * so that one run shows all of them. Refused before anything is interpreted: files over YDOC_FILE_MAX, nesting over
 * YDOC_DEPTH_MAX, more than YDOC_NODES_MAX nodes, mappings of more than YDOC_KEYS_MAX keys, more than one document, anchors, aliases (a few lines of them expand
 * to gigabytes) and tags. Life: ydoc_open_*, use, ydoc_close (also after a failed open). Nodes and strings are borrowed
 * from the document.
 */
#ifndef WARDER_YDOC_H
#define WARDER_YDOC_H

#include <stdbool.h>
#include <stdint.h>
#include <yaml.h>

#include "bytes.h"
#include "policy.h"
#include "texts.h"

#define YDOC_FILE_MAX   (1u << 20) /* bytes */
#define YDOC_DEPTH_MAX  16
#define YDOC_NODES_MAX  100000
#define YDOC_KEYS_MAX   1024   /* of one mapping: each is compared with those before it */
#define YDOC_ERRORS_MAX 100 /* problems collected; more are dropped */

struct ydoc {
	yaml_document_t doc;
	bool open;
	char label[256]; /* the file as errors show it */
	struct policy_errors *es;
};

/* 0, or -errno with the problem in `es`. An empty document has no root and is an error. */
int ydoc_open_file(struct ydoc *d, const char *path, struct policy_errors *es);
int ydoc_open_read(struct ydoc *d, const struct text *t, struct policy_errors *es); /* borrows */
int ydoc_open_text(struct ydoc *d, const char *label, struct bytes text, struct policy_errors *es);
/* At most YDOC_FILE_MAX + 1 bytes of a regular file: whoever parses them tells "too long" from the length. `out` is malloc'ed. 0 or -errno. */
int ydoc_read_file(const char *path, struct bytes *out);
void ydoc_close(struct ydoc *d);
yaml_node_t *ydoc_root(struct ydoc *d);
int ydoc_line(const yaml_node_t *n); /* from 1 */

/* Adds a problem at `n` (NULL: line and column 1). The same problem at the same place is told once. */
void ydoc_fail(struct ydoc *d, const yaml_node_t *n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same without a document. Column and line 0: the file as a whole. */
void ydoc_problem(struct policy_errors *es, const char *file, int line, int column, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* One known key of a mapping. `take` NULL: the interface has the key, this version does not carry it out. */
typedef void ydoc_take(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx);
struct ydoc_key {
	const char *name;
	ydoc_take *take;
};
/* Calls `take` for every key of mapping `n`. Unknown, duplicate and unsupported keys are problems. `where` names the
 * mapping in messages: "limits"; "" at the top. */
void ydoc_map(struct ydoc *d, yaml_node_t *n, const char *where, const struct ydoc_key *keys, size_t n_keys, void *ctx);
/* The same for free keys. */
void ydoc_pairs(struct ydoc *d, yaml_node_t *n, const char *where, ydoc_take *take, void *ctx);
/* Calls `take` for every item (key is NULL) of sequence `n`. */
void ydoc_items(struct ydoc *d, yaml_node_t *n, const char *where, ydoc_take *take, void *ctx);
/* The same; more than `max` items are a problem, and none is taken. */
void ydoc_few_items(struct ydoc *d, yaml_node_t *n, const char *where, size_t max, ydoc_take *take, void *ctx);
/* The value of `key` in mapping `n`, or NULL, without any checks. */
yaml_node_t *ydoc_get(struct ydoc *d, yaml_node_t *n, const char *key);

/* NULL (false) and a problem when the node is something else. A string is not empty and has no NUL byte inside. */
const char *ydoc_str(struct ydoc *d, yaml_node_t *n, const char *where);
bool ydoc_uint(struct ydoc *d, yaml_node_t *n, const char *where, uint64_t min, uint64_t max, uint64_t *out);
bool ydoc_bool(struct ydoc *d, yaml_node_t *n, const char *where, bool *out);

#endif
