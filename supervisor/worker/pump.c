#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"

#define PUMP_CHUNK 65536

/* A job that prints line by line would wake its worker for each, and wait for it on their CPU: after a small piece the pipe gathers for a
 * while. Measured: 10 µs a line become 2. Large pieces are read at once, so that a full pipe never stops a job for long. */
#define PUMP_SMALL 4096  /* bytes */
#define PUMP_REST  0.002 /* seconds */

static uint64_t room(const struct pump *p)
{
	const struct slot *s = p->slot;
	uint64_t limit = s->job->limits[LIMIT_OUTPUT_KIB] << 10, used = s->pumps[0].len + s->pumps[1].len;

	return used < limit ? limit - used : 0;
}

static bool reserve(struct pump *p, size_t more)
{
	size_t want = p->cap ? p->cap : 4096;

	while (want < p->len + more)
		want *= 2;
	if (want != p->cap) {
		char *grown = realloc(p->buf, want);
		if (!grown)
			return false;
		p->buf = grown;
		p->cap = want;
	}
	return true;
}

static void keep(struct pump *p, const char *data, size_t n)
{
	struct slot *s = p->slot;
	size_t take = n < room(p) ? n : room(p);

	p->total += n;
	if (take && reserve(p, take)) {
		memcpy(p->buf + p->len, data, take);
		p->len += take;
		if (s->job->stream)
			s->worker->front->on_output(s->worker->front->ctx, s->key, p->is_stderr, (struct bytes){data, take});
	} else {
		take = 0;
	}
	if (take < n) {
		p->truncated = true;
		if (s->nursery->policy->end_on_output_limit)
			slot_kill(s, KILLED_OUTPUT);
	}
}

/* 1: there may be more; 0: nothing now, or for good. */
static int read_some(struct pump *p)
{
	static char chunk[PUMP_CHUNK];
	ssize_t n = p->fd >= 0 ? read(p->fd, chunk, sizeof(chunk)) : 0;

	if (n > 0) {
		keep(p, chunk, n);
		return 1;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		pump_close(p); /* the job closed its end */
	return n < 0 && errno == EINTR;
}

static void on_output(struct ev_loop *loop, ev_io *io, int revents)
{
	struct pump *p = io->data;
	uint64_t before = p->total;

	(void)revents;
	read_some(p);
	if (p->total - before < PUMP_SMALL && ev_is_active(io)) {
		ev_io_stop(loop, io);
		ev_timer_set(&p->rest, PUMP_REST, 0);
		ev_timer_start(loop, &p->rest);
	}
}

static void on_rested(struct ev_loop *loop, ev_timer *rest, int revents)
{
	struct pump *p = rest->data;

	(void)revents;
	ev_io_start(loop, &p->io);
}

int pump_open(struct pump *p, struct slot *s, bool is_stderr, int *job_end)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK)) {
		int r = -errno;
		close(fds[0]);
		close(fds[1]);
		return r;
	}
	*p = (struct pump){.slot = s, .fd = fds[0], .is_stderr = is_stderr};
	ev_io_init(&p->io, on_output, p->fd, EV_READ);
	ev_init(&p->rest, on_rested);
	p->io.data = p->rest.data = p;
	*job_end = fds[1];
	return 0;
}

void pump_drain(struct pump *p)
{
	/* bounded: the job is in its exit stop, the pipe has what the kernel's buffer holds */
	while (read_some(p))
		;
}

void pump_hold(struct pump *p, bool hold)
{
	if (p->fd < 0)
		return;
	ev_timer_stop(p->slot->worker->loop, &p->rest);
	if (hold)
		ev_io_stop(p->slot->worker->loop, &p->io);
	else
		ev_io_start(p->slot->worker->loop, &p->io);
}

void pump_close(struct pump *p)
{
	if (p->fd < 0)
		return;
	ev_timer_stop(p->slot->worker->loop, &p->rest);
	ev_io_stop(p->slot->worker->loop, &p->io);
	close(p->fd);
	p->fd = -1;
}

struct bytes pump_take(struct pump *p)
{
	struct bytes b = {p->buf, p->len};

	p->buf = NULL;
	p->len = p->cap = 0;
	return b;
}
