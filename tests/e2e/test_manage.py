"""`warder ps`, `kill` and `status`; each sees what is its own, an operator everything."""
import json
import os
import subprocess
import unittest

import support
from support import Case, warder


class Manage(Case):
    def ask(self, *args):
        return warder(*args, "--socket", self.supervisor.path)

    def test_ps_and_kill(self):
        with self.supervisor.client() as c:
            i = c.start("import time\nprint('on', flush=True)\ntime.sleep(60)", job="long one", stream=True)
            c.wait_output(b"on\n")
            done = self.ask("ps")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout.decode(), r"(?m)^long one +running +python3 +python3 +[0-9.]+ +[0-9]+$")
            [job] = json.loads(self.ask("ps", "--json").stdout)
            self.assertEqual((job["job"], job["state"]), ("long one", "running"))
            self.assertEqual(self.ask("kill", "nobody").returncode, 125)
            self.assertEqual(self.ask("kill", "long one").returncode, 0)
            self.assertEqual(c.wait(i)["outcome"], "cancelled")
        self.assertEqual(json.loads(self.ask("ps", "--json").stdout), [])

    def test_status(self):
        told = json.loads(self.ask("status", "--json").stdout)
        self.assertEqual(told["workers"], len(os.sched_getaffinity(0)))
        self.assertEqual(told["pool"]["capacity"], 16 * told["workers"])
        self.assertRegex(self.ask("status").stdout.decode(), r"(?m)^workers +[0-9]+$")

    def test_wrong(self):
        for args in (("ps", "x"), ("kill",), ("kill", "a", "b"), ("status", "--fast")):
            done = self.ask(*args)
            self.assertEqual((done.returncode, done.stdout), (125, b""), args)
            self.assertTrue(done.stderr.startswith(b"warder "), done.stderr)
        done = warder("ps", "--socket", "/nowhere/at/all")
        self.assertEqual(done.returncode, 125)

    @unittest.skipUnless(support.IS_ROOT, "capability: it takes a second uid")
    def test_another_uid_sees_and_ends_nothing(self):
        os.chmod(self.supervisor.path, 0o666)
        with self.supervisor.client() as c:
            i = c.start("import time\nprint('on', flush=True)\ntime.sleep(60)", job="mine", stream=True)
            c.wait_output(b"on\n")
            ask = '''
import socket, sys
sys.path.insert(0, sys.argv[2])
import msgpack
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
u, got = msgpack.Unpacker(), []
for n, (m, p) in enumerate([("jobs", {}), ("cancel", {"job": "mine"})]):
    s.sendall(msgpack.packb([0, n, m, [p]]))
while len(got) < 2:
    u.feed(s.recv(65536)); got += list(u)
print(got[0][3], got[1][3])
'''
            done = subprocess.run([support.PYTHON, "-c", ask, self.supervisor.path, "/"], user=4242, group=4242, extra_groups=[],
                                  capture_output=True, text=True, timeout=30, cwd="/")
            self.assertEqual(done.stdout, "[] {'cancelled': False}\n", done.stderr)
            c.rpc("cancel", job="mine")
            self.assertEqual(c.wait(i)["outcome"], "cancelled")


if __name__ == "__main__":
    unittest.main()
