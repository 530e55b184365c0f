/* pyframes.h - CPython's frames, read out of the memory of a stopped process from outside.
 *
 * The layout of the interpreter's structs differs by version: it is an array of numbers, made in the zygote (tracee/python/layouts.c), tried there
 * against sys._getframe, and told to the worker as text. What is read belongs to a job, which can write all of it: every number may be anything.
 * Nothing here follows more than a bounded number of pointers, believes a length, or needs what it reads to make sense; a forged frame only
 * misleads the text of its job's own violations.
 *
 * `mem` is a descriptor of /proc/PID/mem. No state, no allocation. Addresses are the process's (t_…).
 */
#ifndef WARDER_PYFRAMES_H
#define WARDER_PYFRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PYFRAMES_THREADS_MAX 1200 /* thread states that are looked at */
#define PYFRAMES_LINES_MAX (256u << 10) /* bytes of a line table; of a longer one no line is told */
#define PYFRAMES_NONE UINT64_MAX  /* this version has no such field */

/* Offsets in bytes, if not said otherwise. */
enum pyframes_at {
	PY_LINES,          /* enum pyframes_lines */
	PY_INTERP_THREADS, /* interpreter: first thread state */
	PY_TS_NEXT,
	PY_TS_INTERP,
	PY_TS_FRAME,       /* innermost frame, or a struct in which it is at */
	PY_CFRAME,         /* … this; NONE: directly */
	PY_TS_ID,          /* kernel's thread id, or pthread_t where there is */
	PY_PTHREAD_TID,    /* … this: of the kernel's thread id in what pthread_t points to */
	PY_F_BACK,
	PY_F_CODE,
	PY_F_INSTR,        /* int, index of the last instruction; an address where there is PY_CO_CODE */
	PY_F_OWNER,        /* char; NONE: all frames are of Python code */
	PY_CO_FILE,
	PY_CO_FUNCTION,
	PY_CO_FIRST_LINE,
	PY_CO_LINES,
	PY_CO_CODE,        /* of the instructions, 2 bytes each, in the code object itself */
	PY_BYTES,          /* of a bytes object's content */
	PY_ASCII,          /* of a str's content: of ASCII characters, */
	PY_COMPACT,        /* of others */
	PY_CODE_TYPE,      /* address of the type of code objects */
	PY_MAIN,           /* address of the main thread's state */
	PY_INTERP,         /* address of the interpreter */
	PY_COUNT
};

enum pyframes_lines {
	PY_LNOTAB = 1, /* to CPython 3.9 */
	PY_LINETABLE,  /* 3.10, PEP 626 */
	PY_LOCATIONS,  /* from 3.11 on, PEP 657 */
};

struct pyframes {
	uint64_t v[PY_COUNT]; /* enum pyframes_at */
};

/* As text: hexadecimal numbers with blanks between them. */
#define PYFRAMES_TEXT (PY_COUNT * 17 + 1)
void pyframes_format(const struct pyframes *p, char text[PYFRAMES_TEXT]);
/* 0, or -EPROTO: not that text, or offsets that no layout has. */
int pyframes_parse(struct pyframes *p, const char *text);

/* One frame, not looked into yet. */
struct pyframe {
	uint64_t t_code, t_file, t_function, t_lines;
	int64_t at;     /* byte offset of its instruction; below 0: not begun */
	int first_line;
};

/* The state of thread `tid`: `t_hint` if that is it (0: none), else the one in the interpreter's list. 0: none, it is no thread of Python's. */
uint64_t pyframes_thread(const struct pyframes *p, int mem, pid_t tid, uint64_t t_hint);
/* Address of the innermost frame; 0: none. */
uint64_t pyframes_innermost(const struct pyframes *p, int mem, uint64_t t_thread);
/* Reads frame *t_frame and moves on to its caller (0: none). False: the interpreter's own, or nonsense. */
bool pyframes_next(const struct pyframes *p, int mem, uint64_t *t_frame, struct pyframe *out);
/* A str as UTF-8, cut to fit; its length, or -EFAULT for what is none. */
ssize_t pyframes_text(const struct pyframes *p, int mem, uint64_t t_str, char *buf, size_t size);
/* The source line; 0: cannot be told. */
int pyframes_line(const struct pyframes *p, int mem, const struct pyframe *f);

#endif
