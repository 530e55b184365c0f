/* bytes.h - a counted run of bytes, borrowed or owned as its holder says. Not NUL-terminated unless said. */
#ifndef WARDER_BYTES_H
#define WARDER_BYTES_H

#include <stddef.h>

struct bytes {
	const char *p;
	size_t len;
};

#endif
