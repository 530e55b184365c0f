"""What a job is, seen from a client: results, exit statuses, streams, limits, cancelling, isolation."""
import os
import re
import signal
import tempfile
import unittest

import support
from support import Case, Client, Outside, RpcError, eventually

# run inside and outside, and compared: exit status, stdout and stderr, byte for byte
SAME_AS_OUTSIDE = {
    "hello": "print('hello')",
    "exit 0": "import sys; sys.exit(0)",
    "exit 3": "import sys; sys.exit(3)",
    "exit 300": "import sys; sys.exit(300)",
    "exit -1": "import sys; sys.exit(-1)",
    "exit text": "import sys; sys.exit('text')",
    "exit None": "import sys; sys.exit(None)",
    "exit True": "import sys; sys.exit(True)",
    "exit tuple": "import sys; sys.exit((1, 2))",
    "exit huge": "import sys; sys.exit(2 ** 80)",
    "raise SystemExit": "raise SystemExit(5)",
    "SystemExit with text": "raise SystemExit('ünicode')",
    "quit": "quit(4)",
    "os._exit": "import os; os._exit(7)",
    "os._exit loses what is not flushed": "import os; print('lost', end=''); os._exit(0)",
    "empty": "",
    "a comment": "# nothing",
    "uncaught": "def f(x):\n    return 1 / x\n\nf(0)\n",
    "uncaught in a chain": "try:\n    {}['a']\nexcept KeyError:\n    raise ValueError('second')\n",
    "uncaught with a cause": "try:\n    int('x')\nexcept ValueError as e:\n    raise RuntimeError('why') from e\n",
    "uncaught through the library": "import json\njson.loads('{')\n",
    "uncaught of a class of its own": "class Mine(Exception):\n    pass\n\nraise Mine('a', 2)\n",
    "uncaught group": "raise ExceptionGroup('g', [ValueError(1), TypeError('t')])\n",
    "uncaught with notes": "e = ValueError('v')\ne.add_note('a note')\nraise e\n",
    "carets": "d = {'a': {'b': None}}\nprint(d['a']['b']['c'] + 1)\n",
    "long recursion": "def f(n):\n    return f(n + 1)\nf(0)\n",
    "syntax error": "x = 1\nif x\n    print(x)\n",
    "indentation error": "def f():\nprint(1)\n",
    "tabs and spaces": "if True:\n        x = 1\n\tx = 2\n",
    "bad encoding": b"# coding: utf-8\nx = '\xff'\n",
    "latin-1 source": b"# coding: latin-1\nprint(ascii('\xe9'))\n",
    "utf-8 with a mark": b"\xef\xbb\xbfprint('mark')\n",
    "CRLF lines": b"x = '''a\r\nb'''\r\nprint(repr(x))\r\n",
    "no newline at the end": "print('x', end='')",
    "stderr": "import sys; print('out'); print('err', file=sys.stderr)",
    "argv": "import sys; print(sys.argv, len(sys.argv))",
    "name and file": "print(__name__, __file__, __doc__, __builtins__.__name__, __package__, __spec__)",
    "globals": "print(sorted(k for k in globals()))",
    "cwd and path": "import os, sys; print(os.path.dirname(os.path.abspath(__file__)) == sys.path[0])",
    "main module": "import __main__, sys; print(__main__ is sys.modules['__main__']); x = 5; print(__main__.x)",
    "pickle of a class in main":
        "import pickle\nclass A:\n    x = 1\nprint(pickle.loads(pickle.dumps(A())).x, A.__module__)\n",
    "inspect source": "import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f))\n",
    "future import": "from __future__ import annotations\ndef f(x: Nowhere): pass\nprint(f.__annotations__)\n",
    "atexit": "import atexit\natexit.register(print, 'bye')\nprint('hello')\n",
    "atexit order": "import atexit\nfor i in range(3):\n    atexit.register(print, i)\n",
    "atexit after an exception": "import atexit\natexit.register(print, 'bye')\n1 / 0\n",
    "exception in atexit": "import atexit\ndef f():\n    raise ValueError('late')\natexit.register(f)\n",
    "threads finish":
        "import threading, time\n"
        "def f():\n    time.sleep(0.1); print('thread done')\n"
        "threading.Thread(target=f).start()\nprint('main done')\n",
    "daemon threads do not":
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nprint('main done')\n",
    "threads finish after an exception":
        "import threading, time\n"
        "t = threading.Thread(target=lambda: (time.sleep(0.1), print('thread done')))\nt.start()\nraise ValueError\n",
    "exception in a thread":
        "import threading\n"
        "def f():\n    raise ValueError('in thread')\n"
        "t = threading.Thread(target=f, name='worker')\nt.start(); t.join(); print('main lives')\n",
    "exit in a thread": "import sys, threading\nt = threading.Thread(target=sys.exit, args=(9,))\nt.start(); t.join()\n",
    "excepthook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__)\n1 / 0\n",
    "unraisable": "class A:\n    def __del__(self):\n        print('deleted')\na = A()\n",
    "finalizers": "import weakref\nclass A: pass\na = A()\nweakref.finalize(a, print, 'finalized')\n",
    "flush of a file at the end": "f = open('/dev/null', 'w'); f.write('x')\nprint('ok')\n",
    "unflushed buffer": "import sys; sys.stdout.write('no newline'); sys.stderr.write('neither')",
    "binary": "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4)",
    "print of a lone surrogate": "print('\\ud800')",
    "stdin at its end": "import sys; print(repr(sys.stdin.read()))",
    "input at its end": "input('prompt ')",
    "closed stdout": "import sys; sys.stdout.close(); sys.exit(3)",
    "isatty": "import sys; print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty())",
    "encodings": "import sys; print(sys.stdout.encoding, sys.stderr.encoding, sys.stdin.encoding, sys.stdout.errors)",
    "flags": "import sys; print(sys.flags.optimize, sys.flags.interactive, sys.flags.dev_mode, __debug__)",
    "warnings": "import warnings; warnings.warn('careful')",
    "deprecation in main": "import warnings; warnings.warn('old', DeprecationWarning)",
    "keyboard interrupt": "raise KeyboardInterrupt",
    "SIGTERM": "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "SIGKILL": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "SIGUSR1": "import os, signal; os.kill(os.getpid(), signal.SIGUSR1)",
    "SIGINT": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "handler":
        "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *a: print('got', a[0]))\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n",
    "default handlers":
        "import signal\n"
        "print([(s.name, str(signal.getsignal(s))) for s in sorted(signal.valid_signals()) if hasattr(s, 'name')\n"
        "       and s not in (signal.SIGINT,)])\nprint(signal.pthread_sigmask(signal.SIG_BLOCK, []))\n",
    "abort": "import os; os.abort()",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "exec of text": "exec('a = 1'); print(a); print(eval('a + 1'))",
    "traceback of exec": "exec(compile('1/0', '<text>', 'exec'))",
    "traceback module": "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\n",
    "linecache": "import linecache; print(repr(linecache.getline(__file__, 1)))",
    "gc": "import gc; print(gc.isenabled(), gc.get_threshold(), gc.get_debug())",
    "recursion limit": "import sys; print(sys.getrecursionlimit(), sys.getswitchinterval())",
    "hash of ints": "print(hash(1), hash(2.5), hash((1, 2)))",
}

# what must differ between two jobs of one zygote; each prints one line
RANDOM = {
    "random": "import random; print(random.random())",
    "random.SystemRandom": "import random; print(random.SystemRandom().random())",
    "numpy.random": "import numpy; print(numpy.random.rand())",
    "numpy default_rng": "import numpy; print(numpy.random.default_rng().random())",
    "uuid4": "import uuid; print(uuid.uuid4())",
    "uuid1": "import uuid; print(uuid.uuid1())",
    "urandom": "import os; print(os.urandom(16))",
    "secrets": "import secrets; print(secrets.token_hex())",
    "tempfile": "import tempfile; print(tempfile.mktemp())",
    "pid": "import os; print(os.getpid())",
}


def comparable(stderr):
    """Without what differs between two runs outside, too (addresses), and the one or two frames below the code."""
    text = stderr.decode(errors="replace")
    return re.sub(r"repeated \d+ more times", "repeated N more times", re.sub(r"\b0x[0-9a-f]{6,}", "0xADDRESS", text))


class SameAsOutside(Case):
    def test_same_as_outside(self):
        for name, code in SAME_AS_OUTSIDE.items():
            with self.subTest(name):
                outside = Outside(code)
                r = self.run_job(code)
                status = r["exit_code"] if r["outcome"] == "exited" else -(r["signal"] or 1000)
                self.assertEqual(status, outside.status, (r["outcome"], r["error"], r["violations"], r["stderr"]))
                self.assertEqual(r["stdout"], outside.stdout)
                self.assertEqual(comparable(r["stderr"]), comparable(outside.stderr))
                killed = [v for v in r["violations"] if v["verdict"] == "killed"]
                self.assertEqual(killed, [])

    def test_arguments(self):
        code = "import sys; print(sys.argv)"
        args = ["a", "", "b c", "ünï", "-x", "--", "\n"]
        self.assertEqual(self.run_ok(code, args=args), Outside(code, args=args).stdout.decode())

    def test_stdin(self):
        code = "import sys; d = sys.stdin.buffer.read(); print(len(d), d[:3], sum(d))"
        for data in (b"", b"abc\n", bytes(range(256)) * 4096):
            with self.subTest(size=len(data)):
                self.assertEqual(self.run_ok(code, stdin=data), Outside(code, stdin=data).stdout.decode())

    def test_stdin_as_text_line_by_line(self):
        self.assertEqual(self.run_ok("print(input() + '|' + input())", stdin="one\ntwo\n"), "one|two\n")

    def test_stdin_that_is_not_read(self):
        self.assertEqual(self.run_ok("print('done')", stdin=b"x" * (1 << 20)), "done\n")

    def test_filename(self):
        r = self.run_job("print(__file__)\n1 / 0", filename="node_7.py")
        self.assertExited(r, 1)
        self.assertEqual(r["stdout"], b"/tmp/node_7.py\n")
        self.assertIn(b'File "/tmp/node_7.py", line 2, in <module>\n    1 / 0\n', r["stderr"])

    def test_code_can_read_itself(self):
        code = "print(open(__file__).read())"
        self.assertEqual(self.run_ok(code), code + "\n")
        self.assertEqual(self.run_ok("import os; print(os.listdir('.'), os.getcwd(), os.path.getsize('main.py') > 10)"),
                         "['main.py'] /tmp True\n")

    def test_environment(self):
        code = "import os; print(os.environ.get('A'), os.getenv('B'), os.environ.get('WARDER_SECRET'))"
        self.assertEqual(self.run_ok(code, env={"A": "1=2", "B": "ü"}), "1=2 ü None\n")

    def test_environment_of_c(self):
        code = ("import ctypes, os\ngetenv = ctypes.CDLL(None).getenv\ngetenv.restype = ctypes.c_char_p\n"
                "os.environ['LATE'] = 'x'\nprint(getenv(b'A'), getenv(b'PATH_TO_NOWHERE'), getenv(b'LATE'))")
        self.assertEqual(self.run_ok(code, env={"A": "value"}), "b'value' None b'x'\n")

    def test_environment_is_whole(self):
        """Nothing of the supervisor's own environment is there."""
        names = set(eval(self.run_ok("import os; print(sorted(os.environ))", env={"MINE": "1"})))
        self.assertIn("MINE", names)
        self.assertLessEqual(names, {"MINE", "LANG", "PATH", "HOME", "USER", "TMPDIR", "TZ", "LC_ALL", "LC_CTYPE"}, names)

    def test_refused_environment(self):
        for name in ("PYTHONPATH", "PYTHONHASHSEED", "LD_PRELOAD", "LD_LIBRARY_PATH", "NODE_OPTIONS"):
            with self.subTest(name), self.assertRaisesRegex(RpcError, f"^bad_request: .*{name}"):
                self.run_job("1", env={name: "x"})


class Results(Case):
    def test_every_key_is_there(self):
        r = self.run_job("open('/etc/passwd')")
        self.assertEqual(list(r), support.RESULT_KEYS)
        self.assertEqual(sorted(r["usage"]), sorted(support.USAGE_KEYS))
        self.assertEqual(sorted(r["violations"][0]), sorted(support.VIOLATION_KEYS))
        self.assertExited(r, 1)
        self.assertEqual((r["signal"], r["limit"], r["error"], r["files"], r["limits_hit"]), (None, None, None, {}, []))
        self.assertIsInstance(r["stdout"], bytes)

    def test_layers(self):
        layers = self.run_job("1")["layers"]
        self.assertLessEqual({"seccomp", "broker", "no_new_privs", "rlimits"}, set(layers))
        if support.IS_ROOT:
            self.assertIn("identity", layers)

    def test_usage(self):
        r = self.run_job("import time; time.sleep(0.3); x = bytearray(40 << 20); x[::4096] = b'1' * len(x[::4096])\n"
                         "n = 0\nwhile time.process_time() < 0.2: n += 1\nprint('four'); open('/dev/null').close()")
        self.assertExited(r)
        u = r["usage"]
        self.assertEqual((u["stdout_bytes"], u["stderr_bytes"]), (5, 0))
        self.assertTrue(300 <= u["wall_ms"] < 20000, u)
        self.assertTrue(150 <= u["cpu_ms"] < 5000, u)
        self.assertTrue(40 << 10 <= u["max_rss_kib"] < 400 << 10, u)
        self.assertTrue(u["brokered_calls"] >= 1, u)
        self.assertTrue(0 <= u["queue_ms"] < 10000, u)

    def test_job_id(self):
        self.assertEqual(self.run_job("1", job="my id ü")["job"], "my id ü")
        with self.supervisor.client() as c:
            self.assertNotEqual(c.run("1")["job"], c.run("1")["job"])

    def test_hidden(self):
        r = self.run_job("open('/etc/passwd')")
        self.assertExited(r, 1)
        self.assertIn(b"FileNotFoundError: [Errno 2] No such file or directory: '/etc/passwd'", r["stderr"])
        v = [v for v in r["violations"] if v["path"] == "/etc/passwd"]
        self.assertEqual([(x["syscall"], x["verdict"], x["errno"], x["count"]) for x in v],
                         [("openat", "hidden", "ENOENT", 1)])
        self.assertEqual([v["hint"] for v in r["violations"]], [f'grants.read: ["{v["path"]}"]' for v in r["violations"]])
        self.assertTrue(any("/etc/passwd" in a for a in v[0]["args"]), v)

    def test_equal_violations_are_counted(self):
        r = self.run_job("import os\nfor i in range(50):\n    os.path.exists('/nowhere/at/all')\n")
        self.assertEqual([(v["path"], v["count"]) for v in r["violations"]], [("/nowhere/at/all", 50)])

    def test_many_violations_are_bounded(self):
        r = self.run_job("import os\nfor i in range(500):\n    os.path.exists(f'/nowhere/{i}')\n")
        self.assertEqual(len(r["violations"]) + r["violations_dropped"], 500)
        self.assertLessEqual(len(r["violations"]), 64)

    def test_killing_call_is_among_many(self):
        r = self.run_job("import os, ctypes\nfor i in range(500):\n    os.path.exists(f'/nowhere/{i}')\n"
                         "ctypes.CDLL(None).mount(0, 0, 0, 0, 0)\n")
        self.assertEqual(r["outcome"], "violation")
        self.assertLessEqual(len(r["violations"]), 64)
        self.assertEqual((r["violations"][-1]["syscall"], r["violations"][-1]["verdict"]), ("mount", "killed"))

    def test_refused_subprocess(self):
        r = self.run_job("import subprocess\nsubprocess.run(['/bin/true'])\n")
        self.assertExited(r, 1)
        self.assertIn(b"PermissionError: [Errno 1] Operation not permitted", r["stderr"])
        self.assertIn(b'File "/tmp/main.py", line 2', r["stderr"])
        refused = [v for v in r["violations"] if v["verdict"] == "refused"]
        # vfork first, then fork: Python tries both
        self.assertEqual({v["errno"] for v in refused}, {"EPERM"}, r["violations"])

    def test_fork_is_refused(self):
        r = self.run_job("import os\nos.fork()\n")
        self.assertExited(r, 1)
        self.assertIn(b"PermissionError", r["stderr"])

    KILL = "import ctypes\nprint('before', flush=True)\nctypes.CDLL(None).mount(b'none', b'/mnt', b'tmpfs', 0, None)\n"

    def check_killed(self, r):
        self.assertEqual((r["outcome"], r["exit_code"], r["signal"]), ("violation", None, None), r)
        self.assertEqual(r["stdout"], b"before\n")
        v = r["violations"][-1]
        self.assertEqual((v["syscall"], v["verdict"], v["errno"]), ("mount", "killed", None))
        for part in ("none", "/mnt", "tmpfs"):
            self.assertTrue(any(part in a for a in v["args"]), v)

    def test_killed(self):
        self.check_killed(self.run_job(self.KILL))

    def test_killed_in_a_second_thread(self):
        body = "".join("    " + line + "\n" for line in self.KILL.splitlines())
        self.check_killed(self.run_job(f"import threading, time\ndef f():\n{body}\nthreading.Thread(target=f).start()\n"
                                       "time.sleep(60)\n"))

    def test_killed_again_and_again(self):
        for _ in range(10):
            self.check_killed(self.run_job(self.KILL))


class Streams(Case):
    def test_both_streams_large(self):
        r = self.run_job("import sys\nfor i in range(3000):\n"
                         "    sys.stdout.write(f'{i:06}' * 170 + '\\n'); sys.stderr.write(f'{i:06}' * 170 + '\\n')\n")
        self.assertExited(r)
        expected = b"".join(b"%06d" % i * 170 + b"\n" for i in range(3000))
        self.assertTrue(r["stdout"] == expected, len(r["stdout"]))
        self.assertTrue(r["stderr"] == expected, len(r["stderr"]))
        self.assertEqual(r["usage"]["stdout_bytes"], len(expected))
        self.assertEqual((r["stdout_truncated"], r["stderr_truncated"]), (False, False))

    def test_twelve_mebibytes(self):
        r = self.run_job("import sys; sys.stdout.write('x' * (12 << 20))")
        self.assertExited(r)
        self.assertTrue(r["stdout"] == b"x" * (12 << 20), len(r["stdout"]))

    def test_cut(self):
        r = self.run_job("import sys\nfor i in range(4096):\n    print(i)\nprint('end', file=sys.stderr)\nsys.exit(3)",
                         limits={"output_kib": 4})
        self.assertExited(r, 3)
        whole = b"".join(b"%d\n" % i for i in range(4096))
        # the limit is for both together: which pipe the worker reads first is not said
        self.assertEqual(len(r["stdout"]) + len(r["stderr"]), 4096)
        self.assertEqual(r["stdout"], whole[:len(r["stdout"])])
        self.assertIn(r["stderr"], (b"", b"end\n"))
        self.assertEqual((r["stdout_truncated"], r["limit"]), (True, None))

    def test_cut_of_a_flood(self):
        r = self.run_job("import sys\nfor i in range(2000):\n    sys.stdout.write('y' * 100000)\n",
                         limits={"output_kib": 100})
        self.assertExited(r)
        self.assertEqual((r["stdout"] == b"y" * 102400, r["stdout_truncated"]), (True, True))
        self.assertLess(r["usage"]["max_rss_kib"], 200 << 10)

    def test_streamed(self):
        with self.supervisor.client() as c:
            code = ("import sys\nprint('first')\nprint('warn', file=sys.stderr)\n"
                    "sys.stdin.read()\nimport time; time.sleep(0.5)\nprint('last')\n")
            i = c.start(code, stream=True, job="streamed")
            c.wait_output(b"first\n")
            self.assertNotIn(i, c.answers)
            r = c.wait(i)
            self.assertExited(r)
            self.assertEqual((c.output(), c.output("stderr")), (b"first\nlast\n", b"warn\n"))
            self.assertEqual(r["stdout"], b"first\nlast\n")
            self.assertEqual({p["job"] for _, p in c.notifications}, {"streamed"})

    def test_what_was_printed_before_the_end_is_kept(self):
        """Line by line, whatever ends the job: nobody has to think of flush=True to learn how far it came."""
        for name, end in (("wall time", "while True: pass"), ("killed", "import ctypes; ctypes.CDLL(None).syscall(101, 0, 0, 0, 0)"),
                          ("crash", "import os; os.abort()"), ("memory", "x = [bytearray(1 << 20) for _ in range(4096)]")):
            with self.subTest(name):
                r = self.run_job(f"for i in range(1000): print('line', i)\n{end}\n", limits={"wall_ms": 2000, "memory_mib": 100})
                self.assertEqual(r["stdout"].splitlines()[-1:], [b"line 999"], r["outcome"])

    def test_no_notifications_unasked(self):
        with self.supervisor.client() as c:
            c.run("print('x' * 100000)")
            self.assertEqual(c.notifications, [])


class Limits(Case):
    def test_wall_time(self):
        for name, code in {"sleep": "import time; print('on', flush=True); time.sleep(60)",
                           "loop": "print('on', flush=True)\nwhile True: pass",
                           "lock": "import threading\nprint('on', flush=True)\nthreading.Lock().acquire(); "
                                   "l = threading.Lock(); l.acquire(); l.acquire()",
                           "ignored signals": "import signal, time\nfor s in range(1, 32):\n"
                                              "    if s not in (9, 19): signal.signal(s, signal.SIG_IGN)\n"
                                              "print('on', flush=True)\ntime.sleep(60)"}.items():
            with self.subTest(name):
                r = self.run_job(code, limits={"wall_ms": 400})
                self.assertEqual((r["outcome"], r["limit"], r["exit_code"]), ("limit", "wall_time", None), r)
                self.assertEqual(r["stdout"], b"on\n")
                self.assertTrue(395 <= r["usage"]["wall_ms"] < 2000, r["usage"])

    def test_memory(self):
        r = self.run_job("x = bytearray(1 << 34)")
        self.assertExited(r, 1)
        self.assertTrue(r["stderr"].endswith(b"MemoryError\n"), r["stderr"])
        self.assertEqual(self.run_ok("try:\n    bytearray(1 << 34)\nexcept MemoryError:\n    print('caught')"),
                         "caught\n")

    def test_memory_in_small_steps(self):
        r = self.run_job("x = []\nwhile True: x.append(bytearray(1 << 20))")
        self.assertEqual((r["outcome"], r["limit"]), ("limit", "memory"), r)
        # the policy's 256 MiB, the interpreter itself, and what a loaded machine's worker sees late
        self.assertLess(r["usage"]["max_rss_kib"], (256 + 100) << 10)

    def test_threads(self):
        r = self.run_job("import threading, time\nn = 0\ntry:\n    for i in range(200):\n"
                         "        threading.Thread(target=time.sleep, args=(0.5,), daemon=True).start(); n += 1\n"
                         "except RuntimeError as e:\n    print(n, e)\n", limits={"threads": 8})
        self.assertExited(r)
        self.assertRegex(r["stdout"].decode(), r"^[78] can't start new thread\n$")

    def test_tmp(self):
        r = self.run_job("import errno\nf = open('/tmp/big', 'wb')\ntry:\n    for i in range(64):\n"
                         "        f.write(b'x' * (1 << 20)); f.flush()\n"
                         "except OSError as e:\n    print(i, errno.errorcode[e.errno], flush=True)\nimport os; os._exit(0)",
                         limits={"tmp_mib": 4})
        if "tmp_quota" not in r["layers"] and r["outcome"] == "limit":  # a directory is measured now and then: who is far over is ended
            self.assertEqual((r["limit"], r["limits_hit"]), ("tmp", ["tmp"]))
            return
        self.assertExited(r)
        self.assertRegex(r["stdout"].decode() or r["stderr"].decode(), r"^\d+ (ENOSPC|EDQUOT|EFBIG)\n$" if "tmp_quota" not in r["layers"] else
                         r"^[34] (ENOSPC|EDQUOT|EFBIG)\n$")

    def test_out_of_range(self):
        for limits, text in [({"wall_ms": -5}, r"limits\.wall_ms: must be 1 to \d+, is -5"),
                             ({"wall_ms": 0}, r"limits\.wall_ms: must be 1 to \d+, is 0"),
                             ({"wall_ms": 10 ** 12}, r"limits\.wall_ms: .*\d+"),
                             ({"threads": "many"}, r"limits\.threads: "),
                             ({"nonsense": 1}, r"(limits: )?unknown field (limits\.)?nonsense")]:
            with self.subTest(limits), self.assertRaisesRegex(RpcError, "^bad_request: " + text):
                self.run_job("print('never')", limits=limits)


class EndAtOutputLimit(Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        with open(os.path.join(cls.folder.name, "ender.yaml"), "w") as f:
            f.write("name: ender\nextends: python3\non_output_limit: end\n")
        cls.supervisor_args = ("--policy-dir", cls.folder.name, "--policy-dir", support.POLICIES)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def test_end(self):
        r = self.run_job("while True: print('z' * 1000)", policy="ender", limits={"output_kib": 10, "wall_ms": 10000})
        self.assertEqual((r["outcome"], r["limit"]), ("limit", "output"))
        self.assertTrue(r["stdout_truncated"])
        self.assertEqual(len(r["stdout"]), 10240)

    def test_other_policies_do_not(self):
        self.assertExited(self.run_job("print('z' * 20000)", limits={"output_kib": 10}))


class Cancelling(Case):
    SLEEP = "import time\nprint('on', flush=True)\ntime.sleep(60)\n"

    def jobs(self):
        with self.supervisor.client() as c:
            return c.rpc("jobs")

    def test_cancel(self):
        with self.supervisor.client() as c:
            i = c.start(self.SLEEP, job="victim", stream=True)
            c.wait_output(b"on\n")
            listed = [j for j in self.jobs() if j["job"] == "victim"]
            self.assertEqual([(j["language"], j["policy"], j["state"]) for j in listed],
                             [("python3", "python3", "running")])
            self.assertEqual(c.rpc("cancel", job="victim"), {"cancelled": True})
            r = c.wait(i)
            self.assertEqual((r["outcome"], r["exit_code"], r["signal"], r["stdout"]), ("cancelled", None, None, b"on\n"))
            self.assertEqual(c.rpc("cancel", job="victim"), {"cancelled": False})

    def test_cancel_from_another_connection(self):
        with self.supervisor.client() as c, self.supervisor.client() as other:
            i = c.start(self.SLEEP, job="victim2", stream=True)
            c.wait_output(b"on\n")
            self.assertEqual(other.rpc("cancel", job="victim2"), {"cancelled": True})
            self.assertEqual(c.wait(i)["outcome"], "cancelled")

    def test_cancel_of_what_still_waits(self):
        with self.supervisor.client() as c:
            ids = [c.start("import time; time.sleep(0.2)", job=f"w{i}") for i in range(30)]
            c.send("cancel", {"job": "w29"})
            outcomes = [c.wait(i)["outcome"] for i in ids]
            self.assertEqual(outcomes, ["exited"] * 29 + ["cancelled"])

    def test_hang_up_cancels(self):
        c = self.supervisor.client()
        c.start(self.SLEEP, job="orphan", stream=True)
        c.wait_output(b"on\n")
        pid = [j["tracee_pid"] for j in self.jobs() if j["job"] == "orphan"][0]
        c.close()
        eventually(lambda: not self.jobs())
        eventually(lambda: not os.path.exists(f"/proc/{pid}"))

    def test_detached_goes_on(self):
        c = self.supervisor.client()
        c.start("import time\nprint('on', flush=True)\ntime.sleep(1)\n", job="away", stream=True, detach=True)
        c.wait_output(b"on\n")
        c.close()
        self.assertEqual([j["job"] for j in self.jobs()], ["away"])
        eventually(lambda: not self.jobs())

    @unittest.skipUnless(support.IS_ROOT, "capability: two users need root")
    def test_other_users_jobs(self):
        os.chmod(self.supervisor.path, 0o666)
        with self.supervisor.client() as c:
            i = c.start(self.SLEEP, job="mine", stream=True)
            c.wait_output(b"on\n")
            os.seteuid(65534)
            try:
                other = self.supervisor.client()
            finally:
                os.seteuid(0)
            with other:
                self.assertEqual(other.rpc("jobs"), [])
                self.assertEqual(other.rpc("cancel", job="mine"), {"cancelled": False})
                self.assertEqual(other.run("print('theirs')", job="mine")["stdout"], b"theirs\n")
                self.assertNotIn(i, c.answers)
                j = other.start(self.SLEEP, job="theirs", stream=True)
                other.wait_output(b"on\n")
                self.assertIn("theirs", [x["job"] for x in c.rpc("jobs")], "root is an operator")
                self.assertEqual(c.rpc("cancel", job="theirs"), {"cancelled": True})
                self.assertEqual(other.wait(j)["outcome"], "cancelled")
            c.rpc("cancel", job="mine")
            self.assertEqual(c.wait(i)["outcome"], "cancelled")


class Requests(Case):
    def test_pipelined(self):
        with self.supervisor.client() as c:
            slow = c.start("import time; time.sleep(1); print('slow')")
            ids = {c.start(f"print({i} ** 2)"): i for i in range(50)}
            for msgid, i in ids.items():
                r = c.wait(msgid)
                self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"%d\n" % i ** 2))
            self.assertEqual(c.wait(slow)["stdout"], b"slow\n")
            self.assertNotEqual(c.order[0], slow)

    def test_many_connections(self):
        clients = [self.supervisor.client() for _ in range(40)]
        ids = [c.start(f"print('of', {i})") for i, c in enumerate(clients)]
        for i, (c, msgid) in enumerate(zip(clients, ids)):
            self.assertEqual(c.wait(msgid)["stdout"], b"of %d\n" % i)
            c.close()

    def test_duplicate_id(self):
        with self.supervisor.client() as c:
            i = c.start("import time; print('on', flush=True); time.sleep(60)", job="twice", stream=True)
            c.wait_output(b"on\n")
            with self.assertRaisesRegex(RpcError, "^bad_request: .*twice"):
                c.run("1", job="twice")
            c.rpc("cancel", job="twice")
            c.wait(i)
            self.assertExited(c.run("1", job="twice"))

    def test_errors(self):
        for method, params, text in [
            ("run", {"code": "1"}, r"^bad_request: .*language"),
            ("run", {"language": "python3"}, r"^bad_request: .*code"),
            ("run", {"language": "perl", "code": "1"}, r"^bad_request: .*language.*perl"),
            ("run", {"language": "python3", "code": "1", "x": 1}, r"^bad_request: unknown field x$"),
            ("run", {"language": "python3", "code": 7}, r"^bad_request: code"),
            ("run", {"language": "python3", "code": "1", "policy": "nowhere"}, r"^unknown_policy: .*nowhere"),
            ("run", {"language": "python3", "code": "1", "args": ["a", 1]}, r"^bad_request: args"),
            ("run", {"language": "python3", "code": "1", "env": {"A": 1}}, r"^bad_request: env"),
            ("run", {"language": "python3", "code": "1", "filename": "../x"}, r"^bad_request: filename"),
            ("run", {"language": "python3", "code": "1", "filename": ""}, r"^bad_request: filename"),
            ("run", {"language": "python3", "code": "1", "stream": "yes"}, r"^bad_request: stream"),
            ("run", {"language": "python3", "code": "1", "limits": []}, r"^bad_request: limits"),
            ("nothing", {}, r"^unknown_method: .*nothing"),
            ("cancel", {}, r"^bad_request: .*job"),
        ]:
            with self.subTest(text), self.supervisor.client() as c:
                with self.assertRaisesRegex(RpcError, text):
                    c.rpc(method, **params)
                self.assertExited(c.run("1"))

    def test_empty_params(self):
        with self.supervisor.client() as c:
            for params in ([], None, [{}]):
                c.last += 1
                c.sock.sendall(support.msgpack.packb([0, c.last, "jobs", params]))
                self.assertEqual(c.wait(c.last), [])

    def test_str_and_bin_are_accepted(self):
        self.assertEqual(self.run_ok("print('ü')"), "ü\n")
        self.assertEqual(self.run_ok("print('ü')".encode()), "ü\n")

    def test_status(self):
        with self.supervisor.client() as c:
            status = c.rpc("status")
        for key in ("version", "layers"):
            self.assertIn(key, status)

    def test_slow_reader(self):
        """A client that does not read its answers holds up nobody else."""
        with self.supervisor.client() as lazy:
            ids = [lazy.start("print('x' * (4 << 20))", stream=bool(i % 2)) for i in range(8)]
            self.assertEqual(self.run_ok("print('quick')"), "quick\n")
            for i in ids:
                self.assertEqual(len(lazy.wait(i)["stdout"]), (4 << 20) + 1)


class Isolation(Case):
    def test_random_state(self):
        for name, code in RANDOM.items():
            with self.subTest(name), self.supervisor.client() as c:
                ids = [c.start(code) for _ in range(8)]
                lines = [c.wait(i)["stdout"] for i in ids]
                self.assertEqual(len(set(lines)), 8, lines)
                self.assertTrue(all(lines), lines)

    # a job does the first, the next ones print the second, and must print what follows
    LEFT_BEHIND = {
        "globals": ("left = 1", "print('left' in globals())", "False"),
        "builtins": ("import builtins; builtins.left = 1", "import builtins; print(hasattr(builtins, 'left'))", "False"),
        "modules": ("import json, sys; json.left = 1; sys.modules['left'] = json",
                    "import json, sys; print(hasattr(json, 'left'), 'left' in sys.modules)", "False False"),
        "path": ("import sys; sys.path.insert(0, '/left')", "import sys; print('/left' in sys.path)", "False"),
        "environ": ("import os; os.environ['LEFT'] = '1'", "import os; print(os.environ.get('LEFT'))", "None"),
        "tmp": ("open('/tmp/left', 'w').write('x')", "import os; print(os.listdir('/tmp'))", "['main.py']"),
        "code": ("open('/tmp/main.py', 'w').write('x')", "print(len(open('/tmp/main.py').read()) > 20)", "True"),
        "cwd": ("import os; os.mkdir('/tmp/d'); os.chdir('/tmp/d')", "import os; print(os.getcwd())", "/tmp"),
        "handlers": ("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
                     "import signal; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)", "True"),
        "timers": ("import signal; signal.setitimer(signal.ITIMER_REAL, 0.05); import os; os._exit(0)",
                   "import signal, time; time.sleep(0.1); print(signal.getitimer(signal.ITIMER_REAL))", "(0.0, 0.0)"),
        "umask": ("import os; os.umask(0)", "import os; print(os.umask(0o22) == 0)", "False"),
        "descriptors": ("f = open('/tmp/x', 'w')", "import os; print(os.dup(0) < 16)", "True"),
        "argv": ("import sys; sys.argv.append('left')", "import sys; print(sys.argv)", "['/tmp/main.py']"),
        "atexit": ("import atexit; atexit.register(print, 'left')", "print('only')", "only"),
        "audit": ("import sys; sys.addaudithook(print)", "print('only')", "only"),
    }

    def test_nothing_is_left_behind(self):
        for name, (dirty, look, expected) in self.LEFT_BEHIND.items():
            with self.subTest(name), self.supervisor.client() as c:
                for _ in range(4):
                    self.assertExited(c.run(dirty))
                for _ in range(4):
                    r = c.run(look)
                    self.assertExited(r)
                    self.assertEqual(r["stdout"].decode().strip(), expected)

    def test_no_inherited_descriptors(self):
        code = ("import fcntl\nfound = []\nfor fd in range(3, 1024):\n    try:\n"
                "        fcntl.fcntl(fd, fcntl.F_GETFD); found.append(fd)\n    except OSError:\n        pass\nprint(found)")
        self.assertEqual(self.run_ok(code), "[]\n")

    def test_stdio_is_pipes_of_its_own(self):
        self.assertEqual(self.run_ok("import os, stat; print([stat.S_ISFIFO(os.fstat(i).st_mode) for i in (1, 2)])"),
                         "[True, True]\n")

    def test_clean_identity(self):
        out = self.run_ok("import os; print(os.getresuid(), os.getresgid(), os.getgroups())")
        uid, gid, groups = re.findall(r"\(.*?\)|\[.*?\]", out)
        if support.IS_ROOT:
            self.assertNotIn("0", re.findall(r"\d+", uid + gid))
            self.assertEqual(groups, "[]")
            self.assertEqual(len(set(eval(uid))), 1)
            self.assertEqual(len(set(eval(gid))), 1)

    @unittest.skipUnless(support.IS_ROOT, "capability: identities need root")
    def test_two_jobs_share_no_identity(self):
        with self.supervisor.client() as c:
            code = "import os, sys\nprint(os.getuid(), flush=True)\nimport time; time.sleep(1)"
            ids = [c.start(code) for _ in range(2)]
            uids = {c.wait(i)["stdout"] for i in ids}
            self.assertEqual(len(uids), 2)

    def test_cannot_signal_others(self):
        with self.supervisor.client() as c, self.supervisor.client() as d:
            i = c.start("import os, sys, time; print(os.getpid(), flush=True); time.sleep(1.5); print('lives')",
                        stream=True)
            c.wait_output(b"\n")
            pid = int(c.output())
            r = d.run(f"import os\nfor p in ({pid}, {self.supervisor.proc.pid}, 1, -1):\n"
                      "    try:\n        os.kill(p, 9); print('killed', p)\n    except OSError:\n        print('no')\n")
            self.assertNotIn(b"killed", r["stdout"])
            self.assertIn(b"lives", c.wait(i)["stdout"])


class NothingOfWarder(Case):
    """User code is the bottom frame, and what made its process is not to be found in it."""

    def test_no_frame_below(self):
        self.assertEqual(self.run_ok("import sys, inspect; print(sys._getframe().f_back, len(inspect.stack()))"), "None 1\n")

    def test_no_module_and_no_path(self):
        told = self.run_ok("import sys\n"
                           "print([n for n in sys.modules if 'warder' in n], [p for p in sys.path_importer_cache if 'tracee' in p])\n"
                           "print(sys.argv, sys.orig_argv[1:], sys.modules['__main__'].__file__)")
        self.assertEqual(told, "[] []\n['/tmp/main.py'] ['/tmp/main.py'] /tmp/main.py\n")

    def test_threading_knows_its_main_thread(self):
        self.assertEqual(self.run_ok("import threading as t; print(t.main_thread().is_alive(), t.current_thread() is t.main_thread())"),
                         "True True\n")


@unittest.skipUnless(os.path.isdir("/usr/lib/python3/dist-packages/numpy"), "missing: numpy")
class PreloadedGenerators(Case):
    """A generator that is seeded in the zygote, and knows nothing of forks, would give all jobs the same numbers."""
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        with open(os.path.join(cls.folder.name, "numbers.yaml"), "w") as f:
            f.write("name: numbers\nextends: python3\npreload: [numpy.random]\n")
        cls.supervisor_args = ("--policy-dir", cls.folder.name, "--policy-dir", support.POLICIES)
        super().setUpClass()

    def test_numpy(self):
        code = "import sys; print('numpy.random' in sys.modules); import numpy; print(numpy.random.random(4).tolist())"
        lines = [self.run_ok(code, policy="numbers").splitlines() for _ in range(4)]
        self.assertEqual({first for first, _ in lines}, {"True"}, "it was not preloaded")
        self.assertEqual(len({second for _, second in lines}), 4, lines)


class PreloadedState(Case):
    """What modules have done in the zygote: they have drawn, and one has started a thread, which no child has."""
    MODULES = {
        "drawn": "import random\nrandom.gauss(0, 1)  # draws two, keeps one\n",
        "threaded": "import logging, random, threading\nlogging.getLogger('x').addHandler(logging.NullHandler())\n"
                    "threading.Thread(target=threading.Event().wait, name='of the zygote').start()\n",
    }
    CODE = """import random, sys, threading
from concurrent.futures import ThreadPoolExecutor
print(sys.argv[1] in sys.modules, [t.name for t in threading.enumerate()], list(ThreadPoolExecutor(2).map(str, 'ab')))
print(random.gauss(0, 1), random.random())"""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        packages = os.path.join(folder.name, "python3", "default")
        os.makedirs(packages)
        for name, text in cls.MODULES.items():
            with open(os.path.join(packages, f"{name}.py"), "w") as f:
                f.write(text)
            with open(os.path.join(folder.name, f"{name}.yaml"), "w") as f:
                f.write(f"name: {name}\nextends: python3\npreload: [random, logging, concurrent.futures.thread, {name}]\n")
        cls.supervisor = support.Supervisor("--workers", "1", "--policy-dir", folder.name, "--policy-dir", support.POLICIES,
                                            env={**os.environ, "WARDER_DEPENDENCIES": folder.name})
        cls.addClassCleanup(cls.supervisor.stop)

    def test_each_job_begins_anew(self):
        for name in self.MODULES:
            with self.subTest(name):
                told = [self.run_ok(self.CODE, policy=name, args=[name]).splitlines() for _ in range(3)]
                self.assertEqual({first for first, _ in told}, {"True ['MainThread'] ['a', 'b']"})
                for column in range(2):
                    self.assertEqual(len({second.split()[column] for _, second in told}), 3, told)


class SupervisorsEnvironment(unittest.TestCase):
    # the kernel puts a program's environment below its file name, at the top of the stack; there it stays for good
    CODE = """
import ctypes, os
libc = ctypes.CDLL(None)
libc.getauxval.restype = ctypes.c_ulong
top = libc.getauxval(31)  # AT_EXECFN
strings = ctypes.string_at(top - 2048, 2048)
print(b"PATH=" in strings, b"OF-THE-SUPERVISOR" in strings, "WARDER_TEST_SECRET" in os.environ)
"""

    def test_not_even_on_the_stack(self):
        s = support.Supervisor(env=dict(os.environ, WARDER_TEST_SECRET="OF-THE-SUPERVISOR", PYTHONUNBUFFERED="1"))
        self.addCleanup(s.stop)
        r = s.run(self.CODE)
        self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"True False False\n"), r)


class EndOfProcess(Case):
    """What a program's end does natively, it does here: each is compared with python3's own output and status."""

    def same(self, code):
        outside, inside = support.Outside(code), self.run_job(code)
        self.assertEqual((inside["exit_code"], inside["stdout"], inside["stderr"]),
                         (outside.status, outside.stdout, outside.stderr), code)

    def test_stdout_replaced(self):
        self.same("import sys\nprint('before')\nclass T:\n  def write(s, x): sys.__stdout__.write(x)\n"
                  "  def flush(s): pass\nsys.stdout = T(); print('after')")
        self.same("import sys, io\nprint('before'); sys.stdout = io.StringIO(); print('kept')")
        self.same("import sys\nprint('before'); sys.stdout = None")
        self.same("import sys\nprint('before'); del sys.stdout")
        self.same("import sys, io\nsys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding='utf-8'); print('x')")

    def test_finalizers_see_their_globals(self):
        self.same("import os, json\nclass D:\n  def __del__(s): print('cleaned', json.dumps([1]), helper(), os.sep)\n"
                  "def helper(): return 'h'\nt = D()\nclass C: pass\nc = C(); c.c = c; c.d = D()")
        self.same("import os\ndef g():\n  try: yield 1\n  finally: print('closed', os.sep)\nx = g(); next(x)")

    def test_atexit_and_hooks(self):
        self.same("import atexit, sys\natexit.register(sys.exit, 7)\natexit.register(print, 'first')")
        self.same("import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__)\n1/0")
        self.same("import atexit\natexit.register(print, 'x')\nraise SystemExit('bye')")

    def test_lines_of_threads_stay_whole(self):
        code = ("import threading, sys\nb = threading.Barrier(8)\ndef f():\n  b.wait()\n  for i in range(3000): sys.stdout.write('x' * 10 + '\\n')\n"
                "t = [threading.Thread(target=f) for _ in range(8)]\n[x.start() for x in t]; [x.join() for x in t]")
        self.assertEqual(set(self.run_ok(code).split("\n")[:-1]), {"x" * 10})

    def test_time_zone_of_the_environment(self):
        self.assertEqual(self.run_ok("import time; print(time.strftime('%Z %H', time.localtime(0)))", env={"TZ": "Asia/Tokyo"}), "JST 09\n")


class Shutdown(unittest.TestCase):
    def test_ends_in_good_order(self):
        for sig in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(sig):
                s = support.Supervisor()
                c = s.client()
                c.start("import time; print('on', flush=True); time.sleep(60)", stream=True)
                c.wait_output(b"on\n")
                pid = c.rpc("jobs")[0]["tracee_pid"]
                s.proc.send_signal(sig)
                self.assertEqual(s.proc.wait(support.DEADLINE), 0)
                self.assertFalse(os.path.exists(s.path), "the socket is still there")
                eventually(lambda: not os.path.exists(f"/proc/{pid}"))
                s.stop()

    def test_no_process_is_left_after_a_kill(self):
        s = support.Supervisor()
        c = s.client()
        c.start("import time; print('on', flush=True); time.sleep(60)", stream=True)
        c.wait_output(b"on\n")
        pid = c.rpc("jobs")[0]["tracee_pid"]
        zygote = int(open(f"/proc/{pid}/stat", errors="replace").read().rsplit(")", 1)[1].split()[1])
        s.proc.kill()
        s.proc.wait()
        eventually(lambda: not os.path.exists(f"/proc/{pid}"))
        eventually(lambda: support.is_gone(zygote) or zygote == 1)
        s.stop()

    def test_second_supervisor_on_one_socket(self):
        s = support.Supervisor()
        r = support.subprocess.run([support.WARDERD, "--socket", s.path], capture_output=True, timeout=60)
        self.assertNotEqual(r.returncode, 0)
        self.assertIn(s.path.encode(), r.stderr)
        self.assertExitedOk(s)
        self.assertEqual(s.stop(), 0)

    def assertExitedOk(self, s):
        self.assertEqual(s.run("print(1)")["stdout"], b"1\n")

    def test_stale_socket_is_replaced(self):
        s = support.Supervisor()
        path = s.path
        s.proc.kill()
        s.proc.wait()
        self.assertTrue(os.path.exists(path))
        second = support.subprocess.Popen([support.WARDERD, "--socket", path], stderr=support.subprocess.DEVNULL)
        try:
            def answers():
                try:
                    with Client(path) as c:
                        return c.run("print(1)")["stdout"]
                except (ConnectionError, EOFError):  # the killed one's front may outlive its keeper for a moment
                    return None
            self.assertEqual(eventually(answers), b"1\n")
        finally:
            second.terminate()
            second.wait()
            s.stop()


if __name__ == "__main__":
    unittest.main()
