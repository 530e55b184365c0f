/* run.c - `warder run`: one job, its output as it comes, its result in words, its exit status as one's own.
 *
 * Without --socket the supervisor is a child of this process (embed.h). Everything then happens on one connection:
 * the request, output notifications, the answer. SIGINT and SIGTERM ask for the job to be cancelled; the answer to the job
 * then comes as usual. A second one ends this process at once, and the hang-up cancels the job.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "commands.h"
#include "embed.h"
#include "files.h"
#include "input.h"
#include "json.h"
#include "run_job.h"
#include "tell.h"

#define CANCEL_MSGID UINT32_MAX

#define AT(field) offsetof(struct run_options, field)
static const struct option rows[] = {
	{"--language", "NAME", OPTION_TEXT, AT(language), "python3 or nodejs; guessed from the suffix of FILE"},
	{"--policy", "NAME|FILE", OPTION_TEXT, AT(policy), "policy of the job, by its name or as a file; the language's own"},
	{"--dependencies", "NAME", OPTION_TEXT, AT(dependencies), "tree of packages in place of the policy's"},
	{"--policy-dir", "DIR", OPTION_LIST, AT(policy_dirs), "where a supervisor of its own looks for policies"},
	{"--config", "FILE", OPTION_TEXT, AT(config), "configuration of a supervisor of its own"},
	{"--socket", "PATH", OPTION_TEXT, AT(socket), "use the supervisor at PATH; WARDER_SOCKET does the same"},
	{"--allow-read", "PATH", OPTION_LIST, AT(grants[GRANT_READ]), "a file or directory that the job may read and list"},
	{"--allow-write", "PATH", OPTION_LIST, AT(grants[GRANT_WRITE]), "one that it may also change"},
	{"--allow-connect", "HOST[:PORT]", OPTION_LIST, AT(grants[GRANT_CONNECT]), "an address that it may connect to"},
	{"--env", "NAME=VALUE", OPTION_LIST, AT(env), "one variable of the job's environment"},
	{"--stdin", "FILE", OPTION_TEXT, AT(stdin_file), "what the job reads from stdin; - is this command's own"},
	{"--file", "NAME=PATH", OPTION_LIST, AT(files), "put the file PATH into the job's /tmp as NAME"},
	{"--collect", "GLOB", OPTION_LIST, AT(collect), "return files of the job's /tmp, as in out/*.csv or **"},
	{"--output-dir", "DIR", OPTION_TEXT, AT(output_dir), "write them below DIR"},
	{"--filename", "NAME", OPTION_TEXT, AT(filename), "name of the code in tracebacks; main.py, main.js"},
	{"--timeout", "SECONDS", OPTION_SECONDS, AT(limits[LIMIT_WALL_MS]), "limit of wall time"},
	{"--cpu", "SECONDS", OPTION_SECONDS, AT(limits[LIMIT_CPU_MS]), "limit of CPU time, of all threads together"},
	{"--memory", "MIB", OPTION_NUMBER, AT(limits[LIMIT_MEMORY_MIB]), "limit of memory"},
	{"--output", "KIB", OPTION_NUMBER, AT(limits[LIMIT_OUTPUT_KIB]), "limit of stdout and stderr together"},
	{"--threads", "N", OPTION_NUMBER, AT(limits[LIMIT_THREADS]), "limit of threads"},
	{"--tmp", "MIB", OPTION_NUMBER, AT(limits[LIMIT_TMP_MIB]), "size of the job's /tmp"},
	{"--file-size", "MIB", OPTION_NUMBER, AT(limits[LIMIT_FILE_MIB]), "size of one file that the job writes"},
	{"--open-files", "N", OPTION_NUMBER, AT(limits[LIMIT_OPEN_FILES]), "descriptors that the job may have open"},
	{"--json", NULL, OPTION_FLAG, AT(json), "print the whole result as one JSON object"},
	{"--stats", NULL, OPTION_FLAG, AT(stats), "tell on stderr what the job used"},
	{"--help", NULL, OPTION_FLAG, AT(help), "this list"},
};
static const struct option_table table = {rows, sizeof(rows) / sizeof(*rows)};

/* one run: what is asked for, and how far it has come */
struct run {
	const struct run_options *o;
	struct client *client;
	uint32_t msgid;
	bool stderr_open_line;  /* the job's last byte on stderr was no newline */
};

/* What the handler of SIGINT and SIGTERM sends: packed before, since a handler may only write(2). It is
 * unblocked only while the request is out and nothing else is being written, so messages never mix. */
static struct {
	int fd;
	msgpack_sbuffer message;
} cancel;

static int help(void)
{
	puts("warder run [options] FILE|- [-- ARGS...]: runs one job\n");
	options_print(&table, stdout);
	puts("\nExit status: the job's own; 124 wall or CPU time; 137 another limit; 159 killed by its policy;\n"
	     "130 cancelled; 128 + N killed by signal N; 141 nobody reads stdout; 125 warder itself failed.");
	return fflush(stdout) ? STATUS_FAILED : 0;
}

static int fail(const struct err *e)
{
	char text[300];

	fputs("warder: ", stderr);
	err_str(e, text, sizeof(text));
	tell_escaped(stderr, text, strlen(text));
	fputc('\n', stderr);
	return STATUS_FAILED;
}

/* --- signals ---------------------------------------------------------------------------------------------- */

/* The kernel takes a short message on a stream socket whole. Should it be refused, a second signal still ends us. */
static void on_signal(int sig)
{
	int num = errno;
	ssize_t n = write(cancel.fd, cancel.message.data, cancel.message.size);

	(void)n, (void)sig;
	errno = num;
}

static void signals_block(bool block)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static void signals_catch(struct client *c, const struct job *j)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
	msgpack_packer pk;

	rpc_begin(&cancel.message, &pk);
	rpc_pack_request(&pk, CANCEL_MSGID, "cancel");
	msgpack_pack_map(&pk, 1);
	rpc_pack_cstr(&pk, "job");
	rpc_pack_cstr(&pk, j->id);
	cancel.fd = client_fd(c);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static void signals_ignore(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	msgpack_sbuffer_destroy(&cancel.message);
}

/* --- the answer ------------------------------------------------------------------------------------------- */

static const msgpack_object *map_get(const msgpack_object *map, const char *key)
{
	if (!map || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *kv = &map->via.map.ptr[i];
		if (kv->key.type == MSGPACK_OBJECT_STR && kv->key.via.str.size == strlen(key) &&
		    !memcmp(kv->key.via.str.ptr, key, strlen(key)))
			return &kv->val;
	}
	return NULL;
}

static struct bytes as_bytes(const msgpack_object *o)
{
	if (o && o->type == MSGPACK_OBJECT_BIN)
		return (struct bytes){o->via.bin.ptr, o->via.bin.size};
	if (o && o->type == MSGPACK_OBJECT_STR)
		return (struct bytes){o->via.str.ptr, o->via.str.size};
	return (struct bytes){NULL, 0};
}

/* Passes output on. A closed stderr is no reason to stop; a stdout that nobody reads is, as for any filter. */
static int on_output(struct run *r, const msgpack_object *params, struct err *e)
{
	struct bytes name = as_bytes(map_get(params, "stream")), data = as_bytes(map_get(params, "data"));
	bool is_stderr = name.len == 6 && !memcmp(name.p, "stderr", 6);
	int rc = input_write_all(is_stderr ? STDERR_FILENO : STDOUT_FILENO, data);

	if (is_stderr && data.len)
		r->stderr_open_line = data.p[data.len - 1] != '\n';
	if (rc < 0 && !is_stderr)
		return err_set(e, ERR_HOST, "stdout", -rc, "cannot write the job's output");
	return 0;
}

static int show_json(const msgpack_object *o)
{
	json_print(stdout, o);
	fputc('\n', stdout);
	return fflush(stdout) ? -errno : 0;
}

/* Words about the job begin a line of their own, also behind a stderr that ended in the middle of one. */
static void show_words(const struct run *r, const struct result *res)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	if (!r->o->json)
		tell_result(f, res);
	if (!r->o->json && r->o->collect.n && !res->n_files && !res->n_files_dropped)
		fputs("warder: no file matches --collect\n", f);
	if (r->o->stats)
		tell_usage(f, &res->usage);
	fclose(f);
	if (len && r->stderr_open_line)
		fputc('\n', stderr);
	fwrite(text, 1, len, stderr);
	free(text);
}

static int show_result(struct run *r, const msgpack_object *o, struct err *e)
{
	struct result res = {0};
	int rc = result_parse(o, &res, e);

	if (rc < 0)
		return fail(e);
	int status = tell_exit_status(&res);
	if (r->o->json && (rc = show_json(o)) < 0) {
		err_set(e, ERR_HOST, "stdout", -rc, "cannot write the result");
		status = rc == -EPIPE ? 128 + SIGPIPE : fail(e);
	}
	show_words(r, &res);
	if (r->o->output_dir && files_write(&res, r->o->output_dir, e) < 0)
		status = fail(e);
	result_done(&res);
	return status;
}

/* "code: message", in the supervisor's words. */
static int show_refusal(const msgpack_object *error)
{
	struct bytes text = as_bytes(error);

	fputs("warder: ", stderr);
	if (text.len)
		tell_escaped(stderr, text.p, text.len);
	else
		fputs("the supervisor refused the job without a reason", stderr);
	fputc('\n', stderr);
	return STATUS_FAILED;
}

/* Reads messages until the job's answer. Returns the exit status. */
static int wait_answer(struct run *r, struct err *e)
{
	struct rpc_message m;
	int rc;

	while ((rc = client_next(r->client, &m, e)) > 0) {
		if (m.type == RPC_NOTIFY) {
			if ((rc = on_output(r, m.params, e)) < 0)
				return rc == -EPIPE ? 128 + SIGPIPE : fail(e);
		} else if (m.type == RPC_RESPONSE && m.msgid == r->msgid) {
			if (m.error && m.error->type != MSGPACK_OBJECT_NIL)
				return show_refusal(m.error);
			return show_result(r, m.result, e);
		}
	}
	if (rc == 0)
		err_set(e, ERR_HOST, "supervisor", 0, "hung up before it answered");
	return fail(e);
}

/* --- the run ---------------------------------------------------------------------------------------------- */

static void pack_params(msgpack_packer *pk, void *arg)
{
	job_pack(arg, pk);
}

static int run_on(struct client *c, const struct run_options *o, struct job *j, struct err *e)
{
	struct run r = {.o = o, .client = c};

	signals_block(true);
	signals_catch(c, j);
	int rc = client_send(c, "run", pack_params, j, &r.msgid, e);
	signals_block(false);
	int status = rc < 0 ? fail(e) : wait_answer(&r, e);
	signals_ignore();
	return status;
}

static int run_embedded(const struct run_options *o, struct job *j, struct err *e)
{
	struct embed_options eo = {.config = o->config, .policy_dirs = &o->policy_dirs};
	struct embed em;
	struct client *c;
	int fd;

	if (embed_start(&em, &eo, &fd, e) < 0)
		return fail(e);
	signal(SIGPIPE, SIG_IGN);
	if (client_adopt(fd, &c, e) < 0) { /* which has closed it */
		embed_end(&em);
		return fail(e);
	}
	int status = run_on(c, o, j, e);
	client_free(c);
	int ended = embed_end(&em);
	if (ended && status == STATUS_FAILED)
		fprintf(stderr, "warder: the supervisor ended with status %d\n", ended);
	return status;
}

static int run_at_socket(const struct run_options *o, const char *path, struct job *j, struct err *e)
{
	struct client *c;

	if (o->config || o->policy_dirs.n) {
		err_set(e, ERR_REQUEST, o->config ? "--config" : "--policy-dir", 0,
		        "is for a supervisor of its own, not for the one at %s", path);
		return fail(e);
	}
	signal(SIGPIPE, SIG_IGN);
	if (client_open(path, &c, e) < 0)
		return fail(e);
	int status = run_on(c, o, j, e);
	client_free(c);
	return status;
}

static int run_file(const struct run_options *o, const char *file, int argc, char **argv)
{
	const char *path = o->socket ? o->socket : getenv("WARDER_SOCKET");
	struct err e = {0};
	struct job *j = job_new();
	int status;

	if (!j)
		err_set(&e, ERR_HOST, "job", ENOMEM, "out of memory");
	if (!j || run_job_fill(j, o, file, &e) < 0 || run_job_args(j, argc, argv, &e) < 0)
		status = fail(&e);
	else if (path && *path)
		status = run_at_socket(o, path, j, &e);
	else
		status = run_embedded(o, j, &e);
	job_free(j);
	return status;
}

int run_main(int argc, char **argv)
{
	struct run_options o = {0};
	struct option_list words = {0};
	struct err e = {0};
	int status = STATUS_FAILED;

	int rest = options_parse(&table, argc, argv, &o, &words, &e);
	if (rest >= 0 && !o.help && words.n != 1)
		rest = err_set(&e, ERR_REQUEST, "run", 0, words.n ? "one FILE only; arguments of the job go after --"
		                                                  : "which FILE? - is stdin");
	if (rest < 0) {
		fail(&e);
		fputs("warder: see warder run --help\n", stderr);
	} else {
		status = o.help ? help() : run_file(&o, words.v[0], argc - rest, argv + rest);
	}
	options_list_done(&o.env);
	options_list_done(&o.policy_dirs);
	for (int g = 0; g < GRANT_COUNT; g++)
		options_list_done(&o.grants[g]);
	options_list_done(&o.files);
	options_list_done(&o.collect);
	options_list_done(&words);
	return status;
}
