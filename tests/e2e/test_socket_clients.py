"""The same jobs through other people's eyes: the Dify client, and an msgpack-RPC client as published, unmodified."""
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest

import dify_shapes
import node_jobs
import support
from dify_shapes import CodeExecutionError, CodeExecutor, warder
from support import Case

import warder_dify  # where dify_shapes has put it on the path

GATEWAY = os.path.join(support.BUILD, "warder-http")


class Dify(Case):
    supervisor_args = ("--workers", "1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.executor = cls.executor_with(limits={"wall_ms": dify_shapes.TIMEOUT_MS})

    @classmethod
    def executor_with(cls, path=None, **job):
        return type("Executor", (CodeExecutor,), {"client": warder.Client(path or cls.supervisor.path), "job": job})

    def fails(self, executor, code, **inputs):
        with self.assertRaises(CodeExecutionError) as caught:
            executor.execute_workflow_code_template("python3", code, inputs)
        return caught.exception

    def gateway(self):
        """An executor over HTTP, its gateway a client of the same supervisor."""
        log = tempfile.TemporaryFile()
        self.addCleanup(log.close)
        env = {"PATH": os.environ["PATH"], "API_KEY": "k", "SANDBOX_PORT": "0", "WARDER_SOCKET": self.supervisor.path,
               "WORKER_TIMEOUT": str(dify_shapes.TIMEOUT_MS // 1000)}
        proc = subprocess.Popen([GATEWAY], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        self.addCleanup(lambda: (proc.terminate(), proc.wait(support.DEADLINE)))

        def port():
            log.seek(0)
            return re.search(rb"event=ready port=(\d+)", log.read()) or proc.poll() is not None
        found = support.eventually(port)
        self.assertIsNot(found, True, "warder-http did not start")
        return type("Http", (dify_shapes.HttpExecutor,), {"url": f"http://127.0.0.1:{int(found[1])}", "key": "k"})

    def test_shapes(self):
        """Over the socket, and over HTTP with equal results."""
        shapes = [s for s in dify_shapes.SHAPES if s[1] != "javascript" or not node_jobs.why_not()]
        executors = [self.executor] + ([self.gateway()] if os.path.exists(GATEWAY) else [])
        got = dify_shapes.outcomes(shapes, executors)
        for shape in shapes:
            for way, told in zip(("socket", "http"), got[shape[0]]):
                with self.subTest(shape[0], way=way):
                    self.assertTrue(shape[3](told), f"{told!r:.500}")
            with self.subTest(shape[0]):
                self.assertEqual(repr(got[shape[0]][0])[:500], repr(got[shape[0]][-1])[:500])
                self.assertTrue(got[shape[0]][0] == got[shape[0]][-1])

    def test_all_was_there(self):
        if node_jobs.why_not():
            self.skipTest(node_jobs.why_not())
        if not os.path.exists(GATEWAY):
            self.skipTest("missing warder-http: shapes were tried over the socket alone")

    def test_result_is_in_the_error(self):
        e = self.fails(self.executor, "def main():\n    return {'x': open('/etc/shadow').read()}\n")
        self.assertEqual([(v.verdict, v.path) for v in e.result.violations], [("hidden", "/etc/shadow")])
        e = self.fails(self.executor, dify_shapes.MOUNT)
        self.assertEqual((e.result.outcome, e.result.killed_by.syscall), ("violation", "mount"))
        self.assertIn("killed: mount(", str(e))

    def test_other_limits(self):
        e = self.fails(self.executor_with(limits={"memory_mib": 64}), "def main():\n    return {'x': len(b'y' * (1 << 30))}")
        self.assertRegex(str(e), "MemoryError|error: memory limit exceeded")

    def test_a_script_sees_nothing_of_the_wrapper(self):
        code = "import sys\nprint(sorted(k for k in globals() if k != 'sys'), sys.argv, __file__, __name__)"
        outside = support.Outside(code)
        self.assertEqual(self.executor.execute_code("python3", "", code), outside.stdout.decode())

    def test_values_of_dify_own_kind(self):
        class Segment:
            value = 3
        executor = self.executor_with()
        executor.dumps = staticmethod(lambda inputs: json.dumps(inputs, default=lambda o: o.value))
        self.assertEqual(executor.execute_workflow_code_template("python3", "def main(a):\n    return {'a': a}", {"a": Segment()}), {"a": 3})

    def test_languages_by_enum(self):
        got = self.executor.execute_workflow_code_template(warder_dify.CodeLanguage.JINJA2, "{{ a }}", {"a": 1})
        self.assertEqual(got, {"result": "1"})

    def test_files_of_every_job(self):
        executor = self.executor_with(files={"rates.csv": b"7"})
        self.assertEqual(executor.execute_code("python3", "", "print(open('rates.csv').read())"), "7\n")

    def test_error_of_the_supervisor(self):
        self.assertRegex(str(self.fails(self.executor_with(policy="nowhere"), "1")), "Got error code: unknown_policy. Got error msg: .*nowhere")

    def test_no_supervisor(self):
        self.assertRegex(str(self.fails(self.executor_with("/nonexistent"), "1")), "likely a network issue.*no supervisor at /nonexistent")

    def test_shared_by_threads(self):
        code, got = "def main(a):\n    return {'a': a * 2}", {}
        threads = [threading.Thread(target=lambda i=i: got.update(
            {i: self.executor.execute_workflow_code_template("python3", code, {"a": i})["a"]})) for i in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(got, {i: 2 * i for i in range(16)})


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
