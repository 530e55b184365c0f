"""Jobs beside each other and after each other: none sees another, and nothing of one is left when it has ended."""
import concurrent.futures
import contextlib
import os
import time
import unittest

import lab
from support import eventually


class BesideEachOther(lab.AttackCase):
    def test_a_victim_beside_an_attacker(self):
        secret = "VICTIM-" + os.urandom(8).hex()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            victim = pool.submit(self.attack, '''
            open("/tmp/secret-of-victim", "w").write(SECRET)
            os.environ["SECRET"] = SECRET
            signal.signal(signal.SIGTERM, lambda *a: os._exit(66))
            time.sleep(1.5)
            print(open("/tmp/secret-of-victim").read() == SECRET)
            ''', {"SECRET": secret}, env={"VICTIM_ENV": secret})
            time.sleep(0.3)
            told = self.ask('''
            seen = {"tmp": os.listdir("/tmp"), "uid": os.getuid()}
            got, me = {}, os.getpid()
            near = [me + i for i in range(-40, 41) if i and me + i > 0]
            for pid in near:
                for p in ("environ", "mem", "maps", "cmdline", "status", "root/tmp/secret-of-victim", "cwd/secret-of-victim",
                          "fd/1", "task", ""):
                    got[f"{pid} {p}"] = look(f"/proc/{pid}/{p}")
                for sig in (0, 15, 9):
                    got[f"{pid} kill {sig}"] = name(raw(62, pid, sig))
                got[f"{pid} getpriority"] = name(raw(140, 0, pid))
            seen["bad"] = {k: v for k, v in got.items() if not str(v).startswith("E") and "getpriority" not in k}
            tell(**seen)
            ''')
            r = victim.result()
        self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"True\n"), lab.brief(r))
        self.assertEqual(told["bad"], {})
        self.assertNotIn("secret-of-victim", told["tmp"])

    def test_two_jobs_share_no_identity(self):
        if not lab.ROOT_UID:
            self.skipTest("capability: without root all jobs have one uid")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(self.ask, "tell(uid=os.getuid(), gid=os.getgid()); time.sleep(0.5)") for _ in range(4)]
            ids = [(j.result()["uid"], j.result()["gid"]) for j in jobs]
        self.assertEqual(len(set(ids)), 4, ids)

    def test_output_goes_to_its_own_client(self):
        def one(n):
            text = f"job {n} " * 1000
            r = self.attack("\nfor _ in range(50): print(TEXT, flush=True)", {"TEXT": text})
            return r["stdout"] == (text + "\n").encode() * 50

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertTrue(all(pool.map(one, range(40))))


class AfterEachOther(lab.AttackCase):
    def test_nothing_goes_from_one_job_to_the_next(self):
        for _ in range(12):  # more than waiting tracees
            told = self.ask('''
            import builtins, gc
            told = dict(tmp=os.listdir("/tmp"), env=[k for k in os.environ if k.startswith("LEFT")],
                        mark=hasattr(builtins, "LEFT"), module="left" in sys.modules, cwd=os.getcwd(),
                        handler=signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL, umask=os.umask(0),
                        timer=signal.getitimer(signal.ITIMER_REAL), mask=len(signal.pthread_sigmask(0, [])),
                        threads=threading.active_count(), nice=os.getpriority(0, 0))
            open("/tmp/LEFT", "w").write("x"); os.environ["LEFT"] = "x"; builtins.LEFT = 1
            sys.modules["left"] = sys; signal.signal(signal.SIGUSR1, signal.SIG_IGN); signal.setitimer(0, 100)
            json.dumps = lambda *a, f=json.dumps, **k: f(*a, **k)
            tell(**told)
            ''')
            self.assertNotIn("LEFT", told["tmp"])
            self.assertEqual((told["env"], told["mark"], told["module"], told["handler"], told["timer"], told["mask"],
                              told["threads"]), ([], False, False, True, [0.0, 0.0], 0, 1), told)

    def test_randomness_differs(self):
        code = '''
        import random, uuid, secrets, tempfile, hashlib
        tell(a=random.random(), b=str(uuid.uuid4()), c=secrets.token_hex(8), d=os.urandom(8).hex(),
             e=next(tempfile._get_candidate_names()), f=str(uuid.uuid1()))
        '''
        told = [self.ask(code) for _ in range(12)]
        for what in "abcdef":
            self.assertEqual(len({t[what] for t in told}), 12, what)


class NothingIsLeft(lab.AttackCase):
    """The process of a job is gone soon after its result, however it ended."""
    ENDS = {
        "exit": ("pass", {}),
        "exception": ("1 / 0", {}),
        "signal": ("os.kill(os.getpid(), 9)", {}),
        "fault": ("ctypes.string_at(0)", {}),
        "killed": ("raw(165, 'none', '/mnt', 'tmpfs')", {}),
        "killed in a thread": ("raw(165, 'none', '/mnt', 'tmpfs', door='raw_in_thread')", {}),
        "wall time": ("time.sleep(60)", {"wall_ms": 200}),
        "wall time, stopped": ("os.kill(os.getpid(), signal.SIGSTOP)", {"wall_ms": 200}),
        "wall time, ignoring": ("so('storm').signals_ignore_all(); time.sleep(60)", {"wall_ms": 200}),
        "wall time, many threads": ("so('storm').threads_spin(20); time.sleep(60)", {"wall_ms": 200}),
        "first thread gone": ("so('storm').main_thread_leaves(0, 100)", {}),
        "exit in a storm": ("so('storm').storm_exit((ROOT + '/open/secret').encode(), 8, 0, 1)", {}),
        "closed everything": ("raw(436, 0, 0xffffffff, 0); os._exit(0)", {}),
        "asynchronous output": ("os.set_blocking(1, False); os.write(1, b'x' * 60000); os._exit(0)", {}),
    }

    def is_there(self, pid):
        """Whether a job that knows itself by this number is there, in whatever pid namespace."""
        if not self.lab.supervisor:
            return os.path.exists(f"/proc/{pid}")
        for p in (t for z in self.lab.zygotes() for t in lab.children(z)):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{p}/status", errors="replace") as f:
                    if [line.split()[-1] for line in f if line.startswith("NSpid:")] == [str(pid)]:
                        return True
        return False

    def test_each(self):
        for what, (code, limits) in self.ENDS.items():
            with self.subTest(end=what):
                r = self.attack("print(os.getpid(), flush=True)\n" + code, limits=limits)
                pid = int(r["stdout"].split(b"\n")[0])
                eventually(lambda: not self.is_there(pid), 3)

    def test_cancelled_and_hung_up(self):
        if not self.lab.supervisor:
            self.skipTest("missing: outside there is no supervisor to ask")
        for how in ("cancel", "hang up"):
            with self.subTest(how=how):
                with self.lab.supervisor.client() as c:
                    job = f"attack-{how.replace(' ', '-')}"
                    code = self.lab.code("so('storm').signals_ignore_all(); print(os.getpid(), flush=True); time.sleep(60)")
                    msgid = c.start(code, policy="attack", job=job, stream=True)
                    c.wait_output(b"\n")
                    pid = c.rpc("jobs")[0]["tracee_pid"]
                    self.assertTrue(os.path.exists(f"/proc/{pid}"))
                    if how == "cancel":
                        self.assertEqual(c.rpc("cancel", job=job), {"cancelled": True})
                        self.assertEqual(c.wait(msgid)["outcome"], "cancelled")
                eventually(lambda: not os.path.exists(f"/proc/{pid}"), 3)

    def test_descriptors_and_processes_of_the_supervisor_stay_as_many(self):
        if not self.lab.supervisor:
            self.skipTest("missing: outside there is no supervisor to look at")

        if not lab.ROOT_UID:
            self.skipTest("capability: nobody but root may look at descriptors of the supervisor")

        def round_of_jobs():
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                for code, limits in [e for e in self.ENDS.values()] * (10 if lab.LONG else 2):
                    pool.submit(self.attack, code, limits=limits)

        round_of_jobs()
        before = self.lab.held_at_rest()
        round_of_jobs()
        eventually(lambda: lab.is_little_more(self.lab.held_at_rest(), before, 2, 0))


if __name__ == "__main__":
    unittest.main()
