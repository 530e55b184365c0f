/* warder-http - Dify's HTTP API in front of a supervisor.
 *
 * Theory of operation. With --socket it is one process, a client of a running supervisor. Without, it starts one: the first process writes
 * configuration and policies from the environment, starts warderd and forks the gateway; it reads no byte of a client, and ends both when it is told
 * to, or when one of them has ended. The gateway is the only part that speaks HTTP. It lays root's power down before it accepts anyone.
 *
 *   Dify ── HTTP ──▶ gateway ── Unix socket ──▶ warderd
 *                       ▲                          ▲
 *                       └── first process (signals)┘
 *
 * A connection has a thread (server.c). The thread takes the request whole, lets it in (MAX_REQUESTS), waits for its turn (MAX_WORKERS), runs one
 * job over a connection of its own (runner.c) and answers. SIGTERM: nothing more is accepted, what was let in is answered, exit 0.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "knobs.h"
#include "log.h"
#include "server.h"
#include "starter.h"
#include "version.h"

#define DRAIN_SPARE_S 5
#define BACKLOG       1024

struct identity {
	uid_t uid;
	gid_t gid;
};

static void usage(FILE *f)
{
	fputs("usage: warder-http [--socket PATH]\n"
	      "Serves Dify's sandbox API over HTTP.\n\n"
	      "  --socket PATH  a running supervisor (or WARDER_SOCKET); without it one is started\n"
	      "  --help         this text\n"
	      "  --version      the version\n\n"
	      "Set by the environment: API_KEY SANDBOX_PORT WORKER_TIMEOUT MAX_WORKERS MAX_REQUESTS ENABLE_NETWORK ENABLE_PRELOAD PIP_MIRROR_URL\n"
	      "and, without --socket: HTTP_PROXY HTTPS_PROXY SOCKS5_PROXY PYTHON_PATH NODEJS_PATH ALLOWED_SYSCALLS\n",
	      f);
}

static int print_err(const struct err *e)
{
	char text[300];

	fprintf(stderr, "warder-http: %s\n", err_str(e, text, sizeof(text)));
	return 1;
}

/* --- the port ------------------------------------------------------------------------------------------------ */

static int bind_to(int family, const struct sockaddr *a, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, off = 0, num;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, a, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	num = errno;
	close(fd);
	return -num;
}

/* A key that everybody knows is for this machine alone. IPv4 alone where there is no IPv6. */
static int open_port(const struct knobs *k, struct err *e)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)k->port), .sin6_addr = in6addr_any};
	struct sockaddr_in four = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)k->port),
				   .sin_addr.s_addr = htonl(k->own_key ? INADDR_ANY : INADDR_LOOPBACK)};
	int fd = k->own_key ? bind_to(AF_INET6, (struct sockaddr *)&six, sizeof(six)) : -EAFNOSUPPORT;

	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		fd = bind_to(AF_INET, (struct sockaddr *)&four, sizeof(four));
	return fd < 0 ? err_set(e, ERR_HOST, "listen", -fd, "port %d", k->port) : fd;
}

static int port_of(int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port : ((struct sockaddr_in *)&a)->sin_port);
}

/* --- power --------------------------------------------------------------------------------------------------- */

static struct identity nobody(void)
{
	const struct passwd *p = getpwnam("nobody");

	return p ? (struct identity){p->pw_uid, p->pw_gid} : (struct identity){65534, 65534};
}

/* Whom a socket lets in: its group, where that may write. A socket of root's own group would take that along, so it needs one of its own. */
static struct identity identity_for(const char *socket)
{
	struct identity who = nobody();
	struct stat st;

	if (stat(socket, &st) == 0 && !(st.st_mode & S_IWOTH) && st.st_mode & S_IWGRP && st.st_gid != 0)
		who.gid = st.st_gid;
	return who;
}

static bool connects(const char *socket)
{
	struct client *c;
	struct err e;
	int ret = client_open(socket, &c, &e);

	if (ret == 0)
		client_free(c);
	return ret != -EACCES;
}

/* For good, unless the supervisor's socket would be closed to us then. */
static void drop_power(const char *socket, struct identity who)
{
	bool dropped = false, tried = geteuid() == 0;

	if (tried && setgroups(0, NULL) == 0 && setegid(who.gid) == 0 && seteuid(who.uid) == 0) {
		bool reachable = connects(socket);

		dropped = seteuid(0) == 0 && reachable && setresgid(who.gid, who.gid, who.gid) == 0 && setresuid(who.uid, who.uid, who.uid) == 0;
	}
	if (tried && !dropped) {
		if (setegid(getgid()) < 0)
			log_write(LOG_WARN, "setegid", "error=%s", err_name(errno));
		log_write(LOG_WARN, "keeps_root", "why=\"the socket is closed to uid %u gid %u, or the identity cannot be changed\"", who.uid, who.gid);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void raise_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* --- the gateway --------------------------------------------------------------------------------------------- */

static double drain_patience(const struct knobs *k)
{
	return (double)k->timeout_s * (1 + k->max_requests / k->max_workers) + DRAIN_SPARE_S;
}

/* `ending` holds SIGTERM and SIGINT, which are blocked in every thread; a second one does not wait for answers. */
static int serve(int listener, const struct knobs *k, const char *socket, const sigset_t *ending)
{
	struct server *s;
	struct err e = {0};
	int signal_number, port = port_of(listener);

	raise_descriptors();
	if (server_start(listener, k, socket, &s, &e) < 0)
		return print_err(&e);
	log_write(LOG_INFO, "ready", "port=%d uid=%u socket=%s", port, getuid(), socket);
	sigwait(ending, &signal_number);
	log_write(LOG_INFO, "draining", "signal=%d", signal_number);
	server_drain(s, drain_patience(k));
	server_free(s);
	log_write(LOG_INFO, "ended", NULL);
	return 0;
}

static int serve_beside(int listener, const struct knobs *k, const char *socket, const sigset_t *ending)
{
	knobs_tell_unused(k);
	drop_power(socket, identity_for(socket));
	return serve(listener, k, socket, ending);
}

/* --- the first process, where it starts the supervisor ------------------------------------------------------- */

static pid_t start_gateway(int listener, const struct knobs *k, const struct starter *s, const sigset_t *ending, struct identity who)
{
	pid_t first = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	drop_power(s->socket, who);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* a change of identity clears it */
	if (getppid() != first)
		_exit(1);
	exit(serve(listener, k, s->socket, ending));
}

/* Reaps what has ended. Whether one of the two has. */
static bool reap(struct starter *s, pid_t *gateway, int *status)
{
	bool any = false;
	int how;
	pid_t pid;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
		if (pid == s->pid) {
			log_write(LOG_ERROR, "supervisor_ended", "status=%d", how);
			s->pid = 0;
			*status = 1;
			any = true;
		} else if (pid == *gateway) {
			*gateway = 0;
			*status = WIFEXITED(how) ? WEXITSTATUS(how) : 1;
			any = true;
		}
	}
	return any;
}

/* The gateway answers what it has let in, so it goes first. */
static int watch(struct starter *s, pid_t gateway)
{
	bool told = false;
	sigset_t all;
	int signal_number, status = 0, last = 0;

	sigemptyset(&all);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGCHLD);
	while (gateway > 0) {
		sigwait(&all, &signal_number);
		if (signal_number == SIGCHLD && !reap(s, &gateway, &last))
			continue;
		status = last ? last : status;
		if (gateway > 0 && (signal_number != SIGCHLD || !told))
			kill(gateway, SIGTERM); /* our child, not reaped */
		told = true;
	}
	return status;
}

static int serve_own(int listener, const struct knobs *k, const sigset_t *ending)
{
	struct identity who = geteuid() == 0 ? nobody() : (struct identity){getuid(), getegid()};
	struct starter s;
	struct err e = {0};
	pid_t gateway = -1;
	int status;

	if (starter_start(&s, k, who.uid, who.gid, &e) < 0)
		return print_err(&e);
	gateway = start_gateway(listener, k, &s, ending, who);
	if (gateway < 0)
		err_set(&e, ERR_HOST, "fork", errno, NULL), print_err(&e);
	close(listener);
	status = gateway < 0 ? 1 : watch(&s, gateway);
	starter_end(&s);
	return status;
}

/* Large buffers (bodies, results) are mappings of their own and go when they are freed: by itself glibc moves that bound up to 32 MiB once one was. */
static void keep_the_heap_small(void)
{
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	mallopt(M_TRIM_THRESHOLD, 256 << 10);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"socket", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'v'}, {0}};
	const char *socket = getenv("WARDER_SOCKET");
	struct knobs k;
	struct err e = {0};
	sigset_t blocked;
	int c, listener;

	keep_the_heap_small();
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'h')
			return usage(stdout), 0;
		if (c == 'v')
			return printf("warder-http %s\n", WARDER_VERSION), 0;
		if (c != 's')
			return usage(stderr), 2;
		socket = optarg;
	}
	if (optind < argc)
		return usage(stderr), 2;
	if (knobs_read(&k, &e) < 0 || (listener = open_port(&k, &e)) < 0)
		return print_err(&e);
	if (!k.own_key)
		log_write(LOG_WARN, "default_key", "why=\"API_KEY is not set: it is %s, so this listens on 127.0.0.1 alone\"", KNOBS_KEY_DEFAULT);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigset_t ending = blocked;
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	return socket && *socket ? serve_beside(listener, &k, socket, &ending) : serve_own(listener, &k, &ending);
}
