/* err.h - the one error value of Warder.
 *
 * A `struct err` has a fixed size and no pointers: it is filled by whoever fails, works after fork,
 * and crosses a socket as it is. Leaf functions return 0 or -errno and need no `struct err`;
 * functions whose failure needs words take one as their last argument, owned by the caller.
 *
 * Who may use it: everybody. Errors: none. Thread-safe: yes, it holds no state.
 */
#ifndef WARDER_ERR_H
#define WARDER_ERR_H

/* Whose fault it is. Decides who is told: the job's client, the request's sender, or the operator. */
enum err_class { ERR_NONE, ERR_JOB, ERR_REQUEST, ERR_HOST, ERR_BUG };

struct err {
	int class;     /* enum err_class */
	int num;       /* positive errno, 0 when there is none */
	char step[32]; /* what was being done: "landlock_restrict_self", "limits.wall_ms" */
	char text[216];
};

/* Fills `e` (may be NULL) and returns -num, or -EINVAL when num is 0, so that one line both tells and leaves. */
int err_set(struct err *e, enum err_class c, const char *step, int num, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* "step: text: Operation not permitted (EPERM)" into a buffer of the caller's. Returns buf. */
char *err_str(const struct err *e, char *buf, unsigned long size);

/* "EPERM" for EPERM; "E?" for numbers the table does not have. Static storage. */
const char *err_name(int num);

#endif
