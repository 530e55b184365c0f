#include "run_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "input.h"
#include "rpc.h"

/* the message's own head and the other fields need a little room beside code and stdin */
#define INPUT_MAX (RPC_MESSAGE_MAX_DEFAULT - (1ul << 20))

static const struct suffix {
	const char *end;
	enum language language;
	const char *filename; /* where the suffix says how the code is to be read; NULL: the language's own */
} suffixes[] = {
	{".py", LANGUAGE_PYTHON3, NULL},
	{".js", LANGUAGE_NODEJS, NULL},
	{".mjs", LANGUAGE_NODEJS, "main.mjs"},
	{".cjs", LANGUAGE_NODEJS, "main.cjs"},
};

static const struct suffix *suffix_of(const char *file)
{
	size_t len = strlen(file);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		size_t n = strlen(suffixes[i].end);
		if (len > n && !strcmp(file + len - n, suffixes[i].end))
			return &suffixes[i];
	}
	return NULL;
}

static int pick_language(const struct run_options *o, const char *file, enum language *out, struct err *e)
{
	const struct suffix *s = suffix_of(file);
	int named = o->language ? language_parse(o->language, strlen(o->language)) : -1;

	if (o->language && named < 0)
		return err_set(e, ERR_REQUEST, "--language", 0, "must be python3 or nodejs, is %s", o->language);
	*out = named >= 0 ? (enum language)named : LANGUAGE_PYTHON3;
	if (o->language || !strcmp(file, "-"))
		return 0;
	if (s) {
		*out = s->language;
		return 0;
	}
	return err_set(e, ERR_REQUEST, "--language", 0, "cannot be guessed from the name %s", file);
}

static const char *filename_of(const struct run_options *o, const char *file, enum language l)
{
	const struct suffix *s = suffix_of(file);

	return o->filename ? o->filename : s && s->language == l ? s->filename : NULL;
}

static int set_text(char **to, const char *text, struct err *e)
{
	*to = text ? strdup(text) : NULL;
	return text && !*to ? err_set(e, ERR_HOST, "job", ENOMEM, "out of memory") : 0;
}

int run_job_args(struct job *j, int argc, char **argv, struct err *e)
{
	int rc = 0;

	j->args = calloc((size_t)argc + 1, sizeof(*j->args));
	if (!j->args)
		return err_set(e, ERR_HOST, "job", ENOMEM, "out of memory");
	for (int i = 0; i < argc && !rc; i++) {
		rc = set_text(&j->args[i], argv[i], e);
		j->n_args += !rc;
	}
	return rc;
}

static int set_env(struct job *j, const struct option_list *l, struct err *e)
{
	j->env = calloc(l->n + 1, sizeof(*j->env));
	if (!j->env)
		return err_set(e, ERR_HOST, "job", ENOMEM, "out of memory");
	for (size_t i = 0; i < l->n; i++) {
		const char *sign = strchr(l->v[i], '=');
		if (!sign || sign == l->v[i])
			return err_set(e, ERR_REQUEST, "--env", 0, "must be NAME=VALUE, is %s", l->v[i]);
		struct job_env *env = &j->env[j->n_env++];
		env->name = strndup(l->v[i], (size_t)(sign - l->v[i]));
		env->value = strdup(sign + 1);
		if (!env->name || !env->value)
			return err_set(e, ERR_HOST, "job", ENOMEM, "out of memory");
	}
	return 0;
}

/* Paths are taken as a shell's user means them, seen from here; where links lead is the supervisor's to look at, but
 * for "..", which has no meaning without. */
static char *absolute(const char *path)
{
	char *cwd = *path == '/' ? strdup("") : getcwd(NULL, 0), *all = NULL, *to, *from;

	if (!cwd || asprintf(&all, "%s/%s", cwd, path) < 0)
		all = NULL;
	free(cwd);
	if (!all)
		return NULL;
	if (strstr(all, "/..")) {
		char *real = realpath(all, NULL);

		if (real) {
			free(all);
			return real;
		}
	}
	for (from = to = all; *from;) {
		size_t n = strcspn(from + 1, "/");

		if (n == 0 || (n == 1 && from[1] == '.')) { /* "//", "/./", or the last slash */
			from += n + 1;
			continue;
		}
		memmove(to, from, n + 1);
		to += n + 1;
		from += n + 1;
	}
	*to = '\0';
	return to == all ? strcpy(all, "/") : all;
}

static int set_grants(struct job *j, const struct option_list lists[GRANT_COUNT], struct err *e)
{
	for (int g = 0; g < GRANT_COUNT; g++) {
		struct job_list *to = &j->grants[g];

		to->v = calloc(lists[g].n + 1, sizeof(*to->v));
		for (size_t i = 0; to->v && i < lists[g].n; i++, to->n++) {
			if (!*lists[g].v[i]) /* an unset variable, not the place where we are */
				return err_set(e, ERR_REQUEST, "job", 0, "grants.%s[%zu]: must not be empty", grant_kind_name((enum grant_kind)g), i);
			to->v[i] = g == GRANT_CONNECT ? strdup(lists[g].v[i]) : absolute(lists[g].v[i]);
			if (!to->v[i])
				break;
		}
		if (!to->v || to->n < lists[g].n)
			return err_set(e, ERR_HOST, "job", ENOMEM, "out of memory");
	}
	return 0;
}

/* An id of our own, so that the cancelling message can be packed before the request is sent. */
static int set_id(struct job *j, struct err *e)
{
	struct timespec now;
	char id[JOB_ID_MAX];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(id, sizeof(id), "run-%d-%lld%09ld", (int)getpid(), (long long)now.tv_sec, now.tv_nsec);
	return set_text(&j->id, id, e);
}

/* A file goes along with the job; a name has no slash and no suffix. */
static int set_policy(struct job *j, const char *policy, struct err *e)
{
	size_t len = policy ? strlen(policy) : 0;

	if (policy && (strchr(policy, '/') || (len > 5 && !strcmp(policy + len - 5, ".yaml"))))
		return input_read(policy, JOB_POLICY_MAX, &j->policy_text, e);
	return set_text(&j->policy, policy, e);
}

static int set_collect(struct job *j, const struct run_options *o, struct err *e)
{
	int rc = 0;

	if (!o->collect.n != !o->output_dir && !(o->json && o->collect.n))
		return err_set(e, ERR_REQUEST, o->output_dir ? "--output-dir" : "--collect", 0,
		               o->output_dir ? "needs --collect, which says what to write there"
		                             : "needs --output-dir, or --json, which shows the files");
	j->collect = calloc(o->collect.n + 1, sizeof(*j->collect));
	if (!j->collect)
		return err_set(e, ERR_HOST, "job", ENOMEM, "out of memory");
	for (size_t i = 0; i < o->collect.n && !rc; i++) {
		rc = set_text(&j->collect[i], o->collect.v[i], e);
		j->n_collect += !rc;
	}
	return rc;
}

int run_job_fill(struct job *j, const struct run_options *o, const char *file, struct err *e)
{
	int rc = pick_language(o, file, &j->language, e);

	if (!rc && o->stdin_file && !strcmp(file, "-") && !strcmp(o->stdin_file, "-"))
		rc = err_set(e, ERR_REQUEST, "--stdin", 0, "the code is read from stdin already");
	if (!rc)
		rc = set_policy(j, o->policy, e);
	if (!rc)
		rc = set_text(&j->filename, filename_of(o, file, j->language), e);
	if (!rc)
		rc = set_text(&j->dependencies, o->dependencies, e);
	if (!rc)
		rc = set_env(j, &o->env, e);
	if (!rc)
		rc = set_grants(j, o->grants, e);
	if (!rc)
		rc = set_id(j, e);
	if (!rc)
		rc = input_read(file, INPUT_MAX, &j->code, e);
	if (!rc && o->stdin_file)
		rc = input_read(o->stdin_file, INPUT_MAX - j->code.len, &j->stdin_data, e);
	if (!rc)
		rc = set_collect(j, o, e);
	if (!rc)
		rc = files_read(j, &o->files, INPUT_MAX - j->code.len - j->stdin_data.len, e);
	for (int l = 0; l < LIMIT_COUNT; l++) {
		j->limits[l] = (int64_t)o->limits[l];
		j->limit_given[l] = o->limits[l] != 0;
	}
	j->stream = !o->json;
	return rc;
}
