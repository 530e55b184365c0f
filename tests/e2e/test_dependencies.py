"""Trees of packages: what jobs find, how a new version takes the place of the old one, and the command that installs and tries them."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

import node_jobs
import support
from support import Case, RpcError, Supervisor

TOOL = os.path.join(support.ROOT, "tools", "warder-dependencies")
ASK = "import thing\nprint(thing.VERSION)\n"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


INSTALLER = 4242
# as that user asks, and goes when the installation is under way
AS_USER = """import os, sys, time
import support
os.setgid(int(sys.argv[1])), os.setuid(int(sys.argv[1]))
client = support.Client(sys.argv[2])
msgid = client.send("dependencies.update", {"language": "python3"})
client.sock.settimeout(1)
try: client.wait(msgid)
except TimeoutError: print("sent")
except support.RpcError as e: print(e)
"""


class Folder:
    """A folder of trees, where jobs may look: not below a directory of root's alone."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="warder-dependencies-", dir="/var/tmp")
        os.chmod(self.path, 0o755)

    def version(self, number, language="python3"):
        path = os.path.join(self.path, language, ".versions", str(number))
        if language == "python3":
            write(f"{path}/thing/__init__.py", f"VERSION = {number}\n")
            write(f"{path}/thing/later.py", f"VERSION = {number}\n")
        else:
            write(f"{path}/node_modules/thing/package.json", '{"name": "thing", "version": "1.0.0"}')
            write(f"{path}/node_modules/thing/index.js", f"exports.VERSION = {number};\n")
        return path

    def point(self, name, version, language="python3"):
        beside = os.path.join(self.path, language, ".beside")
        os.symlink(version, beside)
        os.replace(beside, os.path.join(self.path, language, name))

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class FolderCase(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = Folder()
        cls.addClassCleanup(cls.folder.remove)
        cls.prepare()
        cls.supervisor = Supervisor("--workers", "1", env={**os.environ, "WARDER_DEPENDENCIES": cls.folder.path})

    @classmethod
    def prepare(cls):
        pass


class Trees(FolderCase):
    @classmethod
    def prepare(cls):
        cls.folder.point("default", cls.folder.version(1))
        cls.folder.point("other", cls.folder.version(7))
        cls.folder.point("default", cls.folder.version(1, "nodejs"), "nodejs")
        cls.folder.point("other", cls.folder.version(7, "nodejs"), "nodejs")
        write(os.path.join(cls.folder.path, "python3", "default", "colorsys.py"), "")
        loose = cls.folder.version(8)
        cls.folder.point("loose", loose)
        os.chmod(loose, 0o777)
        os.makedirs(os.path.join(cls.folder.path, "shared"))
        os.rename(cls.folder.version(10), os.path.join(cls.folder.path, "shared", "10"))
        os.chmod(os.path.join(cls.folder.path, "shared"), 0o777)
        cls.folder.point("below", "../shared/10")
        write(os.path.join(cls.folder.path, "python3", "venv", "lib", "python%d.%d" % sys.version_info[:2], "site-packages", "thing.py"), "VERSION = 9\n")

    def test_policy_names_it(self):
        self.assertEqual(self.run_ok(ASK), "1\n")

    def test_job_names_it(self):
        self.assertEqual(self.run_ok(ASK, dependencies="other"), "7\n")
        self.assertEqual(self.run_ok(ASK, dependencies="venv"), "9\n")
        self.assertEqual(self.run_ok(ASK, dependencies=""), "1\n")
        self.assertEqual(self.run_ok(ASK), "1\n")

    @unittest.skipIf(node_jobs.why_not(), node_jobs.why_not())
    def test_node(self):
        code = "console.log(require('thing').VERSION)"
        self.assertEqual(self.run_ok(code, language="nodejs"), "1\n")
        self.assertEqual(self.run_ok(code, language="nodejs", dependencies="other"), "7\n")
        self.assertEqual(self.run_ok("console.log(Object.keys(process.env), process.argv.length)", language="nodejs", env={"A": "1"}).split()[-1], "2")
        self.assertNotIn("NODE_PATH", self.run_ok("console.log(process.env)", language="nodejs"))

    def test_it_is_read_only_and_nothing_beside_it_is_seen(self):
        code = ("import thing, os, errno\nfolder = os.path.dirname(thing.__file__)\n"
                "for act in (lambda: open(thing.__file__, 'a'), lambda: open(folder + '/x', 'w'), lambda: os.unlink(thing.__file__),\n"
                "            lambda: os.listdir(folder + '/../../7'), lambda: os.chmod(folder, 0o777)):\n"
                "    try: act(); print('done')\n    except OSError as e: print(errno.errorcode[e.errno])\n")
        got = self.run_ok(code).split()
        self.assertEqual((len(got), "done" in got, got[3]), (5, False, "ENOENT"), got)

    def test_the_standard_library_comes_first(self):
        got = self.run_ok("import colorsys, os, sys\nprint(colorsys.__file__, 'WARDER_DEPENDENCIES' in os.environ, len(sys.argv))")
        self.assertEqual(got, f"{os.path.dirname(os.__file__)}/colorsys.py False 1\n")

    def test_command_line(self):
        done = support.warder("run", "--socket", self.supervisor.path, "--dependencies", "other", "-", stdin=ASK.encode())
        self.assertEqual(done.stdout, b"7\n", done.stderr)

    def test_refused(self):
        for name, told in (("nowhere", "dependencies: there is no tree nowhere for python3"), ("../x", "dependencies: must be of letters"),
                           (".versions", "dependencies: must be of letters")):
            with self.subTest(name), self.assertRaisesRegex(RpcError, "bad_request: " + told):
                self.run_job("1", dependencies=name)

    def test_one_that_others_may_change(self):
        for name in ("loose", "below"):
            with self.subTest(name):
                result = self.run_job(ASK, dependencies=name)
                self.assertEqual(result["outcome"], "error")
                self.assertIn("root or the supervisor's user alone may change", result["error"])


class Switch(FolderCase):
    def test_running_jobs_keep_what_they_began_with(self):
        self.assertIn("ModuleNotFoundError", self.run_job(ASK)["stderr"].decode())  # no tree yet: jobs run all the same
        self.folder.point("default", self.folder.version(1))
        support.eventually(lambda: self.run_job(ASK)["stdout"] == b"1\n")
        with self.supervisor.client() as client:
            gate = os.path.join(self.folder.path, "gate")
            os.mkdir(gate)
            code = (f"import os, thing, time\nprint('up', flush=True)\nwhile not os.listdir({gate!r}): time.sleep(.02)\n"
                    "import thing.later\nprint(thing.VERSION, thing.later.VERSION)\n")
            msgid = client.start(code, stream=True, grants={"read": [gate]})
            client.wait_output(b"up")
            self.folder.point("default", self.folder.version(2))
            support.eventually(lambda: self.run_job(ASK)["stdout"] == b"2\n")
            write(os.path.join(gate, "open"), "")
            self.assertEqual(client.wait(msgid)["stdout"], b"up\n1 1\n")
        self.assertIn("zygote_renewed policy=python3", self.supervisor.log().replace("event=", ""))


def wheel(folder, number, code="", name="thing"):
    path = os.path.join(folder, f"{name}-{number}-py3-none-any.whl")
    info = f"{name}-{number}.dist-info"
    with zipfile.ZipFile(path, "w") as z:
        z.writestr(f"{name}.py", f"VERSION = {number!r}\n{code}")
        z.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


class Command(unittest.TestCase):
    def setUp(self):
        if subprocess.run([support.PYTHON, "-m", "pip", "--version"], capture_output=True).returncode:
            self.skipTest("missing python3-pip")
        self.folder = Folder()
        self.addCleanup(self.folder.remove)
        self.requirements = os.path.join(self.folder.path, "requirements.txt")

    def command(self, *args):
        env = {**os.environ, "WARDER_DEPENDENCIES": self.folder.path, "WARDER_BUILD": support.BUILD, "PIP_NO_INDEX": "1"}
        done = subprocess.run([support.PYTHON, TOOL, *args], capture_output=True, env=env, timeout=120)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def update(self, *wheels, more=()):
        write(self.requirements, "\n".join(wheels) + "\n")
        return self.command("update", "--requirements", self.requirements, *more)

    def listed(self):
        return [(p["name"], p["version"]) for p in json.loads(self.command("list", "--json")[1])]

    def test_life_of_a_tree(self):
        self.assertEqual(self.command("list"), (0, "", ""))
        status, out, err = self.update(wheel(self.folder.path, "1.0", "try: open('/srv/conf')\nexcept OSError: pass\n"))
        self.assertEqual((status, out), (0, "thing 1.0\n"), err)
        self.assertIn("thing 1.0: import of thing: hidden: openat /srv/conf ENOENT", err)
        first = os.path.realpath(os.path.join(self.folder.path, "python3", "default"))

        # one that is killed, one that fails: told, and not switched on
        mount = "import ctypes\nctypes.CDLL(None).mount(b'n', b'/mnt', b't', 0, None)\n"
        status, out, err = self.update(wheel(self.folder.path, "2.0", mount), wheel(self.folder.path, "1.0", "1 / 0\n", "bad"))
        self.assertEqual((status, out), (1, ""), err)
        self.assertIn("thing 2.0: import of thing: killed: mount", err)
        self.assertIn("bad 1.0: import of bad: exited: ZeroDivisionError: division by zero", err)
        self.assertIn("not switched on: bad, thing cannot be imported under policy python3", err)
        self.assertEqual(self.listed(), [("thing", "1.0")])

        # what cannot be installed changes nothing
        self.assertEqual(self.update("/nowhere/x-1-py3-none-any.whl")[0], 1)
        self.assertEqual(os.path.realpath(os.path.join(self.folder.path, "python3", "default")), first)

        self.assertEqual(self.update(wheel(self.folder.path, "2.0", mount), more=["--accept"])[:2], (0, "thing 2.0\n"))
        self.assertTrue(os.path.exists(os.path.join(first, "thing.py")))  # jobs may still use it
        self.assertEqual(self.command("refresh", "--no-trial")[:2], (0, "thing 2.0\n"))
        left = [e for e in os.listdir(os.path.join(self.folder.path, "python3")) if not e.startswith(".")]
        self.assertEqual((left, len(os.listdir(os.path.join(self.folder.path, "python3", ".versions")))), (["default"], 3))

    def test_what_a_killed_one_left(self):
        base = os.path.join(self.folder.path, "python3")
        kept, half, made = (os.path.join(base, ".versions", n) for n in ("other-20250101T000000-1", "default-20250101T000000-2", "by-hand"))
        for path in (kept, half, made):
            write(os.path.join(path, "x.py"), "")
        os.symlink(kept, os.path.join(base, "other"))
        os.symlink(half, os.path.join(base, "trial-2"))
        os.symlink("nowhere", os.path.join(base, ".default.2"))
        self.assertEqual(self.update(wheel(self.folder.path, "1.0"), more=["--no-trial"])[0], 0)
        self.assertEqual([os.path.exists(p) for p in (kept, half, made)], [True, False, True])
        self.assertEqual(sorted(os.listdir(base)), [".lock", ".versions", "default", "other"])

    def test_what_others_may_change(self):
        base = os.path.join(self.folder.path, "python3")
        versions, lock, victim = (os.path.join(base, n) for n in (".versions", ".lock", "victim"))
        os.makedirs(versions)
        write(victim, "kept")
        rows = {"the folder": (lambda: os.chmod(base, 0o777), lambda: os.chmod(base, 0o755), "others than root and you may change it"),
                "its versions": (lambda: os.chmod(versions, 0o775), lambda: os.chmod(versions, 0o755), "others than root and you may change it"),
                "above it": (lambda: os.chmod(self.folder.path, 0o777), lambda: os.chmod(self.folder.path, 0o755), "others than root and you may change it"),
                "a link in place of the lock": (lambda: os.symlink(victim, lock), lambda: os.unlink(lock), "Too many levels of symbolic links"),
                "a link in place of the versions": (lambda: (os.rmdir(versions), os.symlink("/var/tmp", versions)),
                                                    lambda: (os.unlink(versions), os.mkdir(versions)), "is a link")}
        if support.IS_ROOT:
            rows["somebody's"] = (lambda: os.chown(base, 4242, 0), lambda: os.chown(base, 0, 0), "others than root and you may change it")
        for name, (change, back, told) in rows.items():
            with self.subTest(name):
                change()
                status, _, err = self.update(wheel(self.folder.path, "1.0"), more=["--no-trial"])
                self.assertEqual((status, told in err), (1, True), err)
                back()
        with open(victim) as f:
            self.assertEqual(f.read(), "kept")

    def test_nothing_to_refresh(self):
        status, _, err = self.command("refresh")
        self.assertEqual((status, err.count("\n"), os.listdir(self.folder.path)), (3, 1, []), err)
        self.assertIn("there is nothing to refresh", err)


class Socket(unittest.TestCase):
    """The same over the socket: the supervisor installs."""

    def setUp(self):
        if subprocess.run([support.PYTHON, "-m", "pip", "--version"], capture_output=True).returncode:
            self.skipTest("missing python3-pip")
        self.folder = Folder()
        self.addCleanup(self.folder.remove)
        config = os.path.join(self.folder.path, "warder.yaml")
        write(config, f"installers: [{INSTALLER}]\nsocket: {{mode: \"0666\"}}\n" if support.IS_ROOT else "log: {level: info}\n")
        self.supervisor = Supervisor("--workers", "1", "--config", config,
                                     env={**os.environ, "WARDER_DEPENDENCIES": self.folder.path, "WARDER_BUILD": support.BUILD, "PIP_NO_INDEX": "1"})
        self.addCleanup(self.supervisor.stop)

    def ask(self, method, language="python3"):
        with self.supervisor.client(timeout=120) as client:
            return client.rpc(method, language=language)

    def test_life_of_a_tree(self):
        requirements = os.path.join(self.folder.path, "python-requirements.txt")
        sys.path.insert(0, os.path.join(support.ROOT, "integration", "python"))
        import warder
        with warder.Client(self.supervisor.path) as client:
            self.assertEqual((client.dependencies(), client.dependencies("nodejs"), client.update_dependencies(refresh=True)), ([], [], []))
            write(requirements, "/nowhere/x-1-py3-none-any.whl\n")
            with self.assertRaisesRegex(warder.Failed, "nothing was changed"):
                client.update_dependencies()
        mount = "import ctypes\nctypes.CDLL(None).mount(b'n', b'/mnt', b't', 0, None)\n"
        write(requirements, wheel(self.folder.path, "1.0", mount) + "\n")
        with self.assertRaisesRegex(RpcError, "failed: .*thing 1.0: import of thing: killed: mount.*not switched on: thing cannot be imported"):
            self.ask("dependencies.update")
        write(requirements, wheel(self.folder.path, "2.0") + "\n")
        want = [{"name": "thing", "version": "2.0"}]
        self.assertEqual((self.ask("dependencies.update"), self.ask("dependencies")), (want, want))
        support.eventually(lambda: self.supervisor.run(ASK)["stdout"] == b"2.0\n")
        self.users_and_hang_up(requirements)

    def users_and_hang_up(self, requirements):
        """Whom the configuration names may ask, and whoever hangs up ends what he asked for; so does the supervisor's end."""
        os.unlink(requirements)
        os.mkfifo(requirements)  # pip waits for a writer
        versions = os.path.join(self.folder.path, "python3", ".versions")
        before = sorted(os.listdir(versions))
        for uid in (INSTALLER, INSTALLER + 1) if support.IS_ROOT else ():
            done = subprocess.run([support.PYTHON, "-c", AS_USER, str(uid), self.supervisor.path], capture_output=True, text=True, timeout=120,
                                  cwd=os.path.dirname(os.path.abspath(__file__)))
            self.assertRegex(done.stdout, "sent" if uid == INSTALLER else "not_permitted: dependencies.update is for operators and installers",
                             done.stderr)
            support.eventually(lambda: sorted(os.listdir(versions)) == before)
        with self.supervisor.client() as client:
            msgid = client.send("dependencies.update", {"language": "python3"})
            support.eventually(lambda: len(os.listdir(versions)) > len(before))
            self.supervisor.proc.terminate()
            with self.assertRaisesRegex(RpcError, "shutting_down"):
                client.wait(msgid)
        self.assertEqual(self.supervisor.stop(), 0)
        support.eventually(lambda: sorted(os.listdir(versions)) == before)


if __name__ == "__main__":
    unittest.main()
