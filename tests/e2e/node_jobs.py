"""What tests of Node.js jobs share: which Node, what it does outside, and many jobs over one connection."""
import os
import shutil
import subprocess
import tempfile
import unittest

import support

NODE = shutil.which("node", path="/usr/bin:" + os.environ.get("PATH", ""))
ADDON = os.path.join(support.BUILD, "tracee", "_warder.node")


def why_not():
    """Why Node.js jobs cannot run here, or None."""
    return "missing: node" if not NODE else None if os.path.exists(ADDON) else "missing: Node headers, so no addon was built"


def needs_node(case):
    reason = why_not()
    return unittest.skip(reason)(case) if reason else case


class Outside:
    """What plain Node does with the same file: status, stdout, stderr."""

    def __init__(self, code, args=(), filename="main.js", stdin=b"", timeout=120):
        with tempfile.TemporaryDirectory(prefix="warder-outside-") as folder:
            with open(os.path.join(folder, filename), "w", encoding="utf-8") as f:
                f.write(code)
            env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp", "USER": "job"}
            done = subprocess.run(["node", os.path.join(folder, filename), *args], input=stdin, cwd=folder, env=env, executable=NODE,
                                  capture_output=True, timeout=timeout)
            self.status = done.returncode
            self.stdout = done.stdout.replace(folder.encode(), b"/tmp")
            self.stderr = done.stderr.replace(folder.encode(), b"/tmp")


def run_many(client, jobs, ways):
    """Runs jobs {field: value} over one connection, `ways` at a time. Yields (number, result) as they end."""
    jobs, pending = enumerate(jobs), {}
    while True:
        while len(pending) < ways and (job := next(jobs, None)):
            pending[client.start(**job[1])] = job[0]
        if not pending:
            return
        while not (ended := [i for i in pending if i in client.answers]):
            client.receive()
        for i in ended:
            yield pending.pop(i), client.wait(i)
