#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"
#include "log.h"

#define CONNECTION_MEMORY (64u << 10)  /* headers, and how much of a body is read at once */
#define THREAD_STACK      (256u << 10)
#define PROBE_SOON_S      0.1
#define PROBE_LATE_S      5.0
#define SWEEP_S           1.0

double server_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

bool server_rest(struct server *s, double seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)(seconds * 1e9) % 1000000000;
	until.tv_sec += (time_t)seconds + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&s->lock);
	while (!s->draining && pthread_cond_timedwait(&s->change, &s->lock, &until) == 0)
		;
	bool go_on = !s->draining;

	pthread_mutex_unlock(&s->lock);
	return go_on;
}

bool server_is_draining(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	bool draining = s->draining;

	pthread_mutex_unlock(&s->lock);
	return draining;
}

/* Jobs can run when one has: nothing less shows that interpreter, policy and supervisor fit together. */
static void *probe(void *arg)
{
	struct server *s = arg;
	char words[sizeof(struct err) + 64], shown[600];

	for (int round = 0;; round++) {
		bool all = true;

		for (int l = 0; l < LANGUAGE_COUNT; l++) {
			struct err e = {0};

			if (atomic_load(&s->jobs.ready[l]))
				continue;
			bool good = jobs_probe(&s->jobs, (enum language)l, &e);

			all &= good;
			if (good)
				log_write(LOG_INFO, "jobs_can_run", "language=%s", language_name(l));
			else if (round == 50)
				log_write(LOG_WARN, "jobs_cannot_run", "language=%s why=%s", language_name(l),
					  log_value(shown, sizeof(shown), err_str(&e, words, sizeof(words))));
		}
		if (all || !server_rest(s, round < 50 ? PROBE_SOON_S : PROBE_LATE_S))
			return NULL;
	}
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct server *s = cls;
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		*context = i ? connections_add(s->connections, i->connect_fd, server_now_ms()) : NULL;
	else
		connections_remove(s->connections, *context);
}

static void *sweep(void *arg)
{
	struct server *s = arg;

	while (server_rest(s, SWEEP_S)) {
		unsigned n = connections_sweep(s->connections, server_now_ms());

		if (n)
			log_write(LOG_WARN, "hung_up", "connections=%u why=\"they brought no whole request\"", n);
	}
	return NULL;
}

static void on_daemon_log(void *cls, const char *fmt, va_list ap)
{
	char words[400], shown[900];

	(void)cls;
	vsnprintf(words, sizeof(words), fmt, ap);
	words[strcspn(words, "\n")] = '\0';
	log_write(LOG_DEBUG, "http", "why=%s", log_value(shown, sizeof(shown), words));
}

static struct MHD_Daemon *start_daemon(struct server *s, int listener)
{
	return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0,
				NULL, NULL, request_on_data, s, MHD_OPTION_EXTERNAL_LOGGER, on_daemon_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
				MHD_OPTION_NOTIFY_COMPLETED, request_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				MHD_OPTION_CONNECTION_LIMIT, SERVER_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, SERVER_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_END);
}

int server_start(int listener, const struct knobs *k, const char *socket, struct server **out, struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s) {
		close(listener);
		return err_set(e, ERR_HOST, "server", ENOMEM, NULL);
	}
	s->knobs = k;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->change, NULL);
	s->runner = runner_new(socket, (unsigned)k->max_requests, (unsigned)k->max_workers);
	s->metrics = metrics_new();
	s->connections = connections_new(SERVER_CONNECTIONS);
	if (!s->runner || !s->metrics || !s->connections || getrandom(&s->id_base, sizeof(s->id_base), 0) < 0) {
		close(listener);
		server_free(s);
		return err_set(e, ERR_HOST, "server", ENOMEM, NULL);
	}
	jobs_init(&s->jobs, k, s->runner);
	s->daemon = start_daemon(s, listener);
	if (!s->daemon) {
		close(listener);
		server_free(s);
		return err_set(e, ERR_HOST, "MHD_start_daemon", errno, "the HTTP server cannot be started");
	}
	s->sweeping = pthread_create(&s->sweeper, NULL, sweep, s) == 0;
	s->probing = pthread_create(&s->prober, NULL, probe, s) == 0;
	*out = s;
	return 0;
}

void server_drain(struct server *s, double patience_s)
{
	struct timespec until;
	int listener = MHD_quiesce_daemon(s->daemon);

	if (listener >= 0)
		close(listener);
	runner_end_installs(s->runner);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)patience_s;
	pthread_mutex_lock(&s->lock);
	s->draining = true;
	pthread_cond_broadcast(&s->change);
	while (s->answering > 0 && pthread_cond_timedwait(&s->change, &s->lock, &until) == 0)
		;
	pthread_mutex_unlock(&s->lock);
}

void server_free(struct server *s)
{
	if (!s)
		return;
	if (s->probing)
		pthread_join(s->prober, NULL);
	if (s->sweeping)
		pthread_join(s->sweeper, NULL);
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	runner_free(s->runner);
	metrics_free(s->metrics);
	connections_free(s->connections);
	pthread_cond_destroy(&s->change);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
