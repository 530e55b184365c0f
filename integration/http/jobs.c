#include "jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define CPU_SHARE 4 /* CPUs that a job may keep busy to the end of its wall time, as far as shipped policies let it */
#define CPU_MS_SHIPPED 60000

/* What the original leaves unbounded; shipped policies let callers have it. */
static const int64_t wished[LIMIT_COUNT] = {
	[LIMIT_MEMORY_MIB] = 1024, [LIMIT_OUTPUT_KIB] = 65536, [LIMIT_THREADS] = 64,
	[LIMIT_TMP_MIB] = 256,     [LIMIT_TMP_INODES] = 65536, [LIMIT_FILE_MIB] = 256,
};

/* Read by Python's bootstrap, not seen by the job: Dify's sandbox ends with 255 where python3 ends with 1. */
static struct job_env uncaught = {(char *)"WARDER_UNCAUGHT_STATUS", (char *)"255"};
static char *anywhere = (char *)"*";

void jobs_init(struct jobs *j, const struct knobs *k, struct runner *r)
{
	j->knobs = k;
	j->runner = r;
	for (int l = 0; l < LANGUAGE_COUNT; l++) {
		for (int i = 0; i < LIMIT_COUNT; i++)
			atomic_init(&j->wishes[l].limits[i], true);
		atomic_init(&j->wishes[l].connect, true);
		atomic_init(&j->ready[l], false);
	}
}

static int64_t limit_of(const struct jobs *j, int l)
{
	int64_t wall = j->knobs->timeout_s * 1000ll, cpu = wall * CPU_SHARE;

	if (l == LIMIT_WALL_MS)
		return wall;
	if (l == LIMIT_CPU_MS)
		return cpu <= CPU_MS_SHIPPED ? cpu : wall < CPU_MS_SHIPPED ? CPU_MS_SHIPPED : wall;
	return wished[l];
}

/* Borrows everything. */
static struct job make(struct jobs *j, const char *id, enum language l, struct bytes code, bool network)
{
	struct job job = {.id = (char *)id, .language = l, .code = code};

	if (l == LANGUAGE_PYTHON3) {
		job.env = &uncaught;
		job.n_env = 1;
	}
	for (int i = 0; i < LIMIT_COUNT; i++) {
		job.limits[i] = limit_of(j, i);
		job.limit_given[i] = job.limits[i] > 0 && atomic_load(&j->wishes[l].limits[i]);
	}
	if (network && atomic_load(&j->wishes[l].connect))
		job.grants[GRANT_CONNECT] = (struct job_list){&anywhere, 1};
	return job;
}

/* Whether the refusal named a wish that was still on. */
static bool drop(struct jobs *j, enum language l, const char *refusal)
{
	char words[400], name[64];
	atomic_bool *wish = NULL;

	if (strncmp(refusal, "not_permitted: grants.connect", strlen("not_permitted: grants.connect")) == 0)
		wish = &j->wishes[l].connect;
	for (int i = 0; i < LIMIT_COUNT && !wish; i++) {
		int n = snprintf(name, sizeof(name), "bad_request: limits.%s:", limit_name(i));

		if (strncmp(refusal, name, (size_t)n) == 0)
			wish = &j->wishes[l].limits[i];
	}
	if (!wish || !atomic_exchange(wish, false))
		return false;
	log_write(LOG_WARN, "policy_bound", "language=%s why=%s", language_name(l), log_value(words, sizeof(words), refusal));
	return true;
}

int jobs_run(struct jobs *j, const char *id, enum language l, struct bytes code, bool network, int peer, struct result *out, struct err *e)
{
	for (;;) {
		struct job job = make(j, id, l, code, network);
		int ret = runner_run(j->runner, &job, peer, out, e);

		if (ret != -EBADMSG || !drop(j, l, e->text))
			return ret;
	}
}

bool jobs_probe(struct jobs *j, enum language l, struct err *e)
{
	static const struct bytes nothing[] = {[LANGUAGE_PYTHON3] = {"pass", 4}, [LANGUAGE_NODEJS] = {";", 1}};
	struct result r = {0};
	char id[32];

	snprintf(id, sizeof(id), "http-probe-%s", language_name(l));
	if (jobs_run(j, id, l, nothing[l], j->knobs->network, -1, &r, e) < 0)
		return false;
	bool good = r.outcome == OUTCOME_EXITED && r.exit_code == 0;

	if (!good)
		err_set(e, ERR_HOST, "probe", 0, "outcome %s: %.150s", outcome_name(r.outcome), r.error ? r.error : "");
	result_done(&r);
	if (good)
		atomic_store(&j->ready[l], true);
	return good;
}

bool jobs_any_ready(struct jobs *j)
{
	bool any = false;

	for (int l = 0; l < LANGUAGE_COUNT; l++)
		any |= atomic_load(&j->ready[l]);
	return any;
}
