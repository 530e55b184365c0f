"""A run of tests/stress: mixed jobs at 16-way, every answer right, nothing left. `make stress` is the long one."""
import os
import subprocess
import sys
import unittest

import node_jobs
import support


class Stress(unittest.TestCase):
    def test_mixed_jobs(self):
        self.stress("--jobs", str(100000 if support.LONG else 3000))

    @node_jobs.needs_node
    def test_node_jobs(self):
        """Scripts that end by themselves, most after work that leaves tasks to V8's and libuv's threads: none may hang."""
        self.stress("--jobs", str(10000 if support.LONG else 400), "--clients", "8", "--only", "node,node_busy,node_garbage,node_threads,node_fails,node_limits")

    def stress(self, *options):
        command = [sys.executable, os.path.join(support.ROOT, "tests", "stress"), *options]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, "\n" + done.stdout[-6000:])
        print(done.stdout)


if __name__ == "__main__":
    unittest.main()
