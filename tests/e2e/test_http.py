"""warder-http: what an unmodified Dify sends and gets, over real sockets, against a real supervisor."""
import atexit
import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import test_dependencies
from support import BUILD, DEADLINE, LONG, PYTHON, Case, eventually

GATEWAY = os.path.join(BUILD, "warder-http")
KEY = "a-key"
JSON = "application/json"
JSON_UTF8 = "application/json; charset=utf-8"
PLAIN_UTF8 = "text/plain; charset=utf-8"
RUN = "/v1/sandbox/run"
BOUNDARY = "------------------------d74496d66958873e"
REQUIRED = "Key: '{0}' Error:Field validation for '{0}' failed on the 'required' tag"


class Gateway:
    count = 0

    def __init__(self, *args, healthy=True, command=(GATEWAY,), **env):
        Gateway.count += 1
        logs = os.environ.get("WARDER_TEST_LOGS") or tempfile.gettempdir()
        self.log_path = os.path.join(logs, f"warder-http.{os.getpid()}.{Gateway.count}.log")
        env = {"PATH": os.environ["PATH"], "API_KEY": KEY, "SANDBOX_PORT": "0", **env}
        with open(self.log_path, "wb") as log:
            self.proc = subprocess.Popen([*command, *args], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        atexit.register(self.stop)
        found = eventually(lambda: re.search(r"event=ready port=(\d+) uid=(\d+) socket=(\S+)", self.log()) or self.proc.poll() is not None)
        if found is True:
            raise AssertionError(f"warder-http ended with {self.proc.returncode}:\n{self.log()}")
        self.port, self.uid, self.socket = int(found[1]), int(found[2]), found[3]
        if healthy:
            eventually(lambda: self.get("/health")[0] == 200)
            eventually(lambda: self.log().count("event=jobs_can_run") == 2)

    def log(self):
        with open(self.log_path, errors="backslashreplace") as f:
            return f.read()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def ask(self, method, path, body=None, headers=(), conn=None):
        """(status, Content-Type, body)"""
        conn = conn or self.connect()
        conn.request(method, path, body, {"X-Api-Key": KEY, **dict(headers)})
        answer = conn.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read()

    def get(self, path):
        return self.ask("GET", path)

    def post(self, conn=None, **fields):
        """A run as Dify sends it; gives the decoded answer."""
        body = json.dumps({"language": "python3", "preload": "", "enable_network": True, **fields}).encode()
        status, kind, answer = self.ask("POST", RUN, body, {"Content-Type": JSON}, conn)
        answer = json.loads(answer)
        if (status, kind) != (200, JSON_UTF8):
            raise AssertionError((status, kind, answer))
        return answer

    def run(self, code, **fields):
        answer = self.post(code=code, **fields)
        if (answer["code"], answer["message"]) != (0, "success"):
            raise AssertionError(answer)
        return answer["data"]

    def raw(self):
        s = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def stop(self):
        """SIGTERM; gives the exit status."""
        atexit.unregister(self.stop)
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        return self.proc.returncode


def read_answer(stream):
    """One answer off a raw connection: (status, headers, body)."""
    line = stream.readline().decode()
    headers = {}
    while (field := stream.readline().decode().rstrip("\r\n")):
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers["content-length"])) if "content-length" in headers else b""
    return int(line.split()[1]), headers, body


def request(body=b"", path=RUN, method="POST", version="1.1", length=None, **headers):
    lines = [f"{method} {path} HTTP/{version}", "Host: sandbox", f"X-Api-Key: {KEY}", f"Content-Type: {JSON}"]
    lines += [f"Content-Length: {len(body) if length is None else length}"] if length != "" else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def code_of(text, **fields):
    return json.dumps({"language": "python3", "code": text, **fields}).encode()


class GatewayCase(unittest.TestCase):
    env = {}
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(**cls.env)

    @classmethod
    def tearDownClass(cls):
        status = cls.gateway.stop()
        if status != 0:
            raise AssertionError(f"warder-http ended with {status}:\n{cls.gateway.log()[-4000:]}")


def error(code, message):
    return {"code": code, "message": message, "data": None}


def multipart(**fields):
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    return "".join(parts).encode() + f"--{BOUNDARY}--\r\n".encode()


# name, method, path, Content-Type, body, then status, Content-Type and body of the answer: bytes, a dict as JSON, None for any,
# a str for a job's stdout
SHAPES = [
    ("run", "POST", RUN, JSON, code_of("print(1)"), 200, JSON_UTF8, "1\n"),
    ("keys in another case", "POST", RUN, JSON, b'{"LANGUAGE": "python3", "Code": "print(2)"}', 200, JSON_UTF8, "2\n"),
    ("the last of two counts", "POST", RUN, JSON, b'{"language": "x", "code": "print(3)", "language": "python3"}', 200, JSON_UTF8, "3\n"),
    ("unknown fields", "POST", RUN, JSON, code_of("print(4)", x=[1, {"y": 1e999}]), 200, JSON_UTF8, "4\n"),
    ("null is absent", "POST", RUN, JSON, code_of("print(5)", preload=None, enable_network=None), 200, JSON_UTF8, "5\n"),
    ("something behind it", "POST", RUN, JSON, code_of("print(6)") + b" garbage", 200, JSON_UTF8, "6\n"),
    ("lone surrogates", "POST", RUN, JSON, rb'{"language": "python3", "code": "print(ascii(\"\ud800x\udc00\"))"}', 200, JSON_UTF8, "'\\ufffdx\\ufffd'\n"),
    ("surrogate pair", "POST", RUN, JSON, rb'{"language": "python3", "code": "print(len(\"\ud83d\ude00\"))"}', 200, JSON_UTF8, "1\n"),
    ("bytes that are no UTF-8", "POST", RUN, JSON, b'{"language": "python3", "code": "print(ascii(\'\xff\'))"}', 200, JSON_UTF8, "'\\ufffd'\n"),
    ("charset", "POST", RUN, JSON_UTF8, code_of("print(7)"), 200, JSON_UTF8, "7\n"),
    ("a form", "POST", RUN, "application/x-www-form-urlencoded", b"language=python3&code=print%28%22a+b%22%29&enable_network=1", 200, JSON_UTF8, "a b\n"),
    ("multipart", "POST", RUN, "multipart/form-data; boundary=" + BOUNDARY, multipart(language="python3", code="print(8)\nprint(9)"), 200, JSON_UTF8, "8\n9\n"),
    ("a query", "POST", RUN + "?language=python3&code=print(10)", "text/plain", b"x", 200, JSON_UTF8, "10\n"),
    ("white space is code", "POST", RUN, JSON, code_of(" \n"), 200, JSON_UTF8, ""),
    ("empty code", "POST", RUN, JSON, code_of(""), 400, PLAIN_UTF8, error(-400, REQUIRED.format("Code"))),
    ("nothing", "POST", RUN, JSON, b"{}", 400, PLAIN_UTF8, error(-400, REQUIRED.format("Language") + "\n" + REQUIRED.format("Code"))),
    ("nothing, charset", "POST", RUN, JSON_UTF8, b"{}", 200, JSON_UTF8, error(-400, REQUIRED.format("Language") + "\n" + REQUIRED.format("Code"))),
    ("JSON as text", "POST", RUN, "text/plain", code_of("print(1)"), 200, JSON_UTF8, error(-400, REQUIRED.format("Language") + "\n" + REQUIRED.format("Code"))),
    ("no body", "POST", RUN, JSON, b"", 400, PLAIN_UTF8, error(-400, "EOF")),
    ("no JSON", "POST", RUN, JSON, b"{'language': 1}", 400, PLAIN_UTF8, None),
    ("half of it", "POST", RUN, JSON, code_of("print(1)")[:-1], 400, PLAIN_UTF8, error(-400, "unexpected EOF")),
    ("a list", "POST", RUN, JSON, b"[]", 400, PLAIN_UTF8, None),
    ("null", "POST", RUN, JSON, b"null", 400, PLAIN_UTF8, None),
    ("a number", "POST", RUN, JSON, b"7", 400, PLAIN_UTF8, None),
    ("wrong type", "POST", RUN, JSON, code_of(7), 400, PLAIN_UTF8,
     error(-400, "json: cannot unmarshal number into Go struct field .code of type string")),
    ("wrong flag", "POST", RUN, JSON, code_of("1", enable_network="yes"), 400, PLAIN_UTF8, None),
    ("wrong flag of a form", "POST", RUN, "application/x-www-form-urlencoded", b"language=python3&code=1&enable_network=yes", 200, JSON_UTF8, None),
    ("a line break in a string", "POST", RUN, JSON, b'{"language": "python3", "code": "print(1)\n"}', 400, PLAIN_UTF8, None),
    ("too deep", "POST", RUN, JSON, b'{"x": ' + b"[" * 100000, 400, PLAIN_UTF8, None),
    ("too many values", "POST", RUN, JSON, b'{"x": [' + b"0," * 1000000 + b"0]}", 400, PLAIN_UTF8, None),
    ("long numbers", "POST", RUN, JSON, b'{"language": "python3", "code": "print(11)", "x": ' + b"9" * 100000 + b"}", 200, JSON_UTF8, "11\n"),
    ("language javascript", "POST", RUN, JSON, code_of("1", language="javascript"), 400, JSON_UTF8, error(-400, "unsupported language")),
    ("language Python3", "POST", RUN, JSON, code_of("1", language="Python3"), 400, JSON_UTF8, error(-400, "unsupported language")),
    ("GET run", "GET", RUN, None, None, 404, "text/plain", b"404 page not found"),
    ("PUT run", "PUT", RUN, JSON, code_of("1"), 404, "text/plain", b"404 page not found"),
    ("elsewhere", "GET", "/", None, None, 404, "text/plain", b"404 page not found"),
    ("HEAD health", "HEAD", "/health", None, None, 404, "text/plain", b""),
    ("health", "GET", "/health", None, None, 200, JSON_UTF8, b'"ok"'),
    ("health, as for a proxy", "GET", "http://sandbox:8194/health", None, None, 200, JSON_UTF8, b'"ok"'),
    ("a host alone", "GET", "http://sandbox:8194", None, None, 404, "text/plain", b"404 page not found"),
    ("packages of nodejs", "GET", "/v1/sandbox/dependencies?language=nodejs", None, None, 400, JSON_UTF8, error(-400, "unsupported language")),
    ("packages of nothing", "GET", "/v1/sandbox/dependencies", None, None, 200, JSON_UTF8, error(-400, REQUIRED.format("Language"))),
]

PYTHON_NODE = """{code}

import json
from base64 import b64decode

inputs_obj = json.loads(b64decode('{inputs}').decode('utf-8'))
output_obj = main(**inputs_obj)
output_json = json.dumps(output_obj, indent=4)
result = f'''<<RESULT>>{{output_json}}<<RESULT>>'''
print(result)
"""
JINJA2_NODE = """def main(**inputs):
    import jinja2
    template = jinja2.Template(b64decode('{code}').decode('utf-8'))
    return template.render(**inputs)

import json
from base64 import b64decode

inputs_obj = json.loads(b64decode('{inputs}').decode('utf-8'))
output = main(**inputs_obj)
result = f'''<<RESULT>>{{output}}<<RESULT>>'''
print(result)
"""
NODEJS_NODE = """{code}
var inputs_obj = JSON.parse(Buffer.from('{inputs}', 'base64').toString('utf-8'))
var output_obj = main(inputs_obj)
var output_json = JSON.stringify(output_obj)
var result = `<<RESULT>>${{output_json}}<<RESULT>>`
console.log(result)
"""


def node(template, code, inputs):
    return template.format(code=code, inputs=base64.b64encode(json.dumps(inputs).encode()).decode())


def result_of(data):
    found = re.search("<<RESULT>>(.*)<<RESULT>>", data["stdout"], re.S)
    assert found, {k: str(v)[-500:] for k, v in data.items()}
    return found[1]


class Timeouts(GatewayCase):
    env = {"WORKER_TIMEOUT": "5"}

    def test_timeouts(self):
        answers = {}
        codes = {"python3": "import sys, time\nprint('early', flush=True)\nprint('e', file=sys.stderr, flush=True)\ntime.sleep(60)",
                 "nodejs": "console.log('early'); setInterval(() => {}, 10)"}
        threads = [threading.Thread(target=lambda l=l: answers.update({l: self.gateway.run(codes[l], language=l)})) for l in codes]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(answers["python3"], {"stdout": "early\n", "stderr": "e\n", "error": "process exited with code -1\nerror: timeout\ne\n",
                                              "exit_code": -1})
        self.assertEqual(answers["nodejs"], {"stdout": "early\n", "stderr": "", "error": "process exited with code -1\nerror: timeout\n",
                                             "exit_code": -1})


class Requests(GatewayCase):
    env = {"WORKER_TIMEOUT": "60", "MAX_WORKERS": "2"}  # megabytes in and out take their time on a busy machine

    def test_request_shapes(self):
        conn = self.gateway.connect()
        for name, method, path, kind, body, *expected in SHAPES:
            with self.subTest(name):
                status, got_kind, answer = self.gateway.ask(method, path, body, {"Content-Type": kind} if kind else {}, conn)
                self.assertEqual((status, got_kind), tuple(expected[:2]), answer)
                want = expected[2]
                if isinstance(want, bytes):
                    self.assertEqual(answer, want)
                elif isinstance(want, dict):
                    self.assertEqual(json.loads(answer), want)
                elif isinstance(want, str):
                    self.assertEqual(json.loads(answer), {"code": 0, "message": "success",
                                                          "data": {"stdout": want, "stderr": "", "error": "", "exit_code": 0}})
                else:
                    self.assertEqual(json.loads(answer)["code"], -400)

    def test_keys(self):
        for key in (None, "", "a-kex", "a-key2", "a-ke", "A-KEY", "a" * 5000):
            with self.subTest(key=key), self.gateway.raw() as s, s.makefile("rb") as f:
                # the body never comes: what is answered is answered before it
                header = f"X-Api-Key: {key}\r\n" if key is not None else ""
                s.sendall(f"POST {RUN} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: 100\r\n\r\n".encode())
                status, headers, body = read_answer(f)
                self.assertEqual((status, body), (401, b""))
                self.assertNotIn("content-type", headers)

    def test_a_refused_body_does_not_cost_the_answer(self):
        for path, want in ((RUN, 401), ("/nowhere", 404)):
            for _ in range(5):
                with self.gateway.raw() as s, s.makefile("rb") as f:
                    s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n".encode() + b"x" * 200000)
                    self.assertEqual(read_answer(f)[0], want)

    def test_transports(self):
        body = code_of("print(1)")
        halves = [b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:7], body[7:])]
        rows = {
            "chunked": [request(length="", Transfer_Encoding="chunked") + halves[0], halves[1] + b"0\r\n\r\n"],
            "one byte after the other": [bytes([b]) for b in request(body)],
            "HTTP/1.0": [request(body, version="1.0")],
            "close": [request(body, Connection="close")],
        }
        for name, pieces in rows.items():
            with self.subTest(name), self.gateway.raw() as s, s.makefile("rb") as f:
                for p in pieces:
                    s.sendall(p)
                self.assertEqual(json.loads(read_answer(f)[2])["data"]["stdout"], "1\n")

    def test_expect_continue(self):
        body = code_of("print(1)")
        with self.gateway.raw() as s, s.makefile("rb") as f:
            s.sendall(request(length=len(body), Expect="100-continue"))
            self.assertEqual(read_answer(f)[0], 100)
            s.sendall(body)
            self.assertEqual(json.loads(read_answer(f)[2])["data"]["stdout"], "1\n")
        with self.gateway.raw() as s, s.makefile("rb") as f:
            s.sendall(request(length=len(body), Expect="100-continue").replace(KEY.encode(), b"wrong"))
            self.assertEqual(read_answer(f)[0], 401)

    def test_pipelining(self):
        with self.gateway.raw() as s, s.makefile("rb") as f:
            s.sendall(b"".join(request(code_of(f"print({i})")) for i in range(5)) + request(path="/health", method="GET"))
            s.shutdown(socket.SHUT_WR)
            for i in range(5):
                self.assertEqual(json.loads(read_answer(f)[2])["data"]["stdout"], f"{i}\n")
            self.assertEqual(read_answer(f)[2], b'"ok"')

    def test_slow_clients_hold_nobody_up(self):
        slow = [self.gateway.raw() for _ in range(100)]
        for s in slow:
            s.sendall(request(length=1000)[:-40] if slow.index(s) % 2 else request(b"{", length=1000))
        self.assertEqual(self.gateway.run("print(1)")["stdout"], "1\n")
        for s in slow:
            s.close()

    def test_who_has_gone_needs_no_answer(self):
        code = "import time\nprint('x', flush=True)\ntime.sleep(4.5)"
        for linger in (b"\1\0\0\0\0\0\0\0", None):
            s = self.gateway.raw()
            s.sendall(request(code_of(code)))
            eventually(lambda: re.search(r"^warder_pool_running [1-9]", self.gateway.get("/metrics")[2].decode(), re.M))
            if linger:  # a reset
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            before = time.monotonic()
            s.close()
            eventually(lambda: re.search(r"^warder_pool_running 0", self.gateway.get("/metrics")[2].decode(), re.M))
            self.assertLess(time.monotonic() - before, 3.5)

    def test_nodes(self):
        run = self.gateway.run
        data = run(node(PYTHON_NODE, "def main(a, b):\n    return {'sum': a + b, 'x': 'gr\u00fc\u00df \u4f60\U0001f600'}", {"a": 1, "b": 2}))
        self.assertEqual((data["error"], data["exit_code"]), ("", 0))
        self.assertEqual(json.loads(result_of(data)), {"sum": 3, "x": "gr\u00fc\u00df \u4f60\U0001f600"})
        template = base64.b64encode("Hello {{ name }}{% for i in x %}, {{ i }}{% endfor %}!".encode()).decode()
        data = run(node(JINJA2_NODE, template, {"name": "A\u00e9", "x": [1, 2]}), preload="import jinja2")
        self.assertEqual(result_of(data), "Hello A\u00e9, 1, 2!")
        data = run(node(NODEJS_NODE, "function main({a}) { return {y: a + '\U0001f600'} }", {"a": "\u4f60"}), language="nodejs")
        self.assertEqual(json.loads(result_of(data)), {"y": "\u4f60\U0001f600"})

    def test_exceptions(self):
        data = self.gateway.run("def main():\n    raise ValueError('no')\n\nmain()")
        traceback = ('Traceback (most recent call last):\n  File "/tmp/main.py", line 4, in <module>\n    main()\n'
                     '  File "/tmp/main.py", line 2, in main\n    raise ValueError(\'no\')\nValueError: no\n')
        self.assertEqual(data, {"stdout": "", "stderr": traceback, "error": "process exited with code 255\n" + traceback, "exit_code": 255})
        data = self.gateway.run("throw new Error('no')", language="nodejs")
        self.assertEqual(data["exit_code"], 1)
        self.assertRegex(data["error"], r"\Aprocess exited with code 1\n(.*\n)*Error: no\n")
        self.assertEqual(data["error"], "process exited with code 1\n" + data["stderr"])
        self.assertEqual(self.gateway.run("x = ")["exit_code"], 255)

    def test_exit_statuses(self):
        for code, status in (("sys.exit(1)", 1), ("sys.exit(300)", 44), ("sys.exit(255)", 255), ("sys.exit(None)", 0), ("os._exit(3)", 3)):
            with self.subTest(code):
                data = self.gateway.run(f"import os, sys\nsys.stderr.write('warning')\nsys.stderr.flush()\n{code}")
                self.assertEqual((data["exit_code"], data["stderr"]), (status, "warning"))
                self.assertEqual(data["error"], f"process exited with code {status}\nwarning" if status else "")
        self.assertEqual(self.gateway.run("import sys; sys.exit(3)")["error"], "process exited with code 3")

    def test_the_status_of_exceptions_is_no_secret_door(self):
        data = self.gateway.run("import os\nprint([k for k in os.environ if 'UNCAUGHT' in k])")
        self.assertEqual(data["stdout"], "[]\n")

    def test_policy_kill(self):
        data = self.gateway.run("import ctypes\nprint(1, flush=True)\nctypes.CDLL(None).mount(b'none', b'/mnt', b'tmpfs', 0, None)")
        self.assertEqual((data["stdout"], data["exit_code"]), ("1\n", -1))
        self.assertRegex(data["error"], r'\Aprocess exited with code -1\nerror: operation not permitted\nkilled: mount\("none", "/mnt", "tmpfs"')

    def test_output(self):
        size = 12 << 20
        self.assertEqual(self.gateway.run(f"print('x' * {size}, end='')")["stdout"], "x" * size)
        data = self.gateway.run("import sys\nsys.stdout.buffer.write(b'a\\xff\\xfe\\xe4b\\xed\\xa0\\x80\\x00\\x1f')")
        self.assertEqual(data["stdout"], "a\ufffd\ufffd\ufffdb\ufffd\ufffd\ufffd\x00\x1f")
        data = self.gateway.run("import sys\nsys.stderr.write('w' * 100000)")
        self.assertEqual((data["error"], data["exit_code"], len(data["stderr"])), ("", 0, 100000))

    def test_output_that_does_not_fit_is_told(self):
        data = self.gateway.run("import sys\nb = b'x' * (1 << 20)\nfor i in range(65): sys.stdout.buffer.write(b)")
        self.assertEqual((data["exit_code"], data["error"]), (-1, "process exited with code -1\nerror: output limit exceeded\n"))

    def test_input(self):
        size = (64 if LONG else 10) << 20
        data = self.gateway.run(node(PYTHON_NODE, "def main(x):\n    return {'n': len(x)}", {"x": "y" * (10 << 20)}))
        self.assertEqual(json.loads(result_of(data)), {"n": 10 << 20})
        data = self.gateway.run("#" * size + "\nprint(1)")
        self.assertEqual(data["stdout"], "1\n")

    def test_what_a_job_finds(self):
        data = self.gateway.run("import sys\nprint(__name__, repr(sys.stdin.read()))", preload="import os; os._exit(9)")
        self.assertEqual(data["stdout"], "__main__ ''\n")
        data = self.gateway.run("x = 012; console.log(this === module.exports, typeof require, x); setTimeout(() => console.log('later'), 20)",
                                language="nodejs")
        self.assertEqual(data["stdout"], "true function 10\nlater\n")
        self.assertEqual(self.gateway.run("print(1)\0")["exit_code"], 255)

    def test_bodies_that_end_in_two_places(self):
        body = code_of("print(1)")
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        rows = (request(chunks, length=4, Transfer_Encoding="chunked"), request(body, length=5, **{"content-length": len(body)}),
                request(chunks, length="", Transfer_Encoding="xchunked"), request(body, length="", **{"Content-Length ": len(body)}))
        for row in rows:
            with self.subTest(row[:220]), self.gateway.raw() as s, s.makefile("rb") as f:
                s.sendall(row)
                status, headers, _ = read_answer(f)
                self.assertEqual((status, headers["connection"], f.read()), (400, "close", b""))

    def test_packages(self):
        for path in ("?language=python3", "/refresh?language=python3"):
            answer = json.loads(self.gateway.get("/v1/sandbox/dependencies" + path)[2])
            self.assertEqual((answer["code"], list(answer["data"])), (0, ["dependencies"]))
            found = {d["name"].lower(): d["version"] for d in answer["data"]["dependencies"]}
            version = subprocess.run([PYTHON, "-c", "import jinja2; print(jinja2.__version__)"], capture_output=True, text=True).stdout.strip()
            self.assertEqual(found["jinja2"], version)
        body = json.dumps({"language": "python3"})
        self.assertEqual(json.loads(self.gateway.ask("GET", "/v1/sandbox/dependencies", body, {"Content-Type": JSON})[2])["code"], 0)

    def test_metrics(self):
        self.gateway.run("open('/nowhere/at/all') if 0 else None\ntry: open('/nowhere')\nexcept OSError: pass")
        status, kind, text = self.gateway.get("/metrics")
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
        samples = {}
        for line in text.decode().splitlines():
            if not line.startswith("#"):
                self.assertRegex(line, r'\A[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+\Z')
                name, _, value = line.rpartition(" ")
                self.assertNotIn(name, samples)
                samples[name] = float(value)
        self.assertEqual(samples["warder_up"], 1)
        self.assertGreaterEqual(samples["warder_zygote_starts_total"], 2)
        self.assertGreaterEqual(samples['warder_violations_total{syscall="openat",verdict="hidden"}'], 1)
        count = samples['warder_request_seconds_count{language="python3"}']
        self.assertEqual(samples['warder_request_seconds_bucket{language="python3",le="+Inf"}'], count)
        self.assertEqual(sum(v for k, v in samples.items() if k.startswith('warder_jobs_total{language="python3"')), count)

    def test_power(self):
        if os.geteuid() == 0:
            self.assertNotEqual(self.gateway.uid, 0)

    def test_parallel_clients(self):
        failures = []

        def work(n):
            conn = self.gateway.connect()
            for i in range(20 if LONG else 4):
                try:
                    data = self.gateway.post(conn, code=f"print({n} * 1000 + {i})")["data"]
                    self.assertEqual(data["stdout"], f"{n * 1000 + i}\n")
                except Exception as e:  # noqa: BLE001 - whatever it is, it is a failure of that client
                    failures.append(repr(e))
        threads = [threading.Thread(target=work, args=(n,)) for n in range(40)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])


class BesideASupervisor(Case):
    """--socket: a supervisor that others use, too, with policies of its own."""
    supervisor_args = ("--workers", "1")

    def gateway(self, **env):
        os.chmod(self.supervisor.path, 0o666)
        g = Gateway("--socket", self.supervisor.path, **env)
        self.addCleanup(lambda: self.assertEqual(g.stop(), 0))
        return g

    def test_overflow(self):
        g = self.gateway(MAX_REQUESTS="3", MAX_WORKERS="1", WORKER_TIMEOUT="60")
        held = [g.raw() for _ in range(3)]
        for s in held:
            s.sendall(request(code_of("import time; time.sleep(60)")))
        eventually(lambda: b"warder_http_runs 3\n" in g.get("/metrics")[2])
        status, kind, body = g.ask("POST", RUN, code_of("1"), {"Content-Type": JSON})  # while all three go on
        self.assertEqual((status, kind, json.loads(body)), (503, JSON_UTF8, error(-503, "Too many requests")))
        self.assertIn(b"warder_http_queue_length 2\n", g.get("/metrics")[2])
        for s in held:
            s.close()
        eventually(lambda: b"warder_http_runs 0\n" in g.get("/metrics")[2])
        self.assertEqual(g.run("print(1)")["stdout"], "1\n")

    def test_going_down(self):
        g = Gateway("--socket", self.supervisor.path)
        idle = g.raw()
        with g.raw() as s, s.makefile("rb") as f, idle:
            s.sendall(request(code_of("import time; time.sleep(1); print(1)")))
            eventually(lambda: b"warder_http_runs 1\n" in g.get("/metrics")[2])
            g.proc.send_signal(signal.SIGTERM)
            eventually(lambda: "event=draining" in g.log())
            with self.assertRaises(OSError):
                eventually(lambda: g.raw().close())
            self.assertEqual(json.loads(read_answer(f)[2])["data"]["stdout"], "1\n")
        self.assertEqual(g.proc.wait(DEADLINE), 0)

    def test_what_the_policy_does_not_allow_is_left_out(self):
        g = self.gateway(WORKER_TIMEOUT="90", HTTP_PROXY="http://x:1", ENABLE_NETWORK="true")
        self.assertEqual(g.run("print(1)", enable_network=True)["stdout"], "1\n")
        log = g.log()
        self.assertRegex(log, r'event=policy_bound language=python3 why="not_permitted: grants.connect')
        self.assertRegex(log, r'event=policy_bound language=python3 why="bad_request: limits.wall_ms')
        self.assertIn("event=unused variable=HTTP_PROXY", log)

    def test_no_network(self):
        g = self.gateway(ENABLE_NETWORK="false")
        self.assertEqual(g.post(code="1"), error(-400, "network is disabled, please enable it in the configuration"))
        self.assertEqual(g.run("print(1)", enable_network=False)["stdout"], "1\n")

    def test_health_without_a_supervisor(self):
        g = Gateway("--socket", self.supervisor.path + ".none", healthy=False)
        self.assertEqual(g.get("/health"), (503, JSON_UTF8, b'"unavailable"'))
        status, _, body = g.ask("POST", RUN, code_of("1"), {"Content-Type": JSON})
        self.assertEqual((status, json.loads(body)["code"]), (503, -503))
        self.assertIn(b"warder_up 0\n", g.get("/metrics")[2])
        self.assertEqual(g.stop(), 0)


class Environment(GatewayCase):
    """What the supervisor that is started here is told."""
    env = {"ALLOWED_SYSCALLS": "101, 0,257,152,99999", "PYTHON_PATH": "/usr/bin/python3", "HTTP_PROXY": "http://127.0.0.1:3128",
           "ENABLE_PRELOAD": "1", "WORKER_TIMEOUT": "90", "MAX_WORKERS": "1"}

    def test_syscalls(self):
        log = self.gateway.log()
        for number, name, verdict in ((101, "ptrace", "no"), (0, "read", "no"), (257, "openat", "no"), (152, "munlockall", "yes"),
                                      (99999, "none", "no")):
            self.assertRegex(log, rf"event=allowed_syscall policy=python3 number={number} call={name} allowed={verdict}")
        self.assertEqual(self.gateway.run("import ctypes\nprint(ctypes.CDLL(None).munlockall())")["stdout"], "0\n")

    def test_proxy(self):
        code = "import os; print(os.environ.get('HTTP_PROXY'))"
        self.assertEqual(self.gateway.run(code)["stdout"], "http://127.0.0.1:3128\n")
        self.assertEqual(self.gateway.run(code, enable_network=False)["stdout"], "None\n")

    def test_preload_runs_confined_and_first(self):
        data = self.gateway.run("print(x)", preload="try: open('/etc/passwd')\nexcept OSError: x = 'closed'")
        self.assertEqual(data["stdout"], "closed\n")

    def test_nothing_is_left(self):
        g = Gateway(MAX_WORKERS="1")
        folder = os.path.dirname(g.socket)
        self.assertTrue(os.path.isdir(folder))
        self.assertEqual(g.stop(), 0)
        self.assertFalse(os.path.exists(folder))


class Dependencies(unittest.TestCase):
    """Packages installed through the API, from a folder of wheels, by the supervisor."""

    def setUp(self):
        if subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode:
            self.skipTest("missing python3-pip")
        self.folder = test_dependencies.Folder()
        self.addCleanup(self.folder.remove)
        self.gateway = Gateway(WARDER_DEPENDENCIES=self.folder.path, PIP_NO_INDEX="1", MAX_WORKERS="1")
        self.addCleanup(self.gateway.stop)

    def requires(self, *wheels):
        test_dependencies.write(os.path.join(self.folder.path, "python-requirements.txt"), "\n".join(wheels) + "\n")

    def update(self):
        status, kind, body = self.gateway.ask("POST", "/v1/sandbox/dependencies/update", b'{"language": "python3"}', {"Content-Type": JSON})
        self.assertEqual(kind, JSON_UTF8)
        return status, json.loads(body)

    def listed(self, path=""):
        answer = json.loads(self.gateway.get(f"/v1/sandbox/dependencies{path}?language=python3")[2])
        return {d["name"]: d["version"] for d in answer["data"]["dependencies"]}

    def test_life_of_the_tree(self):
        """One gateway for all of it: each start, and each installation with its trial, takes seconds."""
        self.what_hinders_is_told()
        self.assertNotIn("thing", self.listed("/refresh"))  # nothing yet to install again
        self.requires(test_dependencies.wheel(self.folder.path, "1.0"))
        self.assertEqual(self.update(), (200, {"code": 0, "message": "success", "data": {}}), self.gateway.log())
        eventually(lambda: self.listed().get("thing") == "1.0")
        self.assertEqual(self.gateway.run("import thing\nprint(thing.VERSION)")["stdout"], "1.0\n")
        self.assertIn("jinja2", {name.lower() for name in self.listed("/refresh")})
        eventually(lambda: self.listed().get("thing") == "1.0")
        self.what_cannot_be_installed_is_told()
        self.assertEqual(self.listed()["thing"], "1.0")
        self.one_at_a_time_and_going_down_ends_it()

    def what_hinders_is_told(self):
        base = os.path.join(self.folder.path, "python3")
        test_dependencies.write(base, "")
        status, answer = self.update()
        self.assertEqual((status, answer["code"]), (200, -500))
        self.assertIn("dependencies were not installed: warder-dependencies: [Errno 20] Not a directory", answer["message"])
        os.unlink(base)

    def what_cannot_be_installed_is_told(self):
        self.requires("/nowhere/thing-2-py3-none-any.whl")
        status, answer = self.update()
        self.assertEqual((status, answer["code"], answer["data"]), (200, -500, None))
        self.assertRegex(answer["message"], r"not installed: .*/nowhere/thing-2.*nothing was changed")

    def one_at_a_time_and_going_down_ends_it(self):
        names = os.path.join(self.folder.path, "python-requirements.txt")
        os.unlink(names)
        os.mkfifo(names)  # pip waits for a writer
        versions = os.path.join(self.folder.path, "python3", ".versions")
        before = sorted(os.listdir(versions))
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.update()))
        asking.start()
        eventually(lambda: len(os.listdir(versions)) > len(before))
        self.assertEqual(self.update(), (503, error(-503, "dependencies are being installed already")))
        began = time.monotonic()
        self.gateway.proc.send_signal(signal.SIGTERM)
        asking.join()
        self.assertEqual(answers, [(503, error(-503, "going down"))])
        self.assertEqual(self.gateway.stop(), 0)
        self.assertLess(time.monotonic() - began, DEADLINE / 2)
        eventually(lambda: sorted(os.listdir(versions)) == before)


class WrongSettings(unittest.TestCase):
    def test_told_by_name(self):
        rows = {"SANDBOX_PORT": "x", "MAX_WORKERS": "0", "MAX_REQUESTS": "-1", "WORKER_TIMEOUT": "1.5", "ENABLE_NETWORK": "maybe",
                "ALLOWED_SYSCALLS": "1,x"}
        for name, value in rows.items():
            with self.subTest(name):
                done = subprocess.run([GATEWAY], env={"API_KEY": "x", "SANDBOX_PORT": "0", name: value}, capture_output=True, timeout=DEADLINE)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"warder-http: {name}: ".encode(), done.stderr)

    def test_the_known_key_is_for_this_machine_alone(self):
        g = Gateway("--socket", "/nonexistent/warder.sock", healthy=False, API_KEY="")
        self.addCleanup(g.stop)
        self.assertIn("event=default_key", g.log())
        listening = subprocess.run(["ss", "-Hltn", f"sport = :{g.port}"], capture_output=True, text=True).stdout
        self.assertEqual(re.findall(r"(\S+):%d " % g.port, listening), ["127.0.0.1"])


if __name__ == "__main__":
    unittest.main()
