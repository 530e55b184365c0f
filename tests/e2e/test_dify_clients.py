"""Published clients of Dify's API, unmodified: graphon (needs Python 3.12) and dify-sandbox. With --long, where WARDER_CLIENTS_PYTHON names an
interpreter that has both (pip install graphon dify-sandbox aiohttp aiofiles)."""
import os
import subprocess
import unittest

from support import LONG
from test_http import KEY, Gateway

PYTHON = os.environ.get("WARDER_CLIENTS_PYTHON", "")

DIFY_SANDBOX = """
import asyncio, sys
from dify_sandbox import AsyncDifySandboxClient, DifySandboxClient
c = DifySandboxClient(*sys.argv[1:3])
assert c.health_check()
r = c.run_python("print('\\u00fc', 6 * 7)"); assert r.is_success and r.stdout == "\\u00fc 42\\n", r
r = c.run_nodejs("console.log(6 * 7)"); assert r.is_success and r.stdout == "42\\n", r
r = c.run_python("1 / 0"); assert r.exit_code == 255 and "ZeroDivisionError" in r.error, r
assert c.get_dependencies().dependencies
assert c.refresh_dependencies().is_success
async def main():
    async with AsyncDifySandboxClient(*sys.argv[1:3]) as a:
        got = await asyncio.gather(*[a.arun_python(f"print({i})") for i in range(20)])
        assert [r.stdout for r in got] == [f"{i}\\n" for i in range(20)], got
        assert (await a.arun_nodejs("console.log(1)")).stdout == "1\\n"
asyncio.run(main())
"""

GRAPHON = """
import sys
from graphon.dsl.code_runtime import DslCodeSettings, SandboxCodeExecutionError, SandboxCodeExecutor
from graphon.nodes.code.entities import CodeLanguage
e = SandboxCodeExecutor(DslCodeSettings(execution_endpoint=sys.argv[1], execution_api_key=sys.argv[2]))
def run(language, code, **inputs): return e.execute(language=language, code=code, inputs=inputs)
got = run(CodeLanguage.PYTHON3, "def main(a, b):\\n    return {'r': a * b}", a="\\u00fc", b=3); assert got == {"r": "\\u00fc" * 3}, got
got = run(CodeLanguage.JAVASCRIPT, "function main({a, b}) { return {r: a + b} }", a="x", b="y"); assert got == {"r": "xy"}, got
try:
    run(CodeLanguage.PYTHON3, "def main():\\n    return 1 / 0"); raise SystemExit("no error")
except SandboxCodeExecutionError as error:
    assert str(error).startswith("process exited with code 255\\n") and "ZeroDivisionError: division by zero" in str(error), error
"""


@unittest.skipUnless(LONG, "missing --long")
@unittest.skipUnless(PYTHON, "missing graphon and dify-sandbox: WARDER_CLIENTS_PYTHON names no interpreter")
class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.stop)

    def check(self, code):
        done = subprocess.run([PYTHON, "-c", code, f"http://127.0.0.1:{self.gateway.port}", KEY], capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_dify_sandbox(self):
        self.check(DIFY_SANDBOX)

    def test_graphon(self):
        self.check(GRAPHON)


if __name__ == "__main__":
    unittest.main()
