/* What may be asked for: one row a route. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inside.h"
#include "log.h"
#include "reply.h"

#define NOTICED_S 1.5 /* supervisors look once a second whether a tree was switched */

/* As Dify has them: exact, in this case. */
static int language_of(const struct ask *a)
{
	return language_parse(a->language.p, a->language.len);
}

static void answer_unsupported(struct call *c)
{
	request_answer_error(c, MHD_HTTP_BAD_REQUEST, JSON_TYPE, -400, "unsupported language");
}

/* --- run ------------------------------------------------------------------------------------------------------ */

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
		request_answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, -503, "no supervisor answers");
		if (error != -ECANCELED)
			log_write(LOG_ERROR, "no_supervisor", "id=%s error=%s", c->id, err_name(-error));
		return;
	}
	while (strncmp(e->text, r->code, strlen(r->code)) != 0)
		r++;
	request_answer_error(c, r->status, JSON_TYPE, r->number, e->text);
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
	metrics_job(s->metrics, l, &r, server_now_ms() - c->began_ms);
	snprintf(c->told, sizeof(c->told), " language=%s outcome=%s violations=%zu", language_name(l), outcome_name(r.outcome), r.n_violations);
	reply_result(&t, &r);
	result_done(&r);
	request_answer(c, MHD_HTTP_OK, JSON_TYPE, &t);
}

static bool enter(struct call *c)
{
	struct server *s = c->server;
	bool draining = server_is_draining(s);

	c->entered = !draining && runner_enter(s->runner);
	if (!c->entered)
		request_answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, -503, draining ? "going down" : "Too many requests");
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
	if (asked_bind(c, true, &a)) {
		int l = language_of(&a);

		if (l < 0)
			answer_unsupported(c);
		else if (a.network && !c->server->knobs->network)
			request_answer_error(c, MHD_HTTP_OK, JSON_TYPE, -400, "network is disabled, please enable it in the configuration");
		else
			run(c, &a, (enum language)l);
	}
	ask_done(&a);
	leave(c);
}

/* --- dependencies --------------------------------------------------------------------------------------------- */

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
		request_answer(c, MHD_HTTP_OK, JSON_TYPE, &t);
	} else {
		request_answer_error(c, MHD_HTTP_OK, JSON_TYPE, -500, r.error ? r.error : "the packages could not be listed");
	}
	result_done(&r);
}

static bool is_for_python(struct call *c)
{
	struct ask a = {0};
	bool good = false;

	if (asked_bind(c, false, &a)) {
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

static void answer_not_installed(struct call *c, int error, const struct text *why, const struct err *e)
{
	struct text t = {0};
	char shown[600];

	if (error == -EBUSY) {
		request_answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, -503, "dependencies are being installed already");
	} else if (error == -ECANCELED) {
		request_answer_error(c, MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, -503, "going down");
	} else if (error != -EIO) {
		answer_failure(c, error, e);
	} else {
		log_write(LOG_WARN, "not_installed", "id=%s why=%s", c->id, log_value(shown, sizeof(shown), why->p ? why->p : ""));
		text_put(&t, "dependencies were not installed: ");
		text_add(&t, why->p ? why->p : "", why->len);
		request_answer_error(c, MHD_HTTP_OK, JSON_TYPE, -500, t.p ? t.p : "out of memory");
		text_done(&t);
	}
}

/* The supervisor installs. One that has nothing to install again says that it has done so. */
static void install(struct call *c, const char *method, void (*then)(struct call *c))
{
	struct server *s = c->server;
	struct text why = {0};
	struct err e = {0};
	int ret = runner_install(s->runner, method, language_name(LANGUAGE_PYTHON3), peer_of(c->connection), &why, &e);

	snprintf(c->told, sizeof(c->told), " asked=%s error=%s", method, ret ? err_name(-ret) : "none");
	if (ret == 0) {
		server_rest(s, NOTICED_S);
		then(c);
	} else {
		answer_not_installed(c, ret, &why, &e);
	}
	text_done(&why);
}

static void answer_done(struct call *c)
{
	struct text t = {0};

	reply_success(&t, (struct bytes){"{}", 2});
	request_answer(c, MHD_HTTP_OK, JSON_TYPE, &t);
}

static void handle_update(struct call *c)
{
	if (is_for_python(c))
		install(c, "dependencies.update", answer_done);
}

/* Without a tree there is nothing to install again, and the interpreter's own packages are listed. */
static void handle_refresh(struct call *c)
{
	if (is_for_python(c))
		install(c, "dependencies.refresh", list_if_let_in);
}

/* --- health, metrics ------------------------------------------------------------------------------------------ */

static void handle_health(struct call *c)
{
	struct server *s = c->server;
	struct runner_status st;
	struct err e;
	bool good = !server_is_draining(s) && jobs_any_ready(&s->jobs) && runner_ask_status(s->runner, &st, &e) == 0 && st.workers > 0 && st.capacity > 0;

	request_answer_plain(c, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, JSON_TYPE, good ? "\"ok\"" : "\"unavailable\"");
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
	request_answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &t);
}

/* --- the table ------------------------------------------------------------------------------------------------ */
static const struct route routes[] = {
	{"GET", "/health", false, handle_health},
	{"GET", "/metrics", false, handle_metrics},
	{"POST", "/v1/sandbox/run", true, handle_run},
	{"GET", "/v1/sandbox/dependencies", true, handle_dependencies},
	{"GET", "/v1/sandbox/dependencies/refresh", true, handle_refresh},
	{"POST", "/v1/sandbox/dependencies/update", true, handle_update},
};

const struct route *route_find(const char *method, const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].method, method) == 0 && strcmp(routes[i].path, path) == 0)
			return &routes[i];
	return NULL;
}
