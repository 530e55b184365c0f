/* locks.c - file locks. On files of the job's own, and those it may write: the whole host sees a lock on a granted file, and
 * who may only read one could hold it up.
 *
 * flock(2) and open-file-description locks belong to the open file, so the worker sets them on its duplicate. POSIX
 * locks belong to a process: the worker cannot set them for the job. But its /tmp is seen by nobody else and a
 * process never conflicts with itself, so there they always succeed and need no memory. On a writable grant an open file
 * of the worker's own stands for the process (lock_files.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "descriptors.h"
#include "guest.h"
#include "handlers.h"

#define OFD_LOCKS_MAX 1024 /* set by one job in its life */

static int refuse(struct request *r, int fd)
{
	char path[VPATH_MAX];
	bool shown = descriptor_show(r, fd, path, sizeof(path));

	return request_refused(r, EACCES, shown ? path : NULL, "locks: only files that the job may write");
}

/* The worker never waits for a lock: a waiting call is told that a signal came, and asks again. */
static int busy(int rc, bool waits)
{
	return rc == -EWOULDBLOCK && waits ? -EINTR : rc;
}

int locks_check_flock(struct request *r)
{
	int op = (int)r->call->args[1] & ~LOCK_NB;

	return op == LOCK_SH || op == LOCK_EX || op == LOCK_UN ? 0 : -EINVAL;
}

int64_t locks_flock(struct request *r)
{
	int op = (int)r->call->args[1], fd, rc;
	bool real;

	fd = descriptor_get(r, (int)r->call->args[0], &real);
	if (fd < 0)
		return fd;
	if (!(descriptor_rights(r, fd) & RIGHT_WRITE))
		rc = refuse(r, fd);
	else
		rc = !real || !flock(fd, op | LOCK_NB) ? 0 : -errno;
	close(fd);
	return busy(rc, !(op & LOCK_NB));
}

/* --- fcntl ------------------------------------------------------------------------------------------------- */

struct lock_call {
	struct request *r;
	int fd;
	bool real;
	bool shared;           /* others see the file */
	struct flock lock;
};

/* What the kernel asks of a lock before it looks at others. */
static int check(const struct lock_call *c)
{
	int mode = c->real ? fcntl(c->fd, F_GETFL) & O_ACCMODE : O_RDWR;

	if (c->lock.l_whence < SEEK_SET || c->lock.l_whence > SEEK_END)
		return -EINVAL;
	if (c->lock.l_whence == SEEK_SET &&
	    (c->lock.l_start < 0 || (c->lock.l_len < 0 && c->lock.l_len < -c->lock.l_start)))
		return -EINVAL;
	if (c->lock.l_type == F_RDLCK)
		return mode == O_WRONLY ? -EBADF : 0;
	if (c->lock.l_type == F_WRLCK)
		return mode == O_RDONLY ? -EBADF : 0;
	return c->lock.l_type == F_UNLCK ? 0 : -EINVAL;
}

/* As the job's process: its lock does not conflict with the job's others. */
static int on_lock_file(struct lock_call *c, int cmd)
{
	struct broker_job *job = c->r->job;
	int rc = request_enter(c->r, true), fd;

	if (rc)
		return rc;
	fd = lock_files_get(&job->lock_files, job->tree->proc_fds, c->fd);
	if (fd < 0)
		return fd;
	if (c->lock.l_whence == SEEK_CUR) {
		off_t at = lseek(c->fd, 0, SEEK_CUR);

		c->lock.l_whence = SEEK_SET;
		c->lock.l_start += at > 0 ? at : 0;
	}
	c->lock.l_pid = 0;
	if (fcntl(fd, cmd, &c->lock))
		return -errno;
	c->lock.l_pid = 0; /* nobody whom the job could know */
	return 0;
}

static int count_lock(struct lock_call *c)
{
	return c->lock.l_type != F_UNLCK && ++c->r->job->ofd_locks > OFD_LOCKS_MAX ? -ENOLCK : 0;
}

static int set_posix(struct lock_call *c)
{
	int rc = check(c);

	if (rc || !c->shared)
		return rc;
	rc = count_lock(c);
	return rc ? rc : on_lock_file(c, F_OFD_SETLK);
}

static int wait_posix(struct lock_call *c)
{
	return busy(set_posix(c), true);
}

/* In /tmp nobody else holds one. */
static int get_posix(struct lock_call *c)
{
	if (c->lock.l_type != F_RDLCK && c->lock.l_type != F_WRLCK)
		return -EINVAL;
	if (c->shared)
		return on_lock_file(c, F_OFD_GETLK);
	c->lock.l_type = F_UNLCK;
	return 0;
}

static int on_open_file(struct lock_call *c, int cmd)
{
	if (!c->real)
		return -ENOLCK;
	return fcntl(c->fd, cmd, &c->lock) ? -errno : 0;
}

/* The kernel walks a file's locks at each call, in the worker's time and memory: a job gets so many of them in its life. */
static int set_ofd(struct lock_call *c)
{
	int rc = count_lock(c);

	return rc ? rc : on_open_file(c, F_OFD_SETLK);
}

static int wait_ofd(struct lock_call *c)
{
	return busy(set_ofd(c), true);
}

static int get_ofd(struct lock_call *c)
{
	return on_open_file(c, F_OFD_GETLK);
}

static const struct lock_command {
	int cmd;
	int (*act)(struct lock_call *c);
	bool answers;          /* writes the struct back */
} commands[] = {
	{F_SETLK, set_posix, false},
	{F_SETLKW, wait_posix, false},
	{F_GETLK, get_posix, true},
	{F_OFD_SETLK, set_ofd, false},
	{F_OFD_SETLKW, wait_ofd, false},
	{F_OFD_GETLK, get_ofd, true},
};

static int carry_out(struct request *r, const struct lock_command *cmd, struct lock_call *c)
{
	uint64_t t_lock = r->call->args[2];
	int rc;

	if (guest_read(r->job->who.mem, t_lock, &c->lock, sizeof(c->lock)))
		return -EFAULT;
	if (!(descriptor_rights(r, c->fd) & RIGHT_WRITE))
		return refuse(r, c->fd);
	c->shared = descriptor_owner(r, c->fd) != OWNER_JOB;
	rc = cmd->act(c);
	if (rc || !cmd->answers)
		return rc;
	return guest_write(r->job->who.mem, t_lock, &c->lock, sizeof(c->lock));
}

int64_t locks_fcntl(struct request *r)
{
	const struct lock_command *cmd = NULL;
	struct lock_call c;
	int rc;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].cmd == (int)r->call->args[1])
			cmd = &commands[i];
	if (!cmd)
		return request_refused(r, EACCES, NULL, "locks: only locks are brokered");
	c.r = r;
	c.fd = descriptor_get(r, (int)r->call->args[0], &c.real);
	if (c.fd < 0)
		return c.fd;
	rc = carry_out(r, cmd, &c);
	close(c.fd);
	return rc;
}
