#include "installer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "starter.h"

#define WORDS_MAX      1500u /* of what the command says; its end, where the reason is */
#define STOP_MS        5000.0 /* from SIGINT, which lets the command clean up, to SIGKILL */
#define NOTHING_THERE  3 /* exit status of a refresh without a tree */

struct installer {
	int fd;
	pthread_mutex_t busy;
};

struct reply {
	int error;
	char words[WORDS_MAX];
};

static const char *const commands[] = {"update", "refresh"};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* --- the command --------------------------------------------------------------------------------------------- */

static void __attribute__((noreturn)) become_command(const struct knobs *k, const char *command, int err)
{
	char dir[PATH_MAX], path[PATH_MAX + 40];
	const char *argv[] = {"warder-dependencies", command, "--language", "python3", k->python ? "--python" : NULL, k->python, NULL};
	sigset_t none;

	starter_own_dir(dir, sizeof(dir));
	setenv("WARDER_BUILD", dir, 0);
	unsetenv("API_KEY");
	setpgid(0, 0);
	dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 0);
	dup2(0, 1);
	dup2(err, 2);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(path, sizeof(path), "%s/warder-dependencies", dir);
	execv(path, (char **)argv);
	snprintf(path, sizeof(path), "%s/../tools/warder-dependencies", dir);
	execv(path, (char **)argv);
	execvp(argv[0], (char **)argv);
	dprintf(2, "warder-dependencies: %s\n", strerror(errno));
	_exit(127);
}

/* The end of the words, NUL-terminated. */
static void keep_tail(char *words, const char *more, size_t n)
{
	size_t have = strlen(words), cut = have + n >= WORDS_MAX ? have + n - (WORDS_MAX - 1) : 0;

	if (cut > have) {
		more += cut - have;
		n -= cut - have;
		cut = have;
	}
	memmove(words, words + cut, have - cut);
	memcpy(words + have - cut, more, n);
	words[have - cut + n] = '\0';
}

/* Reads to the end of the command's words. NULL, or why it was ended before. */
static const char *follow(pid_t pid, int err, int asker, char *words)
{
	struct pollfd p[2] = {{.fd = err, .events = POLLIN}, {.fd = asker, .events = POLLRDHUP}};
	double until = now_ms() + INSTALLER_MAX_S * 1e3;
	const char *ended = NULL;
	char buf[1024];

	for (;;) {
		double left = until - now_ms();

		poll(p, 2, left > 0 ? (int)left + 1 : 0);
		if (p[0].revents) {
			ssize_t n = read(err, buf, sizeof(buf));

			for (ssize_t i = 0; i < n; i++)
				buf[i] = buf[i] ? buf[i] : '?';
			if (n == 0)
				return ended;
			if (n > 0)
				keep_tail(words, buf, (size_t)n);
		}
		if (now_ms() < until && !(p[1].revents & (POLLRDHUP | POLLHUP)))
			continue;
		kill(-pid, ended ? SIGKILL : SIGINT); /* our child, not reaped */
		if (ended)
			return ended;
		ended = p[1].revents ? "it was cancelled" : "it took too long";
		until = now_ms() + STOP_MS;
		p[1] = (struct pollfd){.fd = -1};
	}
}

static void run_command(const struct knobs *k, const char *command, int asker, struct reply *r)
{
	int err[2], how = 0;
	const char *ended;
	pid_t pid;

	*r = (struct reply){.error = -EIO};
	if (pipe2(err, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		snprintf(r->words, sizeof(r->words), "no process can be started: %s", strerror(errno));
		return;
	}
	if (pid == 0)
		become_command(k, command, err[1]);
	setpgid(pid, pid);
	close(err[1]);
	ended = follow(pid, err[0], asker, r->words);
	close(err[0]);
	while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
		;
	if (ended)
		keep_tail(r->words, ended, strlen(ended));
	else if (WIFEXITED(how))
		r->error = WEXITSTATUS(how) == 0 ? 0 : WEXITSTATUS(how) == NOTHING_THERE ? -ENOENT : -EIO;
}

static void __attribute__((noreturn)) serve(const struct knobs *k, int fd)
{
	unsigned char asked;
	struct reply r;

	for (;;) {
		ssize_t n = recv(fd, &asked, 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || asked >= sizeof(commands) / sizeof(commands[0]))
			_exit(0);
		run_command(k, commands[asked], fd, &r);
		if (send(fd, &r, sizeof(r), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

/* --- who asks ------------------------------------------------------------------------------------------------ */

int installer_start(const struct knobs *k, int listener, struct installer **out, struct err *e)
{
	struct installer *i = calloc(1, sizeof(*i));
	int pair[2];
	pid_t pid;

	if (!i || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(i);
		return err_set(e, ERR_HOST, "socketpair", errno, NULL);
	}
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		close(listener);
		serve(k, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		int num = errno;

		close(pair[0]);
		free(i);
		return err_set(e, ERR_HOST, "fork", num, NULL);
	}
	i->fd = pair[0];
	pthread_mutex_init(&i->busy, NULL);
	*out = i;
	return 0;
}

static int ask(struct installer *i, unsigned char which, struct reply *r)
{
	ssize_t n;

	if (send(i->fd, &which, 1, MSG_NOSIGNAL) < 0)
		return -ECANCELED;
	while ((n = recv(i->fd, r, sizeof(*r), 0)) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof(*r) ? r->error : -ECANCELED;
}

int installer_run(struct installer *i, const char *command, struct text *why)
{
	struct reply r = {0};
	unsigned char which = 0;
	int ret;

	while (strcmp(commands[which], command) != 0)
		which++;
	if (pthread_mutex_trylock(&i->busy) != 0)
		return -EBUSY;
	ret = ask(i, which, &r);
	pthread_mutex_unlock(&i->busy);
	if (ret == -EIO)
		text_put(why, r.words);
	return ret;
}

void installer_cancel(struct installer *i)
{
	shutdown(i->fd, SHUT_RDWR);
}

void installer_end(struct installer *i)
{
	if (!i)
		return;
	close(i->fd);
	pthread_mutex_destroy(&i->busy);
	free(i);
}
