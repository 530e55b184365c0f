/* V8's frames: the innermost of the user's own. What is read is the job's to write. */
#include "frames_node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "frames.h"
#include "guest.h"
#include "stacks.h"

/* What every V8 from Node 18 to 25 has in common, in bytes, beside what V8_NUMBERS tells. */
#define MAP_TYPE       12 /* uint16_t */
#define STRING_LENGTH  12 /* uint32_t */
#define STRING_CHARS   16
#define STRING_ACTUAL  16 /* of a thin string; likewise the first part of a cons string, the parent of a sliced one */
#define STRING_SECOND  24 /* of a cons string; likewise where a sliced one begins */
#define ARRAY_LENGTH   8
#define ARRAY_DATA     16
#define WORD           8
#define NONSTRING      0x80 /* types from here on are no strings */
#define STRING_KIND    7
#define STRING_ONEBYTE 8
enum { KIND_PLAIN, KIND_CONS, KIND_EXTERNAL, KIND_SLICED, KIND_THIN = 5 };

#define READS_MAX     3000
#define NAME_MAX_BYTES 512
#define TABLE_MAX     (32u << 10)  /* bytes of source positions of one function */
#define SOURCE_MAX    (4u << 20)   /* bytes of source looked through for lines */
#define PIECE         8192u
#define OBJECT_WORDS  12
#define ISOLATE_MAX   (256u << 10)
#define LOCALS_MAX    75           /* more are kept in a table of another kind */
#define NAME_SLOTS    4
#define CODE_FIELDS   7

/* why there is no line */
#define NO_PROGRAM   "no code of the program was running"
#define NO_SCRIPT    "made by a thread that runs no JavaScript: one of Node's pool, for something that was asked for before"
#define NO_STACK     "made by a thread beside the main one, whose stack cannot be looked at on this machine"

/* words of a frame, from the lowest */
enum { F_OFFSET, F_BYTECODE, F_UNUSED, F_FUNCTION, F_CONTEXT, F_CALLER, F_RETURN, F_WORDS };

struct walk {
	const struct v8_frames *f;
	const struct frames_job *job; /* NULL while fitting */
	int mem;
	unsigned reads;
	struct { uint64_t map; int type; } seen[8]; /* maps whose type was looked up */
	unsigned next_seen;
};

struct string {
	uint64_t chars; /* t_addr */
	uint32_t len;   /* characters */
	bool one_byte;
};

static bool peek(struct walk *w, uint64_t t_addr, void *buf, size_t n)
{
	return ++w->reads <= READS_MAX && guest_read(w->mem, t_addr, buf, n) == 0;
}

static bool is_object(uint64_t v)
{
	return (v & 3) == 1;
}

static bool is_smi(uint64_t v)
{
	return (uint32_t)v == 0;
}

static int32_t smi(uint64_t v)
{
	return (int32_t)(v >> 32);
}

static int type_by_map(struct walk *w, uint64_t map)
{
	uint16_t type;

	for (unsigned i = 0; i < 8; i++)
		if (w->seen[i].map == map)
			return w->seen[i].type;
	if (!is_object(map) || !peek(w, map - 1 + MAP_TYPE, &type, sizeof(type)))
		return -1;
	w->seen[w->next_seen % 8].map = map;
	w->seen[w->next_seen++ % 8].type = type;
	return type;
}

/* Its first words; gives its type, -1 for what is none. */
static int object(struct walk *w, uint64_t v, uint64_t *words, size_t n)
{
	return is_object(v) && peek(w, v - 1, words, n * WORD) ? type_by_map(w, words[0]) : -1;
}

static uint64_t field(const struct walk *w, const uint64_t *words, enum v8_number n)
{
	unsigned i = (unsigned)w->f->number[n] / WORD;

	return i < OBJECT_WORDS ? words[i] : 0;
}

/* --- strings -------------------------------------------------------------------------------------------------- */

static bool string_at(struct walk *w, uint64_t v, struct string *s)
{
	uint64_t words[4];
	uint32_t from = 0, len = 0;

	for (int depth = 0; depth < 8; depth++) {
		int type = object(w, v, words, 4);
		if (type < 0 || type >= NONSTRING)
			return false;
		if (!depth)
			len = (uint32_t)(words[STRING_LENGTH / WORD] >> 32);
		int kind = type & STRING_KIND;
		if (kind == KIND_PLAIN) {
			s->one_byte = type & STRING_ONEBYTE;
			s->chars = v - 1 + STRING_CHARS + (s->one_byte ? from : 2ull * from);
			s->len = len;
			return true;
		}
		if (kind == KIND_SLICED)
			from += (uint32_t)smi(words[STRING_SECOND / WORD]);
		else if (kind != KIND_CONS && kind != KIND_THIN)
			return false;
		v = words[STRING_ACTUAL / WORD]; /* of a cons string the first part alone: a flat one has no other */
	}
	return false;
}

/* Some of its characters as numbers; how many. */
static size_t characters(struct walk *w, const struct string *s, uint32_t from, uint16_t *out, size_t n)
{
	if (from >= s->len)
		return 0;
	if (n > s->len - from)
		n = s->len - from;
	if (!s->one_byte)
		return peek(w, s->chars + 2ull * from, out, n * 2) ? n : 0;
	uint8_t *bytes = (uint8_t *)out + n; /* widened in place, upwards */
	if (!peek(w, s->chars + from, bytes, n))
		return 0;
	for (size_t i = 0; i < n; i++)
		out[i] = bytes[i];
	return n;
}

/* Unpaired surrogates become U+FFFD. What does not fit is cut off between characters. */
static void to_utf8(const uint16_t *c, size_t n, char *buf, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < n && at + 5 <= size; i++) {
		uint32_t u = c[i];
		if (u >= 0xd800 && u < 0xdc00 && i + 1 < n && c[i + 1] >= 0xdc00 && c[i + 1] < 0xe000)
			u = 0x10000 + ((u - 0xd800) << 10) + (c[++i] - 0xdc00u);
		else if (u >= 0xd800 && u < 0xe000)
			u = 0xfffd;
		if (u < 0x80) {
			buf[at++] = (char)u;
			continue;
		}
		int more = u < 0x800 ? 1 : u < 0x10000 ? 2 : 3;
		buf[at++] = (char)((0xff << (7 - more) & 0xff) | u >> 6 * more);
		while (more--)
			buf[at++] = (char)(0x80 | (u >> 6 * more & 0x3f));
	}
	buf[at] = '\0';
}

static bool text_of(struct walk *w, uint64_t v, char *buf, size_t size)
{
	uint16_t c[256];
	struct string s;

	if (!string_at(w, v, &s))
		return false;
	to_utf8(c, characters(w, &s, 0, c, 256), buf, size);
	return true;
}

/* Line of a character: V8 ends lines at \n, \r, \r\n, U+2028 and U+2029. */
static int line_of(struct walk *w, uint64_t source, uint32_t position)
{
	static uint16_t c[PIECE];
	struct string s;
	int line = 1;
	uint16_t last = 0;

	if (!string_at(w, source, &s) || position > s.len || position > SOURCE_MAX / (s.one_byte ? 1 : 2))
		return 0;
	for (uint32_t at = 0; at < position;) {
		size_t n = characters(w, &s, at, c, position - at < PIECE ? position - at : PIECE);
		if (!n)
			return 0;
		for (size_t i = 0; i < n; last = c[i++])
			line += (c[i] == '\n' && last != '\r') || c[i] == '\r' || (c[i] | 1) == 0x2029;
		at += n;
	}
	return line;
}

/* --- positions ------------------------------------------------------------------------------------------------ */

static bool number_at(const uint8_t *b, size_t n, size_t *at, int64_t *out)
{
	uint64_t v = 0;

	for (int shift = 0; *at < n && shift < 63; shift += 7) {
		uint8_t c = b[(*at)++];
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
			return true;
		}
	}
	return false;
}

/* The character that the code at `offset` was made of; offset < 0: where the function begins. -1: unknown. A table is a row of pairs of
 * differences: the code's offset, negative for what is no statement, and the source's, as V8's SourcePosition. */
static int64_t position_of(struct walk *w, uint64_t table, int64_t offset)
{
	static uint8_t b[TABLE_MAX];
	uint64_t words[2];
	int64_t code = -1, source = 0, dc, ds, found = -1;
	size_t at = 0;

	if (!is_object(table) || !peek(w, table - 1, words, sizeof(words)) || !is_smi(words[ARRAY_LENGTH / WORD]))
		return -1;
	int32_t n = smi(words[ARRAY_LENGTH / WORD]);
	if (n <= 0 || n > (int32_t)TABLE_MAX || !peek(w, table - 1 + ARRAY_DATA, b, (size_t)n))
		return -1;
	while (number_at(b, (size_t)n, &at, &dc) && number_at(b, (size_t)n, &at, &ds)) {
		code += dc >= 0 ? dc : -(dc + 1);
		source += ds;
		if (found >= 0 && code > offset)
			break;
		found = (source >> 1 & 0x3fffffff) - 1;
	}
	return found;
}

/* --- frames --------------------------------------------------------------------------------------------------- */

struct function {
	uint64_t shared[OBJECT_WORDS], script[OBJECT_WORDS];
};

static bool function_at(struct walk *w, uint64_t v, struct function *fn)
{
	uint64_t shared;

	return is_object(v) && peek(w, v - 1 + (unsigned)w->f->number[V8_FUNCTION_SHARED], &shared, sizeof(shared)) &&
	       object(w, shared, fn->shared, OBJECT_WORDS) == w->f->number[V8_TYPE_SHARED] &&
	       object(w, field(w, fn->shared, V8_SHARED_SCRIPT), fn->script, OBJECT_WORDS) == w->f->number[V8_TYPE_SCRIPT];
}

/* The name itself, or a ScopeInfo: there it is the first string behind those of the locals. */
static void name_of(struct walk *w, const struct function *fn, char *buf, size_t size)
{
	uint64_t v = field(w, fn->shared, V8_SHARED_NAME), words[OBJECT_WORDS], slots[NAME_SLOTS];
	unsigned first = 1 + (unsigned)w->f->number[V8_SCOPE_FIRST], locals = 1 + (unsigned)w->f->number[V8_SCOPE_LOCALS];

	buf[0] = '\0';
	if (locals < OBJECT_WORDS && object(w, v, words, locals + 1) == w->f->number[V8_TYPE_SCOPE]) {
		if (is_smi(words[locals]) && (uint32_t)smi(words[locals]) < LOCALS_MAX &&
		    peek(w, v - 1 + WORD * (first + 2ull * (uint32_t)smi(words[locals])), slots, sizeof(slots)))
			for (int i = 0; i < NAME_SLOTS && !buf[0]; i++)
				text_of(w, slots[i], buf, size);
	} else {
		text_of(w, v, buf, size);
	}
	if (!buf[0])
		snprintf(buf, size, "<anonymous>");
}

static bool is_bytecode(struct walk *w, uint64_t v, uint64_t *words)
{
	return object(w, v, words, OBJECT_WORDS) == w->f->number[V8_TYPE_BYTECODE];
}

/* Compiled code stands where the bytecode was, and has it among its first fields. */
static bool bytecode_of(struct walk *w, uint64_t v, uint64_t *words)
{
	uint64_t code[CODE_FIELDS];

	if (is_bytecode(w, v, words))
		return true;
	if (object(w, v, code, CODE_FIELDS) < 0)
		return false;
	for (int i = 1; i < CODE_FIELDS; i++)
		if (is_bytecode(w, code[i], words))
			return true;
	return false;
}

/* In characters; -1: unknown. Code that is compiled does not tell where it is: then it is where the function begins, *rough. */
static int64_t place_in_source(struct walk *w, const uint64_t *frame, const struct function *fn, bool *rough)
{
	uint64_t words[OBJECT_WORDS];
	int64_t offset = -1;

	*rough = true;
	if (!is_bytecode(w, frame[F_BYTECODE], words)) {
		if (!bytecode_of(w, fn->shared[w->f->shared_bytecode / WORD], words))
			return -1;
	} else if (is_smi(frame[F_OFFSET])) {
		offset = smi(frame[F_OFFSET]) - (w->f->number[V8_BYTECODE_FIRST] - 1);
		*rough = false;
	}
	return position_of(w, words[w->f->bytecode_positions / WORD], offset);
}

static bool script_name(struct walk *w, const uint64_t *frame, struct function *fn, char *file)
{
	return is_object(frame[F_CONTEXT]) && function_at(w, frame[F_FUNCTION], fn) &&
	       text_of(w, field(w, fn->script, V8_SCRIPT_NAME), file, NAME_MAX_BYTES) && *file;
}

static int line_in(struct walk *w, const uint64_t *frame, const struct function *fn, bool *rough)
{
	int64_t position = place_in_source(w, frame, fn, rough);

	return position < 0 ? 0 : line_of(w, field(w, fn->script, V8_SCRIPT_SOURCE), (uint32_t)position);
}

/* A frame of native code has a small number, its kind, where those of JavaScript have their context. */
static bool is_marker(uint64_t v)
{
	return v && v < 128;
}

/* Calls `each` for the frames from `fp` on, until it gives true. */
static bool walk_frames(struct walk *w, uint64_t fp, bool (*each)(struct walk *w, const uint64_t *frame, void *arg), void *arg)
{
	uint64_t frame[F_WORDS], end = fp + STACKS_MAX;

	for (int i = 0; i < (w->job ? w->job->depth : FRAMES_DEPTH_MAX) && fp % WORD == 0 && fp < end && !(w->job && frames_is_over(w->job)); i++) {
		if (!peek(w, fp - F_CALLER * WORD, frame, sizeof(frame)))
			return false;
		if (each(w, frame, arg))
			return true;
		if (frame[F_CALLER] <= fp)
			return false;
		fp = frame[F_CALLER];
	}
	return false;
}

/* Modules are named by their URL. */
static void plain_path(char *file)
{
	static const char url[] = "file://";
	size_t n = sizeof(url) - 1;
	char *to = file;
	unsigned c;

	if (strncmp(file, url, n) != 0)
		return;
	for (const char *from = file + n; *from; to++)
		if (*from == '%' && sscanf(from + 1, "%2x", &c) == 1 && c && from[2]) {
			*to = (char)c;
			from += 3;
		} else {
			*to = *from++;
		}
	*to = '\0';
}

struct search {
	uint64_t best[F_WORDS];
	struct function function; /* of that frame */
	char file[NAME_MAX_BYTES];
	bool found;
};

static bool is_wanted(struct walk *w, const uint64_t *frame, void *arg)
{
	struct search *s = arg;
	struct function fn;
	char file[NAME_MAX_BYTES];

	if (!script_name(w, frame, &fn, file) || strncmp(file, "node:", 5) == 0 || strcmp(file, w->f->bootstrap) == 0)
		return false;
	plain_path(file);
	bool users = frames_is_users(w->job->frames, file);
	if (users || !s->found) {
		memcpy(s->best, frame, sizeof(s->best));
		memcpy(s->file, file, sizeof(file));
		s->function = fn;
		s->found = true;
	}
	return users;
}

/* Whether the word is the isolate of the thread with that stack: it has the last call into native code where the main thread's has it, that is a
 * frame on this stack, and leads to one of a script. What else points into the isolate may look alike up to there. */
struct thread {
	struct walk *w;
	struct search *s;
	uint64_t t_sp;
};

static bool is_isolate(void *arg, uint64_t word)
{
	struct thread *t = arg;
	uint64_t fp, marker;

	t->w->reads = 0; /* the search has a bound of its own */
	if (!peek(t->w, word + (t->w->f->exit_frame - t->w->f->isolate), &fp, sizeof(fp)) || fp % WORD || fp <= t->t_sp ||
	    fp - t->t_sp > STACKS_MAX || !peek(t->w, fp - WORD, &marker, sizeof(marker)) || !is_marker(marker))
		return false;
	walk_frames(t->w, fp, is_wanted, t->s);
	return t->s->found;
}

/* The frame that is told; false, and why. A thread of worker_threads has an isolate of its own, which is on its stack, since all that V8 calls
 * is handed it. */
static bool find_frame(struct walk *w, struct frames_job *j, pid_t t_tid, struct search *s, const char **why)
{
	struct thread t = {.w = w, .s = s};
	uint64_t fp;

	*why = NO_PROGRAM;
	if (t_tid == j->t_pid) {
		if (peek(w, w->f->exit_frame, &fp, sizeof(fp)) && fp)
			walk_frames(w, fp, is_wanted, s);
		return s->found;
	}
	*why = NO_STACK;
	t.t_sp = stacks_pointer(j, t_tid);
	if (!t.t_sp)
		return false;
	*why = NO_SCRIPT;
	return stacks_search(j, t.t_sp, is_isolate, &t) != 0;
}

bool frames_node(struct frames_job *j, const struct v8_frames *f, pid_t t_tid, struct where *out)
{
	struct walk w = {.f = f, .job = j, .mem = j->mem};
	struct search s = {.found = false};
	char name[NAME_MAX_BYTES];

	if (!f->exit_frame || !find_frame(&w, j, t_tid, &s, &out->why))
		return false;
	name_of(&w, &s.function, name, sizeof(name));
	decode_escape(s.file, DECODE_SHOWN, out->file, sizeof(out->file));
	decode_escape(name, DECODE_SHOWN / 2, out->function, sizeof(out->function));
	out->line = line_in(&w, s.best, &s.function, &out->rough);
	return true;
}

/* --- what Node does not tell ---------------------------------------------------------------------------------- */

struct fitting {
	struct v8_frames *f;
	bool fits;
};

/* Whether this is the frame in which a tracee waits. Its SharedFunctionInfo has the bytecode that the frame has, and of the bytecode's
 * fields the one that tells the right line is the table. */
static bool fits(struct walk *w, const uint64_t *frame, struct v8_frames *f)
{
	struct function fn;
	char text[NAME_MAX_BYTES];
	bool rough;

	if (!is_smi(frame[F_OFFSET]) || !script_name(w, frame, &fn, text) || strcmp(text, V8_WAITS_FILE) != 0)
		return false;
	name_of(w, &fn, text, sizeof(text));
	if (strcmp(text, V8_WAITS_FUNCTION) != 0)
		return false;
	for (f->shared_bytecode = WORD; fn.shared[f->shared_bytecode / WORD] != frame[F_BYTECODE];)
		if ((f->shared_bytecode += WORD) >= OBJECT_WORDS * WORD)
			return false;
	for (f->bytecode_positions = 2 * WORD; f->bytecode_positions < OBJECT_WORDS * WORD; f->bytecode_positions += WORD)
		if (line_in(w, frame, &fn, &rough) == f->line && !rough)
			return true;
	return false;
}

/* The frame that fits, and behind it the first of a script with the name of a file, which is the bootstrap's. */
static bool is_known(struct walk *w, const uint64_t *frame, void *arg)
{
	struct fitting *t = arg;
	struct function fn;
	char file[NAME_MAX_BYTES];

	if (!t->fits) {
		t->fits = fits(w, frame, t->f);
		return false;
	}
	if (!script_name(w, frame, &fn, file) || strncmp(file, "node:", 5) == 0)
		return false;
	snprintf(t->f->bootstrap, sizeof(t->f->bootstrap), "%.255s", file);
	return true;
}

/* Looks through the isolate for a word that is the stack's newest frame of native code, from which the frame is reached where a tracee
 * waits. */
int v8_frames_fit(struct v8_frames *f, int mem)
{
	struct fitting t = {.f = f};
	uint64_t words[PIECE / WORD], marker;

	f->exit_frame = 0;
	for (uint64_t at = f->isolate; at < f->isolate + ISOLATE_MAX; at += sizeof(words)) {
		if (guest_read(mem, at, words, sizeof(words)))
			return -ENOENT;
		for (size_t i = 0; i < PIECE / WORD; i++) {
			struct walk w = {.f = f, .mem = mem};
			if (words[i] % WORD == 0 && words[i] >> 40 && peek(&w, words[i] - WORD, &marker, sizeof(marker)) && is_marker(marker))
				walk_frames(&w, words[i], is_known, &t);
			if (t.fits) {
				f->exit_frame = at + i * WORD;
				return 0;
			}
		}
	}
	return -ENOENT;
}

int v8_frames_parse(struct v8_frames *f, const char *text)
{
	unsigned long long isolate;
	int n = 0;

	*f = (struct v8_frames){0};
	if (sscanf(text, "%llu %d%n", &isolate, &f->line, &n) != 2)
		return -EINVAL;
	text += n;
	for (int i = 0; i < V8_NUMBER_COUNT; i++) {
		char *end;
		long v = strtol(text, &end, 10);
		if (end == text || v < 0 || v > INT16_MAX)
			return -EINVAL;
		f->number[i] = (int)v;
		text = end;
	}
	f->isolate = isolate;
	return 0;
}
