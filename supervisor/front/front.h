/* front.h - the front: owns the client socket; parses, authenticates, admits, queues and routes jobs.
 *
 * It never touches a tracee, and knows workers only as the functions of port.h. This is the one header of the front
 * that front_side.c includes. Runs in the loop that it is given, on that loop's thread.
 * Life: front_new, then workers come and go (front_worker_up, front_worker_down) while the loop runs; front_drain when it is time to go;
 * front_free after all workers are down (so that no answer comes to a freed front).
 *
 * What a client controls: every byte it sends, how fast it reads, when it hangs up. End of file is a hang-up even when
 * the client only shut down its sending half: its jobs are cancelled (but for detached ones), the connection closed.
 */
#ifndef WARDER_FRONT_H
#define WARDER_FRONT_H

#include <stdbool.h>
#include <sys/types.h>

#include <ev.h>

#include "err.h"
#include "installer.h"
#include "policy.h"
#include "port.h"

/* what clients choose, and how far */
#define FRONT_SESSIONS_MAX    16384u      /* connections at once, as far as there are descriptors; more wait in the listen backlog */
#define FRONT_SHARE           2u          /* one uid has at most this part of them: a half */
#define FRONT_OWN_FDS         32u         /* descriptors that are no connections: loop, gate, log, links */
#define FRONT_WORKERS_MAX     1024u
#define FRONT_OUTSTANDING_MAX 1024u       /* unanswered requests of one connection; then it is not read */
#define FRONT_WRITE_HIGH      (1ul << 20) /* bytes a client has not read; above: not read from, output held */
#define FRONT_WRITE_LOW       (FRONT_WRITE_HIGH / 2) /* held output goes on below this */
#define FRONT_WRITE_STALL_S   60.0                   /* a client that takes no byte for so long is hung up on */
#define FRONT_LINGER_S        2.0 /* after a fatal answer, how long what still comes is thrown away */
#define FRONT_INPUT_MESSAGES  4u  /* connections together hold at most so many times max_message of input */
#define FRONT_QUEUE_DEFAULT   64u

struct front_config {
	int gate;               /* listening socket, taken (also on failure); -1: none, only adopted connections */
	uint32_t layers;        /* bit (1 << LAYER_x): on for tracees, for `status` */
	uint64_t first_key;     /* of its jobs; 0: 1 */
	size_t max_message;     /* bytes; 0: RPC_MESSAGE_MAX_DEFAULT */
	unsigned queue_length;  /* jobs that wait; 0: FRONT_QUEUE_DEFAULT */
	unsigned per_tenant;    /* of these, by one uid and tenant; 0: queue_length */
	const uid_t *operators; /* NULL: the supervisor's own uid and root; copied */
	size_t n_operators;
	const uid_t *installers; /* who beside them may have packages updated; copied */
	size_t n_installers;
	/* Has a command of installer.h carried out, its answer written into `out`, which is borrowed. NULL: nobody is there for it. Kept from front_new. */
	void (*install)(void *ctx, enum installer_command command, enum language language, int out);
	void *install_ctx;
};

struct front;

/* Borrows loop until front_free; holds the generation; copies the rest. */
int front_new(struct ev_loop *loop, const struct front_config *c, struct generation *g, struct front **out, struct err *e);
/* From here on jobs are admitted by `g`, which it holds; operators and the queue's lengths are those of `c`. Jobs that it has stay. */
void front_reload(struct front *f, const struct front_config *c, struct generation *g);
/* What worker `index` is to call. */
struct port_front front_port(struct front *f, unsigned index);
/* A worker takes jobs, at most `capacity` at once; again: its capacity has changed. Borrows w until it is down. */
void front_worker_up(struct front *f, unsigned index, const struct port_worker *w, unsigned capacity);
/* As on_result of the port, with the result as its worker packed it (result_pack); borrowed. */
void front_result(struct front *f, unsigned index, uint64_t key, struct bytes packed);
/* As on_held of the port, with the violation as its worker packed it. */
void front_held(struct front *f, unsigned index, uint64_t key, uint64_t call, const msgpack_object *violation, struct bytes problem);
/* A job that worker `index`, which is up, has from a front before this one. Borrows. Negative: there is one of that key, or no memory. */
int front_adopt_job(struct front *f, unsigned index, const struct port_running *j);
/* It has gone: its jobs end with outcome error and these words. */
void front_worker_down(struct front *f, unsigned index, const char *why);

/* Takes a connected stream socket (also when it fails). on_closed (may be NULL) is told once, when the connection is
 * gone; not at front_free, which it must not call. */
int front_adopt(struct front *f, int fd, void (*on_closed)(void *), void *arg);

/* Takes no connections any more; new runs and those that still wait get shutting_down, running ones go on. */
void front_drain(struct front *f);
/* No job unanswered, and everything was written. */
bool front_idle(const struct front *f);
void front_free(struct front *f);

#endif
