/* The kernel's limits of one job, set at its hand-over, before it has seen a byte of the job.
 *
 * Births are ahead of time and have the most that the policy lets callers ask for. Lowering another process's limits needs no
 * capability from whoever has its real identity (prlimit(2)); hard limits are lowered too, so a job cannot raise them again. */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "inside.h"
#include "without.h"

#define STACK_MIB 8 /* of one thread: glibc takes RLIMIT_STACK's soft limit, 8 MiB nearly everywhere */

uint64_t rlimits_data_extra(uint64_t memory_mib, uint64_t threads, uint64_t reserves_mib)
{
	return (memory_mib + threads * STACK_MIB + reserves_mib) << 20;
}

/* A backstop behind the watch (watch.c): the kernel counts by ticks, which under load were up to two fifths off the time that it
 * tells (measured, Linux 6.18), and knows whole seconds only. */
uint64_t rlimits_cpu_s(uint64_t cpu_ms)
{
	return cpu_ms * 3 / 2 / 1000 + 2;
}

static struct { int resource; rlim_t value; } wanted[5]; /* for lower_all: as_job passes a number alone */

/* An inherited limit that is lower stays. */
static int lower(pid_t pid, int resource, rlim_t value)
{
	struct rlimit now, want = {value, value};

	if (resource == RLIMIT_CPU)
		want.rlim_max++; /* SIGXCPU at the soft limit, which the worker sees; the end at the hard one, setrlimit(2) */
	if (prlimit(pid, resource, &want, NULL) == 0)
		return 0;
	int r = -errno;
	if (prlimit(pid, resource, NULL, &now) == 0 && now.rlim_max <= want.rlim_max)
		return 0;
	return r;
}

static long lower_all(const struct slot *s, pid_t pid)
{
	(void)s;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int r = lower(pid, wanted[i].resource, wanted[i].value);
		if (r)
			return r;
	}
	return 0;
}

int rlimits_lower(struct slot *s)
{
	const int64_t *l = s->job->limits;
	uint64_t memory = (uint64_t)l[LIMIT_MEMORY_MIB], threads = (uint64_t)l[LIMIT_THREADS];

	uint64_t extra = rlimits_data_extra(memory, threads, s->nursery->reserves_mib);

	s->rlimit_data = s->data_size + extra;
	wanted[0].resource = RLIMIT_DATA, wanted[0].value = s->rlimit_data;
	wanted[1].resource = RLIMIT_AS, wanted[1].value = s->as_size + extra + spawn_address_slack(s->job->language);
	wanted[2].resource = RLIMIT_FSIZE, wanted[2].value = (rlim_t)l[LIMIT_FILE_MIB] << 20;
	wanted[3].resource = RLIMIT_NOFILE, wanted[3].value = (rlim_t)l[LIMIT_OPEN_FILES];
	wanted[4].resource = RLIMIT_CPU, wanted[4].value = rlimits_cpu_s((uint64_t)l[LIMIT_CPU_MS]) + (rlim_t)s->cpu_before;
	return WITHOUT(rlimits) ? 0 : (int)tracer_as_job(s, lower_all, s->t_pid);
}
