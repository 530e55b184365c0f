"""Appetite: what a job may fill up is its own share, and the supervisor does not grow with it."""
import os
import resource
import shutil
import threading
import time
import unittest

import lab
import support

MOST = 16 << 20  # bytes of the host's disk that others may take meanwhile


def rss_kib(pid):
    with open(f"/proc/{pid}/status", errors="replace") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Watch(threading.Thread):
    """The highest resident size of a process while the block runs."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.start_kib, self.peak_kib, self.stop = pid, rss_kib(pid), 0, threading.Event()

    def run(self):
        while not self.stop.wait(0.01):
            self.peak_kib = max(self.peak_kib, rss_kib(self.pid))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.peak_kib = max(self.peak_kib, rss_kib(self.pid))
        self.stop.set()
        self.join()

    def grown_kib(self):
        return self.peak_kib - self.start_kib


class Output(lab.AttackCase):
    MIB = 2000 if lab.LONG else 200

    def test_a_flood_is_cut_and_costs_the_supervisor_little(self):
        self.attack("print('x' * 100000)")
        for fd in (1, 2):
            with self.subTest(fd=fd), Watch(self.lab.pid()) as watch:
                r = self.attack('''
                block = b"x" * (1 << 20)
                for _ in range(MIB):
                    os.write(FD, block)
                os._exit(9)
                ''', {"MIB": self.MIB, "FD": fd}, limits={"output_kib": 1024, "wall_ms": 60000})
            self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 9), lab.brief(r))
            name = {1: "stdout", 2: "stderr"}[fd]
            self.assertLessEqual(len(r[name]), 1024 * 1024)
            self.assertGreater(len(r[name]), 1000 * 1024)
            self.assertTrue(r[name + "_truncated"])
            self.assertLess(watch.grown_kib(), 16 * 1024)

    def test_both_streams_share_the_bound(self):
        r = self.attack('''
        for _ in range(64):
            os.write(1, b"o" * 65536); os.write(2, b"e" * 65536)
        ''', limits={"output_kib": 1024})
        self.assertLessEqual(len(r["stdout"]) + len(r["stderr"]), 1024 * 1024)
        self.assertTrue(r["stdout_truncated"] or r["stderr_truncated"])

    def test_a_flood_by_descriptors_of_its_own(self):
        # more pipes, more threads: the bound is the job's
        r = self.attack('''
        def pour(fd):
            for _ in range(100):
                os.write(fd, b"x" * 65536)
        threads = [threading.Thread(target=pour, args=(os.dup(1 + i % 2),)) for i in range(8)]
        [t.start() for t in threads]; [t.join() for t in threads]
        ''', limits={"output_kib": 512})
        self.assertEqual(r["outcome"], "exited", lab.brief(r))
        self.assertLessEqual(len(r["stdout"]) + len(r["stderr"]), 512 * 1024)


class Tmp(lab.AttackCase):
    def test_more_bytes_than_allowed(self):
        # others use the host's disk, too: what is left behind is left behind each time
        for _ in range(3):
            used = self.fill_up()
            if used < MOST:
                return
        self.fail(f"{used} bytes of the host's disk were used up")

    def fill_up(self):
        """Bytes of the host's disk that are gone afterwards."""
        places = ("/var/tmp", "/tmp")
        free = lambda: [s.f_bavail * s.f_frsize for s in map(os.statvfs, places)]  # noqa: E731
        with Watch(self.lab.pid()) as watch:
            before = free()
            r = self.attack('''
            written, block, end = 0, b"x" * (1 << 20), None
            try:
                with open("/tmp/big", "wb", buffering=0) as f:
                    while written < 64 << 20:
                        written += f.write(block)
            except OSError as e:
                end = errno.errorcode[e.errno]
            os.unlink("/tmp/big")
            again = err(lambda: open("/tmp/small", "wb").write(b"x" * 100000))
            tell(mib=written / (1 << 20), end=end, again=again)
            ''', limits={"tmp_mib": 8})
            used, end = MOST, time.monotonic() + support.DEADLINE / 4
            while used >= MOST and time.monotonic() < end:  # a directory is emptied after the answer
                used = max(b - a for b, a in zip(before, free()))
                time.sleep(0.01)
        self.assertLess(watch.grown_kib(), 16 * 1024)
        if r["limit"] == "tmp" and "tmp_quota" not in r["layers"]:  # a directory is measured now and then: who is far over is ended
            return used
        told = self.told(r)
        self.assertEqual(told["again"], 100000, told)
        if not lab.OUTSIDE and "tmp_quota" not in r["layers"]:
            # without that layer one file is bounded by file_mib, and the disk is the host's own
            self.assertLessEqual(told["mib"], 64, told)
            return used
        self.assertEqual(told["end"], "ENOSPC", told)
        self.assertLessEqual(told["mib"], 8, told)
        self.assertGreater(told["mib"], 6, told)
        return used

    def test_many_small_files(self):
        told = self.ask('''
        n, end = 0, None
        try:
            while n < 20000:
                os.close(os.open(f"/tmp/{n}", os.O_CREAT | os.O_WRONLY)); n += 1
        except OSError as e:
            end = errno.errorcode[e.errno]
        tell(n=n, end=end, dirs=str(err(os.mkdir, "/tmp/directory")))
        ''', limits={"tmp_inodes": 200, "wall_ms": 60000})
        self.assertEqual((told["end"], told["dirs"]), ("ENOSPC", "ENOSPC"), told)
        self.assertLessEqual(told["n"], 200)
        self.assertGreater(told["n"], 150)

    def test_other_ways_to_fill_it(self):
        r = self.attack('''
        f = os.open("/tmp/f", os.O_CREAT | os.O_RDWR)
        got = {"hole": str(err(os.ftruncate, f, 1 << 40)), "fallocate": str(err(os.posix_fallocate, f, 0, 1 << 30)),
               "name": str(err(open, "/tmp/" + "n" * 256, "w")), "seek": str(err(os.pwrite, f, b"x", 1 << 40))}
        tell(**got)
        ''', limits={"tmp_mib": 8})
        told = self.told(r)
        self.assertRegex(told["fallocate"], "^E", told)
        self.assertRegex(told["name"], "ENAMETOOLONG", told)

    def test_directories_as_deep_as_they_go(self):
        r = self.attack('''
        depth = 0
        try:
            while depth < 5000:
                os.mkdir("d"); os.chdir("d"); depth += 1
        except OSError as e:
            pass
        tell(depth=depth, cwd=len(str(err(os.getcwd))), up=str(err(os.open, "../" * 1000 + "etc/passwd", 0)))
        ''', limits={"tmp_inodes": 10000, "wall_ms": 60000})
        told = self.told(r)
        self.assertRegex(told["up"], "^E", told)


class Disk(lab.AttackCase):
    def test_one_file_takes_no_more_of_the_hosts_disk_than_one_may(self):
        """Blocks behind a file's end are not in its size, and most file systems do not ask RLIMIT_FSIZE for them."""
        place = self.lab.path("disk")
        os.mkdir(place)
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o777)
        told = self.ask('''
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        f = os.open(PLACE + "/f", os.O_CREAT | os.O_RDWR, 0o600)
        got = {mode: name(raw(FALLOCATE, f, mode, 0, 64 << 20)) for mode in range(0x80)}
        tell(mib=os.fstat(f).st_blocks / 2048, can=[mode for mode in got if got[mode] == 0],
             fill=name(raw(FALLOCATE, f, 0, 0, 1 << 20)))
        ''', {"PLACE": place, "FALLOCATE": lab.nr("fallocate")}, grants={"write": [place]}, limits={"file_mib": 4})
        self.assertLessEqual(told["mib"], 5, told)


class Memory(lab.AttackCase):
    def test_a_job_that_takes_all_memory_harms_only_itself(self):
        r = self.attack('''
        held = []
        try:
            for _ in range(4096):
                held.append(b"x" * (1 << 20))
            tell(end="none")
        except MemoryError:
            n = len(held); held.clear()
            tell(end="MemoryError", n=n)
        ''', limits={"wall_ms": 30000})
        self.assertEqual((r["outcome"], r["limit"]), ("limit", "memory"), lab.brief(r))
        self.assertLess(r["usage"]["max_rss_kib"], (256 + 100) << 10)

    def test_bytes_on_their_way_stay_few(self):
        """What a socket holds unsent is the kernel's memory: where it lets a buffer be 8 MiB, 252 ends take 2 GiB."""
        told = self.ask('''
        import resource, socket
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        def size(s):
            return s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        pairs, total, grown = [], 0, []
        while len(pairs) < 20:
            pairs.append(socket.socketpair())
            for s in pairs[-1]:
                before = size(s)
                for wish in (1 << 30, before, before // 2 + 1, -1, -1 << 31):
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wish)
                    grown += [wish] if size(s) > before else []
                s.setblocking(False)
                try:
                    while True:
                        total += s.send(b"x" * 32768)
                except BlockingIOError:
                    pass
        a, b = socket.socketpair()
        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        tcp = socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        tell(mib=total >> 20, grown=grown, less=size(a), ends=2 * len(pairs),
             wrong=[str(err(x.setsockopt, socket.SOL_SOCKET, socket.SO_SNDBUF, b"12")) for x in (a, tcp)])
        ''')
        self.assertEqual(told["grown"], [], told)
        self.assertLess(told["mib"], told["ends"] / 2, told)
        self.assertEqual(told["wrong"], ["EINVAL", "EINVAL"], told)
        if support.PIDFD_GETFD:
            self.assertEqual(told["less"], 16384, told)

    def test_rlimits_cannot_be_raised(self):
        told = self.ask('''
        import resource
        got = {}
        for n in range(16):
            soft, hard = resource.getrlimit(n)
            if hard != -1:
                got[str(n)] = str(err(lambda: name(raw(302, 0, n, (2 ** 63).to_bytes(8, "little") * 2, 0))))
        tell(**got)
        ''')
        for n, got in told.items():
            self.assertRegex(got, "^E", n)


if __name__ == "__main__":
    unittest.main()
