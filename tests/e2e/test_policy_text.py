"""A job that brings its policy along: for operators, read by the worker, with a zygote that is kept while it is used."""
import os
import re
import tempfile
import unittest

import support
from support import RpcError

READ = "import sys\nfor p in sys.argv[1:]: print(open(p).read(), end='')"
HEAD = "name: mine\nextends: python3\n"


class PolicyText(support.Case):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="warder-policy-text-")
        cls.addClassCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        cls.folder = folder.name
        for name in "ab":
            with open(cls.path(name), "w") as f:
                f.write(name)
        cls.supervisor_args = ("--workers", "1")
        super().setUpClass()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    def granting(self, name):
        return HEAD + f"files: [{{path: {self.path(name)}, rights: [read]}}]\n"

    def zygotes(self):
        return len(re.findall(r"zygote_ready policy=mine ", self.supervisor.log().replace("event=", "")))

    def test_its_own_policy_counts_and_no_other(self):
        for name, other in ("ab", "ba"):
            r = self.run_job(READ, args=[self.path(name)], policy_text=self.granting(name))
            self.assertEqual((r["outcome"], r["stdout"]), ("exited", name.encode()), r)
            r = self.run_job(READ, args=[self.path(other)], policy_text=self.granting(name))
            self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 1), r)
        r = self.run_job(READ, args=[self.path("a")])
        self.assertEqual(r["exit_code"], 1)

    def test_one_zygote_serves_all_jobs_of_one_text(self):
        text = self.granting("a") + "# one zygote\n"
        before = self.zygotes()
        for _ in range(5):
            self.assertEqual(self.run_ok(READ, args=[self.path("a")], policy_text=text), "a")
        self.assertEqual(self.zygotes(), before + 1)

    def test_more_texts_than_are_remembered(self):
        for i in range(12):
            self.assertEqual(self.run_ok("print(1)", policy_text=HEAD + f"# {i}\n"), "1\n")
        support.eventually(lambda: self.supervisor.client().rpc("status")["zygotes"] <= 8 + 2)

    def test_errors_have_their_place(self):
        for text, want in {
            HEAD + "nonsense: 1\n": r"policy_text:3:1: .*nonsense",
            HEAD + "syscalls:\n  x:\n    why: y\n    allow: [mount]\n": r"policy_text:6:13: mount: on the floor",
            "name: mine\nextends: nobody\n": r"policy_text:2:10: extends: no policy nobody found",
            "a: [": r"policy_text:2:1: did not find",
            HEAD + "x: &a [*a]\n": r"policy_text:3:",
            "": r"policy_text:1:",
            "name: mine\nextends: base\n": r"mine names no language",
            "name: mine\nextends: nodejs\n": r"mine is for nodejs, the job is python3",
            HEAD + "interpreter: /usr/bin/env\n": r"interpreter: /usr/bin/env is none of the supervisor's own",
            HEAD + "#" * (1 << 20): r"policy_text: must have at most 1048576 bytes",
        }.items():
            with self.subTest(text[:60]), self.assertRaisesRegex(RpcError, "^bad_request: .*" + want):
                self.run_job("print(1)", policy_text=text)
        with self.assertRaisesRegex(RpcError, "^bad_request: policy_text: not together with policy"):
            self.run_job("print(1)", policy_text=HEAD, policy="python3")

    def test_its_limits_hold(self):
        text = HEAD + "limits: {wall_ms: 300}\n"
        r = self.run_job("import time; time.sleep(9)", policy_text=text)
        self.assertEqual((r["outcome"], r["limit"]), ("limit", "wall_time"))
        with self.assertRaisesRegex(RpcError, "^bad_request: limits.wall_ms: must be 1 to 400, is 500"):
            self.run_job("print(1)", policy_text=text + "callers_may: {limits: {wall_ms: 400}}\n", limits={"wall_ms": 500})

    def test_jobs_tells_of_it(self):
        with self.supervisor.client() as c:
            job = c.start("print(1, flush=True)\nimport time; time.sleep(9)", policy_text=HEAD, stream=True, job="j")
            c.wait_output(b"1\n")
            self.assertEqual([(j["job"], j["policy"]) for j in c.rpc("jobs")], [("j", "policy_text")])
            c.rpc("cancel", job="j")
            self.assertEqual(c.wait(job)["outcome"], "cancelled")

    def test_on_the_command_line(self):
        path, code = self.path("p.yaml"), self.path("main.py")
        for where, text in ((path, self.granting("a")), (code, READ)):
            with open(where, "w") as f:
                f.write(text)
        done = support.warder("run", "--policy", path, code, "--", self.path("a"))
        self.assertEqual((done.returncode, done.stdout), (0, b"a"), done.stderr)
        with open(path, "w") as f:
            f.write(HEAD + "nonsense: 1\n")
        done = support.warder("run", "--policy", path, code)
        self.assertEqual(done.returncode, 125)
        self.assertIn(b"policy_text:3:1: ", done.stderr)


class NoOperator(unittest.TestCase):
    def test_is_refused(self):
        with tempfile.TemporaryDirectory(prefix="warder-policy-text-") as folder:
            path = os.path.join(folder, "warder.yaml")
            with open(path, "w") as f:
                f.write("workers: 1\noperators: [65533]\n")
            s = support.Supervisor("--config", path)
            self.addCleanup(s.stop)
            for field, value in (("policy_text", HEAD), ("debug", True)):
                with self.subTest(field), self.assertRaisesRegex(RpcError, f"^not_permitted: {field}: is for operators"):
                    s.run("print(1)", **{field: value})


if __name__ == "__main__":
    unittest.main()
