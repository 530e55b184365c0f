/* inside.h - what the front's own files share: the front itself, and a run.
 *
 * front.c has the life, the connections and the loop's callbacks; runs.c what happens to a job from admission to
 * answer; adopt.c jobs of a front before this one;
 * installs.c packages for jobs; events.c who is told of jobs as they go; workers.c who the workers are and what they say of themselves;
 * policies.c what clients may ask of policies; methods.c the table of what they may call. Nobody else includes this.
 */
#ifndef WARDER_FRONT_INSIDE_H
#define WARDER_FRONT_INSIDE_H

#include <sys/queue.h>

#include <ev.h>

#include "front.h"
#include "log.h"
#include "queue.h"
#include "session.h"

/* A job from its request to its answer. */
struct run {
	struct queue_item item; /* first, so that an item is its run */
	LIST_ENTRY(run) link;   /* front.waiting or front.submitted */
	uint64_t key;
	struct session *session; /* NULL: the client is gone, nobody to answer */
	struct session *debugger; /* who is told what is held of it; NULL: nobody */
	bool debug;
	uint32_t msgid;
	uid_t uid;
	uint64_t client; /* of uid and tenant, runs.c; 0: adopted */
	char *id;
	const struct policy *policy; /* NULL: its own, which the worker reads */
	char *policy_name;           /* adopted: what its worker calls its policy; else NULL */
	enum language language;
	struct generation *generation; /* of the policy; held */
	struct front_worker *worker;   /* who has it; NULL while it waits */
	struct job *job;        /* NULL once the worker has it */
	int proof;              /* an operator's connection, where its right makes a difference; -1: none */
	size_t bytes;           /* of code, stdin and files, while it waits */
	enum state state;       /* set by runs_set_state alone */
	int tracee_pid;         /* 0: not started */
	double asked_ms;        /* monotonic */
	double submitted_ms;    /* monotonic */
	double started_unix_ms; /* 0: not started */
	double queue_ms;
	bool detach;
	enum trace trace;  /* as its client asked for */
	enum trace traced; /* as the worker was told last */
	bool held; /* the worker was told to hold its output */
};

LIST_HEAD(run_list, run);
LIST_HEAD(watch_list, watch);
LIST_HEAD(install_list, install);

struct share { /* the connections of one uid */
	LIST_ENTRY(share) link;
	uid_t uid;
	unsigned n;   /* never 0 */
	bool refused; /* it was told that it has too many, and has had no fewer since */
};

struct peer { /* a connection, in the front's list */
	LIST_ENTRY(peer) link;
	STAILQ_ENTRY(peer) ended_link;
	bool ended; /* in the list of those that the sweep looks at */
	struct share *share;
	struct session *session;
	void (*on_closed)(void *arg);
	void *arg;
	bool told; /* its runs have been let go */
};

struct front_totals {
	uint64_t connections, requests, accepted, refused;
};

struct front_worker {
	struct front *front;
	const struct port_worker *port; /* NULL: down */
	unsigned capacity, n_submitted;
	unsigned n_started;             /* of those, as far as it told */
	struct port_status status;      /* as it last told */
	bool asked;                     /* and has not answered yet */
};

/* Somebody asked for `status`, which takes a word from every worker. */
struct ask {
	STAILQ_ENTRY(ask) link;
	struct session *session; /* NULL: gone */
	uint32_t msgid;
};
STAILQ_HEAD(ask_list, ask);

struct front {
	struct ev_loop *loop;
	struct generation *generation;
	struct front_worker *workers; /* FRONT_WORKERS_MAX of them; n_workers: the highest index that was ever up, + 1 */
	unsigned n_workers;
	uint32_t layers;
	size_t max_message;
	uid_t *operators, *installers;
	size_t n_operators, n_installers;

	struct session_shared shared;
	int gate; /* -1: none */
	ev_io on_connection;
	ev_timer gate_rest; /* after EMFILE and the like: try again then */
	ev_timer sweep;     /* never started, only fed: runs when the present callback has returned */
	LIST_HEAD(, peer) peers;
	STAILQ_HEAD(, peer) ended;
	LIST_HEAD(, share) shares;
	unsigned n_peers, max_peers;
	bool draining;

	struct queue queue;
	struct run_list waiting, submitted;
	struct watch_list watches;
	struct install_list installs;
	void (*install)(void *ctx, enum installer_command command, enum language language, int out);
	void *install_ctx;
	size_t waiting_bytes;
	uint64_t next_key;
	double mean_ms; /* moving mean from submission to result; 0: none yet */
	double born_ms; /* monotonic */
	double questions_paid; /* monotonic ms up to which the time of policies.c is spent */
	struct front_totals totals;
	struct port_status past; /* the totals of workers that have gone */

	struct ask_list asking, next_asking; /* answered in this round; in the next */
	ev_timer ask_patience;               /* a worker that says nothing is told of as it was */
};

double front_now_ms(void); /* monotonic */
bool front_is_operator(const struct front *f, uid_t uid);
bool front_may_install(const struct front *f, uid_t uid);

unsigned front_capacity(const struct front *f); /* of all workers that are up */

/* workers.c */
struct front_worker *workers_choose(struct front *f); /* the least loaded one with room; NULL: none */
/* One that is full, but of jobs that wait for their turn there: it takes one more of a client who has none; NULL: none does. */
struct front_worker *workers_choose_full(struct front *f);
void workers_on_status(void *ctx, const struct port_status *st);
void workers_ask(struct front *f, struct session *s, uint32_t msgid);
void workers_let_go(struct front *f, struct session *s);
void workers_init(struct front *f);
void workers_free(struct front *f);

/* methods.c */
void methods_answer_status(struct front *f, struct session *s, uint32_t msgid);
void methods_dispatch(struct front *f, struct session *s, const struct rpc_message *m);
void answer_error(struct session *s, uint32_t msgid, enum rpc_error code, const char *text);
void answer_begin(msgpack_sbuffer *b, msgpack_packer *pk, uint32_t msgid); /* then pack the result, and session_answer */

/* policies.c: questions about policies */
void policies_get(struct front *f, struct session *s, const struct rpc_message *m);
void policies_check(struct front *f, struct session *s, const struct rpc_message *m);
void policies_diff(struct front *f, struct session *s, const struct rpc_message *m);
void policies_explain(struct front *f, struct session *s, const struct rpc_message *m);

/* debug.c: who debugs which job */
void debug_attach_method(struct front *f, struct session *s, const struct rpc_message *m);
void debug_decide_method(struct front *f, struct session *s, const struct rpc_message *m);
void debug_submitted(struct run *r); /* its worker has it now */
void debug_let_go(struct front *f, struct session *s);

/* installs.c: packages, listed and installed by a process of the keeper's */
void installs_request(struct front *f, struct session *s, const struct rpc_message *m, enum installer_command c, const msgpack_object *language);
void installs_let_go(struct front *f, struct session *s); /* the session has ended: so does what it asked for */
void installs_end(struct front *f);                       /* answers all of them: the supervisor goes down */
void installs_free(struct front *f);

/* runs.c */
struct run *runs_of_worker(const struct front_worker *w, uint64_t key);
void runs_request(struct front *f, struct session *s, const struct rpc_message *m);
/* Cancels the caller's (an operator's: anybody's) job of this id. Whether there was one. */
bool runs_cancel(struct front *f, uid_t uid, struct bytes id);
void runs_pump(struct front *f);
/* The session has ended: its runs are cancelled or, if detached, go on without it. */
void runs_let_go(struct front *f, struct session *s);
/* It reads again: what was held goes on. */
void runs_release(struct front *f, struct session *s);
/* The worker has gone: what it had is answered. */
void runs_lost(struct front *f, struct front_worker *w, const char *why);
/* Answers all that wait. */
void runs_refuse_waiting(struct front *f);
void runs_free(struct front *f);
void runs_started(void *ctx, uint64_t key, int tracee_pid);
/* A job of this id that this uid may see, or NULL; the job of a key. */
struct run *runs_find(const struct front *f, uid_t uid, struct bytes id);
struct run *runs_of_key(const struct front *f, uint64_t key);
void runs_event(void *ctx, uint64_t key, struct bytes packed);
void runs_violation(void *ctx, uint64_t key, struct bytes packed);
void runs_output(void *ctx, uint64_t key, bool is_stderr, struct bytes data);
void runs_result(void *ctx, uint64_t key, const struct result *r);
void runs_refused(void *ctx, uint64_t key, enum rpc_error code, const struct err *why);

void runs_set_state(struct run *r, enum state state);

/* adopt.c */
const char *run_policy_name(const struct run *r);

/* events.c */
void events_subscribe(struct front *f, struct session *s, const struct rpc_message *m);
void events_let_go(struct front *f, struct session *s);  /* the session has ended */
void events_release(struct front *f, struct session *s); /* it reads again */
void events_started(struct front *f, const struct run *r);
bool events_wants_violations(const struct front *f, const struct run *r);
void events_violation(struct front *f, const struct run *r, struct bytes packed);
void events_call(struct front *f, struct run *r, struct bytes packed);
void events_ended(struct front *f, const struct run *r, struct bytes result);
void events_job_gone(struct front *f, const struct run *r); /* after the last event of it */
void events_free(struct front *f);

#endif
