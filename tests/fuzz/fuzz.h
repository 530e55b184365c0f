/* fuzz.h - what the fuzz targets share: an input that is used up value by value, and a tracee's memory that may answer anything.
 *
 * A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput. It is linked twice: with libFuzzer (clang, `make fuzz`), and with replay.c
 * (any compiler), which feeds it the files of corpus/NAME. What must hold is said by FUZZ_REQUIRE; all else is for the sanitizers.
 */
#ifndef WARDER_FUZZ_H
#define WARDER_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_REQUIRE(held, ...) \
	do { \
		if (!(held)) { \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #held); \
			fprintf(stderr, __VA_ARGS__); \
			fputc('\n', stderr); \
			abort(); \
		} \
	} while (0)

/* The rest of an input; zeroes behind its end. */
struct feed {
	const uint8_t *p;
	size_t left;
};

static inline void feed_bytes(struct feed *f, void *to, size_t n)
{
	size_t have = n < f->left ? n : f->left;

	if (have)
		memcpy(to, f->p, have);
	memset((char *)to + have, 0, n - have);
	f->p += have;
	f->left -= have;
}

static inline uint64_t feed_number(struct feed *f, unsigned bytes)
{
	uint64_t v = 0;

	feed_bytes(f, &v, bytes);
	return v;
}

/* An argument of a call: small, large, negative, a descriptor, an address, one just before a page ends. */
uint64_t feed_value(struct feed *f);

/* A descriptor that stands for /proc/PID/mem: reads of it are answered out of `from`, each anew, so that two looks at one address
 * differ; some fail, some end early. Writes go nowhere, or fail. NULL: every access fails. */
int memory_open(void);
/* After an input: some descriptors are kept for the next, but not ever more. */
void fuzz_count_descriptors(void);
void memory_feed(struct feed *from);

/* One packet with descriptors beside it, without waiting. */
void fuzz_send(int sock, const void *p, size_t n, const int *fds, size_t n_fds);
#define FUZZ_FDS_MAX 20

#endif
