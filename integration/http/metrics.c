#include "metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_KINDS_MAX   64  /* (path, status): more are not told apart */
#define VIOLATION_KINDS_MAX 512 /* (call, verdict) */
#define CALL_NAME_MAX       32

/* upper bounds of the latency histogram's buckets, ms */
static const double bounds[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 60000};
#define N_BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

struct histogram {
	uint64_t buckets[N_BOUNDS + 1], count;
	double sum_ms;
};

struct metrics {
	pthread_mutex_t lock;
	struct {
		const char *path;
		unsigned status;
		uint64_t n;
	} requests[REQUEST_KINDS_MAX];
	size_t n_requests;
	uint64_t jobs[LANGUAGE_COUNT][OUTCOME_COUNT], brokered[LANGUAGE_COUNT];
	double cpu_ms[LANGUAGE_COUNT];
	struct histogram took[LANGUAGE_COUNT], wall[LANGUAGE_COUNT];
	struct {
		char call[CALL_NAME_MAX];
		enum verdict verdict;
		uint64_t n;
	} violations[VIOLATION_KINDS_MAX];
	size_t n_violations;
};

struct metrics *metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m)
		pthread_mutex_init(&m->lock, NULL);
	return m;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* --- counting ------------------------------------------------------------------------------------------------ */

void metrics_request(struct metrics *m, const char *path, unsigned status)
{
	size_t i = 0;

	pthread_mutex_lock(&m->lock);
	while (i < m->n_requests && (m->requests[i].status != status || strcmp(m->requests[i].path, path) != 0))
		i++;
	if (i == m->n_requests && i < REQUEST_KINDS_MAX) {
		m->requests[i].path = path;
		m->requests[i].status = status;
		m->n_requests++;
	}
	if (i < REQUEST_KINDS_MAX)
		m->requests[i].n++;
	pthread_mutex_unlock(&m->lock);
}

static void observe(struct histogram *h, double ms)
{
	size_t i = 0;

	while (i < N_BOUNDS && ms > bounds[i])
		i++;
	h->buckets[i]++;
	h->count++;
	h->sum_ms += ms;
}

static void count_violation(struct metrics *m, const struct violation *v)
{
	const char *call = v->syscall ? v->syscall : "?";
	size_t i = 0;

	while (i < m->n_violations && (m->violations[i].verdict != v->verdict || strncmp(m->violations[i].call, call, CALL_NAME_MAX - 1) != 0))
		i++;
	if (i == VIOLATION_KINDS_MAX)
		return;
	if (i == m->n_violations) {
		strncpy(m->violations[i].call, call, CALL_NAME_MAX - 1);
		m->violations[i].verdict = v->verdict;
		m->n_violations++;
	}
	m->violations[i].n += v->count ? v->count : 1;
}

void metrics_job(struct metrics *m, enum language l, const struct result *r, double took_ms)
{
	pthread_mutex_lock(&m->lock);
	m->jobs[l][r->outcome]++;
	m->brokered[l] += r->usage.brokered_calls;
	m->cpu_ms[l] += r->usage.cpu_ms;
	observe(&m->took[l], took_ms);
	observe(&m->wall[l], r->usage.wall_ms);
	for (size_t i = 0; i < r->n_violations; i++)
		count_violation(m, &r->violations[i]);
	pthread_mutex_unlock(&m->lock);
}

/* --- writing ------------------------------------------------------------------------------------------------- */

static void head(struct text *t, const char *name, const char *type, const char *help)
{
	text_printf(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_number(struct text *t, const char *name, const char *type, const char *help, uint64_t v)
{
	head(t, name, type, help);
	text_printf(t, "%s %" PRIu64 "\n", name, v);
}

static void put_histogram(struct text *t, const char *name, const char *help, const struct histogram *of)
{
	head(t, name, "histogram", help);
	for (int l = 0; l < LANGUAGE_COUNT; l++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < N_BOUNDS; i++) {
			sum += of[l].buckets[i];
			text_printf(t, "%s_bucket{language=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, language_name(l), bounds[i] / 1e3, sum);
		}
		text_printf(t, "%s_bucket{language=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, language_name(l), of[l].count);
		text_printf(t, "%s_sum{language=\"%s\"} %.6f\n", name, language_name(l), of[l].sum_ms / 1e3);
		text_printf(t, "%s_count{language=\"%s\"} %" PRIu64 "\n", name, language_name(l), of[l].count);
	}
}

static void put_jobs(const struct metrics *m, struct text *t)
{
	head(t, "warder_jobs_total", "counter", "Jobs that have their result.");
	for (int l = 0; l < LANGUAGE_COUNT; l++)
		for (int o = 0; o < OUTCOME_COUNT; o++)
			text_printf(t, "warder_jobs_total{language=\"%s\",outcome=\"%s\"} %" PRIu64 "\n", language_name(l), outcome_name(o),
				    m->jobs[l][o]);
	head(t, "warder_brokered_calls_total", "counter", "System calls of jobs that the supervisor answered.");
	for (int l = 0; l < LANGUAGE_COUNT; l++)
		text_printf(t, "warder_brokered_calls_total{language=\"%s\"} %" PRIu64 "\n", language_name(l), m->brokered[l]);
	head(t, "warder_job_cpu_seconds_total", "counter", "CPU time of jobs.");
	for (int l = 0; l < LANGUAGE_COUNT; l++)
		text_printf(t, "warder_job_cpu_seconds_total{language=\"%s\"} %.6f\n", language_name(l), m->cpu_ms[l] / 1e3);
	put_histogram(t, "warder_request_seconds", "From a run's request to its result, waiting included.", m->took);
	put_histogram(t, "warder_job_seconds", "Wall time of jobs.", m->wall);
	head(t, "warder_violations_total", "counter", "System calls that were refused, hidden or killed.");
	for (size_t i = 0; i < m->n_violations; i++)
		text_printf(t, "warder_violations_total{syscall=\"%s\",verdict=\"%s\"} %" PRIu64 "\n", m->violations[i].call,
			    verdict_name(m->violations[i].verdict), m->violations[i].n);
}

static void put_supervisor(const struct runner_status *s, struct text *t)
{
	put_number(t, "warder_up", "gauge", "Whether the supervisor answers.", s != NULL);
	if (!s)
		return;
	put_number(t, "warder_workers", "gauge", "Workers that are up.", s->workers);
	put_number(t, "warder_zygotes", "gauge", "Warm interpreters.", s->zygotes);
	put_number(t, "warder_pool_waiting", "gauge", "Tracees that wait for a job.", s->waiting);
	put_number(t, "warder_pool_running", "gauge", "Tracees that run one.", s->running);
	put_number(t, "warder_pool_capacity", "gauge", "Jobs that can run at once.", s->capacity);
	put_number(t, "warder_supervisor_queue_length", "gauge", "Jobs that wait in the supervisor.", s->queue);
	put_number(t, "warder_supervisor_queue_max", "gauge", "Jobs that may wait there.", s->queue_max);
	put_number(t, "warder_births_total", "counter", "Tracees that were born.", s->births);
	put_number(t, "warder_birth_failures_total", "counter", "Tracees and interpreters that could not be started.", s->birth_failures);
	put_number(t, "warder_zygote_starts_total", "counter", "Interpreters that were started, the first ones included.", s->zygote_starts);
}

void metrics_write(struct metrics *m, const struct runner_load *load, const struct runner_status *s, struct text *t)
{
	put_supervisor(s, t);
	put_number(t, "warder_http_runs", "gauge", "Runs that were let in and have no answer yet.", load->requests);
	put_number(t, "warder_http_queue_length", "gauge", "Of these, those that wait for one of MAX_WORKERS turns.", load->waiting);
	pthread_mutex_lock(&m->lock);
	head(t, "warder_http_requests_total", "counter", "Requests that were answered.");
	for (size_t i = 0; i < m->n_requests; i++)
		text_printf(t, "warder_http_requests_total{path=\"%s\",status=\"%u\"} %" PRIu64 "\n", m->requests[i].path,
			    m->requests[i].status, m->requests[i].n);
	put_jobs(m, t);
	pthread_mutex_unlock(&m->lock);
}
