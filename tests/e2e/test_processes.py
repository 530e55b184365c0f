"""Keeper, front, workers and zygotes as processes: who dies takes down no more than it must, and is replaced."""
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import tempfile
import time
import unittest

import msgpack

import support
from support import RpcError, Supervisor, eventually

SLEEP = "import time\nprint('on', {}, flush=True)\ntime.sleep({})\nprint('done')"
TRACEES_FROM = 60200  # uids; zygotes and workers are root, the front has one of its own


def stat(pid):
    """(name, parent, state), or None when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as f:
            head, tail = f.read().rsplit(")", 1)
        return head.split("(", 1)[1], int(tail.split()[1]), tail.split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def everybody():
    return {int(p): s for p in filter(str.isdigit, os.listdir("/proc")) for s in [stat(p)] if s}


def below(pid):
    """All descendants."""
    all_of_them, found, more = everybody(), set(), {pid}
    while more:
        found |= more
        more = {p for p, (_, parent, _) in all_of_them.items() if parent in found} - found
    return found - {pid}


def alive(pids):
    return [p for p in pids for s in [stat(p)] if s and s[2] not in "ZX"]


class Processes(unittest.TestCase):
    def start(self, *args, **kw):
        self.supervisor = Supervisor(*args, **kw)
        self.addCleanup(self.supervisor.stop)
        self.keeper = self.supervisor.proc.pid
        return self.supervisor

    def named(self, name):
        return sorted(p for p, (n, parent, _) in everybody().items() if parent == self.keeper and n == name)

    def front(self):
        return self.named("warderd-front")[0]

    def workers(self):
        return self.named("warderd-worker")

    def zygotes(self):
        return sorted(p for p, (n, parent, _) in everybody().items() if parent in self.workers() and n != "warderd-midwife")

    def midwives(self):
        return sorted(p for p, (n, parent, _) in everybody().items() if n == "warderd-midwife" and parent in self.workers())

    def begin(self, client, seconds=30, **fields):
        i = client.start(SLEEP.format(client.last, seconds), stream=True, **fields)
        client.wait_output(b"on %d\n" % (i - 1))
        return i

    def worker_of(self, client):
        """The worker that has this client's only running job."""
        [job] = [j for j in client.rpc("jobs") if j["state"] == "running"]
        zygote = stat(job["tracee_pid"])[1]
        return stat(zygote)[1]

    def both_workers_warm(self):
        with self.supervisor.client() as c:
            for i in [c.start("import time; time.sleep(0.3)") for _ in range(4)]:
                c.wait(i)


class Deaths(Processes):
    def test_a_worker_takes_only_its_jobs_with_it(self):
        s = self.start("--workers", "2")
        self.both_workers_warm()
        with s.client() as c, s.client() as d:
            i = self.begin(c, job="dies")
            victim = self.worker_of(c)
            k = [self.begin(d, 4, job=f"lives {n}") for n in range(3)]  # the other worker gets at least one
            jobs = d.rpc("jobs")
            self.assertTrue(all(j["tracee_pid"] and stat(j["tracee_pid"]) for j in jobs), jobs)
            there = {j["job"]: stat(stat(j["tracee_pid"])[1])[1] for j in jobs}
            gone = below(victim)
            os.kill(victim, signal.SIGKILL)
            r = c.wait(i)
            self.assertEqual((r["outcome"], r["error"]), ("error", "its worker died (signal 9)"), r)
            eventually(lambda: not alive(gone), 1)
            others = [n for n in range(3) if there[f"lives {n}"] != victim]
            self.assertTrue(others)
            for n in range(3):
                self.assertEqual(d.wait(k[n])["outcome"], "exited" if n in others else "error")
            eventually(lambda: d.rpc("status")["workers"] == 2, 5)
        with s.client() as c:
            ids = [c.start(f"print({n})") for n in range(40)]
            self.assertEqual([c.wait(i)["stdout"] for i in ids], [b"%d\n" % n for n in range(40)])

    def test_a_worker_while_output_streams(self):
        s = self.start("--workers", "1")
        with s.client() as c:
            i = c.start("while True: print('x' * 1000)", stream=True, limits={"output_kib": 16384})
            c.wait_output(b"x" * 1000)
            os.kill(self.workers()[0], signal.SIGKILL)
            r = c.wait(i)
            self.assertEqual(r["outcome"], "error", r["error"])
            self.assertEqual(c.run("print('on')")["stdout"], b"on\n")

    def test_idle_parts(self):
        s = self.start("--workers", "2")
        self.both_workers_warm()
        for who in (self.workers, lambda: [self.front()], self.zygotes, self.midwives, self.workers):
            for pid in who():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            r = eventually(lambda: self.answer("print('again')"))
            self.assertEqual(r["stdout"], b"again\n", r)
        self.assertTrue(s.alive())

    def answer(self, code):
        """The result, or None while a part is being replaced, of whose death nobody knew when the job came, or that was not ready yet; a
        worker ends by SIGABRT when its midwife has gone."""
        try:
            r = self.supervisor.run(code)
            return None if (r["error"] or "").endswith(("(signal 9)", "worker died (signal 6)", "zygote died")) else r
        except (EOFError, ConnectionError):
            return None

    def test_a_front_leaves_workers_and_zygotes(self):
        s = self.start("--workers", "2")
        self.both_workers_warm()
        workers, zygotes, front = self.workers(), self.zygotes(), self.front()
        with s.client() as c, s.client() as d, s.client() as idle:
            i = self.begin(c, job="cancelled")
            pid = [j["tracee_pid"] for j in c.rpc("jobs")][0]
            self.begin(d, 3, job="detached", detach=True)
            self.begin(d, job="kept", detach=True, policy="python3")
            before = {j["job"]: j for j in d.rpc("jobs")}
            os.kill(front, signal.SIGKILL)
            for client in (c, d, idle):
                with self.assertRaises((EOFError, ConnectionError)):
                    while True:
                        client.receive()
        eventually(lambda: not alive([pid]), 1)
        self.assertEqual(eventually(lambda: self.answer("print('again')"))["stdout"], b"again\n")
        with s.client() as c:
            eventually(lambda: c.rpc("status")["workers"] == 2)
            after = {j["job"]: j for j in c.rpc("jobs")}
            self.assertEqual(set(after), {"detached", "kept"})  # the other one's client has gone
            for j in after.values():
                self.assertAlmostEqual(j.pop("started_ms"), before[j["job"]].pop("started_ms"), delta=100)
                self.assertEqual(j, before[j["job"]])
            with self.assertRaisesRegex(RpcError, "is running already"):
                c.run("1", job="kept")
            self.assertTrue(c.rpc("cancel", job="kept")["cancelled"])
            eventually(lambda: [j["job"] for j in c.rpc("jobs")] in (["detached"], []))
        eventually(lambda: "job=detached uid=0 outcome=exited" in s.log() or
                   f"job=detached uid={os.getuid()} outcome=exited" in s.log(), 5)
        self.assertNotEqual(self.front(), front)
        self.assertEqual((self.workers(), self.zygotes()), (workers, zygotes))

    def test_nothing_outlives_the_keeper(self):
        for running in (False, True):
            with self.subTest(running=running):
                s = self.start("--workers", "2")
                with s.client() as c:
                    if running:
                        self.begin(c)
                    eventually(lambda: len(below(self.keeper)) > 4)  # zygotes of both workers, as they come
                    all_of_them = below(self.keeper)
                    s.proc.kill()
                    s.proc.wait()
                    eventually(lambda: not alive(all_of_them), 1)
                s.stop()

    def test_a_worker_that_dies_again_and_again_is_not_started_in_a_storm(self):
        self.start("--workers", "1")
        seen, end = set(), time.monotonic() + 2
        while time.monotonic() < end:
            for pid in self.workers():
                seen.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)
        self.assertLess(len(seen), 12)
        self.assertEqual(self.supervisor.run("print('at last')")["stdout"], b"at last\n")


class Power(Processes):
    @unittest.skipUnless(support.IS_ROOT, "capability: only root has power to lay down")
    def test_the_front_has_none(self):
        self.start()
        with open(f"/proc/{self.front()}/status", errors="replace") as f:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        uids = set(map(int, fields["Uid"].split()) ) | set(map(int, fields["Gid"].split()))
        self.assertEqual(len(uids), 1)
        self.assertTrue(0 < uids.pop() < TRACEES_FROM)
        self.assertEqual(fields["Groups"].strip(), "")
        for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(fields[caps], 16), 0, caps)
        self.assertEqual(fields["NoNewPrivs"].strip(), "1")

    def test_each_worker_has_a_cpu(self):
        cpus = len(os.sched_getaffinity(0))
        if cpus < 2:
            self.skipTest("missing: a second CPU")
        self.start("--workers", "2")
        a, b = (eventually(lambda p=p: len(os.sched_getaffinity(p)) == 1 and os.sched_getaffinity(p)) for p in self.workers())
        self.assertNotEqual(a, b)


@unittest.skipUnless(support.IS_ROOT and support.PIDFD_GETFD, "capability: descriptors of another process")
class TakenOver(Processes):
    """The worker does not believe the front: here its end of their link is used by somebody else."""

    def link_to_worker(self):
        libc = ctypes.CDLL(None, use_errno=True)
        front = self.front()
        pidfd = os.pidfd_open(front)
        self.addCleanup(os.close, pidfd)
        for fd in sorted(int(n) for n in os.listdir(f"/proc/{front}/fd")):
            mine = libc.syscall(438, pidfd, fd, 0)  # pidfd_getfd
            self.assertGreaterEqual(mine, 0)
            try:
                s = socket.socket(fileno=mine)
            except OSError:
                os.close(mine)
                continue
            self.addCleanup(s.close)
            if s.family == socket.AF_UNIX and s.type == socket.SOCK_SEQPACKET:
                return s  # the keeper's was inherited under a number of the keeper's, this one came into the first free place
        return None

    def submit(self, link, key, path, client):
        job = {"job": f"j{key}", "language": "python3", "code": f"open({path!r}, 'w').write('written')", "grants": {"write": [os.path.dirname(path)]}}
        packet = msgpack.packb([2, "submit", [{"key": key, "queue_ms": 0.0, "uid": 0, "operator": True, "watched": False, "generation": 1, "job": job}]])
        socket.send_fds(link, [packet], [client.fileno()] if client else [])

    def test_nobody_becomes_an_operator(self):
        s = self.start("--workers", "1")
        dir = tempfile.mkdtemp(dir="/srv" if os.path.isdir("/srv") else None)
        os.chmod(dir, 0o777)
        self.addCleanup(shutil.rmtree, dir)
        path = os.path.join(dir, "file")
        s.run("pass")  # there is a link to the worker
        link = eventually(self.link_to_worker)

        def made_by(uid):
            os.seteuid(uid)
            try:
                pair = socket.socketpair()
            finally:
                os.seteuid(0)
            self.addCleanup(pair[0].close)
            self.addCleanup(pair[1].close)
            return pair[0]

        for n, client in enumerate([None, made_by(4242)]):
            self.submit(link, 10 ** 6 + n, path, client)
            eventually(lambda: s.log().count("no_operator") == n + 1)
        s.run("pass")  # behind those
        self.assertFalse(os.path.exists(path))
        self.submit(link, 10 ** 7, path, made_by(0))  # the same, of one that is
        eventually(lambda: os.path.exists(path) and open(path).read() == "written")


class Admission(Processes):
    def test_thousands_of_idle_connections(self):
        s = self.start()
        self.connect(s, 5000 if support.LONG else 2000)
        if support.LONG and support.IS_ROOT:  # one uid has at most half of them
            os.chmod(s.path, 0o666)
            ready, end = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.setuid(4242)
                self.connect(s, 5000)
                os.write(end, b".")
                signal.pause()
            os.close(end)
            self.addCleanup(os.close, ready)
            self.addCleanup(os.waitpid, pid, 0)
            self.addCleanup(os.kill, pid, signal.SIGKILL)
            self.assertEqual(os.read(ready, 1), b".")
            with s.client() as c:
                eventually(lambda: c.rpc("status")["totals"]["connections"] >= 10000)
        self.assertEqual(s.run("print('served')")["stdout"], b"served\n")

    def connect(self, s, n):
        for _ in range(n):
            c = socket.socket(socket.AF_UNIX)
            self.addCleanup(c.close)
            c.connect(s.path)

    def test_many_that_sleep(self):
        """All at once; each has its own result."""
        n = 1000 if support.LONG else 60
        folder = tempfile.TemporaryDirectory(prefix="warder-many-")
        self.addCleanup(folder.cleanup)
        with open(os.path.join(folder.name, "warder.yaml"), "w") as f:
            f.write(f"workers: 2\npool: {{min: 2, max: {n // 2 + 1}}}\n")
        s = self.start("--config", f.name)
        with contextlib.ExitStack() as stack, s.client() as d:
            clients = [stack.enter_context(s.client(timeout=120)) for _ in range(4)]
            eventually(lambda: d.rpc("status")["pool"]["capacity"] >= n)  # both workers are there
            together = False
            for times in (1, 4, 12):  # on a busy machine the first have ended before the last have begun
                seconds = min(50, times * (n // 33 + 2))
                ids = [clients[i % 4].start(f"print({i}, flush=True)\nimport time; time.sleep({seconds})", limits={"wall_ms": 60000}) for i in range(n)]
                with contextlib.suppress(AssertionError):
                    together = eventually(lambda: d.rpc("status")["pool"]["running"] == n, seconds)
                self.assertEqual([clients[i % 4].wait(m)["stdout"] for i, m in enumerate(ids)], [b"%d\n" % i for i in range(n)])
                if together:
                    return
            self.fail("never all at once")

    @unittest.skipUnless(support.IS_ROOT, "capability: it takes a second uid")
    def test_one_uid_does_not_shut_others_out(self):
        """With descriptors for few connections one uid gets half of them."""
        s = self.start("--workers", "1", prefix=("prlimit", "--nofile=1100:1100", "--"))
        os.chmod(s.path, 0o666)
        pid = os.fork()
        if pid == 0:
            os.setuid(4242)
            held = []
            with contextlib.suppress(OSError):
                for _ in range(1200):
                    c = socket.socket(socket.AF_UNIX)
                    c.setblocking(False)
                    held.append(c)
                    c.connect(s.path)
            signal.pause()
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        eventually(lambda: "more than its share" in s.log())
        self.assertEqual(s.run("print('served')")["stdout"], b"served\n")

    def test_one_that_never_reads(self):
        """Its job waits, the supervisor does not grow, and others are served."""
        s = self.start("--workers", "1")
        with s.client() as slow, s.client() as c:
            slow.start("while True: print('x' * 10000)", stream=True, limits={"output_kib": 16384, "wall_ms": 15000})
            time.sleep(0.5)
            sizes = [self.resident(p) for p in (self.front(), self.workers()[0])]
            for _ in range(10):
                self.assertEqual(c.run("print('served')")["stdout"], b"served\n")
            for before, pid in zip(sizes, (self.front(), self.workers()[0])):
                self.assertLess(self.resident(pid), before + 4096)

    def test_one_that_asks_and_never_reads(self):
        """What is kept of small answers is little more than their bytes, however many wait."""
        s = self.start("--workers", "1")
        with s.client(timeout=1) as slow:
            before = self.resident(self.front())
            with contextlib.suppress(TimeoutError):
                slow.sock.sendall(b"".join(msgpack.packb([0, i, "policies", [{}]]) for i in range(60000)))
            self.assertLess(self.resident(self.front()), before + 16384)

    def resident(self, pid):
        with open(f"/proc/{pid}/statm") as f:
            return int(f.read().split()[1]) * 4

    def test_a_flood_of_one_tenant(self):
        """The other one's jobs take their turn: they do not wait for the whole queue."""
        s = self.start("--workers", "1")
        s.run("pass")  # or the first ones wait for the zygote, the other one's among them
        with s.client() as flood, s.client() as c:
            ids = [flood.start("import time; time.sleep(0.05)", tenant="flood") for _ in range(150)]
            began = time.monotonic()
            c.run("print('served')", tenant="other")
            other = time.monotonic() - began
            for i in ids:
                flood.wait(i)
            self.assertLess(other, (time.monotonic() - began) / 2)

    def test_a_flood_that_a_worker_has_already(self):
        """Also among the jobs that wait in a worker for tracees. They are as many as it takes at once, so the queue of the front is empty."""
        folder = tempfile.TemporaryDirectory(prefix="warder-turns-")
        self.addCleanup(folder.cleanup)
        with open(os.path.join(folder.name, "warder.yaml"), "w") as f:
            f.write("workers: 1\npool: {min: 1, max: 100}\n")
        s = self.start("--config", f.name)
        with s.client() as flood, s.client() as c:
            s.run("pass")
            ids = [flood.start(f"print({i})", tenant="flood") for i in range(90)]
            mine = c.start("print('mine')", tenant="other")
            began = time.monotonic()
            c.wait(mine)
            other = time.monotonic() - began
            flood.wait(ids[-1])
            self.assertLess(other, (time.monotonic() - began) / 2)
            for i in ids[:-1]:
                flood.wait(i)
            # a client's jobs keep their order. A single one may end late, when the machine gave its process no turn: so the mean (30 when drawn by lot)
            places = sorted(range(len(ids)), key=lambda k: flood.order.index(ids[k]))
            self.assertLess(sum(abs(k - place) for k, place in enumerate(places)) / len(ids), 10)


if __name__ == "__main__":
    unittest.main()
