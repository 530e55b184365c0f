#include "ydoc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

static bool told_already(const struct policy_errors *es, const struct policy_error *e)
{
	for (size_t i = 0; i < es->n; i++) {
		const struct policy_error *o = &es->v[i];

		if (o->line == e->line && o->column == e->column && !strcmp(o->file, e->file) &&
		    !strcmp(o->text, e->text))
			return true;
	}
	return false;
}

static void problem(struct policy_errors *es, const char *file, int line, int column, const char *fmt, va_list ap)
{
	struct policy_error e = {.line = line, .column = column};

	snprintf(e.file, sizeof(e.file), "%s", file);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	if (es->n >= YDOC_ERRORS_MAX || told_already(es, &e))
		return;
	es->v = mem_grow(es->v, es->n + 1, sizeof(*es->v));
	es->v[es->n++] = e;
}

void ydoc_problem(struct policy_errors *es, const char *file, int line, int column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem(es, file, line, column, fmt, ap);
	va_end(ap);
}

void ydoc_fail(struct ydoc *d, const yaml_node_t *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem(d->es, d->label, n ? (int)n->start_mark.line + 1 : 1, n ? (int)n->start_mark.column + 1 : 1, fmt, ap);
	va_end(ap);
}

void policy_errors_done(struct policy_errors *es)
{
	free(es->v);
	*es = (struct policy_errors){0};
}

/* --- refusing what must not be interpreted ---------------------------------------------------- */

struct scan { /* what was seen of the event stream so far */
	int depth, nodes, documents;
};

/* Words of the refusal of this event, or NULL. */
static const char *scan_event(struct scan *s, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_ALIAS_EVENT:
		return "aliases are not allowed here";
	case YAML_SCALAR_EVENT:
		if (ev->data.scalar.anchor)
			return "anchors are not allowed here";
		if (ev->data.scalar.tag)
			return "tags are not allowed here";
		break;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (ev->type == YAML_SEQUENCE_START_EVENT ? ev->data.sequence_start.anchor
							  : ev->data.mapping_start.anchor)
			return "anchors are not allowed here";
		if (ev->type == YAML_SEQUENCE_START_EVENT ? ev->data.sequence_start.tag : ev->data.mapping_start.tag)
			return "tags are not allowed here";
		if (++s->depth > YDOC_DEPTH_MAX)
			return "nested too deeply";
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		s->depth--;
		return NULL;
	case YAML_DOCUMENT_START_EVENT:
		return ++s->documents > 1 ? "more than one document in this file" : NULL;
	default:
		return NULL;
	}
	return ++s->nodes > YDOC_NODES_MAX ? "too many values in this file" : NULL;
}

static void syntax_problem(const struct ydoc *d, const yaml_parser_t *p)
{
	/* the reader (bad UTF-8) knows no line; scanner and parser do */
	ydoc_problem(d->es, d->label, (int)p->problem_mark.line + 1, (int)p->problem_mark.column + 1, "%s%s%s",
		     p->problem ? p->problem : "cannot be read as YAML", p->context ? " " : "",
		     p->context ? p->context : "");
}

static int scan_text(const struct ydoc *d, struct bytes text)
{
	struct scan s = {0};
	yaml_parser_t parser;
	bool end = false;
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.len);
	while (!end && !r) {
		yaml_event_t ev;
		const char *why;

		if (!yaml_parser_parse(&parser, &ev)) {
			syntax_problem(d, &parser);
			r = -EINVAL;
			break;
		}
		why = scan_event(&s, &ev);
		if (why) {
			ydoc_problem(d->es, d->label, (int)ev.start_mark.line + 1, (int)ev.start_mark.column + 1, "%s",
				     why);
			r = -EINVAL;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&parser);
	return r;
}

int ydoc_open_text(struct ydoc *d, const char *label, struct bytes text, struct policy_errors *es)
{
	yaml_parser_t parser;
	int r;

	*d = (struct ydoc){.es = es};
	snprintf(d->label, sizeof(d->label), "%s", label);
	if (text.len > YDOC_FILE_MAX) {
		ydoc_fail(d, NULL, "longer than %u bytes", YDOC_FILE_MAX);
		return -EFBIG;
	}
	r = scan_text(d, text);
	if (r)
		return r;
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.len);
	d->open = yaml_parser_load(&parser, &d->doc);
	if (!d->open)
		syntax_problem(d, &parser);
	yaml_parser_delete(&parser);
	if (d->open && !ydoc_root(d)) {
		ydoc_fail(d, NULL, "empty: nothing is set here");
		return -EINVAL;
	}
	return d->open ? 0 : -EINVAL;
}

int ydoc_read_file(const char *path, struct bytes *out)
{
	struct stat st;
	size_t cap = YDOC_FILE_MAX + 1, len = 0;
	char *buf;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	}
	buf = mem_zeroed(cap, 1);
	while (len < cap) {
		ssize_t n = read(fd, buf + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	*out = (struct bytes){mem_grow(buf, len, 1), len}; /* its own size: it may be kept */
	return 0;
}

int ydoc_open_read(struct ydoc *d, const struct text *t, struct policy_errors *es)
{
	*d = (struct ydoc){.es = es};
	if (!t->err)
		return ydoc_open_text(d, t->path, t->data, es);
	ydoc_problem(es, t->path, 1, 1, "cannot be read: %s", strerror(t->err));
	return -t->err;
}

int ydoc_open_file(struct ydoc *d, const char *path, struct policy_errors *es)
{
	struct texts t = {0};

	texts_read_file(&t, path);
	int r = ydoc_open_read(d, &t.v[0], es);
	texts_done(&t);
	return r;
}

void ydoc_close(struct ydoc *d)
{
	if (d->open)
		yaml_document_delete(&d->doc);
	d->open = false;
}

yaml_node_t *ydoc_root(struct ydoc *d)
{
	return yaml_document_get_root_node(&d->doc);
}

int ydoc_line(const yaml_node_t *n)
{
	return (int)n->start_mark.line + 1;
}

/* --- mappings and sequences ------------------------------------------------------------------- */

static const char *text_of(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

/* "" where nothing stands before the name */
static const char *dot(const char *where)
{
	return *where ? ": " : "";
}

static bool same_key_before(struct ydoc *d, yaml_node_t *n, const yaml_node_pair_t *pair, const char *key, int *line)
{
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < pair; p++) {
		yaml_node_t *k = yaml_document_get_node(&d->doc, p->key);

		if (text_of(k) && !strcmp(text_of(k), key)) {
			*line = ydoc_line(k);
			return true;
		}
	}
	return false;
}

void ydoc_pairs(struct ydoc *d, yaml_node_t *n, const char *where, ydoc_take *take, void *ctx)
{
	if (n->type != YAML_MAPPING_NODE) {
		ydoc_fail(d, n, "%s%smust be a mapping (key: value)", where, dot(where));
		return;
	}
	if (n->data.mapping.pairs.top - n->data.mapping.pairs.start > YDOC_KEYS_MAX) {
		ydoc_fail(d, n, "%s%smore than %d keys", where, dot(where), YDOC_KEYS_MAX);
		return;
	}
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		yaml_node_t *key = yaml_document_get_node(&d->doc, p->key);
		yaml_node_t *value = yaml_document_get_node(&d->doc, p->value);
		const char *name = ydoc_str(d, key, *where ? where : "key");
		int line;

		if (!name)
			continue;
		if (same_key_before(d, n, p, name, &line))
			ydoc_fail(d, key, "%s%s%s: given twice, first in line %d", where, dot(where), name, line);
		else
			take(d, key, value, ctx);
	}
}

struct known { /* what ydoc_map hands through ydoc_pairs */
	const char *where;
	const struct ydoc_key *keys;
	size_t n;
	void *ctx;
};

static void take_known(struct ydoc *d, yaml_node_t *key, yaml_node_t *value, void *ctx)
{
	const struct known *k = ctx;

	for (size_t i = 0; i < k->n; i++) {
		if (strcmp(k->keys[i].name, text_of(key)))
			continue;
		if (k->keys[i].take)
			k->keys[i].take(d, key, value, k->ctx);
		else
			ydoc_fail(d, key, "%s%s%s: not supported by this version", k->where, dot(k->where),
				  text_of(key));
		return;
	}
	ydoc_fail(d, key, "%s%s%s: unknown key", k->where, dot(k->where), text_of(key));
}

void ydoc_map(struct ydoc *d, yaml_node_t *n, const char *where, const struct ydoc_key *keys, size_t n_keys, void *ctx)
{
	struct known k = {where, keys, n_keys, ctx};

	ydoc_pairs(d, n, where, take_known, &k);
}

void ydoc_items(struct ydoc *d, yaml_node_t *n, const char *where, ydoc_take *take, void *ctx)
{
	if (n->type != YAML_SEQUENCE_NODE) {
		ydoc_fail(d, n, "%s%smust be a list", where, dot(where));
		return;
	}
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++)
		take(d, NULL, yaml_document_get_node(&d->doc, *i), ctx);
}

void ydoc_few_items(struct ydoc *d, yaml_node_t *n, const char *where, size_t max, ydoc_take *take, void *ctx)
{
	if (n->type == YAML_SEQUENCE_NODE && (size_t)(n->data.sequence.items.top - n->data.sequence.items.start) > max)
		ydoc_fail(d, n, "%s%smore than %zu", where, dot(where), max);
	else
		ydoc_items(d, n, where, take, ctx);
}

yaml_node_t *ydoc_get(struct ydoc *d, yaml_node_t *n, const char *key)
{
	if (!n || n->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
		yaml_node_t *k = yaml_document_get_node(&d->doc, p->key);

		if (text_of(k) && !strcmp(text_of(k), key))
			return yaml_document_get_node(&d->doc, p->value);
	}
	return NULL;
}

/* --- scalars ---------------------------------------------------------------------------------- */

const char *ydoc_str(struct ydoc *d, yaml_node_t *n, const char *where)
{
	const char *s = text_of(n);

	if (!s)
		ydoc_fail(d, n, "%s%smust be a string", where, dot(where));
	else if (!*s)
		ydoc_fail(d, n, "%s%smust not be empty", where, dot(where));
	else if (strlen(s) != n->data.scalar.length)
		ydoc_fail(d, n, "%s%smust not contain a NUL byte", where, dot(where));
	else
		return s;
	return NULL;
}

bool ydoc_uint(struct ydoc *d, yaml_node_t *n, const char *where, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *s = ydoc_str(d, n, where);
	unsigned long long v;
	char *end;

	if (!s)
		return false;
	errno = 0;
	v = strtoull(s, &end, 10);
	/* strtoull takes white space and signs, and wraps -1 round: only digits are numbers here */
	if (*s < '0' || *s > '9' || *end || errno || v < min || v > max) {
		ydoc_fail(d, n, "%s%smust be %llu to %llu, is %.60s", where, dot(where), (unsigned long long)min,
			  (unsigned long long)max, s);
		return false;
	}
	*out = v;
	return true;
}

bool ydoc_bool(struct ydoc *d, yaml_node_t *n, const char *where, bool *out)
{
	const char *s = text_of(n);

	if (!s || (strcmp(s, "true") && strcmp(s, "false"))) {
		ydoc_fail(d, n, "%s%smust be true or false", where, dot(where));
		return false;
	}
	*out = !strcmp(s, "true");
	return true;
}
