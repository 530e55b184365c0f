"""warder-http against clients that mean harm: what they can hold, exhaust or confuse, and what is left when they have gone."""
import os
import re
import signal
import socket
import subprocess
import unittest

from support import LONG, WARDERD, Supervisor, eventually
from test_http import JSON, RUN, Gateway, GatewayCase, code_of, read_answer, request

CONNECTIONS = 1024  # of server.h
MANY = 5000 if LONG else 100
SPARE_KIB = 4096    # by which memory may differ between two looks at it


def kib_of(gateway):
    """Resident memory of the process that speaks HTTP: the child of the first one, which is alone where a supervisor was named."""
    children = subprocess.run(["pgrep", "-P", str(gateway.proc.pid), "-x", "warder-http"], capture_output=True, text=True).stdout.split()
    with open(f"/proc/{(children or [gateway.proc.pid])[0]}/status", errors="replace") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


class Hostile(GatewayCase):
    env = {"WORKER_TIMEOUT": "10", "MAX_WORKERS": "2"}

    def answer_to(self, data):
        with self.gateway.raw() as s, s.makefile("rb") as f:
            try:
                s.sendall(data)
            except OSError:  # it was hung up on in the middle, after an answer
                pass
            return read_answer(f)

    def test_what_is_too_long_or_wrong(self):
        rows = {"a header that fits": (request(code_of("print(1)"), X="a" * 30000), 200), "a long header": (request(b"{}", X="a" * 70000), 431),
                "many headers": (request(b"{}", **{f"X{i}": "b" for i in range(5000)}), 431),
                "a long path": (request(path="/" + "a" * 100000, method="GET"), 414)}
        for chunk in (b"-1\r\n", b"zz\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n"):
            rows[f"chunk {chunk}"] = (request(length="", Transfer_Encoding="chunked") + chunk, 400)
        for name, (data, status) in rows.items():
            with self.subTest(name):
                self.assertEqual(self.answer_to(data)[0], status)
        self.assertEqual(self.gateway.run("print(1)")["stdout"], "1\n")

    def test_without_the_key_no_memory_is_had(self):
        before = kib_of(self.gateway)
        for path, status in (("/health", 200), (RUN, 401)):
            with self.gateway.raw() as s, s.makefile("rb") as f:
                head = request(path=path, method="GET" if status == 200 else "POST", length=100 << 20)
                s.sendall(head.replace(b"a-key", b"wrong") + b"x" * 1000)
                try:
                    for _ in range(99):
                        s.sendall(b"x" * (1 << 20))
                except OSError:
                    pass
                self.assertLess(kib_of(self.gateway) - before, SPARE_KIB, path)
        self.assertEqual(self.gateway.get("/health")[0], 200)

    def test_who_goes_in_the_middle_of_an_answer(self):
        self.gateway.run("print('x' * (12 << 20))")
        before = kib_of(self.gateway)
        for _ in range(5):
            s = self.gateway.raw()
            s.sendall(request(code_of("print('x' * (12 << 20))")))
            s.recv(100)
            s.close()
        eventually(lambda: kib_of(self.gateway) - before < SPARE_KIB)
        self.assertEqual(self.gateway.run("print(1)")["stdout"], "1\n")

    def test_memory_stays(self):
        conn = self.gateway.connect()
        for i in range(MANY + 50):
            self.gateway.post(conn, code="print(1)")
            if i == 50:
                before = kib_of(self.gateway)
        self.assertLess(kib_of(self.gateway) - before, SPARE_KIB)

    def test_connections_that_never_bring_a_request_keep_nobody_out(self):
        crowd = [socket.create_connection(("127.0.0.1", self.gateway.port)) for _ in range(CONNECTIONS + 50)]

        def is_served():
            for s in crowd[:CONNECTIONS]:  # each of them moves all the time
                try:
                    s.send(b"X: y\r\n" if s in begun else b"POST /v1/sandbox/run HTTP/1.1\r\n")
                    begun.add(s)
                except OSError:
                    pass
            try:
                return self.gateway.get("/health")[0] == 200
            except OSError:
                return False
        begun = set()
        eventually(is_served)
        self.assertRegex(self.gateway.log(), r"event=hung_up connections=\d+")
        for s in crowd:
            s.close()
        status, _, answer = self.gateway.ask("POST", RUN, code_of("print(1)"), {"Content-Type": JSON})
        self.assertEqual((status, b'"stdout":"1' in answer), (200, True))


class Restart(unittest.TestCase):
    def test_health_follows_the_supervisor(self):
        first = Supervisor("--workers", "1")
        self.addCleanup(first.stop)
        os.chmod(first.path, 0o666)
        gateway = Gateway("--socket", first.path, MAX_WORKERS="1")
        self.addCleanup(gateway.stop)
        first.proc.send_signal(signal.SIGKILL)
        first.proc.wait()
        eventually(lambda: gateway.get("/health")[0] == 503)
        with open(first.log_path, "ab") as log:
            second = subprocess.Popen([WARDERD, "--socket", first.path, "--workers", "1"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(lambda: os.path.exists(first.path) and (os.chmod(first.path, 0o666), gateway.get("/health")[0] == 200)[1])
            self.assertEqual(gateway.run("print(1)")["stdout"], "1\n")
        finally:
            second.terminate()
            second.wait()
        eventually(lambda: gateway.get("/health")[0] == 503)


if __name__ == "__main__":
    unittest.main()
