"""trace-job and strace -f tell the same calls, as often.

strace cannot look at a tracee, which has its tracer already: the same program runs outside, under the same interpreter. What is compared is the part
between two marks, calls of getpgrp that the program makes. Told apart, and left out of the comparison:

- brk, mmap, munmap, mremap, madvise, futex: when an allocator asks for memory and whether a lock is free depends on what the process did before;
- rt_sigprocmask, rseq, set_robust_list, mprotect around the start of a thread, and its exit, which may come after the second mark;
- clone3: libc is sent back to clone in a job, so the one outside counts as clone, and the refused one in the job does not;
- fstat is newfstatat("") outside: jobs have a quicker fstat (design: supervisor/main.c), so both count as fstat.
"""
import collections
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import support

TOOL = os.path.join(support.ROOT, "tools", "trace-job")
LEFT_OUT = {"brk", "mmap", "munmap", "mremap", "madvise", "futex", "rt_sigprocmask", "rseq", "set_robust_list", "mprotect", "exit"}
PROGRAMS = {
    "files": "for i in range(20):\n    with open(f'/tmp/warder-strace-{i}', 'w') as f: f.write('x')\n    os.unlink(f'/tmp/warder-strace-{i}')",
    "stats": "for i in range(50): os.path.exists('/etc/nothing')",
    "read": "len(open('/etc/mime.types').read())",
    "print": "for i in range(20): os.write(1, b'x')",
    "directories": "os.mkdir('/tmp/warder-strace'); os.listdir('/tmp/warder-strace'); os.rmdir('/tmp/warder-strace')",
    "random": "for i in range(5): os.urandom(64)",
    "pipe": "r, w = os.pipe(); os.write(w, b'x'); os.read(r, 1); os.close(r); os.close(w)",
    "sleep": "for i in range(5): time.sleep(0.001)",
    "descriptors": "f = os.open('/dev/null', os.O_RDWR); g = os.dup(f); os.lseek(g, 0, 1); os.isatty(g); os.close(f); os.close(g)",
    "threads": "t = threading.Thread(target=lambda: os.path.exists('/etc/nothing')); t.start(); t.join()",
}


def between(names):
    marks = [i for i, n in enumerate(names) if n == "getpgrp"]
    names = names[marks[0] + 1:marks[-1]]
    return collections.Counter(n for n in names if n not in LEFT_OUT)


@unittest.skipUnless(shutil.which("strace"), "missing strace")
class Agreement(support.Case):
    supervisor_args = ("--workers", "1")

    def outside(self, path):
        """Names in order; fstat as newfstatat of an empty path."""
        log = path + ".log"
        subprocess.run(["strace", "-f", "-qq", "-e", "signal=none", "-o", log, support.PYTHON, "-I", path], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, timeout=60)
        with open(log, errors="replace") as f:
            lines = [line for line in f if "resumed>" not in line]
        found = [re.match(r"\d+ +(\w+)\((.*)", line) for line in lines]
        return ["fstat" if m.group(1) == "newfstatat" and re.match(r'\d+, ""', m.group(2)) else m.group(1).replace("clone3", "clone")
                for m in found if m]

    def inside(self, path):
        done = subprocess.run([TOOL, "--socket", self.supervisor.path, "--json", "-o", path + ".json", path], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path + ".json") as f:
            calls = [json.loads(line) for line in f]
        return ["fstat" if c["syscall"] == "newfstatat" and c["args"][1] == '""' else c["syscall"] for c in calls
                if c["syscall"] != "clone3"]

    def test_ten_programs(self):
        with tempfile.TemporaryDirectory(prefix="warder-test-") as folder:
            for name, code in PROGRAMS.items():
                path = os.path.join(folder, name + ".py")
                with open(path, "w") as f:
                    f.write(f"import os, sys, time, threading\nos.getpgrp()\n{code}\nos.getpgrp()\n")
                with self.subTest(name):
                    self.assertEqual(between(self.inside(path)), between(self.outside(path)))


if __name__ == "__main__":
    unittest.main()
