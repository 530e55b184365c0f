"""The same native calls on the same tree, in a job and outside: as many cells as can be are equal, and each that is not
belongs to a class of the table in supervisor/broker/README.md.

parity.c makes the calls, in three places: the job's /tmp, a granted directory, one that is granted for writing. Outside
these are directories of a root that holds nothing else; the granted one is root's there, since a job that lacks a right
is told EACCES.
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

import support

UID = 64998
STRIDE = 1 if support.LONG else 3  # of the cells in granted directories

# regular expressions of whole fields (place, call, case, answer outside, answer inside), and the class that explains the
# difference: a row of the table in supervisor/broker/README.md that begins so
ANY, ERROR = ".*", "E[A-Z0-9]+"
CLASSES = [
    (ANY, "name_to_handle_at|inotify_add_watch", ANY, ANY, "EOPNOTSUPP|ENOSYS", "inotify is ENOSYS"),
    (ANY, "openat2 CACHED", ANY, "EAGAIN", ANY, "`openat2` with `RESOLVE_CACHED` does not say EAGAIN"),
    (ANY, "renameat2 WHITEOUT", ANY, ANY, "EINVAL", "`RENAME_WHITEOUT` is EINVAL"),
    (ANY, "open PATH.*", ANY, ANY, ANY, "`O_PATH` opens as if for reading"),
    (ANY, ANY, "path-only.*", "EBADF|ok", ANY, "`O_PATH` opens as if for reading"),
    (ANY, ANY, "(fd of )?pipe.*", f"ok|{ERROR}", "EACCES", "pipes and sockets keep their modes"),
    (ANY, "flock.*|F_.*", ANY, f"ok|{ERROR}", "EACCES|ENOLCK", "`flock` and `fcntl` locks are for files"),
    (ANY, "l?getxattr|l?removexattr|setxattr.*|fsetxattr|fremovexattr|lremovexattr", ANY, "ok|EACCES|EPERM", "EOPNOTSUPP|ENODATA",
     "files have no extended attributes"),
    (ANY, "mknod (FIFO|SOCK)", ANY, "ok", "EPERM", "`mknod` makes regular files only"),
    (ANY, ANY, "new in root", "EACCES|EXDEV", "ENOENT", "a name outside the tree is ENOENT"),
    ("ro", ANY, ANY, f"ok|{ERROR}", "EACCES", "writing to a read-only grant is EACCES"),
    (ANY, ANY, "(fd of )?root.*|fd of root, \\.\\.", f"ok|{ERROR}", "EACCES", "writing to a read-only grant is EACCES"),
    (ANY, "open.*NOFOLLOW", ANY, "fd of 1.*, flags 40000.", "fd of 1.*, flags .", "`F_GETFL` does not show `O_NOFOLLOW`"),
    (ANY, "(open|openat|openat2) .*CREAT|creat", "file link with slash", "EISDIR", "ENOTDIR", "`O_CREAT` through a link whose text ends in a slash"),
    (ANY, ANY, "name of 256|path of 4096|(missing )?in locked", ERROR, "ENAMETOOLONG|ENOENT", "of two mistakes in one call"),
]

RUN = """
import ctypes, os, sys
lib = ctypes.CDLL({lib!r})
{outside}
for place, base in (("tmp", "/tmp/w"), ("ro", {root!r} + "/ro/w"), ("rw", {root!r} + "/rw/w")):
    lib.parity_run(base.encode(), place.encode(), place == "ro", 1 if place == "tmp" else {stride})
"""
OUTSIDE = """
os.chroot(sys.argv[1])
os.chdir("/tmp")
os.setgroups([])
os.setresgid({uid}, {uid}, {uid})
os.setresuid({uid}, {uid}, {uid})
"""
SHELL = """
set -e
new=$1 root=$2; shift 2
mount -t tmpfs -o mode=755 none "$new"
mkdir -p "$new/tmp" "$new$root/ro" "$new$root/rw"
mount -t tmpfs -o mode=1777,uid={uid},gid={uid} none "$new/tmp"
mount --bind "$root/ro" "$new$root/ro"
mount --bind "$root/rw-outside" "$new$root/rw"
exec "$@"
"""


def write(path, data, mode):
    with open(path, "w") as f:
        f.write(data)
    os.chmod(path, mode)


def make_read_only(w):
    """As make_tree in parity.c, but root's."""
    for name in ("", "/dir", "/empty", "/locked"):
        os.mkdir(w + name)
    for name in ("dir/inner", "locked/inner"):
        write(f"{w}/{name}", "inner", 0o644)
    for name, data, mode in (("file", "text", 0o644), ("other", "other", 0o644), ("shut", "shut", 0)):
        write(f"{w}/{name}", data, mode)
    for name, target in (("link", "file"), ("dlink", "dir"), ("dangling", "nothing"), ("loop", "loop"), ("up", "../w/file"),
                         ("intolocked", "locked/inner"), ("slashed", "dir/"), ("fslashed", "file/"), ("farther", "dlink/inner")):
        os.symlink(target, f"{w}/{name}")
    os.chmod(w + "/locked", 0)


def table(out):
    rows = {}
    for line in out.decode().splitlines():
        place, call, case, answer = line.split("\t")
        rows[place, call, case] = answer
    return rows


def explained(key, outside, inside):
    for place, call, case, was, now, why in CLASSES:
        fields = ((place, key[0]), (call, key[1]), (case, key[2]), (was, outside), (now, inside))
        if all(re.fullmatch(pattern, field) for pattern, field in fields):
            return why
    return None


@unittest.skipUnless(support.IS_ROOT, "capability: root makes the tree outside")
class Parity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="warder-parity-", dir="/var/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.root, True)
        os.chmod(cls.root, 0o755)
        for name, mode in (("ro", 0o755), ("rw", 0o777), ("rw-outside", 0o777), ("lib", 0o755), ("new", 0o755), ("policies", 0o755)):
            os.mkdir(os.path.join(cls.root, name))
            os.chmod(os.path.join(cls.root, name), mode)
        make_read_only(os.path.join(cls.root, "ro", "w"))
        cls.lib = os.path.join(cls.root, "lib", "parity.so")
        shutil.copy(os.path.join(support.BUILD, "tests", "parity.so"), cls.lib)
        os.chmod(cls.lib, 0o755)
        for name in os.listdir(support.POLICIES):
            if name.endswith(".yaml"):
                shutil.copy(os.path.join(support.POLICIES, name), os.path.join(cls.root, "policies"))
        write(os.path.join(cls.root, "policies", "parity.yaml"), textwrap.dedent(f"""\
            name: parity
            extends: python3
            language: python3
            limits: {{wall_ms: 60000, cpu_ms: 60000, output_kib: 65536}}
            files:
              - {{path: {cls.root}/lib, rights: [read, list]}}
              - {{path: {cls.root}/ro, rights: [read, list]}}
              - {{path: {cls.root}/rw, rights: [read, write, create, list]}}
            """), 0o644)

    def outside(self):
        code = RUN.format(lib=self.lib, root=self.root, stride=STRIDE, outside=OUTSIDE.format(uid=UID))
        command = ["unshare", "--mount", "sh", "-c", SHELL.format(uid=UID), "sh", self.root + "/new", self.root,
                   support.PYTHON, "-c", code, self.root + "/new"]
        p = subprocess.run(command, capture_output=True, timeout=120)
        self.assertEqual(p.returncode, 0, p.stderr[-2000:])
        return table(p.stdout)

    def inside(self):
        supervisor = support.Supervisor("--policy-dir", self.root + "/policies")
        self.addCleanup(supervisor.stop)
        with supervisor.client(timeout=90) as client:
            r = client.run(RUN.format(lib=self.lib, root=self.root, stride=STRIDE, outside=""), policy="parity")
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 0), (r["error"], r["limit"], r["stderr"][-2000:], r["violations"][-3:]))
        return table(r["stdout"])

    def test_every_difference_is_meant(self):
        outside, inside = self.outside(), self.inside()
        self.assertEqual(sorted(outside), sorted(inside))
        differing = {k: (outside[k], inside[k]) for k in outside if outside[k] != inside[k]}
        classes, unexplained = collections.Counter(), []
        for key, (was, now) in differing.items():
            why = explained(key, was, now)
            classes[why] += 1
            if why is None:
                unexplained.append("%-4s %-30s %-24s outside %-28s inside %s" % (*key, was, now))
        lines = [f"{len(outside) - len(differing)} of {len(outside)} cells are equal"]
        lines += [f"  {n:5d} differ: {why}" for why, n in classes.most_common() if why]
        print("\n".join(lines), file=sys.stderr)
        with open(os.path.join(support.ROOT, "supervisor", "broker", "README.md")) as f:
            told = f.read()
        self.assertEqual([], [row[-1] for row in CLASSES if "\n| " + row[-1] not in told])
        self.assertEqual([], unexplained, "\n".join([str(len(unexplained))] + unexplained))


if __name__ == "__main__":
    unittest.main()
