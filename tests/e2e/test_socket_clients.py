"""The same jobs through other people's eyes: the Dify client, and an msgpack-RPC client as published, unmodified."""
import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import unittest

import node_jobs
import support
from support import Case

sys.path.insert(0, os.path.join(support.ROOT, "integration", "dify"))
from warder_dify import CodeExecutionError, DifyClient  # noqa: E402

CODE = "def main(a: int, text: str) -> dict:\n    return {'double': a * 2, 'upper': text.upper()}\n"


class Dify(Case):
    def setUp(self):
        self.dify = DifyClient(self.supervisor.path)

    def node(self, code, **inputs):
        return self.dify.execute_workflow_code_template("python3", code, inputs)

    def fails(self, code, **inputs):
        with self.assertRaises(CodeExecutionError) as caught:
            self.node(code, **inputs)
        return str(caught.exception)

    def test_code_node(self):
        self.assertEqual(self.node(CODE, a=21, text="grüße"), {"double": 42, "upper": "GRÜSSE"})

    def test_javascript_node(self):
        code = "function main({ text, list }) {\n  return { upper: text.toUpperCase(), n: list.length, braces: '{' + list + '}' }\n}"
        if node_jobs.why_not():
            self.skipTest(node_jobs.why_not())
        got = self.dify.execute_workflow_code_template("javascript", code, {"text": "grüße", "list": [1, 2]})
        self.assertEqual(got, {"upper": "GRÜSSE", "n": 2, "braces": "{1,2}"})
        with self.assertRaisesRegex(CodeExecutionError, r"main\.js:2\n[^$]*TypeError"):
            self.dify.execute_workflow_code_template("javascript", code, {"list": []})

    def test_types_of_inputs(self):
        inputs = {"s": "a'b\"c\\n\n'''", "n": -1.5, "l": [1, [2, None]], "d": {"k": {"": True}}, "e": "\U0001f600"}
        self.assertEqual(self.node("def main(**k):\n    return k", **inputs), inputs)

    def test_large_inputs_and_results(self):
        self.assertEqual(self.node("def main(t):\n    return {'t': t[::-1]}", t="ab" * (1 << 20)), {"t": "ba" * (1 << 20)})

    def test_prints_do_not_disturb(self):
        self.assertEqual(self.node("print('debug')\ndef main():\n    print('more')\n    return {'x': 1}"), {"x": 1})

    def test_template_node(self):
        text = "Hello {{ name|upper }}{% for i in items %}, {{ i }}{% endfor %}! '''\"\"\" {{ '{' }}"
        self.assertEqual(self.dify.execute_workflow_code_template("jinja2", text, {"name": "ada", "items": [1, "ü"]}),
                         {"result": "Hello ADA, 1, ü! '''\"\"\" {"})

    def test_bad_template(self):
        with self.assertRaisesRegex(CodeExecutionError, "TemplateSyntaxError"):
            self.dify.execute_workflow_code_template("jinja2", "{% if %}", {})

    def test_script(self):
        self.assertEqual(self.dify.execute_code("python3", "", "print(6 * 7)"), "42\n")

    def test_exception(self):
        text = self.fails("def main(x):\n    return {'y': 1 / x}\n", x=0)
        self.assertIn("process exited with code 1", text)
        self.assertIn('File "/tmp/main.py", line 2, in main', text)
        self.assertIn("ZeroDivisionError: division by zero", text)

    def test_violation_is_in_the_words(self):
        text = self.fails("def main():\n    import ctypes\n    ctypes.CDLL(None).mount(b'n', b'/mnt', b't', 0, None)\n")
        self.assertIn("operation not permitted", text)
        self.assertIn("killed: mount(", text)
        text = self.fails("def main():\n    return {'x': open('/etc/shadow').read()}\n")
        self.assertIn("/etc/shadow", text)
        self.assertIn("ENOENT", text)

    def test_timeout(self):
        dify = DifyClient(self.supervisor.path, limits={"wall_ms": 300})
        with self.assertRaisesRegex(CodeExecutionError, "wall_time") as caught:
            dify.execute_code("python3", "", "while True: pass")
        self.assertEqual(caught.exception.result["outcome"], "limit")

    def test_no_result(self):
        self.assertIn("Failed to parse result", self.fails("import os\ndef main():\n    os._exit(0)\n"))

    def test_unsupported_language(self):
        with self.assertRaisesRegex(CodeExecutionError, "Unsupported language perl"):
            self.dify.execute_code("perl", "", "1")

    def test_error_of_the_supervisor(self):
        with self.assertRaisesRegex(CodeExecutionError, "unknown_policy: .*nowhere"):
            DifyClient(self.supervisor.path, policy="nowhere").execute_code("python3", "", "1")

    def test_no_supervisor(self):
        with self.assertRaisesRegex(CodeExecutionError, "no supervisor at /nonexistent"):
            DifyClient("/nonexistent").execute_code("python3", "", "1")

    def test_shared_by_threads(self):
        got = {}
        threads = [threading.Thread(target=lambda i=i: got.update({i: self.node(CODE, a=i, text="x")["double"]}))
                   for i in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(got, {i: 2 * i for i in range(16)})

    def test_at_most_a_hundred_lines(self):
        with open(os.path.join(support.ROOT, "integration", "dify", "warder_dify.py")) as f:
            self.assertLessEqual(len(f.readlines()), 100)


class PublishedClient(Case):
    """aio-msgpack-rpc, unmodified. It knows nothing of Warder."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--no-input",
                   "--disable-pip-version-check", "--timeout", "15", "--retries", "1", "--target", cls.folder.name,
                   "aio-msgpack-rpc"]
        done = subprocess.run(command, capture_output=True, timeout=180)
        if done.returncode:
            cls.folder.cleanup()
            raise unittest.SkipTest("missing package aio-msgpack-rpc: " + done.stderr.decode().strip()[-200:])
        # behind the system's own: this process already has its msgpack
        sys.path.append(cls.folder.name)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def with_client(self, use):
        import aio_msgpack_rpc

        async def main():
            client = aio_msgpack_rpc.Client(*await asyncio.open_unix_connection(self.supervisor.path))
            try:
                return await asyncio.wait_for(use(client), 60)
            finally:
                client.close()
        return asyncio.run(main())

    def test_run(self):
        async def use(client):
            return await client.call("run", {"language": "python3", "code": "print('hello')"})
        result = self.with_client(use)
        self.assertEqual((result["outcome"], result["exit_code"], result["stdout"]), ("exited", 0, b"hello\n"))
        self.assertEqual(sorted(result), sorted(support.RESULT_KEYS))

    def test_many_at_once(self):
        async def use(client):
            return await asyncio.gather(*(client.call("run", {"language": "python3", "code": f"print({i})"})
                                          for i in range(30)))
        self.assertEqual([r["stdout"] for r in self.with_client(use)], [b"%d\n" % i for i in range(30)])

    def test_large_result(self):
        async def use(client):
            return await client.call("run", {"language": "python3", "code": "print('x' * (4 << 20))"})
        self.assertEqual(len(self.with_client(use)["stdout"]), (4 << 20) + 1)

    def test_error_is_raised_and_the_connection_lives(self):
        import aio_msgpack_rpc.error

        async def use(client):
            try:
                await client.call("run", {"language": "python3"})
            except aio_msgpack_rpc.error.RPCResponseError as e:
                told = str(e)
            return told, await client.call("run", {"language": "python3", "code": "print(1)"})
        told, result = self.with_client(use)
        self.assertIn("bad_request", told)
        self.assertEqual(result["stdout"], b"1\n")

    def test_no_parameters(self):
        async def use(client):
            return await client.call("jobs"), await client.call("status")
        self.assertEqual(self.with_client(use)[0], [])


if __name__ == "__main__":
    unittest.main()
