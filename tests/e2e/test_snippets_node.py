"""Ordinary Node.js programs: the same stdout as outside, and nothing killed, also under load.

snippets_node/*.js and *.mjs print the same at every run; argv[2] is the port of a server that they may reach, stdin is STDIN. A new one
needs no entry anywhere.
"""
import glob
import http.server
import os
import shutil
import tempfile
import threading
import unittest

import support
from node_jobs import Outside, needs_node, run_many
from support import Case

FOLDER = os.path.join(support.ROOT, "tests", "e2e", "snippets_node")
LOAD_RUNS = 2000 if support.LONG else 160
WAYS = 8
STDIN = b"first\n12\r\n30\n\nlast without end"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/x-test")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(b"z" * 1000000 if self.path == "/big" else f"{self.path} {self.headers.get('x-mine')}".encode())

    def do_POST(self):
        self.answer(b"got " + self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def load_snippets():
    snippets = {}
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.*js"))):
        with open(path, encoding="utf-8") as f:
            snippets[os.path.basename(path)] = f.read()
    return snippets


@needs_node
class Snippets(Case):
    """One supervisor for all; what each prints outside is found once."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.server.server_close)
        cls.addClassCleanup(cls.server.shutdown)
        cls.snippets, cls.outside = load_snippets(), {}
        super().setUpClass()

    def expected(self, name):
        if name not in self.outside:
            self.outside[name] = Outside(self.snippets[name], [str(self.server.server_port)], "main." + name.rsplit(".")[-1], STDIN)
        return self.outside[name]

    def job(self, name):
        return {"code": self.snippets[name], "language": "nodejs", "filename": "main." + name.rsplit(".")[-1], "stdin": STDIN,
                "args": [str(self.server.server_port)], "grants": {"connect": ["127.0.0.1"]}}

    def wrong(self, name, result):
        """None when the result is what it should be, else what is wrong with it."""
        out = self.expected(name)
        if result["outcome"] != "exited" or result["exit_code"] != out.status or result["stdout"] != out.stdout:
            return (f"{name}: {result['outcome']} {result['exit_code']} {result['signal']} {result['limit']} {result['error']} "
                    f"{result['violations']}\n{result['stderr'].decode()}\n--- stdout:\n{result['stdout'].decode()}"
                    f"\n--- outside:\n{out.stdout.decode()}")
        return None

    def test_under_load(self):
        names = list(self.snippets)
        runs = (names * (LOAD_RUNS // len(names) + 1))[:LOAD_RUNS]
        with self.supervisor.client(timeout=120) as c:
            wrong = [self.wrong(runs[i], r) for i, r in run_many(c, map(self.job, runs), WAYS)]
        wrong = [w for w in wrong if w]
        self.assertEqual(len(wrong), 0, f"{len(wrong)} of {LOAD_RUNS} runs; the first:\n" + "".join(wrong[:2]))

    def test_there_are_forty(self):
        self.assertGreaterEqual(len(self.snippets), 40)

    def test_packages_of_a_granted_folder(self):
        folder = tempfile.mkdtemp(prefix="warder-packages-", dir="/var/tmp")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        for path, text in {"old/package.json": '{"name": "old", "main": "m.js"}', "old/m.js": "exports.n = require('new/data.json').n",
                           "new/package.json": '{"name": "new", "type": "module", "exports": {".": "./i.js", "./data.json": "./data.json"}}',
                           "new/i.js": "export const where = import.meta.url.split('/').pop()", "new/data.json": '{"n": 5}'}.items():
            path = os.path.join(folder, "node_modules", path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        code = (f"const r = require('module').createRequire('{folder}/any.js');\n"
                f"console.log(r('old').n, require('{folder}/node_modules/old').n, require.resolve('old', {{ paths: ['{folder}'] }}));\n"
                f"import('{folder}/node_modules/new/i.js').then((m) => console.log(m.where));\n")
        want = Outside(code)
        self.assertEqual(want.status, 0, want.stderr)
        r = self.run_job(code, language="nodejs", grants={"read": [folder]})
        self.assertExited(r)
        self.assertEqual(r["stdout"], want.stdout)
        r = self.run_job("console.log(require('old').n)", language="nodejs", grants={"read": [folder]}, env={"NODE_PATH": f"{folder}/node_modules"})
        self.assertEqual(r["stdout"], b"5\n", r["stderr"])


def single(name):
    def test(self):
        self.assertEqual(self.expected(name).status, 0, self.expected(name).stderr.decode())
        wrong = self.wrong(name, self.run_job(**self.job(name)))
        self.assertIsNone(wrong, wrong)
    return test


for snippet in load_snippets():
    setattr(Snippets, f"test_{snippet.rsplit('.')[0]}", single(snippet))


if __name__ == "__main__":
    unittest.main()
