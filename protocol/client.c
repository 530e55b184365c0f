#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENT_READ 65536u /* bytes asked of the socket at a time */
/* a result may hold as much as its job was allowed to print, and the rest of it beside that */
#define CLIENT_MESSAGE_MAX (RPC_MESSAGE_MAX_DEFAULT + (16ul << 20))

struct client {
	int fd;
	uint32_t next_id;
	struct rpc_reader *reader;
	msgpack_sbuffer out;
};

int client_adopt(int fd, struct client **out, struct err *e)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c)
		c->reader = rpc_reader_new(CLIENT_MESSAGE_MAX);
	if (!c || !c->reader) {
		free(c);
		close(fd);
		return err_set(e, ERR_HOST, "client", ENOMEM, NULL);
	}
	c->fd = fd;
	msgpack_sbuffer_init(&c->out);
	*out = c;
	return 0;
}

int client_open(const char *path, struct client **out, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(e, ERR_HOST, "connect", ENAMETOOLONG, "%s", path);
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, ERR_HOST, "socket", errno, NULL);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int num = errno;

		close(fd);
		return err_set(e, ERR_HOST, "connect", num, "%s", path);
	}
	return client_adopt(fd, out, e);
}

void client_free(struct client *c)
{
	if (!c)
		return;
	close(c->fd);
	rpc_reader_free(c->reader);
	msgpack_sbuffer_destroy(&c->out);
	free(c);
}

int client_fd(const struct client *c)
{
	return c->fd;
}

int client_default_socket(char *buf, size_t size)
{
	const char *set = getenv("WARDER_SOCKET"), *dir = getenv("XDG_RUNTIME_DIR");
	int n;

	if (set && *set)
		n = snprintf(buf, size, "%s", set);
	else if (geteuid() == 0)
		n = snprintf(buf, size, "/run/warder/warder.sock");
	else if (dir && *dir)
		n = snprintf(buf, size, "%s/warder.sock", dir);
	else
		return -ENOENT;
	return n >= 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

/* MSG_NOSIGNAL: a supervisor that went away is an error to return, not a SIGPIPE. */
static int send_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int client_send(struct client *c, const char *method, void (*pack_params)(msgpack_packer *, void *), void *arg,
		uint32_t *msgid, struct err *e)
{
	msgpack_packer pk;
	int ret;

	msgpack_sbuffer_clear(&c->out);
	msgpack_packer_init(&pk, &c->out, msgpack_sbuffer_write);
	*msgid = c->next_id++;
	rpc_pack_request(&pk, *msgid, method);
	if (pack_params)
		pack_params(&pk, arg);
	else
		msgpack_pack_map(&pk, 0);
	ret = send_all(c->fd, c->out.data, c->out.size);
	return ret < 0 ? err_set(e, ERR_HOST, "send", -ret, NULL) : 0;
}

/* Reads once. 1: bytes came; 0: the peer closed. */
static int fill(struct client *c, struct err *e)
{
	char *buf;
	size_t size;
	int ret = rpc_reader_space(c->reader, CLIENT_READ, &buf, &size);

	if (ret < 0)
		return err_set(e, ERR_HOST, "receive", -ret, NULL);
	ssize_t n = recv(c->fd, buf, size, 0);

	if (n < 0)
		return err_set(e, ERR_HOST, "receive", errno, NULL);
	rpc_reader_filled(c->reader, (size_t)n);
	return n > 0;
}

int client_next(struct client *c, struct rpc_message *m, struct err *e)
{
	int64_t msgid;

	for (;;) {
		int ret = rpc_reader_next(c->reader, m, &msgid, e);

		if (ret != 0)
			return ret;
		ret = fill(c, e);
		if (ret <= 0)
			return ret;
	}
}

static const msgpack_object *map_get(const msgpack_object *map, const char *key)
{
	if (!map || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object *k = &map->via.map.ptr[i].key;

		if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == strlen(key) &&
		    memcmp(k->via.str.ptr, key, k->via.str.size) == 0)
			return &map->via.map.ptr[i].val;
	}
	return NULL;
}

static void tell_output(const struct rpc_message *m, client_on_output *on_output, void *arg)
{
	const msgpack_object *stream = map_get(m->params, "stream"), *data = map_get(m->params, "data");

	if (!on_output || m->method.len != 6 || memcmp(m->method.p, "output", 6) != 0)
		return;
	if (!stream || stream->type != MSGPACK_OBJECT_STR || !data || data->type != MSGPACK_OBJECT_BIN)
		return;
	on_output(arg, stream->via.str.size == 6 && memcmp(stream->via.str.ptr, "stderr", 6) == 0,
		  (struct bytes){data->via.bin.ptr, data->via.bin.size});
}

static int take_answer(const struct rpc_message *m, struct result *out, struct err *e)
{
	const msgpack_object *x = m->error;

	if (x->type == MSGPACK_OBJECT_STR) {
		err_set(e, ERR_REQUEST, "", 0, "%.*s", (int)x->via.str.size, x->via.str.ptr);
		return -EBADMSG;
	}
	if (x->type != MSGPACK_OBJECT_NIL) {
		err_set(e, ERR_REQUEST, "", 0, "an error that is not a string");
		return -EBADMSG;
	}
	return result_parse(m->result, out, e);
}

static void pack_job(msgpack_packer *pk, void *arg)
{
	job_pack(arg, pk);
}

int client_run(struct client *c, const struct job *j, client_on_output *on_output, void *arg, struct result *out,
	       struct err *e)
{
	struct rpc_message m;
	uint32_t msgid;
	int ret = client_send(c, "run", pack_job, (void *)j, &msgid, e);

	if (ret < 0)
		return ret;
	for (;;) {
		ret = client_next(c, &m, e);
		if (ret == -EINTR)
			continue;
		if (ret == 0)
			return err_set(e, ERR_HOST, "receive", ECONNRESET, "the supervisor closed the connection");
		if (ret < 0)
			return ret;
		if (m.type == RPC_NOTIFY)
			tell_output(&m, on_output, arg);
		else if (m.type == RPC_RESPONSE && m.msgid == msgid)
			return take_answer(&m, out, e);
	}
}
