#include "frames.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct frames {
	unsigned held;
	char **trees; /* NULL-terminated */
	bool has_python;
	struct pyframes python;
	bool has_node, tried;
	struct v8_frames node;
};

/* File names that no file has: of the interpreter, of Warder's bootstrap, of what libraries generate. Others in angle brackets are
 * what users give to compile() and exec(). */
static const char *const not_users[] = {"<frozen ", "<warder>", "<shim>", "<__array_function__", "<attrs generated", "<decorator-gen-"};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- what a zygote told ------------------------------------------------------------------------------------ */

static void free_trees(char **trees)
{
	for (char **t = trees; t && *t; t++)
		free(*t);
	free(trees);
}

static char **copy_trees(const char *const *from)
{
	size_t n = 0;

	while (from && from[n])
		n++;
	char **trees = calloc(n + 1, sizeof(*trees));
	for (size_t i = 0; trees && i < n; i++)
		if (!(trees[i] = strdup(from[i]))) {
			free_trees(trees);
			return NULL;
		}
	return trees;
}

struct frames *frames_new(const struct frames_told *t)
{
	struct frames *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->held = 1;
	f->has_python = t->python && pyframes_parse(&f->python, t->python) == 0;
	f->has_node = t->node && v8_frames_parse(&f->node, t->node) == 0;
	f->trees = f->has_python || f->has_node ? copy_trees(t->trees) : NULL;
	if (!f->trees) {
		free(f);
		return NULL;
	}
	return f;
}

int frames_try(struct frames *f, int mem)
{
	if (!f || !f->has_node || f->tried)
		return 0;
	f->tried = true;
	return v8_frames_fit(&f->node, mem);
}

struct frames *frames_hold(struct frames *f)
{
	if (f)
		f->held++;
	return f;
}

void frames_drop(struct frames *f)
{
	if (!f || --f->held)
		return;
	free_trees(f->trees);
	free(f);
}

bool frames_is_users(const struct frames *f, const char *file)
{
	for (size_t i = 0; i < sizeof(not_users) / sizeof(not_users[0]); i++)
		if (strncmp(file, not_users[i], strlen(not_users[i])) == 0)
			return false;
	for (char **t = f->trees; *t; t++) {
		size_t n = strlen(*t);

		if (strncmp(file, *t, n) == 0 && (file[n] == '/' || !file[n]))
			return false;
	}
	return true;
}

/* --- one job ----------------------------------------------------------------------------------------------- */

void frames_job_init(struct frames_job *j, struct frames *f, const struct broker_tracee *who)
{
	*j = (struct frames_job){.frames = frames_hold(f), .depth = FRAMES_DEPTH_MAX, .mem = who->mem, .t_pid = who->t_pid, .who = who};
}

void frames_job_done(struct frames_job *j)
{
	frames_drop(j->frames);
	j->frames = NULL;
}

bool frames_has_time(const struct frames_job *j)
{
	return j->frames && j->spent < FRAMES_JOB_SECONDS;
}

bool frames_is_over(const struct frames_job *j)
{
	return now() > j->until;
}

static void nowhere(struct where *out)
{
	out->file[0] = out->function[0] = '\0';
	out->line = 0;
	out->why = "frames of this interpreter cannot be read";
	out->rough = false;
}

static bool look(struct frames_job *j, pid_t t_tid, int depth, struct where *out)
{
	nowhere(out);
	if (!j->frames)
		return false;
	double begun = now();
	j->until = begun + FRAMES_SECONDS;
	j->depth = depth;
	bool found = j->frames->has_python ? frames_python(j, &j->frames->python, t_tid, out)
	             : j->frames->has_node ? frames_node(j, &j->frames->node, t_tid, out) : false;
	j->spent += now() - begun;
	if (now() > j->until)
		out->why = "it took too long to find";
	else if (found)
		out->why = "compiled code does not tell its place";
	return found;
}

bool frames_where(struct frames_job *j, pid_t t_tid, struct where *out)
{
	return look(j, t_tid, FRAMES_DEPTH_MAX, out);
}

bool frames_where_told(struct frames_job *j, pid_t t_tid, struct where *out)
{
	double spent = j->spent, at = now();
	bool found = false;

	nowhere(out);
	j->told -= (at - j->told_at) * FRAMES_TOLD_SHARE;
	j->told_at = at;
	if (j->told < 0)
		j->told = 0;
	if (j->told < FRAMES_TOLD_SECONDS) {
		found = look(j, t_tid, FRAMES_TOLD_DEPTH, out);
		j->told += j->spent - spent;
	}
	j->spent = spent; /* the time that violations have is theirs */
	return found;
}
