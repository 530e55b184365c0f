"""The examples for Node.js and Go, with the msgpack packages that they name, fetched by those languages' own package managers."""
import os
import shutil
import subprocess
import tempfile
import unittest

import support
from support import Case

EXAMPLES = os.path.join(support.ROOT, "integration", "examples")
CODE = "print('ü', 6 * 7)\nopen('/nowhere')\n"


class Examples(Case):
    supervisor_args = ("--workers", "1")

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="warder-example-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def copy(self, name, tool):
        if not shutil.which(tool):
            self.skipTest(f"missing {tool}")
        return shutil.copytree(os.path.join(EXAMPLES, name), os.path.join(self.folder, name))

    def fetch(self, command, folder, **env):
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=180, env={**os.environ, **env})
        if done.returncode:
            self.skipTest(f"missing package: {done.stderr.decode(errors='replace').strip()[-300:]}")

    def try_it(self, command, folder, told):
        env = {**os.environ, "WARDER_SOCKET": self.supervisor.path}
        done = subprocess.run(command, cwd=folder, input=CODE.encode(), capture_output=True, timeout=60, env=env)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, "ü 42\n"), done.stderr.decode())
        self.assertIn(told, done.stderr.decode())

    def test_node(self):
        folder = self.copy("node", "npm")
        self.fetch(["npm", "install", "--silent", "--no-audit", "--no-fund"], folder)
        self.try_it(["node", "run.mjs"], folder, "exited 1 [ 'openat' ]")

    def test_go(self):
        folder = self.copy("go", "go")
        self.fetch(["go", "build", "-o", "example", "."], folder, GOFLAGS="-mod=mod")
        self.try_it(["./example"], folder, "exited 1")


if __name__ == "__main__":
    unittest.main()
