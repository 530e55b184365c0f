/* frames_node.h - the JavaScript line of a Node tracee, read from its memory while its main thread is stopped in a call.
 *
 * Used by frames.c alone, whose rules hold here: nothing is decided on what is read, all reads are bounded, chains only lead upwards.
 *
 * How: V8 keeps, in the isolate, the frame of the last call from JavaScript into native code. From there frames are chained as compilers
 * chain them; those of JavaScript hold their function and, while they are interpreted, their place in its bytecode. Where things lie
 * is told by the zygote (protocol/v8.h) and, what Node does not tell, found in the first tracee, which waits for its job in a
 * function and line that are known. What does not fit there is not used: no line is told.
 *
 * A thread of worker_threads has an isolate of its own, like the main one in all but its address, which is looked for on the thread's stack. Those of
 * libuv's pool, which carry out what is asked for asynchronously, run no JavaScript: they have no line, and the place that asked has gone on.
 */
#ifndef WARDER_FRAMES_NODE_H
#define WARDER_FRAMES_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "v8.h"

struct frames_job;
struct where;

/* Plain data, one per zygote. */
struct v8_frames {
	uint64_t isolate;       /* t_addr */
	int line;               /* of V8_WAITS_FUNCTION */
	int number[V8_NUMBER_COUNT];
	/* found in the first tracee */
	uint64_t exit_frame;    /* t_addr of the word that holds it, 0: not found, nothing is told */
	int shared_bytecode;    /* offset of a function's bytecode in its SharedFunctionInfo */
	int bytecode_positions; /* of the table of source positions in a BytecodeArray */
	char bootstrap[256];    /* the name of Warder's own script, which is nobody's */
};

/* `text`: what stands behind V8_INFO. 0 or -EINVAL (a number is missing). */
int v8_frames_parse(struct v8_frames *f, const char *text);
/* `mem`: of a tracee that waits for its job and has run none. 0, or -ENOENT when it does not look as this reader expects. */
int v8_frames_fit(struct v8_frames *f, int mem);
bool frames_node(struct frames_job *j, const struct v8_frames *f, pid_t t_tid, struct where *out);

#endif
