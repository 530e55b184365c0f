/* A tracee that waits can be killed from outside (by the kernel when memory is short, by an operator), and be given a job before its
 * end is seen. When no byte of the job was run, another tracee gets it. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "inside.h"
#include "job_files.h"
#include "regs.h"

#define TRIES_MAX 3 /* tracees that a job may lose this way */

/* In its exit stop: still in the call that it waited in, so it has never come back from there. Once it runs, every such call is brokered. */
static bool is_in_first_call(const struct slot *s)
{
	struct regs_call c;

	return s->n_tids == 1 && !regs_read(s->t_pid, &c) && c.native && c.data.nr == policy_call_nr("openat") &&
	       regs_is_at(&c, s->first_at) && c.data.args[1] == s->first_path && broker_calls(s->broker) == 0;
}

bool again_is_due(const struct slot *s, int status, bool at_exit_stop)
{
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL || !s->broker || s->begun || s->tries >= TRIES_MAX || s->worker->shutting_down)
		return false;
	return s->unbegun || (s->killed_for == KILLED_NOT && at_exit_stop && is_in_first_call(s));
}

void again_begun(struct slot *s)
{
	s->begun = true;
	job_files_free(s->job);
}

void again_hand_back(struct slot *s)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (!p)
		abort(); /* as for a job that was accepted and cannot be answered */
	*p = (struct pending){.key = s->key, .job = s->job, .generation = generation_hold(s->nursery->generation), .policy = s->nursery->policy,
	                      .watched = s->watched, .uid = s->client, .queue_ms = s->queue_ms, .since = s->started, .tries = s->tries + 1};
	s->job = NULL;
	turns_go_first(s->worker, p);
	worker_changed(s->worker);
}
