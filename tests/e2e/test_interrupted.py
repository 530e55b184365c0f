"""Signals whose handlers run without SA_RESTART, while calls are brokered: what Linux does not interrupt is not interrupted here either."""
import os
import platform
import re
import unittest

import support

STORM = """
import ctypes, errno, os, signal, time
libc = ctypes.CDLL(None, use_errno=True)
signals = [0]
def count(*args): signals[0] += 1
signal.signal(signal.SIGALRM, count)
signal.siginterrupt(signal.SIGALRM, True)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
wrong, calls = {}, 0
while signals[0] < %d:
    for ask in (lambda: libc.access(b"/etc/mime.types", 0), lambda: libc.open(b"/etc/mime.types", 0), lambda: libc.mkdir(b"/tmp/%%d" %% calls, 0o700)):
        calls += 1
        got = ask()
        if got < 0: wrong[errno.errorcode[ctypes.get_errno()]] = wrong.get(errno.errorcode[ctypes.get_errno()], 0) + 1
        elif got > 2: libc.close(got)
    libc.rmdir(b"/tmp/%%d" %% calls)
signal.setitimer(signal.ITIMER_REAL, 0)
print(wrong)
"""
# What waits for somebody else is interrupted, as it is on Linux: a native call and a brokered one.
WAITS = """
import ctypes, errno, fcntl, os, signal
libc = ctypes.CDLL(None, use_errno=True)
signal.signal(signal.SIGALRM, lambda *a: None)
signal.siginterrupt(signal.SIGALRM, True)
r, w = os.pipe()
signal.setitimer(signal.ITIMER_REAL, 0.05)
print(libc.read(r, ctypes.create_string_buffer(1), 1), errno.errorcode[ctypes.get_errno()])
"""


class Interrupted(support.Case):
    supervisor_args = ("--workers", "1")

    @unittest.skipUnless(platform.machine() == "x86_64", "kernel feature: elsewhere it decides before its tracer is asked")
    @unittest.skipIf(tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (5, 19), "kernel feature WAIT_KILLABLE_RECV")
    def test_a_storm_of_signals(self):
        result = self.run_job(STORM % (5000 if support.LONG else 500), limits={"wall_ms": 60000, "cpu_ms": 60000})
        if "ptrace" not in result["layers"]:
            self.skipTest("capability to trace jobs is missing")
        self.assertExited(result)
        self.assertEqual(result["stdout"], b"{}\n")

    def test_what_waits_is_interrupted(self):
        self.assertEqual(self.run_ok(WAITS), "-1 EINTR\n")


if __name__ == "__main__":
    unittest.main()
