"""What a violation says would allow the call allows it: each program is run, its hints are applied, and it passes."""
import os
import re
import socket
import tempfile
import unittest

import support

C = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
S = "import socket\ns = socket.socket()\n"
# name: a program that ends with exit code 0 only when nothing was refused. {dir}: a directory of the test's, {port}: somebody listens there
PROGRAMS = {
    "read a file": "open('{dir}/file').read()",
    "list a directory": "import os\nassert os.listdir('{dir}/sub') == ['inner']",
    "stat": "import os\nos.stat('{dir}/file')",
    "write a file": "open('{dir}/file', 'a').write('x')",
    "make a file": "open('{dir}/new', 'w').write('x')",
    "make a directory": "import os\nos.mkdir('{dir}/made')",
    "remove a file": "import os\nos.unlink('{dir}/doomed')",
    "rename": "import os\nos.rename('{dir}/old', '{dir}/renamed')",
    "change a time": "import os\nos.utime('{dir}/mine')",
    "truncate": "import os\nos.truncate('{dir}/file2', 1)",
    "write what may be read alone": "open('/etc/localtime')\nopen('{dir}/ro/file', 'a')",
    "connect": S + "s.connect(('127.0.0.1', {port}))",
    "send a datagram": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nassert s.sendto(b'x', ('127.0.0.1', {port})) == 1",
    "an option of a socket": S + "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)",
    "an unlisted call": C + "assert libc.personality(8) >= 0",
    "a refused call": "import os\nos.memfd_create('x')",
    "a refused call with registers": "import os\nos.setpriority(os.PRIO_PROCESS, 0, 5)",
    "a refused register": "import fcntl, os\nr, w = os.pipe()\nassert fcntl.fcntl(r, 1031, 8192) >= 8192",
}
NOTHING = {
    "fork": "import os\nos.fork()",
    "another process": "import os\nos.kill(1, 0)",
    "listen": S + "s.listen()",
    "execve": "import os\nos.execv('/bin/true', ['true'])",
    "ptrace": C + "libc.ptrace(0, 0, 0, 0)",
    "a raw socket": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "a device of sysfs": "open('/sys/kernel/uevent_seqnum')",
    "an option that leads elsewhere": S + "s.setsockopt(socket.SOL_SOCKET, 25, b'lo')",
}


class Hints(support.Case):
    supervisor_args = ("--workers", "1")

    def setUp(self):
        # not below /tmp, which is the job's own; the job's identity must be let in
        folder = tempfile.TemporaryDirectory(prefix="warder-hints-", dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        for name in ("", "sub", "ro"):
            os.makedirs(os.path.join(self.dir, name), exist_ok=True)
            os.chmod(os.path.join(self.dir, name), 0o777)
        for name in ("file", "file2", "doomed", "old", "mine", "sub/inner", "ro/file"):
            path = os.path.join(self.dir, name)
            with open(path, "w") as f:
                f.write("text")
            os.chmod(path, 0o666)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)

    def code(self, text):
        return text.replace("{dir}", self.dir).replace("{port}", str(self.listener.getsockname()[1]))

    def apply(self, hint, grants, policy):
        """Puts what a hint says where it says. Whether it said something that can be put anywhere."""
        if grant := re.fullmatch(r'grants\.(read|write|connect): \["(.*)"\]', hint):
            grants.setdefault(grant[1], []).append(grant[2])
        elif line := re.fullmatch(r"((?:allow|allow_if|broker): .*) in a group of the policy's syscalls", hint):
            policy["syscalls"] = policy.get("syscalls", "syscalls:\n") + f"  g{len(policy)}:\n    why: the hint\n    {line[1]}\n"
        elif key := re.fullmatch(r"((?:sockets|sockopts): .*) in the policy", hint):
            policy[key[1]] = key[1] + "\n"
        else:
            return False
        return True

    def run_with(self, code, grants, policy):
        fields = {"policy_text": "name: hinted\nextends: python3\n" + "".join(policy.values())} if policy else {}
        return self.run_job(code, grants=grants, **fields)

    def test_each_hint_allows(self):
        for name, text in PROGRAMS.items():
            with self.subTest(name):
                code, grants, policy, hints = self.code(text), {}, {}, []
                r = self.run_with(code, grants, policy)
                self.assertNotEqual(r["violations"], [], name)
                for _ in range(3):  # what comes behind the first refusal may be refused, too
                    for v in r["violations"]:
                        self.assertTrue(v["hint"] and self.apply(v["hint"], grants, policy), v)
                        hints.append(v["hint"])
                    r = self.run_with(code, grants, policy)
                    if not r["violations"]:
                        break
                self.assertEqual((r["outcome"], r["exit_code"], r["violations"]), ("exited", 0, []), (hints, r["stderr"]))

    def test_what_nothing_can_allow_says_so(self):
        for name, text in NOTHING.items():
            with self.subTest(name):
                r = self.run_job(self.code(text))
                self.assertRegex(r["violations"][-1]["hint"] or "", "^nothing can (allow|grant)", r["violations"])


if __name__ == "__main__":
    unittest.main()
