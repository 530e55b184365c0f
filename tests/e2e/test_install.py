"""make install, a relocated run as a service, make uninstall; man pages beside what --help says."""
import glob
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import test_dependencies
import test_http
from support import BUILD, DEADLINE, LONG, PYTHON, ROOT, Client

PACKAGING = os.path.join(ROOT, "integration", "packaging")
# what systemd does for a service with a socket: it becomes descriptor 3 of a process that is told its own number
HAND_OVER = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid() + int(sys.argv[2])), LISTEN_FDS=sys.argv[3])
os.execv(sys.argv[4], sys.argv[4:])"""
CODE = {"hello.py": "import sys; print('python', sys.version_info[0])\n", "hello.js": "console.log('node', 6 * 7)\n"}


def make(target, place):
    done = subprocess.run(["make", "-s", target, f"prefix={place}", f"sysconfdir={place}/etc", f"BUILD={BUILD}"], cwd=ROOT, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)


def files(place):
    return sorted(os.path.relpath(os.path.join(d, f), place) for d, _, names in os.walk(place) for f in names)


class Place(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix="warder-install-")
        os.chmod(cls.place, 0o755)
        make("install", cls.place)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place)


class Service(Place):
    """The installed programs, run from where they are. The tests are one life of a service, in this order."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix="warder-service-")
        os.chmod(cls.folder, 0o755)
        cls.path = os.path.join(cls.folder, "warder.sock")
        cls.gate = socket.socket(socket.AF_UNIX)
        cls.gate.bind(cls.path)
        cls.gate.listen(16)
        cls.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        cls.manager.bind(os.path.join(cls.folder, "notify"))
        cls.manager.settimeout(DEADLINE)
        cls.log = open(os.path.join(os.environ.get("WARDER_TEST_LOGS") or cls.folder, "warderd.log"), "w+b")
        for name, code in CODE.items():
            with open(os.path.join(cls.folder, name), "w") as f:
                f.write(code)

    @classmethod
    def tearDownClass(cls):
        for s in (cls.gate, cls.manager, cls.log):
            s.close()
        shutil.rmtree(cls.folder)
        super().tearDownClass()

    def start(self, gate, n="1", pid_off=0, extra=()):
        env = {k: v for k, v in os.environ.items() if not k.startswith("WARDER_")}
        env["NOTIFY_SOCKET"] = os.path.join(self.folder, "notify")
        config = os.path.join(self.place, "etc", "warder", "warder.yaml")
        command = [os.path.join(self.place, "bin", "warderd"), "--config", config, "--workers", "2", *extra]
        return subprocess.Popen([sys.executable, "-c", HAND_OVER, str(gate.fileno()), str(pid_off), n, *command], pass_fds=[gate.fileno()],
                                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=env)

    def end(self, proc):
        proc.send_signal(signal.SIGTERM)
        return proc.wait(DEADLINE)

    def told(self):
        return self.manager.recv(4096).decode().splitlines()

    def run_file(self, name):
        done = subprocess.run([os.path.join(self.place, "bin", "warder"), "run", "--socket", self.path, os.path.join(self.folder, name)], cwd="/",
                              capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_a_life(self):
        early = Client(self.path)  # before anybody serves: such clients are what starts a service
        asked = early.start("print('waited')")
        proc = self.start(self.gate)
        try:
            self.assertIn("READY=1", self.told())
            self.assertEqual(early.wait(asked)["stdout"], b"waited\n")
            self.assertEqual(self.run_file("hello.py"), "python 3\n")
            if os.path.exists(os.path.join(BUILD, "tracee", "_warder.node")):
                self.assertEqual(self.run_file("hello.js"), "node 42\n")
            proc.send_signal(signal.SIGHUP)
            reloading = self.told()
            self.assertEqual(reloading[0], "RELOADING=1")
            self.assertRegex(reloading[1], r"^MONOTONIC_USEC=\d+$")
            self.assertEqual(self.told(), ["READY=1", "STATUS=serving"])
        finally:
            early.close()
            status = self.end(proc)
        self.assertEqual(status, 0)
        self.assertIn("STOPPING=1", self.told())
        # the socket is the manager's: it stays, and who comes now is served by the next one
        late = Client(self.path)
        asked = late.start("print('next')")
        proc = self.start(self.gate)
        try:
            self.assertIn("READY=1", self.told())
            self.assertEqual(late.wait(asked)["stdout"], b"next\n")
        finally:
            late.close()
            self.assertEqual(self.end(proc), 0)
        self.assertIn("STOPPING=1", self.told())

    def test_sockets_that_cannot_be_served(self):
        tcp = socket.create_server(("127.0.0.1", 0))
        idle = socket.socket(socket.AF_UNIX)
        for gate, n, words in ((tcp, "1", b"no Unix stream socket"), (idle, "1", b"does not listen"), (self.gate, "2", b"one socket to serve")):
            at = self.log.seek(0, os.SEEK_END)
            self.assertEqual(self.start(gate, n).wait(DEADLINE), 1)
            self.log.seek(at)
            self.assertIn(words, self.log.read())
            gate is self.gate or gate.close()

    def test_a_socket_for_another_process(self):
        own = os.path.join(self.folder, "own.sock")
        proc = self.start(self.gate, "1", 1, ["--socket", own])
        try:
            self.assertIn("READY=1", self.told())
            with Client(own) as c:
                self.assertEqual(c.run("print(1)")["stdout"], b"1\n")
        finally:
            self.assertEqual(self.end(proc), 0)
        self.assertIn("STOPPING=1", self.told())
        self.assertFalse(os.path.exists(own))
        self.assertFalse(select.select([self.manager], [], [], 0)[0])


class Files(Place):
    def test_what_is_installed_and_removed(self):
        there = files(self.place)
        for name in ("bin/warderd", "bin/warder", "bin/warder-http", "bin/trace-job", "bin/policy-debug", "bin/warder-dependencies",
                     "share/warder/policies/base.yaml", "share/warder/python-requirements.txt", "etc/warder/warder.yaml",
                     "lib/systemd/system/warder.socket", "lib/sysusers.d/warder.conf", "share/man/man8/warderd.8"):
            self.assertIn(name, there)
        self.assertEqual(os.stat(os.path.join(self.place, "etc/warder/warder-http.env")).st_mode & 0o777, 0o600)
        for name in there:
            with open(os.path.join(self.place, name), "rb") as f:
                self.assertNotRegex(f.read() if name.endswith((".service", ".socket")) else b"", rb"@\w+@", name)
        changed = os.path.join(self.place, "etc/warder/warder.yaml")
        with open(changed, "a") as f:
            f.write("drain_ms: 1000\n")
        make("install", self.place)  # again: what was changed stays
        with open(changed) as f:
            self.assertIn("drain_ms: 1000\n", f.read())
        make("uninstall", self.place)
        self.assertEqual(files(self.place), ["etc/warder/warder.yaml"])

    def test_tools_find_their_parts(self):
        make("install", self.place)
        folder = tempfile.mkdtemp(prefix="warder-install-")
        self.addCleanup(shutil.rmtree, folder)
        hello = os.path.join(folder, "hello.py")
        with open(hello, "w") as f:
            f.write(CODE["hello.py"])
        env = {k: v for k, v in os.environ.items() if not k.startswith("WARDER_")}
        for tool, words in (("trace-job", "write("), ("policy-debug", "python 3")):
            done = subprocess.run([PYTHON, os.path.join(self.place, "bin", tool), hello], cwd="/", env=env,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE)
            self.assertIn(words, done.stdout + done.stderr)
            self.assertEqual(done.returncode, 0, done.stderr)
        done = subprocess.run([os.path.join(self.place, "bin", "warder"), "policy", "show", "python3"], cwd="/", env=env, capture_output=True, text=True)
        self.assertIn("language python3", done.stdout)

    def test_units(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("missing systemd-analyze")
        make("install", self.place)
        units = glob.glob(os.path.join(self.place, "lib/systemd/system/*"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
        told = [line for line in (done.stdout + done.stderr).splitlines() if "warder" in line]
        self.assertEqual(told, [])

    def test_hardening_leaves_it_what_it_needs(self):
        with open(os.path.join(PACKAGING, "systemd", "warder.service")) as f:
            on = dict(line.split("=", 1) for line in f.read().splitlines() if re.match(r"[A-Z]\w+=", line))
        # no openat2, no code from V8, no namespaces, no cgroups of jobs, an answer before the supervisor's
        for option in ("RestrictSUIDSGID", "MemoryDenyWriteExecute", "RestrictNamespaces", "ProtectControlGroups", "SystemCallFilter", "PrivateUsers"):
            self.assertNotIn(option, on)
        with open(os.path.join(ROOT, "supervisor", "guard.c")) as f:
            kept = set(re.findall(r"CAP_[A-Z_]+", re.search(r"worker_caps\[\] = \{(.*?)\n\};", f.read(), re.S)[1]))
        self.assertEqual(set(on["CapabilityBoundingSet"].split()), kept | {"CAP_SETPCAP"})


# Before what runs: the root read-only, one folder and /tmp to write to, no capability left, a uid that nobody has.
LIKE_A_CONTAINER = ["unshare", "--mount", "sh", "-c", """mount --bind "$0" "$0" && mount --bind /tmp /tmp && mount -o remount,bind,ro / || exit
touch /usr/warder-was-here 2>/dev/null && exit 9
exec setpriv --reuid 10001 --regid 10001 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs -- "$@" """]


@unittest.skipUnless(LONG, "missing --long")
class ReadOnlyRoot(Place):
    """As the compose file and Kubernetes run it; packages are installed into the one volume."""

    def setUp(self):
        if subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode:
            self.skipTest("missing python3-pip")
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
            self.skipTest("capability: mount namespaces need CAP_SYS_ADMIN")
        self.folder = test_dependencies.Folder()
        self.addCleanup(self.folder.remove)
        os.chown(self.folder.path, 10001, 10001)

    def test_packages_are_installed(self):
        wheel = test_dependencies.wheel(self.folder.path, "1.0")
        test_dependencies.write(os.path.join(self.folder.path, "python-requirements.txt"), wheel + "\n")
        gateway = test_http.Gateway(command=[*LIKE_A_CONTAINER, self.folder.path, os.path.join(self.place, "bin", "warder-http")],
                                    WARDER_DEPENDENCIES=self.folder.path, PIP_NO_INDEX="1", MAX_WORKERS="1")
        self.addCleanup(gateway.stop)
        self.assertEqual(gateway.uid, 10001)
        status, _, body = gateway.ask("POST", "/v1/sandbox/dependencies/update", b'{"language": "python3"}', {"Content-Type": "application/json"})
        self.assertEqual((status, body), (200, b'{"code":0,"message":"success","data":{}}'), gateway.log())
        self.assertEqual(gateway.run("import os, thing\nprint(os.getuid(), thing.VERSION)")["stdout"], "10001 1.0\n")


class Pages(unittest.TestCase):
    # page: commands whose options it tells
    PAGES = {
        "warder.1": [["{}/warder", c] for c in ("run", "doctor", "ps", "kill", "status", "policy")],
        "warderd.8": [["{}/warderd"]],
        "warder-http.8": [["{}/warder-http"]],
        "trace-job.1": [["tools/trace-job"]],
        "policy-debug.1": [["tools/policy-debug"]],
        "warder-dependencies.1": [["tools/warder-dependencies"]],
    }

    def text(self, page):
        with open(os.path.join(PACKAGING, "man", page)) as f:
            return f.read()

    def test_every_option_is_told(self):
        for page, commands in self.PAGES.items():
            said = set(re.findall(r"(?<!\w)Fl -([a-z][a-z-]*)", self.text(page)))
            real = set()
            for command in commands:
                words = [w.format(BUILD) for w in command]
                done = subprocess.run([*words, "--help"], cwd=ROOT, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"})
                real |= set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", done.stdout))
            self.assertTrue(real, page)
            self.assertEqual(said - {"help", "version"}, real - {"help", "version"}, page)

    def test_every_key_is_told(self):
        with open(os.path.join(ROOT, "supervisor", "config.c")) as f:
            keys = set(re.findall(r'^\t\{"(\w+)", take_\w+\},$', f.read(), re.M))
        self.assertGreater(len(keys), 10)
        self.assertEqual(keys - set(re.findall(r"^\.It (?:Cm|Ic) (\w+)", self.text("warder.yaml.5"), re.M)), set())

    def test_pages_are_well_formed(self):
        if not shutil.which("mandoc"):
            self.skipTest("missing mandoc")
        pages = sorted(glob.glob(os.path.join(PACKAGING, "man", "*.[158]")))
        self.assertEqual(len(pages), 7)
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "style", *pages], capture_output=True, text=True)
        told = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
        self.assertEqual(told, [])


class Containers(unittest.TestCase):
    """The files that no container runs here: what they may not ask for, and that their variables are known."""

    @classmethod
    def setUpClass(cls):
        try:
            import yaml
        except ImportError:
            raise unittest.SkipTest("missing python3-yaml") from None
        cls.load = staticmethod(lambda *path: list(yaml.safe_load_all(open(os.path.join(PACKAGING, *path)))))
        with open(os.path.join(ROOT, "integration", "http", "knobs.c")) as f:
            cls.knobs = set(re.findall(r'^\t\{"([A-Z0-9_]+)", \w+,', f.read(), re.M))

    def test_compose(self):
        for name in ("compose.yaml", "compose.dify.yaml"):
            for service, told in self.load("docker", name)[0]["services"].items():
                self.assertEqual(set(told) & {"privileged", "cap_add", "devices", "pid", "ipc", "network_mode", "ports"}, set(), service)
            self.assertEqual([v.split(":")[0] for t in self.load("docker", name)[0]["services"].values() for v in t.get("volumes", [])
                              if "/" in v.split(":")[0]], [])  # nothing of the host
        sandbox = self.load("docker", "compose.dify.yaml")[0]["services"]["sandbox"]
        self.assertEqual(set(sandbox["environment"]) - self.knobs, set())
        self.assertEqual(sandbox["security_opt"], ["no-new-privileges:true"])
        self.assertEqual(sandbox["networks"], ["ssrf_proxy_network"])
        self.assertTrue(self.load("docker", "compose.yaml")[0]["networks"]["ssrf_proxy_network"]["internal"])

    def test_image_answers_difys_own_health_check(self):
        with open(os.path.join(PACKAGING, "docker", "Dockerfile")) as f:
            self.assertIn("curl", re.findall(r"apt-get install ([^&]+)&&", f.read())[-1].split())

    def test_pods_are_restricted(self):
        pods = [d["spec"]["template"]["spec"] for f in ("sandbox.yaml", "proxy.yaml") for d in self.load("kubernetes", f) if d["kind"] == "Deployment"]
        self.assertEqual(len(pods), 2)
        for pod in pods:
            self.assertFalse(set(pod) & {"hostNetwork", "hostPID", "hostIPC"})
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertFalse(pod["automountServiceAccountToken"])
            self.assertTrue(all(set(v) <= {"name", "emptyDir"} for v in pod["volumes"]))
            for container in pod["containers"]:
                self.assertEqual(container["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                                "capabilities": {"drop": ["ALL"]}})
                self.assertEqual({e["name"] for e in container.get("env", [])} - self.knobs, set())

    def test_nobody_leaves_but_through_the_proxy(self):
        policies = {p["metadata"]["name"]: p["spec"] for p in self.load("kubernetes", "network.yaml")}
        self.assertEqual(policies["nothing"], {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
        places = [place for rule in policies["sandbox"]["egress"] for place in rule["to"]]
        self.assertFalse([p for p in places if "ipBlock" in p])
        listed = self.load("kubernetes", "kustomization.yaml")[0]["resources"]
        self.assertEqual(sorted(listed), sorted(f for f in os.listdir(os.path.join(PACKAGING, "kubernetes")) if f != "kustomization.yaml"))


if __name__ == "__main__":
    unittest.main()
