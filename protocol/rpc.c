/* Messages are walked by a scanner of our own before msgpack-c sees them. msgpack-c allocates what a header announces
 * (four bytes can announce 100 GiB) and its streaming form knows no limit of size; the scanner knows after each header
 * what the message must at least still bring, refuses what cannot fit, and keeps its place between reads, so that no
 * byte is looked at twice. Only a message that is complete, and within every limit, is unpacked. */
#include "rpc.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READER_START 4096u        /* bytes of a new buffer */
#define READER_KEEP  (256u << 10) /* an emptied buffer above this is given back */

/* --- the grammar, one row per first byte from 0xc0 to 0xdf --------------------------------------------------- */

enum shape { SHAPE_BAD, SHAPE_SCALAR, SHAPE_UINT, SHAPE_INT, SHAPE_BYTES, SHAPE_ARRAY, SHAPE_MAP };

struct format {
	uint8_t shape; /* enum shape */
	uint8_t width; /* bytes of the number behind the first byte: value, length or count */
	uint8_t extra; /* bytes behind that which are always there */
};

/* clang-format off */
static const struct format formats[32] = {
	[0x00] = {SHAPE_SCALAR, 0, 0},                                                              /* nil */
	[0x01] = {SHAPE_BAD, 0, 0},                                                                 /* never used */
	[0x02] = {SHAPE_SCALAR, 0, 0}, [0x03] = {SHAPE_SCALAR, 0, 0},                               /* bool */
	[0x04] = {SHAPE_BYTES, 1, 0}, [0x05] = {SHAPE_BYTES, 2, 0}, [0x06] = {SHAPE_BYTES, 4, 0},   /* bin */
	[0x07] = {SHAPE_BYTES, 1, 1}, [0x08] = {SHAPE_BYTES, 2, 1}, [0x09] = {SHAPE_BYTES, 4, 1},   /* ext */
	[0x0a] = {SHAPE_SCALAR, 0, 4}, [0x0b] = {SHAPE_SCALAR, 0, 8},                               /* float */
	[0x0c] = {SHAPE_UINT, 1, 0}, [0x0d] = {SHAPE_UINT, 2, 0},
	[0x0e] = {SHAPE_UINT, 4, 0}, [0x0f] = {SHAPE_UINT, 8, 0},
	[0x10] = {SHAPE_INT, 1, 0}, [0x11] = {SHAPE_INT, 2, 0},
	[0x12] = {SHAPE_INT, 4, 0}, [0x13] = {SHAPE_INT, 8, 0},
	[0x14] = {SHAPE_SCALAR, 0, 2}, [0x15] = {SHAPE_SCALAR, 0, 3}, [0x16] = {SHAPE_SCALAR, 0, 5}, /* fixext */
	[0x17] = {SHAPE_SCALAR, 0, 9}, [0x18] = {SHAPE_SCALAR, 0, 17},
	[0x19] = {SHAPE_BYTES, 1, 0}, [0x1a] = {SHAPE_BYTES, 2, 0}, [0x1b] = {SHAPE_BYTES, 4, 0},   /* str */
	[0x1c] = {SHAPE_ARRAY, 2, 0}, [0x1d] = {SHAPE_ARRAY, 4, 0},
	[0x1e] = {SHAPE_MAP, 2, 0}, [0x1f] = {SHAPE_MAP, 4, 0},
};
/* clang-format on */

struct header {
	enum shape shape;
	uint64_t number; /* value, length or count; INT: two's complement */
	size_t size;     /* bytes of header and fixed payload, without the `number` bytes of SHAPE_BYTES */
};

static uint64_t big_endian(const unsigned char *p, unsigned width)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < width; i++)
		v = v << 8 | p[i];
	return v;
}

/* Formats whose number is inside the first byte. */
static struct header fixed_header(unsigned char b)
{
	if (b < 0x80)
		return (struct header){SHAPE_UINT, b, 1};
	if (b < 0x90)
		return (struct header){SHAPE_MAP, b & 0x0f, 1};
	if (b < 0xa0)
		return (struct header){SHAPE_ARRAY, b & 0x0f, 1};
	if (b < 0xc0)
		return (struct header){SHAPE_BYTES, b & 0x1f, 1};
	return (struct header){SHAPE_INT, (uint64_t)(int64_t)(int8_t)b, 1};
}

/* 1: `*h` is filled; 0: the header's number is not there yet. */
static int read_header(const unsigned char *p, size_t avail, struct header *h)
{
	if (avail == 0)
		return 0;
	if (p[0] < 0xc0 || p[0] > 0xdf) {
		*h = fixed_header(p[0]);
		return 1;
	}
	const struct format *f = &formats[p[0] - 0xc0];

	if (avail < 1u + f->width)
		return 0;
	h->shape = f->shape;
	h->number = big_endian(p + 1, f->width);
	h->size = 1u + f->width + f->extra;
	if (f->shape == SHAPE_INT && f->width < 8 && h->number >> (8 * f->width - 1))
		h->number |= ~0ull << (8 * f->width);
	return 1;
}

/* --- the scanner --------------------------------------------------------------------------------------------- */

struct scan {
	size_t pos;                   /* bytes walked; may point past what is there, into an announced payload */
	size_t elements;              /* values seen and announced */
	unsigned depth;               /* open containers */
	uint64_t left[RPC_DEPTH_MAX]; /* values still to come in each */
	uint64_t owed;                /* sum of left[]: bytes that the rest has at least */
	/* the first two values of the outer array, when they are integers: type and msgid */
	bool has[2];
	uint64_t head[2];
};

struct rpc_reader {
	char *buf;
	size_t start, end, cap; /* the message being gathered is buf[start, end) */
	size_t max_message;
	struct scan scan;
	msgpack_unpacked unpacked; /* of the message last handed out; points into buf */
	size_t handed_out;         /* its bytes, to be dropped at the next call */
	int failed;                /* -errno that every later call repeats */
	struct err why;
};

enum { SCAN_MORE, SCAN_WHOLE };

static int too_large(struct err *e, const char *what, unsigned long max, const char *unit)
{
	return err_set(e, ERR_REQUEST, "message", 0, "%s more than %lu %s", what, max, unit), -EMSGSIZE;
}

static int not_rpc(struct err *e, const char *why)
{
	return err_set(e, ERR_REQUEST, "message", 0, "not msgpack-RPC: %s", why), -EPROTO;
}

/* The first value must be the array of a request, response or notification. */
static int check_outermost(const struct header *h, struct err *e)
{
	if (h->shape != SHAPE_ARRAY)
		return not_rpc(e, "does not begin with an array");
	if (h->number < 3 || h->number > 4)
		return not_rpc(e, "the array has neither 3 nor 4 elements");
	return 0;
}

/* A value that stands directly in the outer array: remember type and msgid. */
static void note_head(struct scan *s, const struct header *h)
{
	/* until a container is met, elements is 1 + what the outer array announced, and left[] is without this one */
	size_t i = s->elements - s->left[0] - 2;

	if (i < 2 && (h->shape == SHAPE_UINT || (h->shape == SHAPE_INT && (int64_t)h->number >= 0))) {
		s->has[i] = true;
		s->head[i] = h->number;
	}
}

/* Opens a container of `count` values. */
static int scan_open(struct scan *s, uint64_t count, size_t max, struct err *e)
{
	if (count > RPC_ELEMENTS_MAX || s->elements + count > RPC_ELEMENTS_MAX)
		return too_large(e, "has", RPC_ELEMENTS_MAX, "values");
	if (s->depth == RPC_DEPTH_MAX)
		return too_large(e, "is nested", RPC_DEPTH_MAX, "deep");
	if (count > 0)
		s->left[s->depth++] = count;
	s->elements += count;
	s->owed += count;
	return s->pos + s->owed > max ? too_large(e, "has", max, "bytes") : 0;
}

/* Applies one header: 0 or a negative error. */
static int scan_value(struct scan *s, const struct header *h, size_t max, struct err *e)
{
	int r = s->depth == 0 ? check_outermost(h, e) : 0;

	if (r < 0)
		return r;
	if (h->shape == SHAPE_BAD)
		return not_rpc(e, "byte 0xc1");
	if (s->depth == 0)
		s->elements = 1;
	if (s->depth > 0) {
		s->left[s->depth - 1]--;
		s->owed--;
	}
	if (s->depth == 1)
		note_head(s, h);
	s->pos += h->size + (h->shape == SHAPE_BYTES ? h->number : 0);
	if (s->pos + s->owed > max)
		return too_large(e, "has", max, "bytes");
	if (h->shape == SHAPE_ARRAY)
		return scan_open(s, h->number, max, e);
	if (h->shape == SHAPE_MAP)
		return scan_open(s, 2 * h->number, max, e);
	return 0;
}

/* Walks what is there. SCAN_WHOLE: the message is buf[0, s->pos). */
static int scan_step(struct scan *s, const char *buf, size_t len, size_t max, struct err *e)
{
	struct header h;

	if (s->elements > 0 && s->depth == 0) /* only the payload of the last value was missing */
		return s->pos <= len ? SCAN_WHOLE : SCAN_MORE;
	while (s->pos < len) {
		if (!read_header((const unsigned char *)buf + s->pos, len - s->pos, &h))
			return SCAN_MORE;
		int r = scan_value(s, &h, max, e);

		if (r < 0)
			return r;
		while (s->depth > 0 && s->left[s->depth - 1] == 0)
			s->depth--;
		if (s->depth == 0)
			return s->pos <= len ? SCAN_WHOLE : SCAN_MORE;
	}
	return SCAN_MORE;
}

/* --- the reader ---------------------------------------------------------------------------------------------- */

struct rpc_reader *rpc_reader_new(size_t max_message)
{
	struct rpc_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->max_message = max_message;
	msgpack_unpacked_init(&r->unpacked);
	return r;
}

void rpc_reader_free(struct rpc_reader *r)
{
	if (!r)
		return;
	msgpack_unpacked_destroy(&r->unpacked);
	free(r->buf);
	free(r);
}

/* Forgets the message handed out last. */
static void drop_message(struct rpc_reader *r)
{
	if (r->handed_out == 0)
		return;
	msgpack_unpacked_destroy(&r->unpacked);
	r->start += r->handed_out;
	r->handed_out = 0;
	memset(&r->scan, 0, sizeof(r->scan));
	if (r->start < r->end)
		return;
	r->start = r->end = 0;
	if (r->cap > READER_KEEP) {
		free(r->buf);
		r->buf = NULL;
		r->cap = 0;
	}
}

/* Doubles, so that what is allocated follows what has arrived, never what was announced. */
static int grow(struct rpc_reader *r, size_t need)
{
	size_t cap = r->cap ? r->cap : READER_START;
	char *buf;

	while (cap < need)
		cap *= 2;
	buf = realloc(r->buf, cap);
	if (!buf)
		return -ENOMEM;
	r->buf = buf;
	r->cap = cap;
	return 0;
}

int rpc_reader_space(struct rpc_reader *r, size_t want, char **buf, size_t *size)
{
	int ret = 0;

	drop_message(r);
	if (r->cap - r->end < want && r->start > 0) {
		memmove(r->buf, r->buf + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	if (r->cap - r->end < want)
		ret = grow(r, r->end + want);
	if (ret < 0)
		return ret;
	*buf = r->buf + r->end;
	*size = r->cap - r->end;
	return 0;
}

void rpc_reader_filled(struct rpc_reader *r, size_t n)
{
	r->end += n;
}

static bool is_bytes(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_STR || o->type == MSGPACK_OBJECT_BIN;
}

static int take_method(const msgpack_object *o, struct bytes *method, struct err *e)
{
	if (!is_bytes(o))
		return not_rpc(e, "the method is not a string");
	*method = (struct bytes){o->via.str.ptr, o->via.str.size};
	return 0;
}

static int take_params(const msgpack_object *o, const msgpack_object **params, struct err *e)
{
	*params = NULL;
	if (o->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (o->type != MSGPACK_OBJECT_ARRAY)
		return not_rpc(e, "params is not an array");
	if (o->via.array.size == 1 && o->via.array.ptr[0].type == MSGPACK_OBJECT_MAP)
		*params = &o->via.array.ptr[0];
	else if (o->via.array.size > 0)
		*params = o;
	return 0;
}

static int take_request(const msgpack_object *v, struct rpc_message *m, struct err *e)
{
	int ret = take_method(&v[2], &m->method, e);

	return ret < 0 ? ret : take_params(&v[3], &m->params, e);
}

static int take_response(const msgpack_object *v, struct rpc_message *m, struct err *e)
{
	(void)e;
	m->error = &v[2];
	m->result = &v[3];
	return 0;
}

static int take_notify(const msgpack_object *v, struct rpc_message *m, struct err *e)
{
	int ret = take_method(&v[1], &m->method, e);

	return ret < 0 ? ret : take_params(&v[2], &m->params, e);
}

static const struct {
	uint32_t size;
	bool has_id;
	int (*take)(const msgpack_object *v, struct rpc_message *m, struct err *e);
} message_types[] = {
	[RPC_REQUEST] = {4, true, take_request},
	[RPC_RESPONSE] = {4, true, take_response},
	[RPC_NOTIFY] = {3, false, take_notify},
};

/* The scanner has seen that this is an array. */
static int take_message(const struct scan *s, const msgpack_object *o, struct rpc_message *m, struct err *e)
{
	memset(m, 0, sizeof(*m));
	if (!s->has[0] || s->head[0] > RPC_NOTIFY)
		return not_rpc(e, "the type is not 0, 1 or 2");
	m->type = (enum rpc_type)s->head[0];
	if (o->via.array.size != message_types[m->type].size)
		return not_rpc(e, "the array's length does not fit the type");
	if (message_types[m->type].has_id && (!s->has[1] || s->head[1] > UINT32_MAX))
		return not_rpc(e, "the msgid is not a 32-bit number");
	m->msgid = message_types[m->type].has_id ? (uint32_t)s->head[1] : 0;
	return message_types[m->type].take(o->via.array.ptr, m, e);
}

static int unpack(struct rpc_reader *r, struct rpc_message *m, struct err *e)
{
	size_t off = 0;
	msgpack_unpack_return got = msgpack_unpack_next(&r->unpacked, r->buf + r->start, r->scan.pos, &off);

	if (got == MSGPACK_UNPACK_NOMEM_ERROR)
		return err_set(e, ERR_HOST, "message", ENOMEM, NULL);
	if (got != MSGPACK_UNPACK_SUCCESS || off != r->scan.pos)
		return not_rpc(e, "not msgpack");
	r->handed_out = r->scan.pos;
	return take_message(&r->scan, &r->unpacked.data, m, e);
}

int rpc_parse(struct bytes whole, msgpack_unpacked *u, struct rpc_message *m, struct err *e)
{
	struct scan s = {0};
	size_t off = 0;
	int ret = scan_step(&s, whole.p, whole.len, whole.len, e);

	if (ret < 0)
		return ret;
	if (ret != SCAN_WHOLE || s.pos != whole.len)
		return not_rpc(e, ret == SCAN_WHOLE ? "something stands behind it" : "it is cut off");
	if (msgpack_unpack_next(u, whole.p, whole.len, &off) != MSGPACK_UNPACK_SUCCESS || off != whole.len)
		return not_rpc(e, "not msgpack");
	return take_message(&s, &u->data, m, e);
}

static int64_t request_id(const struct scan *s)
{
	bool readable = s->has[0] && s->head[0] == RPC_REQUEST && s->has[1] && s->head[1] <= UINT32_MAX;

	return readable ? (int64_t)s->head[1] : -1;
}

size_t rpc_reader_held(const struct rpc_reader *r)
{
	return r->cap;
}

int64_t rpc_reader_msgid(const struct rpc_reader *r)
{
	return request_id(&r->scan);
}

int rpc_reader_next(struct rpc_reader *r, struct rpc_message *m, int64_t *msgid, struct err *e)
{
	int ret;

	if (!r->failed) {
		drop_message(r);
		if (r->start == r->end)
			return 0;
		ret = scan_step(&r->scan, r->buf + r->start, r->end - r->start, r->max_message, &r->why);
		if (ret == SCAN_WHOLE)
			ret = unpack(r, m, &r->why);
		else if (ret == SCAN_MORE)
			return 0;
		r->failed = ret;
	}
	*msgid = request_id(&r->scan);
	if (r->failed && e)
		*e = r->why;
	return r->failed ? r->failed : 1;
}
