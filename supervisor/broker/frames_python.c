/* CPython's frames: the innermost of the user's own. What is read is the job's to write, pyframes.h. */
#include <string.h>

#include "decode.h"
#include "frames.h"
#include "numbers.h"

#define WARDERS "<warder>"

/* The leader is the main thread for good: it made the interpreter, and a job cannot fork. */
static uint64_t state_of(struct frames_job *j, const struct pyframes *p, pid_t t_tid)
{
	unsigned i = (unsigned)t_tid % FRAMES_SEEN;

	if (t_tid == j->t_pid)
		return p->v[PY_MAIN];
	uint64_t t_state = pyframes_thread(p, j->mem, numbers_own(j->who, t_tid), j->seen[i].t_tid == t_tid ? j->seen[i].t_state : 0);
	j->seen[i].t_tid = t_tid;
	j->seen[i].t_state = t_state;
	return t_state;
}

/* File names are shared by the frames of a file: the last one is judged once. */
struct judged {
	uint64_t t_file;
	enum { NOBODYS, LIBRARYS, USERS } as;
};

static void judge(const struct frames_job *j, const struct pyframes *p, uint64_t t_file, struct judged *last)
{
	char file[DECODE_SHOWN + 8];

	if (last->t_file == t_file)
		return;
	last->t_file = t_file;
	if (pyframes_text(p, j->mem, t_file, file, sizeof(file)) <= 0 || strcmp(file, WARDERS) == 0)
		last->as = NOBODYS;
	else
		last->as = frames_is_users(j->frames, file) ? USERS : LIBRARYS;
}

static void tell(const struct frames_job *j, const struct pyframes *p, const struct pyframe *f, struct where *out)
{
	char raw[DECODE_SHOWN + 8];

	if (pyframes_text(p, j->mem, f->t_file, raw, sizeof(raw)) > 0)
		decode_escape(raw, DECODE_SHOWN, out->file, sizeof(out->file));
	if (pyframes_text(p, j->mem, f->t_function, raw, sizeof(raw)) > 0)
		decode_escape(raw, DECODE_SHOWN / 2, out->function, sizeof(out->function));
	out->line = pyframes_line(p, j->mem, f);
}

bool frames_python(struct frames_job *j, const struct pyframes *p, pid_t t_tid, struct where *out)
{
	uint64_t t_state = state_of(j, p, t_tid);
	uint64_t t_frame = t_state ? pyframes_innermost(p, j->mem, t_state) : 0;
	out->why = t_frame ? "no code of the program was running" : "the thread runs no Python";
	struct pyframe f, best = {0};
	struct judged judged = {0};
	bool found = false, users = false;

	for (int i = 0; i < j->depth && t_frame && !users && !frames_is_over(j); i++) {
		if (!pyframes_next(p, j->mem, &t_frame, &f))
			continue;
		judge(j, p, f.t_file, &judged);
		users = judged.as == USERS;
		if (users || (judged.as == LIBRARYS && !found))
			best = f;
		found |= judged.as != NOBODYS;
	}
	if (found)
		tell(j, p, &best, out);
	return found;
}
