/* front_rig.h - a real front with real sockets, policies of its own, and a scripted worker behind the port. */
#ifndef WARDER_TEST_FRONT_RIG_H
#define WARDER_TEST_FRONT_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "front.h"
#include "log.h"
#include "rpc.h"
#include "wire.h"

#define RIG_JOBS 4096

struct rig {
	struct ev_loop *loop;
	char dir[64], sock[96];
	struct generation *generation;
	struct front *front;
	struct port_front port;
	struct port_worker worker;
	enum trace trace; /* as told last */
	/* what the worker was told */
	unsigned n_jobs, n_cancelled, held, released, n_closed;
	uint64_t keys[RIG_JOBS], cancelled[RIG_JOBS];
	struct job *jobs[RIG_JOBS];
	double queue_ms[RIG_JOBS];
};

static inline void rig_submit(void *ctx, const struct port_job *facts, struct job *job, struct generation *gen, const struct policy *p)
{
	struct rig *g = ctx;

	assert_true(g->n_jobs < RIG_JOBS);
	assert_non_null(p);
	assert_ptr_equal(policy_find(gen->policies, p->name), p);
	g->keys[g->n_jobs] = facts->key;
	g->queue_ms[g->n_jobs] = facts->queue_ms;
	g->jobs[g->n_jobs++] = job;
}

static inline void rig_cancel(void *ctx, uint64_t key)
{
	struct rig *g = ctx;

	g->cancelled[g->n_cancelled++] = key;
}

static inline void rig_hold(void *ctx, uint64_t key, bool hold)
{
	struct rig *g = ctx;

	(void)key;
	g->held += hold;
	g->released += !hold;
}

static inline void rig_trace(void *ctx, uint64_t key, enum trace mode)
{
	struct rig *g = ctx;

	(void)key;
	g->trace = mode;
}

static inline void rig_watch(void *ctx, uint64_t key)
{
	(void)ctx;
	(void)key;
}

static inline void rig_ask_status(void *ctx)
{
	struct rig *g = ctx;

	g->port.on_status(g->port.ctx, &(struct port_status){.zygotes = 1, .waiting = 2});
}

static inline void rig_shutdown(void *ctx)
{
	(void)ctx;
}

static inline void rig_file(const struct rig *g, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", g->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

#define RIG_LIMITS                                                                                                     \
	"limits: {wall_ms: 15000, cpu_ms: 15000, memory_mib: 256, output_kib: 16384, threads: 32, tmp_mib: 64, "       \
	"tmp_inodes: 4096, file_mib: 64, open_files: 256}\n"

static inline void rig_policies(struct rig *g)
{
	struct policy_errors es = {0};
	const char *dirs[] = {g->dir, NULL};

	rig_file(g, "base.yaml", "name: base\nsyscalls:\n  memory:\n    why: allocator\n    allow: [brk]\n" RIG_LIMITS);
	rig_file(g, "python3.yaml",
		 "name: python3\nextends: base\nlanguage: python3\ninterpreter: python3\n"
		 "callers_may:\n  limits: {wall_ms: 60000}\n");
	struct policy_set *ps = policy_set_load(dirs, &es);
	if (!ps)
		fail_msg("policies: %s:%d: %s", es.n ? es.v[0].file : "?", es.n ? es.v[0].line : 0,
			 es.n ? es.v[0].text : "");
	policy_errors_done(&es);
	g->generation = generation_new(1, ps, NULL);
}

/* `c` may be NULL. */
static inline struct rig *rig_new(const struct front_config *c)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct front_config none = {.gate = -1, .layers = 1u << LAYER_SECCOMP};
	struct err e = {0};

	log_set_level(LOG_ERROR);
	strcpy(g->dir, "/tmp/warder-test-XXXXXX");
	assert_non_null(mkdtemp(g->dir));
	snprintf(g->sock, sizeof(g->sock), "%s/s", g->dir);
	rig_policies(g);
	g->loop = ev_loop_new(0);
	g->worker = (struct port_worker){.ctx = g, .submit = rig_submit, .cancel = rig_cancel, .hold_output = rig_hold, .trace = rig_trace,
					 .ask_status = rig_ask_status, .shutdown = rig_shutdown, .watch = rig_watch};
	if (front_new(g->loop, c ? c : &none, g->generation, &g->front, &e) < 0)
		fail_msg("front_new: %s: %s", e.step, e.text);
	g->port = front_port(g->front, 0);
	front_worker_up(g->front, 0, &g->worker, 2);
	return g;
}

static inline void rig_free(struct rig *g)
{
	char path[128];

	front_free(g->front);
	ev_loop_destroy(g->loop);
	generation_drop(g->generation);
	for (unsigned i = 0; i < g->n_jobs; i++)
		job_free(g->jobs[i]);
	snprintf(path, sizeof(path), "%s/base.yaml", g->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/python3.yaml", g->dir);
	unlink(path);
	unlink(g->sock);
	rmdir(g->dir);
	free(g);
}

static inline void rig_capacity(struct rig *g, unsigned capacity)
{
	front_worker_up(g->front, 0, &g->worker, capacity);
}

/* Everything that can happen now. */
static inline void rig_turn(struct rig *g)
{
	for (int i = 0; i < 12; i++)
		ev_run(g->loop, EVRUN_NOWAIT);
}

/* Answers the n-th job that the worker was given. */
static inline void rig_answer(struct rig *g, unsigned n, enum outcome outcome, size_t out_bytes)
{
	struct result r = {.id = g->jobs[n]->id, .outcome = outcome, .out = {calloc(1, out_bytes + 1), out_bytes}};

	g->port.on_result(g->port.ctx, g->keys[n], &r);
	free((char *)r.out.p);
}

static inline void rig_closed(void *arg)
{
	((struct rig *)arg)->n_closed++;
}

struct peer {
	struct rig *g;
	int fd;
	struct rpc_reader *reader;
	struct rpc_message m;
};

static inline struct peer peer_new(struct rig *g)
{
	struct peer p = {.g = g, .reader = rpc_reader_new(RPC_MESSAGE_MAX_DEFAULT)};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(front_adopt(g->front, fds[0], rig_closed, g), 0);
	p.fd = fds[1];
	fcntl(p.fd, F_SETFL, O_NONBLOCK);
	return p;
}

static inline void peer_done(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	rpc_reader_free(p->reader);
}

static inline void peer_hang_up(struct peer *p)
{
	close(p->fd);
	p->fd = -1;
	rig_turn(p->g);
}

static inline void peer_bytes(struct peer *p, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(p->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return; /* the front may have hung up */
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		rig_turn(p->g);
	}
}

static inline void peer_say(struct peer *p, const char *text)
{
	msgpack_sbuffer b;

	msgpack_sbuffer_init(&b);
	wire_pack(&b, text);
	peer_bytes(p, b.data, b.size);
	msgpack_sbuffer_destroy(&b);
}

/* The next message to this peer: 1; 0: none; -1: end of file. */
static inline int peer_hear(struct peer *p)
{
	struct err e;
	int64_t id;
	size_t size;
	char *buf;
	int ret;

	while ((ret = rpc_reader_next(p->reader, &p->m, &id, &e)) == 0) {
		rig_turn(p->g);
		assert_int_equal(rpc_reader_space(p->reader, 65536, &buf, &size), 0);
		ssize_t n = recv(p->fd, buf, size, 0);

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if (n == 0)
			return -1;
		rpc_reader_filled(p->reader, (size_t)n);
	}
	assert_int_equal(ret, 1);
	return 1;
}

static inline void peer_expect_error(struct peer *p, uint32_t msgid, const char *want)
{
	if (peer_hear(p) != 1)
		fail_msg("expected \"%s\", got no message", want);
	assert_int_equal(p->m.type, RPC_RESPONSE);
	assert_int_equal(p->m.msgid, msgid);
	assert_int_equal(p->m.error->type, MSGPACK_OBJECT_STR);
	if (p->m.error->via.str.size != strlen(want) || memcmp(p->m.error->via.str.ptr, want, strlen(want)) != 0)
		fail_msg("expected \"%s\", got \"%.*s\"", want, (int)p->m.error->via.str.size, p->m.error->via.str.ptr);
}

/* The value of a key of the answer that came last; fails when there is none. */
static inline const msgpack_object *peer_get(const msgpack_object *map, const char *key)
{
	assert_int_equal(map->type, MSGPACK_OBJECT_MAP);
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object *k = &map->via.map.ptr[i].key;

		if (k->via.str.size == strlen(key) && memcmp(k->via.str.ptr, key, strlen(key)) == 0)
			return &map->via.map.ptr[i].val;
	}
	fail_msg("no key %s", key);
	return NULL;
}

static inline void assert_text(const msgpack_object *o, const char *want)
{
	assert_int_equal(o->type, MSGPACK_OBJECT_STR);
	if (o->via.str.size != strlen(want) || memcmp(o->via.str.ptr, want, strlen(want)) != 0)
		fail_msg("expected \"%s\", got \"%.*s\"", want, (int)o->via.str.size, o->via.str.ptr);
}

static inline void peer_expect_result(struct peer *p, uint32_t msgid, const char *job, const char *outcome)
{
	if (peer_hear(p) != 1)
		fail_msg("expected the result of %s, got no message", job);
	assert_int_equal(p->m.msgid, msgid);
	assert_int_equal(p->m.error->type, MSGPACK_OBJECT_NIL);
	assert_text(peer_get(p->m.result, "job"), job);
	assert_text(peer_get(p->m.result, "outcome"), outcome);
}

#endif
