"""Grants that a job brings: what is allowed, what is refused and how that is told, which identity writes."""
import os
import shutil
import stat
import tempfile
import unittest

import support
from support import warder


def write(path, text, mode=0o644):
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


class Host(unittest.TestCase):
    """A directory of the host's outside /tmp, which jobs have of their own."""

    @classmethod
    def setUpClass(cls):
        cls.host = tempfile.mkdtemp(prefix="warder-grants-", dir="/var/tmp")
        os.chmod(cls.host, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.host)
        for name in ("in", "out", "out/sub", "closed", "policies"):
            os.mkdir(cls.path(name))
            os.chmod(cls.path(name), 0o777 if name.startswith("out") else 0o755)
        write(cls.path("in/file"), "hello\n")
        write(cls.path("in/private"), "for root alone\n", 0o600)
        write(cls.path("closed/file"), "no\n")
        os.symlink("../closed", cls.path("in/leads-out"))
        os.symlink("file", cls.path("in/leads-on"))

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.host, *names)


READ = """
import os, sys
for name in sys.argv[1:]:
    try:
        print(open(name).read() if not os.path.isdir(name) else sorted(os.listdir(name)), end=" ")
    except OSError as e:
        print(e.strerror, end=" ")
"""


class Wire(Host):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in os.listdir(support.POLICIES):
            if name.endswith(".yaml"):
                shutil.copy(os.path.join(support.POLICIES, name), cls.path("policies"))
        with open(cls.path("policies/bounded.yaml"), "w") as f:
            f.write("name: bounded\nextends: python3\nlanguage: python3\n"
                    f"files: [{{path: {cls.path('in')}, rights: [read]}}]\n"
                    f"callers_may: {{read: [{cls.path('in')}], write: [{cls.path('out')}]}}\n")
        with open(cls.path("warder.yaml"), "w") as f:
            f.write("operators: [65533]\n")  # so that whoever runs the tests is none
        cls.operators = support.Supervisor("--policy-dir", cls.path("policies"))
        cls.addClassCleanup(cls.operators.stop)
        cls.others = support.Supervisor("--policy-dir", cls.path("policies"), "--config", cls.path("warder.yaml"))
        cls.addClassCleanup(cls.others.stop)

    def ok(self, supervisor, code, **fields):
        r = supervisor.run(code, **fields)
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 0), r)
        return r["stdout"].decode()

    def refused(self, supervisor, grants, policy="bounded"):
        with self.assertRaises(support.RpcError) as e:
            supervisor.run("1", policy=policy, grants=grants)
        return str(e.exception)

    def test_read(self):
        names = [self.path("in"), self.path("in/file"), self.path("in/leads-on"), self.path("in/leads-out/file"), self.path("closed"),
                 self.path()]
        self.assertEqual(self.ok(self.operators, READ, args=names, grants={"read": [self.path("in")]}),
                         "['file', 'leads-on', 'leads-out', 'private'] hello\n hello\n No such file or directory "
                         "No such file or directory ['in'] ")

    def test_a_policy_and_a_job_add_up(self):
        """The policy lets it be read, the job wants it listed."""
        self.assertEqual(self.ok(self.others, READ, policy="bounded", args=[self.path("in"), self.path("in/file")]),
                         "Permission denied hello\n ")
        self.assertEqual(self.ok(self.others, "import os; print(len(os.listdir(" + repr(self.path("in")) + ")))", policy="bounded",
                                 grants={"read": [self.path("in")]}), "4\n")

    def test_write(self):
        code = f"""
import os, shutil
os.chdir({self.path('out')!r})
open("made", "w").write("made")
os.mkdir("dir"); os.rename("made", "dir/moved"); shutil.copytree("dir", "copy")
os.chmod("dir/moved", 0o640); os.utime("dir/moved", (1, 1)); os.truncate("copy/moved", 1)
print(os.getuid())
"""
        uid = int(self.ok(self.others, code, policy="bounded", grants={"write": [self.path("out")]}))
        st = os.stat(self.path("out/dir/moved"))
        self.assertEqual((st.st_uid, stat.S_IMODE(st.st_mode), st.st_mtime, st.st_size), (uid, 0o640, 1, 4))
        self.assertEqual(os.stat(self.path("out/copy/moved")).st_size, 1)
        for name in ("dir", "copy"):
            shutil.rmtree(self.path("out", name))

    @unittest.skipUnless(support.IS_ROOT, "capability: jobs of another uid need root")
    def test_modes_of_the_host_hold(self):
        code = READ + f"""
try: open({self.path('in/file')!r}, "a")
except OSError as e: print(e.strerror)
"""
        grants = {"read": [self.path("in")], "write": [self.path("in")]}
        self.assertEqual(self.ok(self.operators, code, args=[self.path("in/private")], grants=grants),
                         "Permission denied Permission denied\n")

    @unittest.skipUnless(support.IS_ROOT, "capability: jobs of another uid need root")
    def test_a_mode_that_refuses_explains_itself(self):
        """It is neither the policy nor a grant; in its own /tmp a job closes its files itself, and who asks by access(2) gets an answer."""
        base = self.path("modes")
        os.makedirs(base + "/shut")
        for name in ("private", "shut/file"):
            with open(f"{base}/{name}", "w") as f:
                f.write("x")
        os.chmod(base + "/private", 0o600)
        os.chmod(base + "/shut", 0o700)
        code = """import os, sys
from contextlib import suppress
base = sys.argv[1]
with suppress(PermissionError): open(base + '/private'); print('opened')
with suppress(PermissionError): os.listdir(base + '/shut'); print('listed')
with suppress(PermissionError): os.stat(base + '/shut/file'); print('seen')
with suppress(PermissionError): os.stat('shut/file', dir_fd=os.open(base, os.O_PATH)); print('seen')
with suppress(PermissionError): os.chdir(base); open('private', 'a'); print('opened')
os.access(base + '/private', os.R_OK); os.access(base + '/shut/file', os.R_OK)
open('/tmp/own', 'w').close(); os.chmod('/tmp/own', 0)
with suppress(PermissionError): open('/tmp/own'); print('opened')
"""
        result = self.operators.run(code, args=[base], grants={"read": [base], "write": [base]})
        self.assertEqual((result["stdout"], result["stderr"]), (b"", b""))
        told = [(v["syscall"], v["path"], v["line"], v["verdict"], v["errno"], v["rule"]) for v in result["violations"]]
        self.assertEqual(told, [(call, os.path.join(base, path), line, "refused", "EACCES", "mode of the file") for call, path, line in (
            ("openat", "private", 4), ("openat", "shut", 5), ("newfstatat", "shut/file", 6), ("newfstatat", "shut/file", 7),
            ("openat", "private", 8))])
        for v in result["violations"]:
            self.assertTrue(v["hint"].startswith("nothing in a policy or grant can allow it: "), v["hint"])

    def test_outside_callers_may(self):
        closed, leads = self.path("closed"), self.path("in/leads-out")
        self.assertEqual(self.refused(self.others, {"read": [self.path("in"), closed]}),
                         f"not_permitted: grants.read[1]: {closed} is outside callers_may of policy bounded")
        self.assertEqual(self.refused(self.others, {"write": [self.path("in")]}),
                         f"not_permitted: grants.write[0]: {self.path('in')} is outside callers_may of policy bounded")
        self.assertEqual(self.refused(self.others, {"read": [leads]}),
                         f"not_permitted: grants.read[0]: {leads} leads to {closed}, outside callers_may of policy bounded")
        self.assertEqual(self.refused(self.others, {"read": [self.path("in")]}, "python3"),
                         f"not_permitted: grants.read[0]: {self.path('in')} is outside callers_may of policy python3")
        self.assertEqual(self.ok(self.operators, READ, args=[leads + "/file"], grants={"read": [leads]}), "no\n ")

    def test_the_floor_holds_for_operators(self):
        for path, why in [("/", "everything at once"), ("/proc", "the supervisor's processes"), ("/proc/1", "processes"), ("/sys", "machine"),
                          ("/tmp", "private"), ("/dev/shm", "private"), ("/.warder/job", "the supervisor's own")]:
            told = self.refused(self.operators, {"read": [path]})
            self.assertTrue(told.startswith(f"not_permitted: grants.read[0]: {path} cannot be granted: ") and why in told, told)

    def test_bad_requests(self):
        for grants, want in [
                ({"read": ["foo"]}, "grants.read[0]: must be an absolute path, is foo"),
                ({"read": [self.path("none")]}, f"grants.read[0]: {self.path('none')}: No such file or directory"),
                ({"read": ["/x"] * 1025}, "grants.read: must have at most 1024 entries, has 1025"),
                ({"run": ["/x"]}, "unknown field grants.run")]:
            self.assertEqual(self.refused(self.operators, grants, "python3"), "bad_request: " + want)

    def test_refused_jobs_leave_the_pool_as_it_was(self):
        with self.operators.client() as c:
            ids = [c.start("print(1)", grants={"read": [self.path("none" if i % 2 else "in")]}) for i in range(60)]
            told = []
            for i in ids:
                try:
                    told.append(c.wait(i)["stdout"])
                except support.RpcError as e:
                    told.append(e.code)
        self.assertEqual(told, [b"1\n", "bad_request"] * 30)

    def test_many_grants(self):
        folder = tempfile.mkdtemp(dir=self.host)
        os.chmod(folder, 0o755)
        names = [os.path.join(folder, f"g{i}") for i in range(1024)]
        for name in names:
            write(name, name[-3:])
        code = "import os, sys\nfolder = sys.argv[1]\nnames = os.listdir(folder)\n" \
               "print(len(names), len({open(folder + '/' + n).read() for n in names}) > 900)\n"
        self.assertEqual(self.ok(self.operators, code, args=[folder], grants={"read": names}), "1024 True\n")

    def test_layer(self):
        r = self.operators.run("1")
        if "readonly_grants" not in r["layers"]:
            self.skipTest("capability: detached clones need CAP_SYS_ADMIN")
        # a library is mapped for execution through the clone
        self.assertIn("libz", self.ok(self.operators, "import zlib, ctypes.util, ctypes; print(ctypes.CDLL('libz.so.1'))"))

    def test_jobs_never_see_each_others_files(self):
        """What one job made in its /tmp, or was granted, is nothing that the next can find."""
        jobs, width = (10000, 16) if support.LONG else (300, 8)
        names = []
        for i in range(8):
            os.makedirs(self.path("shared", str(i)), exist_ok=True)
            write(self.path("shared", str(i), "mine"), str(i))
            names.append(self.path("shared", str(i)))
        code = """
import os, sys
number, mine, others = sys.argv[1], sys.argv[2], sys.argv[3:]
assert os.listdir("/tmp") == ["main.py"], os.listdir("/tmp")
open("/tmp/" + number, "w").write(number)
os.mkdir("/tmp/d" + number)
assert sorted(os.listdir("/tmp")) == sorted([number, "d" + number, "main.py"]), os.listdir("/tmp")
assert open(mine + "/mine").read() == os.path.basename(mine)
assert os.listdir(os.path.dirname(mine)) == [os.path.basename(mine)]
assert not [o for o in others if os.path.exists(o)]
print(number)
"""
        with self.operators.client(timeout=600) as c:
            pending = []
            for i in range(jobs):
                mine = names[i % 8]
                pending.append((i, c.start(code, args=[str(i), mine, *(n for n in names if n != mine)], grants={"read": [mine]})))
                if len(pending) == width or i == jobs - 1:
                    for number, msgid in pending:
                        r = c.wait(msgid)
                        self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"%d\n" % number), r)
                    pending = []


class CommandLine(Host):
    def run_code(self, code, *options, cwd=None):
        path = self.path("main.py")
        write(path, code)
        return warder("run", *options, path)

    def test_options(self):
        code = f"print(open({self.path('in/file')!r}).read(), end='')\nopen({self.path('out/told')!r}, 'w').write('x')\n"
        done = self.run_code(code, "--allow-read", self.path("in/file"), "--allow-write", self.path("out"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"hello\n", b""))
        os.unlink(self.path("out/told"))

    def test_paths_as_a_shell_has_them(self):
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.path("out"))
        code = f"print(open({self.path('in/file')!r}).read(), end='')"
        for name in ("../in/file", "../in/", "./../in//.", "../in/../in/file"):
            done = self.run_code(code, "--allow-read", name)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"hello\n", b""), name)

    def test_refusals(self):
        done = self.run_code("1", "--allow-read", "/nowhere/at/all")
        self.assertEqual((done.returncode, done.stderr),
                         (125, b"warder: bad_request: grants.read[0]: /nowhere/at/all: No such file or directory\n"))
        for kind in ("read", "write"):  # a variable that is not set does not grant the place where we are
            done = self.run_code("1", f"--allow-{kind}", "")
            self.assertEqual((done.returncode, done.stderr), (125, f"warder: job: grants.{kind}[0]: must not be empty\n".encode()))
        done = self.run_code(f"open({self.path('in/file')!r}, 'w')", "--allow-read", self.path("in"))
        self.assertIn(b"[grants.read[0]]", done.stderr)


if __name__ == "__main__":
    unittest.main()
