/* What a tracee is told of its job: the memfd that answers its first call (protocol/birth.h). */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inside.h"

struct writer {
	char *buf;
	size_t len, cap;
};

static void put(struct writer *w, const void *data, size_t n)
{
	if (w->len + n <= w->cap)
		memcpy(w->buf + w->len, data, n);
	w->len += n;
}

static void put_field(struct writer *w, const char *a, const char *b, const char *c)
{
	uint32_t len = strlen(a) + strlen(b) + strlen(c);

	put(w, &len, sizeof(len));
	put(w, a, strlen(a));
	put(w, b, strlen(b));
	put(w, c, strlen(c));
}

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strcspn(b, "=") == n && memcmp(a, b, n) == 0;
}

static bool named_in(char *const *list, const char *variable)
{
	for (; list && *list; list++)
		if (same_name(*list, variable))
			return true;
	return false;
}

static bool named_by_job(const struct job *j, const char *variable)
{
	for (size_t i = 0; i < j->n_env; i++)
		if (same_name(j->env[i].name, variable))
			return true;
	return false;
}

/* A job's variable stands for the policy's of that name, and that for the proxy's. */
static uint32_t put_env(struct writer *w, const struct job *j, const struct policy *p, char *const *proxy_env)
{
	uint32_t n = j->n_env;

	for (char *const *v = proxy_env; v && *v; v++)
		if (!named_in(p->env, *v) && !named_by_job(j, *v))
			put_field(w, *v, "", ""), n++;
	for (char *const *v = p->env; v && *v; v++)
		if (!named_by_job(j, *v))
			put_field(w, *v, "", ""), n++;
	for (size_t i = 0; i < j->n_env; i++)
		put_field(w, j->env[i].name, "=", j->env[i].value);
	return n;
}

/* Whether an interpreter may begin threads of its own, as Node's collector does after a while: all that such a beginning calls must be
 * carried out. A policy learned from a program that needs no thread would otherwise kill it when it has computed for long. */
static bool may_begin_threads(const struct policy *p)
{
	static const struct {
		int nr;
		bool refusable; /* libc goes on without it */
		uint64_t args[6];
	} calls[] = {
		{SYS_clone, false, {CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
		                    CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID}},
		{SYS_clone3, true, {0}}, {SYS_rseq, true, {0}}, {SYS_set_robust_list, true, {0}}, {SYS_prlimit64, false, {0, RLIMIT_STACK, 0}},
		{SYS_futex, false, {0}}, {SYS_epoll_create1, false, {0}}, {SYS_epoll_ctl, false, {0}}, {SYS_epoll_pwait, false, {0}},
		{SYS_eventfd2, false, {0}}, {SYS_pipe2, false, {0}},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		enum rule_kind kind = policy_judge(p, calls[i].nr, calls[i].args).kind;
		if (kind == RULE_KILL || (!calls[i].refusable && kind != RULE_ALLOW && kind != RULE_BROKER))
			return false;
	}
	return true;
}

/* Once to measure and count, once to fill. */
static uint32_t write_brief(struct writer *w, const struct job *j, const struct policy *p, char *const *proxy_env, uint32_t n_env)
{
	struct brief h = {
		.magic = BIRTH_MAGIC, .n_args = j->n_args, .n_env = n_env, .code_len = j->code.len,
		.threads = may_begin_threads(p) ? (uint32_t)j->limits[LIMIT_THREADS] : 1, .memory_mib = (uint32_t)j->limits[LIMIT_MEMORY_MIB],
	};

	put(w, &h, sizeof(h));
	put_field(w, j->filename, "", "");
	for (size_t i = 0; i < j->n_args; i++)
		put_field(w, j->args[i], "", "");
	n_env = put_env(w, j, p, proxy_env);
	put(w, j->code.p, j->code.len);
	return n_env;
}

int brief_file(const char *name, const void *data, size_t n)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < n) {
		ssize_t k = pwrite(fd, (const char *)data + done, n - done, done);
		if (k <= 0) {
			int r = k < 0 ? -errno : -EIO;
			close(fd);
			return r;
		}
		done += k;
	}
	return fd < 0 ? -errno : fd;
}

int brief_memfd(const struct job *j, const struct policy *p, char *const *proxy_env)
{
	struct writer w = {0};

	uint32_t n_env = write_brief(&w, j, p, proxy_env, 0);
	w.cap = w.len;
	w.len = 0;
	w.buf = malloc(w.cap);
	if (!w.buf)
		return -ENOMEM;
	write_brief(&w, j, p, proxy_env, n_env);
	int fd = brief_file("job", w.buf, w.cap);
	free(w.buf);
	return fd;
}
