/* Feeds a fuzz target the files of its corpus, or those that are named: PROGRAM [FILE…]. Without libFuzzer, so every compiler builds it. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static bool replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t n = 0, room = 1 << 20;
	uint8_t *data = malloc(room);

	if (f && data)
		n = fread(data, 1, room, f);
	bool read = f && data && !ferror(f);
	if (f)
		fclose(f);
	uint8_t *exact = read ? malloc(n ? n : 1) : NULL; /* so that a look behind its end is seen */
	if (exact) {
		memcpy(exact, data, n);
		fprintf(stderr, "%s\n", path);
		LLVMFuzzerTestOneInput(exact, n);
	}
	free(exact);
	free(data);
	return exact;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	char folder[512], path[1024];
	unsigned done = 0;
	bool good = true;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++, done++)
		good &= replay(argv[i]);
	snprintf(folder, sizeof(folder), "tests/fuzz/corpus/%s", strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name);
	DIR *d = argc > 1 ? NULL : opendir(folder);
	for (struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
			good &= replay(path);
			done++;
		}
	if (d)
		closedir(d);
	/* as cmocka says it, for tests/run */
	printf("[ %s ] corpus (%u inputs)\n", good && done ? "      OK" : " FAILED", done);
	return good && done ? 0 : 1;
}
