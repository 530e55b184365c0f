#include "accounts.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "rpc.h"

enum kind { USER, GROUP, KINDS };

static struct account {
	enum kind kind;
	char *name;
	uint32_t id;
} *known;
static size_t n_known;
static bool closed;

static const struct account *find(enum kind kind, const char *name)
{
	for (size_t i = 0; i < n_known; i++)
		if (known[i].kind == kind && strcmp(known[i].name, name) == 0)
			return &known[i];
	return NULL;
}

static void forget(enum kind kind, const char *name)
{
	struct account *a = (struct account *)find(kind, name);

	if (!a)
		return;
	free(a->name);
	*a = known[--n_known];
}

/* Takes the name. */
static void note(enum kind kind, char *name, uint32_t id)
{
	forget(kind, name);
	known = mem_grow(known, n_known + 1, sizeof(*known));
	known[n_known++] = (struct account){kind, name, id};
}

/* Asked again at each reading: it may have changed. */
static void ask(enum kind kind, const char *name)
{
	const struct passwd *pw = kind == USER ? getpwnam(name) : NULL;
	const struct group *gr = kind == GROUP ? getgrnam(name) : NULL;

	forget(kind, name);
	if (pw || gr)
		note(kind, mem_copy(name), pw ? pw->pw_uid : gr->gr_gid);
}

static const struct account *look(enum kind kind, const char *name)
{
	if (!closed)
		ask(kind, name);
	return find(kind, name);
}

bool accounts_uid(const char *user, uid_t *out)
{
	const struct account *a = look(USER, user);

	if (a)
		*out = a->id;
	return a != NULL;
}

bool accounts_has_group(const char *group)
{
	return look(GROUP, group) != NULL;
}

void accounts_close(void)
{
	closed = true;
}

#define FIELDS 3

void accounts_pack(msgpack_packer *pk)
{
	msgpack_pack_array(pk, n_known);
	for (size_t i = 0; i < n_known; i++) {
		msgpack_pack_array(pk, FIELDS);
		msgpack_pack_int(pk, known[i].kind);
		rpc_pack_cstr(pk, known[i].name);
		msgpack_pack_uint32(pk, known[i].id);
	}
}

static bool take(const msgpack_object *o)
{
	const msgpack_object *v = o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == FIELDS ? o->via.array.ptr : NULL;

	if (!v || v[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || v[0].via.u64 >= KINDS || v[1].type != MSGPACK_OBJECT_STR ||
	    v[2].type != MSGPACK_OBJECT_POSITIVE_INTEGER || v[2].via.u64 > UINT32_MAX)
		return false;
	note((enum kind)v[0].via.u64, strndup(v[1].via.str.ptr, v[1].via.str.size), (uint32_t)v[2].via.u64);
	return true;
}

bool accounts_take(const msgpack_object *o)
{
	bool good = o && o->type == MSGPACK_OBJECT_ARRAY;

	for (uint32_t i = 0; good && i < o->via.array.size; i++)
		good = take(&o->via.array.ptr[i]);
	return good;
}
