/* metrics.h - what is counted, and its text in Prometheus' format. Thread-safe. Who may use it: server. */
#ifndef WARDER_HTTP_METRICS_H
#define WARDER_HTTP_METRICS_H

#include "job.h"
#include "runner.h"
#include "text.h"

struct metrics;

struct metrics *metrics_new(void); /* NULL: out of memory */
void metrics_free(struct metrics *m);
/* A request that was answered; `path` has static storage and is one of few. */
void metrics_request(struct metrics *m, const char *path, unsigned status);
/* A job that has its result; `took_ms` from the request to the result. */
void metrics_job(struct metrics *m, enum language l, const struct result *r, double took_ms);
/* `s` NULL: no supervisor answered. */
void metrics_write(struct metrics *m, const struct runner_load *load, const struct runner_status *s, struct text *out);

#endif
