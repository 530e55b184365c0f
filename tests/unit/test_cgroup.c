/* Where a process's own cgroup v2 is, from the kernel's texts of several kinds of machines. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cgroup.h"

#define V2 "35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1 "36 24 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define MIXED V1 "37 24 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define ROOTED "35 24 0:30 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
#define FAKE "38 24 0:9 / /x\\040-\\040cgroup2\\040 rw - tmpfs cgroup2 rw\n"

static void test_dir(void **state)
{
	static const struct {
		const char *name, *own, *mounts;
		int want;
		const char *dir;
	} rows[] = {
		{"a service", "0::/system.slice/warder.service\n", V2, 0, "/sys/fs/cgroup/system.slice/warder.service"},
		{"the root", "0::/\n", V2, 0, "/sys/fs/cgroup"},
		{"mixed", "4:memory:/a\n0::/b\n", MIXED, 0, "/sys/fs/cgroup/unified/b"},
		{"v1 alone", "4:memory:/a\n", V1, -ENOENT, NULL},
		{"v1, and a line of v2", "4:memory:/a\n0::/\n", V1 FAKE, -ENOENT, NULL},
		{"a part of the tree", "0::/docker/1/x\n", ROOTED, 0, "/sys/fs/cgroup/x"},
		{"that part itself", "0::/docker/1\n", ROOTED, 0, "/sys/fs/cgroup"},
		{"outside that part", "0::/docker/12\n", ROOTED, -EXDEV, NULL},
		{"no line at all", "", V2, -ENOENT, NULL},
		{"no newline", "0::/a", V2, 0, "/sys/fs/cgroup/a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char dir[256] = "";
		int r = cgroup_dir(rows[i].own, rows[i].mounts, dir, sizeof(dir));
		if (r != rows[i].want || (rows[i].dir && strcmp(dir, rows[i].dir) != 0))
			fail_msg("%s: %d %s, not %d %s", rows[i].name, r, dir, rows[i].want, rows[i].dir ? rows[i].dir : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_dir)};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
