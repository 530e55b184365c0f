/* ask.h - what a request asks for: the four fields that Dify's API knows, from a JSON body or from form fields.
 *
 * Knows no sockets. Whoever wrote the body is not trusted: depth, values and sizes are bounded, and nothing is built for a body with more values
 * than a request has use for. Who may use it: server.
 */
#ifndef WARDER_HTTP_ASK_H
#define WARDER_HTTP_ASK_H

#include <stdbool.h>

#include "bytes.h"
#include "text.h"

#define ASK_DEPTH_MAX  256    /* of a JSON body */
#define ASK_VALUES_MAX 10000u /* in it: a parsed one takes a hundred bytes, in the body it may take two */

struct ask {
	struct text language, code, preload; /* good UTF-8, may hold NUL */
	bool network;
	struct text flag; /* enable_network as a form says it, until ask_finish */
	bool skip;        /* this form field is the second of its name */
};

/* Zeroed before. Fields are matched in any letter case, the last one counts, null is as good as absent, unknown ones are skipped, and so is
 * what comes behind the object. -EINVAL, with words for the client in `why`. */
int ask_json(struct ask *a, struct bytes body, struct text *why);
/* One piece of a form field; pieces of one field come in a row, `first` begins it. Names are matched exactly; the first of a name counts. */
void ask_field(struct ask *a, const char *name, bool first, struct bytes piece);
/* After the last field of a form. -EINVAL, with words in `why`, when enable_network is no truth value. */
int ask_finish(struct ask *a, struct text *why);
/* Whether language, and code where it is needed, are there; else words in `why`, as Dify's sandbox has them. */
bool ask_is_whole(const struct ask *a, bool needs_code, struct text *why);
void ask_done(struct ask *a);

#endif
