/* moves.c - directories and links of the job's own change places while its other thread walks through them.
 *
 * One thread renames /tmp/m/a to /tmp/m/b and back, and lets /tmp/m/l be now a link to a directory of the job's own and
 * now one to somebody else's. The other goes through both, by names and by descriptors that were opened before, and
 * tries whatever would change or read what it may not.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attack.h"

#define EXPORT __attribute__((visibility("default")))
#define SECRET "FORBIDDEN"

struct moves_counts {
	uint64_t rounds, swaps, secrets, done;
};

EXPORT int moves_race(const char *target, unsigned ms, struct moves_counts *out);

static struct {
	const char *target;
	_Atomic bool stop;
	uint64_t swaps;
} race;

static void *swap(void *arg)
{
	(void)arg;
	while (!race.stop) {
		raw1(SYS_unlink, "/tmp/m/new");
		raw2(SYS_symlink, race.swaps % 2 ? "/tmp/m/own" : race.target, "/tmp/m/new");
		raw2(SYS_rename, "/tmp/m/new", "/tmp/m/l");
		raw2(SYS_rename, "/tmp/m/a", "/tmp/m/b");
		raw2(SYS_rename, "/tmp/m/b", "/tmp/m/a");
		race.swaps++;
	}
	return NULL;
}

static bool has_secret(long fd)
{
	char buf[64] = {0};
	long n;

	if (fd < 0)
		return false;
	n = raw3(SYS_read, fd, buf, sizeof(buf) - 1);
	raw1(SYS_close, fd);
	return n > 0 && strstr(buf, SECRET);
}

static unsigned done(long ret)
{
	return ret >= 0;
}

/* Every one of them is allowed in the job's own directory, and none in the other. */
static unsigned change(int dir)
{
	unsigned n = 0;
	long fd = raw4(SYS_openat, dir, "../l/secret", O_RDWR | O_CREAT | O_TRUNC, 0666);

	if (fd >= 0)
		n += done(raw3(SYS_write, fd, "mine", 4)) + done(raw1(SYS_close, fd));
	n += done(raw3(SYS_mkdirat, dir, "../l/made", 0777));
	n += done(raw3(SYS_unlinkat, dir, "../l/made", AT_REMOVEDIR));
	n += done(raw5(SYS_linkat, dir, "../l/secret", dir, "../l/hard", 0));
	n += done(raw5(SYS_linkat, dir, "../l/secret", AT_FDCWD, "/tmp/m/stolen", 0));
	n += done(raw1(SYS_unlink, "/tmp/m/stolen"));
	n += done(raw3(SYS_unlinkat, dir, "../l/hard", 0));
	n += done(raw3(SYS_symlinkat, "x", dir, "../l/soft"));
	n += done(raw3(SYS_unlinkat, dir, "../l/soft", 0));
	n += done(raw4(SYS_fchmodat, dir, "../l/secret", 0600, 0));
	n += done(raw4(SYS_utimensat, dir, "../l/secret", NULL, 0));
	n += done(raw5(SYS_fchownat, dir, "../l/secret", raw0(SYS_getuid), -1, 0));
	n += done(raw2(SYS_truncate, "/tmp/m/a/../l/secret", 1));
	n += done(raw4(SYS_renameat, dir, "../l/secret", dir, "../l/moved"));
	n += done(raw4(SYS_renameat, dir, "../l/moved", dir, "../l/secret"));
	n += done(raw2(SYS_rename, "/tmp/m/l/secret", "/tmp/m/taken"));
	n += done(raw2(SYS_rename, "/tmp/m/taken", "/tmp/m/own/secret"));
	return n;
}

static unsigned look(int dir)
{
	unsigned n = has_secret(raw4(SYS_openat, dir, "../l/secret", O_RDONLY, 0));

	n += has_secret(raw3(SYS_open, "/tmp/m/l/../l/secret", O_RDONLY, 0));
	if (!raw1(SYS_chdir, "/tmp/m/l")) {
		n += has_secret(raw3(SYS_open, "secret", O_RDONLY, 0));
		n += has_secret(raw3(SYS_open, "../secret", O_RDONLY, 0));
	}
	raw1(SYS_chdir, "/tmp");
	return n;
}

EXPORT int moves_race(const char *target, unsigned ms, struct moves_counts *out)
{
	uint64_t end = deadline_ms(ms);
	pthread_t thread;
	int dir;

	raw2(SYS_mkdir, "/tmp/m", 0755);
	raw2(SYS_mkdir, "/tmp/m/a", 0755);
	raw2(SYS_mkdir, "/tmp/m/own", 0755);
	dir = (int)raw3(SYS_open, "/tmp/m/a", O_RDONLY | O_DIRECTORY, 0);
	race.target = target;
	if (dir < 0 || pthread_create(&thread, NULL, swap, NULL))
		return -1;
	*out = (struct moves_counts){0};
	while (now_ns() < end) {
		out->done += change(dir);
		out->secrets += look(dir);
		out->rounds++;
	}
	race.stop = true;
	pthread_join(thread, NULL);
	out->swaps = race.swaps;
	return 0;
}
