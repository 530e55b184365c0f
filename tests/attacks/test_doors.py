"""Doors: all ways to what a job must not have; what counts is whether it gets there, not how it is refused.

`test_doors.py --tell` prints, as JSON, what became of each. tests/beds/without runs that in builds that lack one wall.
"""
import ctypes
import json
import os
import socket
import sys
import textwrap
import unittest

import lab

AMD64 = os.uname().machine == "x86_64"
LIBC = ctypes.CDLL(None, use_errno=True)
KEY = 0x57415244  # of the shared memory
NAMES = ["openat", "openat2", "newfstatat", "name_to_handle_at", "open_by_handle_at", "execve", "mount", "unshare", "chroot", "setresuid", "truncate",
         "fchmodat", "utimensat", "fsetxattr", "flock", "unlinkat", "mknodat", "connect", "socket", "sendto", "sendmsg", "kill", "tgkill", "pidfd_open",
         "pidfd_send_signal", "pidfd_getfd", "process_vm_readv", "ptrace", "prlimit64", "setpriority", "clone", "exit_group", "seccomp", "bpf",
         "perf_event_open", "userfaultfd", "keyctl", "io_uring_setup", "personality", "shmget", "shmat", "mq_open", "dup2" if AMD64 else "dup3",
         "chdir", "prctl", "capset", "open_tree", "sched_setaffinity"]
HEAD = '''
import socket, struct
def call(name, *args, **more):
    return raw(N[name], *args, **more)
def low(data):
    """An address that 32 bits can hold."""
    import mmap
    libc = ctypes.CDLL(None); libc.mmap.restype = ctypes.c_long
    p = libc.mmap(None, ctypes.c_long(4096), 3, 0x62, -1, 0)
    ctypes.memmove(p, data, len(data))
    return p
def address(port):
    return struct.pack("=H", 2) + struct.pack("!H", port) + bytes([127, 0, 0, 1]) + bytes(8)
DENY = ROOT + "/deny/secret"
LOCKED = ROOT + "/open/locked"
def has(text):
    return "FORBIDDEN" in str(text)
def neighbours():
    """As each of its numbers: the host's, and those beside the job's own."""
    return [p for p in (*NEIGHBOUR, os.getpid() - 1, os.getpid() + 1, os.getpid() - 2) if p > 1 and p != os.getpid()]
def message(to, data=b"through"):
    global kept
    kept = [ctypes.create_string_buffer(x) for x in (to, data)]
    iov = struct.pack("PN", ctypes.addressof(kept[1]), len(data)); kept.append(ctypes.create_string_buffer(iov))
    return struct.pack("PI4xPNPNi4x", ctypes.addressof(kept[0]), len(to), ctypes.addressof(kept[2]), 1, 0, 0, 0)
got = False
'''
TAIL = "\nprint(json.dumps({'got': bool(got), 'saw': str(got)[:60]}), flush=True)\n"

# what a door leads to: {how: code that sets `got` when it is through}. What only the outside can see is looked at there (Host.reached).
DOORS = {
    "a file outside the grants": {
        "openat": "got = has(look(DENY))",
        "openat2": "fd = call('openat2', -100, DENY, struct.pack('QQQ', 0, 0, 0), 24)\ngot = fd >= 0 and has(os.read(fd, 20))",
        "open after chdir": "got = call('chdir', ROOT + '/deny') == 0 and has(look('secret'))",
        "open by int 0x80": "fd = raw(5, low(DENY.encode()), 0, 0, door='raw_int80')\ngot = 0 <= fd < 1000 and has(os.read(fd, 20))",
        "openat of x32": "fd = raw(0x40000000 + 257, -100, DENY, 0, 0)\ngot = fd >= 0 and has(os.read(fd, 20))",
        "the root of its parent": "got = has(look(f'/proc/{os.getppid()}/root{DENY}')) or has(look('/proc/1/root' + DENY))",
        "a handle": "h = ctypes.create_string_buffer(struct.pack('Ii', 128, 0) + bytes(128)); m = ctypes.create_string_buffer(8)\n"
                    "if call('name_to_handle_at', -100, DENY, h, m, 0) == 0:\n"
                    "    fd = call('open_by_handle_at', os.open(ROOT + '/open', 0), h, 0)\n    got = fd >= 0 and has(os.read(fd, 20))",
        "its size, by stat": "b = ctypes.create_string_buffer(256)\ngot = call('newfstatat', -100, DENY, b, 0) == 0 and struct.unpack_from('q', b, 48)[0] == 7777",
        "a program that reads it": "a = [ctypes.create_string_buffer(x) for x in (b'/bin/cat', DENY.encode())]\n"
                                   "v = (ctypes.c_void_p * 3)(ctypes.addressof(a[0]), ctypes.addressof(a[1]), None)\n"
                                   "call('execve', '/bin/cat', ctypes.addressof(v), 0)",
        "a ring": "got = call('io_uring_setup', 1, bytes(120)) >= 0",
    },
    "a file of root's in a grant": {"openat": "got = has(look(ROOT + '/odd/private'))"},
    "changing a file that is granted for reading": {
        "openat to write": "fd = call('openat', -100, LOCKED, 1, 0)\ngot = fd >= 0 and os.write(fd, b'x')",
        "truncate": "got = call('truncate', LOCKED, 0) == 0",
        "utimensat on the descriptor": "got = call('utimensat', os.open(LOCKED, 0), 0, 0, 0) == 0",
        "fsetxattr on the descriptor": "got = call('fsetxattr', os.open(LOCKED, 0), 'user.x', 'y', 1, 0) == 0",
        "flock on the descriptor": "got = call('flock', os.open(LOCKED, 0), 6) == 0",
        "a new file beside it": "got = call('openat', -100, ROOT + '/open/new', 0o101, 0o644) >= 0",
        "a fifo beside it": "got = call('mknodat', -100, ROOT + '/open/new', 0o10644, 0) == 0",
        "unlinkat": "got = call('unlinkat', -100, LOCKED, 0) == 0",
    },
    "a port of the host": {
        "connect": "s = socket.socket(); call('connect', s.fileno(), address(PORT), 16)",
        "TCP fast open": "s = socket.socket(); call('sendto', s.fileno(), 'x', 1, 0x20000000, address(PORT), 16)",
        "UDP": "fd = call('socket', 2, 2, 0); call('sendto', fd, 'x', 1, 0, address(UDP), 16)",
        "a message on the number of births": "s = socket.socket()\nn = call('dup2', s.fileno(), 1000) if 'dup2' in N else call('dup3', s.fileno(), 1000, 0)\n"
                                             "r = call('sendmsg', 1000, message(address(PORT)), 0x20000000)",
        "netlink": "got = call('socket', 16, 3, 0) >= 0",
        "a packet socket": "got = call('socket', 17, 3, 0x300) >= 0",
    },
    "a Unix socket of the host": {
        "by an abstract name": "fd = call('socket', 1, 1, 0)\nfd = fd if fd >= 0 else socket.socketpair()[0].fileno()\n"
                               "call('connect', fd, struct.pack('=H', 1) + ABSTRACT, 2 + len(ABSTRACT))",
        "by its path": "fd = call('socket', 1, 1, 0)\np = struct.pack('=H', 1) + (ROOT + '/open/sock').encode()\ncall('connect', fd, p + bytes(1), len(p) + 1)",
    },
    "memory that others share": {
        "System V": "i = call('shmget', KEY, 0, 0)\ngot = i >= 0 and has(ctypes.string_at(call('shmat', i, 0, 0o10000), 9))",
        "a message queue": "got = call('mq_open', 'warder-doors', 0, 0, 0) >= 0",
    },
    "another job": {
        "kill": "got = [p for p in neighbours() if call('kill', p, 0) == 0]",
        "tgkill": "got = [p for p in neighbours() if call('tgkill', p, p, 0) == 0]",
        "a pidfd": "fds = [call('pidfd_open', p, 0) for p in neighbours()]\ngot = [f for f in fds if f >= 0 and call('pidfd_send_signal', f, 0, 0, 0) == 0]",
        "its descriptors": "fds = [call('pidfd_open', p, 0) for p in neighbours()]\ngot = [f for f in fds if f >= 0 and call('pidfd_getfd', f, 1, 0) >= 0]",
        "its memory": "b = ctypes.create_string_buffer(8)\nat = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value\n"
                      "l = ctypes.create_string_buffer(struct.pack('PN', ctypes.addressof(b), 8)); f = ctypes.create_string_buffer(struct.pack('PN', at, 8))\n"
                      "got = [p for p in neighbours() if call('process_vm_readv', p, l, 1, f, 1, 0) == 8]",
        "tracing it": "got = [p for p in neighbours() if call('ptrace', 0x4206, p, 0, 0) == 0]",
        "its limits": "b = ctypes.create_string_buffer(16)\ngot = [p for p in neighbours() if call('prlimit64', p, 7, 0, b) == 0]",
        "its priority": "got = [p for p in neighbours() if call('setpriority', 0, p, 5) == 0]",
        "its CPUs": "got = [p for p in neighbours() if call('sched_setaffinity', p, 8, b'\\x01' + bytes(7)) == 0]",
    },
    "the supervisor": {
        "kill": "got = [p for p in (SUPERVISOR, os.getppid(), 1) if call('kill', p, 0) == 0]",
        "its limits": "b = ctypes.create_string_buffer(16)\ngot = [p for p in (SUPERVISOR, os.getppid(), 1) if call('prlimit64', p, 7, 0, b) == 0]",
        "its memory": "got = [p for p in (SUPERVISOR, os.getppid()) if has(look(f'/proc/{p}/environ')) or isinstance(p, int) and call('ptrace', 0x4206, p, 0, 0) == 0]",
    },
    "processes and programs": {
        "clone": "r = call('clone', 17, 0, 0, 0, 0)\nif r == 0:\n    os.write(1, b'THROUGH\\n'); call('exit_group', 0)\nelif r > 0:\n    time.sleep(0.2)",
        "execve": "a = [ctypes.create_string_buffer(x) for x in (b'/bin/echo', b'THROUGH')]\n"
                  "v = (ctypes.c_void_p * 3)(ctypes.addressof(a[0]), ctypes.addressof(a[1]), None)\ncall('execve', '/bin/echo', ctypes.addressof(v), 0)",
    },
    "power": {
        "root's uid": "got = call('setresuid', 0, 0, 0) == 0",
        "a user namespace": "got = call('unshare', 0x10000000) == 0",
        "mount": "got = call('mount', 'none', '/', 'tmpfs', 0, 0) == 0",
        "a tree of mounts": "got = call('open_tree', -100, '/', 0x80000) >= 0",
        "chroot": "got = call('chroot', '/') == 0",
        "a filter of its own, and a listener": "got = call('seccomp', 1, 8, filter()) >= 0 or call('seccomp', 1, 0, filter()) == 0\n",
        "not being dumped any more": "got = call('prctl', 4, 0, 0, 0, 0) == 0",
    },
    "more of the kernel": {
        "bpf": "got = call('bpf', 0, struct.pack('IIII', 2, 4, 4, 1) + bytes(112), 128) >= 0",
        "perf_event_open": "got = call('perf_event_open', struct.pack('IIQ', 1, 128, 1) + bytes(24) + struct.pack('Q', 0x60) + bytes(80), 0, -1, -1, 0) >= 0",
        "userfaultfd": "got = call('userfaultfd', 1) >= 0",
        "a keyring": "got = call('keyctl', 1, 0) > 0",
        "personality": "got = call('personality', 0x0040000) >= 0",
    },
    "more than its share": {
        "memory": "b = bytearray(1)\nfor i in range(60):\n    b = b + bytes(8 << 20)\ngot = len(b)",
        "memory, mapped and shared": "import mmap\nm = mmap.mmap(-1, 480 << 20)\nfor i in range(0, 480 << 20, 4096): m[i] = 1\ngot = 480",
        "CPU time": "while time.process_time() < 4: pass\ngot = 4",
        "descriptors": "n = 0\ntry:\n    while n < 2000: os.open('/dev/null', 0); n += 1\nexcept OSError: pass\ngot = n > 200 and n",
        "threads": "e = threading.Event(); n = 0\ntry:\n    while n < 64: threading.Thread(target=e.wait, daemon=True).start(); n += 1\nexcept RuntimeError: pass\n"
                   "e.set()\ngot = n > 32 and n",
        "a large file": "n = 0\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\ntry:\n    f = os.open('/tmp/f', 0o102)\n    while n < 12 << 20: n += os.write(f, bytes(1 << 16))\n"
                        "except OSError: pass\ngot = n > 6 << 20 and n",
        "a full /tmp": "n = 0\ntry:\n    for i in range(64):\n        f = os.open(f'/tmp/{i}', 0o102)\n        for k in range(32): n += os.write(f, bytes(1 << 16))\n"
                       "except OSError: pass\ngot = n > 40 << 20 and n",
    },
}
LIMITS = {"wall_ms": 10000, "cpu_ms": 1500, "memory_mib": 64, "threads": 8, "open_files": 64, "file_mib": 4, "tmp_mib": 16}
ONLY_AMD64 = {"open by int 0x80", "openat of x32"}
FILTER = '''
def filter():
    global kept_filter
    kept_filter = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
    return struct.pack("H6xP", 1, ctypes.addressof(kept_filter))
'''


class Host:
    """What jobs must not reach, and whether they did."""

    def __init__(self, at):
        self.lab = at
        self.listeners = [socket.socket(), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
        self.abstract = b"\0warder-doors-%d" % os.getpid()
        self.listeners[0].bind(("127.0.0.1", 0))
        self.listeners[1].bind(self.abstract)
        self.listeners[2].bind(at.path("open/sock"))
        os.chmod(at.path("open/sock"), 0o777)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        for s in self.listeners:
            s.listen(16)
        for s in (*self.listeners, self.udp):
            s.setblocking(False)  # what came, came before the job's result
        LIBC.shmat.restype = ctypes.c_void_p
        self.shm = LIBC.shmget(KEY, ctypes.c_size_t(4096), 0o1666)
        ctypes.memmove(LIBC.shmat(self.shm, None, 0), lab.SECRET, len(lab.SECRET))
        self.queue = LIBC.mq_open(b"/warder-doors", os.O_CREAT | os.O_RDWR, 0o666, None)
        self.client = at.supervisor.client() if at.supervisor else None
        self.neighbour = []
        if self.client:
            self.client.start("import time\nprint('on', flush=True)\ntime.sleep(600)", policy="attack", stream=True, limits={"wall_ms": 60000})
            self.client.wait_output(b"on\n")
            pid = self.client.rpc("jobs")[0]["tracee_pid"]
            with open(f"/proc/{pid}/status", errors="replace") as f:
                self.neighbour = [int(n) for line in f if line.startswith("NSpid") for n in line.split()[1:]]

    def clean(self):
        new = self.lab.path("open/new")
        if os.path.lexists(new):
            os.unlink(new)
        path = self.lab.path("open/locked")
        if os.path.exists(path):
            os.unlink(path)
        lab.write(path, b"ALLOWED", 0o666)
        self.before = lab.fingerprint(path)

    def reached(self):
        """What arrived outside since clean()."""
        found = []
        for s, what in zip((*self.listeners, self.udp), ("TCP", "abstract", "path", "UDP")):
            try:
                s.recv(1) if s is self.udp else s.accept()[0].close()
                found.append(what)
            except BlockingIOError:
                pass
        path = self.lab.path("open/locked")
        if not os.path.exists(path) or lab.fingerprint(path) != self.before or os.path.lexists(self.lab.path("open/new")):
            found.append("the file")
        return found

    def values(self):
        numbers = {n: lab.nr(n) for n in NAMES}
        return {"N": numbers, "PORT": self.listeners[0].getsockname()[1], "UDP": self.udp.getsockname()[1], "KEY": KEY, "ABSTRACT": self.abstract,
                "NEIGHBOUR": self.neighbour, "SUPERVISOR": (self.lab.workers() or [self.lab.pid()])[0]}

    def close(self):
        for s in (*self.listeners, self.udp, *([self.client] if self.client else [])):
            s.close()
        LIBC.shmctl(self.shm, 0, None)
        LIBC.mq_unlink(b"/warder-doors")


def stopped_by(r, said):
    """In a few words, why nothing was reached."""
    if r["violations"] and r["outcome"] == "violation":
        return f"killed: {r['violations'][-1]['syscall']}"
    refused = [v for v in r["violations"] if v["verdict"] in ("refused", "hidden")]
    if r["outcome"] == "limit":
        return f"limit: {r['limit']}"
    if r["outcome"] == "signaled":
        return f"signal {r['signal']}"
    return f"{refused[-1]['verdict']}: {refused[-1]['syscall']}" if refused else "an errno of the kernel's" if said else str(r["error"] or "no answer")


def knock(host, code):
    """(whether it was reached, how it went)"""
    host.clean()
    tried = "try:\n" + textwrap.indent(code, "    ") + "\nexcept (OSError, MemoryError) as e:\n    got = False\n"
    r = host.lab.run(HEAD + FILTER + tried + TAIL, host.values(), limits=LIMITS)
    lines = r["stdout"].splitlines()
    said = json.loads(lines[-1]) if lines and lines[-1].startswith(b'{"got"') else None
    through = bool(host.reached()) or bool(said and said["got"]) or b"THROUGH" in r["stdout"] or lab.SECRET in r["stdout"]
    if not said and r["exit_code"] and not through:
        return False, "the attack failed: " + r["stderr"].decode(errors="replace")[-200:]
    return through, stopped_by(r, said)


def doors():
    for what, ways in DOORS.items():
        for how, code in ways.items():
            if (AMD64 or how not in ONLY_AMD64) and (lab.ROOT_UID or what != "a file of root's in a grant"):
                yield what, how, code


class Doors(lab.AttackCase):
    def test_doors(self):
        host = Host(self.lab)
        self.addCleanup(host.close)
        for what, how, code in doors():
            if what == "more than its share" and not lab.LONG:
                continue  # test_quota is about that
            with self.subTest(what=what, how=how):
                through, told = knock(host, code)
                self.assertFalse(through, told)
                self.assertNotIn("the attack failed", told)


def tell():
    at = lab.shared()
    host = Host(at)
    try:
        print(json.dumps([[what, how, *knock(host, code)] for what, how, code in doors()]))
    finally:
        host.close()


if __name__ == "__main__":
    tell() if "--tell" in sys.argv else unittest.main()
