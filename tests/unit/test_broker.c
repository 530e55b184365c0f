/* Calls as a worker hands them over, against a real process: twice, with root's full set of capabilities and as in a
 * container that has neither CAP_SYS_ADMIN nor CAP_SYS_PTRACE (no detached tmpfs, no pidfd_getfd). */
#include "child.h"

#include <sched.h>
#include <sys/file.h>
#include <time.h>

#include "calls.h"
#include "guest.h"
#include "handlers.h"
#include "rows.h"
#include "state.h"
#include "twice.h"

#define FD (uint64_t)AT_FDCWD
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | \
	CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static int setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));
	char files[512], p[128];

	fixture_base(f);
	snprintf(p, sizeof(p), "%s/ro", f->base);
	assert_int_equal(mkdir(p, 0755), 0);
	snprintf(p, sizeof(p), "%s/ro/file", f->base);
	write_file(p, "file", 0666);
	snprintf(files, sizeof(files),
		"  - {path: %s/ro, rights: [read, list]}\nquiet: [/quiet/one, /quiet/all/*]\n", f->base);
	fixture_start(f, files);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_stop(*state);
	free(*state);
	return 0;
}

static const char *ro(struct fixture *f, const char *rest)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/ro%s", f->base, rest);
	return path;
}

/* Opens in the job; the number that the child has it under. */
static int t_open(struct fixture *f, const char *path, int flags, mode_t mode)
{
	int64_t fd = call(f, "openat", FD, put(f, path), (uint64_t)flags, mode);
	int t_fd;

	if (f->reply.kind != REPLY_FD)
		fail_msg("open %s: %lld", path, (long long)fd);
	t_fd = child_put(&f->c, (int)fd);
	close((int)fd);
	return t_fd;
}

/* --- looking ----------------------------------------------------------------------------------------------- */

static void test_stat(void **state)
{
	struct fixture *f = *state;
	struct stat st, want;

	assert_int_equal(stat(ro(f, "/file"), &want), 0);
	assert_int_equal(call(f, "stat", put(f, ro(f, "/file")), OUT(f)), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_int_equal(st.st_ino, want.st_ino);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(call(f, "stat", put(f, ro(f, "/none")), OUT(f)), -ENOENT);
	assert_int_equal(call(f, "stat", put(f, ro(f, "/file")), 8), -EFAULT);
	assert_int_equal(call(f, "newfstatat", FD, put(f, ro(f, "/file")), OUT(f), 1u << 30), -EINVAL);
	assert_int_equal(call(f, "stat", put(f, "/"), OUT(f)), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(call(f, "stat", put(f, "/tmp"), OUT(f)), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_int_equal(st.st_mode, S_IFDIR | 01777);
	if (identity_can_switch())
		assert_int_equal(st.st_uid, JOB_UID);
}

static void test_fstat(void **state)
{
	struct fixture *f = *state;
	int t_file = t_open(f, "/tmp/main.py", O_RDONLY, 0), t_socket = child_put(&f->c, f->c.sock), pipes[2], t_pipe;
	struct stat st, want;

	assert_int_equal(call(f, "newfstatat", (uint64_t)t_file, put(f, ""), OUT(f), AT_EMPTY_PATH), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_int_equal(st.st_size, 9);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(call(f, "newfstatat", (uint64_t)t_file, 0, OUT(f), AT_EMPTY_PATH), 0);
	assert_int_equal(call(f, "newfstatat", (uint64_t)t_file, put(f, ""), OUT(f), 0), -ENOENT);
	assert_int_equal(call(f, "newfstatat", 777, put(f, ""), OUT(f), AT_EMPTY_PATH), -EBADF);
	assert_int_equal(call(f, "newfstatat", (uint64_t)t_socket, put(f, ""), OUT(f), AT_EMPTY_PATH), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(fstat(pipes[0], &want), 0);
	t_pipe = child_put(&f->c, pipes[0]);
	assert_int_equal(call(f, "newfstatat", (uint64_t)t_pipe, put(f, ""), OUT(f), AT_EMPTY_PATH), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_int_equal(st.st_ino, want.st_ino);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(call(f, "newfstatat", FD, put(f, ""), OUT(f), AT_EMPTY_PATH), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_true(S_ISDIR(st.st_mode));
}

static void test_statx(void **state)
{
	struct fixture *f = *state;
	struct statx sx;

	assert_int_equal(call(f, "statx", FD, put(f, ro(f, "/file")), 0, STATX_BASIC_STATS, OUT(f)), 0);
	memcpy(&sx, out(f), sizeof(sx));
	assert_int_equal(sx.stx_size, 4);
	assert_int_equal(call(f, "statx", FD, put(f, "/"), 0, STATX_BASIC_STATS, OUT(f)), 0);
	memcpy(&sx, out(f), sizeof(sx));
	assert_int_equal(sx.stx_uid, 0);
	assert_int_equal(call(f, "statx", FD, put(f, ro(f, "/file")), 0, 0x80000000u, OUT(f)), -EINVAL);
	assert_int_equal(call(f, "statx", FD, put(f, "/etc/passwd"), 0, STATX_BASIC_STATS, OUT(f)), -ENOENT);
}

static void test_access(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(call(f, "access", put(f, ro(f, "/file")), F_OK), 0);
	assert_int_equal(call(f, "access", put(f, ro(f, "/file")), R_OK), 0);
	assert_int_equal(call(f, "access", put(f, ro(f, "/file")), W_OK), -EACCES);
	assert_int_equal(call(f, "access", put(f, ro(f, "")), R_OK | X_OK), 0);
	assert_int_equal(call(f, "access", put(f, ro(f, "")), W_OK), -EACCES);
	assert_int_equal(call(f, "access", put(f, "/"), R_OK | X_OK), 0);
	assert_int_equal(call(f, "access", put(f, "/"), W_OK), -EACCES);
	assert_int_equal(call(f, "access", put(f, "/tmp"), R_OK | W_OK | X_OK), 0);
	assert_int_equal(call(f, "access", put(f, "/tmp"), 8), -EINVAL);
	assert_int_equal(call(f, "faccessat2", FD, put(f, "/tmp/main.py"), W_OK, AT_EACCESS), 0);
}

/* --- the private /tmp -------------------------------------------------------------------------------------- */

static void test_tmp(void **state)
{
	struct fixture *f = *state;
	int64_t fd = call(f, "open", put(f, "/tmp/a"), O_CREAT | O_EXCL | O_RDWR, 0666);
	struct stat st;

	assert_int_equal(f->reply.kind, REPLY_FD);
	assert_int_equal(fstat((int)fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	if (identity_can_switch()) {
		assert_int_equal(st.st_uid, JOB_UID);
		assert_int_equal(st.st_gid, JOB_UID);
	}
	close((int)fd);
	assert_int_equal(call(f, "open", put(f, "/tmp/a"), O_CREAT | O_EXCL | O_RDWR, 0666), -EEXIST);
	assert_int_equal(call(f, "umask", 077), 0);
	assert_int_equal(f->reply.kind, REPLY_CONTINUE);
	assert_int_equal(call(f, "mkdir", put(f, "/tmp/d"), 0777), 0);
	assert_int_equal(call(f, "stat", put(f, "/tmp/d"), OUT(f)), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(call(f, "umask", 022), 0);
	assert_int_equal(call(f, "mkdir", put(f, "/tmp/d"), 0777), -EEXIST);
	assert_int_equal(call(f, "rename", put(f, "/tmp/a"), put(f, "/tmp/d/b")), 0);
	assert_int_equal(call(f, "stat", put(f, "/tmp/a"), OUT(f)), -ENOENT);
	assert_int_equal(call(f, "stat", put(f, "/tmp/d/b"), OUT(f)),
		0); /* below a directory that others may not search */
	assert_int_equal(call(f, "rmdir", put(f, "/tmp/d")), -ENOTEMPTY);
	assert_int_equal(call(f, "unlink", put(f, "/tmp/d")), -EISDIR);
	assert_int_equal(call(f, "unlink", put(f, "/tmp/d/b/")), -ENOTDIR);
	assert_int_equal(call(f, "rmdir", put(f, "/tmp/d/.")), -EINVAL);
	assert_int_equal(call(f, "rmdir", put(f, "/tmp/d/..")), -ENOTEMPTY);
	assert_int_equal(call(f, "chmod", put(f, "/tmp/d/b"), 0), 0);
	assert_int_equal(call(f, "utimes", put(f, "/tmp/d/b"), 0), 0);
	assert_int_equal(call(f, "unlinkat", FD, put(f, "d/b"), 0), 0);
	assert_int_equal(call(f, "unlinkat", FD, put(f, "d"), AT_REMOVEDIR), 0);
	assert_int_equal(call(f, "rmdir", put(f, "/tmp")), -EACCES);
	assert_int_equal(call(f, "rename", put(f, "/tmp"), put(f, "/tmp/x")), -EXDEV);
	assert_int_equal(call(f, "open", put(f, "/tmp/none/x"), O_CREAT | O_RDWR, 0666), -ENOENT);
	assert_int_equal(call(f, "open", put(f, "/tmp/new/"), O_CREAT | O_RDWR, 0666), -EISDIR);
}

static void test_descriptors_in_tmp(void **state)
{
	struct fixture *f = *state;
	const struct timespec times[2] = {{1000, 5}, {2000, 6}};
	int t_fd = t_open(f, "/tmp/obj", O_CREAT | O_RDWR, 0600);
	struct stat st;

	assert_int_equal(call(f, "fchmod", (uint64_t)t_fd, 0640), 0);
	assert_int_equal(call(f, "ftruncate", (uint64_t)t_fd, 100), 0);
	assert_int_equal(call(f, "ftruncate", (uint64_t)t_fd, (uint64_t)-1), -EINVAL);
	memcpy(out(f), times, sizeof(times));
	assert_int_equal(call(f, "utimensat", (uint64_t)t_fd, 0, OUT(f), 0), 0);
	assert_int_equal(call(f, "utimensat", FD, 0, OUT(f), 0), -EFAULT);
	assert_int_equal(call(f, "stat", put(f, "/tmp/obj"), OUT(f)), 0);
	memcpy(&st, out(f), sizeof(st));
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, 100);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(call(f, "unlink", put(f, "/tmp/obj")), 0);
	assert_int_equal(call(f, "fchmod", 555, 0640), -EBADF);
}

/* Metadata and locks of a granted file stay as they are, although a descriptor of it is held and its mode is 0666. */
static void test_descriptors_of_grants(void **state)
{
	struct fixture *f = *state;
	int t_fd = t_open(f, ro(f, "/file"), O_RDONLY, 0);
	struct flock lock = {.l_type = F_RDLCK};
	struct stat before, after;

	assert_int_equal(stat(ro(f, "/file"), &before), 0);
	assert_int_equal(call(f, "fchmod", (uint64_t)t_fd, 0), -EACCES);
	assert_int_equal(call(f, "chmod", put(f, ro(f, "/file")), 0), -EACCES);
	assert_int_equal(call(f, "utimensat", (uint64_t)t_fd, 0, 0, 0), -EACCES);
	assert_int_equal(call(f, "utimensat", FD, put(f, ro(f, "/file")), 0, 0), -EACCES);
	assert_int_equal(call(f, "ftruncate", (uint64_t)t_fd, 0), -EINVAL);
	assert_int_equal(call(f, "truncate", put(f, ro(f, "/file")), 0), -EACCES);
	assert_int_equal(call(f, "flock", (uint64_t)t_fd, LOCK_SH), -EACCES);
	memcpy(out(f), &lock, sizeof(lock));
	assert_int_equal(call(f, "fcntl", (uint64_t)t_fd, F_SETLK, OUT(f)), -EACCES);
	assert_int_equal(call(f, "unlink", put(f, ro(f, "/file"))), -EACCES);
	assert_int_equal(call(f, "unlink", put(f, ro(f, "/none"))), -ENOENT);
	assert_int_equal(call(f, "mkdir", put(f, ro(f, "/file")), 0777), -EEXIST);
	assert_int_equal(call(f, "mkdir", put(f, ro(f, "/new")), 0777), -EACCES);
	assert_int_equal(call(f, "rename", put(f, "/tmp/main.py"), put(f, ro(f, "/file"))), -EXDEV);
	assert_int_equal(call(f, "rename", put(f, ro(f, "/file")), put(f, "/tmp/x")), -EXDEV);
	assert_int_equal(call(f, "rename", put(f, ro(f, "/file")), put(f, ro(f, "/x"))), -EACCES);
	assert_int_equal(stat(ro(f, "/file"), &after), 0);
	assert_int_equal(before.st_mode, after.st_mode);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(before.st_size, after.st_size);
}

static void test_quota(void **state)
{
	struct fixture *f = *state;
	char name[32];
	int64_t rc = 0;
	int made = 0;

	assert_int_equal(broker_limits_hit(f->job) & (1u << LIMIT_HIT_TMP), 0);
	for (; made < 200 && rc >= 0; made++) {
		snprintf(name, sizeof(name), "/tmp/q%d", made);
		rc = call(f, "open", put(f, name), O_CREAT | O_WRONLY, 0600);
		close_reply(f);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_in_range(made, 60, 65);
	assert_int_equal(call(f, "mkdir", put(f, "/tmp/more"), 0700), -ENOSPC);
	assert_true(broker_limits_hit(f->job) & (1u << LIMIT_HIT_TMP));
	for (int i = 0; i < made - 1; i++) {
		snprintf(name, sizeof(name), "/tmp/q%d", i);
		assert_int_equal(call(f, "unlink", put(f, name)), 0);
	}
	assert_int_equal(call(f, "mkdir", put(f, "/tmp/more"), 0700), 0);
	assert_int_equal(call(f, "rmdir", put(f, "/tmp/more")), 0);
}

/* Deep trees and closed directories go with the job. */
static void test_tmp_is_dropped(void **state)
{
	struct fixture *f = *state;
	char path[1024] = "/tmp/deep", dir[PATH_MAX] = "";

	assert_int_equal(call(f, "mkdir", put(f, path), 0700), 0);
	for (int i = 0; i < 40; i++) {
		strcat(path, "/d");
		assert_int_equal(call(f, "mkdir", put(f, path), 0700), 0);
	}
	assert_int_equal(call(f, "chmod", put(f, path), 0), 0);
	if (f->job->tmp.dir)
		snprintf(dir, sizeof(dir), "%s", f->job->tmp.dir);
	broker_job_free(f->job);
	if (*dir) {
		assert_int_equal(access(dir, F_OK), -1);
		assert_int_equal(errno, ENOENT);
	}
	child_stop(&f->c);
	fixture_job(f);
}

static void test_temporary_file(void **state)
{
	struct fixture *f = *state;
	int64_t fd = call(f, "openat", FD, put(f, "/tmp"), O_TMPFILE | O_RDWR | O_EXCL, 0600);
	struct stat st;

	assert_int_equal(f->reply.kind, REPLY_FD);
	assert_int_equal(fstat((int)fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	close((int)fd);
	assert_int_equal(call(f, "openat", FD, put(f, "/tmp"), O_TMPFILE | O_RDONLY, 0600), -EINVAL);
	call(f, "umask", 027);
	fd = call(f, "openat", FD, put(f, "/tmp"), O_TMPFILE | O_RDWR, 0666);
	assert_int_equal(fstat((int)fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	close((int)fd);
	call(f, "umask", 022);
}

/* --- locks ------------------------------------------------------------------------------------------------- */

static void test_locks(void **state)
{
	struct fixture *f = *state;
	int t_a = t_open(f, "/tmp/lock", O_CREAT | O_RDWR, 0600), t_b = t_open(f, "/tmp/lock", O_RDONLY, 0);
	struct flock lock = {.l_type = F_WRLCK};
	bool real = !f->tree->fd_of_other;

	assert_int_equal(call(f, "flock", (uint64_t)t_a, LOCK_EX), 0);
	assert_int_equal(call(f, "flock", (uint64_t)t_b, LOCK_EX | LOCK_NB), real ? -EWOULDBLOCK : 0);
	assert_int_equal(call(f, "flock", (uint64_t)t_b, LOCK_EX), real ? -EINTR : 0);
	assert_int_equal(call(f, "flock", (uint64_t)t_a, LOCK_UN), 0);
	memcpy(out(f), &lock, sizeof(lock));
	assert_int_equal(call(f, "fcntl", (uint64_t)t_a, F_SETLK, OUT(f)), 0);
	assert_int_equal(call(f, "fcntl", (uint64_t)t_a, F_SETLKW, OUT(f)), 0);
	if (real)
		assert_int_equal(call(f, "fcntl", (uint64_t)t_b, F_SETLK, OUT(f)), -EBADF);
	assert_int_equal(call(f, "fcntl", (uint64_t)t_a, F_GETLK, OUT(f)), 0);
	memcpy(&lock, out(f), sizeof(lock));
	assert_int_equal(lock.l_type, F_UNLCK);
	assert_int_equal(call(f, "fcntl", (uint64_t)t_a, F_SETLK, 8), -EFAULT);
	lock.l_whence = 7;
	memcpy(out(f), &lock, sizeof(lock));
	assert_int_equal(call(f, "fcntl", (uint64_t)t_a, F_SETLK, OUT(f)), -EINVAL);
	assert_int_equal(call(f, "unlink", put(f, "/tmp/lock")), 0);
}

/* --- register values --------------------------------------------------------------------------------------- */

static void test_threads(void **state)
{
	struct fixture *f = *state;
	struct threads *t = &f->job->threads;

	for (int i = 1; i < 4; i++) { /* of four, one is there */
		assert_int_equal(call(f, "clone", THREAD_FLAGS), 0);
		assert_int_equal(f->reply.kind, REPLY_CONTINUE);
		broker_thread_born(f->job, f->c.pid, 100000 + i);
	}
	assert_int_equal(t->alive, 4);
	/* the kernel knows of one only: three are taken to have ended */
	assert_int_equal(call(f, "clone", THREAD_FLAGS), 0);
	assert_int_equal(f->reply.kind, REPLY_CONTINUE);
	assert_int_equal(t->alive, 2);
	broker_thread_born(f->job, f->c.pid, 100005);
	broker_thread_gone(f->job, 100005);
	assert_int_equal(t->alive, 1);
	/* other threads' clones that are not over count */
	for (pid_t tid = 1; tid <= 3; tid++)
		assert_true(threads_take(t, 200000 + tid, f->c.pid));
	assert_int_equal(call(f, "clone", THREAD_FLAGS), -EAGAIN);
	assert_int_equal(f->reply.kind, REPLY_VALUE);
	assert_true(broker_limits_hit(f->job) & (1u << LIMIT_HIT_THREADS));
	for (pid_t tid = 1; tid <= 3; tid++)
		broker_thread_gone(f->job, 200000 + tid);
	static const uint64_t no_threads[] = {0, SIGCHLD, CLONE_VM | CLONE_VFORK | SIGCHLD,
		THREAD_FLAGS | CLONE_UNTRACED,
		THREAD_FLAGS | CLONE_NEWUSER, THREAD_FLAGS | CLONE_PIDFD, THREAD_FLAGS & ~CLONE_FILES,
			THREAD_FLAGS | 1ull << 33};
	for (size_t i = 0; i < sizeof(no_threads) / sizeof(no_threads[0]); i++) {
		assert_int_equal(call(f, "clone", no_threads[i]), -EPERM);
		assert_int_equal(f->reply.kind, REPLY_VALUE);
		/* and where a policy's own conditions would let it through */
		struct broker_call c = {.id = 1, .t_tid = f->c.pid, .nr = policy_call_nr("clone"), .args = {no_threads[i]}};
		struct request r = {.job = f->job, .call = &c, .reply = &f->reply};
		assert_int_equal(processes_clone(&r), -EPERM);
		assert_int_equal(f->reply.kind, REPLY_VALUE);
	}
}

static void test_signals(void **state)
{
	struct fixture *f = *state;
	const uint64_t own = (uint64_t)f->c.pid, other = (uint64_t)getpid();
	const struct {
		const char *name;
		uint64_t to;
		bool goes;
	} rows[] = {
		{"kill", own, true}, {"kill", 0, true}, {"kill", other, false}, {"kill", (uint64_t)-1, false},
		{"kill", (uint64_t)-(int64_t)own, false}, {"kill", 1, false}, {"tgkill", own, true}, {"tgkill",
			other, false},
		{"tgkill", 0, false}, {"tkill", own, true}, {"tkill", other, false}, {"rt_sigqueueinfo", own, false},
		{"rt_sigqueueinfo", other, false}, {"rt_tgsigqueueinfo", other, false}, {"prlimit64", 0, true},
		{"prlimit64", own, true}, {"prlimit64", other, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t rc = call(f, rows[i].name, rows[i].to);
		bool goes = f->reply.kind == REPLY_CONTINUE;

		if (rows[i].name[0] == 't' && rows[i].to == 0)
			continue; /* tgkill of 0 is EINVAL in the kernel */
		if (goes != rows[i].goes || (!goes && rc != -EPERM))
			fail_msg("%s %lld: %lld", rows[i].name, (long long)rows[i].to, (long long)rc);
	}
}

static void test_socketpair(void **state)
{
	struct fixture *f = *state;
	char c = 'x';

	call(f, "socketpair", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, OUT(f));
	assert_int_equal(f->reply.kind, REPLY_FD);
	assert_true(f->reply.cloexec && f->reply.fd2 >= 0 && f->reply.fds_at == OUT(f));
	assert_int_equal(write(f->reply.fd, &c, 1), 1);
	assert_int_equal(read(f->reply.fd2, &c, 1), 1);
	close(f->reply.fd);
	close(f->reply.fd2);
	assert_int_equal(call(f, "socketpair", AF_UNIX, SOCK_DGRAM, 0, OUT(f)), -EPERM);
	assert_int_equal(call(f, "socketpair", AF_INET, SOCK_STREAM, 0, OUT(f)), -EOPNOTSUPP);
	assert_int_equal(call(f, "socketpair", AF_UNIX, SOCK_STREAM, 0, 8), -EFAULT);
	assert_int_equal(f->reply.fd2, -1);
}

/* --- violations -------------------------------------------------------------------------------------------- */

static void test_violations(void **state)
{
	struct fixture *f = *state;
	struct violation *v;
	uint64_t dropped;
	size_t n;
	char path[64];

	broker_take_violations(f->job, &v, &n, &dropped);
	for (size_t i = 0; i < n; i++)
		violation_done(&v[i]);
	free(v);
	for (int i = 0; i < 3; i++)
		assert_int_equal(call(f, "openat", FD, put(f, "/etc/passwd"), O_RDONLY | O_CLOEXEC), -ENOENT);
	assert_int_equal(call(f, "openat", FD, put(f, "/quiet/one"), O_RDONLY), -ENOENT);
	assert_int_equal(call(f, "openat", FD, put(f, "/quiet/all/x"), O_RDONLY), -ENOENT);
	assert_int_equal(call(f, "listen", 3, 16), -EPERM);
	assert_int_equal(call(f, "openat", FD, put(f, ro(f, "/file")), O_RDWR), -EACCES);
	broker_take_violations(f->job, &v, &n, &dropped);
	assert_int_equal(n, 3);
	assert_string_equal(v[0].syscall, "openat");
	assert_string_equal(v[0].path, "/etc/passwd");
	assert_string_equal(v[0].args[0], "AT_FDCWD");
	assert_string_equal(v[0].args[1], "\"/etc/passwd\"");
	assert_string_equal(v[0].args[2], "O_RDONLY|O_CLOEXEC");
	assert_null(v[0].args[3]);
	assert_int_equal(v[0].count, 3);
	assert_int_equal(v[0].verdict, VERDICT_HIDDEN);
	assert_int_equal(v[0].err, ENOENT);
	assert_non_null(strstr(v[0].rule, ".yaml files"));
	assert_string_equal(v[1].syscall, "listen");
	assert_non_null(strstr(v[1].rule, "base.yaml:"));
	assert_int_equal(v[2].verdict, VERDICT_REFUSED);
	assert_string_equal(v[2].path, ro(f, "/file"));
	assert_non_null(strstr(v[2].rule, ".yaml:"));
	for (size_t i = 0; i < n; i++)
		violation_done(&v[i]);
	free(v);

	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/etc/hidden-%d", i);
		call(f, "openat", FD, put(f, path), O_RDONLY);
	}
	broker_record_kill(f->job, 1, policy_call_nr("mount"),
	                   (uint64_t[6]){put(f, "none"), put(f, "/mnt"), put(f, "tmpfs"), 0, 0, 0});
	broker_take_violations(f->job, &v, &n, &dropped);
	assert_int_equal(n, VIOLATIONS_MAX);
	assert_int_equal(dropped, 100 - VIOLATIONS_MAX + 1);
	assert_string_equal(v[n - 1].syscall, "mount");
	assert_int_equal(v[n - 1].verdict, VERDICT_KILLED);
	assert_string_equal(v[n - 1].path, "/mnt");
	assert_string_equal(v[n - 1].args[0], "\"none\"");
	assert_string_equal(v[n - 1].args[1], "\"/mnt\"");
	assert_string_equal(v[n - 1].args[2], "\"tmpfs\"");
	assert_string_equal(v[n - 1].args[3], "0");
	assert_string_equal(v[n - 1].args[4], "NULL");
	for (size_t i = 0; i < n; i++)
		violation_done(&v[i]);
	free(v);
}

/* A policy may say that a call is brokered which this version has no handler for: it is refused, and told. */
static void test_call_without_a_handler(void **state)
{
	struct violation *v;
	struct fixture g;
	uint64_t dropped;
	size_t n;

	(void)state;
	fixture_base(&g);
	identity_full(); /* the policies may lie where nobody may look */
	fixture_start(&g, "  - {path: /dev/null, rights: [read]}\nsyscalls:\n  more:\n    why: for a test\n    broker: [listen]\n");
	assert_int_equal(call(&g, "listen", 3, 5), -EPERM);
	assert_int_equal(g.reply.kind, REPLY_VALUE);
	broker_take_violations(g.job, &v, &n, &dropped);
	assert_int_equal(n, 1);
	assert_string_equal(v->syscall, "listen");
	assert_int_equal(v->verdict, VERDICT_REFUSED);
	violation_done(v);
	free(v);
	fixture_stop(&g);
	assert_int_equal(identity_rest(), 0);
}

/* How many calls it brokers that have no row; those that have are marked as used, 0 being none. */
static int calls_without_row(const struct policy *p, bool *used)
{
	uint32_t *index;
	int n, bad = 0;

	assert_int_equal(rows_index(p, &index, &n), 0);
	for (int nr = 0; nr < p->n_calls; nr++)
		for (size_t i = 0; i < p->calls[nr].n_rows; i++)
			if (p->calls[nr].rows[i].kind == RULE_BROKER) {
				if (!index[nr])
					print_error("%s brokers %s: no row\n", p->name, p->calls[nr].name);
				bad += !index[nr];
				used[index[nr]] = true;
			}
	free(index);
	return bad;
}

#define UDP "name: udp\nextends: python3\nlanguage: python3\nsockets: [{family: inet, type: dgram, protocol: udp}]\n"

/* What is brokered has a row, and every row is brokered by some shipped policy, or by one that grants datagrams. */
static void test_rows_match_policies(void **state)
{
	const char *const dirs[] = {"policies", NULL};
	struct policy_errors errors = {0};
	struct policy_set *set;
	struct policy *udp;
	bool used[256] = {false};
	int bad = 0;

	(void)state;
	identity_full(); /* the source tree may lie where nobody may look */
	set = policy_set_load(dirs, &errors);
	udp = policy_load_text("udp.yaml", (struct bytes){UDP, sizeof(UDP) - 1}, dirs, &errors);
	identity_leave();
	assert_non_null(udp);
	assert_non_null(set);
	for (size_t k = 0; k < policy_count(set); k++)
		bad += calls_without_row(policy_at(set, k), used);
	bad += calls_without_row(udp, used);
	policy_free(udp);
	for (size_t i = 0; i < rows_count; i++) {
		const struct floor *floor = floor_find(rows_all[i].name);

		/* no policy can let through natively what takes a path */
		if (rows_all[i].path[0] && (!floor || floor->kind != FLOOR_BROKER_ONLY)) {
			print_error("row %s: not for the broker alone, by the floor\n", rows_all[i].name);
			bad++;
		}
		if (!used[i + 1] && policy_call_nr(rows_all[i].name) >= 0)
			print_error("row %s: no policy brokers it\n", rows_all[i].name);
		bad += !used[i + 1] && policy_call_nr(rows_all[i].name) >= 0;
		assert_non_null(rows_all[i].answer);
	}
	policy_set_free(set);
	policy_errors_done(&errors);
	assert_int_equal(bad, 0);
}

/* A tracee that vanished in its call is a normal outcome. */
static void test_ended_tracee(void **state)
{
	struct fixture *f = *state;

	syscall(SYS_pidfd_send_signal, f->c.pidfd, SIGKILL, NULL, 0);
	waitpid(f->c.pid, NULL, 0);
	assert_int_equal(call(f, "openat", FD, put(f, "/tmp/main.py"), O_RDONLY), -EFAULT);
	assert_int_equal(call(f, "openat", FD, 0, O_RDONLY), -EFAULT);
	assert_true(call(f, "fchmod", 3, 0) < 0);
	broker_job_free(f->job);
	child_stop(&f->c);
	fixture_job(f);
}

/* --- figures, not asserted --------------------------------------------------------------------------------- */

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void measure(struct fixture *f, const char *what, const char *name, const uint64_t args[6])
{
	struct broker_call c = {.id = 1, .t_tid = f->c.pid, .nr = policy_call_nr(name)};
	double best = 1e9;

	memcpy(c.args, args, sizeof(c.args));
	for (int round = 0; round < 20; round++) {
		double start = now_us();

		for (int i = 0; i < 500; i++) {
			broker_answer(f->job, &c, always_there, NULL, &f->reply);
			close_reply(f);
		}
		best = now_us() - start < best ? now_us() - start : best;
	}
	print_message("  worker-side %-34s %6.2f us\n", what, best / 500);
}

static void test_figures(void **state)
{
	struct fixture *f = *state;
	uint64_t file = put(f, ro(f, "/file")), code = put(f, "/tmp/main.py"), empty = put(f, "");
	uint64_t t_fd = (uint64_t)t_open(f, ro(f, "/file"), O_RDONLY, 0), lib = put(f,
		"/usr/lib/x86_64-linux-gnu/libc.so.6");

	measure(f, "umask: judged, no system call", "umask", (uint64_t[6]){022});
	measure(f, "openat + close of a granted file", "openat", (uint64_t[6]){FD, file, O_RDONLY | O_CLOEXEC});
	measure(f, "openat + close of libc", "openat", (uint64_t[6]){FD, lib, O_RDONLY | O_CLOEXEC});
	measure(f, "openat + close in /tmp", "openat", (uint64_t[6]){FD, code, O_RDONLY | O_CLOEXEC});
	measure(f, "openat for writing in /tmp", "openat", (uint64_t[6]){FD, code, O_WRONLY | O_CLOEXEC});
	measure(f, "fstat", "newfstatat", (uint64_t[6]){t_fd, empty, OUT(f), AT_EMPTY_PATH});
	measure(f, "stat of a granted file", "newfstatat", (uint64_t[6]){FD, file, OUT(f), 0});
	measure(f, "stat in /tmp", "newfstatat", (uint64_t[6]){FD, code, OUT(f), 0});
}

/* What the floor keeps from the kernel is answered by a row, or a hint says that nothing can allow it. */
static void hints_know_the_rows(void **state)
{
	const struct floor *f;

	(void)state;
	for (size_t i = 0; (f = floor_at(i)); i++) {
		bool has_row = false;

		for (size_t k = 0; k < rows_count; k++)
			has_row |= !strcmp(rows_all[k].name, f->name);
		if (f->kind == FLOOR_BROKER_ONLY && has_row == explain_is_unanswered(f->name))
			fail_msg("%s: has %s row, and hints say the opposite", f->name, has_row ? "a" : "no");
	}
}

static int run(const char *name)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hints_know_the_rows),
		cmocka_unit_test(test_stat), cmocka_unit_test(test_fstat), cmocka_unit_test(test_statx),
		cmocka_unit_test(test_access), cmocka_unit_test(test_tmp), cmocka_unit_test(test_descriptors_in_tmp),
		cmocka_unit_test(test_descriptors_of_grants), cmocka_unit_test(test_quota),
		cmocka_unit_test(test_tmp_is_dropped), cmocka_unit_test(test_temporary_file),
			cmocka_unit_test(test_locks),
		cmocka_unit_test(test_threads), cmocka_unit_test(test_signals), cmocka_unit_test(test_socketpair),
		cmocka_unit_test(test_violations), cmocka_unit_test(test_rows_match_policies),
		cmocka_unit_test(test_call_without_a_handler),
		cmocka_unit_test(test_ended_tracee), cmocka_unit_test(test_figures),
	};

	return cmocka_run_group_tests_name(name, tests, setup, teardown);
}

int main(void)
{
	return run_twice("broker", run);
}
