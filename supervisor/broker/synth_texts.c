/* What the synthetic files hold. Figures of the process come from procfs, field by field: what a table does not name is left out
 * or zero, so that nothing of the host gets in with a new kernel. Memory is the job's limit, time runs from its start. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "handlers.h"
#include "hostnames.h"
#include "numbers.h"
#include "procfs.h"
#include "synth.h"

#define TICKS     100           /* a second; what procfs counts in, on every machine (proc(5)) */
#define OWN_MAX   (64u << 10)   /* bytes of a file of procfs */
#define MAPS_MAX  (512u << 10)  /* of maps, some 5,000 mappings: a job may have 65,530, which took the worker 170 ms */

/* --- what the kernel says of the process ----------------------------------------------------------------------- */

/* A file of the tracee's in procfs; new (free), ended by NUL. NULL where it cannot be read. */
static char *own_file(struct request *r, pid_t t_tid, const char *name, size_t max)
{
	char path[96], *text = NULL;
	size_t have = 0, cap = 0;
	ssize_t n = 1;
	int fd = -1;

	snprintf(path, sizeof(path), "%d/task/%d/%s", (int)r->job->who.t_own_pid, (int)t_tid, name);
	if (!request_enter(r, true)) /* procfs asks for the same identity */
		fd = numbers_procfs(&r->job->who, path, O_RDONLY);
	while (fd >= 0 && n > 0 && have < max) {
		if (have + 4096 > cap) {
			char *more = realloc(text, cap = cap ? 2 * cap : 8192);

			if (!more)
				break;
			text = more;
		}
		n = read(fd, text + have, cap - have - 1);
		have += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	if (text)
		text[have] = '\0';
	if (!r->still_there(r->arg, r->call->id)) { /* the number might be another's by now */
		free(text);
		return NULL;
	}
	return text;
}

static uint64_t resident_kib(struct request *r)
{
	char *text = own_file(r, r->job->who.t_own_pid, "statm", OWN_MAX);
	unsigned long size, pages = 0;

	if (!text || sscanf(text, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	free(text);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* The machine of a job began a second before it: programs take an uptime of zero for an error. */
static double seconds_up(const struct broker_job *b)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return 1 + (double)(now.tv_sec - b->started.tv_sec) + (double)(now.tv_nsec - b->started.tv_nsec) / 1e9;
}

static int cpus(void)
{
	int n = get_nprocs();

	return n < 1 ? 1 : n;
}

static uint64_t memory_kib(const struct broker_job *b)
{
	return b->options.memory_bytes / 1024;
}

static uint64_t free_kib(struct request *r)
{
	uint64_t all = memory_kib(r->job), used = resident_kib(r);

	return used < all ? all - used : 0;
}

/* --- the process ----------------------------------------------------------------------------------------------- */

/* Left out: the tracer, signals queued by the uid, filters, and the machine's CPUs and memory nodes. */
static const char *const status_lines[] = {
	"Name", "Umask", "State", "Tgid", "Ngid", "Pid", "PPid", "Uid", "Gid", "FDSize", "Groups", "VmPeak", "VmSize", "VmLck",
	"VmPin", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmData", "VmStk", "VmExe", "VmLib", "VmPTE", "VmSwap",
	"HugetlbPages", "CoreDumping", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff",
	"CapBnd", "CapAmb", "NoNewPrivs", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches",
};

static bool is_told(const char *line)
{
	size_t len = strcspn(line, ":");

	for (size_t i = 0; i < sizeof(status_lines) / sizeof(status_lines[0]); i++)
		if (strlen(status_lines[i]) == len && !memcmp(line, status_lines[i], len))
			return true;
	return false;
}

static void status(struct request *r, const struct synth_at *at, FILE *f)
{
	char *text = own_file(r, at->t_tid, "status", OWN_MAX), *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		if (is_told(line))
			fprintf(f, "%s\n", line);
		if (!strncmp(line, "Pid:", 4))
			fputs("TracerPid:\t0\n", f);
	}
	free(text);
}

/* Fields of /proc/PID/stat by their numbers in proc(5) that are not the kernel's. */
static const struct {
	int field;
	const char *value;
} stat_fixed[] = {{7, "0"}, {8, "-1"}, {22, "0"}};

static void stat_of_process(struct request *r, const struct synth_at *at, FILE *f)
{
	char *text = own_file(r, at->t_tid, "stat", OWN_MAX), *rest = text ? procfs_field(text, 3) : NULL, *save = NULL;
	int field = 3;

	if (rest) {
		fwrite(text, 1, (size_t)(rest - 1 - text), f);
		for (char *word = strtok_r(rest, " \n", &save); word; word = strtok_r(NULL, " \n", &save), field++) {
			for (size_t i = 0; i < sizeof(stat_fixed) / sizeof(stat_fixed[0]); i++)
				word = stat_fixed[i].field == field ? (char *)stat_fixed[i].value : word;
			fprintf(f, " %s", word);
		}
		fputc('\n', f);
	}
	free(text);
}

static void copy_own(struct request *r, const struct synth_at *at, FILE *f, const char *name)
{
	char *text = own_file(r, at->t_tid, name, OWN_MAX);

	fputs(text ? text : "", f);
	free(text);
}

static void statm(struct request *r, const struct synth_at *at, FILE *f)
{
	copy_own(r, at, f, "statm");
}

static void comm(struct request *r, const struct synth_at *at, FILE *f)
{
	copy_own(r, at, f, "comm");
}

static void limits(struct request *r, const struct synth_at *at, FILE *f)
{
	copy_own(r, at, f, "limits");
}

static void exe(struct request *r, const struct synth_at *at, FILE *f)
{
	const char *interpreter = r->job->options.interpreter;

	(void)at;
	fputs(interpreter ? interpreter : "/usr/bin/python3", f);
}

static void cmdline(struct request *r, const struct synth_at *at, FILE *f)
{
	const struct broker_options *o = &r->job->options;

	exe(r, at, f);
	fprintf(f, "%c/tmp/%s%c", 0, o->filename, 0);
	for (size_t i = 0; i < o->n_args; i++)
		fprintf(f, "%s%c", o->args[i], 0);
}

static void cwd(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)at;
	fputs(vpath_show(r->job->cwd.s), f);
}

static void root(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r, (void)at;
	fputs("/", f);
}

/* What the job calls a mapped file: NULL, if it may not know of it. `dev`: "major:minor" in hexadecimal. */
static const char *known_name(struct request *r, const char *dev, const char *name)
{
	const struct private_tmp *tmp = &r->job->tmp;
	unsigned major_no, minor_no;

	if (*name == '[') /* the kernel's own */
		return name;
	if (*name != '/')
		return NULL;
	if (tmp->root >= 0 && tmp->dir && vpath_covers(tmp->dir, tmp->dir_len, name))
		return name + tmp->dir_len;
	switch (tree_find(r->job->tree, r->job->options.grants, name).place) {
	case PLACE_HOST:
		return name;
	case PLACE_TMP: /* the host has a /tmp, too */
		if (tmp->root >= 0 && !tmp->dir && sscanf(dev, "%x:%x", &major_no, &minor_no) == 2 &&
		    makedev(major_no, minor_no) == tmp->dev)
			return name;
		return NULL;
	default:
		return NULL;
	}
}

static void tell_mapping(FILE *f, const char *where, const char *name)
{
	int n = fprintf(f, "%s ", where);

	fprintf(f, "%*s%s\n", n < 73 ? 73 - n : 1, "", name);
}

/* "from-to rwxp offset dev inode   name" */
static void map_line(struct request *r, const char *line, const char *program, FILE *f)
{
	char range[64], rights[8], offset[24], dev[16], inode[24], where[160];
	const char *name;
	int at = 0;

	if (sscanf(line, "%63s %7s %23s %15s %23s %n", range, rights, offset, dev, inode, &at) < 5)
		return;
	name = known_name(r, dev, line + at);
	if (name) {
		snprintf(where, sizeof(where), "%s %s %s %s %s", range, rights, offset, dev, inode);
		tell_mapping(f, where, name);
	} else if (*program && !strcmp(line + at, program)) {
		snprintf(where, sizeof(where), "%s %s %s 00:00 0", range, rights, offset);
		tell_mapping(f, where, r->job->options.interpreter);
	} else {
		fprintf(f, "%s %s 00000000 00:00 0\n", range, rights);
	}
}

static void maps(struct request *r, const struct synth_at *at, FILE *f)
{
	char *text = own_file(r, at->t_tid, "maps", MAPS_MAX), *save = NULL;
	char link[64], program[PATH_MAX] = "";
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)r->job->who.t_pid);
	n = r->job->options.interpreter ? readlink(link, program, sizeof(program) - 1) : 0;
	program[n > 0 ? n : 0] = '\0';
	char *end = text ? strrchr(text, '\n') : NULL; /* what is cut off may end within a line */

	if (end)
		*end = '\0';
	for (char *line = end ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		map_line(r, line, program, f);
	free(text);
}

static void mounts(struct request *r, const struct synth_at *at, FILE *f)
{
	const struct broker_options *o = &r->job->options;

	(void)at;
	fprintf(f,
		"warder / overlay ro,nosuid,nodev,relatime 0 0\n"
		"proc /proc proc ro,nosuid,nodev,noexec,relatime 0 0\n"
		"tmpfs /tmp tmpfs rw,nosuid,nodev,noexec,relatime,size=%lluk,nr_inodes=%llu 0 0\n"
		"tmpfs /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=%lluk,nr_inodes=%llu 0 0\n",
		(unsigned long long)o->tmp_bytes / 1024, (unsigned long long)o->tmp_inodes,
		(unsigned long long)o->tmp_bytes / 1024, (unsigned long long)o->tmp_inodes);
}

static void zero(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r, (void)at;
	fputs("0\n", f);
}

/* --- the machine ----------------------------------------------------------------------------------------------- */

static void self(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)at;
	fprintf(f, "%d", (int)r->job->who.t_own_pid);
}

static void thread_self(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)at;
	fprintf(f, "%d/task/%d", (int)r->job->who.t_own_pid, (int)numbers_own(&r->job->who, r->call->t_tid));
}

static void self_mounts(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r, (void)at;
	fputs("self/mounts", f);
}

static void cpuinfo(struct request *r, const struct synth_at *at, FILE *f)
{
	int n = cpus();

	(void)r, (void)at;
	for (int i = 0; i < n; i++)
		fprintf(f, "processor\t: %d\nmodel name\t: CPU\nphysical id\t: 0\nsiblings\t: %d\ncore id\t\t: %d\ncpu cores\t: %d\n\n", i, n,
			i, n);
}

static void meminfo(struct request *r, const struct synth_at *at, FILE *f)
{
	static const char *const nothing[] = {"Buffers", "Cached", "SwapCached", "Active", "Inactive", "SwapTotal", "SwapFree", "Dirty",
		"Writeback", "Shmem", "Slab", "SReclaimable", "SUnreclaim"};
	unsigned long long left = free_kib(r);

	(void)at;
	fprintf(f, "MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\n",
		(unsigned long long)memory_kib(r->job), left, left);
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		fprintf(f, "%s:%*s0 kB\n", nothing[i], 23 - (int)strlen(nothing[i]), "");
}

/* User and system time of the job in ticks, and how many threads it has. */
static void times(struct request *r, unsigned long *user, unsigned long *sys, long *threads)
{
	char *text = own_file(r, r->job->who.t_own_pid, "../../stat", OWN_MAX), *rest = text ? procfs_field(text, 3) : NULL;

	*user = *sys = 0;
	*threads = 1;
	if (rest)
		sscanf(rest, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld", user, sys, threads);
	free(text);
}

static void stat_of_machine(struct request *r, const struct synth_at *at, FILE *f)
{
	unsigned long user, sys, all = (unsigned long)(seconds_up(r->job) * TICKS);
	int n = cpus();
	long threads;

	(void)at;
	times(r, &user, &sys, &threads);
	for (int i = -1; i < n; i++) {
		unsigned long have = i < 0 ? all * (unsigned long)n : all, used = i <= 0 ? user + sys : 0;

		fputs("cpu", f);
		fprintf(f, i < 0 ? " " : "%d", i);
		fprintf(f, " %lu 0 %lu %lu 0 0 0 0 0 0\n", i <= 0 ? user : 0, i <= 0 ? sys : 0, have > used ? have - used : 0);
	}
	fprintf(f, "intr 0\nctxt 0\nbtime %lld\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n", (long long)r->job->started_real);
}

static void uptime(struct request *r, const struct synth_at *at, FILE *f)
{
	unsigned long user, sys;
	double up = seconds_up(r->job), idle;
	long threads;

	(void)at;
	times(r, &user, &sys, &threads);
	idle = up * cpus() - (double)(user + sys) / TICKS;
	fprintf(f, "%.2f %.2f\n", up, idle > 0 ? idle : 0);
}

static void loadavg(struct request *r, const struct synth_at *at, FILE *f)
{
	unsigned long user, sys;
	long threads;

	(void)at;
	times(r, &user, &sys, &threads);
	fprintf(f, "0.00 0.00 0.00 1/%ld %d\n", threads, (int)r->job->who.t_own_pid);
}

static void version(struct request *r, const struct synth_at *at, FILE *f)
{
	struct utsname u;

	(void)r, (void)at;
	if (!uname(&u))
		fprintf(f, "Linux version %s (" SYNTH_HOSTNAME ") %s\n", u.release, u.version);
}

static void filesystems(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r, (void)at;
	fputs("nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\n", f);
}

static void cpu_list(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r, (void)at;
	fprintf(f, cpus() > 1 ? "0-%d\n" : "%d\n", cpus() - 1);
}

int64_t synth_uname(struct request *r)
{
	struct utsname u;

	if (uname(&u))
		return -errno;
	memset(u.nodename, 0, sizeof(u.nodename));
	memcpy(u.nodename, SYNTH_HOSTNAME, sizeof(SYNTH_HOSTNAME));
	memset(u.domainname, 0, sizeof(u.domainname));
	strcpy(u.domainname, "(none)");
	return guest_write(r->job->who.mem, r->call->args[0], &u, sizeof(u));
}

int64_t synth_sysinfo(struct request *r)
{
	unsigned long user, sys;
	struct sysinfo s = {.mem_unit = 1024, .uptime = (long)seconds_up(r->job)};
	long threads;

	times(r, &user, &sys, &threads);
	s.totalram = memory_kib(r->job);
	s.freeram = free_kib(r);
	s.procs = (unsigned short)threads;
	return guest_write(r->job->who.mem, r->call->args[0], &s, sizeof(s));
}

/* --- names ----------------------------------------------------------------------------------------------------- */

void synth_hosts(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)at;
	hostnames_write(r, f);
	fputs("127.0.1.1 " SYNTH_HOSTNAME "\n", f);
}

static void hostname(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r, (void)at;
	fputs(SYNTH_HOSTNAME "\n", f);
}

static void resolv_conf(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r, (void)at;
	fputs("# granted names are in /etc/hosts; nothing else is resolved\n", f);
}

/* All lines of a name, not the first alone. */
static void host_conf(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r, (void)at;
	fputs("multi on\n", f);
}

static void nsswitch(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r, (void)at;
	fputs("passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n", f);
}

/* --- /dev ------------------------------------------------------------------------------------------------------ */

static void fixed(struct request *r, const struct synth_at *at, FILE *f)
{
	(void)r;
	fputs(synth_fixed_target(at->row->path), f);
}

/* --- all names ------------------------------------------------------------------------------------------------- */

const struct synth_row synth_rows[] = {
	{"/proc", SYNTH_DIR, NULL, false},
	{"/proc/self", SYNTH_LINK, self, false},
	{"/proc/thread-self", SYNTH_LINK, thread_self, false},
	{"/proc/mounts", SYNTH_LINK, self_mounts, false},
	{"/proc/cpuinfo", SYNTH_TEXT, cpuinfo, false},
	{"/proc/meminfo", SYNTH_TEXT, meminfo, false},
	{"/proc/stat", SYNTH_TEXT, stat_of_machine, false},
	{"/proc/uptime", SYNTH_TEXT, uptime, false},
	{"/proc/loadavg", SYNTH_TEXT, loadavg, false},
	{"/proc/version", SYNTH_TEXT, version, false},
	{"/proc/filesystems", SYNTH_TEXT, filesystems, false},
	{"/proc/#", SYNTH_DIR, NULL, true},
	{"/proc/#/status", SYNTH_TEXT, status, true},
	{"/proc/#/stat", SYNTH_TEXT, stat_of_process, true},
	{"/proc/#/statm", SYNTH_TEXT, statm, true},
	{"/proc/#/comm", SYNTH_TEXT, comm, true},
	{"/proc/#/cmdline", SYNTH_TEXT, cmdline, true},
	{"/proc/#/maps", SYNTH_TEXT, maps, true},
	{"/proc/#/limits", SYNTH_TEXT, limits, true},
	{"/proc/#/mounts", SYNTH_TEXT, mounts, true},
	{"/proc/#/oom_score", SYNTH_TEXT, zero, true},
	{"/proc/#/oom_score_adj", SYNTH_TEXT, zero, true},
	{"/proc/#/exe", SYNTH_LINK, exe, true},
	{"/proc/#/cwd", SYNTH_LINK, cwd, true},
	{"/proc/#/root", SYNTH_LINK, root, true},
	{"/proc/#/fd", SYNTH_NUMBERS, NULL, true},
	{"/proc/#/fd/%", SYNTH_FD, NULL, true},
	{"/proc/#/task", SYNTH_NUMBERS, NULL, true},
	{"/proc/#/task/@", SYNTH_DIR, NULL, true},
	{"/proc/#/task/@/status", SYNTH_TEXT, status, true},
	{"/proc/#/task/@/stat", SYNTH_TEXT, stat_of_process, true},
	{"/proc/#/task/@/comm", SYNTH_TEXT, comm, true},
	{"/etc/host.conf", SYNTH_TEXT, host_conf, false},
	{"/etc/hosts", SYNTH_TEXT, synth_hosts, false},
	{"/etc/hostname", SYNTH_TEXT, hostname, false},
	{"/etc/resolv.conf", SYNTH_TEXT, resolv_conf, false},
	{"/etc/nsswitch.conf", SYNTH_TEXT, nsswitch, false},
	{"/dev/fd", SYNTH_LINK, fixed, false},
	{"/dev/stdin", SYNTH_LINK, fixed, false},
	{"/dev/stdout", SYNTH_LINK, fixed, false},
	{"/dev/stderr", SYNTH_LINK, fixed, false},
	{"/sys/devices/system/cpu/online", SYNTH_TEXT, cpu_list, false},
	{"/sys/devices/system/cpu/possible", SYNTH_TEXT, cpu_list, false},
	{"/sys/devices/system/cpu/present", SYNTH_TEXT, cpu_list, false},
};
const size_t synth_n_rows = sizeof(synth_rows) / sizeof(synth_rows[0]);
