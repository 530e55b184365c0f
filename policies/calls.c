#include "calls.h"

#include <seccomp.h>
#include <stdbool.h>
#include <string.h>

#include "mem.h"

/* Names that libseccomp 2.5.4 may not know, by release. From 424 on all architectures share their numbers. */
static const struct {
	const char *name;
	int nr;
	uint32_t arch; /* 0: all */
} newer[] = {
	{"uretprobe", 335, SCMP_ARCH_X86_64}, /* 6.11 */
	{"uprobe", 336, SCMP_ARCH_X86_64},    /* 6.18 */
	{"process_mrelease", 448, 0},         /* 5.15 */
	{"futex_waitv", 449, 0},              /* 5.16 */
	{"set_mempolicy_home_node", 450, 0},  /* 5.17 */
	{"cachestat", 451, 0},                /* 6.5 */
	{"fchmodat2", 452, 0},                /* 6.6 */
	{"map_shadow_stack", 453, 0},         /* 6.6 */
	{"futex_wake", 454, 0},               /* 6.7 */
	{"futex_wait", 455, 0},
	{"futex_requeue", 456, 0},
	{"statmount", 457, 0},                /* 6.8 */
	{"listmount", 458, 0},
	{"lsm_get_self_attr", 459, 0},
	{"lsm_set_self_attr", 460, 0},
	{"lsm_list_modules", 461, 0},
	{"mseal", 462, 0},                    /* 6.10 */
	{"setxattrat", 463, 0},               /* 6.13 */
	{"getxattrat", 464, 0},
	{"listxattrat", 465, 0},
	{"removexattrat", 466, 0},
	{"open_tree_attr", 467, 0},           /* 6.15 */
	{"file_getattr", 468, 0},             /* 6.17 */
	{"file_setattr", 469, 0},
};

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define CALLS_MAX 1024 /* numbers looked at; above every architecture's table */

static struct table {
	uint32_t arch;
	int count;
	const char *names[CALLS_MAX];
} tables[] = {{.arch = SCMP_ARCH_X86_64}, {.arch = SCMP_ARCH_AARCH64}};
static struct table *used;

static void fill(struct table *t)
{
	for (int nr = 0; nr < CALLS_MAX; nr++)
		t->names[nr] = seccomp_syscall_resolve_num_arch(t->arch, nr);
	for (size_t i = 0; i < N(newer); i++) {
		if (!t->names[newer[i].nr] && (!newer[i].arch || newer[i].arch == t->arch))
			t->names[newer[i].nr] = newer[i].name;
	}
	for (int nr = 0; nr < CALLS_MAX; nr++) {
		if (t->names[nr])
			t->count = nr + 1;
	}
}

void calls_simulate(uint32_t arch)
{
	for (size_t i = 0; i < N(tables); i++) {
		if (tables[i].arch == arch)
			used = &tables[i];
	}
	if (used && !used->count)
		fill(used);
}

static const struct table *table(void)
{
	if (!used)
		calls_simulate(seccomp_arch_native());
	return used;
}

uint32_t calls_arch(void)
{
	return table()->arch;
}

int calls_count(void)
{
	return table()->count;
}

const char *calls_name(int nr)
{
	return nr >= 0 && nr < calls_count() ? table()->names[nr] : NULL;
}

int calls_number(const char *name)
{
	int nr;

	for (nr = 0; nr < calls_count(); nr++) {
		if (calls_name(nr) && !strcmp(calls_name(nr), name))
			return nr;
	}
	for (size_t i = 0; i < N(newer); i++) {
		if (!strcmp(newer[i].name, name))
			return CALLS_ELSEWHERE;
	}
	/* libseccomp has negative pseudo numbers for calls that only other architectures have */
	nr = seccomp_syscall_resolve_name(name);
	return nr == __NR_SCMP_ERROR ? CALLS_UNKNOWN : CALLS_ELSEWHERE;
}
