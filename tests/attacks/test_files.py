"""A grant to read is no more than that: nothing that a job does changes, marks or locks the host's files."""
import concurrent.futures
import fcntl
import os
import time
import unittest

import lab

# Each line is tried on its own, over files that everybody may write to on the host. f is a granted file, d its
# directory, r a descriptor of the file, dr one of the directory, o a path-only one of the file.
CHANGES = '''
os.open(f, os.O_WRONLY)
os.open(f, os.O_RDWR)
os.open(f, os.O_WRONLY | os.O_TRUNC)
os.open(f, os.O_RDONLY | os.O_TRUNC)
os.open(f, os.O_WRONLY | os.O_APPEND)
os.open(f, os.O_RDWR | os.O_CREAT)
os.open(f, 3)
os.open(d + "/new", os.O_WRONLY | os.O_CREAT)
os.open(d + "/new", os.O_RDONLY | os.O_CREAT)
os.open(d, os.O_RDWR | os.O_TMPFILE)
os.open(d + "/new", os.O_RDWR | os.O_CREAT | os.O_EXCL, dir_fd=dr)
os.open("new", os.O_RDWR | os.O_CREAT, dir_fd=dr)
os.open("../odd/inner", os.O_RDWR, dir_fd=dr)
os.open(f"/proc/self/fd/{r}", os.O_RDWR)
os.open(f"/proc/self/fd/{o}", os.O_RDWR)
os.open(f"/dev/fd/{r}", os.O_WRONLY)
os.open("", os.O_RDWR, dir_fd=r)
bad(raw(NR["creat"], f, 0o666))
bad(raw(NR["openat2"], -100, f, (1).to_bytes(8, "little") + b"\\0" * 16, 24))
os.write(r, b"x")
os.pwrite(r, b"x", 0)
os.truncate(f, 0)
os.ftruncate(r, 0)
os.posix_fallocate(r, 0, 100000)
os.copy_file_range(t, r, 1)
os.sendfile(r, t, 0, 1)
os.splice(p[0], r, 1)
os.chmod(f, 0o777)
os.fchmod(r, 0o777)
os.fchmod(dr, 0o777)
os.chmod("secret", 0o777, dir_fd=dr)
bad(raw(NR["fchmodat2"], -100, f, 0o777, 0))
bad(raw(NR["fchmodat2"], r, "", 0o777, 0x1000))
bad(raw(NR["fchmodat2"], o, "", 0o777, 0x1000))
os.chown(f, os.getuid(), -1)
os.lchown(f, os.getuid(), -1)
os.fchown(r, os.getuid(), -1)
os.utime(f)
os.utime(f, (1, 1))
os.utime(r)
os.utime(r, (1, 1))
os.utime("secret", (1, 1), dir_fd=dr)
bad(raw(NR["utime"], f, 0))
bad(raw(NR["utimes"], f, 0))
bad(raw(NR["futimesat"], -100, f, 0))
bad(raw(NR["utimensat"], o, "", 0, 0x1000))
os.unlink(f)
os.unlink("secret", dir_fd=dr)
os.rmdir(d)
os.rename(f, d + "/renamed")
os.rename(f, "/tmp/stolen")
os.rename("/tmp/mine", f)
os.rename("secret", "renamed", src_dir_fd=dr, dst_dir_fd=dr)
bad(raw(NR["renameat2"], -100, f, -100, d + "/locked", 2))
os.link(f, d + "/hard")
os.link(f, "/tmp/hard")
os.link("/tmp/mine", d + "/hard")
bad(raw(NR["linkat"], r, "", -100, "/tmp/hard", 0x1000))
bad(raw(NR["linkat"], -100, f"/proc/self/fd/{r}", -100, d + "/hard", 0x400))
os.symlink("x", d + "/soft")
os.mkdir(d + "/made")
os.mkdir("made", dir_fd=dr)
os.mkfifo(d + "/pipe")
os.mknod(d + "/node")
os.setxattr(f, "user.mark", b"x")
os.setxattr(r, "user.mark", b"x")
os.removexattr(f, "user.mark")
bad(raw(NR["fsetxattr"], r, "user.mark", b"x", 1, 0))
bad(raw(NR["setxattrat"], -100, f, 0, "user.mark", b"x" * 16, 16))
bad(raw(NR["ioctl"], r, 0x40086602, (0x10).to_bytes(8, "little")))
bad(raw(NR["ioctl"], r, 0x40049409, t))
bad(raw(NR["fcntl"], r, 0x400, 1))
bad(raw(NR["fcntl"], r, 0x409, 8))
bad(raw(NR["fcntl"], r, 0x40c, b"\\5" + b"\\0" * 7))
bad(raw(NR["mmap"], 0, 4096, 3, 1, r, 0))
bad(raw(NR["mmap"], 0, 4096, 2, 3, r, 0))
socket.socket(socket.AF_UNIX).bind(d + "/socket")
'''


class ReadGrants(lab.AttackCase):
    def test_nothing_changes_them(self):
        names = ("creat", "openat2", "utime", "utimes", "futimesat", "utimensat", "renameat2", "linkat", "fsetxattr", "ioctl",
                 "fcntl", "mmap")
        nrs = {n: lab.nr(n) for n in names} | {"fchmodat2": 452, "setxattrat": 463}
        lines = [line for line in CHANGES.splitlines() if line]
        before = {d: lab.tree(self.lab.path(d)) for d in ("open", "odd", "lib")}
        r = self.attack('''
        import socket
        def bad(ret):
            if -4096 < ret < 0:
                raise OSError(-ret, "")
            return ret
        f, d = ROOT + "/open/secret", ROOT + "/open"
        open("/tmp/mine", "w").write("mine")
        got = {}
        for line in LINES:
            r, dr, o = os.open(f, os.O_RDONLY), os.open(d, os.O_RDONLY), err(os.open, f, os.O_PATH)
            o = o if isinstance(o, int) else os.dup(r)  # the kernel injects no path-only descriptors
            t, p = os.open("/tmp/mine", os.O_RDWR), os.pipe()
            os.write(p[1], b"x")
            got[line] = str(err(lambda: eval(line)))
            for fd in (r, dr, o, t, *p):
                os.close(fd)
        tell(**got)
        ''', {"NR": nrs, "LINES": lines})
        after = {d: lab.tree(self.lab.path(d)) for d in before}
        for line, got in self.told(r).items():
            with self.subTest(line=line):
                self.assertRegex(got, "^E[A-Z0-9]+$", line)
        for d in before:
            self.assertEqual(before[d], after[d])

    def test_a_create_that_creates_nothing(self):
        before = lab.tree(self.lab.path("open"))
        told = self.ask("tell(got=err(lambda: os.read(os.open(ROOT + '/open/secret', os.O_RDONLY | os.O_CREAT), 7).decode()),"
                        " excl=str(err(os.open, ROOT + '/open/secret', os.O_RDONLY | os.O_CREAT | os.O_EXCL)))")
        self.assertIn(told["got"], ("ALLOWED", "EACCES"))
        self.assertIn(told["excl"], ("EEXIST", "EACCES"))
        self.assertEqual(before, lab.tree(self.lab.path("open")))

    def test_the_access_time_is_all_that_reading_may_leave(self):
        before = lab.tree(self.lab.path("open"))
        self.ask("d = open(ROOT + '/open/secret').read(); os.listdir(ROOT + '/open'); tell(n=len(d))")
        self.assertEqual(before, lab.tree(self.lab.path("open")))

    # what takes a lock: (name, code)
    LOCKS = {
        "flock, exclusive": "fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "flock, shared": "fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "flock of the directory": "fcntl.flock(dfd, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "record lock": "fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "open file description lock": "fcntl.fcntl(fd, 37, b'\\0' * 32)",
        "lease": "fcntl.fcntl(fd, 1024, fcntl.F_RDLCK)",
    }

    def test_no_lock_is_seen_by_the_host(self):
        """The host takes every kind of lock while the job holds what it got."""
        path = self.lab.path("open/locked")
        for what, code in self.LOCKS.items():
            with self.subTest(lock=what), concurrent.futures.ThreadPoolExecutor(1) as pool:
                job = pool.submit(self.attack, '''
                import fcntl
                fd = os.open(ROOT + "/open/locked", os.O_RDONLY)
                dfd = os.open(ROOT + "/open", os.O_RDONLY)
                got = str(err(lambda: %s))
                time.sleep(0.4)
                tell(got=got)
                ''' % code)
                refused = []
                while not job.done():
                    refused += self.try_locks(path)
                    time.sleep(0.005)
                told = self.told(job.result())
                self.assertEqual(refused, [], f"the job's lock got {told['got']}, and the host saw it")

    def try_locks(self, path):
        refused = []
        for name in (path, os.path.dirname(path)):
            fd = os.open(name, os.O_RDONLY if os.path.isdir(name) else os.O_RDWR)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not os.path.isdir(name):
                    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e:
                refused.append((name, str(e)))
            finally:
                os.close(fd)
        return refused

    def test_shared_memory_with_a_granted_file(self):
        # a private mapping may be written, and must stay private
        before = lab.tree(self.lab.path("open"))
        told = self.ask('''
        import mmap
        fd = os.open(ROOT + "/open/secret", os.O_RDONLY)
        m = mmap.mmap(fd, 0, access=mmap.ACCESS_COPY)
        m[0:4] = b"MINE"
        tell(mine=m[0:4].decode(), file=os.pread(fd, 4, 0).decode(), shared=str(err(lambda: mmap.mmap(fd, 0))))
        ''')
        self.assertEqual((told["mine"], told["file"], told["shared"]), ("MINE", "ALLO", "EACCES"), told)
        self.assertEqual(before, lab.tree(self.lab.path("open")))


class OwnTmp(lab.AttackCase):
    """In its own /tmp a job does as it likes, and the host sees nothing of it."""

    def test_links_in_tmp_lead_nowhere_new(self):
        told = self.ask('''
        got = {}
        targets = {"absolute": "/etc/passwd", "deny": ROOT + "/deny/secret", "relative": "../etc/passwd",
                   "proc": "/proc/1/root/etc/passwd", "self": "/proc/self/exe", "deep": "a/../../../../etc/passwd"}
        for n, target in targets.items():
            got["made " + n] = made = str(err(os.symlink, target, "/tmp/" + n))
            got[n] = look("/tmp/" + n)
            if made == "None":
                got["write " + n] = str(err(os.open, "/tmp/" + n, os.O_WRONLY | os.O_CREAT))
        tell(**got)
        ''')
        for what, got in told.items():
            if not what.startswith("made"):
                self.assertRegex(got, "^E[A-Z]+$", what)

    def test_a_link_to_an_allowed_file_gives_no_more_than_its_grant(self):
        before = lab.tree(self.lab.path("open"))
        told = self.ask('''
        made = str(err(os.symlink, ROOT + "/open/secret", "/tmp/link"))
        tell(made=made, write=str(err(os.open, "/tmp/link", os.O_WRONLY)), cut=str(err(os.truncate, "/tmp/link", 0)),
             mode=str(err(os.chmod, "/tmp/link", 0o777)), time=str(err(os.utime, "/tmp/link", (1, 1))))
        ''')
        for what, got in told.items():
            if what != "made":
                self.assertRegex(got, "^E[A-Z]+$", told)
        self.assertEqual(before, lab.tree(self.lab.path("open")))

    def test_its_tmp_is_not_the_hosts(self):
        marker = f"warder-attack-{os.getpid()}"
        lab.write("/tmp/" + marker, b"HOST", 0o644)
        try:
            told = self.ask('''
            own = os.listdir("/tmp")
            open("/tmp/" + MARKER + ".job", "w").write("JOB")
            tell(host=look("/tmp/" + MARKER), own=own)
            ''', {"MARKER": marker})
            self.assertEqual(told["host"], "ENOENT")
            self.assertNotIn(marker, told["own"])
            self.assertFalse(os.path.exists(f"/tmp/{marker}.job"))
        finally:
            os.unlink("/tmp/" + marker)
            if os.path.exists(f"/tmp/{marker}.job"):
                os.unlink(f"/tmp/{marker}.job")

    def test_set_user_id_bits_and_devices_lend_nothing(self):
        told = self.ask('''
        open("/tmp/x", "w").write("x")
        os.chmod("/tmp/x", 0o6777)
        tell(run=str(err(os.mknod, "/tmp/mem", 0o20666, os.makedev(1, 1))), null=str(err(os.mknod, "/tmp/null", 0o20666,
             os.makedev(1, 3))), owner=os.stat("/tmp/x").st_uid == os.getuid())
        ''')
        self.assertRegex(told["run"], "^E")
        self.assertRegex(told["null"], "^E")
        self.assertTrue(told["owner"])


if __name__ == "__main__":
    unittest.main()
