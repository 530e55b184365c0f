/* Where a private directory stands for a job's /tmp: looks how much is in it, for as long as the job runs. */
#include "inside.h"

#define EVERY 0.020 /* seconds between two steps */

static void on_usage(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct slot *s = t->data;

	(void)loop, (void)revents;
	if (s->broker && broker_tmp_is_far_over(s->broker))
		slot_kill(s, KILLED_TMP);
}

void usage_init(struct slot *s)
{
	ev_init(&s->usage, on_usage);
	s->usage.data = s;
}

void usage_start(struct slot *s)
{
	if (broker_has_tmp_quota(s->broker))
		return;
	ev_timer_set(&s->usage, EVERY, EVERY);
	ev_timer_start(s->worker->loop, &s->usage);
}

void usage_stop(struct slot *s)
{
	ev_timer_stop(s->worker->loop, &s->usage);
}
