/* embed.h - what Node offers to C++ alone, for those who embed it (node.h). Only _warder.c calls these, on Node's main thread,
 * with a handle scope open.
 */
#ifndef WARDER_EMBED_H
#define WARDER_EMBED_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From now on every way out of Node that has an exit code ends in `leave`. Node's own would first destroy the queue of V8's worker threads,
 * which waits for ever for threads that the fork did not copy. */
void embed_leave_by(void (*leave)(int code));
/* In the zygote, before the others. -ENOSYS: this Node lacks what they stand on. */
int embed_init(void);
const void *embed_isolate(void);
/* Node's pool of worker threads of V8, made anew where the old one is: the fork did not copy its threads. In a child, once. -ENOSYS: this
 * Node keeps it elsewhere; -EAGAIN: with them and the one that schedules for them the process would have more than `most` threads, and
 * where Node cannot start one it aborts or waits for ever. */
int embed_start_workers(int threads, int most);
/* Runs what V8 has posted to this thread; whether there was anything. */
bool embed_run_tasks(void);
/* What Node's clocks count from is now, those of later workers too. In a child, before any; nothing where this Node (18) keeps it elsewhere. */
void embed_restart_clock(void);
/* process.emit('beforeExit'), as Node does it when its loop is empty. */
void embed_before_exit(void);
/* process.emit('exit'); gives the exit code. */
int embed_exit(void);
/* V8 collects the harder the nearer it comes to this size of its heap, in bytes. It never fails there: who ends a job that uses too much
 * memory is the worker. */
void embed_limit_heap(size_t bytes);
/* Once the job has computed for a while and collects garbage, V8 gets so many threads to do it with, if the job may have plenty beside them
 * (`threads` is its limit): where a second CPU is idle, a plain Node collects there. */
void embed_help_collector(int workers, int threads);

#ifdef __cplusplus
}
#endif
#endif
