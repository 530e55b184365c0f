/* broker.c - one call: judged by the policy, its pointers copied once, answered by its row, told if it was refused. */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cwd.h"
#include "debug.h"
#include "decode.h"
#include "descriptors.h"
#include "guest.h"
#include "handlers.h"
#include "hints.h"
#include "identity.h"
#include "rows.h"
#include "scratch.h"
#include "state.h"
#include "without.h"

#define FIRST_CWD "/tmp"
#define FIRST_UMASK 022

/* --- a job's life ------------------------------------------------------------------------------------------ */

int broker_job_new(struct broker_tree *t, const struct broker_tracee *who, const struct broker_options *o,
                   struct broker_job **out, struct err *e)
{
	struct broker_job *b = calloc(1, sizeof(*b));

	if (!b || threads_init(&b->threads, o->threads)) {
		free(b);
		broker_grants_free(o->grants);
		return err_set(e, ERR_HOST, "broker", ENOMEM, "no memory for a job");
	}
	int rc = net_init(&b->net, t->policy, o->connect, o->n_connect, e);
	if (rc) {
		threads_done(&b->threads);
		free(b);
		return rc;
	}
	b->net.route = net_any(&b->net) ? o->route : NULL;
	b->tree = t;
	b->who = *who;
	b->options = *o;
	snprintf(b->filename, sizeof(b->filename), "%s", o->filename);
	b->options.filename = b->filename;
	b->umask = FIRST_UMASK;
	cwd_init(b, FIRST_CWD);
	private_tmp_init(&b->tmp);
	skeleton_init(&b->synth);
	clock_gettime(CLOCK_MONOTONIC, &b->started);
	b->started_real = time(NULL);
	b->put.fd = -1;
	frames_job_init(&b->frames, o->frames, &b->who);
	if (t->policy->debug && !(b->debug = debug_new())) {
		broker_job_free(b);
		return err_set(e, ERR_HOST, "broker", ENOMEM, "no memory for a job");
	}
	*out = b;
	return 0;
}

void broker_job_free(struct broker_job *b)
{
	if (!b)
		return;
	cwd_done(b);
	if (b->put.fd >= 0)
		close(b->put.fd);
	collect_free(b->collect);
	lock_files_done(&b->lock_files);
	skeleton_done(&b->synth);
	meter_done(&b->meter);
	private_tmp_done(&b->tmp, &b->who);
	broker_grants_free(b->options.grants);
	violations_done(&b->violations);
	debug_free(b->debug);
	frames_job_done(&b->frames);
	hostnames_done(&b->hostnames);
	threads_done(&b->threads);
	net_done(&b->net);
	kept_done(&b->kept);
	free(b);
}

int broker_put_files(struct broker_job *b, const struct job_file *files, size_t n, struct err *e)
{
	return put_step(&b->put, b, files, n, e);
}

/* Its own /tmp was closed by the job itself, or memory ran out: told as of any file. */
static int nothing_collected(int rc, struct result *r)
{
	r->files_dropped = calloc(1, sizeof(*r->files_dropped));
	if (!r->files_dropped)
		return 0;
	r->files_dropped[0].why = strdup(err_name(-rc));
	r->n_files_dropped = 1;
	return 0;
}

int broker_collect(struct broker_job *b, char *const *patterns, size_t n, uint64_t room, struct result *r)
{
	int rc = 0;

	if (b->tmp.root < 0) /* never touched, so there is nothing */
		return 0;
	if (identity_enter(b->who.uid, b->who.gid))
		rc = -EPERM;
	if (!rc && !b->collect)
		rc = collect_new(b->tmp.root, b->filename, patterns, n, room, &b->collect);
	if (!rc)
		rc = collect_step(b->collect);
	identity_leave();
	if (rc == 0)
		collect_take(b->collect, r);
	return rc < 0 ? nothing_collected(rc, r) : rc;
}

bool broker_has_network(const struct broker_job *b)
{
	return net_any(&b->net);
}

void broker_thread_born(struct broker_job *b, pid_t parent, pid_t tid)
{
	(void)tid; /* counted when it was allowed */
	threads_not_cloning(&b->threads, parent);
}

void broker_thread_gone(struct broker_job *b, pid_t tid)
{
	threads_gone(&b->threads, tid);
}

void broker_take_violations(struct broker_job *b, struct violation **v, size_t *n, uint64_t *dropped)
{
	violations_take(&b->violations, v, n, dropped);
}

const struct violation *broker_fresh_violation(struct broker_job *b)
{
	return violations_fresh(&b->violations);
}

uint32_t broker_limits_hit(const struct broker_job *b)
{
	return b->limits_hit | (private_tmp_is_full(&b->tmp) ? 1u << LIMIT_HIT_TMP : 0);
}

uint64_t broker_signals_sent(const struct broker_job *b)
{
	return b ? b->signals_sent : 0;
}

uint64_t broker_shared_memory(const struct broker_job *b)
{
	return b->shared_memory;
}

uint64_t broker_calls(const struct broker_job *b)
{
	return b->calls;
}

bool broker_has_tmp_quota(const struct broker_job *b)
{
	return b->tmp.root >= 0 ? !b->tmp.dir : private_tmp_probe() == 0;
}

bool broker_tmp_is_far_over(struct broker_job *b)
{
	if (!b->tmp.dir || identity_enter(b->who.uid, b->who.gid))
		return false;
	if (meter_step(&b->meter, b->tmp.top, &b->who))
		b->meter.over = b->meter.deep || b->meter.last > b->options.tmp_bytes;
	identity_leave();
	if (b->meter.over)
		b->limits_hit |= 1u << LIMIT_HIT_TMP;
	return b->meter.last / 2 > b->options.tmp_bytes;
}

void broker_sweep(void)
{
	scratch_sweep();
}

static bool has_scratch_dir(void)
{
	char *path;
	int fd = scratch_dir(&path);

	if (fd < 0)
		return false;
	close(fd);
	rmdir(path);
	free(path);
	return true;
}

int broker_probe_tmpfs(struct err *e)
{
	int rc = private_tmp_probe();

	if (rc && !has_scratch_dir())
		return err_set(e, ERR_HOST, "fsopen", -rc, "no detached tmpfs; in $TMPDIR, /tmp, /dev/shm, /var/tmp no directory: no job writes, none of Node.js starts");
	return rc ? err_set(e, ERR_HOST, "fsopen", -rc, "no detached tmpfs, so no quota of the private /tmp") : 0;
}

/* --- telling ----------------------------------------------------------------------------------------------- */

/* Into `room`; NULL: the job has used up the time for that. */
static const struct where *where_is(struct broker_job *b, pid_t t_tid, struct where *room)
{
	if (b->frames.frames && !frames_has_time(&b->frames))
		return NULL;
	frames_where(&b->frames, t_tid, room);
	return room;
}

static bool fd_name(void *arg, int t_fd, char *buf, size_t size);

static void record(struct request *r, enum verdict verdict, int err, const char *path, const char *rule)
{
	const char *const known[] = {r->text[0], r->text[1]};
	struct violations *to = debug_is_asking(r->job) ? &r->job->debug->asked : &r->job->violations;
	struct where where;

	hints_fill(r, verdict, err, path);
	struct decode d = {
		.policy = r->job->tree->policy, .mem = r->job->who.mem, .nr = r->call->nr, .args = r->call->args,
		.where = where_is(r->job, r->call->t_tid, &where), .fd_name = fd_name, .fd_arg = r,
		.cwd = r->job->cwd.s, .path = path, .address = *r->address ? r->address : NULL,
		.hint = *r->hint ? r->hint : NULL,
	};

	for (size_t i = 0; r->row && i < 2; i++)
		if (r->row->path[i])
			d.known[r->row->path[i] - 1] = known[i];
	r->told = true;
	decode_record(&d, to, verdict, err, rule);
}

/* What a descriptor is, for telling alone. */
static bool fd_name(void *arg, int t_fd, char *buf, size_t size)
{
	struct request *r = arg;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	bool real, named = false;
	int fd = descriptor_get(r, t_fd, &real), n;

	if (fd < 0)
		return false;
	named = descriptor_show(r, fd, buf, size);
	if (named) {
		memmove(buf, vpath_show(buf), strlen(vpath_show(buf)) + 1);
	} else if (real && getpeername(fd, (struct sockaddr *)&sa, &len) == 0) {
		n = snprintf(buf, size, "socket ");
		decode_address((struct sockaddr *)&sa, len, buf + n, size - (size_t)n);
		named = true;
	} else if (descriptor_kind(r, fd, buf, size)) {
		named = true;
	}
	close(fd);
	return named;
}

/* For a trace: each call in words. What was resolved says more than what was asked for. */
static void tell(struct request *r, enum verdict verdict, int err, const char *path, const char *rule)
{
	struct where where;
	struct decode d = {
		.policy = r->job->tree->policy, .mem = r->job->who.mem, .nr = r->call->nr, .args = r->call->args,
		.cwd = r->job->cwd.s, .path = path, .address = *r->address ? r->address : NULL, .fd_name = fd_name, .fd_arg = r,
		.where = &where,
	};

	frames_where_told(&r->job->frames, r->call->t_tid, &where);
	for (size_t i = 0; r->row && i < 2; i++)
		if (r->row->path[i] && !r->bad[i] && !r->no_path)
			d.known[r->row->path[i] - 1] = r->text[i];
	violation_done(r->job->told);
	decode_call(&d, r->job->told, verdict, err, rule);
}

void broker_tell(struct broker_job *b, struct violation *told)
{
	b->told = told;
}

/* Adds names to a path. False: no further than a "..", which may lead anywhere. */
static bool go_further(struct vpath *v, const char *names)
{
	size_t len;

	for (; names && *(names += strspn(names, "/")); names += len) {
		len = strcspn(names, "/");
		if (len == 2 && !memcmp(names, "..", 2))
			return false;
		if ((len != 1 || *names != '.') && vpath_push(v, names, len))
			return false;
	}
	return true;
}

int request_hidden(struct request *r, const char *path)
{
	struct vpath v;

	if (!vpath_set(&v, path) && go_further(&v, r->onward) && go_further(&v, r->name))
		path = v.s; /* what was asked for, not the first directory that is not there */
	path = vpath_show(path);
	if (r->job->told)
		tell(r, VERDICT_HIDDEN, ENOENT, path, r->job->tree->hidden_rule);
	if (!policy_is_quiet(r->job->tree->policy, path))
		record(r, VERDICT_HIDDEN, ENOENT, path, r->job->tree->hidden_rule);
	r->told = true;
	return -ENOENT;
}

void request_hidden_host(struct request *r, const char *name, const char *rule)
{
	struct where where;
	struct decode d = {
		.policy = r->job->tree->policy, .mem = r->job->who.mem, .nr = r->call->nr, .args = r->call->args, .address = name,
		.path = HOSTNAMES_PATH, .where = where_is(r->job, r->call->t_tid, &where),
	};

	decode_record(&d, &r->job->violations, VERDICT_HIDDEN, ENOENT, rule);
}

int request_refused(struct request *r, int err, const char *path, const char *rule)
{
	if (r->job->told)
		tell(r, VERDICT_REFUSED, err, path ? vpath_show(path) : NULL, rule);
	if (!path || !policy_is_quiet(r->job->tree->policy, vpath_show(path)))
		record(r, VERDICT_REFUSED, err, path ? vpath_show(path) : NULL, rule);
	r->told = true;
	return -err;
}

struct frames_job *broker_frames(struct broker_job *b)
{
	return &b->frames;
}

static bool always_there(void *arg, uint64_t id)
{
	(void)arg, (void)id;
	return true;
}

void broker_record_kill(struct broker_job *b, pid_t t_tid, int nr, const uint64_t args[6])
{
	struct broker_call c = {.t_tid = t_tid, .nr = nr};
	struct request r = {.job = b, .call = &c, .still_there = always_there, .gone_fd = -1};
	char hint[EXPLAIN_HINT];
	struct where where;
	struct decode d = {
		.policy = b->tree->policy, .mem = b->who.mem, .nr = nr, .args = args, .cwd = b->cwd.s, .where = &where, .hint = hint,
		.fd_name = fd_name, .fd_arg = &r,
	};

	explain_call(b->tree->policy, nr, args, hint);
	frames_where(&b->frames, t_tid, &where);
	decode_record(&d, &b->violations, VERDICT_KILLED, 0, policy_judge(b->tree->policy, nr, args).rule);
	if (r.entered)
		identity_leave();
}

/* --- what handlers ask for --------------------------------------------------------------------------------- */

int request_enter(struct request *r, bool with_group)
{
	r->entered = true;
	return identity_enter(r->job->who.uid, with_group ? r->job->who.gid : (gid_t)-1);
}

uint64_t request_arg(const struct request *r, row_arg arg)
{
	return arg ? r->call->args[arg - 1] : 0;
}

int request_dirfd(const struct request *r, int which)
{
	row_arg arg = r->row->dirfd[which];

	return arg ? (int)r->call->args[arg - 1] : AT_FDCWD;
}

int64_t request_give(struct request *r, int fd, bool cloexec)
{
	r->reply->kind = REPLY_FD;
	r->reply->fd = fd;
	r->reply->cloexec = cloexec;
	return 0;
}

int64_t request_wait(struct request *r, struct broker_wait *w)
{
	r->reply->kind = REPLY_LATER;
	r->reply->wait = w;
	return 0;
}

int64_t request_go_on(struct request *r)
{
	r->reply->kind = REPLY_CONTINUE;
	return 0;
}

int request_tmp_error(struct request *r, int rc)
{
	if (rc == -ENOSPC || rc == -EDQUOT)
		r->job->limits_hit |= 1u << LIMIT_HIT_TMP;
	return rc;
}

/* --- one call ---------------------------------------------------------------------------------------------- */

static int copy_path(struct request *r, int which)
{
	row_arg arg = r->row->path[which];
	uint64_t t_addr = request_arg(r, arg);
	ssize_t n;

	r->text[which][0] = '\0';
	if (!arg)
		return 0;
	/* NULL means "the descriptor itself" for utimensat, and since Linux 6.11 beside AT_EMPTY_PATH */
	if (!t_addr && which == 0 && (r->row->null_path || (r->row->out && (r->flags & AT_EMPTY_PATH)))) {
		r->no_path = true;
		return 0;
	}
	n = guest_string(r->job->who.mem, t_addr, r->text[which], sizeof(r->text[which]));
	if (n < 0)
		r->text[which][0] = '\0';
	return n < 0 ? (int)n : 0;
}

static int64_t brokered(struct request *r, const char *rule)
{
	const struct broker_tree *t = r->job->tree;
	int nr = r->call->nr;
	int64_t rc;

	r->row = nr >= 0 && nr < t->n_rows && t->rows[nr] ? &rows_all[t->rows[nr] - 1] : NULL;
	if (!r->row)
		return request_refused(r, EPERM, NULL, rule);
	r->flags = r->row->fixed | (request_arg(r, r->row->flags) & UINT32_MAX);
	if (r->row->known && (r->flags & ~(r->row->known | r->row->fixed)))
		return -EINVAL;
	rc = r->row->first ? r->row->first(r) : 0;
	if (rc)
		return rc;
	for (int i = 0; i < 2; i++)
		r->bad[i] = copy_path(r, i);
	return r->bad[0] && !r->row->path[1] ? r->bad[0] : r->row->answer(r);
}

/* As a line of a policy would; nothing of the floor. */
static int64_t allowed(struct request *r, const char *rule)
{
	char hint[EXPLAIN_HINT];

	return explain_call(r->job->tree->policy, r->call->nr, r->call->args, hint) == REMEDY_BROKER ? brokered(r, rule) : request_go_on(r);
}

static int64_t judged(struct request *r)
{
	struct judgement j = policy_judge(r->job->tree->policy, r->call->nr, r->call->args);
	bool refuses = j.kind == RULE_REFUSE || j.kind == RULE_KILL;

	if (refuses && debug_is_allowed(r->job, r->call))
		return allowed(r, j.rule);
	if (refuses)
		explain_call(r->job->tree->policy, r->call->nr, r->call->args, r->hint);
	if (debug_is_asking(r->job) && (j.kind == RULE_KILL || r->job->debug->step)) {
		record(r, j.kind == RULE_KILL ? VERDICT_KILLED : refuses ? VERDICT_REFUSED : VERDICT_BROKERED, j.err, NULL, j.rule);
		return -EPERM;
	}
	switch (j.kind) {
	case RULE_BROKER:
		return brokered(r, j.rule);
	case RULE_ALLOW:
		return request_go_on(r);
	case RULE_REFUSE_QUIETLY:
		return -j.err;
	case RULE_REFUSE:
		return request_refused(r, j.err, NULL, j.rule);
	case RULE_KILL: /* the filter lets these get here for a debugger alone */
		break;
	}
	return request_refused(r, EPERM, NULL, j.rule);
}

/* Under a debugger: what refuses is asked about, unless that was done. */
static int64_t judge(struct request *r)
{
	struct debugging *d = r->job->debug;

	if (!d || d->decided)
		return judged(r);
	d->asking = true;
	int64_t rc = judged(r);
	d->asking = false;
	if (d->asked.n && r->reply->kind == REPLY_VALUE && rc < 0)
		r->reply->kind = REPLY_HELD;
	else
		violations_done(&d->asked);
	return rc;
}

/* The texts are large, so they are emptied, not cleared. */
static void start(struct request *r, struct broker_job *b, const struct broker_call *c, struct broker_reply *out)
{
	r->job = b;
	r->call = c;
	r->row = NULL;
	r->reply = out;
	r->entered = r->told = r->no_path = false;
	r->flags = 0;
	r->gone = r->jail = NULL;
	r->gone_fd = -1;
	r->gone_own = false;
	r->how = 0;
	r->onward = r->name = NULL;
	r->checked = r->bad[0] = r->bad[1] = 0;
	r->text[0][0] = r->text[1][0] = r->address[0] = r->hint[0] = '\0';
	*out = (struct broker_reply){.kind = REPLY_VALUE, .fd = -1, .fd2 = -1};
}

static void end(struct request *r)
{
	if (r->gone_own)
		close(r->gone_fd);
	if (r->entered)
		identity_leave();
}

void broker_answer(struct broker_job *b, const struct broker_call *c, bool (*still_there)(void *arg, uint64_t id),
                   void *arg, struct broker_reply *out)
{
	struct request r;

	start(&r, b, c, out);
	r.still_there = still_there;
	r.arg = arg;
	b->calls++;
	threads_not_cloning(&b->threads, c->t_tid);
	out->value = judge(&r);
	if (out->kind == REPLY_VALUE && out->value == -EACCES)
		hints_tell_closed(&r);
	if (WITHOUT(broker) && r.told && out->kind == REPLY_VALUE && out->value < 0)
		out->value = request_go_on(&r);
	if (b->told && !b->told->syscall)
		tell(&r, VERDICT_BROKERED, out->kind == REPLY_VALUE && out->value < 0 ? (int)-out->value : 0, NULL, NULL);
	end(&r);
}

static const enum verdict verdict_of[] = {
	[RULE_KILL] = VERDICT_KILLED, [RULE_ALLOW] = VERDICT_ALLOWED, [RULE_BROKER] = VERDICT_BROKERED,
	[RULE_REFUSE] = VERDICT_REFUSED, [RULE_REFUSE_QUIETLY] = VERDICT_REFUSED,
};

void broker_describe(struct broker_job *b, pid_t t_tid, int nr, const uint64_t args[6], struct violation *out)
{
	struct judgement j = policy_judge(b->tree->policy, nr, args);
	struct broker_call c = {.t_tid = t_tid, .nr = nr};
	struct broker_reply unused;
	struct violation *told = b->told;
	struct request r;

	memcpy(c.args, args, sizeof(c.args));
	start(&r, b, &c, &unused);
	r.still_there = always_there;
	*out = (struct violation){0};
	b->told = out;
	tell(&r, verdict_of[j.kind], j.err, NULL, j.rule);
	b->told = told;
	end(&r);
}

void broker_resume(struct broker_job *b, const struct broker_call *c, struct broker_wait *w, bool timed_out,
                   bool (*still_there)(void *arg, uint64_t id), void *arg, struct broker_reply *out)
{
	struct request r;

	start(&r, b, c, out);
	r.still_there = still_there;
	r.arg = arg;
	out->value = w->resume(&r, w, timed_out);
	end(&r);
}

void broker_forget(struct broker_wait *w)
{
	if (w)
		w->forget(w);
}
