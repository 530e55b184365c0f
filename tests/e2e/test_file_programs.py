"""Programs that live on files print the same inside and outside: in the private /tmp, and in a granted directory.

programs/*.py take one argument, the scale of their work; `make bench` times them.
"""
import glob
import os
import shutil
import tempfile
import unittest

import support
from support import Case, Outside

FOLDER = os.path.join(support.ROOT, "tests", "e2e", "programs")
SCALE = "1" if support.LONG else "0.1"
ROOM = {"wall_ms": 60000, "tmp_mib": 256, "tmp_inodes": 65536}


def programs():
    return sorted(os.path.basename(p)[:-3] for p in glob.glob(os.path.join(FOLDER, "*.py")))


def source(name):
    with open(os.path.join(FOLDER, name + ".py"), encoding="utf-8") as f:
        return f.read()


class Programs(Case):
    def compare(self, name, head="", **fields):
        out = Outside(source(name), args=[SCALE])
        self.assertEqual(out.status, 0, out.stderr.decode())
        r = self.run_job(head + source(name), args=[SCALE], limits=ROOM, **fields)
        self.assertEqual((r["outcome"], r["exit_code"], r["stdout"].decode()), ("exited", 0, out.stdout.decode()),
                         f"{r['stderr'].decode()}\n{r['violations']}")


def in_tmp(name):
    return lambda self: self.compare(name)


def in_grant(name):
    def test(self):
        folder = tempfile.mkdtemp(prefix="warder-programs-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o777)
        self.compare(name, f"import os; os.chdir({folder!r})\n", grants={"write": [folder]})
    return test


for program in programs():
    setattr(Programs, f"test_{program}_in_tmp", in_tmp(program))
    setattr(Programs, f"test_{program}_in_a_grant", in_grant(program))


if __name__ == "__main__":
    unittest.main()
