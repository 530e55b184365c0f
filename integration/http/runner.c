#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "text.h"

/* A client that shut down its sending half alone still reads, and cannot be told from one that has gone. */
#define HALF_CLOSED_MS 2000.0

struct runner {
	const char *socket;
	unsigned max_requests;
	pthread_mutex_t lock;
	pthread_cond_t turn;
	struct runner_load load;
	uint64_t next, granted; /* tickets: those below `granted` have their turn */
	int ending[2];          /* a pipe, whose end of file ends installations */
};

struct runner *runner_new(const char *socket, unsigned max_requests, unsigned max_workers)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r || pipe2(r->ending, O_CLOEXEC) < 0) {
		free(r);
		return NULL;
	}
	r->socket = socket;
	r->max_requests = max_requests;
	r->granted = max_workers;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->turn, NULL);
	return r;
}

void runner_free(struct runner *r)
{
	if (!r)
		return;
	pthread_cond_destroy(&r->turn);
	pthread_mutex_destroy(&r->lock);
	close(r->ending[0]);
	if (r->ending[1] >= 0)
		close(r->ending[1]);
	free(r);
}

/* --- who may ----------------------------------------------------------------------------------------------- */

bool runner_enter(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	bool room = r->load.requests < r->max_requests;

	r->load.requests += room;
	pthread_mutex_unlock(&r->lock);
	return room;
}

void runner_leave(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	r->load.requests--;
	pthread_mutex_unlock(&r->lock);
}

static void take_turn(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	uint64_t ticket = r->next++;

	r->load.waiting++;
	while (ticket >= r->granted)
		pthread_cond_wait(&r->turn, &r->lock);
	r->load.waiting--;
	r->load.running++;
	pthread_mutex_unlock(&r->lock);
}

static void end_turn(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	r->load.running--;
	r->granted++;
	pthread_cond_broadcast(&r->turn);
	pthread_mutex_unlock(&r->lock);
}

struct runner_load runner_load(struct runner *r)
{
	pthread_mutex_lock(&r->lock);
	struct runner_load load = r->load;

	pthread_mutex_unlock(&r->lock);
	return load;
}

/* --- one job ------------------------------------------------------------------------------------------------- */

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* 0 when the supervisor has something to say, -ECANCELED when nobody is left to tell, or when `ending` says so (-1: nobody does). */
static int wait_for_answer(int supervisor, int peer, int ending)
{
	struct pollfd p[3] = {{.fd = supervisor, .events = POLLIN}, {.fd = peer, .events = POLLRDHUP}, {.fd = ending, .events = POLLIN}};
	double until = 0;

	for (;;) {
		double left = until - now_ms();
		int n = poll(p, 3, until == 0 ? -1 : left > 0 ? (int)left + 1 : 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		if (p[0].revents)
			return 0;
		if (p[2].revents || p[1].revents & (POLLHUP | POLLERR) || (until != 0 && n == 0))
			return -ECANCELED;
		if (p[1].revents & POLLRDHUP) {
			until = now_ms() + HALF_CLOSED_MS;
			p[1].events = 0;
		}
	}
}

/* A request, and what is done with its answer. */
struct question {
	const char *method;
	void (*pack)(msgpack_packer *, void *);
	void *arg;
	int peer, ending;
	int (*take)(const struct rpc_message *m, void *out, struct err *e);
	void *out;
};

/* The answer to the one request of this connection. 0 and `m`, or an error. */
static int next_answer(struct client *c, const struct question *q, struct rpc_message *m, struct err *e)
{
	for (;;) {
		int ret = wait_for_answer(client_fd(c), q->peer, q->ending);

		if (ret < 0)
			return err_set(e, ERR_HOST, q->method, -ret, "the client has gone");
		ret = client_next(c, m, e);
		if (ret == 0)
			return err_set(e, ERR_HOST, "receive", ECONNRESET, "the supervisor closed the connection");
		if (ret < 0 && ret != -EINTR)
			return ret;
		if (ret > 0 && m->type == RPC_RESPONSE)
			return 0;
	}
}

/* Over a connection of its own. */
static int ask(struct runner *r, const struct question *q, struct err *e)
{
	struct rpc_message m;
	struct client *c;
	uint32_t msgid;
	int ret = client_open(r->socket, &c, e);

	if (ret < 0)
		return ret;
	ret = client_send(c, q->method, q->pack, q->arg, &msgid, e);
	ret = ret < 0 ? ret : next_answer(c, q, &m, e);
	ret = ret < 0 ? ret : q->take(&m, q->out, e);
	client_free(c);
	return ret;
}

static int take_result(const struct rpc_message *m, void *out, struct err *e)
{
	if (m->error->type == MSGPACK_OBJECT_STR) {
		err_set(e, ERR_REQUEST, "", 0, "%.*s", (int)m->error->via.str.size, m->error->via.str.ptr);
		return -EBADMSG;
	}
	return result_parse(m->result, out, e);
}

static void pack_job(msgpack_packer *pk, void *job)
{
	job_pack(job, pk);
}

int runner_run(struct runner *r, const struct job *j, int peer, struct result *out, struct err *e)
{
	const struct question q = {.method = "run", .pack = pack_job, .arg = (void *)j, .peer = peer, .ending = -1, .take = take_result, .out = out};
	int ret;

	take_turn(r);
	ret = ask(r, &q, e);
	end_turn(r);
	return ret;
}

/* --- packages ------------------------------------------------------------------------------------------------ */

/* The supervisor's words for a refusal, and what it is to us; the rest after the code is the reason. */
static const struct {
	const char *code;
	int ret;
} refusals[] = {{"busy: ", -EBUSY}, {"shutting_down: ", -ECANCELED}, {"failed: ", -EIO}, {"", -EIO}};

static int take_installed(const struct rpc_message *m, void *out, struct err *e)
{
	const msgpack_object *o = m->error;
	size_t i = 0, n = 0;

	(void)e;
	if (o->type != MSGPACK_OBJECT_STR)
		return 0;
	for (;; i++) {
		n = strlen(refusals[i].code);
		if (o->via.str.size >= n && memcmp(o->via.str.ptr, refusals[i].code, n) == 0)
			break;
	}
	text_add(out, o->via.str.ptr + n, o->via.str.size - n);
	return refusals[i].ret;
}

static void pack_language(msgpack_packer *pk, void *language)
{
	msgpack_pack_map(pk, 1);
	rpc_pack_cstr(pk, "language");
	rpc_pack_cstr(pk, language);
}

int runner_install(struct runner *r, const char *method, const char *language, int peer, struct text *why, struct err *e)
{
	const struct question q = {.method = method, .pack = pack_language, .arg = (void *)language, .peer = peer, .ending = r->ending[0],
				   .take = take_installed, .out = why};

	return ask(r, &q, e);
}

void runner_end_installs(struct runner *r)
{
	close(r->ending[1]); /* those that wait and those to come find its end */
	r->ending[1] = -1;
}

/* --- status -------------------------------------------------------------------------------------------------- */

static const msgpack_object *get(const msgpack_object *map, const char *key)
{
	if (!map || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object *k = &map->via.map.ptr[i].key;

		if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == strlen(key) && memcmp(k->via.str.ptr, key, strlen(key)) == 0)
			return &map->via.map.ptr[i].val;
	}
	return NULL;
}

static uint64_t number(const msgpack_object *map, const char *key)
{
	const msgpack_object *v = get(map, key);

	return v && v->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? v->via.u64 : 0;
}

static int take_status(const struct rpc_message *m, void *out, struct err *e)
{
	const msgpack_object *s = m->result, *pool = get(s, "pool"), *queue = get(s, "queue"), *totals = get(s, "totals"), *up = get(s, "uptime_s");

	(void)e;
	*(struct runner_status *)out = (struct runner_status){
		.workers = number(s, "workers"),
		.zygotes = number(s, "zygotes"),
		.waiting = number(pool, "waiting"),
		.running = number(pool, "running"),
		.capacity = number(pool, "capacity"),
		.queue = number(queue, "length"),
		.queue_max = number(queue, "max"),
		.births = number(totals, "births"),
		.birth_failures = number(totals, "birth_failures"),
		.zygote_starts = number(totals, "zygote_starts"),
		.jobs_done = number(totals, "jobs_done"),
		.uptime_s = up && up->type == MSGPACK_OBJECT_FLOAT64 ? up->via.f64 : 0,
	};
	return 0;
}

int runner_ask_status(struct runner *r, struct runner_status *out, struct err *e)
{
	const struct question q = {.method = "status", .peer = -1, .ending = -1, .take = take_status, .out = out};

	return ask(r, &q, e);
}
