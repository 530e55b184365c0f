"""Ordinary clients against real servers: the same stdout as outside, and no violation."""
import json
import os
import unittest

import network_lab
import support
from network_lab import GRANTED

FOLDER = os.path.join(support.ROOT, "tests", "e2e", "clients")


def client(name):
    with open(os.path.join(FOLDER, name + ".py"), encoding="utf-8") as f:
        return f.read()


class NetworkCase(unittest.TestCase):
    maxDiff = 6000

    def outside(self, code, *args, env=None):
        done = support.Outside(code, [str(a) for a in args], env=env)
        self.assertEqual(done.status, 0, done.stderr.decode())
        return done.stdout.decode()

    def inside(self, code, *args, **fields):
        r = self.lab.run(code, *args, **fields)
        self.assertEqual((r["outcome"], r["exit_code"]), ("exited", 0),
                         f"{r['error']} {r['limit']} {r['violations']}\n{r['stderr'].decode()}")
        return r

    def compare(self, name, *args, **fields):
        code = client(name)
        want = self.outside(code, *args)
        r = self.inside(code, *args, **fields)
        self.assertEqual(r["stdout"].decode(), want)
        self.assertEqual(r["violations"], [])

    def tell(self, code, *args, **fields):
        """What the job told with its last line, and its violations."""
        r = self.inside(code, *args, **fields)
        return json.loads(r["stdout"].splitlines()[-1]), r["violations"]


class Clients(NetworkCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = network_lab.Lab(more_policies={"udp": network_lab.UDP_POLICY})
        cls.addClassCleanup(cls.lab.close)

    def test_http_client(self):
        self.compare("http_client", GRANTED, self.lab.http.port)

    def test_urllib(self):
        self.compare("urllib_request", GRANTED, self.lab.http.port)

    def test_requests(self):
        self.compare("requests_session", GRANTED, self.lab.http.port)

    def test_httpx(self):
        self.compare("httpx_client", GRANTED, self.lab.http.port)

    def test_aiohttp(self):
        self.compare("aiohttp_session", GRANTED, self.lab.http.port)

    def test_tls_with_a_granted_authority(self):
        self.compare("tls", GRANTED, self.lab.https.port, os.path.join(self.lab.dir, "ca.pem"))

    def test_udp(self):
        self.compare("udp", GRANTED, self.lab.udp.port, policy="udp")

    def test_streams_and_datagrams_under_one_policy(self):
        self.compare("sockets", GRANTED, self.lab.echo.port, policy="udp")

    def test_asyncio_streams(self):
        self.compare("streams", GRANTED, self.lab.echo.port)

    def test_sockets(self):
        self.compare("sockets", GRANTED, self.lab.echo.port)

    def test_dead_hosts(self):
        hole = network_lab.BlackHole(GRANTED)
        self.addCleanup(hole.close)
        self.compare("dead_hosts", GRANTED, network_lab.free_port(), hole.port)

    def test_redis(self):
        if not network_lab.find("redis-check-rdb"):
            self.skipTest("missing: redis-check-rdb")
        server = network_lab.redis(GRANTED)
        self.addCleanup(server.close)
        self.compare("redis_client", GRANTED, server.port)

    def test_smtp(self):
        servers = network_lab.AsyncServers()
        self.addCleanup(servers.close)
        port, letters = servers.smtp(GRANTED)
        self.compare("smtp", GRANTED, port)
        self.assertEqual([a[:2] for a in letters[:2]], [a[:2] for a in letters[2:]])

    def test_websockets(self):
        servers = network_lab.AsyncServers()
        self.addCleanup(servers.close)
        self.compare("websocket", GRANTED, servers.websocket(GRANTED))


if __name__ == "__main__":
    unittest.main()
