/* skip.h - a skip that says why: the runner counts a skip without one of its known reasons as a failure. */
#ifndef WARDER_TEST_SKIP_H
#define WARDER_TEST_SKIP_H

#define SKIP(reason) \
	do { \
		print_message("skip %s: %s\n", __func__, reason); \
		skip(); \
	} while (0)
#define NEEDS_ROOT "capability CAP_SETUID (not started as root)"

#endif
