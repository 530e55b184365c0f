"""What end-to-end tests stand on: a supervisor of their own, a client for it, and runs of the same code outside.

Nothing here knows what a right answer is. The client is written down anew, on purpose: it shares no line with
the C client or the Dify client, so that the three check each other.
"""
import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import msgpack

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("WARDER_BUILD", os.path.join(ROOT, "build")))
WARDERD = os.path.join(BUILD, "warderd")
WARDER = os.path.join(BUILD, "warder")
POLICIES = os.path.join(ROOT, "policies")
PYTHON = "/usr/bin/python3"  # the interpreter of the shipped policy; what is compared runs in this one outside, too
LONG = bool(os.environ.get("WARDER_LONG"))
IS_ROOT = os.geteuid() == 0
SLOW = int(os.environ.get("WARDER_SLOW") or 1)  # an emulated processor is so many times slower
DEADLINE = 30.0 * SLOW  # seconds for whatever should come soon; a loaded machine is slow, a hung supervisor never comes
CONFIG = os.environ.get("WARDER_TEST_CONFIG")  # of the beds that lack a layer which is required otherwise


def _takes_descriptors():
    """Whether this place lets a process take another's descriptors: Docker's profile does not."""
    call, me = ctypes.CDLL(None).syscall, os.pidfd_open(os.getpid())
    fd = call(438, me, me, 0)  # pidfd_getfd
    for opened in (fd, me):
        if opened >= 0:
            os.close(opened)
    return fd >= 0


PIDFD_GETFD = _takes_descriptors()

RESULT_KEYS = ["job", "outcome", "exit_code", "signal", "limit", "limits_hit", "stdout", "stderr", "stdout_truncated",
               "stderr_truncated", "files", "files_dropped", "violations", "violations_dropped", "usage", "layers", "error"]
USAGE_KEYS = ["queue_ms", "wall_ms", "cpu_ms", "max_rss_kib", "brokered_calls", "stdout_bytes", "stderr_bytes"]
VIOLATION_KEYS = ["syscall", "args", "path", "address", "verdict", "errno", "rule", "file", "line", "function", "no_line",
                  "hint", "count"]


class RpcError(Exception):
    """An error answer; its text is `code: message`."""

    @property
    def code(self):
        return str(self).partition(":")[0]


class Client:
    """One connection. send() and wait() apart pipeline; rpc() is both."""

    def __init__(self, path, timeout=DEADLINE):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 28, unicode_errors="surrogateescape")
        self.answers, self.notifications, self.order = {}, [], []
        self.last = 0

    def send(self, method, params=None):
        self.last += 1
        self.sock.sendall(msgpack.packb([0, self.last, method, [params or {}]]))
        return self.last

    def receive(self):
        """Reads once and files what came. EOFError when the supervisor has closed the connection."""
        data = self.sock.recv(1 << 18)
        if not data:
            raise EOFError("the supervisor closed the connection")
        self.unpacker.feed(data)
        for message in self.unpacker:
            if message[0] == 1:
                self.answers[message[1]] = message[2:]
                self.order.append(message[1])
            else:
                self.notifications.append((message[1], message[2][0]))

    def wait(self, msgid):
        while msgid not in self.answers:
            self.receive()
        error, result = self.answers.pop(msgid)
        if error is not None:
            raise RpcError(error)
        return result

    def wait_output(self, text, stream="stdout"):
        """Waits until `text` has come in output notifications."""
        while text not in self.output(stream):
            self.receive()

    def output(self, stream="stdout"):
        return b"".join(p["data"] for m, p in self.notifications if m == "output" and p["stream"] == stream)

    def rpc(self, method, **params):
        return self.wait(self.send(method, params))

    def run(self, code, **fields):
        return self.rpc("run", code=code, language=fields.pop("language", "python3"), **fields)

    def start(self, code, **fields):
        return self.send("run", dict(fields, code=code, language=fields.get("language", "python3")))

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def eventually(what, seconds=DEADLINE):
    """Asks until the answer is true; for facts that nobody announces. Returns the answer."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"did not come true in {seconds} s")
        time.sleep(0.005)


def runs_here(language):
    return language == "python3" or (shutil.which("node") and os.path.exists(os.path.join(BUILD, "tracee", "_warder.node")))


class Stalls:
    """How long this machine stood still while the block ran: in each CPU's turn a process that asked for next to nothing was woken so much late.
    What is measured against a clock may be late by that, whoever is measured."""
    SLEEPER = ("import os, select, sys, time\nos.sched_setaffinity(0, [int(sys.argv[1])])\nworst = 0\nprint('', flush=True)\nwhile True:\n"
               "    before = time.monotonic()\n    if select.select([0], [], [], 0.01)[0]: break\n"
               "    worst = max(worst, time.monotonic() - before - 0.01)\nprint(worst)")

    def __enter__(self):
        self.sleepers = [subprocess.Popen([PYTHON, "-c", self.SLEEPER, str(cpu)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                         for cpu in os.sched_getaffinity(0)]
        for s in self.sleepers:
            s.stdout.readline()
        return self

    def __exit__(self, *exc):
        self.seconds = max(float(s.communicate()[0]) for s in self.sleepers)


def is_gone(pid):
    """Dead, if perhaps not reaped: in a container that is left to a first process of whatever kind."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def descriptors(pid):
    """How many a process has, but for one of each path of the machine: handles of grants, which workers keep from the first time they need them."""
    n, kept = 0, set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            continue
        if target.startswith("/") and target not in kept and os.path.exists(target):
            kept.add(target)
        else:
            n += 1
    return n


class Supervisor:
    """A warderd on a socket of its own. Its log is kept by the runner when something fails."""
    count = 0

    def __init__(self, *args, env=None, deadline=DEADLINE, prefix=(), warderd=WARDERD, dir_owner=None, dir=None):
        """`prefix`: a command that runs warderd with less power; `dir_owner`: the uid that it then has; `dir`: for the socket, ours then."""
        Supervisor.count += 1
        self.dir = dir or tempfile.mkdtemp(prefix="warder-test-")
        os.chmod(self.dir, 0o755)
        if dir_owner is not None:
            os.chown(self.dir, dir_owner, dir_owner)
        self.path = os.path.join(self.dir, "warder.sock")
        logs = os.environ.get("WARDER_TEST_LOGS") or self.dir
        if CONFIG and "--config" not in args:
            args = ("--config", CONFIG, *args)
        self.log_path = os.path.join(logs, f"warderd.{os.getpid()}.{Supervisor.count}.log")
        with open(self.log_path, "wb") as log:
            self.proc = subprocess.Popen([*prefix, warderd, "--socket", self.path, *args], stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=log, env=env, start_new_session=True)
        atexit.register(self.stop)
        try:
            eventually(self.is_ready, deadline)
        except AssertionError:
            self.stop()
            raise AssertionError(f"warderd is not ready after {deadline} s:\n{self.log()}") from None

    def is_ready(self):
        if self.proc.poll() is not None:
            raise RuntimeError(f"warderd ended with status {self.proc.returncode}:\n{self.log()}")
        try:
            with self.client() as c:
                return c.rpc("status")
        except (FileNotFoundError, ConnectionError, EOFError):  # nobody yet, or one that is leaving
            return None

    def client(self, **kw):
        return Client(self.path, **kw)

    def run(self, code, **fields):
        with self.client() as c:
            return c.run(code, **fields)

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, errors="backslashreplace") as f:
            return f.read()

    def alive(self):
        return self.proc.poll() is None

    def stop(self):
        """Ends it in good order. Returns its exit status; a negative number is a signal."""
        atexit.unregister(self.stop)
        if self.alive():
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        return self.proc.returncode


class Case(unittest.TestCase):
    """A test class with one supervisor for all its tests, which must outlive them and end in good order."""
    supervisor_args = ()
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.supervisor = Supervisor(*cls.supervisor_args)

    @classmethod
    def tearDownClass(cls):
        alive = cls.supervisor.alive()
        status = cls.supervisor.stop()
        if not alive or status != 0:
            raise AssertionError(f"warderd {'ended badly' if alive else 'died during the tests'}: status {status}")

    def run_job(self, code, **fields):
        return self.supervisor.run(code, **fields)

    def assertExited(self, result, code=0):
        told = {k: result[k] for k in ("outcome", "exit_code", "signal", "limit", "error", "violations", "stderr")}
        self.assertEqual((result["outcome"], result["exit_code"]), ("exited", code), told)

    def run_ok(self, code, **fields):
        result = self.run_job(code, **fields)
        self.assertExited(result)
        return result["stdout"].decode()


class Outside:
    """What the same file does without Warder: status as `subprocess` tells it, stdout, stderr."""

    def __init__(self, code, args=(), env=None, stdin=b"", filename="main.py", timeout=120):
        with tempfile.TemporaryDirectory(prefix="warder-outside-") as folder:
            path = os.path.join(folder, filename)
            with open(path, "wb") as f:
                f.write(code if isinstance(code, bytes) else code.encode())
            base = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": folder, "TMPDIR": folder}
            done = subprocess.run([PYTHON, path, *args], input=stdin, cwd=folder, env={**base, **(env or {})},
                                  capture_output=True, timeout=timeout)
            self.status = done.returncode
            self.stdout = done.stdout.replace(folder.encode(), b"/tmp")
            self.stderr = done.stderr.replace(folder.encode(), b"/tmp")


def warder(*args, stdin=b"", env=None, timeout=120):
    """Runs the command line tool. Returns a CompletedProcess with bytes."""
    clean = {k: v for k, v in os.environ.items() if k != "WARDER_SOCKET"}
    return subprocess.run([WARDER, *args], input=stdin, capture_output=True, env={**clean, **(env or {})},
                          timeout=timeout)
