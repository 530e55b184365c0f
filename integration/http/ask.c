#include "ask.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

enum kind { STRING, FLAG };

#define AT(member) offsetof(struct ask, member)
static const struct field {
	const char *name, *type;
	enum kind kind;
	size_t at;
} fields[] = {
	{"language", "string", STRING, AT(language)},
	{"code", "string", STRING, AT(code)},
	{"preload", "string", STRING, AT(preload)},
	{"enable_network", "bool", FLAG, AT(network)},
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* --- JSON ---------------------------------------------------------------------------------------------------- */

/* json-c takes strings in single quotes, too, which JSON has not; a double quote in one would mislead who counts values. */
static bool has_single_quotes(struct bytes body)
{
	bool quoted = false;

	for (size_t i = 0; i < body.len; i++) {
		if (quoted && body.p[i] == '\\')
			i++;
		else if (body.p[i] == '"')
			quoted = !quoted;
		else if (body.p[i] == '\'' && !quoted)
			return true;
	}
	return false;
}

/* Before anything is built. Commas, brackets and colons outside of strings bound the number of values. */
static bool has_too_many(struct bytes body)
{
	size_t n = 0;
	bool quoted = false;

	for (size_t i = 0; i < body.len && n <= ASK_VALUES_MAX; i++) {
		char c = body.p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted)
			n += c == ',' || c == '[' || c == '{';
	}
	return n > ASK_VALUES_MAX;
}

/* A string must not hold control characters as they are; json-c lets them pass. */
static bool has_control(struct bytes body)
{
	bool quoted = false;

	for (size_t i = 0; i < body.len; i++) {
		if (quoted && (unsigned char)body.p[i] < 0x20)
			return true;
		if (quoted && body.p[i] == '\\')
			i++;
		else if (body.p[i] == '"')
			quoted = !quoted;
	}
	return false;
}

static const char *kind_name(struct json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_boolean:
		return "bool";
	case json_type_double:
	case json_type_int:
		return "number";
	case json_type_string:
		return "string";
	case json_type_array:
		return "array";
	case json_type_object:
		return "object";
	default:
		return "null";
	}
}

static int take_value(struct ask *a, const struct field *f, struct json_object *v, struct text *why)
{
	enum json_type want = f->kind == FLAG ? json_type_boolean : json_type_string;
	void *at = (char *)a + f->at;

	if (!v)
		return 0;
	if (json_object_get_type(v) != want) {
		text_printf(why, "json: cannot unmarshal %s into Go struct field .%s of type %s", kind_name(v), f->name, f->type);
		return -EINVAL;
	}
	if (f->kind == FLAG) {
		*(bool *)at = json_object_get_boolean(v);
		return 0;
	}
	struct text *t = at;

	text_done(t);
	text_utf8(t, (struct bytes){json_object_get_string(v), (size_t)json_object_get_string_len(v)});
	return 0;
}

static int take_object(struct ask *a, struct json_object *o, struct text *why)
{
	int ret = 0;

	if (json_object_get_type(o) != json_type_object && o) {
		text_printf(why, "json: cannot unmarshal %s into Go value", kind_name(o));
		return -EINVAL;
	}
	if (!o)
		return 0;
	json_object_object_foreach(o, key, value)
		for (size_t i = 0; i < N_FIELDS && ret == 0; i++)
			if (strcasecmp(fields[i].name, key) == 0)
				ret = take_value(a, &fields[i], value, why);
	return ret;
}

static struct json_object *parse(struct bytes body, struct text *why, bool *parsed)
{
	struct json_tokener *tok = json_tokener_new_ex(ASK_DEPTH_MAX);
	struct json_object *o;
	enum json_tokener_error error;

	*parsed = false;
	if (!tok) {
		text_put(why, "out of memory");
		return NULL;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	o = json_tokener_parse_ex(tok, body.p, (int)body.len);
	error = json_tokener_get_error(tok);
	if (error == json_tokener_continue) /* a bare number ends with the text alone */
		o = json_tokener_parse_ex(tok, "", 1), error = json_tokener_get_error(tok);
	if (error == json_tokener_success)
		*parsed = true;
	else if (error == json_tokener_continue || error == json_tokener_error_parse_eof)
		text_put(why, "unexpected EOF");
	else
		text_printf(why, "invalid JSON at byte %zu: %s", json_tokener_get_parse_end(tok), json_tokener_error_desc(error));
	json_tokener_free(tok);
	return o;
}

static bool is_blank(struct bytes b)
{
	while (b.len > 0 && strchr(" \t\r\n", *b.p) && *b.p)
		b.p++, b.len--;
	return b.len == 0;
}

int ask_json(struct ask *a, struct bytes body, struct text *why)
{
	struct json_object *o;
	bool parsed;
	int ret;

	if (is_blank(body)) {
		text_put(why, "EOF");
		return -EINVAL;
	}
	if (body.len > INT_MAX || has_too_many(body)) {
		text_printf(why, "invalid JSON: more than %u values", ASK_VALUES_MAX);
		return -EINVAL;
	}
	if (has_single_quotes(body)) {
		text_put(why, "invalid JSON: single quote");
		return -EINVAL;
	}
	o = parse(body, why, &parsed);
	ret = parsed ? take_object(a, o, why) : -EINVAL;
	json_object_put(o);
	if (ret == 0 && has_control(body)) {
		text_put(why, "invalid JSON: control character in string literal");
		ret = -EINVAL;
	}
	return ret;
}

/* --- forms --------------------------------------------------------------------------------------------------- */

void ask_field(struct ask *a, const char *name, bool first, struct bytes piece)
{
	for (size_t i = 0; i < N_FIELDS; i++) {
		struct text *t = fields[i].kind == FLAG ? &a->flag : (struct text *)((char *)a + fields[i].at);

		if (strcmp(fields[i].name, name) != 0)
			continue;
		a->skip = first ? t->p != NULL : a->skip;
		if (!a->skip)
			text_add(t, piece.p, piece.len);
	}
}

/* What a form brought may be no UTF-8, and what goes on is. */
static void mend(struct text *t)
{
	struct text good = {0};

	if (!t->p)
		return;
	text_utf8(&good, (struct bytes){t->p, t->len});
	text_done(t);
	*t = good;
}

int ask_finish(struct ask *a, struct text *why)
{
	static const char *const truths[] = {"1", "t", "T", "true", "True", "TRUE"}, *const lies[] = {"", "0", "f", "F", "false", "False", "FALSE"};
	const char *s = a->flag.p ? a->flag.p : "";
	bool known = false;

	mend(&a->language);
	mend(&a->code);
	mend(&a->preload);
	for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++)
		if (strcmp(s, truths[i]) == 0)
			known = a->network = true;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		known |= strcmp(s, lies[i]) == 0;
	if (known)
		return 0;
	text_put(why, "strconv.ParseBool: parsing ");
	text_json(why, (struct bytes){s, strnlen(s, 80)});
	text_put(why, ": invalid syntax");
	return -EINVAL;
}

static void tell_missing(struct text *why, const char *name)
{
	text_printf(why, "%sKey: '%s' Error:Field validation for '%s' failed on the 'required' tag", why->len ? "\n" : "", name, name);
}

bool ask_is_whole(const struct ask *a, bool needs_code, struct text *why)
{
	bool language = a->language.len > 0, code = !needs_code || a->code.len > 0;

	if (!language)
		tell_missing(why, "Language");
	if (!code)
		tell_missing(why, "Code");
	return language && code;
}

void ask_done(struct ask *a)
{
	text_done(&a->language);
	text_done(&a->code);
	text_done(&a->preload);
	text_done(&a->flag);
}
