#include "births.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "words.h"

#define ROOM         16          /* descriptors of one packet that can be told from those that are too many */
#define RESERVES_MAX (64u << 10) /* MiB; no interpreter maps 64 GiB ahead */

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* The first BIRTH_FDS of them; all are closed where there are more. The kernel hands out as many as there is room for, which is more than was
 * asked for: room is rounded up. */
static int take_descriptors(const struct cmsghdr *c, int fds[BIRTH_FDS])
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int came[2 * ROOM];

	if (n > sizeof(came) / sizeof(came[0]))
		n = sizeof(came) / sizeof(came[0]);
	memcpy(came, CMSG_DATA(c), n * sizeof(int));
	if (n <= BIRTH_FDS) {
		memcpy(fds, came, n * sizeof(int));
		return 0;
	}
	close_all(came, n);
	return -EPROTO;
}

static int take_beside(struct msghdr *msg, struct births_packet *out)
{
	int r = msg->msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EPROTO : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;

			memcpy(&who, CMSG_DATA(c), sizeof(who));
			out->pid = who.pid;
		} else if (c->cmsg_type == SCM_RIGHTS && take_descriptors(c, out->fds)) {
			r = -EPROTO;
		}
	}
	return r;
}

static void tidy(struct birth_message *m)
{
	m->err.step[sizeof(m->err.step) - 1] = m->err.text[sizeof(m->err.text) - 1] = '\0';
	if (m->err.class < ERR_JOB || m->err.class > ERR_BUG)
		m->err.class = ERR_BUG;
	m->info[sizeof(m->info) - 1] = '\0';
	m->layers &= (1u << LAYER_COUNT) - 1;
}

int births_receive(int control, struct births_packet *out)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * ROOM) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} space;
	struct iovec iov = {&out->m, sizeof(out->m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.buf, .msg_controllen = sizeof(space.buf)};

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < BIRTH_FDS; i++)
		out->fds[i] = -1;
	ssize_t n = recvmsg(control, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	/* told once when the peer closed with our set-up unread; its last words are behind that (measured, Linux 6.18) */
	if (n < 0 && errno == ECONNRESET)
		n = recvmsg(control, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	int r = take_beside(&msg, out);
	if (r || n == 0) {
		births_drop(out);
		return r;
	}
	tidy(&out->m);
	return 1;
}

void births_drop(struct births_packet *p)
{
	close_all(p->fds, BIRTH_FDS);
	for (int i = 0; i < BIRTH_FDS; i++)
		p->fds[i] = -1;
}

/* What stands behind `key` in a line that begins with it. */
static const char *value_of(const char *line, const char *key)
{
	size_t n = strlen(key);

	return strncmp(line, key, n) ? NULL : line + n;
}

static void take_line(struct births_told *out, const char **trees, size_t *n_trees, const char *line)
{
	const char *v;

	if ((v = value_of(line, "version=")))
		out->version = v;
	else if ((v = value_of(line, "tree=")))
		trees[(*n_trees)++] = v;
	else if ((v = value_of(line, "executable=")))
		out->executable = v;
	else if ((v = value_of(line, "reserves_mib=")))
		out->reserves_mib = strtoul(v, NULL, 10);
	else if ((v = value_of(line, "python_frames=")))
		out->frames.python = v;
	else if ((v = value_of(line, V8_INFO)))
		out->frames.node = v;
	else if ((v = value_of(line, "no_lines=")))
		out->no_lines = v;
	if (out->reserves_mib > RESERVES_MAX)
		out->reserves_mib = RESERVES_MAX;
}

int births_tell(char *info, struct births_told *out)
{
	size_t lines = 1, found = 0;
	char *save = NULL;

	*out = (struct births_told){.version = "?"};
	for (const char *p = info; *p; p++)
		lines += *p == '\n';
	const char **trees = calloc(lines + 1, sizeof(*trees));
	if (!trees)
		return -ENOMEM;
	for (char *line = strtok_r(info, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_line(out, trees, &found, line);
	out->frames.trees = trees;
	return 0;
}
