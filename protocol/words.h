/* words.h - the vocabularies of the wire, each one table used to parse, print and document.
 *
 * Every vocabulary is a list macro; its enum, its names and their number come from that list alone.
 * Who may use it: everybody. Names are those of the interface and never change meaning.
 */
#ifndef WARDER_WORDS_H
#define WARDER_WORDS_H

#include <stddef.h>

#define WORDS_OUTCOME(X) X(EXITED, "exited") X(SIGNALED, "signaled") X(VIOLATION, "violation") \
	X(LIMIT, "limit") X(CANCELLED, "cancelled") X(ERROR, "error")
#define WORDS_VERDICT(X) X(ALLOWED, "allowed") X(BROKERED, "brokered") X(REFUSED, "refused") \
	X(HIDDEN, "hidden") X(KILLED, "killed")
#define WORDS_ENDED_BY(X) X(NONE, "none") X(WALL_TIME, "wall_time") X(CPU_TIME, "cpu_time") \
	X(MEMORY, "memory") X(OUTPUT, "output") X(TMP, "tmp")
/* limits that only give the job an errno */
#define WORDS_LIMIT_HIT(X) X(MEMORY, "memory") X(THREADS, "threads") X(TMP, "tmp") X(FILE_SIZE, "file_size") \
	X(OPEN_FILES, "open_files")
/* limits that a job or a policy sets; units are in the names */
#define WORDS_LIMIT(X) X(WALL_MS, "wall_ms") X(CPU_MS, "cpu_ms") X(MEMORY_MIB, "memory_mib") \
	X(OUTPUT_KIB, "output_kib") X(THREADS, "threads") X(TMP_MIB, "tmp_mib") X(TMP_INODES, "tmp_inodes") \
	X(FILE_MIB, "file_mib") X(OPEN_FILES, "open_files")
#define WORDS_LAYER(X) X(SECCOMP, "seccomp") X(BROKER, "broker") X(LANDLOCK, "landlock") \
	X(LANDLOCK_NET, "landlock_net") X(LANDLOCK_SCOPE, "landlock_scope") X(NO_NEW_PRIVS, "no_new_privs") \
	X(IDENTITY, "identity") X(NAMESPACES, "namespaces") X(EMPTY_ROOT, "empty_root") \
	X(READONLY_GRANTS, "readonly_grants") X(TMP_QUOTA, "tmp_quota") X(RLIMITS, "rlimits") \
	X(CGROUP, "cgroup") X(PTRACE, "ptrace")
/* what a debugger says of a held call, and how far what it allows for good reaches */
#define WORDS_DECISION(X) X(ALLOW_ONCE, "allow_once") X(ALLOW_ALWAYS, "allow_always") X(REFUSE, "refuse") X(KILL, "kill") \
	X(STEP, "step")
#define WORDS_SCOPE(X) X(PATH, "path") X(DIRECTORY, "directory") X(HOST, "host")
/* the lists of a job's `grants` and of `callers_may` */
#define WORDS_GRANT(X) X(READ, "read") X(WRITE, "write") X(CONNECT, "connect")
#define WORDS_STATE(X) X(QUEUED, "queued") X(RUNNING, "running") X(ENDING, "ending")
#define WORDS_LANGUAGE(X) X(PYTHON3, "python3") X(NODEJS, "nodejs")
#define WORDS_TRACE(X) X(OFF, "off") X(BROKERED, "brokered") X(ALL, "all")
#define WORDS_EVENT_KIND(X) X(START, "start") X(END, "end") X(VIOLATION, "violation") X(SYSCALL, "syscall") X(LOST, "lost")
/* errors of the protocol: the request was never accepted */
#define WORDS_RPC_ERROR(X) X(BAD_REQUEST, "bad_request") X(UNKNOWN_METHOD, "unknown_method") \
	X(UNKNOWN_POLICY, "unknown_policy") X(NOT_PERMITTED, "not_permitted") X(TOO_LARGE, "too_large") \
	X(BUSY, "busy") X(SHUTTING_DOWN, "shutting_down") X(FAILED, "failed")

#define WORDS_ALL(V) V(decision, DECISION) V(scope, SCOPE) V(outcome, OUTCOME) V(verdict, VERDICT) V(ended_by, ENDED_BY) V(limit_hit, LIMIT_HIT) \
	V(limit, LIMIT) V(layer, LAYER) V(grant_kind, GRANT) V(state, STATE) V(language, LANGUAGE) V(trace, TRACE) \
	V(event_kind, EVENT_KIND) \
	V(rpc_error, RPC_ERROR)

/* enum outcome { OUTCOME_EXITED, …, OUTCOME_COUNT }, and so on */
#define W_DECISION(n, s) DECISION_##n,
#define W_SCOPE(n, s) SCOPE_##n,
#define W_OUTCOME(n, s) OUTCOME_##n,
#define W_VERDICT(n, s) VERDICT_##n,
#define W_ENDED_BY(n, s) ENDED_BY_##n,
#define W_LIMIT_HIT(n, s) LIMIT_HIT_##n,
#define W_LIMIT(n, s) LIMIT_##n,
#define W_LAYER(n, s) LAYER_##n,
#define W_GRANT(n, s) GRANT_##n,
#define W_STATE(n, s) STATE_##n,
#define W_LANGUAGE(n, s) LANGUAGE_##n,
#define W_TRACE(n, s) TRACE_##n,
#define W_EVENT_KIND(n, s) EVENT_KIND_##n,
#define W_RPC_ERROR(n, s) RPC_ERROR_##n,
#define W_ENUM(lower, UPPER) enum lower { WORDS_##UPPER(W_##UPPER) UPPER##_COUNT };
WORDS_ALL(W_ENUM)

/* outcome_name(OUTCOME_EXITED) is "exited" ("?" out of range); outcome_parse("exited") its number, -1 if unknown. */
#define W_DECLARE(lower, UPPER) \
	const char *lower##_name(int v); \
	int lower##_parse(const char *s, size_t len);
WORDS_ALL(W_DECLARE)

/* bounds of each limit that hold for every policy: 1 to limit_max(l); units as the limit's name says */
unsigned long limit_max(enum limit l);

#endif
