"""trace-job --learn: the program passes under what was learned from it, and nothing else does."""
import os
import re
import socketserver
import subprocess
import tempfile
import threading

import support

TOOL = os.path.join(support.ROOT, "tools", "trace-job")
WARDER = os.path.join(support.BUILD, "warder")

FILES = """import json, sys, time
names = [f"{sys.argv[1]}/in/{i}.json" for i in range(8)]
total = sum(json.load(open(n))["n"] for n in names)
with open(f"{sys.argv[1]}/out/{time.time_ns()}", "w") as f:
    f.write(str(total))
print(total)
"""
JSON = "import json, sys\nprint(json.dumps(json.loads(sys.stdin.read()), sort_keys=True))"
THREADS = """import threading, queue
q = queue.Queue()
threads = [threading.Thread(target=lambda i=i: q.put(i * i)) for i in range(6)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(q.get() for _ in threads))
"""
SOCKET = """import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.sendall(b"hello\\n")
print(s.makefile().readline().strip())
"""
SQLITE = """import sqlite3
c = sqlite3.connect("/tmp/a.db")
c.execute("create table t (n)")
c.executemany("insert into t values (?)", [(i,) for i in range(9)])
c.commit()
print(c.execute("select sum(n) from t").fetchone())
"""
ASYNCIO = """import asyncio
async def one(n):
    await asyncio.sleep(0.01)
    return n
async def main():
    return sum(await asyncio.gather(*(one(n) for n in range(5))))
print(asyncio.run(main()))
"""
PROBES = """import os, subprocess
try: subprocess.run(["ls"])
except OSError as e: print(e.errno)
print(os.path.exists("/no/such/place"), os.path.exists("/usr"), os.path.exists("/usr/share"), os.access("/etc/mime.types", os.R_OK))
with open("/etc/localtime", "rb") as f: print(f.read(4))
import socket
with socket.socket(socket.AF_UNIX) as s: print(s.connect_ex("/var/run/nscd/socket"))
"""
NODE = """const fs = require('fs');
fs.mkdirSync('/tmp/d');
fs.writeFileSync('/tmp/d/a', 'one');
setTimeout(() => console.log(fs.readFileSync('/tmp/d/a', 'utf8'), fs.readdirSync('/usr/share/zoneinfo/Etc').length > 3), 5);
"""


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())


class Serving(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def calls_of(policy):
    shown = subprocess.run([WARDER, "policy", "show", policy], capture_output=True, text=True, check=True).stdout
    return {line.partition("  # ")[0] for line in shown.splitlines() if line.startswith("call ")}


class Learn(support.Case):
    supervisor_args = ("--workers", "1")

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="warder-learn-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        os.chmod(cls.folder, 0o755)
        for name in ("data", "data/in", "data/out", "data/else"):
            os.mkdir(cls.at(name))
        os.chmod(cls.at("data/out"), 0o777)
        for where in ("in", "else", "out"):
            for i in range(8):  # in out: of others, there to be read
                with open(cls.at(f"data/{where}/{i}.json"), "w") as f:
                    f.write('{"n": %d}' % i)
        server = Serving(("127.0.0.1", 0), Echo)
        cls.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        super().setUpClass()

    @classmethod
    def at(cls, name):
        return os.path.join(cls.folder, name)

    def learn(self, name, source, *options, args=(), stdin=b"", suffix=".py", to=None):
        """Gives the policy's file and text, its calls having been seen, in the order of what the tool said."""
        program, policy, calls = self.at(name + suffix), to or self.at(name + ".yaml"), self.at(name + ".calls")
        with open(program, "w") as f:
            f.write(source)
        with open(self.at("stdin"), "wb") as f:
            f.write(stdin)
        done = subprocess.run([TOOL, "--socket", self.supervisor.path, "--learn", policy, "--json", "-o", calls, "--stdin", self.at("stdin"), *options,
                               program, "--", *args], capture_output=True, text=True, timeout=120, env={**os.environ, "WARDER_BUILD": support.BUILD})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ends as before", done.stderr)
        self.assertNotIn("not learned", done.stderr)
        check = subprocess.run([WARDER, "policy", "check", policy], capture_output=True, text=True)
        self.assertEqual(check.returncode, 0, check.stdout)
        with open(policy) as f:
            text = f.read()
        groups = re.findall(r"(?m)^  (\w+):\n    (\w+)", text)
        self.assertTrue(all(key == "why" for _, key in groups), text)
        return text, policy, calls, done.stderr

    def passes(self, text, source, violations=(), **job):
        r = self.run_job(source, policy_text=text, **job)
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 0), (r, text))
        self.assertEqual([(v["syscall"], v["verdict"]) for v in r["violations"]], list(violations), text)
        return r["stdout"].decode()

    def only_what_was_used(self, policy, calls, said):
        with open(calls) as f:
            used = set(re.findall(r'"syscall": "(\w+)"', f.read())) | set(re.findall("only a later run used: (\\w+)", said))
        learned = {line.split()[1] for line in calls_of(policy) - calls_of("minimal")}
        self.assertLessEqual(learned, used | ({"getsockopt"} if "setsockopt" in used else set()))  # an option is listed for both

    def stopped(self, text, source, verdict, call=None, **job):
        """Something more than what was learned."""
        r = self.run_job(source, policy_text=text, **job)
        self.assertTrue(r["violations"], (r, text))
        self.assertTrue(any(v["verdict"] == verdict and call in (None, v["syscall"]) for v in r["violations"]), r["violations"])
        self.assertEqual(r["outcome"], "violation" if verdict == "killed" else "exited", r)

    def test_files(self):
        data = self.at("data")
        text, policy, calls, said = self.learn("files", FILES, "--allow-read", data, "--allow-write", data + "/out", args=[data])
        self.assertEqual(self.passes(text, FILES, args=[data]), "28\n")
        self.only_what_was_used(policy, calls, said)
        self.assertIn(f'path: "{data}/in", rights: [read]', text)          # many files: their directory, without a list of it
        self.assertIn(f'path: "{data}/out", rights: [write, create]', text)
        r = self.run_job(FILES + f"open({data!r} + '/else/1.json')", policy_text=text, args=[data])
        self.assertIn(b"FileNotFoundError", r["stderr"])  # not told where it lies below the host's /tmp: so might a name of the job's own
        for beyond, verdict in ((f"open({data!r} + '/in/1.json', 'a')", "refused"),
                                (f"open({data!r} + '/out/0.json')", "refused"), ("import os; os.mkdir('/tmp/x')", "killed"),
                                ("open('/etc/mime.types')", "hidden")):
            self.stopped(text, FILES + beyond, verdict, args=[data])

    def test_no_files(self):
        text, policy, calls, said = self.learn("json", JSON, stdin=b'{"b": 1, "a": 2}')
        self.assertEqual(self.passes(text, JSON, stdin=b'{"b": 1, "a": 2}'), '{"a": 2, "b": 1}\n')
        self.only_what_was_used(policy, calls, said)
        self.assertNotIn("\nfiles:", text)
        self.stopped(text, "import threading; threading.Thread(target=print).start()", "killed")
        self.stopped(text, "import socket; socket.socket()", "killed", "socket")
        self.stopped(text, "import os; os.getcwd()", "killed", "getcwd")

    def test_threads(self):
        text, policy, calls, said = self.learn("threads", THREADS)
        self.assertEqual(self.passes(text, THREADS), "[0, 1, 4, 9, 16, 25]\n")
        self.only_what_was_used(policy, calls, said)
        self.stopped(text, "import os; os.fork()", "refused", "clone")  # a thread it may make, a process not

    def test_sockets(self):
        text, policy, calls, said = self.learn("socket", SOCKET, "--allow-connect", "127.0.0.0/8", args=[str(self.port)])
        self.assertEqual(self.passes(text, SOCKET, args=[str(self.port)]), "hello\n")
        self.only_what_was_used(policy, calls, said)
        self.assertIn(f'connect: "127.0.0.1:{self.port}"', text)
        self.assertIn("- IPPROTO_TCP/TCP_NODELAY", text)
        other = SOCKET.replace("127.0.0.1", "127.0.0.2")
        self.stopped(text, other, "refused", "connect", args=[str(self.port)])
        self.stopped(text, SOCKET.replace("AF_INET", "AF_INET6") + "socket.socket(socket.AF_INET6)", "refused", "socket", args=[str(self.port)])
        self.stopped(text, SOCKET + "s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)", "refused", "setsockopt", args=[str(self.port)])

    def test_sqlite(self):
        text, policy, calls, said = self.learn("sqlite", SQLITE)
        self.assertEqual(self.passes(text, SQLITE), "(36,)\n")
        self.only_what_was_used(policy, calls, said)
        self.assertIn("{interpreter: true", text)
        self.assertRegex(text, r"call: fcntl, arg: 1, in: \[F_SETLK\]")
        self.assertNotIn("pread64", text)  # of minimal
        self.stopped(text, SQLITE + "import ctypes", "hidden", "openat")  # another library

    def test_asyncio_and_another_base(self):
        text, policy, calls, said = self.learn("asyncio", ASYNCIO)
        self.assertEqual(self.passes(text, ASYNCIO), "10\n")
        self.only_what_was_used(policy, calls, said)
        text = self.learn("asyncio", ASYNCIO, "--base", "base")[0]
        self.assertEqual(self.passes(text, ASYNCIO), "10\n")
        self.assertNotIn("syscalls:", text)

    def test_what_is_refused_stays_refused(self):
        text, policy, calls, said = self.learn("probes", PROBES)
        self.assertEqual(self.passes(text, PROBES, [("vfork", "refused"), ("clone", "refused")]), "1\nFalse True True True\nb'TZif'\n13\n")
        self.only_what_was_used(policy, calls, said)
        self.assertIn("stays refused: vfork, probes.py:2", said)
        self.assertNotIn("nscd", said)  # quiet before, and quiet under what was learned
        self.stopped(text, "open('/usr/share/zoneinfo/Europe/Berlin')", "refused")  # its directory was looked at

    def test_node(self):
        text, policy, calls, said = self.learn("node", NODE, suffix=".js")
        self.assertEqual(self.passes(text, NODE, language="nodejs"), "one true\n")
        self.only_what_was_used(policy, calls, said)
        self.stopped(text, NODE + "fs.readFileSync('/etc/mime.types')", "hidden", language="nodejs")
        self.stopped(text, NODE + "fs.symlinkSync('a', '/tmp/b')", "killed", "symlink", language="nodejs")

    def test_what_node_does_when_it_likes(self):
        """A newborn that a job waits for does not rehearse: its loop is new in the job. One that has computed for a while and collects garbage begins
        threads, if its policy has threads. No program can know, so no run under what was learned from another may end by it."""
        timers = "setTimeout(() => Promise.resolve().then(() => console.log('late')), 2)"
        computes = ("const until = Date.now() + 300; let a = []; while (Date.now() < until) a = Array.from({ length: 1e4 }, "
                    "(_, i) => ({ i, s: 's' + i })); console.log(a.length); setTimeout(() => {}, 2)")
        threads = ("\nsyscalls:\n  threads:\n    why: x\n    broker_if:\n      - {call: clone, arg: 0, mask: [CLONE_VM, CLONE_THREAD], "
                   "only: [CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD, CLONE_SYSVSEM, CLONE_SETTLS, CLONE_PARENT_SETTID, "
                   "CLONE_CHILD_CLEARTID]}")
        for i, more in enumerate(("", threads)):
            text = f"name: own{i}\nextends: minimal\nlanguage: nodejs{more}\n"
            for _ in range(3):  # the first, at least, was not born ahead
                self.assertEqual(self.passes(text, timers, language="nodejs"), "late\n")
            self.assertEqual(self.passes(text, computes, language="nodejs"), "10000\n")

    def test_a_call_of_a_later_run_alone(self):
        program = "import os, sys, time\nif os.listdir(sys.argv[1]): os.getppid()\nopen(f'{sys.argv[1]}/{time.time_ns()}', 'w').close()"
        folder = self.at("twice")
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        text, policy, calls, said = self.learn("later", program, "--allow-write", folder, args=[folder])
        self.assertIn("only a later run used: getppid", said)
        self.only_what_was_used(policy, calls, said)
        self.passes(text, program, args=[folder])

    def test_names_of_hosts(self):
        """What libc sorts addresses with is no socket that the policy learned from grants, so none is learned."""
        lookup = "require('dns').lookup('localhost', (e) => console.log(e))"
        text, _, _, said = self.learn("lookup", lookup, suffix=".js")
        self.assertNotIn("dgram", text)
        self.passes(text, lookup, language="nodejs")

    def test_merge(self):
        policy = self.at("both.yaml")
        self.learn("one", SQLITE, to=policy)
        data, two = self.at("data"), FILES + "import os\nos.rename('/tmp/main.py', '/tmp/m.py')\n"
        text = self.learn("two", two, "--merge", "--allow-read", data, "--allow-write", data + "/out", args=[data], to=policy)[0]
        self.assertEqual(self.passes(text, SQLITE), "(36,)\n")
        self.assertEqual(self.passes(text, two, args=[data]), "28\n")
        self.assertRegex(text, r"why: .*one.py:\d.*; used at two.py:\d")
        again = self.learn("two", two, "--merge", "--allow-read", data, "--allow-write", data + "/out", args=[data], to=policy)[0]
        self.assertEqual(again, text)
        self.stopped(text, f"open({data!r} + '/in/1.json', 'a')", "refused")

    def test_names_that_look_like_yaml(self):
        """They are names and nothing else, also when the policy is read again. What is told escaped (a newline, bytes that are no UTF-8) cannot
        be learned, and is no line of the policy."""
        odd = self.at("data/odd")
        good = ['q"uote', "co: lon", " #hash", "back\\slash", "{brace}", "\U0001f600"]
        for i, name in enumerate(good):
            os.makedirs(f"{odd}/{i}")
            with open(f"{odd}/{i}/{name}", "w") as f:
                f.write("x")
        program = "import os, sys\nfor d, _, names in os.walk(sys.argv[1]):\n    for n in names: print(open(os.path.join(d, n)).read(), end='')"
        policy = self.at("odd.yaml")
        text = self.learn("odd", program, "--allow-read", odd, args=[odd], to=policy)[0]
        self.assertEqual(self.passes(text, program, args=[odd]), "x" * len(good))
        self.assertEqual(self.learn("odd", program, "--merge", "--allow-read", odd, args=[odd], to=policy)[0], text)
        os.mkdir(odd + "/bad")
        for name in ("a\n  - {path: x, rights: [write]}  # ", "\udcff", "\u2028", "\r"):
            with open(f"{odd}/bad/{name}", "w") as f:
                f.write("x")
        done = subprocess.run([TOOL, "--socket", self.supervisor.path, "--learn", self.at("bad.yaml"), "--json", "-o", os.devnull, "--allow-read", odd,
                               self.at("odd.py"), "--", odd + "/bad"], capture_output=True, text=True, timeout=120,
                              env={**os.environ, "WARDER_BUILD": support.BUILD})
        self.assertIn("not learned: ", done.stderr)
        with open(self.at("bad.yaml")) as f:
            lines = [line for line in f.read().splitlines() if "path: " in line]
        self.assertTrue(all(re.match(r"  - \{path: \"", line) and "write]" not in line.rpartition('"')[2] for line in lines), lines)

    def test_a_program_that_its_policy_kills(self):
        policy = self.at("tight.yaml")
        self.learn("tight", "print(1)", to=policy)
        program = "import os\nos.mkdir('/tmp/d')\nprint(os.getcwd())"
        text = self.learn("killed", program, "--policy", policy)[0]
        self.assertEqual(self.passes(text, program), "/tmp\n")
        self.stopped(text, program + "\nos.rmdir('/tmp/d')", "killed", "rmdir")

    def test_a_failure_is_told(self):
        text = "name: least\nextends: minimal\nlanguage: %s\n"
        r = self.run_job("def f():\n    raise ValueError(1)\nf()", policy_text=text % "python3")
        self.assertEqual((r["outcome"], r["exit_code"], r["violations"]), ("exited", 1, []))
        self.assertIn(b"    raise ValueError(1)\n", r["stderr"])
        r = self.run_job("function f() { throw new Error('x') }\nf()", policy_text=text % "nodejs", language="nodejs")
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 1), r)
        self.assertIn(b"throw new Error", r["stderr"])

    def test_minimal_answers_as_base(self):
        """What the two say of one call is the same, but for values that minimal does not have."""
        base = calls_of("base")
        for line in calls_of("minimal"):
            if not line.endswith(" kill") and not re.match("call (madvise|ioctl|fcntl|prlimit64) ", line):
                self.assertIn(line, base)


if __name__ == "__main__":
    support.unittest.main()
