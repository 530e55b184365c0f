"""Real servers for network tests, on loopback addresses that nothing else uses and on free ports.

Everything that is started here is stopped by close(). What a job may reach is GRANTED; the servers on FORBIDDEN count
who came to them: a test that finds one there has found a hole.
"""
import asyncio
import contextlib
import http.server
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import time

import support

GRANTED, FORBIDDEN = "127.17.0.1", "127.18.0.1"
NAME = "lab.warder.test"  # in the certificate beside GRANTED


def free_port(address=GRANTED):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def find(program):
    """A program's path; sbin is not in everybody's PATH. None when it is not installed."""
    return shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked, without what differs from run to run."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self):
        self.server.seen.append((self.path, self.headers.get("Via")))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/redirect":
            self.send(302, b"", Location="/here")
        elif self.path == "/big":
            self.send(200, bytes(range(256)) * 8192)
        elif self.path == "/slow":
            time.sleep(2)
            self.send(200, b"slow")
        elif self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (b"one ", b"two ", b"three"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path.startswith("/status/"):
            self.send(int(self.path[8:]), b"as asked")
        else:
            host = (self.headers.get("Host") or "").partition(":")[0]
            self.send(200, f"{self.command} {self.path} {host} {len(body)} {sum(body)}".encode(), X_Lab="yes")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer


class HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address, context=None):
        super().__init__((address, 0), Handler)
        self.seen = []  # path, and which proxy it came through
        self.port = self.server_address[1]
        self.context = context
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def finish_request(self, request, client_address):
        if self.context:  # the handshake in the connection's own thread
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)
        if self.context:
            with contextlib.suppress(OSError):
                request.unwrap()

    def handle_error(self, request, client_address):
        pass

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class Echo(socketserver.ThreadingTCPServer):
    """Gives back what comes; half-closes when its client did."""
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.server.peers.append(self.client_address)
            while data := self.request.recv(1 << 16):
                self.request.sendall(data)
            self.request.shutdown(socket.SHUT_WR)

    def __init__(self, address, port=0):
        self.peers = []
        if ":" in address:
            self.address_family = socket.AF_INET6
        super().__init__((address, port), self.Handler)
        self.port = self.server_address[1]
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def handle_error(self, request, client_address):
        pass

    def close(self):
        self.shutdown()
        self.server_close()
        self.thread.join()


class UdpEcho:
    def __init__(self, address):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.port = self.sock.getsockname()[1]
        self.datagrams = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            data, peer = self.sock.recvfrom(1 << 16)
            if data == b"\0close":
                return
            self.datagrams.append(data)
            self.sock.sendto(data[::-1], peer)

    def close(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"\0close", self.sock.getsockname())
        self.thread.join()
        self.sock.close()


class BlackHole:
    """A listener with a full backlog that nobody accepts from: the kernel drops what else would connect."""

    def __init__(self, address):
        self.sock = socket.socket()
        self.sock.bind((address, 0))
        self.sock.listen(0)
        self.port = self.sock.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                s.connect((address, self.port))
            self.fillers.append(s)
        probe = socket.socket()
        probe.settimeout(0.3)
        try:
            probe.connect((address, self.port))
            raise AssertionError("the black hole answers")
        except TimeoutError:
            pass
        finally:
            probe.close()

    def close(self):
        for s in [*self.fillers, self.sock]:
            s.close()


class AsyncServers:
    """Servers that live on an asyncio loop in a thread of their own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(support.DEADLINE)

    def websocket(self, address):
        import websockets

        async def echo(connection, *_):
            async for message in connection:
                await connection.send(message[::-1])

        async def start():
            return await websockets.serve(echo, address, 0)
        return self.call(start()).sockets[0].getsockname()[1]

    def smtp(self, address):
        from aiosmtpd.smtp import SMTP

        class Box:
            letters = []

            async def handle_DATA(self, server, session, envelope):
                self.letters.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
                return "250 taken"

        async def start():
            return await self.loop.create_server(lambda: SMTP(Box(), hostname="lab", loop=self.loop), address, 0)
        return self.call(start()).sockets[0].getsockname()[1], Box.letters

    def close(self):
        async def stop():
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
        self.call(stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Program:
    """A server of Debian's, in the foreground, until close()."""

    def __init__(self, command, address, port, executable=None):
        self.proc = subprocess.Popen(command, executable=executable, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, start_new_session=True)
        self.port = port
        support.eventually(lambda: self.answers(address, port))

    def answers(self, address, port):
        if self.proc.poll() is not None:
            raise RuntimeError(f"{self.proc.args[0]} ended with status {self.proc.returncode}")
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return True
        return False

    def close(self):
        self.proc.terminate()
        self.proc.wait(support.DEADLINE)


def redis(address):
    port = free_port(address)
    # Debian's one program for all of Redis; redis-server is a link to it in a package that also starts a service
    return Program(["redis-server", "--bind", address, "--port", str(port), "--save", "", "--appendonly", "no"], address, port,
                   executable=find("redis-check-rdb"))


def tinyproxy(folder, address, *lines):
    port = free_port(address)
    path = os.path.join(folder, f"tinyproxy.{port}.conf")
    with open(path, "w") as f:
        f.write("\n".join([f"Port {port}", f"Listen {address}", "Timeout 60", "MaxClients 50", "Allow 127.0.0.0/8", *lines, ""]))
    return Program([find("tinyproxy"), "-d", "-c", path], address, port)


def microsocks(address):
    port = free_port(address)
    return Program([find("microsocks"), "-i", address, "-p", str(port)], address, port)


def make_certificates(folder):
    """A CA of our own and a server's certificate that it signed: ca.pem, server.pem with its key."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Lab CA",
            "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={NAME}")
    with open(os.path.join(folder, "names"), "w") as f:
        f.write(f"subjectAltName=DNS:{NAME},IP:{GRANTED}\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.crt",
            "-days", "2", "-extfile", "names")
    with open(os.path.join(folder, "server.pem"), "wb") as out:
        for part in ("server.key", "server.crt"):
            with open(os.path.join(folder, part), "rb") as f:
                out.write(f.read())
    os.chmod(os.path.join(folder, "ca.pem"), 0o644)


def server_context(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"))
    return context


UDP_POLICY = """sockets:
  - {family: inet, type: dgram, protocol: udp}
"""


class Lab:
    """Servers, a policy "net" that grants them, a file that jobs may read (the CA), and a supervisor."""

    def __init__(self, network=None, more_policies=None, config=None, servers=True):
        self.open()
        try:
            if servers:
                self.start_servers()
            network = [f"{GRANTED}/32", f"udp://{GRANTED}/32"] if network is None else network
            self.write_policies(network)
            for name, text in (more_policies or {}).items():
                self.write_policy(name, network, text)
            self.start(config)
        except BaseException:
            self.close()
            raise

    def open(self):
        self.closing = contextlib.ExitStack()
        # below /var/tmp: a job's /tmp is its own
        self.dir = tempfile.mkdtemp(prefix="warder-network-", dir="/var/tmp")
        self.closing.callback(shutil.rmtree, self.dir, ignore_errors=True)
        os.chmod(self.dir, 0o755)

    def write_policies(self, network=()):
        self.policies = os.path.join(self.dir, "policies")
        os.mkdir(self.policies)
        for name in os.listdir(support.POLICIES):
            if name.endswith(".yaml"):
                shutil.copy(os.path.join(support.POLICIES, name), self.policies)
        self.write_policy("net", network)

    def write_policy(self, name, network, more=""):
        rows = "".join(f"  - {{connect: \"{g}\"}}\n" for g in network)
        with open(os.path.join(self.policies, name + ".yaml"), "w") as f:
            f.write(f"name: {name}\nextends: python3\nlanguage: python3\n"
                    + (f"network:\n{rows}" if rows else "")
                    + f"files:\n  - {{path: {self.dir}/ca.pem, rights: [read]}}\n"
                    "limits: {wall_ms: 30000}\n" + more)

    def start(self, config=None, prefix=()):
        args = ["--policy-dir", self.policies]
        if config:
            path = os.path.join(self.dir, "warder.yaml")
            with open(path, "w") as f:
                f.write(config)
            args += ["--config", path]
        self.supervisor = support.Supervisor(*args, prefix=prefix)
        self.closing.callback(self.supervisor.stop)

    def start_servers(self):
        make_certificates(self.dir)
        self.keep("http", HttpServer(GRANTED))
        self.keep("https", HttpServer(GRANTED, server_context(self.dir)))
        self.keep("echo", Echo(GRANTED))
        self.keep("udp", UdpEcho(GRANTED))
        self.keep("forbidden", Echo(FORBIDDEN))
        self.keep("forbidden_udp", UdpEcho(FORBIDDEN))

    def keep(self, name, server):
        setattr(self, name, server)
        self.closing.callback(server.close)
        return server

    def run(self, code, *args, policy="net", **fields):
        with self.supervisor.client(timeout=60) as c:
            return c.run(code, policy=policy, args=[str(a) for a in args], **fields)

    def close(self):
        self.closing.close()
