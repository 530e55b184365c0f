/* inside.h - the worker's own structs, shared by its modules and by nobody else.
 *
 *   worker.c   the pool: which job gets which tracee, when to make new ones
 *   nursery.c  one zygote per policy: its control socket, births
 *   turns.c    in which order jobs get tracees, and how many small ones of a client at once
 *   demand.c   how many tracees wait
 *   renew.c    replacing zygotes that are old
 *   spawn.c    starting its process
 *   again.c    jobs whose tracee was killed before they began
 *   spawn.c    what its process is
 *   midwife.c  starting that
 *   slot.c     one tracee from birth to reaping: one setter of its state
 *   start.c    a job is handed to it
 *   calls.c    its brokered calls are answered
 *   brief.c    what a tracee is told of its job
 *   transfer.c files into a job's /tmp and out of it, a step a turn
 *   usage.c    bytes in the directory that stands for its /tmp
 *   outcome.c  how a job ended, what it used
 *   regs.c     the call that a thread is in, by its registers
 *   tracer.c   ptrace and wait4: threads, exit stops, the killing call
 *   debug.c    calls that are held for a debugger
 *   rlimits.c  the kernel's limits of one job
 *   watch.c    its CPU time and memory
 *   leaf.c     the cgroup of each tracee, behind that
 *   pump.c     the job's output
 *   names.c    the host names that a job is granted, looked up by resolver.c
 *   trace.c    the calls of a traced job, told as events
 *   waits.c    brokered calls that are answered later
 *   uids.c     which uids its tracees get
 *   watchdog.c the thread that ends a job which holds the worker up
 */
#ifndef WARDER_INSIDE_H
#define WARDER_INSIDE_H

#include <ev.h>
#include <linux/seccomp.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "dependencies.h"
#include "birth.h"
#include "broker.h"
#include "filter.h"
#include "frames.h"
#include "interpreter.h"
#include "layers.h"
#include "leaf.h"
#include "port.h"
#include "resolver.h"
#include "uids.h"
#include "watchdog.h"
#include "worker.h"

/* A job that the front handed over and that has no tracee yet. */
struct pending {
	struct pending *next;
	uint64_t key;
	struct job *job;
	struct generation *generation; /* of the policy; held */
	const struct policy *policy;
	struct broker_grants *grants; /* of the job's own, looked up when its turn comes */
	double queue_ms;
	bool debugger; /* listens already */
	bool watched;  /* somebody wants to be told of its violations as they happen */
	ev_tstamp since;
	uid_t uid;      /* whose job it is */
	uint64_t turn;  /* turns.c */
	unsigned tries; /* tracees that were killed before it began */
};

enum nursery_state { NURSERY_STARTING, NURSERY_READY, NURSERY_BROKEN };

enum nursery_role {
	NURSERY_CURRENT,  /* new jobs of its policy are its */
	NURSERY_HEIR,     /* it will take over */
	NURSERY_RETIRING, /* only its last jobs are left */
};

/* A zygote and what belongs to it. Broken ones are kept, with the reason, until it is time to try again. */
struct nursery {
	struct nursery *next;
	struct worker *worker;
	struct generation *generation; /* that it began under; held */
	uint64_t serves;               /* number of the newest one that has its policy as it is */
	const struct policy *policy;
	struct interpreter_mark interpreter; /* that it was started with */
	bool replaced;                 /* and that is another one now */
	bool packages_moved;           /* likewise its tree of packages, */
	double packages_at;            /* when that was looked at */
	enum nursery_state state;
	enum nursery_role role;
	unsigned jobs;           /* that its tracees got */
	double ready_at;         /* since when it serves */
	double renew_at;         /* not replaced before */
	double used_at;          /* of a policy that jobs bring along: when it had a job last */
	struct err err;          /* BROKEN: why */
	unsigned failures;       /* of the zygote or of births, in a row: since a newborn came to wait */
	unsigned lost;           /* newborns that were killed by others since then */
	ev_tstamp retry_at;      /* no zygote and no birth before; 0: now */
	pid_t pid;               /* 0: none */
	int pidfd, control, log; /* -1: none */
	int proc;                /* procfs of its pid namespace; -1: it has the worker's */
	ev_io on_control, on_log;
	ev_timer patience;       /* start, then each birth, must be over by then; */
	unsigned asked;          /* a birth: after so many */
	uint32_t order;          /* number of the last one ordered */
	char log_line[512];
	size_t log_len;
	struct filter whitelist, broker;
	struct broker_tree *tree;
	char dependencies[DEPENDENCIES_PATH_MAX]; /* the version of its tree of packages; "": none */
	const char *executable;  /* in info: the interpreter's path; NULL: it tells none */
	uint64_t reserves_mib;   /* private writable memory that the interpreter maps and leaves untouched */
	struct frames *frames;   /* how source lines of its jobs are found, held; NULL: they are not */
	char info[BIRTH_INFO_MAX]; /* of BIRTH_READY, lines cut into strings */
	struct slot *birth;      /* the one being forked: one at a time */
	unsigned waiting, born;  /* slots in SLOT_WAITING, SLOT_BORN */
	unsigned wanted, least;  /* demand.c: tracees to keep waiting; the fewest that waited since it looked */
};

struct pump { /* one of the job's two output pipes */
	struct slot *slot;
	ev_io io;
	ev_timer rest;           /* runs while io does not, after a small piece */
	int fd;                  /* our end; -1: none */
	char *buf;
	size_t len, cap;
	uint64_t total;          /* bytes the job wrote, cut or not */
	bool truncated, is_stderr;
};

enum slot_state {
	SLOT_FREE,
	SLOT_ORDERED,  /* the zygote was told to fork it */
	SLOT_BORN,     /* its listener is here; its first brokered call is not */
	SLOT_WAITING,  /* confined for certain, pending in open(BIRTH_JOB_PATH) */
	SLOT_RUNNING,
	SLOT_COLLECTING, /* ended; its files are being read. It may be reaped meanwhile */
	SLOT_ANSWERED, /* the result is out, or none is due; not reaped yet */
	SLOT_STATES
};

enum killed_for { KILLED_NOT, KILLED_WALL_TIME, KILLED_CPU_TIME, KILLED_MEMORY, KILLED_OUTPUT, KILLED_TMP, KILLED_CANCEL, KILLED_POLICY, KILLED_ERROR };

#define SLOT_THREADS_MAX 1100 /* limit_max(LIMIT_THREADS) and those about to be refused */

/* A tracee's place: index, identity and watchers last; the rest is one tracee's. */
struct slot {
	struct worker *worker;
	int index;
	uid_t uid; /* (uid_t)-1 without the identity layer */
	gid_t gid;
	enum slot_state state;
	struct nursery *nursery;
	struct leaf leaf;        /* of all its tracees, one after the other */
	pid_t t_pid;             /* 0: none; forgotten where it is reaped */
	pid_t t_own_pid;         /* the number that it has for itself: another one in a pid namespace of its own */
	int pidfd, mem, listener;
	int statm;               /* /proc/PID/statm, for watch.c */
	uint64_t data_size, as_size; /* bytes, which its RLIMIT_DATA and RLIMIT_AS are counted from */
	uint32_t layers;
	ev_io on_listener;
	bool is_equipped;        /* BORN: it has its stdio, and is to ask for its job again */
	uint64_t first_call;     /* id of the open that its job answers, received when the job is there */
	uint64_t first_at, first_path; /* where that call stands, and its argument */
	pid_t *t_tids;           /* threads that are not reaped, the leader among them */
	size_t n_tids, cap_tids;
	bool reaped;             /* COLLECTING: gone for good */
	bool leader_stopped;     /* in its exit stop, held there until the others are gone */
	int leader_status;       /* raw wait status of that stop */
	bool codes_differ;       /* a thread's exit stop had another one: believe only the reaped status */
	bool kill_seen;          /* the call that killed is recorded */
	bool sigsys_seen;        /* a SIGSYS came by a signal stop; those of seccomp do not stop (Linux 5.16) */
	unsigned stops;          /* signal and group stops in this period, */
	double stops_since;      /* which began then */
	struct { pid_t t_tid; int sig; } *parked; /* threads that wait for the next one */
	size_t n_parked, cap_parked;
	ev_timer period;
	/* the job */
	uint64_t key;
	struct job *job;
	bool watched;              /* as in its pending */
	struct broker_job *broker;
	struct tracing *trace;     /* NULL: its calls are not told */
	struct names *names;     /* NULL: not needed so far */
	struct debugger *debugger; /* NULL: none is asked about this job; debug.c */
	struct waiting *waits;   /* calls that are not answered yet: waits.c */
	struct pump pumps[2];
	ev_timer wall, loose, look;
	ev_timer usage;          /* the next look into a private directory */
	ev_timer transfer;       /* the next step of files into or out of its /tmp */
	struct result result;    /* COLLECTING: all but its files */
	uint64_t rlimit_data;    /* bytes, as set for the job */
	uint64_t anon_before;    /* private pages that it was born with */
	double looked, look_cpu; /* watch.c: when it looked last, CPU seconds then */
	uint32_t limits_hit;     /* bit (1 << LIMIT_HIT_x) of those that the broker does not see */
	bool held;               /* the front wants no output of it now */
	ev_tstamp started;
	double cpu_before;       /* CPU seconds that its birth took */
	double cpu_seen;         /* likewise at the last look whether it computes, */
	uint64_t calls_seen;     /* and its brokered calls then */
	bool is_loose;           /* on every CPU; else beside the worker */
	double queue_ms;
	uid_t client;            /* whose job it is */
	uint64_t turn;           /* that it began in: turns.c, */
	bool fresh;              /* and whether it counts as one that has just begun */
	double fresh_cpu, fresh_at; /* its CPU seconds when that was looked at last */
	unsigned tries;          /* of the job, before this tracee */
	bool begun;              /* code of the job runs */
	bool unbegun;            /* the job could not be handed over: its tracee had been killed */
	enum killed_for killed_for;
	char error[256];         /* KILLED_ERROR: why */
};

struct worker {
	struct ev_loop *loop;
	struct worker_config config;
	struct uids uids;        /* of the slots, in their order */
	const struct port_front *front;
	ev_signal on_child;
	ev_timer more_children;  /* there may be more statuses than one turn takes */
	ev_prepare on_turn;      /* once a turn of the loop: hand out jobs, refill */
	ev_timer fresh;          /* since a job began; again while one that computes counts as fresh */
	uint64_t turn;           /* of the job that began last: turns.c; */
	uint64_t begun;          /* its client; 0: none yet */
	double several_until;    /* jobs of several clients come */
	ev_timer ebb;            /* while more tracees wait than pool.min */
	ev_timer renew;          /* looks for zygotes that are old */
	bool dirty;              /* something changed since the last hand-out */
	bool shutting_down;
	long page_size, n_cpus;
	bool output_paused;      /* the front takes no output of any job now */
	struct midwife *midwife;
	struct watchdog *watchdog;
	struct resolver *resolver;
	struct waits *waits;
	struct nursery *nurseries;
	struct slot *slots;
	unsigned n_slots, running;
	struct pending *first, **last;
	struct generation *newest; /* of new jobs; held. NULL: there was no reload */
	struct port_status totals;
};

/* worker.c */
double worker_clock(void); /* CLOCK_MONOTONIC, seconds */
void worker_changed(struct worker *w);
void worker_fail_pending(struct worker *w, const struct policy *p, const struct err *why);
void worker_answer_error(struct worker *w, uint64_t key, const char *id, double queue_ms, const char *text);

/* nursery.c */
struct nursery *nursery_get(struct worker *w, struct generation *g, const struct policy *p); /* new ones start at once; NULL: no memory */
struct nursery *nursery_new(struct worker *w, struct generation *g, const struct policy *p, enum nursery_role role); /* starts; NULL: no memory */
void nursery_start(struct nursery *n);
void nursery_reload(struct nursery *n, struct generation *g); /* it goes on where its policy is the same there, or has its successor started */
void nursery_order(struct nursery *n, struct slot *s);  /* one birth */
void nursery_birth_over(struct nursery *n, struct slot *s);
void nursery_has_borne(struct nursery *n); /* a newborn waits for its job: births work */
/* A newborn ended before that. `by_others`: it was killed, and not by us; another one is ordered, as long as that is not the rule. Else the jobs
 * that wait are told, and births rest. */
void nursery_lost(struct nursery *n, const struct err *why, bool by_others);
bool nursery_rests(const struct nursery *n); /* after failures nothing is tried for a while */
void nursery_reaped(struct nursery *n, int status);
bool nursery_is_over(const struct nursery *n); /* its zygote is dying. What it forks just now holds its socket, too */
void nursery_free(struct nursery *n);

/* turns.c: the first two take p */
void turns_join(struct worker *w, struct pending *p);
void turns_go_first(struct worker *w, struct pending *p);
bool turns_may_begin(const struct worker *w, const struct pending *p);   /* now; else when a job of its client ends, or has computed for a while */
#define TURNS_LEAVES_MOST 5
/* So many of the tracees that wait are not for this client now; fewer than the `wanted` ones, of which there is at least one. */
unsigned turns_leaves(const struct worker *w, const struct pending *p, unsigned wanted);
bool turns_any_fresh(const struct worker *w); /* jobs that have begun and compute, of any client */
void turns_begun(struct slot *s, uint64_t turn);
void turns_look(struct worker *w); /* which are fresh no more */

/* demand.c */
void demand_init(struct worker *w);
unsigned demand_wanted(const struct nursery *n); /* tracees that are to wait for jobs of its policy */
void demand_note(struct nursery *n);             /* a job of it finds none */

/* renew.c */
bool renew_is_waited_for(const struct nursery *n); /* jobs of its policy have no tracee */
void renew_zygotes(struct worker *w); /* once a turn in which something changed */

/* spawn.c */
int spawn_zygote(struct nursery *n, struct err *e); /* compiles, has it started, sends the set-up */
uint64_t spawn_address_slack(int language);         /* bytes of RLIMIT_AS beside those of RLIMIT_DATA */

/* slot.c */
void slot_init(struct slot *s, struct worker *w, int index);
void slot_ordered(struct slot *s, struct nursery *n);
void slot_born(struct slot *s, pid_t pid, const int *fds, uint32_t layers); /* takes the descriptors */
void slot_unborn(struct slot *s);                                           /* the birth failed, nothing is there */
void slot_start(struct slot *s, struct pending *p);                         /* takes p's job and grants */
/* Receives the call in which a waiting tracee asks for its job. 0 or -errno; -ESRCH, -EPIPE: it is not there any more. */
int slot_take_first_call(struct slot *s);
void slot_kill(struct slot *s, enum killed_for why);
void slot_set_state(struct slot *s, enum slot_state to);                     /* nobody else writes s->state */
void slot_call(struct slot *s, const struct seccomp_notif *n);              /* answers it, now or later */
void slot_answer(struct slot *s, const struct broker_call *c);
void slot_retire(struct slot *s);                                            /* a waiting one, to make room */
void slot_over(struct slot *s, int status, const struct rusage *ru);        /* answers, or collects first; ru NULL at an exit stop */
void slot_reaped(struct slot *s, int status, const struct rusage *ru);
void slot_hold_output(struct slot *s, bool hold);
/* What the broker says is done: exactly one answer, now or later. */
void slot_carry_out(struct slot *s, const struct broker_call *c, struct broker_reply *r);
void slot_tell_violations(struct slot *s); /* new ones, where somebody listens */
void slot_guard(struct slot *s);   /* what follows is done for this job, which the watchdog ends if it takes too long, */
void slot_unguard(struct slot *s, bool held_up); /* until here; held_up: as the reply says, which ends the job */
void slot_update_output(struct slot *s); /* after output_paused has changed */
void slot_drop(struct slot *s); /* at the worker's end: kills, reaps, frees; answers nothing */

/* again.c */
bool again_is_due(const struct slot *s, int status, bool at_exit_stop); /* of a running one that has ended: its job never began */
void again_begun(struct slot *s);                                       /* for certain: its files are not needed for another tracee */
void again_hand_back(struct slot *s);                                   /* the job waits anew; the slot has none any more */

/* usage.c: bytes in a private directory */
void usage_init(struct slot *s);
void usage_start(struct slot *s);
void usage_stop(struct slot *s);

/* transfer.c: both call back when all is done, at once for what is small */
void transfer_init(struct slot *s);
void transfer_in(struct slot *s);   /* then slot_files_in */
void transfer_out(struct slot *s);  /* then slot_files_out */
void slot_files_in(struct slot *s, int error, const char *words);
void slot_files_out(struct slot *s);

/* names.c */
void names_wait(struct slot *s, const struct broker_call *c); /* answers it when the job's names are there, or time is up */
void names_drop(struct slot *s);

/* debug.c */
void debug_start(struct slot *s);                           /* with its job; nothing for others than debug jobs */
void debug_drop(struct slot *s);                            /* after its broker has gone */
void debug_hold(struct slot *s, const struct broker_call *c); /* REPLY_HELD */
void debug_interrupted(struct slot *s, pid_t t_tid);        /* the thread makes another call */
void debug_attach(struct slot *s, bool on);
void debug_decide(struct slot *s, uint64_t number, enum decision decision, enum scope scope);

/* brief.c: memfds, close-on-exec, the caller's; or -errno */
int brief_file(const char *name, const void *data, size_t n);
/* proxy_env: NULL, or variables that the policy's and the job's own take the place of. */
int brief_memfd(const struct job *j, const struct policy *p, char *const *proxy_env);

/* outcome.c */
double outcome_cpu(pid_t pid); /* CPU seconds of all its threads so far */
void outcome_measure(struct slot *s, struct usage *u, const struct rusage *ru); /* ru NULL: it is in its exit stop */
void outcome_judge(struct slot *s, int status, struct result *r);

/* tracer.c */
int tracer_seize(struct slot *s);
void tracer_wait(struct worker *w); /* every status there is */
void tracer_unpark(struct slot *s); /* a new period of stops */
void tracer_forget_threads(struct slot *s);
void tracer_let_loose(struct slot *s); /* all CPUs for all its threads */
void tracer_go_on(const struct slot *s, pid_t tid, long signal_number); /* from a stop; s NULL: nobody's */
int tracer_kill(struct slot *s);       /* SIGKILL through its pidfd; -ESRCH when it has ended */
void tracer_pin(struct slot *s);       /* to the worker's CPU */
/* Does `f` with the job's identity where the worker's own is refused (-EPERM). Gives what f gave. */
long tracer_as_job(const struct slot *s, long (*f)(const struct slot *s, pid_t tid), pid_t tid);

/* rlimits.c */
/* bytes above the size at birth, RLIMIT_DATA */
uint64_t rlimits_data_extra(uint64_t memory_mib, uint64_t threads, uint64_t reserves_mib);
uint64_t rlimits_cpu_s(uint64_t cpu_ms);                            /* RLIMIT_CPU */
int rlimits_lower(struct slot *s);                                  /* to those of its job; 0 or -errno */

/* watch.c */
void watch_init(struct slot *s);
int watch_open(struct slot *s);   /* of a waiting one; 0 or -1 with errno */
void watch_start(struct slot *s); /* for its job, before the hand-over */
void watch_last(struct slot *s);  /* at its exit stop, for limits_hit */
void watch_stop(struct slot *s);
uint64_t watch_charged_most(const struct slot *s); /* bytes that its leaf may be charged; after watch_start */

/* pump.c */
int pump_open(struct pump *p, struct slot *s, bool is_stderr, int *job_end); /* *job_end: caller closes */
void pump_drain(struct pump *p); /* what is there now */
void pump_hold(struct pump *p, bool hold);
void pump_close(struct pump *p);
struct bytes pump_take(struct pump *p); /* caller owns */

#endif
