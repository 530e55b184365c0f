"""The end of a job: whatever it did, and however it ended, nothing of it is left, and the next job finds all places free."""
import contextlib
import errno
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import support
from support import Case, Supervisor, eventually, runs_here
from test_situations import DOCKER, LOWER

NATIVE = "import ctypes, os, signal, threading, time\nlibc = ctypes.CDLL(None)\n"

# (code, outcome, limits); a job that does not end by itself is ended by its wall time
NASTY = {
    "ignores signals": ("for s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
                        "time.sleep(60)", "limit"),
    "blocks signals": ("signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass", "limit"),
    "stops itself": ("os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)", "limit"),
    "stops itself with threads": ("for _ in range(8): threading.Thread(target=time.sleep, args=(60,)).start()\n"
                                  "os.kill(os.getpid(), signal.SIGTSTP); os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)", "limit"),
    "closes everything": ("os.closerange(0, 1000)\nwhile True: pass", "limit"),
    "closes everything and ends": ("os.closerange(0, 1000)\nos._exit(0)", "exited"),
    "ends in a notification": ("for _ in range(16):\n    threading.Thread(target=lambda: [os.path.exists('/x') for _ in range(10 ** 9)], daemon=True).start()\n"
                               "time.sleep(0.05); os._exit(0)", "exited"),
    "is killed in a notification": ("for _ in range(16):\n    threading.Thread(target=lambda: [os.path.exists('/x') for _ in range(10 ** 9)], daemon=True).start()\n"
                                    "time.sleep(0.05); os.setuid(0)", "violation"),
    "its first thread leaves": ("threading.Thread(target=lambda: (time.sleep(0.2), os._exit(5))).start()\nlibc.pthread_exit(None)", "exited"),
    "its first thread leaves, others stay": ("threading.Thread(target=time.sleep, args=(60,)).start()\nlibc.syscall(60, 0)", "limit"),
    "many threads": ("for _ in range(31): threading.Thread(target=time.sleep, args=(60,)).start()", "limit"),
    "many timers": ("for _ in range(50): libc.timer_create(0, None, ctypes.byref(ctypes.c_void_p()))\nsignal.setitimer(signal.ITIMER_REAL, 60)", "exited"),
    "a signal a millisecond": ("n = []\nsignal.signal(signal.SIGALRM, lambda *a: n.append(1))\nsignal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
                               "end = time.monotonic() + 0.25\nwhile time.monotonic() < end: os.path.exists('/x')\nos._exit(0 if len(n) > 50 else 1)", "exited"),
    "fills its /tmp": ("f = open('/tmp/f', 'wb', 0)\ntry:\n    while True: f.write(b'x' * (1 << 20))\nexcept OSError as e: os._exit(0 if e.errno == 28 else e.errno)", "exited"),
    "leaves descriptors and files": ("held = [os.open(f'/tmp/{i}', os.O_CREAT | os.O_RDWR) for i in range(100)] + [os.pipe() for _ in range(50)]\n"
                                     "import socket; pairs = [socket.socketpair() for _ in range(20)]; os._exit(0)", "exited"),
}


ON = {"python3": "import os, time\nprint('on', flush=True)\n", "nodejs": "const fs = require('fs')\nfs.writeSync(1, 'on\\n')\n"}
# where a job can be when it is killed from outside
STATES = {
    "asleep": {"python3": "time.sleep(60)", "nodejs": "setInterval(() => 0, 1000)"},
    "computing": {"python3": "while True: pass", "nodejs": "for (;;);"},
    "in calls": {"python3": "while True: os.path.exists('/x')", "nodejs": "for (;;) fs.existsSync('/x')"},
    "while output is read": {"python3": "while True: os.write(1, b'x' * 65536)", "nodejs": "for (;;) fs.writeSync(1, 'x'.repeat(65536))"},
    "stopped": {"python3": "os.kill(os.getpid(), 19)", "nodejs": "process.kill(process.pid, 'SIGSTOP')"},
    "with threads in calls": {
        "python3": "import threading\nfor _ in range(8): threading.Thread(target=lambda: [os.path.exists('/x') for _ in range(10 ** 9)]).start()",
        "nodejs": "const go = () => fs.stat('/x', go)\nfor (let i = 0; i < 8; i++) go()"},
}


def processes():
    """{pid: (parent, state, uid)}"""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", errors="replace") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            found[int(pid)] = (int(fields[1]), fields[0], os.stat(f"/proc/{pid}").st_uid)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def below(root):
    found, keep = processes(), {root}
    while True:
        more = {p for p, (parent, _, _) in found.items() if parent in keep} - keep
        if not more:
            return {p: found[p] for p in keep if p in found}
        keep |= more


def is_warderd(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith("warderd")
    except OSError:
        return False


def holds(root):
    """What a supervisor has: number of processes below it, of its own descriptors; no zombies, once it is idle."""
    all_of_it = below(root)
    ours = [p for p in all_of_it if is_warderd(p)]
    return len(all_of_it), sum(len(os.listdir(f"/proc/{p}/fd")) for p in ours), sum(s == "Z" for _, s, _ in all_of_it.values())


class Ends(Case):
    supervisor_args = ("--workers", "1")  # which tracee gets the next job is known then
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if runs_here("nodejs"):
            cls.supervisor.run("1", language="nodejs")
        for _ in range(20):
            cls.supervisor.run(NATIVE + "import socket\nopen('/tmp/x', 'w')\n1/0")  # what it opens once and keeps
        cls.before = eventually(cls.at_rest)

    @classmethod
    def at_rest(cls):
        """Its pools are full, and it has nothing to do."""
        now = holds(cls.supervisor.proc.pid)
        time.sleep(0.7)
        return now if now == holds(cls.supervisor.proc.pid) and now[2] == 0 else None

    def assertNothingLeft(self):
        end = time.monotonic() + 5
        while (now := holds(self.supervisor.proc.pid)) != self.before and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(now, self.before, "processes, descriptors, zombies")

    def nasty(self, name, code, outcome):
        with self.supervisor.client() as c:
            i = c.start("import os\nprint(os.getpid(), flush=True)\n" + NATIVE + code, stream=True,
                        limits={"wall_ms": 600 if outcome == "limit" else 15000, "tmp_mib": 4})
            c.wait_output(b"\n")
            pids = [j["tracee_pid"] for j in c.rpc("jobs")]  # the job knows itself by another number; it may have ended already
            r = c.wait(i)
            answered = time.monotonic()
            # a directory is measured now and then: a job may be far over until then, or meet the limit of a file's size first
            far_over = "fills" in name and "tmp_quota" not in r["layers"] and (r["limit"] == "tmp" or r["exit_code"] == errno.EFBIG)
            if not far_over:
                self.assertEqual((r["outcome"], r["limit"]), (outcome, "wall_time" if outcome == "limit" else None), r)
            if outcome == "exited" and not far_over:
                self.assertEqual(r["exit_code"], 5 if "leaves" in name and "thread" in name else 0, r["stderr"])
            eventually(lambda: not any(os.path.exists(f"/proc/{p}") for p in pids), 5)
            self.gone_after.append(time.monotonic() - answered)

    def test_nasty_jobs(self):
        self.gone_after = []
        with support.Stalls() as stalls:
            for name, (code, outcome) in NASTY.items():
                with self.subTest(name):
                    self.nasty(name, code, outcome)
                    self.assertNothingLeft()
        self.assertLess(max(self.gone_after), 1 + stalls.seconds)
        # and every place of the pool still takes a job
        with self.supervisor.client() as c:
            ids = [c.start(f"print({n})") for n in range(40)]
            self.assertEqual([c.wait(i)["stdout"] for i in ids], [b"%d\n" % n for n in range(40)])

    def shoot(self, code, after=0.0, language="python3", **fields):
        """Returns how long it took until that was told."""
        with self.supervisor.client() as c:
            i = c.start(ON[language] + code, job="target", language=language, stream=True, **fields)
            c.wait_output(b"on\n")
            time.sleep(after)
            os.kill([j["tracee_pid"] for j in c.rpc("jobs") if j["job"] == "target"][0], signal.SIGKILL)
            shot = time.monotonic()
            r = c.wait(i)
            self.assertEqual((r["outcome"], r["signal"]), ("signaled", 9), r)
            return time.monotonic() - shot

    def test_killed_in_every_state(self):
        took = []
        with support.Stalls() as stalls:
            for name, snippets in STATES.items():
                for language in filter(runs_here, snippets):
                    with self.subTest(name, language=language):
                        for _ in range(20 if support.LONG else 3):
                            took.append(self.shoot(snippets[language], random.random() * 0.02, language))
        self.assertLess(max(took), 1 + stalls.seconds)
        self.assertNothingLeft()

    def test_killed_in_a_connect(self):
        """To a listener whose queue is full: nobody answers."""
        with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for s in (first, second):
                s.setblocking(False)
                s.connect_ex(listener.getsockname())
            host, port = listener.getsockname()
            for language, code in (("python3", f"import socket; socket.create_connection(({host!r}, {port}))"),
                                   ("nodejs", f"require('net').connect({port}, {host!r}); setInterval(() => 0, 1000)")):
                for _ in range((10 if support.LONG else 2) * bool(runs_here(language))):
                    self.shoot(code, random.random() * 0.05 + 0.02, language, grants={"connect": [f"{host}:{port}"]})
        self.assertNothingLeft()

    @unittest.skipUnless(support.IS_ROOT, "capability: waiting tracees are told from others by their uid")
    def test_killed_while_waiting(self):
        """A killed process may die late, here because its CPU is busy. Until then nobody can know, and it may be given a job: that goes to
        another one, with its files."""
        files = {f"{n}": b"%d" % n * 200000 for n in range(20)}
        codes = {"python3": "import os\nprint(sum(os.path.getsize(n) for n in os.listdir()), flush=True)",
                 "nodejs": "const fs = require('fs')\nconsole.log(fs.readdirSync('.').map((n) => fs.statSync(n).size).reduce((a, b) => a + b))"}
        languages = list(filter(runs_here, codes))
        for k in range(20 if support.LONG else 2 * len(languages)):
            language, given = languages[k % len(languages)], files if k // len(languages) % 2 else {}
            waiting = eventually(lambda: [p for p, (_, _, uid) in below(self.supervisor.proc.pid).items() if uid >= 60200])
            with contextlib.ExitStack() as stack:
                for cpu in os.sched_getaffinity(waiting[0]):
                    hog = subprocess.Popen([support.PYTHON, "-c", f"import os\nos.sched_setaffinity(0, [{cpu}])\nwhile True: pass"])
                    stack.callback(hog.wait)
                    stack.callback(hog.kill)
                for pid in waiting:
                    with contextlib.suppress(ProcessLookupError):
                        try:
                            os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
                        except PermissionError:
                            self.skipTest("capability CAP_SYS_NICE: processes of others are made slow")
                        os.kill(pid, signal.SIGKILL)
                r = self.run_job(codes[language], language=language, files=given, limits={"wall_ms": 60000})
                size = len(codes[language]) + sum(map(len, given.values()))
                self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"%d\n" % size), r["error"])
            for pid in waiting:
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))  # on a busy machine it would not get to its end else
            eventually(lambda: not any(os.path.exists(f"/proc/{p}") for p in waiting))
        self.assertNothingLeft()


# A module that a policy preloads: in some place of their birth newborns are killed, or stay until SIGUSR1. One that is
# traced already would stop there: it goes on when another has SIGUSR2.
STAYS = """import io, mmap, os, signal, time
how, forks, BytesIO, stayed = os.environ["HOW"], 0, io.BytesIO, mmap.mmap(-1, 4096)

def count():
    global forks
    forks += 1

def stay(place):
    told = []
    signal.signal(signal.SIGUSR1, lambda *a: told.append(1))
    signal.signal(signal.SIGUSR2, lambda *a: stayed.__setitem__(2, 49))
    os.write(2, b"%s: %d\\n" % (place, os.getpid()))
    stayed[place == b"forked"] = 49
    while not told and not (place == b"rehearsing" and stayed[2]):
        time.sleep(0.005)

def forked():
    if how == "killed" or (how == "killed-once" and forks == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if (how == "forked" and forks == 1) or stayed[:2] == b"1\\0":
        stay(b"forked")

def rehearse(*args):
    if how == "rehearsing" and forks and not stayed[0]:
        stay(b"rehearsing")
    return BytesIO(*args)

io.BytesIO = rehearse
os.register_at_fork(before=count, after_in_child=forked)
"""


@unittest.skipUnless(support.IS_ROOT, "capability CAP_SYS_PTRACE: what newborns do is looked at")
class Newborns(unittest.TestCase):
    """Killed while it is being born, by whomever: another one takes its place. Not for ever."""
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        packages = os.path.join(folder.name, "python3", "default")
        os.makedirs(packages)
        with open(os.path.join(packages, "stays.py"), "w") as f:
            f.write(STAYS)
        policies = {how: f"name: {how}\nextends: python3\npreload: [stays]\nenv: {{HOW: {how}}}\n"
                    for how in ("forked", "rehearsing", "killed", "killed-once")}
        with open(os.path.join(support.POLICIES, "minimal.yaml")) as f:
            policies["closeless"] = f.read().replace(" close,", "").replace(
                "name: minimal", "name: closeless\nlanguage: python3\ninterpreter: python3\nfiles: [{interpreter: true, rights: [read, list]}]")
        for name, text in policies.items():
            with open(os.path.join(folder.name, f"{name}.yaml"), "w") as f:
                f.write(text)
        config = os.path.join(folder.name, "warder.conf")
        with open(config, "w") as f:
            f.write((open(support.CONFIG).read() if support.CONFIG else "") + "pool: {min: 3, max: 8}\n")
        cls.supervisor = Supervisor("--workers", "1", "--config", config, "--policy-dir", folder.name, "--policy-dir", support.POLICIES,
                                    env={**os.environ, "WARDER_DEPENDENCIES": folder.name})
        cls.addClassCleanup(cls.supervisor.stop)

    def setUp(self):
        self.client = self.supervisor.client()
        self.addCleanup(self.client.close)

    def failures(self, policy):
        return len(re.findall(f"birth_failed policy={policy} ", self.supervisor.log()))

    def said(self, policy, place):
        return re.search(rf'policy={policy} text="{place}: (\d+)"', self.supervisor.log())

    def zygote(self, policy):
        return int(re.search(rf"policy={policy} pid=(\d+)", self.supervisor.log())[1])

    def newborn(self, policy, place):
        """(its pid, the worker's), when it is where it is to stay."""
        own = eventually(lambda: self.said(policy, place))[1]
        zygote = self.zygote(policy)
        for pid, (parent, _, _) in processes().items():
            if parent == zygote:
                with open(f"/proc/{pid}/status", errors="replace") as f:
                    if re.search(rf"^NSpid:.*\b{own}$", f.read(), re.M):
                        return pid, processes()[zygote][0]
        self.fail(f"{own} is no child of {zygote}")

    def stop(self, worker):
        os.kill(worker, signal.SIGSTOP)
        self.addCleanup(os.kill, worker, signal.SIGCONT)

    def look(self, pid, what):
        try:
            return what(f"/proc/{pid}")
        except PermissionError:
            self.skipTest("capability CAP_SYS_PTRACE: what newborns do is looked at")

    def assertServed(self, *ids):
        for i in ids:
            r = self.client.wait(i)
            self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"1\n"), r["error"])

    def test_killed_before_it_tells_of_itself(self):
        self.assertServed(self.client.start("print(1)", policy="killed-once"))
        self.assertEqual(self.failures("killed-once"), 1)

    def test_killed_before_it_is_traced(self):
        job = self.client.start("print(1)", policy="forked")
        pid, worker = self.newborn("forked", "forked")
        self.stop(worker)
        os.kill(pid, signal.SIGUSR1)
        eventually(lambda: not self.look(pid, lambda proc: "1000" in os.listdir(f"{proc}/fd")))  # it has told, and closed the control socket
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: support.is_gone(pid))
        os.kill(worker, signal.SIGCONT)
        self.assertServed(job)
        self.assertEqual(self.failures("forked"), 1)

    def test_killed_before_it_waits(self):
        """One that stays while it rehearses, for which it has time when others wait already, and the next one before it tells of itself: then jobs
        wait that are more than those."""
        jobs = [self.client.start("print(1)", policy="rehearsing")]
        self.assertServed(*jobs)
        zygote = self.zygote("rehearsing")

        def one_rehearses():
            pool = [p for p, (parent, _, _) in processes().items() if parent == zygote]
            if len(pool) == 3 and all(i in self.client.answers for i in jobs[1:]):
                jobs.append(self.client.start("print(1)", policy="rehearsing"))
            if select.select([self.client.sock], [], [], 0.02)[0]:
                self.client.receive()
            return self.said("rehearsing", "rehearsing")
        eventually(one_rehearses)
        pid, worker = self.newborn("rehearsing", "rehearsing")
        jobs += [self.client.start("print(1)", policy="rehearsing") for _ in range(4)]
        other, _ = self.newborn("rehearsing", "forked")
        self.stop(worker)
        os.kill(other, signal.SIGUSR2)
        eventually(lambda: self.look(pid, lambda proc: open(f"{proc}/syscall").read()).startswith("257 "))  # openat: it asks for a job
        os.kill(pid, signal.SIGKILL)
        os.kill(worker, signal.SIGCONT)
        eventually(lambda: support.is_gone(pid))
        os.kill(other, signal.SIGKILL)
        self.assertServed(*jobs[1:])
        self.assertEqual(self.failures("rehearsing"), 2)

    def test_each_is_killed(self):
        """As by a policy without a call that births need: told after a few, and births rest."""
        begun = time.monotonic()
        for _ in range(2):
            r = self.client.run("print(1)", policy="killed")
            self.assertEqual(r["outcome"], "error", r)
            self.assertIn("ended before they told of themselves", r["error"])
        self.assertGreaterEqual(self.failures("killed"), 5)
        self.assertLess(self.failures("killed"), 7 + time.monotonic() - begun)

    def test_one_that_fails_by_itself_is_told_at_once(self):
        begun = time.monotonic()
        for _ in range(5):
            r = self.client.run("print(1)", policy="closeless")
            self.assertIn("birth: a newborn tracee ended before", r["error"])  # it is seen how, where it is traced already
        self.assertServed(*[self.client.start("print(1)") for _ in range(50)])
        self.assertGreaterEqual(self.failures("closeless"), 1)
        self.assertLess(self.failures("closeless"), 7 + time.monotonic() - begun)  # it is not tried on and on


class NoRoom(unittest.TestCase):
    """What the supervisor is to hold for a job finds no room on the machine: that job is told, others are served, nobody waits."""
    BIG = {"code": {"code": "print(1)\n" + "#" * 20000}, "code, larger than a packet": {"code": "print(1)\n" + "#" * 200000},
           "input": {"stdin": b"x" * 200000}, "files": {"files": {"a": b"y" * 200000}}}

    def some_error(self, s, words, **fields):
        r = s.run(fields.pop("code", "print(1)"), **fields)
        self.assertEqual(r["outcome"], "error", r)
        self.assertIn(words, r["error"])

    def test_files_may_not_be_large(self):
        """RLIMIT_FSIZE holds for memfds, too; above it comes a signal."""
        s = Supervisor(prefix=("prlimit", "--fsize=8192:8192", "--"))
        self.addCleanup(s.stop)
        for name, fields in self.BIG.items():
            with self.subTest(name):
                self.some_error(s, "EFBIG", **fields)
        with s.client() as c:
            self.assertEqual(c.run("print('hello')")["stdout"], b"hello\n")
            r = c.run("print('x' * 200000)")
            self.assertIn("EFBIG", r["error"])
        self.assertNotIn("_died", s.log())

    def test_no_memfds(self):
        s = Supervisor(prefix=(os.path.join(support.BUILD, "tests", "failcall"), "memfd_create", "ENOSPC", "--"))
        self.addCleanup(s.stop)
        for name, fields in (("small", {}), *self.BIG.items()):
            with self.subTest(name):
                self.some_error(s, "ENOSPC", **fields)
        self.assertNotIn("_died", s.log())

    FULL = """set -e
for d in /dev/shm /var/tmp /tmp; do mount -t tmpfs -o size=256k,nr_inodes=64,mode=1777 tmpfs $d; done
for d in /dev/shm /var/tmp /tmp; do cat /dev/zero >$d/full 2>/dev/null || true; i=0; while mkdir $d/$i 2>/dev/null; do i=$((i + 1)); done; done
exec "$@"
"""

    @unittest.skipUnless(support.IS_ROOT, "capability CAP_SYS_ADMIN: file systems of its own")
    def test_full_disks(self):
        """Where a job's /tmp is a directory of the machine's there is none: an error that says so. With a tmpfs of its own it needs none of that."""
        if support.BUILD.startswith(("/tmp/", "/var/tmp/")):
            self.skipTest("missing: the build would be hidden")
        if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"], capture_output=True).returncode:
            self.skipTest("capability CAP_SYS_ADMIN: file systems of its own")
        write = "open('/tmp/a', 'w').write('x' * 100000)\nprint(len(open('/tmp/a').read()))"
        for lower in ((), (LOWER, "--keep-caps", DOCKER, "--")):
            place = tempfile.mkdtemp(prefix="warder-full-", dir="/run")
            self.addCleanup(shutil.rmtree, place, ignore_errors=True)
            s = Supervisor(prefix=("unshare", "-m", "--propagation", "private", "sh", "-c", self.FULL, "sh", *lower), dir=place)
            self.addCleanup(s.stop)
            r = s.run("print('hello')")
            self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"hello\n"), r)
            r = s.run(write)
            if "tmp_quota" in r["layers"]:
                self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"100000\n"), r)
            else:
                self.assertEqual(r["outcome"], "exited", r)
                self.assertIn(b"No space left on device", r["stderr"])
            for n in range(3):
                self.assertEqual(s.run(f"print({n})")["stdout"], b"%d\n" % n)


class FewDescriptors(unittest.TestCase):
    def test_the_supervisors(self):
        """At 64 a zygote cannot keep its control socket out of jobs' reach: refused, with the reason, and never stuck."""
        s = Supervisor(prefix=("prlimit", "--nofile=64:64", "--"))
        self.addCleanup(s.stop)
        for _ in range(3):
            r = s.run("print('hello')")
            self.assertIn(r["outcome"], ("exited", "error"), r)
            if r["outcome"] == "error":
                self.assertIn("RLIMIT_NOFILE", r["error"])
        idle = [s.client() for _ in range(100)]
        for c in idle:
            c.close()
        eventually(lambda: s.is_ready(), 5)
        self.assertTrue(s.alive())

    def test_the_soft_limit_is_raised(self):
        s = Supervisor(prefix=("prlimit", "--nofile=64:4096", "--"))
        self.addCleanup(s.stop)
        with s.client() as c:
            ids = [c.start(f"print({n})") for n in range(60)]
            self.assertEqual([c.wait(i)["stdout"] for i in ids], [b"%d\n" % n for n in range(60)])

    def test_a_jobs(self):
        s = Supervisor()
        self.addCleanup(s.stop)
        code = "import json, tempfile, threading, decimal, os\nwith tempfile.TemporaryFile() as f: f.write(b'x')\nprint(os.listdir('/tmp'))\n1/0"
        for n in (16, 5):
            r = s.run(code, limits={"open_files": n})
            self.assertEqual((r["outcome"], r["exit_code"], r["stdout"]), ("exited", 1, b"['main.py']\n"), r)
        r = s.run("print('hello')", limits={"open_files": 1})
        self.assertIn(r["outcome"], ("exited", "error"), r)


if __name__ == "__main__":
    unittest.main()
