"""Each limit at its edge: just below nothing happens, just above the job ends with the right outcome, or is told in limits_hit.

The tables are language × snippet: a language that runs here has a column of its own.
"""
import concurrent.futures
import os
import time
import unittest

import support
from support import Case, RpcError, runs_here

LATE_MS = 100     # how much later than its limit a job may end,
LOAD_MS = 150     # and how much later still on a machine that others keep busy
MEMORY_MIB = 64   # of the memory tests
LATE_MIB = 32     # how much a job may have taken beyond that before it ended
TAKEN_MIB = 500   # a second, while who watches does not run
BORN_MIB = 48     # what an interpreter has before it gets a job

# snippets with {n}, the amount in the limit's unit
ENDS = {
    "wall_time": ("wall_ms", 400, {
        "python3": "import time\nend = time.monotonic() + {n} / 1e3\nwhile time.monotonic() < end: time.sleep(0.01)\n",
        "nodejs": "const end = performance.now() + {n}\nconst t = setInterval(() => {{ if (performance.now() >= end) clearInterval(t) }}, 5)\n"}),
    "cpu_time": ("cpu_ms", 400, {
        "python3": "import time\nend = time.process_time() + {n} / 1e3\nwhile time.process_time() < end: pass\n",
        "nodejs": "const used = () => {{ const c = process.cpuUsage(); return (c.user + c.system) / 1e3 }}\n"
                  "const end = used() + {n}\nwhile (used() < end);\n"}),
    "cpu_time of threads": ("cpu_ms", 400, {
        "python3": "import hashlib, threading, time\nend = time.process_time() + {n} / 1e3\n"
                   "def burn():\n    while time.process_time() < end: hashlib.sha256(bytes(1 << 20)).digest()\n"
                   "ts = [threading.Thread(target=burn) for _ in range(4)]\n[t.start() for t in ts]; [t.join() for t in ts]\n",
        "nodejs": "const {{ pbkdf2 }} = require('crypto')\nconst used = () => {{ const c = process.cpuUsage(); return (c.user + c.system) / 1e3 }}\n"
                  "const end = used() + {n}\nconst go = () => {{ if (used() < end) pbkdf2('a', 'b', 1000, 64, 'sha512', go) }}\n"
                  "for (let i = 0; i < 4; i++) go()\n"}),
    "memory": ("memory_mib", MEMORY_MIB, {
        "python3": "import time\nx = []\nfor _ in range({n}): x.append(bytearray(b'x') * (1 << 20))\ntime.sleep(0.3)\n",
        "nodejs": "const x = []\nfor (let i = 0; i < {n}; i++) x.push(Buffer.alloc(1 << 20, 1))\nsetTimeout(() => x.length, 300)\n"}),
    "memory in one piece": ("memory_mib", MEMORY_MIB, {
        "python3": "import time\nx = bytearray(b'x') * ({n} << 20)\ntime.sleep(0.3)\n",
        "nodejs": "const x = Buffer.alloc({n} * (1 << 20), 1)\nsetTimeout(() => x.length, 300)\n"}),
    "memory of threads": ("memory_mib", MEMORY_MIB, {
        "python3": "import threading, time\nx = []\ndef take():\n"
                   "    for _ in range({n} // 4): x.append(bytearray(b'x') * (1 << 20))\n"
                   "ts = [threading.Thread(target=take) for _ in range(4)]\n"
                   "[t.start() for t in ts]; [t.join() for t in ts]\ntime.sleep(0.3)\n"}),
    "memory, half of it shared": ("memory_mib", MEMORY_MIB, {
        "python3": "import mmap, time\nm = mmap.mmap(-1, {n} << 19)\nm[:] = b'x' * ({n} << 19)\n"
                   "x = bytearray(b'x') * ({n} << 19)\ntime.sleep(0.3)\n"}),
}

# what only gives an errno: the snippets print `fits` or the error. Amounts are below and above the limit, which leaves room for what
# interpreters need themselves (descriptors, the stacks of all threads)
TOLD = {
    "memory": ("memory_mib", MEMORY_MIB, 48, 600, {
        "python3": ("try:\n    x = bytearray({n} << 20)\n    print('fits')\nexcept MemoryError: print('no')\n", "no"),
        "nodejs": ("try {{ new ArrayBuffer({n} * (1 << 20)); console.log('fits') }} catch (e) {{ console.log(e.name) }}\n", "RangeError")}),
    # untouched: what is resident ends the job before
    "memory in pieces": ("memory_mib", MEMORY_MIB, 48, 600, {
        "python3": ("x = []\ntry:\n    for _ in range({n} // 3): x.append(bytes(3 << 20))\n    print('fits')\n"
                    "except MemoryError:\n    x.clear()\n    print('no')\n", "no")}),
    "memory in small pieces of a thread": ("memory_mib", MEMORY_MIB, 48, 600, {
        "python3": ("import threading\nx = []\ndef take():\n    try:\n        for _ in range({n} * 10): x.append(bytes(100 << 10))\n"
                    "        print('fits')\n    except MemoryError:\n        x.clear()\n        print('no')\n"
                    "t = threading.Thread(target=take)\nt.start(); t.join()\n", "no")}),
    "memory of WebAssembly": ("memory_mib", MEMORY_MIB, 48, 600, {
        "nodejs": ("try {{ new WebAssembly.Memory({{ initial: {n} * 16 }}); console.log('fits') }} catch (e) {{ console.log(e.name) }}\n", "RangeError")}),
    "memory, shared": ("memory_mib", MEMORY_MIB, 60, 65, {
        "python3": ("import errno, mmap\ntry:\n    m = mmap.mmap(-1, {n} << 20)\n    print('fits')\n"
                    "except OSError as e: print(errno.errorcode[e.errno])\n", "ENOMEM")}),
    "threads": ("threads", 8, 7, 8, {
        "python3": ("import threading\nstop = threading.Event()\nts = [threading.Thread(target=stop.wait) for _ in range({n})]\n"
                    "try:\n    [t.start() for t in ts]\n    print('fits')\nexcept RuntimeError: print('no')\nstop.set()\n", "no")}),
    "threads of Node": ("threads", 16, 1, 32, {
        "nodejs": ("const {{ Worker }} = require('worker_threads')\nlet up = 0, told = false\nconst all = []\n"
                   "const tell = (what) => {{ if (!told) console.log(what); told = true; all.forEach((w) => w.terminate()) }}\n"
                   "for (let i = 0; i < {n} && !told; i++) try {{\n  const w = new Worker('setInterval(() => 0, 1000)', {{ eval: true }})\n  all.push(w)\n"
                   "  w.on('online', () => {{ if (++up === {n}) tell('fits') }})\n}} catch (e) {{ tell(e.code) }}\n", "ERR_WORKER_INIT_FAILED")}),
    "open_files": ("open_files", 64, 32, 64, {
        "python3": ("import errno, os\nheld = []\ntry:\n    for _ in range({n}): held.append(os.open('/dev/null', 0))\n"
                    "    print('fits')\nexcept OSError as e: print(errno.errorcode[e.errno])\n", "EMFILE"),
        "nodejs": ("const fs = require('fs')\ntry {{\n  for (let i = 0; i < {n}; i++) fs.openSync('/dev/null')\n  console.log('fits')\n"
                   "}} catch (e) {{ console.log(e.code) }}\n", "EMFILE")}),
    "open_files of Python": ("open_files", 16, 13, 14, {  # to the last one: three are stdin, stdout, stderr
        "python3": ("import errno, os\nheld = []\ntry:\n    for _ in range({n}): held.append(os.open('/dev/null', 0))\n"
                    "    print('fits')\nexcept OSError as e: print(errno.errorcode[e.errno])\n", "EMFILE")}),
    "file_size": ("file_mib", 2, 2, 3, {
        "python3": ("import errno\ntry:\n    with open('/tmp/f', 'wb', 0) as f:\n"
                    "        for _ in range({n} * 2): f.write(b'x' * (1 << 19))\n    print('fits')\n"
                    "except OSError as e: print(errno.errorcode[e.errno])\n", "EFBIG"),
        "nodejs": ("const fs = require('fs')\ntry {{\n  for (let i = 0; i < {n} * 2; i++) fs.appendFileSync('/tmp/f', Buffer.alloc(1 << 19))\n"
                   "  console.log('fits')\n}} catch (e) {{ console.log(e.code) }}\n", "EFBIG")}),
    "file_size by truncation": ("file_mib", 2, 2, 3, {
        "python3": ("import errno\ntry:\n    with open('/tmp/f', 'wb', 0) as f: f.truncate({n} << 20)\n    print('fits')\n"
                    "except OSError as e: print(errno.errorcode[e.errno])\n", "EFBIG"),
        "nodejs": ("const fs = require('fs')\nfs.writeFileSync('/tmp/f', '')\ntry {{ fs.truncateSync('/tmp/f', {n} << 20); console.log('fits') }}"
                   " catch (e) {{ console.log(e.code) }}\n", "EFBIG")}),
    "tmp, bytes": ("tmp_mib", 4, 3, 4, {  # where a quota holds; the code's page is one of them
        "python3": ("import errno\ntry:\n    with open('/tmp/f', 'wb', 0) as f:\n        for _ in range({n}): f.write(bytes(1 << 20)) == 1 << 20 or f.write(b'x')\n"
                    "    print('fits')\nexcept OSError as e: print(errno.errorcode[e.errno])\n", "ENOSPC"),
        "nodejs": ("const fs = require('fs')\ntry {{\n  for (let i = 0; i < {n}; i++) fs.appendFileSync('/tmp/f', Buffer.alloc(1 << 20))\n"
                   "  console.log('fits')\n}} catch (e) {{ console.log(e.code) }}\n", "ENOSPC")}),
    "tmp": ("tmp_inodes", 20, 19, 20, {  # the code is one of them
        "python3": ("import errno\ntry:\n    for i in range({n}): open(f'/tmp/{{i}}', 'w').close()\n    print('fits')\n"
                    "except OSError as e: print(errno.errorcode[e.errno])\n", "ENOSPC"),
        "nodejs": ("const fs = require('fs')\ntry {{\n  for (let i = 0; i < {n}; i++) fs.writeFileSync(`/tmp/${{i}}`, '')\n  console.log('fits')\n"
                   "}} catch (e) {{ console.log(e.code) }}\n", "ENOSPC")}),
}


def languages(snippets):
    return [(language, what) for language, what in snippets.items() if runs_here(language)]


class Edges(Case):
    def edge(self, limit, code, language, value, **fields):
        return self.run_job(code, language=language, limits={limit: value}, **fields)

    def test_what_ends_a_job(self):
        timed, taken = [], []
        with support.Stalls() as stalls:
            self.ends(timed, taken)
        for name, mib, kib in taken:
            with self.subTest(name):
                self.assertLess(kib, (mib + LATE_MIB + BORN_MIB + TAKEN_MIB * stalls.seconds) * 1024)
        for name, value, got in timed:
            with self.subTest(name):
                self.assertLess(got, value + LATE_MS + LOAD_MS + stalls.seconds * 1e3)

    def ends(self, timed, taken):
        for name, (limit, value, snippets) in ENDS.items():
            for language, code in languages(snippets):
                with self.subTest(name, language=language):
                    word = name.partition(",")[0].partition(" ")[0]
                    r = self.edge(limit, code.format(n=value * 3 // 4), language, value)
                    self.assertExited(r)
                    self.assertEqual(r["limits_hit"], [])
                    r = self.edge(limit, code.format(n=value * 2), language, value)
                    self.assertEqual((r["outcome"], r["limit"], r["exit_code"]), ("limit", word, None), r)
                    if word == "memory":
                        taken.append((f"{name}, {language}", value, r["usage"]["max_rss_kib"]))
                    else:
                        got = r["usage"]["wall_ms" if word == "wall_time" else "cpu_ms"]
                        self.assertGreaterEqual(got, value - 1)
                        timed.append((f"{name}, {language}", value, got))

    def test_what_is_told(self):
        for name, (limit, value, below, above, snippets) in TOLD.items():
            word = name.partition(",")[0].partition(" ")[0]
            for language, (code, error) in languages(snippets):
                with self.subTest(name, language=language):
                    r = self.edge(limit, code.format(n=below), language, value)
                    self.assertExited(r)
                    self.assertEqual((r["stdout"], r["limits_hit"]), (b"fits\n", []), r["stderr"])
                    if limit == "tmp_mib" and "tmp_quota" not in r["layers"]:  # a directory is measured now and then: test_disk
                        continue
                    r = self.edge(limit, code.format(n=above), language, value)
                    self.assertExited(r)
                    self.assertEqual((r["stdout"], r["limits_hit"]), (error.encode() + b"\n", [word]), r["stderr"])

    WRITE = {"python3": "import os, time; os.write(1, b'x' * 8000); os.write(2, b'x' * ({n} - 8000)); time.sleep({after}); os._exit(3)",
             "nodejs": "const fs = require('fs')\nfs.writeSync(1, 'x'.repeat(8000)); fs.writeSync(2, 'x'.repeat({n} - 8000))\n"
                       "setTimeout(() => process.reallyExit(3), {after} * 1000)"}

    def output(self, n, language, after=0, **fields):
        return self.run_job(self.WRITE[language].format(n=n, after=after), language=language, limits={"output_kib": 8}, **fields)

    def test_output(self):
        """Of both together, to the byte."""
        for language in filter(runs_here, self.WRITE):
            for n, cut in ((8192, False), (8193, True)):
                with self.subTest(n, language=language):
                    r = self.output(n, language)
                    self.assertExited(r, 3)
                    self.assertEqual(len(r["stdout"]) + len(r["stderr"]), 8192)
                    self.assertEqual(r["stdout_truncated"] + r["stderr_truncated"], cut)  # of which, depends on what was read first

    def test_output_that_ends_a_job(self):
        for language in filter(runs_here, self.WRITE):
            with self.subTest(language=language):
                text = f"name: ends\nextends: {language}\non_output_limit: end\n"
                self.assertExited(self.output(8192, language, policy_text=text), 3)
                r = self.output(8193, language, after=10, policy_text=text)
                self.assertEqual((r["outcome"], r["limit"], len(r["stdout"]) + len(r["stderr"])), ("limit", "output", 8192))
                self.assertLess(r["usage"]["wall_ms"], 5000)

    def test_no_limit_can_be_raised_or_claimed(self):
        code = ("import os, resource, signal, threading\nfor n in (resource.RLIMIT_DATA, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):\n"
                "    soft, hard = resource.getrlimit(n)\n    print(soft == hard, end=' ')\n"
                "    try: resource.setrlimit(n, (hard + 1, hard + 1))\n    except ValueError: print('no')\n"
                "signal.signal(signal.SIGXFSZ, lambda *a: None)\n"
                "os.kill(os.getpid(), signal.SIGXFSZ); signal.pthread_kill(threading.get_ident(), signal.SIGXFSZ)\n")
        r = self.run_job(code, limits={"memory_mib": 64, "file_mib": 3, "open_files": 20})
        self.assertExited(r)
        self.assertEqual((r["stdout"], r["limits_hit"]), (b"True no\n" * 3, []))

    def test_shared_memory_cannot_hide(self):
        """Pages of shared mappings that were unmapped stay: they are counted when they are mapped."""
        r = self.run_job("import ctypes, mmap, os\nlibc = ctypes.CDLL(None, use_errno=True)\nlibc.mmap.restype = ctypes.c_void_p\n"
                         "libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]\n"
                         "libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]\nheld = 0\n"
                         "fds = [-1]\ntry: fds.append(os.open('/dev/zero', os.O_RDWR))\nexcept OSError: pass\n"
                         "for fd in fds:\n  for i in range(64):\n    at = libc.mmap(None, 10 << 20, 3, 1 if fd >= 0 else 0x21, fd, 0)\n"
                         "    if at in (None, ctypes.c_void_p(-1).value): break\n"
                         "    ctypes.memset(at, 1, 10 << 20); libc.munmap(at + 4096, (10 << 20) - 4096); held += 10\nprint(held)\n",
                         limits={"memory_mib": 64})
        self.assertEqual((r["outcome"], r["stdout"], r["limits_hit"]), ("exited", b"60\n", ["memory"]), r)

    def test_nothing_is_sent_to_swap(self):
        """There it would not be resident."""
        code = "import errno, mmap\nm = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE)\ntry: m.madvise(21)\nexcept OSError as e: print(errno.errorcode[e.errno])\n"
        self.assertEqual(self.run_ok(code), "EINVAL\n")

    def test_shared_memory_is_given_back(self):
        r = self.run_job("import mmap\nfor _ in range(50):\n    m = mmap.mmap(-1, 30 << 20); m[0] = 1; m.close()\nprint('ok')",
                         limits={"memory_mib": 64})
        self.assertEqual((r["stdout"], r["limits_hit"]), (b"ok\n", []), r)

    def test_above_the_maximum(self):
        for name in ("wall_ms", "cpu_ms", "memory_mib", "output_kib", "threads", "tmp_mib", "tmp_inodes", "file_mib", "open_files"):
            with self.subTest(name), self.assertRaisesRegex(RpcError, rf"^bad_request: limits\.{name}: must be 1 to \d+, is 9999999"):
                self.run_job("print('never')", limits={name: 9999999999})

    def test_more_than_the_policys_own(self):
        """Within callers_may a job may have more than the policy gives by itself."""
        r = self.run_job("x = bytearray(b'x') * (400 << 20)\nimport resource\nprint(len(x) >> 20, *(resource.getrlimit(n)[1] for n in "
                         "(resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)))",
                         limits={"memory_mib": 500, "open_files": 900, "file_mib": 100})
        self.assertExited(r)
        self.assertEqual((r["stdout"], r["limits_hit"]), (b"400 900 %d\n" % (100 << 20), []))


class Bombs(Case):
    def test_memory_bombs_die_alone(self):
        n = 100 if support.LONG else 8
        taken = []
        with support.Stalls() as stalls, self.supervisor.client() as c:
            for i in range(n):
                r = c.run("x = []\nfor _ in range(1024): x.append(bytearray(b'x') * (1 << 20))", limits={"memory_mib": 256})
                self.assertEqual((r["outcome"], r["limit"]), ("limit", "memory"), (i, r))
                taken.append(r["usage"]["max_rss_kib"])
        self.assertLess(max(taken), (256 + LATE_MIB + BORN_MIB + TAKEN_MIB * stalls.seconds) * 1024)

    def test_timeouts(self):
        n = 1000 if support.LONG else 48
        late, alive = [], []

        def one(k):
            with self.supervisor.client(timeout=60) as c:
                i = c.start("import os, time\nprint(os.getpid(), flush=True)\nwhile True: time.sleep(1)", limits={"wall_ms": 1000}, stream=True, job=f"late {k}")
                c.wait_output(b"\n")
                pid = [j["tracee_pid"] for j in c.rpc("jobs") if j["job"] == f"late {k}"][0]
                r = c.wait(i)
                answered = time.monotonic()
                self.assertEqual((r["outcome"], r["limit"]), ("limit", "wall_time"), r)
                late.append(r["usage"]["wall_ms"])
                while os.path.exists(f"/proc/{pid}") and time.monotonic() < answered + 5:
                    time.sleep(0.005)
                alive.append(time.monotonic() - answered)

        with support.Stalls() as stalls, concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(one, range(n)))
        self.assertEqual(len(late), n)
        self.assertGreaterEqual(min(late), 999)
        self.assertLess(max(late), 1200 + stalls.seconds * 1e3)
        self.assertLess(max(alive), 0.1 + LOAD_MS / 1e3 + stalls.seconds)


if __name__ == "__main__":
    unittest.main()
