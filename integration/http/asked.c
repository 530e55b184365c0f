/* What a request asks for: its body as JSON or as a form, beside it the query. */
#include <string.h>

#include "inside.h"


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

/* A wrong body is told in the original's two ways: of Content-Type exactly application/json with status
 * 400 and as text, any other with 200. */
bool asked_bind(struct call *c, bool needs_code, struct ask *a)
{
	const char *type = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
	bool exact = type && strcmp(type, "application/json") == 0, get = strcmp(c->method, "GET") == 0;
	struct text why = {0};
	int ret = exact || (is_json(type) && !get) ? ask_json(a, (struct bytes){c->body.p ? c->body.p : "", c->body.len}, &why)
						   : ask_form(c, a, &why);

	if (ret == 0 && ask_is_whole(a, needs_code, &why))
		return true;
	request_answer_error(c, exact ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_OK, exact ? "text/plain; charset=utf-8" : JSON_TYPE, -400,
		     why.p ? why.p : "out of memory");
	text_done(&why);
	return false;
}
