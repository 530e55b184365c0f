"""Nothing of a job's /tmp stays on the host: with a tmpfs of its own, with a private directory, and after kill -9 of the supervisor."""
import os
import shutil
import signal
import tempfile
import time
import unittest

from support import BUILD, IS_ROOT, LONG, POLICIES, Supervisor, eventually, is_gone
from test_layers import children
from test_situations import DOCKER, LOWER

FILES, JOBS = (3000, 34) if LONG else (600, 1)
WRITE = f"import os\nos.makedirs('d/e/f')\nfor i in range({FILES}): open(f'd/e/{{i}}', 'w').write('x' * 100)\nprint(len(os.listdir('d/e')))"


@unittest.skipUnless(IS_ROOT, "capability CAP_SETUID (not started as root)")
class Disk(unittest.TestCase):
    def setUp(self):
        # the first place where a directory that stands for a /tmp is made, and here nobody else's are
        self.dir = tempfile.mkdtemp(prefix="warder-disk-", dir="/var/tmp")
        os.chmod(self.dir, 0o1777)
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def start(self, prefix):
        s = Supervisor("--policy-dir", POLICIES, prefix=prefix, env={**os.environ, "TMPDIR": self.dir})
        self.addCleanup(s.stop)
        return s

    def used(self):
        return sorted(os.listdir(self.dir))

    def drop_many(self, prefix):
        s = self.start(prefix)
        for _ in range(JOBS):
            r = s.run(WRITE, limits={"wall_ms": 60000})  # on a disk that others use, too
            self.assertEqual((r["outcome"], r["limit"], r["stdout"]), ("exited", None, f"{FILES + 1}\n".encode()), r["stderr"])
        eventually(lambda: not [n for n in self.used() if self.is_full(n)])
        return r["layers"], s

    def is_full(self, name):
        try:
            return any(files for _, _, files in os.walk(os.path.join(self.dir, name, "tmp")))
        except FileNotFoundError:
            return False

    def test_tmpfs(self):
        layers, s = self.drop_many(())
        if "tmp_quota" not in layers:
            self.skipTest("capability CAP_SYS_ADMIN")
        self.assertEqual(self.used(), [])

    def test_private_directory(self):
        layers, s = self.drop_many((LOWER, "--keep-caps", DOCKER, "--"))
        self.assertNotIn("tmp_quota", layers)
        s.stop()
        self.assertEqual(self.used(), [])

    def test_private_directory_has_a_bound(self):
        s = self.start((LOWER, "--keep-caps", DOCKER, "--"))
        r = s.run("import errno, os, time\nwith open('a', 'wb') as f: f.write(bytes(6 << 20)); f.flush(); os.fsync(f.fileno())\n"
                  "def create():\n try: return os.close(os.open('b', os.O_CREAT | os.O_RDWR))\n except OSError as e: return e.errno\n"
                  "end = time.monotonic() + 20\n"
                  "while create() != errno.ENOSPC and time.monotonic() < end: time.sleep(0.01)\n"
                  "print('full', create() == errno.ENOSPC)\nos.truncate('a', 0)\n"
                  "while create() == errno.ENOSPC and time.monotonic() < end: time.sleep(0.01)\nprint('again', create())", limits={"tmp_mib": 4, "wall_ms": 30000})
        self.assertEqual((r["stdout"], r["limits_hit"]), (b"full True\nagain None\n", ["tmp"]), r["stderr"])
        for hide in ("", "[os.unlink(str(i)) for i in range(3)]"):
            r = s.run("import os, time\nkept = [open(str(i), 'wb') for i in range(3)]\n"
                      f"{hide}\nfor f in kept: f.write(bytes(4 << 20)); f.flush(); os.fsync(f.fileno())\ntime.sleep(60)",
                      limits={"tmp_mib": 4, "wall_ms": 20000})
            self.assertEqual((r["outcome"], r["limit"], r["limits_hit"]), ("limit", "tmp", ["tmp"]), (hide, r["stderr"]))

    def kill_all(self, s):
        """As a machine does that is out of memory: nobody is left to tidy up. A worker that outlived its keeper would."""
        s.proc.send_signal(signal.SIGSTOP)
        for pid in children(s.proc.pid):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: all(is_gone(pid) for pid in children(s.proc.pid)))
        s.proc.send_signal(signal.SIGKILL)
        s.proc.wait()

    def test_killed_supervisor(self):
        s = self.start((LOWER, "--keep-caps", DOCKER, "--"))
        with s.client() as c:
            c.start(WRITE + "\nprint('up', flush=True); import time; time.sleep(60)", stream=True, limits={"wall_ms": 60000})
            c.wait_output(b"up")
            self.kill_all(s)
        mine = [os.path.join(self.dir, n) for n in self.used()]
        self.assertTrue(mine)
        other = os.path.join(self.dir, "other")
        os.mkdir(other)
        with open(other + "/file", "w"):
            pass
        for p in mine:
            os.symlink(other, os.path.join(p, "planted"))
        eventually(lambda: all(time.time() - os.stat(p).st_ctime > 2.2 for p in mine))
        living = self.start((LOWER, "--keep-caps", DOCKER, "--"))
        eventually(lambda: self.used() == ["other"])  # workers sweep while the front answers already
        self.assertEqual(os.listdir(other), ["file"])
        with living.client() as c:  # what a living one holds is not swept
            c.start("open('a', 'w'); print('up', flush=True); import time; time.sleep(60)", stream=True)
            c.wait_output(b"up")
            held = self.used()
            eventually(lambda: all(time.time() - os.stat(os.path.join(self.dir, n)).st_ctime > 2.2 for n in held))
            third = self.start((LOWER, "--keep-caps", DOCKER, "--"))
            third.run("pass")  # so a worker of it has swept
            self.assertEqual(self.used(), held)


if __name__ == "__main__":
    unittest.main()
