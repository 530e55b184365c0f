"""What a job leaves in its /tmp to be collected, and names in /proc: they lead to nothing but its own."""
import os
import unittest

import lab


@unittest.skipIf(lab.OUTSIDE, "missing: outside nothing is collected")
class Collected(lab.AttackCase):
    def collect(self, text, *patterns, **fields):
        r = self.attack(text, collect=list(patterns), **fields)
        self.assertNotIn(lab.SECRET, b"".join(r["files"].values()))
        return r

    def test_planted_links(self):
        r = self.collect('''
        os.mkdir("d")
        for n, to in enumerate(["/etc/passwd", "../../../etc/passwd", ROOT + "/deny/secret", ROOT + "/open/secret", "/proc/self/status",
                                "/proc/1/environ", "/dev/zero", "/proc/self/fd/0", "main.py", ".", "..", "/", "d"]):
            os.symlink(to, f"link{n}")
            os.symlink(to, f"d/link{n}")
        for n, to in enumerate([ROOT + "/open/secret", ROOT + "/odd/inner", "/etc/localtime", "main.py"]):
            err(os.link, to, f"hard{n}")
        open("d/real", "w").write("x")
        ''', "**", "*", "d/*", "link5/**", "link11/etc/*", "link9/*", "d/link12/real")
        self.assertLessEqual(set(r["files"]), {"d/real", "hard3"})
        self.assertEqual(r["files_dropped"], [])

    def test_a_name_that_changes_to_the_last(self):
        """Threads go on exchanging a file for a link to what the job must not, or may only, read until the process is gone."""
        for _ in range(40 if lab.LONG else 8):
            r = self.collect('''
            def swap(n):
                while True:
                    for to in (ROOT + "/deny/secret", ROOT + "/open/secret"):
                        err(os.symlink, to, f"t{n}"); err(os.rename, f"t{n}", f"f{n}")
                        err(os.mkdir, f"f{n}"); err(os.rmdir, f"f{n}")
                        open(f"t{n}", "w").write("own"); err(os.rename, f"t{n}", f"f{n}")
            for n in range(4):
                threading.Thread(target=swap, args=(n,), daemon=True).start()
            time.sleep(0.02)
            os._exit(0)
            ''', "*", "f*/*")
            self.assertLessEqual(set(r["files"].values()), {b"own", b""})

    def test_nothing_blocks_the_collector(self):
        r = self.collect('''
        import socket
        err(os.mkfifo, "pipe")
        err(os.mknod, "node", 0o666 | 0o020000, os.makedev(1, 8))
        err(os.mknod, "sock", 0o666 | 0o140000)
        os.chmod(ROOT and "/tmp", 0o700)
        tell(names=os.listdir("."))
        ''', "**")
        self.assertEqual((r["files"], r["files_dropped"]), ({}, []))

    def test_odd_names(self):
        r = self.collect('''
        for n in (b"a\\nb", b"\\xff\\xfe", b"x" * 255, b" ", b"-rf", b"*", b"\\x1b]0;x\\x07", "\\u202e".encode(), b"..."):
            open(n, "wb").write(n)
        ''', "*", "...", "\u202e")
        self.assertEqual(set(r["files"]), {"a\nb", "x" * 255, " ", "-rf", "*", "\x1b]0;x\x07", "\u202e", "..."})
        self.assertEqual([d["name"] for d in r["files_dropped"]], ["\ufffd\ufffd"])
        self.assertTrue(all(data == name.encode() for name, data in r["files"].items()))

    def test_huge_counts(self):
        r = self.collect('''
        made = 0
        try:
            for i in range(200000):
                open(f"f{i}", "w").close(); made += 1
        except OSError:
            pass
        tell(made=made)
        ''', "**", "*[0-9]", "f*")
        self.assertEqual(len(r["files"]), self.told(r)["made"])

    def test_holes_take_no_memory(self):
        def resident():
            with open(f"/proc/{self.lab.pid()}/status", errors="replace") as f:
                return int(f.read().split("VmRSS:")[1].split()[0])
        before = resident()
        r = self.collect('''
        for i in range(200):
            with open(f"h{i}", "wb") as f: f.truncate(60 << 20)
        ''', "*")
        self.assertEqual((len(r["files"]), len(r["files_dropped"])), (2, 65))
        self.assertEqual(r["files_dropped"][-1]["why"], "134 more files")
        self.assertLess(resident() - before, 400 << 10)  # KiB; two files, packed and on their way

    def test_as_deep_as_it_goes(self):
        r = self.collect('''
        depth = 0
        while depth < 1500 and err(os.mkdir, "d") is None:
            os.chdir("d"); depth += 1
        open("bottom", "w")
        tell(depth=depth)
        ''', "**/bottom", "**")
        self.assertEqual(r["files"], {})
        self.assertEqual([d["why"] for d in r["files_dropped"]], ["a directory too deep below /tmp"])

    def test_given_files_stay_inside(self):
        for name in ("../x", "/tmp/x", "/etc/x", "a/../../x", "a//b", ".", "a/.", "x\0y"):
            with self.assertRaisesRegex(lab.support.RpcError, "^bad_request: files"):
                self.lab.run("pass", files={name: b"x"})
        self.assertEqual(os.listdir(self.lab.path("open")).count("x"), 0)


@unittest.skipIf(lab.OUTSIDE, "missing: outside these names are the kernel's own")
class ProcNames(lab.AttackCase):
    def test_descriptors_lead_nowhere_new(self):
        told = self.ask('''
        fds = [os.open(p, os.O_RDONLY) for p in ("/", "/proc", "/proc/self", "/proc/self/fd", "/proc/self/task", "/etc", "/tmp", "/dev",
                                                  ROOT + "/open", "/usr/lib/python3.11", "/sys/devices/system/cpu")]
        got = {}
        for fd in fds:
            for tail in ("../1/environ", "../../etc/passwd", "../../../../../../etc/passwd", "../../1/root/etc/passwd", "1/status", "../deny/secret",
                         f"../{os.getppid()}/environ", f"../../{os.getppid()}/fd/3", "self/mem", "mem", "environ", "../mem", "task/1/mem"):
                for base, at in ((f"/proc/self/fd/{fd}/", -100), ("", fd)):
                    seen = look(base + tail, at=at)
                    if seen not in ("ENOENT", "ENOTDIR"):
                        got[f"{os.readlink(f'/proc/self/fd/{fd}')} {base}{tail}"] = seen
        tell(got=got)
        ''')
        self.assertEqual(told["got"], {})

    def test_no_descriptor_of_the_supervisor(self):
        """Numbers of /proc/self/fd are the job's: never those of who answers."""
        told = self.ask('''
        mine = sorted(map(int, os.listdir("/proc/self/fd")))
        got = {n: look(f"/proc/self/fd/{n}") for n in range(3, 400) if n not in mine}
        links = {n: err(os.readlink, f"/proc/self/fd/{n}") for n in range(3, 400) if n not in mine}
        tell(got=sorted(set(got.values())), links=sorted(set(links.values())))
        ''')
        self.assertEqual(told, {"got": ["ENOENT"], "links": ["ENOENT"]})

    def test_a_number_that_is_swapped(self):
        """dup2 between the look and the opening: what is opened is what was looked at."""
        told = self.ask('''
        a, b = os.open(ROOT + "/open/secret", os.O_RDONLY), os.open("own", os.O_RDWR | os.O_CREAT)
        stop = False
        def swap():
            while not stop:
                os.dup2(a, 100); os.dup2(b, 100)
        os.dup2(a, 100)
        t = threading.Thread(target=swap); t.start()
        bad = []
        for _ in range(2000):
            try: fd = os.open("/proc/self/fd/100", os.O_WRONLY)
            except OSError: continue
            if os.readlink(f"/proc/self/fd/{fd}") != "/tmp/own": bad.append(os.readlink(f"/proc/self/fd/{fd}"))
            os.close(fd)
        stop = True; t.join()
        tell(bad=bad)
        ''')
        self.assertEqual(told["bad"], [])

    def test_listings_cannot_be_changed(self):
        told = self.ask('''
        got = {}
        for p in ("/proc", "/proc/self", "/dev", "/etc", "/", "/sys/devices/system/cpu", "/proc/self/fd"):
            fd = os.open(p, os.O_RDONLY)
            before = sorted(os.listdir(p))
            for f in (lambda: os.mkdir("x", dir_fd=fd), lambda: os.unlink(before[0], dir_fd=fd), lambda: os.symlink("a", "x", dir_fd=fd),
                      lambda: os.rename(before[0], "y", src_dir_fd=fd, dst_dir_fd=fd), lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=fd),
                      lambda: os.chmod(p, 0o777), lambda: os.utime(p), lambda: os.link("/tmp/main.py", "x", dst_dir_fd=fd)):
                if err(f) is None: got[p] = "changed"
            if sorted(os.listdir(p)) != before and p != "/proc/self/fd": got[p] = os.listdir(p)
            os.close(fd)
        tell(got=got)
        ''')
        self.assertEqual(told["got"], {})


if __name__ == "__main__":
    unittest.main()
