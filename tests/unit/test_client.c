#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"
#include "front_rig.h"
#include "gate.h"

/* The front in a thread of its own, with a worker that answers each job from the loop: two pieces of output if it
 * streams, then a result whose stdout is the code. */
struct server {
	struct rig *g;
	pthread_t thread;
	ev_async stop;
	ev_timer answer;
	unsigned answered;
};

static void on_stop(struct ev_loop *loop, ev_async *w, int revents)
{
	(void)w, (void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void on_answer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server *s = w->data;
	struct port_front *port = &s->g->port;

	(void)loop, (void)revents;
	for (; s->answered < s->g->n_jobs; s->answered++) {
		struct job *j = s->g->jobs[s->answered];
		uint64_t key = s->g->keys[s->answered];
		struct result r = {.id = j->id, .outcome = OUTCOME_EXITED, .exit_code = 3, .out = j->code};

		if (j->stream) {
			port->on_output(port->ctx, key, false, (struct bytes){"out", 3});
			port->on_output(port->ctx, key, true, (struct bytes){"error", 5});
		}
		port->on_result(port->ctx, key, &r);
	}
}

static void *serve(void *arg)
{
	struct server *s = arg;

	ev_run(s->g->loop, 0);
	return NULL;
}

static struct server *server_new(void)
{
	char path[] = "/tmp/warder-test-client-XXXXXX";
	struct err e;
	struct server *s = calloc(1, sizeof(*s));

	close(mkstemp(path));
	unlink(path);
	struct front_config c = {.gate = gate_open(path, 0600, NULL, &e)};
	s->g = rig_new(&c);
	strcpy(s->g->sock, path);
	ev_async_init(&s->stop, on_stop);
	ev_async_start(s->g->loop, &s->stop);
	ev_timer_init(&s->answer, on_answer, 0.001, 0.001);
	s->answer.data = s;
	ev_timer_start(s->g->loop, &s->answer);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
	return s;
}

static void server_free(struct server *s)
{
	ev_async_send(s->g->loop, &s->stop);
	pthread_join(s->thread, NULL);
	rig_free(s->g);
	free(s);
}

struct heard {
	char out[16], err[16];
};

static void on_output(void *arg, bool is_stderr, struct bytes data)
{
	struct heard *h = arg;

	strncat(is_stderr ? h->err : h->out, data.p, data.len);
}

static void runs(void **state)
{
	struct server *s = server_new();
	struct job j = {.code = {"print(1)", 8}, .stream = true};
	struct heard heard = {0};
	struct client *c;
	struct result r;
	struct err e = {0};

	(void)state;
	assert_int_equal(client_open(s->g->sock, &c, &e), 0);
	for (int i = 0; i < 20; i++) {
		memset(&heard, 0, sizeof(heard));
		j.stream = i % 2;
		assert_int_equal(client_run(c, &j, on_output, &heard, &r, &e), 0);
		assert_int_equal(r.outcome, OUTCOME_EXITED);
		assert_int_equal(r.exit_code, 3);
		assert_int_equal(r.out.len, 8);
		assert_string_equal(heard.out, i % 2 ? "out" : "");
		assert_string_equal(heard.err, i % 2 ? "error" : "");
		result_done(&r);
	}
	client_free(c);
	server_free(s);
}

/* Larger than every buffer on the way, both ways. */
static void large(void **state)
{
	struct server *s = server_new();
	size_t len = 20u << 20;
	struct job j = {.code = {malloc(len), len}};
	struct client *c;
	struct result r;
	struct err e = {0};

	(void)state;
	memset((char *)j.code.p, 'x', len);
	assert_int_equal(client_open(s->g->sock, &c, &e), 0);
	assert_int_equal(client_run(c, &j, NULL, NULL, &r, &e), 0);
	assert_int_equal(r.out.len, len);
	assert_memory_equal(r.out.p, j.code.p, len);
	result_done(&r);
	client_free(c);
	free((char *)j.code.p);
	server_free(s);
}

static void errors(void **state)
{
	struct server *s = server_new();
	struct job j = {.code = {"x", 1}, .policy = "none"};
	struct client *c;
	struct result r;
	struct err e = {0};
	char words[400];

	(void)state;
	assert_int_equal(client_open(s->g->sock, &c, &e), 0);
	assert_int_equal(client_run(c, &j, NULL, NULL, &r, &e), -EBADMSG);
	assert_int_equal(e.class, ERR_REQUEST);
	assert_string_equal(err_str(&e, words, sizeof(words)), "unknown_policy: none");
	j.policy = NULL;
	assert_int_equal(client_run(c, &j, NULL, NULL, &r, &e), 0); /* the connection lives on */
	result_done(&r);
	client_free(c);
	server_free(s);
	assert_int_equal(client_open("/nonexistent/s", &c, &e), -ENOENT);
	assert_string_equal(err_str(&e, words, sizeof(words)),
			    "connect: /nonexistent/s: No such file or directory (ENOENT)");
}

static void supervisor_goes_away(void **state)
{
	struct job j = {.code = {"x", 1}};
	struct client *c;
	struct result r;
	struct err e = {0};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(client_adopt(fds[1], &c, &e), 0);
	shutdown(fds[0], SHUT_WR);
	assert_int_equal(client_run(c, &j, NULL, NULL, &r, &e), -ECONNRESET);
	close(fds[0]);
	assert_int_equal(client_run(c, &j, NULL, NULL, &r, &e), -EPIPE); /* and no SIGPIPE */
	client_free(c);
}

static void default_socket(void **state)
{
	char buf[64];

	(void)state;
	setenv("WARDER_SOCKET", "/x/y", 1);
	assert_int_equal(client_default_socket(buf, sizeof(buf)), 0);
	assert_string_equal(buf, "/x/y");
	assert_int_equal(client_default_socket(buf, 4), -ENAMETOOLONG);
	unsetenv("WARDER_SOCKET");
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	assert_int_equal(client_default_socket(buf, sizeof(buf)), 0);
	assert_string_equal(buf, geteuid() == 0 ? "/run/warder/warder.sock" : "/run/user/7/warder.sock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs),           cmocka_unit_test(large),
		cmocka_unit_test(errors),         cmocka_unit_test(supervisor_goes_away),
		cmocka_unit_test(default_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
