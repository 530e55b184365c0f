/* Jobs that a worker has from a front before this one: detached ones, of which nobody is told any more but who asks. */
#include <stdlib.h>
#include <string.h>

#include "inside.h"

static void free_run(struct run *r)
{
	free(r->id);
	free(r->policy_name);
	free(r);
}

int front_adopt_job(struct front *f, unsigned index, const struct port_running *j)
{
	struct front_worker *w = &f->workers[index];
	struct run *r = runs_of_key(f, j->key) ? NULL : calloc(1, sizeof(*r));

	if (!r)
		return -1;
	r->id = strndup(j->id.p, j->id.len);
	r->policy_name = strndup(j->policy.p, j->policy.len);
	if (!r->id || !r->policy_name) {
		free_run(r);
		return -1;
	}
	r->key = j->key;
	r->uid = j->uid;
	r->language = j->language;
	r->debug = j->debug;
	r->detach = true;
	r->proof = -1;
	r->generation = generation_hold(f->generation);
	r->queue_ms = j->queue_ms;
	r->submitted_ms = front_now_ms() - j->age_ms;
	r->asked_ms = r->submitted_ms - j->queue_ms;
	r->tracee_pid = j->tracee_pid;
	r->started_unix_ms = j->started_unix_ms;
	r->worker = w;
	w->n_submitted++;
	w->n_started += r->tracee_pid > 0;
	LIST_INSERT_HEAD(&f->submitted, r, link);
	if (r->tracee_pid > 0)
		runs_set_state(r, STATE_RUNNING);
	return 0;
}

const char *run_policy_name(const struct run *r)
{
	return r->policy_name ? r->policy_name : r->policy ? r->policy->name : "policy_text";
}
