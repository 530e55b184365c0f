#include "installer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define STOP_MS       5000.0 /* from SIGINT, which lets the command clean up, to SIGKILL */
#define NOTHING_THERE 3      /* its exit status for a refresh without a tree */
#define ARGS_MAX      12

static const char *const commands[INSTALLER_COMMANDS] = {[INSTALLER_LIST] = "list", [INSTALLER_UPDATE] = "update", [INSTALLER_REFRESH] = "refresh"};
static const char *const ends[INSTALLER_ENDS] = {[INSTALLER_DONE] = "done", [INSTALLER_FAILED] = "failed", [INSTALLER_NOTHING] = "nothing"};

const char *installer_command_name(enum installer_command c)
{
	return commands[c];
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* --- the command --------------------------------------------------------------------------------------------- */

/* As a shell would start it: the keeper's children ignore what ends programs. */
static void calm_down(void)
{
	static const int plain[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD};
	sigset_t none;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		signal(plain[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Of a build, beside this installation's programs, or wherever PATH leads. */
static void execute(const struct installer_order *o, const char **argv)
{
	static const char *const places[] = {"../../../bin/warder-dependencies", "../../tools/warder-dependencies"};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", o->tracee_dir, places[i]);
		execv(path, (char **)argv);
	}
	execvp(argv[0], (char **)argv);
}

static void __attribute__((noreturn)) become_command(const struct installer_order *o, int list, int words)
{
	const char *argv[ARGS_MAX] = {"warder-dependencies", commands[o->command], "--language", language_name(o->language), "--dir", o->dependencies_dir};
	char build[PATH_MAX];

	if (o->language == LANGUAGE_PYTHON3 && o->interpreter[0] == '/') {
		argv[6] = "--python";
		argv[7] = o->interpreter;
	}
	snprintf(build, sizeof(build), "%s/..", o->tracee_dir);
	setenv("WARDER_BUILD", build, 0);
	unsetenv("API_KEY");
	setpgid(0, 0);
	dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 0);
	dup2(list, 1);
	dup2(words, 2);
	calm_down();
	execute(o, argv);
	dprintf(2, "warder-dependencies: %s\n", strerror(errno));
	_exit(127);
}

/* The end of the words, NUL-terminated. */
static void keep_tail(char *words, const char *more, size_t n)
{
	size_t have = strlen(words), cut = have + n >= INSTALLER_WORDS ? have + n - (INSTALLER_WORDS - 1) : 0;

	if (cut > have) {
		more += cut - have;
		n -= cut - have;
		cut = have;
	}
	memmove(words, words + cut, have - cut);
	memcpy(words + have - cut, more, n);
	words[have - cut + n] = '\0';
}

/* Whether there was an end of it. */
static bool take_words(int fd, char *words)
{
	char buf[1024];
	ssize_t n = read(fd, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++)
		buf[i] = buf[i] == '\n' || buf[i] == '\r' ? ' ' : buf[i] ? buf[i] : '?';
	if (n > 0)
		keep_tail(words, buf, (size_t)n);
	return n == 0;
}

/* Reads to the end of the command's words. NULL, or why it was ended before. A pipe that nobody reads is an error without being asked for. */
static const char *follow(pid_t pid, int err, int out, char *words)
{
	struct pollfd p[2] = {{.fd = err, .events = POLLIN}, {.fd = out}};
	double until = now_ms() + INSTALLER_MAX_S * 1e3;
	const char *ended = NULL;

	for (;;) {
		double left = until - now_ms();

		poll(p, 2, left > 0 ? (int)left + 1 : 0);
		if (p[0].revents && take_words(err, words))
			return ended;
		if (now_ms() < until && !p[1].revents)
			continue;
		kill(-pid, ended ? SIGKILL : SIGINT); /* our child, not reaped */
		if (ended)
			return ended;
		ended = p[1].revents ? "it was cancelled" : "it took too long";
		until = now_ms() + STOP_MS;
		p[1] = (struct pollfd){.fd = -1};
	}
}

static enum installer_end end_of(int how, const char *ended, char *words)
{
	char more[64];

	if (!ended && WIFEXITED(how) && WEXITSTATUS(how) == 0)
		return INSTALLER_DONE;
	if (!ended && WIFEXITED(how) && WEXITSTATUS(how) == NOTHING_THERE)
		return INSTALLER_NOTHING;
	if (!ended && WIFEXITED(how))
		return INSTALLER_FAILED;
	snprintf(more, sizeof(more), "%s%s", *words ? "; " : "", ended ? ended : "it was killed");
	keep_tail(words, more, strlen(more));
	return INSTALLER_FAILED;
}

static enum installer_end run(const struct installer_order *o, int list, char *words)
{
	int err[2], how = 0;
	const char *ended;
	pid_t pid;

	if (list < 0 || pipe2(err, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		snprintf(words, INSTALLER_WORDS, "no process can be started: %s", strerror(errno));
		return INSTALLER_FAILED;
	}
	if (pid == 0)
		become_command(o, list, err[1]);
	setpgid(pid, pid);
	close(err[1]);
	ended = follow(pid, err[0], o->out, words);
	while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
		;
	while (strlen(words) && words[strlen(words) - 1] == ' ')
		words[strlen(words) - 1] = '\0';
	return end_of(how, ended, words);
}

/* --- what came of it ----------------------------------------------------------------------------------------- */

static bool put(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0)
			return false; /* nobody reads */
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* Of the list nothing but whole lines. */
static void put_list(int out, int list)
{
	static char text[INSTALLER_TEXT_MAX];
	ssize_t n = pread(list, text, sizeof(text), 0);

	while (n > 0 && text[n - 1] != '\n')
		n--;
	if (n > 0)
		put(out, text, (size_t)n);
}

int installer_be(const struct installer_order *o)
{
	char words[INSTALLER_WORDS] = "", shown[INSTALLER_WORDS + 100];
	int list = memfd_create("packages", MFD_CLOEXEC);
	enum installer_end end;
	char byte;

	signal(SIGCHLD, SIG_DFL);
	end = run(o, list, words);
	byte = (char)end;
	if (o->command != INSTALLER_LIST || end == INSTALLER_FAILED)
		log_write(end == INSTALLER_FAILED ? LOG_WARN : LOG_INFO, "dependencies", "command=%s language=%s end=%s%s%s", commands[o->command],
			  language_name(o->language), ends[end], *words ? " words=" : "", *words ? log_value(shown, sizeof(shown), words) : "");
	if (put(o->out, &byte, 1) && end == INSTALLER_DONE)
		put_list(o->out, list);
	else if (end == INSTALLER_FAILED)
		put(o->out, words, strlen(words));
	return 0;
}
