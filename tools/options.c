#include "options.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int list_add(struct option_list *l, const char *s, struct err *e)
{
	const char **v = realloc(l->v, (l->n + 1) * sizeof(*v));

	if (!v)
		return err_set(e, ERR_HOST, "options", ENOMEM, "out of memory");
	l->v = v;
	l->v[l->n++] = s;
	return 0;
}

void options_list_done(struct option_list *l)
{
	free(l->v);
	*l = (struct option_list){0};
}

static int set_flag(void *at, const char *name, const char *value, struct err *e)
{
	(void)name, (void)value, (void)e;
	*(bool *)at = true;
	return 0;
}

static int set_text(void *at, const char *name, const char *value, struct err *e)
{
	(void)name, (void)e;
	*(const char **)at = value;
	return 0;
}

static int set_list(void *at, const char *name, const char *value, struct err *e)
{
	(void)name;
	return list_add(at, value, e);
}

static int set_number(void *at, const char *name, const char *value, struct err *e)
{
	char *end;

	errno = 0;
	unsigned long long v = strtoull(value, &end, 10);
	if (errno || *end || end == value || *value < '0' || *value > '9' || !v)
		return err_set(e, ERR_REQUEST, name, 0, "must be a whole number above 0, is %s", value);
	*(uint64_t *)at = v;
	return 0;
}

static int set_seconds(void *at, const char *name, const char *value, struct err *e)
{
	char *end;
	double v = strtod(value, &end);

	if (*end || end == value || !isfinite(v) || v <= 0 || v > 1e9)
		return err_set(e, ERR_REQUEST, name, 0, "must be a number of seconds above 0, is %s", value);
	*(uint64_t *)at = (uint64_t)ceil(v * 1000);
	return 0;
}

typedef int option_set(void *at, const char *name, const char *value, struct err *e);
static option_set *const setters[] = {
	[OPTION_FLAG] = set_flag,     [OPTION_TEXT] = set_text,       [OPTION_LIST] = set_list,
	[OPTION_NUMBER] = set_number, [OPTION_SECONDS] = set_seconds,
};

/* The row of "--name" or "--name=value"; *value is what stands behind the sign, NULL when there is none. */
static const struct option *find(const struct option_table *t, const char *word, const char **value)
{
	size_t len = strcspn(word, "=");

	*value = word[len] ? word + len + 1 : NULL;
	for (size_t i = 0; i < t->n; i++)
		if (strlen(t->rows[i].name) == len && !memcmp(t->rows[i].name, word, len))
			return &t->rows[i];
	return NULL;
}

/* Reads the option at argv[*i], and its value. */
static int parse_one(const struct option_table *t, int argc, char **argv, int *i, void *out, struct err *e)
{
	const char *value;
	const struct option *o = find(t, argv[*i], &value);

	if (!o)
		return err_set(e, ERR_REQUEST, "options", 0, "unknown option %s", argv[*i]);
	if (!o->arg && value)
		return err_set(e, ERR_REQUEST, o->name, 0, "takes no value");
	if (o->arg && !value) {
		if (*i + 1 >= argc)
			return err_set(e, ERR_REQUEST, o->name, 0, "needs a value: %s", o->arg);
		value = argv[++*i];
	}
	return setters[o->kind]((char *)out + o->offset, o->name, value, e);
}

int options_parse(const struct option_table *t, int argc, char **argv, void *out, struct option_list *words,
                  struct err *e)
{
	for (int i = 1; i < argc; i++) {
		int rc;
		if (!strcmp(argv[i], "--"))
			return i + 1;
		if (argv[i][0] == '-' && argv[i][1])
			rc = parse_one(t, argc, argv, &i, out, e);
		else
			rc = list_add(words, argv[i], e);
		if (rc < 0)
			return rc;
	}
	return argc;
}

void options_print(const struct option_table *t, FILE *f)
{
	for (size_t i = 0; i < t->n; i++) {
		char head[40];
		snprintf(head, sizeof(head), "%s %s", t->rows[i].name, t->rows[i].arg ? t->rows[i].arg : "");
		fprintf(f, "  %-24s %s\n", head, t->rows[i].help);
	}
}
