/* Policy texts: refused with a place and words, or compiled to filters that never allow what the floor forbids. */
#include "fuzz.h"

#include <sys/syscall.h>

#include "address.h"
#include "filter.h"
#include "policy.h"

#ifdef __x86_64__
#include <linux/audit.h>
#define ARCH AUDIT_ARCH_X86_64
#else
#include <linux/audit.h>
#define ARCH AUDIT_ARCH_AARCH64
#endif

static const char *const dirs[] = {"policies", NULL};

static void check_errors(const struct policy_errors *es)
{
	FUZZ_REQUIRE(es->n > 0, "refused without a word");
	for (size_t i = 0; i < es->n; i++)
		FUZZ_REQUIRE(es->v[i].text[0] && es->v[i].line >= 0 && es->v[i].column >= 0, "an error without a place");
}

static void check_filters(const struct policy *p)
{
	static const long floor_calls[] = {SYS_ptrace, SYS_mount, SYS_bpf, SYS_keyctl, SYS_userfaultfd, SYS_io_uring_enter, SYS_setns, SYS_unshare,
	                                   SYS_perf_event_open, SYS_open_by_handle_at, SYS_init_module, SYS_kexec_load, SYS_process_vm_readv};
	struct filter white = {0}, broker = {0};
	struct err e = {0};

	if (filter_whitelist(p, &white, &e) == 0 && filter_broker(p, &broker, &e) == 0)
		for (size_t i = 0; i < sizeof(floor_calls) / sizeof(floor_calls[0]); i++) {
			struct seccomp_data d = {.nr = (int)floor_calls[i], .arch = ARCH};
			uint32_t said = filter_strictest(filter_run(&white, &d), filter_run(&broker, &d));

			FUZZ_REQUIRE(said != SECCOMP_RET_ALLOW, "call %ld is allowed", floor_calls[i]);
		}
	filter_done(&white);
	filter_done(&broker);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy_errors es = {0};
	struct policy *p;

	if (size > 16384)
		return 0;
	p = policy_load_text("fuzz.yaml", (struct bytes){(const char *)data, size}, dirs, &es);
	if (!p)
		check_errors(&es);
	else
		check_filters(p);
	policy_free(p);
	policy_errors_done(&es);
	return 0;
}
