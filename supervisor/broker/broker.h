/* broker.h - answers a tracee's brokered calls: its file system, its sockets, its threads.
 *
 * Knows neither libev nor clients: the worker receives a notification, hands it over as a `struct broker_call`,
 * and carries out the `struct broker_reply`. Everything a call points to is copied out of the tracee once; decision and
 * operation both use the copy. A reply of kind CONTINUE is only ever given for verdicts from plain register values.
 *
 * Life: one broker_tree per policy and zygote (its grants); one broker_job per job.
 * Single-threaded: the fsuid switch (identity.h) is per thread and belongs to the worker's one thread.
 */
#ifndef WARDER_BROKER_H
#define WARDER_BROKER_H

#include <sys/types.h>

#include "job.h"
#include "policy.h"

struct broker_tree;
struct broker_job;
struct net_route;
struct broker_grants;
struct frames;

/* `trees`: NULL-terminated absolute directories that stand for `interpreter: true`. Opens grant handles with the
 * caller's full rights (the operator named them); a granted path that does not exist is skipped. Returns new. */
int broker_tree_new(const struct policy *p, const char *const *trees, struct broker_tree **out, struct err *e);
void broker_tree_free(struct broker_tree *t); /* after its last job */
bool broker_has_readonly_grants(const struct broker_tree *t); /* they are detached read-only clones */

/* What a job wants granted beside its policy, looked up now: links are followed with the caller's full rights, and where
 * they lead is held against callers_may again. *out is NULL for a job without such grants. On refusal -errno, the
 * protocol's error in *code, its words in `e`. */
int broker_grants_new(const struct job *j, const struct policy *p, struct broker_grants **out, enum rpc_error *code,
                      struct err *e);
void broker_grants_free(struct broker_grants *g);

struct broker_tracee { /* borrowed descriptors; the worker keeps them open for the job's life */
	pid_t t_pid;
	pid_t t_own_pid; /* the number that it has for itself: another one in a pid namespace of its own, */
	int proc;        /* whose procfs this is; -1: it is in the worker's namespace */
	int pidfd;
	int mem;         /* /proc/PID/mem, read and write */
	uid_t uid;       /* the tracee's identity; (uid_t)-1: the worker's own, nothing to switch */
	gid_t gid;
};

struct broker_options {
	const char *const *connect; /* grants.connect of the job, as it wrote them; borrowed for broker_job_new alone */
	size_t n_connect;
	const struct net_route *route; /* route.h; borrowed for the job's life; NULL: no proxies */
	struct frames *frames;   /* how its source lines are found; NULL: they are not */
	const char *filename;    /* the code's name in /tmp */
	struct bytes code;       /* borrowed for the job's life */
	char *const *args;       /* of the job, behind its file name; borrowed likewise */
	size_t n_args;
	const char *interpreter; /* its path, as the job is told; borrowed likewise; NULL: unknown */
	struct broker_grants *grants; /* taken, also on failure; NULL: none of its own */
	uint64_t tmp_bytes, tmp_inodes;
	uint64_t file_bytes;     /* RLIMIT_FSIZE of the tracee, for what the worker does in its place */
	unsigned threads;        /* limit */
	uint64_t memory_bytes;   /* limit */
	uint64_t data_bytes;     /* RLIMIT_DATA of the tracee */
};

int broker_job_new(struct broker_tree *t, const struct broker_tracee *who, const struct broker_options *o,
                   struct broker_job **out, struct err *e);
void broker_job_free(struct broker_job *b);

struct broker_call {
	uint64_t id;
	pid_t t_tid;
	int nr;
	uint64_t args[6];
};

/* Puts the job's files (sorted, as admission left them) into its /tmp, before it starts: one bounded step a call. 1: call again;
 * 0: all are there; -errno, with words. */
int broker_put_files(struct broker_job *b, const struct job_file *files, size_t n, struct err *e);
/* Collects what matches out of its /tmp, once nothing of the job runs any more: one bounded step a call. 1: call again; 0: done,
 * what was found is moved into `r`. `room`: bytes that may be taken. */
int broker_collect(struct broker_job *b, char *const *patterns, size_t n, uint64_t room, struct result *r);

/* A call that cannot be answered yet: what it waits for, and how it goes on. Owned by the broker until a reply gives it away, then by
 * the worker, which has it looked at by broker_resume and ends it with broker_forget. */
struct request;
struct broker_wait {
	int fd;              /* watched while it waits, open until `forget`; -1: none */
	short events;        /* POLLIN, POLLOUT */
	double until;        /* CLOCK_MONOTONIC, seconds: resumed then at the latest; 0: no such time */
	int interrupted;     /* what the call returns when a signal handler is to run: -EINTR, or -BROKER_ERESTARTSYS */
	int64_t (*resume)(struct request *r, struct broker_wait *w, bool timed_out); /* as a handler; may wait on */
	void (*forget)(struct broker_wait *w); /* frees it */
};
/* As the kernel's own: after the handler the call is made again where it has SA_RESTART, else it returns EINTR. */
#define BROKER_ERESTARTSYS 512

enum reply_kind {
	REPLY_VALUE, REPLY_FD, REPLY_CONTINUE, REPLY_LATER,
	REPLY_HELD, /* no answer, nothing was done: a debugger is to be asked. broker_take_held */
	REPLY_NAMES, /* no answer yet: the job's host names are needed first. Have them resolved, then ask again */
};
struct broker_reply {
	enum reply_kind kind;
	int64_t value;       /* VALUE: what the call returns, -errno for a failure */
	int fd;              /* FD: injected and then closed by the worker; the tracee's call returns its number */
	bool cloexec;        /* FD */
	int fd2;             /* FD: -1, or a second one: inject both, write their numbers (int[2]) to fds_at, return 0 */
	uint64_t fds_at;     /* address in the tracee */
	struct broker_wait *wait;   /* LATER */
	struct broker_wait *beside; /* VALUE: NULL, or something to be watched although the call is answered */
	bool held_up;               /* the job makes the worker sleep, again and again: it is to be ended */
};

/* Never fails: every call gets a reply. Judges with the policy first (refused calls are answered and recorded
 * here too). `still_there(arg, id)` asks the kernel whether the notification is still pending
 * (SECCOMP_IOCTL_NOTIF_ID_VALID), to be asked after anything was looked up by the tracee's numbers. */
void broker_answer(struct broker_job *b, const struct broker_call *c, bool (*still_there)(void *arg, uint64_t id),
                   void *arg, struct broker_reply *out);

/* --- jobs under a debugger (policy->debug): broker_answer gives REPLY_HELD for calls that the policy refuses or kills. -------------- */
/* Moves out what is known of the call that was held last, as a violation (violation_done). */
void broker_take_held(struct broker_job *b, struct violation *v);
enum broker_decision {
	BROKER_AS_POLICY, /* refuse it; one that would kill is refused, too: killing is the worker's */
	BROKER_ALLOW,     /* this call with these registers, for this once, */
	BROKER_ALLOW_ALWAYS, /* or from now on */
};
/* Whether a decision can allow it, as a policy could: not what is on the floor, or what only another key of the policy gives. */
bool broker_can_allow(const struct broker_job *b, const struct broker_call *c);
/* As broker_answer, without asking again. What it gives natively is CONTINUEd although it may have pointers: so it would be under a policy
 * that allows the call. */
void broker_answer_decided(struct broker_job *b, const struct broker_call *c, enum broker_decision d, bool (*still_there)(void *arg, uint64_t id),
                           void *arg, struct broker_reply *out);
void broker_hold_next(struct broker_job *b); /* whatever the policy says of it */
/* Takes other grants of the job's own; gives the old ones, which the caller frees after the job. */
struct broker_grants *broker_set_grants(struct broker_job *b, struct broker_grants *g);
int broker_add_connect(struct broker_job *b, const char *text); /* and the last one gone again */
void broker_drop_connect(struct broker_job *b);
/* Records a held call as the one that killed the job; takes what v points to. */
void broker_record_held(struct broker_job *b, int nr, struct violation *v);

/* Whether the job has any network grant: then it is told of the proxies, too. */
bool broker_has_network(const struct broker_job *b);
/* The host names to resolve for REPLY_NAMES, i from 0 to broker_names(b) - 1; borrowed. */
size_t broker_names(struct broker_job *b);
const char *broker_name(const struct broker_job *b, size_t i);
/* The one answer for a name: its addresses (IPv4 as ::ffff:a.b.c.d), which the job is then held to, or why there are none. */
struct in6_addr;
void broker_resolved(struct broker_job *b, size_t i, const struct in6_addr *addrs, size_t n, const char *failed);
/* No call waits for names any more, whether all are there or not; what comes later counts from then on. */
void broker_names_over(struct broker_job *b);

/* Goes on with a call that waited: its descriptor is ready, its time is over (timed_out), or it is to look again. A reply of kind
 * LATER has the same wait again; after every other kind the worker stops watching and ends it with broker_forget. */
void broker_resume(struct broker_job *b, const struct broker_call *c, struct broker_wait *w, bool timed_out,
                   bool (*still_there)(void *arg, uint64_t id), void *arg, struct broker_reply *out);
void broker_forget(struct broker_wait *w);

/* The tracer tells of threads: born (PTRACE_EVENT_CLONE in parent), gone. */
void broker_thread_born(struct broker_job *b, pid_t parent, pid_t tid);
void broker_thread_gone(struct broker_job *b, pid_t tid);

/* Records the call of thread t_tid that killed the job: arguments decoded, paths and addresses read from the stopped tracee. */
void broker_record_kill(struct broker_job *b, pid_t t_tid, int nr, const uint64_t args[6]);
/* Where in the job's source a stopped thread is: its own reader, frames.h. */
struct frames_job *broker_frames(struct broker_job *b);
/* Tracing. From now on the words of each call that is answered are put into *told as it was judged, texts from the same copy; whoever
 * set it takes them out (violation_done) before the next call. NULL: no more. */
void broker_tell(struct broker_job *b, struct violation *told);
/* The same of a call that is not answered here, whose thread is stopped; what its pointers lead to is read, and may be anything. */
void broker_describe(struct broker_job *b, pid_t t_tid, int nr, const uint64_t args[6], struct violation *out);
/* A violation that this has not given yet, borrowed until the next call; NULL: none. There are at most as many as the list has places. */
const struct violation *broker_fresh_violation(struct broker_job *b);
/* Moves the violations out (caller owns). limits_hit: bits as in struct result. */
void broker_take_violations(struct broker_job *b, struct violation **v, size_t *n, uint64_t *dropped);
uint32_t broker_limits_hit(const struct broker_job *b);
uint64_t broker_signals_sent(const struct broker_job *b); /* bit (1 << signal): by kill(2) and its like, to itself; 0 for NULL */
uint64_t broker_shared_memory(const struct broker_job *b); /* bytes of shared anonymous memory that it may have mapped */
uint64_t broker_calls(const struct broker_job *b);
bool broker_has_tmp_quota(const struct broker_job *b); /* of the private /tmp: true when it is a tmpfs with a quota */

/* Where there is no quota of the private /tmp: looks a bit further into how much is in it. True: more than twice what the job may have. */
bool broker_tmp_is_far_over(struct broker_job *b);
/* Once, when the worker starts: removes directories that stood for a /tmp of jobs whose supervisor was killed. */
void broker_sweep(void);
/* Self-test of what this machine lets the broker do: 0, or -errno with words. */
int broker_probe_tmpfs(struct err *e);
int broker_probe_readonly(struct err *e);

#endif
