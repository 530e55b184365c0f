/* Linked into the interpreter's extension as well: nothing here but libc. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Every errno of Linux's generic table (asm-generic/errno-base.h, errno.h). EWOULDBLOCK, EDEADLOCK and ENOTSUP are
 * other words for EAGAIN, EDEADLK and EOPNOTSUPP. 41 and 58 were never given out. */
/* clang-format off */
#define E(name) [name] = #name
static const char *const names[] = {
	[0] = "0",
	E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG), E(ENOEXEC), E(EBADF), E(ECHILD),
	E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT), E(ENOTBLK), E(EBUSY), E(EEXIST), E(EXDEV), E(ENODEV), E(ENOTDIR),
	E(EISDIR), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY), E(ETXTBSY), E(EFBIG), E(ENOSPC), E(ESPIPE), E(EROFS),
	E(EMLINK), E(EPIPE), E(EDOM), E(ERANGE), E(EDEADLK), E(ENAMETOOLONG), E(ENOLCK), E(ENOSYS), E(ENOTEMPTY),
	E(ELOOP), E(ENOMSG), E(EIDRM), E(ECHRNG), E(EL2NSYNC), E(EL3HLT), E(EL3RST), E(ELNRNG), E(EUNATCH),
	E(ENOCSI), E(EL2HLT), E(EBADE), E(EBADR), E(EXFULL), E(ENOANO), E(EBADRQC), E(EBADSLT), E(EBFONT), E(ENOSTR),
	E(ENODATA), E(ETIME), E(ENOSR), E(ENONET), E(ENOPKG), E(EREMOTE), E(ENOLINK), E(EADV), E(ESRMNT), E(ECOMM),
	E(EPROTO), E(EMULTIHOP), E(EDOTDOT), E(EBADMSG), E(EOVERFLOW), E(ENOTUNIQ), E(EBADFD), E(EREMCHG),
	E(ELIBACC), E(ELIBBAD), E(ELIBSCN), E(ELIBMAX), E(ELIBEXEC), E(EILSEQ), E(ERESTART), E(ESTRPIPE), E(EUSERS),
	E(ENOTSOCK), E(EDESTADDRREQ), E(EMSGSIZE), E(EPROTOTYPE), E(ENOPROTOOPT), E(EPROTONOSUPPORT),
	E(ESOCKTNOSUPPORT), E(EOPNOTSUPP), E(EPFNOSUPPORT), E(EAFNOSUPPORT), E(EADDRINUSE), E(EADDRNOTAVAIL),
	E(ENETDOWN), E(ENETUNREACH), E(ENETRESET), E(ECONNABORTED), E(ECONNRESET), E(ENOBUFS), E(EISCONN),
	E(ENOTCONN), E(ESHUTDOWN), E(ETOOMANYREFS), E(ETIMEDOUT), E(ECONNREFUSED), E(EHOSTDOWN), E(EHOSTUNREACH),
	E(EALREADY), E(EINPROGRESS), E(ESTALE), E(EUCLEAN), E(ENOTNAM), E(ENAVAIL), E(EISNAM), E(EREMOTEIO),
	E(EDQUOT), E(ENOMEDIUM), E(EMEDIUMTYPE), E(ECANCELED), E(ENOKEY), E(EKEYEXPIRED), E(EKEYREVOKED),
	E(EKEYREJECTED), E(EOWNERDEAD), E(ENOTRECOVERABLE), E(ERFKILL), E(EHWPOISON),
};
#undef E
/* clang-format on */
_Static_assert(sizeof(names) / sizeof(names[0]) == EHWPOISON + 1, "the last errno is EHWPOISON");

const char *err_name(int num)
{
	if (num < 0 || (size_t)num >= sizeof(names) / sizeof(names[0]) || !names[num])
		return "E?";
	return names[num];
}

int err_set(struct err *e, enum err_class c, const char *step, int num, const char *fmt, ...)
{
	va_list ap;

	if (e) {
		e->class = c;
		e->num = num;
		snprintf(e->step, sizeof(e->step), "%s", step ? step : "");
		e->text[0] = '\0';
		if (fmt) {
			va_start(ap, fmt);
			vsnprintf(e->text, sizeof(e->text), fmt, ap);
			va_end(ap);
		}
	}
	return num ? -num : -EINVAL;
}

char *err_str(const struct err *e, char *buf, unsigned long size)
{
	char words[64] = "", number[128] = "";
	const char *step = e->step, *text = e->text;

	if (e->num)
		snprintf(number, sizeof(number), "%s (%s)", strerror_r(e->num, words, sizeof(words)), err_name(e->num));
	snprintf(buf, size, "%.*s%s%.*s%s%s", (int)sizeof(e->step), step, *step && *text ? ": " : "",
		 (int)sizeof(e->text), text, (*step || *text) && *number ? ": " : "", number);
	return buf;
}
