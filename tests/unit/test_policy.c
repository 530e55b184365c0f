#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "calls.h"
#include "shipped.h"
#include "symbols.h"
#include "ydoc.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct policy *load(const char *text, struct policy_errors *es)
{
	return policy_load_text("t.yaml", (struct bytes){text, strlen(text)}, NULL, es);
}

static struct policy *load_good(const char *text)
{
	struct policy_errors es = {0};
	struct policy *p = load(text, &es);

	shipped_print_errors(&es);
	policy_errors_done(&es);
	assert_non_null(p);
	return p;
}

/* --- texts that are refused ------------------------------------------------------------------- */

#define G "name: x\nsyscalls:\n  g:\n    why: w\n    " /* what follows stands in line 5, column 5 */

static const struct {
	const char *what, *text, *expected; /* "LINE:COLUMN: part of the message" */
} refused[] = {
	{"empty", "", "1:1: empty"},
	{"no mapping", "- a\n", "1:1: a policy must be a mapping"},
	{"no name", "limits: {}\n", "1:1: a policy needs a name"},
	{"bad name", "name: a/b\n", "1:7: name: a/b: letters"},
	{"syntax", "name: [x\n", "2:1: "},
	{"tabs", "name: x\nlimits:\n\twall_ms: 1\n", "3:1: "},
	{"unknown key", "name: x\nlimit: {}\n", "2:1: limit: unknown key"},
	{"duplicate key", "name: x\nname: y\n", "2:1: name: given twice, first in line 1"},
	{"alias", "name: &a x\nlanguage: *a\n", "1:7: anchors are not allowed"},
	{"alias alone", "name: *a\n", "1:7: aliases are not allowed"},
	{"tag", "name: !!str x\n", "1:7: tags are not allowed"},
	{"two documents", "name: x\n---\nname: y\n", "2:1: more than one document"},
	{"too deep", "name: [[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]\n", "nested too deeply"},
	{"NUL", "name: \"a\\0b\"\n", "1:7: name: must not contain a NUL"},
	{"network without connect", "name: x\nnetwork: [{}]\n", "2:11: network: a line needs connect"},
	{"network with more", "name: x\nnetwork: [{connect: \"a:1\", bind: x}]\n", "2:28: network: bind: unknown key"},
	{"odd address", "name: x\nnetwork:\n  - {connect: \"127.1:80\"}\n", "3:15: connect: 127.1:80: not an IPv4 address"},
	{"sockets: raw", "name: x\nsockets: [{family: inet, type: raw, protocol: icmp}]\n",
		"2:11: sockets: inet, raw, icmp cannot be granted"},
	{"sockets: MPTCP", "name: x\nsockets: [{family: inet, type: stream, protocol: mptcp}]\n", "2:11: sockets: inet, stream, mptcp"},
	{"sockets: no protocol", "name: x\nsockets: [{family: inet, type: stream}]\n", "2:11: sockets: inet, stream, no protocol"},
	{"sockopts: unknown", "name: x\nsockopts: [TCP_NODELAY]\n", "2:12: sockopts: TCP_NODELAY: unknown option"},
	{"sockopts: floor", "name: x\nsockopts: [IPPROTO_TCP/TCP_FASTOPEN_CONNECT]\n", "2:12: sockopts: IPPROTO_TCP/TCP_FASTOPEN_CONNECT: on the floor"},
	{"bound", "name: x\ncallers_may: {connect: [\"1.2.3.4:0\"]}\n", "2:25: callers_may.connect: 1.2.3.4:0: the port must be"},
	{"dependencies: a path", "name: x\ndependencies: ../d\n", "2:15: dependencies: ../d: must be of letters"},
	{"bound to read", "name: x\ncallers_may: {read: [/x, y]}\n", "2:26: callers_may.read: y: must be an absolute path"},
	{"bound to write", "name: x\ncallers_may: {write: [/x/../y]}\n", "2:23: callers_may.write: /x/../y: must be normalised"},
	{"bound to connect", "name: x\ncallers_may: {connect: a}\n", "2:24: callers_may.connect: must be a list"},
	{"unknown language", "name: x\nlanguage: perl\n", "2:11: language: unknown language perl"},
	{"interpreter", "name: x\ninterpreter: bin/python\n", "2:14: interpreter: must be a bare name"},
	{"no base", "name: x\nextends: nowhere_y\n", "2:10: extends: no policy nowhere_y found"},
	{"no why", "name: x\nsyscalls:\n  g:\n    allow: [read]\n", "3:3: g: a group needs why"},
	{"empty why", "name: x\nsyscalls:\n  g:\n    why:\n", "4:9: why: must not be empty"},
	{"unknown group key", G "permit: [read]\n", "5:5: g: permit: unknown key"},
	{"unknown call", G "allow: [read, raed]\n", "5:19: raed: unknown system call"},
	{"unknown refused call", G "refuse: {raed: EPERM}\n", "5:14: raed: unknown system call"},
	{"listed twice", G "allow: [read, read]\n", "5:19: read: listed twice in this file, first in line 5"},
	{"twice in kinds", G "allow: [read]\n    refuse: {read: EPERM}\n", "6:14: read: listed twice"},
	{"kill and allow", G "allow: [read]\n    kill: [read]\n", "6:12: read: listed twice"},
	{"not a list", G "allow: read\n", "5:12: allow: must be a list"},
	{"not a string", G "allow: [[read]]\n", "5:13: allow: must be a string"},
	{"unknown errno", G "refuse: {read: ENONSENSE}\n", "5:20: read: unknown errno ENONSENSE"},
	{"number as errno", G "refuse: {read: 1}\n", "5:20: read: unknown errno 1"},
	{"floor allowed", G "allow: [ptrace]\n", "5:13: ptrace: on the floor"},
	{"floor brokered", G "broker: [mount]\n", "5:14: mount: on the floor"},
	{"floor under a condition", G "allow_if: [{call: bpf, arg: 0, in: [0]}]\n", "5:16: bpf: on the floor"},
	{"native path", G "allow: [openat]\n", "5:13: openat: may be brokered or refused, never allowed"},
	{"native ioctl", G "allow: [ioctl]\n", "5:13: ioctl: may be allowed under conditions"},
	{"clone with anything", G "broker: [clone]\n", "5:14: clone: must keep bits"},
	{"clone with a namespace", G "broker_if: [{call: clone, arg: 0, only: [CLONE_VM, CLONE_NEWUSER]}]\n",
	 "5:17: clone: must keep bits"},
	{"clone by another argument", G "broker_if: [{call: clone, arg: 1, only: [0]}]\n",
	 "5:17: clone: must keep bits"},
	{"clone natively", G "allow_if: [{call: clone, arg: 0, only: [CLONE_VM]}]\n",
	 "5:16: clone: may be brokered or refused, never allowed"},
	{"close_range with a table of its own", G "allow_if: [{call: close_range, arg: 2, in: [CLOSE_RANGE_UNSHARE]}]\n",
	 "5:16: close_range: must keep bits 0x2 of argument 2 out"},
	{"no call", G "allow_if: [{arg: 1, in: [0]}]\n", "5:16: allow_if: a condition needs call"},
	{"no arg", G "allow_if: [{call: ioctl, in: [0]}]\n", "5:16: ioctl: a condition needs arg"},
	{"arg 6", G "allow_if: [{call: ioctl, arg: 6, in: [0]}]\n", "5:35: arg: must be 0 to 5, is 6"},
	{"no operator", G "allow_if: [{call: ioctl, arg: 1}]\n", "5:16: ioctl: a condition needs one of"},
	{"no values", G "allow_if: [{call: ioctl, arg: 1, in: []}]\n", "5:42: in: no values"},
	{"unknown value", G "allow_if: [{call: ioctl, arg: 1, in: [TCGETZ]}]\n", "5:43: in: unknown value TCGETZ"},
	{"number too large", G "allow_if: [{call: ioctl, arg: 1, in: [0x10000000000000000]}]\n", "unknown value"},
	{"negative bits", G "allow_if: [{call: ioctl, arg: 1, mask: [-1]}]\n", "mask: -1: bits cannot be negative"},
	{"unknown else", G "allow_if: [{call: ioctl, arg: 1, in: [0], else: KILL}]\n", "else: unknown errno KILL"},
	{"else in the middle",
	 G "allow_if: [{call: ioctl, arg: 1, in: [0], else: EPERM}, {call: ioctl, arg: 1, in: [1]}]\n",
	 "ioctl: only the last condition of a call may say else"},
	{"and of nothing", G "allow_if: [{call: ioctl, arg: 1, in: [0], and: [{arg: 2}]}]\n",
	 "a condition needs one of"},
	{"unknown in and", G "allow_if: [{call: ioctl, arg: 1, in: [0], and: [{call: read}]}]\n",
	 "and: call: unknown key"},
	{"unknown limit", "name: x\nlimits: {wall: 1}\n", "2:10: limits.wall: unknown limit"},
	{"limit 0", "name: x\nlimits: {threads: 0}\n", "2:19: limits.threads: must be 1 to 1024, is 0"},
	{"limit negative", "name: x\nlimits: {wall_ms: -5}\n", "limits.wall_ms: must be 1 to"},
	{"limit too large", "name: x\nlimits: {threads: 99999999999999999999}\n", "limits.threads: must be 1 to"},
	{"limit in words", "name: x\nlimits: {threads: many}\n", "limits.threads: must be 1 to 1024, is many"},
	{"bound below", "name: x\nlimits: {threads: 9}\ncallers_may: {limits: {threads: 8}}\n",
	 "8 is below the policy's own 9"},
	{"on_output_limit", "name: x\non_output_limit: stop\n", "must be cut or end, is stop"},
	{"module", "name: x\npreload: [json, \"os; evil\"]\n", "2:17: preload: os; evil: not a module name"},
	{"env name", "name: x\nenv: {A=B: c}\n", "env: A=B: not a variable's name"},
	{"env of the loader", "name: x\nenv: {LD_PRELOAD: c}\n", "env: LD_PRELOAD: read only when"},
	{"env of python", "name: x\nenv: {PYTHONPATH: c}\n", "env: PYTHONPATH: read only when"},
	{"quiet relative", "name: x\nquiet: [a/b]\n", "quiet: a/b: must be an absolute path"},
	{"quiet star", "name: x\nquiet: [/a/b*]\n", "quiet: /a/b*: a star may only stand alone"},
	{"file relative", "name: x\nfiles: [{path: etc, rights: [read]}]\n",
	 "2:16: path: etc: must be an absolute path"},
	{"file dots", "name: x\nfiles: [{path: /a/../etc, rights: [read]}]\n", "path: /a/../etc: must be normalised"},
	{"file slash", "name: x\nfiles: [{path: /etc/, rights: [read]}]\n", "path: /etc/: must be normalised"},
	{"file root", "name: x\nfiles: [{path: /, rights: [read]}]\n", "path: /: everything at once"},
	{"file proc", "name: x\nfiles: [{path: /proc/self, rights: [read]}]\n", "path: /proc/self: would show"},
	{"file rights", "name: x\nfiles: [{path: /a, rights: [reed]}]\n", "2:29: rights: unknown right reed"},
	{"file no rights", "name: x\nfiles: [{path: /a}]\n", "2:9: files: a line needs rights"},
	{"file nothing", "name: x\nfiles: [{rights: [read]}]\n", "2:9: files: a line needs either path or"},
	{"file both", "name: x\nfiles: [{path: /a, interpreter: true, rights: [read]}]\n",
	 "files: a line needs either"},
	{"file key", "name: x\nfiles: [{path: /a, right: [read]}]\n", "2:20: files: right: unknown key"},
	{"interpreter no", "name: x\nfiles: [{interpreter: yes, rights: [read]}]\n",
	 "interpreter: must be true or false"},
};

static bool told(const struct policy_errors *es, const char *expected)
{
	char line[1024];

	for (size_t i = 0; i < es->n; i++) {
		snprintf(line, sizeof(line), "%d:%d: %s", es->v[i].line, es->v[i].column, es->v[i].text);
		if (expected[0] >= '0' && expected[0] <= '9' && strchr(expected, ':')
			    ? !strncmp(line, expected, strlen(expected))
			    : !!strstr(line, expected))
			return true;
	}
	return false;
}

static void wrong_texts_are_refused_with_their_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(refused); i++) {
		struct policy_errors es = {0};
		struct policy *p = load(refused[i].text, &es);

		if (p || !told(&es, refused[i].expected) || strcmp(es.v[0].file, "t.yaml")) {
			shipped_print_errors(&es);
			fail_msg("%s: expected %s", refused[i].what, refused[i].expected);
		}
		policy_errors_done(&es);
	}
}

static void several_errors_are_told_at_once(void **state)
{
	struct policy_errors es = {0};

	(void)state;
	assert_null(load("name: x\nfoo: 1\nlimits: {threads: 0}\nsyscalls:\n  g:\n    allow: [nope]\n", &es));
	assert_int_equal(es.n, 4); /* foo, threads, nope, why */
	policy_errors_done(&es);
}

static void sizes_are_bounded(void **state)
{
	size_t n = YDOC_FILE_MAX + 10;
	char *big = malloc(n + 1);
	struct policy_errors es = {0};

	(void)state;
	memset(big, ' ', n);
	big[n] = '\0';
	memcpy(big, "name: x\n#", 9);
	assert_null(load(big, &es));
	assert_true(told(&es, "longer than"));
	policy_errors_done(&es);
	strcpy(big, "name: x\npreload: [");
	for (size_t at = strlen(big); at < n - 10; at += 2)
		memcpy(big + at, "a,", 2);
	big[YDOC_FILE_MAX - 10] = '\0';
	assert_null(load(big, &es));
	assert_true(told(&es, "too many values"));
	policy_errors_done(&es);
	strcpy(big, "name: x\nquiet: [");
	for (int i = 0; i < 1025; i++)
		sprintf(big + strlen(big), "/a%d,", i);
	strcat(big, "]\nenv: {");
	for (int i = 0; i < 1025; i++)
		sprintf(big + strlen(big), "A%d: x,", i);
	strcat(big, "}\n");
	assert_null(load(big, &es));
	assert_true(told(&es, "quiet: more than 1024"));
	assert_true(told(&es, "env: more than 1024 keys"));
	policy_errors_done(&es);
	strcpy(big, "name: x\nsyscalls:\n  g:\n    why: w\n    allow: [");
	for (int i = 0; i < 1000; i++)
		sprintf(big + strlen(big), "u%d, ", i);
	strcat(big, "]\n");
	assert_null(load(big, &es));
	assert_int_equal(es.n, YDOC_ERRORS_MAX);
	policy_errors_done(&es);
	free(big);
}

/* Never more than a refusal, whatever the bytes; the sanitizers watch. */
static void mutated_files_do_no_harm(void **state)
{
	const char *path = shipped_path("policies/base.yaml");
	unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : 1;
	static char text[YDOC_FILE_MAX], copy[YDOC_FILE_MAX];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof(text), f) : 0;

	(void)state;
	assert_true(n > 1000);
	fclose(f);
	for (int round = 0; round < 150; round++) {
		struct policy_errors es = {0};

		memcpy(copy, text, n);
		for (int i = 0; i < 1 + round % 5; i++)
			copy[(size_t)rand_r(&seed) % n] = "{}[]:,-\n #&*!|>'\"%@`a\0\xff"[rand_r(&seed) % 24];
		policy_free(
			policy_load_text("m.yaml", (struct bytes){copy, n - (size_t)rand_r(&seed) % 100}, NULL, &es));
		policy_errors_done(&es);
	}
}

/* --- what a good text means ------------------------------------------------------------------- */

static struct judgement judge(const struct policy *p, const char *call, uint64_t a0, uint64_t a1, uint64_t a2)
{
	return policy_judge(p, policy_call_nr(call), (uint64_t[6]){a0, a1, a2});
}

static void rows_decide_in_order(void **state)
{
	struct policy *p = load_good(
		"name: x\nsyscalls:\n  g:\n    why: w\n    allow: [read]\n    refuse: {fork: EPERM}\n"
		"    refuse_quietly: {clone3: ENOSYS}\n    kill: [write]\n"
		"    broker_if: [{call: fcntl, arg: 1, in: [F_SETLK]}]\n"
		"    allow_if: [{call: fcntl, arg: 1, in: [F_GETFD], else: EPERM}]\n"
		"  h:\n    why: w\n"
		"    allow_if: [{call: sendto, arg: 4, in: [0], and: [{arg: 3, none_of: [MSG_FASTOPEN]}]}]\n");
	struct judgement j = judge(p, "read", 0, 0, 0);

	(void)state;
	assert_int_equal(j.kind, RULE_ALLOW);
	assert_string_equal(j.rule, "t.yaml:5 g");
	j = judge(p, "fork", 0, 0, 0);
	assert_int_equal(j.kind, RULE_REFUSE);
	assert_int_equal(j.err, EPERM);
	assert_int_equal(judge(p, "clone3", 0, 0, 0).kind, RULE_REFUSE_QUIETLY);
	assert_string_equal(judge(p, "write", 0, 0, 0).rule, "t.yaml:8 g");
	assert_string_equal(judge(p, "lseek", 0, 0, 0).rule, "not listed");
	assert_string_equal(judge(p, "mount", 0, 0, 0).rule, "floor");
	assert_int_equal(judge(p, "fcntl", 0, 6, 0).kind, RULE_BROKER);
	assert_int_equal(judge(p, "fcntl", 0, 1, 0).kind, RULE_ALLOW);
	j = judge(p, "fcntl", 0, 99, 0);
	assert_int_equal(j.kind, RULE_REFUSE);
	assert_int_equal(j.err, EPERM);
	assert_int_equal(judge(p, "fcntl", 0, 1ull << 32 | 1, 0).kind, RULE_REFUSE); /* all 64 bits count */
	assert_int_equal(judge(p, "sendto", 0, 0, 0).kind, RULE_ALLOW);
	assert_int_equal(policy_judge(p, policy_call_nr("sendto"), (uint64_t[6]){0, 0, 0, 0x20000000}).kind, RULE_KILL);
	assert_int_equal(policy_judge(p, policy_call_nr("sendto"), (uint64_t[6]){0, 0, 0, 0, 1ull << 40}).kind,
			 RULE_KILL);
	assert_int_equal(policy_judge(p, p->n_calls, (uint64_t[6]){0}).kind, RULE_REFUSE_QUIETLY);
	assert_int_equal(policy_judge(p, p->n_calls, (uint64_t[6]){0}).err, ENOSYS);
	assert_int_equal(policy_judge(p, 0x40000001, (uint64_t[6]){0}).kind, RULE_KILL);
	assert_int_equal(policy_judge(p, -1, (uint64_t[6]){0}).kind, RULE_KILL);
	policy_free(p);
}

/* What a socket may hold unsent is the kernel's memory: how much stands in the job's, which a filter cannot see. */
static void sizes_of_buffers_are_brokered(void **state)
{
	struct policy *p = load_good("name: x\nsockopts: [SOL_SOCKET/SO_SNDBUF, SOL_SOCKET/SO_KEEPALIVE, IPPROTO_TCP/TCP_NODELAY]\n");

	(void)state;
	assert_int_equal(judge(p, "setsockopt", 3, SOL_SOCKET, SO_SNDBUF).kind, RULE_BROKER);
	assert_int_equal(judge(p, "getsockopt", 3, SOL_SOCKET, SO_SNDBUF).kind, RULE_ALLOW);
	assert_int_equal(judge(p, "setsockopt", 3, SOL_SOCKET, SO_KEEPALIVE).kind, RULE_ALLOW);
	assert_int_equal(judge(p, "setsockopt", 3, IPPROTO_TCP, TCP_NODELAY).kind, RULE_ALLOW);
	assert_int_equal(judge(p, "setsockopt", 3, IPPROTO_TCP, SO_SNDBUF).err, EPERM);
	assert_int_equal(judge(p, "setsockopt", 3, SOL_SOCKET, SO_MARK).err, EPERM);
	policy_free(p);
}

static void negative_ints_match_both_their_forms(void **state)
{
	struct policy *p = load_good(
		G "allow_if: [{call: personality, arg: 0, in: [-1]}, {call: ioctl, arg: 0, in: [AT_FDCWD]}]\n");

	(void)state;
	assert_int_equal(judge(p, "personality", 0xffffffff, 0, 0).kind, RULE_ALLOW);
	assert_int_equal(judge(p, "personality", UINT64_MAX, 0, 0).kind, RULE_ALLOW);
	assert_int_equal(judge(p, "personality", 0x1ffffffffull, 0, 0).kind, RULE_KILL);
	assert_int_equal(judge(p, "ioctl", (uint64_t)-100, 0, 0).kind, RULE_ALLOW);
	assert_int_equal(judge(p, "ioctl", 0xffffff9c, 0, 0).kind, RULE_ALLOW);
	policy_free(p);
}

static void the_rest_of_a_policy_is_kept(void **state)
{
	struct policy *p = load_good(
		"name: x\nlanguage: python3\npreload: [json, a.b_1, json]\n"
		"files: [{path: /a, rights: [read]}, {path: /a, rights: [list]}, {interpreter: true, rights: [read]}]\n"
		"limits: {threads: 3}\ncallers_may: {limits: {wall_ms: 60000}, read: [/r],"
		" write: [/w], connect: ['*:443']}\non_output_limit: end\n"
		"env: {A: b, C: \"d e\"}\nquiet: [/q, /z/*]\n");

	(void)state;
	assert_true(p->has_language);
	assert_string_equal(p->interpreter, "python3");
	assert_string_equal(p->preload[1], "a.b_1");
	assert_null(p->preload[2]);
	assert_int_equal(p->n_files, 2);
	assert_int_equal(p->files[0].rights, RIGHT_READ | RIGHT_LIST);
	assert_string_equal(p->files[1].rule, "t.yaml:4 files");
	assert_int_equal(p->limits[LIMIT_THREADS], 3);
	assert_int_equal(p->max_limits[LIMIT_THREADS], 3);
	assert_int_equal(p->limits[LIMIT_WALL_MS], 15000);
	assert_int_equal(p->max_limits[LIMIT_WALL_MS], 60000);
	assert_true(policy_may_grant(p, GRANT_READ, "/r/x") && policy_may_grant(p, GRANT_READ, "/w"));
	assert_true(policy_may_grant(p, GRANT_WRITE, "/w/x") && !policy_may_grant(p, GRANT_WRITE, "/r"));
	assert_false(policy_may_grant(p, GRANT_READ, "/rr") || policy_may_grant(p, GRANT_READ, "/"));
	assert_string_equal(p->callers_may[GRANT_CONNECT].v[0].text, "*:443");
	assert_int_equal(p->callers_may[GRANT_CONNECT].v[0].line, 6);
	assert_int_equal(p->callers_may[GRANT_CONNECT].v[0].column, 76);
	assert_true(p->end_on_output_limit);
	assert_string_equal(p->env[1], "C=d e");
	assert_true(policy_is_quiet(p, "/q"));
	assert_false(policy_is_quiet(p, "/q/r"));
	assert_true(policy_is_quiet(p, "/z/r/s"));
	assert_false(policy_is_quiet(p, "/z/"));
	assert_false(policy_is_quiet(p, "/zz"));
	policy_free(p);
}

/* --- extends ---------------------------------------------------------------------------------- */

static void put(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_dir(void **state)
{
	char *dir = strdup("/tmp/warder-policy-XXXXXX");

	*state = dir;
	return mkdtemp(dir) ? 0 : -1;
}

static int drop_dir(void **state)
{
	char command[128];
	int r;

	snprintf(command, sizeof(command), "rm -rf %s", (char *)*state);
	r = system(command);
	free(*state);
	return r;
}

#define BASE                                                                                                           \
	"name: base\nsyscalls:\n  g:\n    why: w\n    allow: [read]\n    refuse: {fork: EPERM}\n    kill: [lseek]\n"   \
	"    allow_if: [{call: ioctl, arg: 1, in: [TCGETS]}]\nlimits: {threads: 7}\nenv: {A: base, B: base}\n"         \
	"files: [{path: /a, rights: [read]}]\n"

static void bases_are_laid_down_first(void **state)
{
	const char *const dirs[] = {*state, NULL};
	struct policy_errors es = {0};
	struct policy_set *s;
	const struct policy *p;

	put(*state, "base.yaml", BASE);
	put(*state, "p.yaml",
	    "name: p\nextends: base\nlanguage: python3\nenv: {A: p}\nfiles: [{path: /a, rights: [write]}]\n"
	    "syscalls:\n  h:\n    why: w\n    allow: [lseek]\n    broker: [socket]\n"
	    "    allow_if: [{call: ioctl, arg: 1, in: [FIONREAD], else: ENOTTY}]\n");
	put(*state, "q.yaml",
	    "name: q\nextends: [base, p]\nsyscalls:\n  h:\n    why: w\n    refuse_quietly: {fork: ENOSYS}\n");
	put(*state, ".hidden.yaml", "nonsense");
	put(*state, "notes.txt", "nonsense");
	s = policy_set_load(dirs, &es);
	shipped_print_errors(&es);
	assert_non_null(s);
	assert_int_equal(policy_count(s), 3);
	p = policy_find(s, "p");
	assert_int_equal(judge(p, "read", 0, 0, 0).kind, RULE_ALLOW);
	assert_string_equal(judge(p, "read", 0, 0, 0).rule, "base.yaml:5 g");
	assert_string_equal(judge(p, "lseek", 0, 0, 0).rule, "p.yaml:9 h");
	assert_int_equal(judge(p, "ioctl", 0, 0x541b, 0).kind, RULE_ALLOW);
	assert_int_equal(judge(p, "ioctl", 0, 0x5401, 0).kind, RULE_ALLOW);
	assert_int_equal(judge(p, "ioctl", 0, 1, 0).err, ENOTTY);
	assert_int_equal(judge(policy_find(s, "base"), "ioctl", 0, 1, 0).kind, RULE_KILL);
	assert_int_equal(p->limits[LIMIT_THREADS], 7);
	assert_string_equal(p->env[0], "A=p");
	assert_string_equal(p->env[1], "B=base");
	assert_int_equal(p->files[0].rights, RIGHT_READ | RIGHT_WRITE);
	assert_false(policy_find(s, "base")->has_language);
	assert_int_equal(judge(policy_find(s, "q"), "fork", 0, 0, 0).err, ENOSYS);
	assert_true(policy_find(s, "q")->has_language);
	assert_null(policy_find(s, "nobody"));
	policy_set_free(s);
}

static const struct {
	const char *what, *text, *expected;
} taking[] = {
	{"refuse an allowed call", "refuse: {read: EPERM}", "read: takes away what base.yaml:5 g grants"},
	{"kill an allowed call", "kill: [read]", "read: takes away what base.yaml:5 g grants"},
	{"kill a refused call", "kill: [fork]", "fork: takes away what base.yaml:6 g grants"},
	{"condition on an allowed call", "broker_if: [{call: read, arg: 0, in: [0]}]", "read: takes away"},
	{"refuse a conditional call", "refuse: {ioctl: EPERM}", "ioctl: takes away what base.yaml:8 g grants"},
};

static void an_extending_policy_only_adds(void **state)
{
	const char *const dirs[] = {*state, NULL};

	put(*state, "base.yaml", BASE);
	for (size_t i = 0; i < N(taking); i++) {
		struct policy_errors es = {0};
		char text[512];

		snprintf(text, sizeof(text), "name: p\nextends: base\nsyscalls:\n  h:\n    why: w\n    %s\n",
			 taking[i].text);
		put(*state, "p.yaml", text);
		if (policy_set_load(dirs, &es) || !told(&es, taking[i].expected)) {
			shipped_print_errors(&es);
			fail_msg("%s: expected %s", taking[i].what, taking[i].expected);
		}
		policy_errors_done(&es);
	}
}

static void broken_chains_are_refused(void **state)
{
	const char *const dirs[] = {*state, NULL}, *const none[] = {"/nonexistent/policies", NULL};
	struct policy_errors es = {0};
	char path[128];

	put(*state, "a.yaml", "name: a\nextends: b\n");
	put(*state, "b.yaml", "name: b\nextends: [c]\n");
	put(*state, "c.yaml", "name: c\nextends:\n- a\n");
	assert_null(policy_set_load(dirs, &es));
	assert_true(told(&es, "3:3: extends: a extends itself in a loop"));
	policy_errors_done(&es);
	put(*state, "c.yaml", "name: other\n");
	assert_null(policy_set_load(dirs, &es));
	assert_true(told(&es, "1:7: name: is other, but the file's name says c"));
	policy_errors_done(&es);
	put(*state, "c.yaml", "name: c\nsyscalls: 3\n");
	snprintf(path, sizeof(path), "%s/a.yaml", (char *)*state);
	assert_null(policy_load_file(path, NULL, &es));
	assert_true(told(&es, "2:11: syscalls: must be a mapping")); /* told at the base's own file */
	assert_non_null(strstr(es.v[0].file, "/c.yaml"));
	policy_errors_done(&es);
	put(*state, "c.yaml", "name: c\n");
	put(*state, "d.yaml", "name: c\n");
	assert_null(policy_set_load(dirs, &es));
	assert_true(told(&es, "name: c is the name of"));
	policy_errors_done(&es);
	assert_null(policy_set_load(none, &es));
	assert_true(told(&es, "no policy found"));
	policy_errors_done(&es);
	assert_null(policy_load_file("/nonexistent/p.yaml", NULL, &es));
	assert_true(told(&es, "cannot be read: No such file"));
	policy_errors_done(&es);
	assert_null(policy_load_file("/dev/zero", NULL, &es));
	policy_errors_done(&es);
}

/* Whoever parses texts opens no file: those of the disk have changed meanwhile. */
static void texts_are_parsed_as_they_were_read(void **state)
{
	const char *const dirs[] = {*state, NULL};
	struct policy_errors es = {0};
	struct texts t = {0};
	char asked[256];

	put(*state, "base.yaml", BASE);
	put(*state, "p.yaml", "name: p\nextends: base\nenv: {A: p}\n");
	put(*state, "asked.conf", "no: policy\n");
	snprintf(asked, sizeof(asked), "%s/asked.conf", (char *)*state);
	texts_read_file(&t, asked);
	texts_read_dir(&t, *state);
	put(*state, "base.yaml", "nonsense");
	put(*state, "p.yaml", "nonsense");
	put(*state, "q.yaml", "nonsense");
	struct policy_set *s = policy_set_parse(dirs, &t, &es);
	assert_non_null(s);
	assert_int_equal(policy_count(s), 2);
	assert_int_equal(judge(policy_find(s, "p"), "read", 0, 0, 0).kind, RULE_ALLOW);
	policy_set_free(s);
	texts_done(&t);
	assert_null(policy_set_load(dirs, &es));
	policy_errors_done(&es);
}

/* --- the floor, the tables, the shipped policies ---------------------------------------------- */

static void nothing_lifts_the_floor(void **state)
{
	static const char *const lifts[][2] = {{"allow: [", "]"},
					       {"broker: [", "]"},
					       {"allow_if: [{call: ", ", arg: 0, in: [0]}]"},
					       {"broker_if: [{call: ", ", arg: 5, none_of: [1]}]"}};
	const struct floor *f;

	(void)state;
	for (size_t i = 0; (f = floor_at(i)); i++) {
		if (calls_number(f->name) < 0)
			continue;
		for (size_t k = 0; k < N(lifts); k++) {
			bool native = k % 2 == 0;
			bool may = f->kind == FLOOR_BROKER_ONLY   ? !native
				   : f->kind == FLOOR_CONDITIONAL ? k != 0
								  : false;
			struct policy_errors es = {0};
			char row[128], text[256];
			struct policy *p;

			/* where bits need a condition: of these rows only `in: [0]` keeps any out, of argument 0 */
			if (f->bits && (k != 2 || f->arg != 0))
				may = false;
			snprintf(row, sizeof(row), "%s%s%s", lifts[k][0], f->name, lifts[k][1]);
			snprintf(text, sizeof(text), G "%s\n", row);
			p = load(text, &es);
			if (!!p != may)
				fail_msg("%s: %s", row, p ? "lifted" : es.v[0].text);
			policy_free(p);
			policy_errors_done(&es);
		}
	}
}

static void refusing_a_floor_call_is_no_lifting(void **state)
{
	struct policy *p = load_good(G "refuse_quietly: {io_uring_setup: ENOSYS}\n    refuse: {ptrace: EPERM}\n");

	(void)state;
	assert_int_equal(judge(p, "io_uring_setup", 0, 0, 0).kind, RULE_REFUSE_QUIETLY);
	assert_int_equal(judge(p, "ptrace", 0, 0, 0).kind, RULE_REFUSE);
	assert_true(p->calls[policy_call_nr("ptrace")].floor);
	policy_free(p);
}

static void every_floor_row_is_a_call_of_its_own(void **state)
{
	const struct floor *f;

	(void)state;
	for (size_t i = 0; (f = floor_at(i)); i++) {
		if (calls_number(f->name) == CALLS_UNKNOWN || floor_find(f->name) != f || !f->kind || !f->why ||
		    strlen(f->why) < 10)
			fail_msg("floor: %s", f->name);
	}
}

static void names_and_numbers_agree(void **state)
{
	static const struct {
		const char *name;
		int nr;
	} newer[] = {{"futex_requeue", 456}, {"mseal", 462}, {"removexattrat", 466}, {"file_setattr", 469}};

	(void)state;
	for (int nr = 0; nr < calls_count(); nr++) {
		if (calls_name(nr))
			assert_int_equal(calls_number(calls_name(nr)), nr);
	}
	for (size_t i = 0; i < N(newer); i++)
		assert_int_equal(policy_call_nr(newer[i].name), newer[i].nr);
	assert_int_equal(policy_call_nr("no_such_call"), -1);
	assert_int_equal(calls_number("no_such_call"), CALLS_UNKNOWN);
	assert_null(calls_name(-1));
	assert_null(calls_name(calls_count()));
#ifdef __x86_64__
	assert_int_equal(calls_number("arm_fadvise64_64"), CALLS_ELSEWHERE);
	assert_int_equal(policy_call_nr("arm_fadvise64_64"), -1);
	assert_null(calls_name(400));
#endif
}

static void symbols_are_unique_and_parse(void **state)
{
	int64_t v;

	(void)state;
	for (size_t i = 0; symbols_name_at(i); i++) {
		assert_true(symbols_value(symbols_name_at(i), &v));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(symbols_name_at(i), symbols_name_at(k));
	}
	assert_true(symbols_value("0xffffffffffffffff", &v) && v == -1);
	assert_true(symbols_value("-100", &v) && v == -100);
	assert_true(symbols_value("CLONE_NEWUSER", &v) && v == CLONE_NEWUSER);
	assert_false(symbols_value("", &v) || symbols_value("0x", &v) || symbols_value("-", &v) ||
		     symbols_value("1 ", &v));
	assert_false(symbols_value("99999999999999999999", &v) || symbols_value("0xg", &v) || symbols_value("+1", &v));
	assert_int_equal(symbols_errno("EPERM"), EPERM);
	assert_int_equal(symbols_errno("ENOTSUP"), EOPNOTSUPP);
	assert_int_equal(symbols_errno("EBOGUS"), 0);
}

/* Every number of the table is allowed, brokered, refused or killed on purpose. */
static void shipped_policies_decide_every_call(void **state)
{
	struct policy_set *s = shipped_policies();
	const struct policy *p;
	int counts[5] = {0}, by_floor = 0, holes = 0;

	(void)state;
	assert_non_null(s);
	p = policy_find(s, "python3");
	assert_non_null(p);
	assert_true(p->has_language && p->files && p->preload[0] && p->env[0]);
	for (int nr = 0; nr < p->n_calls; nr++) {
		const struct policy_call *c = &p->calls[nr];

		holes += !c->name;
		if (!c->name)
			continue;
		if (!c->n_rows && !c->killed_by && !c->floor)
			fail_msg("%s (%d): in no list", c->name, nr);
		by_floor += !c->n_rows && c->floor;
		counts[c->n_rows ? c->rows[0].kind : RULE_KILL]++;
	}
	print_message("python3: %d numbers: %d allowed, %d brokered, %d refused, %d refused quietly, %d killed (%d by "
		      "the floor), "
		      "%d unused\n",
		      p->n_calls, counts[RULE_ALLOW], counts[RULE_BROKER], counts[RULE_REFUSE],
		      counts[RULE_REFUSE_QUIETLY], counts[RULE_KILL], by_floor, holes);
	policy_set_free(s);
}

/* exec ends the job, fork is told no, threads are counted, whatever else a policy file may say */
static void shipped_policies_keep_the_essentials(void **state)
{
	struct policy_set *s = shipped_policies();
	const uint64_t thread = 0x3d0f00; /* what glibc passes */

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < policy_count(s); i++) {
		const struct policy *p = policy_at(s, i);

		assert_int_equal(judge(p, "execve", 0, 0, 0).kind, RULE_KILL);
		assert_int_equal(judge(p, "execveat", 0, 0, 0).kind, RULE_KILL);
		assert_int_equal(judge(p, "openat", 0, 0, 0).kind, RULE_BROKER);
		assert_int_equal(judge(p, "ioctl", 0, 0x5412, 0).err, ENOTTY); /* TIOCSTI */
		if (!strcmp(p->name, "minimal")) { /* threads are for those to list who use them */
			assert_int_equal(judge(p, "fork", 0, 0, 0).kind, RULE_KILL);
			assert_int_equal(judge(p, "clone", thread, 0, 0).kind, RULE_KILL);
			continue;
		}
		assert_int_equal(judge(p, "fork", 0, 0, 0).err, EPERM);
		assert_int_equal(judge(p, "clone", thread, 0, 0).kind, RULE_BROKER);
		assert_int_equal(judge(p, "clone", SIGCHLD, 0, 0).err, EPERM);
		assert_int_equal(judge(p, "clone", thread | CLONE_NEWUSER, 0, 0).err, EPERM);
		assert_int_equal(judge(p, "clone", thread | CLONE_UNTRACED, 0, 0).err, EPERM);
		assert_int_equal(judge(p, "clone", thread | 1ull << 40, 0, 0).err, EPERM);
		assert_int_equal(judge(p, "clone3", 0, 0, 0).kind, RULE_REFUSE_QUIETLY);
	}
	policy_set_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_texts_are_refused_with_their_place),
		cmocka_unit_test(several_errors_are_told_at_once),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(mutated_files_do_no_harm),
		cmocka_unit_test(rows_decide_in_order),
		cmocka_unit_test(sizes_of_buffers_are_brokered),
		cmocka_unit_test(negative_ints_match_both_their_forms),
		cmocka_unit_test(the_rest_of_a_policy_is_kept),
		cmocka_unit_test_setup_teardown(bases_are_laid_down_first, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(texts_are_parsed_as_they_were_read, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(an_extending_policy_only_adds, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(broken_chains_are_refused, make_dir, drop_dir),
		cmocka_unit_test(nothing_lifts_the_floor),
		cmocka_unit_test(refusing_a_floor_call_is_no_lifting),
		cmocka_unit_test(every_floor_row_is_a_call_of_its_own),
		cmocka_unit_test(names_and_numbers_agree),
		cmocka_unit_test(symbols_are_unique_and_parse),
		cmocka_unit_test(shipped_policies_decide_every_call),
		cmocka_unit_test(shipped_policies_keep_the_essentials),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
