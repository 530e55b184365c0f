#include "layouts.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_MINOR 8
#define DESCRIBED   13 /* from this minor version on the interpreter describes itself */
#define PTHREAD_MAX 2048 /* bytes of a thread's descriptor in which its id is looked for */

/* Taken from each version's own headers: offsetof in PyThreadState, PyFrameObject or _PyInterpreterFrame, PyCodeObject, PyASCIIObject. The row
 * of a version serves its later releases, too, which may not change their binary interface; the zygote tries it. */
#define NONE PYFRAMES_NONE
#define UP_TO_3_10 \
	[PY_INTERP_THREADS] = 8, [PY_TS_NEXT] = 8, [PY_TS_INTERP] = 16, [PY_TS_FRAME] = 24, [PY_CFRAME] = NONE, [PY_TS_ID] = 176, \
	[PY_F_BACK] = 24, [PY_F_CODE] = 32, [PY_F_OWNER] = NONE, [PY_CO_FILE] = 104, [PY_CO_FUNCTION] = 112, [PY_CO_FIRST_LINE] = 40, \
	[PY_CO_LINES] = 120, [PY_CO_CODE] = NONE, [PY_BYTES] = 32, [PY_ASCII] = 48, [PY_COMPACT] = 72
#define FROM_3_11 \
	[PY_LINES] = PY_LOCATIONS, [PY_TS_NEXT] = 8, [PY_TS_INTERP] = 16, [PY_PTHREAD_TID] = NONE, [PY_F_INSTR] = 56, [PY_CO_FILE] = 112, \
	[PY_CO_FUNCTION] = 128, [PY_CO_LINES] = 136, [PY_BYTES] = 32

static const struct pyframes rows[] = {
	[8] = {{UP_TO_3_10, [PY_LINES] = PY_LNOTAB, [PY_F_INSTR] = 104}},
	[9] = {{UP_TO_3_10, [PY_LINES] = PY_LNOTAB, [PY_F_INSTR] = 104}},
	[10] = {{UP_TO_3_10, [PY_LINES] = PY_LINETABLE, [PY_F_INSTR] = 96}},
	[11] = {{FROM_3_11, [PY_INTERP_THREADS] = 16, [PY_TS_FRAME] = 56, [PY_CFRAME] = 8, [PY_TS_ID] = 160, [PY_F_BACK] = 48, [PY_F_CODE] = 32,
	         [PY_F_OWNER] = NONE, [PY_CO_FIRST_LINE] = 72, [PY_CO_CODE] = 184, [PY_ASCII] = 48, [PY_COMPACT] = 72}},
	[12] = {{FROM_3_11, [PY_INTERP_THREADS] = 72, [PY_TS_FRAME] = 56, [PY_CFRAME] = 0, [PY_TS_ID] = 144, [PY_F_BACK] = 8, [PY_F_CODE] = 0,
	         [PY_F_OWNER] = 70, [PY_CO_FIRST_LINE] = 68, [PY_CO_CODE] = 192, [PY_ASCII] = 40, [PY_COMPACT] = 56}},
	[13] = {{FROM_3_11, [PY_INTERP_THREADS] = 7344, [PY_TS_FRAME] = 72, [PY_CFRAME] = NONE, [PY_TS_ID] = 160, [PY_F_BACK] = 8, [PY_F_CODE] = 0,
	         [PY_F_OWNER] = 70, [PY_CO_FIRST_LINE] = 68, [PY_CO_CODE] = 200, [PY_ASCII] = 40, [PY_COMPACT] = 56}},
};
#define LAST_MINOR (sizeof(rows) / sizeof(rows[0]) - 1)

/* The beginning of _PyRuntime, whose words tell offsets (_Py_DebugOffsets of CPython 3.13): which word is which of ours. */
#define COOKIE "xdebugpy"
enum { WORD_VERSION = 1, WORD_FREE_THREADED = 2 };
static const struct {
	unsigned char at, word; /* of enum pyframes_at; in _Py_DebugOffsets */
} described[] = {
	{PY_INTERP_THREADS, 9}, {PY_TS_NEXT, 21}, {PY_TS_INTERP, 22}, {PY_TS_FRAME, 23}, {PY_TS_ID, 25}, {PY_F_BACK, 29}, {PY_F_CODE, 30},
	{PY_F_INSTR, 31}, {PY_F_OWNER, 33}, {PY_CO_FILE, 35}, {PY_CO_FUNCTION, 37}, {PY_CO_LINES, 38}, {PY_CO_FIRST_LINE, 39}, {PY_CO_CODE, 43},
};

static int take_description(const uint64_t *words, unsigned minor, struct pyframes *p, const char **why)
{
	if (memcmp(words, COOKIE, sizeof(*words)) != 0 || (words[WORD_VERSION] >> 16 & 0xff) != minor) {
		*why = "_PyRuntime does not describe this version";
		return -ENOTSUP;
	}
	if (words[WORD_FREE_THREADED]) {
		*why = "a free-threaded interpreter";
		return -ENOTSUP;
	}
	for (size_t i = 0; i < sizeof(described) / sizeof(described[0]); i++)
		p->v[described[i].at] = words[described[i].word];
	return 0;
}

/* Where the C library keeps a thread's kernel id, which pthread_t alone does not tell: looked for in this thread's own. */
static uint64_t tid_in_pthread(void)
{
	const char *self = (const char *)pthread_self();
	int32_t tid = (int32_t)syscall(SYS_gettid), v;

	for (size_t i = 0; i < PTHREAD_MAX; i += sizeof(v)) {
		memcpy(&v, self + i, sizeof(v));
		if (v == tid)
			return i;
	}
	return NONE;
}

int layouts_find(unsigned long hexversion, uint64_t code_type, uint64_t thread_state, struct pyframes *p, const char **why)
{
	unsigned minor = hexversion >> 16 & 0xff;

	if (hexversion >> 24 != 3 || minor < FIRST_MINOR || minor > LAST_MINOR) {
		*why = "this version's frames are not known";
		return -ENOTSUP;
	}
	*p = rows[minor];
	const uint64_t *words = minor >= DESCRIBED ? dlsym(RTLD_DEFAULT, "_PyRuntime") : NULL;
	int r = words ? take_description(words, minor, p, why) : 0;
	if (r)
		return r;
	if (p->v[PY_PTHREAD_TID] != NONE)
		p->v[PY_PTHREAD_TID] = tid_in_pthread();
	p->v[PY_CODE_TYPE] = code_type;
	p->v[PY_MAIN] = thread_state;
	memcpy(&p->v[PY_INTERP], (const char *)thread_state + p->v[PY_TS_INTERP], sizeof(uint64_t));
	return 0;
}
