"""Jobs under a debugger: calls that their policy refuses or kills wait for its word. The floor stays."""
import time
import unittest

import support
from support import RpcError

HOST = "/etc/debian_version"
TRY = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def show(f):
    try: print(f())
    except OSError as e: print(type(e).__name__)
"""


class Debug(support.Case):
    supervisor_args = ("--workers", "1")

    def debug(self, code, decide, **fields):
        """Runs it and answers each held call with what `decide` gives: a verdict, or a map. Returns the result and what was held."""
        held = []
        with self.supervisor.client() as c:
            run = c.start(TRY + code, debug=True, job="debugged", **fields)
            c.rpc("debug.attach", job="debugged")
            while run not in c.answers:
                news = [p for m, p in c.notifications if m == "held"][len(held):]
                for h in news:
                    held.append(h)
                    told = decide(h)
                    told = {"verdict": told} if isinstance(told, str) else told
                    c.rpc("debug.decide", job="debugged", call=h["call"], **told)
                if not news and run not in c.answers:
                    c.receive()
            return c.wait(run), held

    def lines(self, code, decide, **fields):
        r, held = self.debug(code, decide, **fields)
        self.assertExited(r)
        return r["stdout"].decode().splitlines(), held, r

    def test_what_is_held(self):
        out, held, r = self.lines(f"show(lambda: open('{HOST}'))\nshow(lambda: libc.personality(8))\nshow(lambda: os.memfd_create('x'))\n",
                                  lambda h: "refuse")
        self.assertEqual(out, ["FileNotFoundError", "-1", "PermissionError"])
        self.assertEqual([(h["syscall"], h["path"], h["verdict"], h["line"], h["function"], h["file"]) for h in held],
                         [("openat", HOST, "hidden", 7, "<lambda>", "/tmp/main.py"), ("personality", None, "killed", 8, "<lambda>", "/tmp/main.py"),
                          ("memfd_create", None, "refused", 9, "<lambda>", "/tmp/main.py")])
        self.assertEqual(set(held[0]), {"job", "call", "problem", *support.VIOLATION_KEYS})
        self.assertEqual(len(r["violations"]), 3)

    def test_once_and_always(self):
        code = f"for _ in range(2):\n  show(lambda: len(open('{HOST}').read()) > 0)\n  show(lambda: libc.personality(8))\n  show(lambda: os.memfd_create('x') > 2)\n"
        out, held, r = self.lines(code, lambda h: "allow_once")
        self.assertEqual((len(held), r["violations"]), (6, []))
        self.assertEqual([out[0], out[2], out[3], out[5]], ["True"] * 4)
        out, held, r = self.lines(code, lambda h: "allow_always")
        self.assertEqual((len(held), r["violations"]), (3, []))
        self.assertEqual([out[0], out[2], out[3], out[5]], ["True"] * 4)

    def test_once_is_for_that_object_alone(self):
        out, held, _ = self.lines(f"show(lambda: open('{HOST}') and 1)\nshow(lambda: open('/etc/issue') and 1)\nshow(lambda: open('{HOST}') and 1)\n",
                                  lambda h: "allow_once" if h["call"] == 1 else "refuse")
        self.assertEqual((out, len(held)), (["1", "FileNotFoundError", "FileNotFoundError"], 3))

    def test_scopes(self):
        out, held, _ = self.lines(f"show(lambda: open('{HOST}') and 1)\nshow(lambda: open('/etc/issue') and 1)\n",
                                  lambda h: {"verdict": "allow_always", "scope": "directory"})
        self.assertEqual((out, len(held)), (["1", "1"], 1))
        code = "for port in (1, 2): show(lambda: socket.create_connection(('127.0.0.1', port), 5))\n"
        for scope, n in (("path", 2), ("host", 1)):
            out, held, _ = self.lines(code, lambda h, scope=scope: {"verdict": "allow_always", "scope": scope})
            self.assertEqual((out, len(held)), (["ConnectionRefusedError"] * 2, n))

    def test_the_floor_stays(self):
        def decide(h):
            return "refuse" if h["problem"] else "allow_once"
        out, held, _ = self.lines("show(os.fork)\nshow(lambda: os.kill(1, 0))\nshow(lambda: open('/sys/x'))\n", decide)
        self.assertEqual(out, ["PermissionError", "PermissionError", "FileNotFoundError"])
        self.assertEqual([bool(h["problem"]) for h in held], [False, True] * 3)
        self.assertTrue(all("nothing can" in h["hint"] for h in held), held)
        r, held = self.debug("libc.syscall(101, 0, 0, 0, 0)\n", lambda h: "allow_once")  # ptrace
        self.assertEqual((r["outcome"], r["violations"][-1]["syscall"], held), ("violation", "ptrace", []))
        r, held = self.debug("libc.syscall(59, 0, 0, 0)\n", lambda h: "allow_once")  # execve
        self.assertEqual((r["outcome"], r["violations"][-1]["syscall"], held), ("violation", "execve", []))

    def test_kill(self):
        for code, call in ((f"open('{HOST}')\n", "openat"), ("libc.personality(8)\n", "personality")):
            r, held = self.debug(code, lambda h: "kill")
            self.assertEqual((r["outcome"], len(held)), ("violation", 1))
            v = r["violations"][-1]
            self.assertEqual((v["syscall"], v["verdict"], v["line"]), (call, "killed", 7))

    def test_step(self):
        seen = []

        def decide(h):
            seen.append(h["verdict"])
            return "step" if len(seen) == 1 else "allow_once"
        self.lines("show(lambda: os.memfd_create('x'))\nshow(lambda: os.stat('/tmp') and 1)\nshow(lambda: os.stat('/tmp') and 1)\n", decide)
        self.assertEqual(seen, ["refused", "brokered"])

    def test_a_held_call_stops_the_clock(self):
        def decide(h):
            time.sleep(0.6)
            return "refuse"
        out, _, _ = self.lines("show(lambda: os.memfd_create('x'))\n", decide, limits={"wall_ms": 300})
        self.assertEqual(out, ["PermissionError"])
        r, _ = self.debug("show(lambda: os.memfd_create('x'))\nimport time; time.sleep(9)\n", lambda h: "refuse", limits={"wall_ms": 300})
        self.assertEqual((r["outcome"], r["limit"]), ("limit", "wall_time"))

    def test_a_trace_tells_each_held_call_as_itself(self):
        code = TRY + f"show(lambda: open('{HOST}'))\nshow(lambda: libc.personality(8))\nshow(lambda: os.stat('/tmp') and 1)\n"
        for mode in ("brokered", "all"):
            with self.subTest(mode), self.supervisor.client() as c:
                run, held = c.start(code, debug=True, job="both", trace=mode), 0
                c.rpc("debug.attach", job="both")
                while run not in c.answers:
                    news = [p for m, p in c.notifications if m == "held"][held:]
                    held += len(news)
                    for h in news:
                        c.rpc("debug.decide", job="both", call=h["call"], verdict="refuse")
                    if not news and run not in c.answers:
                        c.receive()
                self.assertExited(c.wait(run))
                told = [(p["syscall"], p["errno"]) for m, p in c.notifications if m == "event" and p["verdict"] != "allowed"]
                at = told.index(("openat", "ENOENT"))
                self.assertEqual(told[at:], [("openat", "ENOENT"), ("personality", "EPERM"), ("newfstatat", None)])

    def test_threads_are_held_one_by_one(self):
        code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    print(sorted(pool.map(lambda i: os.path.exists(f'/etc/none{i}'), range(4))))
"""
        out, held, _ = self.lines(code, lambda h: "refuse")
        self.assertEqual((out, len(held)), (["[False, False, False, False]"], 4))

    def test_a_debugger_that_leaves(self):
        with self.supervisor.client() as c, self.supervisor.client() as d:
            run = c.start(TRY + "show(lambda: os.memfd_create('x'))\nshow(lambda: libc.personality(8))\nprint('never')\n", debug=True, job="left")
            c.rpc("jobs")  # the run has come before this
            d.rpc("debug.attach", job="left")
            with self.assertRaisesRegex(RpcError, "bad_request: job: another connection debugs it"):
                c.rpc("debug.attach", job="left")
            while not d.notifications:
                d.receive()
            d.close()
            r = c.wait(run)
            self.assertEqual((r["outcome"], r["stdout"]), ("violation", b"PermissionError\n"), r)
            self.assertEqual([(v["syscall"], v["verdict"]) for v in r["violations"]], [("memfd_create", "refused"), ("personality", "killed")])

    def test_cancelled_while_held(self):
        with self.supervisor.client() as c:
            run = c.start(f"open('{HOST}')", debug=True, job="j")
            c.rpc("debug.attach", job="j")
            while not c.notifications:
                c.receive()
            c.rpc("cancel", job="j")
            self.assertEqual(c.wait(run)["outcome"], "cancelled")

    def test_bad_requests(self):
        with self.supervisor.client() as c:
            run = c.start("import time; time.sleep(9)", job="plain")
            for method, params, want in [
                ("debug.attach", {}, "job: is required"), ("debug.attach", {"job": "no"}, "job: no such job"),
                ("debug.attach", {"job": 1}, "job: must be a string"), ("debug.attach", {"job": "plain"}, "job: was not started with debug"),
                ("debug.attach", {"job": "plain", "call": 1}, "unknown field"), ("debug.decide", {"job": "plain"}, "call: must be"),
                ("debug.decide", {"job": "plain", "call": 1, "verdict": "x"}, "verdict: must be"),
                ("debug.decide", {"job": "plain", "call": 1, "verdict": "kill", "scope": "x"}, "scope: must be"),
            ]:
                with self.subTest(params), self.assertRaisesRegex(RpcError, "^bad_request: " + want):
                    c.rpc(method, **params)
            c.rpc("cancel", job="plain")
            c.wait(run)


if __name__ == "__main__":
    unittest.main()
