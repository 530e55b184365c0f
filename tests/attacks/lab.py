"""The place in which the attacks happen: files that a job may read, files that it must not, a supervisor between them.

Each attack is Python code that runs as a job (most of it loads native code from the granted `lib` directory), and
tells what it saw as one JSON line; the test compares that with what it sees from outside. With WARDER_OUTSIDE=1, as
root, the same code runs in a plain interpreter as an unprivileged user, without any supervisor: then most tests must
fail, which shows that their attacks bite.
"""
import atexit
import collections
import ctypes
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import textwrap
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import support  # noqa: E402

LONG = support.LONG
OUTSIDE = os.environ.get("WARDER_OUTSIDE") == "1"
OUTSIDE_UID = 64999  # nobody else's: an attack that signals all it may reaches only itself
ROOT_UID = os.getuid() == 0
SECRET_SIZE = 7777  # as in flip.c
SECRET = b"FORBIDDEN"

PRELUDE = '''
import ctypes, errno, json, os, signal, sys, threading, time
ROOT = {root!r}
def so(name):
    return ctypes.CDLL(ROOT + "/lib/" + name + ".so")
TRANSLATED = {nrs!r}
_raw = so("raw")
_kept = []
def register(a):
    if isinstance(a, str):
        a = a.encode()
    if isinstance(a, bytes):
        a = ctypes.create_string_buffer(a)
    if isinstance(a, int):
        return ctypes.c_long(a if a < 1 << 63 else a - (1 << 64))
    _kept.append(a)
    return ctypes.c_long(ctypes.addressof(a))
def raw(nr, *args, door="raw"):
    """A call by its x86-64 number. Elsewhere it has another; the oldest calls are said there by newer ones."""
    if nr & 0xffffffff in TRANSLATED:
        mine, shape = TRANSLATED[nr & 0xffffffff]
        nr = nr & ~0xffffffff | mine
        args = [args[int(x[1:])] if isinstance(x, str) else x for x in shape if not isinstance(x, str) or int(x[1:]) < len(args)] if shape else args
    f = getattr(_raw, door)
    f.restype = ctypes.c_long
    return f(*[register(a) for a in (nr, *args, *[0] * (6 - len(args)))])
def tell(**facts):
    print(json.dumps(facts), flush=True)
def err(call, *args, **more):
    """The name of the errno that a call gives; what it returned, when it gave none."""
    try:
        return call(*args, **more)
    except OSError as e:
        return errno.errorcode[e.errno]
def look(path, flags=os.O_RDONLY, at=-100):
    """The first bytes of a file, or the name of an errno."""
    fd = raw(257, at, path, flags, 0)
    if fd < 0:
        return name(fd)
    try:
        return os.read(fd, 20).decode("latin-1")
    except OSError as e:
        return errno.errorcode[e.errno]
    finally:
        os.close(fd)
def name(ret):
    return errno.errorcode.get(-ret, str(ret)) if -4096 < ret < 0 else ret
'''

_seccomp = ctypes.CDLL("libseccomp.so.2")


MACHINE = os.uname().machine
X86_64, AARCH64 = 0xc000003e, 0xc00000b7  # as the kernel's audit has them
AT, NOFOLLOW, REMOVEDIR, ABSENT = -100, 0x100, 0x200, 1000
# how arm64 says what it never had: the newer call and its arguments, of which "a0" is the older one's first
OLDER = {
    "open": ("openat", AT, "a0", "a1", "a2"), "creat": ("openat", AT, "a0", 0o1101, "a1"), "stat": ("newfstatat", AT, "a0", "a1", 0),
    "lstat": ("newfstatat", AT, "a0", "a1", NOFOLLOW), "access": ("faccessat", AT, "a0", "a1"), "readlink": ("readlinkat", AT, "a0", "a1", "a2"),
    "mkdir": ("mkdirat", AT, "a0", "a1"), "rmdir": ("unlinkat", AT, "a0", REMOVEDIR), "unlink": ("unlinkat", AT, "a0", 0),
    "rename": ("renameat", AT, "a0", AT, "a1"), "link": ("linkat", AT, "a0", AT, "a1", 0), "symlink": ("symlinkat", "a0", AT, "a1"),
    "chmod": ("fchmodat", AT, "a0", "a1"), "chown": ("fchownat", AT, "a0", "a1", "a2", 0), "lchown": ("fchownat", AT, "a0", "a1", "a2", NOFOLLOW),
    "mknod": ("mknodat", AT, "a0", "a1", "a2"), "utimes": ("utimensat", AT, "a0", 0, 0), "utime": ("utimensat", AT, "a0", 0, 0),
    "futimesat": ("utimensat", "a0", "a1", 0, 0), "dup2": ("dup3", "a0", "a1", 0), "pipe": ("pipe2", "a0", 0), "fork": ("clone", 17, 0),
    "vfork": ("clone", 0x4111, 0), "getdents": ("getdents64", "a0", "a1", "a2"), "inotify_init": ("inotify_init1", 0),
    "eventfd": ("eventfd2", "a0", 0), "epoll_create": ("epoll_create1", 0), "signalfd": ("signalfd4", "a0", "a1", "a2", 0),
}


def nr(name):
    """The number of a system call on x86-64, which raw() translates."""
    number = _seccomp.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(X86_64), name.encode())
    assert number >= 0, name
    return number


def own_name(name):
    """What this machine calls it: the newer call, where it has no older one."""
    return OLDER[name][0] if MACHINE == "aarch64" and name in OLDER else name


def own_nr(name):
    """Its number here, for what raw() does not translate."""
    return _seccomp.seccomp_syscall_resolve_name(own_name(name).encode())


def translations():
    """{x86-64 number: (this machine's, shape of its arguments or None)}; empty on x86-64. What is missing here is a number that nobody has."""
    found = {}
    if MACHINE == "x86_64":
        return found
    resolve = _seccomp.seccomp_syscall_resolve_num_arch
    resolve.restype = ctypes.c_void_p
    for number in range(424):
        at = resolve(ctypes.c_uint32(X86_64), number)
        if not at:
            continue
        name = ctypes.string_at(at).decode()
        newer, *shape = OLDER.get(name, (name,))
        mine = _seccomp.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(AARCH64), newer.encode())
        found[number] = (mine if mine >= 0 else ABSENT, shape or None)
    return found


TRANSLATIONS = translations()


def write(path, data, mode):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


class Lab:
    """A directory tree, and a supervisor that grants some of it."""

    def __init__(self, start=True, prefix=(), options=("--workers", "1")):
        # below /var/tmp: a job's /tmp is its own
        self.root = tempfile.mkdtemp(prefix="warder-attack-", dir="/var/tmp")
        os.chmod(self.root, 0o755)
        self.supervisor = None
        try:
            self._fill()
            if start and not OUTSIDE:
                self.supervisor = support.Supervisor(*options, "--policy-dir", self.path("policies"), prefix=prefix)
        except BaseException:
            self.close()
            raise

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def _fill(self):
        for name in ("open", "deny", "lib", "odd", "policies"):
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o755)
        # the host lets everybody write here: only the broker makes it read-only
        os.chmod(self.path("open"), 0o777)
        write(self.path("open/secret"), b"ALLOWED " * 100, 0o666)
        write(self.path("open/locked"), b"ALLOWED", 0o666)
        write(self.path("deny/secret"), (SECRET + b" ") * 1000, 0o666)
        os.truncate(self.path("deny/secret"), SECRET_SIZE)
        os.symlink("harmless", self.path("open/link"))
        os.symlink("FORBIDDEN-TARGET", self.path("deny/link"))
        self._fill_odd()
        for name in ("raw", "flip", "storm", "measure", "net", "onload", "tables", "fuzz"):
            shutil.copy(os.path.join(support.BUILD, "tests", name + ".so"), self.path("lib"))
            os.chmod(self.path("lib", name + ".so"), 0o755)
        self._fill_policies()

    def _fill_odd(self):
        odd = self.path("odd")
        os.symlink("../deny/secret", odd + "/out-relative")
        os.symlink(self.path("deny/secret"), odd + "/out-absolute")
        os.symlink("../deny", odd + "/out-directory")
        os.symlink("/proc/self/root/etc/passwd", odd + "/out-magic")
        os.symlink("loop", odd + "/loop")
        os.symlink("../open/secret", odd + "/to-allowed")
        os.mkfifo(odd + "/fifo", 0o666)
        os.chmod(odd + "/fifo", 0o666)
        write(odd + "/private", SECRET, 0o600)
        write(odd + "/inner", b"ALLOWED", 0o644)
        if ROOT_UID:
            os.mknod(odd + "/mem", 0o666 | stat.S_IFCHR, os.makedev(1, 1))
            os.chmod(odd + "/mem", 0o666)
            os.mknod(odd + "/tty", 0o666 | stat.S_IFCHR, os.makedev(5, 0))
            os.chmod(odd + "/tty", 0o666)

    def _fill_policies(self):
        for name in os.listdir(support.POLICIES):
            if name.endswith(".yaml"):
                shutil.copy(os.path.join(support.POLICIES, name), self.path("policies"))
        rows = "".join(f"  - {{path: {self.path(d)}, rights: [read, list]}}\n" for d in ("open", "lib", "odd"))
        for name, language in (("attack", "python3"), ("attack_node", "nodejs")):
            self._fill_policy(name, language, rows)

    def _fill_policy(self, name, language, rows):
        text = (f"name: {name}\nextends: {language}\nlanguage: {language}\nfiles:\n" + rows +
                "limits: {cpu_ms: 600000}\n"  # threads that race burn it
                "callers_may:\n  limits: {wall_ms: 60000, cpu_ms: 600000, memory_mib: 1024, output_kib: 65536,"
                " threads: 512, tmp_mib: 256, open_files: 1000}\n")
        with open(self.path(f"policies/{name}.yaml"), "w") as f:
            f.write(text)

    # --- running an attack --------------------------------------------------------------------------------------

    def code(self, text, **values):
        """The attack's whole source; {names} in capitals of `values` are set as variables."""
        head = PRELUDE.format(root=self.root, nrs=TRANSLATIONS)
        sets = "".join(f"{k} = {v!r}\n" for k, v in values.items())
        return head + sets + textwrap.dedent(text)

    def run(self, text, values=None, **fields):
        """Runs an attack as a job; the result map."""
        code = self.code(text, **(values or {}))
        if OUTSIDE:
            return self._run_outside(code, fields)
        if support.SLOW > 1:
            fields["limits"] = {"wall_ms": 60000, **fields.get("limits", {})}
        wall_ms = fields.get("limits", {}).get("wall_ms", 15000)
        with self.supervisor.client(timeout=wall_ms / 1000 + support.DEADLINE) as client:
            return client.run(code, policy="attack", **fields)

    def _run_outside(self, code, fields):
        wall = fields.get("limits", {}).get("wall_ms", 15000) / 1000
        # a /tmp of its own, as a job has; what is left there goes with the mount
        shell = "mount -t tmpfs -o mode=1777 none /tmp && cd /tmp && " \
                f"exec setpriv --reuid {OUTSIDE_UID} --regid {OUTSIDE_UID} --clear-groups \"$@\""
        command = ["unshare", "--mount", "sh", "-c", shell, "sh", support.PYTHON, "-c", code]
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                             start_new_session=True)
        try:
            out, errors = p.communicate(timeout=wall)
            outcome = "exited" if p.returncode >= 0 else "signaled"
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, 9)
            out, errors = p.communicate()
            outcome = "limit"
        return {"outcome": outcome, "exit_code": p.returncode if outcome == "exited" else None,
                "signal": -p.returncode if outcome == "signaled" else None,
                "limit": "wall_time" if outcome == "limit" else None, "stdout": out, "stderr": errors,
                "stdout_truncated": False, "violations": [], "error": None, "layers": [], "limits_hit": []}

    def pid(self):
        """The supervisor's; outside, the test's own."""
        return self.supervisor.proc.pid if self.supervisor else os.getpid()

    def workers(self):
        return [p for p in children(self.pid()) if command(p) == "warderd-worker"] if self.supervisor else []

    def zygotes(self):
        return [z for w in self.workers() for z in children(w) if command(z) != "warderd-midwife"]

    def processes(self):
        """Keeper, front, workers and zygotes: what must outlive every job."""
        return [self.pid(), *children(self.pid()), *self.zygotes()] if self.supervisor else []

    def held(self):
        workers = self.workers()
        return Held(sum(len(os.listdir(f"/proc/{p}/fd")) for p in workers if ROOT_UID), sum(len(children(p)) for p in workers),
                    sum(len(children(z)) for z in self.zygotes()))

    def held_at_rest(self):
        """What is held once no job runs and no birth is under way: a newborn is a tracee before its worker has its descriptors."""
        def at_rest():
            if not self.supervisor:
                return self.held()
            with self.supervisor.client() as c:
                pool = c.rpc("status")["pool"]
            now = self.held()
            return now if pool["running"] == 0 and pool["waiting"] == now.tracees else None
        return support.eventually(at_rest)

    def close(self):
        if self.supervisor:
            self.supervisor.stop()
            self.supervisor = None
        shutil.rmtree(self.root, ignore_errors=True)


# Of all workers: their descriptors, which root alone may count (0 otherwise); their children; and these zygotes' tracees.
Held = collections.namedtuple("Held", "descriptors children tracees")


def is_little_more(now, before, descriptors, children):
    """Pools grow while jobs wait together, and each tracee that waits has 5 descriptors; so many `descriptors` and `children` beside that."""
    more = Held(*(n - b for n, b in zip(now, before)))
    return more.descriptors <= 5 * max(0, more.tracees) + descriptors and more.children <= children


_shared = None


def shared():
    """One lab for all modules of a run: the supervisor that answers the last attack has survived all before it."""
    global _shared
    if OUTSIDE and _shared:  # the attack before may have had its way
        _shared.close()
        _shared = None
    if _shared is None:
        _shared = Lab()
        atexit.register(lambda: _shared.close())
        _shared.run("pass")  # from here on the zygote is there
    return _shared


def processes():
    """{pid: parent} of every process that still has a state of its own; zombies count."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", errors="replace") as f:
                found[int(pid)] = int(f.read().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def children(pid):
    return sorted(p for p, parent in processes().items() if parent == pid)


def command(pid):
    """Its name, as ps shows it; empty when it has gone."""
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def fingerprint(path):
    """All that a job could have changed of a host's file."""
    st = os.lstat(path)
    data = None
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as f:
            data = f.read()
    return (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_size, st.st_mtime_ns,
            tuple(os.listxattr(path, follow_symlinks=False)), data)


def tree(path):
    """The fingerprints of a directory and everything below it."""
    names = [path]
    for directory, dirs, files in os.walk(path):
        names += [os.path.join(directory, n) for n in dirs + files]
    return {n: fingerprint(n) for n in names}


class AttackCase(unittest.TestCase):
    """Runs attacks in the shared lab; after each the supervisor must still answer a harmless job."""

    maxDiff = None

    def setUp(self):
        self.lab = shared()

    def tearDown(self):
        r = self.lab.run("print('alive')")
        self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"alive\n"), r)

    def attack(self, text, values=None, **fields):
        return self.lab.run(text, values, **fields)

    def told(self, r, code=0):
        """What the job told with its last line, given that it came to its end."""
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", code), brief(r))
        return json.loads(r["stdout"].splitlines()[-1])

    def ask(self, text, values=None, **fields):
        return self.told(self.attack(text, values, **fields))

    def assertKilledFor(self, r, name):
        self.assertEqual(r["outcome"], "violation", brief(r))
        last = r["violations"][-1]
        self.assertEqual((last["verdict"], last["syscall"], last["errno"]), ("killed", name, None), brief(r))
        return last


def brief(r):
    keys = ("outcome", "exit_code", "signal", "limit", "error", "stdout", "stderr", "violations")
    return "\n".join(f"{k}: {str(r.get(k))[-1500:]}" for k in keys)
