"""What is malformed is refused in words, and the supervisor serves the next one."""
import os
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import msgpack

import support
from support import Case, Client, RpcError

MIB = 1 << 20


def request(params, method="run", msgid=7):
    return msgpack.packb([0, msgid, method, params])


def nested(depth):
    return b"\x91" * depth + b"\xc0"


GOOD = {"language": "python3", "code": "print(1)"}

# bytes, and what is expected: the error answer's text (the connection may then be closed), or None: closed without one
BROKEN = {
    "text": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
    "never used byte": (b"\xc1", None),
    "a number": (b"\x05", None),
    "a map": (b"\x80", None),
    "empty array": (b"\x90", None),
    "array of one": (msgpack.packb([0]), None),
    "unknown type": (msgpack.packb([9, 1, "run", [{}]]), None),
    "type is text": (msgpack.packb(["0", 1, "run", [{}]]), None),
    "msgid is text": (msgpack.packb([0, "x", "run", [{}]]), None),
    "msgid is negative": (msgpack.packb([0, -1, "run", [{}]]), None),
    "msgid is too large": (msgpack.packb([0, 1 << 32, "run", [{}]]), None),
    "no params": (msgpack.packb([0, 7, "run"]), "bad_request"),
    "method is a number": (msgpack.packb([0, 7, 3, [{}]]), "bad_request"),
    "method is nil": (msgpack.packb([0, 7, None, [{}]]), "bad_request"),
    "params is a map": (request(GOOD), "bad_request"),
    "params has two": (request([GOOD, GOOD]), "bad_request"),
    "params has a number": (request([1]), "bad_request"),
    "five parts": (msgpack.packb([0, 7, "run", [GOOD], 1]), None),
    "too deep": (b"\x94\x00\x07\xa3run" + nested(40), "too_large"),
    "very deep": (b"\x94\x00\x07\xa3run" + nested(100000), "too_large"),
    "deep array first": (nested(5000), None),
    "announces 4 GiB of binary": (b"\x94\x00\x07\xa3run\x91\x81\xa4code\xc6\xff\xff\xff\xff", "too_large"),
    "announces 4 GiB of entries": (b"\x94\x00\x07\xa3run\xdd\xff\xff\xff\xff", "too_large"),
    "announces a huge map": (b"\x94\x00\x07\xa3run\x91\xdf\xff\xff\xff\xff", "too_large"),
    "announces a huge message": (b"\xdd\xff\xff\xff\xff", None),
    "response nobody asked for": (msgpack.packb([1, 3, None, {}]), None),
}


class Messages(Case):
    def tearDown(self):
        self.assertTrue(self.supervisor.alive(), "the supervisor died")
        self.assertEqual(self.supervisor.run("print('still')")["stdout"], b"still\n")

    def exchange(self, data, half_close=True):
        """Sends bytes, reads until the supervisor closes. Returns the messages it sent."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(support.DEADLINE)
        sock.connect(self.supervisor.path)
        with sock:
            unpacker = msgpack.Unpacker(raw=False)
            try:
                sock.sendall(data)
                if half_close:
                    sock.shutdown(socket.SHUT_WR)
                while got := sock.recv(65536):
                    unpacker.feed(got)
            except ConnectionError:
                pass
            return list(unpacker)

    def test_broken(self):
        for name, (data, expected) in BROKEN.items():
            with self.subTest(name):
                answers = self.exchange(data)
                if expected is None:
                    self.assertFalse([a for a in answers if a[2] is None], answers)
                else:
                    self.assertEqual([(a[0], a[1]) for a in answers], [(1, 7)], answers)
                    self.assertTrue(answers[0][2].startswith(expected + ": "), answers)
                self.assertTrue(self.supervisor.alive())

    def test_closed_at_once_not_at_the_end(self):
        """Nonsense ends the connection without a hang-up from our side."""
        for name in ("text", "never used byte", "announces a huge message", "very deep"):
            with self.subTest(name):
                self.exchange(BROKEN[name][0], half_close=False)

    def test_answers_before_the_nonsense_still_come(self):
        answers = self.exchange(request([GOOD], msgid=1) + b"\xc1", half_close=False)
        self.assertTrue(all(a[2] is None or a[2].startswith("bad_request") for a in answers), answers)

    def test_truncated(self):
        """A good request cut at every byte: no answer, no harm."""
        data = request([GOOD])
        for cut in range(len(data)):
            self.assertEqual(self.exchange(data[:cut]), [], cut)

    def test_byte_by_byte(self):
        with self.supervisor.client() as c:
            c.last = 7
            for b in request([GOOD]):
                c.sock.sendall(bytes([b]))
            self.assertEqual(c.wait(7)["stdout"], b"1\n")

    def test_every_byte_changed(self):
        """A request with one byte replaced is a job, an error or a closed connection, never a dead supervisor."""
        data = request([{"language": "python3", "code": "1", "args": ["a"], "limits": {"wall_ms": 900}}])
        step = 1 if support.LONG else 3
        for i in range(0, len(data), step):
            for value in (0x00, 0xff, data[i] ^ 0x80, data[i] ^ 1):
                self.exchange(data[:i] + bytes([value]) + data[i + 1:])
            self.assertTrue(self.supervisor.alive(), i)

    def test_oversized(self):
        started = time.monotonic()
        with self.supervisor.client() as c:
            with self.assertRaises((RpcError, EOFError, ConnectionError)) as caught:
                c.run(b"#" * (130 * MIB))
            if isinstance(caught.exception, RpcError):
                self.assertEqual(caught.exception.code, "too_large")
        self.assertLess(time.monotonic() - started, 60)

    def test_large_but_allowed(self):
        self.assertEqual(self.supervisor.run(b"print(7)\n" + b"#" * (8 * MIB))["stdout"], b"7\n")
        r = self.supervisor.run("import sys; print(len(sys.stdin.buffer.read()))", stdin=b"\0" * (20 * MIB))
        self.assertEqual(r["stdout"], b"%d\n" % (20 * MIB))

    def test_announced_and_never_sent(self):
        """A connection that stalls in the middle costs nobody anything."""
        stalled = []
        for _ in range(50):
            c = Client(self.supervisor.path)
            c.sock.sendall(b"\x94\x00\x07\xa3run\x91\x81\xa4code\xc6" + struct.pack(">I", 100 * MIB) + b"x" * 1000)
            stalled.append(c)
        self.assertEqual(self.supervisor.run("print('quick')")["stdout"], b"quick\n")
        with open(f"/proc/{self.supervisor.proc.pid}/statm") as f:
            self.assertLess(int(f.read().split()[1]) * 4096, 300 * MIB)
        for c in stalled:
            c.close()

    def test_hang_up_at_once(self):
        for _ in range(200):
            Client(self.supervisor.path).close()

    def test_bad_values(self):
        for name, fields in {
            "NUL in an argument": {"args": ["a\0b"]},
            "NUL in a name": {"env": {"A\0": "1"}},
            "NUL in a value": {"env": {"A": "1\0"}},
            "= in a name": {"env": {"A=B": "1"}},
            "empty name": {"env": {"": "1"}},
            "too many arguments": {"args": ["x"] * 100000},
            "too much of them": {"args": ["x" * (4 * MIB)]},
            "long job id": {"job": "j" * 1000},
            "empty job id": {"job": ""},
            "long file name": {"filename": "f" * 300},
            "file name with a slash": {"filename": "a/b.py"},
            "file name ..": {"filename": ".."},
            "a file out of /tmp": {"files": {"../a": b"1"}},
            "a file in the place of the code": {"files": {"main.py": b"1"}},
            "too many files": {"files": {str(i): b"" for i in range(70000)}},
            "more files than /tmp has inodes": {"files": {str(i): b"" for i in range(100)}, "limits": {"tmp_inodes": 100}},
            "more bytes than /tmp has": {"files": {"a": b"1" * MIB}, "limits": {"tmp_mib": 1}},
            "a pattern out of /tmp": {"collect": ["/etc/*"]},
            "too many patterns": {"collect": ["*"] * 100},
            "grants": {"grants": {"read": ["/"]}},
            "policy text": {"policy_text": "name: x"},
            "debug": {"debug": 1},
        }.items():
            with self.subTest(name), self.assertRaisesRegex(RpcError, "^(bad_request|not_permitted|too_large): "):
                self.supervisor.run("print('never')", **fields)

    def test_no_code_of_a_refused_job_runs(self):
        with self.supervisor.client() as c:
            with self.assertRaises(RpcError):
                c.run("print('ran')", stream=True, nonsense=1)
            self.assertEqual(c.notifications, [])
            self.assertEqual(c.rpc("jobs"), [])


class Policies(unittest.TestCase):
    """`warderd --check`, and starting with, policies that are wrong."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def warderd(self, *args):
        return subprocess.run([support.WARDERD, *args, "--policy-dir", self.folder.name, "--policy-dir", support.POLICIES],
                              capture_output=True, timeout=60)

    def test_check_of_the_shipped(self):
        done = subprocess.run([support.WARDERD, "--check"], capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)

    WRONG = {
        "unknown call": ("name: x\nextends: python3\nsyscalls:\n  more:\n    why: test\n    allow: [getpid, opne]\n", 6, "opne"),
        "unknown key": ("name: x\nextends: python3\nsyscals: {}\n", 3, "syscals"),
        "floor": ("name: x\nextends: python3\nsyscalls:\n  more:\n    why: test\n    allow: [ptrace]\n", 6, "ptrace"),
        "no reason": ("name: x\nextends: python3\nsyscalls:\n  more:\n    allow: [getpid]\n", None, "why"),
        "unknown parent": ("name: x\nextends: nowhere\n", 2, "nowhere"),
        "bad limit": ("name: x\nextends: python3\nlimits: {wall_ms: -1}\n", 3, "wall_ms"),
        "bad right": ("name: x\nextends: python3\nfiles:\n  - {path: /srv, rights: [fly]}\n", 4, "fly"),
        "relative path": ("name: x\nextends: python3\nfiles:\n  - {path: srv, rights: [read]}\n", 4, "srv"),
        "not YAML": ("name: [x\n", None, ""),
    }

    def test_wrong(self):
        for name, (text, line, culprit) in self.WRONG.items():
            with self.subTest(name):
                path = self.write("x.yaml", text)
                done = self.warderd("--check")
                told = (done.stdout + done.stderr).decode()
                self.assertEqual(done.returncode, 1, told)
                self.assertRegex(told, rf"x\.yaml:{line or '[0-9]+'}:\d+: .*{culprit}", told)
                # nor does it start
                done = self.warderd("--socket", os.path.join(self.folder.name, "s"))
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(culprit.encode(), done.stderr)
                os.unlink(path)

    def test_missing_interpreter(self):
        self.write("gone.yaml", "name: gone\nextends: python3\ninterpreter: /nonexistent/python3\n")
        s = support.Supervisor("--policy-dir", self.folder.name, "--policy-dir", support.POLICIES)
        try:
            r = s.run("print('never')", policy="gone")
            self.assertEqual((r["outcome"], r["stdout"]), ("error", b""))
            self.assertIn("/nonexistent/python3", r["error"])
            self.assertEqual(s.run("print('lives')")["stdout"], b"lives\n")
            self.assertEqual(s.run("1", policy="gone")["outcome"], "error")
        finally:
            self.assertEqual(s.stop(), 0)

    def test_interpreter_that_is_no_interpreter(self):
        for path in ("/bin/true", "/bin/cat", "/etc/hostname"):
            with self.subTest(path):
                self.write("odd.yaml", f"name: odd\nextends: python3\ninterpreter: {path}\n")
                s = support.Supervisor("--policy-dir", self.folder.name, "--policy-dir", support.POLICIES)
                try:
                    r = s.run("print('never')", policy="odd")
                    self.assertEqual((r["outcome"], r["stdout"]), ("error", b""))
                    self.assertTrue(r["error"])
                    self.assertEqual(s.run("print('lives')")["stdout"], b"lives\n")
                finally:
                    self.assertEqual(s.stop(), 0)

    def test_bad_arguments(self):
        for args, culprit in [(["--nonsense"], "--nonsense"), (["--socket"], "--socket"), (["--workers", "x"], "x"),
                              (["--config", "/nonexistent.yaml"], "/nonexistent.yaml"), (["--policy-dir", "/nowhere"], "/nowhere")]:
            with self.subTest(args):
                done = subprocess.run([support.WARDERD, *args], capture_output=True, timeout=60)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(culprit.encode(), done.stderr)


if __name__ == "__main__":
    unittest.main()
