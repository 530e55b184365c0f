"""What the zygote's Python side leaves to a job, with an addon of the test's own in place of the real one.

No supervisor: the stub plays the modules that a policy preloads, which may do what they like before the fork.
"""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import support

BOOTSTRAP = os.path.join(support.ROOT, "tracee", "python", "bootstrap.py")
STUB = """
import json, os, sys, tempfile, uuid

def setup():  # before the rehearsals, like an import
    os.environ["LEFT_BY_A_MODULE"] = "x"
    sys.argv.append("left")
    tempfile.tempdir = "/left"
    uuid._node, uuid._last_timestamp = 1, 1 << 62
    return []

def ready(info):
    pass

def frames(code_type):
    raise OSError("no lines here")

def fail(step, text):
    os.write(2, text)

def run(fork, rehearse, prepare, end, run_atexit, leave):
    os.write(1, json.dumps({"zygote": dict(os.environ)}).encode() + b"\\n")
    rehearse()
    code, names = prepare("main.py", ["a"], ["A=B", "C=D=E"], CODE)
    exec(code, names)
    sys.stdout.flush()
    os._exit(0)

CODE = b'''
import json, os, sys, tempfile, uuid
print(json.dumps({"environ": dict(os.environ), "argv": sys.argv, "tempdir": tempfile.tempdir, "name": __name__,
                  "uuid": [uuid._node, uuid._last_timestamp], "names": sorted(n for n in globals() if n[0] != "_")}))
'''
"""


class Bootstrap(unittest.TestCase):
    def ask(self):
        with tempfile.TemporaryDirectory(prefix="warder-bootstrap-") as folder:
            stub = os.path.join(folder, "stub.py")
            with open(stub, "w") as f:
                f.write(STUB)
            done = subprocess.run([support.PYTHON, "-s", "-B", BOOTSTRAP, stub], stdin=subprocess.DEVNULL, capture_output=True,
                                  env={"PATH": "/usr/bin:/bin", "OF_THE_ZYGOTE": "1"}, timeout=support.DEADLINE)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_nothing_of_the_zygote_is_the_jobs(self):
        told = self.ask()[-1]
        self.assertEqual(told["environ"], {"A": "B", "C": "D=E"})
        self.assertEqual((told["argv"], told["name"]), (["/tmp/main.py", "a"], "__main__"))
        self.assertEqual((told["tempdir"], told["uuid"]), (None, [None, None]))
        self.assertEqual(told["names"], ["json", "os", "sys", "tempfile", "uuid"])

    def test_rehearsals_leave_no_trace_in_the_zygote(self):
        zygote = self.ask()[0]["zygote"]
        self.assertNotIn("A", zygote)
        self.assertEqual((zygote["OF_THE_ZYGOTE"], zygote["LEFT_BY_A_MODULE"]), ("1", "x"))

    @unittest.skipUnless(shutil.which("strace"), "missing strace")
    def test_the_zygote_never_looks_into_tmp(self):
        """It warms up unconfined, and anybody may put a main.py, a tokenize.py or a FIFO there."""
        with tempfile.TemporaryDirectory(prefix="warder-bootstrap-", dir="/var/tmp") as folder:
            stub, trace = os.path.join(folder, "stub.py"), os.path.join(folder, "trace")
            script = shutil.copy(BOOTSTRAP, folder)  # the source tree may lie in /tmp
            with open(stub, "w") as f:
                f.write(STUB.replace('    rehearse()\n', '    os._exit(0)\n', 1))
            subprocess.run(["strace", "-f", "-qq", "-e", "trace=%file", "-o", trace, support.PYTHON, "-s", "-B", script, stub],
                           cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=support.DEADLINE,
                           env={"PATH": "/usr/bin:/bin"})
            with open(trace) as f:
                lines = f.read().splitlines()
        self.assertGreater(len(lines), 100)
        self.assertEqual([line for line in lines if '"/tmp' in line or '"main.py' in line], [])


if __name__ == "__main__":
    unittest.main()
