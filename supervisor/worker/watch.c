/* The limits that end a job by what it has used: CPU time and memory. Nobody is told when they are met, so the worker looks, and no
 * earlier than they could be met.
 *
 * What counts as memory: the private pages that the job added to those it was born with, and its shared anonymous memory from
 * the moment it is mapped, since those pages can be unmapped and yet stay. Pages of files are the host's cache; those of /tmp are in its
 * own quota. Where the job's address space is so large that its page tables could matter, they count, too: reading an empty mapping every
 * 2 MiB costs a page of the kernel's each time, and none of the job's. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "inside.h"
#include "procfs.h"
#include "without.h"

#define FIRST_LOOK    0.005       /* seconds; most jobs are over by then */
#define SOONEST       0.001
#define LATEST        0.050
#define LATEST_ASLEEP 0.100       /* for a job that has not computed since the look before */
#define FILL_RATE     (16.0 * (1ull << 30)) /* bytes a second that a job may touch, at most: 2 to 8 GiB were measured */
#define BEGUN         0.001       /* of a CPU: dying takes less */
#define ASLEEP        0.01        /* of a CPU */
#define CHARGED_BESIDE (32ull << 20) /* bytes: kernel stacks, page tables, pipes */
#define TABLES_FREE   (16ull << 20) /* bytes of page tables that are nobody's business */
#define TABLES_SHARE  512         /* bytes that each byte of tables maps, when all of them are there */
#define NEAR_MIB      4           /* this close to RLIMIT_DATA, something was refused, or is about to be */

struct pages { /* of /proc/PID/statm, proc(5) */
	uint64_t size, anon, data;
};

static bool look_at_pages(const struct slot *s, struct pages *out)
{
	unsigned long size, resident, shared, data;
	char text[160];
	ssize_t n = pread(s->statm, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%lu %lu %lu %*u %*u %lu", &size, &resident, &shared, &data) != 4)
		return false;
	*out = (struct pages){size, resident - shared, data};
	return true;
}

int watch_open(struct slot *s)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)s->t_pid);
	s->statm = open(path, O_RDONLY | O_CLOEXEC);
	return s->statm < 0 ? -1 : 0;
}

/* Bytes of page tables that count; of few jobs, since this file costs more to read than statm. */
static uint64_t tables_used(const struct slot *s, uint64_t size)
{
	uint64_t bytes = size / TABLES_SHARE <= TABLES_FREE ? 0 : procfs_status(s->t_pid, "VmPTE") << 10;

	return bytes > TABLES_FREE ? bytes - TABLES_FREE : 0;
}

/* Gives the bytes in use, and remembers whether something was refused, as far as that can be seen. */
static uint64_t memory_used(struct slot *s)
{
	uint64_t page = (uint64_t)s->worker->page_size;
	struct pages p;

	if (!look_at_pages(s, &p))
		return 0; /* it has ended */
	if (p.data * page + (NEAR_MIB << 20) >= s->rlimit_data)
		s->limits_hit |= 1u << LIMIT_HIT_MEMORY;
	uint64_t added = p.anon > s->anon_before ? (p.anon - s->anon_before) * page : 0;
	return added + tables_used(s, p.size * page) + (s->broker ? broker_shared_memory(s->broker) : 0);
}

static double at_most(double a, double b)
{
	return a < b ? a : b;
}

/* Seconds until the next look: neither limit can be met before. */
static double next_look(struct slot *s, double cpu, double cpu_room, double memory_room)
{
	double now = worker_clock(), threads = (double)s->job->limits[LIMIT_THREADS];
	double cpus = threads < s->worker->n_cpus ? threads : s->worker->n_cpus;
	bool asleep = cpu - s->look_cpu < ASLEEP * (now - s->looked);
	double wait = at_most(memory_room / FILL_RATE, LATEST);

	if (asleep) {
		wait = at_most((now - s->looked) * 2, LATEST_ASLEEP);
	}
	s->look_cpu = cpu;
	s->looked = now;
	wait = at_most(wait, cpu_room / cpus);
	return wait > SOONEST ? wait : SOONEST;
}

static void on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct slot *s = t->data;
	double cpu = outcome_cpu(s->t_pid);
	double cpu_room = s->cpu_before + (double)s->job->limits[LIMIT_CPU_MS] / 1e3 - cpu;
	double memory_room = (double)(s->job->limits[LIMIT_MEMORY_MIB] << 20) - (double)memory_used(s);

	(void)revents;
	if (!s->begun && cpu - s->cpu_before >= BEGUN)
		again_begun(s);
	if (!WITHOUT(watch) && (cpu_room <= 0 || memory_room < 0)) {
		slot_kill(s, cpu_room <= 0 ? KILLED_CPU_TIME : KILLED_MEMORY);
		return;
	}
	ev_timer_set(t, next_look(s, cpu, cpu_room, memory_room), 0);
	ev_timer_start(loop, t);
}

void watch_init(struct slot *s)
{
	ev_init(&s->look, on_look);
	s->look.data = s;
	s->statm = -1;
}

void watch_start(struct slot *s)
{
	struct pages p = {0};

	look_at_pages(s, &p);
	s->anon_before = p.anon;
	s->look_cpu = s->cpu_before;
	s->looked = worker_clock();
	double cpu_limit = (double)s->job->limits[LIMIT_CPU_MS] / 1e3 / s->worker->n_cpus;
	ev_timer_set(&s->look, at_most(FIRST_LOOK, cpu_limit), 0);
	ev_timer_start(s->worker->loop, &s->look);
}

void watch_last(struct slot *s)
{
	memory_used(s);
}

void watch_stop(struct slot *s)
{
	ev_timer_stop(s->worker->loop, &s->look);
}

/* Beside the job's own and its /tmp: what it was born with, each page of which it may write, and what the kernel needs for it. */
uint64_t watch_charged_most(const struct slot *s)
{
	const int64_t *l = s->job->limits;

	return ((uint64_t)(l[LIMIT_MEMORY_MIB] + l[LIMIT_TMP_MIB]) << 20) + s->anon_before * (uint64_t)s->worker->page_size + CHARGED_BESIDE;
}
