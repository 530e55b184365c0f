"""Where in the user's source a violation happened: every kind of frame, in every CPython found on this machine."""
import glob
import os
import subprocess
import tempfile
import textwrap
import unittest

import support

# A program is a job's code; `# HERE` marks the line that its violation must name, in the function that stands behind it. A name in brackets
# is what CPython before 3.11 says, where code objects have no qualified names.
PROGRAMS = {
    "module": """
        try:
            open("/secret/x")  # HERE <module>
        except OSError: pass
        """,
    "function": """
        def look():
            y = [1,
                 2]
            return open("/secret/x")  # HERE look
        try:
            look()
        except OSError: pass
        """,
    "class body": """
        class A:
            try:
                open("/secret/x")  # HERE A
            except OSError: pass
        """,
    "method": """
        class A:
            def f(self):
                open("/secret/x")  # HERE A.f (f)
        try:
            A().f()
        except OSError: pass
        """,
    "closure": """
        def outer():
            def inner():
                open("/secret/x")  # HERE outer.<locals>.inner (inner)
            inner()
        try: outer()
        except OSError: pass
        """,
    "lambda": """
        f = lambda: open("/secret/x")  # HERE <lambda>
        try: f()
        except OSError: pass
        """,
    "generator expression": """
        try:
            list(
                open("/secret/x")  # HERE <genexpr>
                for _ in range(2))
        except OSError: pass
        """,
    "generator": """
        def gen():
            yield 1
            try: yield open("/secret/x")  # HERE gen
            except OSError: pass
        list(gen())
        """,
    "coroutine": """
        import asyncio
        async def deep():
            await asyncio.sleep(0)
            open("/secret/x")  # HERE deep
        async def main():
            try: await deep()
            except OSError: pass
        asyncio.run(main())
        """,
    "async generator": """
        import asyncio
        async def gen():
            yield 1
            open("/secret/x")  # HERE gen
        async def main():
            try:
                async for _ in gen(): pass
            except OSError: pass
        asyncio.run(main())
        """,
    "task": """
        import asyncio
        async def one():
            await asyncio.sleep(0.001)
            open("/secret/x")  # HERE one
        async def main():
            await asyncio.gather(asyncio.sleep(0), one(), return_exceptions=True)
        asyncio.run(main())
        """,
    "decorator": """
        import functools
        def twice(f):
            @functools.wraps(f)
            def g(*a):
                return f(*a)
            return g
        @twice
        def look():
            open("/secret/x")  # HERE look
        try: look()
        except OSError: pass
        """,
    "default argument": """
        try:
            def f(a=open("/secret/x")): pass  # HERE <module>
        except OSError: pass
        """,
    "several lines": """
        try:
            r = [1,
                 open(  # HERE <module>
                     "/secret/x")]
        except OSError: pass
        """,
    "library": """
        import json, pathlib
        def load():
            return json.loads(pathlib.Path("/secret/x").read_text())  # HERE load
        try: load()
        except OSError: pass
        """,
    "deep in a library": """
        import copy
        class A:
            def __deepcopy__(self, memo):
                open("/secret/x")  # HERE A.__deepcopy__ (__deepcopy__)
        v = A()
        for _ in range(60): v = [v]
        try: copy.deepcopy(v)
        except OSError: pass
        """,
    "recursion": """
        def down(n):
            return down(n - 1) if n else open("/secret/x")  # HERE down
        try: down(700)
        except OSError: pass
        """,
    "called by C": """
        def key(_):
            open("/secret/x")  # HERE key
        try: sorted([1], key=key)
        except OSError: pass
        """,
    "native code": """
        import ctypes
        ctypes.CDLL(None).open(b"/secret/x", 0)  # HERE <module>
        """,
    "callback from native code": """
        import ctypes
        COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        def compare(a, b):
            try: open("/secret/x")  # HERE compare
            except OSError: pass
            return 0
        ctypes.CDLL(None).qsort((ctypes.c_int * 2)(), 2, 4, COMPARE(compare))
        """,
    "exec": """
        exec("pass\\ntry: open('/secret/x')\\nexcept OSError: pass")  # IN <string>:2 <module>
        """,
    "eval": """
        try: eval("(0,\\n open('/secret/x'))")  # IN <string>:2 <module>
        except OSError: pass
        """,
    "compile": """
        exec(compile("\\n\\ntry: open('/secret/x')\\nexcept OSError: pass", "<cell 3>", "exec"))  # IN <cell 3>:3 <module>
        """,
    "own module": """
        import sys
        sys.dont_write_bytecode = True
        open("/tmp/mine.py", "w").write("def f():\\n  a = 1\\n  open('/secret/x')\\n")
        import mine  # IN /tmp/mine.py:3 f
        try: mine.f()
        except OSError: pass
        """,
    "own module, other letters": """
        import sys
        sys.dont_write_bytecode = True
        open("/tmp/\\u4e2d\\xe9.py", "w", encoding="utf8").write("def \\xfcber():\\n  open('/secret/x')\\n")
        m = __import__("\\u4e2d\\xe9")  # IN /tmp/中é.py:2 über
        try: m.\xfcber()
        except OSError: pass
        """,
    "importing": """
        open("/tmp/other.py", "w").write("\\n\\nopen('/secret/x')\\n")
        try: import other  # IN /tmp/other.py:3 <module>
        except OSError: pass
        """,
    "destructor": """
        class D:
            def __del__(self):
                try: open("/secret/x")  # HERE D.__del__ (__del__)
                except OSError: pass
        D()
        """,
    "destructor at the end": """
        class D:
            def __del__(self):
                try: open("/secret/x")  # HERE D.__del__ (__del__)
                except OSError: pass
        d = D()
        """,
    "collected cycle": """
        import gc
        class D:
            def __del__(self):
                try: open("/secret/x")  # HERE D.__del__ (__del__)
                except OSError: pass
        d = D(); d.me = d; del d
        gc.collect()
        """,
    "atexit": """
        import atexit
        @atexit.register
        def bye():
            try: open("/secret/x")  # HERE bye
            except OSError: pass
        """,
    "signal handler": """
        import os, signal
        def on(*a):
            try: open("/secret/x")  # HERE on
            except OSError: pass
        signal.signal(signal.SIGUSR1, on)
        os.kill(os.getpid(), signal.SIGUSR1)
        """,
    "excepthook": """
        import sys
        def hook(*a):
            open("/secret/x")  # HERE hook
        sys.excepthook = hook
        1 / 0
        """,
    "trace function": """
        import sys
        def trace(frame, event, arg):
            try: open("/secret/x")  # HERE trace
            except OSError: pass
        def f(): pass
        sys.settrace(trace); f(); sys.settrace(None)
        """,
    "property": """
        class A:
            @property
            def p(self):
                return open("/secret/x")  # HERE A.p (p)
        try: A().p
        except OSError: pass
        """,
    "with": """
        class A:
            def __enter__(self): pass
            def __exit__(self, *a):
                open("/secret/x")  # HERE A.__exit__ (__exit__)
        try:
            with A():
                pass
        except OSError: pass
        """,
    "thread": """
        import threading
        def look():
            try: open("/secret/x")  # HERE look
            except OSError: pass
        t = threading.Thread(target=look); t.start(); t.join()
        """,
    "one of many threads": """
        import threading
        go = threading.Event()
        def wait(): go.wait()
        def look():
            go.wait()
            try: open("/secret/x")  # HERE look
            except OSError: pass
        all = [threading.Thread(target=look if i == 7 else wait) for i in range(15)]
        for t in all: t.start()
        go.set()
        for t in all: t.join()
        """,
    "thread pool": """
        from concurrent.futures import ThreadPoolExecutor
        def look(i):
            open("/secret/x")  # HERE look
        with ThreadPoolExecutor(1) as pool:
            pool.submit(look, 1).exception()
        """,
    "thread without threading": """
        import _thread
        done = _thread.allocate_lock(); done.acquire()
        def look():
            try: open("/secret/x")  # HERE look
            except OSError: pass
            done.release()
        _thread.start_new_thread(look, ()); done.acquire()
        """,
    "a long file": "\n" * 3000 + "x = 0\n" + "x += 1\n" * 3000 + 'try: open("/secret/x")  # HERE <module>\nexcept OSError: pass\n',
    "kept in a closed file": """
        import threading
        class A:
            def run(self):
                self.fail()
            def fail(self):
                return open("/secret/x")  # HERE A.fail (fail)
        def target():
            try: A().run()
            except OSError: pass
        t = threading.Thread(target=target); t.start(); t.join()
        """,
    "killed": """
        import ctypes
        def f():
            ctypes.CDLL(None).mount(0, b"/secret/x", 0, 0, 0)  # HERE f
        f()
        """,
    "killed in a thread": """
        import ctypes, threading
        def f():
            ctypes.CDLL(None).mount(0, b"/secret/x", 0, 0, 0)  # HERE f
        t = threading.Thread(target=f); t.start(); t.join()
        """,
}

# No frame of the user's: the innermost of the library's, but never Warder's own.
LIBRARY_ONLY = """
import os, threading
t = threading.Thread(target=os.listdir, args=("/secret/x",)); t.start(); t.join()
"""


def expected(code, old):
    """(file, line, function) by the mark in the code."""
    for number, line in enumerate(code.splitlines(), 1):
        if "# HERE " in line:
            file, name = "/tmp/main.py", line.partition("# HERE ")[2]
            new, _, before = name.partition(" (")
            return file, number, before.rstrip(")") if old and before else new
        if "# IN " in line:
            place, _, name = line.partition("# IN ")[2].rpartition(" ")
            file, _, number = place.rpartition(":")
            return file, int(number), name
    raise ValueError("no mark")


def interpreters():
    """Every CPython from 3.8 on that is installed here beside that of the shipped policy: path by name."""
    home = os.path.expanduser("~")
    shipped = os.path.realpath(support.PYTHON)
    found = {}
    for pattern in ("/usr/bin/python3.*", "/usr/local/bin/python3.*", "/opt/*/bin/python3.*", home + "/.pyenv/versions/*/bin/python3.*"):
        for path in sorted(glob.glob(pattern)):
            minor = os.path.basename(path)[len("python3."):]
            real = os.path.realpath(path)
            if not minor.isdigit() or int(minor) < 8 or real in (shipped, *found.values()) or not os.access(path, os.X_OK):
                continue
            works = subprocess.run([path, "-I", "-c", "import ctypes, sys; print(sys.implementation.name)"], capture_output=True)
            if works.stdout == b"cpython\n":
                found[f"py3{minor}n{len(found)}"] = real
    return found


class FramesTest(support.Case):
    @classmethod
    def setUpClass(cls):
        cls.interpreters = interpreters()
        cls.policies = tempfile.TemporaryDirectory(prefix="warder-test-frames-")
        os.chmod(cls.policies.name, 0o755)
        for name, path in cls.interpreters.items():
            with open(os.path.join(cls.policies.name, name + ".yaml"), "w") as f:
                f.write(f"name: {name}\nextends: python3\nlanguage: python3\ninterpreter: {path}\n")
        config = os.path.join(cls.policies.name, "warder.conf")
        with open(config, "w") as f:
            f.write("workers: 1\npool: {min: 1, max: 32}\n")
        cls.supervisor_args = ("--config", config, "--policy-dir", cls.policies.name, "--policy-dir", support.POLICIES)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.policies.cleanup()

    def place(self, result):
        found = [v for v in result["violations"] if v["path"] == "/secret/x"]
        self.assertEqual(len(found), 1, (result["violations"], result["stderr"]))
        return tuple(found[0][k] for k in ("file", "line", "function"))

    def check(self, policy, old, names):
        with self.supervisor.client() as c:
            codes = {name: textwrap.dedent(PROGRAMS[name]) for name in names}
            pending = {name: c.start(code, policy=policy) for name, code in codes.items()}
            for name, msgid in pending.items():
                with self.subTest(policy=policy, program=name):
                    self.assertEqual(self.place(c.wait(msgid)), expected(codes[name], old))

    def test_every_kind_of_frame(self):
        """In the interpreter of the shipped policy."""
        self.check("python3", False, PROGRAMS)

    def test_every_interpreter(self):
        if not self.interpreters:
            self.skipTest("missing: interpreters beside /usr/bin/python3")
        some = list(PROGRAMS) if support.LONG else [
            "function", "generator", "coroutine", "exec", "own module, other letters", "destructor at the end", "atexit", "library",
            "one of many threads", "recursion", "a long file", "killed in a thread", "several lines"]
        for name, path in self.interpreters.items():
            self.check(name, int(name[3:].partition("n")[0]) < 11, some)
        self.assertNotIn("no_source_lines", self.supervisor.log())

    def test_thread_without_python(self):
        v = self.run_job("import ctypes\nlibc, t = ctypes.CDLL(None), ctypes.c_ulong()\n"
                         "libc.pthread_create(ctypes.byref(t), None, libc.rmdir, b'/secret/x')\nlibc.pthread_join(t, None)\n")["violations"][0]
        self.assertEqual((v["syscall"], v["file"], v["line"], v["function"]), ("rmdir", None, None, None))
        self.assertEqual(v["no_line"], "the thread runs no Python")

    def test_library_only(self):
        file, line, function = self.place(self.run_job(LIBRARY_ONLY))
        self.assertEqual((os.path.basename(file), function), ("threading.py", "Thread.run"))
        self.assertGreater(line, 0)

    def test_no_frame(self):
        """A thread that Python does not know has no line."""
        result = self.run_job(textwrap.dedent("""
            import ctypes
            libc = ctypes.CDLL(None)
            thread = ctypes.c_ulong()
            libc.pthread_create(ctypes.byref(thread), None, libc.chdir, b"/secret/x")
            libc.pthread_join(thread, None)
            """))
        self.assertEqual(self.place(result), (None, None, None))

    def test_lines_apart(self):
        """One entry for each line, each counted."""
        result = self.run_job(textwrap.dedent("""
            import os
            def f(): return os.path.exists("/secret/x")
            for _ in range(10): f()
            for _ in range(3): os.path.exists("/secret/x")
            for _ in range(2):
                exec("import os\\nos.path.exists('/secret/x')")
                exec("import os\\n\\nos.path.exists('/secret/x')")
            """))
        found = {(v["file"], v["line"], v["count"]) for v in result["violations"]}
        self.assertEqual(found, {("/tmp/main.py", 3, 10), ("/tmp/main.py", 5, 3), ("<string>", 2, 2), ("<string>", 3, 2)})

    def test_flood(self):
        """Ten thousand refusals of one line and of many are a short list with counts, and the killing call is in it."""
        result = self.run_job(textwrap.dedent("""
            import os, ctypes
            for _ in range(10000): os.path.exists("/secret/x")
            for i in range(1000):
                exec("\\n" * i + "os.path.exists('/secret/many')")
            for i in range(1000): os.path.exists(f"/secret/{i}")
            ctypes.CDLL(None).mount(0, 0, 0, 0, 0)
            """))
        violations = result["violations"]
        self.assertEqual((violations[0]["line"], violations[0]["count"]), (3, 10000), (violations[:3], result["outcome"], result["error"], result["violations_dropped"]))
        self.assertEqual(len(violations), 64)
        self.assertEqual((violations[-1]["verdict"], violations[-1]["syscall"], violations[-1]["line"]), ("killed", "mount", 7))
        self.assertEqual(sum(v["count"] for v in violations) + result["violations_dropped"], 12001)

    def test_forged_frames(self):
        """A job that overwrites its interpreter's frames spoils its own lines; the worker goes on."""
        result = self.run_job(textwrap.dedent("""
            import ctypes, os, random, sys
            def f(n):
                code = f.__code__
                for at in range(16, 160, 8):
                    word = ctypes.c_uint64.from_address(id(code) + at)
                    before = word.value
                    word.value = random.choice([0, 1, 4096, id(code), 2**63, 2**64 - 1, before + 8])
                    ctypes.pythonapi  # keeps the call below from being the only one
                    libc.access(b"/secret/x", 0)
                    word.value = before
            libc = ctypes.CDLL(None)
            f(1)
            print("alive")
            """))
        self.assertIn(result["outcome"], ("exited", "signaled"))
        self.assertEqual(self.run_ok("print(1)"), "1\n")


if __name__ == "__main__":
    unittest.main()
