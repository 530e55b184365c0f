/* The brokered calls of one running tracee: received, judged by the broker, answered. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "inside.h"
#include "notify.h"
#include "rpc.h"
#include "trace.h"
#include "waits.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool still_there(void *arg, uint64_t id)
{
	return notify_still_there(((struct slot *)arg)->listener, id);
}

static int give_numbers(struct slot *s, uint64_t id, const struct broker_reply *r, int numbers[2])
{
	int fds[2] = {r->fd, r->fd2};

	for (int i = 0; i < 2; i++) {
		numbers[i] = notify_add_fd(s->listener, id, fds[i], -1, r->cloexec);
		if (numbers[i] < 0)
			return numbers[i];
	}
	return 0;
}

static int give_pair(struct slot *s, uint64_t id, const struct broker_reply *r)
{
	int numbers[2];

	watchdog_giving(s->worker->watchdog, true);
	int e = give_numbers(s, id, r, numbers);
	watchdog_giving(s->worker->watchdog, false);
	if (e < 0)
		return e;
	if (pwrite(s->mem, numbers, sizeof(numbers), (off_t)r->fds_at) != sizeof(numbers))
		return -EFAULT;
	return notify_answer(s->listener, id, 0);
}

static int give_one(struct slot *s, uint64_t id, const struct broker_reply *r)
{
	watchdog_giving(s->worker->watchdog, true);
	int e = notify_answer_fd(s->listener, id, r->fd, r->cloexec);
	watchdog_giving(s->worker->watchdog, false);
	return e;
}

/* Every call gets exactly one answer; ADDFD can fail and leave it pending (measured), then the errno is the answer. */
void slot_carry_out(struct slot *s, const struct broker_call *c, struct broker_reply *r)
{
	uint64_t id = c->id;
	int64_t result = 0;
	int e = 0;

	switch (r->kind) {
	case REPLY_VALUE:
		notify_answer(s->listener, id, r->value);
		if (r->beside)
			waits_add(s, c, r->beside, true);
		result = r->value;
		break;
	case REPLY_CONTINUE:
		notify_continue(s->listener, id);
		break;
	case REPLY_FD:
		e = r->fd2 >= 0 ? give_pair(s, id, r) : give_one(s, id, r);
		close_fd(&r->fd);
		close_fd(&r->fd2);
		result = e;
		break;
	case REPLY_LATER:
		e = waits_add(s, c, r->wait, false);
		result = e;
		break;
	case REPLY_NAMES:
	case REPLY_HELD:
		return;
	}
	if (e == -EMFILE) /* the tracee's RLIMIT_NOFILE: the worker's own descriptor is there */
		s->limits_hit |= 1u << LIMIT_HIT_OPEN_FILES;
	if (e < 0 && e != -ENOENT)
		notify_answer(s->listener, id, e);
	if (s->trace && (r->kind != REPLY_LATER || e < 0))
		trace_answered(s, c, r->kind != REPLY_CONTINUE, result);
}

/* At most as many as the job's list has places, whatever it does. */
void slot_tell_violations(struct slot *s)
{
	const struct port_front *front = s->worker->front;
	const struct violation *v;
	msgpack_sbuffer b;
	msgpack_packer pk;

	while (s->watched && s->broker && (v = broker_fresh_violation(s->broker))) {
		rpc_begin(&b, &pk);
		event_pack_fresh_violation(&pk, s->job->id, v);
		front->on_violation(front->ctx, s->key, (struct bytes){b.data, b.size});
		msgpack_sbuffer_destroy(&b);
	}
}

void slot_guard(struct slot *s)
{
	watchdog_begin(s->worker->watchdog, s->pidfd, s->uid, s->gid);
}

void slot_unguard(struct slot *s, bool held_up)
{
	bool too_long = watchdog_end(s->worker->watchdog);

	if (too_long)
		snprintf(s->error, sizeof(s->error), "one call held its worker up for more than %.0f s", WATCHDOG_SECONDS);
	else if (held_up)
		snprintf(s->error, sizeof(s->error), "its threads changed sockets under the calls that connect them, which held its worker up");
	else
		return;
	slot_kill(s, KILLED_ERROR);
}

void slot_answer(struct slot *s, const struct broker_call *c)
{
	struct broker_reply r = {.fd = -1, .fd2 = -1};

	slot_guard(s);
	broker_answer(s->broker, c, still_there, s, &r);
	if (s->trace)
		trace_judged(s, c);
	slot_carry_out(s, c, &r);
	slot_unguard(s, r.held_up);
	slot_tell_violations(s);
	if (r.kind == REPLY_NAMES)
		names_wait(s, c);
	else if (r.kind == REPLY_HELD)
		debug_hold(s, c);
}

void slot_call(struct slot *s, const struct seccomp_notif *n)
{
	struct broker_call c = {.id = n->id, .t_tid = (pid_t)n->pid, .nr = n->data.nr};

	memcpy(c.args, n->data.args, sizeof(c.args));
	if (!s->begun)
		again_begun(s);
	debug_interrupted(s, c.t_tid);
	waits_interrupted(s, c.t_tid);
	if (s->trace)
		trace_came(s, &c);
	slot_answer(s, &c);
}
