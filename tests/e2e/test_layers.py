"""Layers that are required or optional, and those whose work shows only when another one is gone."""
import json
import os
import platform
import signal
import subprocess
import tempfile
import unittest

import support
from support import Case, Supervisor, eventually, is_gone

FAILCALL = os.path.join(support.BUILD, "tests", "failcall")
NO_LANDLOCK = (FAILCALL, "landlock_create_ruleset", "EOPNOTSUPP", "--")
NO_DEATH_SIGNAL = (FAILCALL, "prctl:0=1", "0", "--")  # PR_SET_PDEATHSIG only seems to succeed
NUMBERS = """
import ctypes, errno, json, os, signal, threading
heard = []
signal.signal(signal.SIGUSR1, lambda *a: heard.append(1))
os.kill(os.getpid(), signal.SIGUSR1)
libc = ctypes.CDLL(None, use_errno=True)
said = {}
def look():
    said["tid"] = threading.get_native_id()
    said["thread_self"] = os.readlink("/proc/thread-self")
    said["thread_stat"] = open(f"/proc/self/task/{said['tid']}/stat").read().split()[0]
    said["tasks"] = os.listdir("/proc/self/task")
    libc.syscall(%d, said["tid"], int(signal.SIGUSR1))
t = threading.Thread(target=look)
t.start(); t.join()
refused = []
for who in (1, os.getpid() + 1, os.getpid() - 1, 4000000):
    try:
        os.kill(who, 0)
        refused.append("sent")
    except OSError as e:
        refused.append(errno.errorcode[e.errno])
said.update(getpid=os.getpid(), getpgid=os.getpgid(os.getpid()), getsid=os.getsid(os.getpid()), self=os.readlink("/proc/self"),
            status=dict(l.split(":\\t") for l in open("/proc/self/status").read().splitlines() if ":\\t" in l),
            stat=open(f"/proc/{os.getpid()}/stat").read().split(), signals=len(heard), refused=refused)
print(json.dumps(said))
""" % {"x86_64": 200, "aarch64": 130}[platform.machine()]  # tkill
SLEEP = "import time\nprint('on', flush=True)\ntime.sleep(60)\n"

OWN_USERS = () if support.IS_ROOT else ("--user", "--map-current-user", "--mount-proc")
IN_NAMESPACES = subprocess.run(["unshare", *OWN_USERS, "--pid", "--fork", "--mount", "--net", "true"], capture_output=True).returncode == 0


def parent(pid):
    with open(f"/proc/{pid}/stat", errors="replace") as f:
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

    def test_each_layer_can_be_required(self):
        """A name that is not there is the first that is missed; one that is there is no hindrance."""
        done = subprocess.run([support.WARDERD, "--doctor", "--json"], capture_output=True)
        for layer in json.loads(done.stdout)["layers"]:
            with self.subTest(layer["name"]):
                args = self.config(f"require: [{layer['name']}]\n")
                told = json.loads(subprocess.run([support.WARDERD, *args, "--doctor", "--json"], capture_output=True).stdout)
                self.assertTrue({x["name"]: x["required"] for x in told["layers"]}[layer["name"]])
                self.assertEqual(bool(layer["why"]), not layer["on"])
                for key in ("remedy", "means"):
                    self.assertEqual(bool(layer[key]), not layer["on"], key)
                self.assertRegex(layer["since"], r"^\d+\.\d+$")
                if not layer["on"]:
                    self.assertDoesNotStart(layer["name"], *args)

    def test_doctor_explains_what_is_missing(self):
        """What each layer's own call said, the kernel it takes, what its absence means, and how to get it."""
        for call, error, layer in (("landlock_create_ruleset", "EOPNOTSUPP", "landlock"), ("fsopen", "EPERM", "tmp_quota"), ("open_tree", "ENOSYS", "readonly_grants"),
                                   ("clone:0=0x20000000&0x20000000", "EPERM", "namespaces"), ("pivot_root", "EPERM", "empty_root"),
                                   ("setresuid", "EPERM", "identity"), ("seccomp:0=1", "EINVAL", "seccomp")):
            with self.subTest(layer):
                doctor = (FAILCALL, call, error, "--", support.WARDERD, "--doctor")
                told = {x["name"]: x for x in json.loads(subprocess.run([*doctor, "--json"], capture_output=True).stdout)["layers"]}[layer]
                if layer == "identity" and os.geteuid():
                    error = "EPERM"  # said without trying
                if layer == "empty_root" and not IN_NAMESPACES:
                    error = "EOPNOTSUPP"  # it needs that layer
                self.assertFalse(told["on"])
                self.assertIn(f"({error})", told["why"])
                text = subprocess.run(doctor, capture_output=True, text=True).stdout
                for line in (f"why: {told['why']}", f"it means: {told['means']}", f"needs: Linux {told['since']}; {told['remedy']}"):
                    self.assertIn(line, text)

    def test_doctor_where_little_is_to_be_had(self):
        """No process to try things in; no place for what jobs write."""
        mkdir = "mkdir" if os.uname().machine == "x86_64" else "mkdirat"
        for calls, layer, why in ((["clone"], "rlimits", "fork: no process to try it in: "),
                                  (["fsopen", mkdir], "tmp_quota", "in $TMPDIR, /tmp, /dev/shm, /var/tmp no directory")):
            with self.subTest(layer):
                prefix = [word for call in calls for word in (FAILCALL, call, "EAGAIN", "--")]
                done = subprocess.run([*prefix, support.WARDERD, "--doctor", "--json"], capture_output=True)
                told = {x["name"]: x["why"] for x in json.loads(done.stdout)["layers"]}[layer]
                self.assertIn(why, told)
                self.assertIn("(EAGAIN)", told)

    def test_namespaces_are_required_and_refused(self):
        self.assertDoesNotStart("namespaces", *self.config("require: [namespaces]\n"),
                                prefix=(FAILCALL, "clone:0=0x20000000&0x20000000", "EPERM", "--"))

    def test_empty_root_is_required_and_refused(self):
        self.assertDoesNotStart("empty_root", *self.config("require: [empty_root]\n"), prefix=(FAILCALL, "pivot_root", "EPERM", "--"))

    def test_optional(self):
        s = Supervisor(*self.config("optional: [landlock]\n"), prefix=NO_LANDLOCK)
        self.addCleanup(s.stop)
        r = s.run("print(1)")
        self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"1\n"), r)
        self.assertFalse([x for x in r["layers"] if x.startswith("landlock")], r["layers"])
        self.assertIn("seccomp", r["layers"])


class Namespaces(Case):
    """What a job's process is in, as the host's /proc tells it."""
    supervisor_args = ("--workers", "1")
    KINDS = ("pid", "net", "mnt", "ipc", "uts", "cgroup")

    def setUp(self):
        if not IN_NAMESPACES:
            self.skipTest("capability: namespaces are refused here")

    def running(self, code):
        c = self.supervisor.client()
        self.addCleanup(c.close)
        i = c.start(code, stream=True)
        c.wait_output(b"on\n")
        return c, i, c.rpc("jobs")[0]["tracee_pid"]

    def test_made_once_per_zygote(self):
        c, i, job = self.running(SLEEP)
        zygote = parent(job)
        where = {p: {k: os.readlink(f"/proc/{p}/ns/{k}") for k in self.KINDS} for p in (job, zygote, "self")}
        self.assertEqual(where[job], where[zygote])
        for kind in self.KINDS:
            self.assertNotEqual(where[job][kind], where["self"][kind], kind)
        c.rpc("cancel", job=c.rpc("jobs")[0]["job"])
        c.wait(i)

    def test_nothing_is_there(self):
        c, i, job = self.running(SLEEP)
        for pid in (job, parent(job)):
            self.assertEqual(os.listdir(f"/proc/{pid}/root"), [])
            self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
            with open(f"/proc/{pid}/mountinfo") as f:
                mounts = f.read().splitlines()
            self.assertEqual([(m.split()[4], m.split()[5].split(",")[0], m.split(" - ")[1].split()[0]) for m in mounts], [("/", "ro", "tmpfs")])
            with open(f"/proc/{pid}/net/dev") as f:  # a loopback that is down is all
                self.assertEqual([line.split(":")[0].strip() for line in f.read().splitlines()[2:]], ["lo"])
            with open(f"/proc/{pid}/net/route") as f:
                self.assertLessEqual(len(f.read().splitlines()), 1)  # its title
        with open(f"/proc/{job}/fd/0", "rb") as f:
            self.assertEqual(f.read(), b"")
        self.assertEqual([x for x in os.listdir(f"/proc/{job}/fd") if int(x) > 2], [])
        c.rpc("cancel", job=c.rpc("jobs")[0]["job"])
        c.wait(i)

    def test_numbers_are_its_own(self):
        """A job is never the first process; its numbers are the same wherever it looks, and reach itself alone."""
        said = json.loads(self.run_ok(NUMBERS))
        own = said["getpid"]
        self.assertGreater(own, 1)
        self.assertEqual(said["self"], str(own))
        self.assertEqual((said["status"]["Pid"], said["status"]["Tgid"], said["status"]["PPid"]), (str(own), str(own), "1"))
        self.assertEqual((said["stat"][0], said["stat"][3]), (str(own), "1"))
        self.assertEqual((said["getpgid"], said["getsid"]), (own, own))
        self.assertEqual(said["signals"], 2)
        self.assertEqual(said["thread_self"], f"{own}/task/{said['tid']}")
        self.assertEqual(said["thread_stat"], str(said["tid"]))
        self.assertEqual(sorted(said["tasks"]), sorted([str(own), str(said["tid"])]))
        self.assertEqual(said["refused"], ["EPERM"] * 4)

    def test_where_they_are_refused(self):
        prefix = (FAILCALL, "clone:0=0x20000000&0x20000000", "EPERM", "--")
        s = Supervisor("--workers", "1", prefix=prefix)
        self.addCleanup(s.stop)
        r = s.run("import os\nprint(os.getpid() == int(os.readlink('/proc/self')))")
        self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"True\n"), r)
        self.assertFalse({"namespaces", "empty_root"} & set(r["layers"]), r["layers"])
        done = subprocess.run([*prefix, support.WARDERD, "--doctor", "--json"], capture_output=True, check=True)
        told = {x["name"]: x for x in json.loads(done.stdout)["layers"]}
        for name in ("namespaces", "empty_root"):
            self.assertFalse(told[name]["on"])
        self.assertIn("EPERM", told["namespaces"]["why"])
        self.assertIn("user namespaces", told["namespaces"]["remedy"])


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
            eventually(lambda: is_gone(pid))

    def test_a_killed_supervisor_takes_a_stuck_zygote_along(self):
        """One that would never notice by itself that nobody orders births any more."""
        s, _, _, job = self.start()
        zygote = parent(job)
        os.kill(zygote, signal.SIGSTOP)
        self.addCleanup(lambda: is_gone(zygote) or os.kill(zygote, 9))
        s.proc.kill()
        s.proc.wait()
        for pid in (job, zygote):
            eventually(lambda: is_gone(pid))

    def test_a_killed_zygote_takes_jobs_along(self):
        s, c, i, job = self.start()
        zygote = parent(job)
        tracees = eventually(lambda: len(children(zygote)) > 1 and children(zygote))
        self.assertIn(job, tracees)
        os.kill(zygote, 9)
        r = c.wait(i)
        self.assertEqual((r["outcome"], r["error"], r["stdout"]), ("error", "its zygote died", b"on\n"), r)
        for pid in tracees:
            eventually(lambda: is_gone(pid))

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

    def run_job(self, code, **fields):
        """A second of CPU time may be long in coming on a busy machine."""
        with self.supervisor.client(timeout=90) as c:
            return c.run(code, limits={"wall_ms": 60000}, **fields)

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
        r = self.run_job("print('on', flush=True)\nwhile True: pass", policy="short")
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
