/* memory.c - mappings that the supervisor hears of: large ones, and shared anonymous ones. All verdicts are from register values. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "handlers.h"
#include "procfs.h"

#define MAPS_MAX (256u << 10) /* bytes of /proc/PID/maps: a job with more mappings than that only costs itself */
#define NEVER (MAP_POPULATE | MAP_LOCKED | MAP_HUGETLB)

/* Private writable memory of the job, which RLIMIT_DATA counts, bytes. */
static uint64_t data_size(const struct request *r)
{
	return procfs_status(r->job->who.t_pid, "VmData") << 10;
}

static bool is_too_much(const struct request *r, uint64_t more)
{
	uint64_t most = r->job->options.data_bytes;

	return more > most || data_size(r) > most - more;
}

/* The kernel decides; what it will refuse is remembered. */
static int64_t large(struct request *r, uint64_t more)
{
	if (is_too_much(r, more))
		r->job->limits_hit |= 1u << LIMIT_HIT_MEMORY;
	return request_go_on(r);
}

/* The text of its mappings, of which there is one at a time; NULL: it cannot be read, or is longer. */
static char *read_maps(struct request *r)
{
	static char text[MAPS_MAX];
	size_t len = 0;
	char path[48];
	ssize_t n;

	if (request_enter(r, true))
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)r->job->who.t_pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	return n == 0 && len > 0 && len < sizeof(text) - 1 ? text : NULL;
}

/* Whether no shared anonymous memory is left: its mappings have this name, or that which prctl(PR_SET_VMA) gave them. */
static bool none_shared(struct request *r)
{
	if (r->job->threads.alive != 1) /* another thread may be about to map some */
		return false;
	const char *text = read_maps(r);
	return text && !strstr(text, "/dev/zero (deleted)") && !strstr(text, "[anon_shmem:");
}

/* Counted in full from here on, until none is left: pages that were unmapped stay as long as one page of the mapping does. */
static int64_t shared(struct request *r, uint64_t len)
{
	struct broker_job *b = r->job;
	uint64_t most = b->options.memory_bytes;

	if (len > most || (b->shared_memory > most - len && !none_shared(r))) {
		b->limits_hit |= 1u << LIMIT_HIT_MEMORY;
		return -ENOMEM;
	}
	if (b->shared_memory > most - len)
		b->shared_memory = 0;
	b->shared_memory += len;
	return request_go_on(r);
}

int64_t memory_map(struct request *r)
{
	uint64_t len = r->call->args[1], prot = r->call->args[2], flags = r->call->args[3];

	if (flags & NEVER)
		return request_refused(r, EPERM, NULL, "mmap: no memory that is filled or locked at once, no huge pages");
	if ((flags & MAP_SHARED) && (flags & MAP_ANONYMOUS))
		return shared(r, (len + 4095) & ~4095ull);
	return flags & MAP_PRIVATE && prot & PROT_WRITE ? large(r, len) : request_go_on(r);
}

int64_t memory_remap(struct request *r)
{
	uint64_t before = r->call->args[1], after = r->call->args[2];

	return large(r, after > before ? after - before : 0);
}

/* Bytes from `from` to `to` that RLIMIT_DATA counts already: private and writable. */
static uint64_t counted_in(const char *maps, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;
	unsigned long long begin, end;
	char may[5];

	for (; maps && sscanf(maps, "%llx-%llx %4s", &begin, &end, may) == 3; maps = strchr(maps, '\n'), maps += maps != NULL) {
		uint64_t low = begin > from ? begin : from, high = end < to ? end : to;

		if (may[1] == 'w' && may[3] == 'p' && low < high)
			sum += high - low;
	}
	return sum;
}

/* V8 makes all of a WebAssembly memory writable each time that it grows. */
int64_t memory_protect(struct request *r)
{
	uint64_t from = r->call->args[0], len = r->call->args[1];

	if (!(r->call->args[2] & PROT_WRITE) || !is_too_much(r, len))
		return request_go_on(r);
	const char *maps = len <= UINT64_MAX - from ? read_maps(r) : NULL;
	return maps ? large(r, len - counted_in(maps, from, from + len)) : request_go_on(r);
}
