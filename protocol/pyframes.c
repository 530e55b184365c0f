#include "pyframes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STRUCT_MAX 512u  /* bytes of a thread state, frame or code object that offsets may lie in */
#define INTERP_MAX (1u << 20)
#define CHUNK 4096u      /* of a line table, at once */

/* --- the layout as text ------------------------------------------------------------------------------------ */

void pyframes_format(const struct pyframes *p, char text[PYFRAMES_TEXT])
{
	size_t n = 0;

	for (int i = 0; i < PY_COUNT; i++)
		n += (size_t)snprintf(text + n, PYFRAMES_TEXT - n, "%s%llx", i ? " " : "", (unsigned long long)p->v[i]);
}

static bool is_offset(const struct pyframes *p, int i)
{
	uint64_t most = i == PY_INTERP_THREADS ? INTERP_MAX : i == PY_PTHREAD_TID ? 8 * STRUCT_MAX : STRUCT_MAX - 8;
	bool may_lack = i == PY_CFRAME || i == PY_PTHREAD_TID || i == PY_F_OWNER || i == PY_CO_CODE;

	return p->v[i] <= most || (may_lack && p->v[i] == PYFRAMES_NONE);
}

int pyframes_parse(struct pyframes *p, const char *text)
{
	for (int i = 0; i < PY_COUNT; i++) {
		char *end;

		p->v[i] = strtoull(text, &end, 16);
		if (end == text || (*end != ' ' && *end))
			return -EPROTO;
		text = end + (*end == ' ');
	}
	for (int i = PY_LINES + 1; i < PY_CODE_TYPE; i++)
		if (!is_offset(p, i))
			return -EPROTO;
	return *text || p->v[PY_LINES] < PY_LNOTAB || p->v[PY_LINES] > PY_LOCATIONS ? -EPROTO : 0;
}

/* --- memory ------------------------------------------------------------------------------------------------ */

/* Up to n bytes: fewer where the mapping ends. 0: none. */
static size_t peek(int mem, uint64_t t_addr, void *buf, size_t n)
{
	if (t_addr < 4096 || t_addr > INT64_MAX - n)
		return 0;
	ssize_t got = pread(mem, buf, n, (off_t)t_addr);
	return got > 0 ? (size_t)got : 0;
}

/* A struct, what is missing of it zero. */
struct block {
	unsigned char b[STRUCT_MAX];
};

static bool load(int mem, uint64_t t_addr, struct block *b, size_t n)
{
	memset(b->b, 0, sizeof(b->b));
	return peek(mem, t_addr, b->b, n < sizeof(b->b) ? n : sizeof(b->b)) > 0;
}

static uint64_t word(const struct block *b, uint64_t at)
{
	uint64_t v = 0;

	if (at <= sizeof(b->b) - sizeof(v))
		memcpy(&v, b->b + at, sizeof(v));
	return v;
}

static uint64_t word_at(int mem, uint64_t t_addr)
{
	uint64_t v = 0;

	return peek(mem, t_addr, &v, sizeof(v)) == sizeof(v) ? v : 0;
}

static size_t size_for(const struct pyframes *p, int first, int last)
{
	uint64_t most = 16;

	for (int i = first; i <= last; i++)
		if (p->v[i] != PYFRAMES_NONE && p->v[i] > most)
			most = p->v[i];
	return (size_t)most + 8;
}

/* --- threads and frames ------------------------------------------------------------------------------------ */

static bool is_of(const struct pyframes *p, int mem, const struct block *ts, pid_t tid)
{
	uint64_t id = word(ts, p->v[PY_TS_ID]);
	int32_t in_pthread = 0;

	if (p->v[PY_PTHREAD_TID] == PYFRAMES_NONE)
		return id == (uint64_t)tid;
	return peek(mem, id + p->v[PY_PTHREAD_TID], &in_pthread, sizeof(in_pthread)) == sizeof(in_pthread) && in_pthread == tid;
}

uint64_t pyframes_thread(const struct pyframes *p, int mem, pid_t tid, uint64_t t_hint)
{
	size_t n = size_for(p, PY_TS_NEXT, PY_TS_ID);
	struct block ts;

	if (t_hint && load(mem, t_hint, &ts, n) && is_of(p, mem, &ts, tid))
		return t_hint;
	uint64_t t_at = word_at(mem, p->v[PY_INTERP] + p->v[PY_INTERP_THREADS]);
	for (int i = 0; i < PYFRAMES_THREADS_MAX && t_at; i++) {
		if (!load(mem, t_at, &ts, n))
			return 0;
		if (is_of(p, mem, &ts, tid))
			return t_at;
		t_at = word(&ts, p->v[PY_TS_NEXT]);
	}
	return 0;
}

uint64_t pyframes_innermost(const struct pyframes *p, int mem, uint64_t t_thread)
{
	uint64_t t_frame = word_at(mem, t_thread + p->v[PY_TS_FRAME]);

	return p->v[PY_CFRAME] == PYFRAMES_NONE || !t_frame ? t_frame : word_at(mem, t_frame + p->v[PY_CFRAME]);
}

/* Where in the code it is, in bytes. */
static int64_t instruction(const struct pyframes *p, const struct block *frame, uint64_t t_code)
{
	uint64_t raw = word(frame, p->v[PY_F_INSTR]);

	if (p->v[PY_CO_CODE] != PYFRAMES_NONE)
		return (int64_t)(raw - t_code - p->v[PY_CO_CODE]);
	return (int64_t)(int32_t)raw * (p->v[PY_LINES] == PY_LNOTAB ? 1 : 2);
}

bool pyframes_next(const struct pyframes *p, int mem, uint64_t *t_frame, struct pyframe *out)
{
	struct block f, co;
	uint64_t t_this = *t_frame;

	*t_frame = 0;
	if (!load(mem, t_this, &f, size_for(p, PY_F_BACK, PY_F_OWNER)))
		return false;
	*t_frame = word(&f, p->v[PY_F_BACK]);
	if (p->v[PY_F_OWNER] != PYFRAMES_NONE && (word(&f, p->v[PY_F_OWNER]) & 0xff) > 2) /* from 3.12 on: a frame between C and Python */
		return false;
	out->t_code = word(&f, p->v[PY_F_CODE]) & ~7ull; /* from 3.14 on the low bits are marks */
	if (!load(mem, out->t_code, &co, size_for(p, PY_CO_FILE, PY_CO_LINES)) || word(&co, 8) != p->v[PY_CODE_TYPE])
		return false;
	out->t_file = word(&co, p->v[PY_CO_FILE]);
	out->t_function = word(&co, p->v[PY_CO_FUNCTION]);
	out->t_lines = word(&co, p->v[PY_CO_LINES]);
	out->first_line = (int32_t)word(&co, p->v[PY_CO_FIRST_LINE]);
	out->at = instruction(p, &f, out->t_code);
	return true;
}

/* --- texts ------------------------------------------------------------------------------------------------- */

static size_t put_utf8(char *to, uint32_t c)
{
	if (c < 0x80)
		return to[0] = (char)c, 1;
	if (c < 0x800)
		return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 0x3f)), 2;
	if (c < 0x10000)
		return to[0] = (char)(0xe0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 0x3f)), to[2] = (char)(0x80 | (c & 0x3f)), 3;
	return to[0] = (char)(0xf0 | (c >> 18 & 7)), to[1] = (char)(0x80 | (c >> 12 & 0x3f)), to[2] = (char)(0x80 | (c >> 6 & 0x3f)),
	       to[3] = (char)(0x80 | (c & 0x3f)), 4;
}

/* A str begins with count, type, length, hash, and 32 bits of state: interned (2), kind (3), compact, ascii. */
ssize_t pyframes_text(const struct pyframes *p, int mem, uint64_t t_str, char *buf, size_t size)
{
	unsigned char raw[1024];
	size_t have = peek(mem, t_str, raw, sizeof(raw)), n = 0;
	uint64_t length;
	uint32_t state;

	if (have < 40)
		return -EFAULT;
	memcpy(&length, raw + 16, sizeof(length));
	memcpy(&state, raw + 32, sizeof(state));
	unsigned width = state >> 2 & 7;
	bool compact = state >> 5 & 1, ascii = state >> 6 & 1;
	size_t at = (size_t)p->v[ascii ? PY_ASCII : PY_COMPACT];
	if (!compact || (width != 1 && width != 2 && width != 4))
		return -EFAULT;
	for (uint64_t i = 0; i < length && at + width <= have && n + 5 <= size; i++, at += width) {
		uint32_t c = 0;

		memcpy(&c, raw + at, width);
		if (!c)
			break;
		n += put_utf8(buf + n, c);
	}
	buf[n] = '\0';
	return (ssize_t)n;
}

/* --- lines ------------------------------------------------------------------------------------------------- */

/* A line table, a chunk at a time. */
struct table {
	int mem;
	uint64_t t_at;
	size_t left, have, next; /* bytes not read yet; in buf; taken of those */
	unsigned char buf[CHUNK];
};

static int byte(struct table *t)
{
	if (t->next == t->have) {
		size_t want = t->left < sizeof(t->buf) ? t->left : sizeof(t->buf);

		t->have = want ? peek(t->mem, t->t_at, t->buf, want) : 0;
		t->next = 0;
		if (!t->have)
			return -1;
		t->t_at += t->have;
		t->left -= t->have;
	}
	return t->buf[t->next++];
}

static int lnotab(struct table *t, int64_t at, int64_t line)
{
	int64_t addr = 0;
	int more, lines;

	while ((more = byte(t)) >= 0 && (lines = byte(t)) >= 0) {
		addr += more;
		if (addr > at)
			break;
		line += (int8_t)lines;
	}
	return (int)line;
}

static int linetable(struct table *t, int64_t at, int64_t line)
{
	int64_t end = 0;
	int more, lines;

	while ((more = byte(t)) >= 0 && (lines = byte(t)) >= 0) {
		end += more;
		if (lines != 0x80) /* -128: no line of its own */
			line += (int8_t)lines;
		if (end > at)
			break;
	}
	return (int)line;
}

/* Signed number in groups of six bits, the least first; its sign is the lowest bit. */
static int64_t svarint(struct table *t)
{
	uint64_t v = 0;
	int b, shift = 0;

	do {
		b = byte(t);
		if (b < 0 || shift > 36)
			return 0;
		v |= (uint64_t)(b & 0x3f) << shift;
		shift += 6;
	} while (b & 0x40);
	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

/* An entry's first byte alone has its top bit set: kind (4 bits), instructions - 1 (3 bits). */
static int locations(struct table *t, int64_t at, int64_t line)
{
	int64_t end = 0;
	int b = byte(t);

	while (b >= 0) {
		int kind = b >> 3 & 15;

		end += ((b & 7) + 1) * 2;
		if (kind == 13 || kind == 14)
			line += svarint(t);
		else if (kind >= 10 && kind <= 12)
			line += kind - 10;
		if (end > at)
			break;
		while ((b = byte(t)) >= 0 && !(b & 0x80))
			;
	}
	return (int)line;
}

int pyframes_line(const struct pyframes *p, int mem, const struct pyframe *f)
{
	static int (*const find[])(struct table *t, int64_t at, int64_t line) = {
		[PY_LNOTAB] = lnotab, [PY_LINETABLE] = linetable, [PY_LOCATIONS] = locations,
	};
	uint64_t size = word_at(mem, f->t_lines + 16); /* of a bytes object: count, type, size */
	struct table t;

	if (f->at < 0)
		return f->first_line > 0 ? f->first_line : 0;
	if (size > PYFRAMES_LINES_MAX)
		return 0;
	t.mem = mem;
	t.t_at = f->t_lines + p->v[PY_BYTES];
	t.left = (size_t)size;
	t.have = t.next = 0;
	int line = find[p->v[PY_LINES]](&t, f->at, f->first_line);
	return line > 0 ? line : 0;
}
