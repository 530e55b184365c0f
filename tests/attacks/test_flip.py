"""What a call points to changes while the broker judges it: no forbidden byte is seen, nothing forbidden is done."""
import json
import os
import subprocess
import time
import unittest

import lab
import support

MS = 30000 if lab.LONG else 3000
SHORT_MS = 3000 if lab.LONG else 400

# A job that lives on brokered calls shares the CPU of its worker, and so never runs while the worker looks. One that
# computes is let loose: only then do its threads change what the worker is reading.
LOOSE = '''
end = time.monotonic() + 5
while len(os.sched_getaffinity(0)) < CPUS and time.monotonic() < end:
    for _ in range(10000):
        pass
'''
COUNTS = LOOSE.replace("CPUS", str(min(2, len(os.sched_getaffinity(0))))) + '''
class Counts(ctypes.Structure):
    _fields_ = [("allowed", ctypes.c_uint64), ("secret", ctypes.c_uint64), ("failed", ctypes.c_uint64),
                ("errno", ctypes.c_int64)]
flip = so("flip")
c = Counts()
'''
FLIP_PATH = COUNTS + '''
ret = flip.flip_path(OP.encode(), ALLOWED.encode(), FORBIDDEN.encode(), MS, ctypes.byref(c))
tell(ret=ret, allowed=c.allowed, secret=c.secret, failed=c.failed, errno=c.errno)
'''
# a and b are descriptors of a directory (or file) that is granted read-only and of one in the job's own /tmp
FLIP_FD = COUNTS + '''
os.makedirs("/tmp/own", exist_ok=True)
own = "/tmp/own/secret"
open(own, "w").write("mine")
if OP in ("fd_fchmod", "fd_ftruncate", "fd_utime"):
    a, b = os.open(ROOT + "/open/secret", os.O_RDONLY), os.open(own, os.O_RDWR)
else:
    a, b = os.open(ROOT + "/open", os.O_RDONLY), os.open("/tmp/own", os.O_RDONLY)
ret = flip.flip_fd(OP.encode(), a, b, MS, ctypes.byref(c))
tell(ret=ret, allowed=c.allowed, secret=c.secret, failed=c.failed, errno=c.errno)
'''


class PathFlip(lab.AttackCase):
    def flip(self, op, name, ms, may_be_refused=False):
        values = {"OP": op, "MS": ms, "ALLOWED": self.lab.path("open", name),
                  "FORBIDDEN": self.lab.path("deny", name)}
        c = self.ask(FLIP_PATH, values, limits={"wall_ms": ms + 20000})
        self.assertEqual(c["ret"], 0, c)
        self.assertEqual(c["secret"], 0, f"{op}: forbidden bytes were read: {c}")
        self.assertGreater(c["allowed"] + may_be_refused, 0, f"{op}: the race never ran: {c}")
        self.assertGreater(c["failed"], 0, f"{op}: the forbidden name never reached the broker: {c}")

    def test_two_threads_flip_the_path_of_an_open(self):
        self.flip("openat", "secret", MS)

    def test_every_call_that_takes_a_path(self):
        for op in ("open", "openat2", "stat", "lstat", "newfstatat", "statx", "access", "faccessat",
                   "faccessat2"):
            with self.subTest(op=op):
                self.flip(op, "secret", SHORT_MS)
        for op in ("readlink", "readlinkat"):
            with self.subTest(op=op):
                self.flip(op, "link", SHORT_MS)
        with self.subTest(op="open_path"):  # the kernel injects no path-only descriptors
            self.flip("open_path", "secret", SHORT_MS, may_be_refused=True)
        with self.subTest(op="chdir"):
            self.flip("chdir", "", SHORT_MS)


class LookingTwice(unittest.TestCase):
    """The same attack on a broker that checks a path and lets the kernel read it again: why nothing here is CONTINUEd."""

    def test_the_attack_beats_a_broker_that_looks_twice(self):
        place = lab.Lab(start=False)
        self.addCleanup(place.close)
        values = {"OP": "openat", "ALLOWED": place.path("open/secret"), "FORBIDDEN": place.path("deny/secret"), "MS": 1000}
        naive = os.path.join(support.BUILD, "tests", "naive")
        code = place.code(FLIP_PATH, **values)
        until = time.monotonic() + 60  # it is a race, and a machine with one CPU to spare hardly runs it
        c = {"secret": 0}
        while not c["secret"] and time.monotonic() < until:
            done = subprocess.run([naive, place.path("deny"), "--", support.PYTHON, "-I", "-c", code],
                                  stdout=subprocess.PIPE, timeout=60)
            c = json.loads(done.stdout)
            self.assertGreater(c["failed"], 0, f"the naive broker refused nothing: {c}")
        self.assertGreater(c["secret"], 0, f"the attack never got through, it proves nothing: {c}")


class DescriptorFlip(lab.AttackCase):
    OPS = ("fd_create", "fd_truncate", "fd_unlink", "fd_mkdir", "fd_rename", "fd_read", "fd_climb", "fd_fchmod",
           "fd_ftruncate", "fd_utime")

    def test_two_threads_put_another_descriptor_over_it(self):
        for op in self.OPS:
            with self.subTest(op=op):
                before = lab.tree(self.lab.path("open"))
                c = self.ask(FLIP_FD, {"OP": op, "MS": SHORT_MS}, limits={"wall_ms": SHORT_MS + 20000})
                self.assertEqual((c["ret"], c["secret"]), (0, 0), c)
                self.assertGreater(c["allowed"] + c["failed"], 0, c)
                self.assertEqual(before, lab.tree(self.lab.path("open")), f"{op} changed the host's files")


class StructFlip(lab.AttackCase):
    CODE = COUNTS + '''
ret = flip.flip_how((ROOT + "/open/secret").encode(), MS, ctypes.byref(c))
tell(ret=ret, allowed=c.allowed, secret=c.secret, failed=c.failed, errno=c.errno)
'''

    def test_flags_of_openat2_change_from_reading_to_writing(self):
        before = lab.tree(self.lab.path("open"))
        c = self.ask(self.CODE, {"MS": SHORT_MS}, limits={"wall_ms": SHORT_MS + 20000})
        self.assertEqual((c["ret"], c["secret"]), (0, 0), c)
        self.assertGreater(c["allowed"], 0, c)
        self.assertEqual(before, lab.tree(self.lab.path("open")))


if __name__ == "__main__":
    unittest.main()
