#include "embed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_FIXED 8 /* program, --serve-fd N, --log-level warn, --config FILE, NULL */

void embed_program(const char *program, char *buf, size_t size)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = 0;
		char *slash = strrchr(self, '/');
		int len = slash ? snprintf(buf, size, "%.*s/%s", (int)(slash - self), self, program) : -1;
		if (len > 0 && (size_t)len < size && !access(buf, X_OK))
			return;
	}
	snprintf(buf, size, "%s", program);
}

static const char **arguments(const struct embed_options *o, const char *program, const char *fd)
{
	const char **argv = calloc(ARGS_FIXED + 2 * o->policy_dirs->n, sizeof(*argv));
	size_t n = 0;

	if (!argv)
		return NULL;
	argv[n++] = program;
	argv[n++] = "--serve-fd";
	argv[n++] = fd;
	argv[n++] = "--log-level";
	argv[n++] = "warn";
	if (o->config) {
		argv[n++] = "--config";
		argv[n++] = o->config;
	}
	for (size_t i = 0; i < o->policy_dirs->n; i++) {
		argv[n++] = "--policy-dir";
		argv[n++] = o->policy_dirs->v[i];
	}
	return argv;
}

/* Between fork and exec. A process group of its own keeps the terminal's Ctrl-C with the command, which asks for the
 * job to be cancelled; the supervisor then ends at hang-up, also when the command dies. Its stdout is not the job's. */
static void __attribute__((noreturn)) become_supervisor(const char **argv, int fd)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setpgid(0, 0);
	signal(SIGPIPE, SIG_DFL);
	if (null >= 0 && dup2(null, 0) == 0 && dup2(2, 1) == 1 && fcntl(fd, F_SETFD, 0) == 0)
		execvp(argv[0], (char **)argv);
	fprintf(stderr, "warder: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int embed_start(struct embed *em, const struct embed_options *o, int *fd, struct err *e)
{
	char program[4096], number[16];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, ERR_HOST, "socketpair", errno, "no connection to a supervisor");
	snprintf(number, sizeof(number), "%d", pair[1]);
	embed_program("warderd", program, sizeof(program));
	const char **argv = arguments(o, program, number);
	em->pid = argv ? fork() : -1;
	if (em->pid == 0)
		become_supervisor(argv, pair[1]);
	int num = argv ? errno : ENOMEM;
	free(argv);
	close(pair[1]);
	if (em->pid < 0) {
		close(pair[0]);
		return err_set(e, ERR_HOST, "fork", num, "no process for a supervisor");
	}
	*fd = pair[0];
	return 0;
}

/* The child is ours and not reaped yet, so its number cannot have been given to another process. */
static void wait_or_kill(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (pidfd >= 0 && poll(&p, 1, EMBED_END_MS) == 0)
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (pidfd >= 0)
		close(pidfd);
}

int embed_end(struct embed *em)
{
	int status;

	if (em->pid <= 0)
		return 0;
	wait_or_kill(em->pid);
	while (waitpid(em->pid, &status, 0) < 0)
		if (errno != EINTR)
			return 0;
	em->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
