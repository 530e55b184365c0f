"""Addresses that a job was not granted: whatever it calls, and however it writes them, listeners there hear nothing.

Granted is one port of 127.0.0.1. The forbidden listeners are on all addresses of the machine: TCP, UDP, a Unix socket by path and one by
abstract name.
"""
import contextlib
import os
import socket
import unittest

import lab
import support

MS = 30000 if lab.LONG else 1200

HEAD = '''
import socket, struct, array
NR = {k: v for k, v in NRS.items()}
def sys_(name, *args):
    return raw(NR[name], *args)
def sa4(host, port, family=2):
    return struct.pack("=H", family) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)
def sa6(host, port, scope=0, flow=0):
    return struct.pack("=H", 10) + struct.pack("!HI", port, flow) + socket.inet_pton(10, host) + struct.pack("=I", scope)
def sau(path):
    return struct.pack("=H", 1) + path
def sock(family=2, kind=1, proto=0):
    return sys_("socket", family, kind, proto)
def connect(fd, sa, n=None):
    return sys_("connect", fd, sa, len(sa) if n is None else n)
def msg(sa, data=b"stolen", control=b""):
    """A struct msghdr; what it points to is kept."""
    bufs = [ctypes.create_string_buffer(x, len(x)) for x in (sa, data, control)]
    iov = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(bufs[1]), len(data)))
    h = struct.pack("=QIxxxxQQQQixxxx", ctypes.addressof(bufs[0]) if sa else 0, len(sa), ctypes.addressof(iov), 1,
                    ctypes.addressof(bufs[2]) if control else 0, len(control), 0)
    _kept.append((bufs, iov))
    return h
def low_zero(data):
    """The address of a copy whose low 32 bits are zero."""
    mmap = ctypes.CDLL(None).mmap
    mmap.restype, mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    at = mmap(1 << 36, 4096, 3, 0x100032, -1, 0)
    assert at == 1 << 36, at
    ctypes.memmove(at, data, len(data))
    return at
got = []
def note(ret):
    got.append(name(ret) if isinstance(ret, int) else ret)
    return ret
'''
CALLS = ("socket connect sendto sendmsg sendmmsg recvmsg bind listen accept accept4 setsockopt getsockopt socketpair io_uring_setup "
         "write close dup2 ioctl sched_yield").split()

# name, code. PORT is the forbidden port, OPEN the granted one, UNIX a path, ABSTRACT an abstract name
ATTACKS = [
    ("plain", "note(connect(sock(), sa4('127.0.0.1', PORT)))"),
    ("other loopback", "note(connect(sock(), sa4('127.0.0.2', PORT))); note(connect(sock(), sa4('127.0.0.2', OPEN)))"),
    ("unspecified", "note(connect(sock(), sa4('0.0.0.0', PORT))); note(connect(sock(10), sa6('::', PORT)))"),
    ("IPv6 loopback", "note(connect(sock(10), sa6('::1', PORT))); note(connect(sock(10), sa6('::1', OPEN)))"),
    ("mapped", "note(connect(sock(10), sa6('::ffff:127.0.0.1', PORT))); note(connect(sock(10), sa6('::ffff:0.0.0.0', PORT)))"),
    ("compatible", "note(connect(sock(10), sa6('::127.0.0.1', PORT)))"),
    ("scope", "for scope in (1, 2, 0xffffffff): note(connect(sock(10), sa6('::ffff:127.0.0.1', PORT, scope))); note(connect(sock(10), sa6('fe80::1', PORT, scope)))"),
    ("flow", "note(connect(sock(10), sa6('::ffff:127.0.0.1', PORT, 0, 0x12345)))"),
    ("lengths", """for n in (0, 1, 2, 4, 8, 15, 17, 28, 128, 129, 1 << 31, (1 << 32) - 1, -1, 1 << 32, 1 << 32 | 16, 1 << 63):
    note(connect(sock(), sa4('127.0.0.1', PORT) + bytes(120), n))"""),
    ("short IPv6", "for n in range(16, 29): note(connect(sock(10), sa6('::ffff:127.0.0.1', PORT), n))"),
    ("family in the high half", "note(connect(sock(), sa4('127.0.0.1', PORT, 0x8002)))"),
    ("families crossed", "note(connect(sock(10), sa4('127.0.0.1', PORT))); note(connect(sock(2), sa6('::ffff:127.0.0.1', PORT)))"),
    ("descriptor with a high half", "note(sys_('connect', 1 << 32 | sock(), sa4('127.0.0.1', PORT), 16))"),
    ("fast open: sendto", "note(sys_('sendto', sock(), b'stolen', 6, 0x20000000, sa4('127.0.0.1', PORT), 16))"),
    ("fast open: flags with a high half", "note(sys_('sendto', sock(), b'stolen', 6, 1 << 32 | 0x20000000, sa4('127.0.0.1', PORT), 16))"),
    ("fast open: sendmsg", "note(sys_('sendmsg', sock(), msg(sa4('127.0.0.1', PORT)), 0x20000000))"),
    ("fast open: sendmsg, high half", "note(sys_('sendmsg', sock(), msg(sa4('127.0.0.1', PORT)), 1 << 40 | 0x20000000))"),
    ("fast open: sendmmsg", "note(sys_('sendmmsg', sock(), msg(sa4('127.0.0.1', PORT)) + bytes(8), 1, 0x20000000))"),
    ("fast open: option", """for option in (30, 23, 34, 33):
    s = sock()
    note(sys_('setsockopt', s, 6, option, struct.pack('=i', 1), 4))
    note(connect(s, sa4('127.0.0.1', PORT)))
    note(sys_('sendto', s, b'stolen', 6, 0x4000, 0, 0))
    s = sock()
    note(sys_('setsockopt', s, 6 | 1 << 32, option | 1 << 32, struct.pack('=i', 1), 4))
    note(sys_('sendmsg', s, msg(sa4('127.0.0.1', PORT)), 0x4000))"""),
    ("send before connect", """s = sock()
note(sys_('sendto', s, b'stolen', 6, 0x4000, sa4('127.0.0.1', PORT), 16))
note(sys_('sendmsg', s, msg(sa4('127.0.0.1', PORT)), 0x4000))
note(connect(s, sa4('127.0.0.1', PORT)))"""),
    ("another address beside the data of a connected one", """s = sock()
assert connect(s, sa4('127.0.0.1', OPEN)) == 0
note(sys_('sendto', s, b'stolen', 6, 0x4000, sa4('127.0.0.1', PORT), 16))
assert sys_('sendmsg', s, msg(sa4('127.0.0.1', PORT), b'honest'), 0x4000) == 6"""),
    ("disconnect, then elsewhere", """s = sock()
assert connect(s, sa4('127.0.0.1', OPEN)) == 0
assert connect(s, bytes(16)) in (0, -106)  # EISCONN where sockets are out of reach
note(connect(s, sa4('127.0.0.1', PORT)))
assert connect(s, sa4('127.0.0.1', OPEN)) in (0, -106)
note(connect(s, sa4('127.0.0.1', PORT)))"""),
    ("UDP", """for family, sa in ((2, sa4('127.0.0.1', PORT)), (10, sa6('::ffff:127.0.0.1', PORT)), (10, sa6('::1', PORT)), (2, sa4('0.0.0.0', PORT))):
    for flags in (0x4000, 0x4000 | 0x8000, 0x4000 | 0x40):
        s = sock(family, 2)
        note(sys_('sendto', s, b'stolen', 6, flags, sa, len(sa)))
        note(sys_('sendmsg', s, msg(sa), flags))
        note(sys_('sendmmsg', s, msg(sa) + bytes(8), 1, flags))
        connect(s, sa)
        note(sys_('sendto', s, b'stolen', 6, flags, 0, 0))
        note(sys_('sendmsg', s, msg(b''), flags))
        note(sys_('write', s, b'stolen', 6))
        connect(s, bytes(16))
        note(sys_('sendmsg', s, msg(sa), flags))"""),
    ("UDP: cork, options, splice", """s = sock(2, 2)
sys_('setsockopt', s, 17, 1, struct.pack('=i', 1), 4)
note(sys_('sendmsg', s, msg(sa4('127.0.0.1', PORT)), 0x4000))
sys_('setsockopt', s, 17, 1, struct.pack('=i', 0), 4)
note(sys_('sendmsg', s, msg(sa4('127.0.0.1', PORT), control=struct.pack('=Qii', 20, 0, 7) + bytes(4)), 0x4000))
connect(s, sa4('127.0.0.1', OPEN))
f = open('/tmp/f', 'wb'); f.write(b'stolen'); f.close()
note(err(os.sendfile, s, os.open('/tmp/f', os.O_RDONLY), 0, 6))"""),
    ("pointer with a low half of zero", """at = low_zero(sa4('127.0.0.1', PORT))
note(sys_('sendto', sock(2, 2), b'stolen', 6, 0x4000, at, 16))
note(sys_('sendto', sock(2, 1), b'stolen', 6, 0x20004000, at, 16))
note(sys_('connect', sock(), at, 16))"""),
    ("DNS by hand", """q = b'\\x12\\x34\\x01\\0\\0\\x01\\0\\0\\0\\0\\0\\0\\x06stolen\\x07example\\0\\0\\x01\\0\\x01'
s = sock(2, 2)
note(sys_('sendto', s, q, len(q), 0x4000, sa4('127.0.0.1', PORT), 16))
connect(s, sa4('127.0.0.1', PORT))
note(sys_('sendto', s, q, len(q), 0x4000, 0, 0))
note(connect(sock(), sa4('127.0.0.1', PORT)))"""),
    ("Unix socket by path", "note(connect(sock(1, 1), sau(UNIX.encode() + b'\\0'))); note(connect(sock(1, 1), sau(UNIX.encode())))"),
    ("Unix socket by abstract name", "note(connect(sock(1, 1), sau(b'\\0' + ABSTRACT.encode())))"),
    ("Unix datagrams", """for kind in (2, 5):
    s = sock(1, kind)
    note(s)
    note(connect(s, sau(UNIX.encode() + b'.d\\0')))
    note(sys_('sendmsg', s, msg(sau(UNIX.encode() + b'.d\\0')), 0x4000))
pair = array.array('i', [0, 0])
note(sys_('socketpair', 1, 2, 0, pair.buffer_info()[0]))
assert sys_('socketpair', 1, 1, 0, pair.buffer_info()[0]) == 0
note(connect(pair[0], sau(UNIX.encode() + b'\\0')))
note(connect(pair[0], sau(UNIX.encode() + b'.d\\0')))
note(connect(pair[0], sa4('127.0.0.1', PORT)))
note(sys_('sendmsg', pair[0], msg(sau(UNIX.encode() + b'.d\\0')), 0x4000))"""),
    ("Unix socket bound by the job", "s = sock(1, 1); note(sys_('bind', s, sau(b'\\0mine'), 7)); note(sys_('bind', s, sau(b'/tmp/s\\0'), 9)); note(sys_('listen', s, 5))"),
    ("other kinds of sockets", """for family, kind, proto in ((16, 3, 0), (16, 3, 9), (16, 2, 15), (38, 5, 0), (40, 1, 0), (17, 3, 768), (17, 2, 768), (2, 3, 255), (2, 3, 1),
        (2, 2, 1), (10, 3, 58), (2, 1, 262), (10, 1, 262), (2, 1, 132), (2, 5, 132), (2, 2, 136), (2, 6, 33), (2, 10, 0), (44, 3, 0),
        (1, 2, 0), (1, 5, 0), (29, 3, 1), (31, 3, 1), (21, 5, 0), (43, 1, 0), (45, 2, 0), (-1, 1, 0), (2, 0x7fffffff, 0), (0, 1, 0)):
    s = sock(family, kind, proto)
    assert s < 0, (family, kind, proto)
    note(s)"""),
    ("being a server", """s = sock()
note(sys_('listen', s, 5))
for host, port in (('0.0.0.0', 7071), ('127.0.0.1', 7071), ('0.0.0.0', 0), ('127.0.0.1', 0), ('127.17.0.1', 0), ('10.0.0.1', 0), ('224.0.0.1', 0), ('255.255.255.255', 0)):
    note(sys_('bind', s, sa4(host, port), 16))
note(sys_('bind', s, sa4('127.0.0.1', 0), 8)); note(sys_('bind', s, b'\\1\\0/tmp/x', 8)); note(sys_('bind', s, bytes(16), 16))
t = sock(10)
for host, port in (('::', 0), ('::', 7071), ('::1', 7071), ('::ffff:127.0.0.1', 0), ('::ffff:0.0.0.0', 0), ('fe80::1', 0), ('ff02::1', 0), ('::2', 0)):
    note(sys_('bind', t, sa6(host, port), 28))
note(sys_('bind', t, sa4('127.0.0.1', 0), 16)); note(sys_('bind', s, sa6('::1', 0), 28)); note(sys_('bind', t, sa6('::1', 0), 24))
assert all(g in ('EPERM', 'EACCES') for g in got[1:]), got
assert sys_('bind', t, sa6('::1', 0), 28) == 0 # how libraries ask whether there is IPv6
note(sys_('listen', t, 5))
note(sys_('listen', s, 5))
note(sys_('accept', s, 0, 0)); note(sys_('accept4', s, 0, 0, 0))
assert connect(s, sa4('127.0.0.1', OPEN)) == 0 and connect(s, bytes(16)) in (0, -106)
note(sys_('listen', s, 5))
u = sock(2, 2)
note(sys_('bind', u, sa4('0.0.0.0', 53), 16))"""),
    ("options that lead elsewhere", """s = sock()
for level, option, value in ((1, 25, b'lo\\0'), (1, 36, b'\\1\\0\\0\\0'), (1, 26, bytes(16)), (1, 50, bytes(4)), (1, 51, bytes(16)), (1, 62, b'\\1\\0\\0\\0'),
        (0, 4, b'\\x83\\x07\\x04\\x7f\\0\\0\\1\\0'), (0, 19, b'\\1\\0\\0\\0'), (0, 15, b'\\1\\0\\0\\0'), (41, 1, b'\\2\\0\\0\\0'), (41, 57, bytes(24)), (41, 6, bytes(4)),
        (6, 31, b'tls\\0'), (6, 19, b'\\1\\0\\0\\0'), (6, 14, bytes(200)), (1, 16, b'\\1\\0\\0\\0'), (263, 1, bytes(4)), (282, 1, bytes(4)), (1, 60, b'\\1\\0\\0\\0')):
    ret = sys_('setsockopt', s, level, option, value, len(value))
    assert ret < 0, (level, option, ret)
    note(ret)"""),
    ("a socket through a socketpair", """a, b = socket.socketpair()
s = sock()
try:
    socket.send_fds(a, [b'x'], [s])
    t = socket.recv_fds(b, 1, 1)[1][0]
except OSError as e:
    t = s
note(connect(t, sa4('127.0.0.1', PORT)))"""),
    ("rings", "note(sys_('io_uring_setup', 8, bytes(120)))"),
    ("interfaces", "for request in (0x8915, 0x8933, 0x8912, 0x8916, 0x890b, 0x8946): note(sys_('ioctl', sock(), request, bytes(40)))"),
    ("twice", """s = sock(2, 1 | 0x800)
note(connect(s, sa4('127.0.0.1', PORT)))
connect(s, sa4('127.0.0.1', OPEN))
note(connect(s, sa4('127.0.0.1', PORT)))"""),
]


class Listeners:
    """On every address of the machine, and they never answer."""

    def __init__(self, folder):
        self.open = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.tcp = socket.socket(socket.AF_INET6)
        self.tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        self.tcp.bind(("::", 0))
        self.tcp.listen(512)
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.udp.bind(("::", self.port))
        self.path = os.path.join(folder, "listener")
        self.abstract = f"warder-test-{os.getpid()}"
        self.unix = [self.by_name(socket.SOCK_STREAM, self.path), self.by_name(socket.SOCK_DGRAM, self.path + ".d"),
                     self.by_name(socket.SOCK_STREAM, "\0" + self.abstract)]
        for s in (self.tcp, self.udp, self.open, *self.unix):
            s.setblocking(False)

    @staticmethod
    def by_name(kind, name):
        s = socket.socket(socket.AF_UNIX, kind)
        s.bind(name)
        if name[0] == "/":
            os.chmod(name, 0o777)
        if kind == socket.SOCK_STREAM:
            s.listen()
        return s

    def heard(self):
        """Which of the forbidden ones heard something."""
        names = []
        for s in (self.tcp, self.udp, *self.unix):
            try:
                while True:
                    s.recv(100) if s.type == socket.SOCK_DGRAM else s.accept()[0].close()
                    names.append(f"{s.family.name} {s.type.name}")
            except BlockingIOError:
                pass
        return sorted(set(names))

    def drain(self):
        """Accepts and drops what came to the granted port; how many."""
        n = 0
        try:
            while True:
                self.open.accept()[0].close()
                n += 1
        except BlockingIOError:
            return n

    def close(self):
        for s in (self.open, self.tcp, self.udp, *self.unix):
            s.close()


class Network(lab.AttackCase):
    prefix = ()

    @classmethod
    def setUpClass(cls):
        if not os.path.exists("/proc/net/if_inet6"):
            raise unittest.SkipTest("kernel feature IPv6")
        cls.own = lab.Lab(prefix=cls.prefix)
        cls.listeners = Listeners(cls.own.path("open"))

    @classmethod
    def tearDownClass(cls):
        cls.listeners.close()
        cls.own.close()

    def setUp(self):
        self.lab = self.own

    def values(self):
        ls = self.listeners
        return {"NRS": {n: lab.nr(n) for n in CALLS}, "PORT": ls.port, "OPEN": ls.open.getsockname()[1], "UNIX": ls.path,
                "ABSTRACT": ls.abstract}

    def go(self, code, **fields):
        fields.setdefault("grants", {"connect": [f"127.0.0.1:{self.listeners.open.getsockname()[1]}"]})
        values = self.values()
        head = "".join(f"{k} = {v!r}\n" for k, v in values.items())
        return self.attack(head + HEAD + code, **fields)

    def assertSilence(self, what):
        self.listeners.drain()
        self.assertEqual(self.listeners.heard(), [], f"{what}: forbidden listeners heard the job")

    def test_attacks(self):
        for what, code in ATTACKS:
            with self.subTest(what=what):
                told = self.told(self.go(code + "\ntell(got=[str(g) for g in got])\n"))
                self.assertSilence(what)
                self.assertTrue(told["got"], "nothing was tried")
                for got in told["got"]:
                    self.assertRegex(got, "^E", f"{what}: {told['got']}")

    def test_the_granted_port_works(self):
        told = self.told(self.go("""
s = sock()
tell(one=name(connect(s, sa4('127.0.0.1', OPEN))), two=name(connect(sock(10), sa6('::ffff:127.0.0.1', OPEN))),
     three=name(connect(sock(), sa4('0.0.0.0', OPEN))), four=name(connect(sock(), sa4('127.0.0.1', OPEN) + bytes(112))))
"""))
        self.assertEqual(told, {"one": 0, "two": 0, "three": 0, "four": 0})
        self.assertEqual(self.listeners.drain(), 4)

    def test_nothing_granted_is_nothing(self):
        told = self.told(self.go("tell(got=name(connect(sock(), sa4('127.0.0.1', OPEN))))", grants={}))
        self.assertRegex(str(told["got"]), "^E")
        self.assertEqual(self.listeners.drain(), 0)
        self.assertSilence("no grants")

    @unittest.skipIf(lab.OUTSIDE, "capability: no supervisor outside")
    def test_refusals_name_the_address(self):
        rows = [("connect(sock(), sa4('127.0.0.1', PORT))", "connect", f"127.0.0.1:{self.listeners.port}"),
                ("connect(sock(10), sa6('fe80::1', 80, 3))", "connect", "[fe80::1]:80"),
                ("connect(sock(1), sau(b'/run/docker.sock\\0'))", "connect", "unix:/run/docker.sock"),
                ("connect(sock(1), sau(b'\\0abs\\n'))", "connect", "unix:@abs\\x0a"),
                ("connect(sock(), sa4('1.2.3.4', 80, 40))", "connect", "family 40"),
                ("sys_('bind', sock(), sa4('0.0.0.0', 0), 16)", "bind", "0.0.0.0:0"),
                ("sys_('bind', sock(10), sa6('::1', 80), 28)", "bind", "[::1]:80"),
                ("sys_('bind', sock(1), sau(b'/tmp/s\\0'), 9)", "bind", "unix:/tmp/s"),
                ("sys_('sendto', sock(2, 2), b'x', 1, 0, sa4('9.9.9.9', 53), 16)", "sendto", "9.9.9.9:53"),
                ("sock(17, 3)", "socket", None), ("sock(2, 3, 1)", "socket", None), ("sock(2, 1, 262)", "socket", None)]
        for code, call, address in rows:
            with self.subTest(code=code):
                r = self.go(code)
                told = [(v["syscall"], v["address"], v["verdict"]) for v in r["violations"]]
                self.assertEqual(told, [(call, address, "refused")], lab.brief(r))
                self.assertTrue(r["violations"][0]["rule"])
                wanted = f'grants.connect: ["{address}"]' if call == "connect" and "unix" not in address and "family" not in address else "nothing can grant it"
                if call != "sendto":  # refused by the policy: a matter of its `sockets`
                    self.assertEqual(r["violations"][0]["hint"], wanted, lab.brief(r))

    @unittest.skipIf(lab.OUTSIDE, "capability: no supervisor outside")
    def test_odd_spellings_are_no_grants(self):
        for text in ("127.1:80", "0177.0.0.1:80", "2130706433:80", "0x7f000001:80", "127.0.0.1:0x50", "[::ffff:127.0.0.1%1]:80", "127.0.0.1:80/24",
                     "127.0.0.01", "0.0.0.0:80", "localhost\u3002:80", "127。0。0。1", "a@127.0.0.1:80", "127.0.0.1:80 ", ""):
            with self.subTest(text=text), self.assertRaises(support.RpcError) as caught:
                self.go("pass", grants={"connect": [text]})
            self.assertEqual(caught.exception.code, "bad_request")

    def race(self, code, ms=MS):
        told = self.told(self.go("""
class Counts(ctypes.Structure):
    _fields_ = [("connected", ctypes.c_uint64), ("refused", ctypes.c_uint64), ("wrong", ctypes.c_uint64), ("errno", ctypes.c_int64)]
c = Counts()
MS = %d
end = time.monotonic() + 5
while len(os.sched_getaffinity(0)) < %d and time.monotonic() < end:
    for _ in range(10000):
        pass
%s
tell(ret=ret, connected=c.connected, refused=c.refused, wrong=c.wrong, errno=c.errno)
""" % (ms, min(2, len(os.sched_getaffinity(0))), code), limits={"wall_ms": ms + 20000}))
        self.assertEqual((told["ret"], told["wrong"]), (0, 0), told)
        self.assertGreater(told["connected"], 0, told)
        self.assertGreater(told["refused"], 0, told)
        return told

    def test_two_threads_flip_the_address(self):
        import threading
        over = threading.Event()

        def serve():  # the granted port must not fill up
            while not over.is_set():
                self.listeners.drain()
                over.wait(0.002)
        t = threading.Thread(target=serve)
        t.start()
        try:
            self.race("ret = so('net').race_address(OPEN, PORT, MS, ctypes.byref(c))")
        finally:
            over.set()
            t.join()
        self.assertSilence("race of addresses")

    def test_the_descriptor_becomes_another(self):
        self.race("ret = so('net').race_descriptor(PORT, MS // 2, ctypes.byref(c))")
        self.assertSilence("race of descriptors")

    @unittest.skipIf(lab.OUTSIDE, "capability: no supervisor outside")
    def test_the_supervisor_never_sleeps_in_a_connect(self):
        import threading
        import time
        with socket.create_server(("127.0.0.1", 0), backlog=0) as hole, contextlib.ExitStack() as fill:
            port = hole.getsockname()[1]
            for _ in range(3):
                s = fill.enter_context(socket.socket())
                s.setblocking(False)
                s.connect_ex(("127.0.0.1", port))
            got = []
            t = threading.Thread(target=lambda: got.append(self.go(
                f"os._exit(so('net').race_blocking({port}, {MS}))", grants={"connect": [f"127.0.0.1:{port}"]}, limits={"wall_ms": MS + 20000})))
            t.start()
            worst = 0
            while t.is_alive():
                begun = time.monotonic()
                self.assertEqual(self.go("pass")["outcome"], "exited")
                worst = max(worst, time.monotonic() - begun)
            t.join()
        self.assertLess(worst, 10, "another job waited for the supervisor")
        if got[0]["outcome"] != "exited":
            self.assertEqual(got[0]["outcome"], "error", lab.brief(got[0]))
            self.assertIn("changed sockets", got[0]["error"])


@unittest.skipIf(lab.OUTSIDE, "capability: no supervisor outside")
class OutOfReach(Network):
    """The same where the kernel refuses pidfd_getfd, as in plain Docker."""
    prefix = (os.path.join(support.BUILD, "tests", "failcall"), "pidfd_getfd", "EPERM", "--")
