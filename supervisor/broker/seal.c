#include "seal.h"

#include <errno.h>
#include <fcntl.h>

#define TRIES 4

/* The kernel waits until nobody else has a reference to any page, and gives up after 0.16 s, though nobody but itself ever had one: once in
 * 20,000 files of 6 MiB, the next try well (measured, Linux 6.18). */
int seal(int fd, int seals)
{
	int tries = TRIES;

	while (fcntl(fd, F_ADD_SEALS, seals))
		if (errno != EBUSY || --tries == 0)
			return -errno;
	return 0;
}
