"""policy.get, policy.check, policy.diff, policy.explain: questions about policies over the socket; they say what `warder policy` says."""
import json
import os
import subprocess
import tempfile
import unittest

import support

MINE = "name: p\nextends: python3\nfiles: [{path: /srv, rights: [read]}]\n"
# As another uid, which is no operator.
STRANGER = """
import os, sys
sys.path[:0] = [sys.argv[1]]
import support
os.setgid(65534); os.setuid(65534)
"""


class Methods(support.Case):
    supervisor_args = ("--workers", "1")

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="warder-policies-")
        cls.addClassCleanup(cls.folder.cleanup)
        os.chmod(cls.folder.name, 0o755)
        for name in ("base", "python3"):
            with open(f"{support.POLICIES}/{name}.yaml") as f, open(f"{cls.folder.name}/{name}.yaml", "w") as to:
                to.write(f.read())
        with open(cls.folder.name + "/mine.yaml", "w") as f:
            f.write(MINE.replace("name: p", "name: mine"))
        cls.supervisor_args = ("--workers", "1", "--policy-dir", cls.folder.name)
        super().setUpClass()

    def ask(self, method, **params):
        with self.supervisor.client() as c:
            return c.rpc("policy." + method, **params)

    def command(self, *args):
        return support.warder("policy", *args, "--policy-dir", self.folder.name).stdout.decode()

    def lines(self, told):
        return "".join(x["line"] + (f"  # {x['rule']}" if x["rule"] else "") + "\n" for x in told)

    def refused(self, method, **params):
        with self.assertRaises(support.RpcError) as e:
            self.ask(method, **params)
        return str(e.exception)

    def test_get_and_diff_say_what_the_command_says(self):
        told = self.ask("get", name="mine")
        self.assertEqual((told["name"], told["language"]), ("mine", "python3"))
        self.assertEqual(self.lines(told["lines"]), self.command("show", "mine"))
        self.assertIsNone(self.ask("get", name="base")["language"])
        self.assertEqual(self.ask("diff", a="python3", b="mine"), [{"line": "+ file /srv read", "rule": "mine.yaml:3 files"}])
        self.assertEqual(self.ask("diff", a="mine", b="python3"), [{"line": "- file /srv read", "rule": "mine.yaml:3 files"}])
        self.assertEqual(self.ask("diff", a="mine", b="mine"), [])

    def test_explain_says_what_the_command_says(self):
        for call, *rest in (["openat", "/etc/shadow"], ["openat", "/srv/x"], ["connect", "10.0.0.1:443"], ["ptrace"], ["ioctl"], ["read"],
                            ["mkdir", "/srv/x"]):
            with self.subTest(call):
                told = self.ask("explain", call=call, object=rest[0] if rest else None, policy="mine")
                self.assertEqual(told, json.loads(self.command("explain", call, *rest, "--policy", "mine", "--json")))
        told = self.ask("explain", call="openat", object="/srv/x", policy="mine", access="write")
        self.assertEqual((told["verdict"], told["hint"]), ("refused", 'grants.write: ["/srv/x"]'))
        self.assertEqual(self.ask("explain", call="openat", object="/srv/x")["policy"], "python3")

    def test_check(self):
        self.assertEqual(self.ask("check", text=MINE), {"ok": True, "errors": []})
        self.assertEqual(self.ask("check", text=MINE.encode()), {"ok": True, "errors": []})
        told = self.ask("check", text="name: p\nextends: python3\nfoo: 1\nsyscalls: {g: {why: x, allow: [mount]}}\n")
        self.assertFalse(told["ok"])
        self.assertEqual({(e["file"], e["line"], e["column"]) for e in told["errors"]}, {("text", 3, 1), ("text", 4, 32)})
        self.assertTrue(any(e["message"].startswith("mount: on the floor") for e in told["errors"]), told)
        for text in ("extends: ../../etc/passwd\nname: p\n", "name: p\nextends: /etc/passwd\n", "\x00", "[" * 5000, "name: p\nextends: nobody\n"):
            self.assertFalse(self.ask("check", text=text)["ok"], text)

    def test_what_is_no_question(self):
        for method, params, words in [
            ("get", {}, "bad_request: name: is required"), ("get", {"name": "nobody"}, "unknown_policy: nobody"),
            ("get", {"name": 1}, "bad_request: name: must be a string"), ("get", {"name": "a\0b"}, "bad_request: name: must be"),
            ("get", {"name": "mine", "x": 1}, "bad_request: unknown field"), ("get", {"name": "x" * 5000}, "bad_request: name: has more"),
            ("diff", {"a": "mine"}, "bad_request: b: is required"), ("diff", {"a": "mine", "b": "no"}, "unknown_policy: no"),
            ("explain", {"call": "nonsense"}, "bad_request: call: there is none"),
            ("explain", {"call": "openat", "object": "x"}, "bad_request: object: must be an absolute path"),
            ("explain", {"call": "connect", "object": "/run/x"}, "bad_request: object: must be HOST:PORT"),
            ("explain", {"call": "openat", "access": "x"}, "bad_request: access: must be"),
            ("explain", {"call": "openat", "policy": "no"}, "unknown_policy: no"),
            ("check", {}, "bad_request: text: must be"), ("check", {"text": "x" * (1 << 19)}, "bad_request: text: has more"),
        ]:
            with self.subTest(method=method, words=words):
                self.assertTrue(self.refused(method, **params).startswith(words), self.refused(method, **params))

    def test_questions_leave_the_front_its_time(self):
        """Texts as dear as they can be, asked by somebody who is no operator: `busy` after some, and each of those is cheap."""
        dear = "name: p\nextends: python3\nquiet: [%s]\n" % ",".join(f"/a{i}" for i in range(30000))
        self.assertIn("more than 1024", self.ask("check", text=dear)["errors"][0]["message"])
        if os.geteuid():
            self.skipTest("missing: root, to be somebody else")
        os.chmod(self.supervisor.path, 0o666)
        code = STRANGER + """
dear = "name: p\\nextends: python3\\n" + "syscalls: {%s}\\n" % ",".join(f"g{i}: {{why: x, allow: [nonsense]}}" for i in range(1000))
with support.Client(sys.argv[2]) as c:
    ids = [c.send("policy.check", {"text": dear}) for _ in range(200)]
    told = []
    for i in ids:
        try:
            told.append(c.wait(i)["ok"])
        except support.RpcError as e:
            told.append(str(e))
    assert not told[0] and not isinstance(told[0], str), told[0]
    assert any(str(t).startswith("busy: many questions about policies, retry in ") for t in told), told[-1]
    assert c.rpc("policies")
"""
        done = subprocess.run([support.PYTHON, "-c", code, os.path.dirname(support.__file__), self.supervisor.path], capture_output=True,
                              timeout=support.DEADLINE)
        self.assertEqual((done.returncode, done.stderr.decode()), (0, ""))


if __name__ == "__main__":
    unittest.main()
