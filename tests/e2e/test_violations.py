"""Sixty programs that ask for what they may not: each violation names the call, its object and, in Python, the line and function."""
import os
import sysconfig
import unittest

import support
from node_jobs import ADDON, NODE

# What the table's programs share. A Python program is one line of the function `ask`, whose refusal is swallowed; raw(NAME, …) is a system call
# that libc is not asked about. Each row: name, code, what the violation says: call, verdict, object (path or address), arguments that are
# among the decoded ones.
PYTHON = """
import array, ctypes, fcntl, mmap, os, resource, select, shutil, signal, socket, subprocess, sys, tempfile, threading
libc = ctypes.CDLL(None, use_errno=True)
def ask(s):
    {line}
try:
    ask(socket.socket())
except (OSError, RuntimeError, ValueError):
    pass
"""
LINE, FUNCTION = 5, "ask"
OS_PY = "os.path.dirname(os.__file__) + '/os.py'"
LIB = sysconfig.get_path("stdlib")

ROWS = [
    # files
    ("open", "open('/etc/shadow')", "openat", "hidden", "/etc/shadow", ["AT_FDCWD", "O_RDONLY|O_CLOEXEC"]),
    ("open for writing", f"open({OS_PY}, 'w')", "openat", "refused", LIB + "/os.py", ["O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC", "0666"]),
    ("open by libc", "libc.open(b'/root/.ssh/id_rsa', 0)", "openat", "hidden", "/root/.ssh/id_rsa", ["O_RDONLY"]),
    ("relative", "open('../etc/shadow')", "openat", "hidden", "/etc/shadow", ['"../etc/shadow"']),
    ("openat of a directory", "os.open('shadow', 0, dir_fd=os.open('/etc', os.O_PATH))", "openat", "hidden", "/etc/shadow", ['"shadow"']),
    ("stat", "os.stat('/home/someone')", "newfstatat", "hidden", "/home/someone", ['"/home/someone"']),
    ("access", "os.access('/etc/sudoers', os.R_OK)", "access", "hidden", "/etc/sudoers", ["R_OK"]),
    ("readlink", "os.readlink('/var/run/x')", "readlink", "hidden", "/var/run/x", ['"/var/run/x"']),
    ("list", "os.listdir('/root')", "openat", "hidden", "/root", ["O_RDONLY|O_NONBLOCK|O_DIRECTORY|O_CLOEXEC"]),
    ("chdir", "os.chdir('/root')", "chdir", "hidden", "/root", ['"/root"']),
    ("mkdir", f"os.mkdir('{LIB}/x')", "mkdir", "refused", LIB + "/x", ["0777"]),
    ("mkdir where nothing is", "os.mkdir('/srv/a/b')", "mkdir", "hidden", "/srv/a/b", ["0777"]),
    ("through a link", "os.symlink('/srv', 'l'), os.mkdir('l/a/b')", "mkdir", "hidden", "/srv/a/b", ['"l/a/b"']),
    ("unlink", f"os.unlink({OS_PY})", "unlink", "refused", LIB + "/os.py", []),
    ("rename", f"os.rename({OS_PY}, '{LIB}/x')", "rename", "refused", LIB + "/os.py", []),
    ("symlink", f"os.symlink('a', '{LIB}/x')", "symlink", "refused", LIB + "/x", ['"a"']),
    ("link", "os.link('/etc/shadow', '/tmp/x')", "link", "hidden", "/etc/shadow", ['"/tmp/x"']),
    ("chmod", f"os.chmod({OS_PY}, 0o777)", "chmod", "refused", LIB + "/os.py", ["0777"]),
    ("fchmod", f"os.fchmod(os.open({OS_PY}, 0), 0o600)", "fchmod", "refused", LIB + "/os.py", ["4<" + LIB + "/os.py>", "0600"]),
    ("chown", f"os.chown({OS_PY}, 0, 0)", "chown", "refused", LIB + "/os.py", ["0"]),
    ("utime", f"os.utime({OS_PY})", "utimensat", "refused", LIB + "/os.py", []),
    ("truncate", f"os.truncate({OS_PY}, 0)", "truncate", "refused", LIB + "/os.py", ["0"]),
    ("mkfifo", "os.mkfifo('/tmp/fifo')", "mknodat", "refused", "/tmp/fifo", ["0666"]),
    ("setxattr", f"os.setxattr({OS_PY}, b'user.x', b'1')", "setxattr", "refused", LIB + "/os.py", ['"user.x"']),
    ("lease", "fcntl.fcntl(os.open('/tmp/main.py', 0), fcntl.F_SETLEASE, fcntl.F_RDLCK)", "fcntl", "refused", None, ["4</tmp/main.py>", "F_SETLEASE"]),
    ("fanotify", "[libc.fanotify_init(0, 0)]", "fanotify_init", "refused", None, []),
    ("inotify", "[libc.inotify_init1(0)]", "inotify_init1", "refused", None, []),
    ("library", "shutil.copy('/etc/gshadow', '/tmp/x')", "openat", "hidden", "/etc/gshadow", ["O_RDONLY|O_CLOEXEC"]),
    ("temporary", "tempfile.NamedTemporaryFile(dir='/srv')", "openat", "hidden", None, ["O_RDWR|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC", "0600"]),
    ("sync", "os.sync()", "sync", "refused", None, []),
    # network
    ("connect", "s.connect(('10.1.2.3', 5432))", "connect", "refused", "10.1.2.3:5432", ["3<socket>", "10.1.2.3:5432"]),
    ("connect, IPv6", "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 443))", "connect", "refused", "[2001:db8::1]:443", []),
    ("create_connection", "socket.create_connection(('169.254.169.254', 80))", "connect", "refused", "169.254.169.254:80", []),
    ("unix socket", "socket.socket(socket.AF_UNIX).connect('/run/docker.sock')", "connect", "refused", "/run/docker.sock", ["unix:/run/docker.sock"]),
    ("abstract", "socket.socket(socket.AF_UNIX).connect('\\0x')", "connect", "refused", None, ["unix:@x"]),
    ("bind", "s.bind(('0.0.0.0', 8080))", "bind", "refused", "0.0.0.0:8080", ["3<socket>"]),
    ("listen", "s.listen(5)", "listen", "refused", None, ["3<socket>", "5"]),
    ("raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "socket", "refused", None, ["AF_INET", "SOCK_RAW|SOCK_CLOEXEC", "1"]),
    ("packet socket", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "socket", "refused", None, ["AF_PACKET"]),
    ("vsock", "socket.socket(40, 1)", "socket", "refused", None, ["AF_VSOCK"]),
    ("AF_ALG", "socket.socket(38, 5)", "socket", "refused", None, ["AF_ALG", "SOCK_SEQPACKET|SOCK_CLOEXEC"]),
    ("device", "s.setsockopt(1, 25, b'eth0')", "setsockopt", "refused", None, ["SOL_SOCKET", "SO_BINDTODEVICE"]),
    # processes
    ("subprocess", "subprocess.run(['id'])", "*", "refused", None, []),
    ("fork", "os.fork()", "clone", "refused", None, []),
    ("system", "os.system('id') == 0 or [][0]", "clone", "refused", None, []),
    ("kill", "os.kill(1, signal.SIGTERM)", "kill", "refused", None, ["1", "SIGTERM"]),
    ("setsid", "os.setsid()", "setsid", "refused", None, []),
    ("clock", "[libc.adjtimex(b'\\0' * 256)]", "clock_adjtime", "refused", None, []),
    ("nice", "os.setpriority(os.PRIO_PROCESS, 0, -5)", "setpriority", "refused", None, ["PRIO_PROCESS", "-5"]),
    ("affinity", "os.sched_setaffinity(0, {0})", "sched_setaffinity", "refused", None, ["0"]),
    ("pidfd", "os.pidfd_open(1)", "pidfd_open", "refused", None, ["1"]),
    ("prctl", "[libc.prctl(4, 0)]", "prctl", "refused", None, ["PR_SET_DUMPABLE", "0"]),
    ("exec", "os.execv('/bin/sh', ['sh', '-c', 'id'])", "execve", "killed", "/bin/sh", ['["sh", "-c", "id"]']),
    ("ptrace", "libc.ptrace(16, 1, 0, 0)", "ptrace", "killed", None, ["PTRACE_ATTACH", "1"]),
    ("setuid", "os.setuid(0)", "setuid", "killed", None, ["0"]),
    # exotic
    ("mount", "libc.mount(b'none', b'/mnt', b'tmpfs', 0x1000, 0)", "mount", "killed", "/mnt", ["MS_BIND", '"tmpfs"']),
    ("chroot", "os.chroot('/tmp')", "chroot", "killed", "/tmp", ['"/tmp"']),
    ("unshare", "libc.unshare(0x10000000)", "unshare", "killed", None, ["CLONE_NEWUSER"]),
    ("setns", "libc.setns(os.open('/tmp/main.py', 0), 0)", "setns", "killed", None, ["4</tmp/main.py>"]),
    ("memfd", "os.memfd_create('x')", "memfd_create", "refused", None, ['"x"', "MFD_CLOEXEC"]),
    ("mlockall", "[libc.mlockall(3)]", "mlockall", "refused", None, ["MCL_CURRENT|MCL_FUTURE"]),
    ("keyctl", "libc.syscall(250, 0, -3, 0)", "keyctl", "killed", None, ["KEYCTL_GET_KEYRING_ID"]),
    ("bpf", "libc.syscall(321, 5, 0, 0)", "bpf", "killed", None, ["BPF_PROG_LOAD"]),
    ("terminal", "fcntl.ioctl(1, 0x5412, b'x')", "ioctl", "refused", None, ["1<pipe>", "TIOCSTI"]),
    ("thread", "(lambda t: (t.start(), t.join()))(threading.Thread(target=lambda: os.stat('/secret/thread')))", "newfstatat", "hidden",
     "/secret/thread", []),
]

NODE_ROWS = [
    ("node: read", "require('fs').readFileSync('/etc/shadow')", "hidden", "/etc/shadow"),
    ("node: write", "require('fs').writeFileSync('/usr/lib/x86_64-linux-gnu/x', '')", "refused", "/usr/lib/x86_64-linux-gnu/x"),
    ("node: list", "require('fs').readdirSync('/root')", "hidden", "/root"),
]


class ViolationsTest(support.Case):
    supervisor_args = ("--workers", "1")

    def check(self, result, syscall, verdict, thing, args):
        told = (result["violations"], result["stderr"])
        found = [v for v in result["violations"] if syscall in ("*", v["syscall"]) and v["verdict"] == verdict and
                 thing in (None, v["path"], v["address"])]
        self.assertTrue(found, told)
        for arg in args:
            self.assertIn(arg, found[-1]["args"], told)
        self.assertEqual(found[-1]["errno"] is None, verdict == "killed", told)
        self.assertTrue(found[-1]["rule"], told)
        self.assertEqual(result["outcome"] == "violation", verdict == "killed", told)
        return found[-1]

    def test_python(self):
        self.assertGreaterEqual(len(ROWS), 60)
        with self.supervisor.client() as c:
            pending = [(row, c.start(PYTHON.format(line=row[1]))) for row in ROWS]
            for (name, code, *want), msgid in pending:
                with self.subTest(name, code=code):
                    v = self.check(c.wait(msgid), *want)
                    self.assertEqual((v["file"], v["line"]), ("/tmp/main.py", LINE))
                    self.assertEqual(v["function"], "ask.<locals>.<lambda>" if name == "thread" else FUNCTION)

    @unittest.skipUnless(NODE and os.path.exists(ADDON), "missing: node, or its headers")
    def test_node(self):
        with self.supervisor.client() as c:
            pending = [(row, c.start(f"try {{ {row[1]} }} catch (e) {{}}", language="nodejs")) for row in NODE_ROWS]
            for (name, code, verdict, thing), msgid in pending:
                with self.subTest(name, code=code):
                    self.check(c.wait(msgid), "*", verdict, thing, [])


if __name__ == "__main__":
    unittest.main()
