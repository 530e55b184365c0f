#include "knobs.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum kind { TEXT, NUMBER, FLAG };

#define AT(member) offsetof(struct knobs, member)
static const struct {
	const char *name;
	enum kind kind;
	size_t at;
	int min, max, otherwise; /* NUMBER; FLAG: otherwise */
	bool of_supervisor;      /* carried out by the supervisor that is started here */
} rows[] = {
	{"API_KEY", TEXT, AT(key), 0, 0, 0, false},
	{"SANDBOX_PORT", NUMBER, AT(port), 0, 65535, 8194, false},
	{"WORKER_TIMEOUT", NUMBER, AT(timeout_s), 1, 86400, 15, false},
	{"MAX_WORKERS", NUMBER, AT(max_workers), 1, 1000, 4, false},
	{"MAX_REQUESTS", NUMBER, AT(max_requests), 1, 10000, 50, false},
	{"ENABLE_NETWORK", FLAG, AT(network), 0, 0, 1, false},
	{"ENABLE_PRELOAD", FLAG, AT(preload), 0, 0, 0, false},
	{"HTTP_PROXY", TEXT, AT(http_proxy), 0, 0, 0, true},
	{"HTTPS_PROXY", TEXT, AT(https_proxy), 0, 0, 0, true},
	{"SOCKS5_PROXY", TEXT, AT(socks5_proxy), 0, 0, 0, true},
	{"PYTHON_PATH", TEXT, AT(python), 0, 0, 0, true},
	{"NODEJS_PATH", TEXT, AT(nodejs), 0, 0, 0, true},
	{"ALLOWED_SYSCALLS", TEXT, AT(syscalls), 0, 0, 0, true},
	{"PIP_MIRROR_URL", TEXT, AT(pip_mirror), 0, 0, 0, true},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static int take_number(size_t row, const char *s, int *out, struct err *e)
{
	char *end;
	long v = strtol(s, &end, 10);

	if (*s < '0' || *s > '9' || *end || v < rows[row].min || v > rows[row].max)
		return err_set(e, ERR_HOST, rows[row].name, 0, "must be %d to %d, is %.80s", rows[row].min, rows[row].max, s);
	*out = (int)v;
	return 0;
}

/* The words that Go's ParseBool knows. */
static int take_flag(size_t row, const char *s, bool *out, struct err *e)
{
	static const char *const words[2][6] = {{"0", "f", "F", "false", "False", "FALSE"}, {"1", "t", "T", "true", "True", "TRUE"}};

	for (int value = 0; value < 2; value++)
		for (int i = 0; i < 6; i++)
			if (strcmp(s, words[value][i]) == 0) {
				*out = value;
				return 0;
			}
	return err_set(e, ERR_HOST, rows[row].name, 0, "must be true or false, is %.80s", s);
}

static int take(struct knobs *k, size_t row, struct err *e)
{
	const char *s = getenv(rows[row].name);
	void *at = (char *)k + rows[row].at;

	s = s && *s ? s : NULL;
	switch (rows[row].kind) {
	case TEXT:
		*(const char **)at = s;
		return 0;
	case NUMBER:
		*(int *)at = rows[row].otherwise;
		return s ? take_number(row, s, at, e) : 0;
	case FLAG:
		*(bool *)at = rows[row].otherwise;
		return s ? take_flag(row, s, at, e) : 0;
	}
	return -EINVAL;
}

int knobs_read(struct knobs *k, struct err *e)
{
	*k = (struct knobs){0};
	for (size_t i = 0; i < N_ROWS; i++) {
		int ret = take(k, i, e);

		if (ret < 0)
			return ret;
	}
	k->own_key = k->key != NULL;
	k->key = k->key ? k->key : KNOBS_KEY_DEFAULT;
	return 0;
}

void knobs_tell_unused(const struct knobs *k)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].of_supervisor && *(const char *const *)((const char *)k + rows[i].at))
			log_write(LOG_WARN, "unused", "variable=%s why=\"--socket names a supervisor that has its own settings\"",
				  rows[i].name);
}
