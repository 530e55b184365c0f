"""Names: whatever a path looks like, it leads into the grants or nowhere."""
import concurrent.futures
import os
import time
import unittest

import lab


class Forbidden(lab.AttackCase):
    OUTSIDE = [
        "/etc/shadow", "/etc/passwd", "//etc//passwd", "/etc/./passwd", "/tmp/../etc/passwd", "../etc/passwd",
        "../../../../../../etc/passwd", "/../../etc/passwd", "/etc/passwd/", "/etc/passwd/.", "/etc//passwd/..//passwd",
        "/usr/lib/python3.11/../../../etc/passwd", "{root}/open/../deny/secret", "{root}/open/../open/../deny/secret",
        "{root}/open/./.././deny/secret", "{root}/lib/../deny/secret", "{root}//deny//secret", "{root}/deny/secret",
        "{root}/open/secret/../../deny/secret", "{root}/opendir/../deny/secret", "{root}/ope", "{root}/open2",
        "/proc/1/root/etc/passwd", "/proc/1/environ", "/proc/1/cmdline", "/proc/self/mem", "/proc/self/root/etc/passwd",
        "/proc/self/cwd/../etc/passwd", "/proc/{ppid}/environ", "/proc/{ppid}/mem", "/proc/{ppid}/maps",
        "/proc/{ppid}/root/etc/passwd", "/proc/{ppid}/cwd", "/proc/{ppid}/fd/3", "/proc/self/fd/../../1/environ",
        "/proc/thread-self/root/etc/passwd", "/proc/thread-self/mem", "/proc/self/task/1/mem", "/proc/kcore",
        "/proc/kallsyms", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/keys", "/proc/net/tcp",
        "/sys/kernel/uevent_helper", "/sys/fs/cgroup/cgroup.procs", "/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda",
        "/dev/fuse", "/dev/kvm", "/dev/tty", "/dev/console", "/dev/ptmx", "/dev/shm/../mem", "/root/.bash_history",
        "/var/log/syslog", "/run/warder/warder.sock", "/boot", "/.warder/job", "/.warder", "/.warder/../etc/passwd",
    ]

    def test_names_outside_the_grants_do_not_exist(self):
        r = self.attack('''
        ppid = os.getppid()
        tell(**{p: look(p.format(root=ROOT, ppid=ppid)) for p in PATHS})
        ''', {"PATHS": self.OUTSIDE})
        for path, got in self.told(r).items():
            with self.subTest(path=path):
                self.assertIn(got, ("ENOENT", "ENOTDIR", "EACCES"), path)

    def test_a_hidden_name_is_told(self):
        r = self.attack("err(open, '/etc/passwd'); err(os.stat, ROOT + '/deny/secret')")
        told = {v["path"]: (v["verdict"], v["errno"]) for v in r["violations"]}
        self.assertEqual(told.get("/etc/passwd"), ("hidden", "ENOENT"), lab.brief(r))
        self.assertEqual(told.get(self.lab.path("deny/secret")), ("hidden", "ENOENT"), lab.brief(r))

    def test_other_calls_see_them_no_more_than_open(self):
        r = self.attack('''
        calls = {"stat": lambda p: os.stat(p).st_size, "lstat": lambda p: os.lstat(p).st_size,
                 "access": lambda p: raw(21, p, 0), "readlink": os.readlink, "chdir": os.chdir, "listdir": os.listdir,
                 "statx": lambda p: raw(332, -100, p, 0, 0x7ff, ctypes.create_string_buffer(256))}
        got = {}
        for what, call in calls.items():
            for p in PATHS:
                ret = err(call, p)
                got[what + " " + p] = name(ret) if isinstance(ret, int) else str(ret)
        tell(**got)
        ''', {"PATHS": ["/etc/passwd", "/etc/shadow", "/root", self.lab.path("deny"), self.lab.path("deny/secret"),
                        "/proc/1/exe", "/proc/1/cwd", "/proc/1", "/var/log"]})
        for what, got in self.told(r).items():
            with self.subTest(call=what):
                self.assertIn(got, ("ENOENT", "ENOTDIR", "EACCES", "EINVAL"), got)

    def test_directories_above_the_grants_list_only_what_may_be_seen(self):
        told = self.ask('''
        tell(root=err(os.listdir, "/"), above=err(os.listdir, os.path.dirname(ROOT)), lab=err(os.listdir, ROOT),
             climbed=err(os.listdir, ROOT + "/open/.."), etc=err(os.listdir, "/etc"))
        ''')
        self.assertNotIn("root", told["root"])
        self.assertNotIn("deny", told["lab"])
        self.assertNotIn("deny", told["climbed"])
        self.assertNotIn("policies", told["lab"])
        self.assertNotIn("shadow", told["etc"])
        self.assertNotIn("passwd", told["etc"])

    def test_dirfds_lead_no_further_than_names(self):
        told = self.ask('''
        O_PATH, DIR = 0o10000000, os.O_DIRECTORY
        got = {}
        for how, flags in (("read", DIR), ("path", DIR | O_PATH)):
            for base in (ROOT + "/open", ROOT, "/", "/tmp", "/usr"):
                fd = raw(257, -100, base, flags, 0)
                if fd < 0:
                    continue
                up = "../" * 12
                for path in (up + "etc/passwd", "../deny/secret", "../../deny/secret", "/etc/passwd", "deny/secret",
                             "etc/passwd", "..", up):
                    found = look(path, at=fd)
                    if path not in ("..", up) or found not in ("EISDIR",):
                        got[f"{how} {base} {path}"] = found
                d = raw(257, fd, up, flags, 0)
                if d >= 0:
                    got[f"{how} {base} twice"] = look("etc/passwd", at=d)
                    os.close(d)
                os.close(fd)
        tell(**got)
        ''')
        for what, got in told.items():
            with self.subTest(what=what):
                self.assertIn(got, ("ENOENT", "ENOTDIR", "EACCES"), got)

    def test_native_calls_on_a_granted_directory_lead_nowhere(self):
        # fchdir on an injected directory, then relative names
        told = self.ask('''
        got = {}
        for base in (ROOT + "/open", "/", "/tmp"):
            fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
            got["fchdir " + base] = str(err(os.fchdir, fd))
            for p in ("../deny/secret", "../../../../../etc/passwd", "etc/passwd"):
                got[base + " " + p] = look(p)
            got["cwd " + base] = err(os.getcwd)
        tell(**got)
        ''')
        for what, got in told.items():
            if not what.startswith(("fchdir", "cwd")):
                self.assertIn(got, ("ENOENT", "ENOTDIR", "EACCES"), what)

    def test_spellings_of_an_allowed_name_are_that_name(self):
        told = self.ask('''
        tell(**{p: look(p.format(root=ROOT)) for p in PATHS})
        ''', {"PATHS": ["{root}/open/secret", "{root}//open///secret", "{root}/./open/./secret", "/{root}/open/secret",
                        "{root}/lib/../open/secret", "/../{root}/open/secret", "/usr/../{root}/open/secret",
                        "{root}/odd/to-allowed"]})
        for path, got in told.items():
            self.assertTrue(got.startswith("ALLOWED"), f"{path}: {got}")


class Shapes(lab.AttackCase):
    def test_lengths(self):
        told = self.ask('''
        good = ROOT + "/open/secret"
        def padded(n):
            return "/" * (n - len(good)) + good
        tell(**{str(n): look(padded(n)) for n in (4000, 4095, 4096, 4097, 5000, 70000)},
             component=look("/tmp/" + "x" * 256), fits=look("/tmp/" + "x" * 255), empty=look(""))
        ''')
        for n in ("4000", "4095"):
            self.assertTrue(told[n].startswith("ALLOWED"), told)
        for n in ("4096", "4097", "5000", "70000", "component"):
            self.assertEqual(told[n], "ENAMETOOLONG", told)
        self.assertEqual((told["fits"], told["empty"]), ("ENOENT", "ENOENT"), told)

    def test_pointers(self):
        told = self.ask('''
        raw_so = so("raw")
        raw_so.string_at_edge.restype = ctypes.c_void_p
        good = (ROOT + "/open/secret").encode()
        ends = raw_so.string_at_edge(good, len(good), 1)
        open_ended = raw_so.string_at_edge(good, len(good), 0)
        long = raw_so.string_at_edge(b"/" * 4095 + good, 4095, 0)
        bad = {"null": 0, "one": 1, "kernel": 0xffff888000000000, "not canonical": 0x8000000000000000, "top": -1,
               "unmapped": 0x10000, "open ended": open_ended, "last page": 0x7ffffffff000, "long open ended": long}
        calls = {"open": lambda p: raw(2, p, 0, 0), "openat": lambda p: raw(257, -100, p, 0, 0),
                 "stat": lambda p: raw(4, p, ctypes.create_string_buffer(256)),
                 "newfstatat": lambda p: raw(262, -100, p, ctypes.create_string_buffer(256), 0),
                 "access": lambda p: raw(21, p, 0), "readlink": lambda p: raw(89, p, ctypes.create_string_buffer(64), 64),
                 "chdir": lambda p: raw(80, p), "mkdir": lambda p: raw(83, p, 0o777),
                 "rename": lambda p: raw(82, p, p), "unlink": lambda p: raw(87, p)}
        got = {f"{c} {b}": name(f(p)) for c, f in calls.items() for b, p in bad.items()}
        got["at the edge"] = raw(2, ends, 0, 0) > 2
        tell(**got)
        ''')
        self.assertTrue(told.pop("at the edge"))
        for what, got in told.items():
            self.assertEqual(got, "EFAULT", what)

    def test_results_that_cannot_be_written(self):
        before = lab.tree(self.lab.path("open"))
        told = self.ask('''
        good = ROOT + "/open/secret"
        got = {}
        for b in (0, 1, 0xffff888000000000, -1, 0x10000):
            got[f"stat {b}"] = name(raw(4, good, b))
            got[f"newfstatat {b}"] = name(raw(262, -100, good, b, 0))
            got[f"statx {b}"] = name(raw(332, -100, good, 0, 0x7ff, b))
            got[f"readlink {b}"] = name(raw(89, ROOT + "/open/link", b, 64))
            got[f"getcwd {b}"] = name(raw(79, b, 4096))
            got[f"openat2 {b}"] = name(raw(437, -100, good, b, 24))
        # what the job may only read is the host's file itself
        page = raw(9, 0, 4096, 1, 1, os.open(good, os.O_RDONLY), 0)
        got["stat shared page"] = name(raw(4, good, page))
        got["getcwd shared page"] = name(raw(79, page, 4096))
        tell(**got)
        ''')
        for what, got in told.items():
            self.assertEqual(got, "EFAULT", what)
        self.assertEqual(before, lab.tree(self.lab.path("open")))

    def test_sizes_that_are_wrong(self):
        told = self.ask('''
        good = ROOT + "/open/link"
        buf = ctypes.create_string_buffer(64)
        def how(size, flags=0, mode=0, resolve=0):
            b = b"".join(v.to_bytes(8, "little") for v in (flags, mode, resolve)) + b"\\0" * 8192
            return name(raw(437, -100, ROOT + "/open/secret", b, size))
        tell(readlink0=name(raw(89, good, buf, 0)), readlink_neg=name(raw(89, good, buf, -1)),
             readlink_short=raw(89, good, buf, 3), getcwd0=name(raw(79, buf, 0)), getcwd1=name(raw(79, buf, 1)),
             how_short=how(8), how_page=how(5000), how_bad_resolve=how(24, resolve=1 << 20), how_bad_flags=how(24, flags=1 << 40),
             how_mode_without_creat=how(24, mode=0o777))
        ''')
        self.assertEqual(told["readlink0"], "EINVAL")
        self.assertEqual(told["readlink_neg"], "EINVAL")
        self.assertEqual(told["readlink_short"], 3)
        self.assertEqual((told["getcwd0"], told["getcwd1"]), ("ERANGE", "ERANGE"))
        self.assertEqual(told["how_short"], "EINVAL")
        self.assertEqual(told["how_page"], "E2BIG")
        for what in ("how_bad_resolve", "how_bad_flags", "how_mode_without_creat"):
            self.assertEqual(told[what], "EINVAL", told)

    def test_bytes_that_are_no_text(self):
        r = self.attack('''
        tell(**{str(i): look(p) for i, p in enumerate(PATHS)})
        ''', {"PATHS": [b"/etc/pass\xff\xfe", b"/\x01\x02\x1b[31m", b"/etc/\n", b"/\xe2\x80\xae/x", bytes(range(1, 256)),
                        b"\xed\xa0\x80", b"/tmp/\x7f", b" ", b"\\", b"%s%n%x", b"~root", b"$HOME", b"*", b"/etc/{passwd,x}"]})
        for path, got in self.told(r).items():
            self.assertIn(got, ("ENOENT", "ENOTDIR", "EACCES"), path)


class OddGrants(lab.AttackCase):
    """What lies in a granted directory need not be a harmless file."""

    def look(self, *names, more=""):
        return self.ask("tell(**{n: look(ROOT + '/odd/' + n" + more + ") for n in NAMES})", {"NAMES": names})

    def test_links_that_lead_outside(self):
        for name, got in self.look("out-relative", "out-absolute", "out-directory/secret", "out-magic",
                                   "out-directory/../secret").items():
            self.assertIn(got, ("ENOENT", "EACCES"), name)
        self.assertEqual(self.look("loop")["loop"], "ELOOP")

    def test_a_link_made_while_the_job_looks(self):
        # from outside: a name in the grant turns from a file into a link to the forbidden one, and back
        place = self.lab.path("odd/changing")
        stop = time.monotonic() + 2

        def swap():
            os.symlink(self.lab.path("deny/secret"), place + ".link")
            lab.write(place + ".file", b"ALLOWED", 0o644)
            os.link(place + ".file", place)
            while time.monotonic() < stop:
                for source in (".link", ".file"):
                    spare = place + ".spare"
                    os.link(place + source, spare, follow_symlinks=False)
                    os.replace(spare, place)

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            swapping = pool.submit(swap)
            told = self.ask('''
            seen, end = {}, time.monotonic() + 1.5
            while time.monotonic() < end:
                got = look(ROOT + "/odd/changing")
                seen[got] = seen.get(got, 0) + 1
            tell(**seen)
            ''')
            swapping.result()
        self.assertLessEqual(set(told), {"ALLOWED", "ENOENT", "EACCES", "EAGAIN", "ELOOP"}, told)
        self.assertGreater(told.get("ALLOWED", 0), 0, told)

    def test_a_directory_that_moves_out_while_the_job_walks(self):
        place, away = self.lab.path("odd/walk"), self.lab.path("deny/walk")
        os.makedirs(place + "/a/b")
        stop = time.monotonic() + 2

        def move():
            while time.monotonic() < stop:
                os.rename(place + "/a", away)
                os.rename(away, place + "/a")

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            moving = pool.submit(move)
            told = self.ask('''
            seen, end = {}, time.monotonic() + 1.5
            while time.monotonic() < end:
                for p in ("/odd/walk/a/b/../../../../deny/secret", "/odd/walk/a/../../secret", "/odd/walk/a/b/../../secret"):
                    got = look(ROOT + p)
                    seen[got] = seen.get(got, 0) + 1
                d = raw(257, -100, ROOT + "/odd/walk/a/b", os.O_DIRECTORY, 0)
                if d >= 0:
                    for p in ("../../secret", "../../../secret", "../../../deny/secret", "../../../../deny/secret"):
                        got = look(p, at=d)
                        seen[got] = seen.get(got, 0) + 1
                    os.close(d)
            tell(**seen)
            ''')
            moving.result()
        self.assertLessEqual(set(told), {"ENOENT", "EACCES", "EAGAIN", "ENOTDIR", "ESTALE", "EXDEV"}, told)

    def test_files_that_only_others_may_read(self):
        if not lab.ROOT_UID:
            self.skipTest("capability: not root, the private file belongs to the job's own user")
        self.assertIn(self.look("private")["private"], ("EACCES", "EPERM"))

    @unittest.skipUnless(lab.ROOT_UID, "capability: device nodes need root")
    def test_device_nodes(self):
        for name, got in self.look("mem", "tty").items():
            self.assertRegex(got, "^E[A-Z]+$", name)

    def test_a_fifo_blocks_nobody_else(self):
        if lab.OUTSIDE:
            self.skipTest("missing: outside there is no supervisor to block")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for flags in ("os.O_RDONLY", "os.O_RDWR", "os.O_WRONLY"):
                with self.subTest(flags=flags):
                    stuck = pool.submit(self.attack, f"tell(got=str(err(os.open, ROOT + '/odd/fifo', {flags})))",
                                        limits={"wall_ms": 1000})
                    time.sleep(0.1)
                    start = time.monotonic()
                    r = self.attack("print('other')")
                    self.assertEqual(r["stdout"], b"other\n")
                    self.assertLess(time.monotonic() - start, 0.8)
                    r = stuck.result(timeout=10)
                    self.assertIn(r["outcome"], ("exited", "limit"), lab.brief(r))


if __name__ == "__main__":
    unittest.main()
