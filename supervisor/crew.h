/* crew.h - front and workers as the keeper has them: started, joined to each other, spoken to, started again.
 *
 * A child is forked from the keeper, puts down what is the keeper's (descriptors, signals), and is front_side or worker_side until it ends. Each
 * has a link to the keeper, whose end is its word to leave; front and worker get a link of their own as soon as both run. Nothing waits for a child:
 * one that does not take a few small packets is killed. The first end after a good time is made good at once; those that follow soon wait longer
 * and longer. Who cannot work from the very start has failed, and with that child the supervisor's start.
 *
 * Who may use it: the keeper, which waits (for signals, statuses, the front's words) and calls these. What goes wrong with a child is logged here.
 */
#ifndef WARDER_CREW_H
#define WARDER_CREW_H

#include "installer.h"
#include "layers.h"
#include "link.h"
#include "settings.h"

enum part { FRONT, WORKER };

struct child {
	enum part part;
	unsigned index;   /* of a worker */
	pid_t pid;        /* 0: not running */
	int link;         /* -1: none */
	bool first;       /* it has not been started before */
	bool failed;      /* it could not work at all */
	double started;
	double retry_at;  /* not running: not before */
	unsigned early;   /* ends soon after the start, in a row */
};

struct crew {
	struct child *v; /* the front first, then the workers */
	unsigned n;
	uint64_t fronts; /* started so far */
};

/* What they are started with; borrowed. */
struct crew_order {
	const struct settings_from *from;
	struct generation *generation;
	const struct layers *layers;
	const char *tracee_dir;
	int gate, serve_fd; /* the front's; -1: none */
};

double crew_clock(void); /* CLOCK_MONOTONIC, seconds: for all times here */

int crew_init(struct crew *c, unsigned workers); /* nobody runs yet; -ENOMEM */
void crew_done(struct crew *c);                  /* nobody runs any more */
bool crew_has_failed(const struct crew *c);

void crew_start_those_due(struct crew *c, const struct crew_order *o);
double crew_next_start(const struct crew *c); /* when the next one is due; 0: all run */
/* It has been reaped, and is due again in a while. `leaving`: it was told to, so that its status is no answer. `how`: the status in words. */
void crew_ended(struct child *c, int status, bool leaving, char *how, size_t size);

/* Nothing happens where the child does not run. `b` is emptied, `fd` (-1: none) borrowed. */
void crew_say(struct child *c, msgpack_sbuffer *b, int fd);
void crew_say_word(struct child *c, enum link_word word);
void crew_say_settings(struct child *c, const msgpack_sbuffer *b); /* borrowed */

/* One command of packages, in a process of its own that writes to `out` (borrowed). Its pid; -errno. */
pid_t crew_install(const struct crew_order *o, enum installer_command command, enum language language, int out);

#endif
