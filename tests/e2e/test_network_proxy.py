"""The operator's proxies: variables for both letter cases, one way out, and no direct one."""
import os
import unittest

import network_lab
import support
from network_lab import FORBIDDEN, GRANTED
from test_network import NetworkCase, client

PROXY = "127.19.0.1"  # not granted by any policy: the operator's configuration is enough
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

TALK = '''
import json, socket, sys
def talk(host, port):
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return "connected"
    except OSError as e:
        return type(e).__name__
print(json.dumps([talk(*a.rsplit(":", 1)) for a in sys.argv[1:]]))
'''
# One connection a request: tinyproxy closes after each without saying so, and a session that reuses one may meet that
ONE_BY_ONE = '''
import asyncio, sys, urllib.request
import aiohttp, httpx, requests
base = sys.argv[1]
print(urllib.request.urlopen(base + "/urllib").read())
print(requests.get(base + "/requests").text, requests.post(base + "/requests", data=b"x" * 50000).text)
print(len(requests.get(base + "/big").content), requests.get(base + "/status/404").status_code)
print(httpx.get(base + "/httpx").text)
async def main():
    async with aiohttp.ClientSession(trust_env=True) as s, s.get(base + "/aiohttp") as r:
        print(await r.text())
asyncio.run(main())
'''
ENVIRONMENT = '''
import json, os
print(json.dumps({k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}))
'''

RAW_ENVIRONMENT = '''
import ctypes, itertools, json
of_libc = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
print(json.dumps([v.decode() for v in itertools.takewhile(bool, (of_libc[i] for i in itertools.count()))]))
'''


class Http(NetworkCase):
    @classmethod
    def setUpClass(cls):
        if not network_lab.find("tinyproxy"):
            raise unittest.SkipTest("missing: tinyproxy")
        cls.lab = network_lab.Lab.__new__(network_lab.Lab)
        cls.lab.open()
        cls.addClassCleanup(cls.lab.close)
        cls.lab.start_servers()
        allowed = os.path.join(cls.lab.dir, "allowed")
        with open(allowed, "w") as f:
            f.write("^127\\.17\\.0\\.1$\n")
        cls.proxy = cls.lab.keep("proxy", network_lab.tinyproxy(
            cls.lab.dir, PROXY, f"ConnectPort {cls.lab.https.port}", f'Filter "{allowed}"', "FilterExtended On", "FilterDefaultDeny Yes"))
        cls.url = f"http://{PROXY}:{cls.proxy.port}"
        cls.lab.write_policies([f"{GRANTED}/32", "*.example.com:443", f"{FORBIDDEN}:{cls.lab.forbidden.port}"])
        cls.lab.start(f"proxy: {{http: \"{cls.url}\", https: \"{PROXY}:{cls.proxy.port}\", no_proxy: [{FORBIDDEN}, .internal]}}\n")
        cls.env = {k: v for name, v in (("HTTP_PROXY", cls.url), ("HTTPS_PROXY", cls.url), ("NO_PROXY", f"{FORBIDDEN},.internal"))
                   for k in (name, name.lower())}

    def setUp(self):
        del self.lab.http.seen[:], self.lab.https.seen[:], self.lab.forbidden.peers[:]

    def assertAllCameThroughTheProxy(self):
        self.assertTrue(self.lab.http.seen)
        self.assertEqual([s for s in self.lab.http.seen if not s[1] or "tinyproxy" not in s[1]], [])

    def test_variables(self):
        told, _ = self.tell(ENVIRONMENT)
        self.assertEqual(told, self.env)

    def test_a_job_without_grants_has_neither_variables_nor_a_way(self):
        told, _ = self.tell(ENVIRONMENT, policy="python3")
        self.assertEqual(told, {})
        told, violations = self.tell(TALK, f"{PROXY}:{self.proxy.port}", policy="python3")
        self.assertEqual(told, ["PermissionError"])
        self.assertEqual([v["address"] for v in violations], [f"{PROXY}:{self.proxy.port}"])

    def test_callers_may_set_their_own(self):
        told, _ = self.tell(ENVIRONMENT, env={"HTTP_PROXY": "http://other:1"})
        self.assertEqual(told, dict(self.env, HTTP_PROXY="http://other:1"))
        # not beside the proxy's own, which getenv(3) could find first
        told, _ = self.tell(RAW_ENVIRONMENT, env={"HTTP_PROXY": "http://other:1"})
        self.assertEqual([v for v in told if v.startswith("HTTP_PROXY=")], ["HTTP_PROXY=http://other:1"])

    def test_clients(self):
        base = f"http://{GRANTED}:{self.lab.http.port}"
        want = self.outside(ONE_BY_ONE, base, env=self.env)
        r = self.inside(ONE_BY_ONE, base)
        self.assertEqual(r["stdout"].decode(), want)
        self.assertEqual(r["violations"], [])
        self.assertAllCameThroughTheProxy()

    def test_tls_in_a_tunnel(self):
        code = ("import requests, sys\nr = requests.get(sys.argv[1], verify=sys.argv[2])\nprint(r.status_code, r.text)\n")
        args = f"https://{GRANTED}:{self.lab.https.port}/t", os.path.join(self.lab.dir, "ca.pem")
        want = self.outside(code, *args, env=self.env)
        r = self.inside(code, *args)
        self.assertEqual(r["stdout"].decode(), want)
        self.assertEqual(len(self.lab.https.seen), 2)

    def test_the_proxy_has_the_last_word(self):
        code = ("import sys, urllib.request, urllib.error\n"
                "try: urllib.request.urlopen(sys.argv[1])\nexcept urllib.error.HTTPError as e: print(e.code)\n")
        r = self.inside(code, f"http://127.20.0.1:{self.lab.http.port}/")
        self.assertEqual(r["stdout"], b"403\n")

    def test_the_direct_route_is_closed(self):
        told, violations = self.tell(TALK, f"{GRANTED}:{self.lab.http.port}", f"{PROXY}:{self.proxy.port}", f"{PROXY}:1",
                                     f"127.0.0.1:{self.lab.http.port}")
        self.assertEqual(told, ["PermissionError", "connected", "PermissionError", "PermissionError"])
        self.assertEqual([v["address"] for v in violations],
                         [f"{GRANTED}:{self.lab.http.port}", f"{PROXY}:1", f"127.0.0.1:{self.lab.http.port}"])
        self.assertIn("only through the proxy", violations[0]["rule"])

    def test_no_proxy_is_direct_where_it_is_granted(self):
        told, _ = self.tell(TALK, f"{FORBIDDEN}:{self.lab.forbidden.port}", f"{FORBIDDEN}:1")
        self.assertEqual(told, ["connected", "PermissionError"])
        support.eventually(lambda: len(self.lab.forbidden.peers) == 1)


class Socks(NetworkCase):
    @classmethod
    def setUpClass(cls):
        if not network_lab.find("microsocks"):
            raise unittest.SkipTest("missing: microsocks")
        cls.lab = network_lab.Lab.__new__(network_lab.Lab)
        cls.lab.open()
        cls.addClassCleanup(cls.lab.close)
        cls.lab.start_servers()
        cls.proxy = cls.lab.keep("proxy", network_lab.microsocks(PROXY))
        cls.lab.write_policies([f"{GRANTED}/32"])
        cls.lab.start(f"proxy: {{socks5: \"{PROXY}:{cls.proxy.port}\"}}\n")
        cls.env = {k: f"socks5h://{PROXY}:{cls.proxy.port}" for k in ("ALL_PROXY", "all_proxy")}

    def test_variables(self):
        told, _ = self.tell(ENVIRONMENT)
        self.assertEqual(told, self.env)

    def test_requests(self):
        code = client("requests_session")
        want = self.outside(code, GRANTED, self.lab.http.port, env=self.env)
        r = self.inside(code, GRANTED, self.lab.http.port)
        self.assertEqual(r["stdout"].decode(), want)
        self.assertEqual(r["violations"], [])

    def test_by_hand(self):
        code = ("import os, socks, sys\n"
                "host, port = os.environ['ALL_PROXY'].rpartition('/')[2].split(':')\n"
                "s = socks.socksocket()\ns.set_proxy(socks.SOCKS5, host, int(port))\n"
                "s.connect((sys.argv[1], int(sys.argv[2])))\ns.sendall(b'x')\nprint(s.recv(1))\n")
        r = self.inside(code, GRANTED, self.lab.echo.port)
        self.assertEqual(r["stdout"], b"b'x'\n")

    def test_the_direct_route_is_closed(self):
        told, _ = self.tell(TALK, f"{GRANTED}:{self.lab.http.port}")
        self.assertEqual(told, ["PermissionError"])


if __name__ == "__main__":
    unittest.main()
