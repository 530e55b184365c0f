#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "derive.h"
#include "log.h"
#include "places.h"

#define DIRS_MAX 4

/* --- where things are ---------------------------------------------------------------------------------------- */

void starter_own_dir(char *buf, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	if (strrchr(buf, '/'))
		*strrchr(buf, '/') = '\0';
}

static const char *program(char *buf, size_t size)
{
	starter_own_dir(buf, size - 16);
	strcat(buf, "/warderd");
	return access(buf, X_OK) == 0 ? buf : "warderd";
}

/* --- files --------------------------------------------------------------------------------------------------- */

/* Takes the text. */
static int write_file(const struct starter *s, const char *name, struct text *t, struct err *e)
{
	char path[160];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || t->failed || write(fd, t->p, t->len) != (ssize_t)t->len)
		ret = err_set(e, ERR_HOST, "write", fd < 0 ? errno : EIO, "%s", path);
	if (fd >= 0)
		close(fd);
	text_done(t);
	return ret;
}

static void print_errors(struct policy_errors *es)
{
	for (size_t i = 0; i < es->n; i++)
		fprintf(stderr, "%s:%d:%d: %s\n", es->v[i].file, es->v[i].line, es->v[i].column, es->v[i].text);
	policy_errors_done(es);
}

static int write_policies(const struct starter *s, const struct knobs *k, struct err *e)
{
	struct policy_errors es = {0};
	struct policy_set *ps = policy_set_load(policy_places(), &es);
	int ret = 0;

	print_errors(&es);
	if (!ps)
		return err_set(e, ERR_HOST, "policies", 0, "the policies that python3 and nodejs extend are wrong or missing");
	for (int l = 0; l < LANGUAGE_COUNT && ret == 0; l++) {
		const struct policy *base = policy_find(ps, language_name(l));
		struct text t = {0};
		char name[32];

		snprintf(name, sizeof(name), "%s.yaml", language_name(l));
		ret = base ? derive_policy(k, base, &t, e) : 0;
		if (ret == 0 && base)
			ret = write_file(s, name, &t, e);
		text_done(&t);
	}
	policy_set_free(ps);
	return ret;
}

static unsigned count_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

static int make_dir(struct starter *s, gid_t gid, struct err *e)
{
	const char *run = getenv("RUNTIME_DIRECTORY");

	if (!run || strlen(run) > 30)
		run = getuid() == 0 && access("/run", W_OK) == 0 ? "/run" : "/tmp";
	snprintf(s->dir, sizeof(s->dir), "%s/warder-http-XXXXXX", run);
	if (!mkdtemp(s->dir)) {
		int num = errno;

		s->dir[0] = '\0';
		return err_set(e, ERR_HOST, "mkdtemp", num, "%s", run);
	}
	if (chmod(s->dir, 0750) < 0 || (gid != getegid() && chown(s->dir, (uid_t)-1, gid) < 0))
		return err_set(e, ERR_HOST, "chown", errno, "%s", s->dir);
	snprintf(s->socket, sizeof(s->socket), "%s/warder.sock", s->dir);
	return 0;
}

/* --- the process --------------------------------------------------------------------------------------------- */

static void __attribute__((noreturn)) become_supervisor(const struct starter *s)
{
	char self[PATH_MAX], config[96];
	const char *argv[8 + 2 * DIRS_MAX] = {program(self, sizeof(self)), "--config", config, "--policy-dir", s->dir};
	size_t n = 5;
	sigset_t none;

	snprintf(config, sizeof(config), "%s/warder.conf", s->dir);
	for (const char *const *d = policy_places(); *d; d++) {
		argv[n++] = "--policy-dir";
		argv[n++] = *d;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	unsetenv("API_KEY"); /* nobody else's business */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execvp(argv[0], (char **)argv);
	fprintf(stderr, "warder-http: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int starter_start(struct starter *s, const struct knobs *k, uid_t uid, gid_t gid, struct err *e)
{
	struct text config = {0};
	int ret;

	*s = (struct starter){0};
	ret = make_dir(s, gid, e);
	if (ret == 0) {
		derive_config(k, s->socket, count_cpus(), uid, &config);
		ret = write_file(s, "warder.conf", &config, e);
	}
	ret = ret < 0 ? ret : write_policies(s, k, e);
	if (ret < 0) {
		starter_end(s);
		return ret;
	}
	s->pid = fork();
	if (s->pid == 0)
		become_supervisor(s);
	if (s->pid < 0) {
		ret = err_set(e, ERR_HOST, "fork", errno, NULL);
		s->pid = 0;
		starter_end(s);
	}
	return ret;
}

static void remove_dir(const struct starter *s)
{
	static const char *const names[] = {"warder.conf", "warder.sock", "python3.yaml", "nodejs.yaml"};
	char path[160];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", s->dir, names[i]);
		unlink(path);
	}
	rmdir(s->dir);
}

void starter_end(struct starter *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGTERM); /* our child, not reaped */
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	s->pid = 0;
	if (s->dir[0])
		remove_dir(s);
}
