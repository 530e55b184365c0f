/* birth.h - what the worker, a zygote and a newborn tracee say to each other over the control socket.
 *
 * The control socket is a SOCK_SEQPACKET pair, one message a packet, fixed structs, same machine, same build.
 * It is descriptor BIRTH_FD in the zygote; a tracee inherits it, sends one BIRTH_BORN or BIRTH_FAILED,
 * and closes it before it waits for its job. User code never sees it. The worker has SO_PASSCRED on, so the
 * kernel, not the sender, says whose pid a message is from.
 *
 *   worker → zygote   BIRTH_SETUP (first, with the set-up memfd), then BIRTH_FORK (perhaps with cgroup.procs of the cgroup to join) … ; end of file: leave
 *                     BIRTH_ASK after a while: is the one that was forked for that order still there?
 *   zygote → worker   BIRTH_READY (with BIRTH_NAMESPACES and the procfs of its pid namespace) or BIRTH_FAILED (slot -1);
 *                     to BIRTH_ASK: BIRTH_GONE, or nothing as long as it is there
 *   tracee → worker   BIRTH_BORN with {listener, /proc/self/mem, pidfd}, or BIRTH_FAILED with its slot
 *
 * The set-up memfd holds a `struct birth_setup` and, behind it, the two filters' instructions (struct
 * sock_filter arrays, whitelist first) and `preload`: NUL-terminated module names.
 *
 * A tracee opens BIRTH_JOB_PATH twice: EAGAIN says that it has its stdio now, and the second open is answered when a job is there. The
 * brief is what it reads then: a `struct brief`, then n_args + n_env + 1 fields, each a uint32_t length and that many bytes (file name as
 * the traceback shows it first, then args, then env as NAME=VALUE), then the code up to the end.
 */
#ifndef WARDER_BIRTH_H
#define WARDER_BIRTH_H

#include <stdint.h>

#include "err.h"

/* The control socket's number in zygotes and newborn tracees. It is out of reach for user code for good: RLIMIT_NOFILE of a
 * tracee is at most this number (dup2 onto it: EBADF). That is why the broker filter can let sendmsg on this number
 * pass: the newborn needs it once, to send the listener that every later sendmsg goes through. */
#define BIRTH_FD 1000
/* In zygotes with namespaces: a procfs of their own pid namespace, attached nowhere. Newborns close it before they have a listener. */
#define BIRTH_PROC_FD (BIRTH_FD + 1)
#define BIRTH_JOB_PATH "/.warder/job"
#define BIRTH_MAGIC 0x31445257u /* "WRD1" */
#define BIRTH_INFO_MAX 8192

enum birth_type { BIRTH_SETUP = 1, BIRTH_FORK, BIRTH_READY, BIRTH_BORN, BIRTH_FAILED, BIRTH_ASK, BIRTH_GONE };

/* order of the descriptors of BIRTH_BORN */
enum { BIRTH_LISTENER, BIRTH_MEM, BIRTH_PIDFD, BIRTH_FDS };

enum birth_flag {
	BIRTH_IDENTITY = 1 << 0,       /* switch to uid, gid of BIRTH_FORK */
	BIRTH_LANDLOCK = 1 << 1,
	BIRTH_LANDLOCK_NET = 1 << 2,   /* ABI 4 */
	BIRTH_LANDLOCK_SCOPE = 1 << 3, /* ABI 6 */
	BIRTH_WAIT_KILLABLE = 1 << 4,  /* kernel 5.19 */
	BIRTH_NAMESPACES = 1 << 5,     /* the zygote is the first process of namespaces of its own, BIRTH_PROC_FD is there */
	BIRTH_USER_NS = 1 << 6,        /* a user namespace among them, where the supervisor is not root */
	BIRTH_EMPTY_ROOT = 1 << 7,     /* needs namespaces: the zygote gives up its root directory before it is ready */
};

/* Limits are those of the policy's `callers_may`: the most that any job may have. The worker lowers them to the job's own
 * before it answers the open of BIRTH_JOB_PATH. */
struct birth_setup {
	uint32_t magic;
	uint32_t flags;            /* enum birth_flag */
	uint32_t n_whitelist;      /* instructions */
	uint32_t n_broker;
	uint32_t preload_bytes;
	uint32_t unused;           /* keeps the next ones aligned */
	uint64_t rlimit_data_extra; /* bytes above the zygote's own data size; 0: unlimited */
	uint64_t rlimit_as_extra;  /* likewise, address space; 0: unlimited */
	uint64_t rlimit_fsize;     /* bytes */
	uint64_t rlimit_nofile;
	uint64_t rlimit_cpu;       /* seconds, a backstop; 0: none */
	uint64_t rlimit_nproc;     /* threads of one identity, only with BIRTH_IDENTITY */
};

struct birth_message {
	uint32_t type;             /* enum birth_type */
	int32_t slot;              /* FORK, BORN, FAILED, ASK, GONE */
	uint32_t order;            /* FORK, BORN, ASK, GONE: the worker's number of that birth */
	uint32_t uid, gid;         /* FORK */
	uint32_t hurry;            /* FORK: a job waits for it already, so rehearsing would only delay it */
	uint32_t layers;           /* BORN: bit (1 << LAYER_x) that this tracee put on */
	int32_t own_pid;           /* BORN: its number in its own pid namespace */
	uint64_t data_size, as_size; /* BORN: bytes that RLIMIT_DATA and RLIMIT_AS were counted from */
	struct err err;            /* FAILED */
	uint32_t info_len;         /* READY: bytes of `info` in use */
	char info[BIRTH_INFO_MAX]; /* READY: NUL-terminated lines, "version=3.11.2", then "tree=/usr/lib/python3.11" … */
};

struct brief {
	uint32_t magic;
	uint32_t n_args;
	uint32_t n_env;
	uint32_t code_len;
	uint32_t threads;    /* the job's limit, for interpreters that have threads of their own; 1 where the policy lets nobody begin one */
	uint32_t memory_mib; /* likewise, for collectors that go by one; who ends the job is the worker */
};

#endif
