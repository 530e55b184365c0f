"""The command line: exit statuses, streams, --json, what is told of violations, wrong options."""
import base64
import json
import os
import re
import select
import signal
import subprocess
import tempfile
import unittest

import support
from support import warder

KILL = "import ctypes\nctypes.CDLL(None).mount(b'none', b'/mnt', b'tmpfs', 0, None)\n"


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, code, name="t.py"):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as f:
            f.write(code if isinstance(code, bytes) else code.encode())
        return path

    def run_code(self, code, *options, args=(), **kw):
        return warder("run", *options, self.file(code), *(("--", *args) if args else ()), **kw)


class Embedded(Files):
    """Each run starts a supervisor of its own."""

    def test_hello(self):
        done = self.run_code("print('hello')")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"hello\n", b""))

    def test_from_stdin(self):
        done = warder("run", "-", stdin=b"print('from stdin')")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"from stdin\n", b""))

    def test_exit_statuses(self):
        for code, options, status in [
            ("import sys; sys.exit(3)", (), 3),
            ("import sys; sys.exit(300)", (), 44),
            ("1 / 0", (), 1),
            ("import time; time.sleep(30)", ("--timeout", "0.3"), 124),
            ("import os; os.kill(os.getpid(), 15)", (), 143),
            ("import os; os.kill(os.getpid(), 9)", (), 137),
            (KILL, (), 159),
        ]:
            with self.subTest(code):
                done = self.run_code(code, *options)
                self.assertEqual(done.returncode, status, done.stderr)

    def test_no_supervisor_is_left(self):
        proc = subprocess.Popen([support.WARDER, "run", self.file("print(1)")], stdout=subprocess.PIPE, start_new_session=True)
        self.assertEqual((proc.communicate(timeout=60)[0], proc.returncode), (b"1\n", 0))
        support.eventually(lambda: not self.left_of(proc.pid))

    def left_of(self, session):
        """Stat lines of that session's processes."""
        left = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/stat", errors="replace") as f:
                    stat = f.read()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(stat.rsplit(")", 1)[1].split()[3]) == session:
                left.append(stat)
        return left

    def test_policy_dir(self):
        with open(os.path.join(self.folder.name, "short.yaml"), "w") as f:
            f.write("name: short\nextends: python3\nlimits: {wall_ms: 300}\n")
        done = self.run_code("import time; time.sleep(30)", "--policy-dir", self.folder.name, "--policy-dir",
                             support.POLICIES, "--policy", "short")
        self.assertEqual((done.returncode, done.stderr), (124, b"warder: ended by limit: wall_time\n"))

    def test_supervisor_that_does_not_start(self):
        with open(os.path.join(self.folder.name, "bad.yaml"), "w") as f:
            f.write("name: bad\nextends: python3\nnonsense: 1\n")
        done = self.run_code("print('never')", "--policy-dir", self.folder.name, "--policy-dir", support.POLICIES)
        self.assertEqual((done.returncode, done.stdout), (125, b""))
        self.assertRegex(done.stderr.decode(), r"bad\.yaml:3:\d+: .*nonsense")
        self.assertIn(b"warder: the supervisor ended with status", done.stderr)

    def test_doctor(self):
        done = warder("doctor")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for layer in (b"seccomp", b"broker", b"landlock", b"no_new_privs", b"ptrace"):
            self.assertIn(layer, done.stdout)
        self.assertTrue(json.loads(warder("doctor", "--json").stdout))
        with open("/dev/full", "wb") as full:
            self.assertNotEqual(subprocess.run([support.WARDER, "doctor"], stdout=full).returncode, 0)


class AtSocket(Files):
    @classmethod
    def setUpClass(cls):
        cls.supervisor = support.Supervisor()

    @classmethod
    def tearDownClass(cls):
        if cls.supervisor.stop() != 0:
            raise AssertionError("warderd ended badly")

    def run_code(self, code, *options, **kw):
        return super().run_code(code, "--socket", self.supervisor.path, *options, **kw)

    def json(self, code, *options, **kw):
        done = self.run_code(code, "--json", *options, **kw)
        self.assertEqual(done.stdout.count(b"\n"), 1, done.stdout + done.stderr)
        return done.returncode, json.loads(done.stdout)

    def test_environment_names_the_socket(self):
        done = warder("run", self.file("print(1)"), env={"WARDER_SOCKET": self.supervisor.path})
        self.assertEqual((done.returncode, done.stdout), (0, b"1\n"))
        done = warder("run", self.file("print(1)"), env={"WARDER_SOCKET": "/nonexistent"})
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"/nonexistent", done.stderr)

    def test_binary(self):
        data = bytes(range(256)) * 1000
        done = self.run_code("import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d); "
                             "sys.stderr.buffer.write(d[::-1])", "--stdin", "-", stdin=data)
        self.assertEqual((done.returncode, done.stdout == data, done.stderr == data[::-1]), (0, True, True))

    def test_stdin_is_empty_by_default(self):
        done = self.run_code("import sys; print(repr(sys.stdin.read()))", stdin=b"not for the job")
        self.assertEqual(done.stdout, b"''\n")

    def test_job_options(self):
        done = self.run_code("import os, sys; print(sys.argv, os.environ['A'], os.environ['B'], __file__)",
                             "--env", "A=1", "--env=B=x=y", "--filename", "node.py", "--language", "python3",
                             args=("--json", "", "-"))
        self.assertEqual(done.stdout, b"['/tmp/node.py', '--json', '', '-'] 1 x=y /tmp/node.py\n", done.stderr)

    def test_options_after_the_file(self):
        done = warder("run", self.file("print(1)"), "--socket", self.supervisor.path, "--stats")
        self.assertEqual((done.returncode, done.stdout), (0, b"1\n"))

    def test_code_of_any_bytes(self):
        self.assertEqual(self.run_code(b"# coding: latin-1\nprint(ascii('\xe9'))").stdout, b"'\\xe9'\n")

    def test_output_limit(self):
        done = self.run_code("print('x' * 100000)", "--output", "4")
        self.assertEqual((done.returncode, done.stdout), (0, b"x" * 4096))
        self.assertEqual(done.stderr, b"warder: limit reached: output: stdout cut\n")

    def test_threads_and_tmp(self):
        code = "import threading, time\nfor i in range(9): threading.Thread(target=time.sleep, args=(.3,)).start()"
        self.assertEqual(self.run_code(code, "--threads", "4").returncode, 1)
        self.assertEqual(self.run_code(code, "--threads", "16").returncode, 0)
        code = "open('/tmp/x', 'wb').write(b'x' * (6 << 20))"
        if "tmp_quota" in self.supervisor.run("")["layers"]:  # a directory is only measured now and then
            self.assertEqual(self.run_code(code, "--tmp", "2").returncode, 1)
        self.assertEqual(self.run_code(code, "--tmp", "10").returncode, 0)

    def test_other_limits(self):
        burn = "import time\nwhile time.process_time() < 1.5: pass"
        take = "import time\nx = bytearray(b'x') * (60 << 20)\ntime.sleep(0.3)"
        write = "f = open('/tmp/x', 'wb', 0)\nfor _ in range(3): f.write(b'x' * (1 << 20))"
        hold = "held = [open('/dev/null') for _ in range(30)]"
        for option, code, low, high, status, words in (
                ("--cpu", burn, "0.3", "5", 124, b"warder: ended by limit: cpu_time\n"),
                ("--memory", take, "40", "100", 137, b"warder: ended by limit: memory\n"),
                ("--file-size", write, "2", "3", 1, b"warder: limit reached: file_size\n"),
                ("--open-files", hold, "20", "40", 1, b"warder: limit reached: open_files\n")):
            with self.subTest(option):
                done = self.run_code(code, option, low)
                self.assertEqual((done.returncode, done.stderr.endswith(words)), (status, True), done.stderr)
                done = self.run_code(code, option, high, "--timeout", "60")
                self.assertEqual((done.returncode, done.stderr), (0, b""))
        done = self.run_code("print('never')", "--memory", "99999")
        self.assertRegex(done.stderr.decode(), r"^warder: bad_request: limits\.memory_mib: must be 1 to 2048, is 99999\n$")

    def test_streams_as_it_comes(self):
        path = self.file("print('first', flush=True)\nimport time; time.sleep(3)\nprint('last')\n")
        proc = subprocess.Popen([support.WARDER, "run", "--socket", self.supervisor.path, path], stdout=subprocess.PIPE)
        with proc:
            self.assertTrue(select.select([proc.stdout], [], [], support.DEADLINE)[0])
            self.assertEqual(os.read(proc.stdout.fileno(), 100), b"first\n")
            self.assertEqual(select.select([proc.stdout], [], [], 0.2)[0], [])  # the rest is seconds away
            self.assertEqual(proc.stdout.read(), b"last\n")
        self.assertEqual(proc.returncode, 0)

    def test_json(self):
        status, result = self.json("import sys\nprint('ü\\x00\\x1b\"')\nsys.stderr.buffer.write(b'\\xff\\xfe')\nsys.exit(4)")
        self.assertEqual(status, 4)
        self.assertEqual(list(result), support.RESULT_KEYS)
        self.assertEqual((result["outcome"], result["exit_code"], result["signal"]), ("exited", 4, None))
        self.assertEqual(result["stdout"], "ü\0\x1b\"\n")
        self.assertEqual(base64.b64decode(result["stderr"]["base64"]), b"\xff\xfe")
        self.assertEqual(sorted(result["usage"]), sorted(support.USAGE_KEYS))

    def test_json_of_every_tail(self):
        for n in range(6):
            _, result = self.json(f"import sys; sys.stdout.buffer.write(b'\\xff' * {n + 1})")
            self.assertEqual(base64.b64decode(result["stdout"]["base64"]), b"\xff" * (n + 1))

    def test_json_of_a_violation(self):
        status, result = self.json(KILL)
        self.assertEqual((status, result["outcome"]), (159, "violation"))
        v = result["violations"][-1]
        self.assertEqual((v["syscall"], v["verdict"], v["errno"]), ("mount", "killed", None))
        self.assertEqual(sorted(v), sorted(support.VIOLATION_KEYS))

    def test_told_hidden(self):
        done = self.run_code("import os; os.path.exists('/etc/shadow')")
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        self.assertRegex(done.stderr.decode(), r"^warder: hidden: \w+\(.*/etc/shadow.*\): /etc/shadow is not in the job's "
                                               r"tree: ENOENT.*\n$")

    def test_told_refused(self):
        done = self.run_code("import os\ntry:\n    os.fork()\nexcept OSError:\n    pass")
        self.assertRegex(done.stderr.decode(), r"^warder: refused: \w+\(.*\): EPERM at /tmp/\S+:3 in <module> \[.+\]; nothing can .+\n$")

    def test_told_killed(self):
        done = self.run_code(KILL)
        self.assertEqual((done.returncode, done.stdout), (159, b""))
        self.assertRegex(done.stderr.decode(), r"(?m)^warder: killed: mount\(.*none.*/mnt.*tmpfs.*\)")

    def test_told_after_an_open_line(self):
        done = self.run_code("import os, sys; sys.stderr.write('no newline'); os.path.exists('/x')")
        self.assertRegex(done.stderr.decode(), r"^no newline\nwarder: hidden: ")

    def test_control_characters_are_escaped(self):
        done = self.run_code("import os; os.path.exists('/a\\x1b[2J\\n\\x9b\\u202e\\u200b\\U000e0041\\udcffb')")
        self.assertRegex(done.stderr.decode(), r"^warder: hidden: [ -~]+\n$")

    def test_stats(self):
        done = self.run_code("print('four')", "--stats")
        self.assertEqual(done.stdout, b"four\n")
        self.assertRegex(done.stderr.decode(), r"^warder: queue [\d.]+ ms, wall [\d.]+ ms, cpu [\d.]+ ms, peak memory \d+ KiB, "
                                               r"brokered calls \d+, stdout 5 bytes, stderr 0 bytes\n$")

    def test_refused_by_the_supervisor(self):
        done = self.run_code("print('never')", "--policy", "nowhere")
        self.assertEqual((done.returncode, done.stdout), (125, b""))
        self.assertRegex(done.stderr.decode(), r"^warder: unknown_policy: .*nowhere.*\n$")
        done = self.run_code("print('never')", "--timeout", "1e6")
        self.assertEqual(done.returncode, 125)
        self.assertRegex(done.stderr.decode(), r"^warder: bad_request: limits\.wall_ms: .*\n$")

    def interrupted(self, sig):
        path = self.file("print('on', flush=True)\nimport time; time.sleep(60)\n")
        proc = subprocess.Popen([support.WARDER, "run", "--socket", self.supervisor.path, path], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        with proc:
            self.assertEqual(proc.stdout.readline(), b"on\n")
            proc.send_signal(sig)
            _, err = proc.communicate(timeout=support.DEADLINE)
        return proc.returncode, err

    def test_interrupted(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(sig):
                self.assertEqual(self.interrupted(sig), (130, b"warder: cancelled\n"))
        with self.supervisor.client() as c:
            support.eventually(lambda: not c.rpc("jobs"))

    def test_killed_command_cancels(self):
        self.assertEqual(self.interrupted(signal.SIGKILL)[0], -9)
        with self.supervisor.client() as c:
            support.eventually(lambda: not c.rpc("jobs"))

    def test_nobody_reads_stdout(self):
        path = self.file("while True: print('x' * 1000)")
        proc = subprocess.Popen([support.WARDER, "run", "--socket", self.supervisor.path, "--output", "16384", path],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with proc:
            proc.stdout.read(10)
            proc.stdout.close()
            err = proc.stderr.read()
        self.assertEqual((proc.returncode, err), (141, b""))
        with self.supervisor.client() as c:
            support.eventually(lambda: not c.rpc("jobs"))

    def test_full_device(self):
        with open("/dev/full", "wb") as full:
            for options in ((), ("--json",)):
                with self.subTest(options):
                    done = subprocess.run([support.WARDER, "run", "--socket", self.supervisor.path, *options,
                                           self.file("print('x')")], stdout=full, stderr=subprocess.PIPE, timeout=60)
                    self.assertEqual(done.returncode, 125)
                    self.assertIn(b"ENOSPC", done.stderr)


class Options(Files):
    def test_wrong(self):
        good = self.file("print('never')")
        for args, told in [
            ([], "which FILE"),
            ([good, good], "one FILE only"),
            (["--nonsense", good], "unknown option --nonsense"),
            (["--memory", "0", good], "--memory: must be a whole number above 0, is 0"),
            (["--allow-read=/nonexistent", good], "grants.read[0]: /nonexistent: No such file or directory"),
            ([good, "--timeout"], "--timeout: needs a value: SECONDS"),
            ([good, "--timeout", "soon"], "--timeout: must be a number of seconds above 0, is soon"),
            ([good, "--timeout", "-1"], "--timeout: must be"),
            ([good, "--timeout", "nan"], "--timeout: must be"),
            ([good, "--threads", "0"], "--threads: must be a whole number above 0, is 0"),
            ([good, "--threads", "-1"], "--threads: must be"),
            ([good, "--threads", "1x"], "--threads: must be"),
            ([good, "--output", "99999999999999999999"], "--output: must be"),
            ([good, "--json=yes"], "--json: takes no value"),
            ([good, "--env", "A"], "--env: must be NAME=VALUE, is A"),
            ([good, "--env", "=A"], "--env: must be NAME=VALUE"),
            ([good, "--language", "perl"], "--language: must be python3 or nodejs, is perl"),
            ([self.file("x", "script")], "--language: cannot be guessed"),
            ([good, "--policy", "a/b.yaml"], "a/b.yaml: "),
            (["/nonexistent.py"], "/nonexistent.py"),
            ([self.folder.name, "--language", "python3"], "EISDIR"),
            (["-", "--stdin", "-"], "--stdin: the code is read from stdin already"),
            ([good, "--stdin", "/nonexistent"], "/nonexistent"),
            ([good, "--file", "x"], "--file: must be NAME=PATH, is x"),
            ([good, "--file", "x="], "--file: must be NAME=PATH"),
            ([good, "--file", "../x=/dev/null"], "--file: ../x=/dev/null: the name must not hold . or .."),
            ([good, "--file", "x=/nonexistent"], "/nonexistent"),
            ([good, "--file", "main.py=/dev/null"], "bad_request: files.main.py: is the name of the code"),
            ([good, "--collect", "*"], "--collect: needs --output-dir, or --json"),
            ([good, "--collect", "../*", "--json"], "bad_request: collect[0]: must not hold . or .."),
            ([good, "--output-dir", "/tmp"], "--output-dir: needs --collect"),
            ([good, "--socket", "/nonexistent", "--config", "x"], "--config: is for a supervisor of its own"),
            ([good, "--socket", "/nonexistent"], "/nonexistent"),
        ]:
            with self.subTest(args):
                done = warder("run", *args)
                self.assertEqual((done.returncode, done.stdout), (125, b""))
                self.assertIn(told, done.stderr.decode())
                self.assertTrue(all(re.match(r"warder: ", line) for line in done.stderr.decode().splitlines()), done.stderr)

    def test_commands(self):
        for args, status, told in [([], 125, b"warder run"), (["--help"], 0, b"warder run"), (["help"], 0, b"doctor"),
                                   (["help", "run"], 0, b"--timeout SECONDS"), (["run", "--help"], 0, b"Exit status"),
                                   (["doctor", "--help"], 0, b"--json"), (["--version"], 0, b"warder "),
                                   (["pz"], 125, b"unknown command pz"), (["help", "pz"], 125, b"unknown command pz"),
                                   (["ps", "--socket", "/nonexistent"], 125, b"/nonexistent"), (["help", "ps"], 0, b"ps"),
                                   (["\x1b[2J"], 125, b"unknown command \\x1b[2J"), (["doctor", "x"], 125, b"no arguments")]:
            with self.subTest(args):
                done = warder(*args)
                self.assertEqual(done.returncode, status)
                self.assertIn(told, done.stdout if status == 0 else done.stderr)
                self.assertEqual(done.stderr if status == 0 else done.stdout, b"")

    def test_help_names_every_option_once(self):
        text = warder("run", "--help").stdout.decode()
        names = re.findall(r"^  (--[\w-]+)", text, re.M)
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual({"--language", "--policy", "--env", "--stdin", "--timeout", "--output", "--threads", "--tmp",
                              "--filename", "--json", "--stats", "--socket", "--file", "--collect", "--output-dir"}, set(names))


if __name__ == "__main__":
    unittest.main()
