#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "job.h"
#include "wire.h"

#define OK "'language': 'python3', 'code': 'x'"

static int parse_text(const char *text, struct job **j, struct err *e)
{
	msgpack_unpacked u;
	msgpack_sbuffer b;
	size_t off = 0;
	int ret;

	msgpack_sbuffer_init(&b);
	wire_pack(&b, text);
	msgpack_unpacked_init(&u);
	assert_int_equal(msgpack_unpack_next(&u, b.data, b.size, &off), MSGPACK_UNPACK_SUCCESS);
	memset(e, 0, sizeof(*e));
	ret = job_parse(&u.data, j, e);
	msgpack_unpacked_destroy(&u);
	msgpack_sbuffer_destroy(&b);
	return ret;
}

static void refused(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{"not a map", "['x']", "params: must be an array of one map"},
		{"empty", "{}", "language: is required"},
		{"no code", "{'language': 'python3'}", "code: is required"},
		{"nil code", "{'language': 'python3', 'code': nil}", "code: is required"},
		{"language", "{'language': 'ruby', 'code': 'x'}", "language: must be python3 or nodejs, is ruby"},
		{"language case", "{'language': 'Python3', 'code': 'x'}",
		 "language: must be python3 or nodejs, is Python3"},
		{"language type", "{'language': 3, 'code': 'x'}",
		 "language: must be python3 or nodejs, is (not a string)"},
		{"code type", "{'language': 'python3', 'code': 7}", "code: must be bytes or a string"},
		{"unknown", "{" OK ", 'cod': 1}", "unknown field cod"},
		{"unknown, hostile", "{" OK ", 'a\\n\\x1b[0m': 1}", "unknown field a??[0m"},
		{"unknown, number", "{" OK ", 7: 1}", "unknown field (not a string)"},
		{"duplicate", "{" OK ", 'code': 'y'}", "duplicate field code"},
		{"duplicate nil", "{" OK ", 'env': nil, 'env': {}}", "duplicate field env"},
		{"policy NUL", "{" OK ", 'policy': 'a\\0b'}", "policy: holds a NUL byte"},
		{"policy empty", "{" OK ", 'policy': ''}", "policy: must not be empty"},
		{"job NUL", "{" OK ", 'job': 'a\\0'}", "job: holds a NUL byte"},
		{"job control", "{" OK ", 'job': 'a\\nb'}", "job: holds a control character"},
		{"job bytes", "{" OK ", 'job': b'\\xff'}", "job: must be UTF-8"},
		{"job type", "{" OK ", 'job': 1}", "job: must be a string"},
		{"tenant NUL", "{" OK ", 'tenant': 'a\\0'}", "tenant: holds a NUL byte"},
		{"file slash", "{" OK ", 'filename': 'a/b.py'}", "filename: must be a plain name, without directories"},
		{"file dot", "{" OK ", 'filename': '.'}", "filename: must be a plain name, without directories"},
		{"file dots", "{" OK ", 'filename': '..'}", "filename: must be a plain name, without directories"},
		{"file empty", "{" OK ", 'filename': ''}", "filename: must not be empty"},
		{"file NUL", "{" OK ", 'filename': 'a\\0.py'}", "filename: holds a NUL byte"},
		{"args type", "{" OK ", 'args': 'a'}", "args: must be a list of strings"},
		{"args entry", "{" OK ", 'args': ['a', 1]}", "args[1]: must be a string"},
		{"args NUL", "{" OK ", 'args': ['a\\0b']}", "args[0]: holds a NUL byte"},
		{"env type", "{" OK ", 'env': ['A=1']}", "env: must be a map of strings"},
		{"env value", "{" OK ", 'env': {'A': 1}}", "env.A: must be a string"},
		{"env value NUL", "{" OK ", 'env': {'A': '\\0'}}", "env.A: holds a NUL byte"},
		{"env name NUL", "{" OK ", 'env': {'A\\0': 'x'}}", "env.A?: holds a NUL byte"},
		{"env name empty", "{" OK ", 'env': {'': 'x'}}", "env: a name is empty"},
		{"env name =", "{" OK ", 'env': {'A=B': 'x'}}", "env.A=B: a name must not hold an equals sign"},
		{"env twice", "{" OK ", 'env': {'A': 'x', 'A': 'y'}}", "env.A: duplicate name"},
		{"env PYTHONPATH", "{" OK ", 'env': {'PYTHONPATH': '/x'}}",
		 "env.PYTHONPATH: is read only when an interpreter starts, and cannot be given to a job"},
		{"env NODE_OPTIONS", "{" OK ", 'env': {'NODE_OPTIONS': '/x'}}",
		 "env.NODE_OPTIONS: is read only when an interpreter starts, and cannot be given to a job"},
		{"env LD_", "{" OK ", 'env': {'LD_PRELOAD': '/x'}}",
		 "env.LD_PRELOAD: is read only when an interpreter starts, and cannot be given to a job"},
		{"env MALLOC_", "{" OK ", 'env': {'MALLOC_ARENA_MAX': '1'}}",
		 "env.MALLOC_ARENA_MAX: is read only when an interpreter starts, and cannot be given to a job"},
		{"env tunables", "{" OK ", 'env': {'GLIBC_TUNABLES': '1'}}",
		 "env.GLIBC_TUNABLES: is read only when an interpreter starts, and cannot be given to a job"},
		{"env long name",
		 "{" OK ", 'env': {'LD_ABCDEFGHIJKLMNOPQRSTUVWXYZ_ABCDEFGHIJKLMNOPQRSTUVWXYZ_ABCDEF': '1'}}",
		 "env.LD_ABCDEFGHIJKLMNOPQRSTUVWXYZ_ABCDEFGHIJKLMNOPQRSTUVWXYZ_ABC...: is read only when an "
		 "interpreter "
		 "starts, and cannot be given to a job"},
		{"stdin type", "{" OK ", 'stdin': ['x']}", "stdin: must be bytes or a string"},
		{"detach type", "{" OK ", 'detach': 1}", "detach: must be true or false"},
		{"stream type", "{" OK ", 'stream': 'yes'}", "stream: must be true or false"},
		{"limits type", "{" OK ", 'limits': 5}", "limits: must be a map"},
		{"limit unknown", "{" OK ", 'limits': {'wall': 5}}", "unknown field limits.wall"},
		{"limit twice", "{" OK ", 'limits': {'wall_ms': 5, 'wall_ms': 6}}", "duplicate field limits.wall_ms"},
		{"limit float", "{" OK ", 'limits': {'wall_ms': 1.5}}",
		 "limits.wall_ms: must be a whole number, is 1.5"},
		{"limit text", "{" OK ", 'limits': {'wall_ms': '5'}}",
		 "limits.wall_ms: must be a whole number"},
		{"limit true", "{" OK ", 'limits': {'wall_ms': true}}",
		 "limits.wall_ms: must be a whole number"},
		{"grants", "{" OK ", 'grants': []}", "grants: must be a map"},
		{"grants key", "{" OK ", 'grants': {'exec': []}}", "unknown field grants.exec"},
		{"grants twice", "{" OK ", 'grants': {'read': [], 'read': []}}", "duplicate field grants.read"},
		{"grants list", "{" OK ", 'grants': {'read': '/x'}}", "grants.read: must be a list of strings"},
		{"grants relative", "{" OK ", 'grants': {'read': ['foo']}}",
		 "grants.read[0]: must be an absolute path, is foo"},
		{"grants dots", "{" OK ", 'grants': {'write': ['/x', '/x/../y']}}",
		 "grants.write[1]: must be normalised: no //, no . and no .., is /x/../y"},
		{"grants slash", "{" OK ", 'grants': {'read': ['/x/']}}",
		 "grants.read[0]: must be normalised: no slash and no dot at the end, is /x/"},
		{"grants empty", "{" OK ", 'grants': {'connect': ['']}}", "grants.connect[0]: must not be empty"},
		{"grants NUL", "{" OK ", 'grants': {'read': ['/x\\0y']}}", "grants.read[0]: holds a NUL byte"},
		{"files type", "{" OK ", 'files': ['a']}", "files: must be a map of bytes by name"},
		{"files name", "{" OK ", 'files': {1: 'b'}}", "files: a name must be a string"},
		{"files value", "{" OK ", 'files': {'a': 1}}", "files.a: must be bytes or a string"},
		{"files empty", "{" OK ", 'files': {'': 'b'}}", "files.: must not be empty"},
		{"files absolute", "{" OK ", 'files': {'/a': 'b'}}", "files./a: must be relative to the job's /tmp"},
		{"files dots", "{" OK ", 'files': {'a/../b': 'b'}}", "files.a/../b: must not hold . or .."},
		{"files slash", "{" OK ", 'files': {'a/': 'b'}}", "files.a/: has an empty component"},
		{"files NUL", "{" OK ", 'files': {'a\\0': 'b'}}", "files.a?: holds a NUL byte"},
		{"files bytes", "{" OK ", 'files': {b'a\\xff': 'b'}}", "files.a?: must be UTF-8"},
		{"files twice", "{" OK ", 'files': {'a': '', 'a-b': '', 'a': ''}}", "files.a: duplicate name"},
		{"files clash", "{" OK ", 'files': {'a/b': '', 'a-b': '', 'a': ''}}",
		 "files.a: is a file, and a directory of another one"},
		{"files code", "{" OK ", 'files': {'main.py': ''}}", "files.main.py: is the name of the code"},
		{"files below", "{" OK ", 'files': {'x/a': ''}, 'filename': 'x'}",
		 "files.x/a: lies below the name of the code"},
		{"collect type", "{" OK ", 'collect': '*'}", "collect: must be a list of patterns"},
		{"collect entry", "{" OK ", 'collect': ['*', 1]}", "collect[1]: must be a string"},
		{"collect dots", "{" OK ", 'collect': ['../*']}", "collect[0]: must not hold . or .."},
		{"collect absolute", "{" OK ", 'collect': ['/tmp/*']}",
		 "collect[0]: must be relative to the job's /tmp"},
		{"policy_text", "{" OK ", 'policy_text': 1}", "policy_text: must be bytes or a string"},
		{"debug", "{" OK ", 'debug': 1}", "debug: must be true or false"},
		{"dependencies", "{" OK ", 'dependencies': '../x'}", "dependencies: must be of letters, digits and . _ -, no dot first"},
		{"trace", "{" OK ", 'trace': 'deep'}", "trace: must be off, brokered or all, is deep"},
		{"trace type", "{" OK ", 'trace': true}", "trace: must be off, brokered or all, is (not a string)"},
	};
	char words[400];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct job *j = NULL;
		struct err e;
		int ret = parse_text(rows[i].text, &j, &e);

		err_str(&e, words, sizeof(words));
		if (ret >= 0 || j || e.class != ERR_REQUEST || strcmp(words, rows[i].want) != 0)
			fail_msg("%s: expected \"%s\", got %d \"%s\"", rows[i].name, rows[i].want, ret, words);
	}
}

static void defaults(void **state)
{
	struct job *a, *b;
	struct err e;

	(void)state;
	assert_int_equal(parse_text("{" OK "}", &a, &e), 0);
	assert_int_equal(parse_text("{'code': b'', 'language': b'nodejs', 'files': {}, 'collect': [], 'trace': 'off', "
				    "'grants': {'read': [], 'connect': nil}, 'debug': false, 'policy': nil, 'limits': "
				    "{'cpu_ms': nil}, 'tenant': '', 'dependencies': ''}",
				    &b, &e),
			 0);
	assert_string_equal(a->filename, "main.py");
	assert_string_equal(b->filename, "main.js");
	assert_int_equal(strlen(a->id), 24);
	assert_string_not_equal(a->id, b->id);
	assert_string_equal(a->tenant, "");
	assert_null(a->policy);
	assert_int_equal(b->code.len, 0);
	assert_false(a->detach || a->stream);
	job_free(a);
	job_free(b);
}

static void check_full(const struct job *j)
{
	assert_string_equal(j->id, "j1");
	assert_int_equal(j->language, LANGUAGE_PYTHON3);
	assert_memory_equal(j->code.p, "a\0b", 3);
	assert_int_equal(j->code.len, 3);
	assert_string_equal(j->policy, "strict");
	assert_string_equal(j->filename, "x.py");
	assert_int_equal(j->n_args, 3);
	assert_string_equal(j->args[1], "");
	assert_string_equal(j->args[2], "\xff");
	assert_int_equal(j->n_env, 2);
	assert_string_equal(j->env[1].name, "NODE_PATH");
	assert_string_equal(j->env[0].value, "b=c");
	assert_int_equal(j->stdin_data.len, 2);
	assert_int_equal(j->limits[LIMIT_WALL_MS], 5000);
	assert_int_equal(j->limits[LIMIT_THREADS], 4);
	assert_int_equal(j->limits[LIMIT_CPU_MS], 0);
	assert_int_equal(j->grants[GRANT_READ].n, 2);
	assert_string_equal(j->grants[GRANT_READ].v[1], "/b\xff");
	assert_int_equal(j->grants[GRANT_WRITE].n, 0);
	assert_string_equal(j->grants[GRANT_CONNECT].v[0], "*:443");
	assert_string_equal(j->tenant, "t");
	assert_true(j->detach && j->stream);
	assert_int_equal(j->n_files, 3);
	assert_string_equal(j->files[0].name, "a/b");
	assert_string_equal(j->files[1].name, "a/c/\n");
	assert_string_equal(j->files[2].name, "a-b");
	assert_memory_equal(j->files[0].data.p, "\0\xff", 2);
	assert_int_equal(j->files[0].data.len, 2);
	assert_int_equal(j->files[2].data.len, 0);
	assert_int_equal(j->files_bytes, 3 * 4096); /* with the code; the empty one takes none */
	assert_int_equal(j->files_inodes, 6);
	assert_int_equal(j->n_collect, 2);
	assert_string_equal(j->collect[1], "**/*.csv");
}

/* What job_pack writes, job_parse reads as the same job. */
static void round_trip(void **state)
{
	struct job *j, *k;
	msgpack_unpacked u;
	msgpack_sbuffer b;
	msgpack_packer pk;
	struct err e;

	(void)state;
	assert_int_equal(
		parse_text("{'language': 'python3', 'code': b'a\\0b', 'job': 'j1', 'policy': 'strict', 'filename': "
			   "'x.py', 'args': ['a', '', b'\\xff'], 'env': {'A': 'b=c', 'NODE_PATH': ''}, 'stdin': "
			   "'in', 'limits': {'wall_ms': 5000, 'threads': 4}, 'grants': {'read': ['/a', b'/b\\xff'], "
			   "'connect': ['*:443']}, 'tenant': 't', 'detach': true, "
			   "'stream': true, 'files': {'a-b': '', b'a/b': b'\\0\\xff', 'a/c/\\n': 'x'}, "
			   "'collect': ['x', '**/*.csv']}",
			   &j, &e),
		0);
	check_full(j);
	msgpack_sbuffer_init(&b);
	msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
	job_pack(j, &pk);
	msgpack_unpacked_init(&u);
	assert_int_equal(msgpack_unpack_next(&u, b.data, b.size, NULL), MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(job_parse(&u.data, &k, &e), 0);
	check_full(k);
	job_free(j);
	job_free(k);
	msgpack_unpacked_destroy(&u);
	msgpack_sbuffer_destroy(&b);
}

static void too_many(void **state)
{
	struct err e;
	msgpack_sbuffer b;
	msgpack_packer pk;
	msgpack_unpacked u;
	struct job *j = NULL;
	char words[400];

	(void)state;
	msgpack_sbuffer_init(&b);
	msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
	msgpack_pack_map(&pk, 1);
	msgpack_pack_str(&pk, 4), msgpack_pack_str_body(&pk, "args", 4);
	msgpack_pack_array(&pk, JOB_ARGS_MAX + 1);
	for (int i = 0; i <= JOB_ARGS_MAX; i++)
		msgpack_pack_str(&pk, 0);
	msgpack_unpacked_init(&u);
	assert_int_equal(msgpack_unpack_next(&u, b.data, b.size, NULL), MSGPACK_UNPACK_SUCCESS);
	assert_true(job_parse(&u.data, &j, &e) < 0);
	assert_string_equal(err_str(&e, words, sizeof(words)), "args: must have at most 1024 entries, has 1025");
	msgpack_unpacked_destroy(&u);
	msgpack_sbuffer_destroy(&b);
}

static struct bytes copy(const char *s, size_t len)
{
	char *p = malloc(len + 1);

	memcpy(p, s, len);
	return (struct bytes){p, len};
}

static void fill_result(struct result *r)
{
	*r = (struct result){
		.id = strdup("j1"),
		.outcome = OUTCOME_VIOLATION,
		.limits_hit = 1u << LIMIT_HIT_TMP | 1u << LIMIT_HIT_MEMORY,
		.out = copy("a\0\xff", 3),
		.err = copy("", 0),
		.out_truncated = true,
		.n_files = 2,
		.n_files_dropped = 2,
		.n_violations = 2,
		.violations_dropped = 7,
		.usage = {1.5, 2.5, 3.5, 4, 5, 6, 7},
		.layers = 1u << LAYER_SECCOMP | 1u << LAYER_PTRACE,
	};
	r->files = calloc(2, sizeof(*r->files));
	r->files[0] = (struct job_file){strdup("a/b"), copy("\0\xff", 2)};
	r->files[1] = (struct job_file){strdup("c"), copy("", 0)};
	r->files_dropped = calloc(2, sizeof(*r->files_dropped));
	r->files_dropped[0] = (struct file_dropped){strdup("x\xff"), 77, strdup("too large")};
	r->files_dropped[1] = (struct file_dropped){NULL, 0, strdup("more")};
	r->violations = calloc(2, sizeof(*r->violations));
	r->violations[0] = (struct violation){.syscall = strdup("openat"),
					      .args = {strdup("AT_FDCWD"), strdup("\"/etc/passwd\"")},
					      .path = strdup("/etc/pa\xffsswd"),
					      .verdict = VERDICT_HIDDEN,
					      .err = ENOENT,
					      .rule = strdup("base.yaml:4 files"),
					      .line = 3,
					      .file = strdup("/tmp/main.py"),
					      .count = 9};
	r->violations[1] = (struct violation){.syscall = strdup("mount"), .verdict = VERDICT_KILLED, .count = 1};
}

static void check_result(const struct result *r)
{
	assert_string_equal(r->id, "j1");
	assert_int_equal(r->outcome, OUTCOME_VIOLATION);
	assert_int_equal(r->limit, ENDED_BY_NONE);
	assert_int_equal(r->limits_hit, 1u << LIMIT_HIT_TMP | 1u << LIMIT_HIT_MEMORY);
	assert_int_equal(r->out.len, 3);
	assert_memory_equal(r->out.p, "a\0\xff", 3);
	assert_int_equal(r->err.len, 0);
	assert_true(r->out_truncated && !r->err_truncated);
	assert_int_equal(r->n_files, 2);
	assert_string_equal(r->files[0].name, "a/b");
	assert_int_equal(r->files[0].data.len, 2);
	assert_memory_equal(r->files[0].data.p, "\0\xff", 2);
	assert_int_equal(r->n_files_dropped, 2);
	assert_string_equal(r->files_dropped[0].name, "x\xef\xbf\xbd");
	assert_int_equal(r->files_dropped[0].bytes, 77);
	assert_string_equal(r->files_dropped[0].why, "too large");
	assert_null(r->files_dropped[1].name);
	assert_string_equal(r->files_dropped[1].why, "more");
	assert_int_equal(r->n_violations, 2);
	assert_int_equal(r->violations_dropped, 7);
	assert_string_equal(r->violations[0].args[1], "\"/etc/passwd\"");
	assert_null(r->violations[0].args[2]);
	assert_string_equal(r->violations[0].path, "/etc/pa\xef\xbf\xbdsswd"); /* always good UTF-8 on the wire */
	assert_int_equal(r->violations[0].err, ENOENT);
	assert_int_equal(r->violations[0].line, 3);
	assert_int_equal(r->violations[0].count, 9);
	assert_int_equal(r->violations[1].verdict, VERDICT_KILLED);
	assert_int_equal(r->violations[1].err, 0);
	assert_null(r->violations[1].path);
	assert_true(r->usage.cpu_ms == 3.5 && r->usage.stderr_bytes == 7);
	assert_int_equal(r->layers, 1u << LAYER_SECCOMP | 1u << LAYER_PTRACE);
	assert_null(r->error);
}

static void result_round_trip(void **state)
{
	struct result r, back;
	msgpack_unpacked u;
	msgpack_sbuffer b;
	msgpack_packer pk;
	struct err e;

	(void)state;
	fill_result(&r);
	msgpack_sbuffer_init(&b);
	msgpack_packer_init(&pk, &b, msgpack_sbuffer_write);
	result_pack(&r, &pk);
	msgpack_unpacked_init(&u);
	assert_int_equal(msgpack_unpack_next(&u, b.data, b.size, NULL), MSGPACK_UNPACK_SUCCESS);
	assert_int_equal(u.data.via.map.size, 17);
	assert_int_equal(result_parse(&u.data, &back, &e), 0);
	check_result(&back);
	result_done(&r);
	result_done(&back);
	msgpack_unpacked_destroy(&u);
	msgpack_sbuffer_destroy(&b);
}

static void result_refused(void **state)
{
	static const struct {
		const char *name, *text, *want;
	} rows[] = {
		{"no map", "[]", "result: map: not what a result has there"},
		{"no id", "{'outcome': 'exited'}", "result: job: not what a result has there"},
		{"no outcome", "{'job': 'x'}", "result: outcome: not what a result has there"},
		{"outcome", "{'job': 'x', 'outcome': 'won'}", "result: outcome: not what a result has there"},
		{"stdout", "{'job': 'x', 'outcome': 'exited', 'stdout': 5}",
		 "result: stdout: not what a result has there"},
		{"violations twice", "{'violations': [], 'violations': [{'args': ['a']}]}",
		 "result: violations: not what a result has there"},
		{"violation", "{'violations': [{'syscall': 'x', 'args': 3}]}",
		 "result: violations: not what a result has there"},
		{"files", "{'files': {'../x': ''}}", "result: files: not what a result has there"},
		{"usage", "{'usage': {'wall_ms': 'x'}}", "result: usage: not what a result has there"},
	};
	char words[400];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		msgpack_unpacked u;
		msgpack_sbuffer b;
		struct result r;
		struct err e = {0};

		msgpack_sbuffer_init(&b);
		wire_pack(&b, rows[i].text);
		msgpack_unpacked_init(&u);
		assert_int_equal(msgpack_unpack_next(&u, b.data, b.size, NULL), MSGPACK_UNPACK_SUCCESS);
		if (result_parse(&u.data, &r, &e) >= 0 || strcmp(err_str(&e, words, sizeof(words)), rows[i].want) != 0)
			fail_msg("%s: expected \"%s\", got \"%s\"", rows[i].name, rows[i].want, words);
		msgpack_unpacked_destroy(&u);
		msgpack_sbuffer_destroy(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),  cmocka_unit_test(defaults),          cmocka_unit_test(round_trip),
		cmocka_unit_test(too_many), cmocka_unit_test(result_round_trip), cmocka_unit_test(result_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
