/* onload.c - what process.dlopen loads runs before Node looks at it: the system call that the environment names. */
#include <stdio.h>
#include <stdlib.h>

#include "attack.h"

static __attribute__((constructor)) void call(void)
{
	const char *nr = getenv("WARDER_CALL");

	if (nr)
		printf("CAME BACK %ld\n", raw6(atol(nr), 0, 0, 0, 0, 0, 0));
	fflush(stdout);
}
