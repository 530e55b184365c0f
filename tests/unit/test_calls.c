#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <seccomp.h>
#include <sys/mman.h>

#include "calls.h"
#include "filter.h"
#include "shipped.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

#define AMD64 SCMP_ARCH_X86_64
#define ARM64 SCMP_ARCH_AARCH64
#define KILL  SECCOMP_RET_KILL_PROCESS
#define TELL  SECCOMP_RET_USER_NOTIF
#define PASS  SECCOMP_RET_ALLOW
#define FAIL(e) (SECCOMP_RET_ERRNO | (e))

/* glibc's clone of a thread; a fork is SIGCHLD with two bits that a child's number takes */
#define THREAD 0x3d0f00
#define FORK   0x1200011

/* Numbers as the kernel's own tables have them, and what a job's registers get there under the shipped policies: written down here, not
 * asked of libseccomp. Where a call is missing on one of them its number is another's. */
static const struct row {
	uint32_t arch;
	int nr;
	const char *name;
	uint64_t args[6];
	uint32_t verdict;
} rows[] = {
	{AMD64, 0, "read", {0}, PASS},
	{ARM64, 63, "read", {0}, PASS},
	{AMD64, 2, "open", {0}, TELL},
	{AMD64, 4, "stat", {0}, TELL},
	{AMD64, 7, "poll", {0}, PASS},
	{ARM64, 73, "ppoll", {0}, PASS},
	{AMD64, 257, "openat", {0}, TELL},
	{ARM64, 56, "openat", {0}, TELL},
	{AMD64, 56, "clone", {THREAD}, TELL},
	{ARM64, 220, "clone", {THREAD}, TELL},
	{ARM64, 220, "clone", {FORK}, TELL}, /* EPERM */
	{AMD64, 57, "fork", {0}, TELL},      /* EPERM */
	{ARM64, 57, "close", {0}, PASS},
	{AMD64, 58, "vfork", {0}, TELL},
	{AMD64, 59, "execve", {0}, KILL},
	{ARM64, 221, "execve", {0}, KILL},
	{ARM64, 59, "pipe2", {0}, PASS},
	{AMD64, 101, "ptrace", {0}, KILL},
	{ARM64, 117, "ptrace", {0}, KILL},
	{ARM64, 101, "nanosleep", {0}, PASS},
	{AMD64, 10, "mprotect", {0, 0, PROT_READ | PROT_WRITE}, PASS},
	{ARM64, 226, "mprotect", {0, 0, PROT_READ | PROT_WRITE}, PASS},
	{AMD64, 62, "kill", {1}, TELL},
	{ARM64, 129, "kill", {1}, TELL},
	{ARM64, 62, "lseek", {0}, PASS},
	{AMD64, 272, "unshare", {0}, KILL},
	{ARM64, 97, "unshare", {0}, KILL},
	{ARM64, 272, "kcmp", {0}, KILL},
	{AMD64, 165, "mount", {0}, KILL},
	{ARM64, 40, "mount", {0}, KILL},
	{AMD64, 321, "bpf", {0}, KILL},
	{ARM64, 280, "bpf", {0}, KILL},
	{AMD64, 304, "open_by_handle_at", {0}, KILL},
	{ARM64, 265, "open_by_handle_at", {0}, KILL},
	{AMD64, 158, "arch_prctl", {0x1002}, PASS},
	{AMD64, 158, "arch_prctl", {0x1001}, KILL}, /* the other segment */
	{ARM64, 158, "getgroups", {0}, PASS},
	{AMD64, 173, "ioperm", {0}, KILL},
	{ARM64, 173, "getppid", {0}, PASS},
	{AMD64, 154, "modify_ldt", {0}, KILL},
	{AMD64, 16, "ioctl", {1, 0x5412}, TELL}, /* TIOCSTI: ENOTTY */
	{ARM64, 29, "ioctl", {1, 0x5412}, TELL},
	{AMD64, 435, "clone3", {0}, FAIL(38)},
	{ARM64, 435, "clone3", {0}, FAIL(38)},
	{AMD64, 425, "io_uring_setup", {0}, FAIL(38)},
	{ARM64, 425, "io_uring_setup", {0}, FAIL(38)},
	{AMD64, 438, "pidfd_getfd", {0}, KILL},
	{ARM64, 438, "pidfd_getfd", {0}, KILL},
	{AMD64, 0x40000000, NULL, {0}, KILL}, /* x32's read */
	{ARM64, 0x40000000, NULL, {0}, KILL},
	{AMD64, 512, NULL, {0}, FAIL(38)}, /* x32's own begin here, without its bit */
	{ARM64, 500, NULL, {0}, FAIL(38)},
	{AMD64, -1, NULL, {0}, KILL},
	{ARM64, -1, NULL, {0}, KILL},
	{AMD64, 400, NULL, {0}, KILL}, /* a hole: nothing of the kernel's, nothing newer either */
	{ARM64, 300, NULL, {0}, KILL},
};

static const char *const policies[] = {"python3", "nodejs"};

static void judge(const struct policy *p, const struct row *r)
{
	const struct seccomp_data d = {.nr = r->nr, .arch = r->arch,
				       .args = {r->args[0], r->args[1], r->args[2], r->args[3], r->args[4], r->args[5]}};
	struct filter whitelist, broker;
	struct err e;
	uint32_t got;

	assert_int_equal(filter_whitelist(p, &whitelist, &e), 0);
	assert_int_equal(filter_broker(p, &broker, &e), 0);
	got = filter_strictest(filter_run(&whitelist, &d), filter_run(&broker, &d));
	if (got != r->verdict)
		fail_msg("%s on %s: %s (%d): expected 0x%x, got 0x%x", p->name, r->arch == AMD64 ? "amd64" : "arm64",
			 r->name ? r->name : "no call", r->nr, r->verdict, got);
	filter_done(&whitelist);
	filter_done(&broker);
}

static void jobs_get_the_same_on_both(uint32_t arch)
{
	struct policy_set *s;

	calls_simulate(arch);
	assert_int_equal(calls_arch(), arch);
	s = shipped_policies();
	assert_non_null(s);
	for (size_t i = 0; i < N(rows); i++) {
		if (rows[i].arch != arch)
			continue;
		if (rows[i].name)
			assert_string_equal(calls_name(rows[i].nr), rows[i].name);
		else
			assert_null(calls_name(rows[i].nr));
		for (size_t k = 0; k < N(policies); k++)
			judge(policy_find(s, policies[k]), &rows[i]);
	}
	policy_set_free(s);
}

static void amd64(void **state)
{
	(void)state;
	jobs_get_the_same_on_both(AMD64);
}

static void arm64(void **state)
{
	(void)state;
	jobs_get_the_same_on_both(ARM64);
}

/* A policy is written once: what one of them lacks is elsewhere, not unknown, and its other names mean the same. */
static void names_of_the_other_are_known(void **state)
{
	static const char *const old[] = {"open", "stat", "lstat", "access", "fork", "vfork", "poll", "select", "pipe", "dup2", "mkdir", "unlink",
					  "rename", "readlink", "chmod", "arch_prctl", "epoll_create", "getdents", "utime", "time", "alarm"};

	(void)state;
	calls_simulate(ARM64);
	for (size_t i = 0; i < N(old); i++)
		assert_int_equal(calls_number(old[i]), CALLS_ELSEWHERE);
	for (int nr = 0; nr < calls_count(); nr++)
		assert_true(!calls_name(nr) || calls_number(calls_name(nr)) == nr);
	calls_simulate(AMD64);
	for (size_t i = 0; i < N(old); i++)
		assert_true(calls_number(old[i]) >= 0);
	assert_int_equal(calls_number("uprobe"), 336);
	calls_simulate(ARM64);
	assert_int_equal(calls_number("uprobe"), CALLS_ELSEWHERE);
	assert_int_equal(calls_number("file_setattr"), 469);
}

/* What one may do natively, the other may, unless it has no such call: a row that names only the older of two calls would show here. */
static void both_allow_the_same(void **state)
{
	struct policy_set *sets[2];

	(void)state;
	calls_simulate(AMD64);
	sets[0] = shipped_policies();
	calls_simulate(ARM64);
	sets[1] = shipped_policies();
	for (size_t k = 0; k < policy_count(sets[0]); k++) {
		const struct policy *a = policy_at(sets[0], k), *b = policy_find(sets[1], a->name);

		for (int nr = 0; nr < b->n_calls; nr++) {
			const struct policy_call *here = &b->calls[nr], *there = NULL;

			for (int i = 0; here->name && i < a->n_calls; i++) {
				if (a->calls[i].name && !strcmp(a->calls[i].name, here->name))
					there = &a->calls[i];
			}
			if (!there)
				continue;
			if (here->n_rows != there->n_rows || here->floor != there->floor)
				fail_msg("%s: %s: %zu rows on amd64, %zu on arm64", a->name, here->name, there->n_rows, here->n_rows);
			for (size_t i = 0; i < here->n_rows; i++) {
				assert_int_equal(here->rows[i].kind, there->rows[i].kind);
				assert_int_equal(here->rows[i].n_conds, there->rows[i].n_conds);
			}
		}
	}
	policy_set_free(sets[0]);
	policy_set_free(sets[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(amd64),
		cmocka_unit_test(arm64),
		cmocka_unit_test(names_of_the_other_are_known),
		cmocka_unit_test(both_allow_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
