#include "texts.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "mem.h"
#include "ydoc.h"

static struct text *next(struct texts *t)
{
	t->v = mem_grow(t->v, t->n + 1, sizeof(*t->v));
	t->v[t->n] = (struct text){0};
	return &t->v[t->n++];
}

static struct text *read_file(struct texts *t, const char *path)
{
	struct text *x = next(t);
	char *real = realpath(path, NULL);

	x->path = mem_copy(path);
	x->real = real ? real : mem_copy(path);
	x->err = -ydoc_read_file(path, &x->data);
	return x;
}

void texts_read_file(struct texts *t, const char *path)
{
	read_file(t, path);
}

/* The configuration file may lie among the policies, and have been read before them. */
static void read_listed(struct texts *t, const char *path)
{
	struct text *x = (struct text *)texts_find(t, path);

	if (!x)
		x = read_file(t, path);
	x->listed = true;
}

static int is_policy_file(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && !strcmp(e->d_name + n - 5, ".yaml");
}

void texts_read_dir(struct texts *t, const char *dir)
{
	struct dirent **v;
	int n = scandir(dir, &v, is_policy_file, alphasort);

	if (n < 0 && errno != ENOENT) {
		int err = errno;
		struct text *x = next(t);

		*x = (struct text){.path = mem_copy(dir), .real = mem_copy(dir), .err = err};
	}
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", dir, v[i]->d_name);
		if (i <= TEXTS_DIR_MAX)
			read_listed(t, path);
		free(v[i]);
	}
	if (n >= 0)
		free(v);
}

static char *copy(struct bytes b)
{
	return mem_must(strndup(b.p ? b.p : "", b.len));
}

void texts_add(struct texts *t, struct bytes path, struct bytes real, bool listed, int err, struct bytes data)
{
	struct text *x = next(t);
	char *own = mem_zeroed(data.len, 1);

	if (data.len)
		memcpy(own, data.p, data.len);
	*x = (struct text){.path = copy(path), .real = copy(real), .err = err, .data = {own, data.len}, .listed = listed};
}

void texts_copy(struct texts *to, const struct texts *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct text *x = &from->v[i];

		texts_add(to, (struct bytes){x->path, strlen(x->path)}, (struct bytes){x->real, strlen(x->real)}, x->listed, x->err, x->data);
	}
}

const struct text *texts_find(const struct texts *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!strcmp(t->v[i].path, path))
			return &t->v[i];
	}
	return NULL;
}

void texts_done(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].path);
		free(t->v[i].real);
		free((char *)t->v[i].data.p);
	}
	free(t->v);
	*t = (struct texts){0};
}
