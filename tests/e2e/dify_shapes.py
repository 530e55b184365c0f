#!/usr/bin/python3
"""The requests that Dify's executor makes, and what must come back: a table for every way to Warder.

A way is an executor class: warder_dify.CodeExecutor over the socket, HttpExecutor over the HTTP API. `outcome` gives what
a shape did there in a form that can be compared. By hand, against what already runs:

    tests/e2e/dify_shapes.py --socket PATH [--http URL --key KEY]
"""
import argparse
import concurrent.futures
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "integration", "dify"), os.path.join(ROOT, "integration", "python")]
import warder  # noqa: E402
from warder_dify import RUNNING_LANGUAGE, CodeExecutionError, CodeExecutor  # noqa: E402

TIMEOUT_MS = 8000  # what both ways are told that a job may take
MIB = 1 << 20
UNICODE = {"s": "grüße 你好 \U0001f600", "q": "a'b\"c\\n\n'''\"\"\"", "n": -1.5, "big": 1 << 70, "l": [1, [2, None]], "d": {"ключ": {"": True}}}


class HttpExecutor(CodeExecutor):
    """The same over the HTTP API, as Dify sends it. A subclass sets these two."""
    url = ""
    key = ""

    @classmethod
    def execute_code(cls, language, preload, code, dependencies=None):
        if language not in RUNNING_LANGUAGE:
            raise CodeExecutionError(f"Unsupported language {language}")
        body = {"language": RUNNING_LANGUAGE[language], "code": code, "preload": preload, "enable_network": True}
        request = urllib.request.Request(cls.url + "/v1/sandbox/run", json.dumps(body).encode(),
                                         {"X-Api-Key": cls.key, "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as e:
            raise CodeExecutionError("Code execution service is unavailable" if e.code == 503 else f"status code {e.code}") from e
        if told["code"] != 0:
            raise CodeExecutionError(f"Got error code: {told['code']}. Got error msg: {told['message']}")
        if told["data"]["error"]:
            raise CodeExecutionError(told["data"]["error"])
        return told["data"]["stdout"] or ""


def value(expected):
    return lambda got: got == ("value", expected)


def error(*patterns):
    return lambda got: got[0] == "CodeExecutionError" and all(re.search(p, got[1], re.S) for p in patterns)


def no_result(pattern):
    return lambda got: got[0] == "ValueError" and re.search(pattern, got[1], re.S)


def node(name, language, code, inputs, expect):
    return name, language, lambda executor: executor.execute_workflow_code_template(language, code, inputs), expect


def script(name, language, code, expect):
    return name, language, lambda executor: executor.execute_code(language, "", code), expect


MOUNT = "import ctypes\ndef main():\n    ctypes.CDLL(None).mount(b'none', b'/mnt', b'tmpfs', 0, None)\n"

SHAPES = [
    node("python", "python3", "def main(arg1: str, arg2: int) -> dict:\n    return {'result': arg1 * arg2}\n", {"arg1": "ab", "arg2": 3},
         value({"result": "ababab"})),
    node("python unicode", "python3", "def main(**k):\n    return k", UNICODE, value(UNICODE)),
    node("python prints beside", "python3", "print('debug')\ndef main():\n    print('ü')\n    return {'x': 1}", {}, value({"x": 1})),
    node("python finds json imported", "python3", "def main(t):\n    return json.loads(b64decode(t))", {"t": "eyJhIjogMX0="}, value({"a": 1})),
    node("python future", "python3", "from __future__ import annotations\ndef main(a: Nowhere):\n    return {'a': __name__}", {"a": 1},
         value({"a": "__main__"})),
    node("python numbers", "python3", "def main():\n    return {'s': '1.5e+20', 'l': ['-2e-3', '1e5x', 'e+1']}", {},
         value({"s": 1.5e20, "l": [-2e-3, "1e5x", "e+1"]})),
    node("python big output", "python3", "def main(n):\n    return {'x': 'y' * n}", {"n": 12 * MIB}, value({"x": "y" * 12 * MIB})),
    node("python big input", "python3", "def main(t):\n    return {'n': len(t), 'end': t[-3:]}", {"t": "ü" * (5 * MIB) + "end"},
         value({"n": 5 * MIB + 3, "end": "end"})),
    node("python exception", "python3", "def main(x):\n    return {'y': 1 / x}\n", {"x": 0},
         error(r"\Aprocess exited with code 255\nTraceback \(most recent call last\):\n",
               r'File "/tmp/[\w.]+", line 2, in main\n    return \{\'y\': 1 / x\}\n', r"ZeroDivisionError: division by zero\n\Z")),
    node("python syntax error", "python3", "def main(:\n    pass\n", {},
         error(r'\Aprocess exited with code 255\n  File "/tmp/[\w.]+", line 1\n    def main\(:\n', "SyntaxError: invalid syntax")),
    node("python exception with a cause", "python3", "def main():\n    try:\n        {}['k']\n    except KeyError as e:\n        raise ValueError('w') from e", {},
         error("code 255\nTraceback.*KeyError: 'k'\n\nThe above exception was the direct cause", "line 5, in main.*ValueError: w\n")),
    node("python wrong arguments", "python3", "def main(a):\n    return {}", {"b": 1}, error("code 255", "TypeError.*unexpected keyword argument 'b'")),
    node("python sys.exit", "python3", "import sys\ndef main():\n    sys.exit(300)", {}, error(r"\Aprocess exited with code 44\Z")),
    node("python os._exit", "python3", "import os\ndef main():\n    os._exit(0)", {}, no_result("Failed to parse result")),
    node("python result no object", "python3", "def main():\n    return [1]", {}, no_result("Result must be a dict, got list")),
    node("python timeout", "python3", "import time\ndef main():\n    time.sleep(60)", {}, error(r"\Aprocess exited with code -1\nerror: timeout\n\Z")),
    node("python signal", "python3", "import os\ndef main():\n    os.kill(os.getpid(), 9)", {}, error(r"\Aprocess exited with code -1\nerror: signal: Killed\n\Z")),
    node("python stderr at a timeout", "python3", "import sys\ndef main():\n    print('e', file=sys.stderr, flush=True)\n    while True: pass", {},
         error(r"\Aprocess exited with code -1\nerror: timeout\ne\n\Z")),
    node("python policy kill", "python3", MOUNT, {}, error(r"\Aprocess exited with code -1\nerror: operation not permitted\n", "mount")),
    node("python hidden file", "python3", "def main():\n    return {'t': open('/etc/shadow').read()}", {},
         error("code 255", r"FileNotFoundError: \[Errno 2\] No such file or directory: '/etc/shadow'")),
    node("python no processes", "python3", "import subprocess\ndef main():\n    return {'x': subprocess.run(['id'])}", {},
         error("code 255", "PermissionError|Operation not permitted")),
    script("python script", "python3", "print(6 * 7)", value("42\n")),
    script("python white space", "python3", "  \n", value("")),
    script("python stderr alone", "python3", "import sys\nprint('warn', file=sys.stderr)\nprint('out')", value("out\n")),
    script("python stdin at its end", "python3", "import sys\nprint(repr(sys.stdin.read()))", value("''\n")),
    script("python bad bytes", "python3", "import os\nos.write(1, b'a\\xffb')", value("a\ufffdb")),
    script("python lone surrogate", "python3", "print('a\ud800b')", value("a\ufffdb\n")),
    node("jinja2", "jinja2", "Hello {{ name|upper }}{% for i in items %}, {{ i }}{% endfor %}! '''\"\"\" {{ '{' }}", {"name": "ada", "items": [1, "ü"]},
         value({"result": "Hello ADA, 1, ü! '''\"\"\" {"})),
    node("jinja2 big", "jinja2", "{{ t }}{{ t }}", {"t": "x" * (6 * MIB)}, value({"result": "x" * (12 * MIB)})),
    node("jinja2 exception", "jinja2", "{% if %}", {}, error("code 255", "jinja2.exceptions.TemplateSyntaxError")),
    node("jinja2 undefined", "jinja2", "[{{ nothing }}]{{ nothing.more }}", {}, error("code 255", "UndefinedError: 'nothing' is undefined")),
    node("javascript", "javascript", "function main({arg1, arg2}) {\n  return {result: arg1 + arg2}\n}\n", {"arg1": "a", "arg2": "b"}, value({"result": "ab"})),
    node("javascript unicode", "javascript", "function main(inputs) { return inputs }", {k: v for k, v in UNICODE.items() if k != "big"},
         value({k: v for k, v in UNICODE.items() if k != "big"})),
    node("javascript big output", "javascript", "function main({n}) { return {x: 'y'.repeat(n)} }", {"n": 12 * MIB}, value({"x": "y" * 12 * MIB})),
    node("javascript big input", "javascript", "function main({t}) { return {n: t.length} }", {"t": "x" * (10 * MIB)}, value({"n": 10 * MIB})),
    node("javascript sloppy", "javascript", "x = 1\nfunction main() { return {x: x, r: typeof require, m: typeof module} }", {},
         value({"x": 1, "r": "function", "m": "object"})),
    node("javascript exception", "javascript", "function main({list}) {\n  return list.length\n}", {},
         error(r"\Aprocess exited with code 1\n", r"/tmp/[\w.]+:2\n", "TypeError: Cannot read properties of undefined")),
    node("javascript syntax error", "javascript", "function main( {", {}, error(r"\Aprocess exited with code 1\n", "SyntaxError")),
    node("javascript no result", "javascript", "function main() {}", {}, no_result("Failed to parse JSON response")),
    node("javascript timeout", "javascript", "function main() { while (true); }", {}, error(r"\Aprocess exited with code -1\nerror: timeout\n\Z")),
    node("javascript goes on", "javascript", "setInterval(() => 0, 1000)\nfunction main() { return {x: 1} }", {}, error("error: timeout")),
    node("javascript no processes", "javascript", "function main() { require('child_process').execSync('id') }", {}, error("code 1\n", "EPERM")),
    script("javascript script", "javascript", "console.log('ü', 6 * 7); process.exitCode = 0", value("ü 42\n")),
    script("unknown language", "perl", "1", error("Unsupported language perl")),
]


def outcome(shape, executor):
    """("value", it), or the exception's name and text."""
    try:
        return "value", shape[2](executor)
    except (CodeExecutionError, ValueError) as e:
        return type(e).__name__, str(e)


def outcomes(shapes, executors):
    """{name: [what it did with each executor]}; several at once, those that take their whole time first."""
    order = sorted(shapes, key=lambda s: not re.search("timeout|goes on", s[0]))
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        begun = {s[0]: [pool.submit(outcome, s, e) for e in executors] for s in order}
        return {name: [b.result() for b in all_of_it] for name, all_of_it in begun.items()}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--socket", metavar="PATH", default=warder.default_socket())
    p.add_argument("--http", metavar="URL", help="must be told WORKER_TIMEOUT=8")
    p.add_argument("--key", default="dify-sandbox")
    args = p.parse_args()
    ways = {"socket": type("Socket", (CodeExecutor,), {"client": warder.Client(args.socket), "job": {"limits": {"wall_ms": TIMEOUT_MS}}})}
    if args.http:
        ways["http"] = type("Http", (HttpExecutor,), {"url": args.http.rstrip("/"), "key": args.key})
    wrong = 0
    for shape in SHAPES:
        words, told = [], []
        for name, executor in ways.items():
            begin = time.monotonic()
            told.append(outcome(shape, executor))
            good = bool(shape[3](told[-1]))
            wrong += not good
            words.append(f"{name} {'ok' if good else f'WRONG: {told[-1]!r:.200}'} {(time.monotonic() - begin) * 1000:.0f} ms")
        if told[0] != told[-1]:
            wrong += 1
            words.append("DIFFERENT")
        print(f"{shape[0]:32} {', '.join(words)}")
    print(f"{len(SHAPES)} shapes, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
