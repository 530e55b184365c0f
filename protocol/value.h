/* value.h - the values of a message's fields: read from a request with errors that name the field, and packed.
 *
 * For the modules of `protocol` whose structs are messages (job.c, job_lists.c, job_files.c, result.c, event.c), and for the supervisor's
 * other messages. Knows none of those structs. `path` names the field: "limits.wall_ms". What is read is a copy that the caller owns
 * (malloc). Errors, when there is an `e`: -EINVAL of class ERR_REQUEST, -ENOMEM of class ERR_HOST.
 */
#ifndef WARDER_VALUE_H
#define WARDER_VALUE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"

/* "path: words"; path goes into the step where it fits, so that callers can tell fields apart. Returns -EINVAL. `e` may be NULL. */
int value_bad(struct err *e, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int value_no_memory(struct err *e); /* -ENOMEM */

bool value_is_nil(const msgpack_object *o);
bool value_is_bytes(const msgpack_object *o); /* str or bin: each is taken where the other is meant */
/* Of one that is; borrowed, and never NULL: "" when it is empty. */
struct bytes value_bytes(const msgpack_object *o);
bool value_is(const msgpack_object *key, const char *name);

#define VALUE_SHOWN 64 /* a buffer for value_show */
/* A caller's key for an error text: printable, not too long. Returns buf, or words of its own. */
const char *value_show(const msgpack_object *key, char buf[VALUE_SHOWN]);

int value_copy(struct bytes from, struct bytes *to); /* -ENOMEM */
/* A string as a C string of at most `max` bytes. NUL bytes inside would cut it short unnoticed: they are refused. */
int value_take_cstr(const msgpack_object *v, size_t max, const char *path, char **out, struct err *e);
/* Names that are shown in lists, logs and errors: good UTF-8 without control characters, not empty. On errors, too, `*out` is to be freed. */
int value_take_name(const msgpack_object *v, size_t max, const char *path, char **out, struct err *e);
int value_take_bytes(const msgpack_object *v, const char *path, struct bytes *out, struct err *e);
int value_take_bool(const msgpack_object *v, const char *path, bool *out, struct err *e);
/* How many entries a list or map (`type`) has, or -EINVAL; `what` must it be: "list of strings". */
int value_entries(const msgpack_object *v, msgpack_object_type type, uint32_t most, const char *path, const char *what, struct err *e);

struct value_list {
	const char *path, *what;
	uint32_t most; /* entries */
	/* Copies one; on errors, too, `*out` is to be freed. */
	int (*take)(const msgpack_object *v, const char *path, char **out, struct err *e);
};
/* A new array with a NULL behind the last. On errors, too, there are `*n` strings in `*list` to be freed, and it. */
int value_take_list(const msgpack_object *v, const struct value_list *of, char ***list, size_t *n, struct err *e);

/* Each packs its key, then the value. NULL, and an int that does not apply, are nil. */
void value_put_text(msgpack_packer *pk, const char *key, const char *value);
void value_put_texts(msgpack_packer *pk, const char *key, char *const *v, size_t most); /* of `v` up to the first NULL, `most` at the most */
void value_put_int(msgpack_packer *pk, const char *key, bool applies, int64_t value);
void value_put_uint(msgpack_packer *pk, const char *key, uint64_t value);
void value_put_double(msgpack_packer *pk, const char *key, double value);
void value_put_bool(msgpack_packer *pk, const char *key, bool value);
void value_put_bin(msgpack_packer *pk, const char *key, struct bytes value);
void value_put_map(msgpack_packer *pk, const char *key, size_t n); /* whose pairs are to be packed next */
void value_put_list(msgpack_packer *pk, const char *key, char *const *v, size_t n); /* each as value_pack_exact does */
/* As `str` where it is one, else as `bin`, which is accepted too and loses nothing. */
void value_pack_exact(msgpack_packer *pk, const char *s);

#endif
