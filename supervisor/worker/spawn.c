/* What the process of a zygote is: an interpreter on its bootstrap, with the control socket at BIRTH_FD, started by midwife.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inside.h"
#include "interpreter.h"
#include "midwife.h"

/* Stand for what differs from zygote to zygote: paths, and V8's heap limit, which is the most that a job may have. */
static const char BOOTSTRAP[] = "bootstrap", ADDON[] = "addon", HEAP[] = "heap";

/* How each language's interpreter is started. */
static const struct {
	const char *argv0; /* NULL: the interpreter's path */
	const char *bootstrap, *addon;
	const char *preload; /* shared object for the loader, of the same directory; for speed alone; NULL: none */
	const char *args[10];
	/* Address space beside memory: allocators reserve 64 MiB an arena, files are mapped, V8 reserves 10 GiB around each memory of
	 * WebAssembly. Bounded, since one call on a huge mapping, however empty, holds the job's memory from being read for long. */
	uint64_t address_slack_mib;
	/* The most private writable memory that any version maps and leaves untouched. For a job it is what its own interpreter tells
	 * (`reserves_mib`); what is touched is counted by the watch. */
	uint64_t reserves_mib;
} languages[LANGUAGE_COUNT] = {
	/* -s: no user site; -B: a job may not write byte code beside the library anyway; by -c, so that no warning or traceback of a job
	 * shows a path of the host */
	[LANGUAGE_PYTHON3] = {NULL, "bootstrap.py", "_warder.abi3.so", "fstat.so", {"-s", "-B", "-c",
		"import sys\nwith open(sys.argv[1], 'rb') as f: code = compile(f.read(), '<warder>', 'exec')\nexec(code)",
		BOOTSTRAP, ADDON}, 8192, 0},
	/* a fork copies no thread, so V8 is told to need none. The memory reducer of a zygote that is older than 8 s lets each child begin
	 * with a collection of the whole heap: 12 ms of CPU (measured, Node 20). The main script is the job's, and is not looked for before
	 * there is one. Places in the source are kept from the first compilation on, for v8_frames.c: later V8 would compile again. */
	[LANGUAGE_NODEJS] = {"node", "bootstrap.js", "_warder.node", NULL, {"--single-threaded", "--v8-pool-size=0", "--no-memory-reducer",
		"--no-enable-lazy-source-positions", HEAP, "--require", BOOTSTRAP, "/tmp/main.js", ADDON}, 65536, 4096},
};

/* The policy's environment, and what the loader is to load; the job's own takes its place (brief.c). Returns new. */
static char **environment_of(const struct nursery *n, char *preload, char *packages, size_t size)
{
	const char *name = languages[n->policy->language].preload, *dir = n->worker->config.tracee_dir;
	char **env, **from = n->policy->env;
	size_t k = 0;

	while (from[k])
		k++;
	env = calloc(k + 3, sizeof(*env));
	if (!env)
		return NULL;
	memcpy(env, from, k * sizeof(*env));
	/* the loader takes spaces and colons for ends of names, ld.so(8) */
	if (name && !dir[strcspn(dir, " :")] && (size_t)snprintf(preload, size, "LD_PRELOAD=%s/%s", dir, name) < size &&
	    !access(strchr(preload, '=') + 1, R_OK))
		env[k++] = preload;
	if (*n->dependencies)
		env[k] = (char *)dependencies_variable(n->policy, n->dependencies, packages, size);
	return env;
}

static int spawn(struct nursery *n, const char *path, int control, int log, struct err *e)
{
	char bootstrap[512], addon[512], heap[64], preload[DEPENDENCIES_PATH_MAX + 64], packages[sizeof(preload)], *argv[16] = {0}, **env;
	int language = n->policy->language;

	snprintf(heap, sizeof(heap), "--max-old-space-size=%llu", (unsigned long long)n->policy->max_limits[LIMIT_MEMORY_MIB]);
	snprintf(bootstrap, sizeof(bootstrap), "%s/%s", n->worker->config.tracee_dir, languages[language].bootstrap);
	snprintf(addon, sizeof(addon), "%s/%s", n->worker->config.tracee_dir, languages[language].addon);
	if (access(bootstrap, R_OK) || access(addon, R_OK))
		return err_set(e, ERR_HOST, "tracee", errno, "%s, %s", bootstrap, addon);
	argv[0] = (char *)(languages[language].argv0 ? languages[language].argv0 : path);
	for (int i = 0; languages[language].args[i]; i++) {
		const char *a = languages[language].args[i];
		argv[i + 1] = a == BOOTSTRAP ? bootstrap : a == ADDON ? addon : a == HEAP ? heap : (char *)a;
	}
	env = environment_of(n, preload, packages, sizeof(preload));
	if (!env)
		return err_set(e, ERR_HOST, "environment", ENOMEM, "of the zygote");
	pid_t pid = midwife_start(n->worker->midwife, path, argv, env, n->worker->config.layers->birth_flags, control, log, e);
	free(env);
	if (pid < 0)
		return pid;
	n->pid = pid;
	n->pidfd = syscall(SYS_pidfd_open, n->pid, 0); /* our child, not reaped yet */
	return n->pidfd < 0 ? err_set(e, ERR_HOST, "pidfd_open", errno, "of the zygote") : 0;
}

static size_t preload_bytes(const struct policy *p)
{
	size_t n = 1;

	for (char **m = p->preload; m && *m; m++)
		n += strlen(*m) + 1;
	return n;
}

uint64_t spawn_address_slack(int language)
{
	return languages[language].address_slack_mib << 20;
}

static struct birth_setup setup_of(const struct nursery *n)
{
	const uint64_t *most = n->policy->max_limits; /* the worker lowers them for each job, rlimits.c */
	uint64_t extra = rlimits_data_extra(most[LIMIT_MEMORY_MIB], most[LIMIT_THREADS], languages[n->policy->language].reserves_mib);

	return (struct birth_setup){
		.magic = BIRTH_MAGIC,
		.flags = n->worker->config.layers->birth_flags,
		.n_whitelist = n->whitelist.len,
		.n_broker = n->broker.len,
		.preload_bytes = preload_bytes(n->policy),
		.rlimit_data_extra = extra,
		.rlimit_as_extra = extra + spawn_address_slack(n->policy->language),
		.rlimit_fsize = most[LIMIT_FILE_MIB] << 20,
		.rlimit_nofile = most[LIMIT_OPEN_FILES],
		.rlimit_cpu = 0, /* what it takes until it has a job is not known yet */
		.rlimit_nproc = most[LIMIT_THREADS] + 8,
	};
}

static int send_setup(struct nursery *n, struct err *e)
{
	struct birth_setup s = setup_of(n);
	struct birth_message m = {.type = BIRTH_SETUP, .slot = -1};
	int fd = memfd_create("warder-setup", MFD_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (!f)
		return err_set(e, ERR_HOST, "memfd_create", errno, "for the zygote");
	fwrite(&s, sizeof(s), 1, f);
	fwrite(n->whitelist.code, sizeof(struct sock_filter), n->whitelist.len, f);
	fwrite(n->broker.code, sizeof(struct sock_filter), n->broker.len, f);
	for (char **p = n->policy->preload; p && *p; p++)
		fwrite(*p, strlen(*p) + 1, 1, f);
	fputc('\0', f);
	int bad = ferror(f);
	bad |= fclose(f);
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} space = {{0}};
	struct iovec iov = {&m, offsetof(struct birth_message, info)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space.buf, .msg_controllen = sizeof(space.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	*c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	if (bad || sendmsg(n->control, &msg, MSG_NOSIGNAL) < 0)
		bad = errno ? errno : EIO;
	if (bad == EPIPE)
		bad = 0; /* it has ended: its last words, or its status, will say why */
	close(fd);
	return bad ? err_set(e, ERR_HOST, "sendmsg", bad, "set-up of the zygote") : 0;
}

static int compile(struct nursery *n, struct err *e)
{
	filter_done(&n->whitelist);
	filter_done(&n->broker);
	int r = filter_whitelist(n->policy, &n->whitelist, e);
	return r ? r : filter_broker(n->policy, &n->broker, e);
}

int spawn_zygote(struct nursery *n, struct err *e)
{
	int sockets[2], log[2], on = 1, r;
	char path[512];

	/* one that comes after another has the tree that was granted */
	if (!n->tree && (r = dependencies_find(n->generation, n->policy, n->dependencies, e)))
		return r;
	if ((r = compile(n, e)) || (r = interpreter_find(n->policy->interpreter, path, sizeof(path), e)))
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return err_set(e, ERR_HOST, "socketpair", errno, "for the zygote");
	if (pipe2(log, O_CLOEXEC)) {
		r = errno;
		close(sockets[0]);
		close(sockets[1]);
		return err_set(e, ERR_HOST, "pipe2", r, "for the zygote");
	}
	n->control = sockets[0];
	n->log = log[0];
	r = setsockopt(n->control, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) || fcntl(n->log, F_SETFL, O_NONBLOCK)
	            ? err_set(e, ERR_HOST, "setsockopt", errno, "of the control socket")
	            : spawn(n, path, sockets[1], log[1], e);
	close(sockets[1]);
	close(log[1]);
	return r ? r : send_setup(n, e);
}
