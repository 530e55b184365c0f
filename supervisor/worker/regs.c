#include "regs.h"

#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#ifndef NT_ARM_SYSTEM_CALL
#define NT_ARM_SYSTEM_CALL 0x404
#endif

#if defined(__x86_64__)

#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define STEPS_BACK  0
#define K_ERESTARTSYS    512 /* the kernel's own, never seen by programs */
#define K_ERESTARTNOINTR 513

static int read_registers(pid_t t_tid, struct regs_call *out)
{
	struct user_regs_struct r;

	if (ptrace(PTRACE_GETREGS, t_tid, 0, &r))
		return -errno;
	out->untouched = r.rax == r.orig_rax;
	out->data.nr = (int)r.orig_rax;
	out->data.instruction_pointer = r.rip;
	/* i386 entry: ebx, ecx, edx, esi, edi, ebp */
	const uint64_t wide[6] = {r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9};
	const uint64_t narrow[6] = {(uint32_t)r.rbx, (uint32_t)r.rcx, (uint32_t)r.rdx, (uint32_t)r.rsi, (uint32_t)r.rdi, (uint32_t)r.rbp};
	memcpy(out->data.args, out->native ? wide : narrow, sizeof(out->data.args));
	return 0;
}

int regs_interrupted(pid_t t_tid, struct regs_call *out)
{
	errno = 0;
	if (ptrace(PTRACE_PEEKUSER, t_tid, offsetof(struct user_regs_struct, rax), 0) != -K_ERESTARTSYS || errno)
		return -ENOENT;
	return regs_read(t_tid, out) ? -ENOENT : 0;
}

int regs_make_again(pid_t t_tid)
{
	return ptrace(PTRACE_POKEUSER, t_tid, offsetof(struct user_regs_struct, rax), -(long)K_ERESTARTNOINTR) ? -errno : 0;
}

#elif defined(__aarch64__)

#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#define STEPS_BACK  4 /* bytes of the instruction that made the call */

/* The first argument and the result share a register, and a seccomp kill puts the argument back. The number is the kernel's own copy, -1 outside
 * calls; it is also forgotten before signals are looked at, and so at a kill: the program's register has it still. */
static int read_registers(pid_t t_tid, struct regs_call *out)
{
	union {
		struct user_regs_struct wide;
		uint32_t narrow[18]; /* of a 32-bit program: r0 to r15, cpsr, the first r0 */
	} r;
	struct iovec all = {&r, sizeof(r)}, nr = {&out->data.nr, sizeof(out->data.nr)};

	if (ptrace(PTRACE_GETREGSET, t_tid, NT_PRSTATUS, &all) || ptrace(PTRACE_GETREGSET, t_tid, NT_ARM_SYSTEM_CALL, &nr))
		return -errno;
	out->untouched = true;
	out->recalled = out->data.nr == -1;
	if (out->recalled)
		out->data.nr = (int)(out->native ? r.wide.regs[8] : r.narrow[7]);
	out->data.instruction_pointer = out->native ? r.wide.pc : r.narrow[15];
	for (int i = 0; i < 6; i++)
		out->data.args[i] = out->native ? r.wide.regs[i] : r.narrow[i];
	return 0;
}

int regs_interrupted(pid_t t_tid, struct regs_call *out)
{
	(void)t_tid, (void)out;
	return -ENOENT;
}

int regs_make_again(pid_t t_tid)
{
	(void)t_tid;
	return -ENOSYS;
}

#endif

int regs_read(pid_t t_tid, struct regs_call *out)
{
	struct __ptrace_syscall_info info;

	memset(out, 0, sizeof(*out));
	out->data.arch = ptrace(PTRACE_GET_SYSCALL_INFO, t_tid, sizeof(info), &info) > 0 ? info.arch : NATIVE_ARCH;
	out->native = out->data.arch == NATIVE_ARCH;
	return read_registers(t_tid, out);
}

bool regs_is_at(const struct regs_call *c, uint64_t t_at)
{
	return c->data.instruction_pointer == t_at || c->data.instruction_pointer + STEPS_BACK == t_at;
}
