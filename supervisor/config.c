#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "accounts.h"
#include "mem.h"
#include "ydoc.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* --- socket ----------------------------------------------------------------------------------- */

static void take_socket_path(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;
	const char *s = ydoc_str(d, value, "socket.path");

	(void)key;
	if (!s)
		return;
	if (*s != '/')
		ydoc_fail(d, value, "socket.path: must be an absolute path, is %s", s);
	else if (strlen(s) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		ydoc_fail(d, value, "socket.path: longer than %zu bytes",
			  sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	c->socket_path = mem_copy(s);
}

/* Octal, as chmod takes it: 0660, 660 or 0o660. */
static void take_socket_mode(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;
	const char *s = ydoc_str(d, value, "socket.mode");
	const char *digits = s && !strncmp(s, "0o", 2) ? s + 2 : s;
	unsigned long mode;

	(void)key;
	if (!s)
		return;
	mode = strtoul(digits, NULL, 8);
	if (!*digits || strspn(digits, "01234567") != strlen(digits) || strlen(digits) > 4 || mode > 0777 ||
	    !(mode & 0200))
		ydoc_fail(d, value, "socket.mode: must be octal, 0200 to 0777 with the owner's write bit, is %.40s", s);
	else
		c->socket_mode = (mode_t)mode;
}

static void take_socket_group(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;
	const char *s = ydoc_str(d, value, "socket.group");

	(void)key;
	if (!s)
		return;
	if (!accounts_has_group(s))
		ydoc_fail(d, value, "socket.group: no group %s on this machine", s);
	c->socket_group = mem_copy(s);
}

static void take_socket(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {
		{"path", take_socket_path}, {"mode", take_socket_mode}, {"group", take_socket_group}};

	(void)key;
	ydoc_map(d, value, "socket", keys, N(keys), ctx);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void take_number(struct ydoc *d, yaml_node_t *value, const char *where, uint64_t max, unsigned *out)
{
	uint64_t v;

	if (ydoc_uint(d, value, where, 1, max, &v))
		*out = (unsigned)v;
}

#define TAKE_NUMBER(field, where, max)                                                                                 \
	static void take_##field(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)                      \
	{                                                                                                              \
		(void)key;                                                                                             \
		take_number(d, value, where, max, &((struct config *)ctx)->field);                                     \
	}

TAKE_NUMBER(pool_min, "pool.min", CONFIG_POOL_MAX)
TAKE_NUMBER(pool_max, "pool.max", CONFIG_POOL_MAX)
TAKE_NUMBER(queue_length, "queue.length", CONFIG_QUEUE_MAX)
TAKE_NUMBER(queue_per_tenant, "queue.per_tenant", CONFIG_QUEUE_MAX)
TAKE_NUMBER(workers, "workers", CONFIG_WORKERS_MAX)
TAKE_NUMBER(zygote_max_jobs, "zygote.max_jobs", 1000000000)
TAKE_NUMBER(zygote_max_age_s, "zygote.max_age_s", 1000000000)
TAKE_NUMBER(drain_ms, "drain_ms", CONFIG_DRAIN_MS_MAX)

static void take_max_message_mib(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	uint64_t v;

	(void)key;
	if (ydoc_uint(d, value, "max_message_mib", 1, CONFIG_MESSAGE_MIB_MAX, &v))
		((struct config *)ctx)->max_message_mib = (size_t)v;
}


static void take_pool(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {{"min", take_pool_min}, {"max", take_pool_max}};
	struct config *c = ctx;

	(void)key;
	ydoc_map(d, value, "pool", keys, N(keys), c);
	/* only one of them given: the other's default follows */
	if (!ydoc_get(d, value, "max") && c->pool_max < c->pool_min)
		c->pool_max = c->pool_min;
	if (!ydoc_get(d, value, "min") && c->pool_min > c->pool_max)
		c->pool_min = c->pool_max;
	if (c->pool_min > c->pool_max)
		ydoc_fail(d, value, "pool: min (%u) is above max (%u)", c->pool_min, c->pool_max);
}

static void take_zygote(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {{"max_jobs", take_zygote_max_jobs}, {"max_age_s", take_zygote_max_age_s}};

	(void)key;
	ydoc_map(d, value, "zygote", keys, N(keys), ctx);
}

static void take_queue(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {{"length", take_queue_length}, {"per_tenant", take_queue_per_tenant}};
	struct config *c = ctx;

	(void)key;
	ydoc_map(d, value, "queue", keys, N(keys), c);
	if (!ydoc_get(d, value, "per_tenant"))
		c->queue_per_tenant = c->queue_length;
	if (c->queue_per_tenant > c->queue_length)
		ydoc_fail(d, value, "queue: per_tenant (%u) is above length (%u)", c->queue_per_tenant,
			  c->queue_length);
}

/* --- lists ------------------------------------------------------------------------------------ */

static size_t dirs_len(char **dirs)
{
	size_t n = 0;

	while (dirs && dirs[n])
		n++;
	return n;
}

static void take_policy_dir(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;
	const char *s = ydoc_str(d, value, "policy_dirs");
	size_t n = dirs_len(c->policy_dirs);

	(void)key;
	if (!s)
		return;
	if (*s != '/')
		ydoc_fail(d, value, "policy_dirs: must be absolute paths, is %s", s);
	if (n == CONFIG_LIST_MAX) {
		ydoc_fail(d, value, "policy_dirs: more than %d", CONFIG_LIST_MAX);
		return;
	}
	c->policy_dirs = mem_grow(c->policy_dirs, n + 2, sizeof(*c->policy_dirs));
	c->policy_dirs[n] = mem_copy(s);
	c->policy_dirs[n + 1] = NULL;
}

static void take_policy_dirs(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	ydoc_items(d, value, "policy_dirs", take_policy_dir, ctx);
}

static void take_dependencies_dir(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;
	const char *s = ydoc_str(d, value, "dependencies_dir");

	(void)key;
	if (s && *s != '/')
		ydoc_fail(d, value, "dependencies_dir: must be an absolute path, is %s", s);
	if (!s)
		return;
	free(c->dependencies_dir);
	c->dependencies_dir = mem_copy(s);
}

static bool find_uid(const char *s, uid_t *out)
{
	unsigned long v;

	if (strspn(s, "0123456789") == strlen(s)) {
		errno = 0;
		v = strtoul(s, NULL, 10);
		*out = (uid_t)v;
		return !errno && v < (uid_t)-1; /* (uid_t)-1 is "no uid" everywhere */
	}
	return accounts_uid(s, out);
}

struct uid_list {
	const char *where;
	uid_t **v;
	size_t *n;
};

static void take_user(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const struct uid_list *l = ctx;
	const char *s = ydoc_str(d, value, l->where);
	uid_t uid;

	(void)key;
	if (!s)
		return;
	if (!find_uid(s, &uid)) {
		ydoc_fail(d, value, "%s: no user %s on this machine", l->where, s);
		return;
	}
	if (*l->n == CONFIG_LIST_MAX) {
		ydoc_fail(d, value, "%s: more than %d", l->where, CONFIG_LIST_MAX);
		return;
	}
	*l->v = mem_grow(*l->v, *l->n + 1, sizeof(**l->v));
	(*l->v)[(*l->n)++] = uid;
}

/* The file's list takes the place of the default one. */
static void take_operators(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;
	struct uid_list l = {"operators", &c->operators, &c->n_operators};

	(void)key;
	c->n_operators = 0;
	ydoc_items(d, value, l.where, take_user, &l);
}

static void take_installers(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;
	struct uid_list l = {"installers", &c->installers, &c->n_installers};

	(void)key;
	c->n_installers = 0;
	ydoc_items(d, value, l.where, take_user, &l);
}

struct layer_list {
	const char *where;
	uint32_t *bits;
};

static void take_layer(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const struct layer_list *l = ctx;
	const char *s = ydoc_str(d, value, l->where);
	int layer = s ? layer_parse(s, strlen(s)) : -1;

	(void)key;
	if (s && layer < 0)
		ydoc_fail(d, value, "%s: unknown layer %s", l->where, s);
	else if (s)
		*l->bits |= 1u << layer;
}

static void check_layers(struct ydoc *d, yaml_node_t *at, const struct config *c)
{
	for (int l = 0; l < LAYER_COUNT; l++) {
		if (c->require & c->optional & (1u << l))
			ydoc_fail(d, at, "%s: both required and optional", layer_name(l));
	}
	/* without them there is no sandbox to speak of */
	if (c->optional & (1u << LAYER_SECCOMP | 1u << LAYER_BROKER))
		ydoc_fail(d, at, "optional: seccomp and broker are always required");
}

static void take_require(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;

	(void)key;
	ydoc_items(d, value, "require", take_layer, &(struct layer_list){"require", &c->require});
	check_layers(d, value, c);
}

static void take_optional(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;

	(void)key;
	ydoc_items(d, value, "optional", take_layer, &(struct layer_list){"optional", &c->optional});
	check_layers(d, value, c);
}

/* --- proxy ------------------------------------------------------------------------------------ */

static void take_proxy_server(struct ydoc *d, yaml_node_t *value, struct config *c, enum proxy_kind k)
{
	char where[32], why[160];

	snprintf(where, sizeof(where), "proxy.%s", proxy_kind_name(k));
	const char *s = ydoc_str(d, value, where);
	if (s && proxy_set(&c->proxy, k, s, why, sizeof(why))) /* not the value: it may hold a password */
		ydoc_fail(d, value, "%s: %s", where, why);
}

#define TAKE_PROXY(name, kind)                                                                                         \
	static void take_proxy_##name(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)                 \
	{                                                                                                              \
		(void)key;                                                                                             \
		take_proxy_server(d, value, ctx, kind);                                                                \
	}

TAKE_PROXY(http, PROXY_HTTP)
TAKE_PROXY(https, PROXY_HTTPS)
TAKE_PROXY(socks5, PROXY_SOCKS5)

static void take_no_proxy_item(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	struct config *c = ctx;
	const char *s = ydoc_str(d, value, "proxy.no_proxy");
	char why[160];

	(void)key;
	if (s && proxy_except(&c->proxy, s, why, sizeof(why)))
		ydoc_fail(d, value, "proxy.no_proxy: %s, is %.80s", why, s);
}

static void take_no_proxy(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	(void)key;
	ydoc_items(d, value, "proxy.no_proxy", take_no_proxy_item, ctx);
}

static void take_proxy(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {
		{"http", take_proxy_http}, {"https", take_proxy_https}, {"socks5", take_proxy_socks5}, {"no_proxy", take_no_proxy}};
	struct config *c = ctx;

	(void)key;
	ydoc_map(d, value, "proxy", keys, N(keys), c);
	if (!proxy_is_set(&c->proxy))
		ydoc_fail(d, value, "proxy: names no proxy");
	proxy_finish(&c->proxy);
}

/* --- log -------------------------------------------------------------------------------------- */

static void take_log_level(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const char *s = ydoc_str(d, value, "log.level");
	int level = s ? log_level_parse(s) : -1;

	(void)key;
	if (s && level < 0)
		ydoc_fail(d, value, "log.level: unknown level %s (error, warn, info, debug)", s);
	else if (s)
		((struct config *)ctx)->log_level = (enum log_level)level;
}

static void take_log_format(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const char *s = ydoc_str(d, value, "log.format");

	(void)key;
	if (s && strcmp(s, "logfmt") && strcmp(s, "json"))
		ydoc_fail(d, value, "log.format: must be logfmt or json, is %.40s", s);
	((struct config *)ctx)->log_json = s && !strcmp(s, "json");
}

static void take_log(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	static const struct ydoc_key keys[] = {{"format", take_log_format}, {"level", take_log_level}};

	(void)key;
	ydoc_map(d, value, "log", keys, N(keys), ctx);
}

/* --- the whole file --------------------------------------------------------------------------- */

static const struct ydoc_key top_keys[] = {
	{"socket", take_socket},
	{"workers", take_workers},
	{"policy_dirs", take_policy_dirs},
	{"dependencies_dir", take_dependencies_dir},
	{"operators", take_operators},
	{"installers", take_installers},
	{"require", take_require},
	{"optional", take_optional},
	{"pool", take_pool},
	{"queue", take_queue},
	{"max_message_mib", take_max_message_mib},
	{"drain_ms", take_drain_ms},
	{"log", take_log},
	{"zygote", take_zygote},
	{"proxy", take_proxy},
};

static struct config defaults(uid_t own)
{
	struct config c = {
		.socket_mode = 0660,
		.pool_min = 4,
		.pool_max = 16,
		.zygote_max_jobs = 20000,
		.zygote_max_age_s = 3600,
		.queue_length = 256,
		.queue_per_tenant = 256,
		.max_message_mib = 128,
		.drain_ms = 5000,
		.log_level = LOG_INFO,
	};

	const char *named = getenv("WARDER_DEPENDENCIES");

	c.dependencies_dir = mem_copy(named && *named == '/' ? named : "/var/lib/warder/dependencies");
	c.operators = mem_zeroed(2, sizeof(*c.operators));
	c.operators[0] = own;
	c.n_operators = own ? 2 : 1; /* root, once */
	return c;
}

int config_load(const char *path, struct config *out, struct policy_errors *es)
{
	struct texts t = {0};

	if (path)
		texts_read_file(&t, path);
	int r = config_parse(path ? &t.v[0] : NULL, geteuid(), out, es);
	texts_done(&t);
	return r;
}

int config_parse(const struct text *t, uid_t own, struct config *out, struct policy_errors *es)
{
	size_t before = es->n;
	struct ydoc d;
	int r;

	*out = defaults(own);
	if (!t)
		return 0;
	r = ydoc_open_read(&d, t, es);
	if (!r)
		ydoc_map(&d, ydoc_root(&d), "", top_keys, N(top_keys), out);
	ydoc_close(&d);
	return r ? r : es->n > before ? -EINVAL : 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static char *copy_or_null(const char *s)
{
	return s ? mem_copy(s) : NULL;
}

void config_keep(struct config *c, const struct config *started, char *names, size_t size)
{
	const struct {
		const char *name;
		bool differs;
	} rows[] = {
		{"socket.path", !same_text(c->socket_path, started->socket_path)},
		{"socket.mode", c->socket_mode != started->socket_mode},
		{"socket.group", !same_text(c->socket_group, started->socket_group)},
		{"workers", c->workers != started->workers},
		{"require", c->require != started->require},
		{"optional", c->optional != started->optional},
		{"max_message_mib", c->max_message_mib != started->max_message_mib},
	};
	size_t len = 0;

	names[0] = '\0';
	for (size_t i = 0; i < N(rows); i++)
		if (rows[i].differs && len < size)
			len += (size_t)snprintf(names + len, size - len, "%s%s", len ? "," : "", rows[i].name);
	free(c->socket_path);
	free(c->socket_group);
	c->socket_path = copy_or_null(started->socket_path);
	c->socket_group = copy_or_null(started->socket_group);
	c->socket_mode = started->socket_mode;
	c->workers = started->workers;
	c->require = started->require;
	c->optional = started->optional;
	c->max_message_mib = started->max_message_mib;
}

bool config_zygotes_alike(const struct config *a, const struct config *b)
{
	for (int k = 0; k < PROXY_KINDS; k++)
		if (!same_text(a->proxy.urls[k], b->proxy.urls[k]))
			return false;
	return same_text(a->proxy.no_proxy, b->proxy.no_proxy) && same_text(a->dependencies_dir, b->dependencies_dir);
}

void config_done(struct config *c)
{
	for (size_t i = 0; c->policy_dirs && c->policy_dirs[i]; i++)
		free(c->policy_dirs[i]);
	free(c->policy_dirs);
	free(c->dependencies_dir);
	free(c->socket_path);
	free(c->socket_group);
	free(c->operators);
	free(c->installers);
	proxy_done(&c->proxy);
	*c = (struct config){0};
}
