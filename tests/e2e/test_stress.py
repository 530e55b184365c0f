"""A run of tests/stress: mixed jobs at 16-way, every answer right, nothing left. `make stress` is the long one."""
import os
import subprocess
import sys
import unittest

import support


class Stress(unittest.TestCase):
    def test_mixed_jobs(self):
        jobs = 100000 if support.LONG else 3000
        command = [sys.executable, os.path.join(support.ROOT, "tests", "stress"), "--jobs", str(jobs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, "\n" + done.stdout[-6000:])
        print(done.stdout)


if __name__ == "__main__":
    unittest.main()
