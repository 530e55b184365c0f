/* What a tracee is told of its job: the memfd that answers its first call (protocol/birth.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "inside.h"

static uint32_t count(char *const *v)
{
	uint32_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

struct writer {
	char *buf;
	size_t len, cap;
};

static void put(struct writer *w, const void *data, size_t n)
{
	if (w->len + n <= w->cap)
		memcpy(w->buf + w->len, data, n);
	w->len += n;
}

static void put_field(struct writer *w, const char *a, const char *b, const char *c)
{
	uint32_t len = strlen(a) + strlen(b) + strlen(c);

	put(w, &len, sizeof(len));
	put(w, a, strlen(a));
	put(w, b, strlen(b));
	put(w, c, strlen(c));
}

/* Once to measure, once to fill. A job's variable stands for the policy's of that name. */
static void write_brief(struct writer *w, const struct job *j, const struct policy *p)
{
	struct brief h = {BIRTH_MAGIC, j->n_args, 0, j->code.len};
	bool hidden[256] = {false};

	for (uint32_t i = 0; i < count(p->env); i++) {
		size_t n = strcspn(p->env[i], "=");
		for (size_t k = 0; k < j->n_env && i < 256; k++)
			if (strlen(j->env[k].name) == n && memcmp(j->env[k].name, p->env[i], n) == 0)
				hidden[i] = true;
		h.n_env += !(i < 256 && hidden[i]);
	}
	h.n_env += j->n_env;
	put(w, &h, sizeof(h));
	put_field(w, j->filename, "", "");
	for (size_t i = 0; i < j->n_args; i++)
		put_field(w, j->args[i], "", "");
	for (uint32_t i = 0; i < count(p->env); i++)
		if (!(i < 256 && hidden[i]))
			put_field(w, p->env[i], "", "");
	for (size_t i = 0; i < j->n_env; i++)
		put_field(w, j->env[i].name, "=", j->env[i].value);
	put(w, j->code.p, j->code.len);
}

int brief_file(const char *name, const void *data, size_t n)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < n) {
		ssize_t k = pwrite(fd, (const char *)data + done, n - done, done);
		if (k <= 0) {
			int r = k < 0 ? -errno : -EIO;
			close(fd);
			return r;
		}
		done += k;
	}
	return fd < 0 ? -errno : fd;
}

int brief_memfd(const struct job *j, const struct policy *p)
{
	struct writer w = {0};

	write_brief(&w, j, p);
	w.cap = w.len;
	w.len = 0;
	w.buf = malloc(w.cap);
	if (!w.buf)
		return -ENOMEM;
	write_brief(&w, j, p);
	int fd = brief_file("job", w.buf, w.cap);
	free(w.buf);
	return fd;
}
