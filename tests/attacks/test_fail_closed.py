"""Each call that puts a layer on is made to fail, one at a time: the job never runs with less than it should have.

The supervisor runs under tests/tools/failcall, which makes the call fail in it and in all that it starts. Right is
one of: it does not start, and says which call or layer failed; or the job gets outcome `error` with those words, and
the supervisor goes on answering; or, for layers that the design calls optional, the job runs and its `layers` leave
the layer out.
"""
import os
import subprocess
import time
import unittest

import lab
import support

FAILCALL = os.path.join(support.BUILD, "tests", "failcall")
SECONDS = 30
EVERYTHING = "everything"  # the job may run with all its layers: what failed was a shortcut, there is another way

OF_A_TRACEE = 0x100049  # PTRACE_O_TRACECLONE | TRACEEXIT | EXITKILL | TRACESYSGOOD: what tracees are seized with, and the probe is not
PTRACE_SEIZE, SECCOMP_SET_MODE_FILTER, NEW_LISTENER, WAIT_KILLABLE = 0x4206, 1, 8, 32
NOTIF_RECV, NOTIF_SEND, NOTIF_ADDFD = 0xc0502100, 0xc0182101, 0x40182103
RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_DATA = 4, 7, 2

# (what fails, errno, words of which one must be told, layer that may be missing instead)
ROWS = [
    ("prctl:0=38", "EPERM", ("NO_NEW_PRIVS", "no_new_privs", "seccomp"), None),
    ("prctl:0=1", "EPERM", ("PDEATHSIG",), None),
    ("prctl:0=4", "EPERM", ("DUMPABLE",), None),
    ("seccomp", "EPERM", ("seccomp",), None),
    ("seccomp", "ENOSYS", ("seccomp",), None),
    (f"seccomp:1=0&{NEW_LISTENER}", "EINVAL", ("seccomp",), None),
    (f"seccomp:1={NEW_LISTENER}&{NEW_LISTENER}", "EBUSY", ("seccomp", "broker"), None),
    (f"seccomp:1={WAIT_KILLABLE}&{WAIT_KILLABLE}", "EINVAL", ("seccomp",), EVERYTHING),
    ("landlock_create_ruleset", "EPERM", ("landlock",), None),
    ("landlock_create_ruleset", "EOPNOTSUPP", ("landlock",), None),
    ("landlock_create_ruleset:2=0", "EINVAL", ("landlock",), None),
    ("landlock_restrict_self", "EPERM", ("landlock",), None),
    ("capset", "EPERM", ("capset",), None),
    ("capget", "EPERM", ("capget",), None),
    ("close_range", "ENOSYS", ("close_range",), None),
    ("setsid", "EPERM", ("setsid",), None),
    ("prlimit64", "EPERM", ("rlimit",), None),
    (f"prlimit64:1={RLIMIT_CORE}", "EPERM", ("RLIMIT_CORE", "rlimit"), None),
    (f"prlimit64:1={RLIMIT_NOFILE}", "EPERM", ("RLIMIT_NOFILE", "rlimit"), None),
    (f"prlimit64:1={RLIMIT_DATA}", "EPERM", ("RLIMIT_DATA", "rlimit"), None),
    ("pidfd_open", "EPERM", ("pidfd_open",), None),
    ("memfd_create", "EPERM", ("memfd",), None),
    ("socketpair", "EMFILE", ("socketpair", "socket pair"), None),
    ("pipe2", "EMFILE", ("pipe",), None),
    ("sendmsg", "EPERM", ("sendmsg", "send", "zygote"), None),
    ("clone", "EAGAIN", ("fork", "clone", "seccomp"), None),
    ("ptrace", "EPERM", ("ptrace",), "ptrace"),
    (f"ptrace:0={PTRACE_SEIZE}", "EPERM", ("ptrace",), "ptrace"),
    (f"ptrace:3={OF_A_TRACEE}", "EPERM", ("ptrace",), None),
    ("fsopen", "EPERM", ("fsopen",), "tmp_quota"),
    ("fsopen", "ENOSYS", ("fsopen",), "tmp_quota"),
    ("fsconfig", "EPERM", ("fsconfig", "tmpfs"), "tmp_quota"),
    ("fsmount", "EPERM", ("fsmount", "tmpfs"), "tmp_quota"),
    ("pidfd_getfd", "EPERM", ("pidfd_getfd",), EVERYTHING),
    ("openat2", "ENOSYS", ("openat2",), EVERYTHING),
    (f"ioctl:1={NOTIF_RECV}", "ENOENT", ("NOTIF_RECV", "notif", "broker", "listener", "birth"), None),
    (f"ioctl:1={NOTIF_SEND}", "EINVAL", ("NOTIF_SEND", "notif", "broker", "listener"), EVERYTHING),
    (f"ioctl:1={NOTIF_ADDFD}", "EINVAL", ("ADDFD", "notif", "broker", "listener"), None),
]
# only as root are there identities to change; each of these once for all, and once for one tracee's uid alone
ROOT_ROWS = [
    ("setgroups", "EPERM", ("setgroups", "identity", "setresuid"), None),
    ("setresgid", "EPERM", ("setresgid", "identity", "setresuid"), None),
    ("setresuid", "EPERM", ("setresuid", "identity"), None),
    ("setfsuid", "EPERM", ("setfsuid", "identity", "rest"), None),
]


class FailClosed(unittest.TestCase):
    def setUp(self):
        self.lab = lab.Lab(start=False)
        self.addCleanup(self.lab.close)

    def start(self, rule, err):
        socket, log = self.lab.path("sock"), self.lab.path("log")
        with open(log, "wb") as out:
            proc = subprocess.Popen([FAILCALL, rule, err, "--", support.WARDERD, "--socket", socket, "--policy-dir",
                                     self.lab.path("policies")], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                    start_new_session=True)
        self.addCleanup(self.finish, proc)
        return proc, socket, log

    def finish(self, proc):
        proc.terminate()  # the supervisor: failcall has become it
        try:
            proc.wait(5)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait()

    def connect(self, proc, socket):
        """A client, or None when the supervisor ended."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if proc.poll() is not None:
                return None
            try:
                return support.Client(socket, timeout=SECONDS)
            except OSError:
                time.sleep(0.02)
        self.fail("neither ended nor listening")

    def try_row(self, rule, err, words, layer):
        proc, socket, log = self.start(rule, err)
        client = self.connect(proc, socket)
        if client is None:
            with open(log) as f:
                self.assertRefused(proc.returncode, f.read(), words)
            return "did not start"
        with client:
            try:
                r = client.run("print('RAN')", policy="attack", limits={"wall_ms": 3000})
            except support.RpcError as e:
                self.assertTold(str(e), words)
                return "the request was refused"
            except (EOFError, ConnectionError):
                with open(log) as f:
                    self.assertRefused(proc.wait(10), f.read(), words)
                return "ended at its first job"
        self.assertStillAnswers(socket)
        return self.check_result(r, words, layer)

    def assertRefused(self, status, text, words):
        self.assertNotEqual(status, 0, text)
        self.assertGreaterEqual(status, 0, f"died of a signal: {text}")
        self.assertTold(text, words)

    def assertTold(self, text, words):
        self.assertTrue(any(w.lower() in text.lower() for w in words), f"none of {words} is in: {text[-1000:]}")

    def assertStillAnswers(self, socket):
        with support.Client(socket, timeout=SECONDS) as c:
            self.assertIn("layers", c.rpc("status"))

    def check_result(self, r, words, layer):
        if b"RAN" in r["stdout"]:
            self.assertEqual(r["outcome"], "exited", lab.brief(r))
            self.assertIsNotNone(layer, f"the job ran with layers {r['layers']}")
            if layer != EVERYTHING:
                self.assertNotIn(layer, r["layers"])
            return "ran with all layers" if layer == EVERYTHING else "ran without " + layer
        if layer == EVERYTHING:  # that way is broken as a whole: also good
            self.assertIn(r["outcome"], ("error", "limit", "exited"), lab.brief(r))
            return "did not run"
        self.assertEqual(r["outcome"], "error", lab.brief(r))
        self.assertTold(r["error"], words)
        return "outcome error"

    def run_rows(self, rows):
        for rule, err, words, layer in rows:
            with self.subTest(call=rule, errno=err):
                try:
                    print(f"  {rule} {err}: {self.try_row(rule, err, words, layer)}", flush=True)
                finally:  # the next row has a supervisor and a socket of its own
                    self.doCleanups()
                    self.setUp()

    def test_without_a_failing_call_the_job_runs(self):
        # otherwise nothing here would mean anything; getpgrp is a call that nobody makes
        proc, socket, _ = self.start("getpgrp", "EPERM")
        with self.connect(proc, socket) as client:
            r = client.run("print('RAN')", policy="attack")
        self.assertEqual((r["outcome"], r["stdout"]), ("exited", b"RAN\n"), lab.brief(r))

    def test_each_set_up_call(self):
        self.run_rows(ROWS)

    @unittest.skipUnless(lab.ROOT_UID, "capability: without root no identity is changed")
    def test_each_change_of_identity(self):
        self.run_rows(ROOT_ROWS)


if __name__ == "__main__":
    unittest.main()
