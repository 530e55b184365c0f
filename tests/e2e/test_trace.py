"""Traced jobs: what `event` notifications tell, to the job's own client and to those who watch."""
import os
import threading
import unittest

import support

KEYS = {"job", "kind", "t_ms", "tid", "syscall", "args", "registers", "path", "address", "verdict", "result", "errno", "spent_us", "file", "line",
        "function"}
MIXED = """import os, socket
open('/etc/mime.types').readline()
try: open('/etc/shadow')
except OSError: pass
try: socket.create_connection(('127.0.0.1', 1))
except OSError: pass
os.write(1, b'\\x1b[31mred\\n')
"""


def calls_of(client):
    return [p for m, p in client.notifications if m == "event" and p["kind"] == "syscall"]


def shape(calls):
    return [(c["syscall"], c["path"] or c["address"], c["verdict"], c["errno"]) for c in calls]


class Traced(support.Case):
    supervisor_args = ("--workers", "1")

    def trace(self, code, mode, **fields):
        with self.supervisor.client() as c:
            result = c.run(code, trace=mode, **fields)
            return result, calls_of(c)

    def test_an_untraced_job_tells_nothing(self):
        self.assertEqual(self.trace(MIXED, "off")[1], [])

    def test_brokered(self):
        result, calls = self.trace(MIXED, "brokered")
        self.assertExited(result)
        self.assertEqual(shape(calls), [
            ("openat", "/etc/mime.types", "brokered", None), ("openat", "/etc/shadow", "hidden", "ENOENT"),
            ("socket", None, "brokered", None), ("connect", "127.0.0.1:1", "refused", "EACCES")])
        self.assertEqual({frozenset(c) for c in calls}, {frozenset(KEYS)})
        self.assertEqual(len(calls), result["usage"]["brokered_calls"])
        self.assertEqual(calls[0]["args"], ["AT_FDCWD", '"/etc/mime.types"', "O_RDONLY|O_CLOEXEC"])
        self.assertGreaterEqual(calls[0]["result"], 3)
        self.assertTrue(all(0 < c["t_ms"] < 10000 and c["spent_us"] > 0 for c in calls), calls)

    def test_all(self):
        result, calls = self.trace(MIXED, "all")
        self.assertExited(result)
        brokered = [c for c in calls if c["verdict"] != "allowed"]
        self.assertEqual(shape(brokered), shape(self.trace(MIXED, "brokered")[1]))
        self.assertIn(("read", "/etc/mime.types", "allowed", None), shape(calls))
        write = next(c for c in calls if c["syscall"] == "write")
        self.assertEqual((write["args"][0], write["args"][1], write["result"]), ("1<pipe>", '"\\x1b[31mred\\x0a"', 9))
        self.assertEqual((calls[-1]["syscall"], calls[-1]["args"], calls[-1]["result"]), ("exit_group", ["0"], None))

    def test_threads(self):
        code = ("import threading, os, time\n"
                "def f(n):\n"
                "    for i in range(50): os.stat('/tmp'); time.sleep(0)\n"
                "ts = [threading.Thread(target=f, args=(n,)) for n in range(4)]\n"
                "[t.start() for t in ts]; [t.join() for t in ts]")
        result, calls = self.trace(code, "all")
        self.assertExited(result)
        self.assertEqual(sum(c["syscall"] == "newfstatat" and c["path"] == "/tmp" for c in calls), 200)
        self.assertEqual(sum(c["syscall"] == "clone" for c in calls), 4)
        self.assertEqual(len({c["tid"] for c in calls}), 5)

    def test_a_killing_call_is_the_last(self):
        code = "import ctypes\nctypes.CDLL(None).unshare(0x10000000)"
        for mode in ("brokered", "all"):
            with self.subTest(mode):
                result, calls = self.trace(code, mode)
                self.assertEqual(result["outcome"], "violation")
                self.assertEqual((calls[-1]["syscall"], calls[-1]["args"], calls[-1]["verdict"], calls[-1]["result"]),
                                 ("unshare", ["CLONE_NEWUSER"], "killed", None))
                self.assertEqual(sum(c["verdict"] == "killed" for c in calls), 1)

    def test_signals_and_waiting_calls_are_no_trouble(self):
        code = ("import signal, time, os\n"
                "signal.signal(signal.SIGALRM, lambda *a: None)\n"
                "signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)\n"
                "end = time.monotonic() + 0.1\n"
                "while time.monotonic() < end: time.sleep(0.002); os.path.exists('/tmp')\n"  # a rare EINTR is as without a trace
                "signal.setitimer(signal.ITIMER_REAL, 0, 0); print('fine')")
        for mode in ("brokered", "all"):
            with self.subTest(mode):
                result, _ = self.trace(code, mode)
                self.assertExited(result)
                self.assertEqual(result["stdout"], b"fine\n")

    def test_a_reader_that_is_slow_holds_the_job_and_misses_nothing(self):
        n = 20000 if support.LONG else 6000
        code = f"import os\nfor i in range({n}): os.path.exists('/tmp/' + 'x' * 200 + str(i))"
        with self.supervisor.client() as c:
            msgid = c.start(code, trace="brokered", job="slow", limits={"wall_ms": 60000})
            with self.supervisor.client() as other:
                support.eventually(lambda: any(j["job"] == "slow" and j["started_ms"] for j in other.rpc("jobs")))
                self.assertEqual(other.run("print(6 * 7)")["stdout"], b"42\n")  # nobody else waits
            self.assertExited(c.wait(msgid))
            names = [p["path"][205:] for p in calls_of(c) if p["path"] and p["path"].startswith("/tmp/xx")]
            self.assertEqual(names, [str(i) for i in range(n)])

    def test_watching_a_running_job(self):
        code = ("import os, time\n"
                "while not os.path.exists('/tmp/never'): time.sleep(0.002)")
        for mode in ("brokered", "all"):
            with self.subTest(mode), self.supervisor.client() as c, self.supervisor.client() as watcher:
                msgid = c.start(code, job="watched " + mode)
                support.eventually(lambda: any(j["started_ms"] for j in watcher.rpc("jobs")))
                self.assertEqual(watcher.rpc("events.subscribe", job="watched " + mode, kinds=["syscall", "end"], trace=mode),
                                 {"subscribed": True})
                while len(calls_of(watcher)) < 20:
                    watcher.receive()
                seen = {s["syscall"] for s in calls_of(watcher)}
                self.assertEqual("clock_nanosleep" in seen, mode == "all", seen)
                self.assertIn("newfstatat", seen)
                with self.supervisor.client() as second:  # who goes away turns nothing off for the others
                    second.rpc("events.subscribe", job="watched " + mode, kinds=["syscall"], trace="all")
                before = len(calls_of(watcher))
                while len(calls_of(watcher)) < before + 20:
                    watcher.receive()
                self.assertEqual(calls_of(c), [])
                watcher.rpc("cancel", job="watched " + mode)
                self.assertEqual(c.wait(msgid)["outcome"], "cancelled")
                while not any(p["kind"] == "end" for _, p in watcher.notifications):
                    watcher.receive()
                end = next(p for _, p in watcher.notifications if p["kind"] == "end")
                self.assertEqual((end["job"], end["result"]["outcome"]), ("watched " + mode, "cancelled"))

    def test_a_job_goes_on_untraced_when_its_watcher_leaves(self):
        with self.supervisor.client() as c:
            msgid = c.start("import os, time\nfor i in range(300): os.path.exists('/tmp/x'); time.sleep(0.001)\nprint('done')", job="left")
            with self.supervisor.client() as watcher:
                support.eventually(lambda: any(j["started_ms"] for j in watcher.rpc("jobs")))
                watcher.rpc("events.subscribe", job="left", kinds=["syscall"], trace="all")
                while len(calls_of(watcher)) < 20:
                    watcher.receive()
            result = c.wait(msgid)
            self.assertExited(result)
            self.assertEqual(result["stdout"], b"done\n")

    def test_start_violation_end(self):
        with self.supervisor.client() as watcher, self.supervisor.client() as c:
            watcher.rpc("events.subscribe", kinds=["start", "violation", "end"])
            result = c.run(MIXED, job="told")
            while not any(p["kind"] == "end" for _, p in watcher.notifications):
                watcher.receive()
            told = [p for _, p in watcher.notifications]
            self.assertEqual([p["kind"] for p in told], ["start"] + ["violation"] * len(result["violations"]) + ["end"])
            self.assertEqual({p["job"] for p in told}, {"told"})
            self.assertEqual((told[0]["language"], told[0]["policy"], told[0]["uid"]), ("python3", "python3", os.geteuid()))
            self.assertEqual([{k: v for k, v in p.items() if k not in ("job", "kind")} for p in told[1:-1]], result["violations"])
            self.assertEqual(told[-1]["result"], result)

    def violations(self, client):
        return [{k: v for k, v in p.items() if k not in ("job", "kind")} for _, p in client.notifications if p["kind"] == "violation"]

    def test_violations_are_told_when_they_happen(self):
        """While the job runs on: it is cancelled only when its watcher has heard of both. Who comes later hears of what was told to nobody."""
        code = "import os, time\nfor i in range(3): os.path.exists('/srv/one')\nos.path.exists('/srv/two')\nprint('x', flush=True)\ntime.sleep(30)"
        for late in (False, True):
            with self.subTest(late), self.supervisor.client() as watcher, self.supervisor.client() as c:
                if not late:
                    watcher.rpc("events.subscribe", kinds=["violation", "end"])
                msgid = c.start(code, job=f"live {late}", stream=True)
                c.wait_output(b"x")
                if late:
                    watcher.rpc("events.subscribe", job="live True", kinds=["violation", "end"])
                while len(self.violations(watcher)) < 2:
                    watcher.receive()
                watcher.rpc("cancel", job=f"live {late}")
                result = c.wait(msgid)
                self.assertEqual((result["outcome"], [(v["path"], v["line"], v["count"]) for v in result["violations"]]),
                                 ("cancelled", [("/srv/one", 2, 3), ("/srv/two", 3, 1)]))
                while not any(p["kind"] == "end" for _, p in watcher.notifications):
                    watcher.receive()
                one, two, again = self.violations(watcher)
                self.assertEqual([{**one, "count": 3}, two, again], result["violations"] + result["violations"][:1])
                self.assertEqual(one["count"], 3 if late else 1)

    def test_a_flood_of_refusals_is_told_briefly(self):
        """One event for each entry of the list, once more for those that were counted; nobody is told of the rest."""
        n = 10000
        code = ("import os\nfor i in range(%d): os.path.exists('/srv/same')\nfor i in range(%d): os.path.exists(f'/srv/{i}')\n" % (n, n))
        with self.supervisor.client() as watcher, self.supervisor.client() as c:
            watcher.rpc("events.subscribe", kinds=["violation", "end"])
            result = c.run(code, limits={"wall_ms": 60000, "cpu_ms": 60000})
            self.assertExited(result)
            while not any(p["kind"] == "end" for _, p in watcher.notifications):
                watcher.receive()
        told = self.violations(watcher)
        self.assertEqual(len(result["violations"]), 64)
        self.assertEqual(result["violations_dropped"], n - 63)
        self.assertEqual([v["path"] for v in told[:64]], [v["path"] for v in result["violations"]])
        self.assertEqual({v["count"] for v in told[:64]}, {1})
        self.assertEqual(told[64:], [v for v in result["violations"] if v["count"] > 1])
        self.assertEqual(result["violations"][0]["count"], n)

    def test_a_watcher_that_does_not_read_loses_events_and_is_told_how_many(self):
        n = 20000
        code = f"import os\nfor i in range({n}): os.path.exists('/tmp/' + 'x' * 200)"
        with self.supervisor.client() as watcher, self.supervisor.client() as c:
            msgid = c.start("import sys; sys.stdin.read()\n" + code, job="fast", limits={"wall_ms": 60000})
            support.eventually(lambda: c.rpc("jobs"))
            watcher.rpc("events.subscribe", job="fast", kinds=["syscall", "end"])
            self.assertExited(c.wait(msgid))  # nobody held it up
            while not any(p["kind"] == "end" for _, p in watcher.notifications):
                watcher.receive()
            self.assertGreater(sum(p["count"] for _, p in watcher.notifications if p["kind"] == "lost"), 0)

    def test_bad_requests(self):
        for params, words in (
                ({}, "kinds: is required"), ({"kinds": []}, "kinds: must be a list of"), ({"kinds": ["lost"]}, "kinds: must be"),
                ({"kinds": ["end"], "job": "nobody"}, "job: there is none of this id"), ({"kinds": ["end"], "x": 1}, "unknown field"),
                ({"kinds": ["syscall"], "trace": "all"}, "trace: needs job"), ({"kinds": ["end"], "job": 3}, "job: must be a string")):
            with self.subTest(params), self.supervisor.client() as c:
                with self.assertRaisesRegex(support.RpcError, "bad_request: " + words):
                    c.rpc("events.subscribe", **params)

    @unittest.skipUnless(support.IS_ROOT, "capability to become another user is missing")
    def test_another_user_sees_no_job_of_mine(self):
        with self.supervisor.client() as c:
            os.chmod(self.supervisor.path, 0o666)
            msgid = c.start("import time; time.sleep(30)", job="mine")
            told = []

            def other():
                # a thread's own identity: the socket tells the peer's as it connects
                import ctypes
                ctypes.CDLL(None).syscall(117, 65534, 65534, 65534)  # setresuid
                with self.supervisor.client() as o:
                    try:
                        o.rpc("events.subscribe", job="mine", kinds=["syscall"])
                    except support.RpcError as e:
                        told.append(str(e))

            t = threading.Thread(target=other)
            t.start()
            t.join()
            self.assertEqual(told, ["bad_request: job: there is none of this id"])
            c.rpc("cancel", job="mine")
            self.assertEqual(c.wait(msgid)["outcome"], "cancelled")


if __name__ == "__main__":
    unittest.main()
