/* Packages for jobs: listed, and installed, by a process that the keeper starts (installer.h). Each request has a pipe of its own; its end is the
 * answer, and closing it ends the command. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inside.h"
#include "value.h"

#define ANSWER_MAX (INSTALLER_TEXT_MAX + 1)
#define READ_SIZE  (16u << 10)

struct install {
	LIST_ENTRY(install) link;
	struct front *front;
	struct session *session;
	uint32_t msgid;
	enum installer_command command;
	ev_io readable;
	char *text; /* what has come so far: a byte, then words or lines */
	size_t len, size;
};

static void free_install(struct install *i)
{
	LIST_REMOVE(i, link);
	ev_io_stop(i->front->loop, &i->readable);
	close(i->readable.fd);
	free(i->text);
	free(i);
}

/* --- answers ------------------------------------------------------------------------------------------------- */

/* The next line and what is behind it; a package is what has a blank in it. False: no more lines. */
static bool next_package(char **at, char **name, char **version)
{
	while (**at) {
		char *line = *at, *end = line + strcspn(line, "\n");

		*at = *end ? end + 1 : end;
		*end = '\0';
		*version = strrchr(line, ' ');
		if (!*version || *version == line)
			continue;
		*(*version)++ = '\0';
		*name = line;
		return true;
	}
	return false;
}

static size_t count_lines(const char *s)
{
	size_t n = 0;

	for (; (s = strchr(s, '\n')); s++)
		n++;
	return n;
}

static void answer_list(const struct install *i, char *text)
{
	char **words = calloc(2 * count_lines(text) + 2, sizeof(*words)), *name, *version;
	msgpack_sbuffer b;
	msgpack_packer pk;
	size_t n = 0;

	if (!words) {
		answer_error(i->session, i->msgid, RPC_ERROR_FAILED, "out of memory");
		return;
	}
	for (; next_package(&text, &name, &version); n++) {
		words[2 * n] = name;
		words[2 * n + 1] = version;
	}
	answer_begin(&b, &pk, i->msgid);
	msgpack_pack_array(&pk, n);
	for (size_t k = 0; k < n; k++) {
		msgpack_pack_map(&pk, 2);
		value_put_text(&pk, "name", words[2 * k]);
		value_put_text(&pk, "version", words[2 * k + 1]);
	}
	session_answer(i->session, &b);
	free(words);
}

static void answer(const struct install *i)
{
	enum installer_end end = i->len ? (enum installer_end)i->text[0] : INSTALLER_FAILED;
	char *text = i->len ? i->text + 1 : NULL;

	if (end == INSTALLER_DONE)
		answer_list(i, text);
	else if (end == INSTALLER_NOTHING)
		answer_list(i, (char[]){""});
	else
		answer_error(i->session, i->msgid, RPC_ERROR_FAILED, text && *text ? text : "warder-dependencies could not be started");
}

/* --- the pipe ------------------------------------------------------------------------------------------------ */

/* Room for more, and for the NUL behind it. */
static bool grow(struct install *i)
{
	size_t size = i->size ? 2 * i->size : READ_SIZE;
	char *more;

	if (i->len + 1 < i->size)
		return true;
	more = realloc(i->text, size);
	if (!more)
		return false;
	i->text = more;
	i->size = size;
	return true;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct install *i = w->data;
	ssize_t n = -1;

	(void)loop, (void)revents;
	errno = ENOMEM;
	if (i->len < ANSWER_MAX && grow(i))
		n = read(w->fd, i->text + i->len, i->size - i->len - 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		i->len += (size_t)n;
		return;
	}
	if (i->len)
		i->text[i->len] = '\0';
	answer(i);
	free_install(i);
}

/* --- requests ------------------------------------------------------------------------------------------------ */

/* NULL: it may. One that changes something takes the others' place on the disk, so there is one. */
static const char *why_not(const struct front *f, enum installer_command c)
{
	const struct install *i;
	unsigned n = 0;

	LIST_FOREACH(i, &f->installs, link) {
		n++;
		if (c != INSTALLER_LIST && i->command != INSTALLER_LIST)
			return "packages are being installed already, retry in 5000 ms";
	}
	return n < INSTALLERS_MAX - (c == INSTALLER_LIST) ? NULL : "too many ask for packages, retry in 200 ms";
}

static int open_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	return fcntl(ends[0], F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static void start(struct front *f, struct session *s, uint32_t msgid, enum installer_command c, enum language l)
{
	struct install *i = calloc(1, sizeof(*i));
	int ends[2], r = i ? open_pipe(ends) : -ENOMEM;

	if (r < 0) {
		free(i);
		answer_error(s, msgid, RPC_ERROR_FAILED, err_name(-r));
		return;
	}
	*i = (struct install){.front = f, .session = s, .msgid = msgid, .command = c};
	ev_io_init(&i->readable, on_readable, ends[0], EV_READ);
	i->readable.data = i;
	ev_io_start(f->loop, &i->readable);
	LIST_INSERT_HEAD(&f->installs, i, link);
	f->install(f->install_ctx, c, l, ends[1]);
	close(ends[1]);
}

void installs_request(struct front *f, struct session *s, const struct rpc_message *m, enum installer_command c, const msgpack_object *language)
{
	bool is_text = language && value_is_bytes(language);
	int l = is_text ? language_parse(language->via.str.ptr, language->via.str.size) : -1;
	const char *busy = why_not(f, c);

	if (l < 0)
		answer_error(s, m->msgid, RPC_ERROR_BAD_REQUEST, language ? "language: must be python3 or nodejs" : "language: is required");
	else if (f->draining)
		answer_error(s, m->msgid, RPC_ERROR_SHUTTING_DOWN, "the supervisor is going down");
	else if (!f->install)
		answer_error(s, m->msgid, RPC_ERROR_FAILED, "nobody installs packages here");
	else if (busy)
		answer_error(s, m->msgid, RPC_ERROR_BUSY, busy);
	else
		start(f, s, m->msgid, c, (enum language)l);
}

void installs_let_go(struct front *f, struct session *s)
{
	struct install *i, *next;

	for (i = LIST_FIRST(&f->installs); i; i = next) {
		next = LIST_NEXT(i, link);
		if (i->session == s)
			free_install(i);
	}
}

void installs_end(struct front *f)
{
	struct install *i;

	while ((i = LIST_FIRST(&f->installs))) {
		answer_error(i->session, i->msgid, RPC_ERROR_SHUTTING_DOWN, "the supervisor is going down");
		free_install(i);
	}
}

void installs_free(struct front *f)
{
	while (LIST_FIRST(&f->installs))
		free_install(LIST_FIRST(&f->installs));
}
