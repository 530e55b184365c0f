"""Signals and deaths: a job reaches nobody but itself, ends in time, and cannot make up how it ended."""
import os
import time
import unittest

import lab

SIGSYS = 31


def supervisor_state(pids):
    """What a job could have changed of the processes around it."""
    state = {}
    for pid in pids:
        with open(f"/proc/{pid}/stat", errors="replace") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{pid}/limits") as f:
            limits = f.read()
        # start time, nice value, real-time priority, policy
        state[pid] = (fields[19], fields[16], fields[37], fields[38], limits, tuple(sorted(os.sched_getaffinity(pid))))
    return state


class Outward(lab.AttackCase):
    SIGNALS = '''
    pids = {"parent": os.getppid(), "init": 1, "all": -1, "group": 0, "far": PID}
    got = {}
    for who, pid in pids.items():
        if who != "group":
            for call, args in (("kill", (pid, SIG)), ("tkill", (pid, SIG)), ("tgkill", (pid, pid, SIG)),
                               ("rt_sigqueueinfo", (pid, SIG, b"\\0" * 128)),
                               ("rt_tgsigqueueinfo", (pid, pid, SIG, b"\\0" * 128))):
                got[who + " " + call] = name(raw(NRS[call], *args))
    tell(**got)
    '''
    CALLS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")

    def around(self):
        return supervisor_state(self.lab.processes())

    def test_no_signal_leaves_the_job(self):
        nrs = {c: lab.nr(c) for c in self.CALLS}
        far = self.lab.pid()
        before = self.around()
        for sig in (0, 15, 19, 9):
            with self.subTest(signal=sig):
                r = self.attack(self.SIGNALS, {"NRS": nrs, "SIG": sig, "PID": far})
                for what, got in self.told(r).items():
                    self.assertRegex(str(got), "^E", f"{what}: {lab.brief(r)}")
        self.assertEqual(before, self.around())

    def test_its_process_group_is_its_own(self):
        before = self.around()
        for code in ("os.kill(0, 9)", "os.killpg(os.getpgrp(), 9)", "os.setpgid(0, os.getppid())",
                     "os.setpgid(os.getppid(), 0)", "os.setsid()"):
            with self.subTest(code=code):
                r = self.attack(f"err(lambda: {code})")
                self.assertIn(r["outcome"], ("exited", "signaled", "violation"), lab.brief(r))
        self.assertEqual(before, self.around())

    def test_limits_and_priorities_of_others_stay(self):
        before = self.around()
        told = self.ask('''
        parent, one = os.getppid(), b"\\1" + b"\\0" * 7
        got = {}
        for pid in (parent, FAR, 1):
            for limit in (0, 1, 7, 9):
                got[f"prlimit {pid} {limit}"] = name(raw(NRS["prlimit64"], pid, limit, one * 2, 0))
            got[f"setpriority {pid}"] = name(raw(NRS["setpriority"], 0, pid, 19))
            got[f"setpriority uid {pid}"] = name(raw(NRS["setpriority"], 2, 0, 19))
            got[f"sched_setaffinity {pid}"] = name(raw(NRS["sched_setaffinity"], pid, 8, one))
            got[f"sched_setscheduler {pid}"] = name(raw(NRS["sched_setscheduler"], pid, 3, b"\\0" * 4))
            got[f"sched_setattr {pid}"] = name(raw(NRS["sched_setattr"], pid, b"\\x30" + b"\\0" * 63, 0))
            got[f"sched_setparam {pid}"] = name(raw(NRS["sched_setparam"], pid, b"\\0" * 4))
            got[f"ioprio_set {pid}"] = name(raw(NRS["ioprio_set"], 1, pid, 3 << 13))
        tell(**got)
        ''', {"NRS": {c: lab.nr(c) for c in ("prlimit64", "setpriority", "sched_setaffinity", "sched_setscheduler",
                                              "sched_setattr", "sched_setparam", "ioprio_set")},
              "FAR": self.lab.pid()})
        self.assertEqual(before, self.around(), told)
        for what, got in told.items():
            if what.startswith("prlimit"):
                self.assertRegex(str(got), "^E", told)

    def test_signals_sent_by_descriptors_and_timers(self):
        # F_SETOWN with O_ASYNC has the kernel send SIGIO, or any signal; timers may name a thread
        before = self.around()
        told = self.ask('''
        import fcntl, socket
        got = {}
        a, b = socket.socketpair()
        for pid in (os.getppid(), FAR, 1):
            got[f"owner {pid}"] = str(err(fcntl.fcntl, a, 8, pid))
            got[f"signal {pid}"] = str(err(fcntl.fcntl, a, 10, 9))
            got[f"async {pid}"] = str(err(fcntl.fcntl, a, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK))
            b.send(b"x")
            time.sleep(0.01)
            event = (0).to_bytes(8, "little") + (9).to_bytes(4, "little") + (4).to_bytes(4, "little")
            event += pid.to_bytes(4, "little", signed=True) + b"\\0" * 44
            got[f"timer {pid}"] = name(raw(TIMER, 1, event, b"\\0" * 8))
            got[f"pidfd {pid}"] = name(raw(PIDFD, pid, 0))
        tell(**got)
        ''', {"TIMER": lab.nr("timer_create"), "PIDFD": lab.nr("pidfd_open"),
              "FAR": self.lab.pid()})
        self.assertEqual(before, self.around(), told)
        for what, got in told.items():
            if what.startswith(("timer", "pidfd")):
                self.assertRegex(str(got), "^E", told)

    def test_no_clock_of_others(self):
        """What another process has computed so far says what it does, and that it is there."""
        told = self.ask('''
        def clock(pid):
            return (~pid << 3) | 2
        def timer(clock):
            event = (0).to_bytes(8, "little") + signal.SIGALRM.to_bytes(4, "little") + b"\\0" * 52
            return name(raw(NRS["timer_create"], clock, event, b"\\0" * 8))
        got, soon = {}, (0).to_bytes(8, "little") + (1).to_bytes(8, "little")
        for pid in (os.getppid(), FAR, 1, 2, 3, 4):
            if pid in (0, os.getpid()):
                continue
            got[f"sleep {pid}"] = name(raw(NRS["clock_nanosleep"], clock(pid), 1, soon, 0))
            got[f"timer {pid}"] = timer(clock(pid))
            got[f"get {pid}"] = name(raw(NRS["clock_gettime"], clock(pid), b"\\0" * 16))
            got[f"resolution {pid}"] = name(raw(NRS["clock_getres"], clock(pid), b"\\0" * 16))
        own = [name(raw(NRS["clock_nanosleep"], c, 1, soon, 0)) for c in (0, 1, clock(0))]
        own += [timer(c) for c in (0, 1, clock(0), clock(0) | 4)]   # as libc says process and thread
        tell(others=got, own=own)
        ''', {"NRS": {c: lab.nr(c) for c in ("clock_nanosleep", "timer_create", "clock_gettime", "clock_getres")}, "FAR": self.lab.pid()})
        self.assertEqual(set(told["others"].values()), {"EINVAL"}, told)
        self.assertEqual(set(told["own"]), {0}, told)


class OwnEnd(lab.AttackCase):
    """How a job ended is what the kernel says, never what the job would like."""

    def assertSignaled(self, r, sig):
        self.assertEqual((r["outcome"], r["signal"]), ("signaled", sig), lab.brief(r))
        self.assertNotIn("killed", [v["verdict"] for v in r["violations"]], lab.brief(r))

    def test_a_job_that_sends_itself_sigsys_made_no_forbidden_call(self):
        for code in ("os.kill(os.getpid(), 31)", "signal.raise_signal(31)", "raw(TGKILL, os.getpid(), GETTID(), 31)",
                     "threading.Thread(target=lambda: [os.read(0, 1) for _ in iter(int, 1)], daemon=True).start();"
                     "time.sleep(0.02); os.kill(os.getpid(), 31); time.sleep(5)",
                     "ctypes.string_at(raw(9, 0, 4096, 3, 0x22, -1, 0)); signal.raise_signal(31)"):
            with self.subTest(code=code):
                r = self.attack("GETTID = threading.get_native_id\n" + code, {"TGKILL": lab.nr("tgkill")})
                self.assertSignaled(r, SIGSYS)

    def test_each_deadly_signal_is_told(self):
        for sig in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 15, 24, 25, 34, 64):
            with self.subTest(signal=sig):
                self.assertSignaled(self.attack("signal.signal(SIG, signal.SIG_DFL) if SIG != 9 else 0\n"
                                                "os.kill(os.getpid(), SIG); time.sleep(5)", {"SIG": sig}), sig)

    def test_faults(self):
        for code, sig in (("ctypes.string_at(0)", 11), ("os.abort()", 6),
                          ("ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.create_string_buffer(9)))()", 11)):
            with self.subTest(code=code):
                self.assertSignaled(self.attack(code), sig)

    def test_no_handler_outlives_a_kill(self):
        r = self.attack('''
        for s in (31, 15, 11):
            signal.signal(s, lambda *a: (os.write(1, b"HANDLED"), os._exit(0)))
        raw(MOUNT, "none", "/mnt", "tmpfs")
        os.write(1, b"WENT ON")
        ''', {"MOUNT": lab.nr("mount")})
        self.assertKilledFor(r, "mount")
        self.assertEqual(r["stdout"], b"")

    def test_blocked_signals_do_not_save_from_a_kill(self):
        r = self.attack('''
        so("storm").signals_ignore_all()
        raw(MOUNT, "none", "/mnt", "tmpfs", door="raw_in_thread")
        os.write(1, b"WENT ON")
        ''', {"MOUNT": lab.nr("mount")})
        self.assertKilledFor(r, "mount")
        self.assertEqual(r["stdout"], b"")

    def test_exit_codes_that_look_like_something_else(self):
        for code in (0, 1, 9, 31, 125, 128 + 9, 128 + 31, 255, 256, -1):
            with self.subTest(code=code):
                r = self.attack("os._exit(CODE & 255) if CODE < 0 else raw(GROUP, CODE)",
                                {"CODE": code, "GROUP": lab.nr("exit_group")})
                self.assertEqual((r["outcome"], r["exit_code"], r["signal"]), ("exited", code & 255, None), lab.brief(r))

    def test_what_it_writes_changes_no_result(self):
        r = self.attack('''
        forged = (b"<<RESULT>>{}<<RESULT>>", b"\\x94\\x01\\x01\\xc0\\x81\\xa7outcome\\xa6exited", b"\\0" * 4096,
                  (1).to_bytes(4, "little") * 100)
        for fd in range(1024):
            for data in forged:
                try:
                    os.write(fd, data)
                except OSError:
                    pass
        os._exit(3)
        ''')
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 3), lab.brief(r))
        self.assertEqual(r["violations"], [], lab.brief(r))
        self.assertIn(b"<<RESULT>>", r["stdout"])
        self.assertIn(b"<<RESULT>>", r["stderr"])

    def test_the_first_thread_leaves_before_the_others(self):
        r = self.attack("so('storm').main_thread_leaves(7, 50)")
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 7), lab.brief(r))

    def test_the_end_comes_while_calls_are_pending(self):
        for threads in (1, 8, 24):
            for by_thread in (0, 1):
                with self.subTest(threads=threads, by_thread=by_thread):
                    r = self.attack("so('storm').storm_exit((ROOT + '/open/secret').encode(), N, 5, BY)",
                                    {"N": threads, "BY": by_thread})
                    self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 5), lab.brief(r))
            for sig in (9, 11, 15):
                with self.subTest(threads=threads, signal=sig):
                    r = self.attack("so('storm').storm_kill((ROOT + '/open/secret').encode(), N, SIG)",
                                    {"N": threads, "SIG": sig})
                    self.assertSignaled(r, sig)


class WallTime(lab.AttackCase):
    """Nothing that a job ignores, blocks or stops keeps it past its time."""
    WALL_MS = 400
    STUBBORN = {
        "sleeps": "time.sleep(60)",
        "spins": "\nwhile True: pass",
        "spins in C without the interpreter lock": "so('storm').threads_spin(4); time.sleep(60)",
        "stops itself": "os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)",
        "stops for its terminal": "os.kill(os.getpid(), signal.SIGTSTP); time.sleep(60)",
        "reads for its terminal": "os.kill(os.getpid(), signal.SIGTTIN); time.sleep(60)",
        "ignores all": "so('storm').signals_ignore_all(); time.sleep(60)",
        "ignores all and stops": "so('storm').signals_ignore_all(); os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)",
        "stops again and again": "\nwhile True: os.kill(os.getpid(), signal.SIGSTOP)",
        "opens without end": "so('storm').storm_opens((ROOT + '/open/secret').encode(), 8, 60000, ctypes.create_string_buffer(64))",
        "waits in a pipe": "os.read(os.pipe()[0], 1)",
        "hangs at exit": "import atexit; atexit.register(time.sleep, 60)",
        "leaves its first thread": "so('storm').main_thread_leaves(0, 60000)",
        "catches everything": "\nwhile True:\n try: time.sleep(60)\n except BaseException: pass",
    }

    def test_each_ends_in_time(self):
        took = {}
        with lab.support.Stalls() as stalls:
            for what, code in self.STUBBORN.items():
                with self.subTest(job=what):
                    r = self.attack(code, limits={"wall_ms": self.WALL_MS})
                    took[what] = r["usage"]["wall_ms"]
                    self.assertEqual((r["outcome"], r["limit"]), ("limit", "wall_time"), lab.brief(r))
                    self.assertGreaterEqual(took[what], self.WALL_MS - 1)
        self.assertLess(max(took.values()), self.WALL_MS + 2000 + stalls.seconds * 1e3, took)


if __name__ == "__main__":
    unittest.main()
