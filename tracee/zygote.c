#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "control.h"
#include "pages.h"
#include "words.h"

static struct {
	struct confine_plan plan;
	struct birth_message order; /* the last BIRTH_FORK */
	int leaf; /* cgroup.procs of the cgroup that the next newborn joins, sent with the order; -1: none */
	pid_t forked; /* for that order */
	bool newborn, ready;
} z = {.leaf = -1};

/* The memfd of BIRTH_SETUP: header, whitelist, broker filter, preload names (birth.h). Comes from the worker. */
static int read_setup(int fd, const char **preload, struct err *e)
{
	struct stat st;
	struct birth_setup *s = &z.plan.setup;

	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(*s))
		return err_set(e, ERR_BUG, "set-up", EPROTO, "the set-up memfd is too short");
	char *p = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0); /* kept for good: the filters are in it */
	if (p == MAP_FAILED)
		return err_set(e, ERR_HOST, "mmap", errno, "of the set-up");
	memcpy(s, p, sizeof(*s));
	size_t white = s->n_whitelist * sizeof(struct sock_filter), broker = s->n_broker * sizeof(struct sock_filter);
	if (s->magic != BIRTH_MAGIC || sizeof(*s) + white + broker + s->preload_bytes != (size_t)st.st_size)
		return err_set(e, ERR_BUG, "set-up", EPROTO, "worker and addon are of different builds");
	z.plan.whitelist = (struct sock_fprog){s->n_whitelist, (void *)(p + sizeof(*s))};
	z.plan.broker = (struct sock_fprog){s->n_broker, (void *)(p + sizeof(*s) + white)};
	*preload = s->preload_bytes ? p + sizeof(*s) + white + broker : "";
	return 0;
}

int zygote_setup(const char **preload, struct err *e)
{
	int fd, r = control_receive(&z.order, &fd);

	if (r <= 0 || z.order.type != BIRTH_SETUP || fd < 0)
		return err_set(e, ERR_BUG, "set-up", r < 0 ? -r : EPROTO, "no set-up on the control socket");
	r = read_setup(fd, preload, e);
	close(fd);
	return r;
}

/* A size of this process in bytes, by its name in proc(5). RLIMIT_DATA counts VmData (private writable memory, since Linux 4.7),
 * RLIMIT_AS counts VmSize. */
static uint64_t own_size(const char *name)
{
	char line[128];
	unsigned long kib = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && !kib && fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0)
			kib = strtoul(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return (uint64_t)kib << 10;
}

int zygote_ready(const char *info, struct err *e)
{
	struct birth_message m = {.type = BIRTH_READY, .slot = -1, .info_len = strlen(info) + 1};

	if (m.info_len > sizeof(m.info))
		return err_set(e, ERR_HOST, "ready", E2BIG, "the interpreter's paths are longer than %d bytes", BIRTH_INFO_MAX);
	memcpy(m.info, info, m.info_len);
	/* The worker set it too, but execve of the interpreter may have changed credentials (prctl(2)). */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		return err_set(e, ERR_HOST, "prctl(PR_SET_PDEATHSIG)", errno, "in the zygote");
	pages_gather();
	z.plan.data_size = own_size("VmData:");
	z.plan.as_size = own_size("VmSize:");
	int r = confine_zygote(&z.plan, e);
	if (r)
		return r;
	z.ready = true;
	const int procfs = BIRTH_PROC_FD;
	r = control_send(&m, &procfs, z.plan.setup.flags & BIRTH_NAMESPACES ? 1 : 0);
	return r ? err_set(e, ERR_HOST, "sendmsg", -r, "to the worker") : 0;
}

void zygote_forked(pid_t newborn)
{
	z.forked = newborn;
}

/* A newborn that was killed before the worker traces it is missed by nobody else. Children that end leave no status: SIGCHLD is ignored. */
static void tell_if_gone(void)
{
	struct birth_message m = {.type = BIRTH_GONE, .slot = z.order.slot, .order = z.order.order};
	siginfo_t i;

	if (waitid(P_PID, z.forked, &i, WEXITED | WNOHANG | WNOWAIT) && errno == ECHILD)
		control_send(&m, NULL, 0);
}

int zygote_next(struct err *e)
{
	int r;

	if (!z.forked)
		pages_use_up_holes();
	if (z.leaf >= 0)
		close(z.leaf); /* of the last one, who has it, too */
	z.leaf = -1;
	while ((r = control_receive(&z.order, &z.leaf)) > 0 && z.order.type == BIRTH_ASK)
		tell_if_gone();
	if (r == 0)
		return 0;
	if (r < 0 || z.order.type != BIRTH_FORK)
		return err_set(e, ERR_BUG, "control", r < 0 ? -r : EPROTO, "expected an order to fork");
	return 1;
}

/* In the newborn, before anything else: what it touches from here on is charged to the cgroup of its own. */
static int join_leaf(uint32_t *layers, struct err *e)
{
	if (z.leaf < 0)
		return 0;
	if (write(z.leaf, "0", 1) != 1)
		return err_set(e, ERR_HOST, "cgroup.procs", errno, "of the tracee's leaf");
	close(z.leaf);
	*layers = 1u << LAYER_CGROUP;
	return 0;
}

int zygote_confine(pid_t zygote, const int *keep, size_t n_keep, struct err *e)
{
	struct confine_birth b = {.slot = z.order.slot, .uid = z.order.uid, .gid = z.order.gid, .zygote = zygote, .keep = keep, .n_keep = n_keep};

	uint32_t joined = 0;
	z.newborn = true;
	int r = join_leaf(&joined, e);
	if (!r)
		r = confine_tracee(&z.plan, &b, e);
	if (r)
		return r;
	struct birth_message m = {.type = BIRTH_BORN, .slot = b.slot, .order = z.order.order, .uid = b.uid, .gid = b.gid, .layers = b.layers | joined, .own_pid = b.own_pid,
	                          .data_size = z.plan.data_size, .as_size = z.plan.as_size};
	r = control_send(&m, b.fds, BIRTH_FDS);
	if (r)
		return err_set(e, ERR_HOST, "sendmsg", -r, "of the listener");
	for (int i = 0; i < BIRTH_FDS; i++)
		close(b.fds[i]);
	close(BIRTH_FD);
	return 0;
}

bool zygote_may_rehearse(void)
{
	return !z.order.hurry;
}

static int read_all(int fd, char **buf, size_t *len)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t have = 0;

	*buf = size >= (off_t)sizeof(struct brief) ? malloc(size + 1) : NULL;
	if (!*buf)
		return -EPROTO;
	while (have < (size_t)size) {
		ssize_t n = pread(fd, *buf + have, size - have, have);
		if (n <= 0)
			return n < 0 ? -errno : -EPROTO;
		have += n;
	}
	*len = have;
	return 0;
}

/* Makes C strings of the counted fields by moving each one down over its own length. */
static char *next_string(char **p, char *end)
{
	uint32_t len = 0;

	if (end - *p < (ptrdiff_t)sizeof(len))
		return NULL;
	memcpy(&len, *p, sizeof(len));
	if ((size_t)(end - *p) - sizeof(len) < len)
		return NULL;
	char *s = *p;
	memmove(s, *p + sizeof(len), len);
	s[len] = '\0';
	*p += sizeof(len) + len;
	return s;
}

static int parse_brief(char *p, size_t len, struct zygote_job *j)
{
	struct brief h;
	char *end = p + len;

	memcpy(&h, p, sizeof(h));
	p += sizeof(h);
	if (h.magic != BIRTH_MAGIC)
		return -EPROTO;
	char **table = calloc((size_t)h.n_args + h.n_env + 2, sizeof(char *));
	if (!table)
		return -ENOMEM;
	j->args = table;
	j->env = table + h.n_args + 1;
	j->filename = next_string(&p, end);
	for (uint32_t i = 0; i < h.n_args + h.n_env; i++)
		if (!(table[i + (i >= h.n_args)] = next_string(&p, end)))
			return -EPROTO;
	j->code = (struct bytes){p, end - p};
	j->memory_mib = h.memory_mib;
	j->threads = h.threads;
	return j->filename && j->code.len == h.code_len ? 0 : -EPROTO;
}

/* getenv must see the job's environment, and nothing of the zygote's. */
static void replace_environ(char **env)
{
	clearenv();
	for (; *env; env++)
		putenv(*env);
}

int zygote_wait_for_job(struct zygote_job *j, struct err *e)
{
	char *buf;
	size_t len = 0;
	int fd;

	do
		fd = open(BIRTH_JOB_PATH, O_RDONLY | O_CLOEXEC);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	if (fd < 0)
		return err_set(e, ERR_HOST, "open(" BIRTH_JOB_PATH ")", errno, "no job");
	int r = read_all(fd, &buf, &len);
	close(fd);
	if (!r)
		r = parse_brief(buf, len, j);
	if (r)
		return err_set(e, ERR_BUG, "brief", -r, "cannot be read");
	replace_environ(j->env);
	return 0;
}

void zygote_fail(const struct err *e)
{
	struct birth_message m = {.type = BIRTH_FAILED, .slot = z.newborn || z.ready ? z.order.slot : -1, .err = *e};

	control_send(&m, NULL, 0);
	if (z.newborn)
		_exit(126);
}
