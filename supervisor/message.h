/* message.h - what the words of a link (link.h) have in them: one table, by which senders pack and receivers check.
 *
 * A field has one name, type and range whoever sends it, so the two ends cannot come to differ. Only `settings` is not of these: its files are
 * read where they are used (settings.c). Who may use it: keeper, front_side.c, worker_side.c. No state.
 */
#ifndef WARDER_MESSAGE_H
#define WARDER_MESSAGE_H

#include "installer.h"
#include "link.h"
#include "port.h"

/* The fields of all words; a word has those that its row in message.c names, the others are zero. */
struct message {
	uint64_t key, call, generation;
	enum decision decision;
	enum scope scope;
	enum trace mode;
	enum rpc_error code;
	enum installer_command command;
	enum language language;
	int pid, error; /* error: an errno, positive */
	unsigned index;
	bool on, is_stderr;
	/* To be sent, texts are NUL-terminated, and NULL is an empty one; their len is not looked at. Those that came point into the message, and
	 * end where len says. */
	struct bytes id, why, problem;
	struct bytes data;
	struct bytes packed;       /* the last value of its message, in its packed form */
	const msgpack_object *map; /* came: the value that is a map; never NULL then. To be sent: not looked at */
	struct port_job job;       /* client: not sent as a number, and not set when it came */
	struct port_status status;
	struct port_running running;
};

/* Begins a message: packs what `w` has in it. A map, and a `packed` without bytes, is the last value: the caller packs it behind. */
void message_begin(msgpack_sbuffer *b, msgpack_packer *pk, enum link_word w, const struct message *m);
/* A whole message without a descriptor; `m` may be NULL for words that have nothing in them. Errors as link_send. */
int message_send(struct link *l, enum link_word w, const struct message *m);
/* What came, by the row of its word. -EPROTO: something is missing, of another type, or out of its range. */
int message_take(const struct link_in *in, struct message *m);

#endif
