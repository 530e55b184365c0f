#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "procfs.h"

#define LOOK_NS 100000000l /* how often the worker is looked at */
#define LOOK_S (LOOK_NS / 1e9)
/* What a second counts in which the worker sleeps until the job's thread has taken a descriptor. That thread needs a CPU for it, and, when its
 * table of descriptors grows, all CPUs to have passed through the scheduler: the machine's time, of which a job has no say. It took more than 1 s
 * where the job had the idle class and each CPU 20 loops (measured). Yet whatever it may be that keeps it, the worker does not wait for ever. */
#define GIVING 0.1

struct watchdog {
	pthread_t thread;
	pthread_mutex_t lock; /* held for a few instructions, and while the signal is sent */
	pthread_cond_t hurry; /* it is time to leave */
	double since;         /* CLOCK_MONOTONIC; 0: no call is under way */
	int pidfd;
	uid_t uid;
	gid_t gid;
	bool killed, leaving;
	atomic_bool giving;
	/* of the worker's thread */
	clockid_t cpu;
	int stat;             /* /proc/self/task/TID/stat */
	/* of the call that was under way at the last look */
	double looked_since, slept, computed_before;
};

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Not when it only waits for a CPU. */
static bool is_asleep(const struct watchdog *w)
{
	char text[64];
	const char *state;
	ssize_t n = pread(w->stat, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	state = procfs_field(text, 3);
	return !state || *state != 'R';
}

/* How long the call has held the worker up, in seconds: asleep, as far as looks saw it, and computing. */
static double held_up(struct watchdog *w)
{
	double computed = seconds_of(w->cpu);

	if (w->looked_since != w->since) {
		w->looked_since = w->since;
		w->computed_before = computed;
		w->slept = 0;
	}
	w->slept += !is_asleep(w) ? 0 : w->giving ? LOOK_S * GIVING : LOOK_S;
	return w->slept + computed - w->computed_before;
}

/* Without CAP_KILL the kernel asks for the job's uid, kill(2): taken by this thread alone, with raw calls. */
static void send_kill(const struct watchdog *w)
{
	if (!syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0) || errno != EPERM || w->uid == (uid_t)-1)
		return;
	if (!syscall(SYS_setresgid, w->gid, w->gid, -1) && !syscall(SYS_setresuid, w->uid, w->uid, -1))
		syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
	if (syscall(SYS_setresuid, 0, 0, -1) || syscall(SYS_setresgid, 0, 0, -1))
		abort();
}

static void *watch(void *arg)
{
	struct watchdog *w = arg;
	pthread_mutex_lock(&w->lock);
	while (!w->leaving) {
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		t.tv_sec += (t.tv_nsec + LOOK_NS) / 1000000000l;
		t.tv_nsec = (t.tv_nsec + LOOK_NS) % 1000000000l;
		pthread_cond_timedwait(&w->hurry, &w->lock, &t);
		if (w->since > 0 && !w->killed && held_up(w) >= WATCHDOG_SECONDS) {
			w->killed = true;
			send_kill(w);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* No signal is for this thread: they are the event loop's, which takes them from a descriptor. */
static int start(struct watchdog *w)
{
	sigset_t all, before;

	sigfillset(&all);
	sigdelset(&all, SIGSYS); /* guard.h: says which call it was */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int r = pthread_create(&w->thread, NULL, watch, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static int open_stat(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", gettid());
	return open(path, O_RDONLY | O_CLOEXEC);
}

struct watchdog *watchdog_new(void)
{
	struct watchdog *w = calloc(1, sizeof(*w));
	pthread_condattr_t a;

	if (!w)
		return NULL;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	w->stat = open_stat();
	if (w->stat < 0 || pthread_getcpuclockid(pthread_self(), &w->cpu) || pthread_mutex_init(&w->lock, NULL) ||
	    pthread_cond_init(&w->hurry, &a) || start(w)) {
		if (w->stat >= 0)
			close(w->stat);
		free(w);
		return NULL;
	}
	return w;
}

void watchdog_free(struct watchdog *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->leaving = true;
	pthread_cond_signal(&w->hurry);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->hurry);
	pthread_mutex_destroy(&w->lock);
	close(w->stat);
	free(w);
}

void watchdog_begin(struct watchdog *w, int pidfd, uid_t uid, gid_t gid)
{
	pthread_mutex_lock(&w->lock);
	w->pidfd = pidfd;
	w->uid = uid;
	w->gid = gid;
	w->killed = false;
	w->since = seconds_of(CLOCK_MONOTONIC);
	pthread_mutex_unlock(&w->lock);
}

bool watchdog_end(struct watchdog *w)
{
	pthread_mutex_lock(&w->lock);
	bool killed = w->killed;
	w->since = 0;
	pthread_mutex_unlock(&w->lock);
	return killed;
}

void watchdog_giving(struct watchdog *w, bool on)
{
	atomic_store_explicit(&w->giving, on, memory_order_relaxed); /* each call has two: no lock */
}
