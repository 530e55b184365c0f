/* warderd - the supervisor.
 *
 * Theory of operation. Clients send jobs as msgpack-RPC over a Unix socket. The front (supervisor/front) parses, admits and queues them;
 * it never touches a tracee. The worker (supervisor/worker) never parses a client's bytes: it keeps one zygote per
 * policy, a warm interpreter that runs no user code and forks tracees ahead of time. A tracee confines itself, sends the worker its
 * seccomp listener and its memory, and waits in its first brokered call, whose arrival proves that the filter is on. The worker answers
 * that call with the job. From then on it answers the tracee's file, network and process calls (supervisor/broker) and watches it by
 * ptrace until it is reaped.
 *
 *   client ── socket ── front ══ port.h ══ worker ── control socket ── zygote ── fork ── tracee
 *                                            └── listener, /proc/PID/mem, pidfd, ptrace ───┘
 *
 * Who dies first. A tracee dies with its zygote (PDEATHSIG) and with its worker (PTRACE_O_EXITKILL); a zygote dies with its worker
 * (PDEATHSIG). A call pending on a listener whose worker died gets ENOSYS and is not executed.
 * Today keeper, front and worker are one process and one thread; port.h is where they come apart.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "config.h"
#include "doctor.h"
#include "keeper.h"
#include "log.h"
#include "version.h"

#define POLICY_DIRS_MAX 16

struct options {
	const char *config, *socket, *policy_dirs[POLICY_DIRS_MAX + 1], *log_level;
	int n_policy_dirs, serve_fd;
	bool check, doctor, json;
};

enum { OPT_CONFIG = 256, OPT_SOCKET, OPT_POLICY_DIR, OPT_WORKERS, OPT_CHECK, OPT_SERVE_FD, OPT_DOCTOR, OPT_JSON,
       OPT_LOG_LEVEL, OPT_HELP, OPT_VERSION };

/* One row an option: used to parse and to print the help. */
static const struct {
	const char *name, *arg, *help;
	int id;
} rows[] = {
	{"config", "FILE", "configuration (YAML); without it all defaults hold", OPT_CONFIG},
	{"socket", "PATH", "where clients connect; - for none", OPT_SOCKET},
	{"policy-dir", "DIR", "where policies are; may be given several times, the first wins", OPT_POLICY_DIR},
	{"workers", "N", "how many workers; this version runs 1", OPT_WORKERS},
	{"check", NULL, "validate configuration and policies, then exit", OPT_CHECK},
	{"doctor", NULL, "tell which layers this machine gives, then exit", OPT_DOCTOR},
	{"json", NULL, "with --doctor: one JSON object", OPT_JSON},
	{"serve-fd", "N", "serve the one client connected to descriptor N until it hangs up", OPT_SERVE_FD},
	{"log-level", "LEVEL", "error, warn, info (default) or debug", OPT_LOG_LEVEL},
	{"help", NULL, "this text", OPT_HELP},
	{"version", NULL, "the version", OPT_VERSION},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void usage(FILE *f)
{
	fprintf(f, "usage: warderd [options]\nRuns untrusted Python code for clients of a Unix socket.\n\n");
	for (size_t i = 0; i < N_ROWS; i++) {
		char left[64];
		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].arg ? " " : "", rows[i].arg ? rows[i].arg : "");
		fprintf(f, "  %-20s %s\n", left, rows[i].help);
	}
}

static bool number(const char *s, int min, int max, int *out)
{
	char *end;
	long v = strtol(s, &end, 10);

	if (!*s || *end || v < min || v > max)
		return false;
	*out = (int)v;
	return true;
}

/* 0: go on; otherwise exit with status - 1. */
static int take(struct options *o, int id, const char *arg)
{
	int workers;

	switch (id) {
	case OPT_CONFIG:
		o->config = arg;
		return 0;
	case OPT_SOCKET:
		o->socket = arg;
		return 0;
	case OPT_POLICY_DIR:
		if (o->n_policy_dirs == POLICY_DIRS_MAX) {
			fprintf(stderr, "warderd: --policy-dir: at most %d\n", POLICY_DIRS_MAX);
			return 3;
		}
		o->policy_dirs[o->n_policy_dirs++] = arg;
		return 0;
	case OPT_WORKERS:
		if (number(arg, 1, 1, &workers))
			return 0;
		fprintf(stderr, "warderd: --workers: this version runs 1, not %s\n", arg);
		return 3;
	case OPT_CHECK:
		o->check = true;
		return 0;
	case OPT_DOCTOR:
		o->doctor = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_SERVE_FD:
		if (number(arg, 3, INT_MAX, &o->serve_fd))
			return 0;
		fprintf(stderr, "warderd: --serve-fd: must be a descriptor from 3 on, is %s\n", arg);
		return 3;
	case OPT_LOG_LEVEL:
		o->log_level = arg;
		if (log_level_parse(arg) >= 0)
			return 0;
		fprintf(stderr, "warderd: --log-level: unknown level %s\n", arg);
		return 3;
	case OPT_HELP:
		usage(stdout);
		return 1;
	case OPT_VERSION:
		printf("warderd %s\n", WARDER_VERSION);
		return 1;
	default:
		fprintf(stderr, "Try 'warderd --help'.\n");
		return 3;
	}
}

static int parse(int argc, char **argv, struct options *o)
{
	struct option longs[N_ROWS + 1] = {{0}};
	int id, r;

	for (size_t i = 0; i < N_ROWS; i++)
		longs[i] = (struct option){rows[i].name, rows[i].arg ? required_argument : no_argument, NULL, rows[i].id};
	while ((id = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if ((r = take(o, id, optarg)))
			return r;
	if (optind < argc) {
		fprintf(stderr, "warderd: unexpected argument %s\nTry 'warderd --help'.\n", argv[optind]);
		return 3;
	}
	return 0;
}

/* The folder of this program; policies and the tracee's parts are found from it. */
static const char *program_dir(void)
{
	static char dir[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

	if (n <= 0)
		return "/usr/bin";
	dir[n] = '\0';
	*strrchr(dir, '/') = '\0';
	return dir;
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void default_policy_dirs(struct options *o, const struct config *c)
{
	static char beside[PATH_MAX + 16];
	static const char *const installed[] = {"/etc/warder/policies", "/usr/share/warder/policies"};

	for (char *const *d = c->policy_dirs; o->n_policy_dirs == 0 && d && *d; d++)
		o->policy_dirs[o->n_policy_dirs++] = *d;
	if (o->n_policy_dirs)
		return;
	snprintf(beside, sizeof(beside), "%s/../policies", program_dir());
	if (is_dir(beside)) {
		o->policy_dirs[o->n_policy_dirs++] = beside;
		return;
	}
	for (int i = 0; i < 2; i++)
		if (is_dir(installed[i]))
			o->policy_dirs[o->n_policy_dirs++] = installed[i];
}

static const char *find_tracee_dir(void)
{
	static char dir[PATH_MAX + 32];

	snprintf(dir, sizeof(dir), "%s/tracee", program_dir());
	if (!is_dir(dir))
		snprintf(dir, sizeof(dir), "%s/../lib/warder/tracee", program_dir());
	return dir;
}

static void print_errors(const struct policy_errors *es)
{
	for (size_t i = 0; i < es->n; i++)
		fprintf(stderr, "%s:%d:%d: %s\n", es->v[i].file, es->v[i].line, es->v[i].column, es->v[i].text);
}

static int print_err(const struct err *e)
{
	char text[300];

	fprintf(stderr, "warderd: %s\n", err_str(e, text, sizeof(text)));
	return 1;
}

static int serve(const struct options *o, const struct config *c, const struct policy_set *policies, const struct layers *l)
{
	char path[108];
	struct err e = {0};
	const char *path_or_none = o->socket ? o->socket : c->socket_path;

	if (!path_or_none && o->serve_fd < 0) {
		if (client_default_socket(path, sizeof(path)))
			return err_set(&e, ERR_HOST, "socket", 0, "no default place: neither root nor XDG_RUNTIME_DIR is set; give --socket"),
			       print_err(&e);
		path_or_none = path;
	}
	struct keeper_options k = {
		.config = c,
		.policies = policies,
		.layers = l,
		.socket = o->serve_fd >= 0 || strcmp(path_or_none, "-") == 0 ? NULL : path_or_none,
		.serve_fd = o->serve_fd,
		.tracee_dir = find_tracee_dir(),
	};
	if (layers_check(l, &e) || keeper_run(&k, &e))
		return print_err(&e);
	return 0;
}

static int run(struct options *o, struct config *c)
{
	struct policy_errors es = {0};
	struct layers l;

	if (config_load(o->config, c, &es)) {
		print_errors(&es);
		policy_errors_done(&es);
		return 1;
	}
	log_set_level(o->log_level ? (enum log_level)log_level_parse(o->log_level) : c->log_level);
	if (!o->doctor) {
		default_policy_dirs(o, c);
		struct policy_set *policies = policy_set_load(o->policy_dirs, &es);
		print_errors(&es);
		policy_errors_done(&es);
		if (!policies)
			return 1;
		if (o->check) {
			printf("%zu policies: ok\n", policy_count(policies));
			policy_set_free(policies);
			return 0;
		}
		layers_probe(&l, c->require, c->optional);
		int status = serve(o, c, policies, &l);
		policy_set_free(policies);
		return status;
	}
	layers_probe(&l, c->require, c->optional);
	return doctor_print(&l, o->json);
}

/* A closed standard stream would be the next socket's number, and what is printed would go there. */
static void fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options o = {.serve_fd = -1};
	struct config c = {0};
	int r;

	fill_standard_streams();
	umask(022); /* what the worker makes for jobs has its modes said; the starter's mask is not for them */
	r = parse(argc, argv, &o);

	if (r)
		return r - 1;
	r = run(&o, &c);
	config_done(&c);
	return r;
}
