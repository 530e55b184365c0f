"""connect(2) and its neighbours as on Linux: the same program inside and outside, and what only a supervisor can get wrong."""
import os
import shutil
import socket
import tempfile
import threading
import time
import unittest

import support
from support import BUILD, POLICIES, Case, Outside, Supervisor

FAILCALL = os.path.join(BUILD, "tests", "failcall")

# Everything is told without port numbers and without times, so that both sides can be compared as text.
PARITY = r'''
import ctypes, errno, os, select, signal, socket, struct, sys, threading, time
LIVE, DEAD, HOLE = map(int, sys.argv[1:4])
libc = ctypes.CDLL(None, use_errno=True)
HOST = "127.0.0.1"

def tell(what, f):
    begun = time.monotonic()
    try:
        got = f()
    except BaseException as e:
        got = f"{type(e).__name__} {getattr(e, 'errno', None)}"
    print(what, got, "waited" if time.monotonic() - begun > 0.5 else "at once")

def raw(s, port, length=16, family=2, fd=None):
    a = struct.pack("=H", family) + struct.pack("!H4s120x", port, socket.inet_aton(HOST))
    r = libc.connect(s.fileno() if fd is None else fd, a, length)
    return r if r == 0 else errno.errorcode[ctypes.get_errno()]

def tcp(family=socket.AF_INET, blocking=True):
    s = socket.socket(family)
    s.setblocking(blocking)
    return s

def echo():
    s = tcp()
    s.connect((HOST, LIVE))
    s.sendall(b"hello")
    return s.recv(10), s.getpeername()[0], s.gettimeout()

def non_blocking(port, wait):
    s = tcp(blocking=False)
    first = s.connect_ex((HOST, port))
    wait(s)
    err = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.errorcode.get(first, first), errno.errorcode.get(err, err)

def by_select(s): select.select([], [s], [], 10)
def by_poll(s):
    p = select.poll(); p.register(s, select.POLLOUT); p.poll(10000)
def by_epoll(s):
    p = select.epoll(); p.register(s, select.EPOLLOUT); p.poll(10)

tell("echo", echo)
tell("dead", lambda: raw(tcp(), DEAD))
for name, wait in (("select", by_select), ("poll", by_poll), ("epoll", by_epoll)):
    tell(f"non-blocking {name} live", lambda: non_blocking(LIVE, wait)[1])
    tell(f"non-blocking {name} dead", lambda: non_blocking(DEAD, wait)[1])

def twice():
    s = tcp(); a = raw(s, LIVE); b = raw(s, LIVE); return a, b
tell("twice", twice)
def twice_under_way():
    s = tcp(blocking=False); return raw(s, HOLE), raw(s, HOLE)
tell("twice under way", twice_under_way)
def after_refusal():
    s = tcp(); a = raw(s, DEAD); b = raw(s, DEAD); c = raw(s, LIVE); return a, b, c
tell("after a refusal", after_refusal)
for length in (-1, 0, 1, 2, 15, 16, 17, 128, 129):
    tell(f"length {length}", lambda: raw(tcp(), LIVE, length))
tell("family 0", lambda: raw(tcp(), LIVE, 16, 0))
tell("family 10 short", lambda: raw(tcp(socket.AF_INET6), LIVE, 16, 10))
tell("IPv4 address, IPv6 socket", lambda: raw(tcp(socket.AF_INET6), LIVE))
tell("no descriptor", lambda: raw(None, LIVE, fd=-1))
tell("closed descriptor", lambda: raw(None, LIVE, fd=777))
tell("no socket", lambda: raw(None, LIVE, fd=os.open("/dev/null", os.O_RDONLY)))
tell("pipe", lambda: raw(None, LIVE, fd=os.pipe()[0]))
tell("socketpair", lambda: raw(socket.socketpair()[0], LIVE))
tell("bad pointer", lambda: libc.connect(tcp().fileno(), ctypes.c_void_p(8), 16) or 0)

def disconnect():
    s = tcp(); a = raw(s, LIVE); b = raw(s, 0, 16, 0); c = raw(s, LIVE); return a, b, c
tell("disconnect", disconnect)
def patience(n=1):
    s = tcp()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 600000))
    return [raw(s, HOLE) for _ in range(n)]
tell("SO_SNDTIMEO", patience)
tell("SO_SNDTIMEO twice", lambda: patience(2))
def timeout():
    s = tcp(); s.settimeout(0.6); s.connect((HOST, HOLE))
tell("settimeout", timeout)

hits = []
signal.signal(signal.SIGALRM, lambda *a: hits.append(1))
def interrupted(restart, option=False):
    s = tcp()
    if option:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 3, 0))
    signal.siginterrupt(signal.SIGALRM, not restart)
    signal.setitimer(signal.ITIMER_REAL, 0.6)
    if restart:
        threading.Timer(1, lambda: s.shutdown(socket.SHUT_RDWR)).start()
    return raw(s, HOLE), len(hits)
tell("EINTR", lambda: interrupted(False))
tell("SA_RESTART", lambda: interrupted(True))
tell("EINTR with SO_SNDTIMEO", lambda: interrupted(False, True))
class Alarm(Exception): pass
def raising(*a): raise Alarm
def raised():
    signal.signal(signal.SIGALRM, raising)
    signal.setitimer(signal.ITIMER_REAL, 0.6)
    tcp().connect((HOST, HOLE))
tell("a handler that raises", raised)
def in_a_thread():
    got, s = [], tcp()
    t = threading.Thread(target=lambda: got.append(raw(s, HOLE)))
    t.start()
    time.sleep(0.6)
    s.shutdown(socket.SHUT_RDWR)
    t.join()
    return got
tell("shutdown by another thread", in_a_thread)
def replaced():
    got, s = [], tcp()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 600000))
    t = threading.Thread(target=lambda: got.append(raw(s, HOLE)))
    t.start()
    time.sleep(0.3)
    r, w = os.pipe()
    os.dup2(w, s.fileno())
    t.join()
    os.write(s.fileno(), b"pipe")
    return got, os.read(r, 10)
tell("dup2 over it", replaced)
def pollable():
    s = tcp(); raw(s, LIVE); s.sendall(b"x"); return select.select([s], [], [], 10)[0] == [s], s.recv(5), s.recv(5)
tell("the peer's end", pollable)
tell("options", lambda: [tcp().setsockopt(l, o, 1) for l, o in ((1, socket.SO_KEEPALIVE), (6, socket.TCP_NODELAY), (6, socket.TCP_KEEPIDLE), (1, socket.SO_REUSEADDR))])
tell("cloexec", lambda: (tcp().get_inheritable(), socket.socket(2, 1 | socket.SOCK_NONBLOCK).getblocking()))
tell("getaddrinfo", lambda: sorted(a[4][0] for a in socket.getaddrinfo(HOST, 80, type=socket.SOCK_STREAM)))
def sendmsg():
    s = tcp(); s.connect((HOST, LIVE)); n = s.sendmsg([b"he", b"llo"]); return n, s.recvmsg(10)[0]
tell("sendmsg", sendmsg)
sys.stdout.flush()
os._exit(0)
'''


class Servers:
    """One that echoes and hangs up, a port where nobody listens, and one whose queue is full."""

    def __init__(self):
        self.live = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.hole = socket.create_server(("127.0.0.1", 0), backlog=0)
        dead = socket.socket()
        dead.bind(("127.0.0.1", 0))
        self.held = [dead]
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(self.hole.getsockname())
            self.held.append(s)
        self.ports = [s.getsockname()[1] for s in (self.live, dead, self.hole)]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c = self.live.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.echo, args=(c,), daemon=True).start()

    @staticmethod
    def echo(c):
        with c:
            try:
                c.settimeout(10)
                c.sendall(c.recv(100))
            except OSError:
                pass

    def close(self):
        for s in (self.live, self.hole, *self.held):
            s.close()


class Connect(Case):
    prefix = ()

    @classmethod
    def setUpClass(cls):
        cls.servers = Servers()
        cls.policies = tempfile.mkdtemp(prefix="warder-policies-")
        os.chmod(cls.policies, 0o755)
        for name in ("base.yaml", "python3.yaml"):
            shutil.copy(os.path.join(POLICIES, name), cls.policies)
        with open(os.path.join(cls.policies, "udp.yaml"), "w") as f:
            f.write("name: udp\nextends: python3\nlanguage: python3\n"
                    "sockets: [{family: inet, type: dgram, protocol: udp}, {family: inet6, type: dgram, protocol: udp}]\n")
        with open(os.path.join(cls.policies, "bound.yaml"), "w") as f:
            f.write("name: bound\nextends: python3\nlanguage: python3\nnetwork:\n"
                    f"  - {{connect: \"127.0.0.1:{cls.servers.ports[0]}\"}}\ncallers_may:\n  connect: [\"10.0.0.0/8:443\"]\n")
        cls.supervisor = Supervisor("--policy-dir", cls.policies, prefix=cls.prefix)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.servers.close()
        shutil.rmtree(cls.policies)

    def grants(self, *texts):
        return {"connect": list(texts) or ["127.0.0.1"]}

    expected = None

    def test_as_on_linux(self):
        args = [str(p) for p in self.servers.ports]
        if not Connect.expected:
            Connect.expected = Outside(PARITY, args=args).stdout.decode()
        inside = self.run_ok(PARITY, args=args, grants=self.grants(), limits={"wall_ms": 60000})
        self.assertEqual(self.but(inside), self.but(Connect.expected))

    def but(self, text):
        return [line for line in text.splitlines() if support.PIDFD_GETFD or not line.startswith(("disconnect", "socketpair"))]

    def test_a_policy_grants_by_itself(self):
        code = f"import socket; s = socket.create_connection(('127.0.0.1', {self.servers.ports[0]})); s.sendall(b'x'); print(s.recv(1))"
        self.assertEqual(self.run_ok(code, policy="bound"), "b'x'\n")

    def test_cancel_during_connect_is_immediate(self):
        with self.supervisor.client() as c:
            msgid = c.start(f"import socket; print(1, flush=True); socket.socket().connect(('127.0.0.1', {self.servers.ports[2]}))",
                            job="waits", stream=True, grants=self.grants())
            c.wait_output(b"1")
            time.sleep(0.05)
            begun = time.monotonic()
            c.send("cancel", {"job": "waits"})
            self.assertEqual(c.wait(msgid)["outcome"], "cancelled")
            self.assertLess(time.monotonic() - begun, 5)  # its wall time is 15

    def test_a_wall_limit_ends_a_connect(self):
        r = self.run_job(f"import socket; socket.socket().connect(('127.0.0.1', {self.servers.ports[2]}))", grants=self.grants(),
                         limits={"wall_ms": 300})
        self.assertEqual((r["outcome"], r["limit"]), ("limit", "wall_time"))

    def test_a_full_queue_empties(self):
        """A blocking connect that waits is answered when the server takes it."""
        server = socket.create_server(("127.0.0.1", 0), backlog=0)
        port = server.getsockname()[1]
        fill = [socket.create_connection(("127.0.0.1", port))]  # one is all that there is room for
        with self.supervisor.client() as c:
            msgid = c.start(f"import socket; s = socket.socket(); s.connect(('127.0.0.1', {port})); s.sendall(b'in'); print(s.recv(9), s.getblocking())",
                            grants=self.grants())
            time.sleep(0.3)
            server.settimeout(20)
            fill += [server.accept()[0] for _ in range(2)]
            fill[-1].settimeout(20)
            self.assertEqual(fill[-1].recv(9), b"in")
            fill[-1].sendall(b"out")
            self.assertEqual(c.wait(msgid)["stdout"], b"b'out' True\n")
        for s in (*fill, server):
            s.close()

    def test_the_peer_sees_the_end_at_once(self):
        """No duplicate of the supervisor's keeps a connection open that the job has closed."""
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(20)
        for blocking in (True, False):
            with self.subTest(blocking=blocking), self.supervisor.client() as c:
                msgid = c.start(f"import socket, select, time; s = socket.socket(); s.setblocking({blocking}); s.connect_ex({server.getsockname()!r})\n"
                                "select.select([], [s], []); s.close(); print(1, flush=True); time.sleep(20)", job="end", stream=True,
                                grants=self.grants(), limits={"wall_ms": 30000})
                a = server.accept()[0]
                a.settimeout(10)
                self.assertEqual(a.recv(1), b"")
                a.close()
                c.send("cancel", {"job": "end"})
                self.assertEqual(c.wait(msgid)["outcome"], "cancelled")
        server.close()

    def test_grants_are_held_against_the_bound(self):
        rows = [("127.0.0.1:0", "bad_request"), ("[::1", "bad_request"), ("*.1", "bad_request")]
        for text, code in rows:
            with self.subTest(text=text), self.assertRaises(support.RpcError) as caught:
                self.run_job("pass", grants=self.grants(text))
            self.assertEqual(caught.exception.code, code)
            self.assertIn("grants.connect[0]", str(caught.exception))

    def test_udp_where_it_is_granted(self):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)
        port = server.getsockname()[1]
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind(("127.0.0.1", 0))
        other.setblocking(False)
        code = f"""
import socket, ctypes, struct
def err(f):
    try: return f()
    except OSError as e: return e.errno
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
to, no = ("127.0.0.1", {port}), ("127.0.0.1", {other.getsockname()[1]})
print(s.sendto(b"one", to), s.sendmsg([b"t", b"wo"], [], 0, to), err(lambda: s.sendto(b"x", no)), err(lambda: s.sendmsg([b"x"], [], 0, no)))
s.connect(to)
print(s.send(b"three"), s.recv(20), err(lambda: s.connect(no)), err(lambda: s.sendto(b"x", no)))
print(s.sendto(b"y" * 65507, to), err(lambda: s.sendto(b"y" * 65508, to)), err(lambda: s.sendto(b"y" * 200000, to)))
t = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
print(t.sendto(b"six", ("::ffff:127.0.0.1", {port})), err(lambda: t.sendto(b"x", ("::ffff:127.0.0.1", no[1]))))
print(err(lambda: socket.socket().connect(to)), err(lambda: s.sendmsg([b"x"], [(0, 8, b"1234")], 0, to)), err(lambda: s.bind(("", 0))))
def batch(*addresses):
    keep, vec = [], b""
    for a in addresses:
        sa = ctypes.create_string_buffer(struct.pack("=H", 2) + struct.pack("!H4s8x", a[1], socket.inet_aton(a[0])), 16)
        data = ctypes.create_string_buffer(b"batch", 5)
        iov = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(data), 5), 16)
        keep += [sa, data, iov]
        vec += struct.pack("=QIxxxxQQQQixxxxIxxxx", ctypes.addressof(sa), 16, ctypes.addressof(iov), 1, 0, 0, 0, 0)
    vec = ctypes.create_string_buffer(vec, len(vec))
    libc = ctypes.CDLL(None, use_errno=True)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    n = libc.sendmmsg(u.fileno(), vec, len(addresses), 0)
    return n if n >= 0 else -ctypes.get_errno(), [struct.unpack_from("=I", vec.raw, 64 * i + 56)[0] for i in range(len(addresses))]
print(batch(to, to, to), batch(to, no, to), batch(no))
"""
        with self.supervisor.client() as c:
            msgid = c.start(code, policy="udp", grants=self.grants(f"udp://127.0.0.1:{port}"))
            got = [server.recvfrom(70000) for _ in range(3)]
            self.assertEqual([d for d, _ in got], [b"one", b"two", b"three"])
            server.sendto(b"answer", got[0][1])
            r = c.wait(msgid)
        self.assertExited(r)
        self.assertEqual(r["stdout"].decode().splitlines(),
                         ["3 3 13 13", "5 b'answer' 13 13", "65507 90 90", "3 13", "13 1 1", "(3, [5, 5, 5]) (1, [5, 0, 0]) (-13, [0])"])
        self.assertEqual(sorted(len(server.recv(70000)) for _ in range(6)), [3, 5, 5, 5, 5, 65507])
        with self.assertRaises(BlockingIOError):
            other.recv(10)
        self.assertIn(("sendto", f"127.0.0.1:{other.getsockname()[1]}", "EACCES"),
                      [(v["syscall"], v["address"], v["errno"]) for v in r["violations"]])
        server.close()
        other.close()

    def test_names_are_looked_up_in_silence(self):
        """getaddrinfo asks netlink and connects datagram sockets, to sort what it found: no violation is told of that."""
        code = ("import socket\nfor f in (0, socket.AI_ADDRCONFIG):\n    print(sorted({a[4][0] for a in socket.getaddrinfo('localhost', 80, flags=f)}))\n"
                "import pwd\ntry: pwd.getpwnam('nobody-here')\nexcept KeyError: pass")
        r = self.run_job(code, grants=self.grants("localhost", "127.0.0.1", "[::1]"))
        self.assertExited(r)
        self.assertIn("127.0.0.1", r["stdout"].decode())
        self.assertEqual([v for v in r["violations"] if v["syscall"] in ("socket", "connect", "sendto")], [])


class OutOfReach(Connect):
    """The same where the kernel refuses pidfd_getfd, as in plain Docker: but for sockets that are connected, which all look alike."""
    prefix = (FAILCALL, "pidfd_getfd", "EPERM", "--")

    def but(self, text):
        return [line for line in text.splitlines() if not line.startswith(("disconnect", "socketpair"))]

    def test_many_sockets_that_are_not_connected(self):
        code = f"""
import socket
held = [socket.socket() for _ in range(200)]
for _ in range(1000):
    socket.socket().close()
for s in held:
    s.connect(("127.0.0.1", {self.servers.ports[0]}))
    s.close()
print("done")
"""
        self.assertEqual(self.run_ok(code, grants=self.grants()), "done\n")


if __name__ == "__main__":
    unittest.main()
