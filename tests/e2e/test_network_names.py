"""Granted host names: resolved by the worker, found by the job's own libc, held to their first answer."""
import json
import os
import select
import time
import unittest

import namespace
import network_lab
import support
from namespace import DNS, METADATA, OTHER, PRIVATE, PUBLIC, PUBLIC6
from test_network import NetworkCase

LOOK = '''
import json, socket, sys
def look(name):
    try:
        return sorted({a[4][0] for a in socket.getaddrinfo(name, None)})
    except socket.gaierror as e:
        return e.args[0]
print(json.dumps({n: look(n) for n in sys.argv[1:]}))
'''
NONAME = -2


class Loopback(NetworkCase):
    """What needs no name server: localhost is a name like others, and a loopback address like others."""

    @classmethod
    def setUpClass(cls):
        cls.lab = network_lab.Lab(network=["localhost", "127.0.0.0/8", "[::1]"], servers=False)
        cls.addClassCleanup(cls.lab.close)
        cls.lab.write_policy("closed", ["localhost"])

    def test_a_job_without_network_has_its_localhost_and_no_more(self):
        told, violations = self.tell(LOOK, "localhost", "example.com", "127.0.0.1", policy="python3")
        self.assertEqual(told["example.com"], NONAME)
        self.assertIn("127.0.0.1", told["localhost"])
        self.assertEqual(told["127.0.0.1"], ["127.0.0.1"])
        self.assertEqual(violations, [])

    def test_localhost_with_its_range(self):
        echo = network_lab.Echo("127.0.0.1")
        self.addCleanup(echo.close)
        r = self.inside("import socket, sys\n"
                        "s = socket.create_connection(('localhost', int(sys.argv[1])))\n"
                        "s.send(b'x'); print(s.recv(1))", echo.port)
        self.assertEqual(r["stdout"], b"b'x'\n")
        self.assertEqual(r["violations"], [])

    def test_reverse_names_and_services(self):
        r = self.inside("import socket\n"
                        "print(socket.gethostbyname('localhost'), socket.gethostbyaddr('127.0.0.1')[0])\n"
                        "print(socket.getnameinfo(('192.0.2.1', 1), 0)[0])")
        self.assertEqual(r["stdout"], b"127.0.0.1 localhost\n192.0.2.1\n")


class Names(NetworkCase):
    @classmethod
    def setUpClass(cls):
        why = namespace.why_not()
        if why:
            raise unittest.SkipTest(why)
        cls.lab = network_lab.Lab.__new__(network_lab.Lab)
        cls.lab.open()
        cls.addClassCleanup(cls.lab.close)
        cls.space = cls.lab.keep("space", namespace.Namespace(cls.lab.dir))
        with cls.space.inside():
            cls.dns = cls.lab.keep("dns", namespace.Dns())
            cls.echo = cls.lab.keep("echo", network_lab.Echo(PUBLIC))
            cls.other = cls.lab.keep("other", network_lab.Echo(OTHER, cls.echo.port))
            cls.meta = cls.lab.keep("meta", network_lab.Echo(METADATA, cls.echo.port))
            cls.private = cls.lab.keep("private", network_lab.Echo(PRIVATE, cls.echo.port))
        cls.lab.write_policies()
        cls.lab.start(prefix=cls.space.prefix)

    def setUp(self):
        """Each test has names of its own, so that nobody remembers them."""
        self.www = f"www.{self._testMethodName.replace('_', '-')[:60]}.test"
        self.dns.names.clear()
        self.dns.names[self.www] = [PUBLIC]
        self.dns.delay = 0
        del self.dns.asked[:]

    def inside(self, code, *args, **fields):
        return super().inside(code.replace("WWW", self.www), *args, **fields)

    def policy(self, *network):
        """A supervisor reads its policies once, so jobs bring the grants themselves; root's are bound by the floor alone."""
        return {"grants": {"connect": list(network)}}

    def look(self, names, *network):
        return self.tell(LOOK, *names, **self.policy(*network))

    def test_granted_names_and_no_others(self):
        self.dns.names.update({"a.lab.test": [PUBLIC, OTHER], "six.lab.test": [PUBLIC6], "both.lab.test": [PUBLIC6, PUBLIC],
                               "not-granted.lab.test": [PUBLIC]})
        told, violations = self.look(["a.lab.test", "six.lab.test", "both.lab.test", "not-granted.lab.test", "A.Lab.TEST"],
                                     "a.lab.test:80", "six.lab.test:1-100", "both.lab.test")
        self.assertEqual(told, {"a.lab.test": [PUBLIC, OTHER], "six.lab.test": [PUBLIC6], "both.lab.test": [PUBLIC6, PUBLIC][::-1]
                                if PUBLIC < PUBLIC6 else [PUBLIC6, PUBLIC], "not-granted.lab.test": NONAME, "A.Lab.TEST": [PUBLIC, OTHER]})
        self.assertEqual(violations, [])
        self.assertNotIn("not-granted.lab.test", self.dns.asked)

    def test_a_job_that_does_not_look_asks_nobody(self):
        self.inside("import os; os.listdir('/tmp')", **self.policy(self.www))
        self.assertEqual(self.dns.asked, [])

    def test_a_name_is_as_good_as_its_addresses(self):
        code = '''
import json, socket, sys
def talk(host, port):
    try:
        with socket.create_connection((host, int(port)), timeout=5) as s:
            s.sendall(b"x")
            return s.recv(1).decode()
    except OSError as e:
        return type(e).__name__
print(json.dumps([talk(*a.rsplit(":", 1)) for a in sys.argv[1:]]))
'''
        told, violations = self.tell(code, f"{self.www}:{self.echo.port}", f"{PUBLIC}:{self.echo.port}", f"{OTHER}:{self.echo.port}",
                                     **self.policy(f"{self.www}:{self.echo.port}"))
        self.assertEqual(told, ["x", "x", "PermissionError"])
        self.assertEqual([v["address"] for v in violations], [f"{OTHER}:{self.echo.port}"])

    def test_an_address_of_a_name_can_come_first(self):
        """A connect by address waits for the names that could grant it."""
        code = "import socket, sys\ns = socket.create_connection((sys.argv[1], int(sys.argv[2])))\nprint(s.getpeername()[0])"
        r = self.inside(code, PUBLIC, self.echo.port, **self.policy(self.www))
        self.assertEqual(r["stdout"].decode().strip(), PUBLIC)
        self.assertEqual(r["violations"], [])

    def test_aliases_and_many_addresses(self):
        self.dns.names.update({"alias.lab.test": ["two.lab.test", "three.lab.test", PUBLIC],
                               "many.lab.test": [f"93.184.217.{i}" for i in range(28)]})
        told, _ = self.look(["alias.lab.test", "many.lab.test"], "alias.lab.test", "many.lab.test")
        self.assertEqual((told["alias.lab.test"], len(told["many.lab.test"])), ([PUBLIC], 28))

    def test_failures_are_told(self):
        self.dns.names["bad.lab.test"] = "refuse"
        told, violations = self.look([self.www, "unknown.lab.test", "bad.lab.test"], self.www, "unknown.lab.test", "bad.lab.test")
        self.assertEqual(told, {self.www: [PUBLIC], "unknown.lab.test": NONAME, "bad.lab.test": NONAME})
        self.assertEqual([(v["verdict"], v["address"], v["errno"]) for v in violations],
                         [("hidden", "unknown.lab.test", "ENOENT"), ("hidden", "bad.lab.test", "ENOENT")])
        self.assertIn("not resolved: Domain name not found", violations[0]["rule"])
        self.assertIn("name_not_resolved name=unknown.lab.test", self.lab.supervisor.log())

    def test_dnsmasq_answers_as_well(self):
        if not network_lab.find("dnsmasq"):
            self.skipTest("missing: dnsmasq")
        with self.space.inside():
            server = network_lab.Program(
                [network_lab.find("dnsmasq"), "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--bind-interfaces",
                 "--listen-address=127.0.0.54", "--user=root", "--pid-file=", f"--host-record=real.lab.test,{PUBLIC},{PUBLIC6}",
                 "--cname=nick.lab.test,real.lab.test"], "127.0.0.54", 53)
        try:
            with open(os.path.join(self.lab.dir, "resolv.conf"), "w") as f:
                f.write("nameserver 127.0.0.54\n")
            told, violations = self.look(["real.lab.test", "nick.lab.test"], "real.lab.test", "nick.lab.test")
        finally:
            with open(os.path.join(self.lab.dir, "resolv.conf"), "w") as f:
                f.write(f"nameserver {DNS}\n")
            server.close()
        self.assertEqual(set(told["real.lab.test"]), {PUBLIC, PUBLIC6})
        self.assertEqual(set(told["nick.lab.test"]), {PUBLIC, PUBLIC6})
        self.assertEqual(violations, [])

    def test_a_slow_server_holds_up_only_who_asks(self):
        self.dns.delay = 3
        with self.lab.supervisor.client() as slow, self.lab.supervisor.client() as quick:
            waiting = slow.start(LOOK, args=[self.www], policy="net", **self.policy(self.www))
            support.eventually(lambda: self.www in self.dns.asked)
            for _ in range(5):
                self.assertEqual(quick.run("print(open('/etc/hosts').read().count('localhost'))")["stdout"], b"2\n")
            self.assertEqual(select.select([slow.sock], [], [], 0)[0], [], "the slow one was first")
            self.assertEqual(json.loads(slow.wait(waiting)["stdout"]), {self.www: [PUBLIC]})

    def test_many_wait_for_one_question(self):
        self.dns.delay = 0.3
        with self.lab.supervisor.client() as c:
            ids = [c.start(LOOK, args=[self.www], policy="net", **self.policy(self.www)) for _ in range(8)]
            for i in ids:
                self.assertEqual(json.loads(c.wait(i)["stdout"]), {self.www: [PUBLIC]})
        workers = self.lab.supervisor.is_ready()["workers"]
        self.assertLessEqual(self.dns.asked.count(self.www), 2 * workers)  # A and AAAA, once in each worker

    def test_threads_wait_together(self):
        self.dns.delay = 0.2
        code = '''
import json, socket, threading
got = []
def look():
    got.append(socket.gethostbyname("WWW"))
ts = [threading.Thread(target=look) for _ in range(8)]
[t.start() for t in ts]
[t.join() for t in ts]
print(json.dumps(got))
'''
        told, _ = self.tell(code, **self.policy(self.www))
        self.assertEqual(told, [PUBLIC] * 8)

    def test_cancelled_while_it_waits(self):
        self.dns.names["silent.lab.test"] = "silent"
        with self.lab.supervisor.client() as c:
            i = c.start(LOOK, args=["x"], job="waits", policy="net", **self.policy("silent.lab.test"))
            support.eventually(lambda: "silent.lab.test" in self.dns.asked)
            start = time.monotonic()
            self.assertEqual(c.rpc("cancel", job="waits"), {"cancelled": True})
            self.assertEqual(c.wait(i)["outcome"], "cancelled")
            self.assertLess(time.monotonic() - start, 4)
        told, _ = self.look([self.www], self.www)
        self.assertEqual(told, {self.www: [PUBLIC]})

    def test_a_silent_server_is_not_waited_for_for_ever(self):
        self.dns.names["mute.lab.test"] = "silent"
        code = '''
import json, socket, time
def look(name):
    start = time.monotonic()
    try:
        return socket.gethostbyname(name), time.monotonic() - start
    except socket.gaierror as e:
        return e.args[0], time.monotonic() - start
print(json.dumps([look("WWW"), look("mute.lab.test"), look("WWW")]))
'''
        told, violations = self.tell(code, **self.policy(self.www, "mute.lab.test"))
        self.assertEqual([t[0] for t in told], [PUBLIC, NONAME, PUBLIC])
        self.assertTrue(5 <= told[0][1] < 9 and told[1][1] < 4 and told[2][1] < 4, told)  # waited for once
        self.assertEqual([(v["verdict"], v["address"]) for v in violations], [("hidden", "mute.lab.test")])
        self.assertIn("not resolved in time", violations[0]["rule"])

    # --- what a name must not lead to ---------------------------------------------------------------------------

    def test_special_addresses_need_a_range_of_their_own(self):
        self.dns.names["evil.lab.test"] = [METADATA, PRIVATE, "127.0.0.1", "0.0.0.0", "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", PUBLIC]
        told, violations = self.look(["evil.lab.test"], "evil.lab.test")
        self.assertEqual(told, {"evil.lab.test": [PUBLIC]})
        self.assertEqual([(v["verdict"], v["address"]) for v in violations], [("hidden", "evil.lab.test")])
        self.assertIn("a range of its own", violations[0]["rule"])
        told, _ = self.look(["evil.lab.test"], "evil.lab.test", "10.77.0.0/24:80")
        self.assertEqual(told, {"evil.lab.test": [PRIVATE, PUBLIC]})

    def test_a_private_name_with_its_range(self):
        self.dns.names["db.lab.test"] = [PRIVATE]
        code = "import socket, sys\ns = socket.create_connection(('db.lab.test', int(sys.argv[1])))\nprint(s.getpeername()[0])"
        r = self.inside(code, self.echo.port, **self.policy("db.lab.test", f"{PRIVATE}:{self.echo.port}"))
        self.assertEqual(r["stdout"].decode().strip(), PRIVATE)
        self.assertEqual(r["violations"], [])

    def test_rebinding(self):
        """First public, then the metadata service, the loopback and somebody else: a job is held to what it had first."""
        del self.meta.peers[:], self.other.peers[:]
        code = '''
import json, socket, sys, time
port = int(sys.argv[1])
def look():
    return sorted({a[4][0] for a in socket.getaddrinfo("WWW", port)})
def talk(host):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return "connected"
    except OSError as e:
        return type(e).__name__
first = look()
print("first", flush=True)
sys.stdin.read()
end = time.monotonic() + 1.5
while time.monotonic() < end:
    time.sleep(0.1)
print(json.dumps([first, look(), talk("WWW"), [talk(h) for h in sys.argv[2:]]]))
'''
        fields = dict(args=[str(self.echo.port), METADATA, OTHER, "127.0.0.1"], policy="net", **self.policy(self.www))
        with self.lab.supervisor.client() as c:
            i = c.start(code.replace("WWW", self.www), stream=True, **fields)
            c.wait_output(b"first\n")
            self.dns.names[self.www] = [METADATA, "127.0.0.1", OTHER]
            r = c.wait(i)
        told = json.loads(r["stdout"].splitlines()[-1])
        self.assertEqual(told, [[PUBLIC], [PUBLIC], "connected", ["PermissionError"] * 3])
        self.assertEqual((self.meta.peers, self.other.peers), ([], []))
        told, _ = self.look([self.www], self.www)  # another job has another answer, but nothing special of it
        self.assertEqual(told, {self.www: [OTHER]})

    def test_no_dns_by_hand(self):
        code = '''
import json, socket, struct, sys
question = struct.pack(">HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\\x06secret\\x03lab\\x04test\\0\\0\\1\\0\\1"
def attempt(call):
    try:
        return repr(call())
    except OSError as e:
        return type(e).__name__
def datagram(host):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.sendto(question, (host, 53))
    return s.recv(100)
def connected(host):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect((host, 53))
    s.send(question)
    return s.recv(100)
def stream(host):
    return socket.create_connection((host, 53), timeout=1)
print(json.dumps([attempt(lambda: f(h)) for f in (datagram, connected, stream) for h in sys.argv[1:]]))
'''
        told, violations = self.tell(code, DNS, "8.8.8.8", **self.policy(self.www))
        self.assertNotIn("b'", "".join(told))
        self.assertEqual(set(told) - {"PermissionError", "BrokenPipeError", "ConnectionRefusedError"}, set(), told)
        self.assertNotIn("secret.lab.test", self.dns.asked)
        self.assertTrue(violations)

    def test_odd_names_are_no_grants(self):
        for name in ("a\0.lab.test", "a b.test", "ä.test", "-a.test", "a..test", "." * 3, "a" * 64 + ".test", "a.0x7f", "2130706433", "0177.0.0.1",
                     "127.1", "a.b*.test", "*.*.test", "a.test\n127.0.0.1 b.test", "a.test #", ""):
            with self.assertRaises(support.RpcError, msg=repr(name)) as caught:
                self.lab.run("pass", **self.policy(name + ":80"))
            self.assertEqual(caught.exception.code, "bad_request", name)
        self.assertEqual(self.dns.asked, [])

    def test_more_names_than_are_resolved(self):
        names = [f"n{i}.lab.test" for i in range(1024)]
        self.dns.names.update({n: [PUBLIC] for n in names})
        told, violations = self.look([names[0], names[100], names[1000]], *names)
        self.assertEqual(told, {names[0]: [PUBLIC], names[100]: [PUBLIC], names[1000]: NONAME})
        self.assertLessEqual(len(set(self.dns.asked)), 128)
        self.assertIn("more host names", violations[-1]["rule"])


if __name__ == "__main__":
    unittest.main()
