/* What clients may ask of policies: what one says, what is wrong with a text, how two differ, what becomes of a call.
 *
 * Policies are no secret: whoever may run jobs may ask. The answers are made here, in the loop, from the texts of the newest generation, and a
 * text of a client's is parsed as hostile bytes: one question takes milliseconds (ydoc.h has the bounds). So that many of them do not keep the
 * front from its jobs, all who are no operators have QUESTIONS_SHARE of its time together; then it is `busy`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inside.h"
#include "lines.h"
#include "query.h"
#include "value.h"

#define LABEL            "text"     /* the file's name in rules of a policy that was sent */
#define TEXT_MAX         (256u << 10) /* bytes of such a text */
#define WORD_MAX         4096       /* bytes of a name, a call, an object */
#define QUESTIONS_SHARE  0.25
#define QUESTIONS_BURST  100.0      /* ms that may be taken at once */

/* --- params -------------------------------------------------------------------------------------------------- */

struct param {
	const char *name;
	bool needed;
	char text[WORD_MAX + 1]; /* "" unless given */
	bool given;
};

static struct param *find_param(struct param *v, size_t n, const msgpack_object *key)
{
	for (size_t i = 0; i < n; i++)
		if (value_is(key, v[i].name))
			return &v[i];
	return NULL;
}

static int take(struct param *p, const msgpack_object *v, struct err *e)
{
	if (v->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (p->given)
		return err_set(e, ERR_REQUEST, p->name, 0, "is there twice");
	if (!value_is_bytes(v) || memchr(v->via.str.ptr, '\0', v->via.str.size))
		return err_set(e, ERR_REQUEST, p->name, 0, "must be a string without NUL");
	if (v->via.str.size > WORD_MAX)
		return err_set(e, ERR_REQUEST, p->name, 0, "has more than %d bytes", WORD_MAX);
	memcpy(p->text, v->via.str.ptr, v->via.str.size);
	p->text[v->via.str.size] = '\0';
	p->given = true;
	return 0;
}

static int take_all(const msgpack_object *params, struct param *v, size_t n, struct err *e)
{
	int ret = 0;

	if (params && params->type != MSGPACK_OBJECT_MAP)
		return err_set(e, ERR_REQUEST, "params", 0, "must be an array of one map");
	for (uint32_t i = 0; params && i < params->via.map.size && ret == 0; i++) {
		struct param *p = find_param(v, n, &params->via.map.ptr[i].key);

		ret = p ? take(p, &params->via.map.ptr[i].val, e) : err_set(e, ERR_REQUEST, "", 0, "unknown field");
	}
	for (size_t i = 0; i < n && ret == 0; i++)
		if (v[i].needed && !v[i].given)
			ret = err_set(e, ERR_REQUEST, v[i].name, 0, "is required");
	return ret;
}

/* --- answers ------------------------------------------------------------------------------------------------- */

static void refuse(struct session *s, uint32_t msgid, enum rpc_error code, const struct err *e)
{
	char words[sizeof(*e) + 128];

	answer_error(s, msgid, code, err_str(e, words, sizeof(words)));
}

/* Takes the params; -EINVAL: answered. */
static int begin(struct session *s, const struct rpc_message *m, struct param *v, size_t n)
{
	struct err e = {0};

	if (!take_all(m->params, v, n, &e))
		return 0;
	refuse(s, m->msgid, RPC_ERROR_BAD_REQUEST, &e);
	return -EINVAL;
}

/* NULL: answered. */
static const struct policy *find(struct front *f, struct session *s, uint32_t msgid, const char *name)
{
	const struct policy *p = policy_find(f->generation->policies, name);
	char shown[68];

	if (!p) {
		snprintf(shown, sizeof(shown), "%.64s", name);
		answer_error(s, msgid, RPC_ERROR_UNKNOWN_POLICY, shown);
	}
	return p;
}

static void pack_lines(msgpack_packer *pk, const struct lines *l)
{
	msgpack_pack_array(pk, l->n);
	for (size_t i = 0; i < l->n; i++) {
		msgpack_pack_map(pk, 2);
		value_put_text(pk, "line", l->v[i].text);
		value_put_text(pk, "rule", l->v[i].rule);
	}
}

static void get(struct front *f, struct session *s, const struct rpc_message *m)
{
	struct param name = {.name = "name", .needed = true};
	const struct policy *p = begin(s, m, &name, 1) ? NULL : find(f, s, m->msgid, name.text);
	msgpack_sbuffer b;
	msgpack_packer pk;
	struct lines l;

	if (!p)
		return;
	lines_of(p, &l);
	answer_begin(&b, &pk, m->msgid);
	msgpack_pack_map(&pk, 3);
	value_put_text(&pk, "name", p->name);
	value_put_text(&pk, "language", p->has_language ? language_name(p->language) : NULL);
	rpc_pack_cstr(&pk, "lines");
	pack_lines(&pk, &l);
	session_answer(s, &b);
	lines_done(&l);
}

static void diff(struct front *f, struct session *s, const struct rpc_message *m)
{
	struct param v[] = {{.name = "a", .needed = true}, {.name = "b", .needed = true}};
	const struct policy *x = begin(s, m, v, 2) ? NULL : find(f, s, m->msgid, v[0].text);
	const struct policy *y = x ? find(f, s, m->msgid, v[1].text) : NULL;
	msgpack_sbuffer b;
	msgpack_packer pk;
	struct lines l;

	if (!y)
		return;
	lines_diff(x, y, &l);
	answer_begin(&b, &pk, m->msgid);
	pack_lines(&pk, &l);
	session_answer(s, &b);
	lines_done(&l);
}

static void explain(struct front *f, struct session *s, const struct rpc_message *m)
{
	struct param v[] = {{.name = "call", .needed = true}, {.name = "object"}, {.name = "policy"}, {.name = "access"}};
	struct query q = {.call = v[0].text};
	char problem[QUERY_PROBLEM];
	struct err e = {0};
	msgpack_sbuffer b;
	msgpack_packer pk;
	int ret;

	if (begin(s, m, v, 4))
		return;
	if (v[3].given && strcmp(v[3].text, "read") && strcmp(v[3].text, "write")) {
		answer_error(s, m->msgid, RPC_ERROR_BAD_REQUEST, "access: must be read or write");
		return;
	}
	q.to_write = !strcmp(v[3].text, "write");
	q.object = v[1].given ? v[1].text : NULL;
	q.policy = find(f, s, m->msgid, v[2].given ? v[2].text : language_name(LANGUAGE_PYTHON3));
	if (!q.policy)
		return;
	ret = query_judge(&q, problem);
	if (ret) {
		err_set(&e, ERR_REQUEST, ret == -ENOENT ? "call" : "object", 0, "%s", ret == -ENOENT ? "there is none of this name" : problem);
		refuse(s, m->msgid, RPC_ERROR_BAD_REQUEST, &e);
		return;
	}
	answer_begin(&b, &pk, m->msgid);
	query_pack(&q, &pk);
	session_answer(s, &b);
}

static void pack_errors(msgpack_packer *pk, const struct policy_errors *es)
{
	msgpack_pack_array(pk, es->n);
	for (size_t i = 0; i < es->n; i++) {
		msgpack_pack_map(pk, 4);
		value_put_text(pk, "file", es->v[i].file);
		value_put_int(pk, "line", true, es->v[i].line);
		value_put_int(pk, "column", true, es->v[i].column);
		value_put_text(pk, "message", es->v[i].text);
	}
}

/* The one param that may be long. -EINVAL: answered. */
static int take_text(struct session *s, const struct rpc_message *m, struct bytes *text)
{
	const msgpack_object_map *map = m->params && m->params->type == MSGPACK_OBJECT_MAP ? &m->params->via.map : NULL;
	struct param name = {.name = "text"};
	struct err e = {0};

	if (!map || map->size != 1 || !find_param(&name, 1, &map->ptr[0].key) || !value_is_bytes(&map->ptr[0].val))
		err_set(&e, ERR_REQUEST, "text", 0, "must be the only field, a string");
	else if (map->ptr[0].val.via.str.size > TEXT_MAX)
		err_set(&e, ERR_REQUEST, "text", 0, "has more than %u bytes", TEXT_MAX);
	if (e.text[0]) {
		refuse(s, m->msgid, RPC_ERROR_BAD_REQUEST, &e);
		return -EINVAL;
	}
	*text = (struct bytes){map->ptr[0].val.via.str.ptr, map->ptr[0].val.via.str.size};
	return 0;
}

/* What it extends is looked up among the files that were read: the front opens none. */
static void check(struct front *f, struct session *s, const struct rpc_message *m)
{
	struct generation *g = f->generation;
	struct policy_errors es = {0};
	struct bytes text;
	msgpack_sbuffer b;
	msgpack_packer pk;

	if (take_text(s, m, &text))
		return;
	policy_free(policy_parse_text(LABEL, text, g->dirs, &g->texts, &es));
	answer_begin(&b, &pk, m->msgid);
	msgpack_pack_map(&pk, 2);
	value_put_bool(&pk, "ok", es.n == 0);
	rpc_pack_cstr(&pk, "errors");
	pack_errors(&pk, &es);
	session_answer(s, &b);
	policy_errors_done(&es);
}

/* --- whose turn it is ---------------------------------------------------------------------------------------- */

typedef void method(struct front *f, struct session *s, const struct rpc_message *m);

static void in_turn(struct front *f, struct session *s, const struct rpc_message *m, method *answer)
{
	double now = front_now_ms();
	char words[64];

	if (front_is_operator(f, session_uid(s))) {
		answer(f, s, m);
		return;
	}
	if (f->questions_paid < now - QUESTIONS_BURST / QUESTIONS_SHARE)
		f->questions_paid = now - QUESTIONS_BURST / QUESTIONS_SHARE;
	if (f->questions_paid > now) {
		snprintf(words, sizeof(words), "many questions about policies, retry in %.0f ms", f->questions_paid - now + 1);
		answer_error(s, m->msgid, RPC_ERROR_BUSY, words);
		return;
	}
	answer(f, s, m);
	f->questions_paid += (front_now_ms() - now) / QUESTIONS_SHARE;
}

void policies_get(struct front *f, struct session *s, const struct rpc_message *m)
{
	in_turn(f, s, m, get);
}

void policies_check(struct front *f, struct session *s, const struct rpc_message *m)
{
	in_turn(f, s, m, check);
}

void policies_diff(struct front *f, struct session *s, const struct rpc_message *m)
{
	in_turn(f, s, m, diff);
}

void policies_explain(struct front *f, struct session *s, const struct rpc_message *m)
{
	in_turn(f, s, m, explain);
}
