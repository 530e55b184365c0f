"""Calls that no policy lists, by every door of the kernel and from every thread; calls that only the birth needs."""
import unittest

import lab

CALL = '''
ret = raw(NR, *ARGS, door=DOOR)
print("CAME BACK", name(ret))
'''

# Killed, whatever the policy says: (name, arguments). Harmless arguments: outside each gives an errno.
FLOOR = [
    ("mount", ("none", "/mnt", "tmpfs", 0, 0)),
    ("umount2", ("/nowhere", 0)),
    ("pivot_root", ("/nowhere", "/nowhere")),
    ("fsopen", ("tmpfs", 0)),
    ("fsmount", (-1, 0, 0)),
    ("fsconfig", (-1, 0, 0, 0, 0)),
    ("open_tree", (-100, "/nowhere", 0)),
    ("move_mount", (-1, "", -1, "", 0)),
    ("mount_setattr", (-1, "", 0, 0, 0)),
    ("ptrace", (16, 1, 0, 0)),
    ("bpf", (0, 0, 0)),
    ("keyctl", (0, -3, 0)),
    ("add_key", ("user", "warder-attack", "x", 1, -2)),
    ("request_key", ("user", "warder-attack", 0, 0)),
    ("unshare", (0x10000000,)),
    ("setns", (-1, 0)),
    ("userfaultfd", (1,)),
    ("perf_event_open", (0, 0, -1, -1, 0)),
    ("open_by_handle_at", (-100, 0, 0)),
    ("process_vm_readv", (1, 0, 0, 0, 0, 0)),
    ("process_vm_writev", (1, 0, 0, 0, 0, 0)),
    ("kexec_load", (0, 0, 0, 0)),
    ("kexec_file_load", (-1, -1, 0, 0, 0)),
    ("init_module", (0, 0, "")),
    ("finit_module", (-1, "", 0)),
    ("delete_module", ("warder-attack", 0)),
]

# Never carried out: killed, or an errno. (name, arguments)
NEVER = [
    ("execve", ("/bin/true", 0, 0)),
    ("execveat", (-100, "/bin/true", 0, 0, 0)),
    ("chroot", ("/",)),
    ("setuid", (0,)), ("setgid", (0,)), ("setreuid", (0, 0)), ("setregid", (0, 0)),
    ("setresuid", (-1, -1, -1)), ("setresgid", (-1, -1, -1)), ("setgroups", (0, 0)),
    ("setfsuid", (0,)), ("setfsgid", (0,)),
    ("capset", ("\x22\x05\x08\x20" + "\0" * 20, "\0" * 24)),
    ("seccomp", (1, 0, b"\x01\0\0\0\0\0\0\0" + b"\0" * 8)),
    ("seccomp", (1, 8, b"\x01\0\0\0\0\0\0\0" + b"\0" * 8)),
    ("seccomp", (3, 0, b"\0" * 16)),
    ("landlock_create_ruleset", (0, 0, 1)),
    ("landlock_restrict_self", (-1, 0)),
    ("landlock_add_rule", (-1, 1, 0, 0)),
    ("name_to_handle_at", (-100, "/", b"\0" * 256, b"\0" * 8, 0)),
    ("pidfd_getfd", (-1, 0, 0)),
    ("process_madvise", (-1, 0, 0, 0, 0)),
    ("process_mrelease", (-1, 0)),
    ("kcmp", (1, 1, 0, 0, 0)),
    ("personality", (0x0040000,)),
    ("modify_ldt", (0, b"\0" * 16, 16)),
    ("iopl", (3,)), ("ioperm", (0, 1, 1)),
    ("swapon", ("/nowhere", 0)), ("swapoff", ("/nowhere",)),
    ("acct", ("/nowhere",)), ("quotactl", (0, "/nowhere", 0, 0)),
    ("sethostname", ("warder", 6)), ("setdomainname", ("warder", 6)),
    ("settimeofday", (b"\0" * 16, 0)), ("clock_settime", (0, b"\0" * 16)), ("adjtimex", (b"\x01" + b"\0" * 255,)),
    ("syslog", (3, b"\0" * 64, 64)),
    ("vhangup", ()),
    ("fanotify_init", (0, 0)),
    ("inotify_add_watch", (-1, "/", 0xfff)),
    ("mknod", ("/tmp/device", 0o20666, 0x101)), ("mknodat", (-100, "/tmp/device", 0o20666, 0x101)),
    ("memfd_secret", (0,)),
    ("pidfd_open", (1, 0)),
    ("io_uring_setup", (1, b"\0" * 120)), ("io_uring_enter", (-1, 1, 0, 0, 0, 0)),
    ("io_uring_register", (-1, 0, 0, 0)),
]

# What would outlive a job, or be found by another: (name, arguments), each of which works outside.
SHARED = [
    ("shmget", (0x57415244, 4096, 0o1666)), ("semget", (0x57415244, 1, 0o1666)), ("msgget", (0x57415244, 0o1666)),
    ("mq_open", ("warder-attack", 0o102, 0o666, 0)), ("mq_unlink", ("warder-attack",)),
    ("memfd_create", ("warder-attack", 0)), ("memfd_secret", (0,)), ("mlockall", (1,)), ("mlock", (0, 4096)),
]

CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000, 0x20000000, 0x40000000
CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD = 0x100, 0x200, 0x400, 0x800, 0x10000
CLONE_UNTRACED, CLONE_PARENT, CLONE_VFORK, CLONE_PTRACE = 0x800000, 0x8000, 0x4000, 0x2000
SIGCHLD = 17


class Unlisted(lab.AttackCase):
    def call(self, name, args, door="raw"):
        return self.attack(CALL, {"NR": lab.nr(name), "ARGS": args, "DOOR": door})

    def test_a_call_on_the_floor_kills_and_is_named(self):
        for name, args in FLOOR:
            for door in ("raw", "raw_in_thread"):
                with self.subTest(call=name, door=door):
                    r = self.call(name, args, door)
                    self.assertKilledFor(r, name)
                    self.assertNotIn(b"CAME BACK", r["stdout"])

    def test_the_text_of_a_path_is_told(self):
        for door in ("raw", "raw_in_thread"):
            with self.subTest(door=door):
                v = self.assertKilledFor(self.call("mount", ("none", "/mnt", "tmpfs", 0, 0), door), "mount")
                self.assertIn("/mnt", str(v["path"]) + " ".join(v["args"]), v)
                self.assertIn("tmpfs", " ".join(v["args"]), v)

    def test_pointers_that_lead_nowhere_are_told_too(self):
        for bad in (0, 1, 0xffff800000000000, 0x7fffffffe000):
            with self.subTest(pointer=hex(bad)):
                self.assertKilledFor(self.call("mount", (bad, bad, bad, 0, bad)), "mount")

    def test_other_dangerous_calls_are_never_carried_out(self):
        for name, args in NEVER:
            for door in ("raw", "raw_in_thread"):
                with self.subTest(call=name, door=door):
                    self.assertNotDone(self.call(name, args, door), name)

    def assertNotDone(self, r, name=None):
        """Killed (and named), or a plain errno came back."""
        if r["outcome"] == "violation":
            self.assertEqual(r["violations"][-1]["verdict"], "killed", lab.brief(r))
            if name:
                self.assertEqual(r["violations"][-1]["syscall"], name, lab.brief(r))
            return
        self.assertEqual(r["outcome"], "exited", lab.brief(r))
        self.assertRegex(r["stdout"], rb"CAME BACK (E\w+|-\d+)\n", lab.brief(r))

    def test_no_memory_is_shared_between_jobs_by_the_kernels_other_means(self):
        for _ in range(2):  # what the first one leaves the second does not find
            told = self.ask("""
            found = err(os.listdir, "/dev/shm")
            look("/dev/shm/warder-attack", 0o102)
            tell(back={n: name(raw(number, *args)) for n, number, args in CALLS}, found=found)
            """, {"CALLS": [(n, lab.nr(n), a) for n, a in SHARED]})
            self.assertEqual({n: r for n, r in told["back"].items() if r not in ("ENOSYS", "EPERM")}, {})
            self.assertIn(told["found"], ([], "ENOENT"))

    def test_io_uring_is_absent_rather_than_deadly(self):
        r = self.call("io_uring_setup", (1, b"\0" * 120))
        self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"CAME BACK ENOSYS\n"), lab.brief(r))

    def test_numbers_past_the_table_do_not_exist(self):
        for number in (600, 999, 4096, 0x3fffffff):
            for door in ("raw", "raw_in_thread"):
                with self.subTest(number=number, door=door):
                    r = self.attack(CALL, {"NR": number, "ARGS": (), "DOOR": door})
                    self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"CAME BACK ENOSYS\n"), lab.brief(r))

    def test_numbers_that_are_none(self):
        for number in (-1, -2, -2**31, 0x7fffffff, 0x80000000, 0xffffffff):
            with self.subTest(number=number):
                self.assertNotDone(self.attack(CALL, {"NR": number, "ARGS": (), "DOOR": "raw"}))

    def test_high_bits_of_a_number_do_not_hide_it(self):
        # the kernel looks at 32 bits of rax
        for high in (1 << 32, 1 << 63, 0xffffffff << 32):
            with self.subTest(high=hex(high)):
                r = self.attack(CALL, {"NR": lab.nr("mount") | high, "ARGS": ("none", "/mnt", "tmpfs"), "DOOR": "raw"})
                self.assertKilledFor(r, "mount")

    def test_x32_numbers_kill(self):
        for number in (1, 39, 257, 165, 520, 545):
            with self.subTest(number=number):
                r = self.attack(CALL, {"NR": number | 0x40000000, "ARGS": (), "DOOR": "raw"})
                self.assertEqual(r["outcome"], "violation", lab.brief(r))
                self.assertEqual(r["violations"][-1]["verdict"], "killed", lab.brief(r))
                self.assertNotIn(b"CAME BACK", r["stdout"])

    @unittest.skipUnless(lab.MACHINE == "x86_64", "missing: a door that x86-64 alone has")
    def test_the_32_bit_door_kills(self):
        # 20 is getpid there, 5 open, 21 mount. Kernels without that door end in a segmentation fault
        for number in (20, 5, 21, 11):
            with self.subTest(number=number):
                r = self.attack('''
                f = so("raw").raw_int80
                print("CAME BACK", f(NR, 0, 0, 0))
                ''', {"NR": number})
                self.assertIn((r["outcome"], r["signal"]), (("violation", None), ("signaled", 11)), lab.brief(r))
                self.assertNotIn(b"CAME BACK", r["stdout"])

    @unittest.skipUnless(lab.MACHINE == "x86_64", "missing: a page that x86-64 alone has")
    def test_the_vsyscall_page_is_harmless(self):
        for which in (0, 1, 2):
            with self.subTest(which=which):
                r = self.attack('print("BACK", so("raw").raw_vsyscall(WHICH))', {"WHICH": which})
                self.assertIn(r["outcome"], ("exited", "signaled", "violation"), lab.brief(r))


class AfterBirth(lab.AttackCase):
    """What the zygote needed to make a tracee is gone when the job runs."""

    FORKS = [
        ("fork", ()), ("vfork", ()), ("clone", (SIGCHLD,)), ("clone", (0,)),
        ("clone", (CLONE_VM | CLONE_VFORK | SIGCHLD,)), ("clone", (CLONE_PARENT | SIGCHLD,)),
        ("clone", (CLONE_UNTRACED | SIGCHLD,)), ("clone", (CLONE_VM | SIGCHLD,)),
    ]
    NAMESPACES = [CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNS]
    # vfork by raw would return twice on one stack; the child leaves at once
    CODE = '''
    me = os.getpid()
    ret = raw(NR, *ARGS)
    if os.getpid() != me:
        os._exit(0)
    tell(ret=name(ret))
    '''

    def test_processes_are_refused_and_told(self):
        for name, args in self.FORKS:
            with self.subTest(call=name, args=args):
                r = self.attack(self.CODE, {"NR": lab.nr(name), "ARGS": args})
                self.assertEqual(self.told(r)["ret"], "EPERM", lab.brief(r))
                told = [(v["syscall"], v["verdict"], v["errno"]) for v in r["violations"]]
                self.assertIn((lab.own_name(name), "refused", "EPERM"), told, lab.brief(r))

    def test_namespaces_are_refused(self):
        thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD
        for new in self.NAMESPACES:
            for flags in (new | SIGCHLD, new | thread, new | SIGCHLD | 1 << 32):
                with self.subTest(flags=hex(flags)):
                    r = self.attack(self.CODE, {"NR": lab.nr("clone"), "ARGS": (flags,)})
                    if r["outcome"] != "violation":
                        self.assertIn(self.told(r)["ret"], ("EPERM", "EINVAL"), lab.brief(r))

    def test_a_thread_that_the_tracer_would_not_see(self):
        # CLONE_UNTRACED and CLONE_PTRACE with thread flags: refused, or without effect on what is counted
        thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD
        for more in (CLONE_UNTRACED, CLONE_PTRACE, CLONE_PARENT, CLONE_VFORK):
            with self.subTest(more=hex(more)):
                r = self.attack('''
                stack = ctypes.create_string_buffer(65536)
                # refused flags come back here; a thread made so would run into the zeroes of its stack
                ret = raw(NR, FLAGS, 0)
                tell(ret=name(ret))
                ''', {"NR": lab.nr("clone"), "FLAGS": (thread | more) & ~CLONE_SIGHAND})
                if r["outcome"] == "exited":
                    self.assertIn(self.told(r)["ret"], ("EPERM", "EINVAL"), lab.brief(r))

    def test_clone3_does_not_exist(self):
        told = self.ask("tell(ret=name(raw(NR, b'\\0' * 88, 88)))", {"NR": lab.nr("clone3")})
        self.assertEqual(told["ret"], "ENOSYS")

    def test_python_gets_an_error_for_a_subprocess(self):
        r = self.attack('''
        import subprocess
        try:
            subprocess.run(["/bin/true"])
            tell(got="ran")
        except OSError as e:
            tell(got=type(e).__name__)
        ''')
        self.assertEqual(self.told(r)["got"], "PermissionError", lab.brief(r))


class Weakening(lab.AttackCase):
    """prctl and friends that would undo a layer: an errno or death, and the state is as before."""

    # option and arguments; (what, option, args…)
    PRCTLS = [
        ("PR_SET_PDEATHSIG", 1, 0), ("PR_SET_DUMPABLE", 4, 0), ("PR_SET_DUMPABLE", 4, 2), ("PR_SET_KEEPCAPS", 8, 1),
        ("PR_SET_SECCOMP strict", 22, 1), ("PR_SET_SECCOMP filter", 22, 2, b"\x01" + b"\0" * 15),
        ("PR_CAPBSET_DROP", 24, 0), ("PR_SET_TSC", 26, 2), ("PR_SET_SECUREBITS", 28, 0),
        ("PR_SET_MM", 35, 1, 0), ("PR_SET_CHILD_SUBREAPER", 36, 1), ("PR_SET_PTRACER", 0x59616d61, -1),
        ("PR_SET_SYSCALL_USER_DISPATCH", 59, 1, 0, 0), ("PR_SCHED_CORE", 62, 1, 0, 0),
        ("PR_SET_DUMPABLE with high bits", 4 | 1 << 32, 0), ("PR_SET_PDEATHSIG with high bits", 1 | 1 << 32, 0),
    ]

    def test_prctl(self):
        for what, *args in self.PRCTLS:
            with self.subTest(what=what):
                r = self.attack("tell(ret=name(raw(NR, *ARGS)))", {"NR": lab.nr("prctl"), "ARGS": tuple(args)})
                if r["outcome"] == "violation":
                    self.assertEqual(r["violations"][-1]["syscall"], "prctl", lab.brief(r))
                else:
                    self.assertRegex(str(self.told(r)["ret"]), r"^E", lab.brief(r))

    def test_arch_prctl(self):
        for what, *args in (("ARCH_SET_GS", 0x1001, 0), ("ARCH_SET_CPUID", 0x1012, 0), ("ARCH_MAP_VDSO_32", 0x2002, 0)):
            with self.subTest(what=what):
                r = self.attack("tell(ret=name(raw(NR, *ARGS)))", {"NR": lab.nr("arch_prctl"), "ARGS": tuple(args)})
                self.assertIn(r["outcome"], ("violation", "exited", "signaled"), lab.brief(r))

    def test_high_bits_do_not_pass_a_condition(self):
        # the kernel cuts these arguments to 32 bits, a filter that compares 32 bits would too
        rows = [
            ("ioctl TIOCSTI", "ioctl", (1, 1 << 32 | 0x5412, b"x")),
            ("ioctl TIOCLINUX", "ioctl", (1, 0x541c, b"\x02")),
            ("fcntl F_SETOWN", "fcntl", (1, 1 << 32 | 8, 1)),
            ("socket AF_NETLINK", "socket", (1 << 32 | 16, 3, 0)),
            ("socket AF_UNIX SOCK_DGRAM", "socket", (1, 2, 0)),
            ("socket AF_UNIX SOCK_SEQPACKET", "socket", (1, 5, 0)),
            ("socket AF_PACKET", "socket", (17, 3, 0)),
            ("socket AF_VSOCK", "socket", (40, 1, 0)),
            ("socket AF_ALG", "socket", (38, 5, 0)),
            ("socketpair SOCK_DGRAM", "socketpair", (1, 2, 0, b"\0" * 8)),
        ]
        for what, name, args in rows:
            with self.subTest(what=what):
                r = self.attack("tell(ret=name(raw(NR, *ARGS)))", {"NR": lab.nr(name), "ARGS": args})
                if r["outcome"] != "violation":
                    self.assertRegex(str(self.told(r)["ret"]), r"^E", lab.brief(r))

    def test_capabilities_and_identity_are_gone(self):
        told = self.ask('''
        libc = ctypes.CDLL(None)
        caps = ctypes.create_string_buffer(24)
        got = libc.capget(b"\\x22\\x05\\x08\\x20\\0\\0\\0\\0", caps)
        tell(got=got, caps=caps.raw.hex(), uids=os.getresuid(), gids=os.getresgid(),
             groups=err(os.getgroups), nnp=name(raw(157, 39, 0, 0, 0, 0)))
        ''')
        if told["got"] == 0:
            self.assertEqual(told["caps"], "00" * 24, told)
        self.assertEqual(len(set(told["uids"])), 1, told)
        if lab.ROOT_UID:
            self.assertNotIn(0, told["uids"] + told["gids"])
            self.assertIn(told["groups"], ([], "EPERM", "ENOSYS"), told)


if __name__ == "__main__":
    unittest.main()
