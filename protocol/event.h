/* event.h - what a supervisor tells of jobs while they run: the map of an `event` notification.
 *
 * Who may use it: worker (traced calls), front (start, end, violations). Every text is escaped already where the job chose it
 * (decode.h); a client's terminal or page still has its own characters to escape.
 */
#ifndef WARDER_EVENT_H
#define WARDER_EVENT_H

#include "job.h"

/* One call of a traced job. */
struct traced_call {
	struct violation what; /* as a violation: name, arguments, object, verdict, place; err, rule, hint and count are not told */
	double t_ms;           /* since the job's start */
	double spent_us;       /* from the call to its answer */
	const uint64_t *registers; /* borrows: its six arguments as they came */
	int tid;
	bool has_result;       /* false: nobody knows it, or it never returned */
	int64_t result;        /* negative: -errno */
};

/* Kind `syscall`: {job, kind, t_ms, tid, syscall, args, registers, path, address, verdict, result, errno, spent_us, file, line, function}. */
void event_pack_call(msgpack_packer *pk, const char *job, const struct traced_call *c);
/* Kind `start`: {job, kind, uid, language, policy, tracee_pid, started_ms}. */
struct event_start {
	const char *job, *policy;
	enum language language;
	unsigned uid;
	int tracee_pid;
	double started_ms; /* Unix time */
};
void event_pack_start(msgpack_packer *pk, const struct event_start *s);
/* Kind `end`: {job, kind, result}; `result` as it was packed for the client. */
void event_pack_end(msgpack_packer *pk, const char *job, struct bytes result);
/* Kind `violation`: job, kind and what the entry of a result has; from such an entry, or from what it will be made of. */
void event_pack_violation(msgpack_packer *pk, const char *job, const msgpack_object *entry);
void event_pack_fresh_violation(msgpack_packer *pk, const char *job, const struct violation *v);
/* Kind `lost`: {job: nil, kind, count}: so many events were not sent, since the connection was not read. */
void event_pack_lost(msgpack_packer *pk, uint64_t count);

#endif
