/* warderd - the supervisor.
 *
 * Theory of operation. Clients send jobs as msgpack-RPC over a Unix socket. The front (supervisor/front) parses, admits and queues them;
 * it never touches a tracee. A worker (supervisor/worker) never parses a client's bytes: it keeps one zygote per
 * policy, a warm interpreter that runs no user code and forks tracees ahead of time. A tracee confines itself, sends the worker its
 * seccomp listener and its memory, and waits in its first brokered call, whose arrival proves that the filter is on. The worker answers
 * that call with the job. From then on it answers the tracee's file, network and process calls (supervisor/broker) and watches it by
 * ptrace until it is reaped.
 *
 *                    keeper ── link ── worker
 *                      └─ link ┐           (1 per CPU)
 *   client ── socket ──── front ══ link ══ worker ── control socket ── zygote ── fork ── tracee
 *                                          │ └── listener, /proc/PID/mem, pidfd, ptrace ───┘
 *                                          └── midwife (starts zygotes, as children of the worker)
 *
 * The keeper (keeper.c) is this process: it reads configuration and policies, tries the layers, holds the listening socket, forks front and
 * workers (crew.c) and forks them again when they die; it has no event loop. The front (front_side.c) lays root's power down at once. A worker
 * (worker_side.c) keeps what power there is, is pinned to a CPU together with its waiting tracees, and rests with an unprivileged
 * file-system identity. Links (link.h) are packet sockets with msgpack notifications, descriptors beside them, and sealed memfds for what is
 * large; front and worker speak port.h over one, which each side has as a table of functions. A worker parses and admits each job once
 * more: the front, which reads hostile bytes, is not believed.
 *
 * Guards (guard.h). Front and worker keep the capabilities that their work needs, the front none, and then run behind seccomp filters of their
 * own, whitelists by which neither can start a process or a program, or map code. A worker's zygotes are therefore started by its midwife, a
 * process that was forked before and hears the worker alone (midwife.c). Keeper and midwife have the floor, a filter of calls that nobody needs. A call outside a list is not executed: it is
 * logged (forbidden_call) and ends the process. Users and groups are looked up by the keeper alone (accounts.h).
 *
 * Namespaces. Where the machine permits it each zygote is the first process of its own (worker/namespaces.h), and has an empty root directory once it
 * is ready. Its jobs lose nothing: their file calls are answered by the worker, and the sockets they get are made in the worker's network.
 *
 * Who dies first. A tracee dies with its zygote (PDEATHSIG) and with its worker (PTRACE_O_EXITKILL); a zygote dies with its worker
 * (PDEATHSIG). A call pending on a listener whose worker died gets ENOSYS and is not executed. When a worker dies its jobs end with outcome
 * error and the keeper gives front and new worker a new link; the others do not notice. When the front dies its connections close;
 * workers cancel its jobs but for detached ones, keep their zygotes, and get a link to the next front, which listens on the same socket.
 *
 * Service. A service manager may hand the listening socket over and be told of readiness, reloads and the end (service.h). Such a socket is the manager's:
 * it outlives the keeper, and who connects meanwhile waits in its backlog.
 *
 * Settings. Configuration and policies are one generation (settings.h, generation.h), counted by who uses it. On SIGHUP the keeper reads them anew;
 * good ones it sends, as texts, to the workers and then to the front, so whatever the front submits afterwards finds a worker that knows. A job
 * is admitted by the newest generation of its worker and keeps that to its end; zygotes of an older one leave after their last job (renew.c).
 *
 * Packages. When a client has some listed or installed, the keeper forks a process for it that runs warder-dependencies (installer.h); the front reads what
 * came of it from a pipe. Closing the pipe ends it, so it ends with its client and with the front.
 *
 * Front and workers end when their link to the keeper does, so nothing outlives the keeper.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "config.h"
#include "doctor.h"
#include "keeper.h"
#include "log.h"
#include "places.h"
#include "service.h"
#include "settings.h"
#include "streams.h"
#include "version.h"
#include "without.h"

#define POLICY_DIRS_MAX 16

struct options {
	const char *config, *socket, *policy_dirs[POLICY_DIRS_MAX + 1], *log_level;
	int n_policy_dirs, serve_fd, workers;
	bool check, doctor, json, help, version;
};

enum kind { TEXT, FLAG, NUMBER, POLICY_DIR, LOG_LEVEL };

/* One row an option: used to parse and to print the help. */
#define AT(member) offsetof(struct options, member)
static const struct {
	const char *name, *arg, *help;
	enum kind kind;
	size_t at;
	int min, max; /* NUMBER */
} rows[] = {
	{"config", "FILE", "configuration (YAML); without it all defaults hold", TEXT, AT(config), 0, 0},
	{"socket", "PATH", "where clients connect; - for none", TEXT, AT(socket), 0, 0},
	{"policy-dir", "DIR", "where policies are; may be given several times, the first wins", POLICY_DIR, 0, 0, 0},
	{"workers", "N", "how many workers; one per CPU", NUMBER, AT(workers), 1, CONFIG_WORKERS_MAX},
	{"check", NULL, "validate configuration and policies, then exit", FLAG, AT(check), 0, 0},
	{"doctor", NULL, "tell which layers this machine gives, then exit", FLAG, AT(doctor), 0, 0},
	{"json", NULL, "with --doctor: one JSON object", FLAG, AT(json), 0, 0},
	{"serve-fd", "N", "serve the one client connected to descriptor N until it hangs up", NUMBER, AT(serve_fd), 3, INT_MAX},
	{"log-level", "LEVEL", "error, warn, info (default) or debug", LOG_LEVEL, AT(log_level), 0, 0},
	{"help", NULL, "this text", FLAG, AT(help), 0, 0},
	{"version", NULL, "the version", FLAG, AT(version), 0, 0},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static void usage(FILE *f)
{
	fprintf(f, "usage: warderd [options]\nRuns untrusted Python and Node.js code for clients of a Unix socket.\n\n");
	for (size_t i = 0; i < N_ROWS; i++) {
		char left[64];
		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].arg ? " " : "", rows[i].arg ? rows[i].arg : "");
		fprintf(f, "  %-20s %s\n", left, rows[i].help);
	}
}

static bool take_number(size_t row, const char *arg, int *out)
{
	char *end;
	long v = strtol(arg, &end, 10);

	if (arg[0] < '0' || arg[0] > '9' || *end || v < rows[row].min || v > rows[row].max) {
		fprintf(stderr, "warderd: --%s: must be %d to %d, is %s\n", rows[row].name, rows[row].min, rows[row].max, arg);
		return false;
	}
	*out = (int)v;
	return true;
}

static bool take_dir(struct options *o, const char *arg)
{
	if (o->n_policy_dirs == POLICY_DIRS_MAX) {
		fprintf(stderr, "warderd: --policy-dir: at most %d\n", POLICY_DIRS_MAX);
		return false;
	}
	o->policy_dirs[o->n_policy_dirs++] = arg;
	return true;
}

static bool take(struct options *o, size_t row, const char *arg)
{
	void *at = (char *)o + rows[row].at;

	switch (rows[row].kind) {
	case TEXT:
		*(const char **)at = arg;
		return true;
	case FLAG:
		*(bool *)at = true;
		return true;
	case NUMBER:
		return take_number(row, arg, at);
	case POLICY_DIR:
		return take_dir(o, arg);
	case LOG_LEVEL:
		o->log_level = arg;
		if (log_level_parse(arg) < 0)
			fprintf(stderr, "warderd: --log-level: unknown level %s\n", arg);
		return log_level_parse(arg) >= 0;
	}
	return false;
}

static bool parse(int argc, char **argv, struct options *o)
{
	struct option longs[N_ROWS + 1] = {{0}};
	int row;

	for (size_t i = 0; i < N_ROWS; i++)
		longs[i] = (struct option){rows[i].name, rows[i].arg ? required_argument : no_argument, NULL, (int)i};
	while ((row = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (row == '?') {
			fprintf(stderr, "Try 'warderd --help'.\n");
			return false;
		}
		if (!take(o, (size_t)row, optarg))
			return false;
	}
	if (optind < argc)
		fprintf(stderr, "warderd: unexpected argument %s\nTry 'warderd --help'.\n", argv[optind]);
	return optind == argc;
}

/* The folder of this program; the tracee's parts are found from it. */
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

/* For a single client one is enough, and started soonest. */
static unsigned count_workers(const struct options *o, const struct config *c)
{
	cpu_set_t set;

	if (o->workers)
		return (unsigned)o->workers;
	if (c->workers)
		return c->workers;
	if (o->serve_fd >= 0 || sched_getaffinity(0, sizeof(set), &set))
		return 1;
	return CPU_COUNT(&set) < CONFIG_WORKERS_MAX ? (unsigned)CPU_COUNT(&set) : CONFIG_WORKERS_MAX;
}

/* Takes the generation. */
static int serve(const struct options *o, const struct settings_from *from, struct generation *g)
{
	const struct config *c = g->config;
	struct service service = {.gate = -1};
	struct layers l;
	char path[108];
	struct err e = {0};
	const char *path_or_none = o->socket ? o->socket : c->socket_path;

	if (o->serve_fd < 0 && service_take(&service, &e))
		return print_err(&e);
	if (service.gate >= 0)
		path_or_none = "-"; /* what was handed over takes the place of all that is named */
	if (!path_or_none && o->serve_fd < 0) {
		if (client_default_socket(path, sizeof(path)))
			return err_set(&e, ERR_HOST, "socket", 0, "no default place: neither root nor XDG_RUNTIME_DIR is set; give --socket"),
			       print_err(&e);
		path_or_none = path;
	}
	struct keeper_options k = {
		.from = from,
		.generation = g,
		.workers = count_workers(o, c),
		.layers = &l,
		.socket = o->serve_fd >= 0 || strcmp(path_or_none, "-") == 0 ? NULL : path_or_none,
		.service = &service,
		.serve_fd = o->serve_fd,
		.tracee_dir = find_tracee_dir(),
	};
	layers_probe(&l, c->require, c->optional);
	layers_begin(&l);
	if (*WITHOUT_NAME)
		log_write(LOG_WARN, "test_build", "without=%s", WITHOUT_NAME);
	int r = layers_check(&l, &e);
	if (!r)
		r = keeper_run(&k, &e);
	cgroup_leave(l.cgroup);
	return r ? print_err(&e) : 0;
}

static int diagnose(const struct options *o)
{
	struct policy_errors es = {0};
	struct config c = {0};
	struct layers l;
	int status = 1;

	if (config_load(o->config, &c, &es) == 0) {
		layers_probe(&l, c.require, c.optional);
		status = doctor_print(&l, find_tracee_dir(), o->json);
	}
	print_errors(&es);
	policy_errors_done(&es);
	config_done(&c);
	return status;
}

static int run(const struct options *o)
{
	const struct settings_from from = {
		.config = o->config,
		.policy_dirs = o->policy_dirs,
		.default_dirs = policy_places(),
		.log_level = o->log_level ? log_level_parse(o->log_level) : -1,
		.own = geteuid(),
	};
	struct policy_errors es = {0};
	struct texts t = {0};
	struct generation *g = settings_read(&from, 1, &t, &es);

	texts_done(&t);
	print_errors(&es);
	policy_errors_done(&es);
	if (!g)
		return 1;
	if (o->check) {
		printf("%zu policies: ok\n", policy_count(g->policies));
		generation_drop(g);
		return 0;
	}
	settings_apply(&from, g);
	return serve(o, &from, g);
}

/* Large buffers (messages, output) are mappings of their own and go when they are freed. By itself glibc moves that bound up to 32 MiB once
 * one was freed, and from then on they tear holes into the heap: it grew by 80 bytes a job, of which none was in use (measured). */
static void keep_the_heap_small(void)
{
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

int main(int argc, char **argv)
{
	struct options o = {.serve_fd = -1};

	keep_the_heap_small();
	streams_fill();
	umask(022); /* what the worker makes for jobs has its modes said; the starter's mask is not for them */
	if (!parse(argc, argv, &o))
		return 2;
	int status = 0;
	if (o.help)
		usage(stdout);
	else if (o.version)
		printf("warderd %s\n", WARDER_VERSION);
	else
		status = o.doctor ? diagnose(&o) : run(&o);
	return fflush(stdout) ? 1 : status;
}
