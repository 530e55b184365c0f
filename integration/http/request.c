/* One request, from its first header to its last word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "inside.h"
#include "log.h"
#include "reply.h"

/* --- answers -------------------------------------------------------------------------------------------------- */

enum MHD_Result request_answer(struct call *c, unsigned status, const char *type, struct text *body)
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

void request_answer_error(struct call *c, unsigned status, const char *type, int code, const char *message)
{
	struct text t = {0};

	reply_error(&t, code, (struct bytes){message, strlen(message)});
	request_answer(c, status, type, &t);
}

enum MHD_Result request_answer_plain(struct call *c, unsigned status, const char *type, const char *body)
{
	struct text t = {0};

	text_put(&t, body);
	return request_answer(c, status, type, &t);
}

/* --- requests ------------------------------------------------------------------------------------------------- */

/* Takes as long whichever byte is wrong. */
static bool is_key(const char *want, const char *got)
{
	size_t n = strlen(want), m = got ? strlen(got) : 0;
	volatile unsigned char differ = n != m;

	for (size_t i = 0; i < n; i++)
		differ |= (unsigned char)want[i] ^ (unsigned char)(m ? got[i % m] : 0);
	return !differ;
}

/* The path of a request target, which clients of proxies send whole: http://HOST/PATH (RFC 9112, 3.2.2). */
static const char *path_of(const char *target)
{
	if (strncasecmp(target, "http://", strlen("http://")) != 0)
		return target;
	target += strlen("http://");
	target += strcspn(target, "/");
	return *target ? target : "/";
}

static struct call *call_new(struct server *s, struct MHD_Connection *connection, const char *method, const char *url)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->server = s;
	c->connection = connection;
	c->began_ms = server_now_ms();
	snprintf(c->method, sizeof(c->method), "%s", method);
	snprintf(c->id, sizeof(c->id), "%08llx%08llx", (unsigned long long)s->id_base & 0xffffffff,
		 (unsigned long long)atomic_fetch_add(&s->id_next, 1) & 0xffffffff);
	c->route = route_find(method, path_of(url));
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

static void enter_stage(struct call *c, enum stage stage)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	if (i)
		connections_enter(c->server->connections, i->socket_context, stage, server_now_ms());
}

/* What can be said before the body is there. 0: nothing yet. */
static enum MHD_Result begin(struct call *c)
{
	const char *length = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (!is_framed(c->connection))
		return answer_unframed(c);
	if (!c->route)
		return request_answer_plain(c, MHD_HTTP_NOT_FOUND, "text/plain", "404 page not found");
	if (c->route->is_private && !is_key(c->server->knobs->key, MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, "X-Api-Key")))
		return request_answer_plain(c, MHD_HTTP_UNAUTHORIZED, NULL, "");
	if (c->route->is_private) /* else it has shown no key, and its time goes on */
		enter_stage(c, STAGE_BODY);
	c->too_large = length && strtoull(length, NULL, 10) > SERVER_BODY_MAX;
	if (c->too_large)
		request_answer_error(c, MHD_HTTP_CONTENT_TOO_LARGE, JSON_TYPE, -413, "the body is too large");
	return MHD_YES;
}

static void take_body(struct call *c, const char *p, size_t n)
{
	size_t before = c->body.size;

	if (c->too_large || !c->route || !c->route->is_private) /* who has shown no key takes no memory */
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
	enter_stage(c, STAGE_ANSWER);
	pthread_mutex_lock(&s->lock);
	s->answering++;
	pthread_mutex_unlock(&s->lock);
	if (c->too_large)
		request_answer_error(c, MHD_HTTP_CONTENT_TOO_LARGE, JSON_TYPE, -413, "the body is too large");
	else
		c->route->handle(c);
	text_done(&c->body);
	atomic_fetch_sub(&s->bodies, held);
}

enum MHD_Result request_on_data(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
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
		  c->route ? c->route->method : "other", c->route ? c->route->path : "other", c->status, server_now_ms() - c->began_ms, c->told);
}

void request_on_completed(void *cls, struct MHD_Connection *connection, void **ctx, enum MHD_RequestTerminationCode how)
{
	struct server *s = cls;
	struct call *c = *ctx;

	(void)connection, (void)how;
	if (!c)
		return;
	*ctx = NULL;
	metrics_request(s->metrics, c->route ? c->route->path : "other", c->status);
	tell(c);
	enter_stage(c, STAGE_IDLE);
	if (!c->whole)
		atomic_fetch_sub(&s->bodies, c->body.size);
	pthread_mutex_lock(&s->lock);
	s->answering -= c->whole;
	pthread_cond_broadcast(&s->change);
	pthread_mutex_unlock(&s->lock);
	text_done(&c->body);
	free(c);
}

