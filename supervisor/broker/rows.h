/* rows.h - the table of brokered calls: one row per call says which argument is what, and which operation it is.
 *
 * To broker one more call, add a row here and list its name under `broker:` in a policy; a test compares both lists.
 */
#ifndef WARDER_ROWS_H
#define WARDER_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "policy.h"

struct request;

/* Where an argument is: its number and 1, so that 0 says that there is none. */
typedef uint8_t row_arg;
#define ARG(n) ((n) + 1)

struct row {
	const char *name;
	int64_t (*answer)(struct request *r);
	row_arg dirfd[2];     /* 0: the working directory */
	row_arg path[2];      /* copied before `answer` is called */
	row_arg flags;
	row_arg mode;
	row_arg out;          /* where an answer is written to */
	uint64_t fixed;       /* flags that the call has by nature */
	uint64_t known;       /* if not 0, any other flag is EINVAL, before the paths are looked at */
	int (*first)(struct request *r); /* what else the kernel asks before it copies the paths */
	bool null_path;       /* a NULL path means the descriptor itself, as for utimensat(2) */
};

extern const struct row rows_all[];
extern const size_t rows_count;

/* By call number, 1 + the index of its row, 0 for none; new (free). -ENOMEM. */
int rows_index(const struct policy *p, uint32_t **out, int *n);

#endif
