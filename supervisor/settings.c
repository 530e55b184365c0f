#include "settings.h"

#include <errno.h>
#include <stdlib.h>

#include "accounts.h"
#include "log.h"
#include "mem.h"
#include "value.h"

static const char *const *dirs_of(const struct settings_from *from, const struct config *c)
{
	if (from->policy_dirs && from->policy_dirs[0])
		return from->policy_dirs;
	return c->policy_dirs ? (const char *const *)c->policy_dirs : from->default_dirs;
}

static struct config *parse_config(const struct settings_from *from, const struct texts *t, struct policy_errors *es)
{
	struct config *c = mem_zeroed(1, sizeof(*c));

	if (config_parse(from->config ? texts_find(t, from->config) : NULL, from->own, c, es) == 0)
		return c;
	config_done(c);
	free(c);
	return NULL;
}

/* Takes the configuration. */
static struct generation *parse_policies(const struct settings_from *from, uint64_t number, struct config *c, const struct texts *t,
					 struct policy_errors *es)
{
	const char *const *dirs = dirs_of(from, c);
	struct policy_set *policies = policy_set_parse(dirs, t, es);

	if (policies) {
		struct generation *g = generation_new(number, policies, c);

		texts_copy(&g->texts, t);
		g->dirs = dirs;
		return g;
	}
	config_done(c);
	free(c);
	return NULL;
}

struct generation *settings_read(const struct settings_from *from, uint64_t number, struct texts *t, struct policy_errors *es)
{
	struct config *c;

	if (from->config)
		texts_read_file(t, from->config);
	c = parse_config(from, t, es);
	if (!c)
		return NULL;
	const char *const *dirs = dirs_of(from, c);
	for (size_t i = 0; dirs && dirs[i]; i++)
		texts_read_dir(t, dirs[i]);
	return parse_policies(from, number, c, t, es);
}

void settings_keep(struct generation *g, const struct generation *now, char *kept)
{
	config_keep(g->config, now->config, kept, SETTINGS_KEPT);
}

void settings_apply(const struct settings_from *from, const struct generation *g)
{
	log_set_json(g->config->log_json);
	log_set_level(from->log_level >= 0 ? (enum log_level)from->log_level : g->config->log_level);
}

/* --- between processes --------------------------------------------------------------------------------------- */

#define FILE_FIELDS 5

int settings_pack(msgpack_sbuffer *b, uint64_t number, const struct texts *t)
{
	msgpack_packer pk;

	link_begin(b, &pk, LINK_SETTINGS, 3);
	value_put_uint(&pk, "generation", number);
	rpc_pack_cstr(&pk, "accounts");
	accounts_pack(&pk);
	rpc_pack_cstr(&pk, "files");
	msgpack_pack_array(&pk, t->n);
	for (size_t i = 0; i < t->n; i++) {
		msgpack_pack_array(&pk, FILE_FIELDS);
		rpc_pack_cstr(&pk, t->v[i].path);
		rpc_pack_cstr(&pk, t->v[i].real);
		msgpack_pack_int(&pk, t->v[i].listed);
		msgpack_pack_int(&pk, t->v[i].err);
		rpc_pack_bin(&pk, t->v[i].data);
	}
	return b->size > SETTINGS_MAX ? -EFBIG : 0;
}

static struct bytes bytes_of(const msgpack_object *o)
{
	return (struct bytes){o->via.bin.ptr, o->via.bin.size};
}

static int take_file(const msgpack_object *o, struct texts *t)
{
	const msgpack_object *v = o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size == FILE_FIELDS ? o->via.array.ptr : NULL;

	if (!v || v[0].type != MSGPACK_OBJECT_STR || v[1].type != MSGPACK_OBJECT_STR || v[2].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
	    v[3].type != MSGPACK_OBJECT_POSITIVE_INTEGER || v[4].type != MSGPACK_OBJECT_BIN)
		return -EPROTO;
	texts_add(t, bytes_of(&v[0]), bytes_of(&v[1]), v[2].via.u64 != 0, (int)v[3].via.u64, bytes_of(&v[4]));
	return 0;
}

static int take_files(const msgpack_object *list, struct texts *t)
{
	int r = list ? 0 : -EPROTO;

	for (uint32_t i = 0; !r && i < list->via.array.size; i++)
		r = take_file(&list->via.array.ptr[i], t);
	return r;
}

struct generation *settings_take(const struct settings_from *from, const struct generation *now, const struct link_in *in)
{
	struct policy_errors es = {0};
	struct generation *g = NULL;
	char kept[SETTINGS_KEPT];
	struct texts t = {0};
	uint64_t number;

	if (link_uint(in->m.params, "generation", UINT64_MAX, &number) && number > now->number &&
	    accounts_take(link_array(in->m.params, "accounts")) && take_files(link_array(in->m.params, "files"), &t) == 0) {
		struct config *c = parse_config(from, &t, &es);

		g = c ? parse_policies(from, number, c, &t, &es) : NULL;
	}
	for (size_t i = 0; i < es.n; i++)
		log_write(LOG_ERROR, "settings_not_understood", "at=%s:%d:%d", es.v[i].file, es.v[i].line, es.v[i].column);
	if (g) {
		if (config_zygotes_alike(now->config, g->config))
			policy_set_share(g->policies, &g->texts, now->policies, &now->texts);
		settings_keep(g, now, kept);
		settings_apply(from, g);
	}
	policy_errors_done(&es);
	texts_done(&t);
	return g;
}
