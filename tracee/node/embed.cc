#include "embed.h"

#include <node.h>

#include <dlfcn.h>
#include <malloc.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>

static node::Environment *env; // one a process
// A virtual function of MultiIsolatePlatform, whose table differs between versions; its name does not.
static bool (*run_tasks)(node::MultiIsolatePlatform *, v8::Isolate *);

int embed_init()
{
	env = node::GetCurrentEnvironment(v8::Isolate::GetCurrent()->GetCurrentContext());
	run_tasks = reinterpret_cast<decltype(run_tasks)>(dlsym(RTLD_DEFAULT, "_ZN4node12NodePlatform20FlushForegroundTasksEPN2v87IsolateE"));
	return run_tasks ? 0 : -ENOSYS;
}

bool embed_run_tasks()
{
	return run_tasks(node::GetMultiIsolatePlatform(env), v8::Isolate::GetCurrent());
}

void embed_leave_by(void (*leave)(int code))
{
	node::SetProcessExitHandler(env, [leave](node::Environment *, int code) { leave(code); });
}

const void *embed_isolate()
{
	return v8::Isolate::GetCurrent();
}

// When this Node began. The variables are those of Node 20 and later, which workers take over.
struct origin {
	uint64_t monotonic; // ns
	double since_1970;  // us
};

static struct {
	uint64_t *monotonic, *process; // the latter for process.uptime
	double *since_1970;
	origin *copy; // in the environment of the main thread
} began;

// The sixteen bytes tell it from all else.
static origin *find_copy(const origin &now)
{
	char *from = reinterpret_cast<char *>(env);

	for (char *p = from, *end = from + malloc_usable_size(from); p + sizeof(now) <= end; p += sizeof(void *))
		if (memcmp(p, &now, sizeof(now)) == 0)
			return reinterpret_cast<origin *>(p);
	return nullptr;
}

static void find_origin()
{
	began.monotonic = static_cast<uint64_t *>(dlsym(RTLD_DEFAULT, "_ZN4node11performance25performance_process_startE"));
	began.since_1970 = static_cast<double *>(dlsym(RTLD_DEFAULT, "_ZN4node11performance35performance_process_start_timestampE"));
	began.process = static_cast<uint64_t *>(dlsym(RTLD_DEFAULT, "_ZN4node11per_process15node_start_timeE"));
	if (began.monotonic && began.since_1970)
		began.copy = find_copy({*began.monotonic, *began.since_1970});
}

void embed_restart_clock()
{
	static bool looked;
	timespec monotonic, real;

	if (!looked)
		find_origin();
	looked = true;
	if (!began.copy)
		return;
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_REALTIME, &real);
	origin now = {static_cast<uint64_t>(monotonic.tv_sec) * 1000000000 + static_cast<uint64_t>(monotonic.tv_nsec),
		      static_cast<double>(real.tv_sec) * 1e6 + static_cast<double>(real.tv_nsec) / 1e3};
	*began.copy = now;
	*began.monotonic = now.monotonic;
	*began.since_1970 = now.since_1970;
	if (began.process)
		*began.process = now.monotonic;
}

void embed_before_exit()
{
	(void)node::EmitProcessBeforeExit(env).IsJust();
}

int embed_exit()
{
	return node::EmitProcessExit(env).FromMaybe(1);
}

// One allocation can be as large as all before it: the table of a map is copied into one of twice its size.
static size_t raise_limit(void *, size_t current, size_t)
{
	return 2 * current;
}

void embed_limit_heap(size_t bytes)
{
	v8::Isolate *isolate = v8::Isolate::GetCurrent();

	// the one way to lower it is to remove a callback
	isolate->AddNearHeapLimitCallback(raise_limit, nullptr);
	isolate->RemoveNearHeapLimitCallback(raise_limit, bytes);
	isolate->AddNearHeapLimitCallback(raise_limit, nullptr);
}

// What a shared_ptr<WorkerThreadsTaskRunner> of make_shared points to besides: its first word tells it from all else. The allocator's name
// differs between versions of libstdc++.
static const char *const control_blocks[] = {
	"_ZTVSt23_Sp_counted_ptr_inplaceIN4node23WorkerThreadsTaskRunnerESaIvELN9__gnu_cxx12_Lock_policyE2EE",
	"_ZTVSt23_Sp_counted_ptr_inplaceIN4node23WorkerThreadsTaskRunnerESaIS1_ELN9__gnu_cxx12_Lock_policyE2EE",
};
// Later ones are told, besides, what to log: 0, nothing.
static const char *const constructors[] = {
	"_ZN4node23WorkerThreadsTaskRunnerC1Ei",
	"_ZN4node23WorkerThreadsTaskRunnerC1EiNS_21PlatformDebugLogLevelE",
};
static constexpr double worth_help = 0.030; // CPU seconds: three threads cost 0.2 ms, and as much when the process ends
static constexpr size_t platform_words = 24; // it was found at the fifteenth (18)

static bool is_control_block(const void *p)
{
	for (const char *name : control_blocks) {
		const char *table = static_cast<const char *>(dlsym(RTLD_DEFAULT, name));
		if (table && *static_cast<const char *const *>(p) == table + 2 * sizeof(void *))
			return true;
	}
	return false;
}

// How many this process has; a number above every limit if that cannot be told.
static int threads_now()
{
	char line[128];
	int now = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f) && sscanf(line, "Threads: %d", &now) != 1)
		;
	if (f)
		fclose(f);
	return now ? now : INT_MAX / 2;
}

int embed_start_workers(int threads, int most)
{
	static bool started; // twice would be on top of threads that live

	if (started)
		return 0;
	if (threads_now() + threads + 1 > most)
		return -EAGAIN;
	using construct = void (*)(void *, int, int);
	construct runner = nullptr;
	void **words = reinterpret_cast<void **>(node::GetMultiIsolatePlatform(env));

	for (const char *name : constructors)
		runner = runner ? runner : reinterpret_cast<construct>(dlsym(RTLD_DEFAULT, name));
	for (size_t i = 0; runner && i + 1 < platform_words; i++) {
		// the object of make_shared lies in its control block, two words in
		if (words[i + 1] && words[i] == static_cast<void **>(words[i + 1]) + 2 && is_control_block(words[i + 1])) {
			runner(words[i], threads, 0);
			started = true;
			return 0;
		}
	}
	return -ENOSYS;
}

static struct {
	double from;    // CPU seconds when the job began
	int threads;    // that it may have
	int workers;
} help;

static double cpu_seconds()
{
	timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

static void on_collection(v8::Isolate *isolate, v8::GCType, v8::GCCallbackFlags)
{
	// What the collector looks up each time; what it makes at V8's start, concurrent marking, it does without. The first two are gone,
	// since each setting of flags applies what they imply again, which would undo the others.
	static const char flags[] = "--no-single-threaded --no-single-threaded-gc --parallel-scavenge --concurrent-sweeping "
				    "--parallel-compaction --parallel-pointer-update";

	if (cpu_seconds() - help.from < worth_help)
		return;
	isolate->RemoveGCPrologueCallback(on_collection);
	if (embed_start_workers(help.workers, help.threads / 2) == 0)
		v8::V8::SetFlagsFromString(flags, sizeof(flags) - 1);
}

void embed_help_collector(int workers, int threads)
{
	help = {cpu_seconds(), threads, workers};
	v8::Isolate::GetCurrent()->AddGCPrologueCallback(on_collection);
}
