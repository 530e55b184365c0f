"""The Python client package: every method and exception against a real supervisor, from threads, asyncio and the command line."""
import ast
import asyncio
import glob
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import node_jobs
import support
from support import Case, Supervisor

PACKAGE = os.path.join(support.ROOT, "integration", "python")
sys.path.insert(0, PACKAGE)
import warder  # noqa: E402

MOUNT = "import ctypes\nctypes.CDLL(None).mount(b'n', b'/mnt', b't', 0, None)\n"
FOREVER = "print('up', flush=True)\nimport time\ntime.sleep(60)\n"


class PackageCase(Case):
    supervisor_args = ("--workers", "1")

    def setUp(self):
        self.client = warder.Client(self.supervisor.path, timeout=support.DEADLINE)
        self.addCleanup(self.client.close)

    def no_jobs(self):
        support.eventually(lambda: not self.client.jobs())


class Jobs(PackageCase):
    def test_result(self):
        r = self.client.run("import sys\nprint('ü')\nprint('e', file=sys.stderr)\nsys.exit(3)\n", job="mine")
        self.assertEqual((r.job, r.outcome, r.exit_code, r.signal, r.limit, r.error), ("mine", "exited", 3, None, None, None))
        self.assertEqual((r.stdout, r.stderr, r.text, r.ok), ("ü\n".encode(), b"e\n", "ü\n", False))
        self.assertEqual((r.files, r.files_dropped, r.violations, r.stdout_truncated), ({}, [], [], False))
        self.assertEqual((r.usage.stdout_bytes, r.usage.stderr_bytes), (3, 2))
        self.assertGreater(r.usage.wall_ms, 0)
        self.assertIn("seccomp", r.layers)

    def test_every_key_of_the_wire_has_a_field(self):
        wire = self.client.call("run", language="python3", code="open('/nowhere')")
        self.assertEqual(sorted(wire), sorted(warder.Result.__dataclass_fields__))
        self.assertEqual(sorted(wire["usage"]), sorted(warder.Usage.__dataclass_fields__))
        self.assertEqual(sorted(wire["violations"][0]), sorted(warder.Violation.__dataclass_fields__))

    def test_fields(self):
        code = "import os, sys\nprint(sys.argv, os.environ['K'], sys.stdin.read(), open('in/x').read())\n1/0\n"
        r = self.client.run(code.encode(), "python3", filename="node.py", args=("a", "ü"), env={"K": "v"}, stdin="text",
                            files={"in/x": b"file"}, policy="python3", tenant="t", limits=warder.Limits(wall_ms=5000))
        self.assertEqual(r.text, "['/tmp/node.py', 'a', 'ü'] v text file\n")
        self.assertIn(b'File "/tmp/node.py", line 3', r.stderr)

    def test_files_come_back(self):
        code = "import os\nos.mkdir('out')\nopen('out/a.bin', 'wb').write(bytes(range(256)))\nopen('b', 'w').write('no')\n"
        r = self.client.run(code, collect=["out/*"], check=True)
        self.assertEqual(r.files, {"out/a.bin": bytes(range(256))})
        r = self.client.run("open(b'\\xff', 'w').write('x')", collect={"*"})
        self.assertEqual([(d.bytes, d.why) for d in r.files_dropped], [(1, "its name must be UTF-8")])

    def test_grants(self):
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # a job's /tmp is its own
            os.chmod(folder, 0o755)
            path = os.path.join(folder, "x")
            with open(path, "w") as f:
                f.write("granted")
            os.chmod(path, 0o644)
            code = f"print(open({path!r}).read())"
            self.assertEqual(self.client.run(code, grants={"read": [path]}).text, "granted\n")
            r = self.client.run(code)
            self.assertEqual((r.violations[-1].path, r.violations[-1].verdict, r.violations[-1].errno), (path, "hidden", "ENOENT"))

    @unittest.skipIf(node_jobs.why_not(), node_jobs.why_not())
    def test_node(self):
        self.assertEqual(self.client.run("console.log(6 * 7)", "nodejs").text, "42\n")

    def test_big(self):
        data = os.urandom(1 << 20) * 10
        code = "import hashlib\ndata = open('x', 'rb').read()\nprint(hashlib.sha256(data).hexdigest())\nprint('y' * (12 << 20))"
        r = self.client.run(code, files={"x": data})
        import hashlib
        self.assertEqual(r.text, hashlib.sha256(data).hexdigest() + "\n" + "y" * (12 << 20) + "\n")

    def test_packages(self):
        names = {p.name.lower() for p in self.client.packages()}
        self.assertIn("jinja2", names)
        with self.assertRaises(warder.BadRequest):
            self.client.packages(dependencies="nowhere")
        with self.assertRaises(warder.BadRequest):
            self.client.packages("ruby")
        if not node_jobs.why_not():
            self.assertIsInstance(self.client.packages("nodejs"), list)

    def test_other_methods(self):
        self.assertIn("python3", self.client.policies())
        self.assertEqual(self.client.status()["workers"], 1)
        self.assertEqual(self.client.jobs(), [])
        self.assertFalse(self.client.cancel("nobody"))


class Failures(PackageCase):
    def failed(self, kind, code, **fields):
        with self.assertRaises(kind) as caught:
            self.client.run(code, check=True, **fields)
        again = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((type(again), again.result, str(again)), (kind, caught.exception.result, str(caught.exception)))
        return caught.exception

    def test_exited(self):
        e = self.failed(warder.JobExited, "def f():\n    1 / 0\nf()\n")
        self.assertEqual((e.result.exit_code, e.violation), (1, None))
        self.assertIn("job exited with code 1", str(e))
        self.assertIn("ZeroDivisionError", str(e))

    def test_refused(self):
        e = self.failed(warder.JobExited, "open('/etc/shadow')")
        self.assertEqual((e.violation.verdict, e.violation.path, e.violation.errno), ("hidden", "/etc/shadow", "ENOENT"))
        self.assertIn("/etc/shadow", str(e))

    def test_signaled(self):
        self.assertEqual(self.failed(warder.JobSignaled, "import os\nos.kill(os.getpid(), 9)").result.signal, 9)

    def test_violated(self):
        e = self.failed(warder.JobViolated, MOUNT)
        self.assertEqual((e.violation.syscall, e.violation.verdict, e.violation.errno), ("mount", "killed", None))
        self.assertEqual(e.violation, e.result.killed_by)
        self.assertIn("killed: mount(", str(e))

    def test_limited(self):
        e = self.failed(warder.JobLimited, "while True: pass", limits={"wall_ms": 200})
        self.assertEqual(e.result.limit, "wall_time")

    def test_cancelled(self):
        stream = self.client.stream(FOREVER)
        self.assertEqual(next(iter(stream)), warder.Output("stdout", b"up\n"))
        self.assertEqual([j.job for j in self.client.jobs()], [stream.job])
        self.assertTrue(self.client.cancel(stream.job))
        with self.assertRaises(warder.JobCancelled):
            stream.result.check()

    def refused(self, kind, code, message, **fields):
        with self.assertRaises(kind) as caught:
            self.client.run("1", **fields)
        self.assertEqual(caught.exception.code, code)
        self.assertIn(message, caught.exception.message)

    def test_requests(self):
        self.refused(warder.BadRequest, "bad_request", "limits.wall_ms: must be 1 to", limits={"wall_ms": 10 ** 9})
        self.refused(warder.BadRequest, "bad_request", "unknown field x", x=1)
        self.refused(warder.UnknownPolicy, "unknown_policy", "nowhere", policy="nowhere")
        self.refused(warder.NotPermitted, "not_permitted", "/proc/1", grants={"read": ["/proc/1"]})
        with self.assertRaises(warder.UnknownMethod):
            self.client.call("fly")
        with self.assertRaises((TypeError, ValueError)):
            self.client.run("1", stdin=object())
        self.assertEqual(self.client.run("print(1)").text, "1\n")

    def test_too_large(self):
        with self.assertRaises(warder.TooLarge):
            self.client.run("1", stdin=bytes(129 << 20))
        self.assertEqual(self.client.run("print(1)").text, "1\n")

    def test_words_of_errors(self):
        from warder.errors import request_error
        e = request_error("busy: queue is full (64 jobs), retry in 300 ms")
        self.assertEqual((type(e), e.retry_s, e.message), (warder.Busy, 0.3, "queue is full (64 jobs), retry in 300 ms"))
        self.assertIs(type(request_error("newer: words")), warder.RequestError)

    def test_unreachable(self):
        with self.assertRaisesRegex(warder.Unreachable, "no supervisor at /nonexistent"):
            warder.Client("/nonexistent").run("1")

    def test_timeout_cancels(self):
        with self.assertRaises(warder.TimedOut):
            warder.Client(self.supervisor.path, timeout=0.3).run(FOREVER)
        self.no_jobs()


class Streams(PackageCase):
    def test_pieces_come_while_the_job_runs(self):
        code = "import sys\nprint('first', flush=True)\nprint('err', file=sys.stderr, flush=True)\nimport time\ntime.sleep(.2)\nprint('last')\n"
        with self.client.stream(code) as stream:
            pieces = [(p.stream, p.data, time.monotonic()) for p in stream]
        self.assertEqual(b"".join(d for s, d, _ in pieces if s == "stdout"), b"first\nlast\n")
        self.assertEqual(b"".join(d for s, d, _ in pieces if s == "stderr"), b"err\n")
        self.assertGreater(pieces[-1][2] - pieces[0][2], 0.15)
        self.assertEqual(stream.result.stdout, b"first\nlast\n")

    def test_callback(self):
        got = []
        r = self.client.run("print('x' * (1 << 20))", on_output=got.append)
        self.assertEqual(b"".join(p.data for p in got), r.stdout)

    def test_leaving_cancels(self):
        with self.client.stream(FOREVER) as stream:
            next(iter(stream))
        self.no_jobs()
        with self.assertRaises(warder.Disconnected):
            stream.result

    def test_refused(self):
        with self.assertRaises(warder.UnknownPolicy):
            self.client.stream("1", policy="nowhere").result


class Connections(PackageCase):
    def test_are_kept(self):
        self.client.run("1")
        before = self.client.status()["totals"]["connections"]
        for _ in range(5):
            self.client.run("1")
        self.assertEqual(self.client.status()["totals"]["connections"], before)

    def test_threads(self):
        got = {}
        threads = [threading.Thread(target=lambda i=i: got.update({i: self.client.run(f"print({i})").text})) for i in range(32)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(got, {i: f"{i}\n" for i in range(32)})

    def test_fork(self):
        self.client.run("1")
        pid = os.fork()
        if not pid:
            ok = False
            try:
                ok = self.client.run("print('child')").text == "child\n"
            finally:
                os._exit(0 if ok else 1)
        self.assertEqual(self.client.run("print('parent')").text, "parent\n")
        self.assertEqual(os.waitpid(pid, 0)[1], 0)


    def test_a_forked_child_keeps_no_job_alive(self):
        """Nor is it held up by a lock that another thread of its parent had at the fork."""
        with self.client.stream(FOREVER) as stream:
            next(iter(stream))
            with self.client._lock:
                pid = os.fork()
                if not pid:
                    try:
                        ok = self.client.run("print('child')").text == "child\n"
                        self.client.close()
                        while os.getppid() != 1 and ok and not support.is_gone(os.getppid()):  # until it is killed
                            time.sleep(0.05)
                    finally:
                        os._exit(1)
        self.no_jobs()
        os.kill(pid, 9)
        os.waitpid(pid, 0)


class Hostile(unittest.TestCase):
    """What is no supervisor at the other end, by every Python that the package is for."""

    def check(self, python, **env):
        with tempfile.TemporaryDirectory() as folder:  # msgpack alone of what this interpreter has; without its compiled part it is of any version
            import msgpack
            os.symlink(os.path.dirname(msgpack.__file__), os.path.join(folder, "msgpack"))
            done = subprocess.run([python, os.path.join(support.ROOT, "tests", "e2e", "hostile_server.py")], capture_output=True, text=True, timeout=300,
                                  env={**os.environ, **env, "PYTHONPATH": f"{PACKAGE}:{folder}", "PYTHONDONTWRITEBYTECODE": "1"})
        self.assertRegex(done.stdout, r"\Aok \d+\n\Z", done.stderr)

    def test_this_python(self):
        self.check(support.PYTHON)

    def test_without_msgpacks_compiled_part(self):
        self.check(support.PYTHON, MSGPACK_PUREPYTHON="1")

    def test_oldest_and_newest(self):
        found = {v: sorted(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{v}*/bin/python"))) or [shutil.which(f"python{v}")] for v in ("3.8", "3.13")}
        pythons = [f[-1] for f in found.values() if f[-1]]
        if not pythons:
            self.skipTest("missing Python 3.8 and 3.13")
        for python in pythons:
            with self.subTest(python):
                self.check(python)


class Restart(unittest.TestCase):
    def test_supervisor_goes_and_comes(self):
        supervisor = Supervisor("--workers", "1")
        client = warder.Client(supervisor.path)
        stream = client.stream(FOREVER, detach=False)
        next(iter(stream))
        client.status()
        supervisor.proc.kill()
        supervisor.proc.wait()
        with self.assertRaises(warder.Disconnected):
            stream.result
        with self.assertRaises((warder.Unreachable, warder.Disconnected)):
            client.run("1")
        path = supervisor.path
        with tempfile.TemporaryFile() as log:
            proc = subprocess.Popen([support.WARDERD, "--socket", path, "--workers", "1"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                def runs():
                    try:
                        return client.run("print(1)").text
                    except (warder.Unreachable, warder.Disconnected):
                        return None
                self.assertEqual(support.eventually(runs), "1\n")
            finally:
                proc.terminate()
                proc.wait(support.DEADLINE)
                supervisor.stop()


class Asyncio(PackageCase):
    def with_client(self, use, **kw):
        async def main():
            async with warder.AsyncClient(self.supervisor.path, **kw) as client:
                return await asyncio.wait_for(use(client), 60)
        return asyncio.run(main())

    def test_many(self):
        async def use(client):
            results = await asyncio.gather(*(client.run(f"print({i})") for i in range(40)))
            return [r.text for r in results], await client.policies(), await client.jobs(), (await client.status())["workers"]
        texts, policies, jobs, workers = self.with_client(use)
        self.assertEqual(texts, [f"{i}\n" for i in range(40)])
        self.assertEqual((jobs, workers), ([], 1))
        self.assertEqual(self.with_client(lambda client: client.packages()), self.client.packages())
        self.assertIn("python3", policies)

    def test_stream_and_cancel(self):
        async def use(client):
            async with client.stream(FOREVER) as stream:
                async for piece in stream:
                    self.assertEqual(piece.data, b"up\n")
                    self.assertTrue(await client.cancel(stream.job))
                return await stream.result()
        self.assertEqual(self.with_client(use).outcome, "cancelled")

    def test_leaving_cancels(self):
        async def use(client):
            async with client.stream(FOREVER) as stream:
                async for _ in stream:
                    break
            with self.assertRaises(warder.Disconnected):
                await stream.result()
        self.with_client(use)
        self.no_jobs()

    def test_a_cancelled_task_cancels_its_job(self):
        async def use(client):
            up = asyncio.Event()
            task = asyncio.ensure_future(client.run(FOREVER, on_output=lambda piece: up.set()))
            await up.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
        self.with_client(use)
        self.no_jobs()

    def test_callback(self):
        async def use(client):
            got = []

            async def take(piece):
                await asyncio.sleep(0)
                got.append(piece.data)
            result = await client.run("print('x' * (1 << 20))", on_output=take)
            return b"".join(got) == result.stdout
        self.assertTrue(self.with_client(use))

    def test_errors(self):
        async def use(client):
            with self.assertRaises(warder.JobViolated) as caught:
                await client.run(MOUNT, check=True)
            self.assertEqual(caught.exception.violation.syscall, "mount")
            with self.assertRaises(warder.UnknownPolicy):
                await client.run("1", policy="nowhere")
            with self.assertRaises(warder.Unreachable):
                await warder.AsyncClient("/nonexistent").status()
            with self.assertRaises(warder.TooLarge):
                await client.run("1", stdin=bytes(129 << 20))
            client.timeout = 0.3
            with self.assertRaises(warder.TimedOut):
                await client.run(FOREVER)
        self.with_client(use)
        self.no_jobs()

    def test_big(self):
        async def use(client):
            return await client.run("import sys\nprint(len(sys.stdin.read()))\nprint('y' * (12 << 20))", stdin="x" * (10 << 20))
        self.assertEqual(len(self.with_client(use).stdout), len("10485760\n") + (12 << 20) + 1)


class CommandLine(PackageCase):
    def command(self, *args, stdin=b"", path=PACKAGE):
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "WARDER_SOCKET": self.supervisor.path, "LANG": "C.UTF-8"}
        done = subprocess.run([support.PYTHON, "-m", "warder", *args], input=stdin, capture_output=True, env=env, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_run(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "code.py"), "w") as f:
                f.write("import sys, os\nprint(sys.argv[1:], os.environ['K'], open('d').read())\nopen('r.txt', 'w').write('R')\nsys.exit(7)")
            with open(os.path.join(folder, "data"), "w") as f:
                f.write("D")
            got = self.command("run", "--env", "K=v", "--file", f"d={folder}/data", "--collect", "*.txt", "--output-dir",
                               f"{folder}/out", "--limit", "memory_mib=100", "--timeout", "5", f"{folder}/code.py", "--", "-x", "y")
            self.assertEqual(got, (7, "['-x', 'y'] v D\n", ""))
            with open(os.path.join(folder, "out", "r.txt")) as f:
                self.assertEqual(f.read(), "R")

    def test_grants_from_here(self):
        """A relative path is this command's, as of `warder run`."""
        code = f"print(len(open({__file__!r}).read()) > 0)"
        self.assertEqual(self.command("run", "--allow-read", os.path.relpath(__file__), "-", stdin=code.encode()), (0, "True\n", ""))

    def test_statuses(self):
        for code, options, status, told in (
                (MOUNT, [], 159, "warder: killed: mount("), ("import time; time.sleep(9)", ["--timeout", "0.2"], 124, "wall_time"),
                ("import os; os.kill(os.getpid(), 9)", [], 137, "signal 9"), ("1", ["--policy", "no"], 125, "unknown_policy: no"),
                ("open('/x\\x1b[2J')", [], 1, "/x\\x1b[2J")):
            with self.subTest(code):
                got = self.command("run", *options, "-", stdin=code.encode())
                self.assertEqual(got[0], status, got)
                self.assertIn(told, got[2])
                self.assertNotIn("\x1b", got[2])

    def test_json(self):
        status, out, _ = self.command("run", "--json", "-", stdin=b"import os; os.write(1, b'\\xff'); os.write(2, b'e')")
        told = json.loads(out)
        self.assertEqual((status, told["outcome"], told["stdout"], told["stderr"]), (0, "exited", {"base64": "/w=="}, "e"))
        self.assertEqual(json.loads(self.command("jobs")[1]), [])
        self.assertEqual(json.loads(self.command("status")[1])["workers"], 1)
        self.assertIn("python3", self.command("policies")[1].split())
        self.assertRegex(self.command("packages")[1], r"(?m)^Jinja2 \S+$")
        self.assertEqual(self.command("cancel", "nobody")[0], 1)

    def test_socket_behind_the_command(self):
        self.assertEqual(self.command("policies", "--socket", "/nonexistent")[0], 125)
        self.assertEqual(self.command("--socket", "/nonexistent", "policies", "--socket", self.supervisor.path)[0], 0)

    def test_nobody_reads(self):
        """As of `warder run`: quietly, and the job ends, too."""
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": PACKAGE, "WARDER_SOCKET": self.supervisor.path}
        for args in (["run", "-"], ["run", "--json", "-"], ["status"]):
            with self.subTest(args):
                read_end, write_end = os.pipe()
                os.close(read_end)
                done = subprocess.run([support.PYTHON, "-m", "warder", *args], input=b"print('x' * 100)", stdout=write_end,
                                      stderr=subprocess.PIPE, env=env, timeout=60)
                os.close(write_end)
                self.assertEqual((done.returncode, done.stderr), (141, b""))
        self.no_jobs()

    def test_installed_by_pip(self):
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "source")
            subprocess.run(["cp", "-r", PACKAGE, source], check=True)
            done = subprocess.run([support.PYTHON, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index",
                                   "--no-warn-script-location", "--target", f"{folder}/lib", source], capture_output=True, timeout=120)
            if b"No module named pip" in done.stderr or b"setuptools" in done.stderr:
                self.skipTest("missing python3-pip or python3-setuptools")
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            self.assertTrue(os.path.exists(f"{folder}/lib/warder/py.typed"))
            self.assertEqual(self.command("run", "-", stdin=b"print(6 * 7)", path=f"{folder}/lib"), (0, "42\n", ""))


class Source(unittest.TestCase):
    def test_python_3_8_reads_it(self):
        paths = glob.glob(os.path.join(PACKAGE, "warder", "*.py"))
        self.assertGreater(len(paths), 5)
        for path in paths:
            with open(path) as f:
                text = f.read()
            ast.parse(text, path, feature_version=(3, 8))
            self.assertIn("from __future__ import annotations" if not path.endswith("__init__.py") else '"""', text)

    def test_everything_public_says_what_it_is(self):
        for name in warder.__all__:
            thing = getattr(warder, name)
            self.assertTrue(thing.__doc__, name)
            if isinstance(thing, type) and thing.__module__.startswith("warder."):
                for key, value in vars(thing).items():
                    if callable(value) and not key.startswith("_") and key != "from_wire":
                        self.assertTrue(value.__doc__, f"{name}.{key}")


if __name__ == "__main__":
    unittest.main()
