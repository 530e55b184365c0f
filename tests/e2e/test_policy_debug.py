"""tools/policy-debug: at a terminal, and with answers from a file."""
import os
import pty
import re
import select
import subprocess
import tempfile
import time
import unittest

import support

TOOL = os.path.join(support.ROOT, "tools", "policy-debug")
PROGRAM = """
import ctypes, os

def version():
    return open("/etc/debian_version").read()

print("version", bool(version()))
print("again", bool(version()))
os.memfd_create("x")
ctypes.CDLL(None).personality(8)
print("\\x1b[31mred")
print("end")
"""


class Terminal:
    """A program on a pseudo terminal."""

    def __init__(self, *command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["WARDER_BUILD"] = support.BUILD
            os.execv(command[0], command)
        self.text = ""

    def wait_for(self, pattern):
        """Waits until `pattern` has come behind what was waited for before. Gives the text up to its end."""
        end = time.monotonic() + support.DEADLINE
        while not (found := re.search(pattern, self.text, re.S)):
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"{pattern!r} did not come: {self.text!r}")
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # EIO: it has ended
                data = b""
            if not data:
                raise AssertionError(f"ended before {pattern!r}: {self.text!r}")
            self.text += data.decode(errors="replace").replace("\r\n", "\n")
        text, self.text = self.text[:found.end()], self.text[found.end():]
        return text

    def type(self, line):
        os.write(self.fd, line.encode() + b"\n")

    def end(self):
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status


class PolicyDebug(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="warder-policy-debug-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.program = self.file("program.py", PROGRAM)
        self.out = os.path.join(self.folder, "out.yaml")

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def scripted(self, answers, *args, program=None):
        return subprocess.run([TOOL, "--answers", self.file("answers", answers), *args, program or self.program], capture_output=True, text=True,
                              timeout=60, env={**os.environ, "WARDER_BUILD": support.BUILD}, stdin=subprocess.DEVNULL)

    def test_at_a_terminal(self):
        t = Terminal(TOOL, "--write", self.out, self.program)
        text = t.wait_for(r"\[\?\] ")
        self.assertIn('openat(AT_FDCWD, "/etc/debian_version", O_RDONLY|O_CLOEXEC)\n  hidden with ENOENT by python3.yaml files\n', text)
        self.assertIn("  at main.py:5 in version\n", text)
        self.assertIn('  >    5 |     return open("/etc/debian_version").read()\n', text)
        self.assertIn("       2 | import ctypes, os\n", text)
        self.assertIn("       8 | print(\"again\"", text)
        self.assertIn('grants.read: ["/etc/debian_version"]', text)
        self.assertNotIn("[h]ost", text)
        t.type("?")
        self.assertIn("allow it from now on", t.wait_for(r"\[\?\] "))
        t.type("d")
        seen = text = t.wait_for(r"memfd_create\(.*\[\?\] ")  # nothing is asked about the second open
        self.assertIn("refused with EPERM by base.yaml:", text)
        self.assertNotIn("[d]irectory", text)
        t.type("once")
        text = t.wait_for(r"personality\(8\).*\[\?\] ")
        self.assertIn("killed by base.yaml:", text)
        t.type("a")
        seen += text
        text = t.wait_for(r"written to ")
        for words in ("version True\n", "again True\n", "\\x1b[31mred\n", "end\n"):  # the output has a way of its own: it may come before a question
            self.assertIn(words, seen + text)
        self.assertIn('+   - {path: "/etc", rights: [read, list]}  # main.py:5 in version\n', text)
        self.assertIn("+     allow_if: [{call: personality, arg: 0, in: [0x8]}]\n", text)
        self.assertNotIn("memfd_create", text)
        self.assertEqual(t.end(), 0)
        self.assertEqual(support.warder("policy", "check", self.out).returncode, 0)

    def test_scripted_and_written(self):
        done = self.scripted("# a comment\nalways\nalways\n\na\n", "--write", self.out)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("the program ended: exited, exit code 0", done.stdout)
        done = support.warder("run", "--policy", self.out, "--json", self.program)
        self.assertIn(b'"violations": []', done.stdout)
        self.assertEqual(done.returncode, 0, done)

    def test_refuse_kill_and_the_end_of_the_answers(self):
        done = self.scripted("refuse\n", "--write", self.out)
        self.assertIn("FileNotFoundError", done.stderr)
        self.assertEqual((done.returncode, os.path.exists(self.out)), (1, False))
        self.assertIn("nothing was allowed for good", done.stdout)
        done = self.scripted("kill\n")
        self.assertEqual(done.returncode, 159, done)
        self.assertEqual(self.scripted("").returncode, 1)
        self.assertIn("'maybe' is no answer here", self.scripted("maybe\n").stderr)

    def test_what_nothing_allows(self):
        done = self.scripted("always\n", "--write", self.out, program=self.file("fork.py", "import os\nos.fork()\n"))
        self.assertIn("this cannot be allowed here: nothing can allow it: a job is one process", done.stdout)
        self.assertIn("PermissionError", done.stderr)
        self.assertFalse(os.path.exists(self.out))

    def test_a_policy_file_and_its_mistakes(self):
        policy = self.file("mine.yaml", "name: mine\nextends: python3\nfiles: [{path: /etc/debian_version, rights: [read]}]\n")
        done = self.scripted("always\nalways\n", "--policy", policy, "--write", self.out)
        self.assertEqual(done.returncode, 0, done)
        self.assertNotIn("openat", done.stdout)
        self.assertEqual(support.warder("policy", "check", self.out).stdout.decode(), f"{self.out}: ok\n")
        done = self.scripted("", "--policy", self.file("bad.yaml", "name: bad\nnonsense: 1\n"))
        self.assertIn("policy_text:2:1: ", done.stderr)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
