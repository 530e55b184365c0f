"""SIGHUP: configuration and policies are read again, all of them or none, and no job is lost or mixed over it."""
import os
import random
import re
import signal
import tempfile
import threading
import time
import unittest

import support
from support import RpcError, Supervisor, descriptors, eventually

SAYS = "name: own\nextends: python3\nenv: {{GREETING: {}}}\n"
ASK = "import os; print(os.environ['GREETING'])"
LONG = ("import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\nprint(os.environ['GREETING'], flush=True)\n"
        "signal.sigwait([signal.SIGUSR1])\nprint(os.environ['GREETING'])")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(p) for p in f.read().split()]


def parent(pid):
    with open(f"/proc/{pid}/stat", errors="replace") as f:
        return int(f.read().rsplit(")", 1)[1].split()[1])


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private_Dirty"))


def name(pid):
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Reload(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="warder-reload-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.generation = 1

    def write(self, name, text):
        """As an editor does it: the file is never seen half."""
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w") as f:
            f.write(text)
        os.rename(path + ".new", path)
        return path

    def start(self, config="", *args, workers=2):
        self.write("own.yaml", SAYS.format("first"))
        path = self.write("warder.conf", f"workers: {workers}\npool: {{min: 1, max: 6}}\n{config}")
        self.supervisor = Supervisor("--config", path, "--policy-dir", self.dir, "--policy-dir", support.POLICIES, *args)
        self.addCleanup(self.supervisor.stop)
        return self.supervisor

    def hang_up(self, event="reloaded"):
        seen = self.events(event)
        self.supervisor.proc.send_signal(signal.SIGHUP)
        eventually(lambda: self.events(event) > seen)
        if event == "reloaded":
            self.generation += 1
            eventually(lambda: self.status()["generation"] == self.generation)

    def events(self, event):
        return len(re.findall(rf"event={event}\b", self.supervisor.log()))

    def status(self):
        with self.supervisor.client() as c:
            return c.rpc("status")

    def says(self, **fields):
        return self.supervisor.run(ASK, policy="own", **fields)["stdout"].decode().strip()

    def problem(self):
        return re.findall(r"event=reload_problem at=(\S+) text=(.*)", self.supervisor.log())[-1]

    def processes(self):
        """Keeper, front and workers."""
        keeper = self.supervisor.proc.pid
        return [keeper, *children(keeper)]

    def zygotes(self):
        return [z for p in self.processes()[1:] for z in children(p) if name(z) != "warderd-midwife"]


class Policies(Reload):
    def test_a_changed_policy(self):
        """New jobs have the new one; a job that runs goes on under the old one, and its zygote stays for it alone."""
        s = self.start(workers=1)
        with s.client() as c:
            i = c.start(LONG, policy="own", stream=True)
            c.wait_output(b"first\n")
            tracee = c.rpc("jobs")[0]["tracee_pid"]
            zygote = parent(tracee)
            old = self.zygotes()
            self.write("own.yaml", SAYS.format("second"))
            self.hang_up()
            self.assertEqual(self.says(), "second")
            self.assertLess(set(old), set(self.zygotes()))
            os.kill(tracee, signal.SIGUSR1)
            r = c.wait(i)
            self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"first\nfirst\n"), r)
        eventually(lambda: set(old) - set(self.zygotes()) == {zygote})

    def test_zygotes_of_policies_that_have_not_changed(self):
        """They go on with the new generation: a policy is what its whole chain of files and its interpreter are."""
        own = os.path.join(self.dir, "bin", "python3")
        os.mkdir(os.path.dirname(own))
        os.symlink("/usr/bin/python3", own)
        self.write("base2.yaml", "name: base2\nextends: python3\n")
        self.write("other.yaml", f"name: other\nextends: base2\ninterpreter: {own}\n")
        s = self.start(workers=1)
        for policy in ("python3", "own", "other"):
            self.assertEqual(s.run("print(1)", policy=policy)["stdout"], b"1\n")
        eventually(lambda: self.status()["zygotes"] == 4)
        old = set(self.zygotes())

        def replaced():
            self.hang_up()
            self.assertEqual(s.run("print(1)", policy="other")["stdout"], b"1\n")
            starts = self.status()["totals"]["zygote_starts"]
            gone = old - set(self.zygotes())
            return gone, starts
        self.assertEqual(replaced(), (set(), 4))
        self.write("base2.yaml", "name: base2\nextends: python3\nquiet: [/nowhere]\n")
        self.hang_up()  # of its chain
        eventually(lambda: (len(old - set(self.zygotes())), self.status()["zygotes"]) == (1, 4))
        old = set(self.zygotes())
        self.assertEqual(replaced(), (set(), 5))
        with open("/usr/bin/python3", "rb") as f, open(own + ".new", "wb") as g:
            g.write(f.read())
        os.chmod(own + ".new", 0o755)
        os.rename(own + ".new", own)
        os.chmod(os.path.dirname(own), 0o755)
        os.chmod(self.dir, 0o755)
        self.hang_up()  # its interpreter
        eventually(lambda: (len(old - set(self.zygotes())), self.status()["zygotes"]) == (1, 4))
        self.assertEqual(s.run("print(1)", policy="other")["stdout"], b"1\n")
        old = set(self.zygotes())
        with open(os.path.join(self.dir, "warder.conf"), "a") as f:
            f.write("proxy: {http: 'http://127.0.0.1:9'}\n")
        self.hang_up()  # and what jobs are told of proxies
        eventually(lambda: not old & set(self.zygotes()))

    def test_an_old_job_has_its_old_rules(self):
        """What a brokered call may do is looked up while the job runs: in the policy that it began with."""
        data = os.path.join(self.dir, "data")
        with open(data, "w") as f:
            f.write("of the grant")
        os.chmod(self.dir, 0o755)
        granted = SAYS.format("first") + f"files: [{{path: {data}, rights: [read]}}]\n"
        self.start(workers=1)
        self.write("own.yaml", granted)
        self.hang_up()
        code = f"import time\nprint('on', flush=True)\ntime.sleep(2)\nprint(open({data!r}).read())"
        with self.supervisor.client() as c:
            i = c.start(code, policy="own", stream=True)
            c.wait_output(b"on\n")
            self.write("own.yaml", SAYS.format("second"))
            self.hang_up()
            r = c.run(code.replace("sleep(2)", "sleep(0)"), policy="own")
            self.assertIn(b"FileNotFoundError", r["stderr"], r)
            r = c.wait(i)
            self.assertEqual(r["stdout"], b"on\nof the grant\n", r)

    def test_a_broken_policy(self):
        self.start(workers=1)
        path = self.write("own.yaml", SAYS.format("second") + "limits:\n  wall_ms: soon\n")
        self.write("other.yaml", "name: other\nextends: python3\n")
        self.hang_up("reload_failed")
        at, text = self.problem()
        self.assertEqual(at, f"{path}:5:12")
        self.assertIn("wall_ms", text)
        self.assertEqual(self.says(), "first")
        self.assertEqual(self.status()["generation"], 1)
        with self.assertRaisesRegex(RpcError, "unknown_policy"):
            self.supervisor.run("1", policy="other")  # all or nothing
        self.write("own.yaml", SAYS.format("third"))
        self.hang_up()
        self.assertEqual(self.says(), "third")
        self.assertEqual(self.supervisor.run("print(1)", policy="other")["stdout"], b"1\n")

    def test_a_removed_policy(self):
        self.start(workers=1)
        self.assertEqual(self.says(), "first")
        os.unlink(os.path.join(self.dir, "own.yaml"))
        self.hang_up()
        with self.assertRaisesRegex(RpcError, "unknown_policy"):
            self.says()

    def test_without_configuration(self):
        self.supervisor = Supervisor("--workers", "1")
        self.addCleanup(self.supervisor.stop)
        self.hang_up()
        self.assertEqual(self.supervisor.run("print(1)")["stdout"], b"1\n")

    def test_who_is_started_later_has_the_newest(self):
        self.start(workers=1)
        self.write("own.yaml", SAYS.format("second"))
        self.hang_up()
        for pid in self.processes()[1:]:
            os.kill(pid, signal.SIGKILL)
            eventually(lambda p=pid: not os.path.exists(f"/proc/{p}"))
        eventually(lambda: self.try_says() == "second")
        self.assertEqual(self.status()["generation"], 2)
        self.write("own.yaml", SAYS.format("third"))
        self.hang_up()
        self.assertEqual(self.says(), "third")

    def try_says(self):
        try:
            return self.says()
        except (EOFError, ConnectionError):
            return None


class Configuration(Reload):
    def rewrite(self, text, event="reloaded"):
        path = self.write("warder.conf", text)
        self.hang_up(event)
        return path

    def test_what_takes_effect(self):
        s = self.start("queue: {length: 11}\n", workers=1)
        eventually(lambda: self.status()["pool"]["capacity"] == 6)
        self.assertEqual(self.status()["queue"]["max"], 11)
        self.rewrite("workers: 1\npool: {min: 2, max: 3}\nqueue: {length: 22}\nlog: {format: json}\n")
        eventually(lambda: self.status()["pool"]["capacity"] == 3)
        self.assertEqual(self.status()["queue"]["max"], 22)
        self.assertIn('"event":"reloaded"', s.log().replace(" ", ""))
        self.assertNotIn("reload_needs_restart", s.log())
        self.assertEqual(self.says(), "first")

    def events(self, event):
        return len(re.findall(rf'event("?[=:]"?){event}\b', self.supervisor.log()))

    def test_what_needs_a_restart(self):
        s = self.start(workers=1)
        self.rewrite("workers: 2\nsocket: {path: /run/elsewhere}\nmax_message_mib: 3\npool: {min: 1, max: 60}\n")
        self.assertIn("event=reload_needs_restart keys=socket.path,workers,max_message_mib", s.log())
        eventually(lambda: "event=reload_needs_restart keys=pool" in s.log())
        eventually(lambda: (self.status()["workers"], self.status()["pool"]["capacity"]) == (1, 6))
        self.assertEqual(self.says(), "first")

    @unittest.skipUnless(support.IS_ROOT, "capability: root asks, who is no operator any more")
    def test_operators(self):
        s = self.start(workers=1)
        with self.assertRaisesRegex(RpcError, "not_permitted|bad_request"):
            s.run("1", grants={"read": ["/proc"]})
        code = "print(open('/etc/os-release').read()[:1])"
        allowed = s.run(code, grants={"read": ["/etc/os-release"]})
        self.assertEqual(allowed["outcome"], "exited")
        self.rewrite("workers: 1\noperators: [4242]\n")
        with self.assertRaisesRegex(RpcError, "not_permitted"):
            s.run(code, grants={"read": ["/etc/os-release"]})

    def test_a_broken_one(self):
        self.start(workers=1)
        self.write("own.yaml", SAYS.format("second"))
        path = self.rewrite("workers: 1\nqueue: {length: many}\n", "reload_failed")
        at, text = self.problem()
        self.assertEqual(at, f"{path}:2:17")
        self.assertIn("queue.length", text)
        self.assertEqual(self.says(), "first")  # all or nothing
        os.unlink(path)
        self.hang_up("reload_failed")
        self.assertIn("cannot be read", self.problem()[1])


class UnderLoad(Reload):
    def test_no_job_is_lost(self):
        """Jobs of eight clients, while the policy changes again and again: each has one greeting, and none an older one than was in
        force when it was sent. Afterwards as many descriptors as before, and no more memory."""
        self.start()
        self.rounds(3)
        fds, sizes = self.held()
        self.rounds(100 if support.LONG else 20)
        eventually(lambda: self.held()[0] == fds)  # the last client's connection may still be closing
        now_sizes = self.held()[1]
        for pid, before, now in zip(self.processes(), sizes, now_sizes):
            self.assertLess(now - before, 2048, f"KiB of {pid}: {before} before")  # generations that overlap, not one a reload

    def held(self):
        """Once the zygotes of the last generation are ready, and nothing changes any more."""
        eventually(self.at_rest)
        return [descriptors(p) for p in self.processes()], [private_kib(p) for p in self.processes()]

    def at_rest(self):
        before = self.status(), self.zygotes(), [descriptors(p) for p in self.processes()]
        time.sleep(2.5)  # a pool gives up what it does not need every two seconds
        after = self.status(), self.zygotes(), [descriptors(p) for p in self.processes()]
        return before[1:] == after[1:] and after[0]["zygotes"] == len(after[1]) and \
            before[0]["totals"]["births"] == after[0]["totals"]["births"]

    def rounds(self, n):
        self.write("own.yaml", SAYS.format(self.generation))
        self.hang_up()
        stop, faults, done = threading.Event(), [], [0] * 8
        threads = [threading.Thread(target=self.load, args=(k, stop, faults, done)) for k in range(8)]
        for t in threads:
            t.start()
        for _ in range(n):
            self.write("own.yaml", SAYS.format(self.generation))
            self.hang_up()
            time.sleep(random.random() * 0.2)  # in some of these a zygote gets ready, in others it is replaced unborn
        before = list(done)
        eventually(lambda: faults or all(a > b for a, b in zip(done, before)))
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(faults, [])

    def load(self, k, stop, faults, done):
        with self.supervisor.client() as c:
            while not stop.is_set() and not faults:
                least = self.generation - 1
                try:
                    r = c.run(ASK + "; print(os.environ['GREETING'])", policy="own", limits={"wall_ms": 14000})
                except Exception as e:
                    faults.append(repr(e))
                    return
                lines = r["stdout"].split()
                if r["outcome"] != "exited" or len(lines) != 2 or lines[0] != lines[1] or int(lines[0]) < least:
                    faults.append((least, r))
                done[k] += 1


if __name__ == "__main__":
    unittest.main()
