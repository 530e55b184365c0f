#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "ask.h"
#include "jobs.h"
#include "log.h"
#include "metrics.h"
#include "reply.h"

#define CONNECTION_MEMORY (64u << 10)  /* headers, and how much of a body is read at once */
#define THREAD_STACK      (256u << 10)
#define PROBE_SOON_S      0.1
#define PROBE_LATE_S      5.0
#define NOTICED_S         1.5 /* supervisors look once a second whether a tree was switched */
#define JSON_TYPE         "application/json; charset=utf-8"

struct server {
	const struct knobs *knobs;
	struct installer *installer;
	struct runner *runner;
	struct metrics *metrics;
	struct jobs jobs;
	struct MHD_Daemon *daemon;
	pthread_t prober;
	bool probing;
	pthread_mutex_t lock;
	pthread_cond_t change;
	unsigned answering; /* requests that came whole and whose answer is not written yet */
	bool draining;
	atomic_size_t bodies;
	uint64_t id_base;
	atomic_uint_fast64_t id_next;
};

/* One request. */
struct call {
	struct server *server;
	struct MHD_Connection *connection;
	const struct route *route; /* NULL: none */
	char id[24], method[8];
	double began_ms;
	struct text body;
	bool too_large, whole, entered;
	unsigned status;
	char told[96]; /* of a run, for the log */
};

struct route {
	const char *method, *path;
	bool is_private;
	void (*handle)(struct call *c);
};

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Waits, or is told to end. Whether to go on. */
static bool rest(struct server *s, double seconds)
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

/* --- answers ------------------------------------------------------------------------------------------------- */

/* Takes `body`. type NULL: no Content-Type. */
static enum MHD_Result answer(struct call *c, unsigned status, const char *type, struct text *body)
{
	struct MHD_Response *r;
	enum MHD_Result ret = MHD_NO;

	if (body->failed) {
		text_done(body);
		status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		type = NULL;
	}
	r = MHD_create_response_from_buffer(body->len, body->p ? body->p : (char *)"", body->p ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!r) {
		text_done(body);
		return MHD_NO;
	}
	c->status = status;
	if (type)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, "X-Request-Id", c->id);
	ret = MHD_queue_response(c->connection, status, r);
	MHD_destroy_response(r);
	*body = (struct text){0};
	return ret;
}

static void answer_error(struct call *c, unsigned status, const char *type, int code, const char *message)
{
	struct text t = {0};

	reply_error(&t, code, (struct bytes){message, strlen(message)});
	answer(c, status, type, &t);
}

static enum MHD_Result answer_plain(struct call *c, unsigned status, const char *type, const char *body)
{
	struct text t = {0};

	text_put(&t, body);
	return answer(c, status, type, &t);
}

/* --- what a request asks for --------------------------------------------------------------------------------- */

static enum MHD_Result on_form_field(void *cls, enum MHD_ValueKind kind, const char *key, const char *filename, const char *content_type,
				     const char *encoding, const char *data, uint64_t off, size_t size)
{
	(void)kind, (void)filename, (void)content_type, (void)encoding;
	if (key)
		ask_field(cls, key, off == 0, (struct bytes){data, size});
	return MHD_YES;
}

static enum MHD_Result on_argument(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	(void)kind;
	ask_field(cls, key, true, (struct bytes){value ? value : "", value ? strlen(value) : 0});
	return MHD_YES;
}

static int ask_form(struct call *c, struct ask *a, struct text *why)
{
	struct MHD_PostProcessor *pp = c->body.len ? MHD_create_post_processor(c->connection, 4096, on_form_field, a) : NULL;

	if (pp) {
		MHD_post_process(pp, c->body.p, c->body.len);
		MHD_destroy_post_processor(pp);
	}
	MHD_get_connection_values(c->connection, MHD_GET_ARGUMENT_KIND, on_argument, a);
	return ask_finish(a, why);
}

static bool is_json(const char *type)
{
	size_t n = type ? strcspn(type, "; ") : 0;

	return n == strlen("application/json") && strncmp(type, "application/json", n) == 0;
}

/* Fills `a`, or answers and returns false. A wrong body is told in the original's two ways: of Content-Type exactly application/json with status
 * 400 and as text, any other with 200. */
static bool bind_request(struct call *c, bool needs_code, struct ask *a)
{
	const char *type = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
	bool exact = type && strcmp(type, "application/json") == 0, get = strcmp(c->method, "GET") == 0;
	struct text why = {0};
	int ret = exact || (is_json(type) && !get) ? ask_json(a, (struct bytes){c->body.p ? c->body.p : "", c->body.len}, &why)
						   : ask_form(c, a, &why);

	if (ret == 0 && ask_is_whole(a, needs_code, &why))
		return true;
	answer_error(c, exact ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_OK, exact ? "text/plain; charset=utf-8" : JSON_TYPE, -400,
		     why.p ? why.p : "out of memory");
	text_done(&why);
	return false;
}

/* As Dify has them: exact, in this case. */
static int language_of(const struct ask *a)
{
	return language_parse(a->language.p, a->language.len);
}

static void answer_unsupported(struct call *c)
{
	answer_error(c, MHD_HTTP_BAD_REQUEST, JSON_TYPE, -400, "unsupported language");
}

/* --- run ----------------------------------------------------------------------------------------------------- */

static const struct refusal {
	const char *code;
	unsigned status;
	int number;
} refusals[] = {
	{"busy:", MHD_HTTP_SERVICE_UNAVAILABLE, -503},
	{"shutting_down:", MHD_HTTP_SERVICE_UNAVAILABLE, -503},
	{"bad_request:", MHD_HTTP_OK, -400},
	{"too_large:", MHD_HTTP_OK, -400},
	{"", MHD_HTTP_OK, -500},
};

static void answer_failure(struct call *c, int error, const struct err *e)
{
	char words[sizeof(struct err) + 64];
	const struct refusal *r = refusals;

	err_str(e, words, sizeof(words));
	snprintf(c->told, sizeof(c->told), " error=%s", err_name(-error));
	if (error != -EBADMSG) {
		answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, -503, "no supervisor answers");
		if (error != -ECANCELED)
			log_write(LOG_ERROR, "no_supervisor", "id=%s error=%s", c->id, err_name(-error));
		return;
	}
	while (strncmp(e->text, r->code, strlen(r->code)) != 0)
		r++;
	answer_error(c, r->status, JSON_TYPE, r->number, e->text);
}

/* Preload comes first, so that code can use what it made. */
static void add_preload(const struct call *c, struct ask *a)
{
	if (!c->server->knobs->preload || !a->preload.len)
		return;
	text_put(&a->preload, "\n");
	text_add(&a->preload, a->code.p, a->code.len);
	struct text both = a->preload;

	a->preload = a->code;
	a->code = both;
}

static int peer_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	return i ? i->connect_fd : -1;
}

static void run(struct call *c, struct ask *a, enum language l)
{
	struct server *s = c->server;
	struct text t = {0};
	struct result r = {0};
	struct err e = {0};
	char id[40];
	int ret;

	add_preload(c, a);
	text_done(&c->body); /* what it said is in `a` */
	snprintf(id, sizeof(id), "http-%s", c->id);
	ret = jobs_run(&s->jobs, id, l, (struct bytes){a->code.p, a->code.len}, a->network, peer_of(c->connection), &r, &e);
	if (ret < 0) {
		answer_failure(c, ret, &e);
		return;
	}
	metrics_job(s->metrics, l, &r, now_ms() - c->began_ms);
	snprintf(c->told, sizeof(c->told), " language=%s outcome=%s violations=%zu", language_name(l), outcome_name(r.outcome), r.n_violations);
	reply_result(&t, &r);
	result_done(&r);
	answer(c, MHD_HTTP_OK, JSON_TYPE, &t);
}

static bool is_draining(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	bool draining = s->draining;

	pthread_mutex_unlock(&s->lock);
	return draining;
}

static bool enter(struct call *c)
{
	struct server *s = c->server;
	bool draining = is_draining(s);

	c->entered = !draining && runner_enter(s->runner);
	if (!c->entered)
		answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, -503, draining ? "going down" : "Too many requests");
	return c->entered;
}

static void leave(struct call *c)
{
	if (c->entered)
		runner_leave(c->server->runner);
	c->entered = false;
}

static void handle_run(struct call *c)
{
	struct ask a = {0};

	if (!enter(c))
		return;
	if (bind_request(c, true, &a)) {
		int l = language_of(&a);

		if (l < 0)
			answer_unsupported(c);
		else if (a.network && !c->server->knobs->network)
			answer_error(c, MHD_HTTP_OK, JSON_TYPE, -400, "network is disabled, please enable it in the configuration");
		else
			run(c, &a, (enum language)l);
	}
	ask_done(&a);
	leave(c);
}

/* --- dependencies -------------------------------------------------------------------------------------------- */

/* What a job of the policy's interpreter can import, told by one. */
static const char list_packages[] =
	"import importlib.metadata as m, json\n"
	"found = {}\n"
	"for d in m.distributions():\n"
	"    name = d.metadata['Name']\n"
	"    if name: found.setdefault(name.lower().replace('_', '-'), {'name': name, 'version': d.version})\n"
	"print(json.dumps({'dependencies': [found[k] for k in sorted(found)]}))\n";

static void list_dependencies(struct call *c)
{
	struct result r = {0};
	struct text t = {0};
	struct err e = {0};
	char id[40];
	int ret;

	snprintf(id, sizeof(id), "http-%s", c->id);
	ret = jobs_run(&c->server->jobs, id, LANGUAGE_PYTHON3, (struct bytes){list_packages, sizeof(list_packages) - 1}, false,
		       peer_of(c->connection), &r, &e);
	if (ret < 0) {
		answer_failure(c, ret, &e);
		return;
	}
	if (r.outcome == OUTCOME_EXITED && r.exit_code == 0 && r.out.len > 1) {
		reply_success(&t, (struct bytes){r.out.p, r.out.len - 1});
		answer(c, MHD_HTTP_OK, JSON_TYPE, &t);
	} else {
		answer_error(c, MHD_HTTP_OK, JSON_TYPE, -500, r.error ? r.error : "the packages could not be listed");
	}
	result_done(&r);
}

static bool is_for_python(struct call *c)
{
	struct ask a = {0};
	bool good = false;

	if (bind_request(c, false, &a)) {
		good = language_of(&a) == LANGUAGE_PYTHON3;
		if (!good)
			answer_unsupported(c);
	}
	ask_done(&a);
	return good;
}

static void list_if_let_in(struct call *c)
{
	if (!enter(c))
		return;
	list_dependencies(c);
	leave(c);
}

static void handle_dependencies(struct call *c)
{
	if (is_for_python(c))
		list_if_let_in(c);
}

static void answer_not_installed(struct call *c, int error, const struct text *why)
{
	struct text t = {0};

	if (error == -EBUSY) {
		answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, -503, "dependencies are being installed already");
	} else if (error == -ECANCELED) {
		answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, -503, "going down");
	} else {
		text_put(&t, "dependencies were not installed: ");
		text_add(&t, why->p ? why->p : "", why->len);
		answer_error(c, MHD_HTTP_OK, JSON_TYPE, -500, t.p ? t.p : "out of memory");
		text_done(&t);
	}
}

static void install(struct call *c, const char *command, void (*then)(struct call *c))
{
	struct server *s = c->server;
	struct text why = {0};
	int ret = is_draining(s) ? -ECANCELED : installer_run(s->installer, command, &why);
	char shown[600];

	snprintf(c->told, sizeof(c->told), " dependencies=%s error=%s", command, ret ? err_name(-ret) : "none");
	if (why.p)
		log_write(LOG_WARN, "not_installed", "id=%s why=%s", c->id, log_value(shown, sizeof(shown), why.p));
	if (ret == 0)
		rest(s, NOTICED_S);
	if (ret == 0 || ret == -ENOENT)
		then(c);
	else
		answer_not_installed(c, ret, &why);
	text_done(&why);
}

static void answer_done(struct call *c)
{
	struct text t = {0};

	reply_success(&t, (struct bytes){"{}", 2});
	answer(c, MHD_HTTP_OK, JSON_TYPE, &t);
}

static void handle_update(struct call *c)
{
	if (is_for_python(c))
		install(c, "update", answer_done);
}

/* Without a tree there is nothing to install again, and the interpreter's own packages are listed. */
static void handle_refresh(struct call *c)
{
	if (is_for_python(c))
		install(c, "refresh", list_if_let_in);
}

/* --- health, metrics ----------------------------------------------------------------------------------------- */

static void handle_health(struct call *c)
{
	struct server *s = c->server;
	struct runner_status st;
	struct err e;
	bool good = !is_draining(s) && jobs_any_ready(&s->jobs) && runner_ask_status(s->runner, &st, &e) == 0 && st.workers > 0 && st.capacity > 0;

	answer_plain(c, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, good ? "\"ok\"" : "\"unavailable\"");
}

static void handle_metrics(struct call *c)
{
	struct server *s = c->server;
	struct runner_load load = runner_load(s->runner);
	struct runner_status st;
	struct text t = {0};
	struct err e;
	bool up = runner_ask_status(s->runner, &st, &e) == 0;

	metrics_write(s->metrics, &load, up ? &st : NULL, &t);
	answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &t);
}

/* --- one request --------------------------------------------------------------------------------------------- */

static const struct route routes[] = {
	{"GET", "/health", false, handle_health},
	{"GET", "/metrics", false, handle_metrics},
	{"POST", "/v1/sandbox/run", true, handle_run},
	{"GET", "/v1/sandbox/dependencies", true, handle_dependencies},
	{"GET", "/v1/sandbox/dependencies/refresh", true, handle_refresh},
	{"POST", "/v1/sandbox/dependencies/update", true, handle_update},
};

static const struct route *find_route(const char *method, const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].method, method) == 0 && strcmp(routes[i].path, path) == 0)
			return &routes[i];
	return NULL;
}

/* Takes as long whichever byte is wrong. */
static bool is_key(const char *want, const char *got)
{
	size_t n = strlen(want), m = got ? strlen(got) : 0;
	volatile unsigned char differ = n != m;

	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)want[i] ^ (unsigned char)(m ? got[i % m] : 0);
	return !differ;
}

static struct call *call_new(struct server *s, struct MHD_Connection *connection, const char *method, const char *url)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->server = s;
	c->connection = connection;
	c->began_ms = now_ms();
	snprintf(c->method, sizeof(c->method), "%s", method);
	snprintf(c->id, sizeof(c->id), "%08llx%08llx", (unsigned long long)s->id_base & 0xffffffff,
		 (unsigned long long)atomic_fetch_add(&s->id_next, 1) & 0xffffffff);
	c->route = find_route(method, url);
	return c;
}

struct framing {
	unsigned lengths, encodings;
	bool wrong;
};

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct framing *f = cls;

	(void)kind;
	f->wrong |= name[strcspn(name, " \t")] != '\0';
	f->lengths += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
	if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
		f->encodings++;
		f->wrong |= !value || strcasecmp(value, "chunked") != 0;
	}
	return MHD_YES;
}

/* Whether where the body ends is said once and plainly: a proxy in front could read anything else in another way, and take what is left for
 * somebody else's request. */
static bool is_framed(struct MHD_Connection *connection)
{
	struct framing f = {0};

	MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &f);
	return !f.wrong && f.lengths + f.encodings <= 1;
}

static enum MHD_Result answer_unframed(struct call *c)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(0, (char *)"", MHD_RESPMEM_PERSISTENT);
	enum MHD_Result ret = MHD_NO;

	if (!r)
		return MHD_NO;
	c->status = MHD_HTTP_BAD_REQUEST;
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES)
		ret = MHD_queue_response(c->connection, c->status, r);
	MHD_destroy_response(r);
	return ret;
}

/* What can be said before the body is there. 0: nothing yet. */
static enum MHD_Result begin(struct call *c)
{
	const char *length = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (!is_framed(c->connection))
		return answer_unframed(c);
	if (!c->route)
		return answer_plain(c, MHD_HTTP_NOT_FOUND, "text/plain", "404 page not found");
	if (c->route->is_private && !is_key(c->server->knobs->key, MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, "X-Api-Key")))
		return answer_plain(c, MHD_HTTP_UNAUTHORIZED, NULL, "");
	c->too_large = length && strtoull(length, NULL, 10) > SERVER_BODY_MAX;
	if (c->too_large)
		answer_error(c, MHD_HTTP_CONTENT_TOO_LARGE, JSON_TYPE, -413, "the body is too large");
	return MHD_YES;
}

static void take_body(struct call *c, const char *p, size_t n)
{
	size_t before = c->body.size;

	if (c->too_large)
		return;
	text_add(&c->body, p, n);
	size_t more = c->body.size - before;

	if (atomic_fetch_add(&c->server->bodies, more) + more <= SERVER_BODIES_MAX && c->body.len <= SERVER_BODY_MAX && !c->body.failed)
		return;
	c->too_large = true;
	atomic_fetch_sub(&c->server->bodies, c->body.size);
	text_done(&c->body);
}

static void finish(struct call *c)
{
	struct server *s = c->server;
	size_t held = c->body.size;

	c->whole = true;
	pthread_mutex_lock(&s->lock);
	s->answering++;
	pthread_mutex_unlock(&s->lock);
	if (c->too_large)
		answer_error(c, MHD_HTTP_CONTENT_TOO_LARGE, JSON_TYPE, -413, "the body is too large");
	else
		c->route->handle(c);
	text_done(&c->body);
	atomic_fetch_sub(&s->bodies, held);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
				  const char *data, size_t *size, void **ctx)
{
	struct call *c = *ctx;

	(void)version;
	if (!c) {
		c = *ctx = call_new(cls, connection, method, url);
		return c ? begin(c) : MHD_NO;
	}
	if (*size) {
		take_body(c, data, *size);
		*size = 0;
		return MHD_YES;
	}
	if (!c->whole && !c->status)
		finish(c);
	return c->status ? MHD_YES : MHD_NO;
}

static void tell(const struct call *c)
{
	bool quiet = c->route && !c->route->is_private && c->status == MHD_HTTP_OK; /* what asks every few seconds */

	log_write(quiet ? LOG_DEBUG : LOG_INFO, "request", "id=%s method=%s path=%s status=%u ms=%.1f%s", c->id,
		  c->route ? c->route->method : "other", c->route ? c->route->path : "other", c->status, now_ms() - c->began_ms, c->told);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **ctx, enum MHD_RequestTerminationCode how)
{
	struct server *s = cls;
	struct call *c = *ctx;

	(void)connection, (void)how;
	if (!c)
		return;
	*ctx = NULL;
	metrics_request(s->metrics, c->route ? c->route->path : "other", c->status);
	tell(c);
	if (!c->whole)
		atomic_fetch_sub(&s->bodies, c->body.size);
	pthread_mutex_lock(&s->lock);
	s->answering -= c->whole;
	pthread_cond_broadcast(&s->change);
	pthread_mutex_unlock(&s->lock);
	text_done(&c->body);
	free(c);
}

/* --- life ---------------------------------------------------------------------------------------------------- */

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
		if (all || !rest(s, round < 50 ? PROBE_SOON_S : PROBE_LATE_S))
			return NULL;
	}
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
				NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_daemon_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_CONNECTION_LIMIT, SERVER_CONNECTIONS,
				MHD_OPTION_CONNECTION_TIMEOUT, SERVER_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK, MHD_OPTION_END);
}

int server_start(int listener, const struct knobs *k, const char *socket, struct installer *installer, struct server **out, struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s) {
		close(listener);
		return err_set(e, ERR_HOST, "server", ENOMEM, NULL);
	}
	s->knobs = k;
	s->installer = installer;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->change, NULL);
	s->runner = runner_new(socket, (unsigned)k->max_requests, (unsigned)k->max_workers);
	s->metrics = metrics_new();
	if (!s->runner || !s->metrics || getrandom(&s->id_base, sizeof(s->id_base), 0) < 0) {
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
	installer_cancel(s->installer);
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
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	runner_free(s->runner);
	metrics_free(s->metrics);
	pthread_cond_destroy(&s->change);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
