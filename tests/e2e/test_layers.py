"""Layers that are required or optional, and those whose work shows only when another one is gone."""
import os
import signal
import subprocess
import tempfile
import unittest

import support
from support import Case, Supervisor, eventually

FAILCALL = os.path.join(support.BUILD, "tests", "failcall")
NO_LANDLOCK = (FAILCALL, "landlock_create_ruleset", "EOPNOTSUPP", "--")
NO_DEATH_SIGNAL = (FAILCALL, "prctl:0=1", "0", "--")  # PR_SET_PDEATHSIG only seems to succeed
SLEEP = "import time\nprint('on', flush=True)\ntime.sleep(60)\n"


def parent(pid):
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rsplit(")", 1)[1].split()[1])


def children(pid):
    found = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            if parent(p) == pid:
                found.append(int(p))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


class RequiredLayers(unittest.TestCase):
    """What the configuration's `require` and `optional` mean for the start, and for the jobs."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="warder-layers-")
        self.addCleanup(self.folder.cleanup)

    def config(self, text):
        path = os.path.join(self.folder.name, "config.yaml")
        with open(path, "w") as f:
            f.write(text)
        return "--config", path

    def assertDoesNotStart(self, layer, *args, prefix=()):
        """It ends by itself, before it listens, and names the layer."""
        path = os.path.join(self.folder.name, "sock")
        done = subprocess.run([*prefix, support.WARDERD, "--socket", path, *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=support.DEADLINE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, rf"{layer}: this required layer is missing")
        self.assertFalse(os.path.exists(path), "it left a socket")

    def test_a_required_layer_is_missing(self):
        self.assertDoesNotStart("landlock", prefix=NO_LANDLOCK)

    def test_require(self):
        self.assertDoesNotStart("cgroup", *self.config("require: [cgroup]\n"))

    def test_optional(self):
        s = Supervisor(*self.config("optional: [landlock]\n"), prefix=NO_LANDLOCK)
        self.addCleanup(s.stop)
        r = s.run("print(1)")
        self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"1\n"), r)
        self.assertFalse([x for x in r["layers"] if x.startswith("landlock")], r["layers"])
        self.assertIn("seccomp", r["layers"])


class Dying(unittest.TestCase):
    """Who dies first takes with it all that it answers for. Two things see to that; here each is alone."""

    def start(self, **kw):
        s = Supervisor(**kw)
        self.addCleanup(s.stop)
        c = s.client()
        self.addCleanup(c.close)
        i = c.start(SLEEP, stream=True)
        c.wait_output(b"on\n")
        job = c.rpc("jobs")[0]["tracee_pid"]
        return s, c, i, job

    def test_a_killed_supervisor_takes_jobs_along_without_death_signals(self):
        s, _, _, job = self.start(prefix=NO_DEATH_SIGNAL)
        zygote = parent(job)
        tracees = eventually(lambda: len(children(zygote)) > 1 and children(zygote))  # one waits for the next job
        s.proc.kill()
        s.proc.wait()
        for pid in (*tracees, zygote):
            eventually(lambda: gone(pid))

    def test_a_killed_supervisor_takes_a_stuck_zygote_along(self):
        """One that would never notice by itself that nobody orders births any more."""
        s, _, _, job = self.start()
        zygote = parent(job)
        os.kill(zygote, signal.SIGSTOP)
        self.addCleanup(lambda: gone(zygote) or os.kill(zygote, 9))
        s.proc.kill()
        s.proc.wait()
        for pid in (job, zygote):
            eventually(lambda: gone(pid))

    def test_a_killed_zygote_takes_jobs_along(self):
        s, c, i, job = self.start()
        zygote = parent(job)
        tracees = eventually(lambda: len(children(zygote)) > 1 and children(zygote))
        self.assertIn(job, tracees)
        os.kill(zygote, 9)
        r = c.wait(i)
        self.assertEqual((r["outcome"], r["error"], r["stdout"]), ("error", "its zygote died", b"on\n"), r)
        for pid in tracees:
            eventually(lambda: gone(pid))

        # one that served well is replaced at once: a job that comes meanwhile waits for it
        self.assertEqual(s.run("print('again')")["stdout"], b"again\n")


class CpuTime(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="warder-layers-")
        cls.addClassCleanup(cls.folder.cleanup)
        with open(os.path.join(cls.folder.name, "short.yaml"), "w") as f:
            f.write("name: short\nextends: python3\nlimits: {cpu_ms: 1000}\n")
        cls.supervisor_args = ("--policy-dir", cls.folder.name, "--policy-dir", support.POLICIES)
        super().setUpClass()

    def test_a_job_cannot_claim_it(self):
        r = self.run_job("import ctypes, os, struct\n"
                         "info = ctypes.create_string_buffer(struct.pack('iii', 24, 0, 0x80) + bytes(116))\n"
                         "ctypes.CDLL(None).syscall(129, os.getpid(), 24, info)", policy="short")
        self.assertEqual((r["outcome"], [v["syscall"] for v in r["violations"]]), ("exited", ["rt_sigqueueinfo"]), r)
        for number in (9, 24):
            r = self.run_job(f"import os, time\nwhile time.process_time() < 0.85: pass\nos.kill(os.getpid(), {number})", policy="short")
            self.assertEqual((r["outcome"], r["signal"], r["limit"]), ("signaled", number, None), r)
        r = self.run_job("import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))", policy="short")
        self.assertEqual((r["exit_code"], [v["syscall"] for v in r["violations"]]), (1, ["prlimit64"]), r)

    def test_loop(self):
        r = self.run_job("print('on', flush=True)\nwhile True: pass", policy="short", limits={"wall_ms": 20000})
        self.assertEqual((r["outcome"], r["limit"], r["signal"], r["stdout"]), ("limit", "cpu_time", None, b"on\n"), r)
        self.assertTrue(900 <= r["usage"]["cpu_ms"] < 5000, r["usage"])

    def test_signals_that_look_like_it(self):
        """A job that sends itself what the limit would send has reached no limit."""
        for sig in ("SIGXCPU", "SIGKILL"):
            with self.subTest(sig):
                r = self.run_job(f"import os, signal; os.kill(os.getpid(), signal.{sig})", policy="short")
                self.assertEqual((r["outcome"], r["limit"]), ("signaled", None), r)


class Umask(unittest.TestCase):
    """What the supervisor makes for jobs does not depend on the umask that it was started with."""

    def test_directories_above_grants(self):
        s = Supervisor(prefix=("sh", "-c", 'umask 077; exec "$@"', "sh"))
        self.addCleanup(s.stop)
        r = s.run("import os; print(sorted(os.listdir('/usr')), os.stat('/usr').st_mode & 0o777 == 0o755)")
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 0), r)


if __name__ == "__main__":
    unittest.main()
