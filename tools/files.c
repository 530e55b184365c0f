#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "names.h"

#define TEMPORARY ".warder-%d.tmp" /* a new file's name until it is whole */

int files_read(struct job *j, const struct option_list *l, size_t max, struct err *e)
{
	int rc = 0;

	j->files = calloc(l->n + 1, sizeof(*j->files));
	if (!j->files)
		return err_set(e, ERR_HOST, "job", ENOMEM, "out of memory");
	for (size_t i = 0; i < l->n && !rc; i++) {
		const char *sign = strchr(l->v[i], '='), *flaw;
		struct job_file *f = &j->files[j->n_files];

		if (!sign || !sign[1])
			return err_set(e, ERR_REQUEST, "--file", 0, "must be NAME=PATH, is %s", l->v[i]);
		flaw = names_flaw((struct bytes){l->v[i], (size_t)(sign - l->v[i])});
		if (flaw)
			return err_set(e, ERR_REQUEST, "--file", 0, "%s: the name %s", l->v[i], flaw);
		rc = input_read(sign + 1, max, &f->data, e);
		if (rc)
			return rc;
		max -= f->data.len;
		j->n_files++; /* from here on it is freed with the job */
		f->name = strndup(l->v[i], (size_t)(sign - l->v[i]));
		rc = f->name ? 0 : err_set(e, ERR_HOST, "job", ENOMEM, "out of memory");
	}
	return rc;
}

/* The directory of the last component of `name`, made where it is not there; *last is that component. */
static int enter(int top, const char *name, const char **last)
{
	char part[NAMES_PART_MAX + 1];
	int dir = fcntl(top, F_DUPFD_CLOEXEC, 0), next;

	for (const char *slash; dir >= 0 && (slash = strchr(name, '/')); name = slash + 1) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);
		if (mkdirat(dir, part, 0777) && errno != EEXIST)
			next = -1;
		else
			next = openat(dir, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int num = errno;
		close(dir);
		errno = num;
		dir = next;
	}
	*last = name;
	return dir < 0 ? -errno : dir;
}

static int write_one(int dir, const char *name, struct bytes data)
{
	char temporary[64];
	int fd, rc;

	snprintf(temporary, sizeof(temporary), TEMPORARY, (int)getpid());
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	rc = input_write_all(fd, data);
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && renameat(dir, temporary, dir, name))
		rc = -errno;
	if (rc)
		unlinkat(dir, temporary, 0);
	return rc;
}

int files_write(const struct result *r, const char *dir, struct err *e)
{
	int top, rc = 0;

	if (mkdir(dir, 0777) && errno != EEXIST)
		return err_set(e, ERR_REQUEST, "--output-dir", errno, "%s", dir);
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_set(e, ERR_REQUEST, "--output-dir", errno, "%s", dir);
	for (size_t i = 0; i < r->n_files && !rc; i++) {
		const char *last;
		int at = enter(top, r->files[i].name, &last);

		rc = at < 0 ? at : write_one(at, last, r->files[i].data);
		if (at >= 0)
			close(at);
		if (rc)
			rc = err_set(e, ERR_HOST, "--output-dir", -rc, "%s: cannot write %.100s", dir, r->files[i].name);
	}
	close(top);
	return rc;
}
