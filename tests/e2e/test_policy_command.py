"""`warder policy check|show|diff|explain`: without a supervisor."""
import glob
import json
import os
import tempfile
import unittest

import support


class PolicyCommand(unittest.TestCase):
    def policy(self, *args, status=0):
        done = support.warder("policy", *args)
        self.assertEqual(done.returncode, status, (args, done))
        return done.stdout.decode()

    def file(self, text):
        folder = tempfile.TemporaryDirectory(prefix="warder-policy-")
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "p.yaml")
        with open(path, "w") as f:
            f.write(text)
        return path

    def explain(self, *args, **kw):
        return json.loads(self.policy("explain", *args, "--json", **kw))

    def test_check(self):
        good = sorted(glob.glob(support.POLICIES + "/*.yaml"))
        self.assertEqual(self.policy("check", *good), "".join(f"{f}: ok\n" for f in good))
        bad = self.file("name: p\nextends: python3\nsyscalls:\n  g:\n    why: x\n    allow: [mount, nonsense]\nfoo\x1b: 1\n")
        told = self.policy("check", good[0], bad, status=1).splitlines()
        self.assertEqual(told[0], f"{good[0]}: ok")
        bad = self.file("name: p\nextends: python3\nsyscalls:\n  g:\n    why: x\n    allow: [mount, nonsense]\nfoo: 1\n")
        told = "\n".join(sorted(self.policy("check", bad, status=1).splitlines()))
        self.assertRegex(told, rf"^{bad}:6:13: mount: on the floor.*\n{bad}:6:20: nonsense: unknown system call\n{bad}:7:1: .*foo")
        self.assertIn("ENOENT", self.policy("check", "/nonexistent.yaml", status=1).replace("No such file or directory", "ENOENT"))

    def test_thousands_of_files(self):
        """A policy may grant ten thousand names; one more is told."""
        for n, status, want in ((10000, 0, "ok"), (10001, 1, "files: more than 10000")):
            lines = "".join(f"- {{path: /srv/data/f{i:05}, rights: [read]}}\n" for i in range(n))
            self.assertIn(want, self.policy("check", self.file("name: p\nextends: python3\nfiles:\n" + lines), status=status))

    def test_show_and_diff(self):
        mine = self.file("name: p\nextends: python3\nfiles: [{path: /srv, rights: [read]}]\nsyscalls:\n"
                         "  g:\n    why: x\n    allow: [readahead]\n    refuse: {acct: EPERM}\nnetwork: [{connect: '10.0.0.0/8:443'}]\n".replace(
                             "    refuse: {acct: EPERM}\n", "    allow_if: [{call: personality, arg: 0, in: [8]}]\n").replace(
                             "    allow: [readahead]\n", ""))
        self.assertIn("\ncall openat broker  # base.yaml:", self.policy("show", "python3"))
        self.assertEqual(self.policy("diff", "python3", "python3"), "")
        self.assertEqual([line.partition("  #")[0] for line in self.policy("diff", "python3", mine, status=1).splitlines()],
                         ["+ call personality allow if arg 0 is one of 0x8", "+ file /srv read", "+ connect 10.0.0.0/8:443-443"])

    def test_what_cannot_be_answered(self):
        """One status for it, 125; 1 says that files are wrong (check) or differ (diff)."""
        wrong = self.file("name: p\nfoo: 1\n")
        for args in (["show", "nobody"], ["show", wrong], ["diff", "python3", "nobody"], ["diff", "nobody", "python3"], ["explain", "nonsense"],
                     ["explain", "read", "--policy", "nobody"], ["explain", "openat", "x"], ["explain", "connect", "nowhere:x"], ["fly"], ["show"],
                     ["check"], []):
            with self.subTest(args):
                done = support.warder("policy", *args)
                self.assertEqual((done.returncode, done.stdout, bool(done.stderr)), (125, b"", True), done)

    def test_explain_says_what_is_no_object(self):
        for args, words in ((("openat", "etc/shadow"), "etc/shadow: must be an absolute path"), (("openat", ""), ": must be an absolute path"),
                            (("connect", "/run/x\x1b"), r"/run/x\x1b: must be HOST:PORT; a job reaches no socket by path"),
                            (("stat", "10.0.0.1:80"), "10.0.0.1:80: must be an absolute path")):
            with self.subTest(args):
                done = support.warder("policy", "explain", *args)
                self.assertEqual((done.returncode, done.stderr.decode()), (125, f"warder policy explain: {words}\n"))

    def test_explain(self):
        for args, verdict, hint in [
            ("openat /etc/shadow", "hidden", 'grants.read: ["/etc/shadow"]'),
            ("openat /etc/shadow --write", "hidden", 'grants.write: ["/etc/shadow"]'),
            ("openat /etc/localtime", "brokered", None),
            ("openat /etc/localtime --write", "refused", 'grants.write: ["/etc/localtime"]'),
            ("openat /proc/self/status", "brokered", None),
            ("openat /tmp/x --write", "brokered", None),
            ("openat /sys/kernel", "hidden", "nothing can grant it: "),
            ("mkdir /srv/x", "hidden", 'grants.write: ["/srv"]'),
            ("connect 10.0.0.1:443", "refused", 'grants.connect: ["10.0.0.1:443"]'),
            ("connect example.com:443", "refused", 'grants.connect: ["example.com:443"]'),
            ("ptrace", "killed", "nothing can allow it: reads or changes"),
            ("vmsplice", "refused", "allow: [vmsplice] in a group of the policy's syscalls"),
            ("execve", "killed", "nothing can allow it: a new program image"),
            ("fork", "refused", "nothing can allow it: a job is one process"),
            ("listen", "refused", "nothing can allow it: "),
            ("sendmmsg", "refused", "sockets: [{family: inet, type: dgram"),
            ("ioctl", "depends on its arguments", None),
            ("read", "allowed", None),
        ]:
            with self.subTest(args):
                told = self.explain(*args.split())
                self.assertEqual(told["verdict"], verdict)
                if hint is None:
                    self.assertIsNone(told["hint"])
                else:
                    self.assertTrue(told["hint"].startswith(hint), told["hint"])
        told = self.explain("openat", "/srv/x", "--policy", self.file(
            "name: p\nextends: python3\nfiles: [{path: /srv, rights: [read]}]\nnetwork: [{connect: '10.0.0.0/8:443'}]\n"))
        self.assertEqual((told["verdict"], told["rule"]), ("brokered", "p.yaml:3 files"))

    def test_explain_in_words(self):
        told = self.policy("explain", "inotify_init")
        self.assertRegex(told, r"^inotify_init: refused with ENOSYS by python3\n  rule: base.yaml:\d+ file_watches\n  why:  would tell of")
        self.assertIn("refuse EPERM", self.policy("explain", "setsockopt"))
        self.assertIn("must be normalised", support.warder("policy", "explain", "openat", "/a/../b").stderr.decode())


if __name__ == "__main__":
    unittest.main()
