"""Zygotes are replaced after some jobs or some time, and no job notices; as many tracees wait as are asked for."""
import os
import re
import tempfile
import unittest

import support
from support import Supervisor, eventually


class Renewal(unittest.TestCase):
    def start(self, zygote, **more):
        folder = tempfile.TemporaryDirectory(prefix="warder-renewal-")
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "warder.yaml")
        with open(path, "w") as f:
            f.write(f"workers: 1\nzygote: {zygote}\n" + "".join(f"{k}: {v}\n" for k, v in more.items()))
        s = Supervisor("--config", path)
        self.addCleanup(s.stop)
        return s

    def renewed(self, s):
        return re.findall(r"event=zygote_renewed policy=python3 old=(\d+) new=(\d+)", s.log())

    def gone(self, pid):
        return not os.path.exists(f"/proc/{pid}")

    def test_by_jobs(self):
        s = self.start("{max_jobs: 10}")
        with s.client() as c, s.client() as d:
            long = c.start("import time\nprint('on', flush=True)\ntime.sleep(3)\nprint('done')", stream=True)
            c.wait_output(b"on\n")
            while len(self.renewed(s)) < 3:
                ids = [d.start(f"print({n})") for n in range(10)]
                self.assertEqual([d.wait(i)["stdout"] for i in ids], [b"%d\n" % n for n in range(10)])
            r = c.wait(long)  # its zygote has retired long ago, and waits for it
            self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"on\ndone\n"), r)
        for old, _ in self.renewed(s):
            eventually(lambda pid=old: self.gone(pid), 5)

    def test_pool_by_demand(self):
        s = self.start("{max_jobs: 1000}", pool="{min: 1, max: 12}")
        with s.client() as c:
            def waiting():
                return c.rpc("status")["pool"]["waiting"]

            def at_least():
                st = c.rpc("status")  # one for each zygote
                return st["zygotes"] if st["pool"]["waiting"] == st["zygotes"] > 0 else 0
            c.run("pass")
            few = eventually(at_least)
            for i in [c.start("import time; time.sleep(0.2)") for _ in range(9)]:
                c.wait(i)
            eventually(lambda: waiting() >= few + 4)  # some of them had to wait together
            self.assertLessEqual(waiting(), few + 8)
            if support.LONG:
                eventually(at_least, 20)

    def test_by_age(self):
        s = self.start("{max_age_s: 1}")
        s.run("print('on')")
        eventually(lambda: self.renewed(s))
        self.assertEqual(s.run("print('again')")["stdout"], b"again\n")


if __name__ == "__main__":
    unittest.main()
