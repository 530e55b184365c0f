#include "held.h"

#include <stdlib.h>
#include <time.h>

#include "log.h"
#include "mem.h"

#define ID_SHOWN (2 * JOB_ID_MAX + 4)

static double clock_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct held *held_find(const struct held_all *all, uint64_t key)
{
	struct held *h;

	LIST_FOREACH(h, &all->jobs, link)
		if (h->key == key)
			return h;
	return NULL;
}

struct held *held_new(struct held_all *all, uint64_t key, uid_t uid, bool detach)
{
	struct held *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	*h = (struct held){.key = key, .uid = uid, .detach = detach, .heard = true};
	LIST_INSERT_HEAD(&all->jobs, h, link);
	all->n++;
	return h;
}

void held_drop(struct held_all *all, struct held *h)
{
	LIST_REMOVE(h, link);
	all->n--;
	free(h->facts.id);
	free(h->facts.policy);
	free(h);
}

void held_note(struct held *h, const struct port_job *facts, const struct job *j, const struct policy *policy)
{
	if (!j->detach)
		return;
	h->facts.id = mem_copy(j->id);
	h->facts.policy = mem_copy(j->policy_text.p ? "policy_text" : policy->name);
	h->facts.language = j->language;
	h->facts.debug = j->debug;
	h->facts.queue_ms = facts->queue_ms;
	h->facts.since_ms = clock_ms(CLOCK_MONOTONIC);
}

void held_note_start(struct held *h, int tracee_pid)
{
	h->facts.tracee_pid = tracee_pid;
	h->facts.started_unix_ms = clock_ms(CLOCK_REALTIME);
}

struct port_running held_running(const struct held *h)
{
	return (struct port_running){
		.key = h->key,
		.id.p = h->facts.id,
		.policy.p = h->facts.policy,
		.language = h->facts.language,
		.uid = h->uid,
		.debug = h->facts.debug,
		.tracee_pid = h->facts.tracee_pid,
		.started_unix_ms = h->facts.started_unix_ms,
		.queue_ms = h->facts.queue_ms,
		.age_ms = clock_ms(CLOCK_MONOTONIC) - h->facts.since_ms,
	};
}

/* Names and paths in it are the job's own choice. */
static void log_violation(const char *job, uid_t uid, const struct violation *v)
{
	char call[100], path[300], address[100], rule[200];

	log_write(LOG_INFO, "violation", "job=%s uid=%u verdict=%s syscall=%s path=%s address=%s rule=%s count=%u", job, uid,
		  verdict_name(v->verdict), log_value(call, sizeof(call), v->syscall), log_value(path, sizeof(path), v->path),
		  log_value(address, sizeof(address), v->address), log_value(rule, sizeof(rule), v->rule), v->count);
}

void held_log_end(const struct held *h, const struct result *r)
{
	char id[ID_SHOWN], error[300];

	log_value(id, sizeof(id), r->id);
	for (size_t i = 0; i < r->n_violations; i++)
		log_violation(id, h->uid, &r->violations[i]);
	log_write(LOG_INFO, "job_end",
		  "job=%s uid=%u outcome=%s exit_code=%d signal=%d limit=%s queue_ms=%.1f wall_ms=%.1f cpu_ms=%.1f max_rss_kib=%llu "
		  "brokered_calls=%llu violations=%zu client=%s error=%s",
		  id, h->uid, outcome_name(r->outcome), r->exit_code, r->signal, ended_by_name(r->limit), r->usage.queue_ms,
		  r->usage.wall_ms, r->usage.cpu_ms, (unsigned long long)r->usage.max_rss_kib,
		  (unsigned long long)r->usage.brokered_calls, r->n_violations, h->orphan ? "gone" : "there",
		  log_value(error, sizeof(error), r->error));
}
