"""Second names: hard links, renames and links by which a job could come to more than its grants, also while things move."""
import os
import shutil
import stat
import unittest

import lab
import support

MS = 20000 if lab.LONG else 700

# what is granted: (name, rights)
GRANTS = {"ro": "read, list", "w": "read, write, create, list", "w2": "read, write, create, list", "drop": "list, create",
          "lib": "read, list"}

# Each line must fail. w, ro, drop, deny: directories; r: a descriptor of ro/file, opened for reading.
ATTEMPTS = '''
os.link(ro + "/file", "/tmp/got")
os.link(ro + "/file", w + "/got")
os.link(ro + "/file", ro + "/got")
os.link(drop + "/file", w + "/got")
os.link(drop + "/file", drop + "/got")
os.link(w + "/file", "/tmp/got")
os.link(w + "/file", w2 + "/got")
os.link(w + "/roots", w + "/got")
os.link(w + "/setuid", w + "/got")
os.link(w + "/to-ro", "/tmp/got")
os.link(w + "/to-ro", w + "/got", follow_symlinks=True)
os.link(w + "/to-deny", w + "/got", follow_symlinks=True)
os.link(deny + "/secret", w + "/got")
os.link("/tmp/mine", w + "/got")
bad(raw(NR["linkat"], r, "", -100, w + "/got", 0x1000))
bad(raw(NR["linkat"], r, "", -100, "/tmp/got", 0x1000))
bad(raw(NR["linkat"], o, "", -100, "/tmp/got", 0x1000))
bad(raw(NR["linkat"], -100, f"/proc/self/fd/{r}", -100, "/tmp/got", 0x400))
bad(raw(NR["linkat"], -100, f"/dev/fd/{r}", -100, w + "/got", 0x400))
bad(raw(NR["linkat"], rd, "file", -100, "/tmp/got", 0))
os.rename(ro + "/file", w + "/got")
os.rename(ro + "/file", "/tmp/got")
os.rename(w + "/own", ro + "/file")
os.rename(drop + "/file", w + "/got")
os.rename(drop + "/dir", w + "/got")
os.rename(w, w2 + "/got")
os.rename(w + "/own", w2)
os.rename(w + "/own", deny + "/got")
bad(raw(NR["renameat2"], -100, w + "/own", -100, drop + "/file", 2))
bad(raw(NR["renameat2"], -100, drop + "/file", -100, w + "/own", 2))
bad(raw(NR["renameat2"], -100, w + "/own", -100, ro + "/file", 2))
bad(raw(NR["renameat2"], -100, w + "/own", -100, w + "/got", 4))
os.open(w + "/to-ro", os.O_WRONLY)
os.open(w + "/to-ro", os.O_RDONLY | os.O_TRUNC)
os.open(w + "/to-deny", os.O_RDONLY)
os.open(w + "/to-new", os.O_WRONLY | os.O_CREAT)
os.open(w + "/to-deny-dir/secret", os.O_RDONLY)
os.open(w + "/to-deny-dir/new", os.O_WRONLY | os.O_CREAT)
os.open(w + "/dir/../../deny/secret", os.O_RDONLY)
os.open(drop + "/file", os.O_RDONLY)
os.open(drop, os.O_RDWR | os.O_TMPFILE)
os.truncate(w + "/to-ro", 0)
os.chmod(w + "/to-ro", 0o777)
os.chmod(w + "/roots", 0o777)
os.chown(w + "/to-ro", os.getuid(), -1)
os.chown(w + "/own", 0, 0)
os.chown(w + "/roots", os.getuid(), -1)
os.utime(w + "/to-ro")
os.utime(w + "/to-ro", (1, 1))
os.fchmod(r, 0o777)
os.fchown(r, os.getuid(), -1)
os.utime(r, (1, 1))
os.ftruncate(r, 0)
os.setxattr(r, "user.x", b"x")
bad(raw(NR["fsetxattr"], r, "user.x", b"x", 1, 0))
bad(raw(NR["fremovexattr"], r, "user.x"))
fcntl.flock(r, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.flock(rd, fcntl.LOCK_SH | fcntl.LOCK_NB)
fcntl.lockf(r, fcntl.LOCK_SH | fcntl.LOCK_NB)
fcntl.fcntl(r, 37, b"\\0" * 32)
fcntl.fcntl(w1, fcntl.F_SETLEASE, fcntl.F_WRLCK)
fcntl.fcntl(wd, fcntl.F_NOTIFY, 1)
fcntl.fcntl(w1, fcntl.F_SETOWN, 1)
os.mknod(w + "/got", 0o20666, os.makedev(1, 1))
os.mknod(w + "/got", 0o60666, os.makedev(8, 0))
os.mkfifo(w + "/got")
os.mknod(w + "/got", 0o140666)
os.symlink("x", ro + "/got")
os.symlink("x", deny + "/got")
os.rmdir(w)
os.unlink(w)
os.open(w + "/fifo", os.O_RDONLY)
os.open(w + "/fifo", os.O_RDWR)
bad(raw(NR["openat2"], wd, "../ro/file", how(2, 0, 0), 24))
bad(raw(NR["openat2"], wd, "to-ro", how(2, 0, 0), 24))
bad(raw(NR["openat2"], wd, "/etc/passwd", how(0, 0, 0x10), 24))
bad(raw(NR["openat2"], wd, "to-deny", how(0, 0, 0x10), 24))
bad(raw(NR["openat2"], wd, "../deny/secret", how(0, 0, 0x10), 24))
bad(raw(NR["openat2"], wd, "../ro/file", how(0, 0, 0x8), 24))
bad(raw(NR["openat2"], wd, f"/proc/self/fd/{r}", how(2, 0, 0), 24))
'''
CALLS = ("linkat", "renameat2", "fsetxattr", "fremovexattr", "openat2")


class LinkLab(lab.Lab):
    def _fill(self):
        for name in (*GRANTS, "deny", "policies"):
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o777 if name not in ("lib", "policies") else 0o755)
        for name in ("ro/file", "w/file", "w2/file", "drop/file"):
            lab.write(self.path(name), b"ALLOWED", 0o666)
        lab.write(self.path("deny/secret"), lab.SECRET, 0o666)
        os.mkdir(self.path("drop/dir"))
        os.chmod(self.path("drop/dir"), 0o777)
        os.mkdir(self.path("w/dir"))
        lab.write(self.path("w/roots"), b"ALLOWED", 0o644)
        lab.write(self.path("w/setuid"), b"ALLOWED", 0o4777)
        os.mkfifo(self.path("w/fifo"))
        os.chmod(self.path("w/fifo"), 0o666)
        os.symlink(self.path("ro/file"), self.path("w/to-ro"))
        os.symlink("../deny/secret", self.path("w/to-deny"))
        os.symlink("../deny/new", self.path("w/to-new"))
        os.symlink(self.path("deny"), self.path("w/to-deny-dir"))
        for name in ("raw", "moves"):
            shutil.copy(os.path.join(support.BUILD, "tests", name + ".so"), self.path("lib"))
            os.chmod(self.path("lib", name + ".so"), 0o755)
        self._fill_policies()

    def _fill_policies(self):
        super()._fill_policies()
        path = self.path("policies/attack.yaml")
        rows = "".join(f"  - {{path: {self.path(d)}, rights: [{rights}]}}\n" for d, rights in GRANTS.items())
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text[:text.index("files:\n")] + "files:\n" + rows + text[text.index("limits: {cpu_ms"):])


class SecondNames(lab.AttackCase):
    @classmethod
    def setUpClass(cls):
        cls.place = LinkLab()
        cls.addClassCleanup(cls.place.close)

    def setUp(self):
        self.lab = self.place

    def prints(self):
        """All but what the job made or may write: its own file, and directories whose names it may change."""
        return {n: f for d in ("ro", "deny", "drop", "w", "w2") for n, f in lab.tree(self.lab.path(d)).items()
                if not stat.S_ISDIR(f[1]) and not n.endswith("/own")}

    def test_no_second_name_brings_more_than_the_first(self):
        before = self.prints()
        # without root these files are the job's own, as all jobs are one user's; link(2) is of a link itself
        own = () if lab.ROOT_UID else ('"/roots"', '"/setuid"', "follow_symlinks=True")
        lines = [line for line in ATTEMPTS.splitlines() if line and not any(o in line for o in own)]
        nrs = {n: lab.nr(n) for n in CALLS}
        told = self.ask('''
        import fcntl
        def bad(ret):
            if -4096 < ret < 0:
                raise OSError(-ret, "")
            return ret
        def how(*words):
            return b"".join(x.to_bytes(8, "little") for x in words)
        ro, w, w2, drop, deny = (ROOT + "/" + n for n in ("ro", "w", "w2", "drop", "deny"))
        open("/tmp/mine", "w").write("mine")
        open(w + "/own", "w").write("own")
        got = {}
        for line in LINES:
            r, rd, w1, wd = (os.open(p, os.O_RDONLY) for p in (ro + "/file", ro, w + "/file", w))
            o = os.open(ro + "/file", os.O_PATH)
            got[line] = str(err(lambda: eval(line)))
            for fd in (r, rd, w1, wd, o):
                os.close(fd)
        os.unlink(w + "/own")
        tell(**got)
        ''', {"LINES": lines, "NR": nrs})
        for line, got in told.items():
            with self.subTest(line=line):
                self.assertRegex(got, "^E[A-Z0-9]+$", line)
        self.assertEqual(before, self.prints())

    def test_what_is_made_has_no_power(self):
        told = self.ask('''
        w = ROOT + "/w"
        open(w + "/made", "w").write("x")
        os.chmod(w + "/made", 0o6777)
        os.mknod(w + "/node", 0o106777)
        os.mkdir(w + "/deep", 0o7777)
        tell(uid=os.getuid())
        ''')
        for name in ("made", "node", "deep"):
            st = os.lstat(self.lab.path("w", name))
            self.assertEqual(st.st_mode & 0o6000, 0, name)
            if lab.ROOT_UID and not lab.OUTSIDE:
                self.assertEqual(st.st_uid, told["uid"], name)
            (os.rmdir if stat.S_ISDIR(st.st_mode) else os.unlink)(self.lab.path("w", name))

    def test_directories_that_move_while_the_job_walks(self):
        for target in ("ro", "deny"):
            with self.subTest(target=target):
                before = lab.tree(self.lab.path(target))
                told = self.ask('''
                class Counts(ctypes.Structure):
                    _fields_ = [(n, ctypes.c_uint64) for n in ("rounds", "swaps", "secrets", "done")]
                c = Counts()
                ret = so("moves").moves_race(TARGET.encode(), MS, ctypes.byref(c))
                tell(ret=ret, **{n: getattr(c, n) for n, _ in c._fields_})
                ''', {"TARGET": self.lab.path(target), "MS": MS}, limits={"wall_ms": MS + 20000})
                self.assertEqual((told["ret"], told["secrets"]), (0, 0), told)
                self.assertGreater(min(told["rounds"], told["swaps"], told["done"]), 0, told)
                self.assertEqual(before, lab.tree(self.lab.path(target)))

    def test_a_working_directory_that_the_host_takes_away(self):
        """The job stays in a granted directory, which the host moves to where nothing is granted."""
        if lab.OUTSIDE:
            self.skipTest("missing: a supervisor")
        os.mkdir(self.lab.path("w/leaves"))
        os.chmod(self.lab.path("w/leaves"), 0o777)
        with self.lab.supervisor.client() as client:
            job = client.start(self.lab.code('''
            os.chdir(ROOT + "/w/leaves")
            fd = os.open(".", os.O_RDONLY)
            print("in", flush=True)
            while "leaves" in os.listdir(ROOT + "/w"):
                time.sleep(0.01)
            got = [str(err(os.open, "../deny/secret", os.O_RDONLY)), str(err(os.open, "../secret", os.O_RDONLY)),
                   str(err(os.open, "new", os.O_WRONLY | os.O_CREAT)), str(err(os.open, "../secret", os.O_RDONLY, dir_fd=fd)),
                   str(err(os.mkdir, "new", dir_fd=fd)), str(err(os.getcwd))]
            tell(got=got)
            '''), policy="attack", stream=True)
            client.wait_output(b"in\n")
            os.rename(self.lab.path("w/leaves"), self.lab.path("deny/leaves"))
            r = client.wait(job)
        for got in self.told(r)["got"]:
            self.assertRegex(got, "^E", r)
        self.assertEqual(os.listdir(self.lab.path("deny/leaves")), [])
        os.rmdir(self.lab.path("deny/leaves"))


if __name__ == "__main__":
    unittest.main()
