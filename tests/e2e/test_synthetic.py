"""Files that speak of the job alone: /proc, /etc, /dev and /sys as a job sees them, beside the host's own."""
import json
import os
import re
import socket
import unittest

from support import BUILD, Case, IS_ROOT, Supervisor

HOST_ETC = ("hosts", "hostname", "resolv.conf", "nsswitch.conf")
MACHINE = ["cpuinfo", "meminfo", "stat", "uptime", "loadavg", "version", "filesystems", "mounts"]
PROCESS = ["status", "stat", "statm", "comm", "cmdline", "maps", "limits", "mounts", "oom_score", "oom_score_adj"]
TEXTS = [f"/proc/{n}" for n in MACHINE] + [f"/proc/self/{n}" for n in PROCESS] + [f"/etc/{n}" for n in HOST_ETC] + [
    "/proc/thread-self/status", "/proc/thread-self/stat", "/proc/thread-self/comm",
    *(f"/sys/devices/system/cpu/{n}" for n in ("online", "possible", "present"))]

READ = """
import json, os, resource, sys
texts = {}
for path in %r:
    with open(path) as f: texts[path] = f.read()
print(json.dumps({"texts": texts, "pid": os.getpid(), "ppid": os.getppid(), "uid": os.getuid(), "gid": os.getgid(),
                  "cpus": os.cpu_count()}))
""" % TEXTS


class Texts(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        r = cls.supervisor.run(READ, args=["one", "two words"])
        assert r["outcome"] == "exited" and r["exit_code"] == 0, r
        assert not r["violations"], r["violations"]
        cls.job = json.loads(r["stdout"])
        cls.texts = cls.job["texts"]
        cls.host_pids = [p for p in os.listdir("/proc") if p.isdigit()]

    def fields(self, path, sign=":"):
        return dict(line.split(sign, 1) for line in self.texts[path].splitlines() if sign in line)

    def test_status(self):
        s = {k: v.split() for k, v in self.fields("/proc/self/status").items()}
        self.assertEqual((s["Pid"], s["Tgid"], s["PPid"]), ([str(self.job["pid"])], [str(self.job["pid"])], [str(self.job["ppid"])]))
        self.assertEqual((s["Uid"], s["Gid"]), ([str(self.job["uid"])] * 4, [str(self.job["gid"])] * 4))
        self.assertEqual((s["TracerPid"], s["Threads"], s["CapEff"], s["NoNewPrivs"]), (["0"], ["1"], ["0" * 16], ["1"]))
        self.assertGreater(int(s["VmRSS"][0]), 5000)
        self.assertEqual(set(s) & {"Cpus_allowed", "Mems_allowed", "Seccomp", "SigQ", "NStgid"}, set())

    def test_stat(self):
        for path in ("/proc/self/stat", "/proc/thread-self/stat"):
            pid, name, rest = re.fullmatch(r"(\d+) \((.*)\) (.*)\n", self.texts[path]).groups()
            rest = rest.split()
            self.assertEqual((int(pid), len(rest), rest[1]), (self.job["pid"], 50, str(self.job["ppid"])))
            self.assertTrue(all(re.fullmatch(r"-?\d+", f) for f in rest[1:]), rest)
            self.assertEqual((rest[4], rest[5], rest[19]), ("0", "-1", "0"))  # no terminal, started with its own time
            self.assertGreater(int(rest[21]), 1000)  # resident pages

    def test_statm(self):
        self.assertRegex(self.texts["/proc/self/statm"], r"^\d+( \d+){6}\n$")

    def test_cmdline(self):
        self.assertEqual(self.texts["/proc/self/cmdline"], "/usr/bin/python3\0/tmp/main.py\0one\0two words\0")

    def test_meminfo(self):
        m = {k: int(v.split()[0]) for k, v in self.fields("/proc/meminfo").items()}
        self.assertEqual(m["MemTotal"], 256 * 1024)
        self.assertTrue(0 < m["MemAvailable"] == m["MemFree"] < m["MemTotal"], m)
        self.assertEqual((m["SwapTotal"], m["Cached"]), (0, 0))

    def test_meminfo_follows_the_jobs_limit(self):
        out = self.run_ok("print(open('/proc/meminfo').readline(), end='')\nimport os\n"
                          "print(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 20)", limits={"memory_mib": 64})
        self.assertEqual(out.split(), ["MemTotal:", "65536", "kB", "64"])

    def test_cpus(self):
        n = self.job["cpus"]
        self.assertGreaterEqual(n, 1)
        self.assertEqual(self.texts["/proc/cpuinfo"].count("processor\t:"), n)
        self.assertEqual(len(re.findall(r"^cpu\d+ ", self.texts["/proc/stat"], re.M)), n)
        for name in ("online", "possible", "present"):
            self.assertEqual(self.texts[f"/sys/devices/system/cpu/{name}"], f"0-{n - 1}\n" if n > 1 else "0\n")

    def test_machine(self):
        self.assertRegex(self.texts["/proc/stat"], r"^cpu  \d+ 0 \d+ \d+ 0 0 0 0 0 0\n")
        self.assertRegex(self.texts["/proc/uptime"], r"^\d+\.\d\d \d+\.\d\d\n$")
        self.assertLess(float(self.texts["/proc/uptime"].split()[0]), 30)
        self.assertEqual(self.texts["/proc/loadavg"], f"0.00 0.00 0.00 1/1 {self.job['pid']}\n")
        self.assertRegex(self.texts["/proc/version"], rf"^Linux version {re.escape(os.uname().release)} \(warder\) .*\n$")

    def test_maps(self):
        for line in self.texts["/proc/self/maps"].splitlines():
            self.assertRegex(line, r"^[0-9a-f]+-[0-9a-f]+ [r-][w-][x-][ps] [0-9a-f]{8,} [0-9a-f]+:[0-9a-f]+ \d+( +\S.*)?$")
            name = line.split(None, 5)[5:]
            if name and not name[0].startswith("["):
                self.assertRegex(name[0], r"^/(usr|lib|etc)/", line)
        self.assertRegex(self.texts["/proc/self/maps"], r"(?m) /usr/bin/python3$")
        self.assertRegex(self.texts["/proc/self/maps"], r"(?m)\[stack\]$")

    def test_etc(self):
        self.assertIn("127.0.0.1 localhost\n", self.texts["/etc/hosts"])
        self.assertEqual(self.texts["/etc/hostname"], "warder\n")
        self.assertNotRegex(self.texts["/etc/resolv.conf"], r"(?m)^(nameserver|search)")
        self.assertIn("hosts: files\n", self.texts["/etc/nsswitch.conf"])

    def test_nothing_of_the_host(self):
        here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        with open("/proc/cmdline") as f:
            secrets = {socket.gethostname(), here, f.read().strip(), str(self.supervisor.proc.pid)}
        with open("/etc/passwd") as f:
            users = {line.split(":")[2] for line in f}
        with open("/proc/meminfo") as f:
            secrets.add(f.readline().split()[1])
        for path, text in self.texts.items():
            for secret in secrets - {"", "localhost", "warder"}:
                self.assertNotRegex(text, rf"(?<![\w.]){re.escape(secret)}(?![\w.])", path)
        if IS_ROOT:
            for path in ("/proc/self/status",):
                ids = set(re.findall(r"^[UG]id:\t(.*)$", self.texts[path], re.M))
                self.assertTrue(all(i not in users for line in ids for i in line.split()), ids)
        words = re.findall(r"\b\d+\b", "".join(self.texts[p] for p in ("/proc/self/status", "/proc/loadavg", "/proc/self/mounts")))
        others = {p for p in self.host_pids if int(p) > 300} - {str(self.job["pid"]), str(self.job["ppid"])}
        seen = others & set(words)
        self.assertLessEqual(len(seen), 3, seen)  # sizes may happen to look like numbers of processes

    def test_each_agrees_with_its_look(self):
        """stat, lstat, open, access and the listing of its directory say the same of each name."""
        told = self.run_ok("import os, stat\n"
                           f"for p in {TEXTS!r} + ['/dev/stdin', '/dev/fd', '/proc/self/exe', '/proc/self/cwd', '/proc/self/task']:\n"
                           " d, n = os.path.split(p); s = os.stat(p, follow_symlinks=False)\n"
                           " e = {e.name: e for e in os.scandir(d)}[n]\n"
                           " assert e.is_symlink() == stat.S_ISLNK(s.st_mode), p\n"
                           " assert e.is_dir(follow_symlinks=False) == stat.S_ISDIR(s.st_mode), p\n"
                           " if not stat.S_ISREG(s.st_mode): continue\n"
                           " assert os.access(p, os.R_OK) and not os.access(p, os.W_OK) and not os.access(p, os.X_OK), p\n"
                           " with open(p, 'rb') as f:\n"
                           "  t = os.fstat(f.fileno())\n"
                           "  assert (t.st_mode, t.st_uid, t.st_gid) == (s.st_mode, s.st_uid, s.st_gid), (p, s, t)\n"
                           "  assert len(f.read()) == t.st_size and os.readlink(f'/proc/self/fd/{f.fileno()}') == os.path.realpath(p), p\n"
                           "print('same')")
        self.assertEqual(told, "same\n")


class Listings(Case):
    def names(self, path, **fields):
        return set(json.loads(self.run_ok(f"import json, os; print(json.dumps(os.listdir({path!r})))", **fields)))

    def test_root(self):
        self.assertEqual(self.names("/") - {"lib", "lib64", "etc", "usr"}, {"dev", "proc", "sys", "tmp"})

    def test_proc(self):
        out = self.run_ok("import os; print(os.getpid(), *sorted(os.listdir('/proc')))").split()
        self.assertEqual(sorted(out[1:]), sorted([out[0], "self", "thread-self", *MACHINE]))

    def test_proc_self(self):
        self.assertEqual(self.names("/proc/self"), {*PROCESS, "exe", "cwd", "root", "fd", "task"})

    def test_dev(self):
        self.assertEqual(self.names("/dev") - {"shm"}, {"null", "zero", "full", "random", "urandom", "stdin", "stdout", "stderr", "fd"})

    def test_etc(self):
        names = self.names("/etc")
        self.assertLessEqual(set(HOST_ETC), names)
        self.assertEqual(names & {"passwd", "group", "shadow"}, set())

    def test_cpu(self):
        self.assertEqual(self.names("/sys/devices/system/cpu"), {"online", "possible", "present"})

    def test_descriptors(self):
        self.assertEqual(self.run_ok("import os\nf = open('a', 'w')\n"
                                     "d = os.open('/proc/self/fd', os.O_RDONLY)\nprint(sorted(map(int, os.listdir(d))), f.fileno(), d)\n"),
                         "[0, 1, 2, 3, 4, 5] 3 4\n")  # 5: what listdir reads by

    def test_threads(self):
        out = self.run_ok("import os, threading\nb = threading.Barrier(3)\n"
                          "ts = [threading.Thread(target=lambda: (b.wait(), b.wait())) for _ in range(2)]\n[t.start() for t in ts]; b.wait()\n"
                          "tids = sorted(map(int, os.listdir('/proc/self/task')))\n"
                          "print(tids == sorted([os.getpid()] + [t.native_id for t in ts]))\n"
                          "print([open(f'/proc/self/task/{t}/status').read().count(f'Pid:\\t{t}\\n') for t in tids])\n"
                          "print(sorted(os.listdir(f'/proc/self/task/{tids[-1]}')), open('/proc/self/status').read().count('Threads:\\t3'))\n"
                          "b.wait()")
        self.assertEqual(out.splitlines(), ["True", "[1, 1, 1]", "['comm', 'stat', 'status'] 1"])

    def test_nothing_else(self):
        r = self.run_job("import os\nfor p in ('/etc/passwd', '/etc/group', '/proc/1', '/proc/1/status', '/proc/self/environ', '/proc/self/mem',"
                         " '/proc/kcore', '/proc/cmdline', '/proc/sys/kernel/hostname', '/sys/class', '/dev/shm/../mem'):\n"
                         " try: os.stat(p); print('there:', p)\n"
                         " except FileNotFoundError: pass\n")
        self.assertEqual(r["stdout"], b"")
        self.assertEqual({v["verdict"] for v in r["violations"]}, {"hidden"})
        self.assertEqual(len(r["violations"]), 11)


class Descriptors(Case):
    def test_names(self):
        out = self.run_ok("import os, socket\nf = open('/tmp/a', 'w'); h = open('/etc/localtime', 'rb'); r, w = os.pipe(); d = os.open('/usr/lib', 0)\n"
                          "a, b = socket.socketpair()\nos.mkdir('d'); e = os.open('d', 0)\n"
                          "for x in (0, 1, f.fileno(), h.fileno(), r, d, e, a.fileno()): print(os.readlink(f'/proc/self/fd/{x}'))\n"
                          "os.rename('d', 'moved'); print(os.readlink(f'/dev/fd/{e}')); os.rmdir('moved'); print(os.readlink(f'/dev/fd/{e}'))").split("\n")
        self.assertEqual((out[0], out[2], out[5], out[6]), ("/dev/null", "/tmp/a", "/usr/lib", "/tmp/d"))
        self.assertRegex(out[1] + out[4] + out[7], r"^pipe:\[\d+\]pipe:\[\d+\]socket:\[\d+\]$")
        self.assertRegex(out[3], r"^/(etc|usr/share/zoneinfo)/")
        self.assertEqual(out[8:10], ["/tmp/moved", "/tmp/moved (deleted)"])

    def test_streams(self):
        r = self.run_job("import sys\nopen('/dev/stdout', 'w').write('out\\n'); open('/dev/fd/2', 'w').write('err\\n')\n"
                         "print(open('/dev/stdin').read(), end=''); print(open('/proc/self/fd/0').read(4))", stdin=b"some input\n")
        self.assertExited(r)
        self.assertEqual((r["stdout"], r["stderr"]), (b"out\nsome input\nsome\n", b"err\n"))

    def test_directories_of_threads_have_a_bound(self):
        """They outlast the threads: where they lie on the host's disk nothing else bounds them."""
        out = self.run_ok("import errno, os, threading\nends = {}\ndef look(again):\n"
                          " for _ in range(again):\n"
                          "  try: os.close(os.open('/proc/thread-self', 0)); end = 'ok'\n"
                          "  except OSError as e: end = errno.errorcode[e.errno]\n"
                          " ends[end] = ends.get(end, 0) + 1\n"
                          "for again in [600] + [1] * 520: t = threading.Thread(target=look, args=[again]); t.start(); t.join()\n"
                          "print(ends, os.listdir('/proc/self/task')[:0])", limits={"wall_ms": 60000})
        self.assertEqual(out, "{'ok': 512, 'ENFILE': 9} []\n")

    def test_a_file_without_a_name(self):
        out = self.run_ok("import os, tempfile\nf = tempfile.TemporaryFile(); f.write(b'kept'); f.flush()\n"
                          "p = f'/proc/self/fd/{f.fileno()}'\nprint(open(p).read(), os.stat(p).st_size)\n"
                          "open(p, 'a').write(' more'); f.seek(0); print(f.read())\n"
                          "fd = os.open('/tmp', os.O_TMPFILE | os.O_RDWR); os.write(fd, b'linked')\n"
                          "os.link(f'/proc/self/fd/{fd}', 'named', dst_dir_fd=os.open('/tmp', 0), follow_symlinks=True); print(open('/tmp/named').read())")
        self.assertEqual(out, "kept 4\nb'kept more'\nlinked\n")

    def test_no_more_access_than_the_descriptor_has(self):
        r = self.run_job("import os\nr, w = os.pipe(); s = os.open('/proc/self/status', 0); l = os.open('/etc/localtime', 0)\n"
                         "for fd, mode in ((1, os.O_RDONLY), (1, os.O_RDWR), (0, os.O_WRONLY), (w, os.O_RDONLY), (r, os.O_RDWR), (s, os.O_RDWR),\n"
                         "                 (l, os.O_WRONLY), (l, os.O_RDONLY | os.O_TRUNC)):\n"
                         " try: print(os.open(f'/proc/self/fd/{fd}', mode), fd, mode)\n"
                         " except PermissionError: pass", stdin=b"x")
        self.assertExited(r)
        self.assertEqual(r["stdout"], b"")
        self.assertEqual({v["verdict"] for v in r["violations"]}, {"refused"})

    def test_errors_are_those_of_linux(self):
        out = self.run_ok("import os, select, socket, errno\na, b = socket.socketpair(); e = select.epoll()\n"
                          "def t(*a, **k):\n try: return os.close(os.open(*a, **k)) or 'ok'\n except OSError as e: return errno.errorcode[e.errno]\n"
                          "print(t(f'/proc/self/fd/{a.fileno()}', 2), t(f'/proc/self/fd/{e.fileno()}', 0), t('/proc/self/fd/999', 0),\n"
                          " t('/dev/stdout', os.O_WRONLY | os.O_NOFOLLOW), t('/dev/stdout', os.O_WRONLY | os.O_DIRECTORY), t('/dev/stdout/x', 0),\n"
                          " t('/dev/stdout', os.O_WRONLY | os.O_CREAT | os.O_EXCL), t('/proc/self/fd/', os.O_DIRECTORY), t('/proc/self/cwd/', 0),\n"
                          " t('/dev/stdout', os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND))")
        self.assertEqual(out.split(), ["ENXIO", "ENXIO", "ENOENT", "ELOOP", "ENOTDIR", "ENOTDIR", "EEXIST", "ok", "ok", "ok"])

    def test_a_new_description(self):
        out = self.run_ok("import os\nf = os.open('a', os.O_RDWR | os.O_CREAT); os.write(f, b'0123456789')\n"
                          "g = os.open(f'/dev/fd/{f}', os.O_RDONLY); print(os.read(g, 3), os.lseek(f, 0, 1), os.lseek(g, 0, 1))\n"
                          "h = os.open(f'/dev/fd/{f}', os.O_RDWR | os.O_TRUNC); print(os.fstat(f).st_size)")
        self.assertEqual(out, "b'012' 10 3\n0\n")

    def test_directories(self):
        out = self.run_ok("import os\nos.makedirs('d/e'); open('d/e/f', 'w').write('x'); d = os.open('d', 0)\n"
                          "print(open(f'/proc/self/fd/{d}/e/f').read(), os.listdir(f'/dev/fd/{d}'), open('/proc/self/cwd/d/e/f').read())\n"
                          "p = os.open('/proc/self', 0); print(open('comm', opener=lambda n, f: os.open(n, f, dir_fd=p)).read(), end='')\n"
                          "os.chdir('/proc/self/fd'); print(os.getcwd() == f'/proc/{os.getpid()}/fd', os.readlink('0'))\n"
                          "os.chdir(f'/dev/fd/{d}'); print(os.getcwd())")
        self.assertEqual(out, "x ['e'] x\npython3\nTrue /dev/null\n/tmp/d\n")


class Libraries(Case):
    def test_standard_library(self):
        out = self.run_ok("import multiprocessing, os, platform, resource, socket\n"
                          "assert os.cpu_count() == multiprocessing.cpu_count() >= 1\n"
                          "assert os.getloadavg() == (0.0, 0.0, 0.0)\n"
                          "assert platform.node() == socket.gethostname() == os.uname().nodename == 'warder'\n"
                          "assert platform.platform() and platform.machine() == os.uname().machine\n"
                          "assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0 and resource.getrusage(0).ru_maxrss > 1000\n"
                          "assert socket.gethostbyname('localhost') == '127.0.0.1'\n"
                          "assert socket.getaddrinfo('localhost', 80, type=socket.SOCK_STREAM)\n"
                          "assert socket.gethostbyname(socket.gethostname()).startswith('127.')\n"
                          "assert os.path.realpath('/proc/self/exe') == '/usr/bin/python3' and os.path.samefile('/proc/self/cwd', '.')\n"
                          "print('fine')")
        self.assertEqual(out, "fine\n")

    def test_a_thread_asks_for_its_stack(self):
        """pthread_getattr_np of the first thread reads /proc/self/maps."""
        out = self.run_ok("import ctypes\nlibc = ctypes.CDLL(None)\nattr = ctypes.create_string_buffer(64)\n"
                          "libc.pthread_self.restype = ctypes.c_void_p\n"
                          "print(libc.pthread_getattr_np(ctypes.c_void_p(libc.pthread_self()), attr))")
        self.assertEqual(out, "0\n")


class SharedMemory(Case):
    def test_pools_of_threads_and_locks(self):
        out = self.run_ok("import multiprocessing, multiprocessing.dummy, multiprocessing.pool, multiprocessing.shared_memory\n"
                          "with multiprocessing.pool.ThreadPool(4) as p: print(sum(p.map(lambda x: x * x, range(100))))\n"
                          "with multiprocessing.dummy.Pool(3) as p: print(p.map(str, range(3)))\n"
                          "lock, sem, event = multiprocessing.Lock(), multiprocessing.Semaphore(2), multiprocessing.Event()\n"
                          "with lock: print(lock.acquire(block=False), sem.acquire(), sem.acquire(), sem.acquire(block=False))\n"
                          "q = multiprocessing.SimpleQueue(); q.put('x'); event.set()\n"
                          "print(q.get(), event.wait(0), multiprocessing.Value('i', 7).value)\n"
                          "import os; print(os.listdir('/dev/shm'))")
        self.assertEqual(out.splitlines(), ["328350", "['0', '1', '2']", "False True True False", "x True 7", "[]"])

    def test_it_is_no_part_of_tmp(self):
        r = self.run_job("import os\nopen('/dev/shm/a', 'w').write('x'); print(os.listdir('/dev/shm'), os.listdir('/tmp'), 'shm' in os.listdir('/dev'))\n"
                         "try: os.rename('/dev/shm/a', '/tmp/a')\nexcept OSError as e: print(e.errno)", collect=["**"])
        self.assertExited(r)
        self.assertEqual((r["stdout"], r["files"]), (b"['a'] ['main.py'] True\n18\n", {}))

    def test_it_shares_the_quota_and_no_job_sees_another(self):
        r = self.run_job("import errno\nopen('/tmp/a', 'wb').write(bytes(700 << 10))\n"
                         "try: open('/dev/shm/b', 'wb').write(bytes(700 << 10))\nexcept OSError as e: print(errno.errorcode[e.errno])",
                         limits={"tmp_mib": 1})
        if "tmp_quota" in r["layers"]:
            self.assertEqual((r["stdout"], r["limits_hit"]), (b"ENOSPC\n", ["tmp"]))
        self.assertEqual(self.run_ok("import os; print(os.listdir('/dev/shm'))"), "[]\n")


class Mappings(unittest.TestCase):
    def assertNamed(self, prefix, *words):
        """A mapped file of /tmp has the job's name for it, wherever it lies."""
        s = Supervisor(prefix=prefix)
        self.addCleanup(s.stop)
        r = s.run("import mmap\nf = open('/tmp/a b', 'wb+'); f.truncate(4096); m = mmap.mmap(f.fileno(), 4096)\n"
                  "for line in open('/proc/self/maps'):\n if 'tmp' in line or 'warder' in line: print(line.split(None, 5)[5], end='')")
        self.assertEqual(r["stdout"], b"/tmp/a b\n", r["stderr"])
        return r["layers"]

    def test_tmpfs(self):
        self.assertNamed(())

    def test_private_directory(self):
        layers = self.assertNamed((os.path.join(BUILD, "tests", "failcall"), "fsopen", "EPERM", "--"))
        self.assertNotIn("tmp_quota", layers)


if __name__ == "__main__":
    unittest.main()
