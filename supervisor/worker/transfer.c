/* Files into a job's /tmp before it starts, and out of it when it has ended: a bounded step a turn of the loop, so that the worker
 * answers others in between. */
#include "inside.h"

static void again(struct slot *s)
{
	ev_timer_set(&s->transfer, 0, 0);
	ev_timer_start(s->worker->loop, &s->transfer);
}

void transfer_in(struct slot *s)
{
	struct err e = {0};
	char words[300];
	int r = broker_put_files(s->broker, s->job->files, s->job->n_files, &e);

	if (r > 0)
		again(s);
	else
		slot_files_in(s, r, r < 0 ? err_str(&e, words, sizeof(words)) : NULL);
}

void transfer_out(struct slot *s)
{
	const struct job *j = s->job;
	uint64_t used = s->result.out.len + s->result.err.len, room = used < j->result_room ? j->result_room - used : 0;

	if (broker_collect(s->broker, j->collect, j->n_collect, room, &s->result) > 0)
		again(s);
	else
		slot_files_out(s);
}

static void on_transfer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct slot *s = t->data;

	(void)loop, (void)revents;
	if (s->state == SLOT_COLLECTING)
		transfer_out(s);
	else if (s->state == SLOT_RUNNING)
		transfer_in(s);
}

void transfer_init(struct slot *s)
{
	ev_init(&s->transfer, on_transfer);
	s->transfer.data = s;
}
