/* manage.c - `warder ps`, `warder kill`, `warder status`: asks a running supervisor, prints a table or JSON. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "commands.h"
#include "json.h"
#include "options.h"
#include "tell.h"

struct manage_options {
	bool help, json;
	const char *socket;
};

#define AT(field) offsetof(struct manage_options, field)
static const struct option rows[] = {
	{"--socket", "PATH", OPTION_TEXT, AT(socket), "the supervisor at PATH; WARDER_SOCKET does the same"},
	{"--json", NULL, OPTION_FLAG, AT(json), "prints the answer as JSON"},
	{"--help", NULL, OPTION_FLAG, AT(help), "this list"},
};
static const struct option_table table = {rows, sizeof(rows) / sizeof(*rows)};

/* --- the answers, for people --------------------------------------------------------------------------------- */

static const msgpack_object *get(const msgpack_object *map, const char *key)
{
	static const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};

	for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		const msgpack_object *k = &map->via.map.ptr[i].key;

		if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == strlen(key) && !memcmp(k->via.str.ptr, key, strlen(key)))
			return &map->via.map.ptr[i].val;
	}
	return &nil;
}

static double number(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? (double)o->via.u64
	       : o->type == MSGPACK_OBJECT_FLOAT64        ? o->via.f64
	                                                  : 0;
}

/* A name that a caller may have chosen. */
static void print_text(const msgpack_object *o, int width)
{
	int n = o->type == MSGPACK_OBJECT_STR ? (int)o->via.str.size : 1;

	if (o->type == MSGPACK_OBJECT_STR)
		tell_escaped(stdout, o->via.str.ptr, o->via.str.size);
	else
		putchar('-');
	printf("%*s", n < width ? width - n + 2 : 2, "");
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void print_jobs(const msgpack_object *jobs)
{
	printf("%-24s  %-8s  %-16s  %-8s  %8s  %s\n", "JOB", "STATE", "POLICY", "LANGUAGE", "SECONDS", "PID");
	for (uint32_t i = 0; jobs->type == MSGPACK_OBJECT_ARRAY && i < jobs->via.array.size; i++) {
		const msgpack_object *j = &jobs->via.array.ptr[i];
		double started = number(get(j, "started_ms")), pid = number(get(j, "tracee_pid"));

		print_text(get(j, "job"), 24);
		print_text(get(j, "state"), 8);
		print_text(get(j, "policy"), 16);
		print_text(get(j, "language"), 8);
		if (started > 0)
			printf("%8.1f  %.0f\n", (now_ms() - started) / 1e3, pid);
		else
			printf("%8s  -\n", "-");
	}
}

/* Numbers as rows; the maps in it as rows with both names. */
static void print_fields(const msgpack_object *map, const char *prefix)
{
	char name[64];

	for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
		const msgpack_object *k = &map->via.map.ptr[i].key, *v = &map->via.map.ptr[i].val;

		snprintf(name, sizeof(name), "%s%s%.*s", prefix, *prefix ? " " : "", (int)k->via.str.size, k->via.str.ptr);
		if (v->type == MSGPACK_OBJECT_MAP && !*prefix) {
			print_fields(v, name);
			continue;
		}
		printf("%-24s  ", name);
		if (v->type == MSGPACK_OBJECT_STR)
			print_text(v, 0);
		else if (v->type == MSGPACK_OBJECT_ARRAY)
			for (uint32_t a = 0; a < v->via.array.size; a++)
				printf("%s%.*s", a ? " " : "", (int)v->via.array.ptr[a].via.str.size, v->via.array.ptr[a].via.str.ptr);
		else
			printf(v->type == MSGPACK_OBJECT_FLOAT64 ? "%.1f" : "%.0f", number(v));
		putchar('\n');
	}
}

static void print_status(const msgpack_object *status)
{
	print_fields(status, "");
}

/* --- asking -------------------------------------------------------------------------------------------------- */

static int fail(const char *command, const struct err *e)
{
	char text[300];

	fprintf(stderr, "warder %s: ", command);
	err_str(e, text, sizeof(text));
	tell_escaped(stderr, text, strlen(text));
	fputc('\n', stderr);
	return STATUS_FAILED;
}

static int open_supervisor(const struct manage_options *o, struct client **c, struct err *e)
{
	char path[256];

	if (o->socket)
		return client_open(o->socket, c, e);
	if (client_default_socket(path, sizeof(path)))
		return err_set(e, ERR_HOST, "socket", 0, "no default place: neither root nor XDG_RUNTIME_DIR is set; give --socket");
	return client_open(path, c, e);
}

/* Sends the one request of this connection and waits for its answer, which lives until client_free. */
static int ask(struct client *c, const char *method, void (*pack)(msgpack_packer *, void *), void *arg, struct rpc_message *m, struct err *e)
{
	uint32_t msgid;
	int r = client_send(c, method, pack, arg, &msgid, e);

	while (!r) {
		r = client_next(c, m, e);
		if (r == 0)
			return err_set(e, ERR_HOST, method, 0, "the supervisor closed the connection");
		if (r < 0)
			return r;
		r = 0;
		if (m->type != RPC_RESPONSE || m->msgid != msgid)
			continue;
		if (m->error->type != MSGPACK_OBJECT_STR)
			return 0;
		return err_set(e, ERR_REQUEST, "", 0, "%.*s", (int)m->error->via.str.size, m->error->via.str.ptr);
	}
	return r;
}

/* NULL in `words`: the command takes none. */
static int parse(int argc, char **argv, const char *help, struct manage_options *o, struct option_list *words, size_t n_words)
{
	struct err e = {0};
	int rc = options_parse(&table, argc, argv, o, words, &e);

	if (rc >= 0 && !o->help && (words->n != n_words || rc < argc))
		rc = err_set(&e, ERR_REQUEST, "", 0, n_words ? "names one job" : "takes no arguments");
	if (rc < 0) {
		fail(argv[0], &e);
		return -1;
	}
	if (!o->help)
		return 0;
	printf("%s\n\n", help);
	options_print(&table, stdout);
	return 1;
}

static int show(int argc, char **argv, const char *help, const char *method, void (*print)(const msgpack_object *))
{
	struct manage_options o = {0};
	struct option_list words = {0};
	struct client *c = NULL;
	struct rpc_message m;
	struct err e = {0};
	int rc = parse(argc, argv, help, &o, &words, 0);

	options_list_done(&words);
	if (rc)
		return rc > 0 ? 0 : STATUS_FAILED;
	if (open_supervisor(&o, &c, &e) < 0 || ask(c, method, NULL, NULL, &m, &e) < 0) {
		client_free(c);
		return fail(argv[0], &e);
	}
	if (o.json) {
		json_print(stdout, m.result);
		putchar('\n');
	} else {
		print(m.result);
	}
	client_free(c);
	return fflush(stdout) ? STATUS_FAILED : 0;
}

int ps_main(int argc, char **argv)
{
	return show(argc, argv, "warder ps: lists the jobs that wait and run; one's own, an operator's all", "jobs", print_jobs);
}

int status_main(int argc, char **argv)
{
	return show(argc, argv, "warder status: what a running supervisor has and has done", "status", print_status);
}

static void pack_job(msgpack_packer *pk, void *id)
{
	msgpack_pack_map(pk, 1);
	rpc_pack_cstr(pk, "job");
	rpc_pack_cstr(pk, id);
}

int kill_main(int argc, char **argv)
{
	struct manage_options o = {0};
	struct option_list words = {0};
	struct client *c = NULL;
	struct rpc_message m;
	struct err e = {0};
	int rc = parse(argc, argv, "warder kill JOB: ends one job, whose outcome is then cancelled", &o, &words, 1);
	const char *job = rc ? "" : words.v[0];

	options_list_done(&words);
	if (rc)
		return rc > 0 ? 0 : STATUS_FAILED;
	rc = open_supervisor(&o, &c, &e);
	if (rc == 0)
		rc = ask(c, "cancel", pack_job, (void *)job, &m, &e);
	bool done = rc == 0 && get(m.result, "cancelled")->type == MSGPACK_OBJECT_BOOLEAN && get(m.result, "cancelled")->via.boolean;
	if (rc == 0 && o.json)
		printf("{\"cancelled\": %s}\n", done ? "true" : "false");
	if (rc == 0 && !done)
		rc = err_set(&e, ERR_REQUEST, "", 0, "no job %.100s of yours waits or runs", job);
	client_free(c);
	return rc < 0 ? fail(argv[0], &e) : 0;
}
