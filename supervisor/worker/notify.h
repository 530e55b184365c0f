/* notify.h - one thin wrapper per operation on a seccomp listener, seccomp_unotify(2).
 *
 * Who may use it: the worker. All return 0 (or a number ≥ 0) or -errno; -ENOENT: the call is gone (its thread was
 * killed or interrupted), which is a normal outcome everywhere.
 */
#ifndef WARDER_NOTIFY_H
#define WARDER_NOTIFY_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

/* Asks the kernel for its structs' sizes once; -E2BIG when they are larger than those this was built with. */
int notify_init(void);
/* 1: one is pending, 0: nothing, -EPIPE: the listener hung up. NOTIF_RECV blocks even on a non-blocking
 * descriptor with nothing pending (measured, Linux 6.18): ask this first, then receive once. */
int notify_pending(int listener);
int notify_receive(int listener, struct seccomp_notif *out);
/* Answers with a value, or -errno for a failure. */
int notify_answer(int listener, uint64_t id, int64_t value);
/* Lets the call through. Only for verdicts from register values (design rule "one copy"). */
int notify_continue(int listener, uint64_t id);
/* Injects `fd` (borrowed) at the lowest free number, or at `at` when that is ≥ 0. Returns the number. The call stays
 * pending, also when this fails. */
int notify_add_fd(int listener, uint64_t id, int fd, int at, bool cloexec);
/* Injects `fd` and answers the call with its number in one step (Linux 5.14). On failure the call stays pending. */
int notify_answer_fd(int listener, uint64_t id, int fd, bool cloexec);
bool notify_still_there(int listener, uint64_t id);
/* Wakes worker and tracee on the same CPU (Linux 6.6); -EINVAL on older kernels, which costs only speed. */
int notify_sync_wake_up(int listener);

#endif
