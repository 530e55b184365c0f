#include "gate.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define OWN_DIRECTORY "/run/warder"
#define BACKLOG       4096 /* connections of a burst that are not accepted yet; net.core.somaxconn bounds it, too */
#define ANSWERED_TRIES 4 /* a supervisor that was killed is gone a moment later */

static int fail(struct err *e, const char *step, const char *path)
{
	return err_set(e, ERR_HOST, step, errno, "%s", path);
}

/* Only our own directory is made: a parent that is missing elsewhere is more likely a typing error. */
static int make_directory(const char *path, struct err *e)
{
	size_t len = strlen(OWN_DIRECTORY);

	if (strncmp(path, OWN_DIRECTORY "/", len + 1) != 0 || strchr(path + len + 1, '/'))
		return 0;
	if (mkdir(OWN_DIRECTORY, 0755) < 0 && errno != EEXIST)
		return fail(e, "mkdir", OWN_DIRECTORY);
	return 0;
}

/* Whether somebody listens there. A full backlog (EAGAIN) is an answer too. */
static int is_answered(const struct sockaddr_un *a, struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), ret;

	if (fd < 0)
		return fail(e, "socket", a->sun_path);
	ret = connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno == EAGAIN;
	if (!ret && errno != ECONNREFUSED && errno != ENOENT)
		ret = fail(e, "connect", a->sun_path);
	close(fd);
	return ret;
}

static int clear_place(const struct sockaddr_un *a, struct err *e)
{
	struct stat st;
	int ret;

	if (lstat(a->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : fail(e, "lstat", a->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_HOST, "bind", EEXIST, "%s is not a socket", a->sun_path);
	ret = is_answered(a, e);
	for (int i = 0; ret > 0 && i < ANSWERED_TRIES; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
		ret = is_answered(a, e);
	}
	if (ret < 0)
		return ret;
	if (ret > 0)
		return err_set(e, ERR_HOST, "bind", EADDRINUSE, "%s: a supervisor answers there", a->sun_path);
	return unlink(a->sun_path) < 0 && errno != ENOENT ? fail(e, "unlink", a->sun_path) : 0;
}

static int find_group(const char *name, gid_t *gid, struct err *e)
{
	struct group *g;

	*gid = (gid_t)-1;
	if (!name)
		return 0;
	errno = 0;
	g = getgrnam(name);
	if (!g)
		return err_set(e, ERR_HOST, "group", errno ? errno : ENOENT, "%s", name);
	*gid = g->gr_gid;
	return 0;
}

/* Nobody can connect before listen(2) (ECONNREFUSED, unix(7)): mode and group are right from the first connection. */
static int bind_with(int fd, const struct sockaddr_un *a, mode_t mode, gid_t gid, struct err *e)
{
	mode_t old = umask(0177);
	int ret = bind(fd, (const struct sockaddr *)a, sizeof(*a)), num = errno;

	umask(old);
	if (ret < 0) {
		errno = num;
		return fail(e, "bind", a->sun_path);
	}
	if (gid != (gid_t)-1 && chown(a->sun_path, (uid_t)-1, gid) < 0)
		ret = fail(e, "chown", a->sun_path);
	else if (chmod(a->sun_path, mode) < 0)
		ret = fail(e, "chmod", a->sun_path);
	else if (listen(fd, BACKLOG) < 0)
		ret = fail(e, "listen", a->sun_path);
	if (ret < 0)
		unlink(a->sun_path);
	return ret;
}

int gate_open(const char *path, mode_t mode, const char *group, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	gid_t gid;
	int fd, ret;

	if (strlen(path) >= sizeof(a.sun_path) || !*path)
		return err_set(e, ERR_HOST, "bind", *path ? ENAMETOOLONG : EINVAL, "socket path \"%s\"", path);
	strcpy(a.sun_path, path);
	ret = find_group(group, &gid, e);
	if (ret == 0)
		ret = make_directory(path, e);
	if (ret == 0)
		ret = clear_place(&a, e);
	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(e, "socket", path);
	ret = bind_with(fd, &a, mode, gid, e);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

int gate_accept(int gate)
{
	int fd;

	do
		fd = accept4(gate, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	return fd < 0 ? -errno : fd;
}

int gate_close(int gate, const char *path)
{
	int ret;

	if (gate < 0)
		return 0;
	/* before close: who finds no file knows at once, a refused connection would look stale */
	ret = path && unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	close(gate);
	return ret;
}
