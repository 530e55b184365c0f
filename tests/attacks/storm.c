/* storm.c - many calls at once: floods of brokered calls, signals under them, and deaths in the middle. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "attack.h"

#define EXPORT __attribute__((visibility("default")))
#define STORM_THREADS_MAX 4096

struct storm {
	const char *path;
	uint64_t end;
	_Atomic bool stop;
	_Atomic uint64_t opened, failed, last_errno;
};

struct storm_counts {
	uint64_t opened, failed, last_errno, signals;
};

EXPORT int storm_opens(const char *path, int threads, unsigned ms, struct storm_counts *out);
EXPORT int storm_signals(const char *path, int opens, unsigned hz, struct storm_counts *out);
EXPORT void storm_exit(const char *path, int threads, int code, int by_thread);
EXPORT void storm_kill(const char *path, int threads, int sig);
EXPORT int threads_many(int want, int *err);
EXPORT void main_thread_leaves(int code, unsigned ms);
EXPORT void signals_ignore_all(void);
EXPORT int threads_spin(int n);

static void *open_on(void *arg)
{
	struct storm *s = arg;

	while (!s->stop && (s->end == 0 || now_ns() < s->end)) {
		long fd = raw3(SYS_open, s->path, O_RDONLY | O_CLOEXEC, 0);
		if (fd < 0) {
			s->last_errno = (uint64_t)-fd;
			s->failed++;
			continue;
		}
		raw1(SYS_close, fd);
		s->opened++;
	}
	return NULL;
}

static int start(struct storm *s, int threads, pthread_t *t)
{
	int n = 0;

	while (n < threads && n < STORM_THREADS_MAX && pthread_create(&t[n], NULL, open_on, s) == 0)
		n++;
	return n;
}

/* The number of threads that took part. */
int storm_opens(const char *path, int threads, unsigned ms, struct storm_counts *out)
{
	static pthread_t t[STORM_THREADS_MAX];
	struct storm s = {.path = path, .end = deadline_ms(ms)};
	int n = start(&s, threads, t);

	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	*out = (struct storm_counts){.opened = s.opened, .failed = s.failed, .last_errno = s.last_errno};
	return n;
}

static volatile sig_atomic_t signals_seen;

static void on_alarm(int sig)
{
	(void)sig;
	signals_seen++;
}

/* Opens under a timer signal without SA_RESTART; `failed` counts EINTR, -errno for any other failure. */
int storm_signals(const char *path, int opens, unsigned hz, struct storm_counts *out)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct itimerval every = {.it_interval = {.tv_usec = 1000000 / (int)hz}, .it_value = {.tv_usec = 1000}};
	struct itimerval off = {0};
	int ret = 0;

	memset(out, 0, sizeof(*out));
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < opens && ret == 0; i++) {
		long fd = raw3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
		if (fd >= 0) {
			raw1(SYS_close, fd);
			out->opened++;
		} else if (fd == -EINTR) {
			out->failed++;
		} else {
			ret = (int)fd;
		}
	}
	setitimer(ITIMER_REAL, &off, NULL);
	out->signals = (uint64_t)signals_seen;
	return ret;
}

struct leaver {
	int code;
	unsigned ms;
};

static void nap_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

static void *leave_later(void *arg)
{
	struct leaver *l = arg;

	nap_ms(l->ms);
	raw1(SYS_exit_group, l->code);
	return NULL;
}

/* exit_group from the main or from a second thread, while others have calls pending. Does not return. */
void storm_exit(const char *path, int threads, int code, int by_thread)
{
	static pthread_t t[STORM_THREADS_MAX], last;
	static struct storm s;
	static struct leaver l;

	s.path = path;
	l = (struct leaver){.code = code, .ms = 30};
	start(&s, threads, t);
	if (!by_thread)
		leave_later(&l);
	if (pthread_create(&last, NULL, leave_later, &l) == 0)
		open_on(&s);
}

void storm_kill(const char *path, int threads, int sig)
{
	static pthread_t t[STORM_THREADS_MAX];
	static struct storm s;

	s.path = path;
	start(&s, threads, t);
	nap_ms(30);
	kill(getpid(), sig);
	open_on(&s);
}

static void *wait_for_end(void *arg)
{
	_Atomic bool *stop = arg;

	while (!*stop)
		nap_ms(5);
	return NULL;
}

/* How many threads could be had at once; *err is the errno of the first that could not, 0 when all could. */
int threads_many(int want, int *err)
{
	static pthread_t t[STORM_THREADS_MAX];
	static _Atomic bool stop;
	pthread_attr_t attr;
	int n = 0;

	stop = false;
	*err = 0;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	while (n < want && n < STORM_THREADS_MAX && (*err = pthread_create(&t[n], &attr, wait_for_end, &stop)) == 0)
		n++;
	stop = true;
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	return n;
}

/* The first thread ends by itself (exit, not exit_group); another ends the process later. Does not return. */
void main_thread_leaves(int code, unsigned ms)
{
	static struct leaver l;
	static pthread_t t;

	l = (struct leaver){.code = code, .ms = ms};
	if (pthread_create(&t, NULL, leave_later, &l) == 0)
		raw1(SYS_exit, 0);
}

void signals_ignore_all(void)
{
	uint64_t all = ~0ull;

	for (int sig = 1; sig <= 64; sig++)
		signal(sig, SIG_IGN);
	raw4(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, sizeof(all));
}

static void *spin(void *arg)
{
	for (volatile uint64_t *n = arg;;)
		(*n)++;
	return NULL;
}

/* Threads that only burn time and never end. */
int threads_spin(int n)
{
	static uint64_t turns;
	pthread_t t;
	int i = 0;

	while (i < n && pthread_create(&t, NULL, spin, &turns) == 0)
		i++;
	return i;
}
