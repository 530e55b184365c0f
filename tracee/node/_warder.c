/* _warder - the native addon of the Node tracee: the zygote's loop, what a fork must renew, and the end of the process.
 *
 * N-API and libuv alone, both ABI-stable: one build serves every Node. The bootstrap is a --require module, so Node itself goes on to
 * run the job as its main script once `birth` has returned in a child. All calls are made by Node's main thread.
 */
#include <node_api.h>
#include <uv.h>

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "embed.h"
#include "random.h"
#include "v8.h"
#include "zygote.h"

#define V8_WORKERS_MAX 3 /* of a job that needs any */
#define FDS_MAX 64 /* descriptors that a warm Node holds; 15 to 20 (measured, 18 and 20) */
#define FDS_NEW 16 /* that a fork makes, at the lowest free numbers */

static struct {
	napi_env env;
	uv_loop_t *loop;
	ino_t pipes[FDS_MAX];   /* those of the zygote, to tell a child's own from them */
	int events[FDS_MAX];    /* numbers of the zygote's eventfds */
	size_t n_pipes, n_events;
	int fds_end;            /* above all that a newborn can have, but the control socket's */
	uv_prepare_t watch;
	uv_idle_t once_more;
	bool rehearsing;
	int threads;            /* that the job may have */
	int cpus;               /* that the zygote may use, and a job that computes for long */
} w;

/* --- errors and values -------------------------------------------------------------------------------------- */

static napi_value throw_err(napi_env env, const struct err *e)
{
	char text[512];

	napi_throw_error(env, NULL, err_str(e, text, sizeof(text)));
	return NULL;
}

static _Noreturn void give_up(const struct err *e)
{
	zygote_fail(e);
	_exit(126);
}

static napi_value strings(napi_env env, char *const *v)
{
	napi_value list, s;

	napi_create_array(env, &list);
	for (uint32_t i = 0; v && v[i]; i++) {
		napi_create_string_utf8(env, v[i], NAPI_AUTO_LENGTH, &s);
		napi_set_element(env, list, i, s);
	}
	return list;
}

/* *n arguments of the call; those that are missing are undefined. */
static void arguments(napi_env env, napi_callback_info info, napi_value *argv, size_t n)
{
	napi_get_cb_info(env, info, &n, argv, NULL, NULL);
}

/* --- the zygote --------------------------------------------------------------------------------------------- */

/* setup(): names of modules to preload. Receives the worker's set-up. */
static napi_value w_setup(napi_env env, napi_callback_info info)
{
	struct err e = {0};
	const char *name;
	napi_value list, s;

	(void)info;
	if (zygote_setup(&name, &e) < 0)
		return throw_err(env, &e);
	int r = embed_init();
	if (r) {
		err_set(&e, ERR_HOST, "NodePlatform", -r, "this Node lacks a function that ends of jobs need");
		return throw_err(env, &e);
	}
	napi_create_array(env, &list);
	for (uint32_t i = 0; *name; name += strlen(name) + 1) {
		napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &s);
		napi_set_element(env, list, i++, s);
	}
	return list;
}

/* V8 marks its heap MADV_DONTFORK; without it a child has no heap. Undone for every mapping whose flags in smaps have "dc". */
static int share_heap(void)
{
	char line[256];
	unsigned long a, b, from = 0, to = 0;
	FILE *f = fopen("/proc/self/smaps", "re");

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			from = a;
			to = b;
		} else if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dc") && madvise((void *)from, to - from, MADV_DOFORK)) {
			fclose(f);
			return -errno;
		}
	}
	fclose(f);
	return 0;
}

static void note_descriptors(void)
{
	char path[64], target[64];
	struct stat st;

	for (int fd = 3; fd < BIRTH_FD; fd++) {
		if (fstat(fd, &st))
			continue;
		w.fds_end = fd + 1 + FDS_NEW;
		if (S_ISFIFO(st.st_mode) && w.n_pipes < FDS_MAX)
			w.pipes[w.n_pipes++] = st.st_ino;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strcmp(target, "anon_inode:[eventfd]") == 0 && w.n_events < FDS_MAX)
			w.events[w.n_events++] = fd;
	}
}

/* tasks(): runs what V8 has posted to this thread, all of it; whether there was anything. */
static napi_value w_tasks(napi_env env, napi_callback_info info)
{
	bool any = false;
	napi_value ran;

	(void)info;
	while (embed_run_tasks())
		any = true;
	napi_get_boolean(env, any, &ran);
	return ran;
}

/* numbers(): [the isolate's address, what is known of V8 …], for the worker to read JavaScript frames with (v8.h). */
static napi_value w_numbers(napi_env env, napi_callback_info info)
{
	static const char *const names[][V8_NAMES_MAX] = {
#define X(id, ...) {__VA_ARGS__},
		V8_NUMBERS(X)
#undef X
	};
	char text[512], symbol[128];
	napi_value list, s;

	(void)info;
	napi_create_array(env, &list);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(uintptr_t)embed_isolate());
	napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &s);
	napi_set_element(env, list, 0, s);
	for (uint32_t i = 0; i < V8_NUMBER_COUNT; i++) {
		const int *value = NULL;
		for (int k = 0; k < V8_NAMES_MAX && names[i][k] && !value; k++) {
			snprintf(symbol, sizeof(symbol), "v8dbg_%s", names[i][k]);
			value = dlsym(RTLD_DEFAULT, symbol);
		}
		napi_create_int32(env, value ? *value : -1, &s);
		napi_set_element(env, list, i + 1, s);
	}
	return list;
}

/* Beside the main thread, which collects and compiles too: on two CPUs a second one costs more than it brings. */
static int v8_workers(void)
{
	int n = w.cpus - 1;

	return n < 1 ? 1 : n > V8_WORKERS_MAX ? V8_WORKERS_MAX : n;
}

/* ready(lines): confines the zygote and tells the worker. */
static napi_value w_ready(napi_env env, napi_callback_info info)
{
	struct err e = {0};
	napi_value text;
	static char lines[BIRTH_INFO_MAX];

	arguments(env, info, &text, 1);
	napi_get_value_string_utf8(env, text, lines, sizeof(lines), NULL);
	napi_get_uv_event_loop(env, &w.loop);
	w.env = env;
	cpu_set_t cpus;
	w.cpus = sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : CPU_COUNT(&cpus);
	note_descriptors();
	int r = share_heap();
	if (r)
		err_set(&e, ERR_HOST, "madvise(MADV_DOFORK)", -r, "of the heap");
	else if ((r = random_find(embed_isolate())))
		err_set(&e, ERR_HOST, "Math.random", -r, "this Node keeps its generator where it cannot be seeded anew");
	else
		r = zygote_ready(lines, &e);
	return r < 0 ? throw_err(env, &e) : NULL;
}

/* fail(step, text): tells the worker why the zygote cannot serve. */
static napi_value w_fail(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	char step[64] = "", text[512] = "";
	struct err e = {0};

	arguments(env, info, argv, 2);
	napi_get_value_string_utf8(env, argv[0], step, sizeof(step), NULL);
	napi_get_value_string_utf8(env, argv[1], text, sizeof(text), NULL);
	err_set(&e, ERR_HOST, step, 0, "%s", text);
	give_up(&e);
}

/* --- the end ------------------------------------------------------------------------------------------------ */

/* Output to pipes is written synchronously, so Node has nothing to flush; native code may have. */
static void leave(int code)
{
	fflush(NULL);
	_exit(code & 0xff);
}

static void on_once_more(uv_idle_t *idle)
{
	(void)idle; /* while it is active, the loop polls without waiting */
}

static bool others_alive(void)
{
	uv_unref((uv_handle_t *)&w.watch);
	uv_unref((uv_handle_t *)&w.once_more);
	bool alive = uv_loop_alive(w.loop);
	uv_ref((uv_handle_t *)&w.watch);
	uv_ref((uv_handle_t *)&w.once_more);
	return alive;
}

/* Before each wait of the loop: when nothing is left to wait for, the process leaves from here. Node's own way would wait for tasks of
 * V8's worker threads (NodePlatform::DrainTasks), which the fork did not copy. */
static void on_turn(uv_prepare_t *unused)
{
	napi_handle_scope scope;

	(void)unused;
	napi_open_handle_scope(w.env, &scope);
	bool alive = w.rehearsing || others_alive();
	if (!alive && embed_run_tasks()) /* V8's own for this thread, which do not keep the loop alive; they may post others */
		alive = true;
	if (!alive) {
		embed_before_exit();
		alive = others_alive();
		if (!alive)
			leave(embed_exit());
	}
	/* without the idle handle the loop would wait, for nothing perhaps */
	if (others_alive())
		uv_idle_stop(&w.once_more);
	else
		uv_idle_start(&w.once_more, on_once_more);
	napi_close_handle_scope(w.env, scope);
}

/* From now on the process ends when its loop is empty. */
static void watch(void)
{
	uv_prepare_init(w.loop, &w.watch);
	uv_idle_init(w.loop, &w.once_more);
	uv_prepare_start(&w.watch, on_turn);
	embed_leave_by(leave);
}

/* --- what a fork must renew --------------------------------------------------------------------------------- */

static bool is_inherited_pipe(ino_t ino)
{
	for (size_t i = 0; i < w.n_pipes; i++)
		if (w.pipes[i] == ino)
			return true;
	return false;
}

static bool is_loops(int fd)
{
	const uv_loop_t *l = w.loop;

	return fd == l->backend_fd || fd == l->async_io_watcher.fd || fd == l->async_wfd || fd == l->signal_pipefd[0] ||
	       fd == l->signal_pipefd[1];
}

static bool is_stale_event(int fd)
{
	for (size_t i = 0; i < w.n_events; i++)
		if (w.events[i] == fd)
			return !is_loops(fd);
	return false;
}

/* The loop gets descriptors of its own, and what it shared with the zygote goes. libuv aborts when it cannot write to the eventfd of a
 * loop whose thread the fork did not copy (V8's scheduler of delayed tasks), so those numbers get an eventfd that nobody reads. Lists
 * in *keep, ascending, what the child goes on with: libuv's at-fork handler has already made new pipes for signals. */
static int renew_descriptors(int keep[2 * FDS_MAX], size_t *n)
{
	struct stat st;

	if (uv_loop_fork(w.loop))
		return -EIO;
	int nobodys = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nobodys < 0)
		return -errno;
	*n = 0;
	for (int fd = 3; fd < w.fds_end && fd < BIRTH_FD && *n < 2 * FDS_MAX; fd++) {
		if (fstat(fd, &st))
			continue;
		if (is_stale_event(fd)) {
			if (fd != nobodys && dup3(nobodys, fd, O_CLOEXEC) < 0)
				return -errno;
		} else if (!is_loops(fd) && !(S_ISFIFO(st.st_mode) && !is_inherited_pipe(st.st_ino))) {
			continue;
		}
		keep[(*n)++] = fd;
	}
	return 0;
}

static void be_born(pid_t zygote)
{
	int keep[2 * FDS_MAX], r;
	size_t n = 0;
	struct err e = {0};

	r = renew_descriptors(keep, &n);
	if (!r)
		r = random_renew();
	if (r)
		err_set(&e, ERR_HOST, "fork", -r, "the event loop or the random generator cannot be renewed");
	if (r || zygote_confine(zygote, keep, n, &e) < 0)
		give_up(&e);
}

/* birth(): serves the worker's orders; returns in each child, confined, whether it has time to rehearse. */
static napi_value w_birth(napi_env env, napi_callback_info info)
{
	struct err e = {0};
	pid_t zygote = getpid();
	int r;

	(void)info;
	while ((r = zygote_next(&e)) > 0) {
		pid_t pid = fork(); /* with at-fork handlers: libuv's thread pool and signal pipes are renewed by them */
		if (pid < 0) {
			err_set(&e, ERR_HOST, "fork", errno, "in the zygote");
			zygote_fail(&e);
		}
		if (pid == 0) {
			napi_value yes;
			be_born(zygote);
			watch();
			napi_get_boolean(env, zygote_may_rehearse(), &yes);
			return yes;
		}
		zygote_forked(pid);
	}
	_exit(r < 0 ? 126 : 0);
}

/* turn(): one turn of the loop, for the pages that it touches. */
static napi_value w_turn(napi_env env, napi_callback_info info)
{
	(void)env, (void)info;
	w.rehearsing = true;
	uv_run(w.loop, UV_RUN_NOWAIT);
	w.rehearsing = false;
	return NULL;
}

/* startWorkers(): whether V8 has threads of its own again. Throws what Node throws where the job may not have so many. */
static napi_value w_start_workers(napi_env env, napi_callback_info info)
{
	int n = v8_workers(), beside = 3; /* the main thread, the one that schedules, the worker that is to come */
	napi_value yes;

	(void)info;
	if (n > w.threads - beside)
		n = w.threads > beside ? w.threads - beside : 1;
	int r = embed_start_workers(n, w.threads);
	if (r == -EAGAIN) {
		napi_throw_error(env, "ERR_WORKER_INIT_FAILED", "Worker initialization failure: EAGAIN");
		return NULL;
	}
	napi_get_boolean(env, r == 0, &yes);
	return yes;
}

/* restartClock(): what Node's own clock counts from is now, where this Node lets it. */
static napi_value w_restart_clock(napi_env env, napi_callback_info info)
{
	(void)env, (void)info;
	embed_restart_clock();
	return NULL;
}

/* pid(): process.pid is a plain value, made at Node's start. */
static napi_value w_pid(napi_env env, napi_callback_info info)
{
	napi_value pid;

	(void)info;
	napi_create_int32(env, getpid(), &pid);
	return pid;
}

/* libuv's pool has four, and aborts where it cannot start one. */
static void spare_threads(void)
{
	if (w.threads > 4)
		return;
	setenv("UV_THREADPOOL_SIZE", w.threads == 4 ? "2" : "1", 0);
}

/* wait(): {filename, args} once a job is there; the environment is the job's then. */
static napi_value w_wait(napi_env env, napi_callback_info info)
{
	struct zygote_job j;
	struct err e = {0};
	napi_value job, s;

	(void)info;
	if (zygote_wait_for_job(&j, &e) < 0)
		give_up(&e);
	w.threads = (int)j.threads;
	spare_threads();
	embed_limit_heap((size_t)j.memory_mib << 20);
	if (w.cpus > 1)
		embed_help_collector(v8_workers(), (int)j.threads);
	napi_create_object(env, &job);
	napi_create_string_utf8(env, j.filename, NAPI_AUTO_LENGTH, &s);
	napi_set_named_property(env, job, "filename", s);
	napi_set_named_property(env, job, "args", strings(env, j.args));
	return job;
}

static const struct {
	const char *name;
	napi_callback call;
} functions[] = {
	{"setup", w_setup}, {"tasks", w_tasks}, {"ready", w_ready}, {"fail", w_fail},                 {"birth", w_birth},
	{"pid", w_pid},     {"turn", w_turn},   {"wait", w_wait},   {"numbers", w_numbers}, {"startWorkers", w_start_workers},
	{"restartClock", w_restart_clock},
};

NAPI_MODULE_INIT()
{
	napi_value f;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &f);
		napi_set_named_property(env, exports, functions[i].name, f);
	}
	return exports;
}
