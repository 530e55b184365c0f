"""Grants to write: what a job plants there leads nobody out, neither itself nor a job that is granted a part of it."""
import os
import shutil
import tempfile
import unittest

import lab
import support

PLANT = """
import os, json
out = OUT
def got(f, *args, **kw):
    try:
        return f(*args, **kw)
    except OSError as e:
        return e.errno and None
leaks = []
def read(path, **kw):
    fd = got(os.open, path, os.O_RDONLY, **kw)
    if fd is not None:
        try:
            data = os.read(fd, 100)
        except OSError:
            data = str(sorted(os.listdir(fd))).encode()
        os.close(fd)
        if b"FORBIDDEN" in data:
            leaks.append(path)
"""


class WriteGrants(unittest.TestCase):
    def setUp(self):
        self.lab = lab.shared()
        if lab.OUTSIDE:
            self.skipTest("missing: a supervisor to grant things")
        self.host = tempfile.mkdtemp(prefix="warder-attack-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, self.host)
        os.chmod(self.host, 0o755)
        for name in ("out", "out/a", "out/b", "seen", "deny"):
            os.mkdir(os.path.join(self.host, name))
            os.chmod(os.path.join(self.host, name), 0o777)
        self.put("deny/secret", "FORBIDDEN")
        self.put("seen/file", "seen")
        self.before = lab.tree(os.path.join(self.host, "deny")), lab.tree(os.path.join(self.host, "seen"))

    def put(self, name, text):
        path = os.path.join(self.host, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o666)

    def path(self, *names):
        return os.path.join(self.host, *names)

    def grants(self, read=(), write=()):
        return {"read": [self.path(n) for n in read], "write": [self.path(n) for n in write]}

    def ask(self, text, grants, **values):
        r = self.lab.run(PLANT.replace("OUT", repr(self.path("out"))) + text, values, grants=grants)
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 0), lab.brief(r))
        self.assertEqual(self.before, (lab.tree(self.path("deny")), lab.tree(self.path("seen"))))
        return r["stdout"].decode().split("\n")[-2]

    def test_planted_links(self):
        """Every kind of link to what is not granted, looked through by every kind of name."""
        told = self.ask("""
for i, target in enumerate(["../deny", DENY, DENY + "/secret", "../deny/secret", "/proc/self/root" + DENY, "a/../../deny",
                            "../../" + DENY.split("/")[-2] + "/deny", "/proc/1/root" + DENY]):
    os.symlink(target, f"{out}/l{i}")
    os.symlink(f"l{i}", f"{out}/m{i}")
d = os.open(out, os.O_RDONLY)
for i in range(8):
    for l in "lm":
        for tail in ("", "/secret", "/../deny/secret", "/.", "/"):
            read(f"{out}/{l}{i}{tail}")
            read(f"{l}{i}{tail}", dir_fd=d)
            read(f"{out}/a/../{l}{i}{tail}")
        for flags in (os.O_WRONLY, os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_TRUNC):
            fd = got(os.open, f"{out}/{l}{i}/secret", flags)
            if fd is not None: leaks.append(f"write {l}{i}")
        for f in (os.unlink, os.rmdir): got(f, f"{out}/{l}{i}/secret")
        for args in ((os.chmod, 0o777), (os.utime, (1, 1)), (os.truncate, 0)):
            if got(args[0], f"{out}/{l}{i}/secret", args[1]) is not None: leaks.append(args[0].__name__)
        got(os.rename, f"{out}/{l}{i}/secret", f"{out}/stolen"); read(f"{out}/stolen")
        got(os.link, f"{out}/{l}{i}/secret", f"{out}/hard"); read(f"{out}/hard")
        got(os.mkdir, f"{out}/{l}{i}/made")
print(leaks)
""", self.grants(write=["out"]), DENY=self.path("deny"))
        self.assertEqual(told, "[]")

    def test_names_do_not_come_to_more_rights(self):
        """Between a grant to write and one to read nothing moves, so that no right is won or lost on the way."""
        told = self.ask("""
seen, won = SEEN, []
for f in (os.rename, os.link, os.replace):
    for a, b in ((seen + "/file", out + "/won"), (seen, out + "/won"), (out + "/a", seen + "/a"), (out + "/mine", seen + "/file")):
        open(out + "/mine", "w").close()
        try:
            f(a, b)
            won.append((f.__name__, a, b))
        except OSError:
            pass
os.symlink(seen, out + "/by-link")
for flags in (os.O_WRONLY, os.O_RDWR | os.O_CREAT, os.O_RDONLY | os.O_TRUNC):
    for path in (out + "/by-link/file", out + "/by-link/new"):
        try:
            os.open(path, flags)
            if flags != os.O_RDONLY: won.append((path, flags))
        except OSError:
            pass
print(won)
""", self.grants(read=["seen"], write=["out"]), SEEN=self.path("seen"))
        self.assertEqual(told, "[]")

    def test_swaps_beside_another_job(self):
        """One job turns a directory into a link and back, as fast as it can, while another reads below it."""
        swap = PLANT.replace("OUT", repr(self.path("out"))) + """
import time
os.symlink("../deny", out + "/link")
end = time.monotonic() + SECONDS
while time.monotonic() < end:
    for a, b in (("a", "kept"), ("link", "a"), ("a", "link"), ("kept", "a")):
        got(os.rename, f"{out}/{a}", f"{out}/{b}")
print("done")
"""
        look = PLANT.replace("OUT", repr(self.path("out"))) + """
import time
end = time.monotonic() + SECONDS
n = 0
d = os.open(out, os.O_RDONLY)
while time.monotonic() < end:
    for path in ("a/secret", "a/../a/secret", "a", "./a/"):
        read(f"{out}/{path}")
        read(path, dir_fd=d)
    n += 1
print(leaks, n > 10)
"""
        seconds = 20 if support.LONG else 1.5
        head = f"SECONDS = {seconds}\n"
        limits = {"wall_ms": 60000}
        with self.lab.supervisor.client(timeout=120) as c:
            ids = [c.start(head + swap, policy="attack", grants=self.grants(write=["out"]), limits=limits),
                   c.start(head + look, policy="attack", grants=self.grants(read=["out"]), limits=limits),
                   c.start(head + look, policy="attack", grants=self.grants(read=["out"], write=["out/b"]), limits=limits)]
            told = [c.wait(i) for i in ids]
        self.assertEqual([r["stdout"] for r in told], [b"done\n", b"[] True\n", b"[] True\n"], [lab.brief(r) for r in told])
        self.assertEqual(self.before[0], lab.tree(self.path("deny")))

    def test_swaps_before_a_job_is_admitted(self):
        """The granted path itself is swapped for a link while jobs that ask for it come in: a caller who is bound gets the
        directory or a refusal."""
        swap = PLANT.replace("OUT", repr(self.path("out"))) + """
import time
os.symlink("../deny", out + "/link")
end = time.monotonic() + SECONDS
while time.monotonic() < end:
    for a, b in (("a", "kept"), ("link", "a"), ("a", "link"), ("kept", "a")):
        got(os.rename, f"{out}/{a}", f"{out}/{b}")
print("done")
"""
        policies, config = self.path("policies"), self.path("warder.yaml")
        shutil.copytree(self.lab.path("policies"), policies)
        with open(os.path.join(policies, "bound.yaml"), "w") as f:
            f.write("name: bound\nextends: python3\nlanguage: python3\n"
                    f"callers_may: {{read: [{self.path('out')}], write: [{self.path('out')}]}}\n")
        with open(config, "w") as f:
            f.write("operators: [65533]\n")
        supervisor = support.Supervisor("--policy-dir", policies, "--config", config)
        self.addCleanup(supervisor.stop)
        seconds = 20 if support.LONG else 2
        seen = set()
        with supervisor.client(timeout=60) as c:
            swapper = c.start(f"SECONDS = {seconds}\n" + swap, policy="bound", grants=self.grants(write=["out"]),
                              limits={"wall_ms": 60000})
            while swapper not in c.answers:
                try:
                    r = c.run(f"import os; print(os.path.exists({self.path('out/a/secret')!r}))", policy="bound",
                              grants=self.grants(read=["out/a"]))
                    seen.add(r["stdout"])
                except support.RpcError as e:
                    self.assertIn(e.code, ("not_permitted", "bad_request"))
                    seen.add(e.code)
            self.assertEqual(c.wait(swapper)["stdout"], b"done\n")
        self.assertNotIn(b"True\n", seen)
        self.assertIn(b"False\n", seen)


if __name__ == "__main__":
    unittest.main()
