"""The same jobs with less power: root as in plain Docker, root without any capability but those for identities, an ordinary user."""
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

from test_layers import children
from support import BUILD, CONFIG, IS_ROOT, POLICIES, Case, Supervisor, eventually

LOWER = os.path.join(BUILD, "tests", "lower")
DOCKER = "a80425fb"    # Docker's default bounding set: no SYS_ADMIN, SYS_PTRACE, SYS_NICE, SYS_RESOURCE
IDENTITIES = "c0"      # SETGID and SETUID
USER = 12345

# whether an ordinary user may make namespaces here
USER_NAMESPACES = subprocess.run([LOWER, "--keep-caps", "0", "--uid", str(USER), "--", "unshare", "--user", "--map-current-user", "--mount-proc", "--pid",
                                  "--fork", "true"], capture_output=True).returncode == 0 if IS_ROOT else False

FILES = """
import os, tempfile, threading, json
with tempfile.TemporaryDirectory() as d:
    path = os.path.join(d, "a")
    with open(path, "w") as f:
        f.write("x" * 100)
    os.rename(path, path + "b")
    print(os.listdir(d), os.stat(path + "b").st_size, os.path.exists(path))
print(os.path.exists("/etc/passwd"), os.listdir("/tmp"))
done = []
threads = [threading.Thread(target=done.append, args=(i,)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sorted(done), json.__file__.startswith("/usr/lib"))
import sqlite3
c = sqlite3.connect("/tmp/x.db")
c.execute("create table t (a)")
c.execute("insert into t values (7)")
c.commit()
print(c.execute("select a from t").fetchall())
"""
FILES_OUT = "['ab'] 100 False\nFalse ['main.py']\n[0, 1, 2, 3, 4, 5, 6, 7] True\n[(7,)]\n"

MOUNT = "import ctypes; ctypes.CDLL(None).mount(b'none', b'/mnt', b'tmpfs', 0, None)"
READ_CLOSED = "print(open('{}').read())"
COMPUTE = """
import threading, time
end = time.monotonic() + 0.3
def spin():
    while time.monotonic() < end:
        pass
threads = [threading.Thread(target=spin) for _ in range(3)]
[t.start() for t in threads]; [t.join() for t in threads]
print("done")
"""


# SETPCAP is the keeper's alone
GUARDED_CAPS = sum(1 << c for c in (0, 1, 2, 3, 5, 6, 7, 8, 19, 21, 23, 24))


def name(pid):
    with open(f"/proc/{pid}/comm", errors="replace") as f:
        return f.read().strip()


def status(pid):
    with open(f"/proc/{pid}/status", errors="replace") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f)


def ptrace_scope():
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as f:
            return int(f.read())
    except FileNotFoundError:
        return 0


class Situation:
    prefix, uid = (), None

    @classmethod
    def setUpClass(cls):
        if not IS_ROOT:
            raise unittest.SkipTest("capability CAP_SETUID (not started as root)")
        if cls.prefix and ptrace_scope() > 1:
            raise unittest.SkipTest("kernel feature kernel.yama.ptrace_scope: from 2 on it takes CAP_SYS_PTRACE to trace a child, and the start is refused")
        # a copy that an ordinary user can read, wherever the source tree lies
        cls.tree = tempfile.mkdtemp(prefix="warder-tree-")
        os.chmod(cls.tree, 0o755)
        for part in ("warderd", "tracee"):
            (shutil.copytree if part == "tracee" else shutil.copy)(os.path.join(BUILD, part), os.path.join(cls.tree, part))
        policies = os.path.join(cls.tree, "policies")
        os.mkdir(policies)
        for name in ("base.yaml", "python3.yaml"):
            shutil.copy(os.path.join(POLICIES, name), policies)
        cls.granted = os.path.join(cls.tree, "granted")
        os.mkdir(cls.granted)
        os.chmod(cls.granted, 0o755)
        for name, mode in (("open", 0o644), ("closed", 0o600)):
            path = os.path.join(cls.granted, name)
            with open(path, "w") as f:
                f.write(name)
            os.chmod(path, mode)
        with open(os.path.join(policies, "granted.yaml"), "w") as f:
            f.write("name: granted\nextends: python3\nlanguage: python3\n"
                    f"files:\n  - {{path: {cls.granted}, rights: [read, list]}}\n")
        cls.supervisor = Supervisor("--policy-dir", policies, prefix=cls.prefix, warderd=os.path.join(cls.tree, "warderd"),
                                    dir_owner=cls.uid, env={**os.environ, "MY_SECRET": "TOP-SECRET"})

    @classmethod
    def tearDownClass(cls):
        alive, status = cls.supervisor.alive(), cls.supervisor.stop()
        shutil.rmtree(cls.tree, ignore_errors=True)
        assert alive and status == 0, f"warderd: alive {alive}, status {status}"

    def test_files_and_threads(self):
        self.assertEqual(self.run_ok(FILES), FILES_OUT)

    def test_names_in_tmp_are_counted(self):
        """From the first on, whatever stands for /tmp."""
        code = "try:\n    for i in range(20): open(f'/tmp/{i}', 'w').close()\nexcept OSError as e: print(i, e.errno)\n"
        result = self.run_job(code, limits={"tmp_inodes": 20})  # the code is one of them
        self.assertEqual((result["stdout"], result["limits_hit"]), (b"19 28\n", ["tmp"]), result)

    def test_standard_streams_are_opened_again(self):
        self.assertEqual(self.run_ok("open('/tmp/f', 'w').close(); open('/dev/stdout', 'w').write('out\\n'); open('/dev/fd/2', 'w').close()"), "out\n")

    def test_directories_that_are_closed_go_with_the_job(self):
        """Without capabilities a directory must be writable to be moved or emptied: the worker makes it so, and does not try for ever."""
        for _ in range(2):
            self.run_ok("import os\nos.makedirs('/tmp/a/b/c/d')\nfor p in ('a/b/c/d', 'a/b/c', 'a/b', 'a'): os.chmod('/tmp/' + p, 0)")
        self.assertEqual(self.run_ok("print(7)"), "7\n")

    def test_proc_is_listed(self):
        self.assertEqual(self.run_ok("import os\nprint('self' in os.listdir('/proc'), 'status' in os.listdir('/proc/self'), "
                                     "'comm' in os.listdir(f'/proc/self/task/{os.getpid()}'))"), "True True True\n")

    def test_killed_call_is_named(self):
        result = self.run_job(MOUNT)
        self.assertEqual((result["outcome"], result["violations"][-1]["syscall"]), ("violation", "mount"))

    def test_granted_file_of_roots_stays_closed(self):
        """Before and after jobs that made the worker take their identity."""
        for _ in range(2):
            self.assertEqual(self.run_ok(f"print(open('{self.granted}/open').read())", policy="granted"), "open\n")
            result = self.run_job(READ_CLOSED.format(self.granted + "/closed"), policy="granted")
            self.assertEqual((result["exit_code"], result["stdout"]), (1, b""))
            self.assertIn(b"PermissionError", result["stderr"])
            self.run_ok(COMPUTE)

    def test_layers_are_told(self):
        layers = set(self.run_job("pass")["layers"])
        required = {"seccomp", "broker", "landlock", "no_new_privs", "rlimits", "ptrace"} - ({"landlock"} if CONFIG else set())
        self.assertLessEqual(required, layers)
        self.assertEqual("identity" in layers, self.uid is None)
        self.assertEqual("tmp_quota" in layers, not self.prefix)
        named = {"namespaces", "empty_root"}
        self.assertEqual(layers & named, named if not self.prefix or self.uid and USER_NAMESPACES else set())

    def test_what_does_not_end_is_ended(self):
        result = self.run_job("import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n"
                              "    except OSError: pass\nwhile True: pass", limits={"wall_ms": 500})
        self.assertEqual((result["outcome"], result["limit"]), ("limit", "wall_time"))

    def test_connects(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            code = (f"import socket\ns = socket.create_connection(('127.0.0.1', {port}), 10)\nprint(s.getpeername()[0])\n"
                    "for to in (('127.0.0.1', 1), ('127.0.0.2', 80)):\n    try: socket.socket().connect(to)\n    except OSError as e: print(e.errno)\n")
            result = self.run_job(code, grants={"connect": [f"127.0.0.1:{port}", "127.0.0.1:1"]})
            self.assertExited(result)
            self.assertEqual(result["stdout"], b"127.0.0.1\n111\n13\n")
            self.assertEqual([v["address"] for v in result["violations"]], ["127.0.0.2:80"])

    def test_the_supervisor_guards_itself(self):
        self.run_ok("pass")
        keeper = self.supervisor.proc.pid
        parts = {p: name(p) for p in (keeper, *children(keeper))}
        parts.update({p: name(p) for w in list(parts) if parts[w] == "warderd-worker" for p in children(w)})
        self.assertLessEqual({"warderd", "warderd-front", "warderd-worker", "warderd-midwife"}, set(parts.values()))
        own = int(status(os.getpid())["Seccomp_filters"])
        for pid, what in parts.items():
            with self.subTest(what):
                if not what.startswith("warderd"):  # a zygote lays its power down when it is warm
                    eventually(lambda: int(status(pid)["Seccomp_filters"]) == own + 2)
                st = status(pid)
                caps = {k: int(st[k], 16) for k in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")}
                self.assertEqual(st["NoNewPrivs"], "1")
                self.assertEqual((caps["CapInh"], caps["CapAmb"]), (0, 0))
                self.assertEqual((caps["CapEff"] | caps["CapPrm"]) & ~GUARDED_CAPS, 0, hex(caps["CapPrm"]))
                if not self.uid:
                    self.assertEqual(caps["CapBnd"] & ~GUARDED_CAPS, 0, hex(caps["CapBnd"]))
                # the floor, and what front, workers and zygotes put on beside it
                self.assertEqual(int(st["Seccomp_filters"]) - own, {"warderd": 1, "warderd-midwife": 1}.get(what, 2))
                if what == "warderd-front":
                    self.assertEqual(caps["CapPrm"], 0)
                    self.assertNotEqual(st["Uid"].split()[0], "0")
                if what.startswith("warderd"):
                    self.assertEqual(os.stat(f"/proc/{pid}/mem").st_uid, 0)  # whoever it runs as: nobody else may look
                if pid != keeper:
                    with open(f"/proc/{pid}/environ", "rb") as f:
                        self.assertNotIn(b"SECRET", f.read())
                if what == "warderd-midwife":
                    self.assertEqual(sorted(os.listdir(f"/proc/{pid}/fd"), key=int), ["0", "1", "2", "3"])

    def test_twenty_at_once(self):
        with self.supervisor.client() as c:
            ids = [c.start(f"print({i})") for i in range(20)]
            for i, msgid in enumerate(ids):
                self.assertEqual(c.wait(msgid)["stdout"], f"{i}\n".encode())


class Root(Situation, Case):
    pass


class PlainDocker(Situation, Case):
    prefix = (LOWER, "--keep-caps", DOCKER, "--")


class IdentitiesOnly(Situation, Case):
    prefix = (LOWER, "--keep-caps", IDENTITIES, "--")


class OrdinaryUser(Situation, Case):
    prefix, uid = (LOWER, "--keep-caps", "0", "--uid", str(USER), "--"), USER
