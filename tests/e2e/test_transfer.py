"""Files given to a job and collected from it: by the wire, and by `warder run`."""
import os
import subprocess
import tempfile
import unittest

from support import Case, LONG, RpcError, WARDER, WARDERD, Supervisor, runs_here, warder

MIB = 1 << 20


class Given(Case):
    def test_bytes_and_places(self):
        files = {"a": b"\0\xff" * 5, "in/deep/b.txt": "text", "in/c": b"", "in/new\nline \u00e4": b"x"}
        told = self.run_ok("import os\nfor d, _, names in sorted(os.walk('.')):\n"
                           " for n in sorted(names): p = os.path.join(d, n); print(repr(p), open(p, 'rb').read())",
                           files=files)
        want = [f"'./a' {files['a']!r}", "'./in/c' b''", "'./in/deep/b.txt' b'text'", "'./in/new\\nline \u00e4' b'x'"]
        self.assertEqual([line for line in told.splitlines() if "main.py" not in line], sorted(want, key=lambda w: (w.count("/"), w)))

    def test_they_are_the_jobs_own(self):
        told = self.run_ok("import os\nfor p in ('a', 'd', 'd/b', 'main.py'):\n s = os.stat(p)\n"
                           " print(p, oct(s.st_mode), s.st_uid == os.getuid(), s.st_gid == os.getgid())\n"
                           "open('a', 'a').write('more'); os.rename('d/b', 'd/c'); os.remove('d/c'); os.rmdir('d')\n"
                           "print(open('a').read())", files={"a": b"some ", "d/b": b""})
        self.assertEqual(told.splitlines(), ["a 0o100644 True True", "d 0o40755 True True", "d/b 0o100644 True True",
                                             "main.py 0o100644 True True", "some more"])

    def test_modules(self):
        self.assertEqual(self.run_ok("import helper; print(helper.X)", files={"helper.py": b"X = 42"}), "42\n")

    def test_the_code_is_still_there(self):
        r = self.run_job("print(open('m.py').read())\nraise ValueError", filename="m.py", files={"a": b""})
        self.assertEqual(r["stdout"], b"print(open('m.py').read())\nraise ValueError\n")
        self.assertIn(b"    raise ValueError\n", r["stderr"])

    def test_they_are_in_the_quota(self):
        r = self.run_job("open('b', 'wb').write(bytes(400 << 10))", files={"a": bytes(700 << 10)}, limits={"tmp_mib": 1})
        if "tmp_quota" not in r["layers"]:
            self.skipTest("capability CAP_SYS_ADMIN: /tmp is a directory here, which is measured now and then")
        self.assertIn(b"No space left on device", r["stderr"])
        self.assertEqual(r["limits_hit"], ["tmp"])

    def test_names_of_a_refusal(self):
        with self.assertRaisesRegex(RpcError, "^bad_request: files: take 1052672 bytes with the code, limits.tmp_mib is 1; "
                                              "the largest is big with 1048576$"):
            self.run_job("1", files={"big": bytes(MIB), "a": b""}, limits={"tmp_mib": 1})
        with self.assertRaisesRegex(RpcError, "^bad_request: files: take 11 inodes with the code, limits.tmp_inodes is 10$"):
            self.run_job("1", files={f"d/{i}": b"" for i in range(9)}, limits={"tmp_inodes": 10})
        self.run_ok("1", files={f"d/{i}": b"" for i in range(8)}, limits={"tmp_inodes": 10})

    def test_code_that_does_not_fit(self):
        """Node.js reads its program from there."""
        large = " " * (MIB + 1)
        self.run_ok(large, limits={"tmp_mib": 1})
        if runs_here("nodejs"):
            with self.assertRaisesRegex(RpcError, "^bad_request: code: has 1048577 bytes, limits.tmp_mib is 1$"):
                self.run_job(large, language="nodejs", limits={"tmp_mib": 1})

    def test_many(self):
        count = 3000
        told = self.run_ok("import os\nprint(sum(len(open(os.path.join(d, n)).read()) for d, _, names in os.walk('in') for n in names))",
                           files={f"in/{i % 10}/{i}": b"x" * i for i in range(count)}, limits={"wall_ms": 60000})
        self.assertEqual(int(told), sum(range(count)))

    def test_no_time_of_the_jobs(self):
        r = self.run_job("1", files={"big": bytes(60 * MIB)}, limits={"wall_ms": 1000})
        self.assertExited(r)
        self.assertLess(r["usage"]["wall_ms"], 1000)


class Collected(Case):
    def collect(self, code, *patterns, **fields):
        r = self.run_job(code, collect=list(patterns), **fields)
        return r, r["files"], {d["name"]: d["why"] for d in r["files_dropped"]}

    def test_round_trip_of_ten_mebibytes(self):
        big = os.urandom(10 * MIB)
        r, files, dropped = self.collect("import os\nos.rename('in', 'out')", "out/*", files={"in/big": big})
        self.assertExited(r)
        self.assertEqual((list(files), dropped), (["out/big"], {}))
        self.assertTrue(files["out/big"] == big)

    def test_patterns(self):
        make = ("import os\nfor p in ('a.csv', 'b.txt', 'out/a.csv', 'out/x/y/c.csv', '.cache/d.csv', 'out/.e.csv'):\n"
                " os.makedirs(os.path.dirname(p) or '.', exist_ok=True); open(p, 'w').write(p)")
        for patterns, want in [(["*.csv"], ["a.csv"]), (["**/*.csv"], ["a.csv", "out/a.csv", "out/x/y/c.csv"]), (["out"], []),
                               (["**"], ["a.csv", "b.txt", "out/a.csv", "out/x/y/c.csv"]), (["nothing"], []),
                               ([".cache/*", "out/.*"], [".cache/d.csv", "out/.e.csv"]), (["[ab].*", "b.txt"], ["a.csv", "b.txt"]),
                               ([], [])]:
            with self.subTest(patterns):
                r, files, dropped = self.collect(make, *patterns)
                self.assertExited(r)
                self.assertEqual((sorted(files), dropped), (want, {}))
                self.assertTrue(all(files[n] == n.encode() for n in files))

    def test_not_the_code(self):
        self.assertEqual(self.collect("open('main.py', 'a').write('x'); open('b', 'w')", "*")[1], {"b": b""})
        self.assertEqual(self.collect("import os; os.mkdir('d'); open('d/main.py', 'w')", "**")[1], {"d/main.py": b""})

    def test_nothing_was_touched(self):
        self.assertEqual(self.collect("1", "*")[1:], ({}, {}))

    def test_given_and_unchanged(self):
        self.assertEqual(self.collect("1", "*", files={"a": b"1"})[1], {"a": b"1"})

    def test_however_it_ends(self):
        for name, code, outcome in [
            ("exit code", "raise SystemExit(3)", "exited"), ("exception", "1/0", "exited"),
            ("os._exit", "import os; os._exit(0)", "exited"), ("signal", "import os; os.kill(os.getpid(), 9)", "signaled"),
            ("wall time", "import time; time.sleep(60)", "limit"),
            ("threads", "import threading, time\nfor _ in range(8): threading.Thread(target=time.sleep, args=(60,)).start()", "limit"),
            ("violation", "import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)", "violation"),
            ("leader first", "import ctypes, threading, time\n"
             "threading.Thread(target=lambda: (time.sleep(0.1), ctypes.CDLL(None)._exit(0))).start()\n"
             "ctypes.CDLL(None).pthread_exit(None)", "exited"),
        ]:
            with self.subTest(name):
                r, files, _ = self.collect("f = open('a', 'w'); f.write('x'); f.close()\n" + code, "a", limits={"wall_ms": 500})
                self.assertEqual((r["outcome"], files), (outcome, {"a": b"x"}), r["stderr"])

    def test_not_when_cancelled(self):
        with self.supervisor.client() as c:
            msgid = c.start("open('a', 'w'); print('up', flush=True); import time; time.sleep(60)", job="x", collect=["*"], stream=True)
            c.wait_output(b"up")
            c.rpc("cancel", job="x")
            r = c.wait(msgid)
        self.assertEqual((r["outcome"], r["files"], r["files_dropped"]), ("cancelled", {}, []))

    def test_other_types(self):
        r, files, dropped = self.collect("import os\nos.mkdir('d')\nopen('f', 'w').write('x')\n"
                                         "for make in (lambda: os.symlink('f', 'l'), lambda: os.mkfifo('p')):\n"
                                         " try: make()\n except OSError: pass", "*", "**")
        self.assertEqual((files, dropped), ({"f": b"x"}, {}))

    def test_names(self):
        r, files, dropped = self.collect("import os\nfor n in (b'a\\nb', b'c\\xff', '\\u00e4'.encode(), b'\\x1b[2J'): open(n, 'w')", "*")
        self.assertEqual((set(files), dropped), ({"a\nb", "\u00e4", "\x1b[2J"}, {"c\ufffd": "its name must be UTF-8"}))

    def test_closed_by_their_owner(self):
        code = "import os\nos.mkdir('d'); open('d/a', 'w'); open('b', 'w')\nos.chmod('d', 0); os.chmod('b', 0)"
        r, files, dropped = self.collect(code, "**")
        if not dropped:
            self.skipTest("capability: the jobs of this machine may read whatever they closed")
        self.assertEqual((files, dropped), ({}, {"d": "EACCES", "b": "EACCES"}))

    def test_many(self):
        r, files, dropped = self.collect("import os\nfor i in range(3000): os.makedirs(f'd{i % 7}', exist_ok=True); "
                                         "open(f'd{i % 7}/{i}', 'w').write(str(i))", "**", limits={"wall_ms": 60000})
        self.assertExited(r)
        self.assertEqual((len(files), dropped), (3000, {}))
        self.assertTrue(all(data == name.rpartition("/")[2].encode() for name, data in files.items()))

    def test_too_deep(self):
        r, files, dropped = self.collect("import os\nfor i in range(40): os.mkdir('d'); os.chdir('d'); open('f', 'w')", "**")
        self.assertEqual((len(files), list(dropped.values())), (31, ["a directory too deep below /tmp"]))

    def test_others_are_served_meanwhile(self):
        """A job that collects much does not hold up its neighbours: hello jobs run between its steps."""
        with self.supervisor.client() as c:
            for _ in range(8):  # a busy machine may give this process no turn in that time
                msgid = c.start("import os\nfor i in range(6): open(str(i), 'wb').truncate(10 << 20)", collect=["*"], job="big")
                done = 0
                while msgid not in c.answers:
                    c.run("1")
                    done += 1
                self.assertEqual(sum(map(len, c.wait(msgid)["files"].values())), 60 * MIB)
                if done > 1:
                    return
        self.fail("no job between its steps")


class SmallMessages(Case):
    """What fits into a message is the bound of a result."""
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        config = os.path.join(cls.folder.name, "warder.yaml")
        with open(config, "w") as f:
            f.write("max_message_mib: 4\n")
        cls.supervisor_args = ("--config", config)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def test_result_is_bounded_and_says_so(self):
        r = self.run_job("open('a', 'wb').write(b'1' * (2 << 20)); open('b', 'wb').write(b'2' * (2 << 20)); open('c', 'w').write('3')\n"
                         "print('x' * 1000)", collect=["a", "b", "c"])
        self.assertExited(r)
        self.assertEqual(len(r["files"]), 2)
        self.assertEqual(r["files"]["c"], b"3")
        (dropped,) = r["files_dropped"]
        self.assertIn(dropped["name"], ("a", "b"))
        self.assertEqual(dropped["bytes"], 2 * MIB)
        self.assertRegex(dropped["why"], r"^it has 2097152 bytes, the result has room for \d+ more$")

    def test_a_hole_counts_as_what_it_reads_as(self):
        r = self.run_job("open('a', 'wb').truncate(60 << 20)", collect=["a"])
        self.assertEqual((r["files"], r["files_dropped"][0]["bytes"]), ({}, 60 * MIB))

    def test_too_many_to_tell(self):
        r = self.run_job("for i in range(100): open(str(i), 'wb').truncate(5 << 20)", collect=["*"])
        self.assertEqual((len(r["files_dropped"]), r["files_dropped"][-1]), (65, {"name": None, "bytes": 0, "why": "36 more files"}))


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="warder-transfer-")
        self.addCleanup(self.folder.cleanup)
        self.out = os.path.join(self.folder.name, "out")

    def file(self, name, data):
        path = os.path.join(self.folder.name, name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        return path

    def run_it(self, code, *args, status=0, told=b""):
        done = warder("run", *args, self.file("main.py", code))
        self.assertEqual((done.returncode, done.stderr), (status, told))
        return done.stdout

    def read(self, name):
        with open(os.path.join(self.out, name), "rb") as f:
            return f.read()

    def test_in_and_out(self):
        big = os.urandom(10 * MIB)
        self.run_it("import os\nos.makedirs('r/s'); os.rename('in/big', 'r/s/big'); os.rename('b', 'r/b'); open('r/no', 'w')",
                    "--file", "in/big=" + self.file("big", big), "--file", "b=" + self.file("b", "=b="), "--collect", "r/s/*",
                    "--collect", "r/b", "--output-dir", self.out)
        self.assertTrue(self.read("r/s/big") == big)
        self.assertEqual(self.read("r/b"), b"=b=")
        self.assertEqual(sorted(os.listdir(self.out + "/r")), ["b", "s"])

    def test_again_takes_the_place(self):
        for text in ("one", "two and more", "3"):
            self.run_it(f"open('a', 'w').write({text!r})", "--collect", "a", "--output-dir", self.out)
            self.assertEqual(self.read("a"), text.encode())
        self.assertEqual(os.listdir(self.out), ["a"])

    def test_json(self):
        out = self.run_it("open('a', 'w').write('x'); open('b', 'wb').write(b'\\xff')", "--collect", "*", "--json")
        self.assertIn(b'"files": {"a": "x", "b": {"base64": "/w=="}}, "files_dropped": []', out)

    def test_no_match(self):
        self.run_it("1", "--collect", "*.csv", "--output-dir", self.out, told=b"warder: no file matches --collect\n")

    def test_dropped_is_told(self):
        self.run_it("open(b'\\x1b\\xff', 'w'); open('a', 'w')", "--collect", "*", "--output-dir", self.out,
                    told=b"warder: not collected: \\x1b\xef\xbf\xbd: its name must be UTF-8\n")
        self.assertEqual(os.listdir(self.out), ["a"])

    def test_status_stays_the_jobs(self):
        self.run_it("open('a', 'w'); raise SystemExit(7)", "--collect", "*", "--output-dir", self.out, status=7)

    def test_no_link_is_followed(self):
        other = os.path.join(self.folder.name, "other")
        os.makedirs(other)
        os.mkdir(self.out)
        os.symlink(other, os.path.join(self.out, "d"))
        os.symlink(self.file("target", "old"), os.path.join(self.out, "a"))
        self.run_it("open('a', 'w').write('new')", "--collect", "a", "--output-dir", self.out)
        self.assertEqual(self.read("a"), b"new")
        self.assertEqual(self.read("../target"), b"old")
        told = f"warder: --output-dir: {self.out}: cannot write d/x: Not a directory (ENOTDIR)\n".encode()
        self.run_it("import os; os.mkdir('d'); open('d/x', 'w')", "--collect", "d/*", "--output-dir", self.out, status=125, told=told)
        self.assertEqual(os.listdir(other), [])

    def test_what_is_in_the_way(self):
        os.makedirs(self.out + "/a")
        told = f"warder: --output-dir: {self.out}: cannot write a: Is a directory (EISDIR)\n".encode()
        self.run_it("open('a', 'w')", "--collect", "a", "--output-dir", self.out, status=125, told=told)
        self.assertEqual(os.listdir(self.out), ["a"])
        os.mkfifo(self.out + "/p")
        self.run_it("open('p', 'w').write('x')", "--collect", "p", "--output-dir", self.out)
        self.assertEqual(self.read("p"), b"x")


if __name__ == "__main__":
    unittest.main()
